"""May it be installed? Every state, in the order of precedence, and in words for a person."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from client_verify.accepted import Accepted
from client_verify.verdict import BY, Install, Refuse, Warn, of_file, of_name, of_range, of_version
from keys.state import ActorClass, Deprecation, HeldYank, Removal, Reservation, Takedown, installable
from tests import paper

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
ONE = paper.release(NOW, "1.0", paper.wheel("flask", "1.0"))
TWO = paper.release(NOW, "2.0", paper.wheel("flask", "2.0"))
YANKED = paper.yanked(NOW, ONE, "leaks memory")
SECURITY = paper.yanked(NOW, ONE, "CVE-2026-1", kind="security")
REMOVED = paper.removed(NOW, ONE, "published by mistake")
QUARANTINE = paper.mark(NOW, "admin", text="credential stealer")
RESERVED = Reservation("user", "The Flask Company", "2027-01-31T00:00:00Z", "2027-02-28T00:00:00Z", 0)


def flask(*releases, **changes):
    return replace(paper.project(NOW, "flask", *releases), **changes)


NAMES = {
    "prohibited": (flask(state="prohibited", since=QUARANTINE), ["since 2026-11-22", "credential stealer", "spelling"]),
    "placeholder": (flask(REMOVED, state="placeholder"), ["removed", "kept empty", "its owner"]),
    "reserved": (flask(state="reserved", reservation=RESERVED), ["The Flask Company", "until 2027-01-31"]),
    "vacant": (flask(state="vacant"), ["vacant since 2026-11-22"]),
    "quarantined": (flask(ONE, quarantine=QUARANTINE), ["2026-11-22", "administrator", "credential stealer"]),
}


@pytest.mark.parametrize("code", NAMES)
def test_a_name_that_is_not_installable_says_why_and_since_when(code):
    state, words = NAMES[code]
    refused = of_name(state)
    assert refused.code == code
    for word in words:
        assert word in refused.sentence
    assert of_version(state, "1.0") == refused, "the name goes before the version"


def test_prohibition_goes_before_quarantine():
    assert of_name(flask(ONE, state="prohibited", quarantine=QUARANTINE)).code == "prohibited"


def test_a_removed_release_says_when_by_whom_and_what_to_install_instead():
    refused = of_version(flask(REMOVED, TWO), "1.0")
    assert refused.code == "unpublished"
    assert "on 2026-11-22 by its owner: published by mistake. The newest version to install is 2.0" in refused.sentence


def test_removal_goes_before_yank():
    both = replace(REMOVED, yank=YANKED.yank)
    assert of_version(flask(both), "1.0").code == "unpublished"


def test_a_yanked_release_may_be_installed_with_a_warning():
    match of_version(flask(YANKED, TWO), "1.0"):
        case Warn(sentence):
            assert "is yanked since 2026-11-22 by its owner: leaks memory" in sentence
            assert "newest version to install is 2.0" in sentence
        case other:
            pytest.fail(str(other))


def test_a_security_yank_says_so():
    assert "yanked for security" in of_version(flask(SECURITY), "1.0").sentence


def test_what_is_yanked_for_security_is_refused_until_the_person_allows_it_for_this_name():
    for ask, what in ((of_version, "1.0"), (of_file, ONE.files[0].filename)):
        refused = ask(flask(SECURITY, TWO), what)
        assert isinstance(refused, Refuse) and refused.code == "security-yanked"
        assert "by its owner: CVE-2026-1. The newest version to install is 2.0" in refused.sentence
        assert "--allow-security-yanked flask" in refused.sentence
        assert isinstance(ask(flask(SECURITY, TWO), what, Accepted(security_yanks=frozenset({"other"}))), Refuse)
        assert isinstance(ask(flask(SECURITY, TWO), what, Accepted(security_yanks=frozenset({"flask"}))), Warn)


@pytest.mark.parametrize(
    "before", [{"state": "prohibited"}, {"quarantine": QUARANTINE}, {"state": "placeholder"}], ids=str
)
def test_what_was_accepted_lifts_no_other_refusal(before):
    everything = frozenset({"flask"})
    accepted = Accepted(everything, everything, everything, frozenset({("flask", "1.0")}))
    assert isinstance(of_version(flask(SECURITY, **before), "1.0", accepted), Refuse)
    assert isinstance(of_file(flask(REMOVED), ONE.files[0].filename, accepted), Refuse)


def test_a_version_above_all_that_are_known_may_not_be_signed_yet_and_one_below_is_just_not_there():
    not_yet = "If it was published a moment ago, it is not signed yet: try again in a minute"
    assert not_yet in of_version(flask(ONE, TWO), "2.1").sentence
    assert not_yet in of_file(flask(ONE, TWO), "flask-2.1-py3-none-any.whl").sentence
    assert not_yet in of_file(flask(ONE, TWO), "flask-2.1.tar.gz").sentence
    assert not_yet in of_file(flask(ONE, TWO), "flask-2.0.tar.gz").sentence, "another file of the newest"
    for older in (of_version(flask(ONE, TWO), "1.5"), of_file(flask(ONE, TWO), "flask-1.5.tar.gz")):
        assert older.code.startswith("unknown") and not_yet not in older.sentence
    assert not_yet not in of_file(flask(ONE, TWO), "nonsense").sentence


@pytest.mark.parametrize("spelling", ["1.0", "1", "v1.0.0", "1.0.0"])
def test_a_version_is_found_in_every_spelling(spelling):
    assert isinstance(of_version(flask(ONE), spelling), Install)


@pytest.mark.parametrize(
    ("state", "wanted", "code", "word"),
    [
        (flask(ONE, replace(TWO, quarantine=QUARANTINE)), ">=2", "release-quarantined", "credential stealer"),
        (flask(ONE, paper.removed(NOW, TWO, "published by mistake")), "~=2.0", "unpublished", "published by mistake"),
        (flask(YANKED, TWO), "<2", "all-yanked", "leaks memory"),
        (flask(SECURITY, TWO), "==1.*", "security-yanked", "--allow-security-yanked flask"),
        (flask(ONE, TWO), ">=3", "unknown-version", "flask has no version >=3. The newest version to install is 2.0"),
        (flask(ONE, TWO), ">=3", "unknown-version", "it is not signed yet: try again in a minute"),
    ],
)
def test_a_range_in_which_there_is_nothing_to_choose_says_why_of_its_newest(state, wanted, code, word):
    refused = of_range(state, SpecifierSet(wanted))
    assert (refused.code, word in refused.sentence) == (code, True), refused.sentence
    assert of_range(state, SpecifierSet(">=0")) is None, "there is another"


def test_an_unknown_version_and_an_unknown_file_are_refused():
    assert of_version(flask(ONE), "3.0").code == "unknown-version"
    assert of_version(flask(ONE), "not a version").code == "unknown-version"
    assert of_file(flask(ONE), "flask-3.0.tar.gz").code == "unknown-file"


def test_the_newest_version_is_the_highest_not_the_last_in_the_list():
    ten = paper.release(NOW, "10.0", paper.wheel("flask", "10.0"))
    assert "newest version to install is 10.0" in of_version(flask(ten, TWO), "3.0").sentence


STATES = st.builds(
    lambda releases, changes: flask(*releases, **changes),
    st.sampled_from([(), (ONE,), (YANKED, TWO), (REMOVED, TWO), (SECURITY,)]),
    st.sampled_from(
        [
            {},
            *(
                {key: getattr(state, key) for key in ("state", "quarantine", "reservation")}
                for state, _ in NAMES.values()
            ),
        ]
    ),
)


@given(STATES)
def test_verdicts_agree_with_what_a_page_lists(state):
    """keys.state.installable is "the one statement of precedence for pages, targets, bins and clients"."""
    listed = {file.filename for _, file in installable(state)}
    for release in state.releases:
        for file in release.files:
            given = of_file(state, file.filename, Accepted(security_yanks=frozenset({"flask"})))
            assert (file.filename in listed) == (not isinstance(given, Refuse))


def test_every_class_of_actor_has_a_name():
    assert set(BY) == set(get_args(ActorClass))


def test_a_quarantined_release_is_refused_although_another_installs():
    state = flask(replace(ONE, quarantine=QUARANTINE), TWO)
    refused = of_version(state, "1.0")
    assert isinstance(refused, Refuse) and refused.code == "release-quarantined" and "2.0" in refused.sentence
    assert isinstance(of_version(state, "2.0"), Install)


def test_one_removed_file_is_refused_and_the_others_of_its_release_install():
    wheels = (*ONE.files, replace(ONE.files[0], filename="flask-1.0.tar.gz", identity="sdist"))
    wheels = tuple(sorted(wheels, key=lambda file: file.filename))
    gone = Removal("flask-1.0.tar.gz", "removed", QUARANTINE)
    state = flask(replace(ONE, files=wheels, removals=(gone,)))
    refused = of_file(state, "flask-1.0.tar.gz")
    assert isinstance(refused, Refuse) and refused.code == "unpublished" and "credential stealer" in refused.sentence
    assert isinstance(of_file(state, ONE.files[0].filename), Install)


@pytest.mark.parametrize("where", ["release", "project"])
def test_deprecation_warns_with_what_to_use_instead(where):
    advice = Deprecation(paper.mark(NOW, "owner", text="no longer maintained"), "quart")
    state = flask(replace(ONE, deprecated=advice)) if where == "release" else flask(ONE, deprecated=advice)
    warned = of_version(state, "1.0")
    assert isinstance(warned, Warn)
    assert "no longer maintained" in warned.sentence and "Use quart instead" in warned.sentence


def test_an_archived_project_installs_and_says_so():
    verdict = of_version(flask(ONE, archived=QUARANTINE), "1.0")
    assert isinstance(verdict, Install) and "archived since 2026-11-22" in verdict.sentence
    assert verdict.note.startswith("flask is archived since 2026-11-22 by an administrator: credential stealer. It in")


def test_a_yank_that_waits_is_told_and_the_release_installs():
    held = HeldYank("owner", QUARANTINE, "2026-11-23T10:00:00Z")
    verdict = of_version(flask(replace(ONE, held_yank=held)), "1.0")
    assert isinstance(verdict, Warn) and "will be yanked at 2026-11-23T10:00:00Z" in verdict.sentence
    assert verdict.sentence.endswith("unless that is cancelled, by an administrator: credential stealer")


def test_what_the_holders_of_the_offline_keys_prohibit_says_so():
    assert (
        "since 2026-11-22 by the holders of the registry's offline keys" in of_name(paper.prohibited(NOW, "x")).sentence
    )


TAKEN_DOWN = Takedown(
    "flask/1/1", "malware", "confirmed", ("1.0",), (ONE.files[0].sha256,), QUARANTINE, QUARANTINE, ("MAL-2026-7",)
)


@pytest.mark.parametrize(
    "state",
    [
        flask(REMOVED, TWO, takedowns=(TAKEN_DOWN,)),
        flask(ONE, TWO, takedowns=(TAKEN_DOWN,)),
        flask(REMOVED, state="prohibited", takedowns=(TAKEN_DOWN,)),
        flask(REMOVED, quarantine=QUARANTINE, state="placeholder", takedowns=(TAKEN_DOWN,)),
    ],
)
def test_what_was_taken_down_says_so_before_anything_else_and_tells_who_has_it_to_remove_it(state):
    for refused in (of_version(state, "1"), of_file(state, ONE.files[0].filename)):
        assert isinstance(refused, Refuse) and refused.code == "taken-down"
        assert refused.sentence == (
            "flask 1.0 was taken down as malware (MAL-2026-7) since 2026-11-22 by an administrator: "
            "credential stealer. If it is installed anywhere, remove it"
        )


@pytest.mark.parametrize("status", ["prohibited", "placeholder"])
def test_a_name_whose_files_were_taken_down_says_which_and_not_to_check_the_spelling(status):
    refused = of_name(flask(REMOVED, state=status, takedowns=(TAKEN_DOWN,)))
    assert "Its versions 1.0 were taken down as harmful" in refused.sentence and "spelling" not in refused.sentence


def test_a_takedown_is_about_its_bytes_and_no_others():
    state = flask(REMOVED, TWO, takedowns=(TAKEN_DOWN,))
    assert isinstance(of_version(state, "2.0"), Install)
    assert isinstance(of_file(state, TWO.files[0].filename), Install)


def test_a_suspicion_that_nobody_settled_warns_and_a_withdrawn_one_says_nothing():
    suspected = replace(TAKEN_DOWN, status="suspected")
    warned = of_version(flask(ONE, takedowns=(suspected,)), "1.0")
    assert isinstance(warned, Warn) and "flask 1.0 is suspected as malware (MAL-2026-7)" in warned.sentence
    assert isinstance(of_version(flask(ONE, TWO, takedowns=(suspected,)), "2.0"), Install)
    assert isinstance(of_version(flask(ONE, takedowns=(replace(TAKEN_DOWN, status="withdrawn"),)), "1.0"), Install)
