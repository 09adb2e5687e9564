"""How long a holder waits for the ceremony tool to start: as one file, the first time and again, and as installed.

The bundle is built as ``make bundle`` does (this needs a network). Every start is a process that prints its help.
``unpacked`` is the bundle's own content without the bundle, so that ``over_unpacked`` is what one file costs;
``installed`` is this environment, where securesystemslib finds every cloud's library and loads it. The ways take turns.

    python -m benchmarks.bundle [--rounds 9]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.report import at_most, line

ROOT: Final = Path(__file__).parents[1]
MAIN: Final = ("-c", "from ceremony.cli import main; main()", "--help")


def built(folder: Path) -> Path:
    """A bundle for this Python."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    command = [sys.executable, str(ROOT / "docs/bundle/build.py"), "--python", python, "--out", str(folder)]
    subprocess.run([*command, "--machine", os.uname().machine], check=True, stdout=subprocess.DEVNULL)
    (bundle,) = folder.glob("*.pyz")
    return bundle


def started(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    """Seconds until Python has run this and ended."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    ways = ("first", "again", "unpacked", "installed", "python_alone")
    took: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        bundle = built(Path(folder))
        kept = str(Path(folder) / "kept")
        started([str(bundle), "--help"], {"SHIV_ROOT": kept})
        (site,) = Path(kept).glob("*/site-packages")
        for number in range(options.rounds):
            took["first"].append(started([str(bundle), "--help"], {"SHIV_ROOT": str(Path(folder) / f"new-{number}")}))
            took["again"].append(started([str(bundle), "--help"], {"SHIV_ROOT": kept}))
            took["unpacked"].append(started(["-S", *MAIN], {"PYTHONPATH": str(site)}))
            took["installed"].append(started(MAIN, {"PYTHONPATH": str(ROOT)}))
            took["python_alone"].append(started(["-c", "pass"], {}))
        megabytes = bundle.stat().st_size / 1e6
    medians = {way: statistics.median(seconds) for way, seconds in took.items()}
    figures = {
        "bundle_mb": megabytes,
        **{f"{way}_ms": seconds * 1000 for way, seconds in medians.items()},
        "again_over_unpacked": medians["again"] / medians["unpacked"],
        "again_over_installed": medians["again"] / medians["installed"],
    }
    print(
        line("bundle", figures, [at_most("the ceremony tool starts, not the first time", medians["again"], 0.5, "s")])
    )


if __name__ == "__main__":
    main()
