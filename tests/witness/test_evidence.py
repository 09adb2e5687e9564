"""What a log contradicted itself with is kept, once, in a form that anybody can check."""

from pathlib import Path

import pytest

from keys.tlog import contradictions, merkle, notes
from keys.tlog.contradictions import Contradiction
from keys.tlog.merkle import NotProven
from keys.tlog.notes import BadNote
from repo_service.witness import store
from repo_service.witness.deciding import Log
from tests.witness.grounds import NOW, NumberedLog, ed25519, ml_dsa_key, question, witness_at, witness_key

LOG = NumberedLog()
FORK = NumberedLog(branch=3)
KEYS = (witness_key(), ml_dsa_key())


def kept(folder: Path) -> list[Path]:
    return sorted((folder / store.EVIDENCE).glob("*"))


@pytest.mark.parametrize("old", [5, 0, 3])
def test_two_trees_of_one_size_are_kept_once_and_prove_that_the_log_lied(old: int, tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], *KEYS) as witness:
        witness.add_checkpoint(LOG.question(0, 5))
        for _ in range(2):
            assert witness.add_checkpoint(question(old, [], FORK.note(5)))[0] in (409, 422)
        (path,) = kept(tmp_path)
        found = contradictions.read(path.read_bytes())
        assert path.name.startswith("fork-") and found.is_fork
        contradictions.check(found, [LOG.key])
        assert (found.before, found.after, found.keys) == (LOG.note(5), FORK.note(5), (LOG.key,))
        assert [each for _, each in witness.store.evidence()] == [found]


def test_a_proof_that_leads_elsewhere_is_kept_and_proves_nothing_alone(tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], *KEYS) as witness:
        witness.add_checkpoint(LOG.question(0, 5))
        proof = merkle.consistency(FORK.nodes, 5, 7)
        assert witness.add_checkpoint(question(5, proof, FORK.note(7)))[0] == 422
        assert witness.add_checkpoint(question(5, [], FORK.note(7)))[0] == 422
        (path,) = kept(tmp_path)
        found = contradictions.read(path.read_bytes())
        assert path.name.startswith("unproven-") and found.proof == tuple(proof)
        with pytest.raises(NotProven, match="alone they prove nothing"):
            contradictions.check(found, [LOG.key])


def test_what_the_log_did_not_sign_is_never_kept(tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], *KEYS) as witness:
        witness.add_checkpoint(LOG.question(0, 5))
        stranger = notes.signed(FORK.checkpoint(5), [notes.HeldNoteKey(LOG.origin, ed25519(9))])
        assert witness.add_checkpoint(question(5, [], stranger))[0] == 403
        assert witness.add_checkpoint(LOG.question(3, 4))[0] == 409
        assert kept(tmp_path) == []


def test_lines_that_others_added_are_not_kept_as_more_evidence(tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], *KEYS) as witness:
        witness.add_checkpoint(LOG.question(0, 5))
        for number in range(3):
            more = notes.signed(FORK.checkpoint(5), [FORK.signer, witness_key(number + 5)], NOW)
            assert witness.add_checkpoint(question(5, [], more))[0] == 422
        (path,) = kept(tmp_path)
        assert contradictions.read(path.read_bytes()).after == FORK.note(5)


def test_evidence_does_not_fill_the_disk(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched, witness_at(tmp_path, [LOG.key], *KEYS) as witness:
        patched.setattr(store, "MOST_EVIDENCE", 2)
        witness.add_checkpoint(LOG.question(0, 5))
        for branch in range(5):
            assert witness.add_checkpoint(question(5, [], NumberedLog(branch=branch).note(5)))[0] == 422
        assert len(kept(tmp_path)) == 2


def test_a_log_with_a_new_key_is_held_to_what_it_signed_with_the_old_one(tmp_path: Path) -> None:
    new = NumberedLog(number=7, branch=3)
    with witness_at(tmp_path, [LOG.key], *KEYS) as witness:
        witness.add_checkpoint(LOG.question(0, 5))
        witness.store.put(LOG.origin, lambda log: Log((new.key,), (LOG.key,), log.head if log else None))
        assert witness.add_checkpoint(LOG.question(5, 6))[0] == 403
        assert witness.add_checkpoint(question(5, [], new.note(5)))[0] == 422
        ((_, found),) = witness.store.evidence()
        contradictions.check(found, [LOG.key, new.key])
        with pytest.raises(NotProven):
            contradictions.check(found, [new.key])
        honest = NumberedLog(number=7)
        assert witness.add_checkpoint(honest.question(5, 6))[0] == 200


def fork() -> Contradiction:
    return Contradiction((LOG.key,), LOG.note(5), FORK.note(5), (bytes(32),))


def test_a_contradiction_is_read_as_it_was_written_and_each_note_of_it_can_be_read() -> None:
    data = str(fork()).encode()
    assert contradictions.read(data) == fork()
    for note in (fork().before, fork().after):
        assert str(note).encode() in data


@pytest.mark.parametrize(
    "change",
    [
        (b"tallystick-log", b"tallystick-bog"),
        (b"log log.example", b"dog log.example"),
        (b"proof ", b"proof A"),
        (b"\n\n\xe2", b"\n\xe2"),
        (b"\n5\n", b"\n05\n"),
    ],
)
def test_what_is_spelled_otherwise_is_no_contradiction(change: tuple[bytes, bytes]) -> None:
    data = str(fork()).encode()
    assert change[0] in data
    with pytest.raises(BadNote):
        contradictions.read(data.replace(*change))


@pytest.mark.parametrize(
    "said",
    [
        Contradiction((LOG.key,), LOG.note(5), LOG.note(5)),
        Contradiction((LOG.key,), LOG.note(5), FORK.note(6)),
        Contradiction((LOG.key,), LOG.note(5), NumberedLog(number=2, branch=3).note(5)),
        Contradiction((LOG.key,), LOG.note(5), NumberedLog("log.example/two").note(5)),
        Contradiction((LOG.key,), LOG.note(5), notes.Note(FORK.note(5).text, LOG.note(5).signatures)),
    ],
)
def test_what_contradicts_nothing_is_told_so(said: Contradiction) -> None:
    with pytest.raises(NotProven):
        contradictions.check(said, [LOG.key])
