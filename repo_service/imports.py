"""A folder of wheels and sdists becomes releases of the embedded registry. Running it again adds only what is new."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from repo_service import intake, uploads
from repo_service.domain import requests as r
from repo_service.domain.artifacts import BadArtifact
from repo_service.turned_away import Refused
from repo_service.uploads import Upload
from repo_service.wiring import Service

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many of it are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Imported:
    """How many releases a folder held, how many of them were new or grew, and what was left out, with reasons."""

    files: int
    releases: int
    new: int
    left_out: tuple[str, ...]


def import_folder(service: Service, folder: Path, progress: Progress) -> Imported:
    """Examine every file, store it, record its release and publish them all together."""
    left_out: list[str] = []
    examined = list(_examined(folder, progress, left_out))
    releases = list(_releases(examined))
    new = 0
    for number, (request, files) in enumerate(releases, 1):
        for upload, path in files:
            with service.depot.incoming() as draft:
                shutil.copyfile(path, draft)
                uploads.store(service.depot, upload, draft)
        sender = intake.Sender("import", secrets.token_hex(16))
        try:
            new += intake.record(service.journal, request, sender, service.clock()).events > 0
        except Refused as error:
            left_out.append(f"{request.name} {request.version}: {error}")
        progress("recorded", number, len(releases))
    service.round()
    return Imported(len(examined), len(releases), new, tuple(left_out))


def _examined(folder: Path, progress: Progress, left_out: list[str]) -> Iterator[tuple[Upload, Path]]:
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    for number, path in enumerate(paths, 1):
        try:
            yield uploads.examine(path.name, path), path
        except BadArtifact as error:
            left_out.append(str(error))
        progress("examined", number, len(paths))


def _releases(examined: list[tuple[Upload, Path]]) -> Iterator[tuple[r.Publish, list[tuple[Upload, Path]]]]:
    """One request for each release, its version spelled as its first file does."""

    def release(item: tuple[Upload, Path]) -> tuple[str, str]:
        return item[0].artifact.name, item[0].artifact.canonical

    for (name, _), group in groupby(sorted(examined, key=release), release):
        files = list(group)
        new = tuple(_new_file(upload) for upload, _ in files)
        yield r.Publish(name, files[0][0].artifact.version, new, r.Actor("system")), files


def _new_file(upload: Upload) -> r.NewFile:
    return r.NewFile(
        upload.filename,
        upload.sha256,
        upload.size,
        requires_python=upload.requires_python,
        core_metadata=uploads.core_metadata_digest(upload),
    )
