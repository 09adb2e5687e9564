"""fsck finds every class of damage, each by its own line, and nothing in a repository that is sound."""

import contextlib
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from keys.encoding import compact, sha256
from keys.times import stamp
from repo_service.accepting.halting import set_flag
from repo_service.build.metadata import metadata_path
from repo_service.cli import main
from repo_service.domain import flags
from repo_service.domain import requests as r
from repo_service.mending import fsck
from repo_service.storage.depot import TIMESTAMP
from repo_service.wiring import open_service
from tests.world import ADMIN, BECAUSE, OWNER, World, online_key, publishing

FOO: Final = "simple/foo/vnd.pypi.simple.v1.json"


def eventful(folder: Path) -> World:
    """A repository in which much has happened, with a held name, a flag, and something pending."""
    world = World(folder, held=("pip",))
    world.do(publishing("foo"), publishing("foo", "2.0"), publishing("bar"), r.Reserve("mine", OWNER))
    world.do(r.Yank("foo", "1.0", BECAUSE, OWNER), r.Grant("acme", "org-1", "Acme Corporation", ADMIN))
    removing = r.Fact(0, stamp(world.now))
    world.do(publishing("bar", "2.0"), r.Unpublish("bar", "1.0", BECAUSE, removing, OWNER))
    world.do(r.Restore("bar", "1.0", BECAUSE, OWNER), r.Archive("bar"))
    world.do(publishing("baz"), r.Quarantine("baz", BECAUSE, ADMIN))
    world.do(publishing("foo", "3.0"))
    set_flag(world.service.journal, flags.SetFlag("new_names_halted", BECAUSE), "tests", None, world.now)
    world.service.round()
    world.record(r.Unyank("foo", "1.0", None, ADMIN))
    with world.service.journal.inventory() as view:
        for name in view.all_names():
            assert name.state is not None
            world.service.depot.add((path, b"x") for path, _ in fsck.artifacts(name.state))
    return world


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return eventful(tmp_path_factory.mktemp("template"))


def copied(template: World, folder: Path) -> World:
    """The same world in another folder."""
    shutil.copytree(template.folder, folder)
    world = object.__new__(World)
    world.__dict__.update(template.__dict__)
    world.folder = folder
    world.service = open_service(folder / "service", clock=lambda: world.now)
    return world


@pytest.fixture
def sound(template: World, tmp_path: Path) -> World:
    return copied(template, tmp_path / "copy")


def lines(world: World, how: Callable[[fsck.Repository], Any] = fsck.examine) -> list[str]:
    """What fsck says, without what to do."""
    service = world.service
    its = fsck.Repository(service.journal, service.depot, "full", world.now, make_updater=world.updater)
    return [f"{problem.where}: {problem.what}" for problem in how(its)]


def test_a_sound_repository_has_no_problem(sound: World) -> None:
    assert lines(sound) == [] and lines(sound, fsck.examine_quickly) == []


# Damage. Each does one thing to a sound repository; what fsck says of it is exactly this.


def sql(world: World, statement: str, *values: object) -> None:
    """A hand in the database, which no guard holds back."""
    with closing(sqlite3.connect(world.folder / "service" / "journal.sqlite")) as connection, connection:
        for guard in ("events_never_change", "events_signed_once", "events_never_go"):
            connection.execute(f"DROP TRIGGER IF EXISTS {guard}")
        assert connection.execute(statement, values).rowcount > 0, "it damaged nothing"


def stored(world: World, path: str) -> Path:
    with world.service.journal.reading() as view:
        target = view.target(path)
    assert target is not None
    folder, _, base = path.rpartition("/")
    return world.public / "targets" / folder / f"{target.sha256}.{base}"


def newest(world: World, role: str) -> Path:
    with world.service.journal.reading() as view:
        return world.public / metadata_path(role, view.roles()[role].version)


def resigned(data: bytes, **amended: Any) -> bytes:
    """A signed file of ours, saying something else, signed again by the online key."""
    body = json.loads(data)["signed"] | amended
    signature = online_key().sign(compact(body))
    return compact({"signatures": [{"keyid": signature.keyid, "sig": signature.signature}], "signed": body})


def rewrite(world: World, path: str, body: bytes) -> None:
    """A file that says something else, everywhere alike, as if it had been signed so."""
    (world.public / path).write_bytes(body)
    sql(world, "UPDATE files SET length = ?, sha256 = ? WHERE path = ?", len(body), sha256(body), path)
    sql(world, "UPDATE bodies SET body = ? WHERE path = ?", body, path)


def resign(world: World, role: str, **amended: Any) -> None:
    path = newest(world, role)
    rewrite(world, path.relative_to(world.public).as_posix(), resigned(path.read_bytes(), **amended))


def hand(statement: str) -> Callable[[World], None]:
    return lambda world: sql(world, statement)


def public(path: str, become: Callable[[bytes], bytes]) -> Callable[[World], object]:
    """A public file has other bytes."""

    def do(world: World) -> None:
        file = next(world.public.glob(path))
        file.write_bytes(become(file.read_bytes()))

    return do


def gone(path: str) -> Callable[[World], None]:
    return lambda world: next(world.public.glob(path)).unlink()


def unsigned(path: str) -> Callable[[World], None]:
    def do(world: World) -> None:
        file = next(world.public.glob(path))
        data = file.read_bytes().replace(b'"sig":"', b'"sig":"00')
        rewrite(world, file.relative_to(world.public).as_posix(), data)

    return do


def bin_lists_more(world: World) -> None:
    listed = json.loads(newest(world, "bin-2").read_bytes())["signed"]["targets"]
    resign(world, "bin-2", targets={**listed, "simple/evil/x.json": {"hashes": {"sha256": "0" * 64}, "length": 1}})


def snapshot_says(role: str, meta: dict[str, int]) -> Callable[[World], None]:
    def do(world: World) -> None:
        listed = json.loads(newest(world, "snapshot").read_bytes())["signed"]["meta"]
        resign(world, "snapshot", meta={**listed, f"{role}.json": meta})

    return do


CURRENT: Final = "path LIKE '%simple/foo/%' AND superseded IS NULL"
ENTRY: Final = '{"hashes":{"sha256":"' + "0" * 64 + '"},"length":1}'
DAMAGE: Final[dict[str, tuple[Callable[[World], object], list[str]]]] = {
    "a bin is missing": (
        gone("metadata/400003.bin-3.json"),
        [
            "metadata/400003.bin-3.json: is missing in the depot",
            "a client: refuses what is public: DownloadHTTPError: metadata/400003.bin-3.json is not in the depot",
        ],
    ),
    "a page is missing": (
        lambda world: stored(world, FOO).unlink(),
        [
            "targets/simple/foo/….vnd.pypi.simple.v1.json: is missing in the depot",
            "a client: refuses what is public: DownloadHTTPError: targets/simple/foo/….vnd.pypi.simple.v1.json is not "
            "in the depot",
        ],
    ),
    "a page was overwritten": (
        lambda world: stored(world, FOO).write_bytes(stored(world, FOO).read_bytes()[:-1] + b"]"),
        [
            "targets/simple/foo/….vnd.pypi.simple.v1.json: has other bytes in the depot than were signed",
            "a client: refuses what is public: LengthOrHashMismatchError: Observed hash … does not match expected hash "
            "…",
        ],
    ),
    "an old root is missing": (
        gone("metadata/1.root.json"),
        ["metadata/1.root.json: is missing in the depot"],
    ),
    "the timestamp is missing": (
        gone(TIMESTAMP),
        [
            "metadata/timestamp.json: is missing; clients should see timestamp 8",
            "a client: refuses what is public: DownloadHTTPError: metadata/timestamp.json is not in the depot",
        ],
    ),
    "the timestamp is rubbish": (
        public(TIMESTAMP, lambda _: b"{}"),
        [
            "metadata/timestamp.json: is no timestamp",
            "a client: refuses what is public: DeserializationError: Failed to deserialize JSON",
        ],
    ),
    "the timestamp is another of its version": (
        public(TIMESTAMP, lambda data: resigned(data, expires="2026-12-24T00:00:00Z")),
        ["metadata/timestamp.json: is of version 8 and not as it was signed"],
    ),
    "the timestamp went back": (
        public(TIMESTAMP, lambda data: resigned(data, version=3)),
        ["metadata/timestamp.json: is version 3; 8 was published"],
    ),
    "the timestamp is newer than the journal": (
        public(TIMESTAMP, lambda data: resigned(data, version=9)),
        ["metadata/timestamp.json: is version 9; the newest release of the journal is 8"],
    ),
    "an artifact is missing": (
        gone("targets/packages/foo/*foo-1.0*"),
        ["targets/packages/foo/….foo-1.0.tar.gz: is missing in the depot"],
    ),
    "an artifact is half": (
        public("targets/packages/foo/*foo-1.0*", lambda data: data[:0]),
        ["targets/packages/foo/….foo-1.0.tar.gz: has 0 bytes in the depot, not 1"],
    ),
    "the journal lost a body": (
        hand(f"DELETE FROM bodies WHERE path IN (SELECT path FROM files WHERE {CURRENT})"),
        [
            "targets/simple/foo/….vnd.pypi.simple.v1.json: is of the current state, and the journal has no copy of it",
            "foo: its signed page is not in the journal's current state: targets/simple/foo/….vnd.pypi.simple.v1.json",
        ],
    ),
    "the journal's body is another": (
        hand(f"UPDATE bodies SET body = x'00' WHERE path IN (SELECT path FROM files WHERE {CURRENT})"),
        [
            "targets/simple/foo/….vnd.pypi.simple.v1.json: the journal's own copy is not what was signed",
            "foo: its signed page cannot be read: document: not JSON: Expecting value at byte 0",
        ],
    ),
    "a file is said to be replaced": (
        hand(f"UPDATE files SET superseded = release WHERE {CURRENT}"),
        ["foo: its signed page is not in the journal's current state: targets/simple/foo/….vnd.pypi.simple.v1.json"],
    ),
    "a file's row is gone": (
        hand(f"DELETE FROM files WHERE {CURRENT}"),
        ["foo: its signed page is not in the journal's current state: targets/simple/foo/….vnd.pypi.simple.v1.json"],
    ),
    "a release was not copied out": (
        hand("UPDATE releases SET published = 0 WHERE generation = 7"),
        ["release 7: is signed and not copied out"],
    ),
    "the root is not signed": (
        unsigned("metadata/1.root.json"),
        ["the files of ceremonies: do not hold together: 1.root.json: signed by 0 of 2 keys that root 1 asks for"],
    ),
    "a held page is gone": (
        hand("DELETE FROM files WHERE path LIKE '%simple/pip/%'"),
        [
            "the files of ceremonies: do not hold together: targets/simple/pip/….vnd.pypi.simple.v1.json: the pages "
            "are not exactly those that held.json lists"
        ],
    ),
    "a bin is signed by nobody": (
        unsigned("metadata/400003.bin-3.json"),
        [
            "bin-3 400003: is signed by 0 of 1 keys",
            "a client: refuses what is public: UnsignedMetadataError: bin-3 was signed by 0/1 keys",
        ],
    ),
    "the timestamp and the snapshot are signed by nobody": (
        hand(
            'UPDATE releases SET timestamp = CAST(replace(timestamp, \'"sig":"\', \'"sig":"00\') AS BLOB) '
            "WHERE generation = 8"
        ),
        [
            "metadata/timestamp.json: is of version 8 and not as it was signed",
            "timestamp 8: is signed by 0 of 1 keys",
        ],
    ),
    "a bin lists one target more": (
        bin_lists_more,
        [
            "simple/evil/x.json: is in bin-2, where nobody looks for it",
            "simple/evil/x.json: is in bin-2 otherwise than in the journal",
        ],
    ),
    "the journal lists one target more": (
        hand(f"INSERT INTO targets (bin, path, name, entry) VALUES (2, 'simple/foo/x', 'foo', '{ENTRY}')"),
        [
            "simple/foo/x: is in bin-2 otherwise than in the journal",
            "simple/foo/x: a client finds None, not " + ENTRY.replace("0" * 64, "…"),
        ],
    ),
    "a bin says it is another": (
        lambda world: resign(world, "bin-2", **{"x-role": "bin-1"}),
        ["bin-2: says it is bin-1 100002"],
    ),
    "a bin expires at another time": (
        lambda world: resign(world, "bin-2", expires="2027-01-01T00:00:00Z"),
        ["bin-2 100002: is version 100002 until 2027-01-01T00:00:00Z; the journal says otherwise"],
    ),
    "a bin was never signed": (
        hand("DELETE FROM roles WHERE role = 'bin-2'"),
        ["snapshot 8: lists bin-2.json as 100002; the newest is None", "bin-2: was never signed"],
    ),
    "the snapshot lists an older bin": (
        snapshot_says("bin-2", {"version": 100001}),
        [
            "timestamp 8: does not name snapshot 8",
            "snapshot 8: lists bin-2.json as 100001; the newest is 100002",
            "a client: refuses what is public: LengthOrHashMismatchError: Observed length 861 does not match expected "
            "length 863",
        ],
    ),
    "the snapshot does not pin held": (
        snapshot_says("held", {"version": 1}),
        [
            "timestamp 8: does not name snapshot 8",
            "snapshot 8: does not pin the bytes of held",
            "a client: refuses what is public: LengthOrHashMismatchError: Observed length 765 does not match expected "
            "length 863",
        ],
    ),
    "the journal knows another date of held": (
        hand("UPDATE roles SET expires = '2026-12-01T00:00:00Z' WHERE role = 'held'"),
        ["1.held.json: expires 2027-11-22T10:00:00Z; the journal says otherwise"],
    ),
    "a target is gone": (
        hand(f"DELETE FROM targets WHERE path = '{FOO}'"),
        ["simple/foo/vnd.pypi.simple.v1.json: is in bin-3 otherwise than in the journal"],
    ),
    "a target is nobody's": (
        hand("UPDATE targets SET name = 'nobody' WHERE path LIKE 'packages/bar/bar-2%'"),
        [
            "packages/bar/bar-2.0.tar.gz: is signed otherwise than the state says",
            "packages/bar/bar-2.0.tar.gz: is a target of nobody, which nobody ever touched",
        ],
    ),
    "a target is a policy's no more": (
        hand("DELETE FROM targets WHERE path LIKE 'policy/standard/%'"),
        [
            "policy/standard/1.json: is in bin-0 otherwise than in the journal",
            "policy/standard/1.json: is not the target that standard/1 should be",
        ],
    ),
    "a policy was changed": (
        hand("UPDATE policies SET body = replace(body, '\"notice_days\":30', '\"notice_days\":31')"),
        ["policy/standard/1.json: is not the target that standard/1 should be"],
    ),
    "a state was changed": (
        hand('UPDATE names SET state = replace(state, \'"display":"bar"\', \'"display":"BAR"\') WHERE name = \'bar\''),
        [
            "bar: its signed page (serial 6) is not that of its state",
            "bar: its state is not what its events lead to",
        ],
    ),
    "a holder was changed": (
        hand("UPDATE names SET holder = 'account-7' WHERE name = 'mine'"),
        ["mine: its state is not what its events lead to"],
    ),
    "an event was changed": (
        hand("UPDATE events SET reason = 'null' WHERE type = 'release.yanked'"),
        [
            "foo: its state is not what its events lead to",
            "foo: its signed page is not what its signed events lead to",
        ],
    ),
    "an event lost a reason that is needed": (
        hand("UPDATE events SET reason = 'null' WHERE type = 'project.quarantined'"),
        [
            "baz: its state is not what its events lead to",
            "baz: is signed and breaks I16: the quarantine of baz has no reason",
            "baz: its signed page is not what its signed events lead to",
        ],
    ),
    "an event takes something back": (
        hand("UPDATE events SET type = 'release.purged' WHERE type = 'release.unpublished'"),
        [
            "bar: serial 6 takes something back: version 1.0 was purged for ever and came back",
            "bar: its state is not what its events lead to",
            "bar: its signed page is not what its signed events lead to",
            "bar: event 4, signed in release 4, is in the log otherwise",
        ],
    ),
    "an event cannot follow": (
        hand(
            "UPDATE events SET type = 'name.reserved', body = (SELECT body FROM events WHERE name = 'mine') "
            "WHERE name = 'bar' AND serial = 6"
        ),
        [
            "bar: its events do not follow each other: bar: owner cannot take name.reserved from registered",
            "bar: event 6, signed in release 5, is in the log otherwise",
        ],
    ),
    "an event is gone": (
        hand("DELETE FROM events WHERE type = 'release.yanked'"),
        [
            "foo: event 4 is missing: 5 comes next",
            "foo: event 4 is logged with release 3, and not in the journal",
        ],
    ),
    "a pending event is gone": (
        hand("DELETE FROM events WHERE release IS NULL"),
        ["foo: its signed page (serial 5) is not that of its state", "foo: its state is not what its events lead to"],
    ),
    "an event is signed in a release that is not there": (
        hand("UPDATE events SET release = 99 WHERE name = 'foo' AND serial = 5"),
        [
            "release 99: is named by events and does not exist",
            "foo: event 5 is logged with release 7, and not in the journal",
        ],
    ),
    "an event is signed after what follows it": (
        hand("UPDATE events SET release = 6 WHERE name = 'bar' AND serial = 1"),
        [
            "bar: event 2 is signed in release 2, before those it follows",
            "bar: event 1 is logged with release 2, and not in the journal",
            "bar: event 1, signed in release 6, is not in the log",
        ],
    ),
    "the log's checkpoint is missing": (
        gone("log/checkpoint"),
        ["log/checkpoint: is missing; 39 are logged"],
    ),
    "the log's checkpoint is rubbish": (
        public("log/checkpoint", lambda _: b"rubbish"),
        ["log/checkpoint: is no checkpoint"],
    ),
    "the log's checkpoint went back": (
        public("log/checkpoint", lambda data: data.replace(b"\n39\n", b"\n7\n")),
        ["log/checkpoint: is of 7 leaves; 39 are logged"],
    ),
    "the log's checkpoint is newer than the journal": (
        public("log/checkpoint", lambda data: data.replace(b"\n39\n", b"\n40\n")),
        ["log/checkpoint: is of 40 leaves; the journal has logged 39"],
    ),
    "the log's checkpoint is another of its size": (
        public("log/checkpoint", lambda data: data + b"x"),
        ["log/checkpoint: is of 39 leaves and not as it was signed"],
    ),
    "a tile of the log is gone": (
        gone("log/tile/0/000.p/39"),
        ["log/tile/0/000.p/39: is missing in the depot", "the log: log/tile/0/000.p/39 is missing in the depot"],
    ),
    "leaves of the log are others": (
        public("log/tile/entries/000.p/39", lambda data: data.replace(b'"foo"', b'"fop"')),
        [
            "log/tile/entries/000.p/39: has other bytes in the depot than were signed",
            "the log: tile/entries/000.p/39 does not hold the leaves that the tree has there",
        ],
    ),
    "the journal says another root of the log": (
        hand("UPDATE logged SET root = (SELECT root FROM logged WHERE generation = 3) WHERE generation = 4"),
        ["release 4: is another in the log than the journal says"],
    ),
    "the proof of the newest release is another's": (
        lambda world: rewrite(
            world, "log/proofs/8.tlog-proof", (world.public / "log/proofs/7.tlog-proof").read_bytes()
        ),
        ["log/proofs/8.tlog-proof: does not prove that release 8 is logged: its checkpoint is not the journal's"],
    ),
    "the newest release is not logged": (
        hand("DELETE FROM logged WHERE generation = 8"),
        [
            "log/checkpoint: is of 39 leaves; the journal has logged 36",
            "release 8: is public and not logged",
        ],
    ),
    "the repository was left alone for four days": (
        lambda world: world.tick(days=4),
        [
            "timestamp 8: expired 2026-11-25T10:00:00Z",
            "a client: refuses what is public: ExpiredMetadataError: timestamp.json is expired",
        ],
    ),
    "nobody held a ceremony for a year": (
        lambda world: world.tick(days=366),
        [
            *(f"1.{role}.json: expired on 22 November 2027" for role in ("root", "targets", "held", "bins")),
            "timestamp 8: expired 2026-11-25T10:00:00Z",
            "snapshot 8: expired 2026-11-29T10:00:00Z",
            *(f"bin-{each}: expired 2026-12-22T10:00:00Z" for each in ("0 500000", "1 600001", "2 100002", "3 400003")),
            "a client: refuses what is public: ExpiredMetadataError: Final root.json is expired",
        ],
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_each_damage_is_found_and_nothing_else(sound: World, what: str) -> None:
    damage, expected = DAMAGE[what]
    damage(sound)
    assert [re.sub("[0-9a-f]{64}", "…", line) for line in lines(sound)] == expected


def test_the_quick_look_replays_no_events_and_asks_for_no_artifact(sound: World) -> None:
    for what in ("an artifact is missing", "an event is gone", "a holder was changed"):
        with contextlib.suppress(sqlite3.OperationalError):  # the guards are gone already
            DAMAGE[what][0](sound)
    assert lines(sound, fsck.examine_quickly) == []


def test_fsck_looks_at_one_moment_while_the_service_goes_on(sound: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Published in the middle of each check, nothing looks damaged."""
    started = []

    def publish_more(what: str, number: int, total: int) -> None:
        if what not in started:
            started.append(what)
            sound.do(publishing("foo", f"{len(started)}.7"))

    service = sound.service
    its = fsck.Repository(service.journal, service.depot, "full", sound.now, publish_more, sound.updater)
    assert [str(problem) for problem in fsck.examine_quickly(its)] == []
    assert len(started) >= 4


def test_the_command_prints_one_line_a_problem_and_exits_with_six(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path, begin=datetime.now(UTC).replace(microsecond=0))
    home = world.folder / "service"
    assert main(["fsck", str(home)]) == 0
    assert capsys.readouterr().out == "Database, public files and a client agree.\n"
    (world.public / "metadata/1.snapshot.json").unlink()
    for options in ([], ["--quick"]):
        assert main(["fsck", str(home), *options]) == 6
        said = capsys.readouterr().out.splitlines()
        assert said[0] == (
            "metadata/1.snapshot.json: is missing in the depot; `tallystick-service rebuild` copies it again"
        )
        assert said[1].startswith("a client: refuses what is public")
        assert said[2] == "2 problems. Nothing was written."
