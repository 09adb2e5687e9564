"""What is fetched before it is asked for: each file once, bounded, and judged by nobody until somebody asks."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tuf.api.exceptions import DownloadError, DownloadLengthMismatchError
from tuf.ngclient.fetcher import FetcherInterface

from client_verify.answers import Found
from client_verify.fetching.ahead import Ahead, Crew, Turns
from client_verify.installing import foresight
from client_verify.refusals import Refused
from keys import names
from tests import paper
from tests.servers import until


class Slow(FetcherInterface):
    """Every file takes a moment; counts who asks, and how many wait at once."""

    def __init__(self, inner: FetcherInterface, seconds: float = 0.05) -> None:
        self.inner = inner
        self.seconds = seconds
        self.asked: list[str] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def _fetch(self, url: str) -> Iterator[bytes]:
        with self._lock:
            self.asked.append(url)
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(self.seconds)
        with self._lock:
            self._now -= 1
        return self.inner.fetch(url)


class Files(FetcherInterface):
    def __init__(self, **files: bytes) -> None:
        self.files = files

    def _fetch(self, url: str) -> Iterator[bytes]:
        if url not in self.files:
            raise DownloadError(f"{url}: connection refused")
        return iter([self.files[url]])


PLAIN: dict[str, Any] = {"keyids": [], "threshold": 1, "bit_length": 2, "name_prefix": "bin"}


def together(*tasks: Any) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def settled(crew: Crew) -> None:
    """Wait until a crew has nothing to do."""
    until(lambda: not crew._working, 10)


# The parts.


def test_one_file_that_several_threads_want_is_fetched_once() -> None:
    slow = Slow(Files(a=b"1"))
    ahead = Ahead(slow)
    found: list[bytes] = []
    together(*[lambda: found.append(ahead.fetched("a", 10))] * 5)
    assert found == [b"1"] * 5 and slow.asked == ["a"]


def test_what_is_here_is_given_once_and_then_asked_for_as_ever() -> None:
    slow = Slow(Files(a=b"1"))
    ahead = Ahead(slow)
    ahead.fetched("a", 10)
    assert ahead.download_bytes("a", 10) == b"1" and slow.asked == ["a"]
    with ahead.download_file("a", 10) as file:
        assert file.read() == b"1"
    assert slow.asked == ["a", "a"]


def test_what_came_ahead_is_no_longer_than_who_asks_allows() -> None:
    ahead = Ahead(Files(a=b"12345"))
    for ask in (ahead.download_bytes, lambda url, most: ahead.download_file(url, most).__enter__()):
        ahead.fetched("a", 10)
        with pytest.raises(DownloadLengthMismatchError):
            ask("a", 4)


def test_what_could_not_be_had_ahead_is_tried_again_when_it_is_asked_for() -> None:
    files = Files()
    ahead = Ahead(files)
    with pytest.raises(DownloadError):
        ahead.fetched("a", 10)
    ahead.drop_failed()
    files.files["a"] = b"1"
    assert ahead.download_bytes("a", 10) == b"1"


def test_no_more_is_held_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client_verify.fetching.ahead.MAX_HELD", 2)
    slow = Slow(Files(a=b"11", b=b"22"), 0)
    ahead = Ahead(slow)
    assert ahead.fetched("a", 10) == b"11" and ahead.fetched("b", 10) == b"22"
    assert ahead.download_bytes("b", 10) == b"22" and slow.asked == ["a", "b", "b"]
    assert ahead.download_bytes("a", 10) == b"11" and slow.asked == ["a", "b", "b"]
    ahead.fetched("b", 10)
    assert ahead.download_bytes("b", 10) == b"22" and slow.asked == ["a", "b", "b", "b"]


def test_a_crew_is_small_drops_what_is_too_much_and_hears_no_errors() -> None:
    crew, begun, gate = Crew(threads=2, most=3), [], threading.Event()

    def task() -> None:
        begun.append(threading.current_thread())
        gate.wait(5)
        raise DownloadError("nobody asked")

    for _ in range(20):
        crew.add(task)
        time.sleep(0.001)
    gate.set()
    settled(crew)
    assert len(begun) <= 2 + 3 and len(set(begun)) <= 2
    assert all(thread.daemon for thread in begun)


def test_turns_are_taken_one_by_one_for_a_key_and_leave_nothing() -> None:
    turns, within, most = Turns(), [], []

    def task() -> None:
        with turns.of("a"):
            within.append(1)
            most.append(len(within))
            time.sleep(0.01)
            within.pop()

    together(*[task] * 5)
    assert most == [1] * 5 and turns._locks == {}


# A session.


@pytest.fixture
def many(world: Any) -> list[Any]:
    states = [paper.project(world.now, f"p{number}") for number in range(12)]
    for state in states:
        world.repository.say(state)
    world.publish()
    return states


def test_names_that_are_asked_for_at_once_do_not_wait_for_each_other(world: Any, many: list[Any]) -> None:
    slow = world.fetcher = Slow(world.fetcher)
    session, found = world.session(), {}
    slow.most = 0
    together(*[lambda state=state: found.update({state.name: session.page(state.name)}) for state in many])
    assert found == {state.name: Found(state) for state in many}
    assert slow.most > 4


def test_one_name_that_is_asked_for_at_once_is_fetched_once(world: Any, many: list[Any]) -> None:
    slow = world.fetcher = Slow(world.fetcher)
    session = world.session()
    slow.asked.clear()
    together(*[lambda: session.page("p1")] * 6)
    assert len(slow.asked) == len({*slow.asked}) == 3  # bins, the bin, the page


def test_what_was_prefetched_is_not_fetched_again_when_it_is_asked_for(world: Any, many: list[Any]) -> None:
    session = world.session()
    session.prefetch([state.name for state in many])
    settled(session._crew)
    world.fetcher.asked.clear()
    assert [session.page(state.name) for state in many] == [Found(state) for state in many]
    assert world.fetcher.asked == []


def test_a_prefetch_verifies_stores_and_refuses_nothing(world: Any, many: list[Any]) -> None:
    """Only what is asked for is judged: a forged bin for a name that nobody wants is nobody's business."""
    session = world.session()
    before = {path: path.read_bytes() for path in world.directory.rglob("*") if path.is_file()}
    good = world.repository.files[world.repository.bin_file("p1")]
    world.repository.files[world.repository.bin_file("p1")] = good.replace(b'"length":', b'"length":1')
    session.prefetch(["p1", "nobody-has-it"])
    settled(session._crew)
    assert {path: path.read_bytes() for path in world.directory.rglob("*") if path.is_file()} == before
    with pytest.raises(Refused) as caught:
        session.page("p1")
    assert caught.value.code == "invalid"


def test_a_file_that_came_ahead_and_is_wrong_is_fetched_again_before_anybody_is_accused(
    world: Any, many: list[Any]
) -> None:
    session = world.session()
    page = world.repository.page_file("p1")
    good, world.repository.files[page] = world.repository.files[page], b"{}"
    session.prefetch(["p1"])
    settled(session._crew)
    world.repository.files[page] = good
    with pytest.raises(Refused) as caught:
        session.page("p1")
    assert caught.value.code == "mismatch"
    assert session.page("p1") == Found(many[1])


def test_a_session_that_was_idle_for_long_has_all_its_time_for_the_next_question(world: Any, many: list[Any]) -> None:
    session = world.session()
    session._supply._hurried._until = time.monotonic() - 1
    assert session.page("p1") == Found(many[1])


def test_what_a_prefetch_could_not_get_is_asked_for_again(world: Any, many: list[Any]) -> None:
    session = world.session()
    world.fetcher.broken = True
    session.prefetch(["p1"])
    settled(session._crew)
    world.fetcher.broken = False
    assert session.page("p1") == Found(many[1])


def test_a_hash_that_is_none_leads_nowhere(world: Any, many: list[Any]) -> None:
    """An unverified bin says where to look, and only below the repository's own address."""
    session = world.session()
    path = world.repository.bin_file("p1")
    data = world.repository.files[path]
    start = data.index(b'"sha256":"', data.index(names.page_path("p1").encode())) + len(b'"sha256":"')
    world.repository.files[path] = data[:start] + b"../" * 21 + b"x" + data[start + 64 :]
    world.fetcher.asked.clear()
    session.prefetch(["p1"])
    settled(session._crew)
    assert path in world.fetcher.asked
    assert not [asked for asked in world.fetcher.asked if asked.startswith("targets/")]


FORGED_BINS = (
    {"delegations": None},
    {"delegations": {"keys": {}, "roles": []}},
    {"delegations": {"keys": {}, "succinct_roles": dict(PLAIN, name_prefix="../../bin")}},
    {"delegations": {"keys": {}, "succinct_roles": dict(PLAIN, name_prefix="bin\ud800")}},
    {"_type": "snapshot", "meta": {}},
    {"targets": {names.page_path("p1"): {"length": 1.5, "hashes": {"sha256": "0" * 64}}}},
)


@pytest.mark.parametrize("forged", FORGED_BINS)
def test_whatever_an_unverified_file_says_the_answer_is_python_tufs(
    world: Any, many: list[Any], forged: dict[str, Any]
) -> None:
    path = world.repository.newest("bins")
    body = json.loads(world.repository.files[path])
    body["signed"] |= forged
    body["signed"] = {key: value for key, value in body["signed"].items() if value is not None}
    world.repository.files[path] = json.dumps(body).encode()
    world.fetcher.asked.clear()
    with pytest.raises(Refused) as caught:
        world.session().page("p1")
    assert caught.value.code == "invalid"
    assert not [asked for asked in world.fetcher.asked if ".." in asked or asked.startswith("targets/")]


def test_the_timestamp_comes_while_a_newer_root_is_looked_for(world: Any) -> None:
    world.publish()
    slow = world.fetcher = Slow(world.fetcher)
    world.session()
    assert slow.most == 2
    assert len(slow.asked) == len({*slow.asked})


# What comes next.


def test_names_are_taken_from_a_command_line_and_its_requirements_files(tmp_path: Any) -> None:
    (tmp_path / "r.txt").write_text("# all\nFlask==3 \\\n  --hash=sha256:00\nrich>=1 # why\n-e .\n./x.whl\n")
    command = ["/venv/bin/pip", "install", "-q", "Requests[socks]>=2", "./here", "-r", "r.txt", "-rr.txt"]
    assert foresight.named(command, tmp_path) == ["requests", "r-txt", "flask", "rich"]
    assert foresight.named(["uv", "pip", "sync", "--requirements=r.txt", "-r"], tmp_path) == ["flask", "rich"]
    assert foresight.named(["pip", "install", "-r", "missing.txt"], tmp_path) == ["missing-txt"]


def test_names_are_taken_from_lock_files_unless_pip_is_asked(tmp_path: Any) -> None:
    (tmp_path / "uv.lock").write_text('[[package]]\nname = "Flask"\ndependencies = [\n  { name = "x" },\n]\n')
    assert foresight.named(["uv", "sync"], tmp_path) == ["flask"]
    assert foresight.named(["uv", "pip", "install", "-e", "."], tmp_path) == []
    assert foresight.named(["python", "-m", "pip", "install", "."], tmp_path) == []


def test_core_metadata_names_what_it_requires_here_without_extras() -> None:
    metadata = (
        b"Metadata-Version: 2.1\nName: x\nRequires-Dist: Jinja2>=3\nRequires-Dist: y; extra == 'z'\n"
        b"Requires-Dist: w; python_version < '3'\nRequires-Dist: !!\n\nRequires-Dist: not-this\n"
    )
    assert foresight.required(metadata) == ["jinja2"]
    assert foresight.required(b"\xff\x00") == []


def test_a_served_page_brings_its_metadata_and_the_pages_that_it_requires(world: Any) -> None:
    needs = paper.wheel("app", "1.0", requires=["dep"])
    for name, artifact in (("app", needs), ("dep", paper.wheel("dep", "1.0"))):
        world.repository.add_file(name, artifact.filename, artifact.data, artifact.metadata)
        world.repository.say(paper.project(world.now, name, paper.release(world.now, "1.0", artifact)))
    world.publish()
    verifier = world.verifier()
    ahead = foresight.Foresight(verifier)
    ahead.page(verifier.ask("app").state)
    settled(ahead._crew)
    settled(verifier.session("dep")._crew)
    world.fetcher.asked.clear()
    verifier.ask("dep")
    state = verifier.ask("app").state
    with verifier.metadata("app", state.releases[0].files[0]) as body:
        assert body.read() == needs.metadata
    assert world.fetcher.asked == []
