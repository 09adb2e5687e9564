"""Strict reading: what is not exactly of the form is refused with its place, and what is read is written back."""

import json
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import strict
from keys.state import NameState
from tests.keys.strategies import name_states


@dataclass(frozen=True, slots=True)
class Inner:
    size: int


@dataclass(frozen=True, slots=True)
class Outer:
    kind: Literal["a", "b"]
    title: str
    inner: Inner
    items: tuple[Inner, ...] = ()
    note: str | None = None
    loud: bool = False

    def __post_init__(self) -> None:
        if self.title == "forbidden":
            raise ValueError("this title is not allowed")


GOOD = {"kind": "a", "title": "t", "inner": {"size": 1}, "items": [{"size": 2}], "note": None, "loud": True}


@given(name_states())
@settings(max_examples=60)
def test_what_load_accepts_dump_gives_back_unchanged(state: NameState) -> None:
    """ "What ``load`` accepts, ``dump`` gives back unchanged." """
    plain = strict.dump(state)
    assert strict.load(NameState, plain) == state
    assert strict.dump(strict.load(NameState, json.loads(json.dumps(plain)))) == plain


@given(name_states())
@settings(max_examples=60)
def test_what_is_left_out_is_what_load_puts_back(state: NameState) -> None:
    """ "The shortest form that ``load`` reads as the same value." """
    plain = strict.sparse(state)
    assert strict.load(NameState, plain) == state
    assert strict.sparse(strict.load(NameState, json.loads(json.dumps(plain)))) == plain


def test_only_what_has_its_default_is_left_out() -> None:
    short = Outer("b", "t", Inner(0))
    assert strict.sparse(short) == {"kind": "b", "title": "t", "inner": {"size": 0}}
    full = Outer("b", "t", Inner(0), (Inner(1),), "n", True)
    assert strict.sparse(full) == strict.dump(full)
    assert strict.sparse(short, {"title", "inner"}) == {"kind": "b"}


def test_fields_with_a_default_may_be_missing() -> None:
    assert strict.load(Outer, {"kind": "b", "title": "t", "inner": {"size": 0}}) == Outer("b", "t", Inner(0))


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        (b'{"a":1,"a":1}', "a", "appears twice"),
        (b'{"x":{"a":1,"a":2}}', "a", "appears twice"),
        (b"1.0", "", "1.0 is not an integer"),
        (b'{"a":1e2}', "", "1e2 is not an integer"),
        (b"NaN", "", "NaN is not an integer"),
        (b"-Infinity", "", "-Infinity is not an integer"),
        (b'{"a":9007199254740992}', "a", "larger than 2^53"),
        (b'{"a":[-9007199254740992]}', "a", "larger than 2^53"),
        (b"1" * 5000, "", "larger than 2^53"),
        (b"-" + b"1" * 5000, "", "larger than 2^53"),
        (b"[" * 16 + b"1" + b"]" * 16, "", "nested deeper than 16"),
        (b"[" * 100_000, "", "nested deeper than 16"),
        (b'"\xff"', "", "not UTF-8 at byte 1"),
        (b"{", "", "not JSON"),
        (b"", "", "not JSON"),
        (b"{} {}", "", "not JSON"),
        (b"\xef\xbb\xbf{}", "", "not JSON"),
        (rb'{"\ud800":1}', "", "U+D800"),
        (rb'{"a":{"\u001b[31m":1}}', "", "U+001B"),
        (rb'{"\u202e":1,"\u202e":1}', "", "U+202E"),
    ],
)
def test_json_that_two_readers_could_take_differently_is_refused(text: bytes, where: str, why: str) -> None:
    with pytest.raises(strict.Malformed) as error:
        strict.parse(text)
    assert error.value.where == where
    assert why in error.value.why


def test_the_limits_themselves_are_allowed() -> None:
    assert strict.parse(b"9007199254740991") == 2**53 - 1
    assert strict.parse(b"-9007199254740991") == -(2**53) + 1
    assert strict.parse(b"[" * 15 + b"1" + b"]" * 15) is not None


@pytest.mark.parametrize(
    ("change", "where", "why"),
    [
        ({"more": 1}, "more", "is not known here"),
        ({"kind": "c"}, "kind", "'a' or 'b'"),
        ({"kind": ["a"]}, "kind", "'a' or 'b'"),
        ({"title": 1}, "title", "must be text"),
        ({"title": None}, "title", "must be text"),
        ({"title": "forbidden"}, "", "not allowed"),
        ({"inner": []}, "inner", "must be an object"),
        ({"inner": {}}, "inner.size", "is missing"),
        ({"inner": {"size": True}}, "inner.size", "must be int, not True"),
        ({"inner": {"size": "1"}}, "inner.size", "must be int"),
        ({"inner": {"size": 1.0}}, "inner.size", "must be int, not 1.0"),
        ({"inner": {"size": 2**53}}, "inner.size", "larger than 2^53 - 1"),
        ({"inner": {"size": -(2**53)}}, "inner.size", "larger than 2^53 - 1"),
        ({"inner": Outer}, "inner", "must be an object"),
        ({"inner": {"size": 1, "x": 1}}, "inner.x", "is not known here"),
        ({"items": {}}, "items", "must be a list"),
        ({"items": [{"size": 1}, {"size": None}]}, "items[1].size", "must be int"),
        ({"note": 1}, "note", "must be text"),
        ({"loud": 1}, "loud", "must be bool"),
        ({"loud": "true"}, "loud", "must be bool"),
    ],
)
def test_each_wrong_value_is_refused_with_its_place(change: dict[str, object], where: str, why: str) -> None:
    with pytest.raises(strict.Malformed) as error:
        strict.load(Outer, {**GOOD, **change})
    assert error.value.where == where
    assert why in error.value.why


def test_what_was_loaded_before_stays_and_is_of_its_own_kind() -> None:
    inner = Inner(1)
    assert strict.load(Outer, {**GOOD, "inner": inner}).inner is inner
    with pytest.raises(strict.Malformed, match=r"^inner: must be an object, not Outer\("):
        strict.load(Outer, {**GOOD, "inner": strict.load(Outer, GOOD)})


@dataclass(frozen=True, slots=True)
class Open:
    said: dict[str, object]


def test_members_that_are_not_ours_to_know_stay_as_they_were_parsed() -> None:
    assert strict.load(Open, {"said": {"a": [1, {"b": None}]}}).said == {"a": [1, {"b": None}]}
    with pytest.raises(strict.Malformed, match=r"said: must be an object, not \[\]"):
        strict.load(Open, {"said": []})


@pytest.mark.parametrize("missing", ["kind", "title", "inner"])
def test_a_missing_field_is_named(missing: str) -> None:
    with pytest.raises(strict.Malformed, match=f"^{missing}: is missing$"):
        strict.load(Outer, {key: value for key, value in GOOD.items() if key != missing})


@given(st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp")))
def test_no_text_holds_a_character_that_moves_a_cursor(character: str) -> None:
    """ "Yank reasons are printed raw by pip and uv, so nothing that moves a cursor may reach them." """
    with pytest.raises(strict.Malformed, match=f"U\\+{ord(character):04X}"):
        strict.line(f"a{character}b")
    with pytest.raises(strict.Malformed) as error:
        strict.load(Outer, {**GOOD, "title": f"a{character}b"})
    assert error.value.where == "title"


@pytest.mark.parametrize("text", ["", "plain", "snow ☃", "Grüße", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "emoji 🎉", "quotes \"' and \\"])
def test_clean_text_of_any_script_is_a_line(text: str) -> None:
    assert strict.line(text) == text


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=9))
def test_parse_gives_plain_values_or_malformed_and_nothing_else(value: object) -> None:
    text = json.dumps(value).encode()
    try:
        assert strict.parse(text) == value
    except strict.Malformed:
        assert text != json.dumps(None).encode()


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_as_malformed(data: bytes) -> None:
    try:
        strict.parse(data)
    except strict.Malformed as error:
        assert str(error)
