"""The benchmarks are honest without being run: their document says what was measured, their registry is a real one."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Snapshot, Targets, Timestamp

from benchmarks import generator, reference, run
from benchmarks.charts import Bar, Chart, drawn
from benchmarks.load import Order, sent
from benchmarks.repository import load
from benchmarks.server import publishing, serving, yanking
from keys import invariants, layout, names, page
from repo_service.build.pages import page_of
from tests.world import World


def results() -> run.Results:
    found: run.Results = json.loads(run.RESULTS.read_text("utf-8"))
    return found


def test_the_document_says_what_was_measured() -> None:
    text = run.DOCUMENT.read_text("utf-8")
    assert run.document(text, results()) == text


def test_a_figure_that_nobody_measured_is_not_in_the_document() -> None:
    text = run.DOCUMENT.read_text("utf-8")
    other = results()
    other["benchmarks"]["latency"]["aims"][0]["value"] = 0.123
    assert run.document(text, other) != text


def test_the_charts_show_what_was_measured() -> None:
    for name, svg in run.charts(results()).items():
        assert (run.CHARTS / name).read_text("utf-8") == svg


def test_every_benchmark_has_its_place_in_the_document_and_every_measured_one_its_chart() -> None:
    text = run.DOCUMENT.read_text("utf-8")
    for name in run.BENCHMARKS:
        assert f"## {name}\n" in text and f"charts/{name}.svg" in text and f"<!-- {name}: made" in text
    assert {f"{name}.svg" for name in results()["benchmarks"]} == {path.name for path in run.CHARTS.glob("*.svg")}


def test_a_missed_aim_is_called_so() -> None:
    found = results()
    one = found["benchmarks"]["batch"]["aims"][0]
    one |= {"value": one["aim"] * 2, "holds": False}
    assert "**missed**" in next(line for line in run.table(found).splitlines() if "[batch]" in line)


def test_a_chart_is_text_that_nobody_can_break_out_of() -> None:
    svg = drawn(Chart("a < b", "ms", [Bar("<script>", 1), Bar("slow & old", 1000, "theirs", aim=500)]))
    assert "<script>" not in svg and "&lt;script&gt;" in svg and "logarithmic" in svg


def test_no_two_projects_have_one_name_and_every_name_is_normal() -> None:
    made = [generator.name_of(number) for number in range(200_000)]
    assert len({*made}) == len(made)
    assert all(names.normalise(name) == name for name in made[:2000])


def test_a_generated_project_is_one_that_the_service_would_sign_and_the_same_each_time() -> None:
    later = generator.EPOCH + timedelta(days=generator.DAYS + 30)
    for number in range(300):
        state = generator.project(number)
        assert state == generator.project(number)
        assert page.parse(page_of(state, "full").body) == state
        assert invariants.broken_invariants(state, later) == []


@pytest.mark.parametrize("how", reference.HOW)
def test_the_reference_signs_what_a_client_accepts(how: str, tmp_path: Path) -> None:
    bins = layout.Bins(2)
    changes = [publishing(f"name-{number}", "1.0").entries() for number in range(3)]
    reference.measured(tmp_path / "tuf", bins, changes, lambda number: {}, 2, how)
    timestamp = Metadata[Timestamp].from_file(str(tmp_path / "tuf" / "timestamp.json")).signed
    snapshot_path = tmp_path / "tuf" / f"{timestamp.snapshot_meta.version}.snapshot.json"
    timestamp.snapshot_meta.verify_length_and_hashes(snapshot_path.read_bytes())
    snapshot = Metadata[Snapshot].from_file(str(snapshot_path)).signed
    for path in (path for change in changes for path in change):
        role = bins.role(bins.number(path))
        version = snapshot.meta[f"{role}.json"].version
        targets = Metadata[Targets].from_file(str(tmp_path / "tuf" / f"{version}.{role}.json"))
        assert path in targets.signed.targets and len(targets.signatures) == 1


def test_the_load_generator_gets_a_receipt_for_every_change(tmp_path: Path) -> None:
    world = World(tmp_path, begin=datetime.now(UTC).replace(microsecond=0))
    changes = [publishing("one", "1.0"), publishing("two", "1.0"), publishing("one", "2.0"), yanking("two", "1.0")]
    with serving(world.service) as server:
        closed = sent(Order(server.port, [change.sent_to(server) for change in changes[:2]], 2))
        later = [change.sent_to(server) for change in changes[2:]]
        opened = sent(Order(server.port, later, 2, [0.0, 0.05]))
        missing = sent(Order(server.port, [server.request("GET", "/v1/names/nobody-has-it")], 1))
        batch = [publishing(f"many-{number}", "1.0").item() for number in range(5)]
        together = sent(Order(server.port, [server.request("POST", "/v1/batch", {"items": batch})], 1))
    assert (closed.signed, opened.signed, together.signed) == (2, 2, 5)
    assert opened.wall_s >= 0.05 and len(opened.took_s) == 2
    assert missing.statuses == {404: 1} and "name_unknown" in missing.wrong


def test_a_loaded_repository_is_one_that_its_service_goes_on_from(tmp_path: Path) -> None:
    repository = load(tmp_path / "repository", 500, 4)
    assert repository.files >= 500
    with repository.service.journal.reading() as view:
        assert view.head() is not None and view.pending().names == ()
    assert repository.service.round() is None, "nothing was due"
