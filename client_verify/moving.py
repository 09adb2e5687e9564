"""The memory of a machine as a file for another one: what is taken from it is proved again, and nothing is lowered.

A page in such a file counts only with the signed files that prove it from the pinned root. So whoever writes the file
can bring nothing in that the registry did not sign; what goes with a page but is not signed (which version was highest,
what was seen to go) can only make this machine more careful.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from packaging.version import Version
from tuf.api.metadata import Root

from client_verify import equivocation, evidence, proofs, withdrawals
from client_verify.answers import Highest, Past
from client_verify.evidence import Evidence
from client_verify.memory import LATEST, NEWEST, Memory, Remembered
from client_verify.proofs import PAGE, Document, Unproven
from client_verify.refusals import Usage
from client_verify.trust import Pin
from keys import layout, page, strict, succession
from keys.encoding import compact
from keys.names import Normal, segment
from keys.times import Instant, moment

FORM: Final = "tallystick-memory-1"


@dataclass(frozen=True, slots=True)
class _Name:
    name: Normal
    snapshot: int
    verified_at: Instant
    past: Past
    documents: tuple[Document, ...]

    def __post_init__(self) -> None:
        segment(self.name)
        moment(self.verified_at)


@dataclass(frozen=True, slots=True)
class _File:
    form: Literal["tallystick-memory-1"]
    url: str
    roots: tuple[Document, ...]
    timestamps: tuple[Document, ...]
    names: tuple[_Name, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an import: how many names this machine knew less of before, and which were left out because nothing
    proves them or because they contradict what it knows.
    """

    new: int
    unproven: tuple[str, ...]
    contradicted: tuple[str, ...]


def written(memory: Memory, pin: Pin, roots: Sequence[bytes]) -> bytes:
    """Everything that is remembered of a repository, as a file."""
    known = ((name, memory.recall(name)) for name in memory.names())
    names = tuple(_name(memory, name, verified) for name, verified in known if verified is not None)
    kept = {each: data for each in (NEWEST, LATEST) if (data := memory.timestamp(each)) is not None}
    chain = proofs.documents_of(layout.ROOT, roots)
    return compact(strict.dump(_File(FORM, pin.url, chain, proofs.documents(kept), names)))


def take_in(memory: Memory, pin: Pin, data: bytes, at: str) -> Taken:
    """Remember what such a file proves and this machine did not know. Usage if it is none, or of other roots."""
    try:
        file = strict.load(_File, strict.parse(data))
        chain = [document.data for document in file.roots]
        if pin.root not in chain:
            raise Usage("the file does not hold the root that is pinned here: it is of another repository")
        chain = chain[chain.index(pin.root) :]
        trusted = proofs.roots(chain)
    except (strict.Malformed, Unproven) as error:
        raise Usage(f"this is no memory that can be taken in: {error}. Nothing was written.") from None
    _take_in_timestamps(memory, trusted[-1], proofs.files(file.timestamps))
    results = [(each.name, _take_in(memory, pin, chain, trusted, each, at)) for each in file.names]
    return Taken(
        sum(result == "new" for _, result in results),
        tuple(name for name, result in results if result == "unproven"),
        tuple(name for name, result in results if result == "contradicted"),
    )


def _name(memory: Memory, name: str, verified: Remembered) -> _Name:
    documents = proofs.documents({PAGE: verified.page, **memory.proof(name)})
    return _Name(name, verified.snapshot, verified.verified_at, verified.past, documents)


def _take_in_timestamps(memory: Memory, root: Root, kept: dict[str, bytes]) -> None:
    for purpose, later in ((NEWEST, equivocation.newer), (LATEST, equivocation.signed_later)):
        ours, theirs = memory.timestamp(purpose), kept.get(purpose)
        if theirs is not None and equivocation.is_signed(root, layout.TIMESTAMP, theirs):
            memory.keep_timestamp(purpose, later(root, ours, theirs))


def _take_in(
    memory: Memory, pin: Pin, chain: Sequence[bytes], trusted: Sequence[Root], theirs: _Name, at: str
) -> Literal["new", "known", "unproven", "contradicted"]:
    try:
        files = proofs.files(theirs.documents)
        data = files.pop(PAGE, b"")
        proofs.check_page(trusted, theirs.name, data, files)
        state = page.parse(data)
    except (Unproven, strict.Malformed, page.InvalidPage):
        return "unproven"
    ours = memory.recall(theirs.name)
    verified = Remembered(data, theirs.snapshot, theirs.verified_at, theirs.past)
    if ours is None:
        past = withdrawals.followed(theirs.past, None, state, moment(theirs.verified_at))
        memory.remember(theirs.name, Remembered(data, theirs.snapshot, theirs.verified_at, past), files)
        return "new"
    mine = {PAGE: ours.page, **memory.proof(theirs.name)}
    earlier, later = sorted(((ours, mine), (verified, {PAGE: data, **files})), key=lambda each: each[0].state.serial)
    if broken := succession.broken_promises(earlier[0].state, later[0].state):
        sides = (evidence.statement(files, each.verified_at) for each, files in (earlier, later))
        why = "; ".join(promise.sentence for promise in broken)
        roots = proofs.documents_of(layout.ROOT, chain)
        memory.keep_evidence(Evidence(evidence.FORM, "name", theirs.name, pin.url, why, at, roots, *sides))
        return "contradicted"
    newest = later[0]
    past = withdrawals.followed(
        _both(earlier[0].past, newest.past), earlier[0].state, newest.state, moment(newest.verified_at)
    )
    proof = files if newest is verified else {}
    memory.remember(theirs.name, Remembered(newest.page, newest.snapshot, newest.verified_at, past), proof)
    return "new" if newest is verified and verified.page != ours.page else "known"


def _both(earlier: Past, later: Past) -> Past:
    """What either machine remembers: the higher version, and of what went when it was seen last."""
    seen = {each.version: each for each in earlier.withdrawn}
    for each in later.withdrawn:
        if each.version not in seen or seen[each.version].seen_at < each.seen_at:
            seen[each.version] = each
    return Past(max(_highests(earlier, later), key=_order, default=None), tuple(seen[each] for each in sorted(seen)))


def _highests(*pasts: Past) -> Iterator[Highest]:
    return (past.highest for past in pasts if past.highest is not None)


def _order(highest: Highest) -> tuple[Version, str]:
    return Version(highest.version), highest.verified_at
