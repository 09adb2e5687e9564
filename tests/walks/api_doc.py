"""The answers of docs/API.md, from a real server: ``python -m tests.walks.api_doc`` writes them again.

Each ``sh`` or ``python`` block is run, in order; a ``json``, ``html`` or ``text`` block right after it is what it
printed. ``<!-- time passes: hours=25 -->`` lets time pass. What is drawn by lot is numbered.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from client_verify.installing.index import serving
from keys import webhooks
from keys.times import stamp
from repo_service.web.auth import new_key, new_webhook
from repo_service.web.signatures import public_pem
from repo_service.wiring import HOOK_KEY
from tests.service.door import Door
from tests.world import World, held_key

API_MD: Final = Path(__file__).parents[2] / "docs" / "API.md"
URL: Final = "http://127.0.0.1:8416"
_PART: Final = re.compile(
    r"^<!-- time passes: (?P<time>.*) -->$"
    r"|^```(?P<language>sh|python)\n(?P<run>.*?)^```\n(?:\n```(?:json|html|text)\n(?P<said>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
_CURL: Final = re.compile(r'curl [^\n]*?"?\$U(?P<path>[^"\s]*)"?(?P<rest>(?:[^\n]*\\\n)*[^\n]*)')
_LOTS: Final = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b")
_WIDTH: Final = 112


@dataclass(frozen=True, slots=True)
class Step:
    """A block of the document: what is run, what it should print, and where that stands in the text."""

    language: str
    run: str
    said: str | None
    start: int
    end: int


class Server:
    """A registry on a free port, with a clock of its own, and a folder in which the blocks run."""

    def __init__(self, folder: Path, url: str, door: Door) -> None:
        self._url, self._door = url, door
        self._folder = folder
        self._lots: dict[str, str] = {}
        self._last: dict[str, str] = {}
        key, world = held_key(7), door.world
        pem = key._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "client.pem").write_bytes(pem)
        token = new_key("registry", "mirror", stamp(world.now + timedelta(days=90)), public_pem(key.record))
        (world.service.folder / HOOK_KEY).write_text(webhooks.written(b"what all secrets are made of"))
        secret, hook = new_webhook("registry", "acme-hooks", token.expires, b"what all secrets are made of")
        with world.service.journal.writing() as pen:
            pen.add_token(token)
            pen.add_token(hook)
        roles = {role: f"Authorization: Bearer {door.new_token(role)}" for role in ("registry", "moderator", "auditor")}
        self._environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "U": url,
            "KEYID": token.id, "SECRET": secret, "ADMIN": f"Authorization: Bearer {door.token}",
            **{role.upper(): header for role, header in roles.items()},
        }  # fmt: skip
        with zipfile.ZipFile(folder / "acme_tool-1.0-py3-none-any.whl", "w", zipfile.ZIP_STORED) as wheel:
            metadata = "Metadata-Version: 2.1\nName: acme-tool\nVersion: 1.0\nRequires-Python: >=3.11\n"
            wheel.writestr(zipfile.ZipInfo("acme_tool-1.0.dist-info/METADATA"), metadata)

    def pass_time(self, text: str) -> None:
        """Let time pass, as ``hours=25`` says, and do a round."""
        self._door.world.tick(**{word: float(value) for word, value in (each.split("=") for each in text.split())})
        self._door.world.service.round()

    def answer(self, step: Step) -> str:
        """What a block prints, as the document shows it."""
        now = self._door.world.now.timestamp()
        environment = {**self._environment, **self._last, "NOW": str(int(now))}
        program = f"import time\ntime.time = lambda: {now}\n{step.run}"
        command = ["bash", "-euc", step.run] if step.language == "sh" else [sys.executable, "-c", program]
        done = subprocess.run(
            command, cwd=self._folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{step.run}\n{done.stdout}{done.stderr}"
        return self._shown(done.stdout)

    def _shown(self, printed: str) -> str:
        try:
            found = json.loads(printed)
        except ValueError:
            found = None
        if isinstance(found, dict):
            self._last |= {name.upper(): str(found[name]) for name in ("change", "serial", "next") if name in found}
        text = shown(found) if isinstance(found, dict) else printed.rstrip("\n")
        numbered = _LOTS.sub(lambda lot: self._lots.setdefault(lot[0], f"{len(self._lots) + 1:0{len(lot[0])}d}"), text)
        return numbered.replace(self._url, URL) + "\n"


def shown(value: Any, indent: str = "") -> str:
    """JSON for people: what fits into a line stays in it, except for the outermost object."""
    short = json.dumps(value, ensure_ascii=False)
    if (indent and len(indent) + len(short) <= _WIDTH) or not value or not isinstance(value, dict | list):
        return short
    inner = indent + "  "
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(key)}: {shown(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(f"{inner}{shown(item, inner)}" for item in value) + f"\n{indent}]"


def parts(text: str) -> Iterator[Step | str]:
    """The steps of a document and, as text, the times that pass between them."""
    for match in _PART.finditer(text):
        if match["time"] is not None:
            yield match["time"]
        else:
            yield Step(match["language"], match["run"], match["said"], *match.span("said"))


def requests(text: str) -> set[tuple[str, str]]:
    """Method and path of every curl in a document."""
    found = set()
    for step in parts(text):
        for match in _CURL.finditer(step.run) if isinstance(step, Step) and step.language == "sh" else ():
            put = " -T " in match[0] or " -X PUT" in match[0]
            method = "put" if put else "post" if "--json" in match["rest"] else "get"
            found.add((method, match["path"].partition("?")[0]))
    return found


@contextmanager
def server() -> Iterator[Server]:
    """A fresh registry for the blocks of one document."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "world")
        door = Door(world)
        with serving(door.app) as url:
            yield Server(Path(folder), url, door)


def written(text: str) -> str:
    """The document with every answer as the server gives it now."""
    made, done = [], 0
    with server() as asked:
        for part in parts(text):
            if isinstance(part, str):
                asked.pass_time(part)
                continue
            answer = asked.answer(part)
            if part.said is not None:
                made += [text[done : part.start], answer]
                done = part.end
    return "".join([*made, text[done:]])


def main() -> None:
    API_MD.write_text(written(API_MD.read_text()))


if __name__ == "__main__":
    main()
