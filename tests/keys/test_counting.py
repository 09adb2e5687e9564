"""Signatures are counted by different private keys, and only those that a delegator lists."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from securesystemslib.signer import Key, Signature, SSlibKey
from tuf.api.metadata import Metadata, Root

from keys import counting
from keys.counting import Count
from keys.signing import HeldKey, signed_file
from tests.world import held_key

ALICE, BOB, CAROL, STRANGER = (held_key(number) for number in (1, 2, 3, 4))
EXPIRES = datetime(2027, 1, 1, tzinfo=UTC)
PAYLOAD = b"what is signed"


@dataclass(frozen=True)
class Alias:
    """A key under another id than its own."""

    key: HeldKey
    keyid: str

    @property
    def record(self) -> SSlibKey:
        own = self.key.record
        return SSlibKey(self.keyid, own.keytype, own.scheme, own.keyval)

    def sign(self, payload: bytes) -> Signature:
        return Signature(self.keyid, self.key.sign(payload).signature)


def root_of(*keys: HeldKey | Alias, threshold: int = 2) -> Root:
    root = Root(version=1, expires=EXPIRES)
    for each in keys:
        root.add_key(each.record, "root")
    root.roles["root"].threshold = threshold
    return root


def count(root: Root, *signatures: Signature, role: str = "root") -> Count:
    return counting.count(root, role, PAYLOAD, signatures)


def test_two_holders_meet_a_threshold_of_two() -> None:
    found = count(root_of(ALICE, BOB, CAROL), ALICE.sign(PAYLOAD), CAROL.sign(PAYLOAD))
    assert found.met and found.missing == 0 and found.distinct == 2
    assert found.signed == {ALICE.record.keyid, CAROL.record.keyid} and found.unsigned == {BOB.record.keyid}


def test_one_signature_is_one_missing() -> None:
    found = count(root_of(ALICE, BOB), BOB.sign(PAYLOAD))
    assert (found.met, found.distinct, found.missing) == (False, 1, 1)


def test_one_key_under_two_ids_counts_once() -> None:
    again = Alias(ALICE, "ab" * 32)
    found = count(root_of(ALICE, again), ALICE.sign(PAYLOAD), again.sign(PAYLOAD))
    assert len(found.signed) == 2
    assert (found.met, found.distinct, found.missing) == (False, 1, 1)


def test_python_tuf_counts_such_a_key_twice_which_is_why_we_count() -> None:
    again = Alias(ALICE, "ab" * 32)
    root = root_of(ALICE, again)
    signatures = {each.keyid: each for each in (ALICE.sign(PAYLOAD), again.sign(PAYLOAD))}
    assert root.get_root_verification_result(None, PAYLOAD, signatures).verified


def test_a_signature_by_a_stranger_does_not_count() -> None:
    found = count(root_of(ALICE, BOB), ALICE.sign(PAYLOAD), STRANGER.sign(PAYLOAD))
    assert (found.met, found.distinct) == (False, 1)
    assert STRANGER.record.keyid not in found.signed | found.unsigned


def test_a_strangers_signature_under_a_holders_id_does_not_count() -> None:
    forged = Signature(BOB.record.keyid, STRANGER.sign(PAYLOAD).signature)
    found = count(root_of(ALICE, BOB), ALICE.sign(PAYLOAD), forged)
    assert found.distinct == 1 and found.unsigned == {BOB.record.keyid}


@pytest.mark.parametrize("rubbish", ["", "00", "zz", "not hexadecimal", "ff" * 64, "ab" * 9999])
def test_rubbish_in_place_of_a_signature_does_not_count_and_does_not_raise(rubbish: str) -> None:
    assert count(root_of(ALICE, BOB), Signature(ALICE.record.keyid, rubbish)).distinct == 0


def test_a_signature_over_other_bytes_does_not_count() -> None:
    assert count(root_of(ALICE, BOB), ALICE.sign(PAYLOAD + b" ")).distinct == 0


def test_a_threshold_of_nothing_is_never_met() -> None:
    found = count(root_of(ALICE, threshold=0), ALICE.sign(PAYLOAD))
    assert not found.met


def test_a_key_of_another_role_does_not_count() -> None:
    root = root_of(ALICE, BOB)
    root.add_key(CAROL.record, "timestamp")
    assert count(root, ALICE.sign(PAYLOAD), CAROL.sign(PAYLOAD)).distinct == 1


def test_a_role_that_the_delegator_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="nobody"):
        count(root_of(ALICE), role="nobody")


def test_a_file_is_counted_over_the_bytes_that_it_would_encode_to() -> None:
    root = root_of(ALICE, BOB)
    data = signed_file(root.to_dict(), lambda payload: (ALICE.sign(payload), BOB.sign(payload)))
    assert counting.count_file(root, "root", data).met
    changed = Metadata[Root].from_bytes(data)
    changed.signed.version = 2
    assert counting.count_file(root, "root", changed.to_bytes()).distinct == 0


def test_two_ids_that_share_one_key_are_found() -> None:
    again = Alias(ALICE, "ab" * 32)
    keys: dict[str, Key] = {each.record.keyid: each.record for each in (ALICE, BOB)}
    assert counting.same_key_twice(keys) is None
    keys["ab" * 32] = again.record
    assert counting.same_key_twice(keys) == tuple(sorted([ALICE.record.keyid, "ab" * 32]))
