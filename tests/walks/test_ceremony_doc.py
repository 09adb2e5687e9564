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
        "tallystick": client_cli._parser, "tallystick-ceremony": lambda _: cli.parser(),
        "tallystick-service": lambda words: service_cli.parser(words[:1]),
    }  # fmt: skip
    shown = ceremony_doc.commands(ceremony_doc.CEREMONY_MD.read_text())
    typed = [each.typed for each in shown if "not run: being wired" not in each.notes]
    for tool, *words in (shlex.split(line.split(" > ")[0]) for line in typed if line.startswith("tallystick")):
        parsers[tool](words).parse_args(words)


def test_every_exit_code_of_the_tool_is_explained() -> None:
    explained = re.findall(r"^\| (\d+) \|", ceremony_doc.CEREMONY_MD.read_text(), re.MULTILINE)
    assert {0, 2, *cli.EXIT.values()} == {int(code) for code in explained}


def test_only_what_is_left_out_may_differ() -> None:
    assert ceremony_doc.agrees("one\n…\nfour …\n", "one\ntwo\nthree\nfour five\n")
    assert not ceremony_doc.agrees("one\n…\nfour …\n", "one\ntwo\n4 five\n")
    assert not ceremony_doc.agrees("one\n", "one\ntwo\n")


def test_a_note_is_for_the_block_below_it_alone() -> None:
    text = "<!-- exit 13 -->\n```console\n$ a \\\n    b\nseen\n$ c\n```\n"
    text += "<!-- not run: why -->\n```console\n$ d\n```\n```console\n$ e\n```\n"
    found = [*ceremony_doc.commands(text)]
    assert [(each.typed, each.seen, each.code, ceremony_doc.is_run(each)) for each in found] == [
        ("a     b", "seen\n", 0, True), ("c", "", 13, True), ("d", "", 0, False), ("e", "", 0, True),
    ]  # fmt: skip
