"""What a holder's key remembers, in a file beside it: the newest root it trusts, and everything that it has signed.

Both are checks that nobody else can make. A coordinator who wants two roots of one version would not keep such a
memory, and a chain of roots that came with a request proves nothing by itself. A key serves one repository.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ceremony.draft import Candidate
from ceremony.errors import AlreadySigned, BadInput, Mismatch
from keys import layout, strict
from keys.encoding import canonical, compact, sha256
from keys.trust import RootOfTrust, SignedFile

STOP: Final = "Stop. This is another repository, or somebody shows you another root: call the other holders."


@dataclass(frozen=True, slots=True)
class Entry:
    """One file; ``digest`` is SHA-256 of the canonical signed bytes."""

    role: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Memory:
    """``pinned`` is the newest root that this key trusts; ``abandoned`` was signed and must never be published."""

    type: Literal["tallystick-memory/1"]
    pinned: Entry | None
    signed: tuple[Entry, ...]
    abandoned: tuple[Entry, ...]


NEW: Final = Memory("tallystick-memory/1", None, (), ())
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


def check_fork(memory: Memory, candidates: Iterable[Candidate]) -> None:
    """AlreadySigned if the key signed another file of the same role and version as a candidate."""
    for candidate in candidates:
        for entry in memory.signed:
            same = (entry.role, entry.version) == (candidate.role, candidate.version)
            if same and entry.digest != candidate.digest:
                raise AlreadySigned(
                    f"this key already signed a different {entry.role} version {entry.version}\n"
                    f"signed before: {entry.digest}\nasked now:     {candidate.digest}",
                    "Two files with one number split the clients for ever. Ask the coordinator which one is given up; "
                    "if it is the first, say 'abandon' with its request, and only then sign the second.",
                )


def check_chain(memory: Memory, current: RootOfTrust | None) -> Entry | None:
    """The newest root in the chain of a request that this key trusts already; None before the first ceremony.

    Mismatch if the chain does not go through every root that the key trusts or signed, or if it trusts none of it.
    """
    if current is None:
        if memory.pinned is not None:
            raise Mismatch(
                f"your key trusts root {memory.pinned.version}, and this ceremony starts a new chain at root 1", STOP
            )
        return None
    chain = {root.body.version: root_entry(root) for root in current.roots}
    known = [entry for entry in _roots(memory) if entry.version in chain]
    for entry in known:
        if chain[entry.version] != entry:
            raise Mismatch(
                f"the root {entry.version} of this chain is not the one that your key trusts\n"
                f"yours: {entry.digest}\nthis:  {chain[entry.version].digest}",
                STOP,
            )
    if memory.pinned is not None and memory.pinned.version not in chain:
        raise Mismatch(f"your key trusts root {memory.pinned.version}, which is newer than this chain", STOP)
    if not known:
        raise Mismatch(
            "your key trusts no root of this repository yet, so this chain could be anybody's",
            "Say 'pin' once: it asks for words that another holder reads to you.",
        )
    return max(known, key=lambda entry: entry.version)


def root_entry(root: SignedFile) -> Entry:
    """How a root is remembered."""
    return Entry(layout.ROOT, root.body.version, sha256(canonical(root.body.to_dict())))


def remember(memory: Memory, candidates: Iterable[Candidate], current: RootOfTrust | None) -> Memory:
    """The memory with these candidates, and the newest root of a chain that was checked."""
    pinned = memory.pinned if current is None else root_entry(current.roots[-1])
    return dataclasses.replace(memory, pinned=pinned, signed=_with(memory.signed, candidates))


def pin(memory: Memory, root: SignedFile) -> Memory:
    """The memory of a key that trusts a root by the words of another holder."""
    return dataclasses.replace(memory, pinned=root_entry(root))


def abandon(memory: Memory, candidates: Iterable[Candidate]) -> Memory:
    """The memory of a key whose holder says that these will never be published: others may take their numbers."""
    given_up = {_entry(each) for each in candidates} & set(memory.signed)
    kept = tuple(entry for entry in memory.signed if entry not in given_up)
    abandoned = (*memory.abandoned, *(entry for entry in memory.signed if entry in given_up))
    return dataclasses.replace(memory, signed=kept, abandoned=abandoned)


def is_abandoned(memory: Memory, candidates: Iterable[Candidate]) -> bool:
    """Whether the holder gave all of these up. Two drafts may have a file in common, which is no loss."""
    return all(_entry(each) in memory.abandoned for each in candidates)


def _roots(memory: Memory) -> Iterator[Entry]:
    yield from (entry for entry in memory.signed if entry.role == layout.ROOT)
    if memory.pinned is not None:
        yield memory.pinned


def _with(signed: tuple[Entry, ...], candidates: Iterable[Candidate]) -> tuple[Entry, ...]:
    return tuple(dict.fromkeys((*signed, *map(_entry, candidates))))


def _entry(candidate: Candidate) -> Entry:
    return Entry(candidate.role, candidate.version, candidate.digest)
