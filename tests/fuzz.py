"""The fuzzing tests again and again, with other examples each time.

    make fuzz SECONDS=600

Hypothesis draws what tests/client/test_fuzz.py describes. A failure is printed with the smallest example that has it,
and with the seed of its round, which repeats it (SEED=7).
"""

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent / "client" / "test_fuzz.py"
EXAMPLES: Final = 200


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz every parser that meets the network or other people's files.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="one round, as it was")
    chosen = parser.parse_args()
    if chosen.seed is not None:
        return _round(chosen.seed)
    until, rounds = time.monotonic() + chosen.seconds, 0
    while time.monotonic() < until:
        seed = random.randrange(1 << 32)
        if code := _round(seed):
            print(f"seed {seed}", flush=True)
            return code
        rounds += 1
    print(f"{rounds} rounds of {EXAMPLES} examples for each test: nothing unexpected came out")
    return 0


def _round(seed: int) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-x", f"--hypothesis-seed={seed}", str(TESTS)]
    return subprocess.run(command, env={**os.environ, "FUZZ_EXAMPLES": str(EXAMPLES)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
