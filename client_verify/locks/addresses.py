"""Where files and indexes lie: is an address one of ours, and which is ours in its place?"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from client_verify.trust import Pin
from keys import names
from keys.state import File

_LOOPBACK: Final = re.compile(r"http://(?:127\.0\.0\.1|localhost)(?::[0-9]+)?/.*", re.ASCII)


def is_ours(url: str, pins: Iterable[Pin], file: File | None = None) -> bool:
    """Whether an address is a pinned repository's, one of an index of ours on loopback, or the file's signed one."""
    bases = (f"{base}/" for pin in pins for base in (pin.url, *pin.mirrors))
    signed = file is not None and url == file.url
    return signed or _LOOPBACK.fullmatch(url) is not None or url.startswith(tuple(bases))


def of_file(base: str, name: str, filename: str) -> str:
    """The address of a file below a repository or an index of ours."""
    return f"{base}/{names.file_path(name, filename)}"


def of_index(base: str, instead_of: str) -> str:
    """The address of the index there, with a final slash where ``instead_of`` has one."""
    return f"{base}/simple{'/' if instead_of.endswith('/') else ''}"


def host(url: str) -> str:
    """The part of an address that says whose it is, for a person."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else url
