"""The journal's tables. What is to be signed (events, policies, flags) is pending while its ``release`` is NULL:
there is no other cursor.

``names`` and ``targets`` are folds of ``events``, kept so that nothing has to be replayed: ``names`` follows each
accepted event, ``targets`` each release.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    create_engine,
    event,
    literal_column,
)
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import OperationalError

from keys.layout import Bins

metadata: Final = MetaData()
Bytewise: Final = String().with_variant(String(collation="C"), "postgresql")
"""Text in the order of its bytes, which is that of signed JSON; SQLite knows no other."""

names = Table(
    "names",
    metadata,
    Column("name", String, primary_key=True),
    Column("state", Text, nullable=False),
    Column("holder", String, index=True),
    Column("due_at", String, index=True),
    Column("edition", String, nullable=False),
    Column("org", String),
    Column("granted", Text),
    Column("skeleton", String, nullable=False, index=True),
    Column("notice_at", String, index=True),
)
Index(
    "namespaces",
    names.c.name,
    sqlite_where=names.c.granted.is_not(None),
    postgresql_where=names.c.granted.is_not(None),
)

skeletons = Table("skeletons", metadata, Column("skeleton", String, primary_key=True))
"""A row to lock for each thing that a name can look like, so that two new names that look alike are decided in turn."""

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False),
    Column("serial", Integer, nullable=False),
    Column("at", String, nullable=False),
    Column("by", String, nullable=False),
    Column("type", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("policy", String, nullable=False),
    Column("actor", String),
    Column("holder", String),
    Column("approver", String),
    Column("change", String, nullable=False, index=True),
    Column("release", Integer, ForeignKey("releases.generation")),
    Column("org", String),
    Column("lane", Integer, nullable=False, default=0),
    UniqueConstraint("name", "serial"),
    sqlite_autoincrement=True,
)
Index("by_actor", events.c.actor, events.c.type, events.c.at)
Index(
    "pending",
    events.c.lane,
    events.c.seq,
    sqlite_where=events.c.release.is_(None),
    postgresql_where=events.c.release.is_(None),
)
Index("signed", events.c.release, events.c.seq)
COMMON: Final = ("release.published", "file.added", "project.created", "release.closed")
"""Types of events that imports bring, and time, by the million."""
IS_RARE: Final = and_(*(events.c.type != literal_column(f"'{each}'") for each in COMMON))
"""As ``IS_HELD`` below."""
Index("rare", events.c.type, events.c.seq, sqlite_where=IS_RARE, postgresql_where=IS_RARE)

recovered = Table(
    "recovered",
    metadata,
    Column("name", String, primary_key=True),
    Column("serial", Integer, nullable=False),
    Column("release", Integer, ForeignKey("releases.generation"), nullable=False),
    Column("state", Text, nullable=False),
    Column("holder", String),
    Column("org", String),
    Column("orgs", Text, nullable=False),
)
"""What a name was when it was taken back from its public page, because events were lost with the journal that had them:
its later events go on from there.
"""

policies = Table(
    "policies",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("body", Text, nullable=False),
    Column("release", Integer, ForeignKey("releases.generation")),
    Column("approved_by", Text),
    sqlite_autoincrement=True,
)

flags = Table(
    "flags",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", String, nullable=False, unique=True),
    Column("body", Text, nullable=False),
    Column("client", String, nullable=False),
    Column("release", Integer, ForeignKey("releases.generation")),
)

changes = Table(
    "changes",
    metadata,
    Column("id", String, primary_key=True),
    Column("client", String, nullable=False),
    Column("key", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("name", String, nullable=False),
    Column("serial", Integer),
    Column("events", Integer, nullable=False),
    Column("warnings", Text, nullable=False),
    UniqueConstraint("client", "key"),
)

registry_states = Table(
    "registry_states",
    metadata,
    Column("name", String, primary_key=True),
    Column("registry_serial", BigInteger, nullable=False),
    Column("digest", String, nullable=False),
    Column("done", Text, nullable=False),
)

sequences = Table(
    "sequences",
    metadata,
    Column("name", String, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("source_seq", BigInteger, nullable=False),
    Column("client", String, nullable=False),
    Column("key", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("verb", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", String, nullable=False),
    Column("state", String, nullable=False),
    Column("refused", Text),
    UniqueConstraint("name", "source_seq"),
    Index("delivery_keys", "client", "key"),
)
IS_HELD: Final = deliveries.c.state == literal_column("'held'")
"""With the value in its text: with a parameter in its place no database takes the index of these rows alone."""
Index(
    "held",
    deliveries.c.name,
    deliveries.c.source_seq,
    sqlite_where=IS_HELD,
    postgresql_where=IS_HELD,
)

releases = Table(
    "releases",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, nullable=False),
    Column("snapshot", Integer, nullable=False),
    Column("signed_at", String, nullable=False, index=True),
    Column("timestamp", LargeBinary, nullable=False),
    Column("expires", String, nullable=False, index=True),
    Column("published", Integer, nullable=False),
)
IS_STAGED: Final = releases.c.published == literal_column("0")
"""As ``IS_HELD``."""
Index("staged", releases.c.generation, sqlite_where=IS_STAGED, postgresql_where=IS_STAGED)

followed = Table(
    "followed",
    metadata,
    Column("follows", Integer, primary_key=True, autoincrement=False),
    Column("generation", Integer, ForeignKey("releases.generation"), nullable=False),
)
"""Which release was made from which (0: the first). No two follow the same one, although generations may have gaps: a
timestamp's version can be spent by a signer and come to nothing (docs/adr/0025).
"""

logged = Table(
    "logged",
    metadata,
    Column("generation", Integer, ForeignKey("releases.generation"), primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("root", String, nullable=False),
    Column("checkpoint", Text, nullable=False),
    Column("proof", Text),
    Column("cosigned", Text),
)
"""The log's tree after each release, and its checkpoint as the log signed it. ``cosigned`` is what witnesses added,
kept before anything of it is public (NULL: not asked yet); with it ``proof`` has become a file, and is NULL again.
"""

files = Table(
    "files",
    metadata,
    Column("path", Bytewise, primary_key=True),
    Column("release", Integer, ForeignKey("releases.generation"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    Column("sha256", String, nullable=False),
    Column("superseded", Integer, ForeignKey("releases.generation")),
    Column("dropped", String),
    Index("copied_out", "release", "position"),
)
Index(
    "superseded",
    files.c.superseded,
    sqlite_where=files.c.superseded.is_not(None),
    postgresql_where=files.c.superseded.is_not(None),
)
"""Every immutable file that is public. ``superseded`` is the release since which nothing names it, ``dropped`` when it
was marked to go from the depot.
"""

bodies = Table(
    "bodies",
    metadata,
    Column("path", Bytewise, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
"""The bytes of ``files``, until they are superseded and what supersedes them is copied out. A table of their own, for
SQLite writes a row anew, with all that it holds, whenever anything in it changes.
"""

roles = Table(
    "roles",
    metadata,
    Column("role", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("expires", String, nullable=False),
    Column("renew_at", String, index=True),
    Column("signers", String),
    Column("digest", String),
)
"""Everything that is signed with a date, in one place. ``renew_at`` is when it is due to be signed again, ``signers``
are the key ids that signed it; both NULL where only a ceremony can sign, and for bins of a former number of bins, to
which nothing delegates any more and which snapshots must list for ever. ``digest`` is the SHA-256 of what is signed,
for the log.
"""

cleared = Table(
    "cleared",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", String, nullable=False),
    Column("events", Integer, nullable=False),
    Column("ahead", String, nullable=False),
    sqlite_autoincrement=True,
)
"""When an operator said that a clock had been ``ahead``: events up to number ``events`` no longer say how late it is.
"""

targets = Table(
    "targets",
    metadata,
    Column("bin", Integer, primary_key=True),
    Column("path", Bytewise, primary_key=True),
    Column("name", String, nullable=False, index=True),
    Column("entry", Text, nullable=False),
    UniqueConstraint("path"),
    sqlite_with_rowid=False,
)
"""In the order of bins and of bytes, as bins are signed: a bin's body is its rows, joined."""

lease = Table(
    "lease",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("until", Float, nullable=False),
)
"""Who publishes now, until when by the database's clock (seconds since 1970). It saves work; what makes publishing safe
is the generation.
"""

takedowns = Table(
    "takedowns",
    metadata,
    Column("id", String, primary_key=True),
    Column("sha256", String, primary_key=True, index=True),
    Column("name", String, nullable=False, index=True),
    Column("status", String, nullable=False),
)
"""By sha256 the entries of ``names``: another fold of ``events``."""

escalations = Table(
    "escalations",
    metadata,
    Column("change", String, primary_key=True),
    Column("name", String, nullable=False, index=True),
    Column("at", String, nullable=False),
    Column("sentence", Text, nullable=False),
)
"""What waits for an admin. Never signed, and gone once an admin has settled it."""

approvals = Table(
    "approvals",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("admin", String, primary_key=True),
    Column("token", String, nullable=False),
    Column("serial", Integer, nullable=False),
    Column("digest", String, nullable=False),
    Column("at", String, nullable=False),
    Column("expires", String, nullable=False),
)
"""What one admin has approved, until a second one does. Never signed."""

notices = Table(
    "notices",
    metadata,
    Column("id", String, primary_key=True),
    Column("outcome", String, nullable=False),
    Column("at", String, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String, primary_key=True),
    Column("client", String, nullable=False, index=True),
    Column("role", String, nullable=False),
    Column("expires", String, nullable=False),
    Column("scope", Text, nullable=False),
    Column("sha256", String),
    Column("public", Text),
    Column("revoked", String),
)

nonces = Table(
    "nonces",
    metadata,
    Column("token", String, ForeignKey("tokens.id"), primary_key=True),
    Column("nonce", String, primary_key=True),
    Column("until", String, nullable=False, index=True),
)

refusals = Table(
    "refusals",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("at", String, nullable=False, index=True),
    Column("client", String, nullable=False),
    Column("verb", String, nullable=False),
    Column("name", String, nullable=False, index=True),
    Column("version", String),
    Column("by", String, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("policy", String, nullable=False),
    sqlite_autoincrement=True,
)


POOL: Final = 80
"""Connections that one process may hold: as many as it answers requests at once, and its publisher's."""


class DatabaseAway(Exception):
    """The database cannot be reached, or does not do what it is asked now. What was being written is not."""


def open_engine(url: str) -> Engine:
    """An engine for the journal. SQLite: WAL, and FULL so that what was acknowledged survives a power cut. PostgreSQL:
    a connection that a restart of the server left dead is found out before it is used.
    """
    if url.startswith("sqlite"):
        # Each thread of the server may hold one; what is beyond a pool's size would be opened anew each time.
        # The one that was used last comes first: it knows the statements, and its cache is warm.
        engine = (
            create_engine(url, pool_size=POOL, pool_use_lifo=True) if make_url(url).database else create_engine(url)
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        engine = create_engine(url, pool_pre_ping=True, pool_size=20, max_overflow=POOL, pool_use_lifo=True)
    event.listen(engine, "handle_error", _say)
    return engine


def _say(context: ExceptionContext) -> None:
    if away := said_of(context.sqlalchemy_exception, context.original_exception):
        raise away from None


def said_of(error: Exception | None, by_driver: BaseException) -> DatabaseAway | None:
    """In a sentence, where the driver's error is about the database and not about a statement of ours."""
    if not isinstance(error, OperationalError):
        return None
    said = str(by_driver).strip().partition("\n")[0]
    return DatabaseAway(f"the database cannot be used: {said}. Nothing of this was written")


def reading_options(engine: Engine) -> dict[str, Any]:
    """How a connection that only reads begins, so that it sees one moment: PostgreSQL's default sees one a statement,
    and a page rendered from a state that is newer than the events of its release could never be published again.
    """
    postgres = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return {"reading": True, **(postgres if engine.dialect.name == "postgresql" else {})}


def _prepare_sqlite(connection: Any, record: object) -> None:
    del record
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own would come too late
    # Where SQLite was built to overwrite what it frees, a large state would go to the disk twice: once as it was, in
    # zeros. FAST still clears rows; of what overflows from them (states, which are public) traces may stay.
    # A longer log takes a page that changes again and again (a snapshot's place, an index) to the database once.
    pragmas = (
        "journal_mode=WAL", "synchronous=FULL", "secure_delete=FAST", "busy_timeout=10000", "foreign_keys=ON",
        "wal_autocheckpoint=4000",
    )  # fmt: skip
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("bin_of", 2, lambda path, bits: Bins(bits).number(path), deterministic=True)


def _begin_sqlite(connection: Any) -> None:
    # A read that turns into a write fails at once with SQLITE_BUSY_SNAPSHOT, so writers say so from the start.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
