"""Imports: streamed from lines, a folder or an index, decided like any change, never doubled, never in the way."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from client_verify.installing.index import serving
from keys import strict
from keys.state import Reason
from repo_service import failpoint
from repo_service.accepting.surroundings import around, around_all
from repo_service.commands import bringing
from repo_service.domain import requests as r
from repo_service.domain.bringing import Brought, asked
from repo_service.domain.versions import RULES
from repo_service.importing import index
from repo_service.importing.entries import Entry, Problem
from repo_service.importing.preparing import Counted, Halted, prepare
from repo_service.importing.recording import record
from repo_service.importing.telling import Telling
from repo_service.publishing import planning
from repo_service.publishing.publish import publish
from repo_service.storage.committing import Overtaken
from repo_service.storage.overview import Lease
from repo_service.storage.pendingreading import LATELY
from repo_service.storage.requestreading import ChangeRecord
from tests.loopback import answering
from tests.service.bring import project, release, taken, written
from tests.service.door import Door, Silent
from tests.world import ADMIN, BECAUSE, BEGIN, World, publishing

SYSTEM = r.Actor("system")


def states(world: World) -> dict[str, Any]:
    """Every name's state, without the numbers of events, which may have gaps."""
    with world.service.journal.reading() as view:
        names = {event.name for event in view.events(limit=100_000)}
        return {name: replace(state, event=0) for name, state in view.states(names).items()}


def lease(world: World) -> Lease:
    with world.service.journal.reading() as view:
        found = view.lease()
    assert found is not None
    return found


def counts(world: World) -> dict[str, int]:
    with world.service.journal.reading() as view:
        return view.counts()


MANY = [project(f"project-{number}", *(f"{each}.0" for each in range(1, 2 + number % 4))) for number in range(230)]


def test_everything_that_a_line_says_is_signed_and_seen_by_a_client(world: World) -> None:
    yanked = release("foo", "1.0", yanked={"reason": {"code": "broken", "text": "does not start"}})
    noted = taken(
        world,
        written(
            {"name": "Foo", "releases": [yanked, release("foo", "2.0")], "archived": {}},
            project("old", "1.0", deprecated={"reason": {"code": "moved", "text": "use new"}, "alternative": "new"}),
            project("bad", "1.0", quarantined={"code": "malware", "text": "it is looked at"}),
            {"name": "soon", "reserved": {"account": "account-7", "shown": "Example"}},
            {"name": "evil", "prohibited": {"code": "malware"}},
        ),
    )
    assert noted.problems == [] and noted.counted == Counted(5, 4, 4, 0)
    world.service.round()
    client = world.client()
    foo = client.page("foo").state  # type: ignore[union-attr]
    assert foo.display == "Foo" and foo.archived is not None
    first, second = foo.releases
    assert first.yank is not None and first.yank.mark.reason == Reason("broken", "does not start")
    assert second.yank is None and second.published_at == "2020-02-02T10:00:00Z"
    assert second.files[0].url == "https://files.test/foo-2.0.tar.gz"
    others = {name: client.page(name).state for name in ("old", "bad", "soon", "evil")}  # type: ignore[union-attr]
    assert others["old"].deprecated is not None and others["old"].deprecated.alternative == "new"
    assert others["bad"].quarantine is not None
    assert (others["soon"].state, others["evil"].state) == ("reserved", "prohibited")


def test_a_line_that_cannot_be_read_is_named_by_its_number_and_the_rest_goes_on(world: World) -> None:
    noted = taken(
        world,
        written(
            project("foo", "1.0"),
            b"{not json",
            b"",
            {**project("bar", "1.0"), "owner": "me@example.org"},
            b'{"name": "baz", "name": "qux"}',
            {
                "name": "big",
                "releases": [{"version": "1.0", "files": [{"filename": "big-1.0.tar.gz", "sha256": "AB"}]}],
            },
            project("last", "1.0"),
        ),
    )
    assert [problem.where for problem in noted.problems] == ["in:2", "in:4", "in:5", "in:6"]
    assert [str(problem).partition(": ")[2][:24] for problem in noted.problems] == [
        "document: not JSON: Expe",
        "owner: is not known here",
        "name: appears twice in o",
        "releases[0].files[0].siz",
    ]
    assert sorted(states(world)) == ["foo", "last"]


def test_a_line_that_is_too_long_is_left_out_and_the_next_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repo_service.importing.ndjson.MAX_LINE", 400)
    long = project("foo", *(f"{number}.0" for number in range(20)))
    noted = taken(world, written(long, project("bar", "1.0")))
    assert [(each.where, each.why) for each in noted.problems] == [("in:1", "is longer than 400 bytes")]
    assert sorted(states(world)) == ["bar"]


def test_what_is_refused_is_left_out_the_rest_of_its_line_comes_and_it_is_asked_again(world: World) -> None:
    world.record(publishing("foo", "1.0", content=b"other", actor=SYSTEM))
    line = written(project("foo", "1.0", "2.0"))
    for _ in range(2):
        noted = taken(world, line)
        (problem,) = noted.problems
        assert (problem.name, problem.version) == ("foo", "1.0") and "has sha256" in problem.why
    assert [each.version for each in states(world)["foo"].releases] == ["1.0", "2.0"]
    assert counts(world)["events"] == 4, "foo and its 1.0, then 2.0, which is closed at once"


def test_an_import_run_again_changes_nothing_and_reads_no_line_again(world: World) -> None:
    lines = written(*MANY[:120])
    first = taken(world, lines)
    before = counts(world)
    again = taken(world, lines)
    assert (first.counted.grown, first.counted.known) == (120, 0)
    assert again.counted == Counted(known=120) and counts(world) == before


def test_a_line_that_says_more_brings_only_what_is_new(world: World) -> None:
    taken(world, written(project("foo", "1.0")))
    noted = taken(world, written(project("foo", "1.0", "2.0")))
    assert noted.counted == Counted(1, 1, 1, 0)
    assert [each.version for each in states(world)["foo"].releases] == ["1.0", "2.0"]


def test_a_name_that_comes_twice_is_decided_after_what_came_before(world: World) -> None:
    noted = taken(
        world, written(project("foo", "1.0"), project("FOO", "2.0"), {"name": "f00", "prohibited": {"code": "x"}})
    )
    assert noted.problems == []
    assert [each.version for each in states(world)["foo"].releases] == ["1.0", "2.0"]
    with world.service.journal.reading() as view:
        (created,) = [each for each in view.events("foo") if each.seq == 1]
    assert created.change.alike == ()  # type: ignore[union-attr]


def test_look_alikes_of_one_import_are_said_to_be_alike(world: World) -> None:
    taken(world, written(project("foo", "1.0"), project("f00", "1.0")))
    with world.service.journal.reading() as view:
        created = view.events("f00")[0]
    assert created.change.alike == ("foo",)  # type: ignore[union-attr]


def test_processes_and_one_process_leave_the_same_states(tmp_path: Path) -> None:
    alone, together = World(tmp_path / "alone"), World(tmp_path / "together")
    taken(alone, written(*MANY))
    taken(together, written(*MANY), processes=2)
    assert states(alone) == states(together) and counts(alone) == counts(together)


# What happens between the decision and the writing.


def yank_it(world: World) -> None:
    world.record(r.Yank("foo", "1.0", BECAUSE, r.Actor("admin", "a", approver="b")))


def other_bytes(world: World) -> None:
    world.record(publishing("foo", "2.0", content=b"other", actor=SYSTEM))


def take_the_new_name(world: World) -> None:
    world.record(publishing("bar", content=b"other", actor=SYSTEM))


def take_down(world: World) -> None:
    world.record(publishing("evil", actor=SYSTEM))
    digest = publishing("evil").files[0].sha256
    world.record(r.Judge("evil", "remove", "case-1", r.Actor("admin", "a", approver="b"), "malware"))
    assert digest == publishing("new").files[0].sha256


def grant_over(world: World) -> None:
    world.record(r.Grant("new", "org-1", "Example", ADMIN))


BETWEEN: list[tuple[Callable[[World], None], str | None]] = [
    (yank_it, None),
    (other_bytes, "for ever"),
    (take_the_new_name, None),
    (take_down, "took down"),
    (grant_over, "is in the namespace new"),
]


@pytest.mark.parametrize(("act", "refused"), BETWEEN, ids=[act.__name__ for act, _ in BETWEEN])
def test_what_changed_since_it_was_decided_is_decided_again(
    world: World, act: Callable[[World], None], refused: str | None
) -> None:
    """As if the import had come after it: nothing that was decided on an older state is written."""
    world.record(publishing("foo", actor=SYSTEM))
    same = publishing("new").files[0].sha256
    line = project("new-one", "1.0")
    line["releases"][0]["files"][0]["sha256"] = same
    entries = [each for each in written(project("foo", "2.0"), project("bar", "2.0"), line) if isinstance(each, Entry)]
    journal = world.service.journal
    with journal.reading() as view:
        stale = prepare(view, entries, world.now)
    assert not stale.problems
    act(world)
    with journal.reading() as view:
        fresh = prepare(view, entries, world.now)
    done = record(journal, entries, stale, world.now)
    assert done.problems == fresh.problems and done.counted == fresh.counted and done.seen == fresh.seen
    assert [problem.why for problem in done.problems if refused and refused in problem.why] or refused is None
    world.service.round()


def test_an_import_that_runs_twice_at_once_brings_everything_once(world: World) -> None:
    lines = written(*MANY[:60])
    entries = [each for each in lines if isinstance(each, Entry)]
    with world.service.journal.reading() as view:
        stale = prepare(view, entries, world.now)
    taken(world, lines)
    before = counts(world)
    done = record(world.service.journal, entries, stale, world.now)
    assert done.counted == Counted(known=60) and counts(world) == before


def test_a_flag_stops_an_import_which_goes_on_once_it_is_cleared(world: World) -> None:
    door = Door(world, bell=Silent())
    assert (
        door.post(
            "/v1/flags/uploads_halted/set",
            {"reason": {"code": "incident"}},
        ).status_code
        < 300
    )
    with pytest.raises(Halted, match="uploads_halted"):
        taken(world, written(*MANY[:3]))
    assert counts(world)["names"] == 0


def test_what_is_around_many_names_is_what_is_around_each(world: World) -> None:
    world.do(
        publishing("foo", actor=SYSTEM),
        publishing("fo0", actor=SYSTEM),
        publishing("bar-baz", actor=SYSTEM),
        r.Grant("bar", "org-1", "Example", ADMIN),
        r.Judge("foo", "quarantine", "case-1", SYSTEM, "malware"),
        r.Prohibit("evil", BECAUSE, ADMIN),
    )
    lines = [project(name, "1.0") for name in ("foo", "f00", "bar-new", "bar", "evi1", "other")]
    for line in lines:
        line["releases"][0]["files"][0]["sha256"] = publishing("x").files[0].sha256
    with world.service.journal.reading() as view:
        policy = view.policy(world.now)
        for line in lines:
            request = next(asked(strict.load(Brought, line)))
            assert isinstance(request, r.Publish)
            found = around_all(view, {request.name: {file.sha256 for file in request.files}}, world.now)
            alone = around(view, view.name(request.name), request, policy, world.now)
            # A name that is taken needs no look at its neighbours; there, to look does no harm.
            assert replace(found[request.name], alike=alone.alike) == alone
            if view.name(request.name).state is None:
                assert found[request.name] == alone


# Killed anywhere.


def home(world: World) -> Path:
    return world.service.folder


def importing(world: World, file: Path, failpoint: str = "", *more: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "repo_service.cli", "import", str(home(world)), str(file), *more]
    environment = {**os.environ, "TALLYSTICK_FAILPOINT": failpoint}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "in.ndjson"
    path.write_bytes(b"".join(json.dumps(each).encode() + b"\n" for each in MANY))
    return path


@pytest.mark.parametrize("point", ["import.before_commit", "import.committed"])
def test_killed_anywhere_and_run_again_an_import_doubles_and_loses_nothing(
    tmp_path: Path, file: Path, point: str
) -> None:
    now = BEGIN + timedelta(days=1)
    world = World(tmp_path / "killed", begin=now)
    whole = World(tmp_path / "whole", begin=now)
    killed = importing(world, file, f"kill:{point}:2", "--processes", "0")
    assert killed.wait(60) == -signal.SIGKILL
    first = counts(world)["names"]
    assert first == (100 if point == "import.before_commit" else 200)
    again = importing(world, file, "", "--processes", "0")
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert f"{230 - first} are new or grew" in out.decode() and f"{first} were taken before" in out.decode()
    taken(whole, written(*MANY))
    assert {name: without_times(each) for name, each in states(world).items()} == {
        name: without_times(each) for name, each in states(whole).items()
    }
    assert counts(world) == {**counts(whole), "pending": 0}


def without_times(state: Any) -> Any:
    """The machine's clock was another than the test's."""
    return re.sub(r"at='[^']*'", "", repr(state))


def test_killed_with_its_processes_it_leaves_none_of_them(tmp_path: Path, file: Path) -> None:
    world = World(tmp_path / "world", begin=BEGIN + timedelta(days=1))
    killed = importing(world, file, "kill:import.committed:1", "--processes", "2")
    assert killed.wait(60) == -signal.SIGKILL
    assert killed.stdout is not None
    killed.stdout.read()  # it ends when the last process that could write to it has ended
    assert importing(world, file, "", "--processes", "2").wait(60) == 0
    assert counts(world)["names"] == 230


# Beside everybody else.


def test_a_yank_is_signed_in_its_own_round_while_an_import_waits_to_be(world: World) -> None:
    """Also when its own name has more of the import waiting, and whatever the import wrote first."""
    world.do(publishing("foo", actor=SYSTEM), publishing("foo", "1.1", actor=SYSTEM))
    taken(world, written(*MANY, project("foo", "2.0")))
    waiting = counts(world)["pending"]
    yank = world.record(r.Yank("foo", "1.0", BECAUSE, r.Actor("admin", "a", approver="b")))
    world.service.round()
    with world.service.journal.reading() as view:
        signed = view.signed_in([yank.id])[yank.id]
    assert signed.published
    assert counts(world)["pending"] == waiting - 2, "of foo all, and of nobody else anything: 2.0 and its end"
    state = world.client().page("foo").state  # type: ignore[union-attr]
    assert state.releases[0].yank is not None and [each.version for each in state.releases] == ["1.0", "1.1", "2.0"]
    while world.service.round():
        pass
    assert counts(world)["pending"] == 0


@pytest.mark.parametrize("point", ["read", "signed"])
def test_a_yank_that_comes_while_much_of_an_import_is_signed_does_not_wait_for_its_end(
    world: World, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made of the large slice is given up: nothing of it was written. Then it goes on in small ones."""
    monkeypatch.setattr(planning, "ASK_S", 0.0)
    monkeypatch.setattr(planning, "BULK", 20)
    world.do(publishing("foo", actor=SYSTEM), publishing("foo", "1.1", actor=SYSTEM))
    for _ in range(LATELY):  # a registry that nobody uses
        world.tick(hours=6)
        world.service.round()
    taken(world, written(*MANY))
    waiting, yanks = counts(world)["pending"], list[ChangeRecord]()

    def come(name: str) -> None:
        if name == f"publish.{point}" and not yanks:
            yanks.append(world.record(r.Yank("foo", "1.0", BECAUSE, r.Actor("admin", "a", approver="b"))))

    failpoint.arm(come)
    try:
        release = world.service.round()
    finally:
        failpoint.arm(None)
    assert release is not None and [page.name for page in release.pages] == ["foo"], "the yank, and nothing else"
    with world.service.journal.reading() as view:
        signed = view.signed_in([yanks[0].id])[yanks[0].id]
    assert signed.published and counts(world)["pending"] == waiting
    world.service.round()
    assert waiting - 40 < counts(world)["pending"] < waiting, "a small slice"
    while world.service.round():
        pass
    assert counts(world)["pending"] == 0


def test_a_publisher_keeps_its_lease_while_it_signs_much_of_an_import(world: World) -> None:
    """Else a second one begins the same after ten seconds, and with that ends the first one's right to commit."""
    taken(world, written(*MANY))
    press = replace(world.service.press, turn=replace(world.service.press.turn, seconds=0.003))

    def forget(name: str) -> None:
        if name == "publish.read":
            press.journal.keep_lease(lease(world).epoch, -1e9)
        if name == "publish.signed":
            kept.append(lease(world).until)

    kept: list[float] = []
    failpoint.arm(forget)
    try:
        publish(press, world.now)
    finally:
        failpoint.arm(None)
    assert kept[0] > 1e9, "seconds since 1970"
    with pytest.raises(Overtaken):
        press.journal.keep_lease(lease(world).epoch - 1, 10)


def test_little_of_an_import_is_signed_beside_somebody_who_comes_all_the_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would never end."""
    monkeypatch.setattr(planning, "ASK_S", 0.0)
    monkeypatch.setattr(planning, "BULK", 20)
    world.do(publishing("foo", actor=SYSTEM))
    taken(world, written(*MANY[:60]))
    waiting = counts(world)["pending"]
    failpoint.arm(lambda name: world.record(publishing("bar", actor=SYSTEM)) if name == "publish.read" else None)
    try:
        world.service.round()
    finally:
        failpoint.arm(None)
    assert counts(world)["pending"] < waiting


def test_what_an_import_leaves_to_sign_turns_nobody_else_away(tmp_path: Path) -> None:
    """503 ``publishing_behind`` counts what comes by the API."""
    door = Door(World(tmp_path / "world", "max_pending = 5\n"), bell=Silent())
    taken(door.world, written(*MANY[:30]))
    assert [door.publish(f"new-{number}").status_code for number in range(3)] == [202, 202, 202]
    door.world.tick(seconds=1)
    assert door.publish("one-more").status_code == 503


def test_who_writes_beside_a_running_import_waits_for_little_of_it(world: World) -> None:
    """A hundred projects are decided before their transaction begins, so most of the time nobody is shut out. A ratio,
    not seconds: this machine may be busy.
    """
    waited: list[float] = []
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.01):
            began = time.perf_counter()
            world.record(publishing(f"beside-{len(waited)}", actor=SYSTEM))
            waited.append(time.perf_counter() - began)

    thread = threading.Thread(target=write)
    thread.start()
    began = time.perf_counter()
    taken(world, written(*(project(f"other-{number}", "1.0", "2.0") for number in range(600))))
    a_hundred = (time.perf_counter() - began) / 6
    stop.set()
    thread.join()
    assert len(waited) > 6 and sorted(waited)[len(waited) // 2] < a_hundred / 2


# Indexes.


def rule(world: World) -> Any:
    with world.service.journal.reading() as view:
        return view.policy(world.now).version_rule


def test_another_index_of_ours_is_brought_with_its_yanks_and_its_status(tmp_path: Path) -> None:
    theirs, ours = World(tmp_path / "theirs"), World(tmp_path / "ours")
    yanked = release("foo", "1.0", yanked={"reason": {"code": "broken", "text": "does not start"}})
    taken(
        theirs,
        written(
            {
                "name": "Foo",
                "releases": [yanked, release("foo", "2.0")],
                "archived": {"reason": {"code": "x", "text": "done"}},
            },
            project("old", "1.0", deprecated={"reason": {"code": "moved", "text": "use new"}}),
            project("bad", "1.0", "1.1"),
        ),
    )
    theirs.service.round()
    app = Door(theirs).app
    listing = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in ("Foo", "old", "bad")]}
    listed = app.response_class(json.dumps(listing), content_type=index.ACCEPT)

    def with_a_listing(environ: Any, respond: Any) -> Any:
        return (listed if environ["PATH_INFO"] == "/simple/" else app)(environ, respond)

    with serving(with_a_listing) as url:
        noted = taken(ours, index.projects(f"{url}/simple/", (), rule(ours)))
        assert noted.problems == [] and noted.counted == Counted(3, 5, 5, 0)
        again = taken(ours, index.projects(f"{url}/simple", (), rule(ours)))
        assert again.counted == Counted(known=3)
        only = World(tmp_path / "only")
        assert taken(only, index.projects(f"{url}/simple/", ("BAD",), rule(only))).counted.grown == 1
    before, after = states(theirs), states(ours)
    assert sorted(before) == sorted(after)
    for name, state in after.items():
        assert [replace(each, yank=None) for each in state.releases] == [
            replace(each, yank=None) for each in before[name].releases
        ]
    foo = after["foo"]
    assert foo.releases[0].yank.mark.reason == Reason("imported", "does not start") and foo.releases[1].yank is None
    assert foo.archived.reason == Reason("imported", "done")
    assert after["old"].deprecated.mark.reason == Reason("imported", "use new")


PAGE = {
    "meta": {"api-version": "1.1"},
    "name": "foo",
    "versions": ["1.0", "1.0.1"],
    "files": [
        {
            "filename": "foo-1.0.tar.gz",
            "url": "../../files/foo-1.0.tar.gz#sha256=x",
            "hashes": {"sha256": "ab" * 32},
            "size": 7,
            "upload-time": "2020-02-02T10:00:00.123456Z",
            "requires-python": ">=3.8",
            "yanked": "bad\nline \u202e and " + "long " * 200,
        },
        {
            "filename": "foo-1.0-py3-none-any.whl",
            "url": "x",
            "hashes": {"sha256": "cd" * 32},
            "size": 8,
            "yanked": False,
        },
        {"filename": "foo-0.9.egg", "url": "x", "hashes": {"sha256": "cd" * 32}, "size": 8},
        {"filename": "foo-1.0.1.tar.gz", "url": "x", "hashes": {"md5": "cd" * 16}, "size": 8},
        {"filename": "foo-1.0.2.tar.gz", "url": "x", "hashes": {"sha256": "ef" * 32}},
    ],
}


def test_a_page_is_read_as_installers_read_it_and_what_cannot_be_signed_is_named() -> None:
    problems: list[Problem] = []
    found = index.read(PAGE, "foo", "https://index.test/simple/foo/", RULES["pep440"], problems)
    assert found is not None
    (only,) = found.releases
    assert (only.version, [file.filename for file in only.files]) == (
        "1.0",
        ["foo-1.0.tar.gz", "foo-1.0-py3-none-any.whl"],
    )
    assert only.files[0].url == "https://index.test/files/foo-1.0.tar.gz"
    assert only.files[0].uploaded_at == "2020-02-02T10:00:00Z" and only.files[0].requires_python == ">=3.8"
    assert only.yanked is not None and only.yanked.reason is not None and only.yanked.reason.text is not None
    assert only.yanked.reason.text.startswith("bad line and long") and len(only.yanked.reason.text) == 512
    assert len(problems) == 3 and all(problem.name == "foo" for problem in problems)


class Moody(BaseHTTPRequestHandler):
    """An index that is busy at first, and whose second project is broken."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, body, more = self.answer()
        self.send_response(status)
        for name, value in {"Content-Type": index.ACCEPT, "Content-Length": str(len(body)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer(self) -> tuple[int, bytes, dict[str, str]]:
        if self.path == "/simple/":
            names = [{"name": each} for each in ("Foo", "broken", "gone", "html")]
            return 200, json.dumps({"projects": names}).encode(), {}
        if self.path == "/simple/foo/":
            busy = self.asked.count(self.path) == 1
            return (429, b"", {"Retry-After": "1"}) if busy else (200, json.dumps(PAGE).encode(), {})
        if self.path == "/simple/broken/":
            return 200, b'{"files": "none"}', {}
        return (404, b"", {}) if self.path == "/simple/gone/" else (200, b"<html>", {"Content-Type": "text/html"})

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def moody() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    with answering(type("Mine", (Moody,), {"asked": asked})) as url:
        yield url, asked


def test_a_busy_index_is_asked_again_when_it_says_and_a_broken_project_stops_no_other(
    world: World, moody: tuple[str, list[str]]
) -> None:
    url, asked = moody
    began = time.monotonic()
    noted = taken(world, index.projects(f"{url}/simple/", (), rule(world)))
    assert time.monotonic() - began >= 1.0 and asked.count("/simple/foo/") == 2
    assert noted.counted.grown == 1
    assert {problem.name for problem in noted.problems} == {"foo", "broken", "gone", "html"}


@pytest.mark.parametrize("path", ["/simple/html/", "/simple/gone/", "/simple/broken/"])
def test_what_is_no_index_is_refused_before_anything_is_written(
    world: World, moody: tuple[str, list[str]], path: str
) -> None:
    with pytest.raises(index.NoIndex, match=re.escape(path)):
        taken(world, index.projects(f"{moody[0]}{path}", (), rule(world)))
    assert counts(world)["names"] == 0


# What a person reads.


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_of_eighty_columns_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repo_service.importing.telling._LIVE_S", 0.0)
    out = Terminal()
    telling = Telling(out, tmp_path / "problems", total=100, done=lambda: 25)
    telling.left_out(Problem("in:1", "bad"))
    for _ in range(3):
        telling.recorded(123_456_789, Counted(1, 2, 987_654_321, 0))
    telling.end()
    written = out.getvalue()
    assert "\n" not in written and all(len(line) < 80 for line in written.split("\r"))
    assert "1 left out, 25%" in written


def test_where_there_is_no_terminal_a_line_comes_every_half_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    telling = Telling(out, tmp_path / "problems")
    telling.recorded(1, Counted(1, 1, 2, 0))
    assert out.getvalue() == ""
    monkeypatch.setattr("repo_service.importing.telling._PLAIN_S", 0.0)
    telling.recorded(1, Counted(1, 1, 2, 0))
    assert re.fullmatch(r"2 projects, 4 files new, \d+ files/s\n", out.getvalue())


def test_all_problems_are_in_a_file_where_they_are_too_many_to_show(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.ndjson"
    path.write_text("{}\n" * 30)
    options = type("O", (), {"source": str(path), "only": (), "processes": 0, "folder": tmp_path})
    assert bringing.bring(world.service, options) == 1  # type: ignore[arg-type]
    said = capsys.readouterr().err
    assert said.count("  left out: ") == 20 and "30 in all" in said
    kept = (tmp_path / "import-problems.ndjson").read_text().splitlines()
    assert len(kept) == 30 and json.loads(kept[29])["where"].endswith("bad.ndjson:30")
