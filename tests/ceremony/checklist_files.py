"""The sheets in tests/ceremony/checklists, made again: ``python -m tests.ceremony.checklist_files`` writes them."""

import dataclasses
from pathlib import Path
from typing import Final

from ceremony import plan
from ceremony.checklist import checklists
from ceremony.draft import Draft
from ceremony.plan import Arrangements
from keys.encoding import sha256
from tests.ceremony.people import drafted, first, keyring, opened

FILES: Final = Path(__file__).parent / "checklists"
ARRANGED: Final = Arrangements("2026-12-01", "2026-12-08", "erin", ("frank", "grace"))


def second() -> Draft:
    """Dan comes for carol, a name is held, and the sticks of two have colours."""
    ring = keyring("alice", "bob", "dan")
    colours = {"alice": "white", "dan": "blue"}
    made = drafted(ring, first(), held=("admin", "root"), purpose="replace carol by dan", ceremony=ARRANGED)
    holders = tuple(dataclasses.replace(each, stick=colours.get(each.name, "")) for each in made.plan.holders)
    return dataclasses.replace(made, plan=dataclasses.replace(made.plan, holders=holders))


def sheets(made: Draft) -> dict[str, bytes]:
    """The checklists of a draft in the directory ``2026``."""
    return checklists(opened(made).inputs, made, sha256(plan.write(made.plan)), "2026")


def make() -> dict[str, bytes]:
    return {Path(name).name: data for name, data in sheets(second()).items()}


def main() -> None:
    FILES.mkdir(exist_ok=True)
    for name, data in make().items():
        (FILES / name).write_bytes(data)


if __name__ == "__main__":
    main()
