"""Two checkpoints that one log should never both have signed: what proves that it lied, and what accuses nobody."""

from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.tlog import contradictions, notes
from keys.tlog.contradictions import Contradiction
from keys.tlog.merkle import NotProven
from keys.tlog.notes import BadNote, Checkpoint, HeldNoteKey


def held(name: str, seed: int) -> HeldNoteKey:
    return HeldNoteKey(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def head(root: str, size: int = 5, origin: str = "registry.example/log") -> Checkpoint:
    return Checkpoint(origin, size, sha256(root.encode()).digest())


LOG, NEXT, OTHER = held("registry.example/log", 1), held("registry.example/log", 2), held("other.example/log", 3)
LIE = Contradiction((LOG.key,), notes.signed(head("a"), (LOG,)), notes.signed(head("b"), (LOG,)), (bytes(32),))


def why(said: Contradiction, *keys: HeldNoteKey) -> str:
    with pytest.raises(NotProven) as caught:
        contradictions.check(said, [key.key for key in keys])
    return str(caught.value)


def test_two_roots_of_one_size_prove_that_the_log_lied():
    contradictions.check(LIE, [LOG.key])
    contradictions.check(contradictions.read(str(LIE).encode()), [LOG.key, NEXT.key])
    contradictions.check(replace(LIE, after=notes.signed(head("b"), (NEXT,))), [LOG.key, NEXT.key])


def test_two_sizes_or_the_same_checkpoint_twice_prove_nothing():
    for after in (head("b", 6), head("a")):
        said = replace(LIE, after=notes.signed(after, (LOG,)))
        assert why(said, LOG) == "the two checkpoints are not two trees of one size: alone they prove nothing"


def test_two_logs_that_each_signed_their_own_contradict_nobody():
    said = replace(LIE, after=notes.signed(head("b", origin="other.example/log"), (OTHER,)))
    assert why(said, LOG, OTHER) == "the two checkpoints are not two trees of one size: alone they prove nothing"


def test_what_the_log_did_not_sign_accuses_it_of_nothing():
    unsigned = "no key of this log signed both checkpoints"
    for field in ("before", "after"):
        assert why(replace(LIE, **{field: notes.signed(head("c"), (NEXT,))}), LOG) == unsigned
    assert why(LIE, NEXT) == why(LIE) == unsigned, "also where the file names its own key"
    foreign = notes.signed(head("b", origin="other.example/log"), (LOG,))
    assert why(replace(LIE, before=foreign, after=foreign), LOG) == unsigned
    broken = notes.Note(head("c").text, LIE.before.signatures)
    assert "does not verify" in why(replace(LIE, before=broken), LOG)


def test_a_proof_changes_no_id_and_a_checkpoint_does():
    assert replace(LIE, proof=()).id == LIE.id
    assert replace(LIE, before=LIE.after, after=LIE.before).id != LIE.id


DATA = str(LIE).encode()
KEY, PROOF = f"log {LOG.key}\n".encode(), f"proof {notes.encoded(bytes(32))}\n".encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is no contradiction: a head and two signed checkpoints"),
        (DATA + b"\xff", "a contradiction is UTF-8"),
        (DATA.replace(b"-1\n", b"-2\n", 1), "it is no contradiction: a head and two signed checkpoints"),
        (DATA + b"\n\n" + DATA, "it is no contradiction: a head and two signed checkpoints"),
        (DATA + b" " * contradictions.MAX_BYTES, "it is no contradiction: a head and two signed checkpoints"),
        (DATA.replace(KEY, b""), "its head is made of log lines and proof lines"),
        (DATA.replace(KEY, KEY + b"other x\n"), "its head is made of log lines and proof lines"),
        (DATA.replace(PROOF, b"proof YWI=\n"), "its head is made of log lines and proof lines"),
        (DATA.replace(KEY + PROOF, PROOF + KEY), "its log lines come before its proof lines"),
        (DATA.replace(b"\n5\n", b"\n05\n", 1), "05 is no size of a tree"),
        (DATA.replace(b"\n5\n", b"\n05\n"), "05 is no size of a tree"),
    ],
)
def test_a_file_that_is_written_otherwise_is_refused(data, said):
    with pytest.raises(BadNote) as caught:
        contradictions.read(data)
    assert str(caught.value) == said


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_contradiction_has_one_spelling(draw):
    """What parses writes back to the same bytes."""
    at = draw.draw(st.integers(0, len(DATA)))
    end = draw.draw(st.integers(at, min(len(DATA), at + 3)))
    changed = DATA[:at] + draw.draw(st.sampled_from([b"", b"\n", b"=", b" ", b"A", PROOF, KEY])) + DATA[end:]
    try:
        found = contradictions.read(changed)
    except BadNote:
        return
    assert str(found).encode() == changed
