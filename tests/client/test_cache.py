"""The cache of verified files: it may go, it has a limit, and nothing of what was verified goes with it."""

import json
import os
import time
from datetime import UTC, datetime

import pytest
from tuf.ngclient.fetcher import FetcherInterface

from client_verify.fetching.blobs import Blobs, Content
from client_verify.fetching.mirrors import Mirrors
from client_verify.places import places
from client_verify.refusals import Usage
from keys.encoding import sha256
from tests import paper

WHEEL = paper.wheel("tallyflask", "1.0")


class Shelf(FetcherInterface):
    """Serves bytes by the number in their address."""

    def _fetch(self, url):
        return iter([data(int(url))])


SHELF = Mirrors(Shelf(), ("http://shelf.test",))


def data(number):
    return bytes([number]) * 1000


def content(number):
    return Content(f"file {number}", str(number), sha256(data(number)), 1000)


def held(folder):
    return {number for number in range(9) if (folder / sha256(data(number))).exists()}


def aged(folder, number, days):
    then = time.time() - days * 86_400
    os.utime(folder / sha256(data(number)), (then, then))


def test_the_file_that_was_not_used_for_longest_makes_room(tmp_path):
    blobs = Blobs(tmp_path, SHELF, 3000)
    for number in (1, 2, 3):
        blobs.open(content(number)).close()
        aged(tmp_path, number, days=10 - number)
    blobs.open(content(1)).close()  # used again, so 2 is the one
    blobs.open(content(4)).close()
    assert held(tmp_path) == {1, 3, 4}


def test_a_file_larger_than_the_limit_is_served_and_alone(tmp_path):
    blobs = Blobs(tmp_path, SHELF, 500)
    for number in (1, 2):
        with blobs.open(content(number)) as file:
            assert file.read() == data(number)
    assert held(tmp_path) == {2}


def test_a_file_in_somebody_s_hands_stays_whole_when_it_makes_room(tmp_path):
    blobs = Blobs(tmp_path, SHELF, 1000)
    with blobs.open(content(1)) as file:
        blobs.open(content(2)).close()
        assert held(tmp_path) == {2} and file.read() == data(1)


def test_what_is_being_fetched_by_another_process_stays_and_what_a_crash_left_goes(tmp_path):
    (tmp_path / "tmparriving").write_bytes(b"x" * 5000)
    (tmp_path / "tmpcrashed").write_bytes(b"x" * 5000)
    os.utime(tmp_path / "tmpcrashed", (1, 1))
    Blobs(tmp_path, SHELF, 1000).open(content(1)).close()
    assert {path.name for path in tmp_path.iterdir()} == {"tmparriving", sha256(data(1))}


@pytest.mark.parametrize("text, size", [("1000", 1000), ("5k", 5120), ("500M", 500 << 20), ("2G", 2 << 30), ("0", 0)])
def test_the_limit_comes_from_the_environment(text, size):
    assert places({"TALLYSTICK_HOME": "/home", "TALLYSTICK_CACHE_LIMIT": text}).cache_limit == size


@pytest.mark.parametrize("text", ["much", "-1", "1.5G", "1T"])
def test_a_limit_that_is_none_is_a_usage_error(text):
    with pytest.raises(Usage, match="TALLYSTICK_CACHE_LIMIT is a number of bytes"):
        places({"TALLYSTICK_HOME": "/home", "TALLYSTICK_CACHE_LIMIT": text})


# As a person asks


@pytest.fixture
def used(terminal, serve, tmp_path):
    """A machine that has downloaded one wheel, and where its cache is."""
    now = datetime.now(UTC).replace(microsecond=0)
    repository = paper.Paper(now)
    repository.add_file("tallyflask", WHEEL.filename, WHEEL.data, WHEEL.metadata)
    repository.say(paper.project(now, "tallyflask", paper.release(now, "1.0", WHEEL)))
    repository.publish(now)
    (tmp_path / "root.json").write_bytes(repository.root)
    terminal("trust", "add", "acme", "--url", serve(repository.files).url, "--root", tmp_path / "root.json")
    assert terminal("download", "tallyflask", "-d", "wheels") == 0
    return tmp_path / "home" / "cache" / "blobs"


def verified(tmp_path):
    return {path: path.read_bytes() for path in (tmp_path / "home" / "data").rglob("*") if path.is_file()}


def test_info_tells_how_much_is_kept(terminal, used):
    assert terminal("cache", "info", "--json") == 0
    assert json.loads(terminal.out) == {
        "directory": str(used),
        "files": 1,
        "bytes": len(WHEEL.data),
        "limit": 2 << 30,
    }


def test_purge_takes_the_cache_and_nothing_that_was_verified(terminal, used, tmp_path):
    before = verified(tmp_path)
    assert len(before) > 4
    assert terminal("cache", "purge", "--json") == 0
    assert json.loads(terminal.out) == {"deleted": 1, "kept": 0, "bytes": len(WHEEL.data)}
    assert list(used.iterdir()) == [] and verified(tmp_path) == before


def test_purge_spares_what_was_used_lately(terminal, used):
    assert terminal("cache", "purge", "--older-than", "1d") == 0
    assert terminal.out.startswith("0 files deleted")
    (blob,) = used.iterdir()
    os.utime(blob, (1, 1))
    assert terminal("cache", "purge", "--older-than", "30d") == 0
    assert not blob.exists()


def test_the_limit_of_the_environment_is_the_one_that_holds(terminal, used, monkeypatch, tmp_path):
    old = used / ("ab" * 32)
    old.write_bytes(b"x" * 100_000)
    os.utime(old, (1, 1))
    (used / sha256(WHEEL.data)).unlink()
    (tmp_path / "wheels" / WHEEL.filename).unlink()
    monkeypatch.setenv("TALLYSTICK_CACHE_LIMIT", "50k")
    assert terminal("download", "tallyflask", "-d", "wheels") == 0
    assert [path.name for path in used.iterdir()] == [sha256(WHEEL.data)]
