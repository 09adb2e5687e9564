"""What can be wrong with a repository, said to the person who must do something about it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from keys import names
from keys.state import File, NameState, purged
from repo_service.build.pages import stored_at

REBUILD: Final = "`tallystick-service rebuild` copies it again"
MOVE_AWAY: Final = "nothing overwrites it: move it away, find out who wrote it, then `tallystick-service rebuild`"
RESTORE: Final = "the journal is damaged: stop the service and restore a backup (docs/OPERATIONS.md)"
PUBLISH: Final = "`tallystick-service publish` does it"
RECOVER: Final = (
    "if this is an older database than the public files, `tallystick-service recover`; if it is not, the online key "
    "was stolen (docs/OPERATIONS.md)"
)
CEREMONY: Final = "only a ceremony can sign it again (tallystick-ceremony)"
UPLOAD: Final = "put it back there; its name holds its sha256"

Progress = Callable[[str, int, int], None]
"""Hears what is being looked at, and how far: of so many."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Where something is wrong, what, and what to do."""

    where: str
    what: str
    to_do: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.to_do}"


def artifacts(state: NameState) -> Iterator[tuple[str, int | None]]:
    """The files of a name that lie in the depot itself, by their paths, with their sizes in bytes (of core metadata
    nobody knows it). What was purged is gone for ever; what is merely hidden or removed may return.
    """
    gone = {(file.filename, file.sha256) for file in purged(state)}
    for release in state.releases:
        for file in release.files:
            if file.url is None and (file.filename, file.sha256) not in gone:
                yield from _of_file(state.name, file)


def _of_file(name: str, file: File) -> Iterator[tuple[str, int | None]]:
    path = stored_at(names.file_path(name, file.filename), file.sha256)
    yield path, file.size
    if file.core_metadata is not None:
        yield f"{path}.metadata", None
