"""The statements of every request and release, handed to the database's driver as text.

SQLAlchemy makes each of ``statements.py`` into text once; to run it, it would take several times as long as SQLite
does. What is asked now and then goes through SQLAlchemy as ever, on the same connection and in the same transaction.
"""

from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from repo_service.storage.tables import said_of

_LIST: Final = "__[POSTCOMPILE_"
"""How SQLAlchemy marks the place of a list, whose length is not known yet."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement as its driver takes it: ``order`` are the names of its values where they have places only, ``fixed``
    those that it brings itself; ``listed`` is the name of the value that is a list, if one is.
    """

    sql: str
    order: tuple[str, ...] | None
    fixed: Mapping[str, Any]
    listed: str | None

    def filled(self, values: Mapping[str, Any]) -> tuple[str, Any]:
        """Text and values for one run."""
        its = {**self.fixed, **values} if self.fixed else values
        if self.listed is None:
            return self.sql, its if self.order is None else [its[name] for name in self.order]
        listed = its[self.listed]
        place = f"{_LIST}{self.listed}]"
        if self.order is not None:
            spread = [each for name in self.order for each in (listed if name == self.listed else (its[name],))]
            return self.sql.replace(place, ",".join("?" * len(listed)) or "NULL"), spread
        named = {f"{self.listed}_{number}": each for number, each in enumerate(listed)}
        places = ",".join(f"%({name})s" for name in named) or "NULL"
        return self.sql.replace(place, places), {**its, **named}


class Direct:
    """Runs statements of ``statements.py`` on a connection of SQLAlchemy's. Raises what SQLAlchemy raises."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect
        self._driver = connection.connection.dbapi_connection
        assert self._driver is not None, "an open connection"

    def rows(self, statement: ClauseElement, **values: Any) -> list[Any]:
        """All rows, whose columns have names."""
        cursor = self._run(statement, values)
        return list(map(_named(tuple(column[0] for column in cursor.description))._make, cursor.fetchall()))

    def plain(self, statement: ClauseElement, **values: Any) -> list[Any]:
        """All rows as the driver gives them."""
        found: list[Any] = self._run(statement, values).fetchall()
        return found

    def mappings(self, statement: ClauseElement, **values: Any) -> list[dict[str, Any]]:
        """All rows, by the names of their columns."""
        cursor = self._run(statement, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def scalars(self, statement: ClauseElement, **values: Any) -> list[Any]:
        """The first column of all rows."""
        return [row[0] for row in self._run(statement, values).fetchall()]

    def scalar(self, statement: ClauseElement, **values: Any) -> Any:
        """The first column of the first row; None if there is none."""
        return next(iter(self.scalars(statement, **values)), None)

    def run(self, statement: ClauseElement, **values: Any) -> int:
        """Change what is there; how many rows it changed."""
        count: int = self._run(statement, values).rowcount
        return count

    def written(self, statement: ClauseElement, row: Mapping[str, Any]) -> int:
        """Write one row that is given its number; the number."""
        ((number,),) = self._run(statement, row, tuple(row)).fetchall()
        assert isinstance(number, int)
        return number

    def write(self, statement: ClauseElement, row: Mapping[str, Any]) -> int:
        """Write one row; how many it changed."""
        count: int = self._run(statement, row, tuple(row)).rowcount
        return count

    def write_all(self, statement: ClauseElement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows that have the same columns; there may be none."""
        if not rows:
            return
        text = _text(statement, self._dialect, tuple(rows[0]))
        filled = [text.filled(row)[1] for row in rows]
        try:
            self._cursor().executemany(text.sql, filled)
        except self._dialect.loaded_dbapi.Error as error:
            raise self._said(text.sql, error) from error

    def _run(self, statement: ClauseElement, values: Mapping[str, Any], columns: tuple[str, ...] | None = None) -> Any:
        sql, filled = _text(statement, self._dialect, columns).filled(values)
        cursor = self._cursor()
        try:
            cursor.execute(sql, filled)
        except self._dialect.loaded_dbapi.Error as error:
            raise self._said(sql, error) from error
        return cursor

    def _cursor(self) -> Any:
        assert self._driver is not None, "an open connection"
        return self._driver.cursor()

    def _said(self, sql: str, error: Any) -> Exception:
        """As SQLAlchemy would say it, which must know of a connection that is lost."""
        lost = self._dialect.is_disconnect(error, self._driver, None)
        if lost:
            self._connection.invalidate(error)
        found = DBAPIError.instance(sql, None, error, self._dialect.loaded_dbapi.Error, connection_invalidated=lost)
        return said_of(found, error) or found


@lru_cache(maxsize=256)
def _text(statement: ClauseElement, dialect: Dialect, columns: tuple[str, ...] | None) -> _Text:
    compiled = statement.compile(dialect=dialect, column_keys=columns and list(columns))
    assert isinstance(compiled, SQLCompiler), "a statement"
    order = tuple(compiled.positiontup or ()) if compiled.positional else None
    fixed = {name: its.value for name, its in compiled.binds.items() if not its.required and its.value is not None}
    listed = sorted(each.key for each in compiled.post_compile_params)
    assert not compiled.literal_execute_params, f"values that stand in the text itself: {compiled}"
    assert len(listed) <= 1 and not {*listed} & fixed.keys(), f"one list a statement, and not its own: {compiled}"
    return _Text(compiled.string, order, fixed, listed[0] if listed else None)


@lru_cache(maxsize=256)
def _named(columns: tuple[str, ...]) -> Any:
    return namedtuple("Row", columns)  # its columns are not known before
