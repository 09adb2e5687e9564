"""Can a warm cache of an installer bring back what a registry has refused since? It depends on Cache-Control.

First by themselves, from a plain registry: the reason why ours says ``no-store``. Then behind ``tallystick run``, which
closes what is left: the caches that look at no header (poetry's artifacts, pip's built wheels, uv where its person says
so) are private to the run.
"""

import shutil
from typing import Final, NamedTuple

import pytest

from tests.client.matrix import mirror
from tests.client.matrix.registry import registry, run
from tests.client.matrix.stage import ONE
from tests.installers import INSTALLERS

IMMUTABLE: Final = "max-age=600, immutable"


class Row(NamedTuple):
    """What is installed once the file is refused, and how often it is asked for, with this header on everything."""

    installer: str
    caching: str
    installed: bool
    asked: int


ROWS: Final = (
    Row("pip", "no-store", False, 1),
    Row("uv", "no-store", False, 1),
    Row("uv sync", "no-store", False, 1),
    Row("poetry", "no-store", True, 0),
    Row("pdm", "no-store", False, 2),
    Row("pip", "no-cache", False, 1),
    Row("uv", "no-cache", True, 0),
    Row("uv sync", "no-cache", True, 0),
    Row("pip", IMMUTABLE, False, 1),
    Row("uv", IMMUTABLE, True, 0),
    Row("uv sync", IMMUTABLE, True, 0),
    Row("poetry", IMMUTABLE, True, 0),
    Row("pdm", IMMUTABLE, True, 0),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.installer}-{row.caching}")
def test_a_warm_cache_brings_back_what_it_always_did(tmp_path, row):
    installer = INSTALLERS[row.installer]
    with registry() as index:
        index.caching = dict.fromkeys(("page", "file", "metadata"), row.caching)
        warm = installer.project(tmp_path / "warm", "tallyflask==1.0", index=index.index)
        assert run(warm).installed == ("tallyflask-1.0",)
        index.refused["file"] = 403
        index.asked.clear()
        again = installer.project(tmp_path / "again", "tallyflask==1.0", index=index.index)
        if (lock := warm.folder / "uv.lock").exists():
            shutil.copy(lock, again.folder)
        ended = run(again, HOME=warm.environment["HOME"])
    found = row._replace(installed=ended.installed != (), asked=index.asked.count("file"))
    assert found == row, f"{installer.version} behaves otherwise than those before it. It printed: {ended.printed}"


@pytest.mark.parametrize("installer", ["pip", "uv", "poetry", "pdm"])
def test_no_cache_of_an_installer_outlives_a_run(stage, installer):
    """Our own is taken away as well, so whatever is installed the second time came from a cache of theirs."""
    first = stage.run(installer)
    assert first.installed == ("tallyflask-1.0",), stage.printed
    kept = stage.folder / installer
    assert [path.name for path in (kept / "home").glob(".cache/*") if path.name not in ("tallystick",)] == []
    shutil.rmtree(kept / ".venv")
    shutil.rmtree(stage.home / "cache")
    stage.mirror.tricks[ONE.filename] = mirror.missing
    assert stage.run(installer).installed == (), stage.printed
    assert sum(path.endswith(ONE.filename) for path in stage.mirror.asked) > 1, "it was asked for again"
