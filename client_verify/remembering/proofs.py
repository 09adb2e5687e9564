"""Signed files that prove what a registry said, to somebody who has nothing but its root.

The page of a name is proved by the bin that lists its hash, by ``bins`` and ``targets`` that hand the name to that bin,
and by the chain of roots. Snapshot and timestamp say which of two statements was served last, and are no part of it: a
key that signed a bin has signed it, whatever was served. Dates are not asked, since what was said was said.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from keys import counting, layout, names, rules
from keys.encoding import sha256
from keys.strict import Malformed

S = TypeVar("S", Root, Targets)
PAGE: Final = "page"
"""Stands for a page among the files of a proof; it is no role."""


class Unproven(ValueError):
    """These files do not prove what they are said to."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file as it was signed, by its role; in Base64, because its bytes are what counts."""

    role: str
    base64: str

    @property
    def data(self) -> bytes:
        """The file itself; Malformed if ``base64`` is none."""
        try:
            return base64.b64decode(self.base64, validate=True)
        except binascii.Error as error:
            raise Malformed("base64", str(error)) from None


def documents(files: Mapping[str, bytes]) -> tuple[Document, ...]:
    """Files as documents, in order of their role."""
    return tuple(document for role in sorted(files) for document in documents_of(role, [files[role]]))


def documents_of(role: str, chain: Iterable[bytes]) -> tuple[Document, ...]:
    """Files of one role as documents, in their order."""
    return tuple(Document(role, base64.b64encode(data).decode()) for data in chain)


def files(kept: Iterable[Document]) -> dict[str, bytes]:
    """The inverse of ``documents``."""
    return {document.role: document.data for document in kept}


def roots(chain: Sequence[bytes]) -> list[Root]:
    """The roots of a chain, each signed as the one before and it itself ask. Unproven otherwise."""
    found: list[Root] = []
    for data in chain:
        root = _signed(Root, layout.ROOT, data)
        for delegator in (*found[-1:], root):
            _check(delegator, layout.ROOT, data)
        if found and root.version != found[-1].version + 1:
            raise Unproven(f"root version {root.version} does not follow version {found[-1].version}")
        found.append(root)
    return found


def check_top(trusted: Sequence[Root], role: str, data: bytes) -> None:
    """Unproven unless one of the roots has enough keys that signed this file for a top-level role."""
    if not any(_met(root, role, data) for root in trusted):
        raise Unproven(f"{role} is not signed by enough keys of any of the roots")


def listed(trusted: Sequence[Root], name: str, proof: Mapping[str, bytes]) -> str | None:
    """The SHA-256 of the page that the bin responsible for a name lists, None if it lists none. Unproven unless every
    file on the way from the root to that bin is here and signed.
    """
    path = names.page_path(name)
    targets, bins = _delegators(trusted, proof)
    role = layout.responsible_role(targets, bins, path)
    delegate = _named(proof, role)
    _check(bins, role, proof[role])
    entry = delegate.targets.get(path)
    return None if entry is None else entry.hashes.get("sha256")


def signed_bin(trusted: Sequence[Root], role: str, proof: Mapping[str, bytes]) -> Metadata[Targets]:
    """A bin. Unproven unless every file on the way from the root to it is here and signed."""
    _, bins = _delegators(trusted, proof)
    _named(proof, role)
    _check(bins, role, proof[role])
    return Metadata[Targets].from_bytes(proof[role])


def _delegators(trusted: Sequence[Root], proof: Mapping[str, bytes]) -> tuple[Targets, Targets]:
    """``targets`` and ``bins``, which between them hand every path to a role."""
    targets = _named(proof, layout.TARGETS)
    check_top(trusted, layout.TARGETS, proof[layout.TARGETS])
    _require(rules.targets_problems(targets))
    bins = _named(proof, layout.BINS)
    _check(targets, layout.BINS, proof[layout.BINS])
    _require(rules.bins_problems(bins))
    return targets, bins


def check_page(trusted: Sequence[Root], name: str, page: bytes, proof: Mapping[str, bytes]) -> None:
    """Unproven unless the registry signed this page of a name."""
    if listed(trusted, name, proof) != sha256(page):
        raise Unproven(f"the page of {name} is not the one that its bin lists")


def _named(proof: Mapping[str, bytes], role: str) -> Targets:
    if role not in proof:
        raise Unproven(f"{role} is not among the files")
    found = _signed(Targets, role, proof[role])
    if found.unrecognized_fields.get(layout.ROLE_FIELD) != role:
        raise Unproven(f"the file of {role} does not say that it is {role}")
    return found


def _signed(kind: type[S], role: str, data: bytes) -> S:
    try:
        signed = Metadata[S].from_bytes(data).signed
    except RepositoryError as error:
        raise Unproven(f"the file of {role} cannot be read: {error}") from None
    if not isinstance(signed, kind):
        raise Unproven(f"the file of {role} is of another type")
    return signed


def _check(delegator: counting.Delegator, role: str, data: bytes) -> None:
    if not _met(delegator, role, data):
        raise Unproven(f"{role} is not signed by enough keys of the role above it")


def _met(delegator: counting.Delegator, role: str, data: bytes) -> bool:
    try:
        return counting.count_file(delegator, role, data).met
    except (RepositoryError, ValueError):
        return False


def _require(problems: list[str]) -> None:
    if problems:
        raise Unproven("; ".join(problems))
