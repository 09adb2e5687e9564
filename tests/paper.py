"""A repository on paper: the smallest writer of a signed repository, in memory and from fixed keys.

It shares the ground (keys/) with the service and nothing else, so that client and service are tested against each
other's idea of the format and not against one piece of code. ``Paper.files`` is what a web server would serve; an
attacker without keys edits it, one with the online key passes ``forge`` to ``publish``.
"""

import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import Signature

from keys import layout, names, page
from keys.encoding import sha256
from keys.signing import SPEC_VERSION, HeldKey, Sign, signed_file
from keys.state import File, Mark, NameState, Reason, Release, Yank
from keys.times import stamp

Body = dict[str, Any]
Forge = Callable[[str, Body], None]

HOLDERS = tuple(HeldKey(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)) for number in (1, 2, 3))
ONLINE = HeldKey(derive_private_key(0x7A11_7571C4, SECP256R1()))
HELD_NAME = "forbidden"
YEAR = timedelta(days=365)
DAY = timedelta(days=1)


def all_of(*keys: HeldKey) -> Sign:
    """A signer that signs with every one of these keys."""
    return lambda payload: tuple(key.sign(payload) for key in keys)


def alias(key: HeldKey, keyid: str) -> Sign:
    """The same private key once more, under another key id."""
    return lambda payload: (Signature(keyid, key.sign(payload).signature),)


def as_signed(_role: str, _body: Body) -> None:
    """The forger who forges nothing."""


class Paper:
    """Holders (2 of 3) sign root, targets, held and bins; the online key signs snapshot, timestamp and every bin."""

    def __init__(
        self, now: datetime, *, bit_length: int = 2, forge: Forge = as_signed, signers: dict[str, Sign] | None = None
    ) -> None:
        self.files: dict[str, bytes] = {}
        self.bins = layout.Bins(bit_length)
        self.signers = signers or {}
        self.held = {HELD_NAME: prohibited(now, HELD_NAME)}
        self._pages: dict[str, bytes] = {}
        self._versions: dict[str, int] = {}
        self._bodies: dict[str, Any] = {}
        self._now = now
        self.ceremony(now, forge)

    @property
    def root(self) -> bytes:
        """The first root, which clients pin."""
        return self.files["metadata/1.root.json"]

    def ceremony(self, now: datetime, forge: Forge = as_signed) -> None:
        """Sign the four offline roles, one version after the last."""
        self._now = now
        pages = {names.page_path(name): page.target_entry(self._store_page(said)) for name, said in self.held.items()}
        offline: dict[str, Body] = {
            layout.ROOT: self._root(),
            layout.TARGETS: {"targets": {}, "delegations": self._delegations()},
            layout.HELD: {"targets": pages},
            layout.BINS: {"targets": {}, "delegations": self._succinct()},
        }
        for role, body in offline.items():
            self._sign(role, self._versions.get(role, 0) + 1, body, YEAR, forge)

    def say(self, state: NameState) -> None:
        """Put a state into the next snapshot."""
        self._pages[names.page_path(state.name)] = self._store_page(state)

    def hush(self, name: str) -> None:
        """Leave a name out of the next snapshot."""
        del self._pages[names.page_path(name)]

    def add_file(self, name: str, filename: str, data: bytes, metadata: bytes | None = None) -> None:
        """Store a file's bytes, and its core metadata, where its page will say they are."""
        address = f"targets/{names.hashed(names.file_path(name, filename), sha256(data))}"
        self.files[address] = data
        if metadata is not None:
            self.files[f"{address}.metadata"] = metadata

    def publish(self, now: datetime, forge: Forge = as_signed, lifetime: timedelta = DAY) -> dict[str, bytes]:
        """Sign changed bins, a snapshot and a timestamp; ``forge`` may change each body before it is signed."""
        self._now = now
        for number, role in enumerate(self.bins.roles()):
            self._publish_bin(number, role, forge)
        listed = (layout.TARGETS, layout.HELD, layout.BINS, *self.bins.roles())
        meta = {f"{role}.json": {"version": self._versions[role]} for role in listed}
        version = self._versions.get(layout.SNAPSHOT, 0) + 1
        snapshot = self._sign(layout.SNAPSHOT, version, {"meta": meta}, lifetime, forge)
        entry = {"version": version, "length": len(snapshot), "hashes": {"sha256": sha256(snapshot)}}
        body = {"meta": {"snapshot.json": entry}, layout.SIGNED_AT_FIELD: stamp(now)}
        self._sign(layout.TIMESTAMP, self._versions.get(layout.TIMESTAMP, 0) + 1, body, lifetime, forge)
        return dict(self.files)

    def write(self, directory: Path) -> None:
        """The served files below a directory."""
        for path, data in self.files.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(data)

    def bin_of(self, name: str) -> str:
        """The bin that speaks for a name's page."""
        return self.bins.role(self.bins.number(names.page_path(name)))

    def newest(self, role: str) -> str:
        """Where the newest file of a role is served."""
        return f"metadata/{_file_name(role, self._versions[role])}"

    def bin_file(self, name: str) -> str:
        """Where the newest file of that bin is served."""
        return self.newest(self.bin_of(name))

    def page_file(self, name: str) -> str:
        """Where the newest page of a name is served."""
        path = names.page_path(name)
        return f"targets/{names.hashed(path, sha256(self._pages[path]))}"

    def _publish_bin(self, number: int, role: str, forge: Forge) -> None:
        listed = {
            path: page.target_entry(data) for path, data in self._pages.items() if self.bins.number(path) == number
        }
        if self._bodies.get(role) == listed:
            return
        self._bodies[role] = listed
        last = self._versions.get(role)
        version = layout.first_version(number) if last is None else layout.next_version(last)
        self._sign(role, version, {"targets": listed}, 7 * DAY, forge)

    def _sign(self, role: str, version: int, fields: Body, lifetime: timedelta, forge: Forge) -> bytes:
        kind = role if role in (layout.ROOT, layout.SNAPSHOT, layout.TIMESTAMP) else layout.TARGETS
        expires = stamp(self._now + lifetime)
        body = {"_type": kind, "spec_version": SPEC_VERSION, "version": version, "expires": expires, **fields}
        if kind == layout.TARGETS:
            body[layout.ROLE_FIELD] = role
        forge(role, body)
        default = all_of(*HOLDERS[:2]) if role in layout.OFFLINE else ONLINE
        data = signed_file(body, self.signers.get(role, default))
        self._versions[role] = body["version"]
        self.files[self.newest(role)] = data
        return data

    def _store_page(self, state: NameState) -> bytes:
        data = page.render(state)
        self.files[f"targets/{names.hashed(names.page_path(state.name), sha256(data))}"] = data
        return data

    def _root(self) -> Body:
        online = {"keyids": [ONLINE.record.keyid], "threshold": 1}
        holders = {"keyids": [key.record.keyid for key in HOLDERS], "threshold": 2}
        roles = {"root": holders, "targets": holders, "snapshot": online, "timestamp": online}
        return {"consistent_snapshot": True, "keys": _records(*HOLDERS, ONLINE), "roles": roles}

    def _delegations(self) -> Body:
        signed_by = {"keyids": [key.record.keyid for key in HOLDERS], "threshold": 2, "terminating": True}
        roles = [
            {
                "name": layout.HELD,
                "paths": [path for name in self.held for path in layout.held_paths(name)],
                **signed_by,
            },
            {"name": layout.BINS, "paths": list(layout.BIN_PATHS), **signed_by},
        ]
        return {"keys": _records(*HOLDERS), "roles": roles}

    def _succinct(self) -> Body:
        bins = {"bit_length": self.bins.bit_length, "name_prefix": layout.BIN_PREFIX}
        return {"keys": _records(ONLINE), "succinct_roles": {"keyids": [ONLINE.record.keyid], "threshold": 1, **bins}}


@dataclass(frozen=True)
class Artifact:
    """A built file: its name, bytes and, of a wheel, its core metadata."""

    filename: str
    data: bytes
    metadata: bytes | None

    def file(self, now: datetime, url: str | None = None) -> File:
        digest = None if self.metadata is None else sha256(self.metadata)
        uploaded = stamp(now)
        return File(self.filename, self.filename, sha256(self.data), len(self.data), uploaded, None, digest, url)


def wheel(name: str, version: str, *, says: str = "hello", requires: Iterable[str] = ()) -> Artifact:
    """A wheel with one module, the same bytes every time."""
    folder = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
    members = {
        f"{name}.py": f"SAYS = {says!r}\n",
        f"{folder}/METADATA": metadata,
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: paper\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*members, f"{folder}/RECORD"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in {**members, f"{folder}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return Artifact(f"{name}-{version}-py3-none-any.whl", packed.getvalue(), metadata.encode())


def mark(now: datetime, by: str = "owner", code: str = "other", text: str | None = None) -> Mark:
    return Mark(stamp(now), by, Reason(code, text))  # type: ignore[arg-type]  # the tests' word for an actor class


def release(now: datetime, version: str, *artifacts: Artifact, url: str | None = None) -> Release:
    """A published release of these files."""
    files = sorted((artifact.file(now, url) for artifact in artifacts), key=lambda file: file.filename)
    return Release(version, version, "published", 1, stamp(now), None, None, tuple(files))


def yanked(now: datetime, published: Release, text: str, kind: str = "owner") -> Release:
    return replace(published, yank=Yank(kind, mark(now, text=text)))  # type: ignore[arg-type]  # as above


def removed(now: datetime, published: Release, text: str) -> Release:
    return replace(published, state="unpublished", removed=mark(now, text=text))


def prohibited(now: datetime, name: str) -> NameState:
    """A name that a ceremony holds."""
    return NameState(name, name, "prohibited", 1, 1, 0, mark(now, "admin", "held"), None, None, (), ())


def project(now: datetime, name: str, *releases: Release, serial: int = 1) -> NameState:
    """A registered name."""
    listed = tuple(sorted(releases, key=lambda each: each.version))
    return NameState(name, name, "registered", 1, serial, serial, mark(now), None, None, listed, ())


def _file_name(role: str, version: int) -> str:
    return "timestamp.json" if role == layout.TIMESTAMP else f"{version}.{role}.json"


def _records(*keys: HeldKey) -> Body:
    return {key.record.keyid: key.record.to_dict() for key in keys}
