"""Which targets a name has: its page, and the files that may be installed."""

from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from keys import names, page
from keys.encoding import sha256
from keys.kept import kept
from keys.state import File, NameState, Release, is_installable
from repo_service.domain.announcing import Published
from repo_service.domain.flags import FlagAct

Layout = Literal["full", "compact"]
"""``full`` lists files as targets too, so that any TUF client can verify one; ``compact`` leaves them to the page."""


@dataclass(frozen=True, slots=True)
class Target:
    """One line of a bin: a target path with its size in bytes, sha256 and, for files, immutable facts (``custom``)."""

    path: str
    length: int
    sha256: str
    custom: tuple[tuple[str, str | int], ...] = ()

    def entry(self) -> dict[str, Any]:
        """The target as targets metadata describes it (TUF specification section 4.5)."""
        body: dict[str, Any] = {"hashes": {"sha256": self.sha256}, "length": self.length}
        return body | ({"custom": dict(self.custom)} if self.custom else {})


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
    own = Target(names.page_path(state.name), len(body), sha256(body))
    releases = (each for each in state.releases if is_installable(state, each)) if layout == "full" else ()
    return Page(state.name, body, (own, *chain.from_iterable(_file_targets(each, state.name) for each in releases)))


def policy_page(published: Published | FlagAct) -> Page:
    """A policy, or an act of flags, as a target, under its own id: no name of a package is touched by it."""
    own = Target(published.path, len(published.body), sha256(published.body))
    return Page(published.id, published.body, (own,))


@kept
def _file_targets(release: Release, name: str) -> tuple[Target, ...]:
    return tuple(_file_target(name, release, file) for file in release.present)


def _file_target(name: str, release: Release, file: File) -> Target:
    facts: dict[str, str | int | None] = {
        "canonical": release.canonical,
        "core_metadata": file.core_metadata,
        "generation": release.generation,
        "identity": file.identity,
        "uploaded_at": file.uploaded_at,
        "version": release.version,
    }
    custom = tuple((key, value) for key, value in facts.items() if value is not None)
    return Target(names.file_path(name, file.filename), file.size, file.sha256, custom)
