"""Names and the paths made from them: one normaliser, one encoding, for every house.

A name is one path segment in every ecosystem. Letters a-z, digits and ``-`` stand for themselves; every other byte of
the name's UTF-8 form becomes ``_`` and two lower-case hexadecimal digits. The encoding is reversible, so two names can
never meet in one path; it has no upper case, no dot and no ``%``, so no file system, URL or CDN can merge or split one.
"""

import re
from functools import lru_cache
from typing import Annotated, Final
from urllib.parse import unquote_to_bytes

from keys.strict import Form

_GRAMMAR: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_RUNS: Final = re.compile(r"[-_.]+")
_FILENAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*", re.ASCII)
_SEGMENT: Final = re.compile(r"(?:[a-z0-9-]|_[0-9a-f]{2})+", re.ASCII)
_LITERAL: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-")
_SCOPES: Final = ". A scope is a prefix here: @scope/name is scope-name"
MAX_SEGMENT: Final = 200
MAX_FILENAME: Final = 180
"""Stored, a file's name has its hash before it and may have ``.metadata`` behind it: 255 bytes on a file system."""
Normal = Annotated[str, Form(pattern="[a-z0-9]+(?:-[a-z0-9]+)*", max_length=MAX_SEGMENT)]
"""A name that ``normalise`` leaves as it is."""
PAGE: Final = "vnd.pypi.simple.v1.json"


class InvalidName(ValueError):
    """A name, file name or path that no target may have."""


def normalise(name: str) -> str:
    """The one spelling of a name (PEP 503), in every registry, after refusing what PEP 508 does not allow.

    The grammar is checked before the case is folded: U+212A KELVIN SIGN lower-cases to ``k``.
    """
    if not _GRAMMAR.fullmatch(name):
        raise InvalidName(
            f"{name!r:.80} is not a project name: letters, digits, '.', '-' and '_', in ASCII, "
            f"beginning and ending with a letter or digit (PEP 508){_SCOPES if name.startswith('@') else ''}"
        )
    normal = _RUNS.sub("-", name).lower()
    segment(normal)
    return normal


@lru_cache(maxsize=4096)  # a page of ten thousand files asks for one name as often
def segment(name: str) -> str:
    """A name's path segment: ``requests`` stays, npm's ``@babel/core`` becomes ``_40babel_2fcore``."""
    encoded = "".join(chr(byte) if byte in _LITERAL else f"_{byte:02x}" for byte in name.encode())
    if not encoded or len(encoded) > MAX_SEGMENT:
        raise InvalidName(f"{name!r:.80} takes {len(encoded)} characters in a path; 1 to {MAX_SEGMENT} are allowed")
    return encoded


def name_of(path_segment: str) -> str:
    """The inverse of ``segment``; InvalidName for text that ``segment`` never makes."""
    if not _SEGMENT.fullmatch(path_segment):
        raise InvalidName(f"{path_segment!r:.80} is not an encoded name")
    escaped = re.sub(r"_([0-9a-f]{2})", r"%\1", path_segment)
    try:
        name = unquote_to_bytes(escaped).decode()
    except UnicodeDecodeError:
        raise InvalidName(f"{path_segment!r:.80} does not encode UTF-8") from None
    if segment(name) != path_segment:
        raise InvalidName(f"{path_segment!r:.80} encodes a byte that stands for itself")
    return name


def is_under(name: str, prefix: str) -> bool:
    """Whether a normalised name is in a prefix's namespace (PEP 752): ``foo`` holds ``foo-bar`` and not ``foobar``."""
    return name == prefix or name.startswith(f"{prefix}-")


def prefixes(name: str) -> tuple[str, ...]:
    """Every prefix whose namespace would hold a normalised name, the shortest first, the name itself last."""
    ends = (place for place, character in enumerate(name) if character == "-")
    return (*(name[:end] for end in ends), name)


def page_path(name: str) -> str:
    """The target path of a name's signed page."""
    return f"simple/{segment(name)}/{PAGE}"


def file_path(name: str, filename: str) -> str:
    """The target path of a file of a name; InvalidName for file names that could leave their folder."""
    if not _FILENAME.fullmatch(filename) or len(filename) > MAX_FILENAME:
        raise InvalidName(
            f"{filename!r:.80} is not a file name that can be signed (A-Z a-z 0-9 . _ + ! -, {MAX_FILENAME} characters)"
        )
    return f"packages/{segment(name)}/{filename}"


def policy_path(name: str, version: int) -> str:
    """The target path of one version of a policy."""
    return f"policy/{segment(name)}/{version}.json"


def hashed(path: str, sha256: str) -> str:
    """Where a target's bytes are stored: consistent snapshots prefix the base name (TUF specification 6.2)."""
    folder, _, base = path.rpartition("/")
    return f"{folder}/{sha256}.{base}"
