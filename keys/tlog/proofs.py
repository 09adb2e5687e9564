"""That a snapshot is in the log, in one file (C2SP tlog-proof), and whom one believes that (``Policy``).

The file of a release lies at ``proofs/<generation>.tlog-proof`` below the log. Its ``extra`` line holds the snapshot's
leaf and the roots of the rows of bins (keys/tlog/binsums.py), of which nothing is used before it is proven.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tuf.api.metadata import Root

from keys import strict
from keys.layout import Bins
from keys.tlog import binsums, leaves, merkle, notes
from keys.tlog.merkle import HASH_BYTES, NotProven
from keys.tlog.notes import BadNote, Checkpoint, Note, VerifierKey

LOG_FIELD: Final = "x-log"
"""The member of a root's signed part in which holders say which log it is, and whose witness counts."""
CHECKPOINT: Final = "checkpoint"
"""Where the log's newest head lies, below the log's own address (C2SP tlog-tiles)."""
MAX_PROOF: Final = notes.MAX_NOTE + (1 << 16)
_FIRST: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Policy:
    """Whose checkpoint counts: signed by one of the log's ``keys`` (two while one takes the other's place) and cosigned
    by ``quorum`` of the ``witnesses``.
    """

    keys: tuple[VerifierKey, ...]
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0

    def __post_init__(self) -> None:
        if not self.keys or len({key.name for key in self.keys}) != 1:
            raise ValueError("a log has one name and at least one key")
        if any(key.kind != notes.ED25519 for key in self.keys):
            raise ValueError("a log's key is of type Ed25519")
        if any(key.kind == notes.ED25519 for key in self.witnesses):
            raise ValueError("a witness's key is one that cosigns")
        public = [key.public for key in (*self.keys, *self.witnesses)]
        if len(set(public)) != len(public) or len({key.name for key in self.witnesses}) != len(self.witnesses):
            raise ValueError("no key and no witness counts twice")
        if not 0 <= self.quorum <= len(self.witnesses):
            raise ValueError(f"a quorum of {self.quorum} of {len(self.witnesses)} witnesses cannot be met")

    @property
    def origin(self) -> str:
        """The log's name, which all its keys bear."""
        return self.keys[0].name

    def described(self) -> dict[str, Any]:
        """As a root holds it: in order, so that one policy has one spelling."""
        keys, witnesses = (tuple(sorted(map(str, each))) for each in (self.keys, self.witnesses))
        return strict.dump(_Written(keys, witnesses, self.quorum))  # type: ignore[no-any-return]  # of a dataclass it is an object


@dataclass(frozen=True, slots=True)
class _Written:
    keys: tuple[str, ...]
    witnesses: tuple[str, ...]
    quorum: int


def read_policy(value: object) -> Policy:
    """A policy as a root holds it. Raises ValueError."""
    said = strict.load(_Written, value)
    try:
        return Policy(tuple(map(notes.read_key, said.keys)), tuple(map(notes.read_key, said.witnesses)), said.quorum)
    except BadNote as error:
        raise ValueError(str(error)) from None


def policy_of(root: Root) -> Policy | None:
    """What a verified root says of its log; None if it has none. Raises ValueError."""
    value = root.unrecognized_fields.get(LOG_FIELD)
    return None if value is None else read_policy(value)


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A checkpoint that counts, its note, and when each witness cosigned it (seconds since 1970)."""

    checkpoint: Checkpoint
    note: Note
    cosigned: dict[VerifierKey, int]


@dataclass(frozen=True, slots=True)
class Logged:
    """A snapshot's leaf that is proven to be in the log, and the roots of the rows of bins that it names."""

    leaf: leaves.Snapshot
    tops: tuple[bytes, ...]
    index: int
    head: Witnessed

    @property
    def shape(self) -> Bins:
        """The bins that the release has."""
        return Bins(self.leaf.bit_length)


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof's file, taken apart and not believed."""

    leaf: bytes
    tops: tuple[bytes, ...]
    index: int
    path: tuple[bytes, ...]
    note: Note


def proof_path(generation: int) -> str:
    """Where the proof of a release lies below the log's address."""
    return f"proofs/{generation}.tlog-proof"


def written(leaf: bytes, tops: Sequence[bytes], index: int, path: Sequence[bytes]) -> str:
    """A proof's file up to its checkpoint's note."""
    extra = notes.encoded(len(leaf).to_bytes(2, "big") + leaf + b"".join(tops))
    hashes = "".join(f"{notes.encoded(hash_)}\n" for hash_ in path)
    return f"{_FIRST}\nextra {extra}\nindex {index}\n{hashes}\n"


def read(data: bytes) -> Proof:
    """A proof's file. NotProven if it is none."""
    try:
        head, blank, note = data.decode().partition("\n\n")
        first, extra, index, *path = head.split("\n")
        if not blank or first != _FIRST or not extra.startswith("extra ") or not index.startswith("index "):
            raise BadNote("it has no such lines")
        number = int(index[6:])
        if number < 0 or str(number) != index[6:] or len(path) > merkle.MAX_PROOF:
            raise BadNote("it has no index and path")
        packed = notes.decoded(extra[6:])
        end = 2 + int.from_bytes(packed[:2], "big")
        if len(packed) < end or (len(packed) - end) % HASH_BYTES:
            raise BadNote("its extra data ends early")
        tops = tuple(packed[at : at + HASH_BYTES] for at in range(end, len(packed), HASH_BYTES))
        hashes = tuple(map(_hash, path))
        return Proof(packed[2:end], tops, number, hashes, notes.read_note(note.encode()))
    except (ValueError, BadNote) as error:
        raise NotProven(f"it is no proof as the log writes it: {error}") from None


def check_head(note: Note, policy: Policy) -> Witnessed:
    """A checkpoint that the log signed, with those of the policy's witnesses who cosigned it: how many is no condition
    here (``check_quorum``). Raises NotProven.
    """
    try:
        if not [key for key in policy.keys if notes.verified(note, key)]:
            raise BadNote("the log's key did not sign it")
        checkpoint = notes.read_checkpoint(note.text)
    except BadNote as error:
        raise NotProven(f"the checkpoint: {error}") from None
    if checkpoint.origin != policy.origin or checkpoint.extensions:
        raise NotProven(f"the checkpoint is of {checkpoint.origin}, not of {policy.origin} alone")
    return Witnessed(checkpoint, note, notes.cosigned_at(note, policy.witnesses))


def check_quorum(head: Witnessed, policy: Policy) -> None:
    """NotProven unless as many witnesses cosigned as the policy asks for."""
    if len(head.cosigned) < policy.quorum:
        raise NotProven(
            f"{len(head.cosigned)} of the {len(policy.witnesses)} witnesses cosigned the checkpoint of "
            f"{head.checkpoint.size} leaves, and {policy.quorum} must"
        )


def check(proof: Proof, policy: Policy) -> Logged:
    """What a proof proves, quorum apart. Raises NotProven."""
    head = check_head(proof.note, policy)
    size, root = head.checkpoint.size, head.checkpoint.root
    merkle.check_inclusion(merkle.leaf_hash(proof.leaf), proof.index, size, proof.path, root)
    try:
        leaf = leaves.read(leaves.Snapshot, proof.leaf)
    except leaves.BadLeaf as error:
        raise NotProven(str(error)) from None
    binsums.check_tops(Bins(leaf.bit_length), proof.tops, bytes.fromhex(leaf.bins))
    return Logged(leaf, proof.tops, proof.index, head)


def _hash(text: str) -> bytes:
    if len(data := notes.decoded(text)) != HASH_BYTES:
        raise BadNote("a hash is 32 bytes")
    return data
