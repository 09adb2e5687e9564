"""What happened in a soak, as everybody who took part wrote it down: one JSON object a line, many files in a folder."""

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Answer:
    """A change that the service acknowledged: what was asked and what the receipt says. Times are ``time.time()``.

    ``lane`` is the sequence in which its sender asked: what is later in a lane was sent after the earlier was answered,
    or has a higher ``source_seq``. ``timestamp`` is the receipt's ``signed_in``, if it was visible already.
    """

    lane: str
    place: int
    name: str
    verb: str
    version: str
    key: str
    sent: float
    at: float
    change: str
    status: str
    serial: int | None
    changed: bool
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class Turned:
    """A change that was refused: in a soak all that is asked is allowed."""

    name: str
    verb: str
    version: str
    status: int
    said: str


@dataclass(frozen=True, slots=True)
class Look:
    """One refresh of a verifying client, with the serials of some pages (0 is proven absent). ``failure`` is what it
    refused; a ``network`` error is nothing against the repository.
    """

    client: str
    begun: float
    ended: float
    timestamp: int
    serials: dict[str, int] = field(default_factory=dict)
    failure: str | None = None
    network: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """The digest of a file that is never to change, as somebody outside saw it (``timestamp 7`` for a pointer)."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Shown:
    """The version of the public timestamp at a time."""

    at: float
    timestamp: int


@dataclass(frozen=True, slots=True)
class Struck:
    """Done to whom: ``kill``, ``stop``, ``restart`` of a server, ``reset`` of connections; a ``fall`` is by itself."""

    at: float
    how: str
    whom: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Signed:
    """An event as the journal has it in the end. ``release`` null is in no release."""

    name: str
    serial: int
    type: str
    version: str | None
    change: str
    release: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """What a verifying client is shown of a name in the end: its serial, and whether each release is yanked."""

    name: str
    serial: int
    releases: dict[str, bool]


@dataclass(frozen=True, slots=True)
class End:
    """How it ended: releases, what the auditor found, and whatever else went wrong that somebody noticed."""

    generations: int
    wrong: list[str]


Entry = Answer | Turned | Look | Sight | Shown | Struck | Signed | Page | End
_KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__: kind for kind in (Answer, Turned, Look, Sight, Shown, Struck, Signed, Page, End)
}


class Diary:
    """One participant's own file of what happened, safe for several threads."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = (folder / f"{name}.jsonl").open("a", buffering=1)
        self._lock = threading.Lock()

    def write(self, entry: Entry) -> None:
        """Keep an entry: it is in the file when this returns."""
        with self._lock:
            print(line(entry), file=self._file)

    def close(self) -> None:
        self._file.close()


def line(entry: Entry) -> str:
    """An entry as a line of a file."""
    return json.dumps({"kind": type(entry).__name__, **asdict(entry)}, sort_keys=True)


def read(folder: Path) -> Iterator[Entry]:
    """Everything that was written in a folder. A last line that its writer did not live to end is left out."""
    for file in sorted(folder.glob("*.jsonl")):
        for text in file.read_text().splitlines():
            try:
                parts = json.loads(text)
            except json.JSONDecodeError:
                continue
            yield _KINDS[parts.pop("kind")](**parts)
