"""The waivers in a folder, as far as they are good and not used up. The guard looks there whenever a rule says no."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from keys import waivers
from keys.encoding import sha256
from keys.waivers import NoWaiver, Waiver
from repo_service.guarding.facts import Sealed
from repo_service.guarding.rules import WAIVABLE

FOLDER: Final = "waivers"
Used = Callable[[int, str], Mapping[str, int] | None]
"""How much of a waiver, by its number and digest, is used; None if another of this number was used."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one waiver still allows of one rule; None is any amount."""

    number: int
    digest: str
    rule: str
    left: int | None


def read(data: bytes, sealed: Sealed) -> Waiver:
    """A waiver that this guard may heed. Raises NoWaiver."""
    waiver = waivers.read(data, sealed.trust.root, sealed.repository)
    if unknown := sorted({each.rule for each in waiver.allow} - WAIVABLE):
        raise NoWaiver(f"{unknown[0]} is no rule that can be waived; these are: {', '.join(sorted(WAIVABLE))}")
    return waiver


def budgets(folder: Path, sealed: Sealed, used: Used, now: datetime) -> list[Budget]:
    """What all waivers in the folder allow now."""
    return [budget for data in _files(folder) for budget in _of(data, sealed, used, now)]


def drawn(found: list[Budget], rule: str, amount: int) -> Iterator[tuple[int, str, str, int]]:
    """From which waivers an amount is taken: number, digest, rule and how much."""
    for each in (each for each in found if each.rule == rule):
        part = amount if each.left is None else min(each.left, amount)
        if part:
            yield each.number, each.digest, rule, part
        amount -= part


def total(found: list[Budget]) -> dict[str, int | None]:
    """How much more than each rule says is allowed altogether; None is any amount."""
    summed: dict[str, int | None] = {}
    for each in found:
        before = summed.get(each.rule, 0)
        summed[each.rule] = None if before is None or each.left is None else before + each.left
    return summed


def _files(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if path.is_file():
            with path.open("rb") as file:
                yield file.read(waivers.MAX_FILE + 1)


def _of(data: bytes, sealed: Sealed, used: Used, now: datetime) -> Iterator[Budget]:
    try:
        waiver = read(data, sealed)
    except NoWaiver:
        return  # who puts it there is told so by `guard DIR waiver`
    digest = sha256(waivers.payload(waiver))
    so_far = used(waiver.number, digest)
    if waiver.is_over(now) or so_far is None:
        return
    for each in waiver.allow:
        left = None if each.limit is None else each.limit - so_far.get(each.rule, 0)
        yield Budget(waiver.number, digest, each.rule, left)
