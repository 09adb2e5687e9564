"""Requirements with hashes, as pip reads them (pip/_internal/req/req_file.py): lines, continuations and comments.

A requirement names hashes and no files. What pip would follow or take from its environment (``-r``, ``-c``,
``${NAME}``) is not in this file, so it is unverifiable here: give the other file as well, or a compiled one.
"""

import re
import shlex
from collections.abc import Iterator
from typing import Final

from packaging.requirements import Requirement

from client_verify.locks.digests import DIGEST, digests
from client_verify.locks.entries import Entry, Index, Item, Local, Unverifiable
from client_verify.refusals import Usage
from keys import names, strict

FILENAME: Final = re.compile(r".+\.txt")
_COMMENT: Final = re.compile(r"(^|\s+)#.*$")
_CODING: Final = re.compile(r"#.*coding[:=]\s*([-\w.]+)")
_UTF_8: Final = frozenset({"utf-8", "utf8", "UTF-8", "UTF8"})
_VARIABLE: Final = re.compile(r"\$\{[A-Z0-9_]+\}")
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_INDEX: Final = frozenset({"-i", "--index-url", "--extra-index-url", "-f", "--find-links"})
_OTHER_FILE: Final = frozenset({"-r", "--requirement", "-c", "--constraint"})
_EDITABLE: Final = frozenset({"-e", "--editable"})
_HARMLESS: Final = frozenset(
    {
        "--all-releases",
        "--no-binary",
        "--no-index",
        "--no-require-hashes",
        "--only-binary",
        "--only-final",
        "--pre",
        "--prefer-binary",
        "--require-hashes",
        "--trusted-host",
        "--use-feature",
    }
)
"""What changes which of the named files is taken, and adds none: every one of them is looked at."""


def items(filename: str, text: str) -> Iterator[Item]:
    """What a requirements file says. Usage if pip would read its bytes as other text."""
    lines = text.removeprefix("\ufeff").split("\n")
    for line in lines[:2]:
        if (declared := _CODING.match(line)) and declared[1] not in _UTF_8:
            raise Usage(f"{filename} declares the encoding {declared[1]!r:.80}; only UTF-8 is read")
    for line in logical(lines):
        try:
            yield from _line(strict.line(line.replace("\t", " ")))
        except ValueError as error:  # strict.Malformed, names.InvalidName, shlex's, InvalidRequirement
            yield _unverifiable(line, f"it is not understood ({str(error).splitlines()[0]})")


def logical(lines: list[str]) -> Iterator[str]:
    """Lines joined where one ends in a backslash, without comments: pip's join_lines and ignore_comments."""
    joined: list[str] = []
    for raw in [*lines, ""]:
        line = raw.removesuffix("\r")
        comment = _COMMENT.match(line) is not None
        if line.endswith("\\") and not comment:
            joined.append(line.strip("\\"))
            continue
        whole = _COMMENT.sub("", "".join([*joined, f" {line}" if comment else line])).strip()
        joined = []
        if whole:
            yield whole


def _line(line: str) -> Iterator[Item]:
    if _VARIABLE.search(line):
        yield _unverifiable(line, "it holds a variable of the environment")
    elif line.startswith("-"):
        yield from _option(line)
    else:
        yield from _requirement(line)


def _option(line: str) -> Iterator[Item]:
    option, _, value = (line.replace(" ", "=", 1) if "=" not in line.split(" ")[0] else line).partition("=")
    value = value.strip()
    if option in _INDEX:
        yield Index(value)
    elif option in _OTHER_FILE:
        yield _unverifiable(line, "it is another file; verify that one too, or compile both into one")
    elif option in _EDITABLE:
        is_tree = not _URL.match(value) and not digests(value)
        yield Local("source tree", value) if is_tree else _unverifiable(line, "it comes from elsewhere")
    elif option not in _HARMLESS or digests(line):
        yield _unverifiable(line, "it is not understood")


def _requirement(line: str) -> Iterator[Item]:
    said, hashes = _split(line)
    if _URL.match(said) or said.startswith((".", "/", "~")):
        yield Unverifiable(said.strip(), "it is no file of a registry", digests(line))
        return
    requirement = Requirement(said)
    if requirement.url is not None:
        yield Unverifiable(requirement.name, f"it comes from {requirement.url}", digests(line))
        return
    yield from _pinned(line, names.normalise(requirement.name), requirement, hashes)


def _pinned(line: str, name: str, requirement: Requirement, hashes: list[str]) -> Iterator[Item]:
    match list(requirement.specifier):
        case [only] if only.operator in ("==", "===") and not only.version.endswith(".*"):
            version = only.version
        case _:
            yield Unverifiable(f"{requirement}", "it is not pinned to one version", digests(line))
            return
    if not hashes:
        yield Unverifiable(f"{name} {version}", "it has no hash")
    for found in hashes:
        kind, _, value = found.partition(":")
        if kind == "sha256" and DIGEST.fullmatch(value):
            yield Entry(name, version, None, value)
        else:
            yield Unverifiable(f"{name} {version}", f"it has a hash that is no sha256: {found:.80}", digests(found))


def _split(line: str) -> tuple[str, list[str]]:
    """The requirement, and its hashes. ValueError for any other option: pip's break_args_options."""
    tokens = line.split(" ")
    options = next((number for number, token in enumerate(tokens) if token.startswith("-")), len(tokens))
    found: list[str] = []
    words = iter(shlex.split(" ".join(tokens[options:])))
    for word in words:
        option, _, value = word.partition("=")
        if option != "--hash":
            raise ValueError(f"{word:.80} is no option that is known here")
        found.append(value or next(words, ""))
    return " ".join(tokens[:options]), found


def _unverifiable(line: str, why: str) -> Unverifiable:
    return Unverifiable(line if len(line) < 60 and line.isprintable() else f"{line[:60]!r}…", why, digests(line))
