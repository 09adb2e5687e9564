"""What can be read of releases and of what they signed: roles, files, targets."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, or_, select

from keys import layout
from keys.times import moment, stamp
from repo_service.build.due import Signed
from repo_service.build.listing import Listing, Meta
from repo_service.build.metadata import metadata_path
from repo_service.build.pages import Target
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.reading import Reading, _chunks

FILES: Final = 16
"""Files whose bytes are read or written together: whole bins, of which a release may have sixteen thousand."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest committed release: its generation (the timestamp's version), the lease under which it was made, its
    snapshot, when it was signed and its timestamp.
    """

    generation: int
    epoch: int
    snapshot: Meta
    signed_at: datetime
    timestamp: bytes


@dataclass(frozen=True, slots=True)
class Staged:
    """A committed release, perhaps not copied out yet: its timestamp and its new roots, with their paths."""

    generation: int
    timestamp: bytes
    roots: Sequence[tuple[str, bytes]]


class ReleaseReading(Reading):
    """Reading of releases, of the newest version of each role, and of signed files."""

    def head(self) -> Head | None:
        """The newest committed release; None before genesis."""
        row = self._first(s.HEAD)
        if row is None:
            return None
        pinned = Meta(row["snapshot"], row["length"], row["sha256"])
        return Head(row["generation"], row["epoch"], pinned, moment(row["signed_at"]), row["timestamp"])

    def listing(self) -> Listing:
        """What the newest snapshot lists."""
        rows = self._connection.execute(select(t.roles.c.role, t.roles.c.version)).all()
        metas = {row.role: Meta(row.version) for row in rows if row.role not in (layout.ROOT, *layout.ONLINE)}
        for role in metas.keys() & {*layout.OFFLINE}:
            row = self._one(select(t.files).where(t.files.c.path == metadata_path(role, metas[role].version)))
            assert row is not None, f"no {role} was taken in"
            metas[role] = Meta(metas[role].version, row["length"], row["sha256"])
        return Listing.of(metas)

    def versions(self, roles: Iterable[str]) -> dict[str, int]:
        """The newest version of each of these roles that was ever signed."""
        return {row["role"]: row["version"] for row in self._each(s.VERSIONS, roles)}

    def due_roles(self, now: datetime) -> list[Signed]:
        """Roles that are due to be signed again, the longest due first."""
        return [_signed(row) for row in self._direct.mappings(s.DUE, now=stamp(now))]

    def is_due(self, now: datetime) -> bool:
        """Whether any role is."""
        return (
            self._connection.scalar(select(t.roles.c.role).where(t.roles.c.renew_at <= stamp(now)).limit(1)) is not None
        )

    def lacking(self, keyids: Collection[str], limit: int) -> list[str]:
        """Online roles that are not signed by each of these keys, the timestamp and the snapshot first."""
        lacks = or_(*(~t.roles.c.signers.contains(keyid) for keyid in keyids))
        query = select(t.roles.c.role).where(t.roles.c.signers.is_not(None), lacks).order_by(t.roles.c.role.desc())
        return list(self._connection.scalars(query.limit(limit)))

    def signed_by(self) -> list[tuple[str, frozenset[str], int]]:
        """By which keys the online files of now are signed: ``timestamp``, ``snapshot`` or ``bin``, the key ids, and
        how many files.
        """
        rows = self._connection.execute(s.SIGNED_BY)
        return [(row.kind, frozenset(row.signers.split()), row.files) for row in rows]

    def last_done_at(self) -> datetime | None:
        """When the newest release was signed or the newest event recorded, whichever was later."""
        times = (self._standing.signed, self._standing.recorded)
        return max((moment(each) for each in times if each is not None), default=None)

    def roles(self) -> dict[str, Signed]:
        """The newest version of every role that clients can come to."""
        live = t.roles.c.signers.is_not(None) | t.roles.c.role.in_(layout.OFFLINE)
        return {row["role"]: _signed(row) for row in self._connection.execute(select(t.roles).where(live)).mappings()}

    def former_bins(self) -> dict[str, int]:
        """The last versions of bins of a former number of bins, to which nothing delegates any more."""
        former = t.roles.c.signers.is_(None) & t.roles.c.role.not_in(layout.OFFLINE)
        rows = self._connection.execute(select(t.roles.c.role, t.roles.c.version).where(former))
        return {row.role: row.version for row in rows}

    def highest_bin(self) -> int:
        """The greatest version that any bin ever had, of any number of bins; 0 before genesis."""
        query = select(func.max(t.roles.c.version)).where(t.roles.c.role.like(f"{layout.BIN_PREFIX}-%"))
        return self._connection.scalar(query) or 0

    def offline(self) -> dict[str, bytes]:
        """The newest file of every offline role; empty before the first ceremony was taken in."""
        known = self._connection.scalars(select(t.roles.c.role).where(t.roles.c.role.in_(layout.OFFLINE)))
        return {role: self.newest(role) for role in known.all()}

    def newest(self, role: str) -> bytes:
        """The newest signed file of an offline role."""

        def read() -> bytes:
            body: bytes | None = self._direct.scalar(s.NEWEST, role=role)
            assert body is not None, f"no {role} was taken in"
            return body

        return self._states.added(role, self._standing.targets, read) if role == layout.TARGETS else read()

    def file(self, path: str) -> bytes | None:
        """A signed public file, as it was signed."""
        body: bytes | None = self._direct.scalar(s.FILE, path=path)
        return body

    def signed_at(self, path: str) -> datetime:
        """When the release with this file was signed."""
        releases = t.releases.join(t.files, t.files.c.release == t.releases.c.generation)
        at = self._connection.scalar(select(t.releases.c.signed_at).select_from(releases).where(t.files.c.path == path))
        assert at is not None, f"{path} was never signed"
        return moment(at)

    def has_file(self, path: str) -> bool:
        """Whether a file of this path was ever signed."""
        return self._connection.scalar(select(t.files.c.path).where(t.files.c.path == path)) is not None

    def generation_before(self, generation: int, releases: int) -> int:
        """The generation of so many releases before this one; 0 if there are not so many. Generations may have gaps."""
        older = select(t.releases.c.generation).where(t.releases.c.generation < generation)
        query = older.order_by(t.releases.c.generation.desc()).limit(1).offset(releases - 1)
        return self._connection.scalar(query) or 0

    def targets_of(self, names: Iterable[str]) -> list[tuple[str, Target]]:
        """The signed targets of these names, each with its name."""
        return [(row["name"], _target(row)) for row in self._each(s.TARGETS_OF, names)]

    def entries_of(self, names: Iterable[str]) -> dict[str, str]:
        """The signed targets of these names: paths, and their encoded descriptions."""
        found: dict[str, str] = {}
        for chunk in _chunks(names):
            found |= self._direct.plain(s.ENTRIES_OF, values=chunk)
        return found

    def target(self, path: str) -> Target | None:
        """A target as the newest release signs it."""
        row = self._first(s.TARGET, path=path)
        return _target(row) if row else None

    def bin(self, number: int) -> dict[str, str]:
        """The whole signed content of a bin: target paths to their encoded descriptions."""
        return dict(self._direct.plain(s.BIN, bin=number))

    def staged(self) -> list[int]:
        """Generations that are committed and not known to be copied out, in order."""
        return self._direct.scalars(s.STAGED)

    def stage(self, generation: int) -> Staged:
        """What a release points clients to: its timestamp and its new roots."""
        roots = self._direct.plain(s.STAGED_ROOTS, generation=generation)
        timestamp = self._direct.scalar(s.TIMESTAMP, generation=generation)
        return Staged(generation, timestamp or b"", roots)

    def staged_files(self, generation: int, after: int) -> list[tuple[int, str, bytes]]:
        """The next ``FILES`` of a release's immutable files, but for new roots, in the order of copy-out, each with its
        position. A file without a body was copied out, and replaced, by another publisher since.
        """
        return self._direct.plain(s.STAGED_FILES, generation=generation, after=after, limit=FILES)

    def names_purged(self, generation: int) -> list[str]:
        """The names of which a release purges something."""
        return self._direct.scalars(s.PURGED_IN, generation=generation)

    def signed_since(self, at: datetime) -> datetime | None:
        """When this service signed for the first time at a moment or after it: proof that it was there."""
        first = self._connection.scalar(
            select(func.min(t.releases.c.signed_at)).where(t.releases.c.signed_at >= stamp(at))
        )
        return moment(first) if first else None


def _target(row: Mapping[Any, Any]) -> Target:
    return Target.said(row["path"], row["entry"])


def _signed(row: Mapping[Any, Any]) -> Signed:
    return Signed(row["role"], row["version"], moment(row["expires"]))
