"""Every block of code in the documents is run by a test that is named here, or at least is what it says it is.

What is only read: TOML, JSON, YAML and Python parse, and of a shell's lines each command of ours exists with its
options.
"""

import argparse
import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

from ceremony import cli as ceremony
from client_verify import cli as client
from repo_service import cli as service
from repo_service.registries.devpi import cli as devpi

ROOT: Final = Path(__file__).parents[1]
RUN: Final = {
    "docs/API.md": "tests/walks/test_api_doc.py",
    "docs/CEREMONY.md": "tests/walks/test_ceremony_doc.py",
    "docs/CLIENT.md": "tests/walks/test_client_doc.py",
    "docs/tutorials/installer.md": "tests/walks/test_tutorials.py",
    "docs/tutorials/key-holder.md": "tests/walks/test_tutorials.py",
    "docs/tutorials/registry-engineer.md": "tests/walks/test_tutorials.py",
}
"""Documents whose blocks are run in order, and by what."""
SHOWN: Final = {"text", "html"}
"""Languages of what is looked at: a picture, or what a program printed."""
SITE: Final = {"{toctree}", "{eval-rst}"}
"""What the site itself reads (make docs)."""
PARSERS: Final = {made.prog: made for made in (client.parser(), service.parser(), ceremony.parser(), devpi.parser())}
_FENCE: Final = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INDENTED: Final = re.compile(r"^(?: {4}[^\n]*\n)+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A block, and where it stands."""

    where: str
    language: str
    text: str


def documents() -> Iterator[tuple[str, str]]:
    """Every document by its path, with its text."""
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        yield path.relative_to(ROOT).as_posix(), path.read_text()


def blocks() -> list[Block]:
    """Every block that no test runs."""
    found = []
    for where, text in documents():
        if where in RUN:
            continue
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(f"{where}:{line}", match["language"], match["text"]))
        if where == "README.md":  # whose blocks are indented
            bare = _FENCE.sub("", text)
            found += [Block(where, "sh", match[0]) for match in _INDENTED.finditer(bare) if _is_typed(match[0])]
    return found


def _is_typed(text: str) -> bool:
    return re.match(r" {4}(?:tallystick|pip|make|curl)", text) is not None


def wrong_commands(text: str) -> Iterator[str]:
    """Each command or option of ours in a shell's lines that does not exist."""
    for line in text.replace("\\\n", " ").splitlines():
        words = _words(line.strip().removeprefix("$ "))
        if words and (program := words[0].rpartition("/")[2]) in PARSERS:
            yield from _unknown(PARSERS[program], words[1:])


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # a quotation that goes on in the next line
        return []


def _unknown(parser: argparse.ArgumentParser, words: list[str]) -> Iterator[str]:
    for word in words:
        if word == "--":
            return
        below = next((each for each in parser._actions if isinstance(each, argparse._SubParsersAction)), None)
        if below is not None and word in below.choices:
            parser = below.choices[word]
        elif (below is not None and word != "…") or _is_no_option(word, parser):
            yield f"{parser.prog} {word}"
            return


def _is_no_option(word: str, parser: argparse.ArgumentParser) -> bool:
    return word.startswith("-") and word not in parser._option_string_actions


def complaint(block: Block) -> str | None:
    """What is wrong with a block that is only read."""
    try:
        match block.language:
            case "sh" | "console" | "":
                return ", ".join(wrong_commands(block.text)) or None
            case "python":
                ast.parse(block.text)
            case "toml":
                tomllib.loads(block.text)
            case "json":
                _read_all(block.text.replace("[…]", "[]"))
            case "yaml":
                yaml.safe_load(block.text)
            case language if language not in SHOWN | SITE:
                return f"nobody looks at {language}"
    except (SyntaxError, ValueError, yaml.YAMLError) as error:
        return str(error)
    return None


def _read_all(text: str) -> None:
    """One JSON value after the other."""
    while text := text.strip():
        text = text[json.JSONDecoder().raw_decode(text)[1] :]


def test_every_block_that_nothing_runs_is_what_it_says_it_is() -> None:
    found = blocks()
    assert len(found) > 30
    assert [f"{block.where}: {wrong}" for block in found if (wrong := complaint(block))] == []


def test_what_is_said_to_be_run_is_there_and_so_is_the_test() -> None:
    there = dict(documents())
    for document, test in RUN.items():
        assert "```" in there[document] and (ROOT / test).is_file(), document


@pytest.mark.parametrize(
    ("language", "text", "wrong"),
    [
        ("sh", "tallystick-service frobnicate /srv/tally\n", "tallystick-service frobnicate"),
        ("sh", "tallystick lock verify --hard uv.lock\n", "tallystick lock verify --hard"),
        ("sh", "tallystick run -- pip install --hard six\n", None),
        ("", "tallystick-ceremony plan x \\\n    --nobody\n", "tallystick-ceremony plan --nobody"),
        ("sh", "/opt/bin/tallystick show --everything six\n", "tallystick show --everything"),
        ("python", "print(\n", "'(' was never closed"),
        ("toml", "a = \n", "Invalid value"),
        ("json", "{'a': 1}\n", "Expecting property name"),
        ("ruby", "puts\n", "nobody looks at ruby"),
    ],
)
def test_a_block_that_is_wrong_is_named(language: str, text: str, wrong: str | None) -> None:
    said = complaint(Block("x", language, text))
    assert said is None if wrong is None else said is not None and wrong in said
