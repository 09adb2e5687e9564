"""Merkle trees (RFC 6962, section 2.1): hashes, inclusion and consistency, made from nodes, verified without them."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

HASH_BYTES: Final = 32
MAX_PROOF: Final = 63
"""Hashes in a proof of a tree of less than 2^63 leaves."""
EMPTY: Final = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""
Nodes = Callable[[int, int], bytes]
"""The hash of a complete subtree by its height and its number from the left: of leaves ``number << height`` up to
``number + 1 << height``.
"""


class NotProven(Exception):
    """A proof does not show what it should. Nothing of it was used."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of an entry (RFC 6962, section 2.1): 0x00 before it, so that no leaf passes for a node."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees (RFC 6962, section 2.1): 0x01 before them."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root above these leaf hashes, or above complete subtrees of one height."""
    if not hashes:
        return EMPTY
    level = list(hashes)
    while len(level) > 1:
        pairs = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[2 * len(pairs) :]
    return level[0]


def folded(peaks: Sequence[bytes]) -> bytes:
    """The root above complete subtrees that grow smaller from left to right, as those of a whole tree do."""
    if not peaks:
        return EMPTY
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def peaks_of(size: int) -> list[tuple[int, int]]:
    """Height and number of each complete subtree of a tree of ``size`` leaves, from left to right."""
    heights = [height for height in range(size.bit_length() - 1, -1, -1) if size >> height & 1]
    return [(height, (size >> height) - 1) for height in heights]


def root_at(nodes: Nodes, size: int) -> bytes:
    """The root of the first ``size`` leaves."""
    return folded([nodes(height, number) for height, number in peaks_of(size)])


def inclusion(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """The path from the leaf at ``index`` to the root of ``size`` leaves (RFC 6962, section 2.1.1)."""
    assert 0 <= index < size, "no such leaf"
    return _path(nodes, index, 0, size)


def consistency(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """That the first ``old`` of ``new`` leaves are the tree that was there then (RFC 6962, section 2.1.2)."""
    assert 0 <= old <= new, "a tree only grows"
    return [] if old in (0, new) else _subproof(nodes, old, 0, new, whole=True)


def root_by(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root to which a path leads from a leaf's hash (RFC 9162, section 2.1.3.2). NotProven if it fits no tree."""
    if not 0 <= index < size:
        raise NotProven(f"leaf {index} is not in a tree of {size}")
    number, last, root = index, size - 1, leaf
    for hash_ in path:
        if last == 0:
            raise NotProven("the path is too long")
        if number & 1 or number == last:
            root = node_hash(hash_, root)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            root = node_hash(root, hash_)
        number, last = number >> 1, last >> 1
    if last:
        raise NotProven("the path is too short")
    return root


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """NotProven unless the leaf of this hash is at ``index`` of the tree with this root."""
    if root_by(leaf, index, size, path) != root:
        raise NotProven(f"leaf {index} is not in the tree of {size} with this root")


def check_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """NotProven unless the tree of ``new`` leaves begins with the one of ``old``."""
    if not 0 <= old <= new:
        raise NotProven(f"a tree of {new} leaves does not follow one of {old}")
    if old in (0, new):
        if proof:
            raise NotProven("the proof is too long")
        if old_root != (new_root if old else EMPTY):
            raise NotProven(f"two roots of a tree of {old} leaves")
    elif roots_by(old, new, proof, old_root) != (old_root, new_root):
        raise NotProven(f"the tree of {new} leaves does not begin with that of {old}")


def roots_by(old: int, new: int, proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """The roots of the trees of ``old`` and of ``new`` leaves to which a proof leads, for 0 < old < new (RFC 9162,
    section 2.1.4.2). Where the old tree is one complete subtree its root is no part of the proof. NotProven if the
    proof fits no such trees.
    """
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    hashes = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not hashes:
        raise NotProven("the proof is too short")
    before = after = hashes[0]
    for hash_ in hashes[1:]:
        if last == 0:
            raise NotProven("the proof is too long")
        if number & 1 or number == last:
            before, after = node_hash(hash_, before), node_hash(hash_, after)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            after = node_hash(after, hash_)
        number, last = number >> 1, last >> 1
    if last:
        raise NotProven("the proof is too short")
    return before, after


def _mth(nodes: Nodes, begin: int, end: int) -> bytes:
    """The hash of leaves ``begin`` up to ``end``, where ``begin`` is a multiple of the power of two that holds them."""
    width = end - begin
    if width & (width - 1) == 0:
        height = width.bit_length() - 1
        return nodes(height, begin >> height)
    left = _split(width)
    return node_hash(_mth(nodes, begin, begin + left), _mth(nodes, begin + left, end))


def _split(width: int) -> int:
    """The largest power of two below ``width``."""
    return 1 << (width - 1).bit_length() - 1


def _path(nodes: Nodes, index: int, begin: int, end: int) -> list[bytes]:
    if end - begin == 1:
        return []
    middle = begin + _split(end - begin)
    if index < middle:
        return [*_path(nodes, index, begin, middle), _mth(nodes, middle, end)]
    return [*_path(nodes, index, middle, end), _mth(nodes, begin, middle)]


def _subproof(nodes: Nodes, old: int, begin: int, end: int, *, whole: bool) -> list[bytes]:
    if old == end:
        return [] if whole else [_mth(nodes, begin, end)]
    middle = begin + _split(end - begin)
    if old <= middle:
        return [*_subproof(nodes, old, begin, middle, whole=whole), _mth(nodes, middle, end)]
    return [*_subproof(nodes, old, middle, end, whole=False), _mth(nodes, begin, middle)]
