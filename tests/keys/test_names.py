"""Names: one spelling, one path segment, and no way out of a folder."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keys import names

anything = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)


@pytest.mark.parametrize("spelling", ["foo-bar", "Foo_Bar", "FOO.bar", "foo--bar", "foo-_.bar", "fOO._-BAR"])
def test_every_spelling_of_a_name_is_one_name(spelling: str) -> None:
    assert names.normalise(spelling) == "foo-bar"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "\u212aafka",  # KELVIN SIGN, which lower-cases to k
        "ſix",  # LATIN SMALL LETTER LONG S, which upper-cases to S
        "ｆoo",  # full width
        "pаypal",  # CYRILLIC SMALL LETTER A
        "foo\u200d",
        "fo\u00ado",
        "foo\n",
        " foo",
        "foo ",
        "foo\x00",
        "-foo",
        "foo-",
        ".foo",
        "foo.",
        "_",
        "..",
        ".",
        "a/../b",
        "a\\b",
        "%2e%2e",
        "foo?bar",
        "foo#bar",
        "foo:bar",
        "@scope/foo",
        "a" * 201,
        "a" + "." * 300 + "b" * 199,
    ],
)
def test_what_pep_508_does_not_allow_is_refused_before_its_case_is_folded(name: str) -> None:
    with pytest.raises(names.InvalidName):
        names.normalise(name)


def test_the_longest_name_takes_two_hundred_characters_of_a_path() -> None:
    assert names.normalise("a" * names.MAX_SEGMENT) == "a" * names.MAX_SEGMENT


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True))
def test_normalising_twice_changes_nothing_and_a_project_name_is_its_own_segment(name: str) -> None:
    normal = names.normalise(name)
    assert names.normalise(normal) == normal == names.segment(normal)


@given(anything)
def test_a_segment_is_made_of_safe_characters_and_gives_its_name_back(name: str) -> None:
    """ "It has no upper case, no dot and no ``%``, so no file system, URL or CDN can merge or split one." """
    segment = names.segment(name)
    assert re.fullmatch(r"[a-z0-9_-]+", segment, re.ASCII)
    assert names.name_of(segment) == name


@given(anything, anything)
def test_two_names_never_meet_in_one_segment(one: str, other: str) -> None:
    """ "The encoding is reversible, so two names can never meet in one path." """
    assume(one != other)
    assert names.segment(one) != names.segment(other)


@given(st.text("abz09-_./%AF", min_size=1, max_size=9))
def test_name_of_reads_only_what_segment_makes(text: str) -> None:
    try:
        name = names.name_of(text)
    except names.InvalidName:
        return
    assert names.segment(name) == text


@pytest.mark.parametrize(
    "segment",
    [
        "",
        "Foo",
        "foo.bar",
        "a/b",
        "..",
        "_",
        "_4",
        "_4G",
        "_4F",
        "_61",
        "_2d",
        "_30",
        "_ff",
        "_c3",
        "%66",
        "foo\n",
        "é",
    ],
)
def test_text_that_segment_never_makes_is_no_name(segment: str) -> None:
    with pytest.raises(names.InvalidName):
        names.name_of(segment)


def test_names_of_other_ecosystems_fit_into_one_segment() -> None:
    assert names.segment("@babel/core") == "_40babel_2fcore"
    assert names.page_path("@babel/core") == "simple/_40babel_2fcore/vnd.pypi.simple.v1.json"


@pytest.mark.parametrize("filename", ["foo-1.0.tar.gz", "Foo_Bar-1!2.0+x-py3-none-any.whl", "a"])
def test_a_file_lies_in_its_names_folder(filename: str) -> None:
    assert names.file_path("foo", filename) == f"packages/foo/{filename}"


@pytest.mark.parametrize(
    "filename",
    ["", ".", "..", ".hidden", "a/b", "../a", "a\\b", "a b", "a\n", "a%2fb", "é.whl", "-a", "a" * 181, "a\x00"],
)
def test_a_file_name_that_could_leave_its_folder_is_refused(filename: str) -> None:
    with pytest.raises(names.InvalidName):
        names.file_path("foo", filename)


def test_the_longest_file_name_can_be_stored_with_its_hash_and_its_metadata() -> None:
    path = names.file_path("foo", "a" * names.MAX_FILENAME)
    assert len(names.hashed(path, "ab" * 32).rpartition("/")[2] + ".metadata") <= 255


def test_a_stored_path_has_the_hash_before_the_base_name() -> None:
    assert names.hashed("packages/foo/foo-1.0.tar.gz", "ab" * 32) == f"packages/foo/{'ab' * 32}.foo-1.0.tar.gz"


def test_a_namespace_holds_its_prefix_and_what_follows_its_hyphen() -> None:
    """PEP 752: the namespace foo holds foo-bar but not foobar."""
    assert names.prefixes("foo-bar-baz") == ("foo", "foo-bar", "foo-bar-baz")
    assert names.prefixes("foobar") == ("foobar",)
    for name in ("foo", "foo-bar", "foo-bar-baz"):
        assert names.is_under(name, "foo")
    for name in ("foobar", "fo", "bar-foo", "foobar-baz"):
        assert not names.is_under(name, "foo")
