"""``log``: what was refused on this machine, and a file that anything may have damaged."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from keys.times import stamp


def line(ago, **changes):
    noted = {
        "at": stamp(datetime.now(UTC) - timedelta(minutes=ago)),
        "repository": "acme",
        "subject": "simple/colouring",
        "code": "quarantined",
        "detail": "colouring is quarantined since 2026-11-22",
        "program": "pip",
    }
    return json.dumps(noted | changes).encode() + b"\n"


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "home" / "data" / "refusals.jsonl"
    path.parent.mkdir(parents=True)
    return path


def test_nothing_was_refused(terminal):
    assert terminal("log") == 0
    assert terminal.out == "Nothing was refused.\n"
    assert terminal("log", "--json") == 0
    assert json.loads(terminal.out) == {"refusals": [], "unreadable": 0}


def test_refusals_are_told_in_order_with_what_to_do(terminal, log):
    log.write_bytes(line(90) + line(5, code="rollback", subject="the repository", repository=None))
    assert terminal("log") == 0
    first, second = terminal.out.index('simple/colouring of "acme": project is quarantined'), terminal.out.index(
        "the repository: rollback attack detected"
    )  # fmt: skip
    assert first < second and "tallystick explain rollback" in " ".join(terminal.out.split())


@pytest.mark.parametrize("since, count", [("1h", 1), ("2h", 2), ("6m", 1), ("30s", 0), ("1d", 2), ("1w", 2)])
def test_since_leaves_out_what_is_older(terminal, log, since, count):
    log.write_bytes(line(90) + line(5))
    assert terminal("log", "--since", since, "--json") == 0
    assert len(json.loads(terminal.out)["refusals"]) == count


@pytest.mark.parametrize("since", ["1", "h", "-1h", "1y", "0h", "9999999d"])
def test_what_is_no_span_of_time_is_a_usage_error(terminal, since):
    assert terminal("log", f"--since={since}") == 2


def test_json_has_each_refusal_with_its_exit_code(terminal, log):
    log.write_bytes(line(5))
    assert terminal("log", "--json") == 0
    (found,) = json.loads(terminal.out)["refusals"]
    assert (found["code"], found["exit"], found["program"]) == ("quarantined", 7, "pip")


DAMAGE = {
    "half a line": b'{"at":"2026-11-22T10:0',
    "no JSON": b"\xff\xfe\n",
    "another shape": b'{"at":"2026-11-22T10:00:00Z"}\n',
    "no time": line(1, at="yesterday"),
    "a cursor that moves": line(1, detail="fine\u202e"),
    "a code of a newer program": line(1, code="bewitched"),
    "an escape": line(1, subject="x\x1b[2J"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_line_that_cannot_be_read_is_counted_and_the_others_are_told(terminal, log, damage):
    log.write_bytes(line(5) + damage)
    assert terminal("log") == 0
    assert "project is quarantined" in terminal.out and "1 lines of" in " ".join(terminal.err.split())
    assert "\x1b" not in terminal.out and "\u202e" not in terminal.out
    assert terminal("log", "--json") == 0
    assert json.loads(terminal.out)["unreadable"] == 1


def test_the_record_before_is_read_too(terminal, log):
    log.with_name("refusals.jsonl.1").write_bytes(line(90, subject="simple/earlier"))
    log.write_bytes(line(5))
    assert terminal("log") == 0
    assert terminal.out.index("simple/earlier") < terminal.out.index("simple/colouring")


def test_status_tells_the_last_refusals(terminal, log):
    log.write_bytes(b"".join(line(50 - number, subject=f"simple/p{number}") for number in range(5)))
    assert terminal("status") == 0
    assert [f"simple/p{number}" in terminal.out for number in range(5)] == [False, False, True, True, True]
