"""``tallystick-service doctor``: is a live installation as it should be. It changes nothing."""

import argparse
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuf.api.metadata import Metadata, Root

from keys import layout, rules
from keys.tlog import notes
from keys.tlog.proofs import check_head, policy_of
from repo_service import wiring
from repo_service.commands import opening
from repo_service.commands.keeping import FOUND
from repo_service.guarding.client import GuardedSigner
from repo_service.operating import doctor, looking
from repo_service.operating.doctor import Finding
from repo_service.operating.settings import SETTINGS, BadSettings, Settings, masked
from repo_service.publishing import clocks
from repo_service.publishing.shelf import Shelf
from repo_service.storage.depot import CHECKPOINT, TIMESTAMP
from repo_service.storage.journal import Journal
from repo_service.storage.local import LocalDepot

if TYPE_CHECKING:
    from repo_service.commands.table import Commands
    from repo_service.storage.s3 import S3Depot

BACKUPS: Final = Path("/var/backups/tallystick")
"""Where docs/deploy/systemd puts them."""
_SQLITE: Final = "sqlite:///"
_ARMED: Final = "TALLYSTICK_FAILPOINT"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked at besides the service's folder: where backups are, a monitor's memory, the address that clients
    use instead of the settings' url.
    """

    backups: Path | None = None
    monitor: Path | None = None
    public: str | None = None


def add(commands: "Commands") -> None:
    """Add this family to the parser."""
    command = opening.add(commands, "doctor", _doctor)
    command.add_argument("--json", action="store_true", help="for programs")
    command.add_argument("--backups", type=Path, metavar="FOLDER", help=f"where backups are (default: {BACKUPS})")
    command.add_argument("--monitor", type=Path, metavar="FOLDER", help="the memory of a monitor on this machine")
    command.add_argument("--public", metavar="ADDRESS", help="where clients fetch, if that is not the settings' url")


def _doctor(options: argparse.Namespace) -> int:
    found = [*examine(options.folder, Asked(options.backups, options.monitor, options.public))]
    print(json.dumps(doctor.data(found), indent=2) if options.json else doctor.text(found))
    return FOUND if any(each.verdict == "fail" for each in found) else 0


def examine(folder: Path, asked: Asked, clock: Callable[[], datetime] = wiring.utc_now) -> Iterator[Finding]:
    """Every check of the service in ``folder``. One that cannot be made is a finding, and the others go on."""
    try:
        its, journal, depot = wiring.unopened(folder)
    except (BadSettings, OSError) as error:
        yield Finding("settings", "fail", str(error), "put that right first; nothing else was looked at")
        return
    patient = Patient(folder, its, journal, depot, asked, clock)
    yield from _looked("settings", patient.settings)
    yield from _looked("files", patient.files)
    yield from _looked("disk", patient.disks)
    found = [*_looked("database", patient.database)]
    yield from found
    if all(each.verdict == "ok" for each in found):
        for name, look in patient.beyond_the_database():
            yield from _looked(name, look)
    yield from _looked("backups", patient.backups)
    yield from _looked("monitor", patient.monitor)
    yield from _looked("public", patient.outside)


def _looked(name: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as error:  # whatever it was, this is not well; the others may be
        by_driver = getattr(error, "orig", None)  # SQLAlchemy says much more than that around it
        yield Finding(name, "fail", str(by_driver or error) or type(error).__name__, "put that right, then ask again")


@dataclass(frozen=True, slots=True)
class Patient:
    """A service that is looked at, in its parts, of which none need be well."""

    folder: Path
    its: Settings
    journal: Journal
    depot: "LocalDepot | S3Depot"
    asked: Asked
    clock: Callable[[], datetime]

    def beyond_the_database(self) -> Iterable[tuple[str, Callable[[], Iterable[Finding]]]]:
        """What can be looked at where the database can be read."""
        return (
            ("clock", self.clocks), ("key", self.key), ("depot", self.conditions), ("expiry", self.signed),
            ("tokens", self.tokens), ("witnesses", self.witnesses), ("limits", self.limits), ("redis", self.redis),
        )  # fmt: skip

    def settings(self) -> Iterator[Finding]:
        """What in the settings, and which variables of this process, one should know of."""
        return doctor.dangerous(self.its, [each for each in (_ARMED,) if os.environ.get(each)])

    def files(self) -> Iterator[Finding]:
        """Who may read or write the folder, the public files, the guard's socket and the settings' file."""
        folder = self.folder.resolve()
        public = self.depot.root.resolve() if isinstance(self.depot, LocalDepot) else None
        sockets = [folder / self.its.guard] if self.its.guard else []
        told = any(masked(each) != each for each in (self.its.database, self.its.redis or ""))
        found = looking.kept([folder, *([public] if public else [])], sockets, [folder / SETTINGS] if told else [])
        return doctor.kept(found, folder.stat().st_uid, os.geteuid(), public)

    def disks(self) -> Iterator[Finding]:
        """How much room there is, and whether a sync takes as long as one does; once for each disk."""
        folders = [self.folder, *([self.depot.root] if isinstance(self.depot, LocalDepot) else [])]
        devices = {folder.stat().st_dev: folder for folder in reversed(folders)}  # once for each, the service's first
        return doctor.disks(looking.disk(folder) for folder in devices.values())

    def database(self) -> Iterator[Finding]:
        """Whether it answers and has the tables of this version. SQLite is not opened where its file is missing."""
        path = self.folder / self.its.database.removeprefix(_SQLITE)
        if self.its.database.startswith(_SQLITE) and not path.exists():  # to open it would make an empty one
            yield Finding("database", "fail", f"{path} is missing", "`init` for a new service; else restore a backup")
            return
        self.journal.check()
        with self.journal.reading() as view:
            begun = bool(view.roles())
        if begun:
            yield Finding("database", "ok", "it answers, and its tables are those of this version")
        else:
            yield Finding("database", "fail", "it has no root yet", "`tallystick-service init` takes a ceremony's in")

    def clocks(self) -> Iterator[Finding]:
        """How far the clocks of database and depot are from ours, and whether ours is kept right."""
        now = self.clock()
        apart = clocks.offsets(now, (("the database", self.journal.clock), ("the depot", self.depot.date)))
        with self.journal.reading() as view:
            last = view.last_done_at()
        return doctor.clocks(doctor.Clocks(now, apart, last, looking.synchronised()))

    def key(self) -> Iterator[Finding]:
        """Whether the root names the online key, of this folder or of the guard, and if it is a rehearsal's."""
        root = self._root()
        named = root.roles[layout.TIMESTAMP].keyids
        if self.its.guard:
            guard = GuardedSigner(self.folder / self.its.guard, Shelf(self.journal, self.depot))
            yield doctor.key(guard.keyids, named, "the guard")
        else:
            yield doctor.key(wiring.online_keys(self.folder).keyids, named, "this folder")
        if rules.is_rehearsal(root):
            yield Finding("key", "warn", "the root was made in a rehearsal: clients refuse it unless told",
                          "hold a real ceremony before anybody relies on this")  # fmt: skip

    def conditions(self) -> Iterator[Finding]:
        """Whether the depot refuses to overwrite. It writes a draft and takes it away again."""
        self.depot.probe()
        yield Finding("writes", "ok", "what is written once is never overwritten there: tried, and taken away again")

    def signed(self) -> Iterator[Finding]:
        """When what is signed ends, and how publishing does, by ``status``."""
        return doctor.signed(wiring.status_of(self.journal, self.depot, self.clock))

    def tokens(self) -> Iterator[Finding]:
        """Clients whose last token ends soon, and whether any admin has one."""
        with self.journal.reading() as view:
            every = view.tokens()
        return doctor.tokens(every, self.clock())

    def witnesses(self) -> Iterator[Finding]:
        """When the quorum of the root last cosigned, as the public checkpoint says, and whether any are set."""
        policy, data = policy_of(self._root()), self.depot.read(CHECKPOINT)
        head = check_head(notes.read_note(data), policy) if policy and data else None
        yield doctor.witnesses(policy, head, self.clock())
        if policy and policy.quorum and wiring.panel_of(self.its, self.folder) is None:
            yield Finding("witnesses", "fail", "the root asks for cosignatures, and the settings name no witnesses",
                          'write witnesses = "witnesses.policy" (docs/LOG.md)')  # fmt: skip

    def limits(self) -> Iterator[Finding]:
        """How many files the process that publishes may open, where it runs on this machine."""
        with self.journal.reading() as view:
            lease = view.lease()
        host, _, rest = (lease.holder if lease else "").partition(" ")
        here = int(rest.split(" ")[0]) if host == socket.gethostname() and rest else None
        yield doctor.limits(*looking.files_open(here))

    def redis(self) -> Iterator[Finding]:
        """Whether workers listen, if the settings name Redis."""
        if self.its.redis:
            yield doctor.workers(looking.workers(self.its.redis), self.clock())

    def backups(self) -> Iterator[Finding]:
        """How old the newest backup is; of no folder there is none."""
        folder = self.asked.backups or BACKUPS
        yield doctor.backups(looking.newest_backup(folder) if folder.is_dir() else None, self.clock())

    def monitor(self) -> Iterator[Finding]:
        """What the monitor last said, if its folder is named."""
        if self.asked.monitor is not None:
            yield doctor.monitor(looking.monitored(self.asked.monitor, self.clock()))

    def outside(self) -> Iterator[Finding]:
        """Whether the public address serves the timestamp that the depot holds."""
        address = (self.asked.public or self.its.url).rstrip("/")
        return doctor.outside(looking.fetched(f"{address}/{TIMESTAMP}"), self.depot.pointer())

    def _root(self) -> Root:
        with self.journal.reading() as view:
            data = view.offline()[layout.ROOT]
        return Metadata[Root].from_bytes(data).signed
