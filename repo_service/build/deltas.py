"""Deltas are drawn here: from an older file and a newer one to the bytes that docs/FORMAT.md, "Deltas", describes."""

from typing import Final

from zstandard import (
    DICT_TYPE_RAWCONTENT,
    STRATEGY_BTOPT,
    ZstdCompressionDict,
    ZstdCompressionParameters,
    ZstdCompressor,
)

from keys.deltas import MAX_DELTA, MAX_FILE, sealed
from keys.encoding import sha256

_PLAIN: Final = {"write_checksum": False, "write_dict_id": False, "window_log": 23}
"""Our own hash is stronger. The window covers MAX_FILE: each frame is one segment and can reach all of the old file."""
_QUICK: Final = ZstdCompressionParameters.from_level(3, min_match=7, **_PLAIN)
"""Signed files change by a few characters in long equal stretches. Level 3 looks for matches of five bytes, and finds
them in wrong places; with seven a snapshot's delta over a day is a third shorter in the same time."""
_BIN: Final = ZstdCompressionParameters.from_level(1, min_match=7, hash_log=17, **_PLAIN)
"""A bin changes in few places, where level 1 finds all that level 3 does (but not in a snapshot), in a quarter of the
time for a small bin. With fewer places for hashes than this it forgets the beginning of a large one.
"""
_THOROUGH: Final = ZstdCompressionParameters.from_level(
    19, strategy=STRATEGY_BTOPT, min_match=4, search_log=1, target_length=8, hash_log=17, chain_log=17, **_PLAIN
)
"""A tenth shorter than the quick way over a day, in six times its time; a whole snapshot comes out half as long as
by level 3, and shorter than by level 19 in a tenth of its time."""


class Origin:
    """An older snapshot that quick deltas lead from. It belongs to one thread. The file is indexed and hashed once."""

    def __init__(self, old: bytes) -> None:
        self._old = sha256(old)
        self._press = _press(old, _QUICK)

    def delta(self, new: bytes, digest: str) -> bytes | None:
        """The delta to ``new``, whose SHA-256 is ``digest``, or None if no client would read it."""
        return _delta(self._old, new, digest, self._press)


def bin_delta(old: bytes, new: bytes, digest: str) -> bytes | None:
    """``Origin.delta`` from an older bin."""
    return _delta(sha256(old), new, digest, _press(old, _BIN))


def thorough_delta(old: bytes, new: bytes) -> bytes | None:
    """A shorter delta, which takes its time; from an empty file the whole ``new``. None if no client would read it."""
    return _delta(sha256(old), new, sha256(new), _press(old, _THOROUGH))


def _press(old: bytes, parameters: ZstdCompressionParameters) -> ZstdCompressor:
    dictionary = ZstdCompressionDict(old, dict_type=DICT_TYPE_RAWCONTENT) if old else None
    return ZstdCompressor(dict_data=dictionary, compression_params=parameters)


def _delta(old: str, new: bytes, digest: str, press: ZstdCompressor) -> bytes | None:
    if len(new) > MAX_FILE:
        return None
    made = sealed(old, digest, press.compress(new))
    return made if len(made) <= MAX_DELTA else None
