"""What a process does before it holds a secret: it leaves no core and lets nobody of the same user look into it.

Python cannot wipe a secret from memory, so the process is short and the memory stays its own.
"""

import ctypes
import resource
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def harden() -> None:
    """No core files and, on Linux, no debugger of the same user (prctl(2), PR_SET_DUMPABLE)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
