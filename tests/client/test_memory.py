"""What this machine remembers: across kills, damage, upgrades, moves, and with a clock that is behind."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from client_verify.answers import Highest, Past, Withdrawn
from client_verify.directory import alone
from client_verify.metadata.trusted import Trusted
from client_verify.refusals import Refused, Usage
from client_verify.remembering import equivocation, memory, moving
from client_verify.remembering.memory import LATEST, NEWEST, Memory, Remembered
from client_verify.trust import Pin
from keys import layout, page
from keys.signing import signed_file
from keys.times import stamp
from tests import paper
from tests.client.conftest import URL, World

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
ONE = paper.release(NOW, "1.0", paper.wheel("flask", "1.0"))
TWO = paper.release(NOW, "2.0", paper.wheel("flask", "2.0"))
OLD_SCHEMA = """
CREATE TABLE verified (
    name TEXT PRIMARY KEY, page BLOB NOT NULL, snapshot INTEGER NOT NULL, verified_at TEXT NOT NULL
) STRICT;
CREATE TABLE evidence (
    name TEXT NOT NULL, before BLOB NOT NULL, after BLOB NOT NULL, snapshot INTEGER NOT NULL, seen_at TEXT NOT NULL,
    UNIQUE (name, before, after)
) STRICT;
"""


def bytes_of(state):
    return page.render(state)


def test_the_page_the_highest_version_and_the_files_that_prove_them_are_remembered(world):
    world.say("flask", ONE, TWO)
    world.session().page("flask")
    remembered = world.memory().recall("flask")
    assert remembered.state == paper.project(NOW, "flask", ONE, TWO)
    assert (remembered.snapshot, remembered.verified_at) == (1, stamp(NOW))
    assert remembered.past == Past(Highest("2.0", stamp(NOW)))
    role = world.repository.bin_of("flask")
    assert world.memory().proof("flask") == {
        each: world.repository.files[world.repository.newest(each)] for each in (role, "bins", "targets")
    }


def test_what_proves_a_page_goes_when_another_page_takes_its_place_and_nothing_else_does(world):
    world.say("flask", ONE)
    world.session().page("flask")
    first = world.memory().proof("flask")
    world.later(hours=1)
    role = world.repository.bin_of("flask")
    world.say(next(name for name in (f"p{number}" for number in range(99)) if world.repository.bin_of(name) == role))
    world.session().page("flask")
    assert world.memory().recall("flask").snapshot == 2
    assert world.memory().proof("flask") == first, "what proved it first"
    world.say("flask", ONE, TWO, serial=2)
    world.session().page("flask")
    with sqlite3.connect(world.directory / "memory.sqlite") as database:
        kept = {digest for (digest,) in database.execute("SELECT sha256 FROM document")}
        used = {digest for (digest,) in database.execute("SELECT document FROM proof")}
    assert kept == used


def test_what_was_remembered_before_there_were_schemas_is_taken_over_with_its_evidence(tmp_path):
    before, other = (bytes_of(paper.project(NOW, "flask", ONE, serial=each)) for each in (1, 2))
    path = tmp_path / "memory.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(OLD_SCHEMA)
        database.execute("INSERT INTO verified VALUES (?, ?, ?, ?)", ("flask", before, 7, stamp(NOW)))
        database.execute("INSERT INTO evidence VALUES (?, ?, ?, ?, ?)", ("flask", before, other, 8, stamp(NOW)))
        database.execute("INSERT INTO evidence VALUES (?, ?, ?, ?, ?)", ("flask", before, b"", 9, stamp(NOW)))
    known = Memory(path)
    assert known.recall("flask") == Remembered(before, 7, stamp(NOW), Past(Highest("1.0", stamp(NOW))))
    assert known.proof("flask") == {}
    assert [each.after.files.get("page") for each in known.evidence()].count(None) == 1
    assert {each.before.files["page"] for each in known.evidence()} == {before}
    assert known.forget("flask"), "what was contradicted then can be forgotten now"
    assert Memory(path).recall("flask") is None


def test_a_file_of_a_newer_client_is_left_alone(tmp_path):
    path = tmp_path / "memory.sqlite"
    Memory(path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(Usage, match=r"newer tallystick.*Update this one. Nothing was written"):
        Memory(path)


DAMAGE = {
    "another file": lambda path: path.write_bytes(b"this is no database, " * 500),
    "emptied": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(len(path.read_bytes()) - 4096)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_memory_is_refused_and_never_begun_anew_by_itself(world, damage):
    world.say("flask", ONE)
    world.session().page("flask")
    path = world.directory / "memory.sqlite"
    DAMAGE[damage](path)
    left = path.read_bytes() if path.exists() else None
    with pytest.raises(Refused) as refused:
        world.session().page("flask")
    assert refused.value.code == "memory-damaged" and str(path) in refused.value.detail
    assert "`tallystick memory reset --repo NAME`" in refused.value.kind.explanation
    assert (path.read_bytes() if path.exists() else None) == left
    with alone(world.directory):
        memory.begin_anew(path)
    assert world.session().page("flask").state.releases == (ONE,)


def test_a_page_that_was_changed_in_the_file_is_damage(world):
    world.say("flask", ONE)
    world.session().page("flask")
    with sqlite3.connect(world.directory / "memory.sqlite") as database:
        database.execute("UPDATE verified SET page = ?", (bytes_of(paper.project(NOW, "flask", TWO)),))
    with pytest.raises(Refused, match="memory of this machine is damaged"):
        world.session().page("flask")


def test_a_proof_that_was_changed_in_the_file_is_damage(world):
    world.say("flask", ONE)
    world.session().page("flask")
    for data in (zlib.compress(b"{}"), b"no zlib"):
        with sqlite3.connect(world.directory / "memory.sqlite") as database:
            database.execute("UPDATE document SET data = ?", (data,))
        with pytest.raises(Refused, match="memory of this machine is damaged"):
            world.memory().proof("flask")


WRITER = """
import sys
from pathlib import Path
from client_verify.remembering.memory import Memory, Remembered
from client_verify.directory import alone
directory, data = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
for number in range(int(sys.argv[3]), 100_000):
    with alone(directory):
        Memory(directory / "memory.sqlite").remember(
            f"p{number}", Remembered(data, number, "2026-11-22T10:00:00Z"), {"bin-0": data * 20 + b"%d" % number}
        )
    print(number, flush=True)
"""


def test_what_was_remembered_survives_a_kill_at_any_moment(tmp_path):
    data = bytes_of(paper.project(NOW, "flask", ONE, TWO))
    (tmp_path / "page").write_bytes(data)
    known: set[int] = set()
    for round_ in range(6):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(tmp_path / "page"), str(round_ * 1000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            known.add(int(writer.stdout.readline()))
            time.sleep(0.03 + 0.017 * round_)
            writer.send_signal(signal.SIGKILL)
            known |= {int(line) for line in writer.stdout.read().split()}
        memory_ = Memory(tmp_path / "memory.sqlite")
        for number in known:
            assert memory_.recall(f"p{number}").page == data
            assert memory_.proof(f"p{number}") == {"bin-0": data * 20 + b"%d" % number}
    assert len(known) > 6


def test_processes_and_threads_that_share_a_memory_lose_nothing(tmp_path):
    def write(number):
        with alone(tmp_path):
            known = Memory(tmp_path / "memory.sqlite")
            known.remember(f"p{number}", Remembered(b"x", number, stamp(NOW)), {"bin-0": b"same"})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(40)))
    assert len(Memory(tmp_path / "memory.sqlite").names()) == 40


# What it is for, when python-tuf's files are lost, or the clock is behind.


def test_an_older_timestamp_is_a_rollback_although_the_metadata_was_lost(world):
    world.say("flask", ONE)
    old = dict(world.repository.files)
    world.say("flask", ONE, TWO, serial=2)
    world.session().page("flask")
    shutil.rmtree(world.directory / "metadata")
    world.fetcher.files = old
    with pytest.raises(Refused) as refused:
        world.session()
    assert refused.value.code == "rollback" and "timestamp version 1 was served" in refused.value.detail


def stale_snapshot(signed_at):
    """The thief signs new timestamps, and an old snapshot stays below them."""

    def forge(role, body):
        if role == "timestamp":
            body[layout.SIGNED_AT_FIELD] = stamp(signed_at)
            body["expires"] = stamp(signed_at + paper.DAY)

    return forge


def test_a_clock_that_is_behind_what_was_verified_as_signed_makes_nothing_young(world):
    """R8: floor = max(issue time in last trusted timestamp …); use max(clock, floor)."""
    world.say("flask", ONE)
    world.publish(forge=stale_snapshot(NOW + 3 * paper.DAY))
    session = world.session()
    assert session.now == NOW + 3 * paper.DAY
    with pytest.raises(Refused) as refused:
        session.page("flask")
    assert refused.value.code == "expired" and "snapshot version" in refused.value.detail
    assert "this machine's clock says" in session.warnings[0]


def test_a_bin_past_its_date_is_refused_by_the_time_that_was_signed_too(world):
    world.say("flask", ONE)
    late = NOW + 9 * paper.DAY

    def forge(role, body):
        stale_snapshot(late)(role, body)
        if role == "snapshot":
            body["expires"] = stamp(late + paper.DAY)

    world.publish(forge=forge)
    with pytest.raises(Refused, match=f"{world.repository.bin_of('flask')} version"):
        world.session().page("flask")


def test_the_floor_of_the_clock_is_kept_and_never_goes_back(world):
    world.say("flask", ONE)
    world.publish(forge=stale_snapshot(NOW + paper.DAY / 2))
    world.session()
    world.publish()
    assert world.session().now == NOW + paper.DAY / 2
    assert world.memory().timestamp(NEWEST) != world.memory().timestamp(LATEST)


def test_a_time_that_only_a_key_signed_that_is_trusted_no_longer_is_no_floor(world):
    """Or a thief's year 2099 would lock a machine out after the theft was cured."""
    world.publish()
    world.session()
    trusted = Trusted(world.directory / "metadata", world.repository.root)
    newest = trusted.files["timestamp"]
    body = {**trusted.timestamp.to_dict(), "version": 99, layout.SIGNED_AT_FIELD: "2099-01-01T00:00:00Z"}
    body["expires"] = "2100-01-01T00:00:00Z"
    own, stolen = (signed_file(body, key) for key in (paper.ONLINE, paper.HOLDERS[0]))
    assert equivocation.signed_later(trusted.root, stolen, newest) == newest
    assert equivocation.signed_later(trusted.root, own, newest) == own
    assert equivocation.of_timestamps(trusted.root, stolen, newest) is None
    with pytest.raises(Refused, match="rollback"):
        equivocation.of_timestamps(trusted.root, own, newest)


def test_a_timestamp_cannot_say_that_it_was_signed_after_its_end():
    said = {"_type": "timestamp", "spec_version": "1.0.31", "version": 1, "expires": "2026-11-23T00:00:00Z"}
    said |= {"meta": {"snapshot.json": {"version": 1}}, layout.SIGNED_AT_FIELD: "2099-01-01T00:00:00Z"}
    assert stamp(equivocation.signed_at(signed_file(said, paper.ONLINE))) == "2026-11-23T00:00:00Z"


# Moved and reset.


@pytest.fixture
def other(world, tmp_path):
    """Another machine, which looks at the same repository."""
    made = World(tmp_path / "other")
    made.repository, made.fetcher = world.repository, world.fetcher
    return made


def exported(world):
    roots = Trusted(world.directory / "metadata", world.repository.root).roots
    return moving.written(world.memory(), Pin("acme", URL, world.repository.root), roots)


def taken(world, data):
    world.directory.mkdir(exist_ok=True)
    return moving.take_in(world.memory(), Pin("acme", URL, world.repository.root), data, stamp(world.now))


def test_a_memory_that_was_moved_notices_what_the_old_one_would_have(world, other):
    world.say("flask", ONE, TWO)
    world.session().page("flask")
    assert taken(other, exported(world)) == moving.Taken(1, (), ())
    assert other.memory().recall("flask") == world.memory().recall("flask")
    assert other.memory().proof("flask") == world.memory().proof("flask")
    assert other.memory().timestamp(NEWEST) == world.memory().timestamp(NEWEST)
    world.say("flask", ONE, serial=2)
    with pytest.raises(Refused, match=r"2\.0 disappeared without a tombstone"):
        other.session().page("flask")


def test_an_import_never_lowers_what_is_known(world, other):
    world.say("flask", ONE, TWO)
    world.session().page("flask")
    old = exported(world)
    gone = paper.yanked(world.later(hours=1), TWO, "broken")
    world.say("flask", ONE, gone, serial=2)
    other.now = world.now
    other.session().page("flask")
    assert other.memory().recall("flask").past.highest == Highest("1.0", stamp(world.now))
    known, newest = other.memory().recall("flask"), other.memory().timestamp(NEWEST)
    assert taken(other, old) == moving.Taken(0, (), ())
    past = Past(Highest("2.0", stamp(NOW)), (Withdrawn("2.0", stamp(world.now)),))
    assert other.memory().recall("flask") == replace(known, past=past), "and that 2.0 went is known now"
    assert other.memory().timestamp(NEWEST) == newest
    assert taken(other, old) == moving.Taken(0, (), ())


def test_an_import_that_contradicts_what_is_known_becomes_evidence_and_changes_nothing(world, other):
    world.say("flask", ONE)
    world.session().page("flask")
    world.say("flask", TWO)
    other.session().page("flask")
    known = other.memory().recall("flask")
    assert taken(other, exported(world)) == moving.Taken(0, (), ("flask",))
    assert other.memory().recall("flask") == known
    (found,) = other.memory().evidence()
    assert "two different states with serial 1" in found.why


def test_a_page_in_a_file_counts_only_with_the_signatures_that_prove_it(world, other):
    world.say("flask", ONE)
    world.session().page("flask")
    forged = Remembered(bytes_of(paper.project(NOW, "flask", TWO)), 1, stamp(NOW))
    world.memory().remember("flask", forged, {})
    assert taken(other, exported(world)) == moving.Taken(0, ("flask",), ())
    assert other.memory().recall("flask") is None


def test_a_timestamp_in_a_file_counts_only_if_it_is_signed(world, other):
    world.say("flask", ONE)
    world.session().page("flask")
    newest = world.memory().timestamp(NEWEST)
    world.memory().keep_timestamp(NEWEST, newest.replace(b'"version":1', b'"version":9'))
    taken(other, exported(world))
    assert other.memory().timestamp(NEWEST) is None and other.memory().timestamp(LATEST) == newest


def test_a_file_of_another_root_is_not_taken_in(world, other):
    world.say("flask", ONE)
    world.session().page("flask")
    data = exported(world)
    other.repository = paper.Paper(NOW, forge=lambda role, body: body.update({"x-other": 1}))
    with pytest.raises(Usage, match="of another repository"):
        taken(other, data)
    with pytest.raises(Usage, match="Nothing was written"):
        taken(other, b"{}")


def test_a_reset_forgets_every_name_and_keeps_the_evidence(world):
    world.say("flask", ONE)
    world.session().page("flask")
    world.repository.hush("flask")
    world.publish()
    with pytest.raises(Refused):
        world.session().page("flask")
    (kept,) = world.memory().evidence()
    assert memory.begin_anew(world.directory / "memory.sqlite") is None
    assert world.memory().names() == [] and world.memory().evidence() == [kept]
    assert world.session().page("flask").name == "flask"


def test_a_seen_withdrawal_survives_in_the_file(tmp_path):
    past = Past(Highest("2.0", stamp(NOW)), (Withdrawn("2.0", stamp(NOW)),))
    Memory(tmp_path / "memory.sqlite").remember("flask", Remembered(b"x", 1, stamp(NOW), past), {})
    assert Memory(tmp_path / "memory.sqlite").recall("flask").past == past
