"""What happened, in order, so that nobody can tell it otherwise later: each line names the digest of the line before.

One JSON object a line (``transcript.jsonl``): what was done, when by this machine's clock, and its facts. No secret is
ever in it. Its head is read aloud and signed by witnesses with a key of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ceremony.errors import BrokenChain
from keys import strict
from keys.encoding import compact, sha256
from keys.times import stamp

BEGIN: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a line tells, by name."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. ``prev`` is SHA-256 of the line before, without its end; 64 zeros before the first."""

    prev: str
    at: str
    event: str
    facts: tuple[Fact, ...] = ()


def facts(told: Mapping[str, object]) -> tuple[Fact, ...]:
    """Facts by name; a text of several lines, or a list of texts, is kept line by line."""
    return tuple(Fact(name, _lines(value)) for name, value in told.items())


def continued(text: bytes, now: datetime, event: str, told: Mapping[str, object]) -> bytes:
    """The transcript with one line more; as it was, if it tells exactly that already, so that a command can be run
    again.
    """
    entries, new = read(text), facts(told)
    if any((each.event, each.facts) == (event, new) for each in entries):
        return text
    return text + compact(strict.dump(Entry(head(text), stamp(now), event, new))) + b"\n"


def read(text: bytes) -> list[Entry]:
    """Every line. BrokenChain if one was changed, taken out, put in or cut."""
    entries, prev = [], BEGIN
    for number, line in enumerate(text.split(b"\n")[:-1], 1):
        try:
            entry = strict.load(Entry, strict.parse(line))
        except strict.Malformed as error:
            raise _broken(number, str(error)) from None
        if compact(strict.dump(entry)) != line:
            raise _broken(number, "it is not written as we write it")
        if entry.prev != prev:
            raise _broken(number, f"it follows {entry.prev:.16}, and the line before is {prev:.16}")
        entries.append(entry)
        prev = sha256(line)
    if not text.endswith(b"\n") and text:
        raise _broken(len(entries) + 1, "it was cut")
    return entries


def head(text: bytes) -> str:
    """SHA-256 of the last line: who knows it knows all lines."""
    return sha256(text.split(b"\n")[-2]) if text else BEGIN


def printed(entries: list[Entry]) -> list[str]:
    """For people."""
    lines = []
    for entry in entries:
        lines.append(f"{entry.at}  {entry.event}")
        lines += [f"    {fact.name}: {line}" for fact in entry.facts for line in fact.lines]
    return lines


def _lines(value: object) -> tuple[str, ...]:
    items: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    return tuple(line for item in items for line in str(item).split("\n"))


def _broken(number: int, why: str) -> BrokenChain:
    return BrokenChain(
        f"transcript: line {number}: {why}",
        "Keep this file as it is. Compare it with the copies of the witnesses, and write down what you find.",
    )
