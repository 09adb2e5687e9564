"""A waiver is what enough holders of the root keys signed for this repository, and nothing else is one."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from keys import waivers
from keys.encoding import compact, sha256
from keys.waivers import Allowance, NoWaiver, Waiver
from tests.world import held_key, root_of_trust

TRUST: Final = root_of_trust()
REPOSITORY: Final = sha256(TRUST.roots[0].data)
WAIVER: Final = Waiver(REPOSITORY, 1, "2026-11-23T10:00:00Z", (Allowance("yanks", 10_000),), "a worm in 9,000 releases")


def signed(waiver: Waiver, *holders: int) -> bytes:
    return waivers.write(waiver, [held_key(number).sign(waivers.payload(waiver)) for number in holders])


def test_a_waiver_of_enough_holders_reads_back_as_it_was_written() -> None:
    assert waivers.read(signed(WAIVER, 1, 2), TRUST.root, REPOSITORY) == WAIVER
    unlimited = replace(WAIVER, allow=(Allowance("version_jump", None), Allowance("yanks", 1)))
    assert waivers.read(signed(unlimited, 2, 3), TRUST.root, REPOSITORY) == unlimited


@pytest.mark.parametrize("holders", [(), (1,), (1, 7)])
def test_a_waiver_of_too_few_holders_is_none(holders: tuple[int, ...]) -> None:
    with pytest.raises(NoWaiver, match=r"signed by [01] of 2 holders"):
        waivers.read(signed(WAIVER, *holders), TRUST.root, REPOSITORY)


def test_a_waiver_for_another_repository_is_none() -> None:
    with pytest.raises(NoWaiver, match="is for the repository"):
        waivers.read(signed(replace(WAIVER, repository="0" * 64), 1, 2), TRUST.root, REPOSITORY)


BROKEN: Final[dict[str, Callable[[dict[str, Any]], object]]] = {
    "more is allowed than was signed": lambda file: file["signed"]["allow"][0].update(limit=10_001),
    "another type": lambda file: file["signed"].update(_type="root"),
    "another version": lambda file: file["signed"].update(version=2),
    "a field that nobody knows": lambda file: file["signed"].update(more=1),
    "a date that is none": lambda file: file["signed"].update(expires="tomorrow"),
    "no rule": lambda file: file["signed"].update(allow=[]),
    "a rule twice": lambda file: file["signed"].update(allow=file["signed"]["allow"] * 2),
    "a limit of nothing": lambda file: file["signed"]["allow"][0].update(limit=0),
    "no reason": lambda file: file["signed"].update(reason=""),
    "signatures in another order": lambda file: file["signatures"].reverse(),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_waiver_in_which_one_thing_was_changed_is_none(change: Callable[[dict[str, Any]], object]) -> None:
    file = json.loads(signed(WAIVER, 1, 2))
    change(file)
    with pytest.raises(NoWaiver):
        waivers.read(compact(file), TRUST.root, REPOSITORY)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"x" * 70_000, signed(WAIVER, 1, 2) + b"\n"])
def test_bytes_that_are_no_waiver_are_refused(data: bytes) -> None:
    with pytest.raises(NoWaiver):
        waivers.read(data, TRUST.root, REPOSITORY)
