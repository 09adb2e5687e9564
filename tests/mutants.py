"""Does a test turn red when a guard is changed? A mutation run over the state tables, and over guards.

    make mutants            a sample, the same one each time
    make mutants ALL=1      all of them

A mutant changes one thing: a row of a state machine, a rule, a comparison, a condition. It is written into a scratch
copy of the tree, in which the tests of the domain and of the promises run until the first is red. Who survives is
printed, and the run ends with 1 if EQUIVALENT does not explain it. Libraries mutate functions; our guards are rows of
tables.
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

ROOT: Final = Path(__file__).parents[1]
GUARDED: Final = (
    *sorted((ROOT / "repo_service/domain").glob("*.py")),
    ROOT / "keys/succession.py",
    ROOT / "keys/invariants.py",
    ROOT / "keys/rules.py",
    ROOT / "keys/tokens.py",
    *(
        ROOT / f"ceremony/{name}.py"
        for name in ("answers", "codes", "inputs", "memory", "request", "seal", "transcript")
    ),
    ROOT / "repo_service/guarding/rules.py",
    *sorted((ROOT / "keys/tlog").glob("*.py")),
)
CEREMONY_TESTS: Final = tuple(
    f"tests/ceremony/test_{name}.py" for name in ("answers", "memory", "transcript", "draft", "seal", "plan", "request")
)
TESTS: Final = (
    *("tests/keys/test_succession.py", "tests/keys/test_invariants.py", "tests/keys/test_page.py"),
    *("tests/keys/test_rules.py", "tests/keys/test_tokens.py"),
    *("tests/domain", "tests/service/test_overlays.py", "tests/service/test_api.py", "tests/service/test_reading.py"),
    "tests/service/test_naming.py",
)
COPIED: Final = ("keys", "ceremony", "client_verify", "repo_service", "tests", "docs", "pyproject.toml")
SAMPLE: Final = 60
OTHER: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OBJECTIONS: Final = (
    *("Why", "Warned", "Broken", "NotOpened", "Refusal"),
    *("AlreadySigned", "BadInput", "Mismatch", "NotEnough", "Refused", "BrokenChain", "_broken"),
    *("NotProven", "BadNote", "BadLeaf"),
)
TABLE: Final = "_RULES"  # what a tuple of rules is called
EQUIVALENT: Final[dict[str, str]] = {
    "repo_service/domain/flags.py: to > start  ->  to >= start": "a pause that ends as time begins adds nothing",
}
"""Mutants that nothing can tell from the original, as ``Mutant.what`` says them, and why."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change to one file: where, what stood there, what stands there now."""

    path: str
    line: int
    before: str
    after: str
    source: str

    @property
    def what(self) -> str:
        return f"{self.path}: {' '.join(self.before.split())}  ->  {self.after}"


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of one file."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        for place, after in _changes(node):
            before = ast.get_source_segment(source, place)
            start, end = _offset(source, place.lineno, place.col_offset), _offset(source, *_end(place))
            assert before is not None and source[start:end] == before, f"{path}:{place.lineno}: not where it should be"
            changed = source[:start] + after + source[end:]
            yield Mutant(str(path.relative_to(ROOT)), place.lineno, before, after, changed)


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """What can be done at a node: the expression to replace, and the text to put there."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield node, ast.unparse(ast.Compare(node.left, [OTHER[type(node.ops[0])]()], node.comparators))
    if isinstance(node, ast.BoolOp):
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        yield node, f"({ast.unparse(ast.BoolOp(other, node.values))})"
    if isinstance(node, ast.If) and _objects(node):
        yield node.test, "False"
    if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "").endswith(TABLE):
        assert isinstance(node.value, ast.Tuple), "rules stand in a tuple"
        yield from ((rule, "*()") for rule in node.value.elts)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_T":
        yield node, "*()"
        actors = node.args[4]
        assert isinstance(actors, ast.Tuple), "the fifth column of a table is who may"
        for actor in ("owner", "moderator", "clock"):
            if actor not in (known := [ast.literal_eval(each) for each in actors.elts]):
                yield actors, repr((*known, actor))


def _objects(node: ast.If) -> bool:
    """Whether something is refused, or said, right where this condition holds."""
    inside = (each for statement in node.body for each in ast.walk(statement))
    return any(isinstance(each, ast.Call) and getattr(each.func, "id", "") in OBJECTIONS for each in inside)


def _end(place: ast.expr) -> tuple[int, int]:
    assert place.end_lineno is not None and place.end_col_offset is not None
    return place.end_lineno, place.end_col_offset


def _offset(source: str, line: int, column: int) -> int:
    """Where a line and a column in UTF-8 bytes lie in the text."""
    lines = source.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


def is_killed(mutant: Mutant, scratch: Path) -> bool:
    """Whether a test turns red in a scratch copy that has this mutant. The copy is as before afterwards."""
    path = scratch / mutant.path
    original = path.read_text()
    path.write_text(mutant.source)
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *_tests(mutant.path)]
        found = subprocess.run(
            command,
            cwd=scratch,
            env={**os.environ, "PYTHONPATH": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=600,
            check=False,
        )
    finally:
        path.write_text(original)
    return found.returncode != 0


def _tests(path: str) -> tuple[str, ...]:
    """The tests that hold a file to its promises."""
    if path.startswith("ceremony/"):
        return CEREMONY_TESTS
    if path.startswith("keys/tlog/"):
        return ("tests/keys/tlog",)
    return ("tests/guarding",) if path.startswith("repo_service/guarding/") else TESTS


def main() -> int:
    parser = argparse.ArgumentParser(description="Change guards one at a time and see whether a test turns red.")
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--only", default="", help="only files whose path holds this text")
    chosen = parser.parse_args()
    found = [mutant for path in GUARDED if chosen.only in str(path) for mutant in mutants(path)]
    tried = found if chosen.all else random.Random(1).sample(found, min(SAMPLE, len(found)))
    print(f"{len(tried)} of {len(found)} mutants", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(os.cpu_count() or 1):
            copies.put(_copy(Path(folder) / str(number)))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            survivors = [each for each in pool.map(lambda mutant: _try(mutant, copies), tried) if each is not None]
    unexplained = [each for each in survivors if each.what not in EQUIVALENT]
    killed, explained = len(tried) - len(survivors), len(survivors) - len(unexplained)
    print(f"{killed} killed, {explained} equivalent, {len(unexplained)} alive")
    return 1 if unexplained else 0


def _copy(folder: Path) -> Path:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def _try(mutant: Mutant, copies: "SimpleQueue[Path]") -> Mutant | None:
    """The mutant, if it survives."""
    scratch = copies.get()
    try:
        killed = is_killed(mutant, scratch)
    finally:
        copies.put(scratch)
    if not killed:
        print(f"alive: {mutant.path}:{mutant.line}: {mutant.what.partition(': ')[2]}", flush=True)
    return None if killed else mutant


if __name__ == "__main__":
    sys.exit(main())
