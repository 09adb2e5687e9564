"""New names: how they are spelled, what they must not look like, and how fast an account may take them."""

from dataclasses import replace
from importlib.resources import files
from typing import Any, Final

import pytest

from keys.names import normalise
from keys.skeletons import skeleton
from keys.strict import Malformed
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain import words
from repo_service.domain.case import Accepted, Refusal, Why
from repo_service.domain.policy import Phases, Policy, Step, parse, preset
from repo_service.wiring import presets
from tests.domain.book import POLICY, Book
from tests.domain.cases import SUPPORT, SYSTEM, standing
from tests.domain.test_policy import codes, judged
from tests.world import ADMIN, BECAUSE, OWNER, STRANGER, publishing

CRATES: Final = preset("crates", presets())
NPM: Final = preset("npm", presets())


def with_names(**names: Any) -> Policy:
    return replace(POLICY, names=replace(POLICY.names, **names))


def reserve(name: str, actor: r.Actor = STRANGER, **more: Any) -> r.Reserve:
    return r.Reserve(name, actor, **more)


def spelled(spelling: str) -> r.Request:
    return reserve(normalise(spelling), display=spelling)


def why(book: Book, request: r.Request, policy: Policy = POLICY) -> tuple[Why, ...]:
    decision = judged(book, request, policy)
    return decision.reasons if isinstance(decision, Refusal) else ()


# Look-alikes.


@pytest.mark.parametrize("state", ["registered", "reserved", "placeholder", "prohibited", "quarantined", "claimed"])
def test_a_name_that_looks_like_one_that_somebody_has_or_nobody_may_have_is_refused(state: str) -> None:
    """PyPI compares with existing projects only, so a look-alike of a prohibited name passes there."""
    book = standing(state)
    for request in (reserve("f00"), publishing("f-o-o", actor=STRANGER)):
        (only,) = why(book, request)
        assert (only.code, only.params) == ("name_similar", {"similar_to": "foo"})


def test_a_name_that_looks_like_one_held_offline_is_refused() -> None:
    assert standing("held").codes(reserve("f00")) == ["name_similar"]


@pytest.mark.parametrize("state", ["absent", "vacant"])
def test_a_name_that_looks_like_one_that_nobody_has_is_free(state: str) -> None:
    assert standing(state).codes(reserve("f00")) == []


def test_a_name_given_up_is_asked_again_what_it_looks_like() -> None:
    book = standing("vacant")
    book.do(reserve("f00"))
    assert book.codes(r.Reserve("foo", OWNER)) == ["name_similar"]


@pytest.mark.parametrize(
    ("similar", "refused", "warned"),
    [("block", ["name_similar"], []), ("observe", [], ["name_similar"]), ("off", [], [])],
)
def test_look_alikes_are_blocked_observed_or_let_pass_as_the_policy_says(
    similar: str, refused: list[str], warned: list[str]
) -> None:
    decision = judged(standing("registered"), reserve("f00"), with_names(similar=similar))
    if isinstance(decision, Refusal):
        assert [each.code for each in decision.reasons] == refused
        return
    assert [each.code for each in decision.warnings if each.code == "name_similar"] == warned
    (change,) = decision.changes
    assert isinstance(change, c.NameReserved)
    assert (change.alike, refused) == (("foo",), []), "I22: equal skeletons are on record whatever the policy says"


def test_support_makes_an_exception_for_an_account_and_the_event_says_which_names_it_looks_like() -> None:
    book = standing("registered")
    request = reserve("f00", SUPPORT, holder_id="account-2")
    decision = judged(book, request, POLICY)
    assert isinstance(decision, Accepted)
    assert [each.code for each in decision.warnings] == ["name_similar"]
    assert decision.holder == "account-2"
    book.do(request)
    assert book.events[-1].change == replace(book.events[-1].change, alike=("foo",))
    assert book.do(publishing("f00", actor=STRANGER)) == ["reservation.converted", "release.published"]
    assert book.do(publishing("foo", "2.0")) == ["release.published"], "and the first goes on as before"


def test_an_import_brings_existing_look_alikes_along_and_says_so() -> None:
    book = standing("registered")
    request = publishing("f00", actor=SYSTEM)
    decision = judged(book, request, POLICY)
    assert isinstance(decision, Accepted)
    assert decision.changes[0] == c.ProjectCreated("f00", ("foo",))
    assert [each.code for each in decision.warnings] == ["name_similar"]
    book.do(request)
    assert book.do(publishing("f00", "2.0", actor=OWNER), publishing("foo", "2.0")) == ["release.published"]


def test_an_exception_to_a_rule_that_is_off_is_silent() -> None:
    off = replace(POLICY, phases=(Phases("name_similar", (Step("off"),)),))
    decision = judged(standing("registered"), reserve("f00", SUPPORT, holder_id="account-2"), off)
    assert isinstance(decision, Accepted) and decision.warnings == ()


def test_only_the_registry_reserves_for_somebody_else() -> None:
    with pytest.raises(ValueError, match="holder_id"):
        reserve("f00", OWNER, holder_id="account-2")


def test_every_name_with_the_skeleton_of_another_says_so_in_its_event() -> None:
    """I22: equal skeleton only if flagged."""
    book = Book()
    for name in ("foo", "f00", "fo-o"):
        book.do(publishing(name, actor=SYSTEM))
    created = [event.change for event in book.events if isinstance(event.change, c.ProjectCreated)]
    assert [change.alike for change in created] == [(), ("foo",), ("f00", "foo")]


# Words.


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (POLICY, "dataclasses"),
        (POLICY, "cProfile"),
        (POLICY, "py_compile"),
        (POLICY, "distutils"),
        (POLICY, "annotationlib"),
        (POLICY, "con"),
        (POLICY, "lpt1"),
        (NPM, "child_process"),
        (NPM, "node_modules"),
        (NPM, "nul"),
        (CRATES, "async"),
        (CRATES, "proc_macro"),
        (CRATES, "aux"),
    ],
)
def test_a_module_of_the_language_and_a_device_of_windows_are_no_new_names(policy: Policy, name: str) -> None:
    assert "name_stdlib" in [each.code for each in why(Book(), publishing(normalise(name)), policy)]
    assert "name_stdlib" not in [
        each.code
        for each in why(
            Book(), publishing(normalise(name)), replace(policy, names=replace(policy.names, language_modules="off"))
        )
    ]


@pytest.mark.parametrize(("policy", "name"), [(POLICY, "fs"), (NPM, "dataclasses"), (CRATES, "sys")])
def test_the_words_are_those_of_the_grammars_own_language(policy: Policy, name: str) -> None:
    assert not words.is_reserved(name, policy)


def test_what_looks_like_a_module_of_the_language_is_no_new_name_either() -> None:
    (only,) = why(Book(), publishing("s0cket"))
    assert (only.code, only.params) == ("name_similar", {"similar_to": "socket"})


def test_a_project_goes_on_when_its_name_becomes_a_module_of_the_language() -> None:
    book = Book()
    book.do(publishing("tomllib", actor=SYSTEM), r.Reserve("zoneinfo", SUPPORT, holder_id=OWNER.id))
    assert book.do(publishing("tomllib", "2.0")) == ["release.published"]
    assert book.do(publishing("zoneinfo")) == ["reservation.converted", "release.published"]


def test_no_two_words_of_a_list_look_alike() -> None:
    """They are found by what they look like, so one of two would be lost."""
    folder = files("repo_service.domain").joinpath("presets")
    for grammar in ("pep508", "npm", "crates"):
        text = "".join(folder.joinpath(f"{each}.words").read_text() for each in (grammar, "windows"))
        listed = [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]
        assert len(listed) > 70
        assert len({skeleton(normalise(word)) for word in listed}) == len(listed)


# Spellings.


@pytest.mark.parametrize(
    ("policy", "spelling", "allowed"),
    [
        (POLICY, "Foo.Bar_9", True),
        (POLICY, "9foo", True),
        (POLICY, "xn--foo", True),
        (NPM, "foo.bar_9", True),
        (NPM, "Foo", False),
        (NPM, "9foo", True),
        (CRATES, "Foo_bar-9", True),
        (CRATES, "foo.bar", False),
        (CRATES, "9foo", False),
        (CRATES, "a" * 64, True),
        (CRATES, "a" * 65, False),
    ],
)
def test_a_new_name_is_spelled_as_the_grammar_allows(policy: Policy, spelling: str, allowed: bool) -> None:
    found = [each.code for each in why(Book(), spelled(spelling), policy)]
    assert ("name_invalid" not in found) == allowed


def test_a_name_is_not_spelled_otherwise_when_it_is_published() -> None:
    book = Book()
    book.do(r.Reserve("foo-bar", OWNER, display="foo_bar"))
    assert "name_invalid" in codes(book, publishing("foo-bar", display="Foo-Bar"), NPM)
    assert "name_invalid" not in codes(book, publishing("foo-bar"), NPM)
    book.do(publishing("foo-bar"))
    assert book.state("foo-bar").display == "foo_bar", "and keeps its spelling"


def test_a_grammar_asks_new_names_only() -> None:
    book = Book()
    book.do(spelled("9foo"))
    assert "name_invalid" not in codes(book, publishing("9foo", actor=STRANGER), CRATES)


@pytest.mark.parametrize("spelling", ["Foo.Bar", "foo--bar", "FOO_bar"])
def test_spellings_that_normalise_to_one_name_are_one_name(spelling: str) -> None:
    book = Book()
    book.do(publishing("foo-bar", display="foo-bar"))
    assert book.codes(spelled(spelling)) == ["name_taken"]


# How fast, and how much.


def test_an_account_takes_as_many_new_names_as_the_policy_says_and_hears_when_it_may_go_on() -> None:
    book, policy = Book(), with_names(new_per_hour=6, new_burst=2)
    book.do(publishing("a1"))
    book.tick(minutes=5)
    book.do(r.Reserve("b2", OWNER))
    (only,) = why(book, publishing("c3"), policy)
    assert (only.code, only.params["retry_after"]) == ("rate_limited", "2026-11-22T10:20:00Z")
    assert codes(book, publishing("c3", actor=STRANGER), policy) == []
    assert codes(book, publishing("c3", actor=SYSTEM), policy) == []
    assert codes(book, publishing("a1", "2.0"), policy) == []
    assert codes(book, publishing("b2"), policy) == [], "it has this one already"
    assert codes(book, publishing("c3"), with_names(new_per_hour=0)) == []
    book.tick(minutes=15, seconds=-1)
    assert codes(book, publishing("c3"), policy) == ["rate_limited"]
    book.tick(seconds=1)
    assert codes(book, publishing("c3"), policy) == []


def test_an_account_yanks_as_fast_as_the_policy_says() -> None:
    book, policy = Book(), replace(POLICY, yank=replace(POLICY.yank, interval_s=60, burst=2))
    book.do(*(publishing("foo", f"{number}.0") for number in range(5)))
    book.do(r.Yank("foo", "1.0", None, OWNER), r.Yank("foo", "2.0", None, OWNER))
    (only,) = why(book, r.Yank("foo", "3.0", None, OWNER), policy)
    assert (only.code, only.params["retry_after"]) == ("rate_limited", "2026-11-22T10:02:00Z")
    assert codes(book, r.Yank("foo", "3.0", None, STRANGER), policy) == []
    assert codes(book, r.Yank("foo", "3.0", BECAUSE, ADMIN), policy) == []
    assert codes(book, r.Yank("foo", "3.0", None, OWNER), POLICY) == []
    book.tick(seconds=120)
    assert codes(book, r.Yank("foo", "3.0", None, OWNER), policy) == []


def of_reservations(**limits: int) -> Policy:
    return replace(POLICY, reservations=replace(POLICY.reservations, **limits))


def test_an_account_holds_no_more_reservations_than_the_policy_says() -> None:
    book, policy = Book(), of_reservations(per_holder=2, per_day=0)
    book.do(r.Reserve("a1", OWNER), r.Reserve("b2", SUPPORT, holder_id=OWNER.id))
    (only,) = why(book, r.Reserve("c3", OWNER), policy)
    assert (only.code, only.params) == ("reservation_quota", {"holds": 2, "most": 2})
    assert codes(book, r.Reserve("c3", STRANGER), policy) == []
    assert codes(book, r.Reserve("c3", SUPPORT, holder_id=OWNER.id), policy) == []
    assert codes(book, publishing("c3"), policy) == []
    assert codes(book, r.Reserve("c3", OWNER), of_reservations(per_holder=0)) == []
    book.do(publishing("a1"))
    assert codes(book, r.Reserve("c3", OWNER), policy) == []


def test_an_account_makes_no_more_reservations_a_day_than_the_policy_says() -> None:
    book, policy = Book(), of_reservations(per_day=2)
    book.do(r.Reserve("a1", OWNER), r.Release("a1", OWNER), r.Reserve("b2", OWNER))
    (only,) = why(book, r.Reserve("c3", OWNER), policy)
    assert (only.code, only.params["retry_after"]) == ("reservation_quota", "2026-11-23T10:00:00Z")
    assert codes(book, publishing("c3"), policy) == []
    assert codes(book, r.Reserve("c3", OWNER), of_reservations(per_day=0)) == []
    book.tick(hours=24)
    assert codes(book, r.Reserve("c3", OWNER), policy) == []


def test_the_registry_itself_is_not_limited() -> None:
    book = Book()
    tight = replace(of_reservations(per_holder=1, per_day=1), names=replace(POLICY.names, new_per_hour=1, new_burst=1))
    for name in ("a1", "b2"):
        assert codes(book, r.Reserve(name, SUPPORT), tight) == []
        book.do(r.Reserve(name, SUPPORT))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[names]\nnew_burst = 0", "burst is 0"),
        ("[yank]\ninterval_s = 60\nburst = 0", "burst is 0"),
        ("[yank]\ninterval_s = 3000000000\nburst = 1000000", "a century"),
    ],
)
def test_a_limit_that_nobody_could_keep_is_no_policy(text: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        parse(f'extends = "standard"\nname = "acme"\nversion = 1\n{text}\n', presets())


def test_a_project_is_shown_in_another_spelling_and_stays_the_same_name() -> None:
    """Edge cases 18 and 61: an event of its own, and nothing else changes."""
    book = Book()
    book.do(publishing("foo-bar"))
    assert book.do(r.Respell("foo-bar", "Foo.Bar")) == ["project.display_name_changed"]
    assert book.state("foo-bar").display == "Foo.Bar" and book.do(r.Respell("foo-bar", "Foo.Bar")) == []
    with pytest.raises(ValueError, match="is not a spelling of foo-bar"):
        r.Respell("foo-bar", "foobar")
