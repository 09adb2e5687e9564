"""Every depot keeps the same promises: a folder, moto's S3, and a real S3 server (SeaweedFS)."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import obstore
import pytest

from keys.encoding import compact
from repo_service.storage import headers
from repo_service.storage.depot import TIMESTAMP, Depot, Diverged, Unavailable, Unfit
from repo_service.storage.local import LocalDepot
from repo_service.storage.places import open_depot, parse
from repo_service.storage.s3 import S3Depot
from tests import servers
from tests.proxy import Proxy
from tests.servers import S3Server

LARGE = bytes(range(256)) * (3 << 12) + b"and an end that is no multiple"


def timestamp(version: int, content: str = "") -> bytes:
    return compact({"signed": {"version": version, "content": content}})


def s3(server: S3Server, folder: Path, port: int | None = None) -> S3Depot:
    """A depot of its own in a server's bucket, perhaps through a proxy."""
    depot = open_depot(parse(server.url(folder.name.replace("[", "-").strip("]"), port)), folder, server.credentials)
    assert isinstance(depot, S3Depot)
    return depot


@pytest.fixture(params=["local", "moto_server", "seaweedfs_server"])
def depot(request: pytest.FixtureRequest, tmp_path: Path) -> Depot:
    if request.param == "local":
        return open_depot(parse("public"), tmp_path, {})
    return s3(request.getfixturevalue(request.param), tmp_path)


@pytest.fixture(params=["moto_server", "seaweedfs_server"])
def server(request: pytest.FixtureRequest) -> S3Server:
    server: S3Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def proxy(server: S3Server) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


def at_once(*calls: Callable[[], object]) -> list[BaseException]:
    """Do them all together; what they raised."""
    raised: list[BaseException] = []
    together = threading.Barrier(len(calls))

    def call(one: Callable[[], object]) -> None:
        together.wait()
        try:
            one()
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=call, args=(each,)) for each in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_what_is_added_is_read_whole_in_pieces_and_by_its_length(depot: Depot) -> None:
    files = [("metadata/1.root.json", b"root"), ("targets/simple/a+b!c/_d.e", b""), ("a", LARGE)]
    depot.add(files)
    for path, data in files:
        assert depot.read(path) == data
        assert depot.size(path) == len(data)
        opened = depot.open(path)
        assert opened is not None and opened.size == len(data)
        with opened.file as file:
            assert file.read() == data
            file.seek(len(data) // 2)
            assert file.read(1000) == data[len(data) // 2 :][:1000]
            file.seek(-1, io.SEEK_END) if data else None
            assert file.read() == data[-1:]
            file.seek(0)
            assert file.read(7) == data[:7]


def test_what_is_not_there_is_nothing(depot: Depot) -> None:
    depot.add([("a/b", b"")])
    for path in ("c", "a", "a/c", "a/b/c", "metadata/timestamp.json"):
        assert (depot.read(path), depot.size(path), depot.open(path)) == (None, None, None)
    assert depot.pointer() is None


def test_the_same_bytes_are_added_again_without_a_word_and_others_diverge(depot: Depot) -> None:
    for _ in range(2):
        depot.add([("a/b", b"same"), ("a/c", b"same")])
    for other in (b"else", b"same and more", b"", b"s" * (1 << 21)):
        with pytest.raises(Diverged, match="a/b"):
            depot.add([("a/a", b"new"), ("a/b", other)])
    assert depot.read("a/b") == b"same"


def test_files_that_differ_in_their_last_byte_alone_diverge(depot: Depot) -> None:
    depot.add([("a/b", LARGE)])
    depot.add([("a/b", LARGE)])
    with pytest.raises(Diverged):
        depot.add([("a/b", LARGE[:-1] + b"?")])
    assert depot.read("a/b") == LARGE


def test_an_adopted_draft_stays_and_a_diverging_one_does_not(depot: Depot) -> None:
    for data in (LARGE, LARGE):
        with depot.incoming() as draft:
            draft.write_bytes(data)
            depot.adopt("a/b", draft)
        assert not draft.exists()
    with pytest.raises(Diverged), depot.incoming() as draft:
        draft.write_bytes(LARGE[:-1] + b"?")
        depot.adopt("a/b", draft)
    with depot.incoming() as draft:
        depot.adopt("a/empty", draft)
    assert (depot.read("a/b"), depot.read("a/empty")) == (LARGE, b"")


def test_hundreds_of_files_at_once_are_taken_as_they_come(depot: Depot) -> None:
    files = [(f"metadata/{number}.json", b"%d" % number) for number in range(300)]
    depot.add(iter(files))
    assert {path: depot.read(path) for path, _ in files[::37]} == dict(files[::37])
    assert set(depot.paths("metadata")) == {path for path, _ in files}


def test_all_paths_are_listed_and_those_below_a_folder(depot: Depot) -> None:
    depot.add([("a/b", b""), ("a/c/d", b""), ("ab/c", b"")])
    depot.point(timestamp(1))
    assert sorted(depot.paths("")) == ["a/b", "a/c/d", "ab/c", TIMESTAMP]
    assert sorted(depot.paths("a")) == ["a/b", "a/c/d"]
    assert list(depot.paths("nothing")) == []


def test_what_is_dropped_is_gone_and_dropping_it_again_is_fine(depot: Depot) -> None:
    depot.add([("a/b", b"1"), ("a/c", b"2"), ("b/a", b"3")])
    for _ in range(2):
        depot.drop("a/b", "b/a")
    depot.drop("never/was")
    depot.drop()
    assert (depot.read("a/b"), depot.read("b/a"), depot.read("a/c")) == (None, None, b"2")


def test_the_pointer_moves_forward_only_and_says_whether_it_did(depot: Depot) -> None:
    steps = ((1, True, 1), (3, True, 3), (2, False, 3), (3, False, 3), (9, True, 9), (10, True, 10), (9, False, 10))
    for version, moved, shown in steps:
        assert depot.point(timestamp(version)) is moved
        assert depot.pointer() == depot.read(TIMESTAMP) == timestamp(shown)


def test_the_pointer_never_shows_two_timestamps_of_one_version(depot: Depot) -> None:
    depot.point(timestamp(3, "first"))
    with pytest.raises(Diverged, match="is at 3 already"):
        depot.point(timestamp(3, "second"))
    assert depot.pointer() == timestamp(3, "first")


def test_of_eight_who_create_one_file_one_content_stays(depot: Depot) -> None:
    raised = at_once(*(lambda data=data: depot.add([("a/b", data)]) for data in (b"one", b"two") * 4))  # type: ignore[misc]
    assert [type(error) for error in raised] == [Diverged] * 4
    assert depot.read("a/b") in (b"one", b"two")


def test_of_eight_who_move_the_pointer_the_newest_stays_and_it_never_goes_back(depot: Depot) -> None:
    seen: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            found = depot.pointer()
            seen.append(int(found.split(b'"version":')[1].rstrip(b"}")) if found else 0)

    def move(version: int) -> None:
        depot.point(timestamp(version))

    reader = threading.Thread(target=look)
    reader.start()
    raised = at_once(*(lambda version=version: move(version) for version in (7, 3, 12, 1, 9, 12, 5, 11)))  # type: ignore[misc]
    done.set()
    reader.join()
    assert raised == []
    assert depot.pointer() == timestamp(12)
    assert seen == sorted(seen)


def test_a_store_with_a_clock_says_what_it_shows(depot: Depot) -> None:
    said = depot.date()
    if isinstance(depot, LocalDepot):
        assert said is None
    else:
        assert said is not None and abs((said - datetime.now(UTC)).total_seconds()) < 5


@pytest.mark.parametrize("path", ["", "../a", "a/../../b", "/etc/passwd", "a//b", "a/", "./a", ".pointer", "a/.b", "é"])
def test_no_path_leaves_the_depot(depot: Depot, path: str) -> None:
    for ask in (depot.read, depot.open, depot.size, depot.drop, lambda path: depot.add([(path, b"")])):
        with pytest.raises(AssertionError, match="leaves the depot"):
            ask(path)  # type: ignore[operator]


def test_a_write_whose_answer_is_lost_is_found_done(server: S3Server, proxy: Proxy, tmp_path: Path) -> None:
    depot = s3(server, tmp_path, proxy.port)
    proxy.swallow(3, match=b"PUT ")
    depot.add([("a/b", b"once")])
    assert proxy.swallowed == 3 and depot.read("a/b") == b"once"
    with pytest.raises(Diverged):
        proxy.swallow(1, match=b"PUT ")
        depot.add([("a/b", b"else")])
    assert depot.read("a/b") == b"once"


def test_a_move_whose_answer_is_lost_has_moved(server: S3Server, proxy: Proxy, tmp_path: Path) -> None:
    depot = s3(server, tmp_path, proxy.port)
    for version in (1, 2):
        proxy.swallow(1, match=b"PUT ")
        assert depot.point(timestamp(version)) is True
        assert proxy.swallowed == version and depot.pointer() == timestamp(version)
    assert depot.point(timestamp(2)) is False


def test_connections_that_break_all_the_time_lose_nothing(server: S3Server, proxy: Proxy, tmp_path: Path) -> None:
    depot = s3(server, tmp_path, proxy.port)
    proxy.reset_share = 0.1
    depot.add((f"a/{number}", b"%d" % number) for number in range(60))
    moved = [depot.point(timestamp(version)) for version in range(1, 21)]
    proxy.reset_share = 0
    assert proxy.resets > 5 and all(moved)
    assert [depot.read(f"a/{number}") for number in range(60)] == [b"%d" % number for number in range(60)]
    assert depot.pointer() == timestamp(20)


def test_an_answer_that_is_cut_off_is_never_taken_for_a_whole_file(
    server: S3Server, proxy: Proxy, tmp_path: Path
) -> None:
    depot = s3(server, tmp_path, proxy.port)
    depot.add([("a/b", LARGE)])
    proxy.cut_after = 100_000
    with pytest.raises(Unavailable):
        depot.read("a/b")
    opened = depot.open("a/b")
    assert opened is not None
    with pytest.raises(Unavailable), opened.file as file:
        file.read()
    proxy.cut_after = None
    assert depot.read("a/b") == LARGE


def test_objects_say_what_they_are_and_how_long_to_keep_them(server: S3Server, tmp_path: Path) -> None:
    depot = s3(server, tmp_path)
    package = "targets/packages/a/00.a-1-py3-none-any.whl"
    depot.add([("metadata/1.root.json", b"{}"), (package, b"")])
    depot.point(timestamp(1))
    said = {path: obstore.get(depot._store, path).attributes for path in ("metadata/1.root.json", TIMESTAMP, package)}
    assert said == {
        "metadata/1.root.json": {"Content-Type": "application/json", "Cache-Control": headers.FOREVER},
        TIMESTAMP: {"Content-Type": "application/json", "Cache-Control": headers.FRESH},
        package: {"Content-Type": "application/octet-stream", "Cache-Control": headers.CHECKED},
    }


def test_two_prefixes_of_a_bucket_do_not_see_each_other(server: S3Server, tmp_path: Path) -> None:
    one, other = s3(server, tmp_path / "one"), s3(server, tmp_path / "other")
    one.add([("only/here", b"1")])
    assert other.read("only/here") is None and list(other.paths("")) == []


def test_a_server_that_heeds_conditions_holds_nothing_of_the_probe(server: S3Server, tmp_path: Path) -> None:
    depot = s3(server, tmp_path)
    assert [each["path"] for group in obstore.list(depot._store) for each in group] == []


def test_a_server_that_ignores_conditions_is_refused(tmp_path: Path) -> None:
    with servers.rclone() as server:
        with pytest.raises(Unfit) as refused:
            s3(server, tmp_path)
        assert "If-None-Match" in str(refused.value) and "If-Match" in str(refused.value)
        assert "that was removed" in str(refused.value)
        probed = S3Depot(parse(server.url()), None, server.credentials)  # type: ignore[arg-type]
        assert [each for group in obstore.list(probed._store) for each in group] == []


def test_a_bucket_that_is_not_there_and_a_server_that_is_not_are_said(server: S3Server, tmp_path: Path) -> None:
    nowhere = S3Server(server.port, "never-made")
    with pytest.raises(Unavailable, match="no such bucket"):
        s3(nowhere, tmp_path)
    place = parse(S3Server(servers.free_port()).url())
    with pytest.raises(Unavailable):
        open_depot(place, tmp_path, server.credentials)


def test_a_store_that_lets_nobody_in_is_not_asked_for_a_minute(seaweedfs_server: S3Server, tmp_path: Path) -> None:
    stranger = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "wrong"}
    with pytest.raises(Unavailable) as refused:
        open_depot(parse(seaweedfs_server.url("a")), tmp_path, stranger)
    assert "wrong" not in str(refused.value)


FORK = """
import os, sys
from pathlib import Path
from repo_service.storage.places import connect, parse
depot = connect(parse(sys.argv[1]), Path(sys.argv[2]), os.environ)
assert depot.read("a/b") is None
if os.fork() == 0:
    for ask in (lambda: depot.read("a/b"), lambda: depot.add([("a/b", b"")]), lambda: connect(depot.place, Path(), {})):
        try:
            ask()
        except AssertionError as error:
            print(error, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_process_that_was_forked_is_told_instead_of_hanging(moto_server: S3Server, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORK, moto_server.url("forked"), str(tmp_path)]
    environment = {**os.environ, **moto_server.credentials}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert said.stdout.count("start processes by spawn") == 3, said.stderr
