"""Everything put together: the only reader of settings, environment and clock."""

import os
import signal
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final

from keys import sealed, strict
from keys.signing import HeldKey
from repo_service import failpoint, halting, roots, sequences, sweeping
from repo_service.bell import Bell, Publisher, RedisBell
from repo_service.build.assemble import Release
from repo_service.build.due import Lifetimes
from repo_service.build.pages import Layout
from repo_service.domain import announcing, policy
from repo_service.publish import Press, publish
from repo_service.storage.depot import LocalDepot
from repo_service.storage.journal import Journal
from repo_service.storage.tables import open_engine
from repo_service.web.desk import Desk
from repo_service.web.limits import Limits

SETTINGS: Final = "service.toml"
ONLINE_KEY: Final = "online.key"
ONLINE_PUB: Final = "online.pub"
_MAX_LIFETIME_S: Final = 400 * 86400


class BadSettings(Exception):
    """service.toml or the folder around it cannot be used; the message says which line and what to write there."""


@dataclass(frozen=True, slots=True)
class Settings:
    """service.toml. Durations are in seconds. Defaults are safe; the file ``init`` writes explains each."""

    layout: Layout = "full"
    database: str = "sqlite:///journal.sqlite"
    public: str = "public"
    redis: str | None = None
    timestamp_s: int = 3 * 86400
    snapshot_s: int = 7 * 86400
    bin_s: int = 30 * 86400
    refresh_s: int = 600
    max_upload_bytes: int = 1 << 30
    url: str = "http://127.0.0.1:8416"
    max_token_days: int = 90
    client_per_minute: int = 6000
    name_per_minute: int = 600
    max_pending: int = 20000
    policy: str = "standard"

    def __post_init__(self) -> None:
        if self.refresh_s < 1 or self.timestamp_s < 4 * self.refresh_s:
            raise ValueError(
                f"timestamp_s is {self.timestamp_s} and refresh_s {self.refresh_s}: a timestamp must live at least "
                "four refreshes, or one slow refresh makes every client refuse"
            )
        if not self.timestamp_s <= self.snapshot_s <= self.bin_s <= _MAX_LIFETIME_S:
            raise ValueError(
                f"timestamp_s is {self.timestamp_s}, snapshot_s {self.snapshot_s} and bin_s {self.bin_s}: each must "
                f"live at least as long as the one before, and a bin at most {_MAX_LIFETIME_S}, or clients refuse"
            )
        for name in ("max_token_days", "client_per_minute", "name_per_minute", "max_pending"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: nobody could call; it must be at least 1")


@dataclass(frozen=True, slots=True)
class Service:
    """One repository's service: its folder, what it publishes with and what its door needs."""

    folder: Path
    settings: Settings
    press: Press
    depot: LocalDepot
    clock: Callable[[], datetime]
    online: HeldKey = field(repr=False)

    @property
    def journal(self) -> Journal:
        return self.press.journal

    @property
    def database(self) -> str:
        """The journal's address, for another process of this service."""
        return _database(self.settings.database, self.folder)

    def round(self) -> Release | None:
        """Deadlines that have passed become events; what is pending or due is published."""
        now = self.clock()
        halting.clear_due(self.journal, now)
        sequences.sweep(self.journal, now)
        sweeping.sweep(self.journal, now)
        return publish(self.press, now)

    def take_in(self, sealed_folder: Path, *, rehearsal_allowed: bool) -> roots.Sealed:
        """Verify a sealed folder and publish it: genesis, or the files of a later ceremony. Raises NotTakenIn."""
        now = self.clock()
        with self.journal.reading() as view:
            known = view.offline()
        found = roots.take_in(_read_folder(sealed_folder), known, self.online.record.keyid, now)
        if roots.is_rehearsal(found) and not rehearsal_allowed:
            raise roots.NotTakenIn(["root: was made in a rehearsal; say --allow-rehearsal to practise with it"])
        self._begin_policy(now)
        publish(self.press, now, found)
        return found

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

    def desk(self, bell: Bell) -> Desk:
        """What the HTTP door works with."""
        its = self.settings
        limits = Limits(its.max_upload_bytes, its.client_per_minute, its.name_per_minute, its.max_pending)
        return Desk(self.journal, self.depot, its.layout, self.clock, bell, its.url.rstrip("/"), limits)

    @contextmanager
    def bell(self) -> Iterator[Bell]:
        """Redis's bell where one is configured; else a publisher in this process, for as long as the block lasts."""
        if self.settings.redis:
            yield RedisBell(self.settings.redis, str(self.folder))
            return
        publisher = Publisher(self.round, self.settings.refresh_s)
        publisher.start()
        try:
            yield publisher
        finally:
            publisher.stop()


def open_service(folder: Path, clock: Callable[[], datetime] | None = None) -> Service:
    """The service in ``folder``. BadSettings if it cannot be used."""
    settings = _settings(folder)
    online = online_key(folder)
    journal = Journal(open_engine(_database(settings.database, folder)))
    depot = LocalDepot(folder / settings.public)
    lifetimes = Lifetimes(
        timedelta(seconds=settings.timestamp_s),
        timedelta(seconds=settings.snapshot_s),
        timedelta(seconds=settings.bin_s),
    )
    _arm_failpoints(os.environ)
    return Service(
        folder, settings, Press(journal, depot, online, lifetimes, settings.layout), depot,
        clock or _utc_now, online,
    )  # fmt: skip


def online_key(folder: Path) -> HeldKey:
    """The online key, which only file permissions protect."""
    path = folder / ONLINE_KEY
    try:
        return HeldKey(sealed.unseal(path.read_bytes(), None))
    except FileNotFoundError:
        raise BadSettings(f"{path} is missing; `tallystick-service key {folder}` makes it") from None
    except (sealed.BadKeyFile, sealed.WrongPassphrase) as error:
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


def _settings(folder: Path) -> Settings:
    path = folder / SETTINGS
    try:
        return strict.load(Settings, tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise BadSettings(f"{path} is missing; `tallystick-service key {folder}` begins a service") from None
    except (tomllib.TOMLDecodeError, strict.Malformed) as error:
        raise BadSettings(f"{path}: {error}") from None


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


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


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
