"""A process that holds a secret leaves no core, and nobody of the same user looks into it."""

import subprocess
import sys

import pytest

LOOK = """
import ctypes, resource
from keys import hardening
hardening.harden()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_hardened_process_leaves_no_core_and_cannot_be_looked_into() -> None:
    told = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, check=True, text=True).stdout
    assert told == "(0, 0) 0\n"
