"""Versions and file names of registries that count as SemVer 2.0.0 does: npm's tarballs and Rust's crates."""

import re
from collections.abc import Iterator
from typing import Final

from keys.names import InvalidName, normalise
from repo_service.domain.artifacts import Artifact, BadArtifact

MAX_VERSION: Final = 150
KINDS: Final = {".tgz": "tarball", ".crate": "crate"}
"""Endings of file names, and the artifact that a file with this ending is."""

_NUMBER: Final = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER: Final = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD: Final = r"[0-9A-Za-z-]+"
_VERSION: Final = re.compile(
    rf"(?P<precedence>{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?)(?:\+{_BUILD}(?:\.{_BUILD})*)?"
)


def canonical_version(version: str) -> str:
    """By what versions are compared: all but the build metadata, so ``1.0.0+a`` and ``1.0.0+b`` are ``1.0.0``."""
    match = _VERSION.fullmatch(version)
    if not match or len(version) > MAX_VERSION:
        raise BadArtifact(
            f"{version!r:.80} is not a version: three numbers without leading zeros, then perhaps -pre.release and "
            f"+build, at most {MAX_VERSION} characters (SemVer 2.0.0)"
        )
    return match["precedence"]


def is_prerelease(version: str) -> bool:
    """Whether something is said between the numbers and the build metadata (SemVer 2.0.0, section 9)."""
    return "-" in version.partition("+")[0]


def artifact(filename: str, name: str) -> Artifact:
    """Read the file name of a tarball or crate of a project, ``<name>-<version>`` and the ending.

    Both halves may hold ``-``, so ``foo-1-2.0.0.tgz`` alone does not say where one ends; the project's name does.
    """
    for ending, identity in KINDS.items():
        if filename.endswith(ending):
            for version in _versions(filename.removesuffix(ending), name):
                return Artifact(name, version, canonical_version(version), identity)
    raise BadArtifact(f"{filename!r:.120} is not the file name of a version of {name}: <name>-<version>.tgz or .crate")


def _versions(stem: str, name: str) -> Iterator[str]:
    """What follows the name in any spelling; there is at most one such place, for no name ends in a ``-``."""
    for dash in re.finditer("-", stem):
        try:
            if normalise(stem[: dash.start()]) == name:
                yield stem[dash.end() :]
        except InvalidName:
            continue
