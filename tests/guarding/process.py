"""A guard in a process of its own, at a time that a file says, which may be killed at the nth passing of a moment.

python -m tests.guarding.process DIR CLOCK [judged:3]
"""

import os
import signal
import sys
import time
from datetime import datetime
from pathlib import Path

from keys.times import moment
from repo_service.commands.guard import opened
from repo_service.guarding import serving, settings
from repo_service.guarding.store import Store


def main(folder: Path, clock: Path, kill: str) -> None:
    its = settings.read(folder)
    store = Store(folder / settings.DATABASE)

    def now() -> datetime:
        return moment(clock.read_text())

    guard = opened(folder, its, store, now)
    at, _, times = kill.partition(":")
    left = int(times or 0)

    def reached(name: str) -> None:
        nonlocal left
        if name == at:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    guard._reached = reached
    serving.Server(settings.socket_of(folder, its), guard, its.allowed).begin()
    print("ready", flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
