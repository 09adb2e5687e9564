"""Full states: the requests that lead from what is signed to what the registry sees, and what they may not do."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.state import NameState, Reason
from keys.times import stamp
from repo_service.domain import requests as r
from repo_service.domain.artifacts import canonical_version
from repo_service.domain.case import Refusal
from repo_service.domain.reconcile import foresee, reconcile
from repo_service.domain.requests import Advice, Said, Wanted, WantedRelease
from tests.domain import moves
from tests.domain.book import POLICY, Book
from tests.domain.cases import ADMIN, BECAUSE, OVER, WHEEL, a_file, standing
from tests.world import BEGIN, OWNER, publishing

FACT = r.Fact(0, stamp(BEGIN))


def wanted_of(state: NameState | None, **amended: Any) -> Wanted:
    """A state as the registry would send it."""
    there = [] if state is None or state.state != "registered" else state.releases
    releases = tuple(
        WantedRelease(
            each.version,
            tuple(r.NewFile(file.filename, file.sha256, file.size) for file in each.present),
            Said(yank.mark.reason) if (yank := each.yank or each.held_yank) else None,
            Advice(each.deprecated.mark.reason or BECAUSE, each.deprecated.alternative) if each.deprecated else None,
        )
        for each in there
        if each.state == "published"
    )
    archived = Said() if there and state is not None and state.archived else None
    gone = state.deprecated if there and state is not None else None
    advice = Advice(gone.mark.reason or BECAUSE, gone.alternative) if gone else None
    made = Wanted("foo", 1, releases, BECAUSE, OWNER, None, archived, advice, FACT)
    return replace(made, **amended)


def spoken_of(wanted: Wanted) -> tuple[Any, ...]:
    """What two states must share to be the same, whatever spelling of a version they use."""
    releases = {
        canonical_version(each.version): (
            {(file.filename, file.sha256) for file in each.files}, each.yanked, each.deprecated,
        )
        for each in wanted.releases
    }  # fmt: skip
    return releases, wanted.archived is not None, wanted.deprecated


def state_of(book: Book) -> NameState | None:
    return book.names["foo"].state if "foo" in book.names else None


def asked(book: Book, wanted: Wanted) -> list[str]:
    return [type(each).__name__ for each in reconcile(state_of(book), wanted, POLICY.version_rule)]


def refused(book: Book, wanted: Wanted) -> list[str]:
    name = book.names["foo"]
    found = foresee(name, reconcile(name.state, wanted, POLICY.version_rule), POLICY, book.now, book.around)
    return [why.code for each in found if isinstance(each.outcome, Refusal) for why in each.outcome.reasons]


def lived(made: list[r.Request]) -> Book:
    """A book in which of these requests was done what could be."""
    book = Book()
    for each in made:
        if each.name == "foo" and not book.codes(each):
            book.do(each)
    return book


lives = st.lists(moves.requests(stamp(BEGIN)), max_size=14).map(lived)


@settings(max_examples=300, deadline=None)
@given(lives, lives)
def test_what_is_asked_leads_from_any_state_to_any_other_that_is_allowed(one: Book, other: Book) -> None:
    wanted = wanted_of(state_of(other))
    for each in reconcile(state_of(one), wanted, POLICY.version_rule):
        if one.codes(each):
            return  # what is refused is in test_what_is_forbidden_…
        one.do(each)
    assert spoken_of(wanted_of(state_of(one))) == spoken_of(wanted)


@settings(max_examples=200, deadline=None)
@given(lives)
def test_from_a_state_to_itself_nothing_is_asked(book: Book) -> None:
    assert reconcile(state_of(book), wanted_of(state_of(book)), POLICY.version_rule) == []


@pytest.mark.parametrize("state", OVER)
def test_what_lies_over_a_project_is_not_spoken_of(state: str) -> None:
    assert asked(standing(state), wanted_of(standing(state).state("foo"))) == []


def test_a_project_that_is_not_there_comes_whole() -> None:
    book = Book()
    wanted = wanted_of(standing("deprecated").state("foo"), display="Foo")
    assert asked(book, wanted) == ["Publish", "Deprecate"]
    book.do(*reconcile(None, wanted, POLICY.version_rule))
    assert book.state("foo").display == "Foo" and book.state("foo").deprecated is not None


def test_what_is_not_mentioned_is_removed() -> None:
    book = standing("two files")
    book.do(publishing("foo", "2.0"))
    wanted = wanted_of(book.state("foo"))
    first = wanted.releases[0]
    less = replace(wanted, releases=(replace(first, files=first.files[:1]),))
    assert asked(book, less) == ["RemoveFile", "Unpublish"]
    assert asked(book, replace(wanted, releases=())) == ["Unpublish", "Unpublish"]


def test_nothing_is_left_empty_on_the_way() -> None:
    book = standing("registered")
    wanted = wanted_of(standing("registered").state("foo"))
    other = replace(wanted, releases=(WantedRelease("2.0", (a_file("foo-2.0.tar.gz"),)),))
    assert asked(book, other) == ["Publish", "Unpublish"]
    book.do(*reconcile(book.state("foo"), other, POLICY.version_rule))
    assert book.state("foo").state == "registered"


def test_a_placeholder_comes_back_by_restoring_what_was_there() -> None:
    book = standing("placeholder")
    wanted = wanted_of(standing("registered").state("foo"))
    assert asked(book, wanted) == ["Restore"]
    book.do(*reconcile(book.state("foo"), wanted, POLICY.version_rule))
    assert book.state("foo").state == "registered"


def test_an_archived_project_is_opened_for_a_new_file_and_archived_again() -> None:
    book = standing("archived")
    wanted = wanted_of(book.state("foo"))
    more = replace(wanted, releases=(*wanted.releases, WantedRelease("2.0", (a_file("foo-2.0.tar.gz"),))))
    assert asked(book, more) == ["Unarchive", "Publish", "Archive"]
    book.do(*reconcile(book.state("foo"), more, POLICY.version_rule))
    assert book.state("foo").archived is not None


@pytest.mark.parametrize(
    ("state", "files", "codes"),
    [
        ("registered", (a_file("foo-1.0.tar.gz", b"other"),), {"file_exists"}),
        ("registered", (a_file("foo-1.0.tar.gz"), a_file("foo-1.0.zip")), {"artifact_identity_conflict"}),
        ("placeholder", (a_file("foo-1.0.tar.gz", b"other"),), {"file_exists"}),
        ("one file left", (a_file("foo-1.0.tar.gz"), a_file(WHEEL, b"other")), {"file_exists"}),
        ("locked", (a_file("foo-1.0.tar.gz"), a_file(WHEEL)), {"project_locked"}),
        ("quarantined", (a_file("foo-1.0.tar.gz"), a_file(WHEEL)), {"project_quarantined"}),
        ("prohibited", (a_file("foo-1.0.tar.gz"),), {"name_prohibited"}),
    ],
)
def test_what_is_forbidden_is_refused_with_every_reason_and_never_left_out(
    state: str, files: tuple[r.NewFile, ...], codes: set[str]
) -> None:
    book = standing(state)
    wanted = replace(wanted_of(None), releases=(WantedRelease("1.0", files),))
    assert set(refused(book, wanted)) >= codes


def test_a_version_that_was_purged_is_reported() -> None:
    book = standing("placeholder")
    wanted = wanted_of(standing("registered").state("foo"))
    book.do(r.PurgeRelease("foo", "1.0", BECAUSE, ADMIN))
    assert refused(book, wanted) == ["purged"]


def test_a_full_state_is_no_way_round_the_window_the_brake_or_another_class_of_actor() -> None:
    book = standing("registered")
    wanted = wanted_of(book.state("foo"))
    yanked = replace(wanted.releases[0], yanked=Said(BECAUSE))
    thief = replace(wanted, releases=(yanked,), actor=r.Actor("owner", "thief"))
    (outcome,) = foresee(
        book.names["foo"], reconcile(book.state("foo"), thief, POLICY.version_rule), POLICY, book.now, book.around
    )
    assert not isinstance(outcome.outcome, Refusal)
    assert [type(each).__name__ for each in outcome.outcome.changes] == ["YankHeld"]
    book.do(r.Yank("foo", "1.0", BECAUSE, ADMIN))
    assert "admin_yank_locked" in refused(book, wanted)
    book.tick(days=3)
    assert "unpublish_window_over" in refused(book, replace(wanted, releases=()))


def test_every_reason_of_every_request_comes_at_once() -> None:
    book = standing("registered")
    book.do(publishing("foo", "2.0"))
    book.tick(days=4)
    nothing = replace(wanted_of(book.state("foo")), releases=(), dependents=None)
    assert refused(book, nothing) == ["unpublish_window_over", "facts_missing"] * 2


def test_a_yank_that_the_brake_holds_is_asked_for_once_and_cancelled_by_leaving_it_out() -> None:
    book = standing("registered")
    book.do(r.Yank("foo", "1.0", BECAUSE, r.Actor("owner", "thief")))
    wanted = wanted_of(book.state("foo"))
    assert wanted.releases[0].yanked == Said(BECAUSE) and asked(book, wanted) == []
    assert asked(book, replace(wanted, releases=(replace(wanted.releases[0], yanked=None),))) == ["Unyank"]


def test_another_reason_or_advice_replaces_the_old_one() -> None:
    book = standing("yanked")
    wanted = wanted_of(book.state("foo"))
    other = replace(wanted.releases[0], yanked=Said(Reason("broken")))
    assert asked(book, replace(wanted, releases=(other,))) == ["Yank"]
    book = standing("deprecated")
    advice = Advice(BECAUSE, "baz")
    assert asked(book, replace(wanted_of(book.state("foo")), deprecated=advice)) == ["Undeprecate", "Deprecate"]
    book = standing("deprecated 1.0")
    changed = replace(wanted_of(book.state("foo")).releases[0], deprecated=advice)
    assert asked(book, replace(wanted, releases=(changed,))) == ["UndeprecateRelease", "DeprecateRelease"]


@pytest.mark.parametrize(
    "amended",
    [
        {"registry_serial": 0},
        {"archived": Said(), "deprecated": Advice(BECAUSE)},
        {"releases": (WantedRelease("1.0", (a_file(WHEEL),)), WantedRelease("v1", (a_file(WHEEL),)))},
        {"releases": (WantedRelease("one", (a_file(WHEEL),)),)},
        {"display": "bar"},
    ],
)
def test_what_contradicts_itself_is_no_state(amended: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        reconcile(None, wanted_of(None, **amended), POLICY.version_rule)


@pytest.mark.parametrize("files", [(), (a_file(WHEEL), a_file(WHEEL, b"other"))])
def test_a_release_has_a_file_and_each_once(files: tuple[r.NewFile, ...]) -> None:
    with pytest.raises(ValueError):
        WantedRelease("1.0", files)


def test_a_file_that_was_removed_is_restored_and_not_published_again() -> None:
    book = standing("one file left")
    whole = wanted_of(standing("two files").state("foo"))
    assert asked(book, whole) == ["RestoreFile"]


def removed_while_archived() -> Book:
    book = standing("archived")
    book.do(r.UnpublishProject("foo", BECAUSE, "foo", r.Facts(FACT), OWNER))
    assert book.state("foo").state == "placeholder" and book.state("foo").archived is not None
    return book


def test_what_lay_over_a_project_when_it_was_removed_is_left_alone_until_it_comes_back() -> None:
    book, nothing = removed_while_archived(), wanted_of(None)
    assert asked(book, nothing) == []
    before = standing("archived")
    back = wanted_of(state_of(before), archived=None)
    assert asked(book, back) == ["Restore", "Unarchive"]
    book.do(*reconcile(state_of(book), back, POLICY.version_rule))
    assert book.state("foo").archived is None and book.state("foo").state == "registered"


def test_an_archived_project_that_is_to_be_gone_is_opened_first() -> None:
    assert asked(standing("archived"), wanted_of(None))[:1] == ["Unarchive"]
