"""devpi's own data, as much of it as we read: what stands in an index as of one of its commits.

The Protocols say what we use of devpi-server (6.17 or later), which is not installed where this is type-checked.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import IO, Any, Final, Protocol
from urllib.parse import quote

from keys import names
from repo_service.registries.devpi.outbox import IndexFile, Stood

SIGNED: Final = (".whl", ".tar.gz", ".zip")
"""What installers install. devpi also keeps eggs and setup programs, which nobody would ever be offered."""


class Entry(Protocol):
    """A stored file."""

    def file_exists(self) -> bool:
        """Whether the bytes are in devpi's storage."""

    def file_size(self) -> int | None:
        """In bytes; None where there is no file."""

    def file_open_read(self) -> IO[bytes]:
        """Whoever opens it closes it."""


class Link(Protocol):
    """A file of a release."""

    relpath: str
    hashes: Mapping[str, str]
    entry: Entry

    @property
    def basename(self) -> str:
        """The file's name."""


class Links(Protocol):
    """The files of a release."""

    def get_links(self, rel: str) -> list[Link]:
        """Those of a kind; ``releasefile`` are what installers install."""


class Stage(Protocol):
    """An index, within a transaction that sees it as of one commit."""

    name: str
    keyfs: "KeyFS"
    ixconfig: Mapping[str, Any]

    def list_projects_perstage(self) -> Iterable[str]:
        """Of this index alone, and not of those that it inherits from."""

    def list_versions_perstage(self, project: str) -> Iterable[str]:
        """Of a project, in this index alone."""

    def get_versiondata_perstage(self, project: str, version: str) -> Mapping[str, Any]:
        """What was registered of a version; empty if nothing was."""

    def get_linkstore_perstage(self, name: str, version: str) -> Links:
        """Every link of a version, in this index alone."""


class Transaction(Protocol):
    """A look at devpi's data as of a commit."""

    at_serial: int


class Notifier(Protocol):
    """The thread that calls plugins after each commit."""

    def read_event_serial(self) -> int:
        """The last commit that every plugin has been told of."""


class KeyFS(Protocol):
    """devpi's database."""

    tx: Transaction
    notifier: Notifier

    def read_transaction(self, *, at_serial: int) -> AbstractContextManager[Transaction]:
        """A look as of this commit."""

    def get_current_serial(self) -> int:
        """The last commit."""


class Model(Protocol):
    """The indexes."""

    def getstage(self, user: str) -> Stage | None:
        """The index ``user/name``; None if there is none."""


class Pool(Protocol):
    """devpi's threads."""

    def register(self, task: object) -> None:
        """Run this thread as long as the server runs."""


class Xom(Protocol):
    """A running devpi-server."""

    keyfs: KeyFS
    model: Model
    thread_pool: Pool

    def is_replica(self) -> bool:
        """Whether another devpi-server is the one that is written to."""


class NoIndex(Exception):
    """devpi has no such index of its own. Nothing was compared."""


def version_in(stage: Stage, project: str, version: str, files: str) -> Stood:
    """How a version stands in an index as of the transaction; ``files`` is devpi's address.

    A file that is gone meanwhile is left out: nobody could install it, and the commit that removed it comes too. A name
    that is none is left as it is: the service says what is wrong with it.
    """
    data = stage.get_versiondata_perstage(project, version)
    links = stage.get_linkstore_perstage(project, version).get_links(rel="releasefile") if data else []
    requires_python = data.get("requires_python") or None
    links = [link for link in links if link.basename.endswith(SIGNED) and link.entry.file_exists()]
    found = sorted((_file(link, requires_python, files) for link in links), key=lambda file: file.filename)
    name = _normalised(project)
    display = data.get("name", name)
    spelling = display if _normalised(display) == name else name
    return Stood(name, version, stage.keyfs.tx.at_serial, spelling, tuple(found))


def whole(xom: Xom, index: str, files: str) -> tuple[list[Stood], int]:
    """All that stands in an index as of the last commit that plugins were told of, and its serial. Raises NoIndex."""
    serial = xom.keyfs.notifier.read_event_serial()
    with xom.keyfs.read_transaction(at_serial=serial):
        stage = xom.model.getstage(index)
        if stage is None:
            raise NoIndex(f"devpi has no index {index}; create it, or take it out of the configuration")
        if stage.ixconfig["type"] == "mirror":
            raise NoIndex(f"{index} is a mirror, whose projects are signed where they come from; name another index")
        return [each for each in _versions(stage, files) if each.files], serial


def _versions(stage: Stage, files: str) -> Iterator[Stood]:
    for project in sorted(stage.list_projects_perstage()):
        for version in sorted(stage.list_versions_perstage(project)):
            yield version_in(stage, project, version, files)


def _normalised(name: str) -> str:
    try:
        return names.normalise(name)
    except names.InvalidName:
        return name


def _file(link: Link, requires_python: str | None, files: str) -> IndexFile:
    size = link.entry.file_size()
    assert size is not None, "a file that exists has a size"
    digest = link.hashes.get("sha256") or _digest(link.entry.file_open_read)
    return IndexFile(link.basename, digest, size, f"{files}/{quote(link.relpath, safe='/+')}", requires_python)


def _digest(opened: Callable[[], IO[bytes]]) -> str:
    """Of files from the days when devpi kept MD5 alone."""
    with opened() as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # IO[bytes] is read like BinaryIO
