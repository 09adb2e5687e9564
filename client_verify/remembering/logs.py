"""What a log proves against whoever signs: a file that is not what its leaf says, or two heads that no log has.

A leaf that is proven to be in the log says which files a release has. Whoever has another signed file of the same
version holds two statements that cannot both be true, and needs to ask nobody which was served. Of two heads the tiles
of the later log show whether it begins with the earlier one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Timestamp

from client_verify.remembering import proofs
from client_verify.remembering.proofs import Unproven
from keys import layout
from keys.counting import payload_of
from keys.encoding import sha256
from keys.layout import Bins
from keys.times import stamp
from keys.tlog import binsums, leaves, notes
from keys.tlog import proofs as tlog
from keys.tlog.merkle import NotProven
from keys.tlog.notes import BadNote, Checkpoint
from keys.tlog.proofs import Logged, Policy, Witnessed
from keys.tlog.tiles import Tree

T = TypeVar("T")
Files = Mapping[str, bytes]
CHECKPOINT: Final = "checkpoint"
PROOF: Final = "proof"
ROW: Final = "row"
"""Stand for files of the log among those of a statement, and so do the paths of its tiles; they are no roles."""
_TILE: Final = "tile/"


def timestamp_differs(leaf: leaves.Snapshot, said: Timestamp) -> bool:
    """Whether a timestamp of the leaf's release says something else than the leaf."""
    snapshot = said.snapshot_meta
    listed = (snapshot.version, snapshot.length, (snapshot.hashes or {}).get("sha256"))
    dates = (stamp(said.expires), said.unrecognized_fields.get(layout.SIGNED_AT_FIELD))
    logged = ((leaf.version, leaf.length, leaf.sha256), (leaf.timestamp_expires, leaf.signed_at))
    return said.version == leaf.generation and (listed, dates) != logged


def snapshot_differs(leaf: leaves.Snapshot, version: int, payload: bytes) -> bool:
    """Whether a snapshot of the leaf's version says something else than the one that was logged."""
    return version == leaf.version and sha256(payload) != leaf.signed


def digest_of(logged: Logged, role: str, row: bytes) -> bytes:
    """The digest that the log has of a bin, out of its row. NotProven for another row, or for no bin of this log's."""
    shape: Bins = logged.shape
    number = layout.bin_number(role)
    if number >= len(shape) or shape.role(number) != role:
        raise NotProven(f"{role} is none of the {len(shape)} bins that the log has of this snapshot")
    return binsums.digest_in(shape, number, row, logged.tops)


def row_path(logged: Logged, role: str) -> str | None:
    """Where the row of a bin lies below the log; None for what is no bin of this log's."""
    try:
        return binsums.row_path(logged.tops[layout.bin_number(role) // binsums.row_width(logged.shape)])
    except (ValueError, IndexError):
        return None


def head_of(data: bytes, policy: Policy) -> Witnessed | None:
    """The head in a note that was kept, if the log that is believed today signed it. After a theft a new root names
    another key, and what only the old one signed tells nothing.
    """
    try:
        return tlog.check_head(_note(data), policy)
    except NotProven:
        return None


def is_split(one: Checkpoint, other: Checkpoint) -> bool:
    """Whether two heads have one size and are of two trees."""
    return one.size == other.size and one.root != other.root


def heads(policies: Sequence[Policy], data: Sequence[bytes]) -> list[Witnessed]:
    """These checkpoints' notes, all signed by the log of one of the policies. Unproven otherwise."""
    return _by_any(policies, lambda policy: [tlog.check_head(_note(each), policy) for each in data])


def policies(trusted: Sequence[Root]) -> list[Policy]:
    """Whose checkpoint counted below each of the roots that name a log. Unproven if none does."""
    try:
        found = [policy for root in trusted if (policy := tlog.policy_of(root)) is not None]
    except ValueError as error:
        raise Unproven(f"what a root says of its log cannot be read: {error}") from None
    if not found:
        raise Unproven("none of the roots names a log")
    return found


def forked(old: Checkpoint, new: Checkpoint, fetch: Callable[[str], bytes]) -> bool:
    """Whether the tree of the later head does not begin with that of the earlier one, by the later one's tiles.
    NotProven for tiles that are not that tree's.
    """
    if old.size > new.size:
        old, new = new, old
    if old.size == new.size:
        return is_split(old, new)
    return Tree(new.size, new.root, fetch).root_at(old.size) != old.root


def prove_fork(trusted: Sequence[Root], _: str, *sides: Files) -> Iterator[str]:
    """Why two heads do not prove that the log was forked; nothing if they do. Unproven."""
    before, after = heads(policies(trusted), [side.get(CHECKPOINT, b"") for side in sides])
    tiles = {path: data for side in sides for path, data in side.items() if path.startswith(_TILE)}
    try:
        is_forked = forked(before.checkpoint, after.checkpoint, tiles.__getitem__)
    except KeyError as missing:
        raise Unproven(f"{missing.args[0]} of the log is not among the files") from None
    except NotProven as error:
        raise Unproven(str(error)) from None
    if not is_forked:
        yield "the log of the later head begins with the earlier one"


def prove_logged(trusted: Sequence[Root], role: str, said: Files, files: Files) -> Iterator[str]:
    """Why a signed file and the log's word of it do not contradict each other; nothing if they do. Unproven."""
    try:
        proof = tlog.read(said.get(PROOF, b""))
        logged = _by_any(policies(trusted), lambda policy: tlog.check(proof, policy))
        differs = _bin_differs if role.startswith(f"{layout.BIN_PREFIX}-") else _top_differs
        if not differs(trusted, logged, role, {**files, ROW: said.get(ROW, b"")}):
            yield f"the log says nothing else of {role}"
    except (NotProven, RepositoryError, ValueError) as error:
        raise Unproven(str(error)) from None


def _top_differs(trusted: Sequence[Root], logged: Logged, role: str, files: Files) -> bool:
    data = files.get(role, b"")
    proofs.check_top(trusted, role, data)
    if role == layout.TIMESTAMP:
        return timestamp_differs(logged.leaf, Metadata[Timestamp].from_bytes(data).signed)
    snapshot = Metadata[Snapshot].from_bytes(data)
    return role == layout.SNAPSHOT and snapshot_differs(logged.leaf, snapshot.signed.version, snapshot.signed_bytes)


def _bin_differs(trusted: Sequence[Root], logged: Logged, role: str, files: Files) -> bool:
    """The logged snapshot lists this version of the bin, and the log has another digest of it."""
    found = proofs.signed_bin(trusted, role, files)
    snapshot = files.get(layout.SNAPSHOT, b"")
    if sha256(snapshot) != logged.leaf.sha256:
        raise Unproven("the snapshot is not the one that was logged")
    listed = Metadata[Snapshot].from_bytes(snapshot).signed.meta.get(f"{role}.json")
    is_same = listed is not None and listed.version == found.signed.version
    return is_same and bytes.fromhex(sha256(payload_of(found))) != digest_of(logged, role, files[ROW])


def _by_any(allowed: Sequence[Policy], check: Callable[[Policy], T]) -> T:
    why = "no root names the log"
    for policy in reversed(allowed):
        try:
            return check(policy)
        except NotProven as error:
            why = str(error)
    raise Unproven(why)


def _note(data: bytes) -> notes.Note:
    try:
        return notes.read_note(data)
    except BadNote as error:
        raise NotProven(f"the checkpoint: {error}") from None
