"""A thousand changes in one call: from the request to signed and visible, through the whole application.

``publish`` brings a thousand new projects, ``yank`` yanks a release of each, ``one`` brings a thousand versions of one
project. The bell does a round before it returns, so the answer says that all are signed. ``door_s`` is the same call
with a bell that nobody hears: parsed, decided, durable. Prints one JSON line.

    python benchmarks/batch.py [--changes 1000] [--bins 16384]
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.service.door import AtOnce, Door, Silent
from tests.world import World

AIM_S: Final = 2.0
SETTINGS: Final = "name_per_minute = 1000000\nclient_per_minute = 1000000\nmax_pending = 1000000\n"
BOT: Final = {"kind": "system", "id": "a-bot", "approver": "another"}


def publication(name: str, version: str) -> dict[str, Any]:
    filename = f"{name.replace('-', '_')}-{version}.tar.gz"
    file = {"filename": filename, "sha256": "ab" * 32, "size": 7, "url": f"https://files.example/{filename}"}
    return {"verb": "publish", "name": name, "version": version, "files": [file], "actor": BOT}


def yank(name: str) -> dict[str, Any]:
    reason = {"code": "broken", "text": "does not start"}
    return {"verb": "yank", "name": name, "version": "1.0", "reason": reason, "actor": BOT}


def called(door: Door, items: list[dict[str, Any]], wanted: str) -> tuple[float, float]:
    """Seconds and CPU seconds of one call, whose every change ends as it should."""
    began, used = time.perf_counter(), time.process_time()
    answer = door.post("/v1/batch", {"items": items}, key=wanted + items[0]["name"] + items[0]["verb"])
    took = time.perf_counter() - began, time.process_time() - used
    assert answer.status_code in (200, 202), answer.get_data()[:500]
    assert {each["status"] for each in answer.get_json()["items"]} == {wanted}
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--bins", type=int, default=16384)
    options = parser.parse_args()
    figures: dict[str, float] = {"changes": options.changes, "bins": options.bins}
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), SETTINGS, bins=options.bins)
        heard, unheard = Door(world, bell=AtOnce(world)), Door(world, bell=Silent())
        names = [f"project-{number}" for number in range(options.changes)]
        for what, items in (
            ("publish", [publication(name, "1.0") for name in names]),
            ("yank", [yank(name) for name in names]),
            ("one", [publication("all-in-one", f"{number}.0") for number in range(options.changes)]),
        ):
            seconds, cpu = called(heard, items, "signed")
            figures |= {f"{what}_s": round(seconds, 2), f"{what}_cpu_s": round(cpu, 2)}
        more = [publication(f"more-{number}", "1.0") for number in range(options.changes)]
        figures["publish_door_cpu_s"] = round(called(unheard, more, "accepted")[1], 2)
    aims = [
        {"name": f"{options.changes} changes in one call ({what})", "value": figures[f"{what}_s"], "aim": AIM_S,
         "unit": "s", "holds": figures[f"{what}_s"] <= AIM_S}
        for what in ("publish", "yank", "one")
    ]  # fmt: skip
    print(json.dumps({"benchmark": "batch", "figures": figures, "aims": aims}))


if __name__ == "__main__":
    main()
