"""What is public, and what ceremonies sealed, as this service has it: what a guard that was just started asks for."""

import json
from collections.abc import Mapping

from tuf.api.metadata import Targets

from keys import layout, trust
from keys.signing import SignerFailed
from repo_service.build.metadata import metadata_path
from repo_service.build.pages import stored_at
from repo_service.publishing import roots
from repo_service.storage.depot import Depot, version_of
from repo_service.storage.journal import Journal
from repo_service.storage.view import View


class Shelf:
    """See ``guarding.client.Public``."""

    def __init__(self, journal: Journal, depot: Depot) -> None:
        self._journal, self._depot = journal, depot

    def sealed(self) -> Mapping[str, bytes]:
        """As ``Public``: every root, the other offline files at their newest, and the pages of held names."""
        with self._journal.reading() as view:
            newest = view.offline()
            if not newest:
                return {}
            named = {f"{trust.version_of(data)}.{role}.json": data for role, data in newest.items()}
            count = trust.version_of(newest[layout.ROOT])
            paths = [metadata_path(layout.ROOT, number) for number in range(1, count)]
            chain = {path.removeprefix("metadata/"): view.file(path) for path in paths}
            pages = {path: view.file(path) for path in _pages(roots.parse_targets(newest[layout.HELD]))}
        return named | {path: data for path, data in (chain | pages).items() if data is not None}

    def published(self) -> tuple[bytes, ...]:
        """The depot's pointer, or the journal's newest release if it is not copied out yet."""
        pointer = self._depot.pointer()
        with self._journal.reading() as view:
            head = view.head()
            if head and (pointer is None or version_of(pointer) < head.generation):
                pointer = head.timestamp
            if pointer is None:
                return ()
            return pointer, self._snapshot(view, pointer)

    def _snapshot(self, view: View, timestamp: bytes) -> bytes:
        """What a timestamp names; read without judging it, which is what the guard does."""
        version = json.loads(timestamp)["signed"]["meta"]["snapshot.json"]["version"]
        path = metadata_path(layout.SNAPSHOT, version)
        if (found := self._depot.read(path) or view.file(path)) is None:
            raise SignerFailed(f"{path} is missing, and a guard that was started must see it; see `rebuild`")
        return found


def _pages(held: Targets) -> list[str]:
    return [stored_at(path, entry.hashes["sha256"]) for path, entry in held.targets.items()]
