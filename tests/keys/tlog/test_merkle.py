"""Merkle trees against RFC 6962: its reference data, every small size against the definition, and forged proofs."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.tlog import merkle
from keys.tlog.merkle import NotProven
from tests.keys.tlog.logs import Reference, leaves_of

# The tree of eight leaves of the Certificate Transparency sources (cpp/merkletree/merkle_tree_test.cc).
LEAVES = tuple(
    map(
        bytes.fromhex,
        ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"),
    )
)
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
_2_3 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
_6_7 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
_4_7 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
_4_5 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
PATHS = (
    (0, 1, ()),
    (0, 8, (_1, _2_3, _4_7)),
    (5, 8, (_4, _6_7, ROOTS[4])),
    (2, 3, (ROOTS[2],)),
    (1, 5, (ROOTS[1], _2_3, _4)),
)
PROOFS = (
    (1, 1, ()),
    (1, 8, (_1, _2_3, _4_7)),
    (6, 8, (_4_5, _6_7, ROOTS[4])),
    (2, 5, (_2_3, _4)),
)
SIZES = 200
TREE = Reference(leaves_of(600))


@pytest.mark.parametrize("size", range(9))
def test_the_reference_roots(size):
    hashes = [merkle.leaf_hash(leaf) for leaf in LEAVES[:size]]
    assert merkle.root_of(hashes).hex() == ROOTS[size]
    assert merkle.root_at(Reference(LEAVES).node, size).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_the_reference_paths(index, size, path):
    found = merkle.inclusion(Reference(LEAVES).node, index, size)
    assert [hash_.hex() for hash_ in found] == list(path)
    merkle.check_inclusion(merkle.leaf_hash(LEAVES[index]), index, size, found, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new", "proof"), PROOFS)
def test_the_reference_consistency_proofs(old, new, proof):
    found = merkle.consistency(Reference(LEAVES).node, old, new)
    assert [hash_.hex() for hash_ in found] == list(proof)
    merkle.check_consistency(old, new, found, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]))


def test_every_size_is_as_the_definition_says():
    for size in range(SIZES + 1):
        root = TREE.root(size)
        assert merkle.root_of(TREE.hashes[:size]) == merkle.root_at(TREE.node, size) == root
        for index in range(size):
            path = merkle.inclusion(TREE.node, index, size)
            assert path == TREE.path(index, 0, size)
            merkle.check_inclusion(TREE.hashes[index], index, size, path, root)


def test_every_tree_begins_with_every_smaller_one():
    for new in range(1, SIZES + 1):
        for old in range(1, new + 1):
            proof = merkle.consistency(TREE.node, old, new)
            assert proof == TREE.proof(old, new)
            merkle.check_consistency(old, new, proof, TREE.root(old), TREE.root(new))
        assert merkle.consistency(TREE.node, 0, new) == []
        merkle.check_consistency(0, new, [], merkle.EMPTY, TREE.root(new))


def forged(proof: list[bytes], rng: random.Random) -> dict[str, list[bytes]]:
    """What a proof might be instead."""
    more = [rng.randbytes(32)]
    found = {"extended": proof + more, "begun earlier": more + proof}
    for at, hash_ in enumerate(proof):
        flipped = bytearray(hash_)
        flipped[rng.randrange(32)] ^= 1 << rng.randrange(8)
        found[f"flipped at {at}"] = [*proof[:at], bytes(flipped), *proof[at + 1 :]]
        found[f"without {at}"] = proof[:at] + proof[at + 1 :]
        found[f"twice {at}"] = [*proof[:at], hash_, *proof[at:]]
    for at in range(len(proof) - 1):
        found[f"swapped at {at}"] = [*proof[:at], proof[at + 1], proof[at], *proof[at + 2 :]]
    return found


def test_a_forged_path_is_refused():
    rng = random.Random(1)
    for size in (1, 2, 3, 7, 8, 9, 64, 100, 257, 515):
        for index in {0, size // 2, size - 1, rng.randrange(size)}:
            path = merkle.inclusion(TREE.node, index, size)
            for what, false in forged(path, rng).items():
                with pytest.raises(NotProven):
                    merkle.check_inclusion(TREE.hashes[index], index, size, false, TREE.root(size))
                    pytest.fail(f"{what}: leaf {index} of {size}")


def test_a_forged_consistency_proof_is_refused():
    rng = random.Random(2)
    for old, new in ((1, 1), (1, 2), (2, 3), (3, 7), (4, 8), (6, 8), (64, 100), (100, 515), (256, 515), (514, 515)):
        proof = merkle.consistency(TREE.node, old, new)
        for what, false in forged(proof, rng).items():
            with pytest.raises(NotProven):
                merkle.check_consistency(old, new, false, TREE.root(old), TREE.root(new))
                pytest.fail(f"{what}: {old} and {new}")


def test_a_path_proves_no_other_place_size_leaf_or_root():
    index, size = 300, 515
    path = merkle.inclusion(TREE.node, index, size)
    good = (TREE.hashes[index], index, size, path, TREE.root(size))
    merkle.check_inclusion(*good)
    for at, other in ((0, TREE.hashes[301]), (1, 301), (1, -1), (1, size), (2, 300), (2, 1 << 40), (4, TREE.root(514))):
        with pytest.raises(NotProven):
            merkle.check_inclusion(*good[:at], other, *good[at + 1 :])


def test_a_proof_of_consistency_proves_no_other_trees():
    old, new = 300, 515
    good = (old, new, merkle.consistency(TREE.node, old, new), TREE.root(old), TREE.root(new))
    merkle.check_consistency(*good)
    for at, other in (
        (0, 301),
        (0, 515),
        (0, 600),
        (0, -1),
        (0, 0),
        (1, 1 << 40),
        (3, TREE.root(301)),
        (4, TREE.root(514)),
    ):
        with pytest.raises(NotProven):
            merkle.check_consistency(*good[:at], other, *good[at + 1 :])


@pytest.mark.parametrize(
    ("index", "size", "path", "why"),
    [
        (0, 0, [], "leaf 0 is not in a tree of 0"),
        (5, 5, [], "leaf 5 is not in a tree of 5"),
        (5, 1, [], "leaf 5 is not in a tree of 1"),
        (-1, 5, [], "leaf -1 is not in a tree of 5"),
        (0, 1, [b"x" * 32], "the path is too long"),
        (0, 2, [], "the path is too short"),
        (0, 2, [b"x" * 32], "leaf 0 is not in the tree of 2 with this root"),
    ],
)
def test_what_a_path_is_refused_with(index, size, path, why):
    with pytest.raises(NotProven) as caught:
        merkle.check_inclusion(TREE.hashes[0], index, size, path, TREE.root(size))
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("old", "new", "proof", "why"),
    [
        (3, 2, [], "a tree of 2 leaves does not follow one of 3"),
        (-1, 2, [], "a tree of 2 leaves does not follow one of -1"),
        (2, 2, [b"x" * 32], "the proof is too long"),
        (0, 2, [b"x" * 32], "the proof is too long"),
        (3, 4, [], "the proof is too short"),
        (2, 4, [], "the proof is too short"),
        (2, 4, [b"x" * 32] * 2, "the proof is too long"),
        (2, 4, [b"x" * 32], "the tree of 4 leaves does not begin with that of 2"),
    ],
)
def test_what_a_proof_of_consistency_is_refused_with(old, new, proof, why):
    with pytest.raises(NotProven) as caught:
        merkle.check_consistency(old, new, proof, TREE.root(max(old, 0)), TREE.root(new))
    assert str(caught.value) == why


@pytest.mark.parametrize(("size", "root"), [(0, b"x" * 32), (5, b"x" * 32)])
def test_one_size_has_one_root(size, root):
    with pytest.raises(NotProven, match=rf"two roots of a tree of {size} leaves"):
        merkle.check_consistency(size, 5, [], root, TREE.root(5))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 600), st.data())
def test_a_path_belongs_to_one_leaf(size, data):
    """Of two leaves of a tree none is proven by the path of the other."""
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion(TREE.node, other, size)
    if index == other:
        merkle.check_inclusion(TREE.hashes[index], index, size, path, TREE.root(size))
    else:
        with pytest.raises(NotProven):
            merkle.check_inclusion(TREE.hashes[index], index, size, path, TREE.root(size))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 600), st.integers(1, 600), st.integers(1, 600))
def test_who_changed_a_leaf_cannot_show_consistency(old, new, changed):
    """From the honest proof for a tree with another leaf, no old tree with the leaf follows."""
    old, new = min(old, new), max(old, new)
    at = (changed - 1) % old
    leaves = leaves_of(new)
    leaves[at] = b"another"
    other = Reference(leaves)
    with pytest.raises(NotProven):
        merkle.check_consistency(old, new, merkle.consistency(other.node, old, new), TREE.root(old), other.root(new))


def test_a_node_is_not_a_leaf():
    left, right = TREE.hashes[:2]
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
    assert merkle.leaf_hash(b"") == bytes.fromhex(ROOTS[1])
