"""What is said of a public file where it is served: its media type, and for how long a cache may keep it.

Versioned names are immutable for ever; the timestamp and the log's checkpoint alone are asked for again, and no purge
is ever needed. A package file and a text of the log never change either, but may be removed, and then must not live on
in caches.
"""

from typing import Final

from repo_service.build.growth import LOG
from repo_service.storage.depot import CHECKPOINT, TIMESTAMP

FOREVER: Final = "public, max-age=31536000, immutable"
FRESH: Final = "public, max-age=5, must-revalidate"
CHECKED: Final = "no-cache"
JSON: Final = "application/json"
ZSTD: Final = "application/zstd"
TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"
_PACKAGES: Final = "targets/packages/"
_DELTAS: Final = "deltas/"
_TEXTS: Final = f"{LOG}texts/"
_NOTES: Final = f"{LOG}proofs/"


def media_type(path: str) -> str:
    """What a file of the depot is."""
    if path.startswith(_DELTAS):
        return ZSTD
    if path == CHECKPOINT or path.startswith(_NOTES):
        return TEXT
    return JSON if path.endswith(".json") and not path.startswith(_PACKAGES) else BYTES


def caching(path: str) -> str:
    """Its Cache-Control."""
    if path in (TIMESTAMP, CHECKPOINT):
        return FRESH
    return CHECKED if path.startswith((_PACKAGES, _TEXTS)) else FOREVER
