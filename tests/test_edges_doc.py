"""docs/EDGES.md names a test that exists for every trap and every edge case, or says why there is none."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
TRAPS: Final = [f"T{number}" for number in range(1, 15)]
EDGES: Final = [str(number) for number in range(1, 87)]
WHOSE: Final = {"us", "registry", "installer"}
AWAITED: Final = ()
"""Files whose named tests are still on their way here."""


def rows() -> list[list[str]]:
    """The cells of every row of its tables."""
    lines = (ROOT / "docs/EDGES.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| T?\d", line)]


@cache
def defined_in(path: Path) -> frozenset[str]:
    """What a file of tests defines at its top; nothing if there is no such file."""
    body = ast.parse(path.read_text()).body if path.is_file() else []
    functions = (node.name for node in body if isinstance(node, ast.FunctionDef))
    machines = (ast.unparse(node.targets[0]) for node in body if isinstance(node, ast.Assign))
    return frozenset([*functions, *machines])


def test_every_trap_and_every_edge_case_is_there_once_in_order() -> None:
    assert [row[0] for row in rows()] == [*TRAPS, *EDGES]


def test_each_says_what_is_claimed_and_whose_it_is() -> None:
    for number, claim, whose, _ in rows():
        assert claim.endswith(".") and set(whose.split(", ")) <= WHOSE, number


def test_each_names_tests_that_exist_or_says_why_there_is_none() -> None:
    for number, _, _, shown in rows():
        named = re.findall(r"`(tests/[^`]+)::(test_\w+|Test\w+)`", shown)
        assert named or shown.startswith("none: "), number
        assert shown.count("::") == len(named), number
        for path, test in named:
            assert path in AWAITED or test in defined_in(ROOT / path), f"{number}: {path}::{test}"
