"""The same log from elsewhere: one size, one root; the larger tree begins with the smaller one."""

import hashlib
from datetime import timedelta
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from keys.tlog import notes, proofs
from keys.tlog.proofs import Policy, Witnessed
from repo_service.monitor import vantages
from repo_service.monitor.book import Book
from repo_service.monitor.limits import Limits
from repo_service.monitor.reading import Folder
from repo_service.monitor.vantages import Here, Vantage
from tests.monitor.scribe import Scribe
from tests.world import BEGIN, log_key

POLICY = Policy((log_key().key,))
LIMITS = Limits(held_back_s=60)


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    scribe = Scribe(tmp_path / "public")
    grow(scribe, "a")
    return scribe


def grow(scribe: Scribe, *names: str) -> None:
    for name in names:
        scribe.release(scribe.publication(name))


def head(folder: Path) -> Witnessed:
    return proofs.check_head(notes.read_note((folder / "log/checkpoint").read_bytes()), POLICY)


def codes(book: Book, here: Path, there: Path, later: float = 0) -> list[str]:
    """What is said where we have ``here`` and a vantage has ``there``."""
    vantage = Vantage(str(there), Folder(there))
    ours = Here(head(here), POLICY, Folder(here), here.parent / "monitor")
    now = BEGIN + timedelta(seconds=later)
    return [each.code for each in vantages.compare(vantages.look(vantage, POLICY), ours, book, LIMITS, now)]


def copied(scribe: Scribe, name: str) -> Path:
    return Path(copytree(scribe.folder, scribe.folder.parent / name))


def forked(scribe: Scribe, folder: Path, *names: str) -> Path:
    """A log that goes another way from its first release on."""
    other = Scribe(folder)
    grow(other, *names)
    return other.folder


def test_a_mirror_that_is_as_far_agrees(scribe: Scribe, book: Book) -> None:
    assert codes(book, scribe.folder, copied(scribe, "there")) == []


def test_a_mirror_that_is_behind_agrees_if_our_tree_begins_with_its_own(scribe: Scribe, book: Book) -> None:
    there = copied(scribe, "there")
    grow(scribe, "b")
    assert codes(book, scribe.folder, there) == []


@pytest.mark.parametrize("names", [("x",), ("x", "y"), ("x", "y", "z")])
def test_another_tree_is_found_whichever_is_longer(
    scribe: Scribe, book: Book, tmp_path: Path, names: list[str]
) -> None:
    grow(scribe, "b")
    there = forked(scribe, tmp_path / "there", *names)
    assert codes(book, scribe.folder, there) == ["split-view"]
    kept = {path.read_bytes() for path in (tmp_path / "monitor/evidence").iterdir()}
    assert kept == {(each / "log/checkpoint").read_bytes() for each in (scribe.folder, there)}


def test_a_witness_has_a_checkpoint_and_no_tiles(scribe: Scribe, book: Book, tmp_path: Path) -> None:
    place = tmp_path / "witness" / hashlib.sha256(POLICY.origin.encode()).hexdigest()
    place.mkdir(parents=True)
    (place / "checkpoint").write_bytes((scribe.folder / "log/checkpoint").read_bytes())
    assert codes(book, scribe.folder, tmp_path / "witness") == []
    (place / "checkpoint").write_bytes((forked(scribe, tmp_path / "fork", "x") / "log/checkpoint").read_bytes())
    assert codes(book, scribe.folder, tmp_path / "witness") == ["split-view"]


def test_a_longer_fork_that_only_a_witness_has_is_found_when_our_log_is_as_long(
    scribe: Scribe, book: Book, tmp_path: Path
) -> None:
    place = tmp_path / "witness" / hashlib.sha256(POLICY.origin.encode()).hexdigest()
    place.mkdir(parents=True)
    longer = forked(scribe, tmp_path / "fork", "x", "y")
    (place / "checkpoint").write_bytes((longer / "log/checkpoint").read_bytes())
    assert codes(book, scribe.folder, tmp_path / "witness") == []
    rmtree(tmp_path / "witness")
    grow(scribe, "b", "c")
    assert codes(book, scribe.folder, tmp_path / "witness") == ["vantage-away", "split-view"]


@pytest.mark.parametrize(("later", "told"), [(60, []), (61, ["held-back"])])
def test_news_that_only_others_have_for_long_are_an_alarm(
    scribe: Scribe, book: Book, later: float, told: list[str]
) -> None:
    old = copied(scribe, "old")
    grow(scribe, "b")
    assert codes(book, old, scribe.folder) == []
    assert codes(book, old, scribe.folder, later=later) == told
    grow(scribe, "c")
    assert codes(book, scribe.folder, scribe.folder, later=later + 1) == []
    assert codes(book, scribe.folder, scribe.folder, later=later + 999) == []


def test_what_the_log_did_not_sign_is_nobodys_contradiction(scribe: Scribe, book: Book) -> None:
    there = copied(scribe, "there")
    checkpoint = notes.Checkpoint(POLICY.origin, 5, b"r" * 32)
    (there / "log/checkpoint").write_text(str(notes.signed(checkpoint, [log_key(2)])))
    assert codes(book, scribe.folder, there) == ["vantage-away"]
    assert not (scribe.folder.parent / "monitor/evidence").exists()
