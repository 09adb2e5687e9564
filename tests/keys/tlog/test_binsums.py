"""All bins in one root: each bin's digest is shown by its row, and no other digest is."""

import random
from hashlib import sha256

import pytest

from keys.layout import Bins
from keys.tlog import binsums
from keys.tlog.binsums import BinSums
from keys.tlog.merkle import NotProven
from tests.keys.tlog.logs import Reference


def digests_of(shape: Bins, seed: int = 1) -> dict[int, bytes]:
    rng = random.Random(seed)
    return {number: rng.randbytes(32) for number in range(len(shape))}


@pytest.mark.parametrize("bit_length", range(1, 15))
def test_the_root_is_that_of_a_tree_over_all_digests(bit_length):
    """The root of a Merkle tree (RFC 6962) over 2^k leaves: of each bin, in order, the SHA-256 of its body."""
    shape = Bins(bit_length)
    digests = digests_of(shape)
    sums = BinSums.of(shape, digests)
    assert sums.root == Reference(digests.values()).root(len(shape))
    assert b"".join(sums.rows) == b"".join(digests.values())
    assert len(sums.tops) * binsums.row_width(shape) == len(shape)
    binsums.check_tops(shape, sums.tops, sums.root)
    for number in {0, 1, len(shape) // 2, len(shape) - 1}:
        row = sums.rows[number // binsums.row_width(shape)]
        assert binsums.digest_in(shape, number, row, sums.tops) == digests[number]


def test_rows_are_halves_of_the_height():
    """Bins lie in rows of 2^(k/2 rounded down)."""
    assert [binsums.row_width(Bins(bits)) for bits in (1, 2, 3, 4, 8, 13, 14)] == [1, 2, 2, 4, 16, 64, 128]


def test_amended_sums_are_those_of_the_amended_digests():
    shape = Bins(7)
    digests = digests_of(shape)
    sums = BinSums.of(shape, digests)
    new = {number: digest for number, digest in digests_of(shape, 2).items() if number in (0, 1, 40, 127)}
    amended = sums.amended(new)
    assert amended == BinSums.of(shape, digests | new)
    assert sums == BinSums.of(shape, digests), "the old one is as it was"
    assert sums.amended({}) == sums


def test_rows_that_come_and_go_are_named_by_their_roots():
    shape = Bins(7)
    before = BinSums.of(shape, digests_of(shape))
    after = before.amended({40: sha256(b"new").digest()})
    row = 40 // binsums.row_width(shape)
    assert dict(after.fresh(before)) == {f"bins/{after.tops[row].hex()}": after.rows[row]}
    assert [*after.gone(before)] == [f"bins/{before.tops[row].hex()}"]
    assert dict(before.fresh(None)) == {
        binsums.row_path(top): kept for top, kept in zip(before.tops, before.rows, strict=True)
    }
    assert [*before.gone(None)] == []
    assert [*after.gone(after)] == [*after.fresh(after)] == []


def test_a_row_that_two_places_share_stays_as_long_as_one_has_it():
    shape = Bins(2)
    same = sha256(b"same").digest()
    before = BinSums.of(shape, dict.fromkeys(range(4), same))
    after = before.amended({0: sha256(b"other").digest()})
    assert [*after.gone(before)] == []
    assert len(dict(before.fresh(None))) == 1


def test_every_bit_of_a_row_counts():
    shape = Bins(4)
    sums = BinSums.of(shape, digests_of(shape))
    for number in (0, 6, 15):
        row = sums.rows[number // 4]
        for bit in range(len(row) * 8):
            changed = bytearray(row)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(NotProven):
                binsums.digest_in(shape, number, bytes(changed), sums.tops)


def test_another_row_is_refused():
    shape = Bins(4)
    sums = BinSums.of(shape, digests_of(shape))
    for row in (
        sums.rows[1],
        b"",
        sums.rows[0][:-32],
        sums.rows[0] + bytes(32),
        sums.rows[0][:-1],
        b"".join(sums.rows),
    ):
        with pytest.raises(NotProven, match=r"bin-2: the row of digests is not the one that the snapshot's leaf names"):
            binsums.digest_in(shape, 2, row, sums.tops)


def test_other_roots_of_rows_are_refused():
    shape = Bins(4)
    sums = BinSums.of(shape, digests_of(shape))
    tops = sums.tops
    more = Bins(5)
    for false in (tops[:-1], (*tops, tops[-1]), (), tops[::-1], (sums.root,), (bytes(32), *tops[1:])):
        with pytest.raises(NotProven, match="the digests of bins are not those that the snapshot's leaf names"):
            binsums.check_tops(shape, false, sums.root)
    with pytest.raises(NotProven):
        binsums.check_tops(more, tops, sums.root)
    with pytest.raises(NotProven):
        binsums.check_tops(shape, tops, bytes(32))


def test_roots_above_rows_are_no_roots_of_rows():
    """A tree may not be said to be of another height: its upper nodes would stand for rows."""
    shape = Bins(4)
    sums = BinSums.of(shape, digests_of(shape))
    pairs = tuple(BinSums.of(Bins(3), digests_of(Bins(3))).tops)
    for false in (pairs, tuple(sums.tops[:2])):
        with pytest.raises(NotProven):
            binsums.check_tops(shape, false, sums.root)
