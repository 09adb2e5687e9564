"""What can be read of the log in the journal: a part of ``View``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from keys import layout
from keys.encoding import sha256
from keys.tlog import leaves
from keys.tlog.binsums import BinSums
from repo_service.build.growth import Edge, edge_paths
from repo_service.build.logbook import Log, Said
from repo_service.build.metadata import body_of, metadata_path
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.reading import Reading
from repo_service.storage.rows import event_of

_PIECE: Final = 500


@dataclass(frozen=True, slots=True)
class LoggedRelease:
    """The log's tree after a release, and its checkpoint as the log signed it. ``cosigned`` are the lines that
    witnesses added, once they were asked; until then ``proof`` is the head of the proof's file.
    """

    generation: int
    size: int
    root: bytes
    checkpoint: str
    proof: str | None
    cosigned: str | None


class LogReading(Reading):
    """Reading of the log."""

    def logged(self, generation: int) -> LoggedRelease | None:
        """A release's part of the log; None if the log began later."""
        return self._logged(self._direct.mappings(s.LOGGED, generation=generation))

    def newest_logged(self) -> LoggedRelease | None:
        """That of the newest release that has one; None before the log begins."""
        return self._logged(self._direct.mappings(s.NEWEST_LOGGED))

    def cosigned(self, limit: int) -> list[LoggedRelease]:
        """The newest releases of the log whose checkpoints witnesses were asked to cosign, the newest first."""
        asked = select(t.logged).where(t.logged.c.cosigned.is_not(None))
        rows = self._connection.execute(asked.order_by(t.logged.c.generation.desc()).limit(limit)).mappings()
        return [LoggedRelease(**{**row, "root": bytes.fromhex(row["root"])}) for row in rows]

    def log(self, shape: layout.Bins) -> Log:
        """The log as the newest release left it: all that the next one needs of it."""
        newest = self.newest_logged()
        if newest is None:
            return Log()
        edge = Edge.of(newest.size, {path: self.log_file(path) for path in edge_paths(newest.size)})
        digests = {signed.number: bytes.fromhex(signed.sha256) for _, signed in self.signed_bins(shape.roles())}
        return Log(edge, BinSums.of(shape, digests))

    def log_file(self, path: str) -> bytes:
        """A file of the log, as it was made."""
        body: bytes | None = self._direct.scalar(s.FILE, path=path)
        assert body is not None, f"{path} is gone from the journal"
        return body

    def signed_bins(self, roles: Iterable[str]) -> Iterator[tuple[str, leaves.SignedBin]]:
        """When each of these bins expires, its version and the digest of what is signed in it."""
        wanted = list(roles)
        for start in range(0, len(wanted), _PIECE):
            for row in self._direct.rows(s.SIGNED_DIGESTS, values=wanted[start : start + _PIECE]):
                # What was signed before there was a log has no digest yet.
                digest = row.digest or sha256(body_of(self.log_file(metadata_path(row.role, row.version))))
                yield row.expires, leaves.SignedBin(row.version, digest)

    def said(self, events: Iterable[int]) -> Iterator[Said]:
        """These events, in the order of their numbers."""
        wanted = sorted(events)
        for start in range(0, len(wanted), _PIECE):
            for row in self._direct.mappings(s.EVENTS_OF, values=wanted[start : start + _PIECE]):
                yield Said(event_of(row), row["serial"])

    def ever_said(self, pending: Iterable[int]) -> Iterator[Said]:
        """All events that are signed, and these, but for those of names that were recovered from their pages."""
        waiting = {*pending}
        query = select(t.events).where(t.events.c.name.not_in(select(t.recovered.c.name))).order_by(t.events.c.seq)
        for row in self._connection.execute(query, execution_options={"yield_per": _PIECE}).mappings():
            if row["release"] is not None or row["seq"] in waiting:
                yield Said(event_of(row), row["serial"])

    def recovered_names(self) -> list[str]:
        """Names that went on from their public page, since events were lost."""
        return list(self._connection.scalars(select(t.recovered.c.name).order_by(t.recovered.c.name)))

    def ceremony_files(self) -> list[tuple[str, int]]:
        """Every root that there ever was, and the newest of the other files of ceremonies: roles and versions."""
        rows = self._connection.execute(
            select(t.roles.c.role, t.roles.c.version).where(t.roles.c.role.in_(layout.OFFLINE))
        )
        newest = {row.role: row.version for row in rows}
        roots = [(layout.ROOT, version) for version in range(1, newest.pop(layout.ROOT, 0) + 1)]
        return [*roots, *sorted(newest.items())]

    def _logged(self, rows: list[dict[str, object]]) -> LoggedRelease | None:
        return next((LoggedRelease(**{**row, "root": bytes.fromhex(str(row["root"]))}) for row in rows), None)  # type: ignore[arg-type]  # columns are fields
