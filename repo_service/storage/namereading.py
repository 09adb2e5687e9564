"""What can be read of names: their states, who holds them and what was granted, taken down, reserved."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, collate, func, select, true

from keys import names, strict
from keys.skeletons import skeleton
from keys.state import NameState, Takedown
from repo_service.domain import changes as c
from repo_service.domain.case import TakenDown
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.reading import Reading


class NameReading(Reading):
    """Reading of names, by the states that this process knows where it can."""

    def states(self, names: Iterable[str]) -> dict[str, NameState]:
        """The accepted state of each of these names that was ever touched."""
        rows = self._each(s.EDITIONS, names)
        found = {row["name"]: self._states.get(row["name"], row["edition"]) for row in rows}
        unread = [name for name, state in found.items() if state is None]
        found |= {row["name"]: self._states.read(row) for row in self._each(s.WHOLES, unread)}
        return {name: state for name, state in found.items() if state is not None}

    def states_once(self, names: Iterable[str]) -> Iterator[NameState]:
        """As ``states``, for who comes by many names and not again: none is kept, and few are in memory."""
        for row in self._each(s.WHOLES, names):
            yield self._states.get(row["name"], row["edition"]) or strict.load(NameState, json.loads(row["state"]))

    def name(self, name: str) -> c.Name:
        """A name with its accepted state and holder."""
        return self._name(name, self._first(s.BESIDE, name=name))

    def named(self, wanted: Iterable[str]) -> dict[str, tuple[str, c.Name]]:
        """Each of these names that was ever touched, with its edition: the same one, the same name."""
        return self._named(s.BESIDE_MANY, wanted)

    def all_grants_over(self, wanted: Iterable[str]) -> dict[str, c.Granted]:
        """The active grants whose namespaces any of these normalised names is in, by their prefix."""
        prefixes = dict.fromkeys(prefix for name in wanted for prefix in names.prefixes(name))
        found = (_granted(row["granted"]) for row in self._each(s.GRANTS_OF_MANY, prefixes))
        return {granted.prefix: granted for granted in found}

    def all_alike(self, wanted: Iterable[str]) -> dict[str, list[str]]:
        """The names that somebody has or nobody may have, by which of these skeletons they have, in order."""
        found: dict[str, list[str]] = {}
        for row in self._each(s.ALIKE, wanted):
            if self._states.read(row).state != "vacant":
                found.setdefault(row["skeleton"], []).append(row["name"])
        return {looks: sorted(names) for looks, names in found.items()}

    def grants_over(self, name: str) -> tuple[c.Granted, ...]:
        """The active grants whose namespace a normalised name is in, the shortest prefix first."""
        return tuple(map(_granted, self._direct.scalars(s.GRANTS_OF, prefixes=names.prefixes(name))))

    def grants_below(self, prefix: str) -> tuple[c.Granted, ...]:
        """The active grants of longer prefixes in this one's namespace."""
        return self._grants(self._below(prefix))

    def grants(self) -> tuple[c.Granted, ...]:
        """Every active grant."""
        return self._grants(true())

    def alike(self, name: str) -> tuple[str, ...]:
        """Other names with the same skeleton that somebody has or nobody may have, in order."""
        alike = self.all_alike([skeleton(name)]).get(skeleton(name), ())
        return tuple(each for each in alike if each != name)

    def holds(self, account: str) -> int:
        """How many reservations an account holds."""
        query = select(func.count()).select_from(t.names).where(t.names.c.holder == account)
        return self._connection.scalar(query) or 0

    def latest(self, account: str, types: Sequence[str], limit: int) -> tuple[str, ...]:
        """When an account last made events of these types, the latest first."""
        query = select(t.events.c.at).where(t.events.c.actor == account, t.events.c.type.in_(types))
        return tuple(self._connection.scalars(query.order_by(t.events.c.at.desc()).limit(limit)))

    def taken_down(self, digests: Iterable[str]) -> tuple[TakenDown, ...]:
        """The entries of the takedown list that are about any of these bytes."""
        rows = self._each(s.TAKEN_DOWN, sorted({*digests}))
        return tuple(TakenDown(row["sha256"], row["id"], row["status"]) for row in rows)

    def takedowns(self, status: str | None, after: str, limit: int) -> list[tuple[NameState, Takedown]]:
        """Entries of the takedown list in order of their id, each with the state of its name."""
        query = select(t.takedowns.c.id, t.takedowns.c.name).distinct().where(t.takedowns.c.id > after)
        if status is not None:
            query = query.where(t.takedowns.c.status == status)
        rows = self._connection.execute(query.order_by(t.takedowns.c.id).limit(limit)).all()
        states = self.states({row.name for row in rows})
        entries = {entry.id: entry for state in states.values() for entry in state.takedowns}
        return [(states[row.name], entries[row.id]) for row in rows]

    def reserved_for(self, holder: str) -> list[str]:
        """The names that an account holds by reservation, in order."""
        return list(
            self._connection.scalars(select(t.names.c.name).where(t.names.c.holder == holder).order_by(t.names.c.name))
        )

    def last_holder(self, name: str) -> str | None:
        """The account that a name was given to or whose owner acted, whichever was last."""
        acted = t.events.c.holder.is_not(None) | (t.events.c.by == "owner") & t.events.c.actor.is_not(None)
        query = select(func.coalesce(t.events.c.holder, t.events.c.actor)).where(t.events.c.name == name, acted)
        found: str | None = self._connection.scalar(query.order_by(t.events.c.serial.desc()).limit(1))
        return found

    def _name(self, name: str, row: Mapping[Any, Any] | None) -> c.Name:
        if row is None:
            return c.Name(name, None, None)
        if (state := self._states.get(name, row["edition"])) is None:
            # Its edition, state and holder from one statement: another writer may have come between two.
            row = self._first(s.WHOLE, name=name)
            assert row is not None, "a name is never deleted"
            state = self._states.read(row)
        return _whole(name, state, row)

    def _named(self, query: Select[Any], wanted: Iterable[str]) -> dict[str, tuple[str, c.Name]]:
        rows = {row["name"]: row for row in self._each(query, wanted)}
        known = {name: self._states.get(name, row["edition"]) for name, row in rows.items()}
        unread = [name for name, state in known.items() if state is None]
        rows |= {row["name"]: row for row in self._each(s.WHOLES, unread)}
        states = [(row, known[name] or self._states.read(row)) for name, row in rows.items()]
        return {row["name"]: (row["edition"], _whole(row["name"], state, row)) for row, state in states}

    def _of_row(self, row: Mapping[Any, Any]) -> c.Name:
        return _whole(row["name"], self._states.read(row), row)

    def _grants(self, which: ColumnElement[bool]) -> tuple[c.Granted, ...]:
        granted = t.names.c.granted
        query = select(granted).where(granted.is_not(None), which).order_by(t.names.c.name)
        return tuple(map(_granted, self._connection.scalars(query)))

    def _below(self, prefix: str) -> ColumnElement[bool]:
        """The names in the namespace of a prefix, without the prefix: a range, which an index serves.

        In the order of bytes ``.`` comes right after ``-``; other collations skip punctuation.
        """
        name: ColumnElement[str] = t.names.c.name
        if self._connection.dialect.name == "postgresql":
            name = collate(name, "C")
        return (name > f"{prefix}-") & (name < f"{prefix}.")


def _whole(name: str, state: NameState, beside: Mapping[Any, Any]) -> c.Name:
    orgs = _granted(beside["granted"]).orgs if beside["granted"] else ()
    return c.Name(name, state, beside["holder"], beside["org"], orgs)


def _granted(text: str) -> c.Granted:
    return strict.load(c.Granted, json.loads(text), "names.granted")
