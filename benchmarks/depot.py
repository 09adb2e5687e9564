"""What it costs to make a publication's files durable: together, beside one after another; and to move the pointer.

Both sides run the same code on the same disk, in turn, and end in the same folders: FILES files of SIZE bytes in three
folders, as a change publishes them (a page, two bins, a snapshot, a root), then MANY files in one folder, as when every
bin is signed again. Counts syncs as well as time, since a sync costs 0.1 ms on one disk and 10 on another. Prints one
JSON line.

    python benchmarks/depot.py [--rounds 60] [--many 4096] [--size 6500] [--folder DIR]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keys.encoding import compact
from repo_service.storage.disk import Disk
from repo_service.storage.local import LocalDepot

FILES = (
    "metadata/{}.bin-1.json",
    "metadata/{}.bin-2.json",
    "metadata/{}.snapshot.json",
    "targets/simple/foo/{}.json",
    "targets/packages/foo/{}.whl",
)


class Counting(Disk):
    """The real disk, and how often it was asked to sync."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs = 0

    def sync(self, path: Path) -> None:
        self.syncs += 1
        super().sync(path)

    @contextmanager
    def syncing_all(self, path: Path) -> Iterator[Callable[[], None] | None]:
        with super().syncing_all(path) as sync:

            def counted() -> None:
                self.syncs += 1
                assert sync is not None
                sync()

            yield None if sync is None else counted


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def one_by_one(depot: LocalDepot, files: list[tuple[str, bytes]]) -> None:
    for file in files:
        depot.add([file])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--many", type=int, default=4096)
    parser.add_argument("--size", type=int, default=6500)
    parser.add_argument("--folder", help="on the disk to measure (default: where the system keeps temporary files)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        disk = Counting()
        depot = LocalDepot(Path(folder) / "public", disk)

        def publication(number: int) -> list[tuple[str, bytes]]:
            return [(path.format(number), b"x" * options.size) for path in FILES]

        def timestamp(number: int) -> bytes:
            return compact({"signed": {"version": number}})

        depot.add(publication(0))
        depot.point(timestamp(0))
        together, apart, pointing, syncs = [], [], [], {}
        for number in range(1, options.rounds + 1):
            for name, act in (("together", depot.add), ("apart", lambda files: one_by_one(depot, files))):
                files, before = publication(2 * number + (name == "apart")), disk.syncs
                (together if name == "together" else apart).append(timed(lambda: act(files)))  # noqa: B023
                syncs[name] = disk.syncs - before
            before = disk.syncs
            pointing.append(timed(lambda: depot.point(timestamp(number))))  # noqa: B023
            syncs["pointing"] = disk.syncs - before
        many = [[(f"{name}/{number}.json", b"y" * options.size) for number in range(options.many)] for name in "ab"]
        all_together = timed(lambda: depot.add(many[0]))
        all_apart = timed(lambda: one_by_one(depot, many[1]))
    ratio = statistics.median(apart) / statistics.median(together)
    many_ratio = all_apart / all_together
    figures = {
        "files": len(FILES),
        "together_p50_ms": round(statistics.median(together), 2),
        "one_by_one_p50_ms": round(statistics.median(apart), 2),
        "pointer_p50_ms": round(statistics.median(pointing), 2),
        "syncs_together": syncs["together"],
        "syncs_one_by_one": syncs["apart"],
        "syncs_pointer": syncs["pointing"],
        "many_files": options.many,
        "many_together_per_s": round(options.many / all_together * 1000),
        "many_one_by_one_per_s": round(options.many / all_apart * 1000),
    }
    aims = [
        {"name": "five files: one by one over together", "value": round(ratio, 2), "aim": 1.1, "unit": "times",
         "holds": ratio >= 1.1},
        {"name": "syncs of five files in three folders", "value": syncs["together"], "aim": 8, "unit": "syncs",
         "holds": syncs["together"] <= 8},
        {"name": "many files: one by one over together", "value": round(many_ratio, 2), "aim": 2, "unit": "times",
         "holds": many_ratio >= 2},
    ]  # fmt: skip
    print(json.dumps({"benchmark": "depot", "figures": figures, "aims": aims}))


if __name__ == "__main__":
    main()
