"""Alerts and the dashboard of docs/deploy: Prometheus reads them, they ask for metrics that we have, and each alert
fires when it must and not before.
"""

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.servers import need
from tests.service.test_operations_doc import samples
from tests.world import World

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "docs/deploy/prometheus/alerts.yml"
BOARD: dict[str, Any] = json.loads((ROOT / "docs/deploy/grafana/tallystick.json").read_text())
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
}
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
MANUAL = (ROOT / "docs/OPERATIONS.md").read_text()
HEADINGS = set(re.findall(r"^#+ (.+)$", MANUAL, re.MULTILINE))
NAMED = re.compile(r"\b(?:tallystick|process)_[a-z_]+")
DAY = 86400
ON, RISES, STEADY = "1x180", "0+1x180", "5x180"


@dataclass(frozen=True, slots=True)
class Case:
    """Series, a value a minute, by which an alert fires after two hours, with these labels; and where it does not."""

    fires: dict[str, str]
    quiet: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)


def of(metric: str, fires: str, quiet: str, **labels: str) -> Case:
    """A case of one series of ours."""
    return Case({f"tallystick_{metric}": fires}, {f"tallystick_{metric}": quiet}, labels)


def between(role: str, fires: float, quiet: float) -> Case:
    return of(f'metadata_freshness_ratio{{role="{role}"}}', f"{fires}x180", f"{quiet}x180")


def failing(fault: str, witness: str = "w") -> str:
    return f'tallystick_witness_failed_total{{witness="{witness}",fault="{fault}"}}'


BUCKETS = {
    f'tallystick_publish_latency_seconds_bucket{{le="{le}"}}': f"0+{count}x180"
    for le, count in (("1", 10), ("10", 90), ("30", 100), ("+Inf", 100))
}
CASES: dict[str, Case] = {
    "TallystickTimestampGetsOld": between("timestamp", 0.74, 0.75),
    "TallystickTimestampHalfGone": between("timestamp", 0.49, 0.5),
    "TallystickSnapshotIsLate": between("snapshot", 0.39, 0.4),
    "TallystickBinsAreLate": between("bin", 0.24, 0.25),
    "TallystickBinsExpireSoon": between("bin", 0.09, 0.1),
    "TallystickCeremonyIsDue": of(
        'metadata_expires_timestamp_seconds{role="root"}', f"{90 * DAY}x180", f"{91 * DAY}x180", role="root"
    ),
    "TallystickCeremonyIsOverdue": of(
        'metadata_expires_timestamp_seconds{role="bins"}', f"{14 * DAY}x180", f"{15 * DAY}x180", role="bins"
    ),
    "TallystickRenewalsPileUp": Case(
        {"tallystick_renewal_oldest_due_seconds": f"{DAY + 1}x180", "tallystick_renewals_due": ON},
        {"tallystick_renewal_oldest_due_seconds": f"{DAY}x180", "tallystick_renewals_due": ON},
    ),
    "TallystickNoRoundEndsWell": of("refresh_last_success_timestamp_seconds", "0x180", "0+60x180"),
    "TallystickDepotIsBehind": Case(
        {"tallystick_generation": STEADY, "tallystick_storage_generation": "4x180"},
        {"tallystick_generation": RISES, "tallystick_storage_generation": RISES},
    ),
    "TallystickNotCopiedOut": of("batches_staged", ON, "0x180"),
    "TallystickChangesWait": of('event_oldest_pending_seconds{lane="now"}', "61x180", "60x180"),
    "TallystickChangesAreSlow": Case(BUCKETS, {**BUCKETS, [*BUCKETS][1]: "0+100x180"}),
    "TallystickRoundsFail": of('rounds_failed_total{error="SignerAway"}', RISES, STEADY, error="SignerAway"),
    "TallystickDiverged": of("diverged_total", "0x115 1x60", "1x180"),
    "TallystickDepotIsAhead": Case(
        {"tallystick_generation": STEADY, "tallystick_storage_generation": "6x180"},
        {"tallystick_generation": STEADY, "tallystick_storage_generation": STEADY},
    ),
    "TallystickPublishersCollide": of("lease_lost_total", "0+10x180", "0+5x180"),
    "TallystickClocksDiffer": of(
        'clock_offset_seconds{source="database"}', "-21x180", "20x180", source="database"
    ),
    "TallystickWitnessContradictsUs": Case(
        {failing("fork"): "_x115 1x60"}, {failing("fork"): ON, failing("away"): RISES},
        {"witness": "w", "fault": "fork"},
    ),
    "TallystickWitnessForgot": Case({failing("forgot"): "_x100 1x60"}, {failing("forgot"): ON}, {"witness": "w"}),
    "TallystickWitnessIsAway": Case(
        {failing("away"): RISES, 'tallystick_witness_cosigned_total{witness="w"}': STEADY},
        {failing("away"): RISES, 'tallystick_witness_cosigned_total{witness="w"}': RISES},
        {"witness": "w"},
    ),
    "TallystickIsGone": Case({"another_metric": ON}, {"tallystick_generation": ON}),
    "TallystickNotReady": of(
        'ready{instance="a",part="depot"}', "0x180", ON, instance="a", part="depot"
    ),
    "TallystickDoorbell": of("doorbell_errors_total", RISES, STEADY),
    "TallystickCallersAreRefused": of(
        'auth_failures_total{reason="auth_unknown"}', "0+61x180", "0+59x180", reason="auth_unknown"
    ),
    "TallystickCallersAreTooMany": of("ratelimited_total", "0+61x180", "0+59x180"),
}  # fmt: skip
AGAIN = ("TallystickWitnessContradictsUs", {failing("fork"): RISES}, {"witness": "w", "fault": "fork"})
"""It goes on as it began."""


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    command = [need("promtool", "prometheus"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def alarm(alert: str, labels: dict[str, str]) -> dict[str, Any]:
    """An alert as it goes out, with its labels in its sentence."""
    rule = RULES[alert]
    said = {
        name: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)
        for name, text in rule["annotations"].items()
    }
    return {"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": said}


def trial(folder: Path, alert: str, series: dict[str, str], expected: list[dict[str, Any]]) -> str:
    """A file of promtool's that lets one rule run for two hours: all rules at once take it twenty times as long."""
    name = f"{len([*folder.iterdir()])}-{alert}"
    group = {"name": "one", "rules": [RULES[alert]]}
    (folder / f"{name}.rules").write_text(yaml.safe_dump({"groups": [group]}))
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": "2h", "alertname": alert, "exp_alerts": expected}],
    }
    file = folder / f"{name}.test"
    file.write_text(yaml.safe_dump({"rule_files": [f"{name}.rules"], "evaluation_interval": "1m", "tests": [test]}))
    return str(file)


def test_prometheus_reads_the_alerts() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(ALERTS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_of_an_alert_is_one_that_we_export(world: World) -> None:
    named = {name for rule in RULES.values() for name in NAMED.findall(rule["expr"])}
    assert len(named) > 10
    assert named <= samples(world)


def test_an_alert_says_how_urgent_it_is_and_which_heading_helps() -> None:
    assert len(RULES) >= 20
    for rule in RULES.values():
        assert rule["labels"]["severity"] in ("page", "ticket"), rule
        assert rule["annotations"]["summary"] and rule["annotations"]["see"] in HEADINGS, rule


def test_every_alert_stands_in_the_table_for_three_at_night_as_urgent_as_it_is_with_its_heading() -> None:
    table = MANUAL.partition("\n## At three at night\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in table.splitlines() if line.startswith("| `Tallystick")]
    told = {alert: (bad, read) for what, bad, read in rows for alert in re.findall(r"`(\w+)`", what)}
    assert {*told} == {*RULES}
    for alert, (bad, read) in told.items():
        assert bad.startswith(f"{RULES[alert]['labels']['severity']}."), alert
        assert f"[{RULES[alert]['annotations']['see']}](#" in read, alert


def test_every_alert_has_its_case() -> None:
    assert {*CASES} == {*RULES}


def test_every_alert_fires_when_it_must_and_not_before(tmp_path: Path) -> None:
    fires = [(alert, case.fires, [alarm(alert, case.labels)]) for alert, case in CASES.items()]
    quiet: list[Any] = [(alert, case.quiet, []) for alert, case in CASES.items()]
    alert, series, labels = AGAIN
    trials = [*fires, *quiet, (alert, series, [alarm(alert, labels)])]
    done = promtool("test", "rules", *(trial(tmp_path, *each) for each in trials))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_trial_that_expects_the_wrong_thing_fails(tmp_path: Path) -> None:
    alert = "TallystickTimestampHalfGone"
    case = CASES[alert]
    assert promtool("test", "rules", trial(tmp_path, alert, case.fires, [])).returncode != 0
    assert promtool("test", "rules", trial(tmp_path, alert, case.quiet, [alarm(alert, case.labels)])).returncode != 0


# The dashboard.


def expressions() -> list[str]:
    """What the panels ask for, with Grafana's variables filled in."""
    said = [target["expr"] for panel in PANELS for target in panel["targets"]]
    return [each.replace("$__rate_interval", "5m").replace("$instance", ".*") for each in said]


def test_every_metric_of_the_dashboard_is_one_that_we_export_and_none_of_ours_is_missing(world: World) -> None:
    named = {name for each in expressions() for name in NAMED.findall(each)}
    ours = {name for name in samples(world) if not name.endswith("_sum")}
    shown = {name for name in named if name.startswith("tallystick_")}
    assert shown <= ours
    assert {re.sub("_(bucket|count)$", "", name) for name in ours - shown} <= {
        re.sub("_(bucket|count)$", "", name) for name in shown
    }
    assert named - shown <= {"process_resident_memory_bytes", "process_cpu_seconds_total"}


def test_prometheus_reads_what_the_dashboard_asks_for(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions())]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_have_a_title_a_sentence_and_a_place_of_their_own() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    assert all(panel["title"] and panel["description"] for panel in PANELS)
    assert all(panel["datasource"]["uid"] == "${source}" for panel in PANELS)


def test_headings_that_the_dashboard_names_are_in_the_manual() -> None:
    named = {name for panel in PANELS for name in re.findall(r"OPERATIONS: ([^.)]+)", panel["description"])}
    assert len(named) >= 5 and named <= HEADINGS
