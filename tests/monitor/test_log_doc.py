"""What docs/LOG.md says of the monitor is what the code does."""

import re

from repo_service.cli import parser
from tests.monitor import golden, log_doc


def test_the_tables_are_those_of_the_code() -> None:
    text = log_doc.DOCUMENT.read_text()
    assert text.partition(log_doc.BEGIN)[2].partition(log_doc.END)[0] == log_doc.tables(), (
        "python -m tests.monitor.log_doc"
    )


def test_every_option_is_explained_and_none_is_invented() -> None:
    command = parser(["monitor"])._subparsers._group_actions[0].choices["monitor"]  # type: ignore[union-attr, index]
    options = {option for action in command._actions for option in action.option_strings} - {"-h", "--help"}
    text = log_doc.DOCUMENT.read_text()
    section = text.partition("## Run a monitor")[2].partition("\n## ")[0]
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", section)) == options


def test_the_scenes_that_are_linked_are_there() -> None:
    text = log_doc.DOCUMENT.read_text()
    linked = re.findall(r"\(\.\./(tests/monitor/golden/\w+\.txt)\)", text)
    assert linked
    assert all((log_doc.DOCUMENT.parents[1] / path).is_file() for path in linked)


def test_the_look_that_is_shown_is_one_that_was_taken() -> None:
    _, _, looked = (golden.FOLDER / "all_is_well.txt").read_text().partition("\n")
    assert f"```\n{looked}```\n" in log_doc.DOCUMENT.read_text()
