"""A file in somebody's hands: which project is it of, and what are its bytes?"""

import hashlib
from pathlib import Path

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from client_verify.refusals import Usage
from keys import names


def digest(path: Path) -> str:
    """The SHA-256 of a file, in lower-case hexadecimal; Usage if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}") from None


def content(path: Path) -> bytes:
    """All of a small file; Usage if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}. Nothing was written.") from None


def project(filename: str) -> str:
    """The normal form of the project's name in a wheel's or sdist's file name (PEP 427, PEP 625)."""
    try:
        if filename.endswith(".whl"):
            return names.normalise(parse_wheel_filename(filename)[0])
        return names.normalise(parse_sdist_filename(filename)[0])
    except (InvalidWheelFilename, InvalidSdistFilename, names.InvalidName) as error:
        raise Usage(f"{filename} is no wheel or sdist: {error}") from None
