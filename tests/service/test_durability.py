"""The power may go at any moment: what the depot has said is there, is; what it has not said is there whole or not."""

import ctypes
import errno
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from keys.encoding import compact
from repo_service.storage import disk as disks
from repo_service.storage import local
from repo_service.storage.depot import TIMESTAMP, Unavailable, version_of
from repo_service.storage.local import LocalDepot
from tests.power import FragileDisk
from tests.service.dying import dying_at

IN_DOUBT = b"it may be there or not"


class Told:
    """A depot on a fragile disk, and what it told us up to which deed."""

    def __init__(self, top: Path, lose: int | None = None) -> None:
        self.disk = FragileDisk(top, lose)
        self.root = top / "public"
        self.depot = LocalDepot(self.root, self.disk)
        self.content: dict[str, bytes] = {}
        self.pointers: list[bytes] = []
        self.judged_from = 0  # the first sync whose loss must be seen
        self.spared: set[Path] = set()  # what is synced once more than it need be
        self.not_ours: set[str] = set()
        self.promises: list[tuple[int, str, bytes | None]] = []

    def _promise(self, path: str, data: bytes | None) -> None:
        self.promises.append((len(self.disk.deeds), path, data))

    def add(self, files: dict[str, bytes]) -> None:
        self.content |= files
        self.depot.add(files.items())
        for path, data in files.items():
            self._promise(path, data)

    def adopt(self, path: str, data: bytes) -> None:
        self.content[path] = data
        with self.depot.incoming() as draft:
            draft.write_bytes(data)
            self.depot.adopt(path, draft)
        self._promise(path, data)

    def drop(self, path: str) -> None:
        self.promises.append((len(self.disk.deeds) + 1, path, IN_DOUBT))  # from its first deed on
        self.depot.drop(path)
        self._promise(path, None)

    def point(self, version: int) -> None:
        """To a timestamp that names every file there is now."""
        timestamp = compact({"signed": {"version": version, "names": sorted(self.content)}})
        self.pointers.append(timestamp)
        self.depot.point(timestamp)
        self._promise(TIMESTAMP, timestamp)

    def dies_at(self, point: str, act: Callable[[], None]) -> None:
        with dying_at(point):
            act()
        self.depot = LocalDepot(self.root, self.disk)
        self.judged_from = len(self.disk.syncs)  # what the dead one synced for nothing, nobody misses

    def broken(self) -> str | None:
        """The first promise that a cut at some moment breaks, or None."""
        for cut in range(len(self.disk.deeds) + 1):
            for image in self.disk.images(cut):
                if found := self._broken_in({str(path.relative_to(self.root)): image[path] for path in image}, cut):
                    return f"cut after {cut} of {len(self.disk.deeds)}: {found}"
        return None

    def _broken_in(self, public: dict[str, bytes], cut: int) -> str | None:
        public = {path: data for path, data in public.items() if not path.startswith(".")}
        promised = {path: data for at, path, data in self.promises if at <= cut}
        pointer = public.pop(TIMESTAMP, None)
        for path, data in public.items():
            if data != self.content[path] and (path in promised or path not in self.not_ours):
                return f"{path} is neither absent nor whole"
        for path, wanted in promised.items():
            if path != TIMESTAMP and wanted not in (None, IN_DOUBT) and path not in public:
                return f"{path} was said to be there"
            if wanted is None and path in public:
                return f"{path} was said to be gone"
        wanted = promised.get(TIMESTAMP)
        if pointer is None:
            return "the pointer was said to be there" if wanted else None
        if pointer not in self.pointers:
            return "the pointer is torn"
        if wanted and version_of(pointer) < version_of(wanted):
            return "the pointer went back"
        missing = set(json.loads(pointer)["signed"]["names"]) - public.keys()
        return f"the pointer names {missing}, which is not there" if missing else None


def publishes(told: Told) -> None:
    """The first releases of a repository, and an upload between them."""
    told.add(
        {"metadata/1.root.json": b"root", "metadata/1.snapshot.json": b"snap", "targets/simple/foo/1.json": b"foo"}
    )
    told.point(1)
    told.adopt("targets/packages/foo/foo.whl", b"a wheel")
    told.add({"targets/simple/bar/2.json": b"bar", "metadata/2.snapshot.json": b"snap two"})
    told.point(2)


def purges(told: Told) -> None:
    """A file goes that no timestamp names any more."""
    told.add({"targets/simple/foo/1.json": b"foo"})
    told.drop("targets/simple/foo/1.json")


def imports(told: Told) -> None:
    """More files at once than are synced one by one, in old folders and new ones."""
    told.add({"metadata/0.json": b"0!"})
    told.add({f"{folder}/{number}.json": b"%d!" % number for folder in ("metadata", "new") for number in (1, 2)})
    told.point(1)


def finishes_after_a_kill_while_adding(told: Told) -> None:
    """Whoever was killed left names that nobody has synced; whoever finishes says that they are there."""
    files = {"targets/simple/foo/1.json": b"foo", "metadata/1.snapshot.json": b"snap"}
    told.dies_at("depot.linked", lambda: told.add(files))
    told.add(files)
    told.point(1)
    told.spared = {told.root / "targets/simple/foo/1.json"}  # it was synced before it was linked, but who can tell


def finishes_after_a_kill_while_pointing(told: Told) -> None:
    told.add({"metadata/1.snapshot.json": b"snap"})
    told.dies_at("depot.pointed", lambda: told.point(1))
    told.point(1)
    told.spared = {told.root, told.root.parent}  # folders that the dead one had synced, but who can tell


def finds_what_somebody_copied_there(told: Told) -> None:
    """A backup was copied back, and nobody synced it."""
    for folder in (told.root, told.root / "metadata"):
        told.disk.make_folder(folder)
    told.disk.create(told.root / "metadata/1.root.json", b"root")
    told.not_ours.add("metadata/1.root.json")
    told.add({"metadata/1.root.json": b"root"})


STORIES = [
    publishes, purges, imports, finishes_after_a_kill_while_adding, finishes_after_a_kill_while_pointing,
    finds_what_somebody_copied_there,
]  # fmt: skip


@pytest.fixture
def three_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a story of an import is short: every moment of it is looked at in every way that it can end."""
    monkeypatch.setattr(local, "_FEW", 3)


@pytest.mark.usefixtures("three_are_few")
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_power_may_go_at_any_moment(story: Callable[[Told], None], tmp_path: Path) -> None:
    told = Told(tmp_path)
    story(told)
    assert told.promises and told.broken() is None


@pytest.mark.usefixtures("three_are_few")
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_without_any_one_of_its_syncs_a_cut_breaks_a_promise(story: Callable[[Told], None], tmp_path: Path) -> None:
    whole = Told(tmp_path)
    story(whole)
    for lost, path in enumerate(whole.disk.syncs):
        if lost < whole.judged_from or path in whole.spared:
            continue
        top = tmp_path / f"without-{lost}"
        top.mkdir()
        told = Told(top, lose=lost)
        story(told)
        assert told.broken(), f"sync {lost} of {path} is not needed, or its loss is not seen"


@pytest.mark.usefixtures("three_are_few")
def test_the_real_disk_syncs_what_the_fragile_one_was_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str | None] = []
    fsync, syncfs = os.fsync, disks._syncfs
    assert syncfs is not None

    def seen_fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def seen_syncfs(descriptor: int) -> int:
        synced.append(None)
        return syncfs(descriptor)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(disks, "_syncfs", seen_syncfs)
    for story in (publishes, imports):
        synced.clear()
        fragile = Told(folder(tmp_path / f"{story.__name__}-fragile"))
        story(fragile)
        real = Told(folder(tmp_path / f"{story.__name__}-real"))
        real.depot = LocalDepot(real.root)
        story(real)
        told = Counter(where(each, tmp_path) for each in fragile.disk.syncs)
        assert Counter(where(each, tmp_path) for each in synced) == told, "it syncs them side by side, in any order"


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def where(synced: str | Path | None, top: Path) -> str | None:
    """What was synced, whatever the top's name and the draft's."""
    if synced is None:
        return None
    parts = Path(synced).relative_to(top).parts[1:]
    return "draft" if ".incoming" in parts else "/".join(parts)


def test_a_publication_of_five_files_syncs_each_once_and_each_folder_once(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.add({"metadata/1.root.json": b"root", "targets/simple/old/1.json": b"old"})
    told.disk.syncs.clear()
    told.add({f"metadata/{name}.json": name.encode() for name in ("bin-1", "bin-2", "snapshot")} | {
        "targets/simple/old/2.json": b"page", "targets/packages/new/3.whl": b"file",
    })  # fmt: skip
    synced = [where(each, tmp_path.parent) for each in told.disk.syncs]
    assert synced[:5] == ["draft"] * 5
    assert sorted(synced[5:]) == [
        "public/metadata", "public/targets", "public/targets/packages", "public/targets/packages/new",
        "public/targets/simple/old",
    ]  # fmt: skip


def test_a_disk_that_fails_once_is_not_believed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed fsync the kernel has dropped what it could not write, and the next fsync seems to succeed."""
    depot = LocalDepot(tmp_path / "public")
    depot.add([("a/old", b"old")])

    def fail(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Unavailable, match=r"Input/output error.*restart"):
        depot.add([("a/b", b"new")])
    for act in (lambda: depot.add([("a/b", b"new")]), lambda: depot.point(compact({"signed": {"version": 1}}))):
        with pytest.raises(Unavailable):
            act()
    assert (depot.read("a/old"), depot.read("a/b"), depot.pointer()) == (b"old", None, None)


@pytest.mark.usefixtures("three_are_few")
@pytest.mark.parametrize("works", [True, False])
def test_many_files_share_one_sync_that_may_fail_or_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    files = [(f"a/{number}", b"") for number in range(5)]
    monkeypatch.setattr(disks, "_syncfs", None)
    LocalDepot(tmp_path / "without").add(files)
    assert len(list((tmp_path / "without/a").iterdir())) == 5

    def syncfs(descriptor: int) -> int:
        if works:
            return 0
        ctypes.set_errno(errno.EIO)
        return -1

    monkeypatch.setattr(disks, "_syncfs", syncfs)
    depot = LocalDepot(tmp_path / "with")
    if works:
        depot.add(files)
    else:
        with pytest.raises(Unavailable, match="Input/output error"):
            depot.add(files)
    assert len(list(depot.paths(""))) == (5 if works else 0)
