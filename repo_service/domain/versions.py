"""What may be a version, which are equal, and what a file name says: one rule for a registry, for ever."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from packaging.version import Version

from repo_service.domain import artifacts, semver
from repo_service.domain.artifacts import Artifact

RuleName = Literal["pep440", "semver"]


@dataclass(frozen=True, slots=True)
class VersionRule:
    """``canonical`` is by what versions are compared, ``artifact`` reads a project's file name; both raise BadArtifact.

    Every version that was ever published is compared by the rule's ``canonical``, so a registry cannot change its rule.
    """

    title: str
    canonical: Callable[[str], str]
    is_prerelease: Callable[[str], bool]
    artifact: Callable[[str, str], Artifact]


def _wheel_or_sdist(filename: str, name: str) -> Artifact:
    del name  # these file names say by themselves where it ends (PEP 427, PEP 625)
    return artifacts.artifact(filename)


def _is_prerelease(version: str) -> bool:
    return Version(version).is_prerelease


RULES: Final[dict[RuleName, VersionRule]] = {
    "pep440": VersionRule("PEP 440", artifacts.canonical_version, _is_prerelease, _wheel_or_sdist),
    "semver": VersionRule("SemVer 2.0.0", semver.canonical_version, semver.is_prerelease, semver.artifact),
}
