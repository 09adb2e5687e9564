"""A registry with a life behind it, served to browsers: a day of publishing, yanks, a quarantine, and three witnesses.

Its clock stands still at ``NOW`` unless a test moves it on, and every key is fixed, so that its pages repeat. Tests add
names of their own and leave those that are here as they are.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ceremony.plan import Log
from keys.state import Reason
from keys.times import stamp
from keys.tlog.notes import VerifierKey
from repo_service.accepting import approving
from repo_service.domain import requests as r
from repo_service.domain.policy import Phases, Step
from repo_service.operating.serving import Server
from repo_service.storage.searching import Search
from tests import loopback
from tests.service.door import Silent
from tests.witness.grounds import ml_dsa_key, served, witness_at, witness_key
from tests.world import ADMIN, BEGIN, OWNER, World, log_key, publishing

NOW: Final = BEGIN
WITNESSES: Final = (witness_key(1), witness_key(2), ml_dsa_key(3))
HOSTILE: Final = "<script>alert(1)</script><img src=x onerror=alert(2)>"
"""A reason that must be shown and never run."""
_MODERATOR: Final = r.Actor("moderator", "account-7", approver="account-8")


class Registry(World):
    """The world behind the pages; ``url`` is where a browser finds it, and ``settings`` begin its service.toml."""

    def __init__(self, folder: Path, running: ExitStack, settings: str = "") -> None:
        begin = NOW - timedelta(hours=25)
        self.clock = [int(begin.timestamp())]
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"witness w{number} {key} {url}" for number, key, url in self._witnesses(folder, running)]
        policy = folder / "witnesses.policy"
        policy.write_text("\n".join([*lines, "group all 2 w1 w2 w3", "quorum all", ""]))
        log = Log((str(log_key().key),), tuple(str(key.key) for key in WITNESSES), 2)
        super().__init__(folder, f'{settings}witnesses = "{policy}"\nwitness_s = 1.0\n', begin=begin, log=log)
        self.url = ""
        self.made = 0
        self._live()

    def _witnesses(self, folder: Path, running: ExitStack) -> Iterator[tuple[int, VerifierKey, str]]:
        for number, key in enumerate(WITNESSES, 1):
            home = folder / f"witness-{number}"
            home.mkdir()
            witness = running.enter_context(witness_at(home, [log_key().key], key, clock=self.clock))
            yield number, key.key, running.enter_context(served(witness))

    def tick(self, **duration: float) -> None:
        super().tick(**duration)
        self.clock[0] = int(self.now.timestamp())

    def go_to(self, moment: datetime) -> None:
        """Set the clock."""
        self.tick(seconds=(moment - self.now).total_seconds())

    def token(self, role: str, client: str | None = None, days: float = 30, **scope: Any) -> str:
        """A new token's secret. A moment passes, so that whoever signs in with it does not come too often."""
        self.tick(seconds=2)
        self.made += 1
        return super().token(role, client or f"{role} {self.made}", days, **scope)

    def revoke(self, secret: str) -> None:
        """Revoke a token by its secret."""
        with self.service.journal.writing() as pen:
            pen.revoke_token(secret.split("_")[1], self.now)

    def _live(self) -> None:
        """A day of it, then an hour that is busier, and a few things that wait for somebody."""
        for number in range(12):
            self.go_to(NOW - timedelta(hours=24 - 2 * number))
            batch = 3 + (number * 7) % 11
            self.do(*(publishing(f"lib-{number}-{each}") for each in range(batch)))
        self._histories()
        self._announce()
        for minute in (52, 48, 40, 31, 30, 22, 14, 9, 6):
            self.go_to(NOW - timedelta(minutes=minute, seconds=20 + minute % 7))
            for each in range(1 + minute % 5):
                self.record(publishing(f"busy-{minute}-{each}", actor=r.Actor("owner", f"account-{minute}")))
            self.tick(seconds=3 + minute % 9)
            self.service.round()
        self.go_to(NOW - timedelta(seconds=40))
        self.record(
            r.Deprecate("old-hand", Reason("superseded", "old-hand is kept for those who pinned it"), actor=OWNER)
        )
        for name in ("fresh-paint", "just-in"):
            self.record(publishing(name))
        self.go_to(NOW)

    def _announce(self) -> None:
        """A stricter policy comes."""
        now = self.service.named_policy()
        yanks = replace(now.yank, brake_percent=40, brake_delay_s=2 * 86400)
        later = Phases("reason_missing", (Step("warn"), Step("enforce", stamp(NOW + timedelta(days=90)))))
        phases = tuple(sorted((*now.phases, later), key=lambda each: each.code))
        self.service.announce(
            replace(now, version=2, yank=yanks, phases=phases, effective_from=stamp(NOW + timedelta(days=45)))
        )

    def _histories(self) -> None:
        """Names that went through something."""
        self.go_to(NOW - timedelta(hours=1, minutes=30))
        self.do(*(publishing("sampleproject", f"1.{minor}") for minor in range(6)))
        self.tick(minutes=2)
        self.do(r.Yank("sampleproject", "1.2", Reason("broken", HOSTILE), OWNER))
        self.tick(minutes=2)
        self.do(r.Unyank("sampleproject", "1.2", None, OWNER), publishing("sampleproject", "2.0"))
        self.do(publishing("left-alone"), publishing("typo-squat"))
        self.tick(minutes=2)
        self.do(r.Yank("left-alone", "1.0", Reason("broken", "it does not start"), r.Actor("owner", "account-1")))
        self.do(r.Quarantine("typo-squat", Reason("malware", "it steals tokens"), _MODERATOR))
        self.do(r.Reserve("sampleproject-docs", r.Actor("owner", "account-1"), holder="user"))
        self.do(r.Prohibit("admin-panel", Reason("prohibited", "looks like a part of the registry"), ADMIN))
        self._two_holders()

    def _two_holders(self) -> None:
        """A name that passed to another holder, and has seen most of what can happen."""
        name, first = "old-hand", r.Actor("owner", "account-1", approver="account-3")
        self.do(r.Reserve(name, first, holder="Example Corp"))
        self.tick(minutes=1)
        self.do(r.Release(name, first, Reason("not_needed")))
        self.tick(minutes=1)
        self.do(*(publishing(name, f"1.{minor}", actor=OWNER) for minor in range(3)))
        self.tick(minutes=1)
        self.do(r.Quarantine(name, Reason("suspected", "an automatic report"), _MODERATOR))
        self.tick(minutes=1)
        self.do(r.Clear(name, Reason("looked_into", "nothing was found"), ADMIN))
        self.tick(minutes=1)
        self.do(r.Yank(name, "1.0", Reason("insecure", "CVE-2026-0001"), OWNER))

    def approve_as(self, secret: str, name: str, version: str) -> None:
        """An approval of a held yank, by the admin whose token this is."""
        identifier = secret.split("_")[1]
        with self.service.journal.reading_with(Search) as view:
            hold, token = approving.hold(view, name, version, self.now), view.token(identifier)
        assert hold is not None and token is not None
        approving.approve(self.service.journal, hold.seen, token, self.now)


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    """The registry behind a door of its own, for as long as the block lasts."""
    door = Server(registry.service.app(Silent(), registry.updater), "127.0.0.1", 0, 8, 1 << 20)
    with loopback.serving(door) as port:
        registry.url = f"http://localhost:{port}/console"
        yield registry
