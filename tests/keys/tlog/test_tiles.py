"""Trees read from files of a folder: every size has its tiles, and no wrong bit of any file is used."""

import random
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.tlog import merkle, tiles
from keys.tlog.merkle import NotProven
from keys.tlog.tiles import Tree
from tests.keys.tlog.logs import Folder, Reference, lay, leaf_hash, leaves_of

SMALL = (0, 1, 2, 255, 256, 257, 511, 515)
LARGE = (65_535, 65_536, 65_537, 70_000)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A log of 70,000 leaves, whose files hold those of every smaller one but for the partial tiles."""
    return lay(tmp_path_factory.mktemp("large"), leaves_of(70_000))


def at_size(large: Folder, size: int, folder: Path) -> Folder:
    """The large log as it was at a smaller size: its full tiles, and the partial ones of that time."""
    smaller = Folder(large.path, large.leaves[:size])
    smaller.__dict__["reference"] = large.reference  # the hashes of the leaves are the same
    for level, count in tiles.levels(size):
        if width := count % tiles.WIDTH:
            path = large.path / tiles.tile_path(level, count // tiles.WIDTH, width)
            path.parent.mkdir(exist_ok=True)
            span = tiles.WIDTH**level
            path.write_bytes(
                b"".join(large.reference.mth(at * span, (at + 1) * span) for at in range(count - width, count))
            )
    if width := size % tiles.WIDTH:
        path = large.path / tiles.bundle_path(size // tiles.WIDTH, width)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(tiles.bundle(smaller.leaves[size - width :]))
    return smaller


@pytest.mark.parametrize("size", SMALL)
def test_every_leaf_and_every_smaller_tree_is_proven_from_tiles(size, tmp_path):
    log = lay(tmp_path, leaves_of(size))
    nodes = lru_cache(maxsize=None)(log.tree.nodes)
    for index in range(size):
        path = merkle.inclusion(nodes, index, size)
        assert path == log.reference.path(index, 0, size)
        merkle.check_inclusion(leaf_hash(log.leaves[index]), index, size, path, log.root)
    for old in range(size + 1):
        proof = merkle.consistency(nodes, old, size)
        assert merkle.root_at(nodes, old) == log.tree.root_at(old) == log.reference.root(old)
        merkle.check_consistency(old, size, proof, log.reference.root(old), log.root)
    assert [leaf for number in range(-(-size // 256)) for leaf in log.tree.leaves(number)] == log.leaves


@pytest.mark.parametrize("size", LARGE)
def test_a_large_tree_is_proven_from_tiles(size, large, tmp_path):
    log = at_size(large, size, tmp_path)
    tree, rng = log.tree, random.Random(size)
    nodes = lru_cache(maxsize=None)(tree.nodes)
    borders = {at + by for at in (0, 256, 512, 65_280, 65_536, 69_888, size) for by in (-2, -1, 0, 1)}
    chosen = {at for at in borders if 0 <= at < size} | {rng.randrange(size) for _ in range(600)}
    for index in chosen:
        path = merkle.inclusion(nodes, index, size)
        merkle.check_inclusion(leaf_hash(log.leaves[index]), index, size, path, log.root)
    for old in chosen:
        proof = merkle.consistency(nodes, old, size)
        merkle.check_consistency(old, size, proof, log.reference.root(old), log.root)
    for index in (0, 255, 256, 65_534, size - 1):
        assert tree.leaf(index) == log.leaves[index]


def test_a_tree_has_the_files_that_the_specification_lists(large):
    """A tree of size 70,000 will be represented by 273 full level 0 tiles, one partial level 0 tile of width 112, one
    full level 1 tile, one partial level 1 tile of width 17, and one partial level 2 tile of width 1.
    """
    assert list(tiles.levels(70_000)) == [(0, 70_000), (1, 273), (2, 1)]
    found = [(level, number, tiles.width_of(level, number, 70_000)) for level in range(4) for number in range(300)]
    there = [each for each in found if each[2]]
    assert there == [
        *((0, number, 256) for number in range(273)), (0, 273, 112), (1, 0, 256), (1, 1, 17), (2, 0, 1),
    ]  # fmt: skip
    assert all((large.path / tiles.tile_path(*each)).is_file() for each in there)


def test_a_path_is_spelled_as_the_specification_says():
    """For example, index 1234067 will be encoded as x001/x234/067."""
    assert tiles.tile_path(0, 1_234_067) == "tile/0/x001/x234/067"
    assert tiles.tile_path(63, 0, 1) == "tile/63/000.p/1"
    assert tiles.bundle_path(999) == "tile/entries/999"
    assert tiles.bundle_path(1_000, 255) == "tile/entries/x001/000.p/255"


def test_a_partial_tile_is_needed_until_the_tree_has_the_full_one():
    """Logs MAY delete any partial tile once the corresponding full tile is available."""
    paths = ("tile/0/000", "tile/0/x001/000.p/7", "log/tile/entries/000.p/255", "tile/1/002.p/1")
    assert [*map(tiles.full_at, paths)] == [None, 1_001 << 8, 256, 3 << 16]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def tampered(log: Folder, every: int) -> Iterator[Path]:
    """Each file of the log, one bit of every so many bytes changed at a time, and as it was afterwards."""
    rng = random.Random(3)
    for path in log.files():
        good = path.read_bytes()
        for start in range(0, len(good), every):
            path.write_bytes(flipped(good, 8 * start + rng.randrange(8 * min(every, len(good) - start))))
            yield path
        path.write_bytes(good)


def read_all(log: Folder) -> list[bytes]:
    tree = log.tree
    return [leaf for number in range(-(-log.size // 256)) for leaf in tree.leaves(number)]


@pytest.mark.parametrize(("size", "every"), [(1, 1), (5, 1), (256, 32), (515, 32)])
def test_one_wrong_bit_of_any_file_is_refused(size, every, tmp_path):
    log = lay(tmp_path, leaves_of(size))
    files = {path for path in tampered(log, every) if refused(log, path)}
    assert files == set(log.files())
    assert read_all(log) == log.leaves


def refused(log: Folder, path: Path) -> bool:
    """NotProven as soon as this file is needed. Leaves that do not need it are the true ones."""
    with pytest.raises(NotProven):
        read_all(log)
        pytest.fail(f"{path} was believed")
    return True


def test_every_tile_and_bundle_of_a_large_tree_is_checked(large):
    """One bit of each of the 551 files of 70,000 leaves."""
    rng = random.Random(4)
    log = Folder(large.path, large.leaves)
    log.__dict__["reference"] = large.reference
    tree = log.tree
    changed = dict[str, int]()

    def fetch(path: str) -> bytes:
        data = log.fetch(path)
        return flipped(data, rng.randrange(8 * len(data))) if path in changed else data

    asked = [(level, number) for level, count in tiles.levels(log.size) for number in range(-(-count // 256))]
    for level, number in asked:
        width = tiles.width_of(level, number, log.size)
        changed = {tiles.tile_path(level, number, width): 1}
        with pytest.raises(NotProven):
            Tree(log.size, log.root, fetch).tile(level, number)
    for number in range(274):
        changed = {tiles.bundle_path(number, tiles.width_of(0, number, log.size)): 1}
        tree._fetch = fetch  # its tiles are checked and kept: the bundle alone is read again
        with pytest.raises(NotProven):
            tree.leaves(number)


def test_a_refused_tile_is_not_kept(tmp_path):
    log = lay(tmp_path, leaves_of(515))
    tree, path = log.tree, log.path / "tile/0/000"
    good = path.read_bytes()
    path.write_bytes(flipped(good, 77))
    for _ in range(2):
        with pytest.raises(NotProven, match=r"tile/0/000 is not the tile that the tree has there"):
            tree.leaf(0)
    path.write_bytes(good)
    assert tree.leaf(0) == log.leaves[0]


def test_a_checked_tile_is_not_read_again(tmp_path):
    log = lay(tmp_path, leaves_of(515))
    tree = log.tree
    assert tree.leaf(0) == log.leaves[0]
    shutil.rmtree(log.path / "tile/0")
    assert tree.leaf(255) == log.leaves[255]


def test_a_forged_tile_below_a_true_parent_is_refused(tmp_path):
    """CVE-2026-56865: in a tree of 515 leaves the right edge is two tiles, which fold to the root in three parts. Old
    x/mod counted the parts where it meant the tiles, and did not hold the next tile that it read against its parent.
    """
    log = lay(tmp_path, leaves_of(515))
    assert log.tree.leaf(7) == b"leaf 7"
    forge(log, 7, b"another")
    tree = log.tree
    for use in (lambda: tree.leaf(7), lambda: tree.nodes(0, 7), lambda: merkle.inclusion(tree.nodes, 7, 515)):
        with pytest.raises(NotProven, match=r"tile/0/000 is not the tile that the tree has there"):
            use()


def forge(log: Folder, index: int, leaf: bytes) -> None:
    """Another leaf, with the tile and the bundle that would hold it. Nothing above them is changed."""
    number, at = divmod(index, 256)
    leaves = [*log.leaves[number * 256 : (number + 1) * 256]]
    leaves[at] = leaf
    (log.path / tiles.bundle_path(number)).write_bytes(tiles.bundle(leaves))
    (log.path / tiles.tile_path(0, number)).write_bytes(b"".join(map(leaf_hash, leaves)))


def test_another_bundle_than_the_tile_s_is_refused(tmp_path):
    log = lay(tmp_path, leaves_of(515))
    forge(log, 7, b"another")
    (log.path / "tile/0/000").write_bytes(b"".join(log.reference.hashes[:256]))
    with pytest.raises(NotProven, match=r"tile/entries/000 does not hold the leaves that the tree has there"):
        log.tree.leaf(7)


@pytest.mark.parametrize("edge", ["tile/0/002.p/3", "tile/1/000.p/2"])
def test_another_edge_is_refused_at_once(edge, tmp_path):
    log = lay(tmp_path, leaves_of(515))
    path = log.path / edge
    path.write_bytes(flipped(path.read_bytes(), 0))
    with pytest.raises(NotProven, match=r"the tiles at the edge of a tree of 515 leaves do not lead to its root"):
        log.tree  # noqa: B018 - it is refused as it is made


@pytest.mark.parametrize(("level", "path"), [(0, "tile/0/000"), (0, "tile/0/002.p/3"), (1, "tile/1/000.p/2")])
@pytest.mark.parametrize("change", [lambda data: data[:-32], lambda data: data[:-1], lambda data: data + bytes(32)])
def test_a_tile_of_another_length_is_refused(level, path, change, tmp_path):
    log = lay(tmp_path, leaves_of(515))
    file = log.path / path
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(NotProven, match=rf"{path} has [0-9]+ bytes, not [0-9]+"):
        log.tree.tile(level, 0)


@pytest.mark.parametrize("path", ["tile/0/001", "tile/0/002.p/3", "tile/1/000.p/2", "tile/entries/001"])
def test_what_is_missing_is_said_by_whoever_fetches(path, tmp_path):
    log = lay(tmp_path, leaves_of(515))
    (log.path / path).unlink()
    with pytest.raises(FileNotFoundError, match=path):
        read_all(log)


def test_where_a_full_tile_is_asked_for_a_partial_one_is_none(tmp_path):
    """The partial tile of an older size lies beside the full one, and is never taken for it."""
    log = lay(tmp_path, leaves_of(515))
    lay(tmp_path, leaves_of(300))
    assert (log.path / "tile/0/001.p/44").is_file()
    full = log.path / "tile/0/001"
    full.write_bytes((log.path / "tile/0/001.p/44").read_bytes())
    with pytest.raises(NotProven, match=r"tile/0/001 has 1408 bytes, not 8192"):
        log.tree.tile(0, 1)


def test_a_tree_of_another_size_or_root_is_refused(tmp_path):
    log = lay(tmp_path, leaves_of(515))
    lay(tmp_path, leaves_of(514))
    for size, root in ((515, log.reference.root(514)), (514, log.root), (515, bytes(32))):
        with pytest.raises(NotProven):
            Tree(size, root, log.fetch)
    with pytest.raises(NotProven):
        Tree(0, log.root, log.fetch)


@pytest.mark.parametrize("size", [0, 1, 256, 300, 515])
def test_nothing_is_beyond_the_end_of_a_tree(size, tmp_path):
    """Not even an endless walk to a parent that a hostile server always has."""
    log = lay(tmp_path, leaves_of(size))
    tree = Tree(size, log.root, lambda path: log.fetch(path) if (log.path / path).is_file() else bytes(8192))
    for use in (
        lambda: tree.leaf(size), lambda: tree.leaf(size + 256), lambda: tree.leaf(-1), lambda: tree.leaves(3),
        lambda: tree.leaves(-1), lambda: tree.tile(0, 3), lambda: tree.tile(5, 0), lambda: tree.tile(0, -1),
        lambda: tree.nodes(0, size), lambda: tree.nodes(10, 0), lambda: tree.nodes(0, -1),
        lambda: tree.root_at(size + 1), lambda: merkle.consistency(tree.nodes, 1, size + 2),
    ):  # fmt: skip
        with pytest.raises(NotProven):
            use()


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_is_read_as_it_is_written(leaves):
    assert tiles.unbundled(tiles.bundle(leaves), len(leaves)) == leaves


@given(st.binary(max_size=40), st.integers(0, 5))
def test_a_bundle_has_one_spelling(data, width):
    """Whatever is read as a bundle is what is written for its leaves."""
    try:
        found = tiles.unbundled(data, width)
    except NotProven:
        return
    assert tiles.bundle(found) == data


@pytest.mark.parametrize(
    ("data", "width"), [(b"", 1), (b"\0", 1), (b"\0\1", 1), (b"\0\1a", 2), (b"\0\1a\0\0", 1), (b"\0\2a", 1), (b"a", 0)]
)
def test_a_bundle_that_holds_more_or_less_is_refused(data, width):
    with pytest.raises(NotProven, match=f"a bundle of {width} leaves does not hold as many"):
        tiles.unbundled(data, width)


def test_the_longest_leaf_fits_a_bundle():
    longest = bytes(tiles.MAX_LEAF)
    assert tiles.unbundled(tiles.bundle([longest, b""]), 2) == [longest, b""]
    with pytest.raises(OverflowError):
        tiles.bundle([longest + b"x"])


def test_the_reference_and_the_folder_agree(tmp_path):
    assert lay(tmp_path, leaves_of(300)).root == Reference(leaves_of(300)).root(300)
