"""One file with all that a holder needs on a machine without a network: dist/tallystick-ceremony-….pyz, and its digest.

Two people who build the same commit get the same bytes, whatever their machine, folder, umask and Python:

* the wheels are those of bundle.lock, by hash, for the platform that is asked for and not for the one that builds;
* they are unpacked and not installed, because an installer writes the path of its Python into scripts;
* nothing is compressed, because zlib and zlib-ng give different bytes;
* shiv's archive writer is called with a sorted list: its command keeps the order of the file system;
* all dates are that of the last commit that touched what is packed, or SOURCE_DATE_EPOCH.

    python docs/bundle/build.py [--python 3.11] [--machine x86_64] [--wheels FOLDER] [--out dist]
"""

import argparse
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
sys.path.insert(0, str(ROOT))
from ceremony.built import FILE, Built  # noqa: E402 - of this checkout, whatever else is installed
from keys import words  # noqa: E402
from keys.times import stamp  # noqa: E402

LOCK: Final = HERE / "bundle.lock"
HOUSES: Final = ("keys", "ceremony")
PACKED: Final = (*HOUSES, "docs/bundle", "LICENSE", "pyproject.toml")
"""What decides the bytes of a bundle."""
MACHINES: Final = ("x86_64", "aarch64")
PLATFORMS: Final = ("manylinux_2_28", "manylinux2014")
"""glibc 2.28: Debian 10 and whatever is newer."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="3.11", metavar="MINOR", help="of the offline machine")
    parser.add_argument("--machine", default=MACHINES[0], choices=MACHINES, help="its processor")
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="already downloaded; then no network is needed")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="FOLDER")
    options = parser.parse_args()
    os.umask(0o022)  # modes are packed too
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        built = _built(options.python, options.machine)
        wheels = download(Path(folder) / "wheels", options.python, options.machine, options.wheels)
        site = _unpacked(Path(folder) / "site", wheels)
        _add_ours(site, built)
        _write(options.out / _name(built), site, built, _shiv(wheels))
    digest = _sums(options.out)[_name(built)]
    print(f"Built {options.out / _name(built)}.\nSHA-256 {digest}, and in words:")
    said = words.words(bytes.fromhex(digest))
    for place in range(0, len(said), 4):
        print("  " + "".join(f"{word:16}" for word in said[place : place + 4]).rstrip())


def _built(python: str, machine: str) -> Built:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    commit, seconds = (_git("log", "-1", "--format=%H %ct", "--", *PACKED) or "unknown ").split(" ")
    if _git("status", "--porcelain", "--", *PACKED):
        commit += "+changes"
    seconds = os.environ.get("SOURCE_DATE_EPOCH", seconds)
    if not seconds:
        raise SystemExit("This is no git checkout: set SOURCE_DATE_EPOCH to the seconds of the commit's date.")
    return Built(version, commit, stamp(datetime.fromtimestamp(int(seconds), UTC)), python, machine)


def _name(built: Built) -> str:
    return f"tallystick-ceremony-{built.version}-cp{built.python.replace('.', '')}-linux_{built.machine}.pyz"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def download(folder: Path, python: str, machine: str, wheels: Path | None = None) -> list[Path]:
    """The wheels of the lock, each with one of its hashes; pip refuses any other. From ``wheels`` or the network."""
    source = [] if wheels is None else ["--no-index", "--find-links", str(wheels.absolute())]
    platforms = [f"--platform={platform}_{machine}" for platform in PLATFORMS]
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--require-hashes", "--only-binary=:all:", "--implementation=cp", f"--python-version={python}",
        *platforms, *source, f"--dest={folder}", f"--requirement={LOCK}",
    ]  # fmt: skip
    if subprocess.run(command).returncode:
        raise SystemExit("The wheels of bundle.lock could not be had; nothing was built.")
    return sorted(folder.glob("*.whl"))


def _unpacked(site: Path, wheels: list[Path]) -> Path:
    for wheel in wheels:
        if wheel == _shiv(wheels):
            continue
        with ZipFile(wheel) as archive:
            names = archive.namelist()
            assert not any(".data/purelib/" in name or ".data/platlib/" in name for name in names), wheel.name
            # What is left of .data is manual pages and scripts.
            archive.extractall(site, [name for name in names if not name.split("/")[0].endswith(".data")])
    return site


def _shiv(wheels: list[Path]) -> Path:
    return next(wheel for wheel in wheels if wheel.name.startswith("shiv-"))


def _add_ours(site: Path, built: Built) -> None:
    for house in HOUSES:
        shutil.copytree(ROOT / house, site / house, ignore=shutil.ignore_patterns("__pycache__"), copy_function=_copy)
    (site / "ceremony" / FILE).write_text(json.dumps(asdict(built), indent=1) + "\n", "utf-8")
    about = site / f"tallystick-{built.version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.4\nName: tallystick\nVersion: {built.version}\n", "utf-8")
    _copy(ROOT / "LICENSE", about / "LICENSE")
    (site / "bin").mkdir()
    _copy(HERE / "preamble.py", site / "bin" / "preamble.py")


def _copy(source: str | Path, target: str | Path) -> None:
    """The bytes alone: a checkout's modes follow its owner's umask."""
    Path(target).write_bytes(Path(source).read_bytes())


def _write(target: Path, site: Path, built: Built, shiv: Path) -> None:
    sys.path.insert(0, str(shiv))  # out of the wheel, whose order of files is always the same
    builder: Any = importlib.import_module("shiv.builder")
    environment: Any = importlib.import_module("shiv.bootstrap.environment")
    scripts = sorted(path.relative_to(site) for path in site.rglob("*.py"))
    env = environment.Environment(
        built_at=built.date.replace("T", " ").rstrip("Z"),
        shiv_version=shiv.name.split("-")[1],
        entry_point="ceremony.cli:main",
        preamble="preamble.py",
        compile_pyc=False,
        no_modify=True,
        hashes={str(path): hashlib.sha256((site / path).read_bytes()).hexdigest() for path in scripts},
        reproducible=True,
    )
    builder.create_archive([site], target, "/usr/bin/env python3", "_bootstrap:bootstrap", env, compressed=False)


def _sums(folder: Path) -> dict[str, str]:
    """The digest of every file in the folder, also in its SHA256SUMS, for ``sha256sum --check``: `make dist` writes
    there too (docs/release/dist.py).
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (folder / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()), "utf-8")
    return sums


if __name__ == "__main__":
    main()
