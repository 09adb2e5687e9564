"""The pen: what one accepted request leaves behind, within the transaction that the journal gives it."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from keys import page, strict
from keys.encoding import compact_plain
from keys.skeletons import skeleton
from keys.state import NameState, Reason
from keys.times import stamp
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.flags import FlagAct
from repo_service.domain.requests import Actor
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.committing import Overtaken
from repo_service.storage.deliveries import Delivery
from repo_service.storage.pendingreading import NOW
from repo_service.storage.refusals import Attempt
from repo_service.storage.requestreading import Acknowledged, ChangeRecord, RegistryState
from repo_service.storage.states import States
from repo_service.storage.tokens import NonceSpent, Token
from repo_service.storage.view import View

_TAKE_SKELETON: Final = text(
    "INSERT INTO skeletons VALUES (:it) ON CONFLICT (skeleton) DO UPDATE SET skeleton = excluded.skeleton"
)


@dataclass(frozen=True, slots=True)
class Rows:
    """What was decided about one name, as rows: its events in order, which have no numbers yet, the name as they leave
    it (None: as it was), and the answer (None: to be asked again).
    """

    name: str
    events: tuple[dict[str, Any], ...]
    state: dict[str, Any] | None
    answer: dict[str, Any] | None


def numbered(state: str, event: int) -> str:
    """A state that was written as of the event 0, as of another: no text before it in its JSON holds a bare quote."""
    return state.replace('"event":0,', f'"event":{event},', 1)


class Pen(View):
    """A view that also writes: what one accepted request leaves behind."""

    def locked_name(self, name: str) -> c.Name:
        """As ``name``, holding its row until the transaction ends, so that decisions about it are in one order."""
        return self._name(name, self._first(s.BESIDE_LOCKED, name=name))

    def lock_family(self, name: str) -> None:
        """Until the transaction ends nobody else takes a new name, or grants one, that begins with the same word.

        A row that is not there cannot be locked, and a name must not be taken while its prefix is being granted.
        SQLite has one writer anyway.
        """
        if self._connection.dialect.name == "postgresql":
            word = name.partition("-")[0]
            self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(word))))

    def locked_under(self, prefix: str) -> list[c.Name]:
        """Every name that was ever touched in a prefix's namespace but the prefix itself, holding their rows."""
        query = select(t.names).where(self._below(prefix)).order_by(t.names.c.name).with_for_update()
        return [self._of_row(row) for row in self._connection.execute(query).mappings()]

    def lock_skeleton(self, name: str) -> None:
        """From here until the transaction ends, nobody else takes a name that looks like this one, or this one.

        A name that nobody has is no row, so there is none to lock; PostgreSQL would let both in.
        """
        self._connection.execute(_TAKE_SKELETON, {"it": skeleton(name)})

    def append(
        self, name: c.Name, change: c.Change, at: datetime, actor: Actor, reason: Reason | None, policy: str,
        holder: str | None, change_id: str, org: str | None = None, lane: int = NOW,
    ) -> c.Event:  # fmt: skip
        """Write one event and give it its number."""
        event = c.Event(
            0, name.name, stamp(at), actor.kind, reason, policy, change, actor.id, holder, actor.approver, org
        )
        serial = 1 if name.state is None else name.state.serial + 1
        return replace(event, seq=self._direct.written(s.REMEMBER_ONE, event_row(event, serial, change_id, lane)))

    def keep(self, name: c.Name, due_at: datetime | None, notice_at: datetime | None) -> None:
        """Write a name's state after its events, when time will change it next, and when somebody is to be told."""
        assert name.state is not None, "a name is kept after an event"
        row = name_row(name, due_at, notice_at)
        self._states.put(row["edition"], name.state, len(row["state"]))
        if name.state.takedowns:
            self.index_takedowns(name.state)
        if not self._direct.write(s.KEEP, {"kept": name.name, **row}):
            self._direct.write(s.KEEP_NEW, {"name": name.name, **row})

    def lock_all(self, names: Collection[str], new: Collection[str]) -> None:
        """Hold these names, and with those that are new everything that bears on a new name, until the end.

        Whoever locks one name takes its family, its skeleton and its row in this order too: nobody waits in a circle.
        """
        if self._connection.dialect.name == "postgresql":
            words = sorted({name.partition("-")[0] for name in new})
            for word in words:
                self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(word))))
        if looks := sorted({skeleton(name) for name in new}):
            self._connection.execute(_TAKE_SKELETON, [{"it": each} for each in looks])
        if self._connection.dialect.name == "postgresql":
            for _ in self._each(s.BESIDE_MANY_LOCKED, sorted(names)):
                pass

    def write_all(self, found: Sequence[Rows]) -> None:
        """Write what was decided about many names, of each its last state: a few statements for all of them."""
        numbers = iter(self._numbers(sum(len(each.events) for each in found)))
        events, states = [], {}
        for each in found:
            rows = [{**row, "seq": next(numbers)} for row in each.events]
            events += rows
            if each.state is not None:
                states[each.name] = {**each.state, "state": numbered(each.state["state"], rows[-1]["seq"])}
        known = {row["name"] for row in self._each(s.EDITIONS, states)}
        write_all = self._direct.write_all
        write_all(s.REMEMBER, events)
        write_all(s.KEEP, [{"kept": name, **row} for name, row in states.items() if name in known])
        write_all(s.KEEP_NEW, [{"name": name, **row} for name, row in states.items() if name not in known])
        write_all(s.ANSWER, [each.answer for each in found if each.answer is not None])

    def _numbers(self, count: int) -> Sequence[int]:
        """Numbers for as many events, which no other transaction gets."""
        if self._connection.dialect.name == "postgresql":
            drawn = text("SELECT nextval(pg_get_serial_sequence('events', 'seq')) FROM generate_series(1, :count)")
            return list(self._connection.scalars(drawn, {"count": count}))
        last = self._connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = 'events'")) or 0
        return range(last + 1, last + 1 + count)

    def index_takedowns(self, state: NameState) -> None:
        """Let the entries of a name be found by the bytes that they are about."""
        self._connection.execute(delete(t.takedowns).where(t.takedowns.c.name == state.name))
        rows = [
            {"id": entry.id, "sha256": digest, "name": state.name, "status": entry.status}
            for entry in state.takedowns
            for digest in entry.sha256s
        ]
        self._connection.execute(insert(t.takedowns), rows)

    def escalate(self, change: str, name: str, at: datetime, sentence: str) -> None:
        """Keep what an admin must settle; the same sentence once."""
        same = (t.escalations.c.name == name) & (t.escalations.c.sentence == sentence)
        if self._one(select(t.escalations).where(same)) is None:
            row = {"change": change, "name": name, "at": stamp(at), "sentence": sentence}
            self._connection.execute(insert(t.escalations), row)

    def settle(self, name: str) -> None:
        """An admin has settled what waited about this name."""
        self._connection.execute(delete(t.escalations).where(t.escalations.c.name == name))

    def schedule(self, name: str, due_at: datetime | None) -> None:
        """Correct when time will change a name next, where its events say nothing new."""
        row = {"due_at": stamp(due_at) if due_at else None}
        self._connection.execute(update(t.names).where(t.names.c.name == name).values(row))

    def acknowledge(self, notice: Acknowledged) -> None:
        """Remember what became of a notice, in place of what was said of it before."""
        self._connection.execute(delete(t.notices).where(t.notices.c.id == notice.id))
        self._connection.execute(insert(t.notices), strict.dump(notice))

    def answer(self, record: ChangeRecord) -> None:
        """Remember what was answered, for a client that asks again."""
        self._direct.write(s.ANSWER, answer_row(record))

    def keep_registry_state(self, taken: RegistryState) -> None:
        """Remember the newest full state of a project."""
        row = strict.dump(taken)
        self._connection.execute(delete(t.registry_states).where(t.registry_states.c.name == taken.name))
        self._connection.execute(insert(t.registry_states), {**row, "done": _text(row["done"])})

    def locked_sequence(self, name: str) -> int | None:
        """As ``sequence``, holding its row until the transaction ends."""
        return self._connection.scalar(select(t.sequences.c.last).where(t.sequences.c.name == name).with_for_update())

    def keep_sequence(self, name: str, last: int) -> None:
        """Every number of a project up to ``last`` is used or given up."""
        known = update(t.sequences).where(t.sequences.c.name == name).values(last=last)
        if not self._connection.execute(known).rowcount:
            self._connection.execute(insert(t.sequences), {"name": name, "last": last})

    def add_delivery(self, delivery: Delivery) -> None:
        """Keep a numbered request for ever."""
        self._connection.execute(insert(t.deliveries), strict.dump(delivery))

    def take_turn(self, delivery: Delivery) -> None:
        """A numbered request's turn has come: keep what became of it."""
        became = {"state": delivery.state, "refused": delivery.refused}
        self._connection.execute(update(t.deliveries).where(t.deliveries.c.id == delivery.id).values(became))

    def add_policy(self, published: Published, approved_by: Collection[str] = ()) -> None:
        """Keep a policy for ever, and who approved it (opaque ids, never signed). The next one is another row."""
        row = {"id": published.policy.id, "body": published.body.decode(), "approved_by": _text(sorted(approved_by))}
        self._connection.execute(insert(t.policies), row)
        self._forget()

    def refuse(self, attempt: Attempt) -> None:
        """Remember a refused attempt."""
        row = asdict(attempt)
        self._connection.execute(insert(t.refusals), {**row, "reasons": _text(row["reasons"])})

    def forget_refusals(self, before: datetime) -> None:
        """Forget the attempts that were refused before this time."""
        self._connection.execute(delete(t.refusals).where(t.refusals.c.at < stamp(before)))

    def add_flag_act(self, act: FlagAct, client: str) -> None:
        """Keep an act of flags for ever. Overtaken if another was first with this number."""
        row = {"number": act.number, "id": act.id, "body": act.body.decode(), "client": client}
        try:
            self._connection.execute(insert(t.flags), row)
            self._forget()
        except IntegrityError as error:
            raise Overtaken(f"{act.id} was written by somebody else") from error

    def mark_dropped(self, paths: Collection[str], at: datetime) -> None:
        """These files may go from the depot once they have been marked for a while."""
        self._connection.execute(update(t.files).where(t.files.c.path.in_(paths)).values(dropped=stamp(at)))

    def forget_files(self, paths: Collection[str]) -> None:
        """These files are gone from the depot. Their names never come back: versions and serials only grow."""
        self._connection.execute(delete(t.files).where(t.files.c.path.in_(paths)))

    def forget_text(self, path: str) -> bool:
        """A file of the current state goes for good, on purpose; whether there was one."""
        newest = select(func.max(t.releases.c.generation)).scalar_subquery()
        its = (t.files.c.path == path) & t.files.c.superseded.is_(None)
        self._connection.execute(delete(t.bodies).where(t.bodies.c.path == path))
        return bool(self._connection.execute(update(t.files).where(its).values(superseded=newest)).rowcount)

    def forget_nonces(self, now: datetime) -> None:
        """Forget the nonces of signatures that are too old to be accepted again."""
        self._connection.execute(delete(t.nonces).where(t.nonces.c.until < stamp(now)))

    def _forget(self) -> None:
        """What this transaction adds, others learn once it is committed; it may be rolled back."""
        self.__dict__.pop("_standing", None)
        self._states = States()

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


def event_row(event: c.Event, serial: int, change_id: str, lane: int) -> dict[str, Any]:
    """An event as a row of ``events``, which numbers it."""
    return {
        "name": event.name, "serial": serial, "at": event.at, "by": event.by, "type": c.type_of(event.change),
        "body": _text(strict.dump(event.change)), "reason": _text(strict.dump(event.reason)), "policy": event.policy,
        "actor": event.actor, "holder": event.holder, "approver": event.approver, "change": change_id,
        "org": event.org, "lane": lane,
    }  # fmt: skip


def name_row(name: c.Name, due_at: datetime | None, notice_at: datetime | None) -> dict[str, Any]:
    """A name as a row of ``names``, but for its key, under a new edition."""
    assert name.state is not None, "a name is kept after an event"
    return {
        "state": page.encode(name.state).decode(),
        "edition": secrets.token_hex(16),
        "holder": name.holder,
        "due_at": stamp(due_at) if due_at else None,
        "org": name.org,
        "granted": _text(strict.dump(name.granted)) if name.granted else None,
        "skeleton": skeleton(name.name),
        "notice_at": stamp(notice_at) if notice_at else None,
    }


def answer_row(record: ChangeRecord) -> dict[str, Any]:
    """An answer as a row of ``changes``."""
    row = strict.dump(record)
    return {**row, "warnings": _text(row["warnings"])}


def _text(value: object) -> str:
    return compact_plain(value).decode()
