"""What only a depot in a folder has to get right: modes, drafts, a lock that somebody holds, threads."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.encoding import compact
from repo_service import failpoint
from repo_service.storage import local
from repo_service.storage.depot import TIMESTAMP, Diverged, Unavailable, Unfit
from repo_service.storage.disk import Disk
from repo_service.storage.local import LocalDepot
from repo_service.storage.places import Folder, open_depot


@pytest.fixture
def depot(tmp_path: Path) -> LocalDepot:
    return LocalDepot(tmp_path / "public")


def timestamp(version: int, content: str = "") -> bytes:
    return compact({"signed": {"version": version, "content": content}})


def drafts(depot: LocalDepot) -> list[Path]:
    return list((depot.root / ".incoming").iterdir())


def test_everyone_may_read_what_is_public_whatever_the_umask_is(depot: LocalDepot) -> None:
    before = os.umask(0o077)
    try:
        depot.add([("metadata/1.root.json", b"root")])
        depot.point(timestamp(1))
        with depot.incoming() as draft:
            depot.adopt("a/b", draft)
    finally:
        os.umask(before)
    for path in ("metadata/1.root.json", TIMESTAMP, "a/b"):
        assert stat.S_IMODE((depot.root / path).stat().st_mode) == 0o644
    assert drafts(depot) == []


def test_no_draft_is_left_behind_whatever_happens(depot: LocalDepot) -> None:
    depot.add([("a/b", b"one")])
    with pytest.raises(Diverged):
        depot.add([("a/c", b"new"), ("a/b", b"two")])
    with pytest.raises(KeyboardInterrupt), depot.incoming() as draft:
        draft.write_bytes(b"half")
        raise KeyboardInterrupt
    depot.point(timestamp(2))
    depot.point(timestamp(1))
    with pytest.raises(Diverged):
        depot.point(timestamp(2, "other"))
    assert drafts(depot) == []


def test_drafts_of_killed_processes_are_swept_after_a_day_and_no_sooner(tmp_path: Path) -> None:
    depot = LocalDepot(tmp_path / "public")
    with depot.incoming() as alive:
        left = alive.with_name("left")
        left.touch()
        yesterday = time.time() - 86400 - 60
        os.utime(left, (yesterday, yesterday))
        young = alive.with_name("young")
        young.touch()
        os.utime(young, (yesterday + 120, yesterday + 120))
        open_depot(Folder("public"), tmp_path, {})
        assert sorted(drafts(depot)) == sorted([alive, young])


def test_a_slow_publisher_that_holds_the_pointer_is_waited_for(depot: LocalDepot) -> None:
    """Between its look at the pointer and its move nobody else moves it."""
    newer = threading.Thread(target=depot.point, args=(timestamp(2),))

    def reached(name: str) -> None:
        if name == "depot.pointer_written":
            failpoint.arm(None)
            newer.start()
            newer.join(0.2)

    failpoint.arm(reached)
    try:
        depot.point(timestamp(1))
    finally:
        failpoint.arm(None)
    newer.join()
    assert depot.pointer() == timestamp(2)


HOLD = """
import fcntl, signal, sys, time
lock = open(sys.argv[1], "a+")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.truncate(0)
lock.write(f"{__import__('os').getpid()}\\n")
lock.flush()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(depot: LocalDepot) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds the pointer and is then stopped."""
    depot.point(timestamp(1))
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(depot.root / ".pointer")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGSTOP)
    watchdog = threading.Timer(20, process.kill)  # so that who waits for ever fails instead
    watchdog.start()
    yield process
    watchdog.cancel()
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_stopped_process_that_holds_the_pointer_is_named_and_not_waited_for_for_ever(
    depot: LocalDepot, holder: subprocess.Popen[str]
) -> None:
    impatient = LocalDepot(depot.root, patience_s=0.3)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=rf"process {holder.pid}, which may be stopped.*was not moved"):
        impatient.point(timestamp(2))
    assert time.monotonic() - began < 10
    assert depot.pointer() == timestamp(1)
    holder.kill()
    holder.wait()
    assert impatient.point(timestamp(2)) is True


def test_a_large_import_is_added_group_by_group_as_it_comes(depot: LocalDepot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_GROUP", 10)
    monkeypatch.setattr(local, "_GROUP_BYTES", 100)

    def files() -> Iterator[tuple[str, bytes]]:
        for number in range(40):
            assert number < 10 or depot.size(f"a/{number - 10}") == 1, "more than a group is held"
            yield f"a/{number}", b"1"
        for number in range(40, 50):
            yield f"a/{number}", b"1" * 60
            assert number < 42 or depot.size(f"a/{number - 2}") == 60, "more bytes than a group's are held"

    depot.add(files())
    assert len(list(depot.paths("a"))) == 50


def test_what_is_hidden_is_no_public_file(depot: LocalDepot) -> None:
    depot.add([("a/b", b"")])
    depot.point(timestamp(1))
    (depot.root / "a/.swp").touch()
    with depot.incoming():
        assert sorted(depot.paths("")) == ["a/b", TIMESTAMP]


class WithoutLinks(Disk):
    """A file system like exFAT's."""

    def link(self, draft: Path, final: Path) -> None:
        raise PermissionError(1, "Operation not permitted")


class LinksTwice(Disk):
    """A file system on which a name that is taken is given away."""

    def link(self, draft: Path, final: Path) -> None:
        draft.replace(final)
        draft.touch()


@pytest.mark.parametrize("disk", [WithoutLinks(), LinksTwice()], ids=["without", "twice"])
def test_a_folder_that_cannot_hold_a_depot_is_refused(tmp_path: Path, disk: Disk) -> None:
    with pytest.raises(Unfit, match="cannot hold a depot"):
        LocalDepot(tmp_path, disk).probe()
    LocalDepot(tmp_path).probe()
    assert drafts(LocalDepot(tmp_path)) == []
