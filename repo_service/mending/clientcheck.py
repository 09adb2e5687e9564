"""Does a client that trusts the first root alone find what the journal says?"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater

from keys import layout
from repo_service.build.metadata import metadata_path
from repo_service.mending.damage import RESTORE, Problem
from repo_service.mending.look import Look
from repo_service.storage.mirror import BASE, Mirror

_CHUNK: Final = 64
"""Bins that one client looks at: it keeps all that it has read."""
_REFUSED: Final = "what is wrong with the files themselves is listed with them"


def client(look: Look) -> Iterator[Problem]:
    """python-tuf's client, which trusts the first root alone, finds in every bin what the journal says."""
    first, head = look.view.current(metadata_path(layout.ROOT, 1)), look.view.head()
    if first is None or look.trusted is None or head is None:
        return
    shape = look.trusted.shape
    for start in range(0, len(shape), _CHUNK):
        look.its.progress("a client", start, len(shape))
        with tempfile.TemporaryDirectory() as folder:
            updater = look.its.make_updater(
                folder, f"{BASE}/metadata", target_dir=folder, target_base_url=f"{BASE}/targets",
                fetcher=Mirror(look.its.depot), bootstrap=first,
            )  # fmt: skip
            try:
                updater.refresh()
                if look.its.depot.pointer() == head.timestamp:
                    yield from _found(look, updater, range(start, min(start + _CHUNK, len(shape))))
            except (RepositoryError, DownloadError, OSError) as error:
                yield Problem("a client", f"refuses what is public: {type(error).__name__}: {error}", _REFUSED)
                return
    look.its.progress("a client", len(shape), len(shape))


def _found(look: Look, updater: Updater, bins: Iterable[int]) -> Iterator[Problem]:
    for number in bins:
        for path, entry in islice(look.view.bin(number).items(), 1):
            found = updater.get_targetinfo(path)
            if found is None or found.to_dict() != json.loads(entry):
                yield Problem(path, f"a client finds {found and found.to_dict()}, not {entry}", RESTORE)
            elif path.startswith("simple/"):
                updater.download_target(found)
