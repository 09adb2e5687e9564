"""What ``doctor`` sees of the machine around a service: files, disks, clocks, addresses. It judges nothing.

Nothing is changed: what is written to time a disk has a name of its own, and is gone again.
"""

import ctypes
import os
import re
import secrets
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import urllib3
from redis import Redis
from rq import Worker

from repo_service.operating.doctor import Answered, Copied, Disk, Kept
from repo_service.ringing import QUEUE

_SECRET: Final = ("*.key", "*.sqlite*", "*.token", "*.secret")
_SYNCS: Final = 5
_PATIENCE: Final = urllib3.Timeout(connect=3, read=5)
_MOST: Final = 1 << 20
_PG_DUMP: Final = b"PGDMP"
_ADJTIMEX_BYTES: Final = 1024
"""More than struct timex has anywhere; all zeroes asks and sets nothing."""
_UNSYNCHRONISED: Final = 5


def synchronised() -> bool | None:
    """Whether the kernel says that somebody keeps its clock right; None where it does not tell."""
    try:
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_ADJTIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _UNSYNCHRONISED


def kept(folders: Sequence[Path], sockets: Iterable[Path] = (), secrets: Iterable[Path] = ()) -> list[Kept]:
    """The folders, and what in them must be the owner's alone, as ``secrets`` must; a group may use the sockets."""
    found = {path for folder in folders for pattern in _SECRET for path in folder.glob(pattern)}
    files = [_kept(path) for path in sorted({*found, *secrets}) if path.is_file()]
    own = [_kept(folder, 0o055) for folder in folders if folder.exists()]
    return [*own, *files, *(_kept(path, 0o070) for path in sockets if path.exists())]


def _kept(path: Path, shared: int = 0) -> Kept:
    found = path.stat()
    return Kept(path, stat.S_IMODE(found.st_mode), found.st_uid, shared)


def disk(folder: Path) -> Disk:
    """The file system of a folder, and how long it takes there until a write is said to be safe."""
    room = shutil.disk_usage(folder)
    return Disk(folder, _kind(folder), room.free, room.total, tuple(_syncs(folder)))


def _kind(folder: Path) -> str:
    """The type of the file system that a folder is on, as the kernel calls it."""
    found, best = "an unknown file system", -1
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4])
        if folder.resolve().is_relative_to(point) and len(point) >= best:
            found, best = after.split(" ")[0], len(point)
    return found


def _syncs(folder: Path) -> Iterator[float]:
    path = folder / f".doctor-{secrets.token_hex(4)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        for number in range(_SYNCS):
            os.pwrite(descriptor, secrets.token_bytes(4096), 4096 * number)
            began = time.perf_counter()
            os.fsync(descriptor)
            yield time.perf_counter() - began
    finally:
        os.close(descriptor)
        path.unlink()


def files_open(process: int | None) -> tuple[int, str]:
    """How many files the process that publishes may open, or this one if it is not on this machine."""
    try:
        said = Path(f"/proc/{process or 'self'}/limits").read_text()
    except OSError:
        return files_open(None)
    found = re.search(r"^Max open files +(\d+|unlimited)", said, re.MULTILINE)
    whose = f"the publisher (process {process})" if process else "this shell"
    return (1 << 20 if found is None or found[1] == "unlimited" else int(found[1])), whose


def newest_backup(folder: Path) -> Copied | None:
    """The newest file of a folder, and whether it can be read back."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    if not files:
        return None
    newest = max(files, key=lambda path: path.stat().st_mtime)
    return Copied(newest, datetime.fromtimestamp(newest.stat().st_mtime, UTC), _damage(newest))


def _damage(file: Path) -> str:
    """Of a PostgreSQL dump only whether it is one; `pg_restore --list` reads more."""
    with file.open("rb") as data:
        if data.read(len(_PG_DUMP)) == _PG_DUMP:
            return ""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as copy:
            (said,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            copy.execute("SELECT 1 FROM releases LIMIT 1")
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if said == "ok" else str(said)


def monitored(folder: Path, now: datetime) -> timedelta | None:
    """How long ago a monitor's memory was written: each round ends with that."""
    written = [path.stat().st_mtime for path in folder.glob("monitor.sqlite*")]
    return now - datetime.fromtimestamp(max(written), UTC) if written else None


def fetched(url: str) -> Answered:
    """What somebody outside gets at an address."""
    try:
        answer = urllib3.request("GET", url, timeout=_PATIENCE, retries=False, redirect=False, preload_content=False)
        body = answer.read(_MOST)
        answer.release_conn()
    except urllib3.exceptions.HTTPError:
        return Answered(url, 0, "", b"")
    return Answered(url, answer.status, answer.headers.get("Cache-Control", ""), body)


def workers(url: str) -> list[datetime]:
    """When each worker of our queue was last heard of. Raises RedisError."""
    with Redis.from_url(url, socket_connect_timeout=3, socket_timeout=5) as redis:
        redis.ping()
        ours = (each for each in Worker.all(connection=redis) if QUEUE in each.queue_names())
        return [each.last_heartbeat.replace(tzinfo=UTC) for each in ours if each.last_heartbeat]
