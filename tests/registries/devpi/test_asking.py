"""From what is signed to what stood in devpi: which requests, in which order, and what is left alone."""

from dataclasses import replace

import pytest

from keys.state import Release, Removal
from repo_service.domain import requests as r
from repo_service.registries.devpi.asking import differences, requests
from repo_service.registries.devpi.outbox import IndexFile, Stood
from tests.paper import mark, project, release, removed, wheel, yanked
from tests.world import BEGIN

ONE, BUILD, TWO = wheel("foo", "1.0"), wheel("foo", "1.0", says="build"), wheel("foo", "2.0")
BUILD = replace(BUILD, filename=BUILD.filename.replace("1.0-", "1.0-1-"))


def stood(version: str, *artifacts, name: str = "foo", serial: int = 7) -> Stood:
    files = (each.file(BEGIN) for each in artifacts)
    listed = tuple(IndexFile(file.filename, file.sha256, file.size, "https://devpi.test/f", None) for file in files)
    return Stood(name, version, serial, name, listed)


def signed(*releases: Release):
    return project(BEGIN, "foo", *releases)


def asked(state, wanted: Stood) -> list[str]:
    """The requests, each as one word and the files that it is about."""
    return [" ".join([type(each).__name__, *_files(each)]) for each in requests(state, wanted)]


def _files(request: r.Request) -> list[str]:
    if isinstance(request, r.Publish):
        return [file.filename for file in request.files]
    return [request.filename] if isinstance(request, r.RemoveFile | r.RestoreFile) else []


def without(one: Release, filename: str, by: str = "owner") -> Release:
    return replace(one, removals=(Removal(filename, "removed", mark(BEGIN, by)),))


BOTH, HALF = release(BEGIN, "1.0", ONE, BUILD), release(BEGIN, "1.0", ONE)


@pytest.mark.parametrize(
    ("state", "wanted", "expected"),
    [
        (None, stood("1.0", ONE), [f"Publish {ONE.filename}"]),
        (None, stood("1.0"), []),
        (signed(), stood("1.0"), []),
        (signed(BOTH), stood("1.0", ONE, BUILD), []),
        (signed(HALF), stood("1.0", ONE, BUILD), [f"Publish {BUILD.filename}"]),
        (signed(BOTH), stood("1.0", ONE), [f"RemoveFile {BUILD.filename}"]),
        (signed(HALF), stood("1.0", BUILD), [f"Publish {BUILD.filename}", f"RemoveFile {ONE.filename}"]),
        (signed(without(BOTH, BUILD.filename)), stood("1.0", ONE), []),
        (signed(without(BOTH, BUILD.filename)), stood("1.0", ONE, BUILD), [f"RestoreFile {BUILD.filename}"]),
        (signed(yanked(BEGIN, BOTH, "broken", "security")), stood("1.0", ONE, BUILD), []),
        (signed(BOTH), stood("1.0"), ["Unpublish"]),
        (signed(removed(BEGIN, BOTH, "old")), stood("1.0"), []),
        (signed(removed(BEGIN, BOTH, "old")), stood("1.0", ONE), ["Restore", f"RemoveFile {BUILD.filename}"]),
        (signed(release(BEGIN, "2.0", TWO)), stood("1.0", ONE), [f"Publish {ONE.filename}"]),
    ],
)  # fmt: skip
def test_what_is_missing_is_asked_for_and_what_comes_before_what_goes(state, wanted, expected) -> None:
    assert asked(state, wanted) == expected


def test_other_bytes_under_a_name_are_asked_for_so_that_they_are_refused() -> None:
    other = replace(ONE, data=b"other")
    assert asked(signed(release(BEGIN, "1.0", ONE)), stood("1.0", other)) == [f"Publish {ONE.filename}"]
    assert asked(signed(without(BOTH, ONE.filename)), stood("1.0", other, BUILD)) == [f"Publish {ONE.filename}"]


def test_a_display_name_goes_with_the_first_files_only() -> None:
    (first,) = requests(None, replace(stood("1.0", ONE), display="Foo"))
    (more,) = requests(signed(release(BEGIN, "1.0", ONE)), replace(stood("1.0", ONE, BUILD), display="Foo"))
    assert (first.display, more.display) == ("Foo", None)


def test_a_version_that_is_gone_is_found_and_a_project_that_is_gone_is_told_apart() -> None:
    states = {"foo": signed(BOTH, release(BEGIN, "2.0", TWO)), "bar": project(BEGIN, "bar", BOTH), "new": None}
    found = differences(states, [stood("1.0", ONE, BUILD), stood("1.0", wheel("new", "1.0"), name="new")], 9)
    assert [(each.project, each.version, bool(each.files)) for each in found.changed] == [
        ("new", "1.0", True), ("foo", "2.0", False),
    ]  # fmt: skip
    assert [(each.project, each.version, each.serial) for each in found.gone] == [("bar", "1.0", 9)]


@pytest.mark.parametrize("by", ["moderator", "admin", "support"])
def test_what_somebody_else_took_away_is_no_difference(by: str) -> None:
    gone = replace(removed(BEGIN, BOTH, "malware"), removed=mark(BEGIN, by))
    for state in (signed(gone), signed(without(BOTH, BUILD.filename, by))):
        assert differences({"foo": state}, [stood("1.0", ONE, BUILD)], 9).changed == ()


def test_what_the_owner_took_away_elsewhere_is_a_difference_while_devpi_has_it() -> None:
    assert differences({"foo": signed(removed(BEGIN, BOTH, "old"))}, [stood("1.0", ONE, BUILD)], 9).changed
