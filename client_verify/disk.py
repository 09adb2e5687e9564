"""What to say where this machine's own disk fails: nobody attacks, and nothing is used that was not kept whole."""

import errno
import sqlite3
from typing import Final

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SHUT: Final = (errno.EROFS, errno.EACCES, errno.EPERM)
_OPEN_IT: Final = (
    ". Let this user read and write there, or say with TALLYSTICK_HOME=DIR where to keep what is verified: nothing is "
    "used without it"
)


def complaint(error: OSError | sqlite3.Error) -> str:
    """What failed, and what to do."""
    if isinstance(error, OSError) and error.errno in _FULL:
        where = f" at {error.filename}" if error.filename else ""
        return f"there is no room on this machine's disk{where} ({error.strerror}). Make room and run again"
    if isinstance(error, sqlite3.Error):
        return (
            f"what is remembered here cannot be read or written ({error}). If the disk is full, make room and run again"
        )
    what = f"{error.filename}: {error.strerror}" if error.strerror and error.filename else str(error)
    return f"{what}{_OPEN_IT if error.errno in _SHUT else ''}"
