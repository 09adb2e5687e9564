"""What the bins of a release replace, for a signer that judges: the files of before, and the pages that change."""

from collections.abc import Iterator
from functools import cached_property

from keys import layout
from repo_service.build.assemble import Differences
from repo_service.build.metadata import metadata_path
from repo_service.storage.view import View


class Replaced:
    """See ``assemble.Shown``. Good for as long as the view is open; nothing is read before it is asked for."""

    def __init__(self, view: View, new: Differences, before: layout.Bins, after: layout.Bins) -> None:
        self._view, self._new, self._before = view, new, before
        self._deeper = after.bit_length - before.bit_length

    def __call__(self, number: int) -> Iterator[bytes]:
        """The files that the bin of this number takes the place of, and its new pages with the old ones."""
        yield from self._files(number)
        for placed in self._new.placed.of(number):
            target = placed.target
            if target.path.startswith("simple/"):
                yield self._new.pages[self._pages[target.sha256]].body
                if (old := self._view.target(target.path)) and (page := self._view.file(old.stored_at)) is not None:
                    yield page

    def _files(self, number: int) -> Iterator[bytes]:
        deeper = self._deeper
        former = [number >> deeper] if deeper >= 0 else range(number << -deeper, (number + 1) << -deeper)
        for role, version in self._view.versions(map(self._before.role, former)).items():
            if (file := self._view.file(metadata_path(role, version))) is not None:
                yield file

    @cached_property
    def _pages(self) -> dict[str, int]:
        return {page.targets[0].sha256: place for place, page in enumerate(self._new.pages)}
