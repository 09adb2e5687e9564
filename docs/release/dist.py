"""What a release is: the wheel and the sdist, for each extra an inventory of what it brings along, and their digests.

Two people who build the same commit get the same wheel and sdist, whatever their folder, umask, time zone and date:
only files that git knows are taken (or those of the sdist, where there is no git), each file's date is that of
hatchling or SOURCE_DATE_EPOCH, and the version of hatchling is pinned in pyproject.toml's dev extra. The inventories
(CycloneDX) say what an index had on the day of the release; they and the licences are looked at in environments of
their own, into which the wheel was installed.

    python docs/release/dist.py [--out dist]
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from license_expression import get_spdx_licensing

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
BIN: Final = Path(sys.executable).parent
BUNDLE: Final = "ceremony-bundle"
"""The inventory of docs/bundle/bundle.lock: all that `make bundle` packs beside our own files."""
OUR_OWN: Final = ("dev", "site")
"""Extras for whoever works on this tree; a wheel has no use for them."""
SUMS: Final = "SHA256SUMS"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="FOLDER")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wheel, sdist = build(sources(folder / "tree"), folder / "built")
        shutil.copy(sdist, out)
        shutil.copy(wheel, out)
        for name in (*extras(), BUNDLE):
            environment = bundled(folder / name) if name == BUNDLE else installed(folder / name, wheel, name)
            found = inventory(environment)  # and looked at whether it is CycloneDX as its schema has it
            if problems := [*objections(found, name)]:
                raise SystemExit("\n".join([f"{name}: licences to look at (docs/release/licences.toml):", *problems]))
            file = out / f"{wheel.name.split('-py3')[0]}-{name}.cdx.json"
            file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
            print(f"{file.name}: {len(found['components'])} components")
    for line in sums(out):
        print(line)
    if _git("status", "--porcelain"):
        print("Not a release: there are changes that are in no commit.")


def sources(folder: Path) -> Path:
    """The files that a release is built from, in a folder of their own."""
    known = _git("ls-files", "-z").split("\0") if (ROOT / ".git").exists() else [*_unpacked()]
    for name in filter(None, known):
        if (ROOT / name).is_file():  # git knows a file that was just deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def _unpacked() -> Iterator[str]:
    """Of an sdist: everything, but what was made in it since."""
    for path in ROOT.rglob("*"):
        if path.is_file() and not {".venv", "dist", "__pycache__"} & {*path.relative_to(ROOT).parts}:
            yield str(path.relative_to(ROOT))


def _git(*arguments: str) -> str:
    if shutil.which("git") is None:
        return ""
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def build(tree: Path, out: Path) -> tuple[Path, Path]:
    """The wheel, made from the sdist, and the sdist, in ``out``."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"Nothing was built:\n{done.stdout}{done.stderr}")
    ((wheel,), (sdist,)) = out.glob("tallystick-*.whl"), out.glob("tallystick-*.tar.gz")
    return wheel, sdist


def extras() -> tuple[str, ...]:
    """What can be asked for in brackets, and ``base`` for no brackets."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    return ("base", *(name for name, wanted in asked.items() if wanted and name not in OUR_OWN))


def installed(folder: Path, wheel: Path, extra: str) -> Path:
    """A fresh environment with the wheel and one extra."""
    brackets = "" if extra == "base" else f"[{extra}]"
    return _environment(folder, f"tallystick{brackets} @ {wheel.absolute().as_uri()}")


def bundled(folder: Path) -> Path:
    """A fresh environment with what bundle.lock names, each file by its hash."""
    return _environment(folder, "--no-deps", "--require-hashes", "--requirement", str(ROOT / "docs/bundle/bundle.lock"))


def _environment(folder: Path, *wanted: str) -> Path:
    uv = BIN / "uv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *wanted], check=True)
    return folder


def inventory(environment: Path, *options: str) -> dict[str, Any]:
    """What is in an environment beside us, as CycloneDX JSON: the same for the same environment."""
    command = [
        str(BIN / "cyclonedx-py"), "environment", "--output-reproducible", "--of", "JSON", "-o", "-", *options,
        "--pyproject", str(ROOT / "pyproject.toml"), str(environment / "bin" / "python"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@dataclass(frozen=True, slots=True)
class Allowed:
    """licences.toml: which licences may be shipped, which may be asked for by an extra, and what packages leave out."""

    shipped: frozenset[str]
    asked_for: frozenset[str]
    unsaid: Mapping[str, str]


def allowed() -> Allowed:
    """licences.toml as it stands."""
    told = tomllib.loads((HERE / "licences.toml").read_text("utf-8"))
    return Allowed(frozenset(told["shipped"]), frozenset((*told["shipped"], *told["asked_for"])), told["unsaid"])


def objections(found: Mapping[str, Any], name: str) -> Iterator[str]:
    """Every component whose licence is not allowed, or that says none."""
    rules = allowed()
    may = rules.shipped if name == BUNDLE else rules.asked_for
    for component in found["components"]:
        said = [_said(licence) for licence in component.get("licenses", [])] or [
            rules.unsaid.get(component["name"], "")
        ]
        if not all(permits(may, each) for each in said):
            yield f"{component['name']} {component['version']}: {' and '.join(said) or 'says no licence'}"


def _said(licence: Mapping[str, Any]) -> str:
    return str(licence.get("expression") or licence["license"].get("id") or licence["license"]["name"])


def permits(may: frozenset[str], said: str) -> bool:
    """Whether a licence is one of these; of an SPDX expression, whether they are enough to satisfy it."""
    if said in may or said.startswith("License :: "):
        return said in may
    algebra = get_spdx_licensing()
    expression = algebra.parse(said) if said else None
    if expression is None:
        return False
    values = {symbol: algebra.TRUE if str(symbol) in may else algebra.FALSE for symbol in expression.symbols}
    return bool(expression.subs(values, simplify=True) == algebra.TRUE)


def sums(folder: Path) -> list[str]:
    """A line for every file of the folder, also in its SHA256SUMS, for ``sha256sum --check``."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != SUMS)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
    (folder / SUMS).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return lines


if __name__ == "__main__":
    main()
