"""The documented files repeat to the byte: fixed keys, a fixed clock, and deterministic signatures."""

import re
from pathlib import Path

from tests.walks import golden


def test_every_documented_example_is_what_the_code_makes(tmp_path: Path) -> None:
    assert golden.make(tmp_path) == golden.documented(), "if a change is meant: python -m tests.walks.golden"


def test_format_md_names_only_examples_that_exist_and_every_kind_of_file() -> None:
    text = (golden.EXAMPLES.parent / "FORMAT.md").read_text()
    linked = set(re.findall(r"\]\((examples/[^)]+)\)", text))
    assert all((golden.EXAMPLES.parent / link).is_file() for link in linked)
    assert len(linked) >= 10
