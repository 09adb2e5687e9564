"""One round of a monitor: follow, look from elsewhere, compare what is served, and say what is news."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from keys import layout
from keys.encoding import sha256
from keys.times import moment, stamp
from keys.tlog import notes
from keys.tlog.proofs import Policy, Witnessed
from keys.trust import NotTrusted
from repo_service.build.metadata import metadata_path
from repo_service.monitor import alarms, telling, vantages
from repo_service.monitor.auditing import Sample, audit
from repo_service.monitor.book import Book
from repo_service.monitor.feeds import News
from repo_service.monitor.findings import Finding
from repo_service.monitor.following import follow, head_of
from repo_service.monitor.limits import Limits
from repo_service.monitor.reading import OutOfReach, Public
from repo_service.monitor.seen import Released, Seen, Watch
from repo_service.monitor.trusting import roots
from repo_service.monitor.vantages import Here, Look, Vantage
from repo_service.monitor.watching import Alarms

ORIGIN: Final = "origin"
"""Under which the book keeps the name of the log."""
_AGAIN: Final = 3
_AWAY: Final = "away"
_NOTE: Final = "note"


@dataclass(frozen=True, slots=True)
class Post:
    """What a monitor watches, from where, and by which limits. ``pin`` is the root file that it believes."""

    where: str
    public: Public
    pin: bytes
    folder: Path
    limits: Limits
    sample: Sample
    elsewhere: tuple[Vantage, ...] = ()
    has_feeds: bool = False


@dataclass(slots=True)
class Counts:
    """A watch that counts what was taken in."""

    releases: int = 0
    events: int = 0
    bins: int = 0

    def __call__(self, seen: Seen) -> Iterable[Finding]:
        """Count a release, once it is over. It finds nothing."""
        if isinstance(seen, Released):
            self.releases += 1
            self.events += seen.events
            self.bins += seen.bins
        return ()


@dataclass(frozen=True, slots=True)
class Round:
    """What a round looked at. ``head`` is the newest that was verified, if the log was as it must be; ``alarms`` and
    ``notices`` are what it found, also what was found before and is still so; ``still`` are these.
    """

    at: str
    origin: str
    new_leaves: int
    counts: Counts
    head: Witnessed | None
    policy: Policy
    vantages: int
    alarms: int
    notices: int
    still: tuple[Finding, ...]


def look(post: Post, book: Book, now: datetime) -> Round:
    """Look once; what is found is in the book, what is told already no longer. Raises OutOfReach and NotTrusted, after
    what was found until then is settled.
    """
    try:
        found = _look(post, book, now)
    except OutOfReach as error:
        _say(book, _unreachable(book, str(error), post.limits, now))
        telling.settle(book)
        raise
    except NotTrusted as error:
        _say(book, [alarms.finding("not-trusted", _one_line(error), stamp(now))])
        telling.settle(book)
        raise
    book.keep(_AWAY, b"")
    settled = telling.settle(book)
    telling.forget(book, settled)
    return replace(found, still=settled.still)


def _look(post: Post, book: Book, now: datetime) -> Round:
    policy = roots(post.public, post.pin).policy
    book.keep(ORIGIN, policy.origin.encode())
    # Elsewhere first: what was there then must be here now.
    looked = [vantages.look(each, policy) for each in post.elsewhere]
    counts, found, before = Counts(), list[Finding](), head_of(book)
    patience = timedelta(seconds=post.limits.standstill_s)
    chance = Random(stamp(now))  # noqa: S311 - which files are looked at, and nobody gains by knowing
    looking = audit(post.public, book, post.pin, now, post.sample, chance, _watches(post, book, counts), patience)
    levels = Counter(each.level for each in _noted(looking, found))
    for _ in range(_AGAIN):
        if (head := _verified(post, book, policy)) or found:
            break  # else the log grew while it was followed
        following = follow(post.public, book, post.pin, now, _watches(post, book, counts))
        levels.update(each.level for each in _noted(following, found))
    if head:
        compared = [*_compared(post, book, looked, head, policy, now)]
        _say(book, compared)
        levels.update(each.level for each in compared)
    if any(each.code == "snapshot-unlogged" for each in found):
        _keep_served(post)
    agreeing = sum(each.head is not None for each in looked)
    new = head_of(book).done - before.done
    return Round(
        stamp(now), policy.origin, new, counts, head, policy, agreeing, levels["alarm"], levels["notice"], ()
    )  # fmt: skip


def _noted(findings: Iterable[Finding], found: list[Finding]) -> Iterator[Finding]:
    """Those of this moment are kept in ``found``; those of leaves may be many."""
    for each in findings:
        if each.index is None:
            found.append(each)
        yield each


def _keep_served(post: Post) -> None:
    """The timestamp and the snapshot that no leaf names: whoever shows them may soon show others."""
    folder = post.folder / vantages.EVIDENCE
    timestamp = post.public.read(metadata_path(layout.TIMESTAMP, 0)) or b""
    folder.mkdir(exist_ok=True)
    (folder / f"{sha256(timestamp)[:16]}.timestamp.json").write_bytes(timestamp)
    if named := re.search(rb'"snapshot\.json":\{[^{}]*(?:\{[^{}]*\})?[^{}]*"version":([0-9]{1,10})\}', timestamp):
        snapshot = post.public.read(metadata_path(layout.SNAPSHOT, int(named[1]))) or b""
        (folder / f"{sha256(snapshot)[:16]}.snapshot.json").write_bytes(snapshot)


def _watches(post: Post, book: Book, counts: Counts) -> Sequence[Watch]:
    """Made anew for each time of following."""
    return (Alarms(book, post.limits), counts, *((News(book),) if post.has_feeds else ()))


def _verified(post: Post, book: Book, policy: Policy) -> Witnessed | None:
    """The checkpoint that is served, with its cosignatures, if it is the head that was followed: else the log grew, or
    is not what it was. The note of the last one is kept for that, since both together are the evidence.
    """
    here, known, kept = vantages.look(Vantage(post.where, post.public), policy).head, head_of(book), book.value(_NOTE)
    if here is None:
        return None
    if (here.checkpoint.size, here.checkpoint.root) == (known.size, known.root):
        book.keep(_NOTE, str(here.note).encode())
        return here
    before = notes.read_checkpoint(notes.read_note(kept).text) if kept else None
    if kept and before and vantages.agree(before, here.checkpoint, post.public, post.public) is False:
        vantages.keep(post.folder, kept.decode(), str(here.note))
    return None


def _compared(
    post: Post, book: Book, looked: Sequence[Look], head: Witnessed, policy: Policy, now: datetime
) -> Iterator[Finding]:
    yield from alarms.of_head(head, policy, post.limits, now)
    here = Here(head, policy, post.public, post.folder)
    for each in looked:
        yield from vantages.compare(each, here, book, post.limits, now)


def _unreachable(book: Book, why: str, limits: Limits, now: datetime) -> Iterator[Finding]:
    """Nothing for a while, since networks fail; then an alarm."""
    at = stamp(now)
    since = (book.value(_AWAY) or at.encode()).decode()
    book.keep(_AWAY, since.encode())
    if (moment(at) - moment(since)).total_seconds() > limits.held_back_s:
        yield alarms.finding("unreachable", f"the registry has not been in reach since {since}: {why}", at)


def _say(book: Book, findings: Iterable[Finding]) -> None:
    found = list(findings)
    with book.transaction():
        book.say(found)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def summary(found: Round, post: Post) -> str:
    """What was looked at, for a terminal of 80 columns."""
    counts, head = found.counts, found.head
    rows = [
        (
            "new",
            f"{_counted(found.new_leaves, 'leaf', 'leaves')}: {_counted(counts.releases, 'release')}, "
            f"{_counted(counts.events, 'event')}, {_counted(counts.bins, 'bin')}",
        ),
        ("found", f"{_counted(found.alarms, 'alarm')}, {_counted(found.notices, 'notice')}"),
    ]
    if head:
        checkpoint = head.checkpoint
        rows[:0] = [
            ("log", f"{found.origin}, {checkpoint.size} leaves"),
            ("root", checkpoint.root.hex()),
            ("witnesses", _witnessed(head, found.policy)),
        ]
    else:
        rows[:0] = [("log", f"{found.origin}; what is served is not the head that was followed")]
    if post.elsewhere:
        rows.insert(-1, ("vantages", f"{found.vantages} of {len(post.elsewhere)} were looked at"))
    lines = [f"Looked at {post.where}, {found.at}", *(f"  {what:<10}{said}" for what, said in rows)]
    return "\n".join(lines)


def _witnessed(head: Witnessed, policy: Policy) -> str:
    if not policy.witnesses:
        return "none are named by the root"
    return f"{len(head.cosigned)} of {len(policy.witnesses)} cosigned; the root asks for {policy.quorum}"


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
