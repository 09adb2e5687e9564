"""The registry's own numbers: whatever order its changes come in, they are decided in the one in which it made them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keys.state import Reason
from keys.times import stamp
from repo_service.accepting import halting, intake, sequences
from repo_service.accepting.intake import Sender
from repo_service.domain import flags
from repo_service.domain import requests as r
from repo_service.domain.notices import GAP_ALARM
from repo_service.storage.journal import Journal
from repo_service.storage.tables import open_engine
from repo_service.wiring import open_service
from tests.service.door import Door, publication
from tests.world import BECAUSE, BEGIN, World, publishing
from tests.world import OWNER as HOLDER

OWNER: Final = {"kind": "owner", "id": "a", "approver": "b"}
RELEASE: Final = "/v1/projects/foo/releases/1.0"
WHY: Final = {"code": "broken", "text": "does not start"}


def publish(door: Door, seq: int | None, version: str = "1.0", **more: Any) -> Any:
    body = publication("foo", version, OWNER) | ({} if seq is None else {"source_seq": seq})
    return door.post(f"/v1/projects/foo/releases/{version}/publish", body, **more)


def yank(door: Door, seq: int, version: str = "1.0", **more: Any) -> Any:
    body = {"reason": WHY, "actor": OWNER, "source_seq": seq}
    return door.post(f"/v1/projects/foo/releases/{version}/yank", body, **more)


def unyank(door: Door, seq: int) -> Any:
    return door.post(f"{RELEASE}/unyank", {"actor": OWNER, "source_seq": seq})


def history(door: Door) -> list[str]:
    return [each["type"] for each in door.get("/v1/names/foo/history").get_json()["events"]]


def status(door: Door, answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = door.get(f"/v1/changes/{answer.get_json()['change']}").get_json()
    return found


def test_what_comes_too_early_is_held_and_done_when_its_turn_comes(door: Door) -> None:
    """Edge case 49: a restore before its removal is held, then both are applied in order."""
    early = yank(door, 2)
    assert early.status_code == 202
    assert {key: early.get_json()[key] for key in ("status", "source_seq", "waits_for", "changed")} == {
        "status": "held", "source_seq": 2, "waits_for": 1, "changed": False,
    }  # fmt: skip
    assert door.get("/v1/names/foo").status_code == 404
    assert publish(door, 1).get_json()["status"] in ("accepted", "signed")
    assert history(door) == ["project.created", "release.published", "release.yanked"]
    assert (status(door, early)["status"], status(door, early)["serial"]) == ("signed", 3)


def test_a_repeat_is_answered_from_the_ledger_whatever_its_key(door: Door) -> None:
    first, again = publish(door, 1, key="one"), publish(door, 1, key="two")
    assert again.get_json()["change"] == first.get_json()["change"]
    held, held_again = yank(door, 3), yank(door, 3)
    assert held_again.get_json() == held.get_json()
    assert len(history(door)) == 2


def test_one_number_stands_for_one_request_and_one_key_too(door: Door) -> None:
    publish(door, 1, key="one")
    other = yank(door, 1)
    assert (other.status_code, other.get_json()["code"]) == (409, "source_seq_reused")
    for answer in (yank(door, 2, key="one"), publish(door, None, "2.0", key="one")):
        assert answer.get_json()["code"] in ("idempotency_key_reused", "source_seq_missing")
    yank(door, 5, key="held")
    assert yank(door, 6, key="held").get_json()["code"] == "idempotency_key_reused"
    reserved = door.post("/v1/names/bar/reserve", {"actor": OWNER}, key="held")
    assert reserved.get_json()["code"] == "idempotency_key_reused"
    assert len(history(door)) == 2


def test_what_is_refused_when_its_turn_comes_is_kept_with_its_reasons_and_the_sequence_goes_on(door: Door) -> None:
    wrong, right = yank(door, 2, "9.9"), yank(door, 3)
    publish(door, 1)
    found = status(door, wrong)
    assert (found["status"], found["reasons"][0]["code"]) == ("refused", "release_not_found")
    assert found["policy"] == "standard/1"
    assert status(door, right)["status"] == "signed"
    again = yank(door, 2, "9.9")
    assert (again.status_code, again.get_json()["change"]) == (404, found["change"])


def test_a_refusal_in_turn_uses_the_number_so_that_every_order_ends_the_same(door: Door) -> None:
    answer = yank(door, 1)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "release_not_found")
    assert "the number 1 is used" in answer.get_json()["detail"]
    assert status(door, answer)["status"] == "refused"
    assert publish(door, 2).status_code in (200, 202)


def test_a_numbered_project_takes_no_change_of_the_registrys_without_a_number(door: Door) -> None:
    publish(door, 1)
    answer = publish(door, None, "2.0")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "source_seq_missing")
    admins = {"reason": WHY, "actor": {"kind": "admin", "id": "x", "approver": "y"}}
    assert door.post("/v1/projects/foo/quarantine", admins).status_code in (200, 202)
    with_number = door.post("/v1/projects/foo/clear", {**admins, "source_seq": 2})
    assert (with_number.status_code, with_number.get_json()["code"]) == (422, "malformed")


def test_a_preview_uses_no_number(door: Door) -> None:
    body = {**publication("foo", "1.0", OWNER), "source_seq": 7}
    assert door.post(f"{RELEASE}/publish?dry_run=true", body).status_code == 200
    assert publish(door, None).status_code in (200, 202)


@pytest.mark.parametrize("number", [0, -1, "1", True, 1.5])
def test_what_is_no_number_is_malformed(door: Door, number: Any) -> None:
    answer = door.post(f"{RELEASE}/publish", {**publication("foo", "1.0", OWNER), "source_seq": number})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "malformed")


def test_a_number_far_ahead_is_refused_before_it_fills_the_ledger(door: Door) -> None:
    assert yank(door, sequences.FURTHEST).status_code == 202
    answer = yank(door, sequences.FURTHEST + 1)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "source_seq_too_far")


def test_a_serial_goes_with_no_number(door: Door) -> None:
    assert publish(door, 1, **{"If-Match": '"serial-0"'}).status_code == 422


# Gaps.


def test_a_gap_is_seen_in_the_status_at_once_and_in_the_notices_after_a_while(door: Door) -> None:
    publish(door, 1)
    assert door.get("/v1/status").get_json()["oldest_held"] is None
    since = "2026-11-22T10:00:00Z"
    yank(door, 3)
    yank(door, 4)
    found = door.get("/v1/status").get_json()
    assert (found["held"], found["oldest_held"]) == (2, {"name": "foo", "waits_for": 2, "held": 2, "since": since})
    door.world.tick(seconds=GAP_ALARM.total_seconds() - 1)
    assert door.get("/v1/notices").get_json()["notices"] == []
    door.world.tick(seconds=1)
    (notice,) = door.get("/v1/notices").get_json()["notices"]
    assert (notice["audience"], notice["id"]) == ("registry", "foo/source-seq/2")
    door.world.tick(days=80)
    assert len(door.get("/v1/notices").get_json()["notices"]) == 1


def test_a_number_that_will_not_come_is_given_up_and_what_waited_is_done(door: Door) -> None:
    publish(door, 1)
    late = [yank(door, 3), unyank(door, 5), yank(door, 9)]
    answer = door.post("/v1/projects/foo/skip", {"through": 4})
    assert (answer.status_code, answer.get_json()) == (200, {"name": "foo", "last": 5})
    assert history(door)[2:] == ["release.yanked", "release.unyanked"]
    assert [status(door, each)["status"] for each in late] == ["signed", "signed", "held"]
    assert yank(door, 2).get_json()["code"] == "source_seq_given_up"
    assert door.post("/v1/projects/foo/skip", {"through": 4}).get_json()["last"] == 5


def test_a_sequence_that_is_older_than_this_service_begins_where_skip_says(door: Door) -> None:
    assert door.post("/v1/projects/foo/skip", {"through": 4711}).get_json()["last"] == 4711
    assert publish(door, 4712).get_json()["changed"]


@pytest.mark.parametrize("body", [{}, {"through": 0}, {"through": "4"}, {"through": 4, "more": 1}])
def test_what_is_no_skip_changes_nothing(door: Door, body: Any) -> None:
    assert door.post("/v1/projects/foo/skip", body).status_code == 422
    with door.world.service.journal.reading() as view:
        assert view.sequence("foo") is None


# Batches.


def items(*numbers: int) -> dict[str, Any]:
    verbs = {
        1: {"verb": "publish", **publication("foo", "1.0", OWNER)},
        2: {"verb": "yank", "reason": WHY, "actor": OWNER},
        3: {"verb": "unyank", "actor": OWNER},
        4: {"verb": "restore", "reason": WHY, "actor": {"kind": "system"}, "version": "9.9"},
    }
    return {"items": [{"name": "foo", "version": "1.0", **verbs[n], "source_seq": n} for n in numbers]}


def test_a_batch_is_put_in_order_too_and_what_waits_waits(door: Door) -> None:
    answer = door.post("/v1/batch", items(3, 1))
    assert (answer.status_code, [each["status"] for each in answer.get_json()["items"]]) == (202, ["held", "signed"])
    answer = door.post("/v1/batch", items(3, 2))
    assert [each["status"] for each in answer.get_json()["items"]] == ["signed", "signed"]
    assert history(door)[2:] == ["release.yanked", "release.unyanked"]


def test_a_refused_item_of_a_batch_uses_no_number_of_the_whole(door: Door) -> None:
    answer = door.post("/v1/batch", items(4, 2, 3, 1))
    assert (answer.status_code, answer.get_json()["item"]) == (404, 0)
    with door.world.service.journal.reading() as view:
        assert view.sequence("foo") is None and view.gaps() == []


def test_a_batch_has_numbers_or_none(door: Door) -> None:
    mixed = items(1, 2)
    del mixed["items"][1]["source_seq"]
    assert door.post("/v1/batch", mixed).status_code == 422
    assert door.get("/v1/names/foo").status_code == 404


# Flags.


def test_what_a_flag_halts_waits_and_is_not_lost(world: World) -> None:
    door = Door(world)
    publish(door, 1)
    held = yank(door, 3)
    reason = Reason("incident")
    halting.set_flag(world.service.journal, flags.SetFlag("deletions_halted", reason), "tests", None, world.now)
    assert publish(door, 2, "2.0").status_code in (200, 202)
    assert status(door, held)["status"] == "held"
    answer = yank(door, 4)
    assert answer.get_json()["status"] == "held"
    halting.clear_flag(world.service.journal, flags.ClearFlag("deletions_halted", reason), "tests", None, world.now)
    world.service.round()
    assert status(door, held)["status"] == "signed"


def test_a_change_in_turn_that_a_flag_stops_is_503_and_uses_no_number(door: Door) -> None:
    publish(door, 1)
    reason = Reason("incident")
    journal, now = door.world.service.journal, door.world.now
    halting.set_flag(journal, flags.SetFlag("read_only", reason), "tests", None, now)
    assert (yank(door, 2).status_code, yank(door, 2).get_json()["code"]) == (503, "flag_read_only")
    halting.clear_flag(journal, flags.ClearFlag("read_only", reason), "tests", None, now)
    assert yank(door, 2).get_json()["changed"]


# Any order.

SENT: Final[tuple[r.Request, ...]] = (
    publishing("foo"),
    publishing("foo", "2.0"),
    r.Yank("foo", "1.0", BECAUSE, HOLDER),
    r.Yank("foo", "7.0", BECAUSE, HOLDER),
    r.Unyank("foo", "1.0", None, HOLDER),
    r.Archive("foo"),
    publishing("foo", "3.0"),
    r.Unarchive("foo"),
)


@contextmanager
def fresh(world: World) -> Iterator[Journal]:
    """A journal in memory that knows the world's policy and offline files, and no name."""
    engine = open_engine("sqlite://")
    journal = Journal(engine)
    journal.create()
    with world.service.journal.reading() as view:
        policies, releases = view.policies(), [view.stage(number) for number in view.staged()]
        assert releases == []
        targets = view.newest("targets")
    journal_files(journal, targets)
    with journal.writing() as pen:
        for each in policies:
            pen.add_policy(each)
    yield journal
    engine.dispose()


def journal_files(journal: Journal, targets: bytes) -> None:
    from sqlalchemy import insert

    from repo_service.storage import tables as t

    with journal.writing() as pen:
        connection = pen._connection
        release = {
            "generation": 1,
            "epoch": 1,
            "snapshot": 1,
            "signed_at": stamp(BEGIN),
            "timestamp": b"",
            "expires": stamp(BEGIN),
            "published": 1,
        }
        connection.execute(insert(t.releases), release)
        connection.execute(insert(t.roles), {"role": "targets", "version": 1, "expires": "2027-11-22T10:00:00Z"})
        file = {
            "path": "metadata/1.targets.json",
            "release": 1,
            "position": 0,
            "length": 0,
            "sha256": "",
        }
        connection.execute(insert(t.files), file)
        connection.execute(insert(t.bodies), {"path": file["path"], "body": targets})


def delivered(world: World, order: list[int]) -> tuple[Any, ...]:
    """What the journal says of foo after these deliveries, each by its place in ``SENT``."""
    with fresh(world) as journal:
        for time, place in enumerate(order):
            asked = sequences.Numbered(SENT[place], place + 1)
            try:
                sequences.record(journal, asked, Sender("registry", f"{place}-{time % 2}"), world.now)
            except sequences.RefusedInTurn as refused:
                assert [why.code for why in refused.refusal.reasons]
        with journal.reading() as view:
            events = [(each.seq, each.by, each.change) for each in view.events("foo")]
            became = [delivery and (delivery.state, delivery.refused) for delivery in
                      (view.delivery("foo", place + 1) for place in range(len(SENT)))]  # fmt: skip
            return view.name("foo"), events, became, view.gaps(), view.sequence("foo")


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(Path(tmp_path_factory.mktemp("still")))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(len(SENT))), st.lists(st.integers(0, len(SENT) - 1), max_size=8), st.randoms())
def test_in_any_order_and_with_any_repeats_the_state_and_the_history_are_as_if_in_order(
    still: World, order: list[int], repeats: list[int], random: Any
) -> None:
    """Per-project source_seq must be last+1, gaps wait, repeats are answered from the ledger."""
    mixed = [*order]
    for each in repeats:
        mixed.insert(random.randint(0, len(mixed)), each)
    assert delivered(still, mixed) == delivered(still, list(range(len(SENT))))


# Crashes.

ACT: Final = """
import sys
from pathlib import Path
from repo_service.accepting import sequences
from repo_service.accepting.intake import Sender
from repo_service.wiring import open_service
from tests.service.test_sequences import SENT
service = open_service(Path(sys.argv[1]))
for place in (2, 1, 0):
    asked, sender = sequences.Numbered(SENT[place], place + 1), Sender("t", f"{place}")
    sequences.record(service.journal, asked, sender, service.clock())
"""


@pytest.mark.parametrize("point", ["intake.before_commit", "intake.committed"])
@pytest.mark.parametrize("time", [1, 2, 3])
def test_killed_anywhere_and_sent_again_every_number_makes_its_events_once(
    tmp_path: Path, point: str, time: int
) -> None:
    world = World(tmp_path / "world", begin=datetime.now(UTC).replace(microsecond=0))  # the process has the real clock
    folder = world.folder / "service"
    for failpoint, ends in ((f"kill:{point}:{time}", -signal.SIGKILL), ("", 0)):
        environment = {**os.environ, "TALLYSTICK_FAILPOINT": failpoint}
        ended = subprocess.run([sys.executable, "-c", ACT, str(folder)], env=environment, capture_output=True)
        assert ended.returncode == ends, ended.stderr
    with open_service(folder).journal.reading() as view:
        kinds = [type(each.change).__name__ for each in view.events("foo")]
        assert kinds == ["ProjectCreated", "ReleasePublished", "ReleasePublished", "ReleaseYanked"]
        assert view.sequence("foo") == 3 and view.gaps() == []


def test_a_change_without_a_number_is_as_before(world: World) -> None:
    world.do(publishing("foo"))
    with world.service.journal.reading() as view:
        assert view.sequence("foo") is None
    assert {"owner", "support", "system"} == intake.NUMBERED


def test_a_clock_that_went_back_decides_no_numbered_change_and_keeps_none(door: Door) -> None:
    publish(door, 1)
    door.world.tick(seconds=-61)
    later = Door(door.world)  # with no rates counted yet
    answer = publish(later, 2, "2.0", key="second")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "clock_regression")
    door.world.tick(seconds=61)
    assert publish(later, 2, "2.0", key="second").status_code == 200
