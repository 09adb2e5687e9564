"""What a monitor tells people: ``python -m tests.monitor.golden`` writes it anew where a change is meant.

A file for each scene; in it a heading for each run of the command, with its exit status, and below it what a terminal
of 80 columns shows. Digests are replaced.
"""

import re
import tempfile
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from shutil import copytree
from typing import Final

from keys.state import Mark, Reason, Yank
from keys.times import stamp
from repo_service.cli import parser
from repo_service.commands import monitor
from repo_service.domain import requests as r
from tests.walks.thief import Thief
from tests.world import OWNER, World, publishing

FOLDER: Final = Path(__file__).parent / "golden"
WIDTH: Final = 80


class Stage:
    """A world and a monitor of it, which has looked once. ``shown`` is what it told since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown = ""
        self.world = _world(folder / "world")
        (folder / "public").symlink_to(self.world.public)
        (folder / "1.root.json").write_bytes(self.world.trust.roots[0].data)
        self.run("--root", "1.root.json")
        self.shown = ""

    def run(self, *more: str, public: str = "public") -> int:
        """One run of the command against these public files."""
        arguments = [public, "--state", "state", *more]
        with chdir(self.folder), redirect_stdout(StringIO()) as out, redirect_stderr(out):
            options = parser(["monitor"]).parse_args(["monitor", *arguments])
            code = monitor.run(options, lambda: self.world.now)
        assert all(len(line) <= WIDTH for line in out.getvalue().splitlines()), out.getvalue()
        said = re.sub(r"\b[0-9a-f]{64}\b", "…", re.sub(r"\b[0-9a-f]{16}…", "…", out.getvalue().strip()))
        self.shown += f"== monitor {' '.join(arguments)}: exit status {code}\n{said}\n\n"
        return code

    def copy(self) -> Path:
        """The public files as they are now, at another place."""
        return Path(copytree(self.folder / "public", self.folder / "elsewhere"))

    def other(self) -> World:
        """A world of the same keys, which went the same way until now."""
        other = _world(self.folder / "other")
        (self.folder / "elsewhere").symlink_to(other.public)
        return other


def _world(folder: Path) -> World:
    world = World(folder)
    world.do(*(publishing("flask", f"{number}.0") for number in range(1, 4)))
    return world


def all_is_well(stage: Stage) -> None:
    stage.world.tick(minutes=1)
    stage.world.do(publishing("other"), r.Yank("flask", "1.0", Reason("broken"), OWNER))
    stage.run()


def nothing_is_pinned(stage: Stage) -> None:
    with chdir(stage.folder):
        options = parser(["monitor"]).parse_args(["monitor", "https://registry.test", "--state", "new"])
        with redirect_stderr(StringIO()) as err:
            code = monitor.run(options, lambda: stage.world.now)
    stage.shown += f"== monitor https://registry.test --state new: exit status {code}\n{err.getvalue()}\n"


def mass_yank(stage: Stage) -> None:
    """A thief of an owner's token yanks 300 releases."""
    for number in range(300):
        stage.world.record(publishing("big", f"{number}.0"))
    stage.world.do()
    stage.run()
    stage.world.tick(minutes=10)
    for number in range(300):
        stage.world.record(r.Yank("big", f"{number}.0", None, OWNER))
    stage.world.do()
    stage.shown = ""
    stage.run()


def unlogged_snapshot(stage: Stage) -> None:
    """A thief of the online key shows one victim that flask is yanked, and logs nothing."""
    state = stage.world.service.journal  # what is said of flask in truth
    with state.reading() as view:
        flask = view.name("flask").state
    assert flask is not None
    mark = Mark(stamp(stage.world.now), "owner", None)
    yanked = tuple(replace(each, yank=Yank("owner", mark)) for each in flask.releases)
    thief = Thief(stage.world, stage.copy())
    thief.strike(saying=replace(flask, serial=flask.serial + 1, releases=yanked))
    stage.run(public="elsewhere")
    kept = evidence(stage, ".timestamp.json") + evidence(stage, ".snapshot.json")
    assert len(kept) == 2
    assert set(kept) <= set(thief.wrote.values())


def evidence(stage: Stage, ending: str) -> list[bytes]:
    """What the monitor kept."""
    return [path.read_bytes() for path in sorted((stage.folder / "state/evidence").glob(f"*{ending}"))]


def split_view(stage: Stage) -> None:
    """A thief of the online key and of the log's key has another log for some."""
    other = stage.other()
    other.do(*(r.Yank("flask", f"{number}.0", None, OWNER) for number in (2, 3)))
    stage.world.do(publishing("flask", "4.0"), publishing("flask", "5.0"))
    stage.run("--vantage", "elsewhere")
    heads = [(home / "log/checkpoint").read_bytes() for home in (stage.world.public, other.public)]
    assert sorted(evidence(stage, ".checkpoint")) == sorted(heads)


def fork(stage: Stage) -> None:
    """The log is another one than it was, for whoever looks now."""
    other = stage.other()
    other.do(*(r.Yank("flask", f"{number}.0", None, OWNER) for number in (2, 3)))
    stage.world.do(publishing("flask", "4.0"), publishing("flask", "5.0"))
    stage.run()
    stage.shown = ""
    stage.run(public="elsewhere")
    assert len(evidence(stage, ".checkpoint")) == 2


def stale(stage: Stage) -> None:
    """Nobody signs any more: first the log stands still, then the timestamp expires."""
    stage.world.tick(hours=13)
    stage.run()
    stage.world.tick(days=3)
    stage.run()


def held_back(stage: Stage) -> None:
    """The registry shows this monitor old news; another vantage has newer ones."""
    copytree(stage.folder / "public", stage.folder / "old")
    stage.world.do(publishing("flask", "4.0"))
    stage.run("--vantage", "public", public="old")
    stage.world.tick(hours=2)
    stage.run("--vantage", "public", public="old")


def out_of_reach(stage: Stage) -> None:
    """Nobody answers, or a vantage is away."""
    stage.run("--vantage", "nowhere")
    stage.run(public="nowhere")


SCENES: Final[dict[str, Callable[[Stage], None]]] = {
    scene.__name__: scene
    for scene in (
        all_is_well, nothing_is_pinned, mass_yank, unlogged_snapshot, split_view, fork, stale, held_back, out_of_reach,
    )
}  # fmt: skip


def played(scene: str, folder: Path) -> str:
    stage = Stage(folder)
    SCENES[scene](stage)
    return f"{stage.shown.strip()}\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for scene in SCENES:
        with tempfile.TemporaryDirectory() as folder:
            (FOLDER / f"{scene}.txt").write_text(played(scene, Path(folder)))


if __name__ == "__main__":
    main()
