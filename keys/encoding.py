"""Bytes that are signed and bytes that are stored: canonical JSON (OLPC, TUF specification section 4.2) and its file.

Canonical JSON keeps control characters as they are, so its text is not always JSON: PEM keys hold newlines. Where
no string holds one, the sorted compact form of the standard library is the same bytes at a sixth of the time.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical

from keys import strict

_COMPACT: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def compact(value: object) -> bytes:
    """JSON with sorted keys and no white space, in UTF-8: what our files hold. No floats, by assertion upstream."""
    return _COMPACT.encode(value).encode()


def compact_plain(value: object) -> bytes:
    """``compact`` of what keys/strict.py dumped: text, integers, truth values, None, lists and objects of them.

    Of a float that is no number it would make null, where ``compact`` refuses it.
    """
    return _FAST[0](value)


def read_plain(data: str | bytes) -> Any:
    """The inverse of ``compact_plain``, for what we wrote ourselves, or what is compared with what we would write. It
    refuses less than ``strict.parse`` (of a key that comes twice the last one counts), and its ValueError or
    RecursionError may say something else.
    """
    return _FAST[1](data)


def _fast() -> tuple[Callable[[object], bytes], Callable[[str | bytes], Any]]:
    """orjson where it is installed, as with the service: the same bytes in a tenth of the time. What it does not take
    (integers beyond 64 bits, keys that are no text, objects of any class) the standard library's judges.
    """
    try:
        import orjson
    except ImportError:
        return compact, json.loads
    options = (
        orjson.OPT_SORT_KEYS
        | orjson.OPT_PASSTHROUGH_DATACLASS
        | orjson.OPT_PASSTHROUGH_DATETIME
        | orjson.OPT_PASSTHROUGH_SUBCLASS
    )

    def fast(value: object) -> bytes:
        try:
            return orjson.dumps(value, option=options)
        except TypeError:
            return compact(value)

    return fast, orjson.loads


_FAST: Final = _fast()


def spliced(value: Mapping[str, object], encoded: Mapping[str, Iterable[bytes]]) -> list[bytes]:
    """``compact`` of an object with more members, whose values are in that form already. In pieces, all of them: joined
    once, megabytes are copied once.
    """
    members = {key: (compact_plain(item),) for key, item in value.items()} | dict(encoded)
    pieces = [b"{"]
    for key in sorted(members):
        pieces += [_member(key), *members[key], b","]
    return [*(pieces[:-1] if members else pieces), b"}"]


@lru_cache  # they are names of fields
def _member(key: str) -> bytes:
    return compact_plain(key) + b":"


def listed(encoded: Iterable[bytes]) -> list[bytes]:
    """``compact`` of a list, in pieces, whose items are in that form already."""
    pieces = [piece for item in encoded for piece in (item, b",")]
    return [b"[", *pieces[:-1], b"]"]


def canonical(value: Any) -> bytes:
    """The bytes that a signature covers. ValueError for what has none, such as a float beside a PEM key."""
    fast = compact(value)
    if _escapes_control_characters(fast):
        try:
            reference = encode_canonical(value)
        except FormatError as error:
            raise ValueError(f"it has no canonical form: {str(error).rpartition(': ')[2]}") from None
        assert reference is not None, "only None is returned where an output function is given"
        return reference.encode()
    return fast


def parse_canonical(data: bytes) -> dict[str, Any]:
    """The object in bytes that are its canonical form; ValueError for any other spelling. A backslash may stand for a
    control character, which canonical JSON spells otherwise than any JSON encoder, so there the reference encoder
    judges.
    """
    if b"\\" in data:
        value: Any = strict.parse(data)
        again = canonical(value)
    else:
        value = read_plain(data)
        again = compact_plain(value)
    if again != data or not isinstance(value, dict):
        raise ValueError("is not spelled as canonical JSON is")
    return value


def sha256(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def _escapes_control_characters(text: bytes) -> bool:
    # Both encoders write \\ and \" alike; any other backslash is an escaped control character.
    return b"\\" in text and b"\\" in text.replace(b"\\\\", b"").replace(b'\\"', b"")
