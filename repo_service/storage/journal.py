"""The journal: with view.py the only SQL. What it says is the truth; everything else can be made from it again."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from keys import layout, strict
from keys.encoding import compact
from keys.state import Reason
from keys.times import stamp
from repo_service.build.assemble import Release
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.requests import Actor
from repo_service.storage import tables as t
from repo_service.storage.refusals import Attempt
from repo_service.storage.tokens import NonceSpent, Token
from repo_service.storage.view import BATCH, ChangeRecord, View, name_state


class Overtaken(Exception):
    """Another publisher committed this generation first. Nothing was written; begin again from what it left."""


class Collided(Exception):
    """Two transactions wrote what only one can, and this was the second. Nothing of it was written; begin again."""


class Journal:
    """Opened on one database. ``reading`` sees one moment; ``writing`` is one transaction, all or nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = t.reading_options(engine)

    def create(self) -> None:
        """Make the tables that are missing."""
        t.metadata.create_all(self._engine)

    @contextmanager
    def reading(self) -> Iterator[View]:
        """A consistent view that never blocks a writer."""
        with self._engine.connect().execution_options(**self._reading) as connection, connection.begin():
            yield View(connection)

    @contextmanager
    def writing(self) -> Iterator["Pen"]:
        """One write transaction; an exception leaves nothing behind. Raises Collided."""
        try:
            with self._engine.begin() as connection:
                yield Pen(connection)
        except IntegrityError as error:
            raise Collided("another request wrote the same at the same time") from error

    @contextmanager
    def trying(self) -> Iterator["Pen"]:
        """One write transaction of which nothing is kept, whatever happens."""
        with self._engine.connect() as connection, connection.begin() as transaction:
            try:
                yield Pen(connection)
            finally:
                transaction.rollback()

    def commit(self, release: Release, events: Collection[int], bin_of: layout.Bins, now: datetime) -> None:
        """THE MOMENT A RELEASE BECOMES TRUE. Before it nothing happened; after it, it will, whoever dies.

        The generation is the compare-and-swap: two publishers cannot both insert it. Raises Overtaken.
        """
        with self._engine.begin() as connection:
            try:
                connection.execute(insert(t.releases), _release_row(release, now))
            except IntegrityError as error:
                raise Overtaken(f"generation {release.generation} was committed by another publisher") from error
            _store_files(connection, release)
            _store_roles(connection, release)
            _store_targets(connection, release, bin_of)
            marked = _mark_events(connection, events, release.generation)
            assert marked == len(events), "an event is in two releases, although generations follow each other"
            _mark_policies(connection, release)

    def mark_published(self, generation: int) -> None:
        """Every file of this release is in the depot and the pointer is at it or past it."""
        with self._engine.begin() as connection:
            connection.execute(update(t.releases).where(t.releases.c.generation == generation).values(published=1))


class Pen(View):
    """A view that also writes: what one accepted request leaves behind."""

    def locked_name(self, name: str) -> c.Name:
        """As ``name``, holding its row until the transaction ends, so that decisions about it are in one order."""
        row = self._one(select(t.names).where(t.names.c.name == name).with_for_update())
        return c.Name(name, name_state(name, row["state"]), row["holder"]) if row else c.Name(name, None, None)

    def append(
        self, name: c.Name, change: c.Change, at: datetime, actor: Actor, reason: Reason | None, policy: str,
        holder: str | None, change_id: str,
    ) -> c.Event:  # fmt: skip
        """Write one event and give it its number."""
        row = {
            "name": name.name, "serial": 1 if name.state is None else name.state.serial + 1, "at": stamp(at),
            "by": actor.kind, "type": c.type_of(change), "body": _text(strict.dump(change)),
            "reason": _text(strict.dump(reason)), "policy": policy, "actor": actor.id, "holder": holder,
            "approver": actor.approver, "change": change_id,
        }  # fmt: skip
        result = self._connection.execute(insert(t.events), row)
        assert result.inserted_primary_key is not None, "an event without a number"
        seq: int = result.inserted_primary_key[0]
        return c.Event(seq, name.name, stamp(at), actor.kind, reason, policy, change, actor.id, holder, actor.approver)

    def keep(self, name: c.Name, due_at: datetime | None) -> None:
        """Write a name's state after its events, and when time will change it next."""
        assert name.state is not None, "a name is kept after an event"
        row = {
            "state": _text(strict.dump(name.state)),
            "holder": name.holder,
            "due_at": stamp(due_at) if due_at else None,
        }
        known = self._connection.execute(update(t.names).where(t.names.c.name == name.name).values(row)).rowcount
        if not known:
            self._connection.execute(insert(t.names), {"name": name.name, **row})

    def answer(self, record: ChangeRecord) -> None:
        """Remember what was answered, for a client that asks again."""
        row = strict.dump(record)
        self._connection.execute(insert(t.changes), {**row, "warnings": _text(row["warnings"])})

    def add_policy(self, published: Published, approved_by: Collection[str] = ()) -> None:
        """Keep a policy for ever, and who approved it (opaque ids, never signed). The next one is another row."""
        row = {"id": published.policy.id, "body": published.body.decode(), "approved_by": _text(sorted(approved_by))}
        self._connection.execute(insert(t.policies), row)

    def refuse(self, attempt: Attempt) -> None:
        """Remember a refused attempt."""
        row = asdict(attempt)
        self._connection.execute(insert(t.refusals), {**row, "reasons": _text(row["reasons"])})

    def forget_refusals(self, before: datetime) -> None:
        """Forget the attempts that were refused before this time."""
        self._connection.execute(delete(t.refusals).where(t.refusals.c.at < stamp(before)))

    def add_token(self, token: Token) -> None:
        """Keep a new token's record."""
        self._connection.execute(insert(t.tokens), {**strict.dump(token), "scope": _text(strict.dump(token.scope))})

    def revoke_token(self, identifier: str, at: datetime) -> None:
        """From now on the token opens nothing; its record stays."""
        self._connection.execute(update(t.tokens).where(t.tokens.c.id == identifier).values(revoked=stamp(at)))

    def spend_nonce(self, token: str, nonce: str, until: datetime, now: datetime) -> None:
        """Remember a signed request's nonce while its signature is good. NonceSpent if it is remembered already."""
        self._connection.execute(delete(t.nonces).where(t.nonces.c.until < stamp(now)))
        try:
            self._connection.execute(insert(t.nonces), {"token": token, "nonce": nonce, "until": stamp(until)})
        except IntegrityError as error:
            raise NonceSpent from error


def _release_row(release: Release, now: datetime) -> dict[str, object]:
    return {
        "generation": release.generation,
        "snapshot": release.snapshot_version,
        "signed_at": stamp(now),
        "timestamp": release.timestamp.body,
        "published": 0,
    }


def _store_files(connection: Connection, release: Release) -> None:
    rows = [
        {"path": path, "release": release.generation, "position": position, "body": body}
        for position, (path, body) in enumerate(release.immutable)
    ]
    if rows:
        connection.execute(insert(t.files), rows)


def _store_roles(connection: Connection, release: Release) -> None:
    newest = {role.name: role for role in release.roles}  # of several new roots the last
    rows = [{"role": r.name, "version": r.version, "expires": stamp(r.expires)} for r in newest.values()]
    for start in range(0, len(rows), BATCH):
        chunk = rows[start : start + BATCH]
        connection.execute(delete(t.roles).where(t.roles.c.role.in_([row["role"] for row in chunk])))
        connection.execute(insert(t.roles), chunk)


def _store_targets(connection: Connection, release: Release, bins: layout.Bins) -> None:
    pages = (*release.pages, *release.policies)
    for start in range(0, len(pages), BATCH):
        named = [page.name for page in pages[start : start + BATCH]]
        connection.execute(delete(t.targets).where(t.targets.c.name.in_(named)))
    rows = [
        {
            "path": target.path, "name": page.name, "bin": bins.number(target.path), "length": target.length,
            "sha256": target.sha256, "custom": _text(dict(target.custom)),
        }
        for page in pages
        for target in page.targets
    ]  # fmt: skip
    if rows:
        connection.execute(insert(t.targets), rows)


def _mark_events(connection: Connection, events: Collection[int], generation: int) -> int:
    wanted, marked = list(events), 0
    for start in range(0, len(wanted), BATCH):
        chunk = wanted[start : start + BATCH]
        pending = t.events.c.seq.in_(chunk) & t.events.c.release.is_(None)
        marked += connection.execute(update(t.events).where(pending).values(release=generation)).rowcount
    return marked


def _mark_policies(connection: Connection, release: Release) -> None:
    signed = t.policies.c.id.in_([page.name for page in release.policies])
    connection.execute(update(t.policies).where(signed).values(release=release.generation))


def _text(value: object) -> str:
    return compact(value).decode()
