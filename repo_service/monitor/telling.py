"""What a monitor tells: a paragraph for people, a line of JSON for programs, and what of a look is news."""

import hashlib
import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Final

from keys import strict
from keys.encoding import compact, compact_plain
from repo_service.monitor import alarms
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding, Level

COLUMNS: Final = 80
CODES: Final[Mapping[str, tuple[Level, str]]] = alarms.CODES
"""Every code that a monitor says."""
_ASK: Final = "ask the registry in public"
_KEEP: Final = "keep the monitor's folder, it is the evidence; ask the registry in public"
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
    "root-renewed": "nothing",
    "sealed": "nothing",
    "policy": "read it, if you depend on what it allows",
    "flag": "read the act, which says why",
    "passed-on": "decide whether you trust the new holder",
    "new-generation": "take it for another project than the one before",
    "restored": "nothing",
    "newest-withdrawn": "read the reason on the project's page",
    "yanks-held": "if the project is yours and they are not, cancel them",
    "vantage-away": "look again later",
}
"""What helps, by code."""
AS_ONE: Final = frozenset({"cosignatures-stale", "held-back", "vantage-away"})
"""Codes whose sentence says an age or a size: while they last they are told once."""
_TABLE: Final = "CREATE TABLE IF NOT EXISTS lasting (what TEXT PRIMARY KEY) WITHOUT ROWID"


def paragraph(finding: Finding) -> str:
    """A finding for a terminal of 80 columns: what is wrong, where, what to do."""
    leaf = f"leaf {finding.index}, " if finding.index is not None else ""
    lines = [
        f"{finding.level.upper()} {finding.code}",
        *_wrapped(f"{finding.sentence}."),
        *_wrapped(f"{leaf}{finding.at}"),
        *_wrapped(f"Next: {DO[finding.code]}."),
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


def news(book: Book, looked: Iterable[Finding]) -> list[Finding]:
    """What of a look at this moment was not so at the look before. To be asked within a transaction."""
    book.db.execute(_TABLE)
    found = {_what(each): each for each in looked}
    before = {row[0] for row in book.db.execute("SELECT what FROM lasting")}
    book.db.executemany("DELETE FROM lasting WHERE what = ?", [(what,) for what in before - found.keys()])
    book.db.executemany("INSERT INTO lasting VALUES (?)", [(what,) for what in found.keys() - before])
    return [each for what, each in found.items() if what not in before]


def _what(finding: Finding) -> str:
    sentence = re.sub("[0-9]+", "#", finding.sentence) if finding.code in AS_ONE else finding.sentence
    return f"{finding.code} {finding.index} {finding.name} {sentence}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
