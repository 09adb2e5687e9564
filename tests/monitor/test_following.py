"""The head is believed only if the log's key signed it and it goes on from the last one, and a leaf only where the tree
has it. What is taken in is taken in once, wherever the monitor dies.
"""

import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from keys.state import Reason
from keys.tlog import leaves, notes, proofs
from keys.tlog.notes import Checkpoint
from repo_service.build.growth import LOG
from repo_service.domain import changes as c
from repo_service.domain.logged import PageSum
from repo_service.monitor import following
from repo_service.monitor.book import Book, BookInUse
from repo_service.monitor.findings import Finding
from repo_service.monitor.following import follow, head_of
from repo_service.monitor.reading import MOST, Folder, OutOfReach
from repo_service.monitor.seen import Happened, Released, Seen
from tests.monitor.scribe import Scribe
from tests.world import log_key

BECAUSE: Final = Reason("broken", "does not start")


class Counted(Folder):
    """A folder of which only so many files can be read; then ``ends`` happens."""

    def __init__(self, folder: Path, left: int) -> None:
        super().__init__(folder)
        self.left = left

    def read(self, path: str, most: int = MOST) -> bytes | None:
        self.left -= 1
        if self.left < 0:
            self.ends()
        return super().read(path, most)

    def ends(self) -> None:
        raise OutOfReach("the registry", "does not answer")


class Killed(Counted):
    """The process dies."""

    def ends(self) -> None:
        os._exit(9)


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    return lived(Scribe(tmp_path / "public"))


def lived(scribe: Scribe) -> Scribe:
    """Some releases with texts."""
    for number in range(4):
        scribe.now += timedelta(hours=1)
        scribe.release([*scribe.publication("foo", f"{number}.0"), *scribe.publication(f"bar-{number}")])
        scribe.release([scribe.event("foo", c.ReleaseYanked(f"{number}.0", "owner"), reason=BECAUSE)])
    return scribe


def found(scribe: Scribe, book: Book, folder: Folder | None = None) -> list[Finding]:
    return [*follow(folder or Folder(scribe.folder), book, scribe.trust.roots[0].data, scribe.now)]


def codes(findings: list[Finding]) -> list[str]:
    return [each.code for each in findings]


def everything(book: Book) -> dict[str, list[tuple[object, ...]]]:
    """Every row of a book, but for what is done in another order."""
    tables = [name for (name,) in book.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: sorted(book.db.execute(f"SELECT * FROM {table}")) for table in tables}


def test_what_was_taken_in_is_not_read_again(scribe: Scribe, book: Book) -> None:
    assert found(scribe, book) == []
    seen: list[Seen] = []

    def watch(what: Seen) -> list[Finding]:
        seen.append(what)
        return []

    scribe.release(scribe.publication("new"))
    public, pin = Folder(scribe.folder), scribe.trust.roots[0].data
    assert [*follow(public, book, pin, scribe.now, [watch])] == []
    assert [type(each) for each in seen] == [Happened, Happened, Released]
    assert head_of(book).done == head_of(book).size == scribe.edge.size


def test_a_head_that_the_logs_key_did_not_sign_is_not_followed(scribe: Scribe, book: Book) -> None:
    checkpoint = Checkpoint(log_key().key.name, scribe.edge.size, scribe.edge.root)
    scribe.write(LOG + proofs.CHECKPOINT, str(notes.signed(checkpoint, [log_key(2)])).encode())
    assert codes(found(scribe, book)) == ["log-broken"]
    assert head_of(book) == following.NOTHING


def test_a_log_that_forks_is_found_and_the_head_of_before_is_kept(scribe: Scribe, book: Book, tmp_path: Path) -> None:
    assert found(scribe, book) == []
    before = head_of(book)
    other = Scribe(tmp_path / "other", now=scribe.now)
    for number in range(20):
        other.release(other.publication(f"other-{number}"))
    assert codes(found(other, book)) == ["log-forked"]
    assert head_of(book) == before
    assert found(scribe, book) == []


def test_two_logs_of_one_size_are_a_fork(scribe: Scribe, book: Book, tmp_path: Path) -> None:
    assert found(scribe, book) == []
    other = Scribe(tmp_path / "other", now=scribe.now)
    while other.edge.size < scribe.edge.size:
        other.release()
    assert other.edge.size == scribe.edge.size
    assert codes(found(other, book)) == ["log-forked"]


def test_an_older_head_is_a_notice_if_it_is_of_the_same_log(scribe: Scribe, book: Book, tmp_path: Path) -> None:
    older = shutil.copytree(scribe.folder, tmp_path / "older")
    scribe.release(scribe.publication("new"))
    assert found(scribe, book) == []
    (scribe.folder / LOG / "checkpoint").write_bytes((older / LOG / "checkpoint").read_bytes())
    assert [(each.code, each.level) for each in found(scribe, book)] == [("log-behind", "notice")]


def test_a_whole_mirror_that_is_behind_is_a_notice_too_and_nothing_is_forgotten(
    scribe: Scribe, book: Book, tmp_path: Path
) -> None:
    older = shutil.copytree(scribe.folder, tmp_path / "older")
    scribe.release(scribe.publication("new"))
    assert found(scribe, book) == []
    seen, root = head_of(book), scribe.trust.roots[0].data
    said = [*follow(Folder(older), book, root, scribe.now)]
    assert [each.code for each in said] == ["log-behind"]
    assert head_of(book) == seen


@pytest.mark.parametrize("tile", ["entries", "0"])
def test_a_tile_with_one_bit_changed_is_not_used(tile: str, scribe: Scribe, book: Book) -> None:
    for _ in range(300):
        scribe.release()
    path = scribe.folder / LOG / "tile" / tile / "000"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert codes(found(scribe, book)) == ["log-broken"]
    assert head_of(book).done == 0
    path.write_bytes(data)
    assert found(scribe, book) == []


def test_a_tile_that_is_missing_stops_the_replay_there(scribe: Scribe, book: Book) -> None:
    for _ in range(600):
        scribe.release()
    (scribe.folder / LOG / "tile/entries/001").rename(scribe.folder / "away")
    assert codes(found(scribe, book)) == ["log-broken"]
    assert 0 < head_of(book).done <= 256
    (scribe.folder / "away").rename(scribe.folder / LOG / "tile/entries/001")
    assert found(scribe, book) == []
    assert head_of(book).done == scribe.edge.size


def test_leaves_without_end_are_not_gathered(scribe: Scribe, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MOST", 3)
    assert codes(found(scribe, book)) == ["log-broken"]


def test_wherever_the_registry_stops_answering_the_monitor_goes_on_as_if_it_had_not(
    scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of every release a transaction ends here."""
    monkeypatch.setattr(following, "TOGETHER", 1)
    lie(scribe)
    whole = Book(tmp_path / "whole")
    wanted = found(scribe, whole)
    assert codes(wanted) == ["bin-differs", "text-gone"]
    reads = 0
    while True:
        again, said = Book(tmp_path / f"book-{reads}"), []
        try:
            said += found(scribe, again, Counted(scribe.folder, reads))
            break
        except OutOfReach:
            found(scribe, again)
            assert everything(again) == everything(whole)
        finally:
            again.close()
        reads += 1
    assert reads > 10
    whole.close()


def test_a_monitor_that_is_killed_loses_nothing_and_says_nothing_twice(
    scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "TOGETHER", 4)
    lie(scribe)
    whole = Book(tmp_path / "whole")
    found(scribe, whole)
    for reads in range(0, 40, 3):
        folder = tmp_path / f"book-{reads}"
        if not (child := os.fork()):
            try:
                found(scribe, Book(folder), Killed(scribe.folder, reads))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        again = Book(folder)
        found(scribe, again)
        assert everything(again) == everything(whole)
        again.close()
    whole.close()


def lie(scribe: Scribe) -> None:
    """Something to find: a yank that is not logged, and a text that is gone."""
    number = scribe.shape.number("packages/x/x-1.tar.gz")
    scribe.content[number]["packages/x/x-1.tar.gz"] = "{}"
    scribe.release(bins=[number])
    del scribe.content[number]["packages/x/x-1.tar.gz"]
    scribe.release(bins=[number])
    scribe.release([scribe.event("foo", c.ReleaseUnyanked("0.0"), reason=Reason("moved", "a secret"))])
    take_back(scribe, b"a secret")


def take_back(scribe: Scribe, text: bytes) -> None:
    (path,) = [path for path in (scribe.folder / LOG / "texts").iterdir() if path.read_bytes().endswith(text)]
    path.unlink()


def test_a_book_is_one_monitors(tmp_path: Path, book: Book) -> None:
    with pytest.raises(BookInUse, match="Is another monitor at work"):
        Book(tmp_path / "monitor")


# Texts, and names that go on.


def test_a_text_that_was_taken_back_is_said_once_and_all_else_is_still_compared(scribe: Scribe, book: Book) -> None:
    lie(scribe)
    found(scribe, book)
    scribe.now += timedelta(hours=1)
    scribe.release(scribe.publication("foo", "9.0"))
    assert found(scribe, book) == []
    scribe.release(unlogged=scribe.publication("foo", "10.0"))
    assert "bin-differs" in codes(found(scribe, book))


def test_a_page_of_which_a_text_is_gone_may_say_that_text_and_nothing_else_besides(scribe: Scribe, book: Book) -> None:
    event = scribe.event("foo", c.ReleaseUnyanked("0.0"), reason=Reason("moved", "a secret"))
    scribe.release([event], amend=lambda state: replace(state, display="FOO"))
    take_back(scribe, b"a secret")
    assert {*codes(found(scribe, book))} == {"text-gone", "page-differs"}


def test_where_the_page_is_gone_too_its_sum_stands_for_it(scribe: Scribe, book: Book) -> None:
    lie(scribe)
    for path in (scribe.folder / "targets/simple/foo").iterdir():
        path.unlink()
    assert codes(found(scribe, book)) == ["bin-differs", "text-gone"]
    scribe.release(scribe.publication("foo", "9.0"))
    assert found(scribe, book) == []
    scribe.release(unlogged=scribe.publication("foo", "10.0"))
    assert "bin-differs" in codes(found(scribe, book))


def test_a_text_that_was_exchanged_is_an_alarm(scribe: Scribe, book: Book) -> None:
    for path in (scribe.folder / LOG / "texts").iterdir():
        path.write_bytes(path.read_bytes() + b"!")
    assert {*codes(found(scribe, book))} == {"text-differs"}


def test_a_name_goes_on_from_the_page_that_the_log_names(scribe: Scribe, book: Book) -> None:
    def taken_over(written: list[bytes]) -> list[bytes]:
        state, page = scribe.states["old"], page_sum(scribe, "old")
        return [leaves.written(leaves.TakenOver("old", state.serial, page.length, page.sha256)), *written]

    scribe.release(unlogged=scribe.publication("old"), alter=taken_over)
    scribe.release([scribe.event("old", c.ReleaseYanked("1.0", "owner"), reason=BECAUSE)])
    assert found(scribe, book) == []


def test_a_page_to_go_on_from_that_is_not_there_is_found(scribe: Scribe, book: Book) -> None:
    gone = leaves.TakenOver("old", 1, 7, "0" * 64)
    scribe.release(alter=lambda written: [leaves.written(gone), *written])
    assert "page-taken-over" in codes(found(scribe, book))


def page_sum(scribe: Scribe, name: str) -> PageSum:
    path = next((scribe.folder / "targets/simple" / name).iterdir())
    return PageSum(path.stat().st_size, path.name[:64])
