"""What an installer will ask for next, as far as it can be told without asking it: a guess, which costs a few requests.

Whatever is guessed is only fetched, and judged when it is asked for, as all else is. The guess is modest: names that
somebody wrote down, what the newest version of a served page needs, and nothing that was needed in earlier runs.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import BinaryIO, Final

from packaging.requirements import InvalidRequirement, Requirement

from client_verify import verdict
from client_verify.fetching.ahead import Crew
from client_verify.installing.written import content, written
from client_verify.verifier import Verifier
from keys import names
from keys.state import File, NameState

_MOST: Final = 200
_VERBS: Final = frozenset(
    {"add", "compile", "download", "install", "lock", "pdm", "pip", "poetry", "run", "sync", "tool", "uv", "wheel"}
)
_LOCKS: Final = ("uv.lock", "pylock.toml", "poetry.lock", "pdm.lock")
_LOCKED: Final = re.compile(r'^name = "([^"\n]+)"', re.MULTILINE)
"""A package in each of the four kinds of lock files in TOML; what it depends on stands within a line."""


class Foresight:
    """Fetches ahead what probably comes next, while nobody waits for it."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._crew = Crew()

    def page(self, state: NameState) -> None:
        """A page is being served: its newest version's metadata comes next, and then the pages that it names."""
        if (file := likely(state)) is not None:
            self._crew.add(lambda: self._metadata_ahead(state.name, file))

    def metadata(self, body: BinaryIO) -> None:
        """Core metadata is being served, from its beginning: the pages that it names come next."""
        self._verifier.prefetch(required(body.read()))
        body.seek(0)

    def _metadata_ahead(self, name: str, file: File) -> None:
        with self._verifier.metadata(name, file) as body:
            self.metadata(body)


def likely(state: NameState) -> File | None:
    """The file whose metadata is asked for if the newest version is taken: its wheel for every machine, if any."""
    newest = verdict.newest(state)
    files = (file for release in state.releases if release.version == newest for file in release.files)
    return next((file for file in files if file.filename.endswith("-none-any.whl") and file.core_metadata), None)


def required(metadata: bytes) -> list[str]:
    """Names that core metadata requires on this machine, without extras; what cannot be read names none."""
    lines = BytesHeaderParser().parsebytes(metadata).get_all("Requires-Dist", [])
    return [*_names(line for line in map(str, lines) if _applies(line))][:_MOST]


def named(command: Sequence[str], folder: Path) -> list[str]:
    """Names that a command line gives, itself or in requirements files; else those of the lock files in a folder."""
    found = [*_names(each for each in written(command, folder) if each not in _VERBS)]
    if not found and "pip" not in map(_program, command):
        found = [*_names(name for lock in _LOCKS for name in _LOCKED.findall(content(folder / lock)))]
    return [*dict.fromkeys(found)][:_MOST]


def _names(requirements: Iterable[str]) -> Iterator[str]:
    for requirement in requirements:
        try:
            yield names.normalise(Requirement(requirement).name)
        except (InvalidRequirement, names.InvalidName):
            continue


def _applies(requirement: str) -> bool:
    try:
        marker = Requirement(requirement).marker
        return marker is None or marker.evaluate({"extra": ""})
    except ValueError:
        return False


def _program(word: str) -> str:
    return Path(word).name
