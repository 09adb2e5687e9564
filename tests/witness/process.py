"""``tallystick-service witness`` in a process that is killed at the nth passing of a moment.

python -m tests.witness.process witness.committed:3 run DIR --listen 127.0.0.1:0
"""

import os
import signal
import sys

from repo_service import cli, failpoint


def main(kill: str, *arguments: str) -> int:
    at, _, times = kill.partition(":")
    left = int(times)

    def reached(name: str) -> None:
        nonlocal left
        if name == at:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    failpoint.arm(reached)
    return cli.main(["witness", *arguments])


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
