"""What a monitor tells is what somebody has read and found right (tests/monitor/golden.py)."""

from pathlib import Path

import pytest

from tests.monitor import golden


@pytest.mark.parametrize("scene", golden.SCENES)
def test_people_read_what_was_reviewed(scene: str, tmp_path: Path) -> None:
    reviewed = (golden.FOLDER / f"{scene}.txt").read_text()
    assert golden.played(scene, tmp_path) == reviewed, "if a change is meant: python -m tests.monitor.golden"
