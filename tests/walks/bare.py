"""The smallest TUF repository that has a key for every role, to show what is true of TUF and not of our service alone.

Roles: root, timestamp, snapshot, targets and two hash bins, each signed by keys that go by a word. Nothing is checked
here: it signs and serves whatever it is told, in any order.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater

from keys.encoding import sha256
from keys.signing import SPEC_VERSION, HeldKey, signed_file
from tests.paper import all_of
from tests.world import Mirror

URL: Final = "https://bare.test"
BINS: Final = ("bin-0", "bin-1")
PATH: Final = "a-file"
FIRST: Final = {role: (role,) for role in ("root", "timestamp", "snapshot", "targets", "bin")}
"""Who signs what in the beginning: for each role one key, called as the role."""


def key(word: str) -> HeldKey:
    """The key that goes by a word: always the same."""
    return HeldKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(word.encode()).digest()))


class Bare:
    """Such a repository in a folder. ``sees`` is a client that remembers by its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public = folder / "public"
        (self.public / "metadata").mkdir(parents=True)
        self.root(1, FIRST)
        self.everything(1)

    def everything(self, version: int, **by: Iterable[str]) -> None:
        """All but the root in this version, signed by the first keys or by those named for their role."""
        self.targets(version, by.get("targets", ("targets",)))
        self.bins(version, by.get("bin", ("bin",)))
        self.snapshot(version, version, by.get("snapshot", ("snapshot",)), targets=version)
        self.timestamp(version, version, by.get("timestamp", ("timestamp",)))

    def root(
        self, version: int, named: Mapping[str, Iterable[str]], by: Iterable[str] = ("root",), **thresholds: int
    ) -> None:
        """A root that names these keys for each role, with a threshold of one unless told otherwise."""
        roles = {
            role: {"keyids": [key(word).record.keyid for word in words], "threshold": thresholds.get(role, 1)}
            for role, words in named.items()
            if role != "bin"
        }
        keys = _records(word for role, words in named.items() if role != "bin" for word in words)
        self._sign("root", version, {"consistent_snapshot": True, "keys": keys, "roles": roles}, by)

    def targets(self, version: int, by: Iterable[str] = ("targets",), bin_keys: Iterable[str] = ("bin",)) -> None:
        """Targets that delegate everything to two bins, signed by these keys."""
        keyids = [key(word).record.keyid for word in bin_keys]
        bins = {"keyids": keyids, "threshold": 1, "bit_length": 1, "name_prefix": "bin"}
        delegations = {"keys": _records(bin_keys), "succinct_roles": bins}
        self._sign("targets", version, {"targets": {}, "delegations": delegations}, by)

    def bins(self, version: int, by: Iterable[str] = ("bin",)) -> None:
        """Both bins; either lists a file."""
        entry = {"length": 1, "hashes": {"sha256": sha256(b"x")}}
        for role in BINS:
            self._sign(role, version, {"targets": {PATH: entry}}, by)

    def snapshot(self, version: int, bins: int, by: Iterable[str] = ("snapshot",), *, targets: int = 1) -> None:
        listed = {"targets.json": {"version": targets}} | {f"{role}.json": {"version": bins} for role in BINS}
        self._sign("snapshot", version, {"meta": listed}, by)

    def timestamp(self, version: int, snapshot: int, by: Iterable[str] = ("timestamp",)) -> None:
        data = self._file("snapshot", snapshot).read_bytes()
        pinned = {"version": snapshot, "length": len(data), "hashes": {"sha256": sha256(data)}}
        self._sign("timestamp", version, {"meta": {"snapshot.json": pinned}}, by)

    def says(self, machine: str) -> str:
        """``reads``, or what python-tuf's client raises there."""
        try:
            self.client(machine)
        except (RepositoryError, DownloadError) as error:
            return f"{type(error).__name__}: {error}"
        return "reads"

    def client(self, machine: str) -> Updater:
        """python-tuf's client, come to what is public, bins too; raises what it does."""
        folder = self.folder / machine
        folder.mkdir(exist_ok=True)
        client = Updater(
            str(folder), f"{URL}/metadata", fetcher=Mirror(self.public), bootstrap=self._file("root", 1).read_bytes()
        )
        client.refresh()
        assert client.get_targetinfo(PATH) is not None
        return client

    def _sign(self, role: str, version: int, fields: Mapping[str, Any], by: Iterable[str]) -> None:
        kind = "targets" if role in BINS else role
        common = {"_type": kind, "spec_version": SPEC_VERSION, "version": version, "expires": "2099-01-01T00:00:00Z"}
        self._file(role, version).write_bytes(signed_file({**common, **fields}, all_of(*map(key, by))))

    def _file(self, role: str, version: int) -> Path:
        return self.public / "metadata" / ("timestamp.json" if role == "timestamp" else f"{version}.{role}.json")


def _records(words: Iterable[str]) -> dict[str, Any]:
    return {held.record.keyid: held.record.to_dict() for held in map(key, words)}
