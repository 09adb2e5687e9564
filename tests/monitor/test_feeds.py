"""Feeds as an owner's reader takes them: valid, of what is theirs, each entry once however often it was written."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from keys.state import Reason
from keys.times import stamp
from repo_service.domain import changes as c
from repo_service.monitor import feeds
from repo_service.monitor.book import Book
from repo_service.monitor.feeds import News, Place
from repo_service.monitor.findings import Finding
from repo_service.monitor.saying import _SAID, said
from tests.monitor.made import Tale, versions

ATOM = "{http://www.w3.org/2005/Atom}"
HERE = Place("registry.test/log", "https://registry.test")


@pytest.fixture
def tale() -> Tale:
    return Tale()


def take_in(book: Book, tale: Tale) -> None:
    """Hand over everything that the tale has, and forget it there."""
    watch = News(book)
    with book.transaction():
        for each in tale.seen:
            assert not [*watch(each)]
    tale.seen.clear()


def read(folder: Path, feed: str) -> list[dict[str, str]]:
    """A feed's entries, after everything that RFC 4287 asks for was found in it."""
    root = ElementTree.fromstring((folder / f"{feed}.atom").read_bytes())
    assert root.tag == f"{ATOM}feed"
    for each in [root, *root.iter(f"{ATOM}entry")]:
        for field in ("id", "title", "updated"):
            [found] = each.findall(f"{ATOM}{field}")
            assert found.text
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", each.findtext(f"{ATOM}updated") or "")
    assert [*root.iterfind(f"{ATOM}author/{ATOM}name")]
    entries = [
        {
            "id": entry.findtext(f"{ATOM}id") or "",
            "title": entry.findtext(f"{ATOM}title") or "",
            "text": entry.findtext(f"{ATOM}content") or "",
        }
        for entry in root.iter(f"{ATOM}entry")
    ]
    ids = [each["id"] for each in entries]
    assert len(set(ids)) == len(ids)
    assert all(each.startswith("urn:uuid:") for each in ids)
    return entries


def test_an_owner_reads_what_happened_in_plain_words(tmp_path: Path, book: Book, tale: Tale) -> None:
    tale.publish("flask", "1.0")
    tale.publish("other", "1.0")
    tale.yank("flask", "1.0")
    tale.release()
    take_in(book, tale)
    assert feeds.write(book, tmp_path, HERE) == 3
    newest, *_ = read(tmp_path, "project/flask")
    assert newest["text"] == (
        "flask: release 1.0 was yanked, by owner. Leaf 4 of the log, signed with snapshot 1 (release 1)."
    )
    assert [each["title"].split(":")[0] for each in read(tmp_path, "project/flask")] == ["flask"] * 3
    assert len(read(tmp_path, "everything")) == 5


def test_who_has_a_namespace_reads_of_all_names_under_it(tmp_path: Path, book: Book, tale: Tale) -> None:
    tale.event("acme", c.NamespaceGranted("Acme"), by="admin")
    tale.publish("acme-tools", "1.0")
    tale.event("acme-tools", c.NamespacesMatched((c.Match("acme", True),)), by="system")
    tale.publish("acmeville", "1.0")
    tale.release()
    tale.yank("acme-tools", "1.0")
    tale.release()
    tale.event("acme-tools", c.NamespacesMatched(()), by="system")
    tale.release()
    take_in(book, tale)
    feeds.write(book, tmp_path, HERE)
    names = {each["title"].split(":")[0] for each in read(tmp_path, "namespace/acme")}
    assert names == {"acme", "acme-tools"}
    assert len(read(tmp_path, "namespace/acme")) == 6


def test_a_file_changes_only_where_something_happened(tmp_path: Path, book: Book, tale: Tale) -> None:
    tale.publish("flask", "1.0")
    tale.publish("other", "1.0")
    tale.release()
    take_in(book, tale)
    feeds.write(book, tmp_path, HERE)
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in tmp_path.rglob("*.atom")}
    assert feeds.write(book, tmp_path, HERE) == 0
    tale.yank("flask", "1.0")
    tale.release()
    take_in(book, tale)
    assert feeds.write(book, tmp_path, HERE) == 2
    changed = {
        path.name for path, (inode, data) in before.items() if (path.stat().st_ino, path.read_bytes()) != (inode, data)
    }
    assert changed == {"flask.atom", "everything.atom"}


def test_written_at_once_or_step_by_step_the_bytes_are_the_same(tmp_path: Path, tale: Tale) -> None:
    tale.publish("flask", *versions(8))
    for version in versions(8):
        tale.yank("flask", version)
        tale.release()
        tale.tick(minutes=1)
    whole, steps = Book(tmp_path / "a"), Book(tmp_path / "b")
    seen = list(tale.seen)
    take_in(whole, tale)
    feeds.write(whole, tmp_path / "whole", HERE)
    for each in seen:
        tale.seen.append(each)
        if type(each).__name__ == "Released":
            take_in(steps, tale)
            feeds.write(steps, tmp_path / "steps", HERE)
    for feed in ("project/flask", "everything"):
        assert (tmp_path / f"whole/{feed}.atom").read_bytes() == (tmp_path / f"steps/{feed}.atom").read_bytes()
    whole.close()
    steps.close()


def test_who_dies_before_the_book_knows_writes_the_same_again(
    tmp_path: Path, book: Book, tale: Tale, monkeypatch: pytest.MonkeyPatch
) -> None:
    tale.publish("flask", "1.0")
    tale.release()
    take_in(book, tale)
    with book.transaction():
        book.say([Finding("withdrawn", "alarm", "much", stamp(tale.now), 3, "flask")])

    def dies(key: str, value: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(book, "keep", dies)
        with pytest.raises(KeyboardInterrupt):
            feeds.write(book, tmp_path, HERE)
    before = (tmp_path / "project/flask.atom").read_bytes()
    assert feeds.write(book, tmp_path, HERE) == 0
    assert (tmp_path / "project/flask.atom").read_bytes() == before
    assert len(read(tmp_path, "project/flask")) == 3


def test_a_feed_holds_the_newest(tmp_path: Path, book: Book, tale: Tale) -> None:
    tale.publish("flask", *versions(feeds.MOST + 20))
    tale.release()
    take_in(book, tale)
    feeds.write(book, tmp_path, HERE)
    titles = [each["title"] for each in read(tmp_path, "project/flask")]
    assert len(titles) == feeds.MOST
    assert f"release {feeds.MOST + 19}.0" in titles[0]
    tale.yank("flask", "0.0")
    tale.release()
    take_in(book, tale)
    feeds.write(book, tmp_path, HERE)
    assert len(read(tmp_path, "project/flask")) == feeds.MOST


def test_text_is_text_whatever_it_holds(tmp_path: Path, book: Book) -> None:
    nasty = "<script>&amp;]]> \x00\x1b[31m\ud800 a\nb"
    with book.transaction():
        book.say([Finding("split-view", "alarm", nasty + "\ufffe", "2026-11-22T10:00:00Z")])
    feeds.write(book, tmp_path, Place('a"b<c>&d/log', 'https://x/?"<&'))
    [entry] = read(tmp_path, "alarms")
    assert "<script>&amp;]]> \ufffd\ufffd[31m\ufffd a b\ufffd" in entry["title"]


def test_alarms_about_a_name_are_in_its_feed(tmp_path: Path, book: Book) -> None:
    found = Finding("withdrawn", "alarm", "much is gone", "2026-11-22T10:00:00Z", 9, "flask")
    with book.transaction():
        book.say([found, Finding("policy", "notice", "a policy", "2026-11-22T10:00:00Z", 10)])
    feeds.write(book, tmp_path, HERE)
    assert [each["title"] for each in read(tmp_path, "project/flask")] == ["Alarm withdrawn: much is gone"]
    assert len(read(tmp_path, "alarms")) == 2


def test_no_feed_repeats_a_free_text() -> None:
    reason = Reason("broken", "call +1 555 0100")
    event = c.Event(
        1, "flask", "2026-11-22T10:00:00Z", "owner", reason, "p/1", c.ReleaseYanked("1.0", "owner"), None, None
    )
    assert said(event) == "flask: release 1.0 was yanked, by owner (broken)"
    granted = c.NamespaceGranted("Secret Organisation")
    assert "Secret" not in said(c.Event(1, "acme", event.at, "admin", None, "p/1", granted, None, None))


def test_every_type_of_event_has_its_words() -> None:
    assert _SAID.keys() == set(c.TYPES.values())
