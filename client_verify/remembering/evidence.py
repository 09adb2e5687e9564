"""Two signed documents that cannot both be true, with what somebody else needs to check that both were signed.

A file of evidence is strict JSON and proves itself from the first root in it on: whoever knows the registry's root
compares that one, and needs to believe nothing that this machine says. ``why`` and the times are only its word.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tuf.api.metadata import Metadata, Root

from client_verify.remembering import proofs
from client_verify.remembering.proofs import PAGE, Document, Unproven
from keys import layout, page, strict, succession
from keys.counting import payload_of
from keys.encoding import compact, sha256

FORM: Final = "tallystick-evidence-1"


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed: for a name its page (none where the bin lists none) and the files that prove it; for a role
    the one file. ``seen_at`` is when this machine verified it.
    """

    documents: tuple[Document, ...]
    seen_at: str

    @property
    def files(self) -> dict[str, bytes]:
        return proofs.files(self.documents)


@dataclass(frozen=True, slots=True)
class Evidence:
    """``subject`` is the name of a project or of a role, ``url`` the repository's address, ``roots`` its roots, the
    pinned one first.
    """

    form: Literal["tallystick-evidence-1"]
    kind: Literal["name", "role"]
    subject: str
    url: str
    why: str
    seen_at: str
    roots: tuple[Document, ...]
    before: Statement
    after: Statement

    @property
    def id(self) -> str:
        """The same contradiction has the same id, however often and between whatever snapshots it is seen."""
        told = (PAGE,) if self.kind == "name" else (self.subject,)
        said = [sha256(side.files.get(role, b"")) for role in told for side in (self.before, self.after)]
        return sha256("\n".join((self.kind, self.subject, *said)).encode())[:12]

    @property
    def data(self) -> bytes:
        """As a file."""
        return compact(strict.dump(self))


def load(data: bytes) -> Evidence:
    """The inverse of ``Evidence.data``; Malformed."""
    return strict.load(Evidence, strict.parse(data))


def statement(files: Mapping[str, bytes], seen_at: str) -> Statement:
    """A statement of these files by their role."""
    return Statement(proofs.documents(files), seen_at)


def doubts(evidence: Evidence) -> list[str]:
    """Why it does not prove that the registry contradicted itself; empty if it does."""
    try:
        trusted = proofs.roots([document.data for document in evidence.roots])
        if not trusted:
            return ["it holds no root"]
        prove = _prove_name if evidence.kind == "name" else _prove_role
        return [*prove(trusted, evidence)]
    except (Unproven, page.InvalidPage, strict.Malformed) as error:
        return [str(error)]


def _prove_name(trusted: list[Root], evidence: Evidence) -> list[str]:
    before, after = evidence.before.files, evidence.after.files
    proofs.check_page(trusted, evidence.subject, before.get(PAGE, b""), before)
    listed = proofs.listed(trusted, evidence.subject, after)
    if listed is None or _two_bins(before, after):
        return []
    proofs.check_page(trusted, evidence.subject, after.get(PAGE, b""), after)
    broken = succession.broken_promises(page.parse(before[PAGE]), page.parse(after[PAGE]))
    return [] if broken else ["the later page may follow the earlier one"]


def _two_bins(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> bool:
    shared = (role for role in before if role.startswith(f"{layout.BIN_PREFIX}-") and role in after)
    return any(differs(before[role], after[role]) for role in shared)


def differs(before: bytes, after: bytes) -> bool:
    """Whether two signed files have one version and say different things. Other signatures on the same are no other."""
    if before == after or _version(before) != _version(after):
        return False
    return payload_of(Metadata.from_bytes(before)) != payload_of(Metadata.from_bytes(after))


def _prove_role(trusted: list[Root], evidence: Evidence) -> list[str]:
    before, after = (side.files.get(evidence.subject, b"") for side in (evidence.before, evidence.after))
    for data in (before, after):
        proofs.check_top(trusted, evidence.subject, data)
    return [] if differs(before, after) else ["the two files do not have one version and different content"]


def _version(data: bytes) -> object:
    # Read without the rest: a bin of hundreds of targets takes ten times as long to become Metadata.
    return json.loads(data)["signed"]["version"]
