"""The recorded session of the README: ``python -m docs.site.session`` writes it again.

What was typed and seen is a part of docs/tutorials/installer.md, which a test types line by line
(tests/walks/test_tutorials.py). From it come a recording (asciicast 2, for any player) and two pictures of that, light
and dark: SVG without a script, in which the lines appear one after the other, or at once for whoever wants no motion.
Only the time between two lines is not the real one.
"""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from tests.walks.ceremony_doc import Command, commands

ROOT: Final = Path(__file__).parents[2]
TUTORIAL: Final = ROOT / "docs" / "tutorials" / "installer.md"
STATIC: Final = ROOT / "docs" / "site" / "static"
TYPED: Final = (
    "tallystick trust add practice",
    "tallystick run -- pip --python app/bin/python install -q tallyflask==2.0",
    "tallystick run -- pip --python app/bin/python install -q colouring",
    "cp practice/yesterday.json",
    "tallystick run -- pip --python app/bin/python install -q --force-reinstall tallyflask==2.0",
)
"""How the commands begin that are shown, in their order."""
COLUMNS: Final = 80
SHADES: Final = {
    "light": {"ground": "#ffffff", "text": "#1f2328", "typed": "#0a3069", "refused": "#b00020", "frame": "#d0d7de"},
    "dark": {"ground": "#0d1117", "text": "#e6edf3", "typed": "#9ecbff", "refused": "#ff9492", "frame": "#30363d"},
}
_READING_S: Final = 1.6
_ANSWER_S: Final = 0.7
_LINE: Final = 19
_EDGE: Final = 16


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the terminal, and the second at which it comes."""

    at: float
    text: str


def shown(text: str) -> list[Command]:
    """The commands of the tutorial that are shown. AssertionError if one is there no more."""
    found, left = [], list(TYPED)
    for command in commands(text):
        if left and command.typed.startswith(left[0]):
            found.append(command)
            left.pop(0)
    assert not left, f"{TUTORIAL.name} does not say {left[0]!r} any more"
    return found


def lines(text: str) -> Iterator[Line]:
    """What the terminal shows, folded at 80 columns."""
    at = 0.5
    for command in shown(text):
        typed = " \\\n".join(_folded(f"$ {command.typed}", COLUMNS - 2)).splitlines()
        yield from (Line(round(at, 1), each) for each in typed)
        at += _ANSWER_S
        seen = [folded for each in command.seen.splitlines() for folded in _folded(each, COLUMNS)]
        yield from (Line(round(at, 1), each) for each in (*seen, ""))
        at += _READING_S * (1 + len(seen) / 6)


def _folded(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent="    ", break_on_hyphens=False) or [""]


def cast(text: str) -> str:
    """The recording: a header and an event for each line."""
    found = [*lines(text)]
    header = {"version": 2, "width": COLUMNS, "height": len(found), "title": "Tallystick: what is refused, and why"}
    events = [[line.at, "o", f"{line.text}\r\n"] for line in found]
    return "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in (header, *events))


def transcript(text: str) -> str:
    """The same as text."""
    return "".join(f"{line.text}\n" for line in lines(text))


def drawn(recording: str, shade: str) -> str:
    """A picture of a recording, in one of the shades."""
    header, *events = (json.loads(each) for each in recording.splitlines())
    colours = SHADES[shade]
    width, height = _EDGE * 2 + COLUMNS * 8.5, _EDGE * 2 + len(events) * _LINE
    rows, goes_on = list[str](), False
    for number, (at, _, data) in enumerate(events, 1):
        line = str(data).rstrip()
        kind = "typed" if goes_on or line.startswith("$ ") else "refused" if "REFUSED" in line else "text"
        goes_on = kind == "typed" and line.endswith("\\")
        style = f"animation-delay:{at}s"
        place = f'x="{_EDGE}" y="{_EDGE + number * _LINE - 5}"'
        rows.append(f'<text {place} class="{kind}" style="{style}" xml:space="preserve">{escape(line)}</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}" role="img">',
        f"<title>{escape(header['title'])}</title>",
        "<style>",
        "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        "opacity:0;animation:come .01s forwards}",
        "@keyframes come{to{opacity:1}}",
        "@media (prefers-reduced-motion:reduce){text{animation:none;opacity:1}}",
        *(f".{kind}{{fill:{colours[kind]}}}" for kind in ("text", "typed", "refused")),
        ".refused{font-weight:bold}",
        "</style>",
        f'<rect width="100%" height="100%" rx="8" fill="{colours["ground"]}" stroke="{colours["frame"]}"/>',
        *rows, "</svg>", "",
    ])  # fmt: skip


def files() -> dict[Path, str]:
    """Every file of the session, as it must be now."""
    text = TUTORIAL.read_text()
    recording = cast(text)
    pictures = {STATIC / f"session-{shade}.svg": drawn(recording, shade) for shade in SHADES}
    return {STATIC / "session.cast": recording, STATIC / "session.txt": transcript(text), **pictures}


def main() -> None:
    """Write them."""
    for path, text in files().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
