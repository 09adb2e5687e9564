"""What the crash matrix runs and kills: one change, acknowledged on standard output, and one round.

Run as ``python -m tests.service.act FOLDER``; the failpoint comes by the environment (repo_service/wiring.py).
"""

import sys
from pathlib import Path

from keys.state import Reason
from repo_service import intake
from repo_service.domain import requests as r
from repo_service.wiring import open_service
from tests.world import publishing

CHANGES = (
    r.Yank("first", "1.0", Reason("broken", "does not start"), r.Actor("owner", "a", approver="b")),
    publishing("second"),
)


def main() -> None:
    service = open_service(Path(sys.argv[1]))
    for number, change in enumerate(CHANGES):
        sender = intake.Sender("tests", f"act-{number}")
        intake.record(service.journal, change, sender, service.clock())
        print(f"acknowledged {number}", flush=True)
    service.round()


if __name__ == "__main__":
    main()
