"""Writing what was taken back from the public files: a release that this journal did not make, and what it holds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, exists, func, insert, literal, or_, select, text, update

from keys import page
from keys.encoding import compact, sha256
from keys.layout import Bins
from keys.times import stamp
from repo_service.build.due import Lifetimes, Signed
from repo_service.build.logbook import Said
from repo_service.build.metadata import Role
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.evolve import evolve
from repo_service.domain.flags import FlagAct
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.committing import role_row, store_files
from repo_service.storage.inventory import Inventory
from repo_service.storage.journal import Collided
from repo_service.storage.logreading import LoggedRelease
from repo_service.storage.pen import Pen, event_row
from repo_service.storage.pendingreading import NOW
from repo_service.storage.reading import BATCH

GAP = 1_000_000
"""Numbers of events that are left out: those that were given away and lost are not given again."""


@dataclass(frozen=True, slots=True)
class Public:
    """A release as its public timestamp says it: its generation, snapshot version and dates."""

    generation: int
    snapshot: int
    signed_at: datetime
    expires: datetime
    timestamp: bytes


class Recovery(Pen, Inventory):
    """What a recovery writes, in one transaction."""

    def add_release(self, public: Public, epoch: int, follows: int, published: int = 1) -> None:
        """A release that is public, and copied out, or (``published`` 0) about to be."""
        row = {
            "generation": public.generation, "epoch": epoch, "snapshot": public.snapshot, "published": published,
            "signed_at": stamp(public.signed_at), "timestamp": public.timestamp, "expires": stamp(public.expires),
        }  # fmt: skip
        self._connection.execute(insert(t.releases), row)
        self._connection.execute(insert(t.followed), {"follows": follows, "generation": public.generation})

    def add_files(self, generation: int, files: Iterable[tuple[str, bytes]]) -> None:
        """Files of the current state that the journal does not know."""
        unknown = ((path, body, sha256(body)) for path, body in files if not self.has_file(path))
        store_files(self._direct, unknown, generation)

    def add_logged(self, logged: LoggedRelease) -> None:
        """A release's part of the log, about which witnesses were asked."""
        self._direct.write(s.STORE_LOGGED, {**asdict(logged), "root": logged.root.hex()})

    def add_events(self, events: Sequence[Said], generation: int) -> None:
        """Events that this journal has lost, by the release that signed them."""
        rows = [
            {**event_row(each.event, each.serial, f"log-{each.event.seq}", NOW), "seq": each.event.seq}
            for each in events
        ]
        self._direct.write_all(s.REMEMBER, rows)
        self.sign_events([each.event.seq for each in events], generation)

    def sign_events(self, numbers: Sequence[int], generation: int) -> None:
        """Events that are signed in this release, whatever this journal thought."""
        for start in range(0, len(numbers), BATCH):
            self._direct.run(s.MARK, values=numbers[start : start + BATCH], signing=generation)

    def released_name(self, name: str) -> c.Name:
        """A name as its newest release has it: without what is pending."""
        if not self.is_pending(name):
            return self.name(name)
        begun = self.begun_from(name)
        told, after = (begun[0], begun[1]) if begun else (c.Name(name, None, None), 0)
        for each in self.history(name, after):
            if each.release is not None:
                told = evolve(told, each.event)
        return told

    def without_pages(self) -> list[str]:
        """Names of which something is signed, and that have no page among the targets."""
        path = literal("simple/") + t.names.c.name + literal("/vnd.pypi.simple.v1.json")
        paged = exists().where(t.targets.c.path == path)
        signed = exists().where(t.events.c.name == t.names.c.name, t.events.c.release.is_not(None))
        return list(self._connection.scalars(select(t.names.c.name).where(~paged, signed).limit(1)))

    def of_log(self, *patterns: str) -> Iterator[str]:
        """The paths of files of the current state that are like one of these."""
        which = or_(*(t.files.c.path.like(each) for each in patterns))
        return iter(self._connection.scalars(select(t.files.c.path).where(t.files.c.superseded.is_(None), which)).all())

    def supersede(self, generation: int, paths: Iterable[str]) -> None:
        """Nothing names these files any more."""
        rows = [{"gone": path, "superseding": generation} for path in paths]
        if rows:
            self._direct.write_all(s.SUPERSEDE, rows)
            self._direct.run(s.PRUNE, superseding=generation)

    def set_role(self, role: Role, lifetimes: Lifetimes) -> None:
        """The newest file of a role."""
        self._connection.execute(delete(t.roles).where(t.roles.c.role == role.name))
        self._direct.write(s.STORE_ROLE, role_row(role, lifetimes))

    def set_former_bin(self, signed: Signed) -> None:
        """A bin of a former number of bins: nothing delegates to it, and snapshots list it for ever."""
        self._connection.execute(delete(t.roles).where(t.roles.c.role == signed.role))
        row = {"role": signed.role, "version": signed.version, "expires": stamp(signed.expires)}
        self._direct.write(s.STORE_ROLE, {**row, "renew_at": None, "signers": None, "digest": None})

    def described(self, paths: Iterable[str]) -> dict[str, str]:
        """The descriptions of these targets, whatever bin they are in."""
        return {row["path"]: row["entry"] for row in self._in(select(t.targets), t.targets.c.path, paths)}

    def set_bin(self, number: int, shape: Bins, targets: Mapping[str, tuple[str, str]]) -> None:
        """The whole content of a bin: paths to the name and the description of each target. What belongs to other bins
        is left where it is: the bins may have been others.
        """
        gone = [path for path in self.bin(number) if path not in targets and shape.number(path) == number]
        self._remove((*gone, *targets))
        rows = [{"bin": number, "path": path, "name": name, "entry": entry} for path, (name, entry) in targets.items()]
        if rows:
            self._direct.write_all(s.STORE_TARGET, rows)

    def drop_misplaced(self, shape: Bins) -> None:
        """Once all bins are set: what is still where another number of bins had it is a target no more."""
        rows = self._walk(select(t.targets.c.bin, t.targets.c.path))
        self._remove([row.path for row in rows if shape.number(row.path) != row.bin])

    def _remove(self, paths: Sequence[str]) -> None:
        for start in range(0, len(paths), BATCH):
            self._connection.execute(delete(t.targets).where(t.targets.c.path.in_(paths[start : start + BATCH])))

    def sign_pending(self, name: str, serial: int, generation: int) -> None:
        """Events that were pending in this journal, and that the public page holds."""
        its = (t.events.c.name == name) & (t.events.c.serial <= serial) & t.events.c.release.is_(None)
        self._connection.execute(update(t.events).where(its).values(release=generation))

    def begin_again(self, name: c.Name, generation: int) -> None:
        """Later events of a name follow this state, which those that the journal knows do not lead to."""
        assert name.state is not None, "what was recovered has a state"
        self._connection.execute(delete(t.recovered).where(t.recovered.c.name == name.name))
        row = {
            "name": name.name, "serial": name.state.serial, "release": generation, "holder": name.holder,
            "state": page.encode(name.state).decode(), "org": name.org, "orgs": compact(name.orgs).decode(),
        }  # fmt: skip
        self._connection.execute(insert(t.recovered), row)

    def add_document(self, document: Published | FlagAct, generation: int) -> None:
        """A policy or an act of flags that is signed, and unknown or pending here. Collided if another one is known."""
        table = t.policies if isinstance(document, Published) else t.flags
        body = document.body.decode()
        known = self._connection.scalar(select(table.c.body).where(table.c.id == document.id))
        if known not in (None, body):
            raise Collided(f"{document.id} is public, and another one is known here")
        pending = (table.c.id == document.id) & table.c.release.is_(None)
        self._connection.execute(update(table).where(pending).values(release=generation))
        if known is None:
            row: dict[str, object] = {"id": document.id, "body": body, "release": generation}
            if isinstance(document, FlagAct):
                row |= {"number": document.number, "client": "recovered"}
            self._connection.execute(insert(table), row)

    def skip_numbers(self, beyond: int) -> None:
        """The next event gets a number far beyond every one that was given away."""
        newest = self._connection.scalar(select(func.max(t.events.c.seq))) or 0
        start = max(newest, beyond) + GAP
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(text("SELECT setval(pg_get_serial_sequence('events', 'seq'), :it)"), {"it": start})
            return
        self._connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'events'"))
        self._connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', :it)"), {"it": start})
