"""docs/ARCHITECTURE.md is a map of this tree: every room is on it, and it names none that is gone."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
TEXT: Final = (ROOT / "docs/ARCHITECTURE.md").read_text()
HOUSES: Final = ("keys", "ceremony", "client_verify", "repo_service", "tests", "docs")
FILES: Final = frozenset(path.relative_to(ROOT).as_posix() for house in HOUSES for path in (ROOT / house).rglob("*.py"))
NAMED: Final = re.compile(r"`([a-z0-9_/]+\.py)`")
MAPPED: Final = ("", "accepting/", "publishing/", "mending/", "operating/", "storage/", "importing/")


def test_every_file_that_it_names_exists() -> None:
    named = set(NAMED.findall(TEXT))
    assert len(named) > 80
    assert {name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in FILES)} == set()


def test_every_room_of_the_service_is_on_the_map() -> None:
    rooms = {path.stem for folder in MAPPED for path in (ROOT / "repo_service" / folder).glob("*.py")} - {"__init__"}
    told = set(re.findall(r"`(?:[a-z_]+/)*([a-z0-9_]+)(?:\.py)?`", TEXT))
    assert rooms - told == set()


def test_every_room_of_the_client_is_on_the_map() -> None:
    whole = {"commands", "locks", "doors", "poetry-plugin"}  # of these the folder is
    rooms = {path.stem for path in (ROOT / "client_verify").rglob("*.py") if path.parent.name not in whole} - {
        "__init__"
    }
    told = set(re.findall(r"`(?:[a-z_]+/)*([a-z0-9_]+)(?:\.py)?`", TEXT))
    assert rooms - told == set()


def test_every_decision_has_a_number_of_its_own() -> None:
    decisions = sorted((ROOT / "docs/adr").glob("*.md"))
    assert len({path.name[:4] for path in decisions}) == len(decisions) > 20
    for path in decisions:
        assert path.read_text().startswith(f"# {int(path.name[:4])}. "), path.name
