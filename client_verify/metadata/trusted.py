"""The metadata that python-tuf has just verified, read again from its directory and checked for what it does not ask.

python-tuf counts one key under two ids twice; it cannot tell bins of equal version apart; and it answers None alike
when a path is not listed and when its walk was cut off. Here every signature is counted again by distinct keys, every
file must be the one it says it is, and the one role that may speak for a path is known by name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from client_verify.metadata import reading
from client_verify.refusals import Refused
from keys import counting, layout, rules

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


class Trusted:
    """One consistent set of verified metadata. Made and asked only while holding the directory's lock.

    ``directory`` is python-tuf's, ``pinned`` the first root. Dates are python-tuf's to judge. ``read`` may know what
    bytes say that it has read before; the bytes are always those in the directory. ``roots`` is the chain of roots and
    ``files`` what else was read, as it was signed, by its role.
    """

    def __init__(self, directory: Path, pinned: bytes, read: reading.Read = reading.read) -> None:
        self._directory = directory
        self.roots: list[bytes] = []
        self.files: dict[str, bytes] = {}
        self._read = read
        self._dropped: dict[str, Refused] = {}
        self.root = self._root_chain(pinned)
        self.timestamp = self._top(layout.TIMESTAMP, Timestamp)
        self.snapshot = self._top(layout.SNAPSHOT, Snapshot)
        self.targets = self._top(layout.TARGETS, Targets)
        with self._or_dropped(layout.TARGETS):
            _check_name(layout.TARGETS, self.targets)
            _require(rules.targets_problems(self.targets))
        self._delegated: dict[str, Targets] = {}
        self._wrong_with_bins: list[str] | None = None

    def responsible(self, path: str) -> tuple[str, Targets]:
        """The one role that may speak for a target path, and its file.

        Refused as ``incomplete`` unless that file is here in the version that the snapshot lists, so that what it
        does not list is proven absent.
        """
        if layout.is_held(self.targets, path):
            return layout.HELD, self._delegate(self.targets, layout.HELD)
        bins = self._bins()
        role = layout.responsible_role(self.targets, bins, path)
        delegate = self._delegate(bins, role)
        with self._or_dropped(role):
            _check_bin(role, delegate)
        return role, delegate

    def _bins(self) -> Targets:
        bins = self._delegate(self.targets, layout.BINS)
        if self._wrong_with_bins is None:
            self._wrong_with_bins = rules.bins_problems(bins)  # judged once, refused each time
        with self._or_dropped(layout.BINS):
            _require(self._wrong_with_bins)
        return bins

    def proof(self, role: str) -> dict[str, bytes]:
        """The files, by role, that prove what a role says which has answered for a path."""
        between = (layout.TARGETS,) if role == layout.HELD else (layout.BINS, layout.TARGETS)
        return {each: self.files[each] for each in (role, *between)}

    def payload(self, role: str) -> bytes:
        """What is signed in a file that was read."""
        return self._read(self.files[role]).payload

    def drop(self, role: str) -> None:
        """Let a file go that was verified and is refused all the same: every server may be asked for it again."""
        (self._directory / f"{role}.json").unlink(missing_ok=True)

    def delegator(self, role: str) -> Targets:
        """The file that hands paths to a role which has answered for one."""
        return self.targets if role == layout.HELD else self._delegated[layout.BINS]

    def known(self, role: str) -> Targets | None:
        """What a bin, or what delegates to bins, says, if it was read and verified."""
        return self._delegated.get(role)

    def _delegate(self, delegator: Targets, role: str) -> Targets:
        # Kept once read: another process may replace the file by that of a newer snapshot at any time.
        if role not in self._delegated:
            self._delegated[role] = self._read_delegate(delegator, role)
        return self._delegated[role]

    def _read_delegate(self, delegator: Targets, role: str) -> Targets:
        listed = self.snapshot.meta.get(f"{role}.json")
        try:
            data = (self._directory / f"{role}.json").read_bytes()
        except FileNotFoundError:
            never = Refused("incomplete", f"{role} may speak for this name, and its file was never reached")
            raise self._dropped.get(role, never) from None
        delegate = self._parsed(Targets, data)
        if listed is None or delegate.version != listed.version:
            version = None if listed is None else listed.version
            raise Refused(
                "incomplete",
                f"{role} may speak for this name; the snapshot lists its version {version}, and what was reached "
                f"is version {delegate.version}",
            )
        with self._or_dropped(role):
            self._check_count(delegator, role, data)
            _check_name(role, delegate)
        self.files[role] = data
        return delegate

    @contextmanager
    def _or_dropped(self, role: str) -> Iterator[None]:
        # python-tuf kept the file before it was checked here, and would ask no server for it again. Its version is
        # protected by the snapshot, so nothing is lost with it.
        try:
            yield
        except Refused as refused:
            self._dropped[role] = refused
            self.drop(role)
            raise

    def _root_chain(self, pinned: bytes) -> Root:
        # The specification asks the old root's keys and the new one's for every step (5.3.4, 5.3.5).
        root = self._parsed(Root, pinned)
        self._check_count(root, layout.ROOT, pinned)
        self.roots.append(pinned)
        newest = self._parsed(Root, (self._directory / "root.json").read_bytes()).version
        for version in range(root.version + 1, newest + 1):
            data = (self._directory / "root_history" / f"{version}.root.json").read_bytes()
            follower = self._parsed(Root, data)
            self._check_count(root, layout.ROOT, data)
            self._check_count(follower, layout.ROOT, data)
            self.roots.append(data)
            root = follower
        return root

    def _top(self, role: str, kind: type[S]) -> S:
        data = (self._directory / f"{role}.json").read_bytes()
        self._check_count(self.root, role, data)
        self.files[role] = data
        return self._parsed(kind, data)

    def _parsed(self, kind: type[S], data: bytes) -> S:
        signed = self._file(data).metadata.signed
        assert isinstance(signed, kind), "python-tuf has checked the type of every file that it keeps"
        return signed

    def _check_count(self, delegator: Root | Targets, role: str, data: bytes) -> None:
        file = self._file(data)
        try:
            count = counting.count(delegator, role, file.payload, file.metadata.signatures.values())
        except ValueError as error:
            raise Refused("invalid", f"{role}: {error}") from None
        if not count.met:
            raise Refused(
                "invalid", f"{role} is signed by {count.distinct} different keys; {count.threshold} are needed"
            )

    def _file(self, data: bytes) -> reading.File:
        try:
            return self._read(data)
        except RepositoryError as error:
            raise Refused("invalid", f"metadata cannot be read: {error}") from None


def _check_name(role: str, delegate: Targets) -> None:
    # All targets roles have one type, and several share their signers: only its own word tells one from another.
    named = delegate.unrecognized_fields.get(layout.ROLE_FIELD)
    if named != role:
        raise Refused("swapped", f"asked for {role}; the file served for it calls itself {named!r:.40}")


def _check_bin(role: str, delegate: Targets) -> None:
    if delegate.version % layout.BIN_STRIDE != layout.bin_number(role):
        raise Refused("swapped", f"version {delegate.version} cannot be one of {role}")


def _require(problems: list[str]) -> None:
    if problems:
        raise Refused("invalid", "; ".join(problems))
