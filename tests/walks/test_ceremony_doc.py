"""docs/CEREMONY.md is true: its commands are run in order, and end and say what it shows."""

import re
import shlex

from ceremony import cli
from client_verify import cli as client_cli
from repo_service import cli as service_cli
from tests.servers import need
from tests.walks import ceremony_doc


def test_every_command_does_what_the_runbook_shows() -> None:
    need("openssl", "openssl")
    text = ceremony_doc.CEREMONY_MD.read_text()
    assert ceremony_doc.written(text) == text, "if a change is meant: python -m tests.walks.ceremony_doc"


def test_what_is_not_run_is_typed_as_the_tools_take_it() -> None:
    parsers = {
        "tallystick": client_cli._parser(), "tallystick-ceremony": cli._parser(),
        "tallystick-service": service_cli._parser(),
    }  # fmt: skip
    typed = [each.typed for each in ceremony_doc.commands(ceremony_doc.CEREMONY_MD.read_text())]
    for tool, *words in (shlex.split(line.split(" > ")[0]) for line in typed if line.startswith("tallystick")):
        parsers[tool].parse_args(words)


def test_every_exit_code_of_the_tool_is_explained() -> None:
    explained = re.findall(r"^\| (\d+) \|", ceremony_doc.CEREMONY_MD.read_text(), re.MULTILINE)
    assert {0, 2, *cli.EXIT.values()} == {int(code) for code in explained}
