"""What docs/tutorials shows, from real commands: ``python -m tests.walks.tutorials`` writes it again.

Each ``console`` block is run in order, as in docs/CEREMONY.md (tests/walks/ceremony_doc.py), but with this machine's
own clock, dice and network, by somebody with an empty home: the commands of this tree are installed, and port 8416 is
one that is free. What is other each time is shown as ``…``. Before a block may stand, besides

    <!-- file: yank.py -->     the next block is a file that the reader writes
    <!-- stays -->             its command runs until the tutorial ends; what it says first is shown
    <!-- stays: python … -->   so does this, which is what `make` would run

A line that begins with ``export `` or ``. `` holds for all that are typed after it in the same tutorial.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.servers import free_port
from tests.walks import ceremony_doc
from tests.walks.ceremony_doc import Command

ROOT: Final = Path(__file__).parents[2]
TUTORIALS: Final = ROOT / "docs" / "tutorials"
REAL: Final = ("installer.md", "registry-engineer.md")
"""What is typed at a machine with a network; docs/tutorials/key-holder.md is typed at one without."""
PORT: Final = "8416"
FILE: Final = re.compile(r"^<!-- file: (?P<name>\S+) -->\n```[a-z]+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_KEPT: Final = ("export ", ". ")
_VOLATILE: Final = (
    (re.compile(r"127\.0\.0\.1:(?!8416\b)[0-9]{4,5}"), "127.0.0.1:8417"),  # which it is if that is free
    (re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{4}(?: [0-9a-f]{4}){3})\b"), "…"),
    (re.compile(r"\btally_[0-9A-Za-z_-]+"), "tally_…"),
    (re.compile(r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z"), "2026-11-28T09:00:00Z"),
    (re.compile(r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}\b"), "2026-11-28"),
)
_CEREMONY: Final = """\
#!{}
from ceremony import cli
from keys import sealed

sealed.seal.__kwdefaults__["rounds"] = 1000
raise SystemExit(cli.main())
"""
"""The command as it is, but that it seals keys with few rounds."""


class Desk(ceremony_doc.Table):
    """A folder in which somebody types, at a real clock, with the commands of this tree."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._now = datetime.now(UTC)
        self._people = {}
        self._kept: list[str] = []
        self._staying: list[subprocess.Popen[str]] = []
        self._port = str(free_port())
        (folder / "docs").symlink_to(ROOT / "docs")
        tools = folder / ".tools"
        tools.mkdir()
        (tools / "tallystick-ceremony").write_text(_CEREMONY.format(sys.executable))
        (tools / "tallystick-ceremony").chmod(0o755)
        self._environment = {
            "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder), "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT),
            "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1",
        }  # fmt: skip

    def write(self, name: str, text: str) -> None:
        """A file that the reader writes."""
        (self._folder / name).write_text(text.replace(PORT, self._port))

    def run(self, command: Command) -> str:
        """Type a command, answer what it asks, and see that it ends as it should; all that was on the screen."""
        typed = command.typed.replace(PORT, self._port)
        if typed.startswith(_KEPT):
            self._kept.append(typed)
        if stays := next((note for note in command.notes if note.startswith("stays")), None):
            return self._shown(self._stay(stays.partition(": ")[2].replace(PORT, self._port) or typed))
        script = shlex.quote("\n".join([*self._kept, typed]))
        code, seen = self._person(command).run(self._folder, script, 50, ("bash", "-euc"), **self._environment)
        assert code == command.code, f"$ {typed}\nended with {code}, not {command.code}:\n{seen}"
        return self._shown(seen)

    def _stay(self, typed: str) -> str:
        """Begin what stays, and wait until it has said all that it says by itself."""
        said = self._folder / f".said-{len(self._staying)}"
        with said.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-euc", "\n".join([*self._kept, f"exec {typed}"])], cwd=self._folder, text=True,
                env={**os.environ, **self._environment}, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        self._staying.append(process)
        for _ in range(600):
            if re.search(r"http://127\.0\.0\.1:\d+.*\n", text := said.read_text()):
                return text
            assert process.poll() is None, f"$ {typed}\nended with {process.returncode}:\n{text}"
            time.sleep(0.05)
        raise AssertionError(f"$ {typed}\nsaid no address in 30 seconds: {text}")

    def _shown(self, seen: str) -> str:
        text = seen.replace(self._port, PORT).replace(str(self._folder), "~")
        for volatile, shown in _VOLATILE:
            text = volatile.sub(shown, text)
        lines = [line.rstrip() for line in text.strip("\n").splitlines()]
        return "\n".join(lines) + "\n" if text.strip() else ""

    def leave(self) -> None:
        """End what stays, the last one first."""
        for process in reversed(self._staying):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


@contextmanager
def desk() -> Iterator[Desk]:
    """A desk that is left when the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        made = Desk(Path(folder))
        try:
            yield made
        finally:
            made.leave()


def written(text: str) -> str:
    """A tutorial with everything that it shows as it is seen now."""
    with desk() as sat:
        for file in FILE.finditer(text):
            sat.write(file["name"], file["text"])
        return ceremony_doc.shown(text, sat)


def main() -> None:
    for name in sys.argv[1:] or REAL:
        path = TUTORIALS / name
        path.write_text(written(path.read_text()))
    if not sys.argv[1:]:
        path = TUTORIALS / "key-holder.md"
        path.write_text(ceremony_doc.written(path.read_text()))


if __name__ == "__main__":
    main()
