"""Everything put together: the only reader of settings, environment and clock."""

import logging
import os
import re
import secrets
import signal
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flask import Flask
from tuf.ngclient import Updater

from keys import sealed, strict, webhooks
from keys.encoding import sha256
from keys.signing import HeldKey, HeldKeys, Signer
from keys.tlog import notes
from keys.tlog.notes import BadNote, HeldNoteKey
from repo_service import failpoint
from repo_service.accepting import attempts, halting, sequences, sweeping
from repo_service.bell import Bell, Publisher
from repo_service.build.assemble import Release
from repo_service.build.due import Lifetimes
from repo_service.console import doors, frame
from repo_service.console.console import Console
from repo_service.domain import announcing, policy
from repo_service.guarding.client import GuardedSigner
from repo_service.mending import collecting, reclaiming
from repo_service.operating import exposition, settings
from repo_service.operating.exposition import Counted
from repo_service.operating.readiness import Parts, public_timestamp
from repo_service.operating.settings import SETTINGS, BadSettings, Settings
from repo_service.operating.status import Status
from repo_service.publishing import roots
from repo_service.publishing.clocks import check_clocks
from repo_service.publishing.drawing import Drawer
from repo_service.publishing.press import Cosign, Press, Turn, cosigned_by_nobody
from repo_service.publishing.publish import check_not_behind, publish
from repo_service.publishing.shelf import Shelf
from repo_service.publishing.witnessing import BadPolicy, Panel, Witnesses, read_witnesses
from repo_service.storage.depot import Depot, DepotError, Unavailable
from repo_service.storage.journal import Journal
from repo_service.storage.places import BadPlace, connect, open_depot, parse
from repo_service.storage.tables import open_engine
from repo_service.web.app import create_app
from repo_service.web.desk import Desk
from repo_service.web.limits import Limits
from repo_service.web.turns import ALONE, FEW, Turns
from repo_service.web.waiting import WaitingRoom

if TYPE_CHECKING:
    from repo_service.storage.local import LocalDepot
    from repo_service.storage.s3 import S3Depot

logger: Final = logging.getLogger(__name__)
ONLINE_KEY: Final = "online.key"
ONLINE_PUB: Final = "online.pub"
NEXT_KEY: Final = "online-next.key"
NEXT_PUB: Final = "online-next.pub"
LOG_KEY: Final = "log.key"
LOG_PUB: Final = "log.pub"
NEXT_LOG_KEY: Final = "log-next.key"
NEXT_LOG_PUB: Final = "log-next.pub"
HOOK_KEY: Final = "webhooks.key"
CONSOLE_KEY: Final = "console.key"
EVIDENCE: Final = "theft"
"""Where in a service's folder lies what somebody else had put into the public files."""
_PROCESS: Final = secrets.token_hex(4)


@dataclass(frozen=True, slots=True)
class Service:
    """One repository's service: its folder, what it publishes with and what its door needs."""

    folder: Path
    settings: Settings
    press: Press
    depot: Depot
    clock: Callable[[], datetime]
    metrics: Counted
    online: Signer = field(repr=False)

    @property
    def journal(self) -> Journal:
        """What the press publishes from, which is what the door writes to."""
        return self.press.journal

    @property
    def database(self) -> str:
        """The journal's address, for another process of this service."""
        return _database(self.settings.database, self.folder)

    def round(self) -> Release | None:
        """Deadlines that have passed become events; what is pending or due is published."""
        try:
            now = self.clock()
            self._sweep(now)
            release = publish(self.press, now)
        except Exception as error:
            self.metrics.round_failed(error)
            raise
        self.metrics.round_done()
        if release is not None:
            logger.info("published", extra={"generation": release.generation, "snapshot": release.snapshot_version})
        return release

    def _sweep(self, now: datetime) -> None:
        with self.journal.reading() as view:
            nothing = not view.may_need_sweeping(now, now - attempts.KEPT)
        if nothing:
            return
        halting.clear_due(self.journal, now)
        sequences.sweep(self.journal, now)
        sweeping.sweep(self.journal, now)

    def take_in(self, sealed_folder: Path, *, rehearsal_allowed: bool, key_lost: bool = False) -> roots.Sealed:
        """Verify a sealed folder and publish it: genesis, or the files of a later ceremony. Raises NotTakenIn.

        ``key_lost`` says that the online key of before is gone, so that not everything can be signed by both first.
        """
        now = self.clock()
        found, known = self._verified(sealed_folder, now, rehearsal_allowed=rehearsal_allowed)
        if key_lost:
            found = roots.take_in_anew(found, known, self.online.keyids)
        self._begin_policy(now)
        publish(self.press, now, found)
        return found

    def take_in_after_theft(
        self, sealed_folder: Path, last_good: int, *, rehearsal_allowed: bool
    ) -> tuple[roots.Sealed, list[str]]:
        """As ``take_in``, where the online key was stolen and a later root takes it away: first what the thief may have
        written goes out of the public metadata (mending/reclaiming.py), then everything is signed again. Also the
        paths that went; the bytes are kept in the service's folder. Can be repeated.
        """
        now = self.clock()
        found, _ = self._verified(sealed_folder, now, rehearsal_allowed=rehearsal_allowed)
        found = roots.take_in_after_theft(found, self.online.keyids)
        taken = reclaiming.reclaim(self.press, found, last_good, self._keep_evidence)
        publish(self.press, now, found)
        return found, taken

    def _verified(
        self, sealed_folder: Path, now: datetime, *, rehearsal_allowed: bool
    ) -> tuple[roots.Sealed, Mapping[str, bytes]]:
        """A sealed folder that goes on from what this service has, and what that is."""
        with self.journal.reading() as view:
            known = view.offline()
        log = [held.key for held in log_keys(self.folder)]
        found = roots.take_in(_read_folder(sealed_folder), known, self.online.keyids, log, now)
        if roots.is_rehearsal(found) and not rehearsal_allowed:
            raise roots.NotTakenIn(["root: was made in a rehearsal; say --allow-rehearsal to practise with it"])
        return found, known

    def _keep_evidence(self, path: str, body: bytes) -> None:
        kept = self.folder / EVIDENCE / f"{sha256(body):.16}-{Path(path).name}"
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        kept.write_bytes(body)

    def named_policy(self, source: str | None = None) -> policy.Policy:
        """A policy by its preset or its file in the service's folder; by default the one that the settings name."""
        return read_policy(self.folder, source or self.settings.policy)

    def announce(self, new: policy.Policy, approved_by: Collection[str] = ()) -> announcing.Published:
        """Keep ``new`` and sign it, to judge from its date on. Raises NotAnnounced. Who approved it is never signed."""
        now = self.clock()
        with self.journal.writing() as pen:
            published = announcing.announce(new, pen.policies(), now, approved_by)
            pen.add_policy(published, approved_by)
        publish(self.press, now)
        return published

    def _begin_policy(self, now: datetime) -> None:
        """A repository's first snapshot holds the policy that judges from its first day."""
        with self.journal.writing() as pen:
            if not pen.policies():
                pen.add_policy(announcing.announce(self.named_policy(), (), now))

    def collect(self) -> collecting.Collected:
        """Let go of superseded files that nobody can need any more. Once a day is often enough."""
        keep = timedelta(seconds=self.settings.keep_s)
        done = collecting.collect(self.journal, self.depot, keep, self.clock())
        self.metrics.collected(done.dropped)
        return done

    def desk(self, bell: Bell) -> Desk:
        """What the HTTP door works with."""
        its = self.settings
        limits = Limits(its.max_upload_bytes, its.client_per_minute, its.name_per_minute, its.max_pending)
        parts = self.parts(bell)
        registry = exposition.exposed(self.metrics, parts)
        turns = Turns(ALONE if self.journal.has_one_writer else FEW)
        return Desk(
            self.journal, self.depot, its.layout, self.clock, bell, its.url.rstrip("/"), limits,
            self.metrics, turns, WaitingRoom(self.journal, bell, turns.given_up),
            lambda: exposition.text(registry), lambda: read_hook_key(self.folder), parts.look,
        )  # fmt: skip

    def app(self, bell: Bell, make_updater: Callable[..., Updater] = Updater) -> Flask:
        """The HTTP door: the API, the public files and, unless the settings say otherwise, the console, which verifies
        with the clients of python-tuf that ``make_updater`` makes.
        """
        desk, setting = self.desk(bell), self.settings.console
        app = create_app(desk)
        if setting != "off":
            panel, secret = panel_of(self.settings, self.folder), console_secret(self.folder)
            for_all = doors.OPEN | (doors.PUBLIC if setting == "public" else frozenset())
            frame.register(app, Console(desk, self.status, self.press.lifetimes, panel, for_all, secret, make_updater))
        return app

    def parts(self, bell: Bell) -> Parts:
        """What must be well for this process to be ready."""
        return Parts(self.journal, self.depot, bell, self.clock, self.press.lifetimes, self.press.clocks)

    @contextmanager
    def metrics_served(self, bell: Bell) -> Iterator[None]:
        """Answer with the metrics at ``metrics_address``, if there is one, for as long as the block lasts."""
        address, registry = self.settings.metrics_address, exposition.exposed(self.metrics, self.parts(bell))
        with ExitStack() as stack:
            try:
                if address is not None:
                    stack.enter_context(exposition.served(registry, address))
            except OSError as error:
                raise BadSettings(f"metrics_address {address} cannot be had: {error.strerror}") from None
            yield

    def status(self) -> Status:
        """How it does, for people and programs."""
        return status_of(self.journal, self.depot, self.clock)

    def publisher(self) -> Publisher:
        """A thread, not started yet, that does rounds."""
        its = self.settings
        return Publisher(self.rounds(), its.refresh_s, self.waits, its.poll_s, its.min_interval_s)

    def rounds(self) -> Callable[[], Release | None]:
        """Rounds one after the other; between two that publish nothing, once a day, what nobody can need is let go of.

        For the first time an hour after a start, so that a service that is stopped each night collects too.
        """
        collected = self.clock() - timedelta(hours=23)

        def do_round() -> Release | None:
            nonlocal collected
            release = self.round()
            if release is None and self.clock() - collected >= timedelta(days=1):
                collected = self.clock()
                self.collect()
            return release

        return do_round

    def waits(self) -> bool:
        """Whether something is accepted and not published, or committed and not copied out."""
        with self.journal.reading() as view:
            return view.has_pending()

    def check_not_behind(self) -> None:
        """Before anything is accepted: Behind if an older database was restored. What it would say now cannot be true
        beside what is public. A depot that cannot be reached is asked again before anything is signed.
        """
        with suppress(Unavailable):
            check_not_behind(self.press)

    def catch_up(self) -> None:
        """At a start: the periods may have changed since roles were signed, so when they are due is reckoned anew."""
        self.journal.reschedule(self.press.lifetimes, self.clock())

    def clear_clock(self, time: datetime) -> datetime:
        """Go on although something is dated later than now, by a clock that was ahead; until when that was.

        ``time`` is what another clock says. ClocksDiffer if it, or any clock that this service can see, says otherwise
        than this machine's; BadSettings if nothing is ahead.
        """
        now = self.clock()
        check_clocks(now, (("the time you gave", lambda: time), *self.press.clocks))
        with self.journal.reading() as view:
            ahead = view.last_done_at()
        if ahead is None or ahead <= now:
            raise BadSettings("nothing is dated later than now: there is no clock to clear. Nothing was written.")
        self.journal.clear_clock(self.press.lifetimes, now)
        return ahead

    @contextmanager
    def bell(self) -> Iterator[Bell]:
        """Redis's bell where one is configured; else a publisher in this process, for as long as the block lasts."""
        if self.settings.redis:
            from repo_service.ringing import RedisBell  # here, because most services have no Redis to load

            yield RedisBell(self.settings.redis, str(self.folder), self.metrics)
            return
        publisher = self.publisher()
        publisher.start()
        try:
            yield publisher
        finally:
            publisher.stop()


def open_service(folder: Path, clock: Callable[[], datetime] | None = None) -> Service:
    """The service in ``folder``. BadSettings if it cannot be used."""
    its = found_settings(folder).settings
    journal = Journal(open_engine(_database(its.database, folder)))
    depot = _depot(its.public, folder)
    online = GuardedSigner(folder / its.guard, Shelf(journal, depot)) if its.guard else online_keys(folder)
    lifetimes = Lifetimes(
        timedelta(seconds=its.timestamp_s),
        timedelta(seconds=its.snapshot_s),
        timedelta(seconds=its.bin_s),
        timedelta(seconds=its.refresh_s),
    )
    _arm_failpoints(os.environ)
    clocks = () if clock else (("the database", journal.clock), ("the depot", depot.date))
    turn = Turn(_holder, _is_dead, float(its.lease_s))
    counted = Counted(clock or utc_now)
    panel = panel_of(its, folder)
    press = Press(
        journal, depot, online, lifetimes, its.layout, turn, clocks=clocks, draw=Drawer(depot).draw, metrics=counted,
        log=log_keys(folder), cosign=_witnesses(panel, its, clock or utc_now, counted),
        counted=panel.counted if panel else (), quorum=panel.quorum if panel else 0,
    )  # fmt: skip
    return Service(folder, its, press, depot, clock or utc_now, counted, online)


def status_of(journal: Journal, depot: Depot, clock: Callable[[], datetime]) -> Status:
    """How a service does, of its parts."""
    try:
        pointer = public_timestamp(depot).version
    except (DepotError, LookupError, OSError, ValueError):
        pointer = None
    now = clock()
    with journal.reading() as view:  # after the pointer, which never leads: a release may come in between
        its, counts = view.overview(now), view.counts()
    return Status(now, its, counts, pointer)


def unopened(folder: Path) -> tuple[Settings, Journal, "LocalDepot | S3Depot"]:
    """The settings of the service in ``folder``, its journal and its depot, without a look at any of them: for who has
    to say which one is not well. BadSettings.
    """
    its = found_settings(folder).settings
    try:
        depot = connect(parse(its.public), folder, settings.with_secrets(os.environ))
    except BadPlace as error:
        raise BadSettings(f"{folder / SETTINGS}: public: {error}") from None
    return its, Journal(open_engine(_database(its.database, folder))), depot


def _depot(place: str, folder: Path) -> Depot:
    try:
        return open_depot(parse(place), folder, settings.with_secrets(os.environ))
    except BadPlace as error:
        raise BadSettings(f"{folder / SETTINGS}: public: {error}") from None


def found_settings(folder: Path) -> settings.Found:
    """The settings of the service in ``folder``, with where each one came from. BadSettings if there are none."""
    return settings.read(folder / SETTINGS, settings.with_secrets(os.environ))


def online_keys(folder: Path) -> HeldKeys:
    """The online key, which only file permissions protect, and while it is replaced the next one; both sign then."""
    paths = [path for path in (folder / ONLINE_KEY, folder / NEXT_KEY) if path.exists()]
    if not paths:
        raise BadSettings(f"{folder / ONLINE_KEY} is missing; `tallystick-service key {folder}` makes it")
    return HeldKeys(*map(_held_key, paths))


def _held_key(path: Path) -> HeldKey:
    try:
        return HeldKey(sealed.unseal(path.read_bytes(), None))
    except (sealed.BadKeyFile, sealed.WrongPassphrase) as error:
        raise BadSettings(f"{path}: {error}") from None


def console_secret(folder: Path) -> str:
    """What signs the console's sessions, made at first use. All servers of a service must have the same file; who reads
    it and knows a token's id can be its owner in the console.
    """
    path = folder / CONSOLE_KEY
    if not path.exists():
        draft = folder / f".{CONSOLE_KEY}.{secrets.token_hex(4)}"
        try:
            sealed.write_private(draft, f"{secrets.token_urlsafe(32)}\n".encode())
            with suppress(FileExistsError):  # another server of this folder was first: its key is there, whole
                os.link(draft, path)
            draft.unlink()
        except OSError as error:
            raise BadSettings(
                f"{path} cannot be made ({error.strerror}), which signs the console's sessions; let the folder be "
                f'written once, bring the file from another server of this service, or write console = "off"'
            ) from None
    text = path.read_text("ascii", "replace").strip()
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", text):
        raise BadSettings(f"{path} is not as it was made; delete it for a new one, which ends every console session")
    return text


def _witnesses(panel: Panel | None, its: Settings, clock: Callable[[], datetime], metrics: Counted) -> Cosign:
    """How the log's witnesses are asked, where there are any."""
    return Witnesses(panel, clock, metrics=metrics, deadline_s=its.witness_s).ask if panel else cosigned_by_nobody


def panel_of(its: Settings, folder: Path) -> Panel | None:
    """The witnesses in the file that the settings name, if they name one."""
    if its.witnesses is None:
        return None
    try:
        return read_witnesses((folder / its.witnesses).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, BadPolicy) as error:
        raise BadSettings(f"witnesses {folder / its.witnesses}: {error}. Nothing was written.") from None


def log_keys(folder: Path) -> list[HeldNoteKey]:
    """The log's key, and while it is replaced the next one; both sign then. None: this service keeps no log."""
    held = [_held_note_key(path) for path in (folder / LOG_KEY, folder / NEXT_LOG_KEY) if path.exists()]
    if len(called := {each.key.name for each in held}) > 1:
        raise BadSettings(f"{folder / NEXT_LOG_KEY} is of another log than {LOG_KEY}: {' and '.join(sorted(called))}")
    return held


def _held_note_key(path: Path) -> HeldNoteKey:
    try:
        return notes.read_held(path.read_text("utf-8"))
    except (BadNote, UnicodeDecodeError) as error:
        raise BadSettings(f"{path}: {error}") from None


def read_hook_key(folder: Path) -> bytes | None:
    """What secrets of webhooks are made of; None: this service never made one. It is read when it is needed, so that
    the first secret works at once.
    """
    path = folder / HOOK_KEY
    try:
        return webhooks.secret_of(path.read_text("utf-8").strip())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise BadSettings(f"{path}: {error}") from None


def presets() -> Mapping[str, str]:
    """The presets that ship with the service: name to TOML."""
    shipped = files("repo_service.domain").joinpath("presets").iterdir()
    return {each.name.removesuffix(".toml"): each.read_text("utf-8") for each in shipped if each.name.endswith(".toml")}


def read_policy(folder: Path, source: str) -> policy.Policy:
    """A preset by its name, or a ``.toml`` file, relative to the service's folder. BadSettings if it is neither."""
    try:
        if source.endswith(".toml"):
            return policy.parse((folder / source).read_text("utf-8"), presets())
        return policy.preset(source, presets())
    except (OSError, strict.Malformed) as error:
        raise BadSettings(f"policy {source}: {error}. Nothing was written.") from None


def _database(url: str, folder: Path) -> str:
    """A relative SQLite path is relative to the service's folder, wherever the process was started."""
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/"):
        return f"{prefix}{folder.resolve() / url.removeprefix(prefix)}"
    return url


def _read_folder(folder: Path) -> Mapping[str, bytes]:
    if not folder.is_dir():
        raise roots.NotTakenIn([f"{folder} is not a folder; it should be the sealed/ folder of a ceremony"])
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def utc_now() -> datetime:
    """This machine's clock, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def _holder() -> str:
    """Who publishes, for people and for ``_is_dead``; another text for each turn, also within one process."""
    return f"{socket.gethostname()} {os.getpid()} {_PROCESS}.{secrets.token_hex(4)}"


def _is_dead(holder: str) -> bool:
    """Whether a holder of this machine is gone, so that nobody waits for its lease to pass. Of others nobody can know;
    and where a number was given to another process, the lease passes by itself.
    """
    host, number, token = holder.split(" ")
    if host != socket.gethostname():
        return False
    if int(number) == os.getpid():
        return not token.startswith(f"{_PROCESS}.")  # a container's processes have one number in each of its lives
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _arm_failpoints(environment: Mapping[str, str]) -> None:
    """``TALLYSTICK_FAILPOINT=trace:FILE`` writes every point passed; ``kill:NAME:N`` dies at the Nth passing of one."""
    order, _, rest = environment.get("TALLYSTICK_FAILPOINT", "").partition(":")
    if order == "trace":
        failpoint.arm(lambda name: _append(Path(rest), name))
    elif order == "kill":
        name, _, count = rest.partition(":")
        passed: list[str] = []
        failpoint.arm(lambda here: _die_at(here, name, int(count), passed))


def _append(path: Path, name: str) -> None:
    with path.open("a") as file:
        file.write(f"{name}\n")


def _die_at(here: str, name: str, count: int, passed: list[str]) -> None:
    if here == name:
        passed.append(here)
        if len(passed) == count:
            os.kill(os.getpid(), signal.SIGKILL)
