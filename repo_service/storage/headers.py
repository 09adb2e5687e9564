"""What is said of a public file where it is served: its media type, and for how long a cache may keep it.

Versioned names are immutable for ever; the timestamp alone is asked for again, and no purge is ever needed. A package
file never changes either, but it may be removed, and then must not live on in caches.
"""

from typing import Final

from repo_service.storage.depot import TIMESTAMP

FOREVER: Final = "public, max-age=31536000, immutable"
FRESH: Final = "public, max-age=5, must-revalidate"
CHECKED: Final = "no-cache"
JSON: Final = "application/json"
ZSTD: Final = "application/zstd"
BYTES: Final = "application/octet-stream"
_PACKAGES: Final = "targets/packages/"
_DELTAS: Final = "deltas/"


def media_type(path: str) -> str:
    """What a file of the depot is."""
    if path.startswith(_DELTAS):
        return ZSTD
    return JSON if path.endswith(".json") and not path.startswith(_PACKAGES) else BYTES


def caching(path: str) -> str:
    """Its Cache-Control."""
    if path == TIMESTAMP:
        return FRESH
    return CHECKED if path.startswith(_PACKAGES) else FOREVER
