"""Files of the embedded registry: examined, then added to the depot under the hash that will be signed.

A registry with a file store of its own never comes here: it publishes files with their ``url``.
"""

import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from packaging.metadata import parse_email

from keys import names
from keys.encoding import sha256
from keys.strict import Malformed, line
from repo_service.build.pages import stored_at
from repo_service.domain import semver
from repo_service.domain.artifacts import Artifact, BadArtifact, artifact
from repo_service.storage.depot import Depot

_CHUNK: Final = 1 << 20
_MAX_METADATA: Final = 1 << 20
_COMPRESSION: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 0x1  # a flag of a zip's member (APPNOTE.TXT, section 4.4.4)


@dataclass(frozen=True, slots=True)
class Upload:
    """What a file says of itself. ``core_metadata`` is a wheel's METADATA (PEP 658), None for an sdist."""

    filename: str
    artifact: Artifact
    sha256: str
    size: int
    requires_python: str | None
    core_metadata: bytes | None


def examine(filename: str, path: Path) -> Upload:
    """Read a wheel or sdist at ``path`` without running or unpacking it. BadArtifact if it is not one."""
    said = _said(filename)
    try:
        metadata = _wheel_metadata(path, said) if filename.endswith(".whl") else _sdist_metadata(path)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, OSError, EOFError) as error:
        raise BadArtifact(f"{filename}: cannot be read: {error}") from None
    requires = parse_email(metadata)[0].get("requires_python") if metadata is not None else None
    try:
        requires = line(requires) if requires else None
    except Malformed as error:
        raise BadArtifact(f"{filename}: Requires-Python {error.why}") from None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in _chunks(file):
            digest.update(chunk)
    core = metadata if filename.endswith(".whl") else None
    return Upload(filename, said, digest.hexdigest(), path.stat().st_size, requires, core)


def store(depot: Depot, upload: Upload, draft: Path) -> None:
    """Add an examined file, and its core metadata beside it, where its target will point."""
    path = stored_at(names.file_path(upload.artifact.name, upload.filename), upload.sha256)
    if upload.core_metadata is not None:
        depot.add([(f"{path}.metadata", upload.core_metadata)])
    depot.adopt(path, draft)


def core_metadata_digest(upload: Upload) -> str | None:
    """What the page says of a file's core metadata (PEP 714)."""
    return None if upload.core_metadata is None else sha256(upload.core_metadata)


def _said(filename: str) -> Artifact:
    """What a file name says, if it can be part of a path and is of a project that can have its name (PEP 508)."""
    if filename.endswith(tuple(semver.KINDS)):
        raise BadArtifact(f"{filename}: only wheels and sdists are examined here; publish it with its url")
    try:
        names.file_path("x", filename)
        said = artifact(filename)
        names.normalise(said.name)
    except names.InvalidName as error:
        raise BadArtifact(str(error)) from None
    return said


def _wheel_metadata(path: Path, said: Artifact) -> bytes:
    with zipfile.ZipFile(path) as archive:
        # Only the top level counts: flit_core, for one, vendors another project's dist-info.
        found = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1]
        if len(found) != 1:
            raise BadArtifact(f"a wheel of {said.name} must hold one dist-info/METADATA, not {len(found)}")
        return _member(archive, found[0])


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member that every installer can read: small, stored or deflated, and not encrypted."""
    info = archive.getinfo(name)
    if info.file_size > _MAX_METADATA or info.compress_type not in _COMPRESSION or info.flag_bits & _ENCRYPTED:
        raise BadArtifact(f"{name}: must be stored or deflated, not encrypted, and have at most 1 MiB")
    return archive.read(info)


def _sdist_metadata(path: Path) -> bytes | None:
    if path.suffix == ".zip" or zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            found = [n for n in archive.namelist() if n.endswith("/PKG-INFO") and n.count("/") == 1]
            return _member(archive, found[0]) if found else None
    with tarfile.open(path, "r|*") as tar:
        for member in tar:
            if member.isfile() and member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
                file = tar.extractfile(member)
                return file.read(_MAX_METADATA) if file else None
    return None


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
