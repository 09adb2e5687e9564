"""The files of docs/examples, made again: ``python -m tests.walks.golden`` writes them where a change is meant."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from ceremony import answers, plan
from ceremony.request import write as write_request
from keys import layout, names, possession
from keys.state import Reason
from keys.times import stamp
from keys.tlog import notes, tiles
from repo_service.accepting import halting
from repo_service.domain import flags
from repo_service.domain import requests as r
from tests.world import OWNER, World, held_ceremony, held_key, online_key, publishing

EXAMPLES: Final = Path(__file__).parents[2] / "docs" / "examples"
PAGES: Final = ("flask", "gone", "acme", "acme-tools", "internal-tools")


def make(folder: Path) -> dict[str, bytes]:
    """One small history, from the ceremony on: example path to bytes."""
    world = World(folder, held=("internal-tools",))
    world.do(
        publishing("flask", "1.0", display="Flask"),
        publishing("flask", "1.1", display="Flask"),
        publishing("gone"),
        r.Grant("acme", "org-1", "Acme Corporation", r.Actor("support")),
        r.Reserve("acme-tools", replace(OWNER, org="org-1"), "Acme Corporation"),
    )
    world.tick(hours=1)
    world.do(
        r.Yank("flask", "1.0", Reason("broken", "does not start")),
        r.Unpublish("gone", "1.0", Reason("secret_exposure", "a private key was inside"), r.Fact(0, stamp(world.now))),
    )
    world.tick(hours=1)
    world.do(r.Unpublish("flask", "1.1", Reason("mistake", "published too early"), r.Fact(0, stamp(world.now))))
    incident = flags.SetFlag("deletions_halted", Reason("incident", "a stolen token"), "2026-11-23T00:00:00Z")
    halting.set_flag(world.service.journal, incident, "golden", None, world.now)
    world.service.round()
    newest = world.stock()
    newest.refresh()
    found = {}
    for name in PAGES:
        target = newest.get_targetinfo(names.page_path(name))
        assert target is not None
        stored = names.hashed(target.path, target.hashes["sha256"])
        found[f"pages/{name}.json"] = (world.public / "targets" / stored).read_bytes()
    (policy,) = (world.public / "targets/policy/standard").iterdir()
    found["policy/1.json"] = policy.read_bytes()
    (flag,) = (world.public / "targets/policy/flags").iterdir()
    found["policy/flags-1.json"] = flag.read_bytes()
    for role in (*layout.OFFLINE, layout.SNAPSHOT, *layout.Bins(2).roles()):
        files = (world.public / "metadata").glob(f"*.{role}.json")
        last = max(files, key=lambda file: int(file.name.split(".")[0]))
        found[f"metadata/{last.name}"] = last.read_bytes()
    found["metadata/timestamp.json"] = (world.public / "metadata" / "timestamp.json").read_bytes()
    found |= log_files(world)
    return found | ceremony_files()


def log_files(world: World) -> dict[str, bytes]:
    """The log's newest checkpoint, the proof of its snapshot, and all leaves, one in a line."""
    log = world.public / "log"
    note = (log / "checkpoint").read_bytes()
    head = notes.read_checkpoint(notes.read_note(note).text)
    tree = tiles.Tree(head.size, head.root, lambda path: (log / path).read_bytes())
    newest = max((log / "proofs").iterdir(), key=lambda file: int(file.name.split(".")[0]))
    leaves = b"".join(leaf + b"\n" for leaf in tree.leaves(0))
    return {"log/checkpoint": note, f"log/{newest.name}": newest.read_bytes(), "log/leaves.ndjson": leaves}


def ceremony_files() -> dict[str, bytes]:
    """What the same ceremony hands around before it is sealed."""
    drafted, answered = held_ceremony(held=("internal-tools",))
    found = {"ceremony/plan.toml": plan.write(drafted.plan)}
    found |= {f"ceremony/draft/{name}": data for name, data in drafted.files().items()}
    for number in (1, 2, 3):
        file = possession.write(f"holder-{number}", held_key(number), rehearsal=True)
        found[f"ceremony/holders/holder-{number}.pub"] = file
    found["ceremony/online.pub"] = possession.write("online", online_key(), rehearsal=True)
    request = {path.removeprefix("ceremony/"): data for path, data in found.items()}
    found["ceremony/test-root-1.request"] = write_request(request, drafted, "tallystick")
    return found | {"ceremony/test-root-1.holder-1.answer": answers.write(answered[0])}


def documented() -> dict[str, bytes]:
    """The examples as they lie there, but for the screens, which tests/walks/screens.py makes, and for programs."""
    made_elsewhere = {"screens", "registry", "__pycache__"}
    files = (path for path in EXAMPLES.rglob("*") if path.is_file() and path.parent.name not in made_elsewhere)
    return {path.relative_to(EXAMPLES).as_posix(): path.read_bytes() for path in files}


def main() -> None:
    for path in documented():
        (EXAMPLES / path).unlink()
    with tempfile.TemporaryDirectory() as folder:
        for path, body in make(Path(folder)).items():
            (EXAMPLES / path).parent.mkdir(parents=True, exist_ok=True)
            (EXAMPLES / path).write_bytes(body)


if __name__ == "__main__":
    main()
