"""``python -m tests.soak``: soak a service of its own, and prove from its history that all is well.

Prints the figures as one JSON line. Exit status 1 if anything was violated: then the history is kept, and where it is
and the seed are printed with every violation.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.service.variations import VARIATIONS
from tests.soak.run import Soak, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--backend", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--broken", choices=sorted(VARIATIONS), default="", help="a publisher that is wrong on purpose")
    parser.add_argument("--keep", action="store_true", help="keep the history also of a run in which all was well")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="tallystick-soak-"))
    soak = Soak(options.seconds, options.seed, options.backend, options.broken)
    try:
        verdict = run(soak, folder)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        print("interrupted: everything is stopped, and nothing is proven", file=sys.stderr)
        return 130
    said = {"benchmark": "soak", "backend": soak.backend, "seconds": soak.seconds, "seed": soak.seed}
    print(json.dumps({**said, **verdict.figures}))
    for violation in verdict.violations:
        print(f"seed {soak.seed}: {violation}", file=sys.stderr)
    if verdict.violations or options.keep:
        print(f"The history is in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return 1 if verdict.violations else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends it as Ctrl-C does: with everything stopped."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
