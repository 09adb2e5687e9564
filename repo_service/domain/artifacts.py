"""What a file name says: version, and which artifact of that version it is (PEP 440, 427, 625)."""

from dataclasses import dataclass
from functools import lru_cache

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_version,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from keys.names import MAX_FILENAME


class BadArtifact(ValueError):
    """A version or file name that cannot be published."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """The normalised name, version, canonical version and identity that a file name stands for."""

    name: str
    version: str
    canonical: str
    identity: str


@lru_cache(maxsize=4096)  # the files of a release say its version as often as there are files
def canonical_version(version: str) -> str:
    """The one spelling by which versions are compared: ``1.0.0``, ``v1`` and ``1`` are ``1``."""
    if not version.isascii() or version != version.strip() or len(version) > MAX_FILENAME:
        raise BadArtifact(f"{version!r:.80} is not a version: ASCII, no space around it, {MAX_FILENAME} characters")
    try:
        parsed = Version(version)
    except InvalidVersion:
        raise BadArtifact(f"{version!r:.80} is not a version (PEP 440)") from None
    if parsed.local is not None:
        raise BadArtifact(f"{version!r:.80} is a local version; those are not published (PEP 440)")
    return canonicalize_version(parsed)


def artifact(filename: str) -> Artifact:
    """Read a wheel's or an sdist's file name. Two spellings of one artifact have one identity."""
    try:
        if filename.endswith(".whl"):
            name, version, build, tags = parse_wheel_filename(filename)
            kind = "-".join(["wheel", "".join(map(str, build)), ",".join(sorted(map(str, tags)))])
            return Artifact(name, str(version), canonical_version(str(version)), kind)
        name, version = parse_sdist_filename(filename)
        return Artifact(name, str(version), canonical_version(str(version)), "sdist")
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        raise BadArtifact(f"{filename!r:.120} is neither a wheel's nor an sdist's file name: {error}") from None
