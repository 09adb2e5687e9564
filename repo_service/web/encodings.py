"""Public JSON and HTML go out compressed to whoever asks: zstd before gzip (RFC 9110, section 12.5.3; RFC 8878).

Only what everyone may read, so no length tells a secret. Files of packages are never touched: a ``.tar.gz`` that came
labelled ``Content-Encoding: gzip`` would be unpacked on its way to whoever checks its hash.
"""

import gzip
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

import zstandard
from flask import Blueprint, Response, request
from werkzeug.datastructures import Accept

ROOM: Final = 32 << 20
"""Bytes of compressed bodies that are kept: some 300 snapshots of 16,384 bins, or 700 bins of 530 targets."""
LEAST: Final = 1024
"""Bytes; what is shorter goes in one packet as it is."""
MOST: Final = 8 << 20
"""Bytes; what is longer is not read into memory."""
_TEXT: Final = ("application/json", "application/vnd.pypi.simple.", "text/html")

_CODINGS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "zstd": lambda body: zstandard.ZstdCompressor(level=3).compress(body),
    "gzip": lambda body: gzip.compress(body, 6, mtime=0),
}
_Key = tuple[str, str, str]  # path, entity tag of the bytes as they lie there, coding


class Kept:
    """Compressed bodies, those asked for last, as many as go into ``room`` bytes. Threads may share it."""

    def __init__(self, room: int) -> None:
        self._left = room
        self._bodies: OrderedDict[_Key, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: _Key) -> bytes | None:
        """The compressed body; None if it is not kept."""
        with self._lock:
            if key in self._bodies:
                self._bodies.move_to_end(key)
            return self._bodies.get(key)

    def put(self, key: _Key, body: bytes) -> None:
        """Keep it, and let go of those that were asked for longest ago until there is room."""
        with self._lock:
            self._left += len(self._bodies.pop(key, b"")) - len(body)
            self._bodies[key] = body
            while self._left < 0:
                self._left += len(self._bodies.popitem(last=False)[1])


def register(routes: Blueprint, room: int = ROOM) -> None:
    """Let the answers of these routes be compressed."""
    kept = Kept(room)

    @routes.after_request
    def encode(response: Response) -> Response:
        if response.status_code not in (200, 206, 304) or not (response.mimetype or "").startswith(_TEXT):
            return response
        response.vary.add("Accept-Encoding")
        coding = chosen(request.accept_encodings)
        # A range is of the bytes as they lie there: who goes on with a download must not meet others.
        whole = response.status_code == 200 and "Range" not in request.headers
        if coding and whole and LEAST <= (response.content_length or 0) <= MOST:
            _encode(response, coding, kept)
        return response


def chosen(accepted: Accept) -> str | None:
    """The coding that a client names and likes best, None for the bytes as they are. ``*`` names nothing."""
    named = {value.lower(): quality for value, quality in accepted}
    best = max(_CODINGS, key=lambda coding: named.get(coding, 0))
    return best if named.get(best, 0) > 0 and named[best] >= named.get("identity", 0) else None


def _encode(response: Response, coding: str, kept: Kept) -> None:
    tag, _ = response.get_etag()
    response.headers["Content-Encoding"] = coding
    response.headers.pop("Accept-Ranges", None)
    if tag:
        # Other bytes, so another tag: with the same one who has half of these could ask for the other half of those.
        packed = f"{tag}-{coding}"
        response.set_etag(packed)
        if request.if_none_match.contains_weak(packed):
            response.status_code = 304
            return
    key = (request.path, tag or "", coding)
    body = kept.get(key) if tag else None
    if body is None:
        response.direct_passthrough = False
        body = _CODINGS[coding](response.get_data())
        if tag:
            kept.put(key, body)
    elif close := getattr(response.response, "close", None):
        close()  # a file that nobody reads now
    response.direct_passthrough = False
    response.set_data(body)
