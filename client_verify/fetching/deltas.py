"""Snapshots and bins made of deltas (docs/FORMAT.md, "Deltas") where python-tuf asks for them whole.

What it gets is verified as any download is; whatever is wrong with a delta, it gets the whole file instead. The anchor
that deltas of snapshots lead from lies beside the trusted metadata, not among it: each delta names the hash of the file
it is for, so a file that somebody changed costs a full download too.
"""

import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tuf.api.exceptions import DownloadError
from tuf.ngclient.fetcher import FetcherInterface

from client_verify.fetching.layers import Layer
from keys import deltas, layout
from keys.deltas import BadDelta, Inflate, Step

ANCHOR: Final = "anchor.json"
_VERSION: Final = re.compile(rb'"version":([1-9][0-9]{0,15})(,"x-role":"[a-z0-9-]+")?\}\}\Z')
"""How a snapshot or bin ends (keys are sorted): whoever is wrong about its version gets the wrong deltas, or none."""


class Deltas(Layer):
    """``base`` is the repository's address, ``directory`` its data directory. ``used`` once bytes were made of a delta.

    The deltas of one file are fetched together. Safe for several threads, each with another file.
    """

    def __init__(self, inner: FetcherInterface, base: str, directory: Path, inflate: Inflate) -> None:
        super().__init__(inner)
        self._base = base
        self._directory = directory
        self._inflate = inflate
        self.used = False
        self._anchor: bytes | None = None

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """What a delta makes of what is here; the whole file where none does."""
        found = deltas.reachable(url.removeprefix(f"{self._base}/"))
        if found is not None and (made := self._make(*found, max_length)) is not None:
            self.used = True
            return made
        return super().download_bytes(url, max_length)

    def keep_anchor(self) -> None:
        """Keep the anchor of the snapshot that was made, now that the snapshot is trusted."""
        if self._anchor is not None:
            _write(self._directory / ANCHOR, self._anchor)
            self._anchor = None

    def _make(self, role: str, version: int, limit: int) -> bytes | None:
        old = _read(self._kept(role))
        steps = _steps(role, _version(old), version)
        if not steps:
            return None
        try:
            files = self._follow(steps, old if steps[0].old else b"", limit)
        except DownloadError:
            return None
        except BadDelta:
            if role == layout.SNAPSHOT:
                self._kept(role).unlink(missing_ok=True)  # perhaps the anchor is what is bad: the next way needs none
            return None
        if role == layout.SNAPSHOT:
            self._anchor = files[deltas.anchor(version)]
        return files[version]

    def _follow(self, steps: Sequence[Step], old: bytes, limit: int) -> dict[int, bytes]:
        """The files on the way, by version."""
        limits = [deltas.MAX_FILE] * (len(steps) - 1) + [limit]
        with ThreadPoolExecutor(len(steps)) as pool:
            bodies = list(pool.map(self._fetched, steps, limits))
        files = {steps[0].old: old}
        for step, body, most in zip(steps, bodies, limits, strict=True):
            files[step.new] = deltas.rebuild(body, files[step.old], most, self._inflate)
        return files

    def _fetched(self, step: Step, limit: int) -> bytes:
        return self.inner.download_bytes(f"{self._base}/{step.path}", min(deltas.MAX_DELTA, limit))

    def _kept(self, role: str) -> Path:
        return self._directory / ANCHOR if role == layout.SNAPSHOT else self._directory / "metadata" / f"{role}.json"


def _steps(role: str, held: int, version: int) -> tuple[Step, ...]:
    if role == layout.SNAPSHOT:
        return deltas.snapshot_steps(held, version)
    return deltas.bin_steps(role, held, version) if held else ()


def _version(file: bytes) -> int:
    found = _VERSION.search(file[-200:])
    return int(found[1]) if found else 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # none, or something in its place, which python-tuf sees to
        return b""


def _write(path: Path, data: bytes) -> None:
    # Whole or not at all: a torn anchor would be no danger, and cost every client after it the full download.
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)
