"""Somebody who has copied the online key, and what they put into public files: validly signed, and never ours."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from keys import layout, names, page
from keys.encoding import sha256
from keys.signing import signed_file
from keys.state import NameState
from tests.world import World, online_key

HUGE: Final = 2**31 - 1
_LONG: Final = "2099-01-01T00:00:00Z"


class Thief:
    """Writes to a world's public folder with its first online key. ``wrote`` is everything they left there."""

    def __init__(self, world: World, public: Path | None = None) -> None:
        self._public = public or world.public
        self._key = online_key()
        self.wrote: dict[str, bytes] = {}

    def strike(self, *, timestamp: int = 0, snapshot: int = 0, bins: int = 0, saying: NameState | None = None) -> None:
        """A new timestamp and snapshot, one version on or of these versions, good for decades; with ``bins`` new bins
        of about that version; with ``saying`` another page of a name.
        """
        before = self._read("timestamp.json")
        listed = self._read(f"{before['meta']['snapshot.json']['version']}.snapshot.json")
        changed = self._bins(listed, bins, saying)
        meta = listed["meta"] | changed
        version = snapshot or listed["version"] + 1
        data = self._write(f"metadata/{version}.snapshot.json", listed | {"version": version, "meta": meta})
        pinned = {"version": version, "length": len(data), "hashes": {"sha256": sha256(data)}}
        said = {"version": timestamp or before["version"] + 1, "meta": {"snapshot.json": pinned}}
        self._write("metadata/timestamp.json", before | said)

    def strike_again(self, public: Path) -> None:
        """Put everything that was written there once more, or elsewhere."""
        for path, data in self.wrote.items():
            (public / path).write_bytes(data)

    def _bins(self, listed: Mapping[str, Any], about: int, saying: NameState | None) -> dict[str, Any]:
        roles = {each.removesuffix(".json") for each in listed["meta"] if each.startswith("bin-")}
        home = layout.Bins(len(roles).bit_length() - 1)
        theirs = home.role(home.number(names.page_path(saying.name))) if saying else None
        changed = {}
        for role in sorted(roles if about else roles & {theirs}):
            before = listed["meta"][f"{role}.json"]["version"]
            version = layout.next_version(before)
            if about:
                version = about // layout.BIN_STRIDE * layout.BIN_STRIDE + layout.bin_number(role)
            body = self._read(f"{before}.{role}.json") | {"version": version}
            if saying and role == theirs:
                body["targets"] |= self._page(saying)
            self._write(f"metadata/{version}.{role}.json", body)
            changed[f"{role}.json"] = {"version": version}
        return changed

    def _page(self, said: NameState) -> dict[str, Any]:
        path, data = names.page_path(said.name), page.render(said)
        self._put(f"targets/{names.hashed(path, sha256(data))}", data)
        return {path: page.target_entry(data)}

    def _read(self, name: str) -> dict[str, Any]:
        signed: dict[str, Any] = json.loads((self._public / "metadata" / name).read_bytes())["signed"]
        return signed

    def _write(self, path: str, body: Mapping[str, Any]) -> bytes:
        return self._put(path, signed_file({**body, "expires": _LONG}, self._key))

    def _put(self, path: str, data: bytes) -> bytes:
        (self._public / path).write_bytes(data)
        self.wrote[path] = data
        return data
