"""Deltas: what they are called follows from versions, and whatever is wrong with one, no wrong bytes come of it."""

import random
import re
import sys
from itertools import pairwise

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from client_verify.fetching.inflate import LIBRARIES, by
from keys import deltas, layout
from keys.deltas import REACH, SPACING, BadDelta, Step, rebuild
from keys.encoding import sha256
from repo_service.build.deltas import Origin, bin_delta, thorough_delta
from tests.keys.inflate import inflate, inflate_with_the_standard_library

INFLATES = [
    inflate,
    *([inflate_with_the_standard_library] if sys.version_info >= (3, 14) else []),
    *filter(None, map(by, LIBRARIES)),  # the client's own
]
OLD = b"".join(b'"bin-%04x.json":{"version":12%05d},' % (n, n) for n in range(400))
NEW = OLD.replace(b"1200007", b"1300007").replace(b"1200399", b"1700399")
LIMIT = deltas.MAX_FILE
edits = st.lists(st.tuples(st.integers(0, len(OLD)), st.integers(0, 40), st.binary(max_size=30)), max_size=6)


def drawn(old: bytes, new: bytes) -> bytes:
    delta = Origin(old).delta(new, sha256(new))
    assert delta is not None
    return delta


@pytest.mark.parametrize("inflate", INFLATES)
@given(edits=edits, old=st.sampled_from([b"", b"x" * 8, OLD]))
def test_a_delta_applied_to_the_old_file_gives_exactly_the_new_one(
    inflate: deltas.Inflate, edits: list[tuple[int, int, bytes]], old: bytes
) -> None:
    """All ways of drawing, whatever was changed; also from nothing, and to it."""
    new = old
    for place, gone, come in edits:
        new = new[:place] + come + new[place + gone :]
    origin, digest = Origin(old), sha256(new)
    ways = (origin.delta(new, digest), bin_delta(old, new, digest), thorough_delta(old, new), origin.delta(new, digest))
    for delta in ways:
        assert delta is not None and rebuild(delta, old, LIMIT, inflate) == new


@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_two_files_that_have_nothing_in_common_are_no_problem(old: bytes, new: bytes) -> None:
    assert rebuild(drawn(old, new), old, LIMIT, inflate) == new


def test_few_changes_take_few_bytes() -> None:
    assert len(drawn(OLD, NEW)) < 130 < len(zstandard.compress(NEW)) / 4


@pytest.mark.parametrize("inflate", INFLATES)
def test_whatever_byte_of_a_delta_is_changed_no_other_file_comes_of_it(inflate: deltas.Inflate) -> None:
    delta = drawn(OLD, NEW)
    for place in range(len(delta)):
        for bit in (1, 0x80):
            broken = delta[:place] + bytes([delta[place] ^ bit]) + delta[place + 1 :]
            try:
                assert rebuild(broken, OLD, LIMIT, inflate) == NEW
            except BadDelta:
                continue


@pytest.mark.parametrize("inflate", INFLATES)
def test_half_a_delta_and_a_delta_and_a_half_are_refused(inflate: deltas.Inflate) -> None:
    delta = drawn(OLD, NEW)
    for broken in (*(delta[:length] for length in range(len(delta))), delta + b"\0", delta + delta[80:]):
        with pytest.raises(BadDelta):
            rebuild(broken, OLD, LIMIT, inflate)


def test_a_delta_for_another_file_is_refused_before_it_is_unpacked() -> None:
    def never(frame: bytes, old: bytes, length: int) -> bytes:
        raise AssertionError("unpacked")

    with pytest.raises(BadDelta, match="for another file"):
        rebuild(drawn(OLD, NEW), NEW, LIMIT, never)


def test_what_does_not_begin_as_a_delta_is_not_unpacked() -> None:
    """Also zstd reads frames of other kinds, old ones among them, which say their size elsewhere."""

    def never(frame: bytes, old: bytes, length: int) -> bytes:
        raise AssertionError("unpacked")

    delta = drawn(OLD, NEW)
    for place in (*range(8), *range(40, 48), *range(80, 84)):
        broken = delta[:place] + bytes([delta[place] ^ 3]) + delta[place + 1 :]
        with pytest.raises(BadDelta, match=r"no delta|no zstd frame"):
            rebuild(broken, OLD, LIMIT, never)


def test_a_delta_that_gives_another_file_than_it_names_is_refused() -> None:
    frame = drawn(OLD, NEW)[80:]
    with pytest.raises(BadDelta, match="another file than it says"):
        rebuild(deltas.sealed(sha256(OLD), sha256(b"what was promised"), frame), OLD, LIMIT, inflate)


def test_a_bomb_is_refused_by_what_it_says_of_itself() -> None:
    def never(frame: bytes, old: bytes, length: int) -> bytes:
        raise AssertionError("unpacked")

    bomb, wide = bytes(LIMIT + 1), zstandard.ZstdCompressionParameters.from_level(3, window_log=23)
    frame = zstandard.ZstdCompressor(compression_params=wide).compress(bomb)
    made = deltas.sealed(sha256(OLD), sha256(bomb), frame)
    assert len(made) < deltas.MAX_DELTA
    with pytest.raises(BadDelta, match="5000001 bytes; 5000000 are allowed"):
        rebuild(made, OLD, 2**60, never)
    with pytest.raises(BadDelta, match=f"{len(NEW)} bytes; {len(NEW) - 1} are allowed"):
        rebuild(drawn(OLD, NEW), OLD, len(NEW) - 1, never)


@pytest.mark.parametrize("inflate", INFLATES)
def test_a_bomb_that_says_it_is_small_gives_nothing(inflate: deltas.Inflate) -> None:
    bomb = bytes(1 << 20)
    frame = bytearray(zstandard.compress(bomb))
    assert frame[4] == 0b1010_0000 and int.from_bytes(frame[5:9], "little") == len(bomb)
    frame[5:9] = (500).to_bytes(4, "little")
    with pytest.raises(BadDelta):
        rebuild(deltas.sealed(sha256(OLD), sha256(bytes(500)), bytes(frame)), OLD, LIMIT, inflate)


@pytest.mark.parametrize(
    "options",
    [
        {"write_content_size": False},
        {"write_checksum": True},
        {"write_content_size": False, "window_log": 27},
    ],
)
def test_a_frame_of_any_other_form_is_refused(options: dict[str, int]) -> None:
    """A frame of several segments has a window that it chooses itself, up to terabytes."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, **options)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compress(NEW)
    with pytest.raises(BadDelta, match="no zstd frame of one segment"):
        rebuild(deltas.sealed(sha256(b""), sha256(NEW), frame), b"", LIMIT, inflate)


def test_what_is_too_long_is_neither_drawn_nor_read() -> None:
    noise = random.Random(1).randbytes(deltas.MAX_DELTA)
    assert Origin(b"").delta(noise, sha256(noise)) is None
    assert thorough_delta(b"", bytes(deltas.MAX_FILE + 1)) is None
    assert thorough_delta(b"", bytes(deltas.MAX_FILE)) is not None
    with pytest.raises(BadDelta, match="131072 are allowed"):
        rebuild(deltas.sealed(sha256(b""), sha256(noise), noise), b"", LIMIT, inflate)


def everything_drawn(newest: int) -> set[Step]:
    return {step for version in range(1, newest + 1) for step in deltas.drawn_with(layout.SNAPSHOT, version)}


def test_every_snapshot_is_reached_from_every_anchor_a_client_may_hold_by_what_is_drawn_by_then() -> None:
    """Nobody lists what there is: what the client reckons must have been drawn before it can ask."""
    there: set[Step] = set()
    for version in range(1, (REACH + 5) * SPACING):
        there.update(deltas.drawn_with(layout.SNAPSHOT, version))
        near = version % SPACING in (0, 1, REACH - 1, REACH, REACH + 1, SPACING - 1)
        if version > 3 * SPACING and not near:
            continue
        for held in (0, *filter(deltas.is_anchor, (1, *range(0, deltas.anchor(version) + 1, SPACING)))):
            steps = deltas.snapshot_steps(held, version)
            assert there.issuperset(steps)
            assert len(steps) <= 2
            reached = steps[-1].new if steps else held
            assert reached == version and all(one.new == other.old for one, other in pairwise(steps))
            assert not steps or steps[0].old in (0, held)


def test_a_client_that_holds_an_anchor_in_reach_never_begins_with_nothing() -> None:
    newest = (REACH + 3) * SPACING + REACH
    assert deltas.anchor(newest) == (REACH + 3) * SPACING
    assert deltas.snapshot_steps(3 * SPACING, newest)[0].old == 3 * SPACING
    assert deltas.snapshot_steps(2 * SPACING, newest)[0].old == 0
    assert deltas.snapshot_steps(3 * SPACING + 1, newest)[0].old == 0  # no anchor
    assert deltas.snapshot_steps((REACH + 4) * SPACING, newest)[0].old == 0  # from the future


def test_the_examples_of_the_format() -> None:
    """The table in docs/FORMAT.md, "Deltas"."""
    ways = {
        (held, version): [f"{step.old}.{step.new}" for step in deltas.snapshot_steps(held, version)]
        for held, version in ((1, 900), (1, 1500), (1024, 1500), (1024, 5000), (0, 5000))
    }
    assert ways == {
        (1, 900): ["1.900"],
        (1, 1500): ["1.1024", "1024.1500"],
        (1024, 1500): ["1024.1500"],
        (1024, 5000): ["1024.4096", "4096.5000"],
        (0, 5000): ["0.4096", "4096.5000"],
    }


def test_a_publication_draws_two_deltas_of_the_snapshot_at_most() -> None:
    for version in range(1, 4 * SPACING):
        assert len(deltas.drawn_with(layout.SNAPSHOT, version)) <= 2


def test_a_bin_is_reached_by_one_delta_for_each_signing_that_was_missed() -> None:
    first = layout.first_version(7)
    assert deltas.drawn_with("bin-07", first) == ()
    steps = deltas.bin_steps("bin-07", first, first + 3 * layout.BIN_STRIDE)
    assert [step.path for step in steps] == [
        "deltas/100007.200007.bin-07.dcz",
        "deltas/200007.300007.bin-07.dcz",
        "deltas/300007.400007.bin-07.dcz",
    ]
    assert all(deltas.drawn_with("bin-07", step.new) == (step,) for step in steps)
    assert deltas.bin_steps("bin-07", first, first) == ()


def test_a_bin_is_taken_whole_where_deltas_make_no_sense() -> None:
    first, most = layout.first_version(7), deltas.MOST_STEPS * layout.BIN_STRIDE
    assert len(deltas.bin_steps("bin-07", first, first + most)) == deltas.MOST_STEPS
    assert deltas.bin_steps("bin-07", first, first + most + layout.BIN_STRIDE) == ()
    assert deltas.bin_steps("bin-07", first, first + layout.BIN_STRIDE + 1) == ()  # another bin's version
    assert deltas.bin_steps("bin-07", first + layout.BIN_STRIDE, first) == ()  # backwards


def test_when_a_file_goes_every_delta_to_it_goes_and_no_other() -> None:
    newest = 3 * SPACING + REACH
    going = {step for version in range(1, newest + 1) for step in deltas.leading_to(layout.SNAPSHOT, version)}
    for version in (1, 2, SPACING, SPACING + 5, 2 * SPACING, newest):
        assert all(step.new == version for step in deltas.leading_to(layout.SNAPSHOT, version))
    assert going == everything_drawn(newest)
    anchor = (REACH + 2) * SPACING
    around = {step for later in range(REACH) for step in deltas.drawn_with(layout.SNAPSHOT, anchor + later)}
    assert {step for step in around if step.new == anchor} == set(deltas.leading_to(layout.SNAPSHOT, anchor))
    assert deltas.leading_to("bin-07", 300_007) == (Step("bin-07", 200_007, 300_007),)
    assert deltas.leading_to("bin-07", 100_007) == ()


def test_an_anchor_is_needed_as_long_as_the_newest_snapshot_is_drawn_from_it() -> None:
    newest = 5 * SPACING + REACH - 1
    needed = [n for n in range(newest + 1) if deltas.is_needed(f"metadata/{n}.snapshot.json", newest)]
    assert needed == [4 * SPACING, 5 * SPACING]
    first = "metadata/1.snapshot.json"
    assert deltas.is_needed(first, SPACING) and not deltas.is_needed(first, SPACING + REACH)
    others = ("metadata/1024.root.json", "metadata/102400.bin-00.json", "targets/simple/1.snapshot.json")
    assert not any(deltas.is_needed(path, 1100) for path in others)


def test_what_goes_with_a_public_file_is_told_by_its_path() -> None:
    assert deltas.beside("metadata/300007.bin-07.json") == ("deltas/200007.300007.bin-07.dcz",)
    assert deltas.beside("metadata/1500.snapshot.json") == ("deltas/1024.1500.snapshot.dcz",)
    assert deltas.beside("metadata/2048.snapshot.json") == tuple(
        f"deltas/{old}.2048.snapshot.dcz" for old in (0, 1, 1024)
    )
    for path in ("metadata/2.root.json", "metadata/timestamp.json", "targets/simple/foo/2.snapshot.json", "metadata/"):
        assert deltas.beside(path) == ()


def test_names_are_for_any_depot() -> None:
    assert re.fullmatch(r"[A-Za-z0-9._+!/-]+", Step(layout.SNAPSHOT, 1024, 5000).path)
    assert Step(layout.SNAPSHOT, 1024, 5000).path == "deltas/1024.5000.snapshot.dcz"
