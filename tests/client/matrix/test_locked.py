"""What was locked yesterday and must not be installed today: refused from the lock file too, with its reason."""

import shutil

import pytest

from tests.client.matrix import golden
from tests.client.matrix.attacks import ATTACKS

FROM_LOCK = {"uv sync": ("sync", "--frozen"), "poetry": ("install", "--no-interaction"), "pdm": ("sync",)}


@pytest.mark.parametrize("attack", ["takedown", "quarantine"])
@pytest.mark.parametrize("installer", FROM_LOCK)
def test_a_lock_file_brings_back_nothing(stage, attack, installer):
    project = stage.project(installer)
    assert stage.run(installer, project).installed == ("tallyflask-1.0",), stage.printed
    shutil.rmtree(project.folder / ".venv")
    ATTACKS[attack].strike(stage)
    outcome = stage.run(installer, project.again(*FROM_LOCK[installer]))
    golden.check(f"locked-{attack}", installer, outcome)
    assert outcome.installed == () and outcome.code == 7, stage.printed
