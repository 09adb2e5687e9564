"""Where a depot is: one line of the settings, read strictly.

    public                                    a folder, relative to the service's own
    /srv/tallystick/public                    a folder
    s3://bucket/some/prefix?region=eu-west-1  a bucket of AWS, and what its keys begin with
    s3://bucket?endpoint=https://s3.example   a bucket of another server that speaks S3

Who may write there is never in that line but in the environment, in AWS's own names (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN); where they are missing, the machine's own role is asked for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from repo_service.storage.depot import Depot, is_path
from repo_service.storage.drafts import FOLDER, Drafts
from repo_service.storage.local import LocalDepot

if TYPE_CHECKING:
    from repo_service.storage.s3 import S3Depot

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_PARAMETERS: Final = frozenset({"endpoint", "region"})


class BadPlace(ValueError):
    """The setting names no place for a depot; the message says what to write. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a local file system."""

    path: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of an S3 server; ``endpoint`` is the server's address, None for AWS's own in that region."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str = "us-east-1"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


Place = Folder | Bucket


def parse(text: str) -> Place:
    """The place that a setting names. BadPlace if it names none."""
    if not text.startswith("s3://"):
        if not text or "://" in text:
            raise BadPlace(f"{text!r:.200} is neither a folder nor s3://bucket/prefix?endpoint=https://…&region=…")
        return Folder(text)
    parts = urlsplit(text)
    prefix = parts.path.strip("/")
    asked = parse_qsl(parts.query, keep_blank_values=True)
    said = dict(asked)
    if not _BUCKET.fullmatch(parts.netloc):
        raise BadPlace(f"{parts.netloc!r:.200} is no name of a bucket: 3 to 63 of a-z 0-9 . -")
    if prefix and not is_path(prefix):
        raise BadPlace(f"{prefix!r:.200} cannot begin the keys of a depot: A-Z a-z 0-9 . _ + ! - and single slashes")
    if parts.fragment or said.keys() - _PARAMETERS or len(said) != len(asked):
        raise BadPlace("s3:// takes ?endpoint= and ?region=, each once; who may write there is said by the environment")
    if not _REGION.fullmatch(region := said.get("region", "us-east-1")):
        raise BadPlace(f"{region!r:.200} is no region")
    return Bucket(parts.netloc, prefix, _endpoint(said.get("endpoint")), region)


def open_depot(place: Place, home: Path, environment: Mapping[str, str]) -> Depot:
    """The depot at a place, as a process that starts opens it: drafts that were left behind are swept, and a bucket is
    probed. Raises what ``connect`` does, Unfit for a server that does not keep a depot's promises, Unavailable.
    """
    depot = connect(place, home, environment)
    depot.drafts.sweep()
    depot.probe()
    return depot


def connect(place: Place, home: Path, environment: Mapping[str, str]) -> "LocalDepot | S3Depot":
    """The depot at a place, a folder relative to the service's own (``home``), without a look at it: for the many short
    jobs of a process that has opened it before. BadPlace if the S3 library is not installed.
    """
    if isinstance(place, Folder):
        return LocalDepot(home / place.path)
    try:
        from repo_service.storage.s3 import S3Depot  # an extra: who publishes into a folder needs no S3 library
    except ImportError as error:
        raise BadPlace(f"{place} needs {error.name}: pip install 'tallystick[s3]'. Nothing was written") from None
    return S3Depot(place, Drafts(home / FOLDER), environment)


def _endpoint(text: str | None) -> str | None:
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise BadPlace(f"endpoint {text!r:.200} is no address of a server, like https://s3.example.com")
    return text.rstrip("/")
