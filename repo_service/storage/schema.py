"""Which tables a database has: made for a new one, moved on by Alembic for an old one, and never by surprise.

A new database gets ``tables.py`` and ``GUARDS`` at once, which is as fast as it is simple; that the steps in
``migrations/`` lead to the very same is a test (tests/service/test_schema.py).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Connection, Engine, PrimaryKeyConstraint, String, Table, insert, inspect, select, text

from repo_service.storage import tables as t

if TYPE_CHECKING:  # Alembic takes half a second to import: only who migrates waits for it
    from alembic.config import Config

HEAD: Final = "0006"
"""The newest step: what this program needs."""

_LOCK: Final = 0x7A111  # any number; PostgreSQL's advisory locks are told apart by it

_steps = Table(
    "alembic_version",
    t.metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

_ACCOUNTS: Final = ("actor", "holder", "approver", "org")
"""Opaque ids that are never signed: they may be erased, and never become others."""
_KEPT: Final = tuple(column.name for column in t.events.c if column.name not in (*_ACCOUNTS, "release"))
_SET: Final = ", ".join(f'"{name}"' for name in _KEPT)
_REPLACED: Final = {
    dialect: " OR ".join(f"(NEW.{each} IS NOT NULL AND NEW.{each} {differs} OLD.{each})" for each in _ACCOUNTS)
    for dialect, differs in (("sqlite", "IS NOT"), ("postgresql", "IS DISTINCT FROM"))
}

GUARDS: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": (
        f"CREATE TRIGGER events_never_change BEFORE UPDATE OF {_SET} ON events "
        "BEGIN SELECT RAISE(ABORT, 'an event never changes'); END",
        f"CREATE TRIGGER events_forget_accounts BEFORE UPDATE OF {', '.join(_ACCOUNTS)} ON events "
        f"WHEN {_REPLACED['sqlite']} BEGIN SELECT RAISE(ABORT, 'an account may be erased, not replaced'); END",
        "CREATE TRIGGER events_signed_once BEFORE UPDATE OF release ON events WHEN OLD.release IS NOT NULL "
        "BEGIN SELECT RAISE(ABORT, 'an event is signed in one release'); END",
        "CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'an event never goes'); END",
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0]; END $$",
        f"CREATE TRIGGER events_never_change BEFORE UPDATE OF {_SET} ON events "
        "FOR EACH ROW EXECUTE FUNCTION refuse('an event never changes')",
        f"CREATE TRIGGER events_forget_accounts BEFORE UPDATE OF {', '.join(_ACCOUNTS)} ON events FOR EACH ROW "
        f"WHEN ({_REPLACED['postgresql']}) EXECUTE FUNCTION refuse('an account may be erased, not replaced')",
        "CREATE TRIGGER events_signed_once BEFORE UPDATE OF release ON events "
        "FOR EACH ROW WHEN (OLD.release IS NOT NULL) EXECUTE FUNCTION refuse('an event is signed in one release')",
        "CREATE TRIGGER events_never_go BEFORE DELETE ON events "
        "FOR EACH ROW EXECUTE FUNCTION refuse('an event never goes')",
        "CREATE TRIGGER events_never_empty BEFORE TRUNCATE ON events "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse('an event never goes')",
    ),
}
"""What the database itself refuses, whoever asks: to change or delete an event, or to sign it twice. The accounts in it
alone may be erased.
"""


class WrongSchema(Exception):
    """The database has other tables than this program needs. Nothing was written."""


def create(engine: Engine) -> None:
    """The tables of a new database, in one transaction. Raises WrongSchema for one that has others. A file is its
    owner's alone: who may call, and who did what, is in it.
    """
    if engine.dialect.name == "sqlite" and engine.url.database:
        Path(engine.url.database).touch(0o600)  # as SQLite would, with no mode of its own
    with engine.begin() as connection:
        _alone(connection)
        if inspect(connection).get_table_names():
            _check(connection)
            return
        t.metadata.create_all(connection, checkfirst=False)
        for guard in GUARDS[connection.dialect.name]:
            connection.exec_driver_sql(guard)
        connection.execute(insert(_steps), {"version_num": HEAD})


def check(engine: Engine) -> None:
    """Raises WrongSchema unless the database has the tables that this program needs."""
    with engine.connect().execution_options(**t.reading_options(engine)) as connection:
        _check(connection)


def migrate(engine: Engine) -> tuple[str, ...]:
    """Every step that the database lacks, all of them in one transaction; which these were.

    Raises WrongSchema for a database that a newer program made, or none.
    """
    from alembic import command

    with engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:  # before BEGIN: within a transaction it would mean nothing, and a table made anew is dropped first
            _pragma(connection, "foreign_keys=OFF")
        try:
            with connection.begin():
                _alone(connection)
                lacking = _lacking(_step(connection))
                command.upgrade(alembic_config(connection), "head")
                if sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                    raise AssertionError(f"a migration left rows without the row they name: {broken[:3]}")
        finally:
            if sqlite:
                _pragma(connection, "foreign_keys=ON")
    return lacking


def steps() -> Iterator[str]:
    """Every step that this program knows, the newest first."""
    from alembic.script import ScriptDirectory

    return (each.revision for each in ScriptDirectory.from_config(alembic_config()).walk_revisions())


def alembic_config(connection: Connection | None = None) -> "Config":
    """What Alembic needs to know; there is no alembic.ini."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "repo_service.storage:migrations")
    config.set_main_option("path_separator", "os")
    return config


def _check(connection: Connection) -> None:
    if (step := _step(connection)) == HEAD:
        return
    _lacking(step)
    raise WrongSchema(
        f"the database is at step {step} and this program needs {HEAD}: stop every process of this service, make a "
        "backup, then run `tallystick-service migrate DIR`. Nothing was written."
    )


def _lacking(step: str | None) -> tuple[str, ...]:
    """The steps after this one, in order."""
    if step == HEAD:
        return ()
    if step is None:
        raise WrongSchema(
            "the database has no tables of ours yet: `tallystick-service init DIR --sealed SEALED` makes them. "
            "Nothing was written."
        )
    known = [*steps()]
    if step not in known:
        raise WrongSchema(
            f"the database is at step {step}: it was made by a newer tallystick than this one, which knows {HEAD}. "
            "Install that version again. Nothing was written."
        )
    return tuple(reversed(known[: known.index(step)]))


def _step(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_steps.name):
        return None
    return connection.scalar(select(_steps.c.version_num))


def _alone(connection: Connection) -> None:
    """Nobody else makes or moves tables until this transaction ends. SQLite has one writer anyway (tables.py)."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:it)"), {"it": _LOCK})


def _pragma(connection: Connection, what: str) -> None:
    assert connection.connection.dbapi_connection is not None, "an open connection"
    connection.connection.dbapi_connection.cursor().execute(f"PRAGMA {what}")
