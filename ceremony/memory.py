"""What a key has signed, in a file beside the key: two roots of one version would split the clients for ever.

A key serves one repository. Nobody else can keep this memory: a coordinator who wants two roots would not.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from ceremony.draft import Candidate
from ceremony.errors import AlreadySigned, BadInput
from keys import strict
from keys.encoding import compact


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that was signed; ``digest`` is SHA-256 of the canonical signed bytes."""

    role: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything that one key signed."""

    type: Literal["tallystick-signed/1"]
    signed: tuple[Entry, ...]


NEW: Final = Memory("tallystick-signed/1", ())
"""The memory of a key that has signed nothing yet."""


def write(memory: Memory) -> bytes:
    """The memory's file."""
    return compact(strict.dump(memory))


def read(data: bytes) -> Memory:
    """The inverse of ``write``."""
    try:
        return strict.load(Memory, strict.parse(data))
    except strict.Malformed as error:
        raise BadInput(
            f"the memory beside the key is damaged: {error}",
            "Restore it from a copy. Without it nothing stops this key from signing two roots of one version.",
        ) from None


def check(memory: Memory, candidates: Iterable[Candidate]) -> None:
    """AlreadySigned if the key signed another file of the same role and version as a candidate."""
    for candidate in candidates:
        for entry in memory.signed:
            same = (entry.role, entry.version) == (candidate.role, candidate.version)
            if same and entry.digest != candidate.digest:
                raise AlreadySigned(
                    f"this key already signed a different {entry.role} version {entry.version}\n"
                    f"signed before: {entry.digest}\nasked now:     {candidate.digest}",
                    "Two files with one number split the clients for ever. Ask the coordinator which one is abandoned. "
                    "Only if no copy of the first can ever be published, take its entry out of the memory by hand.",
                )


def remember(memory: Memory, candidates: Iterable[Candidate]) -> Memory:
    """The memory with these candidates; one that is known already is kept once."""
    new = (Entry(each.role, each.version, each.digest) for each in candidates)
    return dataclasses.replace(memory, signed=tuple(dict.fromkeys((*memory.signed, *new))))
