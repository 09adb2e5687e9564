"""What fsck, rebuild and gc ask of the journal: whole tables, a piece at a time, never more than a name in memory."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, func, select

from keys import strict
from keys.state import NameState
from keys.times import moment, stamp
from repo_service.build.due import Signed
from repo_service.build.logbook import Said
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.flags import FlagAct
from repo_service.storage import tables as t
from repo_service.storage.logreading import LoggedRelease
from repo_service.storage.rows import event_of
from repo_service.storage.view import View

_PIECE: Final = 200
_ITS_BODY: Final = t.bodies.c.path == t.files.c.path
_CURRENT: Final = t.files.c.superseded.is_(None)


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A file of the current state: its path, the release that brought it, its length, sha256 and, where the journal
    has it, as it should, its body.
    """

    path: str
    release: int
    length: int
    sha256: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Remembered:
    """An event with the serial that it gave its name, and the release that signs it, if one does yet."""

    serial: int
    release: int | None
    event: c.Event


class Inventory(View):
    """A view that can also be walked through from end to end."""

    def counted(self) -> tuple[int, int]:
        """How many files are of the current state, and how many names there are."""
        current = select(func.count()).select_from(t.files).where(_CURRENT)
        named = select(func.count()).select_from(t.names)
        return self._connection.scalar(current) or 0, self._connection.scalar(named) or 0

    def every_role(self) -> dict[str, Signed]:
        """The newest version of every role, those of bins to which nothing delegates any more too."""
        rows = self._connection.execute(select(t.roles.c.role, t.roles.c.version, t.roles.c.expires))
        return {row.role: Signed(row.role, row.version, moment(row.expires)) for row in rows}

    def current(self, path: str) -> bytes | None:
        """A signed file of the current state, as it was signed."""
        query = select(t.bodies.c.body).join(t.files, _ITS_BODY).where(t.files.c.path == path, _CURRENT)
        body: bytes | None = self._connection.scalar(query)
        return body

    def current_files(self) -> Iterator[SignedFile]:
        """Every file of the current state, in the order of paths."""
        columns = (t.files.c.path, t.files.c.release, t.files.c.length, t.files.c.sha256, t.bodies.c.body)
        query = select(*columns).outerjoin(t.bodies, _ITS_BODY).where(_CURRENT).order_by(t.files.c.path)
        return (SignedFile(row.path, row.release, row.length, row.sha256, row.body) for row in self._walk(query))

    def pointed(self) -> tuple[int, bytes] | None:
        """The newest release that is copied out, and its timestamp."""
        query = select(t.releases.c.generation, t.releases.c.timestamp).where(t.releases.c.published == 1)
        row = self._connection.execute(query.order_by(t.releases.c.generation.desc()).limit(1)).first()
        return (row.generation, row.timestamp) if row else None

    def log_pointed(self) -> LoggedRelease | None:
        """The log as the newest release that is copied out left it."""
        return next(self._logged_rows(t.releases.c.published == 1, t.logged.c.generation.desc()), None)

    def every_logged(self, until: int) -> Iterator[LoggedRelease]:
        """Every release that is logged, up to a generation, in order."""
        return self._logged_rows(t.logged.c.generation <= until, t.logged.c.generation)

    def _logged_rows(self, which: ColumnElement[bool], order: ColumnElement[Any]) -> Iterator[LoggedRelease]:
        query = select(t.logged).join(t.releases).where(which).order_by(order)
        for row in self._connection.execute(query, execution_options={"yield_per": _PIECE}).mappings():
            yield LoggedRelease(**{**row, "root": bytes.fromhex(row["root"])})

    def signed_between(self, after: int, until: int) -> Iterator[Said]:
        """The events that releases after one and until another signed, but for those of names that were recovered from
        their pages.
        """
        which = t.events.c.release > after, t.events.c.release <= until
        known = t.events.c.name.not_in(select(t.recovered.c.name))
        query = select(t.events).where(*which, known).order_by(t.events.c.release, t.events.c.seq)
        for row in self._connection.execute(query, execution_options={"yield_per": _PIECE}).mappings():
            yield Said(event_of(row), row["serial"])

    def all_names(self) -> Iterator[c.Name]:
        """Every name that was ever touched, with its accepted state; one at a time."""
        after, more = "", True
        while more:
            query = select(t.names).where(t.names.c.name > after).order_by(t.names.c.name).limit(_PIECE)
            rows = self._connection.execute(query).mappings().all()
            yield from map(self._of_row, rows)
            more = len(rows) == _PIECE
            after = rows[-1]["name"] if rows else after

    def history(self, name: str, after: int = 0) -> Iterator[Remembered]:
        """A name's events in the order of its serials, after one of these."""
        its = t.events.c.name == name, t.events.c.serial > after
        query = select(t.events).where(*its).order_by(t.events.c.serial)
        for row in self._connection.execute(query, execution_options={"yield_per": _PIECE}).mappings():
            yield Remembered(row["serial"], row["release"], event_of(row))

    def begun_from(self, name: str) -> tuple[c.Name, int, int] | None:
        """What a name was when it was recovered from its public page, with its serial and release then."""
        row = self._one(select(t.recovered).where(t.recovered.c.name == name))
        if row is None:
            return None
        state = strict.load(NameState, json.loads(row["state"]), f"recovered.{name}")
        orgs = strict.load(tuple[str, ...], json.loads(row["orgs"]), f"recovered.{name}")
        return c.Name(name, state, row["holder"], row["org"], orgs), row["serial"], row["release"]

    def is_pending(self, name: str) -> bool:
        """Whether something about a name is not signed yet."""
        waiting = select(t.events.c.seq).where(t.events.c.name == name, t.events.c.release.is_(None))
        return self._connection.scalar(waiting.limit(1)) is not None

    def signed_documents(self) -> list[Published | FlagAct]:
        """Every policy and act of flags that a release holds."""
        known: list[Published | FlagAct] = [*self.policies(), *self.flags()]
        waiting = {*map(_identity, self.unsigned_policies()), *map(_identity, self.unsigned_flags())}
        return [each for each in known if each.id not in waiting]

    def strays(self) -> Iterator[tuple[str, str]]:
        """Targets of names that were never touched: each name and path."""
        query = select(t.targets.c.name, t.targets.c.path).where(~t.targets.c.path.startswith("policy/"))
        unknown = query.outerjoin(t.names, t.names.c.name == t.targets.c.name).where(t.names.c.name.is_(None))
        return ((row.name, row.path) for row in self._walk(unknown))

    def lost_releases(self) -> list[int]:
        """Releases that events name and that do not exist."""
        query = select(t.events.c.release).distinct().where(t.events.c.release.is_not(None))
        unknown = query.outerjoin(t.releases).where(t.releases.c.generation.is_(None))
        return sorted(self._connection.scalars(unknown))

    def reachable_from(self, at: datetime) -> int | None:
        """The oldest generation whose timestamp was good at a moment or later."""
        still = select(func.min(t.releases.c.generation)).where(t.releases.c.expires > stamp(at))
        found: int | None = self._connection.scalar(still)
        return found

    def superseded(self, until: int, before: datetime) -> Iterator[str]:
        """Files that no release from ``until`` on names, replaced before a moment, and not marked to go yet."""
        return self._replaced(until, before, t.files.c.dropped.is_(None))

    def marked(self, until: int, before: datetime, marked: datetime) -> Iterator[str]:
        """As ``superseded``, for those that were marked to go before a moment."""
        return self._replaced(until, before, t.files.c.dropped < stamp(marked))

    def _replaced(self, until: int, before: datetime, state: ColumnElement[bool]) -> Iterator[str]:
        by = t.releases.c.generation == t.files.c.superseded
        old = t.files.c.superseded <= until, t.releases.c.signed_at < stamp(before), state
        kept = t.files.c.path.like("metadata/%.root.json")
        query = select(t.files.c.path).join(t.releases, by).where(t.files.c.superseded.is_not(None), *old, ~kept)
        return (row.path for row in self._walk(query))

    def _walk(self, query: Select[Any]) -> Iterator[Row[Any]]:
        return iter(self._connection.execute(query, execution_options={"yield_per": _PIECE}))


def _identity(document: Published | FlagAct) -> str:
    return document.id
