"""What real clients will make of sealed files before anybody publishes them: python-tuf, and tuf-js where node is.

Each client begins with every root that it may have been given, and must reach the newest one. Nothing is online yet, so
they find no timestamp then and stop, as they should.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Final

from ceremony.errors import Mismatch
from keys import layout
from keys.trust import RootOfTrust

_NOWHERE: Final = "https://replay.invalid/"
_STOP: Final = "Do not publish this. Keep it, and find out why before anything else is signed."


def replay(result: RootOfTrust, oldest: int, tuf_js: Path | None) -> list[str]:
    """What each client did, a sentence each. Mismatch if one of them stops before the newest root. ``tuf_js`` is a
    folder in which node finds tuf-js.
    """
    newest = result.root.version
    for root in result.roots[oldest - 1 :]:
        reached = _python_tuf(result.files(), root.data)
        if reached != newest:
            raise Mismatch(f"python-tuf stops at root {reached} of {newest}, from root {root.body.version} on", _STOP)
    begun = f"from root {oldest}" if oldest == newest else f"from each of the roots {oldest} to {newest}"
    return [f"python-tuf goes {begun} to root {newest}.", _tuf_js(result, oldest, tuf_js, begun)]


def _python_tuf(sealed: dict[str, bytes], bootstrap: bytes) -> int:
    """The version of the root that python-tuf reaches."""
    from tuf.api.exceptions import DownloadHTTPError, RepositoryError
    from tuf.api.metadata import Metadata
    from tuf.ngclient import Updater
    from tuf.ngclient.fetcher import FetcherInterface

    class Folder(FetcherInterface):
        def _fetch(self, url: str) -> Iterator[bytes]:
            name = url.removeprefix(_NOWHERE)
            if name not in sealed:
                raise DownloadHTTPError(f"{name}: is not online yet", 404)
            yield sealed[name]

    with tempfile.TemporaryDirectory(prefix="tallystick-replay-") as place:
        updater = Updater(place, _NOWHERE, fetcher=Folder(), bootstrap=bootstrap)
        # No timestamp, or a root that it does not accept: how far it came says which.
        with suppress(DownloadHTTPError, RepositoryError):
            updater.refresh()
        reached: int = Metadata.from_file(str(Path(place) / "root.json")).signed.version
        return reached


def _tuf_js(result: RootOfTrust, oldest: int, where: Path | None, begun: str) -> str:
    node = shutil.which("node")
    if node is None:
        return "tuf-js was not asked: there is no node on this machine."
    if where is None:
        return "tuf-js was not asked: say --tuf-js DIR, where 'npm install tuf-js' was run."
    newest = result.root.version
    with tempfile.TemporaryDirectory(prefix="tallystick-replay-") as place:
        for name, data in result.files().items():
            if "/" not in name:
                (Path(place) / name).write_bytes(data)
        script = files("ceremony").joinpath("replay.js").read_text("utf-8")
        command = [node, "-e", script, place, str(oldest), str(newest)]
        environment = {**os.environ, "NODE_PATH": str(where.resolve() / "node_modules")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Mismatch(f"tuf-js does not follow: {done.stderr.strip()}", _STOP)
    roles = ", ".join(role for role in layout.OFFLINE if role != layout.ROOT)
    return f"tuf-js goes {begun} to root {newest}, and counts the signatures of {roles}."
