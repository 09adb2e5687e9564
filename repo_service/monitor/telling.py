"""What a monitor tells: a paragraph for people, a line of JSON for programs, and what of a look is news."""

import hashlib
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from keys import strict
from keys.encoding import compact, compact_plain
from repo_service.monitor import alarms, codes
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding, Level

COLUMNS: Final = 80
CODES: Final[Mapping[str, tuple[Level, str]]] = {**codes.CODES, **alarms.CODES}
"""Every code that a monitor says."""
_ASK: Final = "ask the registry in public"
_KEEP: Final = "keep a copy of what is served and of the monitor's folder; ask in public"
DO: Final[Mapping[str, str]] = {
    "withdrawn": "ask the project's owners whether it was them; until then keep to the versions that you pinned",
    "all-withdrawn": "ask the project's owners whether it was them; until then keep to the versions that you pinned",
    "withdrawn-everywhere": _ASK,
    "one-class": _ASK,
    "quarantines": _ASK,
    "takedowns": _ASK,
    "digest-changed": f"install neither; {_KEEP}",
    "taken-over": "look whether the registry said that it lost these events; if not, ask in public",
    "late-event": _ASK,
    "root-changed": "compare it with what the key holders announced",
    "cosignatures-stale": "ask the witnesses which checkpoint they have (--vantage)",
    "split-view": "publish both checkpoints, which are in the monitor's folder below evidence/",
    "held-back": "look at the registry from another network; if it is the same there, ask the registry",
    "root-renewed": "",
    "sealed": "",
    "policy": "read it, if you depend on what it allows",
    "flag": "read the act, which says why",
    "passed-on": "decide whether you trust the new holder",
    "new-generation": "take it for another project than the one before",
    "restored": "",
    "newest-withdrawn": "read the reason on the project's page",
    "yanks-held": "if the project is yours and they are not, cancel them",
    "vantage-away": "look again later",
    "unreachable": "look at the registry from another network",
    "not-trusted": _KEEP,
    "log-forked": "publish both checkpoints, which are in the monitor's folder below evidence/",
    "log-behind": "look again later; if it stays so, look from another network",
    "log-broken": "look from another network; if it is the same there, ask the registry in public",
    "log-open": _ASK,
    "leaf-malformed": _KEEP,
    "leaf-misplaced": _KEEP,
    "serial": _KEEP,
    "step-illegal": _KEEP,
    "promise-broken": f"trust nothing of this name; {_KEEP}",
    "invariant-broken": _KEEP,
    "time-backwards": _ASK,
    "policy-unknown": _ASK,
    "policy-not-in-force": _ASK,
    "policy-broken": _ASK,
    "flag-broken": _ASK,
    "text-gone": "nothing, if the registry said that it took it back",
    "text-differs": _KEEP,
    "document-differs": _KEEP,
    "sealed-differs": _KEEP,
    "sealed-backwards": _KEEP,
    "page-differs": f"trust nothing of this name; {_KEEP}",
    "page-unnamed": _KEEP,
    "page-taken-over": _KEEP,
    "bin-differs": _KEEP,
    "bin-unsigned": _KEEP,
    "bin-version": _KEEP,
    "bins-root": _KEEP,
    "snapshot-differs": _KEEP,
    "version-backwards": _KEEP,
    "version-gap": _ASK,
    "served-missing": "look again later; if it stays so, ask the registry in public",
    "served-differs": f"install nothing from there; {_KEEP}",
    "served-unsigned": f"install nothing from there; {_KEEP}",
    "snapshot-unlogged": f"install nothing from there; {_KEEP}",
    "root-unlogged": f"compare it with what the key holders announced; {_KEEP}",
    "timestamp-behind": "look again later",
    "timestamp-expired": "look from another network; if it is the same there, ask the registry",
    "checkpoint-stale": "look from another network; if it is the same there, ask the registry",
    "quorum-missed": "ask the witnesses which checkpoint they have (--vantage)",
}
"""What helps, by code; nothing need be done where it is empty."""
AS_ONE: Final = frozenset({
    "cosignatures-stale", "held-back", "vantage-away", "log-behind", "quorum-missed", "checkpoint-stale",
    "timestamp-expired", "timestamp-behind", "unreachable",
})  # fmt: skip
"""Codes whose sentence says an age or a size: while they last they are told once."""
_SETTLED: Final = "settled"
_TABLE: Final = "CREATE TABLE IF NOT EXISTS lasting (what TEXT PRIMARY KEY) WITHOUT ROWID"


def paragraph(finding: Finding) -> str:
    """A finding for a terminal of 80 columns: what is wrong, where, what to do."""
    leaf = f"leaf {finding.index}, " if finding.index is not None else ""
    lines = [
        f"{finding.level.upper()} {finding.code}",
        *_wrapped(f"{finding.sentence}."),
        *_wrapped(f"{leaf}{finding.at}"),
        *(_wrapped(f"Next: {DO[finding.code]}.") if DO[finding.code] else ()),
    ]
    return "\n".join(lines)


def as_json(origin: str, number: int, finding: Finding) -> str:
    """A finding in one line."""
    return compact({"id": identity(origin, number, finding), **strict.dump(finding)}).decode()


def identity(origin: str, number: int, finding: Finding) -> str:
    """By which a receiver knows what it was told before: the same however often it is told."""
    said = f"{origin}\n{number}\n".encode() + compact_plain(strict.dump(finding))
    return f"msg_{hashlib.sha256(said).hexdigest()[:32]}"


def body(origin: str, finding: Finding) -> bytes:
    """A finding as a webhook's body (Standard Webhooks: type, timestamp, data)."""
    data: dict[str, Any] = {**strict.dump(finding), "origin": origin, "do": DO[finding.code]}
    return compact({"type": f"monitor.{finding.level}", "timestamp": finding.at, "data": data})


@dataclass(frozen=True, slots=True)
class Settled:
    """``seen`` is everything that is so at this moment; ``still`` is what was so before, and was told then."""

    seen: frozenset[str]
    still: tuple[Finding, ...]


def settle(book: Book) -> Settled:
    """Go through what was found since the last time. What has a leaf was found once. What is about the moment of
    looking is found each time: it is told when it begins, and taken out of the book while it lasts.
    """
    book.db.execute(_TABLE)
    seen, still = set[str](), list[Finding]()
    with book.transaction():
        before = {row[0] for row in book.db.execute("SELECT what FROM lasting")}
        again = list[int]()
        for number, finding in book.findings(book.number(_SETTLED, 0)):
            if finding.index is not None:
                continue
            if (what := _what(finding)) in before | seen:
                again.append(number)
                still += [finding] if what not in seen else []
            seen.add(what)
        book.db.executemany("INSERT OR IGNORE INTO lasting VALUES (?)", [(what,) for what in seen])
        book.db.executemany("DELETE FROM finding WHERE number = ?", [(number,) for number in again])
        book.keep(_SETTLED, str(last(book)).encode())
    return Settled(frozenset(seen), tuple(still))


def forget(book: Book, settled: Settled) -> None:
    """After a whole round: what was not found again is over, and is news when it comes back."""
    with book.transaction():
        over = {row[0] for row in book.db.execute("SELECT what FROM lasting")} - settled.seen
        book.db.executemany("DELETE FROM lasting WHERE what = ?", [(what,) for what in over])


def last(book: Book) -> int:
    """The number of the newest finding; 0 if there is none."""
    number: int = book.db.execute("SELECT coalesce(max(number), 0) FROM finding").fetchone()[0]
    return number


def _what(finding: Finding) -> str:
    sentence = re.sub("[0-9]+", "#", finding.sentence) if finding.code in AS_ONE else finding.sentence
    return f"{finding.code} {finding.index} {finding.name} {sentence}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
