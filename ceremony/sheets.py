"""Sheets of paper: blocks, written as plain text for a terminal, as Markdown, and as HTML for a printer.

All are made of the same blocks, so they say the same. Nothing in them is a script, a style from elsewhere or a link.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from ceremony.show import WIDTH

BLANK: Final = "________"
_MARKS: Final = ("", "== ", "# ", "[ ] ", "- ", "$ ", "> ", "! ")
_KEPT: Final = ("$ ", "> ")
"""Lines that are kept as they are: what follows one is not joined to it."""
_COMMAND: Final = "      $"
_FURTHER: Final = "         "
_WORD: Final = re.compile(r"""(?:--[a-z-]+ (?!-))?(?:'[^']*'|"[^"]*"|\S)+""")
_STYLE: Final = """\
@page { size: A4; margin: 18mm 16mm; }
body { font: 11pt/1.35 serif; color: black; background: white; max-width: 178mm; margin: 0 auto; }
h1 { font-size: 18pt; border-bottom: 1.5pt solid black; } h2 { font-size: 13pt; break-after: avoid; }
section + section { break-before: page; }
table { border-collapse: collapse; width: 100%; margin: 3mm 0; }
th, td { border: .5pt solid black; padding: 1mm 2mm; text-align: left; vertical-align: top; }
pre { font: 9pt/1.3 monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 1mm 0; padding: 1mm 2mm;
      border: .5pt solid #888; }
.step { break-inside: avoid; border-top: .5pt solid black; padding: 2mm 0; }
.step p { margin: 1mm 0; } .sign { text-align: right; } ul.boxes { list-style: "\\2610  "; }
"""


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the blocks that follow it."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph, wrapped to the sheet's width."""

    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """Things to be known, in no order."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines as they are typed or shown."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a head, each as long as the head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Boxes:
    """Things to be ticked off."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One act of one person: what they do and type, what must come of it, and what else to do. It is initialled."""

    who: str
    what: str
    commands: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    otherwise: str = ""


Block = Heading | Text | Points | Code | Table | Boxes | Step


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one person holds in hand; ``name`` becomes a file's name. Steps are numbered from 1 under each heading."""

    name: str
    title: str
    blocks: tuple[Block, ...]


def parsed(text: str) -> tuple[Block, ...]:
    """Blocks from text, in which empty lines divide them.

    ``== …`` is a heading, ``# Who: …`` a step, ``[ ] …`` and ``- …`` are lists. Under a step ``$ …`` is typed, ``> …``
    must be seen, and ``! …`` is to be done if it is not. What goes on in the next line is joined.
    """
    return tuple(_block(block) for block in re.split("\n\n+", text.strip()))


def plain(blocks: Sequence[Block]) -> str:
    """Blocks as text for a terminal, ``WIDTH`` columns wide."""
    lines = [line for number, block in _numbered(blocks) for line in (*_terminal(number, block), "")]
    return "\n".join(lines)


def markdown(sheet: Sheet) -> bytes:
    """A sheet as Markdown that also reads well as it is."""
    parts = [f"# {_plain(sheet.title)}"]
    for number, block in _numbered(sheet.blocks):
        parts.append("\n".join(_markdown(number, block)))
    return ("\n\n".join(parts) + "\n").encode()


def html(title: str, sheets: Iterable[Sheet]) -> bytes:
    """Sheets as one page to be printed, each beginning on paper of its own."""
    sections = "".join(
        f"<section>\n<h1>{escape(sheet.title)}</h1>\n"
        + "".join(_html(number, block) for number, block in _numbered(sheet.blocks))
        + "</section>\n"
        for sheet in sheets
    )
    head = f'<meta charset="utf-8">\n<title>{escape(title)}</title>\n<style>\n{_STYLE}</style>\n'
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}</head>\n<body>\n{sections}</body>\n</html>\n'.encode()


def _block(block: str) -> Block:
    marked: dict[str, list[str]] = {mark: [] for mark in _MARKS}
    mark = ""
    for line in block.splitlines():
        if begins := next((each for each in _MARKS if each and line.startswith(each)), ""):
            mark = begins
            marked[mark].append(line.removeprefix(mark))
        elif mark in _KEPT or not marked[mark]:
            mark = ""
            marked[mark].append(line)
        else:
            marked[mark][-1] += f" {line}"
    return _made(marked)


def _made(marked: dict[str, list[str]]) -> Block:
    match marked:
        case {"== ": [text]}:
            return Heading(text)
        case {"# ": [step]}:
            who, _, what = step.partition(": ")
            return Step(who, what, tuple(marked["$ "]), tuple(marked["> "]), " ".join(marked["! "]))
        case {"[ ] ": [_, *_]}:
            return Boxes(tuple(marked["[ ] "]))
        case {"- ": [_, *_]}:
            return Points(tuple(marked["- "]))
    return Text(" ".join(marked[""]))


def _numbered(blocks: Sequence[Block]) -> Iterator[tuple[int, Block]]:
    number = 0
    for block in blocks:
        number = 0 if isinstance(block, Heading) else number + isinstance(block, Step)
        yield number, block


def _terminal(number: int, block: Block) -> Iterator[str]:
    match block:
        case Heading(text) | Text(text):
            yield from _filled(text, "")
        case Points(items) | Boxes(items):
            for item in items:
                yield from _filled(item, "  - ")
        case Code(lines):
            yield from lines
        case Table(head, rows):
            yield from (line for row in (head, *rows) for line in _filled("; ".join(row), ""))
        case Step(who, what, commands, expected, otherwise):
            yield from _filled(f"{who}: {what}", f"{number:2}. ")
            for command in commands:
                yield from _typed(command)
            yield from (f"      {line}" for line in expected)
            yield from _filled(f"IF NOT, THEN {otherwise}", "    ") if otherwise else ()


def _filled(text: str, mark: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark), break_on_hyphens=False)


def _typed(command: str) -> Iterator[str]:
    """A command that can be copied: each of its lines but the last ends in a backslash, and none inside of quotes."""
    line = _COMMAND
    for word in _WORD.findall(command):
        if len(line) + len(word) + 3 > WIDTH:
            yield f"{line} \\"
            line = _FURTHER
        line += f" {word}"
    yield line


def _markdown(number: int, block: Block) -> Iterator[str]:
    match block:
        case Heading(text):
            yield f"## {_plain(text)}"
        case Text(text):
            yield _plain(text)
        case Points(items):
            yield from (f"- {_plain(item)}" for item in items)
        case Code(lines):
            yield from ("```text", *lines, "```")
        case Table(head, rows):
            yield f"| {' | '.join(map(_plain, head))} |"
            yield f"|{'---|' * len(head)}"
            yield from (f"| {' | '.join(map(_plain, row))} |" for row in rows)
        case Boxes(items):
            yield from (f"- [ ] {_plain(item)}" for item in items)
        case Step(who, what, commands, expected, otherwise):
            yield f"**{number}. {_plain(who)}:** {_plain(what)}"
            if commands:
                yield from ("", "```console", *(f"$ {command}" for command in commands), "```")
            if expected:
                yield from ("", "Expected:", "", "```text", *expected, "```")
            if otherwise:
                yield from ("", f"IF NOT, THEN {_plain(otherwise)}")
            yield from ("", f"Initials {BLANK} Time (UTC) {BLANK}")


def _html(number: int, block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>\n"
        case Text(text):
            return f"<p>{escape(text)}</p>\n"
        case Points(items):
            return f"<ul>\n{_items(items)}</ul>\n"
        case Code(lines):
            return _pre(lines)
        case Table(head, rows):
            body = "".join(f"<tr>{_cells('td', row)}</tr>\n" for row in rows)
            return f"<table>\n<tr>{_cells('th', head)}</tr>\n{body}</table>\n"
        case Boxes(items):
            return f'<ul class="boxes">\n{_items(items)}</ul>\n'
        case Step(who, what, commands, expected, otherwise):
            typed = _pre(f"$ {command}" for command in commands) if commands else ""
            shown = f"<p>Expected:</p>\n{_pre(expected)}" if expected else ""
            last = f"<p><b>IF NOT, THEN</b> {escape(otherwise)}</p>\n" if otherwise else ""
            signed = f'<p class="sign">Initials {BLANK} Time (UTC) {BLANK}</p>\n'
            said = f"<p><b>{number}. {escape(who)}:</b> {escape(what)}</p>\n"
            return f'<div class="step">\n{said}{typed}{shown}{last}{signed}</div>\n'


def _pre(lines: Iterable[str]) -> str:
    return f"<pre>{escape(chr(10).join(lines))}</pre>\n"


def _items(items: Iterable[str]) -> str:
    return "".join(f"<li>{escape(item)}</li>\n" for item in items)


def _cells(tag: str, cells: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)


def _plain(text: str) -> str:
    """Text that Markdown takes as it is: a purpose or a name is a person's, and no markup."""
    return "".join(f"\\{character}" if character in "\\`*[]<>|" else character for character in text)
