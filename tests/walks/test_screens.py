"""Whole ceremonies by three holders without a network, one with a token: what they see is what reviewers read."""

from pathlib import Path

import pytest

from tests.walks.screens import SCREENS, ceremonies, table


def test_two_ceremonies_by_three_holders_show_what_the_golden_screens_say(tmp_path: Path) -> None:
    """``python -m tests.walks.screens`` writes them anew where a change is meant."""
    with table(tmp_path) as sitting:
        seen = ceremonies(sitting)
    assert seen == {path.name: path.read_text() for path in sorted(SCREENS.iterdir())}
    for text in seen.values():
        assert max(map(len, text.splitlines()[1:])) <= 80


@pytest.mark.parametrize("name", [path.name for path in sorted(SCREENS.glob("*signs*"))])
def test_a_holder_reads_five_screens_and_each_ends_in_a_question_whose_default_is_no(name: str) -> None:
    text = (SCREENS / name).read_text()
    for number in range(1, 6):
        assert f"{number} of 5  " in text
    assert text.count("[y/N] y") == 4 and text.count("(as heard)") == 4
    assert "Type  sign root" in text and ("PIN of token" in text or "Passphrase of" in text)
