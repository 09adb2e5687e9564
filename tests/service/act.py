"""What the crash matrix runs and kills: changes, acknowledged on standard output, and one round.

Each act is a process of its own. Starting Python and importing the service takes longer than the act, so one process
imports everything and forks for each order: ``python -m tests.service.act`` reads orders from standard input.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal

from keys.state import Reason
from repo_service import failpoint
from repo_service.accepting import intake, sequences
from repo_service.domain import requests as r
from repo_service.wiring import Service, open_service
from tests.service.variations import vary
from tests.world import publishing

CHANGES: Final[tuple[r.Request, ...]] = (
    r.Yank("first", "1.0", Reason("broken", "does not start"), r.Actor("owner", "a", approver="b")),
    publishing("second"),
)
Deed = Literal["changes", "late", "ceremony", "purge"]
SECOND: Final = "second"
"""The folder of a world in which the files of a second ceremony lie."""
SECONDS: Final = 60.0
"""How long an act may take before it is given up."""


@dataclass(frozen=True, slots=True)
class Order:
    """One act: the service's folder, what to do there, where to die or stop, and which wrong publisher to be.

    ``failpoint`` is production's order (repo_service/wiring.py), or ``stop:NAME:N`` to be stopped by SIGSTOP there.
    """

    folder: str
    do: Deed = "changes"
    failpoint: str = ""
    variation: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an act ended: its exit status (minus the signal), or None while it is stopped or runs; and what it said."""

    status: int | None
    said: str

    @property
    def acknowledged(self) -> int:
        return self.said.count("acknowledged")


class Acts:
    """Runs orders, each in a process of its own."""

    def __init__(self, forks: subprocess.Popen[str], folder: Path) -> None:
        self._forks = forks
        self._folder = folder
        self._said: dict[int, Path] = {}

    def run(self, order: Order) -> Outcome:
        """Do it and wait for its end."""
        outcome = self.wait(self.begin(order))
        assert outcome.status is not None, f"{order} did not end in {SECONDS:.0f} s"
        return outcome

    def begin(self, order: Order) -> int:
        """Begin it; its process."""
        said = self._folder / f"said-{len(self._said)}"
        pid = int(self._ask({**asdict(order), "said": str(said)}))
        self._said[pid] = said
        return pid

    def wait(self, pid: int, seconds: float = SECONDS) -> Outcome:
        """Until it ended or is stopped, or for so long."""
        status = self._ask({"wait": pid, "seconds": seconds})
        return Outcome(None if status in ("stopped", "running") else int(status), self._said[pid].read_text())

    def _ask(self, order: dict[str, Any]) -> str:
        assert self._forks.stdin is not None and self._forks.stdout is not None
        print(json.dumps(order), file=self._forks.stdin, flush=True)
        answer = self._forks.stdout.readline()
        assert answer, "the process that forks the acts is gone"
        return answer.strip()


@contextmanager
def acts(folder: Path) -> Iterator[Acts]:
    """A process that forks acts; it and all that it forked are gone at the end."""
    command = [sys.executable, "-m", "tests.service.act"]
    forks = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield Acts(forks, folder)
    finally:
        os.killpg(forks.pid, signal.SIGKILL)
        forks.communicate()


def act(order: Order) -> None:
    """Do what is ordered, in this process."""
    if not order.failpoint.startswith("stop:"):
        os.environ["TALLYSTICK_FAILPOINT"] = order.failpoint
    service = open_service(Path(order.folder))
    vary(order.variation, service.press)
    if order.failpoint.startswith("stop:"):
        _, name, count = order.failpoint.split(":")
        _stop_at(name, int(count))
    _DO[order.do](service)
    release = service.round()
    print(f"published {release.generation if release else 'nothing'}", flush=True)


def _change(service: Service) -> None:
    for number, change in enumerate(CHANGES):
        sender = intake.Sender("tests", f"act-{number}")
        intake.record(service.journal, change, sender, service.clock())
        print(f"acknowledged {number}", flush=True)
    asked = sequences.Numbered(publishing("numbered"), 1)
    sequences.record(service.journal, asked, intake.Sender("tests", "act-numbered"), service.clock())
    print("acknowledged the numbered one", flush=True)


def _late(service: Service) -> None:
    intake.record(service.journal, publishing("late"), intake.Sender("tests", "late"), service.clock())


def _ceremony(service: Service) -> None:
    """A second root of trust comes in, and what has been accepted goes out with it."""
    _change(service)
    service.take_in(service.folder.parent / SECOND, rehearsal_allowed=True)


def _purge(service: Service) -> None:
    """What should never have been published is taken back for ever; the clock's own purge follows it at once."""
    leaked = r.Unpublish("first", "1.0", Reason("secret_exposure"), actor=r.Actor("support"))
    intake.record(service.journal, leaked, intake.Sender("tests", "purge", 2), service.clock())
    service.round()


_DO: Final = {"changes": _change, "late": _late, "ceremony": _ceremony, "purge": _purge}


def _stop_at(name: str, count: int) -> None:
    passed: list[str] = []

    def reached(here: str) -> None:
        passed.append(here)
        if here == name and passed.count(name) == count:
            os.kill(os.getpid(), signal.SIGSTOP)

    failpoint.arm(reached)


def _fork(order: Order, said: str) -> int:
    if pid := os.fork():
        return pid
    with Path(said).open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    try:
        act(order)
        status = 0
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    os._exit(status)


def _wait(pid: int, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if found and os.WIFSTOPPED(status):
            return "stopped"
        if found:
            return str(os.waitstatus_to_exitcode(status))
        if time.monotonic() > deadline:
            return "running"
        time.sleep(0.002)


def _serve(orders: IO[str], answers: IO[str]) -> None:
    for line in orders:
        order = json.loads(line)
        if "wait" in order:
            answer = _wait(order["wait"], order["seconds"])
        else:
            answer = str(_fork(Order(**{key: value for key, value in order.items() if key != "said"}), order["said"]))
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    _serve(sys.stdin, sys.stdout)
