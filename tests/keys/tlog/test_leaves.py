"""Leaves: what is written is read, in one spelling, and nothing else is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.encoding import compact
from keys.layout import BIN_STRIDE
from keys.tlog import leaves, tiles
from keys.tlog.leaves import BadLeaf, Document, Sealed, SignedBin, SignedBins, Snapshot, TakenOver
from tests.keys.strategies import digests, instants, lines, project_names

counts = st.integers(1, 2**53 - 1)


@st.composite
def signed_bins(draw: st.DrawFn) -> SignedBins:
    bit_length = draw(st.integers(1, 14))
    numbers = sorted(draw(st.sets(st.integers(0, (1 << bit_length) - 1), min_size=1, max_size=5)))
    bins = (SignedBin(draw(st.integers(1, 99)) * BIN_STRIDE + number, draw(digests)) for number in numbers)
    return SignedBins(bit_length, draw(instants), tuple(bins))


KINDS = {
    Sealed: st.builds(Sealed, st.sampled_from(("root", "targets", "held", "bins")), counts, counts, digests),
    Document: st.builds(Document, lines, counts, digests),
    TakenOver: st.builds(TakenOver, project_names, counts, counts, digests),
    SignedBins: signed_bins(),
    Snapshot: st.builds(
        Snapshot, counts, counts, counts, digests, digests, instants, instants, instants, st.integers(1, 14), digests,
        st.sampled_from(("full", "compact")),
    ),
}  # fmt: skip
D = "ab" * 32
EXAMPLES = (
    Sealed("root", 1, 2, D),
    Document("policies/1.json", 3, D),
    TakenOver("flask", 4, 5, D),
    SignedBins(8, "2026-11-28T09:00:00Z", (SignedBin(100_003, D), SignedBin(300_200, D))),
    Snapshot(7, 6, 500, D, D, "2026-12-28T09:00:00Z", "2026-11-28T09:00:00Z", "2026-11-29T09:00:00Z", 8, D, "compact"),
)
WRITTEN = (
    b'{"kind":"sealed","length":2,"role":"root","sha256":"%s","version":1}',
    b'{"kind":"document","length":3,"path":"policies/1.json","sha256":"%s"}',
    b'{"kind":"taken-over","length":5,"name":"flask","serial":4,"sha256":"%s"}',
    b'{"bins":[{"sha256":"%s","version":100003},{"sha256":"%s","version":300200}],"bit_length":8,'
    b'"expires":"2026-11-28T09:00:00Z","kind":"bins"}',
    b'{"bins":"%s","bit_length":8,"expires":"2026-12-28T09:00:00Z","generation":7,"kind":"snapshot","layout":"compact",'
    b'"length":500,"sha256":"%s","signed":"%s","signed_at":"2026-11-28T09:00:00Z",'
    b'"timestamp_expires":"2026-11-29T09:00:00Z","version":6}',
)


@pytest.mark.parametrize(("leaf", "written"), [*zip(EXAMPLES, WRITTEN, strict=True)])
def test_a_leaf_is_written_as_the_format_says(leaf, written):
    data = written.replace(b"%s", D.encode())
    assert leaves.written(leaf) == data
    assert leaves.kind_of(data) == leaf.kind
    assert leaves.read(type(leaf), data) == leaf


@settings(max_examples=80, deadline=None)
@given(st.one_of(*KINDS.values()))
def test_every_leaf_is_read_as_it_is_written(leaf):
    data = leaves.written(leaf)
    assert leaves.read(type(leaf), data) == leaf
    for other in KINDS.keys() - {type(leaf)}:
        with pytest.raises(BadLeaf):
            leaves.read(other, data)


@pytest.mark.parametrize("leaf", EXAMPLES, ids=lambda each: each.kind)
def test_a_leaf_has_each_of_its_fields_and_no_other(leaf):
    """Also its kind: one without would be read by who expects it and by nobody else."""
    plain = json.loads(leaves.written(leaf))
    for field in plain:
        with pytest.raises(BadLeaf):
            leaves.read(type(leaf), compact({name: value for name, value in plain.items() if name != field}))
        with pytest.raises(BadLeaf):
            leaves.read(type(leaf), compact(plain | {field: None}))
    with pytest.raises(BadLeaf, match="other: is not known here"):
        leaves.read(type(leaf), compact(plain | {"other": 1}))
    for value in (None, 1, ["sealed"], {}):
        with pytest.raises(BadLeaf, match="a leaf has a kind"):
            leaves.kind_of(compact(plain | {"kind": value}))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"\n",
        lambda data: b" " + data,
        lambda data: data.replace(b":", b": ", 1),
        lambda data: data.replace(b"kind", b"\\u006bind"),
        lambda data: b'{"kind":"sealed",' + data[1:],
        lambda data: data[:-1],
        lambda data: b"[" + data + b"]",
        lambda data: b"",
        lambda data: b"null",
        lambda data: b"\xff" + data,
        lambda data: b"[" * 5_000 + b"]" * 5_000,
        lambda data: data[:-1] + b',"x":1.5e0}',
        lambda data: data[:-1] + b',"x":NaN}',
    ],
)
def test_a_leaf_that_is_spelled_otherwise_is_refused(change):
    for leaf in EXAMPLES:
        with pytest.raises(BadLeaf, match="a leaf "):
            leaves.read(type(leaf), change(leaves.written(leaf)))
        with pytest.raises(BadLeaf, match="a leaf "):
            leaves.kind_of(change(leaves.written(leaf)))


@pytest.mark.parametrize(
    ("leaf", "fields", "why"),
    [
        (EXAMPLES[0], {"role": "timestamp"}, "role: must be 'root' or 'targets' or 'held' or 'bins'"),
        (EXAMPLES[0], {"version": 0}, "0 is no version and no length"),
        (EXAMPLES[0], {"length": -1}, "-1 is no version and no length"),
        (EXAMPLES[0], {"version": True}, "version: must be int"),
        (EXAMPLES[0], {"version": 2**53}, "version: is larger than 2^53 - 1"),
        (EXAMPLES[0], {"sha256": D.upper()}, ""),
        (EXAMPLES[0], {"sha256": D[:-2]}, ""),
        (EXAMPLES[1], {"length": 0}, "0 is no version and no length"),
        (EXAMPLES[1], {"sha256": "x" * 64}, ""),
        (EXAMPLES[2], {"serial": 0}, "0 is no version and no length"),
        (EXAMPLES[2], {"sha256": ""}, ""),
        (EXAMPLES[3], {"bins": []}, "bins must be 1 to 512 in the order of their numbers"),
        (EXAMPLES[3], {"bins": [{"version": 0, "sha256": D}]}, "bins[0]: 0 is no version and no length"),
        (EXAMPLES[3], {"bins": [{"version": 100_003, "sha256": "?"}]}, "bins[0]"),
        (
            EXAMPLES[3],
            {"bins": [{"version": version, "sha256": D} for version in (100_004, 200_003)]},
            "bins must be 1 to 512 in the order of their numbers",
        ),
        (
            EXAMPLES[3],
            {"bins": [{"version": version, "sha256": D} for version in (100_003, 200_003)]},
            "bins must be 1 to 512 in the order of their numbers",
        ),
        (
            EXAMPLES[3],
            {"bit_length": 10, "bins": [{"version": 100_000 + number, "sha256": D} for number in range(513)]},
            "bins must be 1 to 512 in the order of their numbers",
        ),
        (EXAMPLES[3], {"bit_length": 7}, "there is no bin 200"),
        (EXAMPLES[3], {"bit_length": 15}, "bit_length is 15; it must be 1 to 14"),
        (EXAMPLES[3], {"expires": "2026-11-28"}, ""),
        (EXAMPLES[4], {"generation": 0}, "0 is no version and no length"),
        (EXAMPLES[4], {"version": 0}, "0 is no version and no length"),
        (EXAMPLES[4], {"length": 0}, "0 is no version and no length"),
        (EXAMPLES[4], {"bit_length": 0}, "bit_length is 0; it must be 1 to 14"),
        (EXAMPLES[4], {"bit_length": 15}, "bit_length is 15; it must be 1 to 14"),
        (EXAMPLES[4], {"layout": "other"}, "layout: must be 'full' or 'compact'"),
        *((EXAMPLES[4], {field: "ab"}, "") for field in ("sha256", "signed", "bins")),
        *((EXAMPLES[4], {field: "now"}, "") for field in ("expires", "signed_at", "timestamp_expires")),
    ],
)
def test_a_leaf_that_says_what_cannot_be_is_refused(leaf, fields, why):
    plain = json.loads(leaves.written(leaf)) | fields
    with pytest.raises(BadLeaf) as caught:
        leaves.read(type(leaf), compact(plain))
    assert str(caught.value).startswith("a leaf is malformed: ") and why in str(caught.value)


def test_the_most_bins_fit_one_leaf():
    bins = tuple(SignedBin(2**53 - 1 - (2**53 - 1) % BIN_STRIDE + number, D) for number in range(leaves.MOST_BINS - 1))
    data = leaves.written(SignedBins(14, "2026-11-28T09:00:00Z", (*bins, SignedBin(116_383, D))))
    assert len(data) < tiles.MAX_LEAF


def test_a_leaf_that_is_too_long_is_not_written():
    fits = Document("x" * (tiles.MAX_LEAF - len(leaves.written(Document("", 1, D)))), 1, D)
    assert len(leaves.written(fits)) == tiles.MAX_LEAF
    with pytest.raises(AssertionError, match="a leaf is too long"):
        leaves.written(Document(fits.path + "x", 1, D))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(EXAMPLES), st.data())
def test_a_leaf_has_one_spelling(leaf, draw):
    """What parses writes back to the same bytes."""
    data = leaves.written(leaf)
    at = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(at, min(len(data), at + 3)))
    piece = draw.draw(st.sampled_from([b"", b"0", b"9", b" ", b'"', b"a", b"-", b"\\", b",", b"null"]))
    changed = data[:at] + piece + data[end:]
    try:
        found = leaves.read(type(leaf), changed)
    except BadLeaf:
        return
    assert leaves.written(found) == changed
