"""The bytes that a signature covers are those of TUF's reference encoder."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from securesystemslib.formats import encode_canonical

from keys.encoding import canonical, compact, compact_plain, listed, read_plain, sha256, spliced

nasty = st.text(st.sampled_from('\\"\n\t\x00\x1f\x7fn/uab é☃𝔘\u2028'), max_size=12)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | nasty | st.text(max_size=6).filter(str.isprintable),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(nasty, inner, max_size=3),
    max_leaves=12,
)


@given(documents)
@example("\\n")
@example("\\\n")
@example('\\\\"\\')
@example({"\\": "\n", "é": ["𝔘"]})
def test_canonical_is_what_the_reference_encoder_writes(document: Any) -> None:
    """Canonical JSON (OLPC, TUF specification section 4.2), whichever of our two paths made it."""
    assert canonical(document) == encode_canonical(document).encode()


@given(documents)
def test_compact_is_json_that_reads_back_and_repeats_to_the_byte(document: Any) -> None:
    assert json.loads(compact(document)) == document
    assert compact(json.loads(compact(document))) == compact(document)


@given(st.dictionaries(nasty, documents, max_size=4), st.dictionaries(nasty, documents, max_size=4))
def test_encoded_members_are_spliced_in_as_if_encoded_with_the_rest(value: Any, more: Any) -> None:
    encoded = {key: (compact(item),) for key, item in more.items()}
    assert b"".join(spliced(value, encoded)) == compact(value | more)


@given(st.lists(documents, max_size=4))
def test_a_list_of_what_is_encoded_is_the_list_encoded(items: Any) -> None:
    assert b"".join(listed(map(compact, items))) == compact(items)


def test_keys_are_sorted_without_white_space() -> None:
    assert compact({"b": [1, None], "a": {"d": True, "c": "é"}}) == '{"a":{"c":"é","d":true},"b":[1,null]}'.encode()


@given(documents)
@example(2**70)
@example({1: "a key that is no text"})
@example({"é": "\x1f\x7f", "\ud83d": 0})
def test_what_strict_dumps_has_the_same_bytes_by_the_fast_encoder(document: Any) -> None:
    """Whatever the one takes: of a lone surrogate, which no text of ours holds, both make nothing."""
    try:
        wanted = compact(document)
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            compact_plain(document)
    else:
        assert compact_plain(document) == wanted


@given(documents)
def test_what_was_written_is_read_back(document: Any) -> None:
    """ "The inverse of ``compact_plain``", of text and of bytes."""
    written = compact_plain(document)
    assert read_plain(written) == read_plain(written.decode()) == document


def test_no_not_a_number_is_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        compact(float("nan"))


def test_sha256_is_lower_case_hexadecimal() -> None:
    assert sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_what_has_no_canonical_form_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no canonical form: I cannot encode 0"):
        canonical({"key": "-----BEGIN\n", "odd": 0.0})
