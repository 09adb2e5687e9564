"""What python-tuf's exceptions mean to a person: which attack or accident, with both values and both dates.

Its exception types alone do not tell: one BadVersionNumberError stands for a rollback and for a swapped bin, and a
frozen timestamp can surface as a 404 for a snapshot. So the served file and the trusted ones are compared again.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from tuf.api import exceptions
from tuf.api.metadata import Metadata, Signed, Snapshot, Timestamp

from client_verify.refusals import Refused
from keys import layout
from keys.times import stamp

_SHA256: Final = re.compile(r"\b([0-9a-f]{16})[0-9a-f]{48}\b")
_AFTER_TIMESTAMP: Final = (layout.SNAPSHOT, layout.TARGETS)


@dataclass(frozen=True, slots=True)
class Scene:
    """Where it happened: the repository's name, the trusted files, the file served last, and the time."""

    repository: str
    directory: Path
    served: bytes | None
    now: datetime

    def trusted(self, role: str) -> Signed | None:
        """The trusted file of a role; None if there is none that can be read."""
        path = self.directory / f"{role}.json"
        return _signed(path.read_bytes()) if path.exists() else None


def of_metadata(error: Exception, scene: Scene) -> Refused:
    """The refusal for an exception out of ``Updater.refresh`` or ``Updater.get_targetinfo``."""
    served = None if scene.served is None else _signed(scene.served)
    if isinstance(error, exceptions.ExpiredMetadataError):
        return _expired(scene, served)
    if isinstance(error, exceptions.BadVersionNumberError):
        return _rollback(scene, served) or _swapped(scene, error, served)
    if isinstance(error, exceptions.DownloadLengthMismatchError):
        return Refused("invalid", f'repository "{scene.repository}" served a file that is too long: {_short(error)}')
    if isinstance(error, exceptions.LengthOrHashMismatchError) and isinstance(served, Snapshot):
        return _mixed(scene, error, served)
    if isinstance(error, exceptions.DownloadHTTPError) and isinstance(served, Timestamp) and _late(scene):
        # A timestamp of equal version is passed over unread, so its expiry shows only behind this error.
        return _expired(scene, scene.trusted(layout.TIMESTAMP))
    if isinstance(error, exceptions.DownloadHTTPError):
        return _unreachable(scene, error)
    if isinstance(error, exceptions.DownloadError):
        return Refused("unreachable", f'repository "{scene.repository}": {error}{_meanwhile(scene)}')
    return Refused("invalid", f'repository "{scene.repository}": {error}')


def of_content(error: Exception, scene: Scene, what: str) -> Refused:
    """The refusal for an exception while a page or file was downloaded."""
    if isinstance(error, exceptions.LengthOrHashMismatchError | exceptions.DownloadLengthMismatchError):
        return Refused(
            "mismatch", f'{what} that repository "{scene.repository}" served is not what was signed ({_short(error)})'
        )
    return _unreachable(scene, error)


def _mixed(scene: Scene, error: Exception, served: Snapshot) -> Refused:
    return Refused(
        "invalid",
        f'repository "{scene.repository}" served snapshot version {served.version}, which is not the one that its '
        f"timestamp lists ({_short(error)})",
    )


def _short(error: Exception) -> str:
    """Its words within a sentence, and of a SHA-256 as much as tells two apart."""
    words = _SHA256.sub(r"\1…", str(error).rstrip("."))
    return words[:1].lower() + words[1:]


def _unreachable(scene: Scene, error: Exception) -> Refused:
    return Refused("unreachable", f'repository "{scene.repository}": {error}')


def _meanwhile(scene: Scene) -> str:
    timestamp = scene.trusted(layout.TIMESTAMP)
    if timestamp is None or _late(scene):
        return ""
    return f". With --offline, what this machine has verified can be used until {stamp(timestamp.expires)}"


def _late(scene: Scene) -> bool:
    timestamp = scene.trusted(layout.TIMESTAMP)
    return timestamp is not None and timestamp.is_expired(scene.now)


def _expired(scene: Scene, served: Signed | None) -> Refused:
    # The root first, without which python-tuf reads nothing else, so that what is here may be old. Then the timestamp:
    # if it is late, all that it vouches for is.
    timestamp = served if isinstance(served, Timestamp) else scene.trusted(layout.TIMESTAMP)
    files = [scene.trusted(layout.ROOT), timestamp, served, *map(scene.trusted, _AFTER_TIMESTAMP)]
    late = next((file for file in files if file is not None and file.is_expired(scene.now)), None)
    if late is None:
        return Refused("expired", f'repository "{scene.repository}" serves metadata that is past its date')
    return Refused(
        "expired",
        f'the newest {late.type} that repository "{scene.repository}" serves is version {late.version}'
        f"{_signed_at(late)}; it was valid until {stamp(late.expires)} and it is now {stamp(scene.now)}",
    )


def _signed_at(file: Signed) -> str:
    at = file.unrecognized_fields.get(layout.SIGNED_AT_FIELD)
    return f", signed {at}" if isinstance(at, str) else ""


def _rollback(scene: Scene, served: Signed | None) -> Refused | None:
    if isinstance(served, Timestamp) and isinstance(trusted := scene.trusted(layout.TIMESTAMP), Timestamp):
        pairs = [
            ("timestamp", served.version, trusted.version),
            ("snapshot", served.snapshot_meta.version, trusted.snapshot_meta.version),
        ]
    elif isinstance(served, Snapshot) and isinstance(old := scene.trusted(layout.SNAPSHOT), Snapshot):
        now = {file: meta.version for file, meta in served.meta.items()}
        pairs = [(file.removesuffix(".json"), now.get(file, 0), meta.version) for file, meta in old.meta.items()]
    else:
        return None
    return next((_rolled_back(scene, *pair) for pair in pairs if pair[1] < pair[2]), None)


def _rolled_back(scene: Scene, role: str, served: int, verified: int) -> Refused:
    return Refused(
        "rollback",
        f'repository "{scene.repository}" served {role} version {served}; '
        f"this machine has already verified version {verified}",
    )


def _swapped(scene: Scene, error: Exception, served: Signed | None) -> Refused:
    named = None if served is None else served.unrecognized_fields.get(layout.ROLE_FIELD)
    what = f"the file of {named}" if isinstance(named, str) else "a file"
    asked = str(error).rstrip(".")
    return Refused("swapped", f'repository "{scene.repository}" served {what} where another was asked for ({asked})')


def _signed(data: bytes) -> Signed | None:
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(data)
    except exceptions.RepositoryError:
        return None
    return cast(Signed, metadata.signed)
