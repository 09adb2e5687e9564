"""What a client downloads at PyPI's size, with deltas and without: 16,384 bins of 530 targets, nothing signed for it.

A year of changes lies behind the snapshot, one bin a change and one change a release; each bin is also signed again
every 15 days. A client comes back after an hour and after a day, at PHASES moments, and reads the timestamp, the newest
snapshot and two bins by the deltas that keys/deltas.py names, each applied and compared. Other spacings of the anchors
stand beside it, with as many anchors in reach as a day needs. Sizes in KB of 1,000 bytes. Prints one JSON line.

    python benchmarks/deltas.py [--phases 10]
"""

import argparse
import gzip
import itertools
import json
import math
import random
import statistics
import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import zstandard

sys.path.insert(0, str(Path(__file__).parents[1]))
from keys import deltas, layout
from keys.encoding import compact, sha256
from repo_service.build.deltas import Origin, bin_delta, thorough_delta
from tests.keys.inflate import inflate

ROOT = Path(__file__).parents[1]
BINS = layout.Bins(14)
TARGETS = 530
RENEWALS = len(BINS) / 15
AGES = {"hour": 1 / 24, "day": 1.0}
SPACINGS = (256, 512, 1024, 2048, 4096, 16_384)
SYLLABLES = (
    "fla",
    "sk",
    "jan",
    "go",
    "re",
    "quest",
    "tor",
    "ch",
    "da",
    "ta",
    "u",
    "til",
    "co",
    "re",
    "li",
    "ent",
    "py",
    "a",
    "sync",
)


class History:
    """Snapshots of a few days after a year: which bin is signed in which version. ``changes`` bins a release."""

    def __init__(self, rate: int, chance: random.Random, changes: int = 1) -> None:
        self.versions_a_day = (rate + RENEWALS) / changes
        self.begin = 100 * deltas.SPACING
        self._changes = changes
        mean = rate * 365 / len(BINS) + 24
        self._first = [max(1, round(chance.gauss(mean, mean**0.5))) for _ in range(len(BINS))]
        self._signed: list[list[int]] = [[] for _ in range(len(BINS))]
        for place in range(int((rate + RENEWALS) * 2.2) + 2 * SPACINGS[-1]):
            self._signed[chance.randrange(len(BINS))].append(place)
        self._meta = [(n, f'"{BINS.role(n)}.json":{{"version":') for n in sorted(range(len(BINS)), key=BINS.role)]
        self._deltas: dict[tuple[int, int], int] = {}

    def count(self, number: int, version: int) -> int:
        """How often a bin had been signed in this version of the snapshot."""
        return self._first[number] + bisect_right(self._signed[number], (version - self.begin) * self._changes - 1)

    def snapshot(self, version: int) -> bytes:
        meta = [f"{text}{self.count(n, version) * layout.BIN_STRIDE + n}}}" for n, text in self._meta]
        pinned = f'{{"hashes":{{"sha256":"{"5" * 64}"}},"length":1111,"version":3}}'
        meta += [f'"{role}.json":{pinned}' for role in ("bins", "held", "targets")]
        return _file("snapshot", f'"meta":{{{",".join(meta)}}}', version, random.Random(version))

    def delta(self, old: int, new: int) -> int:
        """The bytes of a delta between two snapshots."""
        if (old, new) not in self._deltas:
            # The producer is thorough between anchors; every other way that is compared ends short of one.
            draw = thorough_delta if new % SPACINGS[0] == 0 else quick_delta
            self._deltas[old, new] = applied(self.snapshot(old) if old else b"", self.snapshot(new), draw)
        return self._deltas[old, new]


class Bin:
    """A bin, changed target by target: a new file, or a page with another hash."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._targets: dict[str, object] = {}
        while len(self._targets) < TARGETS:
            self._targets.update([self._target()])
        self._version = 1400 * layout.BIN_STRIDE + 7

    def signed_again(self, changes: int = 0) -> bytes:
        for _ in range(changes):
            path, entry = self._target()
            self._targets[path if self._chance.random() < 0.5 else self._chance.choice(list(self._targets))] = entry
        self._version += layout.BIN_STRIDE
        body = f'"targets":{compact(self._targets).decode()}'
        return _file("targets", body, self._version, self._chance, ',"x-role":"bin-0007"')

    def _target(self) -> tuple[str, dict[str, object]]:
        chance = self._chance
        name = "-".join("".join(chance.choices(SYLLABLES, k=3)) for _ in range(chance.choice((1, 2, 3))))
        version = f"{chance.randrange(5)}.{chance.randrange(30)}.{chance.randrange(20)}"
        tags = ("py3-none-any.whl", "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
        path = f"packages/{name}/{name.replace('-', '_')}-{version}-{chance.choice(tags)}"
        if chance.random() < 0.09:
            path = f"simple/{name}/vnd.pypi.simple.v1.json"
        return path, {"hashes": {"sha256": chance.randbytes(32).hex()}, "length": chance.randrange(900, 9_000_000)}


def _file(kind: str, body: str, version: int, noise: random.Random, more: str = "") -> bytes:
    expires = datetime(2026, 12, 22, tzinfo=UTC) + timedelta(seconds=noise.randrange(86_400))
    return (
        f'{{"signatures":[{{"keyid":"{"e" * 64}","sig":"3045022100{noise.randbytes(66).hex()}"}}],'
        f'"signed":{{"_type":"{kind}","expires":"{expires:%Y-%m-%dT%H:%M:%SZ}",{body},'
        f'"spec_version":"1.0.31","version":{version}{more}}}}}'
    ).encode()


def quick_delta(old: bytes, new: bytes) -> bytes | None:
    return Origin(old).delta(new, sha256(new))


def bin_step(old: bytes, new: bytes) -> bytes | None:
    return bin_delta(old, new, sha256(new))


def applied(old: bytes, new: bytes, draw: Callable[[bytes, bytes], bytes | None] = quick_delta) -> int:
    """The length of the delta, which a client applied and got exactly ``new``."""
    delta = draw(old, new)
    assert delta is not None and deltas.rebuild(delta, old, len(new), inflate) == new
    return len(delta)


def returning(
    history: History, age: float, one_bin: float, bin_size: int, phases: int, chance: random.Random
) -> list[float]:
    """Mean bytes: of the snapshot's deltas, of two bins', and of the bins whole where they changed."""
    rows = []
    for _ in range(phases):
        begun = history.begin + chance.randrange(2 * deltas.SPACING)
        later = begun + round(age * history.versions_a_day)
        steps = deltas.snapshot_steps(deltas.anchor(begun), later)
        signed = [history.count(n, later) - history.count(n, begun) for n in chance.sample(range(len(BINS)), 2)]
        snapshot = sum(history.delta(step.old, step.new) for step in steps)
        rows.append((snapshot, sum(signed) * one_bin, bin_size * sum(map(bool, signed))))
    return [statistics.mean(column) for column in zip(*rows, strict=True)]


def at_spacing(history: History, age: float, spacing: int, phases: int, chance: random.Random) -> float:
    """Mean bytes of the deltas of the snapshot, if anchors were ``spacing`` versions apart."""
    found = []
    for _ in range(phases):
        begun = history.begin + chance.randrange(spacing)
        later = begun + round(age * history.versions_a_day)
        held, last = begun // spacing * spacing, later // spacing * spacing
        found.append(sum(history.delta(old, new) for old, new in ((held, last), (last, later)) if old != new))
    return statistics.mean(found)


def ways(history: History) -> dict[str, float]:
    """A day of the snapshot in one delta, by each way of drawing it, and in two."""
    day = round(history.versions_a_day)
    begin, later, end = history.begin, history.begin + day * 2 // 3, history.begin + day
    old, new = history.snapshot(begin), history.snapshot(end)
    plain = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return {
        "thorough": kb(applied(old, new, thorough_delta)),
        "quick": kb(applied(old, new)),
        "plain_level_3": kb(len(zstandard.ZstdCompressor(3, dict_data=plain).compress(new))),
        "thorough_16_and_8_hours": kb(
            sum(
                applied(history.snapshot(a), history.snapshot(b), thorough_delta)
                for a, b in ((begin, later), (later, end))
            )
        ),
    }


def cpu_ms(work: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) * 1000 / times


def kb(size: float) -> float:
    return round(size / 1000, 2)


def sizes(body: bytes) -> dict[str, float]:
    return {
        "raw": kb(len(body)),
        "gzip": kb(len(gzip.compress(body, 6))),
        "zstd": kb(len(zstandard.compress(body, 3))),
        "whole_delta": kb(applied(b"", body, thorough_delta)),
    }


def drawing(history: History) -> dict[str, float]:
    """CPU of the producer, in ms: for each kind of delta, and for a publication of two bins on average."""
    anchor = history.begin
    old, new, before = (history.snapshot(anchor + n * deltas.SPACING) for n in (0, 1, -1))
    in_use, content = Origin(old), Bin(random.Random(1))
    bins = [content.signed_again(1) for _ in range(20)]
    pairs = itertools.pairwise(bins)
    one = {
        "snapshot": cpu_ms(lambda: in_use.delta(new, sha256(new)), 20),
        "bin": cpu_ms(lambda: bin_step(*next(pairs)), 19),
        "to_anchor": cpu_ms(lambda: thorough_delta(before, old), 5),
        "whole": cpu_ms(lambda: thorough_delta(b"", old), 3),
    }
    spread = (one["whole"] + deltas.REACH * one["to_anchor"]) / deltas.SPACING
    return {
        name: round(ms, 2) for name, ms in {**one, "publication": one["snapshot"] + 2 * one["bin"] + spread}.items()
    }


def measure(phases: int, chance: random.Random) -> dict[str, object]:
    content = Bin(chance)
    bins = [content.signed_again(1) for _ in range(31)]
    one_bin = statistics.mean(applied(*pair, bin_step) for pair in itertools.pairwise(bins))
    renewed = applied(bins[-1], content.signed_again(), bin_step)
    much = applied(content.signed_again(), content.signed_again(35), bin_step)
    metadata = ROOT / "docs/examples/metadata"
    timestamp = (metadata / "timestamp.json").stat().st_size
    offline = sum((metadata / f"1.{role}.json").stat().st_size for role in layout.OFFLINE)
    history = History(65_000, chance)
    rows: dict[str, dict[str, float]] = {}
    spacings: dict[str, dict[str, float]] = {}
    grouped = History(65_000, chance, 4)
    histories = {"65000_a_day": history, "5000_a_day": History(5_000, chance), "65000_a_day_4_a_release": grouped}
    for name, each in histories.items():
        for age, days in AGES.items():
            snapshot, two_bins, whole_bins = returning(each, days, one_bin, len(bins[-1]), phases, chance)
            rows[f"{age}_at_{name}"] = {
                "snapshot": kb(snapshot),
                "bins": kb(two_bins),
                "total": kb(timestamp + snapshot + two_bins),
                "raw_without": kb(timestamp + len(each.snapshot(each.begin)) + whole_bins),
            }
            if each is not grouped:
                spacings[f"{age}_at_{name}"] = {
                    str(spacing): kb(at_spacing(each, days, spacing, phases, chance)) for spacing in SPACINGS
                }
    anchor, later = history.begin, history.begin + deltas.REACH + deltas.SPACING // 2
    bin_sizes, snapshot_sizes = sizes(bins[-1]), sizes(history.snapshot(anchor))
    static = kb(timestamp + offline + history.delta(0, anchor) + history.delta(anchor, later))
    cold = {name: round(static + 2 * bin_sizes[name], 2) for name in ("gzip", "zstd")}
    reach = {str(each): math.ceil(history.versions_a_day / each) + 1 for each in SPACINGS}
    figures = {
        "snapshot_kb": snapshot_sizes,
        "bin_kb": {**bin_sizes, "one_change": kb(one_bin), "renewed": kb(renewed), "35_changes": kb(much)},
        "returning_kb": rows,
        "cold_kb_bins_by": cold,
        "snapshot_kb_by_spacing": spacings,
        "anchors_in_reach_a_day_needs": reach,
        "snapshot_kb_over_a_day_by_way": ways(history),
        "drawing_cpu_ms": drawing(history),
    }
    aims = [
        _aim(f"returning client after {_spoken(row)}", figure["total"], 8 if row.startswith("hour") else 22)
        for row, figure in rows.items()
        if not row.endswith("release")
    ]
    aims += [_aim(f"cold client, bins by {name}", size, 165) for name, size in cold.items()]
    return {"figures": figures, "aims": aims}


def _aim(name: str, value: float, aim: float) -> dict[str, object]:
    return {"name": name, "value": value, "aim": aim, "unit": "KB", "holds": value <= aim}


def _spoken(row: str) -> str:
    return f"an {row}".replace("an day", "a day").replace("_", " ").replace("000 a day", ",000 changes a day")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phases", type=int, default=10, help="moments at which a client comes, for each row")
    print(json.dumps({"benchmark": "deltas", **measure(parser.parse_args().phases, random.Random(4))}))


if __name__ == "__main__":
    main()
