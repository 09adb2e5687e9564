"""docs/OPERATIONS.md is about this service: its settings, metrics, failpoints, errors and commands."""

import re
from pathlib import Path

from repo_service.cli import parser
from repo_service.commands import bringing, keymaking, opening, tokens
from repo_service.operating.exposition import exposed
from repo_service.operating.settings import template
from tests.service.door import Silent
from tests.world import World

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/OPERATIONS.md").read_text()
NAMED = re.compile(r"tallystick_[a-z_]+")


def samples(world: World) -> set[str]:
    """The names of every sample that a scrape can hold."""
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
    families = exposed(world.service.metrics, world.service.parts(Silent())).collect()
    ours = [family for family in families if family.name.startswith("tallystick_")]
    return {family.name + suffix for family in ours for suffix in suffixes.get(family.type, [""])}


def test_every_metric_that_we_export_is_in_the_manual_and_none_besides(world: World) -> None:
    told = {name for name in NAMED.findall(TEXT) if not name.endswith("_")}
    exported = {re.sub("_(bucket|count|sum)$", "", name) for name in samples(world)}
    assert told == exported


def test_the_settings_in_the_manual_are_those_that_key_writes() -> None:
    assert f"```toml\n{template()}```\n" in TEXT


def test_every_failpoint_has_its_row() -> None:
    points = {
        name
        for path in (ROOT / "repo_service").rglob("*.py")
        for name in re.findall(r'failpoint\("([a-z_.]+)"\)', path.read_text())
    }
    assert len(points) > 10
    assert {name for name in points if f"`{name}`" not in TEXT} == set()


def test_every_error_that_stops_publishing_is_told_with_its_exit_status() -> None:
    exits = {**opening.EXITS, **bringing.OWN_EXITS, **keymaking.OWN_EXITS, **tokens.OWN_EXITS}
    for error, status in exits.items():
        if status in (4, 5):
            assert re.search(rf"^\| {status} .*`{error.__name__}`", TEXT, re.MULTILINE), error


def test_every_command_that_the_manual_says_exists() -> None:
    commands = parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    assert commands is not None
    assert set(re.findall(r"tallystick-service ([a-z-]+)", TEXT)) <= set(commands)
