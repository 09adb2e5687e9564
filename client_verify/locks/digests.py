"""Every SHA-256 in a value, wherever it stands: what a reader has not understood shows itself by them."""

import re
from collections.abc import Iterator
from typing import Final

DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ANYWHERE: Final = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{64}(?![0-9A-Za-z])", re.ASCII)


def digests(value: object) -> tuple[str, ...]:
    """In lower case, once each, out of texts, lists and tables."""
    return tuple(dict.fromkeys(digest.lower() for text in _texts(value) for digest in _ANYWHERE.findall(text)))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
