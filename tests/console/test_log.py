"""What the console believes of a checkpoint: what verifies, and nothing else."""

from dataclasses import replace

from keys.tlog import notes, proofs
from keys.tlog.notes import HeldNoteKey
from keys.tlog.proofs import Policy
from repo_service.console import log
from repo_service.storage.logreading import LoggedRelease
from tests.witness.grounds import ed25519, witness_key
from tests.world import World, log_key, publishing

WITNESSES = (witness_key(1), witness_key(2))
POLICY = Policy((log_key().key,), tuple(each.key for each in WITNESSES), 1)


def released(world: World, *cosigned: notes.Signature) -> LoggedRelease:
    """The newest release, with these lines of witnesses."""
    with world.service.journal.reading() as view:
        (newest,) = view.cosigned(1)
    return replace(newest, cosigned="".join(map(str, cosigned)))


def test_only_a_cosignature_that_verifies_is_shown_as_one(world: World) -> None:
    world.do(publishing("sampleproject"))
    head = notes.read_checkpoint(notes.read_note(released(world).checkpoint.encode()).text)
    good, other = (key.sign(head, int(world.now.timestamp())) for key in WITNESSES)
    forged = replace(other, data=other.data[:-1] + bytes([other.data[-1] ^ 1]))
    found = log.read(released(world, good, forged), POLICY, POLICY.witnesses)
    assert found.is_signed
    assert found.cosigned == {WITNESSES[0].key: world.now}
    (first, second) = log.witnesses([found], POLICY, None)
    assert (first.is_here, first.last, first.counts, first.asked) == (True, world.now, True, False)
    assert (second.is_here, second.last) == (False, None)


def test_a_checkpoint_that_the_roots_key_did_not_sign_is_not_shown_as_signed(world: World) -> None:
    release = released(world)
    note = notes.read_note(release.checkpoint.encode())
    stranger = HeldNoteKey(log_key().key.name, ed25519(7))
    by_stranger = notes.signed(notes.read_checkpoint(note.text), [stranger])
    damaged = replace(note, signatures=(replace(note.signatures[0], data=bytes(64)),))
    for each in (by_stranger, damaged):
        assert not log.read(replace(release, checkpoint=str(each)), POLICY, ()).is_signed
    assert log.read(release, POLICY, ()).is_signed


def test_the_witnesses_are_those_of_the_root(world: World) -> None:
    policy = proofs.policy_of(world.trust.root)
    assert policy is not None
    assert log.known(policy, None) == []
