"""How anything is read of the journal at one moment, given to whatever reads a part of it."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select

from repo_service.storage import statements as s
from repo_service.storage.direct import Direct
from repo_service.storage.states import States

BATCH: Final = 500
"""Values in one IN clause; SQLite's limit is 32,766 variables a statement."""


class Reading:
    """The connection, the statements that are made once, and the states that this process knows."""

    def __init__(self, connection: Connection, states: States) -> None:
        self._connection = connection
        self._states = states

    @cached_property
    def _direct(self) -> Direct:
        """By which the statements of ``statements.py`` are run."""
        return Direct(self._connection)

    @cached_property
    def _standing(self) -> Any:
        """A view sees one moment, so what stands in it is read once; a pen that changes it forgets it."""
        return self._direct.rows(s.STANDING)[0]

    def _first(self, statement: Select[Any], **values: str) -> Mapping[str, Any] | None:
        """The first row of a statement of ``statements.py``."""
        return next(iter(self._direct.mappings(statement, **values)), None)

    def _each(self, statement: Select[Any], values: Iterable[str], **more: str) -> Iterator[Mapping[str, Any]]:
        """The rows of a statement of ``statements.py`` that takes ``values``, any number of them."""
        for chunk in _chunks(values):
            yield from self._direct.mappings(statement, values=chunk, **more)

    def _one(self, query: Select[Any]) -> RowMapping | None:
        return self._connection.execute(query).mappings().first()

    def _in(self, query: Select[Any], column: ColumnElement[str], values: Iterable[str]) -> Iterator[RowMapping]:
        for chunk in _chunks(values):
            yield from self._connection.execute(query.where(column.in_(chunk))).mappings()


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    wanted = list(values)
    return (wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH))
