"""A holder's answer, as a file and as a code: every signature is good, by who it says, for this draft."""

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ceremony import answers as answering
from ceremony import codes
from ceremony.answers import Answer, attached, refusal, verify
from ceremony.draft import Draft
from ceremony.errors import BadInput, Mismatch, Refused
from ceremony.seal import collect
from tests.ceremony.people import NAMES, NOW, answers, drafted, first, held, keyring, opened

MADE = drafted()
(ALICE,) = answers(MADE, "alice")


def test_an_answer_signs_all_that_its_key_signs_and_reads_back_as_the_same_bytes() -> None:
    assert [(each.role, each.version) for each in ALICE.signed] == [
        ("root", 1), ("targets", 1), ("held", 1), ("bins", 1),
    ]  # fmt: skip
    assert answering.read("a.answer", answering.write(ALICE)) == ALICE


def test_a_holder_who_leaves_signs_root_and_targets_for_the_old_root() -> None:
    made = drafted(keyring("alice", "bob", "dan"), first(), held=("admin", "root"))
    assert [each.role for each in answers(made, "carol")[0].signed] == ["root", "targets"]


def other(answer: Answer, **changed: Any) -> Answer:
    return dataclasses.replace(answer, **changed)


BAD: list[tuple[str, Callable[[], Answer], str]] = [
    ("another draft", lambda: answers(drafted(now=NOW + timedelta(days=1)), "alice")[0], "is to another draft"),
    ("another name", lambda: other(ALICE, name="bob"), "is not theirs by this plan"),
    ("a stranger", lambda: other(ALICE, keyid="0" * 64), "is not theirs by this plan"),
    ("nothing", lambda: other(ALICE, signed=()), "neither signs nor declines"),
    (
        "a swap",
        lambda: other(ALICE, signed=(other_sig(0, 1),)),
        "holds no good signature by a key that may sign root 1",
    ),
    (
        "a version",
        lambda: other(ALICE, signed=(dataclasses.replace(ALICE.signed[0], version=2),)),
        "root 2, which is not",
    ),
    ("no listed key", lambda: answers(MADE, "eve")[0], "neither signs nor declines"),
]


def other_sig(place: int, source: int) -> answering.Signed:
    """The signature over one file said to be over another."""
    return dataclasses.replace(ALICE.signed[place], sig=ALICE.signed[source].sig)


@pytest.mark.parametrize(("make", "why"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_an_answer_with_one_thing_wrong_is_refused(make: Callable[[], Answer], why: str) -> None:
    with pytest.raises(Mismatch, match=why):
        collect(MADE, [make()], NAMES)


@pytest.mark.parametrize(
    "data", [b"", b"{}", answering.write(ALICE) + b"\n", answering.write(ALICE)[:-9] + b'"more":1}']
)
def test_a_file_in_other_words_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput, match=r"a\.answer: "):
        answering.read("a.answer", data)


def test_a_no_travels_home_with_its_reason() -> None:
    no = refusal(MADE, "alice", held("alice").record.keyid, NOW, "carol is on holiday")
    assert no.file_name == "alice.declined.answer" and verify(no, MADE, NAMES) == []
    assert answering.read("a.answer", answering.write(no)).declined == "carol is on holiday"


def test_signatures_that_were_made_without_us_are_an_answer_when_they_are_good() -> None:
    key = held("alice")
    by_role = {each.role: key.sign(each.payload).signature for each in MADE.candidates}
    made = attached(MADE, "alice", key.record.keyid, NOW, by_role.items(), heard=False)
    assert made.signed == ALICE.signed and not made.heard
    with pytest.raises(Mismatch, match="holds no good signature"):
        attached(MADE, "alice", key.record.keyid, NOW, [("root", by_role["bins"])], heard=False)
    with pytest.raises(Mismatch, match="timestamp: is not signed in this draft"):
        attached(MADE, "alice", key.record.keyid, NOW, [("timestamp", by_role["root"])], heard=False)


# -- as a code -----------------------------------------------------------------------------------------------------


def coded(answer: Answer, draft: Draft = MADE) -> Answer:
    return codes.read("scan", codes.write(answer).encode() + b"\n", opened(draft))


def test_a_code_brings_home_the_same_signatures() -> None:
    assert coded(ALICE) == ALICE
    assert codes.is_code(codes.write(ALICE).encode()) and not codes.is_code(answering.write(ALICE))


def test_a_code_is_one_that_a_camera_reads() -> None:
    """Version 15 is 77 modules wide; with its border 81 columns."""
    drawing = codes.drawn(codes.write(ALICE)).splitlines()
    assert len(drawing) <= 42 and max(map(len, drawing)) <= 81


def test_what_a_code_is_read_from_is_base45_as_published() -> None:
    """RFC 9285, sections 4.3 and 4.4."""
    assert codes._base45(b"AB") == "BB8" and codes._base45(b"Hello!!") == "%69 VD92EX0"
    assert codes._base45(b"base-45") == "UJCLQE7W581"


@given(st.binary(min_size=21, max_size=90))
def test_base45_is_read_back(data: bytes) -> None:
    assert codes._unbase45(codes._base45(data)) == data


@given(st.integers(0, 500), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"))
def test_a_code_with_one_character_wrong_is_never_taken_for_another_answer(place: int, character: str) -> None:
    """Whoever reads a code verifies it as an answer."""
    text = codes.write(ALICE)
    place = len(codes.PREFIX) + place % (len(text) - len(codes.PREFIX))
    changed = text[:place] + character + text[place + 1 :]
    with suppress(BadInput, Mismatch):
        assert codes.read("scan", changed.encode(), opened(MADE)).signed == ALICE.signed


@pytest.mark.parametrize("cut", [3, 20, 60, -1])
def test_a_code_that_is_cut_is_refused(cut: int) -> None:
    text = codes.write(ALICE)
    with pytest.raises(BadInput, match="scan: not the whole text of a code"):
        codes.read("scan", text[: len(codes.PREFIX) + cut if cut > 0 else cut].encode(), opened(MADE))


def test_a_code_of_another_draft_is_refused() -> None:
    with pytest.raises(BadInput, match="is a code of another draft"):
        coded(ALICE, drafted(now=NOW + timedelta(days=1)))


def test_a_no_has_no_code() -> None:
    with pytest.raises(Refused):
        codes.write(refusal(MADE, "alice", ALICE.keyid, NOW, "no"))


def test_a_code_with_a_signature_too_few_says_how_many_there_should_be() -> None:
    with pytest.raises(BadInput, match="holds 3 signatures, and this key signs 4 files"):
        coded(other(ALICE, signed=ALICE.signed[:3]))


@pytest.mark.parametrize("text", ["GGW" * 11, ":::" * 11, "00" + "0" * 31 + "::"])
def test_a_text_that_no_bytes_have_is_refused(text: str) -> None:
    """RFC 9285, section 6: GGW is 65,536, one more than two bytes hold."""
    with pytest.raises(ValueError, match="cut or misread"):
        codes._unbase45(text)
