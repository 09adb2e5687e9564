"""Run the benchmarks, keep what they say, and write docs/PERFORMANCE.md's tables and docs/charts from it.

The million files are loaded once, into a folder that is gone afterwards. One line of JSON for each benchmark goes to
stdout as it ends, and into benchmarks/results.json with the machine, Python, date and commit.

    python -m benchmarks.run [NAME …]      all, or only these; what the others said before is kept
    python -m benchmarks.run --render      only write the document and the charts again from results.json
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.charts import Bar, Chart, drawn
from benchmarks.profile import HARDLY_USED, LIBRARIES, PYTHON, REST, STAGES
from benchmarks.repository import FOLDER

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results.json"
DOCUMENT: Final = ROOT / "docs" / "PERFORMANCE.md"
CHARTS: Final = ROOT / "docs" / "charts"
BENCHMARKS: Final[Mapping[str, tuple[str, ...]]] = {
    "latency": (),
    "throughput": (),
    "batch": (),
    "growth": (),
    "memory": ("--files", "10000", "1000000"),
    "profile": (),
    "resign": (),
    "imports": ("--signed", "--files", "50000", "--bins", "2048"),
    "deltas": (),
    "depot": (),
    "state": (),
    "bundle": (),
    "guard": (),
    "log": (),
    "audit": ("--events", "200000", "--batch", "100", "--projects", "40000"),
    "client_bytes": (),
    "client_cpu": (),
    "installs": (),
}
"""With their arguments, in this order: what adds to the million files comes before what reads all of it."""

Results = dict[str, Any]


def ran(name: str) -> Results:
    """Run one benchmark in a process of its own; its line, how long it took and when. SystemExit if it failed."""
    began, busy = time.monotonic(), round(os.getloadavg()[0], 1)
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *BENCHMARKS[name]], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    if done.returncode or not done.stdout.strip():
        raise SystemExit(f"{name} failed; the others' results are as they were")
    line = done.stdout.strip().splitlines()[-1]
    print(line, flush=True)
    return {**json.loads(line), "seconds": round(time.monotonic() - began, 1), "load_before": busy, **when()}


def command(name: str) -> tuple[str, ...]:
    """What Python is told to run."""
    return ("-m", f"benchmarks.{name}", *BENCHMARKS[name])


def machine() -> dict[str, str]:
    """Where and with what this was measured."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "cpu": f"{os.cpu_count()} cores of {cpu[1] if cpu else platform.machine()}",
        "memory": f"{round(int(memory[1]) / 1e6) if memory else '?'} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def when() -> dict[str, str]:
    """The date and the commit."""
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    commit = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit or "unknown"}


def table(results: Results) -> str:
    """Every aim with what was measured, and the machine."""
    said = results["machine"]
    busy = [found["load_before"] for _, found in _ordered(results)]
    lines = [
        f"On {said['cpu']}, {said['memory']}, {said['system']}, Python {said['python']}. The load average before each "
        f"benchmark was {min(busy)} to {max(busy)}: above 2, other work held the cores, and times are worse for it.",
        "",
        "| benchmark | what | measured | aim | |",
        "|---|---|---|---|---|",
    ]
    for name, found in _ordered(results):
        for aim in found["aims"]:
            verdict = "holds" if aim["holds"] else "**missed**"
            value, wanted = figure(aim["value"]), f"{_sign(aim)} {figure(aim['aim'])} {aim['unit']}"
            lines.append(f"| [{name}](#{name}) | {aim['name']} | {value} | {wanted} | {verdict} |")
    return "\n".join(lines)


def figures(name: str, found: Mapping[str, Any]) -> str:
    """One benchmark's other figures, flat."""
    rows = [f"| {key.replace('_', ' ')} | {figure(value)} |" for key, value in flat(found["figures"])]
    by = (
        f"`python {' '.join(command(name))}`: {found['seconds']:.0f} s, on {found['date']} at commit "
        f"`{found['commit']}`; the machine's load average before it was {found['load_before']}."
    )
    return "\n".join((by, "", "| figure | |", "|---|---|", *rows))


def flat(value: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Figures in figures, with the names of all around them."""
    for key, item in value.items():
        if isinstance(item, dict):
            yield from flat(item, f"{within}{key}: ")
        else:
            yield f"{within}{key}", item


def figure(value: Any) -> str:
    """A figure for people."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def document(text: str, results: Results) -> str:
    """The document, with every marked part made anew: the table of aims, and the figures of each benchmark."""
    parts = {"aims": table(results)} | {name: figures(name, found) for name, found in _ordered(results)}

    def made(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- {name}: made by benchmarks/run.py -->\n{parts.get(name, 'Not measured yet.')}\n<!-- end -->"

    return re.sub(r"<!-- (\w+): made by benchmarks/run\.py -->\n.*?<!-- end -->", made, text, flags=re.DOTALL)


def charts(results: Results) -> dict[str, str]:
    """File names to SVG: a chart for each benchmark."""
    return {f"{name}.svg": drawn(chart) for name, found in _ordered(results) if (chart := chart_of(name, found))}


def chart_of(name: str, found: Mapping[str, Any]) -> Chart | None:
    """The chart that CHART_ROWS describes; for a benchmark that is not described there, its aims."""
    values = dict(flat(found["figures"]))
    if name not in DRAWN:
        return _against_aims(name, found)
    title, unit, rows = DRAWN[name]
    bars = [Bar(label, float(values[key]), kind, aim) for label, key, kind, aim in rows if values.get(key)]
    return Chart(title, unit, bars) if bars else None


def _against_aims(name: str, found: Mapping[str, Any]) -> Chart | None:
    bars = [Bar(f"{each['name']}, {each['unit']}", each["value"], "ours", each["aim"]) for each in found["aims"]]
    return Chart(f"{name}: measured, and the aim", "units as named", bars) if bars else None


def _tuf(kind: str, keys: str) -> list[tuple[str, str, str, float | None]]:
    return [(f"python-tuf, {how}{kind}", f"{keys}: {how}", "theirs", None) for how in ("kept, fsync", "loaded, fsync")]


_Row = tuple[str, str, str, float | None]
DRAWN: Final[Mapping[str, tuple[str, str, list[_Row]]]] = {
    "latency": (
        "From an HTTP request to its receipt, a million files in 16,384 bins",
        "milliseconds",
        [
            ("20 a second, median", "20_a_second: p50_ms", "ours", 20),
            ("20 a second, 99 of 100 below", "20_a_second: p99_ms", "other", 80),
            ("100 a second, median", "100_a_second: p50_ms", "ours", 60),
            ("100 a second, 99 of 100 below", "100_a_second: p99_ms", "other", 250),
            ("CPU of a change at 20 a second", "20_a_second: server_cpu_ms_a_change", "ours", None),
            ("CPU of a change at 100 a second", "100_a_second: server_cpu_ms_a_change", "ours", None),
            *_tuf(" (CPU)", "python_tuf_cpu_ms_a_change"),
        ],
    ),
    "throughput": (
        "Changes through HTTP, each with its receipt, a million files in 16,384 bins",
        "changes a second",
        [
            ("Tallystick", "changes_a_second", "ours", 200),
            *_tuf(", 1 a snapshot", "python_tuf_a_second_1_a_snapshot"),
            *_tuf(", 100 a snapshot", "python_tuf_a_second_100_a_snapshot"),
        ],
    ),
    "batch": (
        "A thousand changes in one call, a million files in 16,384 bins",
        "seconds",
        [("Tallystick, to the receipts", "s_p50", "ours", 2), *_tuf(", signing", "python_tuf_s")],
    ),
    "growth": (
        "A change when the repository grows a hundred times",
        "milliseconds of CPU",
        [
            ("10,000 files in 256 bins", "cpu_ms_a_change_at_10000_files", "ours", None),
            ("1,000,000 files in 16,384 bins", "cpu_ms_a_change_at_1000000_files", "ours", None),
            ("python-tuf, loaded, 10,000 files", "python_tuf_cpu_ms_at_10000_files", "theirs", None),
            ("python-tuf, loaded, 1,000,000 files", "python_tuf_cpu_ms_at_1000000_files", "theirs", None),
        ],
    ),
    "memory": (
        "Peak memory of the process that serves and publishes",
        "MB",
        [
            row
            for files in (10_000, 1_000_000)
            for row in (
                (f"{files:,} files, after changes", f"{files}_files: after_changes_mb", "other", None),
                (f"{files:,} files, with its cache full", f"{files}_files: with_the_cache_full_mb", "ours", 200.0),
                (f"{files:,} files, python-tuf's objects", f"{files}_files: python_tuf_objects_mb", "theirs", None),
            )
        ],
    ),
    "profile": (
        "Where the processor's time of a change goes",
        "parts of a hundred",
        [
            *((stage, f"percent_of_stages: {stage}", "ours", None) for stage in (*STAGES, REST)),
            *(
                (name, f"percent_of_libraries: {name}", "other", None)
                for name in (*LIBRARIES.values(), PYTHON)
                if name not in HARDLY_USED
            ),
        ],
    ),
    "deltas": (
        "What a client downloads at 16,384 bins and 8.7 million targets, two bins",
        "KB",
        [
            ("after an hour, 65,000 changes a day", "returning_kb: hour_at_65000_a_day: total", "ours", 8),
            ("the same, without deltas", "returning_kb: hour_at_65000_a_day: raw_without", "theirs", None),
            ("after a day, 65,000 changes a day", "returning_kb: day_at_65000_a_day: total", "ours", 22),
            ("the same, without deltas", "returning_kb: day_at_65000_a_day: raw_without", "theirs", None),
            ("after an hour, 5,000 changes a day", "returning_kb: hour_at_5000_a_day: total", "ours", 8),
            ("after a day, 5,000 changes a day", "returning_kb: day_at_5000_a_day: total", "ours", 22),
            ("for the first time", "cold_kb_bins_by: zstd", "ours", 165),
            ("snapshot alone, gzip", "snapshot_kb: gzip", "theirs", None),
            ("bin of 530 alone, gzip", "bin_kb: gzip", "theirs", None),
        ],
    ),
    "state": (
        "A project of 1,000 releases and 10,000 files, and a yank at the door",
        "milliseconds",
        [
            ("decide, evolve and page, 10,000 files", "state: decide_evolve_page_p50_ms", "ours", 5),
            ("its first page, nothing kept", "state: first_page_ms", "other", None),
            ("json.dumps alone of its page", "state: json_dumps_alone_p50_ms", "theirs", None),
            ("a yank at the door, ordinary project", "door_ordinary: yank_p50_ms", "ours", 5),
            ("the bare commit of the same bytes", "door_ordinary: bare_commit_p50_ms", "theirs", None),
            ("a yank at the door, 10,000 files", "door_large: yank_p50_ms", "other", None),
        ],
    ),
    "bundle": (
        "The ceremony tool prints its help",
        "milliseconds",
        [
            ("one file, the first time", "first_ms", "other", None),
            ("one file, again", "again_ms", "ours", 500),
            ("the same packages without the bundle", "unpacked_ms", "theirs", None),
            ("as installed for development", "installed_ms", "theirs", None),
            ("Python alone", "python_alone_ms", "theirs", None),
        ],
    ),
    "resign": (
        "All 16,384 bins of 530 targets signed again",
        "CPU seconds",
        [
            ("Tallystick", "cpu_s_of_16384_bins_of_530_targets", "ours", 30),
            *_tuf("", "python_tuf_cpu_s_of_16384_bins_of_530_targets"),
        ],
    ),
    "client_cpu": (
        "A client comes back: a new snapshot of 16,384 bins and one project",
        "milliseconds of CPU",
        [
            ("Tallystick, with its own checks", "cpu_ms", "ours", 50),
            ("python-tuf's client alone", "ngclient_cpu_ms", "theirs", None),
        ],
    ),
    "installs": (
        "24 packages, 40 ms added to each request, installer caches empty",
        "seconds",
        [
            (f"{installer}, {label}", f"{installer}_40_ms: {how}_s", kind, None)
            for installer in ("uv", "pip")
            for label, how, kind in (
                ("directly", "direct", "theirs"),
                ("behind tallystick for the first time", "cold", "other"),
                ("behind tallystick again", "warm", "ours"),
            )
        ],
    ),
    "guard": (
        "A bin of 50 targets, of 1,000 signed together",
        "milliseconds",
        [
            ("renewed, by the guard", "renewed_ms_a_bin_guard", "ours", None),
            ("renewed, in the service's process", "renewed_ms_a_bin_in_process", "other", None),
            ("changed, by the guard", "changed_ms_a_bin_guard", "ours", None),
            ("changed, in the service's process", "changed_ms_a_bin_in_process", "other", None),
        ],
    ),
    "log": (
        "What the log adds to a release, at 100,000 leaves and 16,384 bins",
        "milliseconds",
        [(f"{count} events", f"events_{count}_ms_a_release", "ours", None) for count in (1, 10, 100)]
        + [("a tree hashed anew", "anew_ms_a_release", "theirs", None)],
    ),
    "audit": (
        "A whole log replayed from nothing, a million events",
        "CPU seconds",
        [
            ("Tallystick, with every event", "cpu_s", "ours", None),
            ("python-tuf, each signed bin and snapshot parsed and encoded", "python_tuf_cpu_s", "theirs", None),
        ],
    ),
    "client_bytes": (
        "What a real client reads for two projects of a registry with 16,384 bins, without their pages",
        "KB",
        [
            row
            for visit, when, aim in (
                ("cold", "the first time", 165.0),
                ("hour", "after an hour", 8.0),
                ("day", "after a day", 22.0),
            )
            for row in (
                (f"{when}, by deltas", f"kb: {visit}: deltas", "ours", aim),
                (f"{when}, gzip only", f"kb: {visit}: gzip", "other", None),
                (f"{when}, python-tuf alone", f"kb: {visit}: python_tuf", "theirs", None),
            )
        ],
    ),
}
"""For each benchmark that has a chart of its own: its title, its unit, and rows of label, figure, kind and aim."""


def _sign(aim: Mapping[str, Any]) -> str:
    return "≤" if aim["holds"] == (aim["value"] <= aim["aim"]) else "≥"


def _ordered(results: Results) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, results["benchmarks"][name]) for name in BENCHMARKS if name in results["benchmarks"]]


def write(results: Results) -> None:
    """Write everything that is made from results."""
    DOCUMENT.write_text(document(DOCUMENT.read_text("utf-8"), results), "utf-8")
    CHARTS.mkdir(exist_ok=True)
    for name, svg in charts(results).items():
        (CHARTS / name).write_text(svg, "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--render", action="store_true", help="run nothing")
    options = parser.parse_args()
    results: Results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {"benchmarks": {}}
    if not options.render:
        results["machine"] = machine()
        run(options.names or [name for name in BENCHMARKS if (ROOT / f"benchmarks/{name}.py").exists()], results)
    write(results)


def run(names: Sequence[str], results: Results) -> None:
    """Run these, and keep each result as soon as it is there."""
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        os.environ.setdefault(FOLDER, folder)
        for name in names:
            print(f"{name} …", file=sys.stderr, flush=True)
            results["benchmarks"][name] = ran(name)
            RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
