"""The seal: thresholds of old and new, and answers that belong to this draft."""

import dataclasses
from datetime import timedelta

import pytest
from tuf.api.metadata import Root
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from ceremony.errors import Mismatch, NotEnough, Refused
from ceremony.seal import check_result, seal
from keys import layout, trust
from keys.counting import count_file
from tests.ceremony.people import NAMES, NOW, answers, drafted, first, keyring, sealed_by

NEW = keyring("alice", "bob", "dan")


def test_two_of_three_holders_seal_a_root_of_trust() -> None:
    assert [path for path in first().files() if path.endswith(".json") and "/" not in path] == [
        "1.root.json", "1.targets.json", "1.held.json", "1.bins.json",
    ]  # fmt: skip


def test_one_of_three_is_not_enough_and_every_lack_is_named() -> None:
    with pytest.raises(NotEnough) as lacking:
        sealed_by(drafted(), "alice")
    assert lacking.value.what.splitlines() == [
        "root 1 lacks 1 of 2 signatures that root 1 asks for",
        "targets 1 lacks 1 of 2 signatures that root 1 asks for",
        "held 1 lacks 1 of 2 signatures that targets 1 asks for",
        "bins 1 lacks 1 of 2 signatures that targets 1 asks for",
    ]


def test_one_holder_who_answers_twice_counts_once() -> None:
    with pytest.raises(NotEnough):
        sealed_by(drafted(), "alice", "alice")


@pytest.mark.parametrize(
    ("signers", "lacking"),
    [
        (("alice", "dan"), "root 2 lacks 1 of 2 signatures that root 1 asks for"),
        (("alice", "carol"), "root 2 lacks 1 of 2 signatures that root 2 asks for"),
        (("carol", "dan"), "root 2 lacks 1 of 2 signatures that root 1 asks for"),
    ],
)
def test_replacing_a_holder_needs_the_old_threshold_and_the_new(signers: tuple[str, ...], lacking: str) -> None:
    with pytest.raises(NotEnough) as error:
        sealed_by(drafted(NEW, first()), *signers)
    assert error.value.what.splitlines()[0] == lacking


@pytest.mark.parametrize("signers", [("alice", "bob"), ("alice", "carol", "dan")])
def test_a_stock_client_follows_a_root_that_replaces_a_holder(signers: tuple[str, ...]) -> None:
    after = sealed_by(drafted(NEW, first()), *signers)
    client = TrustedMetadataSet(after.roots[0].data, EnvelopeType.METADATA)
    client.update_root(after.roots[1].data)
    assert client.root.version == 2


def test_lowering_the_threshold_needs_the_old_one() -> None:
    strict = first("alice", "bob", "carol", threshold=3)
    with pytest.raises(NotEnough, match="root 2 lacks 1 of 3 signatures that root 1 asks for"):
        sealed_by(drafted(current=strict, threshold=2), "alice", "bob")
    assert sealed_by(drafted(current=strict, threshold=2), "alice", "bob", "carol").root.version == 2


def test_all_holders_can_be_replaced_in_one_ceremony() -> None:
    after = sealed_by(drafted(keyring("dan", "erin", "frank"), first()), "alice", "bob", "dan", "erin")
    assert after.root.version == 2


def test_new_targets_count_under_the_old_root_too_so_they_can_be_published_first() -> None:
    after = sealed_by(drafted(NEW, first()), "alice", "carol", "dan")
    for root in after.roots:
        assert isinstance(root.body, Root)
        assert count_file(root.body, layout.TARGETS, after.newest[layout.TARGETS].data).met


def test_roles_that_do_not_change_are_kept_byte_for_byte() -> None:
    before = first()
    after = sealed_by(drafted(current=before, held=()), "bob", "carol")
    assert after.newest[layout.BINS] == before.newest[layout.BINS] and after.roots == before.roots


def test_what_is_sealed_reads_back_as_the_same_files() -> None:
    files = sealed_by(drafted(NEW, first()), "alice", "bob").files()
    assert trust.read(files).files() == files


def test_a_third_ceremony_carries_every_root_from_the_first() -> None:
    second = sealed_by(drafted(NEW, first()), "alice", "bob")
    third = sealed_by(drafted(keyring("alice", "dan", "erin"), second), "alice", "dan", "erin")
    assert [file.name for file in third.roots] == ["1.root.json", "2.root.json", "3.root.json"]


def test_a_draft_that_expired_before_its_last_signature_is_not_sealed() -> None:
    made = drafted()
    with pytest.raises(Refused, match="root: expired on 22 November 2027"):
        seal(made, answers(made, "alice", "bob"), NAMES, NOW + timedelta(days=365))


def test_a_witness_sees_a_result_that_is_not_what_the_draft_says() -> None:
    made = drafted()
    check_result(made, sealed_by(made, "alice", "bob"))
    with pytest.raises(Mismatch, match="held differ"):
        check_result(made, first(held=("admin", "other")))


def test_a_witness_sees_a_result_that_continues_another_chain() -> None:
    made = drafted(NEW, first())
    result = sealed_by(made, "alice", "bob")
    check_result(made, result)
    other = dataclasses.replace(result, roots=(first(days=300).roots[0], result.roots[1]))
    with pytest.raises(Mismatch, match="its older roots differ"):
        check_result(made, other)
