"""``python -m tests.soak.process FOLDER VARIATION COMMAND DIR …``: tallystick-service, right or wrong on purpose.

At each named point of the production code it may die or fall asleep: the nemesis strikes from outside and hardly ever
meets the moments that matter. ``loop`` is a command of its own: a publisher that does nothing but rounds.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Final

from repo_service import failpoint
from repo_service.cli import main
from repo_service.wiring import open_service
from tests.service.variations import vary
from tests.soak.history import Diary, Struck

PEACE: Final = "peace"
"""A file of this name in the folder ends all temptation."""
DIES: Final = 1 / 2500
DOZES: Final = 1 / 500
"""At each passing of a point. Who dies takes seconds to begin again; who dozes only lets another have its turn."""
DOZES_S: Final = (0.3, 1.0, 3.0, 6.0)
"""The longest are longer than a lease."""
_PAUSE_S: Final = 0.2


def loop(folder: Path) -> None:
    """Rounds for ever."""
    service = open_service(folder)
    while True:
        try:
            service.round()
        except Exception as error:  # as the service's own publisher: the next round begins from the journal again
            print(f"round failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        time.sleep(_PAUSE_S)


def tempt(evidence: Path, name: str) -> None:
    """From now on this process may die, or its thread fall asleep, at any named point."""
    diary, peace = Diary(evidence, f"tempted-{os.getpid()}"), evidence / PEACE

    def reached(point: str) -> None:
        if random.random() < DIES and not peace.exists():
            diary.write(Struck(time.time(), "kill", f"{name} at {point}"))
            os.kill(os.getpid(), signal.SIGKILL)
        if random.random() < DOZES and not peace.exists():
            seconds = random.choice(DOZES_S)
            diary.write(Struck(time.time(), "stop", f"{name} at {point}", seconds))
            time.sleep(seconds)

    failpoint.arm(reached)


if __name__ == "__main__":
    evidence, variation, command, folder, *rest = sys.argv[1:]
    if variation:
        vary(variation, open_service(Path(folder)).press)
    tempt(Path(evidence), command)
    if command == "loop":
        loop(Path(folder))
    sys.exit(main([command, folder, *rest]))
