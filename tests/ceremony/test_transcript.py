"""The transcript: what happened, and that nobody told it otherwise later."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ceremony import transcript
from ceremony.errors import BrokenChain
from tests.ceremony.people import NOW

EVENTS = ("planned", "drafted", "answered", "sealed")


def told(*events: str) -> bytes:
    text = b""
    for number, event in enumerate(events):
        text = transcript.continued(text, NOW + timedelta(minutes=number), event, {"number": number, "page": "a\nb"})
    return text


WHOLE = told(*EVENTS)


def test_it_reads_back_in_order_with_what_was_told() -> None:
    assert [entry.event for entry in transcript.read(WHOLE)] == list(EVENTS)
    assert transcript.printed(transcript.read(told("planned"))) == [
        "2026-11-22T10:00:00Z  planned", "    number: 0", "    page: a", "    page: b",
    ]  # fmt: skip


def test_what_is_told_already_is_not_told_twice() -> None:
    """Every command can be run again."""
    again = transcript.continued(WHOLE, NOW + timedelta(days=1), "drafted", {"number": 1, "page": "a\nb"})
    assert again == WHOLE


@given(st.integers(0, len(WHOLE) - 2), st.binary(min_size=1, max_size=1))
def test_one_byte_changed_anywhere_but_in_the_last_line_is_seen(place: int, byte: bytes) -> None:
    """Each line names the digest of the line before."""
    changed = WHOLE[:place] + byte + WHOLE[place + 1 :]
    if changed == WHOLE:
        return
    try:
        transcript.read(changed)
    except BrokenChain:
        return
    assert transcript.head(changed) != transcript.head(WHOLE) and place > WHOLE[:-1].rindex(b"\n")


@pytest.mark.parametrize("lost", range(len(EVENTS) - 1))
def test_a_line_taken_out_is_seen(lost: int) -> None:
    lines = WHOLE.splitlines(keepends=True)
    with pytest.raises(BrokenChain, match=f"line {lost + 1}: it follows"):
        transcript.read(b"".join(lines[:lost] + lines[lost + 1 :]))


def test_two_lines_in_the_other_order_are_seen() -> None:
    first, second, *rest = WHOLE.splitlines(keepends=True)
    with pytest.raises(BrokenChain, match="line 1: it follows"):
        transcript.read(b"".join((second, first, *rest)))


def test_a_last_line_that_was_cut_is_seen() -> None:
    with pytest.raises(BrokenChain, match="line 4: it was cut"):
        transcript.read(WHOLE[:-5])


def test_the_head_says_which_transcript_it_is_even_where_lines_are_missing_at_its_end() -> None:
    assert len({transcript.head(told(*EVENTS[:count])) for count in range(len(EVENTS) + 1)}) == len(EVENTS) + 1
