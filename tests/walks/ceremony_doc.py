"""What docs/CEREMONY.md shows, from real commands: ``python -m tests.walks.ceremony_doc`` writes it again.

Each ``console`` block is run in order, in one folder and without a network: a line that begins with ``$`` is typed, and
below it stands what was on the screen, with all answers but secrets. ``…`` is anything. Before a block may stand

    <!-- answers: agree=y,n why="not carol" -->   what people say who do not agree to everything
    <!-- exit 13 -->                              how its last command ends, where that is not 0
    <!-- time passes: days=300 -->                each command takes a minute besides
    <!-- not run: why -->

Keys, passphrases and dates are the same each time (tests/walks/fixed_lots.py).
"""

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ceremony import directory, memory
from keys import waivers
from keys.encoding import sha256
from tests.ceremony.person import Person
from tests.no_network import in_no_network
from tests.walks import fixed_lots

CEREMONY_MD: Final = Path(__file__).parents[2] / "docs" / "CEREMONY.md"
BEGIN: Final = datetime(2026, 12, 1, 9, 0, 0, tzinfo=UTC)
_PART: Final = re.compile(r"^<!-- (?P<note>[^\n]*?) -->$|^```console\n(?P<block>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND: Final = re.compile(r"^\$ (?P<typed>(?:[^\n]*\\\n)*[^\n]*)\n(?P<seen>(?:(?!\$ )[^\n]*\n)*)", re.MULTILINE)
_KEY: Final = re.compile(r"--key +(\S+)\.key|key new (?P<name>\S+) +--out +(?P<out>\S+)")
_REQUEST: Final = re.compile(r"(sign|pin) (\S+\.request)")
_WAIVER: Final = re.compile(r"sign (\S+\.waiver)")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the document: what is typed and seen, where the latter stands, and what notes say of it."""

    typed: str
    seen: str
    start: int
    notes: tuple[str, ...]
    last: bool

    @property
    def code(self) -> int:
        """The exit status that the document gives it."""
        return next((int(note.split()[1]) for note in self.notes if note.startswith("exit ") and self.last), 0)


class Table:
    """A folder in which commands are typed, one a minute, by people who remember their passphrases."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._now = BEGIN
        self._people: dict[str, Person] = {}
        tools = folder / ".tools"
        tools.mkdir()
        for name in fixed_lots.TOOLS:
            (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.walks.fixed_lots {name} "$@"\n')
            (tools / name).chmod(0o755)
        self._environment = {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "HOME": str(folder), "LC_ALL": "C.UTF-8",
        }  # fmt: skip

    def run(self, command: Command) -> str:
        """Type a command, answer what it asks, and see that it ends as it should; all that was on the screen."""
        for note in command.notes:
            if note.startswith("time passes: "):
                self._now += timedelta(**_values(note.partition(": ")[2], float))
        self._now += timedelta(minutes=1)
        person = self._person(command)
        clock = {fixed_lots.NOW: self._now.isoformat(), fixed_lots.DICE: f"{self._now.isoformat()} {command.typed}"}
        typed = shlex.quote(command.typed)
        code, seen = person.run(
            self._folder, typed, 40, (*in_no_network(("bash", "-euc")),), **self._environment, **clock
        )
        assert code == command.code, f"$ {command.typed}\nended with {code}, not {command.code}:\n{seen}"
        return "\n".join(line.rstrip() for line in seen.strip("\n").splitlines()) + "\n" if seen.strip() else ""

    def _person(self, command: Command) -> Person:
        """Whoever types it, who hears the words that another holder of the same request reads to them."""
        key = _KEY.search(command.typed)
        whose = (key[1] or f"{key['out']}/{key['name']}") if key else ""
        person = self._people.setdefault(whose, Person())
        person.asked.clear()
        said = next((note.partition(": ")[2] for note in command.notes if note.startswith("answers: ")), "")
        person.says = {prompt: tuple(answer.split(",")) for prompt, answer in _values(said, str).items()}
        if waiver := _WAIVER.search(command.typed):
            waived, _ = waivers.unverified((self._folder / waiver[1]).read_bytes())
            person.heard = sha256(waivers.payload(waived))
        elif asked := _REQUEST.search(command.typed):
            its = directory.open_ceremony(self._folder / asked[2])
            current = its.inputs.current
            root = memory.root_entry(current.roots[-1]).digest if current else ""
            person.heard = root if asked[1] == "pin" else its.drafted.digest
        return person


def commands(text: str) -> Iterator[Command]:
    """Every command of a document that is to be run."""
    notes: list[str] = []
    for part in _PART.finditer(text):
        if part["note"] is not None:
            notes.append(part["note"])
            continue
        found = [*_COMMAND.finditer(part["block"])]
        for number, match in enumerate(found, 1):
            yield Command(
                match["typed"].replace("\\\n", ""), match["seen"], part.start("block") + match.start("seen"),
                tuple(note for note in notes if number == 1 or not note.startswith("time")), number == len(found),
            )  # fmt: skip
        notes = []


def is_run(command: Command) -> bool:
    return not any(note.startswith("not run: ") for note in command.notes)


def agrees(shown: str, seen: str) -> bool:
    """Whether the document shows what was seen; a ``…`` of it stands for anything."""
    return re.fullmatch(".*?".join(map(re.escape, shown.split("…"))), seen, re.DOTALL) is not None


def written(text: str) -> str:
    """The document with everything that it shows as it is seen now."""
    with tempfile.TemporaryDirectory() as folder:
        return shown(text, Table(Path(folder)))


def shown(text: str, table: Table) -> str:
    """The same, of what is seen at a table."""
    made, done = [], 0
    for command in filter(is_run, commands(text)):
        seen = table.run(command)
        made += [text[done : command.start], command.seen if agrees(command.seen, seen) else seen]
        done = command.start + len(command.seen)
    return "".join([*made, text[done:]])


def main() -> None:
    CEREMONY_MD.write_text(written(CEREMONY_MD.read_text()))


def _values(text: str, kind: Callable[[str], Any]) -> dict[str, Any]:
    """``a=1 b="x y"``."""
    return {name: kind(value) for name, _, value in (word.partition("=") for word in shlex.split(text))}


if __name__ == "__main__":
    main()
