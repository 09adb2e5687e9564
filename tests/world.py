"""A whole world in one process: a ceremony's keys, the service, its clock, and clients outside that look at it.

Everything is the real code, with fixed keys and a clock that is set by hand, so that every byte repeats. Clients read
the depot's folder as a mirror would serve it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from ceremony.answers import Answer, answer
from ceremony.draft import Draft, draft
from ceremony.plan import Keyring, Log, Plan, signatory
from ceremony.seal import seal
from client_verify.session import Session
from client_verify.trust import Pin
from keys import possession, sealed
from keys.signing import HeldKey
from keys.state import Reason
from keys.times import stamp
from keys.tlog import proofs
from keys.tlog.notes import HeldNoteKey
from keys.trust import RootOfTrust
from repo_service.accepting import intake
from repo_service.build.assemble import Release
from repo_service.domain import requests as r
from repo_service.storage.local import LocalDepot
from repo_service.storage.requestreading import ChangeRecord
from repo_service.storage.tokens import Scope
from repo_service.web.auth import new_token
from repo_service.wiring import LOG_KEY, Service, open_service

URL: Final = "https://registry.test"
LOG_NAME: Final = "registry.test/log"
BEGIN: Final = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
OWNER: Final = r.Actor("owner", "account-1", approver="account-3")
STRANGER: Final = r.Actor("owner", "account-2", approver="account-3")
ADMIN: Final = r.Actor("admin", "account-9", approver="account-8")
BECAUSE: Final = Reason("malware", "it steals tokens")


def held_key(number: int) -> HeldKey:
    """The private key of holder 1, 2, 3 …: always the same."""
    return HeldKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"holder %d" % number).digest()))


def online_key(number: int = 1) -> HeldKey:
    """An online key: always the same for a number."""
    return HeldKey(derive_private_key(int.from_bytes(hashlib.sha256(b"online %d" % number).digest()), SECP256R1()))


def log_key(number: int = 1, name: str = LOG_NAME) -> HeldNoteKey:
    """A key of the log: always the same for a number."""
    return HeldNoteKey(name, Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"log %d" % number).digest()))


def held_ceremony(
    at: datetime = BEGIN,
    after: RootOfTrust | None = None,
    holders: tuple[int, ...] = (1, 2, 3),
    online_number: int = 1,
    **amended: Any,
) -> tuple[Draft, list[Answer]]:
    """A rehearsal ceremony of these holders and this online key, the first two holders signing; ``amended`` are parts
    of the plan.
    """
    keys = {f"holder-{number}": held_key(number) for number in holders}
    files = [possession.read(possession.write(name, key, rehearsal=True)) for name, key in keys.items()]
    online = possession.read(possession.write("online", online_key(online_number), rehearsal=True))
    parts: dict[str, Any] = {
        "name": "test", "url": URL, "purpose": "tests", "rehearsal": True, "threshold": 2, "days": 365, "bins": 4,
        "held": (), "online": signatory(online), "holders": tuple(signatory(file) for file in files),
        "log": Log((str(log_key().key),)),
    }  # fmt: skip
    planned = Plan(**{**parts, **amended})
    planned = replace(planned, accept_no_spare=planned.threshold in (1, len(files)))
    drafted = draft(planned, Keyring(tuple(files), online), after, at)
    return drafted, [answer(drafted, name, key, at, heard=True) for name, key in [*keys.items()][:2]]


def root_of_trust(at: datetime = BEGIN, after: RootOfTrust | None = None, **amended: Any) -> RootOfTrust:
    """What such a ceremony seals."""
    drafted, answers = held_ceremony(at, after, **amended)
    return seal(drafted, answers, {each.keyid: each.name for each in answers}, at)


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    """Files by relative path into a folder."""
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


class Mirror(FetcherInterface):
    """Serves a folder under any host, as a static mirror does. ``asked`` remembers the paths."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = unquote(urlsplit(url).path).lstrip("/")
        self.asked.append(path)
        file = self.folder / path
        if not file.is_file():
            raise DownloadHTTPError(f"{path}: HTTP status 404", 404)
        yield file.read_bytes()


class World:
    """A repository that begins with a ceremony and an empty snapshot. ``tick`` moves its clock.

    Its root names the log of ``log_key()`` without witnesses, unless ``log`` says another (``ceremony.plan.Log``; None:
    it keeps no log).
    """

    def __init__(self, folder: Path, settings: str = "", begin: datetime = BEGIN, **plan: Any) -> None:
        self.folder = folder
        self.now = begin
        self.trust = root_of_trust(begin, **plan)
        home = folder / "service"
        home.mkdir(parents=True)
        (home / "service.toml").write_text(settings)
        self.hold_keys(home)
        self.hold_log_key(home)
        self.service: Service = open_service(home, clock=lambda: self.now)
        self.service.journal.create()
        self.take_in(self.trust)
        self._keys = 0

    def hold_keys(self, home: Path) -> None:
        """Give the service its online key."""
        sealed.write_private(home / "online.key", sealed.plain(online_key()._private))

    def hold_log_key(self, home: Path) -> None:
        """Give the service the key of the log that the root names, if it names one."""
        if proofs.policy_of(self.trust.root) is not None:
            sealed.write_private(home / LOG_KEY, log_key().written.encode())

    @property
    def public(self) -> Path:
        """The folder that everyone may read."""
        assert isinstance(self.service.depot, LocalDepot)
        return self.service.depot.root

    def take_in(self, trust: RootOfTrust) -> None:
        """Hand a sealed root of trust to the service, which publishes it."""
        self.trust = trust
        sealed_folder = self.folder / f"sealed-{trust.root.version}-{len(list(self.folder.glob('sealed*')))}"
        self.service.take_in(write_folder(sealed_folder, trust.files()), rehearsal_allowed=True)

    def reopen(self) -> None:
        """Stop the service and start it again, with the keys and settings that its folder holds now."""
        self.service = open_service(self.service.folder, clock=lambda: self.now)
        self.service.catch_up()

    def tick(self, **duration: float) -> None:
        """Let time pass."""
        self.now += timedelta(**duration)

    def record(self, request: r.Request, key: str | None = None) -> ChangeRecord:
        """Send one request, after looking at the name where its actor must; raises what intake raises."""
        self._keys += 1
        looks = request.actor.kind in ("moderator", "admin", "support")
        seen = self.serial(request.name) if looks else None
        sender = intake.Sender("tests", key or f"key-{self._keys}", seen)
        service = self.service
        return intake.record(service.journal, request, sender, self.now)

    def token(self, role: str, client: str | None = None, days: float = 90, **scope: Any) -> str:
        """A new token's secret."""
        expires = stamp(self.now + timedelta(days=days))
        secret, token = new_token(role, client or f"the {role}", expires, Scope(**scope))
        with self.service.journal.writing() as pen:
            pen.add_token(token)
        return secret

    def serial(self, name: str) -> int:
        """The name's serial now; 0 if it is not known."""
        with self.service.journal.reading() as view:
            state = view.name(name).state
        return state.serial if state else 0

    def do(self, *requests: r.Request) -> Release | None:
        """Send requests and publish them together."""
        for request in requests:
            self.record(request)
        return self.service.round()

    def client(self, name: str = "client", mirror: Path | None = None, **options: Any) -> Session:
        """A client with a memory of its own (by name), looking at the public folder or at a mirror of it."""
        pin = Pin("test", URL, self.trust.roots[0].data)
        fetcher = Mirror(mirror or self.public)
        return Session(pin, self.folder / name, fetcher, lambda: self.now, make_updater=self.updater, **options)

    def updater(self, metadata_dir: str, metadata_base_url: str, **arguments: Any) -> Updater:
        """A python-tuf client that lives at this world's time."""
        updater = Updater(metadata_dir, metadata_base_url, **arguments)
        # python-tuf reads its own clock, once, when it is made; this is the one place that sets it.
        updater._trusted_set.reference_time = self.now
        return updater

    def stock(self, name: str = "stock") -> Updater:
        """python-tuf alone, without anything of ours."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return self.updater(
            str(folder), f"{URL}/metadata", target_base_url=f"{URL}/targets", target_dir=str(folder),
            fetcher=Mirror(self.public), bootstrap=self.trust.roots[0].data,
        )  # fmt: skip


def publishing(
    name: str, version: str = "1.0", *, content: bytes = b"x", actor: r.Actor = OWNER, **more: Any
) -> r.Publish:
    """A request to publish an sdist whose bytes are ``content``."""
    filename = f"{name.replace('-', '_')}-{version}.tar.gz"
    file = r.NewFile(filename, hashlib.sha256(content).hexdigest(), len(content))
    return r.Publish(name, version, (file,), actor, **more)
