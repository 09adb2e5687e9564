"""Two signed documents that cannot both be true, with what somebody else needs to check that both were signed.

A file of evidence is strict JSON and proves itself from the first root in it on: whoever knows the registry's root
compares that one, and needs to believe nothing that this machine says. ``why`` and the times are only its word.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tuf.api.metadata import Metadata, Root

from client_verify.remembering import logs, proofs
from client_verify.remembering.proofs import PAGE, Document, Unproven
from client_verify.trust import Pin
from keys import layout, page, strict, succession
from keys.counting import payload_of
from keys.encoding import compact, sha256

FORM: Final = "tallystick-evidence-1"


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed: for a name its page (none where the bin lists none) and the files that prove it; for a role
    the one file; for a log a checkpoint, with tiles; and for what is logged the log's proof, or the signed file.
    ``seen_at`` is when this machine verified it.
    """

    documents: tuple[Document, ...]
    seen_at: str

    @property
    def files(self) -> dict[str, bytes]:
        """The bytes of each document by its role."""
        return proofs.files(self.documents)


@dataclass(frozen=True, slots=True)
class Evidence:
    """``subject`` is the name of a project, of a role or (``log``) of a log, ``url`` the repository's address,
    ``roots`` its roots, the pinned one first. ``logged`` is of a role, between the log and a file.
    """

    form: Literal["tallystick-evidence-1"]
    kind: Literal["name", "role", "log", "logged"]
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
        told = (_TOLD.get(self.kind, self.subject),)
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


def of_name(pin: Pin, roots: Sequence[bytes], name: str, why: str, before: Statement, after: Statement) -> Evidence:
    """That a registry took back what it had signed of a name."""
    return Evidence(
        FORM, "name", name, pin.url, why, after.seen_at, proofs.documents_of(layout.ROOT, roots), before, after
    )


def of_files(
    pin: Pin, roots: Sequence[bytes], kind: Literal["role", "log", "logged"], subject: str, why: str, now: str,
    before: Mapping[str, bytes], after: Mapping[str, bytes],
) -> Evidence:  # fmt: skip
    """That files which were found at one time cannot both be true."""
    sides = statement(before, now), statement(after, now)
    return Evidence(FORM, kind, subject, pin.url, why, now, proofs.documents_of(layout.ROOT, roots), *sides)


def doubts(evidence: Evidence) -> list[str]:
    """Why it does not prove that the registry contradicted itself; empty if it does."""
    try:
        trusted = proofs.roots([document.data for document in evidence.roots])
        if not trusted:
            return ["it holds no root"]
        return [*_PROVE[evidence.kind](trusted, evidence.subject, evidence.before.files, evidence.after.files)]
    except (Unproven, page.InvalidPage, strict.Malformed) as error:
        return [str(error)]


def _prove_name(
    trusted: Sequence[Root], name: str, before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> Iterator[str]:
    proofs.check_page(trusted, name, before.get(PAGE, b""), before)
    listed = proofs.listed(trusted, name, after)
    if listed is None or _two_bins(before, after):
        return
    proofs.check_page(trusted, name, after.get(PAGE, b""), after)
    if not succession.broken_promises(page.parse(before[PAGE]), page.parse(after[PAGE])):
        yield "the later page may follow the earlier one"


def _two_bins(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> bool:
    shared = (role for role in before if role.startswith(f"{layout.BIN_PREFIX}-") and role in after)
    return any(differs(before[role], after[role]) for role in shared)


def differs(before: bytes, after: bytes) -> bool:
    """Whether two signed files have one version and say different things. Other signatures on the same are no other."""
    if before == after or _version(before) != _version(after):
        return False
    return payload_of(Metadata.from_bytes(before)) != payload_of(Metadata.from_bytes(after))


def _prove_role(
    trusted: Sequence[Root], role: str, before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> Iterator[str]:
    files = before.get(role, b""), after.get(role, b"")
    for data in files:
        proofs.check_top(trusted, role, data)
    if not differs(*files):
        yield "the two files do not have one version and different content"


def _version(data: bytes) -> object:
    # Read without the rest: a bin of hundreds of targets takes ten times as long to become Metadata.
    return json.loads(data)["signed"]["version"]


_TOLD: Final = {"name": PAGE, "log": logs.CHECKPOINT}
_Prove = Callable[[Sequence[Root], str, Mapping[str, bytes], Mapping[str, bytes]], Iterator[str]]
_PROVE: Final[dict[str, _Prove]] = {
    "name": _prove_name,
    "role": _prove_role,
    "log": logs.prove_fork,
    "logged": logs.prove_logged,
}
