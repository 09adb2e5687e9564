"""The memory of a machine as a file for another one: what is taken from it is proved again, and nothing is lowered.

A page in such a file counts only with the signed files that prove it from the pinned root. So whoever writes the file
can bring nothing in that the registry did not sign; what goes with a page but is not signed (which version was highest,
what was seen to go) can only make this machine more careful.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from packaging.version import Version
from tuf.api.metadata import Root

from client_verify import withdrawals
from client_verify.answers import Highest, Past
from client_verify.refusals import Usage
from client_verify.remembering import equivocation, evidence, logs, proofs
from client_verify.remembering.evidence import Statement
from client_verify.remembering.memory import LATEST, NEWEST, Head, Memory, Remembered
from client_verify.remembering.proofs import PAGE, Document, Unproven
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
    """``heads`` are checkpoints of logs, each by the log's origin in the place of a role."""

    form: Literal["tallystick-memory-1"]
    url: str
    roots: tuple[Document, ...]
    timestamps: tuple[Document, ...]
    names: tuple[_Name, ...]
    heads: tuple[Document, ...] = ()


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
    heads = {origin: head.note for origin in memory.origins() if (head := memory.head(origin, NEWEST)) is not None}
    chain = proofs.documents_of(layout.ROOT, roots)
    return compact(strict.dump(_File(FORM, pin.url, chain, proofs.documents(kept), names, proofs.documents(heads))))


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
    forks = _take_in_head(memory, pin, chain, trusted[-1], proofs.files(file.heads), at)
    results = [(each.name, _take_in(memory, pin, chain, trusted, each, at)) for each in file.names]
    return Taken(
        sum(result == "new" for _, result in results),
        tuple(name for name, result in results if result == "unproven"),
        (*forks, *(name for name, result in results if result == "contradicted")),
    )


def _name(memory: Memory, name: str, verified: Remembered) -> _Name:
    documents = proofs.documents({PAGE: verified.page, **memory.proof(name)})
    return _Name(name, verified.snapshot, verified.verified_at, verified.past, documents)


def _take_in_timestamps(memory: Memory, root: Root, kept: dict[str, bytes]) -> None:
    for purpose, later in ((NEWEST, equivocation.newer), (LATEST, equivocation.signed_later)):
        ours, theirs = memory.timestamp(purpose), kept.get(purpose)
        if theirs is not None and equivocation.is_signed(root, layout.TIMESTAMP, theirs):
            memory.keep_timestamp(purpose, later(root, ours, theirs))


def _take_in_head(
    memory: Memory, pin: Pin, chain: Sequence[bytes], root: Root, heads: Mapping[str, bytes], at: str
) -> tuple[str, ...]:
    """Remember the head of the log that another machine saw, if it is the larger one. The log's name if both have one
    size and differ. Whether a larger one begins with ours is looked at when the log is asked next.
    """
    try:
        policy = pin.log.policy(root)
    except ValueError:
        return ()
    if policy is None or (data := heads.get(policy.origin)) is None:
        return ()
    theirs, kept = logs.head_of(data, policy), memory.head(policy.origin, NEWEST)
    ours = kept and logs.head_of(kept.note, policy)
    if theirs is not None and kept and ours:
        if logs.is_split(ours.checkpoint, theirs.checkpoint):
            sides = {logs.CHECKPOINT: kept.note}, {logs.CHECKPOINT: data}
            why = f"two different heads of the log {policy.origin} with {ours.checkpoint.size} leaves are signed"
            memory.keep_evidence(evidence.of_files(pin, chain, "log", policy.origin, why, at, *sides))
            return (policy.origin,)
        if theirs.checkpoint.size <= ours.checkpoint.size:
            return ()
    if theirs is not None:
        memory.keep_head(policy.origin, {NEWEST: Head(data, at)})
    return ()


@dataclass(frozen=True, slots=True)
class _Side:
    """What one machine knows of a name: the page, and what proves it."""

    verified: Remembered
    proof: dict[str, bytes]

    @property
    def statement(self) -> Statement:
        return evidence.statement({PAGE: self.verified.page, **self.proof}, self.verified.verified_at)


def _take_in(
    memory: Memory, pin: Pin, chain: Sequence[bytes], trusted: Sequence[Root], each: _Name, at: str
) -> Literal["new", "known", "unproven", "contradicted"]:
    try:
        theirs = _proved(trusted, each)
    except (Unproven, strict.Malformed, page.InvalidPage):
        return "unproven"
    known = memory.recall(each.name)
    if known is None:
        memory.remember(each.name, _followed(theirs.verified, None), theirs.proof)
        return "new"
    ours = _Side(known, memory.proof(each.name))
    earlier, later = sorted((ours, theirs), key=lambda side: (side.verified.state.serial, side.verified.snapshot))
    if broken := succession.broken_promises(earlier.verified.state, later.verified.state):
        why, sides = "; ".join(promise.sentence for promise in broken), (earlier.statement, later.statement)
        memory.keep_evidence(replace(evidence.of_name(pin, chain, each.name, why, *sides), seen_at=at))
        return "contradicted"
    memory.remember(each.name, _followed(later.verified, earlier.verified), {} if later is ours else later.proof)
    return "known" if later.verified.page == known.page else "new"


def _proved(trusted: Sequence[Root], each: _Name) -> _Side:
    files = proofs.files(each.documents)
    data = files.pop(PAGE, b"")
    proofs.check_page(trusted, each.name, data, files)
    page.parse(data)
    # That witnesses had seen a yank shortens the wait for it, and nothing in such a file proves it.
    past = replace(each.past, withdrawn=tuple(replace(gone, vouched_at=None) for gone in each.past.withdrawn))
    return _Side(Remembered(data, each.snapshot, each.verified_at, past), files)


def _followed(later: Remembered, earlier: Remembered | None) -> Remembered:
    """The later page, as if this machine had seen the earlier one before it."""
    past, before = (later.past, None) if earlier is None else (_both(earlier.past, later.past), earlier.state)
    return replace(later, past=withdrawals.followed(past, before, later.state, moment(later.verified_at)))


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
