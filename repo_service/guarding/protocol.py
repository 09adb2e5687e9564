"""What the service and the guard say to each other over their socket: frames of parts, the first of which is JSON.

    frame    = length (4 bytes, big-endian, of all that follows) parts
    part     = length (4 bytes) bytes

    asked                                     the other parts                  answered
    {"ask":"hello"}                           none                             {"keyids":[…],"shown":true,
                                                                                "sealed":{role:version}}
    {"ask":"take_in","paths":[…]}             the sealed files                 {}
    {"ask":"show"}                            timestamp and snapshot, if any   {}
    {"ask":"highest","roles":[…],"holding":7} none                             {"versions":{role:version}}
    {"ask":"sign","shown":[n, …]}             the payloads, then of each       {"signatures":[[{"keyid":…,"sig":…}],…]}
                                              payload what it replaces, n      or {"show":[place, …]}
                                              files (-1: not read yet)

Instead of any answer: {"refused":code,"sentence":…}. A length that is too large ends the connection.
"""

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from keys import strict
from keys.encoding import compact_plain

MAX_FRAME: Final = 64 << 20
MAX_PARTS: Final = 1 << 16
MAX_BATCH: Final = 1024
"""Payloads that may be asked for at once; a client asks for a quarter of that."""
NOT_YET: Final = -1
_LENGTH: Final = struct.Struct(">I")


class BadFrame(ValueError):
    """What came is no frame, or more than is taken at once. The connection ends."""


@dataclass(frozen=True, slots=True)
class Request:
    """The first part of what is asked."""

    ask: Literal["hello", "take_in", "show", "highest", "sign"]
    paths: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    holding: int = 0
    shown: tuple[int, ...] = ()


def encode(header: object, parts: Sequence[bytes] = ()) -> bytes:
    """A frame. ``header`` is plain values; ValueError if it is more than may be sent at once."""
    whole = [compact_plain(header), *parts]
    body = b"".join(piece for part in whole for piece in (_LENGTH.pack(len(part)), part))
    if len(body) > MAX_FRAME:
        raise ValueError(f"{len(body)} bytes are more than the {MAX_FRAME} that a frame can have")
    return _LENGTH.pack(len(body)) + body


def split(body: bytes) -> list[bytes]:
    """The parts of a frame."""
    parts, at = list[bytes](), 0
    while at < len(body):
        end = at + 4 + (_LENGTH.unpack_from(body, at)[0] if at + 4 <= len(body) else len(body))
        if end > len(body) or len(parts) == MAX_PARTS:
            raise BadFrame("a part is longer than its frame, or there are too many")
        parts.append(body[at + 4 : end])
        at = end
    if not parts:
        raise BadFrame("a frame without a part")
    return parts


def request(part: bytes) -> Request:
    """The request in a frame's first part. BadFrame if it is none."""
    try:
        return strict.load(Request, strict.parse(part))
    except strict.Malformed as error:
        raise BadFrame(str(error)) from None


def receive(connection: socket.socket) -> list[bytes] | None:
    """The parts of the next frame; None if the other side has ended. Raises BadFrame, or OSError."""
    head = _exactly(connection, 4)
    if head is None:
        return None
    length = _LENGTH.unpack(head)[0]
    if length > MAX_FRAME:
        raise BadFrame(f"a frame of {length} bytes; at most {MAX_FRAME} are taken")
    body = _exactly(connection, length)
    if body is None:
        raise BadFrame("a frame without its end")
    return split(body)


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    """So many bytes; None if there are none at all any more."""
    found = bytearray()
    while len(found) < length:
        piece = connection.recv(min(length - len(found), 1 << 20))
        if not piece and found:
            raise BadFrame("a frame without its end")
        if not piece:
            return None
        found += piece
    return bytes(found)


def header_of(parts: Sequence[bytes]) -> dict[str, Any]:
    """The first part of an answer. BadFrame if it is no object."""
    try:
        found = strict.parse(parts[0])
    except strict.Malformed as error:
        raise BadFrame(str(error)) from None
    if not isinstance(found, dict):
        raise BadFrame("an answer is an object")
    return found
