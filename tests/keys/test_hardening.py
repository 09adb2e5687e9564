"""A process that holds a secret leaves no core and is its own business."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")


def python(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A process of its own, whose shell allows cores as large as they get."""

    def allow_cores() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)

    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        preexec_fn=allow_cores,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_hardened_process_writes_no_core_and_cannot_be_looked_into(tmp_path: Path) -> None:
    program = """
import ctypes, resource
from keys import hardening
hardening.harden()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))  # 3: PR_GET_DUMPABLE
"""
    assert python(program, tmp_path).stdout == "0 (0, 0)\n"


def test_a_hardened_process_that_crashes_leaves_nothing_in_its_folder(tmp_path: Path) -> None:
    found = python("import os; from keys import hardening; hardening.harden(); os.abort()", tmp_path)
    assert found.returncode == -signal.SIGABRT
    assert list(tmp_path.iterdir()) == []
