"""Policies as data: presets, what a registry may change, phases, and how the next one is announced."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import strict
from keys.strict import Malformed
from keys.times import stamp
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.announcing import NotAnnounced, Published, announce, differences, in_force
from repo_service.domain.case import Accepted, Refusal, Why
from repo_service.domain.decide import decide, judge
from repo_service.domain.policy import RULES, Phases, Policy, Step, enforced_from, flat, parse, phase, preset
from repo_service.wiring import presets
from tests.domain import policy_doc
from tests.domain.book import Book
from tests.domain.cases import a_file, standing, unpublish
from tests.domain.test_refusals import REFUSED
from tests.world import ADMIN, BECAUSE, BEGIN, OWNER, publishing

PRESETS: Final = presets()
STANDARD: Final = preset("standard", PRESETS)
OWN: Final = 'extends = "standard"\nname = "acme"\nversion = 1\n'


SESSIONS_OFF: Final = (Phases("step_up_required", (Step("off"),)),)


def own(text: str = "") -> Policy:
    return parse(OWN + text, PRESETS)


def later(days: float) -> str:
    return stamp(BEGIN + timedelta(days=days))


def phased(code: str, *steps: Step) -> Policy:
    """The standard policy with this rule so, and nothing asked of sessions."""
    return replace(STANDARD, phases=(Phases(code, steps), *SESSIONS_OFF))


def judged(book: Book, request: r.Request, policy: Policy) -> Accepted | Refusal:
    name = book.names.get(request.name, c.Name(request.name, None, None))
    return decide(name, request, policy, book.now, book.around(request))


def codes(book: Book, request: r.Request, policy: Policy) -> list[str]:
    return codes_of(judged(book, request, policy))


def codes_of(decision: Accepted | Refusal) -> list[str]:
    return [why.code for why in decision.reasons] if isinstance(decision, Refusal) else []


# Presets, and files on top of them.


def test_the_presets_are_those_that_we_promise() -> None:
    assert set(PRESETS) == {"standard", "pypi", "pypi-strict", "npm", "npm-2016", "crates"} == set(policy_doc.ORDER)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_named_as_its_file_and_reads_back_as_it_is_signed(name: str) -> None:
    found = preset(name, PRESETS)
    assert found.name == name
    assert strict.load(Policy, strict.parse(Published(stamp(BEGIN), stamp(BEGIN), found).body)["policy"]) == found  # type: ignore[index]


def test_every_parameter_is_explained_in_the_standard_preset() -> None:
    sections = {path for path in flat(STANDARD) if "." in path}
    assert policy_doc.explained().keys() == sections
    assert all(len(text) > 10 for text in policy_doc.explained().values())


def test_policy_md_shows_what_the_presets_say() -> None:
    text = policy_doc.POLICY_MD.read_text()
    shown = text.partition(policy_doc.BEGIN)[2].partition(policy_doc.END)[0]
    assert shown == policy_doc.tables(), "python -m tests.domain.policy_doc writes them again"


def test_the_example_of_policy_md_is_a_policy() -> None:
    text = policy_doc.POLICY_MD.read_text()
    example = parse(text.partition("```toml\n")[2].partition("```")[0], PRESETS)
    assert example.id == "acme/1"
    assert [*map(str, differences(STANDARD, example))] == [
        "name: 'standard' -> 'acme'",
        "yank.reason_required: False -> True",
        "unpublish.window_s: 259200 -> 86400",
        f"phases: {strict.dump(STANDARD.phases)} -> {strict.dump(example.phases)}",
        "effective_from: None -> '2027-01-15T00:00:00Z'",
    ]


def test_an_own_policy_differs_only_where_it_says_so() -> None:
    found = own("[unpublish]\nwindow_s = 60\n[phases]\nreason_missing = [{ phase = 'off' }]\n")
    assert (found.unpublish.window_s, found.unpublish.project) == (60, STANDARD.unpublish.project)
    assert [each.code for each in found.phases] == [
        *(each.code for each in STANDARD.phases[:2]),
        "reason_missing",
        "step_up_required",
    ]
    assert replace(
        found, name="standard", unpublish=STANDARD.unpublish, phases=STANDARD.phases
    ) == STANDARD  # fmt: skip


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("unpublsh = 1", "unpublsh"),
        ("[unpublish]\nwindow = 3", "unpublish.window"),
        ("[unpublish]\nwindow_s = '3'", "unpublish.window_s"),
        ("[unpublish]\nwindow_s = -1", "unpublish.window_s"),
        ("[unpublish]\nwindow_s = 9007199254740991", "unpublish.window_s"),
        ("[reservations]\ndays = [180, -90]", "reservations.days"),
        ("[reservations]\ndays = []", "reservations"),
        ("[yank]\nbrake_percent = 101", "yank"),
        ("[restore]\npurge_after_s = 2591999", "restore"),
        ("[contact]\nverified_for = ['sing']", "contact.verified_for[0]"),
        ("effective_from = '2027-01-01'", ""),
        ("emergency = ''", ""),
        ("phases = 3", "phases"),
        ("[phases]\nrole_insufficient = [{ phase = 'off' }]", "phases[2].role_insufficient"),
        ("[phases]\nfacts_stale = [{ phase = 'warn' }]", "phases[2].facts_stale"),
        ("[phases]\nreason_missing = []", "phases[2].reason_missing"),
        ("[phases]\nreason_missing = [{ phase = 'warn', since = '2027-01-01T00:00:00Z' }]", "phases[2].reason_missing"),
        ("[phases]\nreason_missing = [{ phase = 'warn' }, { phase = 'enforce' }]", "phases[2].reason_missing"),
        ("[phases]\nreason_missing = [{ phase = 'worn' }]", "phases[2].steps[0].phase"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(text: str, where: str) -> None:
    with pytest.raises(Malformed) as refused:
        own(text)
    assert refused.value.where == where


def test_phases_are_in_order_of_time() -> None:
    steps = (Step("off"), Step("enforce", later(2)), Step("warn", later(1)))
    with pytest.raises(Malformed, match="not in order"):
        Phases("reason_missing", steps)


@pytest.mark.parametrize(
    "text",
    [
        'extends = "pypy"\nname = "acme"\nversion = 1',
        'extends = "pypi"\nname = "pypi"\nversion = 2',
        "= 3",
        'name = "a"',
    ],
)
def test_a_policy_on_no_preset_under_a_presets_name_or_of_no_form_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text, PRESETS)


@pytest.mark.parametrize("name", ["", "a" * 201])
def test_a_policy_whose_name_makes_no_path_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        parse(f'extends = "pypi"\nname = "{name}"\nversion = 1', PRESETS)


# Presets, in what they decide.


@pytest.mark.parametrize(
    ("name", "age", "refused"),
    [
        ("standard", {"hours": 71}, []),
        ("standard", {"hours": 72}, ["unpublish_window_over"]),
        ("pypi", {"days": 4000}, []),
        ("pypi-strict", {"hours": 71}, []),
        ("pypi-strict", {"hours": 72}, ["unpublish_window_over"]),
        ("npm", {"hours": 71}, []),
        ("npm", {"hours": 72}, ["facts_missing", "facts_missing"]),
        ("npm-2016", {"hours": 23}, []),
        ("npm-2016", {"hours": 24}, ["unpublish_window_over"]),
        ("crates", {"hours": 0}, ["feature_disabled", "unpublish_window_over"]),
    ],
)
def test_each_preset_has_its_own_window(name: str, age: dict[str, float], refused: list[str]) -> None:
    book = standing("registered")
    book.tick(**age)
    contact = r.Contact("verified", stamp(book.now))
    request = unpublish(book, actor=replace(OWNER, contact=contact))
    assert codes(book, request, preset(name, PRESETS)) == refused


def test_a_pre_release_goes_at_any_age_under_pypi_strict() -> None:
    book = Book()
    book.do(publishing("foo", "1.0rc1"))
    book.tick(days=400)
    request = unpublish(book, "1.0rc1", replace(OWNER, contact=r.Contact("verified", stamp(book.now))))
    assert codes(book, request, preset("pypi-strict", PRESETS)) == []
    assert codes(book, request, STANDARD) == ["unpublish_window_over"]


@pytest.mark.parametrize(("name", "refused"), [("npm-2016", []), ("pypi", []), ("npm", ["has_dependents"])])
def test_dependents_count_where_the_policy_counts_them(name: str, refused: list[str]) -> None:
    book = standing("registered")
    verified = replace(OWNER, contact=r.Contact("verified", stamp(book.now)))
    request = r.Unpublish("foo", "1.0", BECAUSE, r.Fact(1, stamp(book.now)), verified)
    assert codes(book, request, preset(name, PRESETS)) == refused


def test_under_pypi_a_project_without_releases_stays_its_owners() -> None:
    book = standing("registered")
    verified = replace(OWNER, contact=r.Contact("verified", stamp(book.now)))
    decision = judged(book, unpublish(book, actor=verified), preset("pypi", PRESETS))
    assert isinstance(decision, Accepted)
    assert decision.changes == (c.ReleaseUnpublished("1.0"),)


@pytest.mark.parametrize(
    ("name", "request_", "refused"),
    [
        ("npm", r.Yank("foo", "1.0", None, OWNER), ["feature_disabled"]),
        ("npm", r.Yank("foo", "1.0", None, replace(ADMIN, approver="account-8")), []),
        ("pypi", r.Yank("foo", "1.0", None, OWNER), []),
        ("npm", r.Reserve("bar", OWNER), ["feature_disabled"]),
        ("standard", r.Reserve("bar", OWNER), []),
        ("npm", r.Archive("foo", BECAUSE, OWNER), ["feature_disabled"]),
        ("pypi", r.Archive("foo", BECAUSE, OWNER), []),
        ("crates", r.Deprecate("foo", BECAUSE), ["feature_disabled"]),
        ("crates", r.DeprecateRelease("foo", "1.0", BECAUSE), ["feature_disabled"]),
        ("standard", r.DeprecateRelease("foo", "1.0", BECAUSE), []),
    ],
)
def test_what_a_registry_does_not_offer_is_disabled_for_owners(
    name: str, request_: r.Request, refused: list[str]
) -> None:
    assert codes(standing("registered"), request_, preset(name, PRESETS)) == refused


@pytest.mark.parametrize(("seconds", "refused"), [(-1, []), (0, ["release_closed"])])
def test_an_owner_adds_files_for_as_long_as_the_policy_says(seconds: int, refused: list[str]) -> None:
    book = standing("registered")
    book.tick(days=14, seconds=seconds)
    wheel = a_file("foo-1.0-py3-none-any.whl")
    assert codes(book, r.Publish("foo", "1.0", (wheel,), OWNER), STANDARD) == refused
    assert codes(book, r.Publish("foo", "1.0", (wheel,), r.Actor("system")), STANDARD) == []
    assert codes(book, publishing("foo"), STANDARD) == []  # what is there already is no new file


def test_a_yank_says_why_where_the_policy_asks() -> None:
    book, strict_one = standing("registered"), own("[yank]\nreason_required = true\n")
    assert codes(book, r.Yank("foo", "1.0", None, OWNER), strict_one) == ["reason_missing"]
    assert codes(book, r.Yank("foo", "1.0", BECAUSE, OWNER), strict_one) == []


# A verified contact.


@pytest.mark.parametrize(
    ("state", "age", "said"),
    [
        (None, 0, "unknown"),
        ("unverified", 0, "unverified"),
        ("suppressed", 0, "suppressed"),
        ("verified", 86401, "stale"),
        ("verified", -301, "stale"),
        ("verified", 86400, None),
        ("verified", -300, None),
    ],
)
def test_a_contact_that_is_missing_or_stale_is_not_verified(state: Any, age: int, said: str | None) -> None:
    contact = r.Contact(state, stamp(BEGIN - timedelta(seconds=age))) if state else None
    enforcing = phased("contact_unverified", Step("enforce"))
    decision = judged(Book(), publishing("foo", actor=replace(OWNER, contact=contact)), enforcing)
    found = [why.params["contact"] for why in decision.reasons] if isinstance(decision, Refusal) else [None]
    assert found == [said]


def test_nobody_needs_a_verified_contact_to_yank_or_to_act_for_the_registry() -> None:
    enforcing, book = phased("contact_unverified", Step("enforce")), standing("registered")
    assert codes(book, r.Yank("foo", "1.0", BECAUSE, OWNER), enforcing) == []
    assert codes(Book(), publishing("foo", actor=r.Actor("system")), enforcing) == []


def test_the_standard_policy_warns_of_an_unverified_contact_and_lets_it_pass() -> None:
    decision = judged(Book(), publishing("foo"), STANDARD)
    assert isinstance(decision, Accepted)
    assert [(each.code, each.enforced_from) for each in decision.warnings] == [
        ("contact_unverified", None),
    ]


# How an account is known.


def auth_codes(act: str, auth: r.Auth | None, policy: Policy) -> list[str]:
    """Why an owner known like this may not do it."""
    book = standing("placeholder" if act == "restore" else "registered")
    actor = replace(OWNER, auth=auth, contact=r.Contact("verified", stamp(book.now)))
    requests: dict[str, r.Request] = {
        "publish": publishing("foo", "2.0", actor=actor),
        "unpublish": unpublish(book, actor=actor),
        "restore": r.Restore("foo", "1.0", BECAUSE, actor),
        "yank": r.Yank("foo", "1.0", BECAUSE, actor),
        "archive": r.Archive("foo", None, actor),
    }
    return codes(book, requests[act], policy)


STEP_UP: Final = ["step_up_required"]
JUST_NOW: Final = stamp(BEGIN)


@pytest.mark.parametrize(
    ("act", "auth", "refused"),
    [
        ("publish", None, STEP_UP),
        ("publish", r.Auth("session"), STEP_UP),
        ("publish", r.Auth("token", mfa=True), []),
        ("publish", r.Auth("trusted_publisher", mfa=True), []),
        ("restore", r.Auth("session", mfa=True), []),
        ("unpublish", None, STEP_UP),
        ("unpublish", r.Auth("session", True, JUST_NOW), []),
        ("unpublish", r.Auth("session", True, later(-600 / 86400)), []),
        ("unpublish", r.Auth("session", True, later(-601 / 86400)), STEP_UP),
        ("unpublish", r.Auth("session", True, later(301 / 86400)), STEP_UP),
        ("unpublish", r.Auth("session", True), STEP_UP),
        ("unpublish", r.Auth("session", False), [*STEP_UP, *STEP_UP]),
        ("unpublish", r.Auth("token", True, JUST_NOW), STEP_UP),
        ("unpublish", r.Auth("trusted_publisher", True, JUST_NOW), STEP_UP),
        ("archive", None, []),
        ("yank", None, []),
    ],
)
def test_an_account_acts_with_a_second_factor_and_removes_in_a_session_confirmed_just_now(
    act: str, auth: r.Auth | None, refused: list[str]
) -> None:
    assert auth_codes(act, auth, replace(STANDARD, phases=())) == refused


def test_where_tokens_may_remove_and_any_session_counts_nothing_is_asked_of_a_removal() -> None:
    lax = replace(STANDARD.contact, mfa_for=(), reauth_s=0, tokens_may_remove=True)
    policy = replace(STANDARD, contact=lax, phases=())
    for auth in (None, r.Auth("token"), r.Auth("session")):
        assert auth_codes("unpublish", auth, policy) == []
    strict_one = replace(policy, contact=replace(lax, tokens_may_remove=False))
    assert auth_codes("unpublish", r.Auth("token"), strict_one) == STEP_UP
    assert auth_codes("unpublish", r.Auth("session"), strict_one) == []


def test_yank_stays_allowed_with_an_unverified_contact_whatever_else_is_refused() -> None:
    """Edge case 56: a yank protects users; no policy can make it wait for somebody's contact."""
    policy, book = replace(STANDARD, phases=()), standing("registered")
    unverified = replace(OWNER, contact=r.Contact("unverified", JUST_NOW))
    assert codes(book, r.Yank("foo", "1.0", BECAUSE, unverified), policy) == []
    assert "contact_unverified" in codes(book, publishing("foo", "2.0", actor=unverified), policy)
    with pytest.raises(Malformed, match="a yank protects users"):
        own("[contact]\nverified_for = ['yank']\n")


def test_a_contact_that_takes_no_messages_is_told_apart_from_one_that_is_not_verified() -> None:
    suppressed = replace(OWNER, contact=r.Contact("suppressed", JUST_NOW))
    book = Book()
    assert codes(book, publishing("foo", actor=suppressed), preset("pypi", PRESETS)) == ["contact_suppressed"]


# Phases.


def test_a_rule_goes_from_off_to_warn_to_enforce_on_the_second() -> None:
    found = phased("unpublish_window_over", Step("off"), Step("warn", later(10)), Step("enforce", later(20)))
    second = timedelta(seconds=1)
    assert phase(found, "unpublish_window_over", BEGIN) == "off"
    for days, before, after in ((10, "off", "warn"), (20, "warn", "enforce")):
        turn = BEGIN + timedelta(days=days)
        assert [phase(found, "unpublish_window_over", at) for at in (turn - second, turn)] == [before, after]
    assert enforced_from(found, "unpublish_window_over", BEGIN) == later(20)
    assert enforced_from(found, "unpublish_window_over", BEGIN + timedelta(days=20)) is None


@given(st.text(max_size=20) | st.sampled_from(sorted(RULES)), st.integers(-30000, 30000))
def test_a_rule_without_phases_is_always_enforced(code: str, days: int) -> None:
    assert phase(replace(STANDARD, phases=()), code, BEGIN + timedelta(days=days)) == "enforce"


def test_judge_refuses_warns_and_is_silent_by_phase() -> None:
    found = replace(
        STANDARD,
        phases=(Phases("has_dependents", (Step("off"),)), Phases("reason_missing", (Step("warn"),))),
    )
    reasons = [Why(code, code) for code in ("has_dependents", "reason_missing", "role_insufficient")]
    refusing, warned = judge(reasons, found, BEGIN)
    assert [why.code for why in refusing] == ["role_insufficient"]
    assert [each.code for each in warned] == ["reason_missing"]


@pytest.mark.parametrize(("at", "warned"), [("warn", ["has_dependents"]), ("off", [])])
def test_what_a_rule_does_not_refuse_yet_is_done(at: Any, warned: list[str]) -> None:
    book = standing("registered")
    request = r.Unpublish("foo", "1.0", BECAUSE, r.Fact(1, stamp(book.now)), OWNER)
    quiet = replace(STANDARD, contact=replace(STANDARD.contact, verified_for=()))
    decision = judged(book, request, replace(quiet, phases=(Phases("has_dependents", (Step(at),)), *SESSIONS_OFF)))
    assert isinstance(decision, Accepted)
    assert c.ReleaseUnpublished("1.0") in decision.changes
    assert [each.code for each in decision.warnings] == warned


@pytest.mark.parametrize(("state", "ask", "refused"), REFUSED)
def test_with_every_rule_off_what_only_a_rule_refused_is_done_and_all_else_stays_refused(
    state: str, ask: Any, refused: list[str]
) -> None:
    book = standing(state)
    request = ask(book)
    decision = judged(book, request, replace(book.policy, phases=tuple(Phases(code, (Step("off"),)) for code in RULES)))
    left = [code for code in refused if code not in RULES]
    assert codes_of(decision) == left
    assert left or (isinstance(decision, Accepted) and decision.changes)


def test_of_what_the_state_of_a_name_refuses_only_time_use_and_new_names_have_phases() -> None:
    """Nothing that protects somebody else's name, files or rights can be switched off."""
    known = {code for _, _, refused in REFUSED for code in refused}
    windows = {"unpublish_window_over", "restore_window_over"}
    use = {"has_dependents", "too_many_downloads", "multiple_owners"}
    new = {"name_similar", "name_stdlib", "reservation_quota"}
    assert known & RULES.keys() == windows | use | new


def test_a_natural_no_op_is_a_success_while_a_rule_only_warns() -> None:
    book = standing("registered")
    decision = judged(book, publishing("foo"), STANDARD)
    assert isinstance(decision, Accepted)
    assert decision.changes == ()


def test_a_missing_fact_is_never_phased_out() -> None:
    book = standing("registered")
    request = r.Unpublish("foo", "1.0", BECAUSE, None, OWNER)
    assert codes(book, request, phased("has_dependents", Step("off")))[-1] == "facts_missing"


# The next version.


ADMINS = ("admin-1", "admin-2")


def announced(*policies: Policy) -> list[Published]:
    """Each published 40 days after the one before."""
    found: list[Published] = []
    for number, each in enumerate(policies):
        found.append(announce(each, found, BEGIN + timedelta(days=40 * number)))
    return found


def test_the_notice_is_what_the_policy_in_force_asks_for() -> None:
    first = announced(STANDARD)
    hasty = "[announcement]\nnotice_days = 0\n"
    for effective, text in ((None, "not given"), (later(29.99), later(29.99))):
        new = replace(own(hasty), effective_from=effective)
        with pytest.raises(NotAnnounced, match=f"{text}; people need notice until {later(30)}.*Nothing was written"):
            announce(new, first, BEGIN)
    assert announce(replace(own(hasty), effective_from=later(30)), first, BEGIN).effective_from == later(30)


def test_an_emergency_takes_effect_at_once_and_says_why() -> None:
    urgent = own("emergency = 'a worm publishes releases'\n")
    published = announce(urgent, announced(STANDARD), BEGIN, ADMINS)
    assert published.effective_from == stamp(BEGIN)
    assert b"a worm publishes releases" in published.body
    assert b"admin-1" not in published.body


@pytest.mark.parametrize("behind", [(), ("admin-1",), ("admin-1", "admin-1"), ("admin-1", "")])
def test_an_emergency_takes_two_admins_and_only_an_emergency_does(behind: tuple[str, ...]) -> None:
    urgent = own("emergency = 'a worm publishes releases'\n")
    with pytest.raises(NotAnnounced, match=r"two admins stand behind it.*--approved-by.*Nothing was written"):
        announce(urgent, announced(STANDARD), BEGIN, behind)
    assert announce(replace(urgent, effective_from=later(30)), announced(STANDARD), BEGIN, behind)


def test_no_policy_judges_the_past() -> None:
    with pytest.raises(NotAnnounced, match="past"):
        announce(replace(own("emergency = 'x'\n"), effective_from=later(-1)), announced(STANDARD), BEGIN)


def test_the_first_policy_takes_effect_at_once() -> None:
    with pytest.raises(NotAnnounced, match="first policy"):
        announce(replace(own(), effective_from=later(40)), (), BEGIN)
    assert announce(replace(own(), effective_from=later(-40)), (), BEGIN).effective_from == stamp(BEGIN)


@pytest.mark.parametrize("version", [1, 3])
def test_versions_of_a_policy_follow_each_other(version: int) -> None:
    with pytest.raises(NotAnnounced, match="the next of standard is 2"):
        announce(replace(STANDARD, version=version, effective_from=later(40)), announced(STANDARD), BEGIN)


def test_the_policy_published_last_judges_as_soon_as_it_takes_effect() -> None:
    second = replace(own(), effective_from=later(80))
    published = announced(STANDARD, second)
    at = BEGIN + timedelta(days=80)
    assert in_force(published, at - timedelta(seconds=1)) == STANDARD
    assert in_force(published, at) == second


def test_an_emergency_is_not_undone_by_what_was_announced_before_it() -> None:
    announced_before = replace(own(), effective_from=later(60))
    urgent = replace(own("emergency = 'x'\n"), version=2)
    published = [*announced(STANDARD), announce(announced_before, announced(STANDARD), BEGIN)]
    published.append(announce(urgent, published, BEGIN, ADMINS))
    assert in_force(published, BEGIN + timedelta(days=100)) == urgent
