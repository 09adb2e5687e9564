"""Signed notes, checkpoints and cosignatures: one spelling each, the specifications' examples, and who counts."""

import re
from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.tlog import notes
from keys.tlog.merkle import EMPTY
from keys.tlog.notes import BadNote, Checkpoint, HeldNoteKey, HeldWitnessKey, Note, Signature, VerifierKey

# c2sp.org/signed-note, "Example".
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
""".encode()
# c2sp.org/signed-note, whose text has an empty line.
QUASIMODO = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore \
NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
""".encode()
# c2sp.org/tlog-cosignature.
COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 \
jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
""".encode()

NAME = "registry.example/log"
LOG = HeldNoteKey(NAME, Ed25519PrivateKey.from_private_bytes(bytes(32)))
ED = HeldWitnessKey("witness.example/w1", Ed25519PrivateKey.from_private_bytes(b"\1" * 32))
PQ = HeldWitnessKey("witness.example/w2", MLDSA44PrivateKey.from_seed_bytes(b"\2" * 32))
ROOT = sha256(b"root").digest()
HEAD = Checkpoint(NAME, 1234, ROOT)
AT = 1_679_315_147
WHOLE = str(notes.signed(HEAD, (LOG, ED, PQ), AT)).encode()


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def spelled(name: str = NAME, kind: int = 1, public: bytes = LOG.key.public) -> str:
    """A verifier key as signed-note says."""
    key_id = sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]
    return f"{name}+{key_id.hex()}+{b64(bytes([kind]) + public)}"


def test_the_example_of_a_note_verifies():
    key, note = notes.read_key(EXAMPLE_KEY), notes.read_note(EXAMPLE)
    assert notes.verified(note, key) == note.signatures[0]
    assert (str(key), str(note).encode()) == (EXAMPLE_KEY, EXAMPLE)
    with pytest.raises(BadNote, match=r"the signature of example\.com/foo on this checkpoint does not verify"):
        notes.verified(Note("Another message.\n", note.signatures), key)


def test_a_log_s_key_is_written_as_go_writes_it():
    """The example of golang.org/x/mod/sumdb/note, and its verifier key."""
    private = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz\n"
    held = notes.read_held(private)
    assert str(held.key) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert held.written == private


def test_a_text_may_have_empty_lines():
    note = notes.read_note(QUASIMODO)
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert [each.name for each in note.signatures] == ["quasimodo.example/salvatore"]
    assert str(note).encode() == QUASIMODO


def test_the_example_of_a_cosigned_checkpoint_is_read():
    note = notes.read_note(COSIGNED)
    head = notes.read_checkpoint(note.text)
    root = b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert head == Checkpoint("example.com/behind-the-sofa", 20_852_163, root)
    assert [(each.name, each.id.hex(), len(each.data)) for each in note.signatures] == [
        ("example.com/behind-the-sofa", "033de0ae", 64),
        ("witness.example.com/w1", "8d66cf3f", 72),
    ]
    assert int.from_bytes(note.signatures[1].data[:8], "big") == 1_679_315_147  # "time 1679315147"
    assert (str(note).encode(), head.text) == (COSIGNED, note.text)


@pytest.mark.parametrize("key", [LOG.key, ED.key, PQ.key])
def test_a_key_is_spelled_as_it_is_read(key):
    assert str(key) == spelled(key.name, key.kind, key.public)
    assert notes.read_key(str(key)) == key
    assert {LOG.key.kind: 32, ED.key.kind: 32, PQ.key.kind: 1312}[key.kind] == len(key.public)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", ""),
        ("registry.example/log", ""),
        (f"registry.example/log+{LOG.key.id.hex()}", ""),
        (spelled(name=""), "'' cannot be the name of a key"),
        (spelled(name="two words"), "'two words' cannot be the name of a key"),
        (spelled(name="a\u2003b"), "'a\\u2003b' cannot be the name of a key"),
        (spelled(name="a\x7f"), "'a\\x7f' cannot be the name of a key"),
        (spelled(name="a\nb"), "'a\\nb' cannot be the name of a key"),
        (spelled(name="é" * 128), f"{'é' * 80!r} cannot be the name of a key"),
        (spelled().replace(NAME, "\udce9"), "'\\udce9' cannot be the name of a key"),
        (spelled().replace(NAME, "other"), "its id is "),
        (spelled().replace(LOG.key.id.hex(), LOG.key.id.hex().upper()), "its id is "),
        (spelled().replace(LOG.key.id.hex(), LOG.key.id.hex()[:7]), "its id is "),
        (spelled(kind=2), "of a type of key that is not known here"),
        (spelled(kind=5), "of a type of key that is not known here"),
        (spelled(kind=0xFF), "of a type of key that is not known here"),
        (spelled(public=LOG.key.public[:31]), "of a type of key that is not known here"),
        (spelled(public=LOG.key.public + b"\0"), "of a type of key that is not known here"),
        (spelled(kind=6), "of a type of key that is not known here"),
        (spelled(kind=1, public=PQ.key.public), "of a type of key that is not known here"),
        (spelled()[:-1], "is no base64"),
        (spelled()[:-1] + "\n", "is no base64"),
        (spelled() + " ", "is no base64"),
        (spelled().replace("+A", "+-"), "is no base64"),
        (f"{spelled()}+", "is no base64"),
        (spelled()[:-2] + chr(ord(spelled()[-2]) + 1) + "=", "is spelled otherwise than base64 is"),
    ],
)
def test_a_key_that_is_spelled_otherwise_is_refused(text, why):
    with pytest.raises(BadNote) as caught:
        notes.read_key(text)
    assert str(caught.value).startswith(f"{text[:80]!r} is no verifier key: {why}")


def test_the_whole_note_is_read_as_it_was_written():
    note = notes.read_note(WHOLE)
    assert str(note).encode() == WHOLE
    assert notes.read_checkpoint(note.text) == HEAD
    assert [each.name for each in note.signatures] == [LOG.key.name, ED.key.name, PQ.key.name]


LINE = str(LOG.sign(HEAD, 0))


@pytest.mark.parametrize(
    ("note", "why"),
    [
        ("", "a note is a text, an empty line and signatures, each line with its end"),
        ("text\n", "a note is a text, an empty line and signatures, each line with its end"),
        ("text\n\n", "a note is a text, an empty line and signatures, each line with its end"),
        (f"\n\n{LINE}", "a note is a text, an empty line and signatures, each line with its end"),
        (f"text\n{LINE}", "a note is a text, an empty line and signatures, each line with its end"),
        (f"text\n\n{LINE}"[:-1], "a note is a text, an empty line and signatures, each line with its end"),
        (f"text\n\n{LINE}\n", "a note is a text, an empty line and signatures, each line with its end"),
        (f"text\n\n{LINE}text\n", "a signature line begins with a dash and a space"),
        (f"text\n\n{LINE.replace('—', '-')}", "a signature line begins with a dash and a space"),
        (f"text\n\n{LINE.replace('— ', '—')}", "a signature line begins with a dash and a space"),
        (f"text\n\n{LINE.replace('— ', '—  ')}", "is no base64"),
        (f"text\n\n{LINE.replace(NAME, '')}", "'' cannot be the name of a key"),
        (f"text\n\n{LINE.replace(NAME, 'a+b')}", "'a+b' cannot be the name of a key"),
        (f"text\n\n{LINE.replace(NAME, 'a b')}", "is no base64"),
        (f"text\n\n— {NAME}\n", "a signature is longer than the id of its key"),
        (f"text\n\n— {NAME} \n", "a signature is longer than the id of its key"),
        (f"text\n\n— {NAME} {b64(b'abcd')}\n", "a signature is longer than the id of its key"),
        (f"text\n\n{LINE[:-2]}\n", "is no base64"),
        (f"text\n\n— {NAME} AAAAAAB=\n", "is spelled otherwise than base64 is"),
        (f"text\n\n{LINE[:-1]} \n", "is no base64"),
        (f"text\r\n\r\n{LINE}", "a note holds no control characters"),
        (f"te\txt\n\n{LINE}", "a note holds no control characters"),
        (f"te\0xt\n\n{LINE}", "a note holds no control characters"),
        (f"te\x7fxt\n\n{LINE}", "a note holds no control characters"),
        (b"te\xffxt\n\n" + LINE.encode(), "a note is UTF-8"),
        (f"text\n\n{LINE * 65}", "a note with 65 signatures is too long"),
        (
            f"{'x' * (notes.MAX_NOTE - len(LINE.encode()) - 1)}\n\n{LINE}",
            f"a note of {notes.MAX_NOTE + 1} bytes is too long",
        ),
    ],
)
def test_a_note_that_is_written_otherwise_is_refused(note, why):
    with pytest.raises(BadNote) as caught:
        notes.read_note(note if isinstance(note, bytes) else note.encode())
    assert str(caught.value) == why


def test_a_note_may_have_two_dozen_witnesses_of_the_larger_kind():
    lines = [str(PQ.sign(HEAD, AT)) for _ in range(24)]
    assert len(notes.read_note(f"{HEAD.text}\n{LINE}{''.join(lines)}".encode()).signatures) == 25
    assert len(notes.read_note(f"text\n\n{LINE * 64}".encode()).signatures) == 64


GOOD = f"{NAME}\n5\n{b64(ROOT)}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a checkpoint has at least three lines, none of them empty"),
        (f"{NAME}\n5\n", "a checkpoint has at least three lines, none of them empty"),
        (GOOD[:-1], "a checkpoint has at least three lines, none of them empty"),
        (f"\n5\n{b64(ROOT)}\n", "a checkpoint has at least three lines, none of them empty"),
        (f"{GOOD}\n", "a checkpoint has at least three lines, none of them empty"),
        (f"{GOOD}a\n\nb\n", "a checkpoint has at least three lines, none of them empty"),
        (GOOD.replace("5\n", "05\n", 1), "05 is no size of a tree"),
        (GOOD.replace("\n5\n", "\n+5\n"), "+5 is no size of a tree"),
        (GOOD.replace("\n5\n", "\n-5\n"), "-5 is no size of a tree"),
        (GOOD.replace("\n5\n", "\n5 \n"), "5  is no size of a tree"),
        (GOOD.replace("\n5\n", "\n٥\n"), "٥ is no size of a tree"),
        (GOOD.replace("\n5\n", "\n0x5\n"), "0x5 is no size of a tree"),
        (GOOD.replace("\n5\n", f"\n{1 << 63}\n"), f"{1 << 63} is no size of a tree"),
        (GOOD.replace("\n5\n", f"\n{10**30}\n"), "100000000000000000000000 is no size of a tree"),
        (GOOD.replace(b64(ROOT), b64(ROOT[:31])), "a root is 32 bytes"),
        (GOOD.replace(b64(ROOT), b64(ROOT + b"x")), "a root is 32 bytes"),
        (GOOD.replace("=", ""), "is no base64"),
        (GOOD.replace("\n5\n", "\n0\n"), "a tree without leaves has another root"),
    ],
)
def test_a_checkpoint_that_is_written_otherwise_is_refused(text, why):
    with pytest.raises(BadNote) as caught:
        notes.read_checkpoint(text)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    "head",
    [
        Checkpoint("a", 0, EMPTY),
        Checkpoint("a b+c", (1 << 63) - 1, ROOT),
        Checkpoint("é", 5, ROOT, ("more", "lines x")),
    ],
)
def test_a_checkpoint_is_read_as_it_is_written(head):
    assert notes.read_checkpoint(head.text) == head


def test_a_signature_by_a_key_that_nobody_asked_for_is_passed_over():
    """Verifiers MUST ignore signatures from unknown keys, even if they share a name or ID (but not both) with a known
    key.
    """
    good = LOG.sign(HEAD, 0)
    strangers = (
        Signature("stranger.example", bytes(4), b"x"),
        Signature(NAME, bytes(4), good.data[::-1]),
        Signature("stranger.example", good.id, good.data[::-1]),
    )
    note = Note(HEAD.text, (*strangers, good))
    assert notes.verified(notes.read_note(str(note).encode()), LOG.key) == good
    assert notes.verified(Note(HEAD.text, strangers), LOG.key) is None


def test_a_known_key_whose_signature_does_not_verify_refuses_the_note():
    good = LOG.sign(HEAD, 0)
    for data in (good.data[:-1], good.data + b"\0", bytes(64), good.data[::-1], b"x"):
        false = Signature(good.name, good.id, data)
        for signatures in ((false,), (false, good), (good, false)):
            with pytest.raises(
                BadNote, match=r"the signature of registry\.example/log on this checkpoint does not verify"
            ):
                notes.verified(Note(HEAD.text, signatures), LOG.key)


def test_every_bit_of_what_the_log_signed_counts():
    note = notes.signed(HEAD, (LOG,))
    text = note.text.encode()
    for at in range(len(text)):
        changed = text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]
        with pytest.raises(BadNote):
            notes.verified(Note(changed.decode(), note.signatures), LOG.key)


@pytest.mark.parametrize("witness", [ED, PQ])
def test_a_cosignature_verifies_and_says_when(witness):
    note = notes.read_note(str(notes.signed(HEAD, (LOG, witness), AT)).encode())
    assert notes.cosigned_at(note, [witness.key]) == {witness.key: AT}
    assert notes.cosigned_at(note, [ED.key, PQ.key]) == {witness.key: AT}


@pytest.mark.parametrize("witness", [ED, PQ])
def test_a_cosignature_that_does_not_verify_is_none(witness):
    good = witness.sign(HEAD, AT)
    later = (AT + 1).to_bytes(8, "big") + good.data[8:]
    for data in (
        good.data[:-1],
        good.data + b"\0",
        later,
        good.data[8:],
        bytes(8) + good.data[8:],
        bytes(len(good.data)),
    ):
        note = Note(HEAD.text, (Signature(good.name, good.id, data),))
        assert notes.cosigned_at(note, [witness.key]) == {}
    for head in (Checkpoint("other", 1234, ROOT), Checkpoint(NAME, 1235, ROOT), Checkpoint(NAME, 1234, EMPTY)):
        assert notes.cosigned_at(Note(head.text, (good,)), [witness.key]) == {}


@pytest.mark.parametrize("witness", [ED, PQ])
def test_a_false_cosignature_beside_a_true_one_takes_nothing_away(witness):
    """Whoever carries a note may add lines to it."""
    good = witness.sign(HEAD, AT)
    false = Signature(good.name, good.id, good.data[::-1])
    for signatures in ((false, good), (good, false), (good, good)):
        assert notes.cosigned_at(Note(HEAD.text, signatures), [witness.key]) == {witness.key: AT}


@pytest.mark.parametrize("witness", [ED, PQ])
def test_of_two_cosignatures_the_newest_counts(witness):
    newest, oldest = witness.sign(HEAD, AT + 60), witness.sign(HEAD, AT)
    for signatures in ((newest, oldest), (oldest, newest)):
        assert notes.cosigned_at(Note(HEAD.text, signatures), [witness.key]) == {witness.key: AT + 60}


@pytest.mark.parametrize("witness", [ED, PQ])
@pytest.mark.parametrize("at", [0, 1 << 63])
def test_a_cosignature_has_a_time(witness, at):
    """It MUST NOT exceed 2^63 - 1; and 0 is for trees of which a witness says nothing but consistency."""
    note = Note(HEAD.text, (witness.sign(HEAD, at),))
    assert notes.cosigned_at(note, [witness.key]) == {}
    assert notes.cosigned_at(Note(HEAD.text, (witness.sign(HEAD, (1 << 63) - 1),)), [witness.key])


def test_an_ed25519_cosignature_is_what_the_specification_says():
    """The signed message MUST be two newline terminated lines followed by the whole note body."""
    made = ED.sign(HEAD, AT)
    text = f"cosignature/v1\ntime {AT}\n{NAME}\n1234\n{b64(ROOT)}\n"
    assert made.data[:8] == AT.to_bytes(8, "big")
    Ed25519PublicKey.from_public_bytes(ED.key.public).verify(made.data[8:], text.encode())
    assert made.id == sha256(b"witness.example/w1\n\x04" + ED.key.public).digest()[:4]
    extended = Checkpoint(NAME, 1234, ROOT, ("an extension",))
    assert notes.cosigned_at(Note(extended.text, (ED.sign(extended, AT),)), [ED.key])
    assert not notes.cosigned_at(Note(extended.text, (made,)), [ED.key])


def test_an_ml_dsa_44_cosignature_is_what_the_specification_says():
    """The signed message MUST be a cosigned_message structure."""
    made = PQ.sign(HEAD, AT)
    structure = (
        b"subtree/v1\n\0"  # uint8 label[12]
        b"\x12witness.example/w2"  # opaque cosigner_name<1..2^8-1>
        + AT.to_bytes(8, "big")  # uint64 timestamp
        + b"\x14registry.example/log"  # opaque log_origin<1..2^8-1>
        + bytes(8)  # uint64 start
        + b"\0\0\0\0\0\0\x04\xd2"  # uint64 end
        + ROOT  # uint8 hash[32]
    )
    assert len(structure) == 12 + 1 + 18 + 8 + 1 + 20 + 8 + 8 + 32
    assert (made.data[:8], len(made.data)) == (AT.to_bytes(8, "big"), 8 + 2420)
    MLDSA44PublicKey.from_public_bytes(PQ.key.public).verify(made.data[8:], structure)
    assert made.id == sha256(b"witness.example/w2\n\x06" + PQ.key.public).digest()[:4]


def test_an_ml_dsa_44_cosignature_says_its_witness():
    """Under another name it is none, which the older kind cannot say."""
    other = VerifierKey("witness.example/other", PQ.key.kind, PQ.key.public)
    made = PQ.sign(HEAD, AT)
    assert notes.cosigned_at(Note(HEAD.text, (Signature(other.name, other.id, made.data),)), [other]) == {}


def test_an_origin_that_the_larger_kind_cannot_hold_is_not_cosigned_by_it():
    head = Checkpoint("o" * 256, 1234, ROOT)
    with pytest.raises(BadNote, match="an origin of more than 255 bytes cannot be cosigned by this kind of key"):
        PQ.sign(head, AT)
    assert notes.cosigned_at(Note(head.text, (PQ.sign(HEAD, AT),)), [PQ.key]) == {}
    longest = Checkpoint("o" * 255, 1234, ROOT)
    assert notes.cosigned_at(notes.signed(longest, (PQ,), AT), [PQ.key])


def test_one_key_has_an_id_for_each_kind_and_name():
    public = LOG.key.public
    ids = {VerifierKey(name, kind, public).id for name in ("a", "b") for kind in (1, 4)}
    assert len(ids) == 4


def test_a_key_s_name_is_no_stranger_s():
    for name in ("", "a b", "a+b", "a\nb", "x" * 256):
        for make in (HeldNoteKey, HeldWitnessKey):
            with pytest.raises(BadNote, match="cannot be the name of a key"):
                make(name, Ed25519PrivateKey.from_private_bytes(bytes(32)))


def test_a_salt_repeats_and_is_another_for_each_label_and_key():
    other = HeldNoteKey(NAME, Ed25519PrivateKey.from_private_bytes(b"\3" * 32))
    salts = {LOG.secret("1/reason"), LOG.secret("1/change"), LOG.secret("2/reason"), other.secret("1/reason")}
    assert len(salts) == 4
    assert LOG.secret("1/reason") == LOG.secret("1/reason") and {len(each) for each in salts} == {32}


def test_what_is_signed_for_a_salt_is_no_checkpoint():
    """One line: whoever learned such a signature could show no head of the log with it."""
    with pytest.raises(BadNote, match="at least three lines"):
        notes.read_checkpoint("tallystick-salt/1\n")


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp"), exclude_characters="+"),
    min_size=1,
    max_size=20,
)
lines = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), max_size=20)
signatures = st.builds(Signature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))
texts = st.lists(lines, min_size=1, max_size=5).map(lambda found: "x" + "\n".join(found) + "\n")


@settings(max_examples=40, deadline=None)
@given(texts, st.lists(signatures, min_size=1, max_size=5))
def test_every_note_is_read_as_it_is_written(text, found):
    note = Note(text, tuple(found))
    assert notes.read_note(str(note).encode()) == note


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([EXAMPLE, QUASIMODO, COSIGNED, WHOLE[:700] + b"\n"]), st.data())
def test_a_note_has_one_spelling(data, draw):
    """What parses writes back to the same bytes."""
    at = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(at, min(len(data), at + 3)))
    changed = (
        data[:at] + draw.draw(st.sampled_from([b"", b"\n", b"=", b" ", b"\xe2\x80\x94 ", b"A", b"\r"])) + data[end:]
    )
    try:
        note = notes.read_note(changed)
    except BadNote:
        return
    assert str(note).encode() == changed


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_key_and_a_checkpoint_have_one_spelling(draw):
    """What parses writes back to the same text."""
    for text, read in ((EXAMPLE_KEY, notes.read_key), (GOOD, notes.read_checkpoint)):
        at = draw.draw(st.integers(0, len(text)))
        end = draw.draw(st.integers(at, min(len(text), at + 2)))
        changed = text[:at] + draw.draw(st.sampled_from(["", "\n", "=", " ", "+", "A", "0", "é"])) + text[end:]
        try:
            found = read(changed)
        except BadNote:
            continue
        assert (found.text if isinstance(found, Checkpoint) else str(found)) == changed


@given(st.binary(max_size=60))
def test_base64_has_one_spelling(data):
    assert notes.decoded(notes.encoded(data)) == data
    assert re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", notes.encoded(data))
