"""The outbox's promises: in order within a project, one row for what is told twice, nothing lost by a kill."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from repo_service.registries.devpi.outbox import IndexFile, Outbox, Stood
from tests.world import BEGIN

INDEX = "root/prod"
FILE = IndexFile("foo-1.0.tar.gz", "a" * 64, 5, "https://devpi.test/foo-1.0.tar.gz", ">=3.11")


def stood(serial: int, project: str = "foo", version: str = "1.0", *files: IndexFile) -> Stood:
    return Stood(project, version, serial, project.title(), files)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.sqlite")


def waiting(outbox: Outbox) -> list[tuple[str, str, int]]:
    return [(row.stood.project, row.stood.version, row.stood.serial) for row in outbox.next_rows(INDEX)]


def test_a_row_comes_back_as_it_went_in(outbox: Outbox) -> None:
    outbox.add(INDEX, stood(3, "foo", "1.0", FILE), BEGIN)
    (row,) = outbox.next_rows(INDEX)
    assert (row.stood, row.at) == (stood(3, "foo", "1.0", FILE), "2026-11-22T10:00:00Z")


def test_only_the_first_row_of_each_project_may_go_and_indexes_have_nothing_to_do_with_each_other(
    outbox: Outbox,
) -> None:
    for each in (stood(1), stood(2, version="2.0"), stood(3, "bar")):
        outbox.add(INDEX, each, BEGIN)
    outbox.add("root/other", stood(1), BEGIN)
    assert waiting(outbox) == [("foo", "1.0", 1), ("bar", "1.0", 3)]
    outbox.done(outbox.next_rows(INDEX)[0])
    assert waiting(outbox) == [("foo", "2.0", 2), ("bar", "1.0", 3)]


def test_a_commit_that_is_told_twice_or_late_is_one_row_also_when_it_is_done(outbox: Outbox) -> None:
    for _ in range(2):
        outbox.add(INDEX, stood(5), BEGIN)
        outbox.add(INDEX, stood(4), BEGIN)
    assert waiting(outbox) == [("foo", "1.0", 5)]
    outbox.done(outbox.next_rows(INDEX)[0])
    outbox.add(INDEX, stood(5), BEGIN)
    assert waiting(outbox) == []


def test_a_refused_row_stops_its_project_until_it_is_sent_again_under_a_new_key_or_skipped(outbox: Outbox) -> None:
    for each in (stood(1), stood(2, version="2.0"), stood(3, "bar")):
        outbox.add(INDEX, each, BEGIN)
    first = outbox.next_rows(INDEX)[0]
    outbox.refuse(first, "409")
    assert waiting(outbox) == [("bar", "1.0", 3)]
    outbox.retry(first)
    again = outbox.next_rows(INDEX)[0]
    assert again.stood == first.stood and again.key != first.key
    outbox.skip(again)
    assert waiting(outbox) == [("foo", "2.0", 2), ("bar", "1.0", 3)]


def test_what_a_comparison_finds_is_no_second_row_of_what_waits_or_was_skipped(outbox: Outbox) -> None:
    outbox.add(INDEX, stood(1, "foo", "1.0", FILE), BEGIN)
    assert outbox.add_found(INDEX, [stood(9, "foo", "1.0", FILE)], BEGIN) == 0
    outbox.skip(outbox.next_rows(INDEX)[0])
    assert outbox.add_found(INDEX, [stood(9, "foo", "1.0", FILE)], BEGIN) == 0
    assert outbox.add_found(INDEX, [stood(9, "foo", "1.0")], BEGIN) == 1
    outbox.done(outbox.next_rows(INDEX)[0])
    assert outbox.add_found(INDEX, [stood(9, "foo", "1.0")], BEGIN) == 1  # somebody else changed what is signed


def test_what_devpi_lost_with_a_backup_is_forgotten_so_that_its_numbers_can_come_again(outbox: Outbox) -> None:
    for serial in (1, 2, 3):
        outbox.add(INDEX, stood(serial, f"p{serial}"), BEGIN)
    outbox.done(outbox.next_rows(INDEX)[2])
    assert outbox.rewind(2) == 1
    outbox.add(INDEX, stood(3, "p3"), BEGIN)
    assert waiting(outbox) == [("p1", "1.0", 1), ("p2", "1.0", 2), ("p3", "1.0", 3)]


def test_rows_that_were_kept_survive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    code = (
        "from datetime import UTC, datetime; from pathlib import Path\n"
        "from repo_service.registries.devpi.outbox import Outbox, Stood\n"
        f"box = Outbox(Path({str(path)!r}))\n"
        "for n in range(1, 10**6):\n"
        f"    box.add({INDEX!r}, Stood('foo', str(n), n, 'foo', ()), datetime.now(UTC)); print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        said += [int(line) for line in process.stdout.read().split()]
    assert [row.stood.serial for row in Outbox(path).open_rows(INDEX)][: len(said)] == said
