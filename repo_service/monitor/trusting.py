"""Whom a monitor believes: the chain of roots from the one it was given, and what these delegate to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tuf.api.metadata import Root, Targets

from keys import layout, trust
from keys.counting import Delegator
from keys.tlog import proofs
from keys.trust import SignedFile
from repo_service.build.metadata import metadata_path
from repo_service.monitor.reading import Public

MOST: Final = 1 << 22
"""Bytes of a ceremony's file."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Every root from the pinned one on, each signed for the one before and for itself."""

    chain: tuple[SignedFile, ...]

    @property
    def newest(self) -> Root:
        """The last root of the chain, which decides now."""
        body = self.chain[-1].body
        assert isinstance(body, Root)
        return body

    @property
    def policy(self) -> proofs.Policy:
        """Whose log it is. Raises NotTrusted."""
        try:
            found = proofs.policy_of(self.newest)
        except ValueError as error:
            raise trust.Unreadable(f"root {self.newest.version}: {error}") from None
        if found is None:
            raise trust.Unreadable(f"root {self.newest.version} names no log")
        return found

    def of(self, version: int) -> SignedFile | None:
        """The root of a version."""
        return next((root for root in self.chain if root.body.version == version), None)


def roots(public: Public, pin: bytes) -> Roots:
    """The chain as it is served now, from the bytes of the root that is believed. Raises NotTrusted, OutOfReach."""
    first = signed_file(layout.ROOT, pin)
    trust.require(first.body, first)
    return Roots((first, *_after(public, first)))


def signed_file(role: str, data: bytes) -> SignedFile:
    """A ceremony's file, of the form and by the rules of keys/rules.py; no signature of it was counted. Raises
    NotTrusted.
    """
    body = trust.parse_body(role, role, data)
    if problems := trust.body_problems(role, body):
        raise trust.Unreadable(f"{role} {body.version}: {'; '.join(problems)}")
    return SignedFile(role, data, body)


def read_sealed(public: Public, role: str, version: int) -> bytes | None:
    """A ceremony's file as it is served."""
    return public.read(metadata_path(role, version), MOST)


def delegated(public: Public, versions: dict[str, int], root: Root) -> Targets:
    """The verified ``bins`` of these versions of offline roles. Raises NotTrusted, OutOfReach."""
    targets = _required(public, layout.TARGETS, versions, root)
    assert isinstance(targets, Targets)
    bins = _required(public, layout.BINS, versions, targets)
    assert isinstance(bins, Targets)
    return bins


def _required(public: Public, role: str, versions: dict[str, int], delegator: Delegator) -> Root | Targets:
    if (version := versions.get(role)) is None or (data := read_sealed(public, role, version)) is None:
        raise trust.Unreadable(f"{role} {version or ''}: is not there")
    file = signed_file(role, data)
    trust.require(delegator, file)
    return file.body


def _after(public: Public, before: SignedFile) -> Iterator[SignedFile]:
    while (data := read_sealed(public, layout.ROOT, before.body.version + 1)) is not None:
        after = signed_file(layout.ROOT, data)
        if after.body.version != before.body.version + 1:
            raise trust.Differs(f"root {before.body.version + 1}: holds version {after.body.version}")
        trust.require(before.body, after)
        trust.require(after.body, after)
        yield after
        before = after
