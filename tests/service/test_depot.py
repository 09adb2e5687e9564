"""Public files are added and never changed; the timestamp moves forward only."""

import stat
import threading
from pathlib import Path

import pytest

from keys.encoding import compact
from repo_service import failpoint
from repo_service.storage.depot import TIMESTAMP, Diverged
from repo_service.storage.local import LocalDepot


@pytest.fixture
def depot(tmp_path: Path) -> LocalDepot:
    return LocalDepot(tmp_path / "public")


def timestamp(version: int, content: str = "") -> bytes:
    return compact({"signed": {"version": version, "content": content}})


def drafts(depot: LocalDepot) -> list[Path]:
    return list((depot.root / ".incoming").iterdir())


def test_a_file_is_added_for_everyone_to_read(depot: LocalDepot) -> None:
    depot.add([("metadata/1.root.json", b"root")])
    assert depot.read("metadata/1.root.json") == b"root"
    assert stat.S_IMODE((depot.root / "metadata/1.root.json").stat().st_mode) == 0o644
    assert drafts(depot) == []


def test_the_same_bytes_are_added_twice_without_a_word(depot: LocalDepot) -> None:
    for _ in range(2):
        depot.add([("a/b", b"same")])
    assert depot.read("a/b") == b"same"


@pytest.mark.parametrize("other", [b"else", b"same and more", b"", b"s" * (1 << 21)])
def test_other_bytes_under_a_name_that_is_taken_diverge_and_overwrite_nothing(depot: LocalDepot, other: bytes) -> None:
    depot.add([("a/b", b"same")])
    with pytest.raises(Diverged, match="a/b"):
        depot.add([("a/b", other)])
    assert depot.read("a/b") == b"same"
    assert drafts(depot) == []


def test_files_that_differ_in_their_last_byte_alone_diverge(depot: LocalDepot) -> None:
    large = bytes(1 << 20) + b"1"
    depot.add([("a/b", large)])
    depot.add([("a/b", large)])
    with pytest.raises(Diverged):
        depot.add([("a/b", large[:-1] + b"2")])


def test_the_pointer_moves_forward_only_and_says_whether_it_did(depot: LocalDepot) -> None:
    assert depot.pointer() is None
    for version, moved, shown in (
        (1, True, 1),
        (3, True, 3),
        (2, False, 3),
        (3, False, 3),
        (1, False, 3),
        (4, True, 4),
    ):
        assert depot.point(timestamp(version)) is moved
        assert depot.pointer() == timestamp(shown)
    assert drafts(depot) == []


def test_the_pointer_never_shows_two_timestamps_of_one_version(depot: LocalDepot) -> None:
    depot.point(timestamp(3, "first"))
    with pytest.raises(Diverged, match="version 3 already"):
        depot.point(timestamp(3, "second"))
    assert depot.pointer() == timestamp(3, "first")


def test_ten_comes_after_nine(depot: LocalDepot) -> None:
    for version in (9, 10, 9):
        depot.point(timestamp(version))
    assert depot.read(TIMESTAMP) == timestamp(10)


def test_of_many_who_point_at_once_the_newest_stays(depot: LocalDepot) -> None:
    order = [7, 3, 12, 1, 9, 12, 5, 11]
    threads = [threading.Thread(target=depot.point, args=(timestamp(version),)) for version in order]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert depot.read(TIMESTAMP) == timestamp(12)


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
    assert depot.read(TIMESTAMP) == timestamp(2)


def test_of_many_who_add_one_file_all_are_content_and_of_two_contents_one_stays(depot: LocalDepot) -> None:
    diverged: list[Diverged] = []

    def add(data: bytes) -> None:
        try:
            depot.add([("a/b", data)])
        except Diverged as error:
            diverged.append(error)

    threads = [threading.Thread(target=add, args=(data,)) for data in (b"one", b"two") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(diverged) == 4
    assert depot.read("a/b") in (b"one", b"two")


def test_what_is_not_there_is_nothing(depot: LocalDepot) -> None:
    depot.add([("a/b", b"")])
    assert [depot.read(path) for path in ("c", "a", "a/b/c", "a/c")] == [None] * 4
    assert depot.read("a/b") == b""


@pytest.mark.parametrize("path", ["", "../a", "a/../../b", "/etc/passwd", "a//b", "a/", "./a", ".pointer", "a/.b"])
def test_no_path_leaves_the_depot(depot: LocalDepot, path: str) -> None:
    for ask in (lambda: depot.read(path), lambda: depot.add([(path, b"")])):
        with pytest.raises(AssertionError, match="leaves the depot"):
            ask()


def test_a_draft_that_is_not_adopted_is_gone(depot: LocalDepot) -> None:
    with pytest.raises(KeyboardInterrupt), depot.incoming() as draft:
        draft.write_bytes(b"half")
        raise KeyboardInterrupt
    assert drafts(depot) == []


def test_an_adopted_draft_stays_and_a_diverging_one_does_not(depot: LocalDepot) -> None:
    for data in (b"one", b"one"):
        with depot.incoming() as draft:
            draft.write_bytes(data)
            depot.adopt("a/b", draft)
    with pytest.raises(Diverged), depot.incoming() as draft:
        draft.write_bytes(b"two")
        depot.adopt("a/b", draft)
    assert depot.read("a/b") == b"one"
