"""The journal of an embedded service in one file, and back again. PostgreSQL has better tools of its own for both.

A backup is taken while the service goes on, sees one moment, and is read back before it has its name. The online key is
not in it: keep that apart, and once.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Engine

from repo_service.storage.disk import fsync

_PAGES = 4096
"""Pages copied before writers get a turn."""


class NotCopied(Exception):
    """No backup was made, or nothing was restored from one; the message says why and what to do."""


def backup(engine: Engine, file: Path) -> None:
    """Copy the journal into a new file, durably. NotCopied if it is there already, or the database is no file."""
    source = _database(engine, "pg_dump --format=custom --file=FILE", "pg_restore --list FILE")
    with _appearing(file) as draft:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(draft)) as new,
        ):
            old.backup(new, pages=_PAGES)
            new.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        _check(draft)


def restore(engine: Engine, file: Path) -> None:
    """Make a backup the journal. NotCopied if there is a journal: it is never overwritten."""
    target = _database(engine, "createdb, then pg_restore --no-owner --dbname=NEW FILE", "fsck, once it is configured")
    for beside in (target, Path(f"{target}-wal"), Path(f"{target}-shm")):
        if beside.exists():
            raise NotCopied(f"{beside} exists; move it away, and what lies beside it too. Nothing was written.")
    if not file.is_file():
        raise NotCopied(f"{file} is missing. Nothing was written.")
    with _appearing(target) as draft:
        draft.write_bytes(b"")
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as old, closing(sqlite3.connect(draft)) as new:
            try:
                old.backup(new)
            except sqlite3.DatabaseError as error:
                raise NotCopied(f"{file}: {error}. Nothing was written.") from None
        _check(draft)


def _database(engine: Engine, instead: str, then: str) -> Path:
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        raise NotCopied(
            f"the journal is in {engine.dialect.name}, which has better tools: say {instead}, and check with {then}. "
            "Nothing was written."
        )
    return Path(str(engine.url.database))


@contextmanager
def _appearing(file: Path) -> Iterator[Path]:
    """A draft beside a file that is not there yet; the file is there, whole and durable, when the block ends well."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.touch(0o600, exist_ok=False)  # who may call, and with which key, is in it
        yield draft
        fsync(draft)
        os.link(draft, file)  # fails if it exists, whoever made it meanwhile
        fsync(file.parent)
    except FileExistsError:
        raise NotCopied(f"{file} exists; it is never overwritten. Nothing was written.") from None
    except OSError as error:
        raise NotCopied(f"{file}: {error}. Nothing was written.") from None
    finally:
        draft.unlink(missing_ok=True)


def _check(draft: Path) -> None:
    with closing(sqlite3.connect(f"file:{draft}?mode=ro", uri=True)) as copied:
        try:
            found = [row[0] for row in copied.execute("PRAGMA integrity_check(1)")]
        except sqlite3.DatabaseError as error:
            found = [str(error)]
        if found == ["ok"]:
            found = [f"a row names one that is missing: {row}" for row in copied.execute("PRAGMA foreign_key_check")][
                :1
            ]
    if found not in ([], ["ok"]):
        raise NotCopied(f"the copy is damaged ({found[0]}): so is what was copied. Nothing was written.")
