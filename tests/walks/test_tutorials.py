"""docs/tutorials are true: every line is typed in its order, ends as it is said, and prints what is shown."""

import re
from pathlib import Path

import pytest

from tests.walks import ceremony_doc, tutorials


@pytest.mark.parametrize("name", tutorials.REAL)
def test_every_line_that_is_typed_shows_what_is_shown(name: str) -> None:
    text = (tutorials.TUTORIALS / name).read_text()
    assert tutorials.written(text) == text, "if a change is meant: python -m tests.walks.tutorials"


def test_a_key_holder_sees_what_is_shown_without_a_network() -> None:
    text = (tutorials.TUTORIALS / "key-holder.md").read_text()
    assert ceremony_doc.written(text) == text, "if a change is meant: python -m tests.walks.tutorials"


@pytest.mark.parametrize("path", sorted(tutorials.TUTORIALS.glob("*.md")), ids=lambda path: path.name)
def test_no_block_of_a_tutorial_is_left_out(path: Path) -> None:
    text = path.read_text()
    run = len(re.findall("^```console$", text, re.MULTILINE)) + len([*tutorials.FILE.finditer(text)])
    assert run == len(re.findall("^```", text, re.MULTILINE)) / 2 >= 5
    assert text.count("<!-- not run: ") == 1, "only how it is installed"
