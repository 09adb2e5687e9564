"""A world whose online key is held by a guard, in a thread behind a real socket, at the world's time."""

import shutil
import tempfile
import weakref
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from keys import sealed, waivers
from keys.encoding import sha256
from keys.times import stamp
from keys.waivers import Allowance, Waiver
from repo_service.commands.guard import begin, opened
from repo_service.guarding import settings
from repo_service.guarding.guard import Guard
from repo_service.guarding.serving import Server
from repo_service.guarding.store import Store
from tests.world import BEGIN, World, held_key, online_key


class GuardedWorld(World):
    """The service's folder has no key. The guard's is ``guard_folder``; ``start_guard`` takes lines of guard.toml."""

    def __init__(self, folder: Path, settings: str = "", **plan: Any) -> None:
        self.guard_folder = folder / "guard"
        self._sockets = Path(tempfile.mkdtemp(prefix="tally"))  # a test's own folder may be too long for a socket
        weakref.finalize(self, shutil.rmtree, self._sockets, ignore_errors=True)
        self.server: Server | None = None
        self.reached: Callable[[str], None] | None = None
        self.now = BEGIN
        super().__init__(folder, settings, **plan)

    @property
    def socket(self) -> Path:
        return self._sockets / "guard.sock"

    @property
    def guard(self) -> Guard:
        assert self.server is not None, "the guard is stopped"
        return self.server.guard

    def hold_keys(self, home: Path) -> None:
        with (home / "service.toml").open("a") as file:
            file.write(f'\nguard = "{self.socket}"\n')
        self.guard_folder.mkdir()
        self.give_key("online.key", 1)
        store = Store(self.guard_folder / settings.DATABASE)
        self._write_settings()
        begin(store, self.trust, settings.read(self.guard_folder))
        store.close()
        self.start_guard()

    def give_key(self, name: str, number: int) -> None:
        sealed.write_private(self.guard_folder / name, sealed.plain(online_key(number)._private))

    def start_guard(self, *lines: str) -> None:
        if lines:
            self._write_settings(*lines)
        its = settings.read(self.guard_folder)
        store = Store(self.guard_folder / settings.DATABASE)
        guard = opened(self.guard_folder, its, store, lambda: self.now)
        if self.reached:
            guard._reached = self.reached
        self.server = Server(self.socket, guard, its.allowed)
        self.server.begin()

    def stop_guard(self) -> None:
        assert self.server is not None
        self.server.end()
        self.server.guard.close()
        self.server = None

    def restart_guard(self, *lines: str) -> None:
        self.stop_guard()
        self.start_guard(*lines)

    def waive(self, *allow: tuple[str, int | None], number: int = 1, hours: int = 1) -> None:
        """Two holders sign a waiver, and it is put into the guard's folder."""
        expires = stamp(self.now + timedelta(hours=hours))
        allowed = tuple(Allowance(rule, limit) for rule, limit in allow)
        waiver = Waiver(sha256(self.trust.roots[0].data), number, expires, allowed, "a test")
        signatures = [held_key(holder).sign(waivers.payload(waiver)) for holder in (1, 2)]
        (self.guard_folder / "waivers").mkdir(exist_ok=True)
        (self.guard_folder / "waivers" / f"{number}.json").write_bytes(waivers.write(waiver, signatures))

    def close(self) -> None:
        if self.server is not None:
            self.stop_guard()

    def _write_settings(self, *lines: str) -> None:
        text = "\n".join((f'socket = "{self.socket}"', "rehearsal = true", *lines, ""))
        (self.guard_folder / settings.FILE).write_text(text)
