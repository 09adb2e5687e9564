"""A key remembers what it signed and which root it trusts: the two checks that nobody else can make."""

import dataclasses
from datetime import timedelta

import pytest

from ceremony import memory
from ceremony.errors import AlreadySigned, BadInput, Mismatch
from ceremony.memory import Memory
from keys.trust import RootOfTrust
from tests.ceremony.people import NOW, drafted, first, keyring, sealed_by

FIRST = first()
SECOND = sealed_by(drafted(keyring("alice", "bob", "dan"), FIRST), "alice", "bob")
THIRD = sealed_by(drafted(keyring("alice", "bob", "carol"), SECOND), "alice", "bob")
TRUSTS_FIRST = memory.pin(memory.NEW, FIRST.roots[0])


def test_a_second_root_of_one_version_is_refused_with_both_digests() -> None:
    signed, asked = drafted().candidates[:1], drafted(threshold=3).candidates[:1]
    with pytest.raises(AlreadySigned) as refused:
        memory.check_fork(memory.remember(memory.NEW, signed, None), asked)
    assert signed[0].digest in refused.value.what and asked[0].digest in refused.value.what


def test_the_same_root_may_be_signed_again_and_is_remembered_once() -> None:
    remembered = memory.remember(memory.NEW, drafted().candidates, None)
    memory.check_fork(remembered, drafted().candidates)
    assert memory.remember(remembered, drafted().candidates, None) == remembered


def test_what_was_given_up_no_longer_stands_in_the_way_and_is_never_signed_again() -> None:
    signed, asked = drafted().candidates, drafted(threshold=3).candidates
    after = memory.abandon(memory.remember(memory.NEW, signed, None), signed)
    memory.check_fork(after, asked)
    assert memory.is_abandoned(after, signed) and not memory.is_abandoned(after, asked)
    assert memory.abandon(after, asked) == after


def test_a_chain_goes_on_from_the_root_that_is_pinned() -> None:
    entry = memory.check_chain(TRUSTS_FIRST, THIRD)
    assert entry is not None and entry.version == 1


def test_a_chain_goes_on_from_a_root_that_this_key_signed() -> None:
    remembered = memory.remember(memory.NEW, drafted().candidates, None)
    entry = memory.check_chain(remembered, SECOND)
    assert entry is not None and entry.version == 1


def test_after_signing_the_newest_root_of_the_chain_is_pinned() -> None:
    after = memory.remember(TRUSTS_FIRST, drafted(current=SECOND, held=()).candidates, SECOND)
    assert after.pinned == memory.root_entry(SECOND.roots[1])


WRONG: list[tuple[str, Memory, RootOfTrust | None, str]] = [
    ("nothing pinned", memory.NEW, SECOND, "trusts no root of this repository yet"),
    ("another root pinned", memory.pin(memory.NEW, first(days=300).roots[0]), SECOND, "is not the one that your key"),
    ("another root signed", memory.remember(memory.NEW, drafted(days=300).candidates, None), SECOND, "is not the one"),
    ("an older chain", memory.pin(memory.NEW, THIRD.roots[2]), SECOND, "root 3, which is newer than this chain"),
    ("a new chain", TRUSTS_FIRST, None, "starts a new chain at root 1"),
]


@pytest.mark.parametrize(("its", "current", "why"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_chain_that_this_key_does_not_trust_is_refused(its: Memory, current: RootOfTrust | None, why: str) -> None:
    with pytest.raises(Mismatch, match=why):
        memory.check_chain(its, current)


def test_a_root_that_was_pinned_and_one_that_was_signed_must_both_be_in_the_chain() -> None:
    """A forged root 2 after a good root 1: the pin alone would let it pass."""
    forged = sealed_by(drafted(keyring("alice", "bob", "erin"), FIRST, NOW + timedelta(days=1)), "alice", "bob")
    signed = memory.remember(TRUSTS_FIRST, drafted(keyring("alice", "bob", "dan"), FIRST).candidates, FIRST)
    assert memory.check_chain(signed, SECOND)
    with pytest.raises(Mismatch, match="the root 2 of this chain is not the one"):
        memory.check_chain(signed, forged)


def test_a_memory_reads_back_as_the_same_bytes() -> None:
    remembered = memory.remember(TRUSTS_FIRST, drafted().candidates, None)
    for its in (
        remembered,
        memory.abandon(remembered, drafted().candidates),
        dataclasses.replace(remembered, pinned=None),
    ):
        assert memory.read(memory.write(its)) == its


@pytest.mark.parametrize("data", [b"", b"{}", b'{"type":"tallystick-memory/1","signed":[1]}'])
def test_a_damaged_memory_is_refused_and_never_taken_for_an_empty_one(data: bytes) -> None:
    with pytest.raises(BadInput, match="the memory beside the key is damaged"):
        memory.read(data)
