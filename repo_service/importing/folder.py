"""A folder of wheels and sdists: each is examined and stored, then its project is brought with its files."""

import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from repo_service.accepting import uploads
from repo_service.accepting.uploads import Upload
from repo_service.domain import requests as r
from repo_service.domain.artifacts import BadArtifact, artifact
from repo_service.domain.bringing import Brought, BroughtRelease
from repo_service.importing.entries import Entry, Problem
from repo_service.storage.depot import Depot


def projects(folder: Path, depot: Depot) -> Iterator[Entry | Problem]:
    """The projects of a folder in order of their names, a version spelled as its first file does."""
    named: list[tuple[str, Path]] = []
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            named.append((artifact(path.name).name, path))
        except BadArtifact as error:
            yield Problem(str(path), str(error))
    for _, group in groupby(sorted(named), lambda each: each[0]):
        yield from _project([path for _, path in group], depot)


def _project(paths: list[Path], depot: Depot) -> Iterator[Entry | Problem]:
    found: list[Upload] = []
    for path in paths:
        try:
            upload = uploads.examine(path.name, path)
        except BadArtifact as error:
            yield Problem(str(path), str(error))
            continue
        with depot.incoming() as draft:
            shutil.copyfile(path, draft)
            uploads.store(depot, upload, draft)
        found.append(upload)
    if found:
        yield Entry(str(paths[0].parent), None, Brought(found[0].artifact.name, tuple(_releases(found))))


def _releases(found: list[Upload]) -> Iterator[BroughtRelease]:
    def version(upload: Upload) -> str:
        return upload.artifact.canonical

    for _, group in groupby(sorted(found, key=version), version):
        files = list(group)
        yield BroughtRelease(files[0].artifact.version, tuple(map(_new_file, files)))


def _new_file(upload: Upload) -> r.NewFile:
    return r.NewFile(
        upload.filename,
        upload.sha256,
        upload.size,
        requires_python=upload.requires_python,
        core_metadata=uploads.core_metadata_digest(upload),
    )
