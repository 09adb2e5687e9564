"""What an operator's programs see: metrics, health, and a log that holds no secret and no account."""

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from repo_service.operating import exposition, logs
from repo_service.operating.exposition import Counted
from repo_service.operating.metrics import Metrics
from repo_service.ringing import RedisBell
from repo_service.storage.depot import Diverged
from tests.servers import free_port
from tests.service.door import Door, Silent, publication
from tests.world import BEGIN, World, publishing

DOCS = Path(__file__).parents[2] / "docs"


def scraped(door: Door) -> dict[str, float]:
    """Every sample by its name and labels, as the prober's token sees it."""
    headers = {"Authorization": f"Bearer {door.new_token('prober')}"}
    answer = door.client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name.removeprefix('tallystick_')}{{{labels}}}".removesuffix("{}")] = sample.value
    return found


def test_gauges_are_read_when_asked_also_by_who_does_not_publish(world: World) -> None:
    door = Door(world, bell=Silent())
    before = scraped(door)
    assert (before["generation"], before["storage_generation"], before["batches_staged"]) == (1, 1, 0)
    assert before["events_pending{lane=now}"] == before["event_oldest_pending_seconds{lane=now}"] == 0
    for role in ("root", "targets", "held", "bins", "snapshot", "timestamp", "bin"):
        assert before[f"metadata_expires_timestamp_seconds{{role={role}}}"] > BEGIN.timestamp()
        assert before[f"metadata_signed_timestamp_seconds{{role={role}}}"] == BEGIN.timestamp()
    world.record(publishing("foo"))
    world.tick(seconds=90)
    waiting = scraped(door)
    assert waiting["events_pending{lane=now}"] == 2 and waiting["event_oldest_pending_seconds{lane=now}"] == 90
    world.service.round()
    after = scraped(door)
    assert (after["generation"], after["storage_generation"], after["events_pending{lane=now}"]) == (2, 2, 0)
    assert after["metadata_signed_timestamp_seconds{role=timestamp}"] == BEGIN.timestamp() + 90
    assert after["metadata_signed_timestamp_seconds{role=root}"] == BEGIN.timestamp()
    assert after["refresh_last_success_timestamp_seconds"] == BEGIN.timestamp() + 90


def test_of_the_bins_the_one_that_expires_first_is_told(world: World) -> None:
    soonest = scraped(Door(world))["metadata_expires_timestamp_seconds{role=bin}"]
    with world.service.journal.reading() as view:
        bins = [each.expires.timestamp() for role, each in view.roles().items() if role.startswith("bin-")]
    assert soonest == min(bins)
    assert len([each for each in scraped(Door(world)) if "{role=bin" in each]) == 6  # bin and bins, three of each


def test_other_clocks_are_compared_when_asked(world: World) -> None:
    door = Door(world)
    clocks = (("the database", lambda: world.now + timedelta(seconds=2)), ("the depot", lambda: None))
    parts = replace(world.service.parts(door.bell), clocks=clocks)
    text = exposition.text(exposition.exposed(world.service.metrics, parts)).decode()
    assert 'tallystick_clock_offset_seconds{source="database"} 2.0' in text and 'source="depot"' not in text


def test_how_fresh_each_role_is_and_what_is_due_is_told(world: World) -> None:
    world.tick(hours=18)
    found = scraped(Door(world))
    assert found["metadata_freshness_ratio{role=timestamp}"] == 0.75
    assert found["metadata_freshness_ratio{role=bin}"] == 0.975
    late = (timedelta(hours=18) - timedelta(days=3) * 8 / 100).total_seconds()
    assert found["renewals_due"] == 1 and abs(found["renewal_oldest_due_seconds"] - late) <= 1


def test_a_release_that_is_not_copied_out_shows_as_staged_and_behind(world: World) -> None:
    alien = world.public / "metadata/2.snapshot.json"
    alien.write_bytes(b"alien")
    world.record(publishing("foo"))
    with pytest.raises(Diverged):
        world.service.round()
    found = scraped(Door(world))
    assert (found["generation"], found["storage_generation"], found["batches_staged"]) == (2, 1, 1)
    assert found["diverged_total"] == found["rounds_failed_total{error=Diverged}"] == 1


def test_each_part_of_a_release_is_timed_and_so_is_what_its_events_waited(world: World) -> None:
    world.record(publishing("foo"))
    world.tick(seconds=2)
    before = scraped(Door(world))
    world.service.round()
    after = scraped(Door(world))
    for stage in ("read", "sign", "check", "commit", "copy"):
        count = f"publish_duration_seconds_count{{stage={stage}}}"
        assert after[count] == before[count] + 1, stage
    assert after["publish_latency_seconds_count"] == before["publish_latency_seconds_count"] + 2
    assert after["publish_latency_seconds_sum"] == 4


def test_what_happens_in_a_process_is_counted_there_and_nowhere_else(world: World) -> None:
    counted = world.service.metrics
    with counted.stage("sign"):
        world.tick(seconds=1)
    counted.published([world.now - timedelta(seconds=4), world.now + timedelta(seconds=1)])
    counted.lease_lost()
    counted.collected(12)
    RedisBell(f"redis://127.0.0.1:{free_port()}/0", "x", counted).ring()
    found = scraped(Door(world))
    assert found["publish_duration_seconds_count{stage=sign}"] == 2  # one was the first release
    assert found["publish_latency_seconds_bucket{le=3.0}"] == 1 and found["publish_latency_seconds_sum"] == 4
    assert found["lease_lost_total"] == 1
    assert found["gc_deleted_total"] == 12 and found["doorbell_errors_total"] == 1
    assert scraped(Door(World(world.folder / "other")))["doorbell_errors_total"] == 0


def test_the_metrics_that_forget_are_asked_as_those_that_keep() -> None:
    theirs = {name for name in vars(Metrics) if not name.startswith("_")}
    assert theirs <= set(vars(Counted))


def test_refused_callers_and_too_many_requests_are_counted_by_their_reason(tmp_path: Path) -> None:
    door = Door(World(tmp_path, "client_per_minute = 2\n"), "prober")
    assert door.client.get("/v1/status").status_code == 401
    assert door.client.get("/v1/refusals", headers={"Authorization": f"Bearer {door.token}"}).status_code == 403
    assert door.client.get("/v1/status", headers={"Authorization": f"Bearer {door.token}"}).status_code == 200
    assert door.client.get("/v1/status", headers={"Authorization": f"Bearer {door.token}"}).status_code == 429
    door.world.tick(minutes=5)
    found = scraped(door)
    assert found["auth_failures_total{reason=auth_missing}"] == 1
    assert found["auth_failures_total{reason=role_insufficient}"] == 1
    assert found["ratelimited_total"] == 1


def test_metrics_are_for_who_may_see_the_status_also_from_this_machine(door: Door) -> None:
    """A proxy on the same machine makes everybody's address loopback, so an address opens nothing."""
    assert door.client.get("/metrics").status_code == 401


def test_gauges_that_cannot_be_read_leave_the_others(door: Door) -> None:
    (door.world.public / "metadata/timestamp.json").unlink()
    text = exposition.text(exposition.exposed(door.world.service.metrics, door.world.service.parts(door.bell))).decode()
    assert "tallystick_storage_generation" not in text
    assert "tallystick_generation 1.0" in text and 'tallystick_ready{part="depot"} 0.0' in text


# Health.


def ready(door: Door) -> tuple[int, dict[str, str]]:
    answer = door.client.get("/readyz")
    assert answer.get_json()["ready"] == (answer.status_code == 200)
    return answer.status_code, {part: said for part, said in answer.get_json()["parts"].items() if said != "ok"}


def test_a_process_that_is_well_is_alive_and_ready(door: Door) -> None:
    assert (door.client.get("/healthz").status_code, ready(door)) == (200, (200, {}))
    parts = {"database", "schema", "depot", "timestamp", "publisher"}
    assert set(door.client.get("/readyz").get_json()["parts"]) == parts


def test_a_timestamp_beyond_half_of_its_period_is_not_ready(door: Door) -> None:
    door.world.tick(hours=36)
    assert ready(door)[0] == 200
    door.world.tick(seconds=1)
    assert ready(door) == (503, {"timestamp": "it has 129599 s left of 259200"})
    door.world.service.round()
    assert ready(door)[0] == 200
    assert door.client.get("/healthz").status_code == 200


def test_a_depot_without_its_pointer_is_not_ready(door: Door) -> None:
    (door.world.public / "metadata/timestamp.json").unlink()
    status, parts = ready(door)
    assert (status, set(parts)) == (503, {"depot", "timestamp"})
    assert str(door.world.folder) not in str(parts)


def test_a_publisher_whose_thread_has_ended_is_not_ready(world: World) -> None:
    with world.service.bell() as bell:
        door = Door(world, bell=bell)  # type: ignore[arg-type]
        assert ready(door)[0] == 200
    assert ready(door) == (503, {"publisher": "its thread has ended; restart this process"})


def test_a_database_of_another_version_or_none_is_not_ready(door: Door) -> None:
    engine = door.world.service.journal._engine
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert ready(door) == (503, {"schema": "the database is of another version; see tallystick-service migrate"})
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE events")
    status, parts = ready(door)
    assert (status, parts["database"]) == (503, "it does not answer")


# The log.


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, in the form that ``logs.begin`` is told; afterwards as it was."""
    root, ours = logging.getLogger(), logging.getLogger("repo_service")
    before = root.handlers[:], root.level, ours.level
    yield io.StringIO()
    root.handlers[:], root.level, ours.level = before
    root.manager._clear_cache()  # type: ignore[attr-defined] - levels are cached


def test_each_request_to_the_api_is_one_object_with_what_became_of_it(door: Door, log: io.StringIO) -> None:
    logs.begin("json", log)
    answer = door.client.post(
        "/v1/projects/foo/releases/1.0/publish", json=publication("foo"),
        headers={"Authorization": f"Bearer {door.token}", "Idempotency-Key": "1", "X-Request-Id": "req-7"},
    )  # fmt: skip
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (200, "req-7")
    door.client.get("/simple/foo/")
    published, line = (json.loads(each) for each in log.getvalue().splitlines())
    assert (published["message"], published["generation"], published["request"]) == ("published", 2, "req-7")
    assert (line["message"], line["level"], line["logger"]) == ("request", "info", "repo_service.web.operating")
    said = {name: line[name] for name in ("method", "route", "verb", "project", "version", "status", "request")}
    assert said == {
        "method": "POST", "route": "release_verb", "verb": "publish", "project": "foo", "version": "1.0",
        "status": 200, "request": "req-7",
    }  # fmt: skip
    assert line["change"] == answer.get_json()["change"] and line["generation"] == 2 and line["ms"] >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


def test_no_token_and_no_account_is_in_the_log(door: Door, log: io.StringIO) -> None:
    logs.begin("json", log)
    door.post("/v1/projects/foo/releases/1.0/publish", publication("foo"))
    door.post("/v1/holders/account-1/revoke", {"actor": {"kind": "admin", "id": "account-9"}})
    door.client.get("/v1/status", headers={"Authorization": f"Bearer {door.token}x"})
    door.client.get(f"/v1/names/{door.token}", headers={"Authorization": f"Bearer {door.token}"})
    logging.getLogger("repo_service.x").error("a library said %s", "postgresql+psycopg://me:geheim@h/d")
    text = log.getvalue()
    assert len(text.splitlines()) >= 5 and "account-" not in text and "geheim" not in text
    assert door.token not in text and door.token.split("_", 2)[2] not in text
    assert '"code": "auth_malformed"' in text


def test_a_request_id_that_could_break_a_log_is_replaced(door: Door) -> None:
    for given in ("", "x" * 65, "a b", "a\tb", '"'):
        found = door.client.get("/v1/status", headers={"X-Request-Id": given}).headers["X-Request-Id"]
        assert re.fullmatch(r"[0-9a-f]{16}", found)


def test_text_is_for_people_in_80_columns(door: Door, log: io.StringIO) -> None:
    logs.begin("text", log)
    door.post("/v1/projects/foo/releases/1.0/publish", publication("foo"))
    lines = log.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert re.match(r"\d\d:\d\d:\d\d info    published generation=2 snapshot=2 request=\w+$", lines[0])
    assert re.match(r"\d\d:\d\d:\d\d info    request status=200 ms=\d+ method=POST route=release_verb", lines[1])
    assert lines[2].startswith(" " * 17) and "project=foo" in log.getvalue()


def test_what_a_caller_sends_cannot_forge_a_line_of_text(door: Door, log: io.StringIO) -> None:
    logs.begin("text", log)
    forged = "/v1/names/foo%0A10:00:00%20error%20%1B[2Jforged"
    door.client.get(forged, headers={"Authorization": f"Bearer {door.token}"})
    logging.getLogger("library").warning("a library's: \x1b[2J\n10:00:00 error   forged")
    assert "\x1b" not in log.getvalue()
    assert all(
        re.match(r"\d\d:\d\d:\d\d (info    request |warning a library's:)|" + " " * 17, line)
        for line in log.getvalue().splitlines()
    )


def test_quiet_is_warnings_only_and_an_error_has_its_traceback(door: Door, log: io.StringIO) -> None:
    logs.begin("quiet", log)
    door.client.get("/v1/status")
    assert log.getvalue() == ""
    try:
        raise ValueError("nobody expected this")
    except ValueError:
        logging.getLogger("repo_service.x").exception("it failed", extra={"name_": "foo"})
    assert "error   it failed name_=foo" in log.getvalue() and "  ValueError: nobody" in log.getvalue()
    logs.begin("json", log)
    log.truncate(0)
    logging.getLogger("x").error("it failed", exc_info=(ValueError, ValueError("x"), sys.exc_info()[2]))
    assert json.loads(log.getvalue().strip("\0"))["traceback"].endswith("ValueError: x")
