"""What the journal asks and writes for every request, each statement built once: to build one takes several times as
long as to run it. What is asked now and then is built where it is asked.
"""

from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Integer,
    String,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    update,
)

from keys.layout import BIN_PREFIX, ONLINE, TARGETS
from repo_service.storage import tables as t

VALUES: Final[BindParameter[Any]] = bindparam("values", expanding=True)
TOKEN: Final = select(t.tokens).where(t.tokens.c.id == bindparam("id"))

_PENDING: Final = t.events.c.release.is_(None)
PENDING_BEYOND: Final = (
    select(t.events.c.seq)
    .where(_PENDING, t.events.c.lane == 0)
    .order_by(t.events.c.seq)
    .offset(bindparam("mark", type_=Integer))
    .limit(1)
)
"""The fast lane only: an import that waits keeps nobody out."""
PENDING_IN_LANE: Final = (
    select(t.events.c.seq, t.events.c.name, t.events.c.at)
    .where(_PENDING, t.events.c.lane == bindparam("lane", type_=Integer))
    .order_by(t.events.c.seq)
    .limit(bindparam("limit", type_=Integer))
)
LAST_EVENT: Final = select(func.max(t.events.c.seq))
ACCEPTED_FROM: Final = (
    select(t.events.c.at).where(t.events.c.seq >= bindparam("seq", type_=Integer)).order_by(t.events.c.seq).limit(1)
)
SIGNED_BETWEEN: Final = (
    select(t.releases.c.generation, t.releases.c.signed_at)
    .where(
        t.releases.c.signed_at >= bindparam("begin", type_=String),
        t.releases.c.signed_at < bindparam("end", type_=String),
    )
    .order_by(t.releases.c.signed_at.desc())
    .limit(bindparam("limit", type_=Integer))
)
FIRST_OF_RELEASE: Final = (
    select(t.events.c.at, t.events.c.lane)
    .where(t.events.c.release == bindparam("generation", type_=Integer))
    .order_by(t.events.c.seq)
    .limit(bindparam("limit", type_=Integer))
)
PENDING_OF: Final = select(t.events.c.seq).where(t.events.c.name.in_(VALUES), _PENDING)
_ANYTHING: Final = (
    exists().where(_PENDING)
    | exists().where(t.IS_STAGED)
    | exists().where(t.policies.c.release.is_(None))
    | exists().where(t.flags.c.release.is_(None))
)
_DUE: Final = t.roles.c.renew_at <= bindparam("now", type_=String)
ANYTHING_PENDING: Final = select(_ANYTHING)
ANY_WORK: Final = select(_ANYTHING | exists().where(_DUE))
DUE: Final = select(t.roles).where(_DUE).order_by(t.roles.c.renew_at)
MAY_NEED_SWEEPING: Final = select(
    exists().where(t.names.c.due_at <= bindparam("now", type_=String))
    | exists().where(t.IS_HELD)
    | exists().where(t.refusals.c.at < bindparam("before", type_=String))
    | exists().where(t.flags.c.number > 0)
)
UNSIGNED_POLICIES: Final = select(t.policies.c.body).where(t.policies.c.release.is_(None)).order_by(t.policies.c.seq)
UNSIGNED_FLAGS: Final = select(t.flags.c.body).where(t.flags.c.release.is_(None)).order_by(t.flags.c.number)
STAGED: Final = select(t.releases.c.generation).where(t.IS_STAGED).order_by(t.releases.c.generation)
_OF_GENERATION: Final = t.files.c.release == bindparam("generation", type_=Integer)
_IS_ROOT: Final = t.files.c.path.like("metadata/%.root.json")
TIMESTAMP: Final = select(t.releases.c.timestamp).where(
    t.releases.c.generation == bindparam("generation", type_=Integer)
)
STAGED_ROOTS: Final = (
    select(t.files.c.path, t.bodies.c.body)
    .join(t.bodies, t.bodies.c.path == t.files.c.path)
    .where(_OF_GENERATION, _IS_ROOT)
    .order_by(t.files.c.position)
)
STAGED_FILES: Final = (
    select(t.files.c.position, t.files.c.path, t.bodies.c.body)
    .join(t.bodies, t.bodies.c.path == t.files.c.path)
    .where(_OF_GENERATION, ~_IS_ROOT)
    .where(t.files.c.position > bindparam("after", type_=Integer))
    .order_by(t.files.c.position)
    .limit(bindparam("limit", type_=Integer))
)
HEAD: Final = (
    select(t.releases, t.files.c.length, t.files.c.sha256)
    .join(t.files, t.files.c.path == "metadata/" + cast(t.releases.c.snapshot, String) + ".snapshot.json")
    .order_by(t.releases.c.generation.desc())
    .limit(1)
)
"""The newest release, with its snapshot's length and digest."""
VERSIONS: Final = select(t.roles.c.role, t.roles.c.version).where(t.roles.c.role.in_(VALUES))
EDITIONS: Final = select(t.names.c.name, t.names.c.edition).where(t.names.c.name.in_(VALUES))
WHOLES: Final = select(t.names).where(t.names.c.name.in_(VALUES))
TARGETS_OF: Final = select(t.targets).where(t.targets.c.name.in_(VALUES))
_ENTRY: Final = select(t.targets.c.path, t.targets.c.entry)
ENTRIES_OF: Final = _ENTRY.where(t.targets.c.name.in_(VALUES))
FILE: Final = select(t.bodies.c.body).where(t.bodies.c.path == bindparam("path"))
BIN: Final = _ENTRY.where(t.targets.c.bin == bindparam("bin"))

_KEYED: Final = case((t.roles.c.role.in_(ONLINE), t.roles.c.role), else_=BIN_PREFIX)
SIGNED_BY: Final = (
    select(_KEYED.label("kind"), t.roles.c.signers, func.count().label("files"))
    .where(t.roles.c.signers.is_not(None))
    .group_by(_KEYED, t.roles.c.signers)
)
STANDING: Final = select(
    select(func.count()).select_from(t.policies).scalar_subquery().label("policies"),
    select(func.count()).select_from(t.flags).scalar_subquery().label("flags"),
    select(func.max(t.releases.c.signed_at)).scalar_subquery().label("signed"),
    select(t.events.c.at)
    .where(t.events.c.seq > func.coalesce(select(func.max(t.cleared.c.events)).scalar_subquery(), 0))
    .order_by(t.events.c.seq.desc())
    .limit(1)
    .scalar_subquery()
    .label("recorded"),
    select(t.roles.c.version).where(t.roles.c.role == TARGETS).scalar_subquery().label("targets"),
)
"""What every decision asks of the whole registry, in one row: how many policies and acts of flags there are (none ever
goes), when the newest release was signed, when the newest event was recorded, which version of ``targets`` is newest.
"""

_ANSWERED: Final = (t.changes.c.client == bindparam("client")) & (t.changes.c.key == bindparam("key"))
_DELIVERED: Final = (t.deliveries.c.client == bindparam("client")) & (t.deliveries.c.key == bindparam("key"))
ANSWERED: Final = select(
    t.changes, select(t.deliveries.c.digest).where(_DELIVERED).limit(1).scalar_subquery().label("numbered")
).select_from(select(literal(1).label("one")).subquery().outerjoin(t.changes, _ANSWERED))
"""What a client was answered under a key (all NULL: nothing yet), and the digest of its numbered request under it."""
SEQUENCE: Final = select(t.sequences.c.last).where(t.sequences.c.name == bindparam("name"))

BESIDE: Final = select(t.names.c.edition, t.names.c.holder, t.names.c.org, t.names.c.granted).where(
    t.names.c.name == bindparam("name")
)
"""A name without its state, which may be known already."""
BESIDE_LOCKED: Final = BESIDE.with_for_update()
WHOLE: Final = select(t.names).where(t.names.c.name == bindparam("name"))

GRANTS_OF: Final = (
    select(t.names.c.granted)
    .where(t.names.c.granted.is_not(None), t.names.c.name.in_(bindparam("prefixes", expanding=True)))
    .order_by(t.names.c.name)
)
POLICIES: Final = select(t.policies.c.body).order_by(t.policies.c.seq)
FLAGS: Final = select(t.flags.c.body).order_by(t.flags.c.number)

_VERSION: Final = select(cast(t.roles.c.version, String)).where(t.roles.c.role == bindparam("role")).scalar_subquery()
NEWEST: Final = select(t.bodies.c.body).where(
    t.bodies.c.path == "metadata/" + _VERSION + "." + bindparam("role", type_=String) + ".json"
)

LOGGED: Final = select(t.logged).where(t.logged.c.generation == bindparam("generation", type_=Integer))
NEWEST_LOGGED: Final = select(t.logged).order_by(t.logged.c.generation.desc()).limit(1)
SIGNED_DIGESTS: Final = select(t.roles.c.role, t.roles.c.version, t.roles.c.expires, t.roles.c.digest).where(
    t.roles.c.role.in_(VALUES)
)
EVENTS_OF: Final = select(t.events).where(t.events.c.seq.in_(VALUES)).order_by(t.events.c.seq)
STORE_LOGGED: Final = insert(t.logged)
KEEP_COSIGNED: Final = (
    update(t.logged)
    .where(t.logged.c.generation == bindparam("asked", type_=Integer), t.logged.c.cosigned.is_(None))
    .values(cosigned=bindparam("lines"), proof=null())
)
LOGGED_BEFORE: Final = (
    select(t.logged.c.generation)
    .where(t.logged.c.generation < bindparam("generation", type_=Integer))
    .order_by(t.logged.c.generation.desc())
    .limit(1)
)
TARGET: Final = select(t.targets).where(t.targets.c.path == bindparam("path"))
PURGED_IN: Final = select(t.events.c.name).where(
    t.events.c.release == bindparam("generation", type_=Integer),
    t.events.c.type.in_((literal_column("'release.purged'"), literal_column("'file.purged'"))),
)

BESIDE_MANY: Final = select(
    t.names.c.name, t.names.c.edition, t.names.c.holder, t.names.c.org, t.names.c.granted
).where(t.names.c.name.in_(VALUES))
BESIDE_MANY_LOCKED: Final = BESIDE_MANY.order_by(t.names.c.name).with_for_update()
ALIKE: Final = select(t.names).where(t.names.c.skeleton.in_(VALUES))
GRANTS_OF_MANY: Final = select(t.names.c.granted).where(t.names.c.granted.is_not(None), t.names.c.name.in_(VALUES))
TAKEN_DOWN: Final = select(t.takedowns).where(t.takedowns.c.sha256.in_(VALUES))
ANSWERED_KEYS: Final = select(t.changes.c.key).where(
    t.changes.c.client == bindparam("client"), t.changes.c.key.in_(VALUES)
)
"""For many names at once: ``values`` are those of one chunk."""

REMEMBER: Final = insert(t.events)
REMEMBER_ONE: Final = insert(t.events).returning(t.events.c.seq)
KEEP: Final = update(t.names).where(t.names.c.name == bindparam("kept"))
"""Of the name ``kept``: what is given under a column's own name is what the column becomes."""
KEEP_NEW: Final = insert(t.names)
ANSWER: Final = insert(t.changes)

RESCHEDULE: Final = update(t.roles).where(t.roles.c.role == bindparam("moved")).values(renew_at=bindparam("at"))
STORE_FILE: Final = insert(t.files)
STORE_BODY: Final = insert(t.bodies)
STORE_ROLE: Final = text(
    "INSERT INTO roles (role, version, expires, renew_at, signers, digest) "
    "VALUES (:role, :version, :expires, :renew_at, :signers, :digest) "
    "ON CONFLICT (role) DO UPDATE SET version = excluded.version, expires = excluded.expires, "
    "renew_at = excluded.renew_at, signers = excluded.signers, digest = excluded.digest"
)
REMOVE_TARGETS: Final = delete(t.targets).where(t.targets.c.path.in_(VALUES))
MARK: Final = (
    update(t.events).where(t.events.c.seq.in_(VALUES), _PENDING).values(release=bindparam("signing", type_=Integer))
)
STORE_RELEASE: Final = insert(t.releases)
STORE_FOLLOWED: Final = insert(t.followed)
MARK_PUBLISHED: Final = (
    update(t.releases).where(t.releases.c.generation == bindparam("copied_out", type_=Integer)).values(published=1)
)
STORE_TARGET: Final = insert(t.targets)
SUPERSEDE: Final = (
    update(t.files)
    .where(t.files.c.path == bindparam("gone"))
    .values(superseded=bindparam("superseding", type_=Integer))
)
PRUNE: Final = delete(t.bodies).where(
    t.bodies.c.path.in_(select(t.files.c.path).where(t.files.c.superseded == bindparam("superseding", type_=Integer)))
)
GIVE_BACK: Final = (
    update(t.lease)
    .where(t.lease.c.epoch == bindparam("its", type_=Integer), t.lease.c.holder != "")
    .values(holder="", until=0)
)
"""What is given back already is not written again: there is nothing to sync then."""
SIGNED_IN: Final = (
    select(t.events.c.change, t.releases.c.snapshot, t.releases.c.generation, t.releases.c.published)
    .join(t.releases, t.events.c.release == t.releases.c.generation)
    .where(t.events.c.change.in_(VALUES))
    .distinct()
)
