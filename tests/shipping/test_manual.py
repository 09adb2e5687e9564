"""The manual pages are those of the commands, and any man shows them."""

import re
import shlex
import subprocess

import pytest

import ceremony.cli
from client_verify.refusals import KINDS
from repo_service.commands import bringing, guard, keymaking, monitor, opening, tokens
from repo_service.operating import settings
from tests.servers import need
from tests.shipping.manual import MAN, PAGES, Page, written

EVERY = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
BY_NAME = {page.name: page for page in PAGES}


@EVERY
def test_a_page_is_what_the_command_says_of_itself(page: Page) -> None:
    assert (MAN / f"{page.name}.1").read_text() == written(page), "if it is meant: python -m tests.shipping.manual"


@EVERY
def test_man_shows_a_page_without_a_warning(page: Page) -> None:
    man = need("man", "man-db and groff")
    environment = {"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANROFFOPT": "-ww"}
    command = [man, "--warnings", "--local-file", str(MAN / f"{page.name}.1")]
    shown = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert shown.stderr == ""
    sections = re.findall("^[A-Z][A-Z ]+$", shown.stdout, re.MULTILINE)
    assert {"NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO"} <= {
        *sections
    }


@EVERY
def test_mandoc_finds_nothing_but_the_date_that_no_page_has(page: Page) -> None:
    command = [need("mandoc", "mandoc"), "-Tlint", "-Wwarning", str(MAN / f"{page.name}.1")]
    found = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    assert [line for line in found if "missing date" not in line] == []  # the same page whenever it is made


@EVERY
def test_the_examples_of_a_page_can_be_typed(page: Page) -> None:
    for line in page.examples.values():
        program, *words = shlex.split(line)
        assert program == page.name
        page.parser.parse_args(words)


def test_every_exit_status_is_told() -> None:
    assert {kind.exit for kind in KINDS.values()} < {*BY_NAME["tallystick"].statuses}
    ours = {**opening.EXITS, **bringing.OWN_EXITS, **keymaking.OWN_EXITS, **tokens.OWN_EXITS}
    assert {*ours.values(), *guard._EXIT.values(), *monitor.EXITS} <= {*BY_NAME["tallystick-service"].statuses}
    assert {*ceremony.cli.EXIT.values()} < {*BY_NAME["tallystick-ceremony"].statuses}


def test_every_variable_is_told() -> None:
    told = {name for page in PAGES for name in page.environment}
    internal = {"INDEX", "PYTHONPATH"}  # what `run` tells the programs that it starts
    assert told >= {f"TALLYSTICK_{name}" for name in (settings._CLIENT | settings._MONITOR) - internal}
