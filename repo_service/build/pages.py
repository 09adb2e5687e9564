"""Which targets a name has: its page, and the files that may be installed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal

from keys import names, page
from keys.encoding import compact_plain, sha256
from keys.kept import kept
from keys.state import File, NameState, Release, is_installable
from repo_service.domain.announcing import Published
from repo_service.domain.flags import FlagAct

Layout = Literal["full", "compact"]
"""``full`` lists files as targets too, so that any TUF client can verify one; ``compact`` leaves them to the page."""


_DIGEST: Final = '"hashes":{"sha256":"'


@dataclass(frozen=True, slots=True)
class Target:
    """One line of a bin: a target path, its sha256 and its whole description, encoded (canonical JSON)."""

    path: str
    sha256: str
    entry: str

    @staticmethod
    def said(path: str, entry: str) -> "Target":
        """A target as a line of a bin says it."""
        # In canonical JSON this text cannot stand within a string: there its quotes would have backslashes.
        start = entry.index(_DIGEST) + len(_DIGEST)
        return Target(path, entry[start : start + 64], entry)

    @staticmethod
    def of(path: str, length: int, digest: str, custom: Mapping[str, str | int] | None = None) -> "Target":
        """A target of ``length`` bytes, with immutable facts in ``custom`` (TUF specification section 4.5)."""
        said: dict[str, Any] = {"hashes": {"sha256": digest}, "length": length}
        if custom:
            said["custom"] = custom
        return Target(path, digest, compact_plain(said).decode())

    @property
    def stored_at(self) -> str:
        """Where its bytes lie in the depot."""
        return stored_at(self.path, self.sha256)


def stored_at(path: str, sha256: str) -> str:
    """Where the bytes of a target with this digest lie in the depot (TUF specification, section 6.2)."""
    return f"targets/{names.hashed(path, sha256)}"


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page and every target that its name has with it."""

    name: str
    body: bytes
    targets: tuple[Target, ...]

    @property
    def stored_at(self) -> str:
        """The page's path below ``targets/``, with its hash (consistent snapshots)."""
        return names.hashed(self.targets[0].path, self.targets[0].sha256)


def page_of(state: NameState, layout: Layout) -> Page:
    """Render a name's page and list its targets, the page first."""
    body = page.render(state)
    own = Target.of(names.page_path(state.name), len(body), sha256(body))
    return Page(state.name, body, (own, *file_targets(state, layout)))


def file_targets(state: NameState, layout: Layout) -> Iterator[Target]:
    """The targets of the files that may be installed."""
    releases = (each for each in state.releases if is_installable(state, each)) if layout == "full" else ()
    return chain.from_iterable(_file_targets(each, state.name) for each in releases)


def policy_page(published: Published | FlagAct) -> Page:
    """A policy, or an act of flags, as a target, under its own id: no name of a package is touched by it."""
    own = Target.of(published.path, len(published.body), sha256(published.body))
    return Page(published.id, published.body, (own,))


@kept
def _file_targets(release: Release, name: str) -> tuple[Target, ...]:
    return tuple(_file_target(name, release, file) for file in release.present)


def _file_target(name: str, release: Release, file: File) -> Target:
    custom: dict[str, str | int] = {
        "canonical": release.canonical,
        "generation": release.generation,
        "identity": file.identity,
        "uploaded_at": file.uploaded_at,
        "version": release.version,
    }
    if file.core_metadata is not None:
        custom["core_metadata"] = file.core_metadata
    return Target.of(names.file_path(name, file.filename), file.size, file.sha256, custom)
