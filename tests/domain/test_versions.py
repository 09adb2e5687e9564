"""Versions and file names: which are equal, by Python's rule or by SemVer's, and that none is ever used twice."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.names import normalise
from repo_service.domain import requests as r
from repo_service.domain import semver
from repo_service.domain.announcing import NotAnnounced, announce
from repo_service.domain.artifacts import BadArtifact
from repo_service.domain.case import Accepted, Refusal
from repo_service.domain.policy import Policy
from repo_service.domain.versions import RULES
from tests.domain.book import POLICY, Book
from tests.domain.cases import SUPPORT, SYSTEM, a_file, standing, unpublish
from tests.domain.test_policy import judged, own
from tests.world import BEGIN, OWNER, publishing

SEMVER: Final = replace(POLICY, files=replace(POLICY.files, version_rule="semver"))
ONE_FILE: Final = replace(SEMVER, files=replace(SEMVER.files, per_version=1))


class Npm(Book):
    """A book of a registry that counts as SemVer does."""

    def decide(self, request: r.Request) -> Accepted | Refusal:
        return judged(self, request, SEMVER)


def tarball(version: str, content: bytes = b"x", name: str = "foo", filename: str | None = None) -> r.Publish:
    return r.Publish(normalise(name), version, (a_file(filename or f"{name}-{version}.tgz", content),), OWNER)


def codes(book: Book, request: r.Request, policy: Policy) -> list[str]:
    decision = judged(book, request, policy)
    return [why.code for why in decision.reasons] if isinstance(decision, Refusal) else []


# SemVer.


@pytest.mark.parametrize(
    ("version", "canonical"),
    [
        ("1.0.0", "1.0.0"),
        ("1.0.0+a", "1.0.0"),
        ("1.0.0+b.001-x", "1.0.0"),
        ("1.0.0-rc.1+a", "1.0.0-rc.1"),
        ("1.0.0-0.0a.x-y-z.--", "1.0.0-0.0a.x-y-z.--"),
        ("0.0.0", "0.0.0"),
        ("1.0.0-RC", "1.0.0-RC"),
        ("99999999999999999999.0.0", "99999999999999999999.0.0"),
    ],
)
def test_build_metadata_does_not_tell_two_versions_apart(version: str, canonical: str) -> None:
    assert semver.canonical_version(version) == canonical


@pytest.mark.parametrize(
    "version",
    [
        *(
            "",
            "1",
            "1.0",
            "v1.0.0",
            "=1.0.0",
            "01.0.0",
            "1.00.0",
            "1.0.0-01",
            "1.0.0-",
            "1.0.0+",
            "1.0.0-a..b",
            "1.0.0+a+b",
        ),
        *(" 1.0.0", "1.0.0 ", "1.0.0\n", "1.0.0\x00", "１.0.0", "1.0.0-ä", "1.0.0.0", "1.x.0", "^1.0.0", "latest"),
        "1.0.0-" + "a" * 145,
    ],
)
def test_what_semver_does_not_allow_is_no_version(version: str) -> None:
    with pytest.raises(BadArtifact):
        semver.canonical_version(version)


@pytest.mark.parametrize(
    ("version", "early"), [("1.0.0", False), ("1.0.0-rc", True), ("1.0.0+a-b", False), ("1.0.0-a+b", True)]
)
def test_a_pre_release_is_one_by_the_rule_of_the_registry(version: str, early: bool) -> None:
    assert semver.is_prerelease(version) == early
    days = 24 * 3600
    unpublish = replace(POLICY.unpublish, prereleases_always=True, window_s=days)
    assert (unpublish.owner_window_s(version, RULES["semver"]) > days) == early


def test_versions_that_differ_in_build_metadata_are_one_version() -> None:
    book = Npm()
    book.do(tarball("1.0.0+a"))
    assert book.codes(tarball("1.0.0+b", b"other")) == ["version_exists", "artifact_identity_conflict"]
    assert book.codes(tarball("1.0.0")) == ["version_exists", "artifact_identity_conflict"]
    assert book.codes(r.Yank("foo", "1.0.0+c", None, OWNER)) == []
    assert book.do(tarball("1.0.0-a"), tarball("1.0.1")) == ["release.published"]


@pytest.mark.parametrize(
    ("filename", "name", "version"),
    [
        ("foo-1.0.0.tgz", "foo", "1.0.0"),
        ("foo-1.0.0-2.0.0.tgz", "foo", "1.0.0-2.0.0"),
        ("foo-1.0.0-2.0.0.tgz", "foo-1-0-0", "2.0.0"),
        ("serde_json-1.0.0+b.crate", "serde-json", "1.0.0"),
        ("Foo.Bar-1.0.0.tgz", "foo-bar", "1.0.0"),
        ("foo-1-1.0.0.tgz", "foo-1", "1.0.0"),
    ],
)
def test_a_file_name_is_read_with_the_name_of_its_project(filename: str, name: str, version: str) -> None:
    found = semver.artifact(filename, name)
    assert (found.name, found.canonical) == (name, version)
    assert found.identity == ("crate" if filename.endswith(".crate") else "tarball")


@pytest.mark.parametrize(
    "filename",
    [
        *("foo-1.0.0.tar.gz", "foo-1.0.0-py3-none-any.whl", "foo-1.0.0.TGZ", "foo-1.0.0", "foo.tgz", "-1.0.0.tgz"),
        *("bar-1.0.0.tgz", "foo-1.0.tgz", "foo-.tgz", "foo_1.0.0.tgz", "foo--1.0.0.tgz", "foo-01.0.0.crate"),
    ],
)
def test_other_files_are_no_artifacts_of_semver(filename: str) -> None:
    with pytest.raises(BadArtifact):
        semver.artifact(filename, "foo")


names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,6}[A-Za-z0-9])?", fullmatch=True)
parts = st.from_regex(r"[0-9A-Za-z-]{1,3}(\.[0-9A-Za-z-]{1,3}){0,2}", fullmatch=True)


@given(names, st.just("") | parts.map("-{}".format), st.just("") | parts.map("+{}".format))
def test_a_name_and_a_version_make_one_file_name_that_says_both_again(name: str, early: str, build: str) -> None:
    version = f"1.2.3{early}{build}"
    try:
        canonical = semver.canonical_version(version)
    except BadArtifact:
        return
    found = semver.artifact(f"{name}-{version}.crate", normalise(name))
    assert (found.version, found.canonical) == (version, canonical)


def test_a_version_has_as_many_files_as_the_policy_says_removed_ones_included() -> None:
    book = Npm()
    book.do(tarball("1.0.0"))
    (refusal,) = [judged(book, tarball("1.0.0", filename="foo-1.0.0.crate"), ONE_FILE)]
    assert isinstance(refusal, Refusal)
    assert [(why.code, why.params) for why in refusal.reasons] == [("version_full", {"files": 2, "most": 1})]
    both = replace(tarball("2.0.0"), files=(a_file("foo-2.0.0.tgz"), a_file("foo-2.0.0.crate")))
    assert codes(book, both, ONE_FILE) == ["version_full"]
    assert codes(book, tarball("1.0.0"), ONE_FILE) == [], "the same file again is no second one"
    assert codes(book, both, SEMVER) == []


@pytest.mark.parametrize("content", [b"x", b"other"])
def test_a_tarball_never_gets_other_bytes_and_a_removed_version_never_comes_back(content: bytes) -> None:
    book = Npm()
    book.do(tarball("1.0.0"), tarball("2.0.0"), replace(unpublish(book, "1.0.0"), actor=SUPPORT))
    assert "version_tombstoned" in book.codes(tarball("1.0.0", content))
    assert "version_tombstoned" in book.codes(tarball("1.0.0+again", content))
    expected = [] if content == b"x" else ["file_exists"]
    assert book.codes(tarball("2.0.0", content)) == expected


def test_the_rule_by_which_versions_are_equal_never_changes() -> None:
    first = [announce(POLICY, (), BEGIN)]
    text = "emergency = 'we move'\n[files]\nversion_rule = 'semver'\n"
    with pytest.raises(NotAnnounced, match=r"version_rule is semver; this registry's is pep440 for ever.*Nothing was"):
        announce(own(text), first, BEGIN, ("admin-1", "admin-2"))
    assert announce(own("emergency = 'we move'\n[files]\nopen_days = 1\n"), first, BEGIN, ("admin-1", "admin-2"))


# Python's.


@pytest.mark.parametrize("version", ["1.0", "1.0.0", "v1", "01.0", "0!1.0", "1.0.0.0"])
def test_spellings_of_one_python_version_are_one_version(version: str) -> None:
    assert RULES["pep440"].canonical(version) == "1"


def test_a_post_release_has_two_spellings() -> None:
    assert RULES["pep440"].canonical("1.0-1") == RULES["pep440"].canonical("1.0.post1") == "1.post1"


@pytest.mark.parametrize("version", [" 1.0 ", "1.0\n", "1.0\t", "\x1f1.0", "1.0+local", "１.0", "1.0\u200d"])
def test_what_packaging_strips_or_folds_is_no_version(version: str) -> None:
    """packaging.Version takes ``" 1.0 "`` and ``"1.0\\n"`` for 1.0."""
    assert standing("absent").codes(publishing("foo", version)) == ["version_invalid"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("foo-1.0-py3-none-any.whl", "foo-1.0.0-py3-none-any.whl"),
        ("foo-1.0.tar.gz", "foo-1.0.zip"),
        ("foo-1.0-py2.py3-none-any.whl", "foo-1.0-py3.py2-none-any.whl"),
        ("foo-1.0.tar.gz", "Foo-1.0.tar.gz"),
    ],
)
def test_another_file_name_of_one_artifact_brings_no_other_bytes(first: str, second: str) -> None:
    """Unique file names alone do not stop a substitution."""
    book = Book()
    book.do(r.Publish("foo", "1.0", (a_file(first),), OWNER))
    assert book.codes(r.Publish("foo", "1.0", (a_file(second, b"other"),), OWNER)) == ["artifact_identity_conflict"]


def test_a_separator_in_a_file_name_makes_no_second_artifact() -> None:
    book = Book()
    book.do(r.Publish("foo-bar", "1.0", (a_file("foo_bar-1.0.tar.gz"),), OWNER))
    again = r.Publish("foo-bar", "1.0", (a_file("foo-bar-1.0.tar.gz", b"other"),), OWNER)
    assert book.codes(again) == ["artifact_identity_conflict"]


def test_legacy_releases_of_equal_version_are_not_imported_twice() -> None:
    """Two releases of one canonical version are one release here: the second is refused with the name of the first."""
    book = Book()
    book.do(publishing("foo", "1.0", actor=SYSTEM))
    decision = book.decide(publishing("foo", "1.0.0", content=b"legacy", actor=SYSTEM))
    assert isinstance(decision, Refusal)
    assert [why.code for why in decision.reasons] == ["version_exists", "artifact_identity_conflict"]
    assert decision.reasons[0].params == {"version": "1.0"}
