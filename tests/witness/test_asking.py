"""A service asks witnesses: what verifies by the deadline is used, and whatever else they do costs nothing."""

import http.server
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keys.tlog import notes
from keys.tlog.notes import HeldWitnessKey, Note
from repo_service.operating.metrics import Metrics, WitnessFault
from repo_service.publishing import witnessing
from repo_service.publishing.witnessing import Panel, Witness, Witnesses
from tests.loopback import answering
from tests.servers import free_port
from tests.witness.grounds import NOW, NumberedLog, ml_dsa_key, served, witness_at, witness_key

LOG = NumberedLog()
FORK = NumberedLog(branch=3)
ONE, TWO, THREE = witness_key(1), ml_dsa_key(2), witness_key(3)


class Seen(Metrics):
    """What is counted."""

    def __init__(self) -> None:
        self.asked = Counter[str]()
        self.cosigned = Counter[str]()
        self.failed: list[tuple[str, WitnessFault]] = []

    def witness_asked(self, name: str) -> None:
        self.asked[name] += 1

    def witness_cosigned(self, name: str) -> None:
        self.cosigned[name] += 1

    def witness_failed(self, name: str, fault: WitnessFault) -> None:
        self.failed.append((name, fault))


def now() -> datetime:
    return datetime.fromtimestamp(NOW, UTC)


def asking(*witnesses: Witness, quorum: int = 0, deadline_s: float = 2.0) -> tuple[Witnesses, Seen]:
    seen = Seen()
    panel = Panel(witnesses, frozenset(each.key for each in witnesses) if quorum else frozenset(), quorum)
    return Witnesses(panel, now, metrics=seen, deadline_s=deadline_s), seen


@contextmanager
def real(folder: Path, key: HeldWitnessKey, size: int = 0, log: NumberedLog = LOG) -> Iterator[Witness]:
    """A witness of ours, which cosigned so many leaves of a log before."""
    folder.mkdir(exist_ok=True)
    with witness_at(folder, [log.key], key) as witness, served(witness) as url:
        if size:
            assert witness.add_checkpoint(log.question(0, size))[0] == 200
        yield Witness(url, key.key)


@contextmanager
def another(key: HeldWitnessKey, *answers: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[Witness]:
    """A witness that answers its first question so, and its second so; the last for ever."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            answers[min(len(asked), len(answers)) - 1](self)

        def log_message(self, *args: object) -> None:
            pass

    with answering(Handler) as url:
        yield Witness(url, key.key)


def says(status: int, body: bytes | str, **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    data = body.encode() if isinstance(body, str) else body

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def cosigns(key: HeldWitnessKey, size: int, at: int = NOW, log: NumberedLog = LOG) -> str:
    return str(key.sign(log.checkpoint(size), at))


def later(
    seconds: float, answer: Callable[[http.server.BaseHTTPRequestHandler], None]
) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def wait(handler: http.server.BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        answer(handler)

    return wait


def who(witnesses: Witnesses, size: int, log: NumberedLog = LOG) -> set[str]:
    """The names of those whose cosignature is given, each of which verifies."""
    note = log.note(size)
    found = witnesses.ask(note, log.nodes)
    whole = Note(note.text, note.signatures + found)
    keys = [each.key for each in witnesses._panel.witnesses]
    assert len(notes.cosigned_at(whole, keys)) == len(found)
    return {each.name for each in found}


def test_all_who_answer_cosign(tmp_path: Path) -> None:
    with real(tmp_path / "1", ONE) as one, real(tmp_path / "2", TWO, size=5) as two:
        witnesses, seen = asking(one, two)
        for size in (5, 8, 8, 300):
            assert who(witnesses, size) == {one.key.name, two.key.name}
        assert seen.failed == []
        assert seen.asked == {one.key.name: 3, two.key.name: 3}, "a checkpoint that is cosigned is not asked for again"


@pytest.mark.parametrize("size", [1, 4, 7])
def test_a_witness_that_knows_more_than_we_remember_is_asked_again_from_there(size: int, tmp_path: Path) -> None:
    with real(tmp_path / "1", ONE, size=size) as one:
        witnesses, seen = asking(one)
        assert who(witnesses, 7) == {one.key.name}
        assert seen.asked == {one.key.name: 1}


def test_the_tree_is_read_by_the_thread_that_asks(tmp_path: Path) -> None:
    """It may be a database's connection."""
    threads = set[int]()

    def nodes(height: int, number: int) -> bytes:
        threads.add(threading.get_ident())
        return LOG.nodes(height, number)

    with real(tmp_path / "1", ONE, size=5) as one, real(tmp_path / "2", TWO, size=3) as two:
        assert len(asking(one, two)[0].ask(LOG.note(7), nodes)) == 2
    assert threads == {threading.get_ident()}


def test_who_is_away_costs_nothing_and_is_left_alone(tmp_path: Path) -> None:
    with real(tmp_path / "1", ONE) as one:
        away = Witness(f"http://127.0.0.1:{free_port()}", TWO.key)
        witnesses, seen = asking(one, away)
        begun = time.monotonic()
        for size in (5, 6, 7, 8):
            assert who(witnesses, size) == {one.key.name}
        assert time.monotonic() - begun < 1
        assert seen.failed == [(away.key.name, "away")] and seen.asked[away.key.name] == 1


def test_who_is_away_is_asked_less_and_less_often_and_then_every_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(witnessing, "monotonic", lambda: clock[0])
    witnesses, seen = asking(Witness(f"http://127.0.0.1:{free_port()}", ONE.key))
    rests = []
    for size in range(1, 10):
        assert who(witnesses, size) == set()
        rests.append(witnesses._lines[0].rests_until - clock[0])
        clock[0] += rests[-1] - 0.01
        who(witnesses, size)
        assert len(seen.failed) == size
        clock[0] += 0.01
    assert rests == pytest.approx([5, 10, 20, 40, 80, 160, 300, 300, 300])


def test_who_is_slow_is_not_waited_for_and_what_it_says_later_counts(tmp_path: Path) -> None:
    slow = later(0.6, says(200, cosigns(TWO, 5)))
    with real(tmp_path / "1", ONE) as one, another(TWO, slow) as two:
        witnesses, seen = asking(one, two, deadline_s=0.3)
        begun = time.monotonic()
        assert who(witnesses, 5) == {one.key.name}
        assert time.monotonic() - begun < 0.5
        assert seen.failed == [(two.key.name, "late")]
        time.sleep(0.6)
        begun = time.monotonic()
        assert who(witnesses, 5) == {one.key.name, two.key.name}
        assert time.monotonic() - begun < 0.2 and seen.asked[two.key.name] == 1


def test_what_comes_late_for_an_older_checkpoint_is_not_used(tmp_path: Path) -> None:
    with another(ONE, later(0.4, says(200, cosigns(ONE, 5))), says(200, cosigns(ONE, 6))) as one:
        witnesses, _ = asking(one, deadline_s=0.1)
        assert who(witnesses, 5) == set()
        time.sleep(0.5)
        assert who(witnesses, 6) == set()


def test_with_a_quorum_nobody_else_is_waited_for(tmp_path: Path) -> None:
    with (
        real(tmp_path / "1", ONE) as one,
        real(tmp_path / "2", TWO) as two,
        another(THREE, later(3, says(500, ""))) as slow,
    ):
        witnesses, seen = asking(one, two, slow, quorum=2)
        begun = time.monotonic()
        assert who(witnesses, 5) == {one.key.name, two.key.name}
        assert who(witnesses, 6) == {one.key.name, two.key.name}
        assert time.monotonic() - begun < 1.5 and seen.failed == []


def test_a_witness_that_says_nothing_to_the_end_holds_up_nobody(tmp_path: Path) -> None:
    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            for _ in range(20):
                handler.wfile.write(b"x")
                time.sleep(0.1)
        except OSError:
            pass
        handler.close_connection = True

    with another(ONE, drip) as one:
        witnesses, seen = asking(one, deadline_s=0.3)
        for size in (5, 6, 7):
            begun = time.monotonic()
            assert who(witnesses, size) == set()
            assert time.monotonic() - begun < 0.5
        assert seen.failed == [(one.key.name, "late")] and seen.asked[one.key.name] == 1


OTHERS: dict[str, tuple[list[Callable[[http.server.BaseHTTPRequestHandler], None]], WitnessFault]] = {
    "nothing": ([says(200, "")], "rubbish"),
    "a page": ([says(200, "<html>Welcome</html>")], "rubbish"),
    "no text": ([says(200, b"\xff\xfe")], "rubbish"),
    "no size": ([says(409, "many\n")], "rubbish"),
    "a size without its end": ([says(409, "3")], "rubbish"),
    "a size in other digits": ([says(409, "\u0663\n")], "rubbish"),
    "a size that is no number of 63 bits": ([says(409, "9" * 5000 + "\n")], "rubbish"),
    "a megabyte": ([says(200, b"x" * (1 << 20))], "rubbish"),
    "the signature of another": ([says(200, cosigns(THREE, 7))], "signature"),
    "a signature on another size": ([says(200, cosigns(ONE, 6))], "signature"),
    "a signature on another tree": ([says(200, cosigns(ONE, 7, log=FORK))], "signature"),
    "a signature of another under its name": ([says(200, cosigns(witness_key(9, ONE.key.name), 7))], "signature"),
    "a signature without a time": ([says(200, cosigns(ONE, 7, at=0))], "signature"),
    "a time to come": ([says(200, cosigns(ONE, 7, at=NOW + 301))], "clock"),
    "a time gone by": ([says(200, cosigns(ONE, 7, at=NOW - 301))], "clock"),
    "that it has more than we": ([says(409, "8\n")], "ahead"),
    "that it cannot follow": ([says(422, "no")], "fork"),
    "that it does not know us": ([says(404, "who?")], "refused"),
    "that it does not know our key": ([says(403, "who?")], "refused"),
    "that it is broken": ([says(500, "")], "refused"),
    "another size each time": ([says(409, "3\n"), says(409, "4\n"), says(409, "5\n")], "refused"),
    "the size that it was told": ([says(409, "0\n")], "refused"),
    "that somebody else knows": ([says(307, "", Location="http://127.0.0.1:9/add-checkpoint")], "refused"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_whatever_else_a_witness_says_is_not_used_and_counted(case: str) -> None:
    answers, fault = OTHERS[case]
    with another(ONE, *answers) as one:
        witnesses, seen = asking(one)
        begun = time.monotonic()
        assert who(witnesses, 7) == set()
        assert time.monotonic() - begun < 1.5
        assert seen.failed == [(one.key.name, fault)] and not seen.cosigned


@pytest.mark.parametrize("case", ["that it has more than we", "that it cannot follow", "a page", "that it is broken"])
def test_what_is_about_us_is_an_error_and_the_rest_a_warning(case: str, caplog: pytest.LogCaptureFixture) -> None:
    answers, fault = OTHERS[case]
    with another(ONE, *answers) as one:
        assert who(asking(one)[0], 7) == set()
    (record,) = (record for record in caplog.records if record.name == witnessing.__name__)
    assert record.levelno == (logging.ERROR if fault in ("ahead", "fork") else logging.WARNING)


def test_its_own_signature_is_found_among_others() -> None:
    with another(ONE, says(200, cosigns(THREE, 7) + cosigns(TWO, 7) + cosigns(ONE, 7))) as one:
        witnesses, seen = asking(one)
        assert who(witnesses, 7) == {one.key.name} and seen.failed == []


def test_one_who_hangs_up_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        witnesses, seen = asking(Witness(f"http://127.0.0.1:{listener.getsockname()[1]}", ONE.key))
        assert who(witnesses, 5) == set()
        assert seen.failed == [(ONE.key.name, "away")]
        thread.join()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999", "http://[", "http://\x00", "http://nobody.invalid", "ftp://x"]
)
def test_an_address_that_leads_nowhere_is_no_error_of_ours(url: str) -> None:
    witnesses, seen = asking(Witness(url, ONE.key))
    assert who(witnesses, 5) == set()
    assert [fault for _, fault in seen.failed] in (["away"], ["late"])


def test_a_log_that_forks_is_told_so_by_a_real_witness(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with real(tmp_path / "1", ONE, size=5) as one:
        witnesses, seen = asking(one)
        assert who(witnesses, 7, FORK) == set()
        assert seen.failed == [(one.key.name, "fork")]
        assert "refuses this log" in caplog.text


def test_a_log_that_was_set_back_is_told_so_by_a_real_witness(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with real(tmp_path / "1", ONE, size=9) as one:
        witnesses, seen = asking(one)
        assert who(witnesses, 7) == set()
        assert seen.failed == [(one.key.name, "ahead")]
        assert "more of this log than we have" in caplog.text


def test_a_witness_that_forgot_what_it_cosigned_is_told_of_once() -> None:
    clock = [1000.0]
    with (
        pytest.MonkeyPatch.context() as patched,
        another(ONE, says(200, cosigns(ONE, 7)), says(409, "5\n"), says(200, cosigns(ONE, 8))) as one,
    ):
        patched.setattr(witnessing, "monotonic", lambda: clock[0])
        witnesses, seen = asking(one)
        assert who(witnesses, 7) == {one.key.name}
        assert who(witnesses, 8) == set()
        assert seen.failed == [(one.key.name, "forgot")]
        clock[0] += 5
        assert who(witnesses, 8) == {one.key.name}
        assert seen.failed == [(one.key.name, "forgot")]


def test_nobody_is_asked_where_nobody_is_named() -> None:
    assert asking()[0].ask(LOG.note(5), LOG.nodes) == ()
