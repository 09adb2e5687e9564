"""The answers and tables of docs/CLIENT.md: ``python -m tests.walks.client_doc`` writes them again.

Every ``sh`` block is run, in order, by somebody who has just installed the command, against a repository on loopback
that stands in for https://packages.acme.example; a ``text`` or ``json`` block right after it is what it printed. The
``run`` lines of a ``yaml`` block and the RUN lines of a ``dockerfile`` block are run as well, each on a machine of its
own. Only `pip install tallystick` is left out: what is tested is this tree.
"""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import yaml

from client_verify.refusals import KINDS
from keys.encoding import sha256
from tests import loopback, paper
from tests.paper_log import PaperLog

CLIENT_MD: Final = Path(__file__).parents[2] / "docs" / "CLIENT.md"
URL: Final = "https://packages.acme.example"
BEGIN, END = "<!-- refusals: made by tests/walks/client_doc.py -->\n", "<!-- end -->\n"
_BLOCK: Final = re.compile(
    r"^```(?P<language>sh|yaml|dockerfile|python)\n(?P<run>.*?)^```\n(?:\n```(?:text|json)\n(?P<said>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
_NOT_RUN: Final = re.compile(r"^(?:python -m )?pip install (?:-q )?'?tallystick.*\n?", re.MULTILINE)
_VOLATILE: Final = (
    (re.compile(r"127\.0\.0\.1:[0-9]{4,5}"), "127.0.0.1:8417"),  # which it is if that is free
    (re.compile(r"acme-[0-9a-f]{16}"), "acme-5849f1526075e88e"),
    (re.compile(r"\([0-9]+ (?:second|minute)s? ago\)"), "(a minute ago)"),
    (re.compile(r"lib/python3\.[0-9]+/"), "lib/python3.13/"),
    (re.compile(r"sha256:[0-9a-f]{64}"), "sha256:6f1c…"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "6f1c…"),
    (re.compile(r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z"), "2026-11-28T09:00:00Z"),
    (re.compile(r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}\b"), "2026-11-28"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the document, what it should print if that is shown, and where that stands."""

    language: str
    run: str
    said: str | None
    start: int
    end: int


class Machine:
    """A person's machine: an empty home, the commands of this tree, and a registry that can be reached."""

    def __init__(self, folder: Path, url: str, root: bytes, newest: str) -> None:
        self._folder, self._url, self._root, self._newest = folder, url, root, newest
        self._count = 0
        self._desk = self._new()

    def answer(self, block: Block) -> str:
        """What a block prints, as the document shows it."""
        if block.language == "yaml":
            return self._script("".join(_steps(block.run)), self._new())
        if block.language == "dockerfile":
            return self._script("".join(_layers(block.run)), self._new())
        if block.language == "python":
            return self._ran([sys.executable, "-c", block.run.replace(URL, self._url)], self._desk)
        return self._script(block.run, self._desk)

    def _new(self) -> Path:
        self._count += 1
        desk = self._folder / f"machine-{self._count}"
        desk.mkdir()
        (desk / "acme-root.json").write_bytes(self._root)
        (desk / "requirements.txt").write_text(f"tallyflask==2.0 --hash=sha256:{self._newest}\n")
        return desk

    def _script(self, text: str, desk: Path) -> str:
        script = _NOT_RUN.sub("", text).replace(URL, self._url).replace("/usr/share/acme/", f"{desk}/")
        return self._ran(["bash", "-uo", "pipefail", "-c", script], desk)

    def _ran(self, command: list[str], desk: Path) -> str:
        own = Path(sys.executable).parent
        environment = {
            "PATH": f"{desk}/venv/bin:{own}:{os.environ['PATH']}",
            "PYTHONPATH": str(CLIENT_MD.parents[1]),
            "HOME": str(desk),
            "VIRTUAL_ENV": f"{desk}/venv",
            "COLUMNS": "80",
            "NO_COLOR": "1",
            "UV_OFFLINE": "0",
        }
        if not (desk / "venv").exists():
            subprocess.run([sys.executable, "-m", "venv", desk / "venv"], check=True)
        done = subprocess.run(
            command, cwd=desk, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        return self._shown(done.stdout, desk)

    def _shown(self, printed: str, desk: Path) -> str:
        text = printed.replace(self._url, URL).replace(f"{desk}/", "~/")
        for volatile, shown in _VOLATILE:
            text = volatile.sub(shown, text)
        return text.rstrip("\n") + "\n"


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a document that can be run."""
    for match in _BLOCK.finditer(text):
        yield Block(match["language"], match["run"], match["said"], *match.span("said"))


def refusals() -> str:
    """What is refused and what to do, from the one table that the command itself has."""
    codes = sorted(KINDS, key=lambda code: KINDS[code].exit)
    parts = [f"### `{code}`: {KINDS[code].title} (exit {KINDS[code].exit})\n\n{_wrapped(code)}\n" for code in codes]
    return "\n" + "\n".join(parts) + "\n"


def _wrapped(code: str) -> str:
    return textwrap.fill(KINDS[code].explanation, 140, break_on_hyphens=False, break_long_words=False)


def _steps(text: str) -> Iterator[str]:
    for job in yaml.safe_load(text)["jobs"].values():
        yield from (f"{step['run']}\n" for step in job["steps"] if "run" in step)


def _layers(text: str) -> Iterator[str]:
    joined = text.replace("\\\n", " ")
    yield from (f"{line.removeprefix('RUN ')}\n" for line in joined.splitlines() if line.startswith("RUN "))


def registry(now: datetime) -> tuple[paper.Paper, PaperLog]:
    """What the document's registry has: tallyflask in three versions, one of them yanked, a name that is held, and a
    log that three witnesses have seen.
    """
    log = PaperLog()
    made = paper.Paper(now, forge=log.forge)
    wheels = [paper.wheel("tallyflask", version) for version in ("1.0", "1.1", "2.0")]
    for artifact in wheels:
        made.add_file("tallyflask", artifact.filename, artifact.data, artifact.metadata)
    first, second, third = (paper.release(now, each.filename.split("-")[1], each) for each in wheels)
    made.say(paper.project(now, "tallyflask", first, paper.yanked(now, second, "leaks memory"), third))
    stealer = paper.project(now, "colouring", paper.release(now, "1.0", paper.wheel("colouring", "1.0")))
    made.say(replace(stealer, quarantine=paper.mark(now, "admin", text="steals credentials")))
    publish(made, log, now)
    return made, log


def publish(made: paper.Paper, log: PaperLog, now: datetime) -> None:
    """Another release of it, which is in the log."""
    made.publish(now, lifetime=timedelta(days=3))
    log.append(made, now)


@contextmanager
def machine() -> Iterator[Machine]:
    """A machine for the blocks of one document, with the registry on a free port."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made, _ = registry(datetime.now(UTC).replace(microsecond=0))
        made.write(folder / "public")
        newest = sha256(paper.wheel("tallyflask", "2.0").data)
        with loopback.folder(folder / "public") as url:
            yield Machine(folder, url, made.root, newest)


def written(text: str) -> str:
    """The document with every answer as the command gives it now, and the refusals as its table has them."""
    made, done = [], 0
    with machine() as asked:
        for block in blocks(text):
            answer = asked.answer(block)
            if block.said is not None:
                made += [text[done : block.start], answer]
                done = block.end
    answered = "".join([*made, text[done:]])
    head, _, rest = answered.partition(BEGIN)
    return head + BEGIN + refusals() + END + rest.partition(END)[2]


def main() -> None:
    CLIENT_MD.write_text(written(CLIENT_MD.read_text()))


if __name__ == "__main__":
    main()
