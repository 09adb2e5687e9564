"""Imports for tests: projects as lines, and what an import says of them."""

import io
import json
from collections.abc import Iterable
from typing import Any

from repo_service.importing.entries import Entry, Problem
from repo_service.importing.ndjson import lines
from repo_service.importing.preparing import Counted
from repo_service.importing.running import Run, run
from tests.world import World


class Noted:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.entries = 0
        self.counted = Counted()
        self.problems: list[Problem] = []

    def recorded(self, entries: int, counted: Counted) -> None:
        self.entries += entries
        self.counted += counted

    def left_out(self, problem: Problem) -> None:
        self.problems.append(problem)


def taken(world: World, source: Iterable[Entry | Problem], processes: int = 0) -> Noted:
    """Import from a source, without signing."""
    noted = Noted()
    service = world.service
    run(Run(service.journal, service.database, service.clock, processes), source, noted)
    return noted


def written(*projects: Any) -> list[Entry | Problem]:
    """Projects as the lines of a file named ``in``; text and bytes as they are."""
    said = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in projects)
    return list(lines(io.BytesIO(b"".join(line + b"\n" for line in said)), "in"))


def project(name: str, *versions: str, **more: Any) -> dict[str, Any]:
    """A project with an sdist of each version, which lies elsewhere."""
    return {"name": name, "releases": [release(name, version) for version in versions], **more}


def release(name: str, version: str, **more: Any) -> dict[str, Any]:
    filename = f"{name.replace('-', '_')}-{version}.tar.gz"
    file = {"filename": filename, "sha256": "ab" * 32, "size": 7, "url": f"https://files.test/{filename}"}
    return {"version": version, "published_at": "2020-02-02T10:00:00Z", "files": [file], **more}
