"""Proofs of snapshots: what a good one shows, whom a policy believes, and each thing that refuses one."""

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import Root

from keys.layout import Bins
from keys.tlog import binsums, leaves, notes, proofs
from keys.tlog.binsums import BinSums
from keys.tlog.merkle import NotProven
from keys.tlog.notes import Checkpoint, HeldNoteKey, HeldWitnessKey, NoteSigner, VerifierKey
from keys.tlog.proofs import Policy, Proof
from tests.keys.tlog.logs import Reference, leaves_of

NAME = "registry.example/log"
AT = 1_790_000_000


def private(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


LOG, NEXT, THIEF = (HeldNoteKey(NAME, private(seed)) for seed in (1, 2, 3))
W1, W2 = (HeldWitnessKey(f"witness.example/w{seed}", private(10 + seed)) for seed in (1, 2))
W3 = HeldWitnessKey("witness.example/w3", MLDSA44PrivateKey.from_seed_bytes(b"\3" * 32))
STRANGER = HeldWitnessKey("witness.example/stranger", private(20))
POLICY = Policy((LOG.key,), (W1.key, W2.key, W3.key), 2)
SHAPE = Bins(4)
SUMS = BinSums.of(SHAPE, {number: sha256(b"bin %d" % number).digest() for number in range(16)})
D = "ab" * 32
SNAPSHOT = leaves.Snapshot(
    7, 6, 500, D, D, "2026-12-28T09:00:00Z", "2026-11-28T09:00:00Z", "2026-11-29T09:00:00Z", 4, SUMS.root.hex(),
    "compact",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A log of a few hundred leaves, the last one a snapshot's, and the proof of that."""

    leaf: bytes = leaves.written(SNAPSHOT)
    tops: tuple[bytes, ...] = SUMS.tops
    signers: tuple[NoteSigner, ...] = (LOG, W1, W3)
    origin: str = NAME
    extensions: tuple[str, ...] = ()
    size: int = 300
    at: int = 299

    @cached_property
    def data(self) -> bytes:
        tree = Reference([*leaves_of(self.size - 1), self.leaf])
        head = Checkpoint(self.origin, self.size, tree.root(self.size), self.extensions)
        path = tree.path(self.at, 0, self.size)
        return (
            proofs.written(self.leaf, self.tops, self.at, path) + str(notes.signed(head, self.signers, AT))
        ).encode()

    @property
    def proof(self) -> Proof:
        return proofs.read(self.data)


GOOD = Made()
SHORT = Made(signers=(LOG, W1))


def refused(proof: Proof, policy: Policy = POLICY) -> str:
    with pytest.raises(NotProven) as caught:
        proofs.check(proof, policy)
    return str(caught.value)


def test_a_proof_shows_a_snapshot_s_leaf_the_rows_and_who_cosigned():
    found = proofs.check(GOOD.proof, POLICY)
    assert (found.leaf, found.tops, found.index, found.shape) == (SNAPSHOT, SUMS.tops, 299, SHAPE)
    assert found.head.checkpoint == notes.read_checkpoint(found.head.note.text)
    assert found.head.cosigned == {W1.key: AT, W3.key: AT}
    proofs.check_quorum(found.head, POLICY)


def test_a_proof_is_a_file_as_the_specification_says():
    """c2sp.org/tlog-proof: its example, line by line."""
    lines = GOOD.data.decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    extra = notes.decoded(lines[1].removeprefix("extra "))
    assert extra == len(GOOD.leaf).to_bytes(2, "big") + GOOD.leaf + b"".join(SUMS.tops)
    assert lines[2] == "index 299"
    blank = lines.index("")
    assert [notes.decoded(line) for line in lines[3:blank]] == list(GOOD.proof.path)
    assert notes.read_note("\n".join(lines[blank + 1 :]).encode()) == GOOD.proof.note
    assert proofs.proof_path(7) == "proofs/7.tlog-proof"


# Whose checkpoint counts.


def test_a_log_s_key_that_nobody_named_is_none():
    assert refused(Made(signers=(THIEF, W1, W2, W3)).proof) == "the checkpoint: the log's key did not sign it"
    assert refused(Made(signers=(W1, W2, W3)).proof) == "the checkpoint: the log's key did not sign it"


def test_a_signature_of_the_log_that_does_not_verify_refuses_the_proof():
    proof = GOOD.proof
    first, *rest = proof.note.signatures
    false = replace(first, data=first.data[::-1])
    why = "the checkpoint: the signature of registry.example/log on this checkpoint does not verify"
    assert refused(replace(proof, note=replace(proof.note, signatures=(false, *rest)))) == why
    both = replace(POLICY, keys=(LOG.key, NEXT.key))
    other = replace(NEXT.sign(Checkpoint(NAME, 1, bytes(32)), 0))
    assert refused(replace(proof, note=replace(proof.note, signatures=(first, other))), both) == why


@pytest.mark.parametrize("signers", [(LOG,), (NEXT,), (LOG, NEXT)])
def test_while_one_key_takes_the_other_s_place_one_signature_is_enough(signers):
    policy = replace(POLICY, keys=(LOG.key, NEXT.key))
    assert proofs.check(Made(signers=(*signers, W1)).proof, policy).leaf == SNAPSHOT
    assert "did not sign it" in refused(Made(signers=(THIEF,)).proof, policy)


def test_another_log_s_checkpoint_is_refused():
    why = "the checkpoint is of registry.example/other, not of registry.example/log alone"
    assert refused(Made(origin="registry.example/other").proof) == why


def test_a_checkpoint_with_lines_that_no_witness_vouches_for_is_refused():
    assert (
        refused(Made(extensions=("more",)).proof)
        == "the checkpoint is of registry.example/log, not of registry.example/log alone"
    )


def test_a_note_that_is_no_checkpoint_is_refused():
    proof = GOOD.proof
    text = "registry.example/log\n"
    signature = replace(proof.note.signatures[0], data=private(1).sign(text.encode()))
    why = "the checkpoint: a checkpoint has at least three lines, none of them empty"
    assert refused(replace(proof, note=notes.Note(text, (signature,)))) == why


# What is in the log.


def test_a_leaf_that_is_not_in_the_tree_is_refused():
    other = leaves.written(replace(SNAPSHOT, generation=8))
    why = "leaf 299 is not in the tree of 300 with this root"
    assert refused(replace(GOOD.proof, leaf=other)) == why


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda proof: replace(proof, index=298), "leaf 298 is not in the tree of 300 with this root"),
        (lambda proof: replace(proof, index=300), "leaf 300 is not in a tree of 300"),
        (lambda proof: replace(proof, path=proof.path[:-1]), "the path is too short"),
        (lambda proof: replace(proof, path=(*proof.path, bytes(32))), "the path is too long"),
        (lambda proof: replace(proof, path=proof.path[::-1]), "leaf 299 is not in the tree of 300 with this root"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(change, why):
    assert refused(change(GOOD.proof)) == why


@pytest.mark.parametrize(
    "leaf",
    [
        leaves.written(leaves.Document("policies/1.json", 3, D)),
        leaves.written(SNAPSHOT).replace(b',"kind":"snapshot"', b""),
        leaves.written(SNAPSHOT).replace(b"snapshot", b"snapshot2"),
        leaves.written(SNAPSHOT) + b"\n",
        b"",
    ],
)
def test_a_leaf_of_the_log_that_is_no_snapshot_s_is_refused(leaf):
    assert refused(Made(leaf=leaf).proof).startswith("a leaf ")


def test_rows_that_the_leaf_does_not_name_are_refused():
    why = "the digests of bins are not those that the snapshot's leaf names"
    for tops in ((), SUMS.tops[:-1], SUMS.tops[::-1], (*SUMS.tops, bytes(32)), (bytes(32), *SUMS.tops[1:])):
        assert refused(Made(tops=tops).proof) == why


# How many witnesses.


@pytest.mark.parametrize(
    ("signers", "count"),
    [
        ((), 0),
        ((W1,), 1),
        ((W1, W1, W1), 1),
        ((STRANGER, W1), 1),
        ((STRANGER, STRANGER), 0),
        ((W1, W2), 2),
        ((W1, W3), 2),
        ((W1, W2, W3), 3),
    ],
)
def test_as_many_witnesses_count_as_the_policy_knows_each_once(signers, count):
    head = proofs.check(Made(signers=(LOG, *signers)).proof, POLICY).head
    assert len(head.cosigned) == count
    for quorum in range(4):
        policy = replace(POLICY, quorum=quorum)
        if quorum <= count:
            proofs.check_quorum(head, policy)
        else:
            with pytest.raises(NotProven) as caught:
                proofs.check_quorum(head, policy)
            assert str(caught.value) == (
                f"{count} of the 3 witnesses cosigned the checkpoint of 300 leaves, and {quorum} must"
            )


def test_a_witness_is_one_by_name_and_key():
    """The name of a known witness with a stranger's key is a stranger, and so is its key under another name."""
    alias = HeldWitnessKey(W1.key.name, private(21))
    renamed = HeldWitnessKey("witness.example/other", private(11))
    assert proofs.check(Made(signers=(LOG, alias, renamed)).proof, POLICY).head.cosigned == {}


def test_a_cosignature_of_another_checkpoint_is_none():
    older = Made(size=200, at=199).proof
    proof = replace(
        GOOD.proof,
        note=replace(GOOD.proof.note, signatures=(GOOD.proof.note.signatures[0], *older.note.signatures[1:])),
    )
    assert proofs.check(proof, POLICY).head.cosigned == {}


# Policies.


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"keys": ()}, "a log has one name and at least one key"),
        ({"keys": (LOG.key, replace(NEXT.key, name="other"))}, "a log has one name and at least one key"),
        ({"keys": (W1.key,)}, "a log's key is of type Ed25519"),
        ({"witnesses": (W1.key, THIEF.key)}, "a witness's key is one that cosigns"),
        ({"keys": (LOG.key, LOG.key)}, "no key and no witness counts twice"),
        ({"witnesses": (W1.key, W1.key)}, "no key and no witness counts twice"),
        ({"witnesses": (W1.key, replace(W1.key, name="witness.example/w1b"))}, "no key and no witness counts twice"),
        ({"witnesses": (W1.key, replace(W2.key, name=W1.key.name))}, "no key and no witness counts twice"),
        ({"witnesses": (W1.key, VerifierKey("w", 4, LOG.key.public))}, "no key and no witness counts twice"),
        ({"quorum": 4}, "a quorum of 4 of 3 witnesses cannot be met"),
        ({"quorum": -1}, "a quorum of -1 of 3 witnesses cannot be met"),
    ],
)
def test_a_policy_that_would_count_wrongly_is_none(change, why):
    with pytest.raises(ValueError) as caught:
        replace(POLICY, **change)
    assert str(caught.value) == why


@pytest.mark.parametrize("policy", [POLICY, Policy((LOG.key,)), Policy((LOG.key, NEXT.key), (W2.key,), 1)])
def test_a_policy_is_read_from_a_root_as_it_is_written(policy):
    found = proofs.policy_of(Root(unrecognized_fields={proofs.LOG_FIELD: policy.described()}))
    assert found is not None and found.described() == policy.described()
    assert ({*found.keys}, {*found.witnesses}, found.quorum) == ({*policy.keys}, {*policy.witnesses}, policy.quorum)
    assert proofs.policy_of(Root()) is None


@pytest.mark.parametrize(
    "change",
    [
        {"keys": [str(LOG.key)[:-2]]},
        {"keys": str(LOG.key)},
        {"keys": []},
        {"quorum": "2"},
        {"quorum": True},
        {"quorum": 4},
        {"witnesses": [str(W1.key), str(W1.key)]},
        {"witnesses": None},
        {"other": 1},
    ],
)
def test_a_root_whose_policy_is_malformed_has_none_that_could_be_used(change):
    with pytest.raises(ValueError):
        proofs.read_policy(POLICY.described() | change)
    for field in POLICY.described():
        with pytest.raises(ValueError, match="is missing"):
            proofs.read_policy({name: value for name, value in POLICY.described().items() if name != field})


# The file.

LINES = GOOD.data.split(b"\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data.replace(b"@v1", b"@v2", 1),
        lambda data: data.replace(b"c2sp", b" c2sp", 1),
        lambda data: data.replace(b"extra ", b"extra  ", 1),
        lambda data: data.replace(b"extra ", b"other ", 1),
        lambda data: data.replace(LINES[1] + b"\n", b"", 1),
        lambda data: data.replace(LINES[1], LINES[1] + b"\n" + LINES[1], 1),
        lambda data: data.replace(LINES[1], b"extra ", 1),
        lambda data: data.replace(LINES[1], b"extra AA==", 1),
        lambda data: data.replace(LINES[1], b"extra " + notes.encoded(b"\xff\xff" + GOOD.leaf).encode(), 1),
        lambda data: data.replace(LINES[1], b"extra " + notes.encoded(b"\0\0" + bytes(33)).encode(), 1),
        lambda data: data.replace(LINES[1], LINES[1][:-1], 1),
        lambda data: data.replace(b"index 299", b"index 0299", 1),
        lambda data: data.replace(b"index 299", b"index +299", 1),
        lambda data: data.replace(b"index 299", b"index -299", 1),
        lambda data: data.replace(b"index 299", b"index 2_99", 1),
        lambda data: data.replace(b"index 299", "index ٢٩٩".encode(), 1),
        lambda data: data.replace(b"index 299", b"index " + b"9" * 5_000, 1),
        lambda data: data.replace(b"index 299", b"index ", 1),
        lambda data: data.replace(b"index 299", b"Index 299", 1),
        lambda data: data.replace(LINES[3], LINES[3][:-4], 1),
        lambda data: data.replace(LINES[3], b"", 1),
        lambda data: data.replace(LINES[3], LINES[3] + b" ", 1),
        lambda data: data.replace(LINES[3], b"\n".join([LINES[3]] * 64), 1),
        lambda data: data.replace(b"\n\n", b"\n", 1),
        lambda data: data.replace(b"\n\n", b"\n\n\n", 1),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data[:-1],
        lambda data: data + b"\n",
        lambda data: data + b"\xff\n",
    ],
)
def test_a_file_that_is_written_otherwise_is_no_proof(change):
    with pytest.raises(NotProven) as caught:
        proofs.check(proofs.read(change(GOOD.data)), POLICY)
        pytest.fail("it was read")
    assert str(caught.value).startswith(("it is no proof as the log writes it: ", "the checkpoint: "))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_proof_has_one_spelling(draw):
    """What parses writes back to the same bytes."""
    data = SHORT.data
    at = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(at, min(len(data), at + 3)))
    changed = data[:at] + draw.draw(st.sampled_from([b"", b"\n", b"=", b" ", b"A", b"0", b"-"])) + data[end:]
    try:
        found = proofs.read(changed)
    except NotProven:
        return
    assert (proofs.written(found.leaf, found.tops, found.index, found.path) + str(found.note)).encode() == changed


def test_every_bit_of_a_proof_counts():
    """One bit changed is refused, or it is a line more or less of a witness, which nothing else hangs on."""
    data = SHORT.data
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        try:
            found = proofs.check(proofs.read(changed), POLICY)
        except NotProven:
            continue
        assert data.rindex(b"\xe2\x80\x94") < at, f"byte {at} does not count"
        assert (found.leaf, found.tops, found.index, found.head.cosigned) == (SNAPSHOT, SUMS.tops, 299, {})


def test_the_bins_that_a_proof_names_are_shown_by_their_rows():
    found = proofs.check(GOOD.proof, POLICY)
    for number in range(16):
        digest = binsums.digest_in(found.shape, number, SUMS.rows[number // 4], found.tops)
        assert digest == sha256(b"bin %d" % number).digest()


def test_a_proof_of_a_tree_of_one_leaf_has_no_path():
    alone = Made(size=1, at=0).proof
    assert (alone.path, proofs.check(alone, POLICY).index) == ((), 0)
