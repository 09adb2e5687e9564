"""Versions that go: what a resolver must not fall back to unnoticed, and what a person may do about it."""

import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from client_verify.accepted import NOTHING, Accepted
from client_verify.answers import Found, Highest, Past, Withdrawn
from client_verify.verdict import Install, Refuse, Warn, of_no_choice
from client_verify.withdrawals import COOL_DOWN, followed, of_choice
from keys.state import Deprecation, Takedown
from keys.times import stamp
from tests import paper
from tests.client.test_run import UV, Desk

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
FLASK = frozenset({"flask"})


def release(version):
    return paper.release(NOW, version, paper.wheel("flask", version))


def flask(*releases, **changes):
    return replace(paper.project(NOW, "flask", *releases), **changes)


def yank(one, kind="owner"):
    return paper.yanked(NOW, one, "looks broken", kind)


def gone(one):
    return paper.removed(NOW, one, "published by mistake")


OLD, ONE, TWO, THREE = (release(version) for version in ("1.0", "1.1", "2.0", "3.0"))
LTS, FUTURE = release("1.2"), release("4.0rc1")
QUARANTINED = replace(THREE, quarantine=paper.mark(NOW, "admin", text="credential stealer"))
HARMFUL = Takedown(
    "flask/1/1", "malware", "confirmed", ("3.0",), (THREE.files[0].sha256,),
    paper.mark(NOW, "admin"), paper.mark(NOW, "admin"),
)  # fmt: skip


def chosen(before, after, version, later=HOUR, accepted=NOTHING):
    """The verdict on a version that an installer chose ``later`` after this machine saw ``after`` follow ``before``."""
    past = followed(Past(), None, before, NOW - HOUR)
    past = followed(past, before, after, NOW)
    filename = next(each for each in after.releases if each.version == version).files[0].filename
    return of_choice(Found(after, past), filename, accepted, NOW + later)


# before, after, the version that is chosen then, and what follows
CASES = {
    "nothing went": (flask(OLD, TWO), flask(OLD, TWO), "2.0", Install),
    "the newest was yanked": (flask(OLD, TWO), flask(OLD, yank(TWO)), "1.0", "refused"),
    "the newest was removed": (flask(OLD, TWO), flask(OLD, gone(TWO)), "1.0", "refused"),
    "the newest was yanked for security": (flask(OLD, TWO), flask(OLD, yank(TWO, "security")), "1.0", "refused"),
    "all fixed ones were yanked": (flask(OLD, TWO, THREE), flask(OLD, yank(TWO), yank(THREE)), "1.0", "refused"),
    "there is a fixed one left": (flask(OLD, TWO, THREE), flask(OLD, TWO, yank(THREE)), "1.0", Install),
    "the one that is left is chosen": (flask(OLD, TWO, THREE), flask(OLD, TWO, yank(THREE)), "2.0", "refused"),
    "a fixed one of an older line was yanked": (flask(ONE, LTS, THREE), flask(ONE, yank(LTS), THREE), "1.1", "refused"),
    "a newer one came with the yank": (flask(OLD, TWO), flask(OLD, yank(TWO), THREE), "3.0", Install),
    "it was yanked before this machine looked": (flask(OLD, yank(TWO)), flask(OLD, yank(TWO)), "1.0", Install),
    "it was never seen as there": (flask(OLD), flask(OLD, yank(TWO)), "1.0", Install),
    "it is back": (flask(OLD, yank(TWO)), flask(OLD, TWO), "1.0", Install),
    "a pre-release was yanked": (flask(THREE, FUTURE), flask(THREE, yank(FUTURE)), "3.0", Install),
    "it was quarantined": (flask(TWO, THREE), flask(TWO, QUARANTINED), "2.0", Install),
    "it was taken down as harmful": (
        flask(TWO, THREE),
        flask(TWO, gone(THREE), takedowns=(HARMFUL,)),
        "2.0",
        Install,
    ),
    "it was wrongly called harmful": (
        flask(TWO, THREE),
        flask(TWO, gone(THREE), takedowns=(replace(HARMFUL, status="withdrawn"),)),
        "2.0",
        "refused",
    ),
    "another holder": (flask(OLD, TWO), flask(OLD, yank(TWO), generation=2), "1.0", Install),
    "the one that was yanked is pinned": (flask(OLD, TWO), flask(OLD, yank(TWO)), "2.0", Warn),
}


@pytest.mark.parametrize("case", CASES)
def test_a_version_in_whose_place_a_resolver_takes_a_lower_one_has_a_cool_down(case):
    before, after, version, expected = CASES[case]
    given = chosen(before, after, version)
    if expected == "refused":
        assert isinstance(given, Refuse) and given.code == "lower-version"
        assert isinstance(chosen(before, after, version, COOL_DOWN - HOUR), Refuse)
        assert isinstance(chosen(before, after, version, COOL_DOWN), Warn), "afterwards it is only said"
    else:
        assert isinstance(given, expected), given


def test_the_refusal_says_what_went_when_why_and_what_to_do():
    given = chosen(flask(OLD, TWO, THREE), flask(OLD, yank(TWO), yank(THREE)), "1.0")
    assert given.sentence == (
        "flask 1.0 is older than 3.0, which this machine has verified as there and not yanked; 3.0 is yanked since "
        "2026-11-22 by its owner: looks broken, and 1 more between them went too. Find out whether that is right, and "
        "until then stay with what you have. If it is right, name the version (`flask==1.0`) or run again with "
        "--accept-yanks flask; from 2026-11-23T10:00:00Z on this is only a warning"
    )


@pytest.mark.parametrize(
    "accepted",
    [
        Accepted(lower_versions=FLASK),
        Accepted(pinned=frozenset({("flask", "1.0")})),
        Accepted(pinned=frozenset({("flask", "v1")})),
    ],
)
def test_who_names_the_version_or_accepts_the_yanks_waits_for_nothing_and_is_told(accepted):
    given = chosen(flask(OLD, TWO), flask(OLD, yank(TWO)), "1.0", accepted=accepted)
    assert isinstance(given, Warn) and "1.0 is older than 2.0" in given.sentence


@pytest.mark.parametrize(
    "accepted",
    [
        Accepted(lower_versions=frozenset({"django"}), security_yanks=FLASK, generations=FLASK),
        Accepted(pinned=frozenset({("flask", "1.1"), ("django", "1.0")})),
    ],
)
def test_what_was_accepted_for_something_else_does_not_help(accepted):
    assert isinstance(chosen(flask(OLD, TWO), flask(OLD, yank(TWO)), "1.0", accepted=accepted), Refuse)


def test_a_second_yank_begins_a_second_cool_down():
    """Or who waits a day after the first could take the rest."""
    first, second = flask(OLD, TWO, yank(THREE)), flask(OLD, yank(TWO), yank(THREE))
    past = followed(Past(), None, flask(OLD, TWO, THREE), NOW - HOUR)
    past = followed(past, flask(OLD, TWO, THREE), first, NOW)
    past = followed(past, first, second, NOW + 23 * HOUR)
    assert past.withdrawn == (Withdrawn("2.0", stamp(NOW + 23 * HOUR)), Withdrawn("3.0", stamp(NOW)))
    filename = OLD.files[0].filename
    assert isinstance(of_choice(Found(second, past), filename, NOTHING, NOW + 25 * HOUR), Refuse)
    assert isinstance(of_choice(Found(second, past), filename, NOTHING, NOW + 47 * HOUR), Warn)


def test_the_highest_version_never_goes_down_but_for_another_holder():
    past = followed(Past(), None, flask(OLD, TWO), NOW)
    assert past.highest == Highest("2.0", stamp(NOW))
    lower = followed(past, flask(OLD, TWO), flask(OLD, yank(TWO)), NOW + HOUR)
    assert lower.highest == Highest("2.0", stamp(NOW))
    assert followed(lower, flask(OLD, yank(TWO)), flask(OLD, TWO), NOW + 2 * HOUR).highest.verified_at > stamp(NOW)
    other = followed(lower, flask(OLD, yank(TWO)), flask(OLD, generation=2), NOW + HOUR)
    assert other == Past(Highest("1.0", stamp(NOW + HOUR)))


def test_a_warning_of_deprecation_is_said_beside_the_one_of_the_lower_version():
    advice = Deprecation(paper.mark(NOW, "owner", text="no longer maintained"))
    before, after = (flask(OLD, each, deprecated=advice) for each in (TWO, yank(TWO)))
    given = chosen(before, after, "1.0", COOL_DOWN)
    assert isinstance(given, Warn) and "no longer maintained. flask 1.0 is older than 2.0" in given.sentence


# All of them.


def test_where_every_release_is_yanked_there_is_no_choice_and_the_last_word_on_it_is_said():
    later = paper.yanked(NOW + 24 * HOUR, TWO, "the other one too", "security")
    refused = of_no_choice(flask(yank(OLD), later), Past(Highest("2.0", stamp(NOW))))
    assert refused == Refuse(
        "all-yanked",
        "all 2 releases of flask are yanked, 2.0 as the last for security since 2026-11-23 by its owner: "
        "the other one too. This machine has verified 2.0 as not yanked on 2026-11-22",
    )


@pytest.mark.parametrize("state", [flask(), flask(OLD, yank(TWO)), flask(gone(OLD)), flask(OLD)])
def test_there_is_a_choice_or_another_reason_why_not(state):
    assert of_no_choice(state, Past()) is None


def test_what_was_removed_or_quarantined_is_none_that_could_be_chosen():
    refused = of_no_choice(flask(yank(OLD), gone(TWO), QUARANTINED), Past())
    assert refused is not None and refused.sentence.startswith("flask is yanked, 1.0 as the last since")


# Through a session and the memory.


def test_a_session_remembers_what_it_saw_go_and_judges_by_its_own_time(world):
    world.say("flask", OLD, TWO)
    world.session().page("flask")
    world.later(hours=1)
    world.say("flask", OLD, yank(TWO), serial=2)
    assert world.session().page("flask").past.withdrawn == (Withdrawn("2.0", stamp(world.now)),)
    filename = OLD.files[0].filename
    assert world.verifier().of_choice("flask", filename).code == "lower-version"
    assert isinstance(world.verifier(Accepted(lower_versions=FLASK)).of_choice("flask", filename), Warn)
    assert isinstance(world.verifier().of_file(filename, OLD.files[0].sha256), Install), "named, not chosen"
    world.later(hours=23)
    world.publish()
    assert world.verifier().of_choice("flask", filename).code == "lower-version"
    world.later(hours=1)
    assert isinstance(world.verifier().of_choice("flask", filename), Warn)


# In the hands of real installers.


@pytest.fixture
def desk(tmp_path, serve, terminal):
    return Desk(tmp_path, serve, terminal)


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_an_installer_does_not_go_back_unnoticed_when_the_newest_is_yanked(desk, installer):
    install, oldest = getattr(desk, installer), paper.wheel("tallyflask", "0.9")
    desk.repository.add_file("tallyflask", oldest.filename, oldest.data, oldest.metadata)
    below = paper.release(desk.now, "0.9", oldest)
    desk.say(below, *desk.releases, serial=2)
    assert install("tallyflask") == 0
    shutil.rmtree(desk.directory / installer)
    desk.say(below, desk.releases[0], paper.yanked(desk.now, desk.releases[1], "looks broken"), serial=3)
    assert install("tallyflask") == 7, "and it does not try what is lower still"
    assert "tallyflask 1.0 is older than 2.0" in desk.err and "newer versions just disappeared" in desk.err
    assert desk.installed() == []
    assert install("tallyflask==1.0") == 0
    assert "tallystick: warning: tallyflask 1.0 is older than 2.0" in desk.err


def test_the_person_may_accept_the_yanks_of_one_name_on_the_command_line(desk):
    assert desk.pip("tallyflask") == 0
    shutil.rmtree(desk.directory / "pip")
    desk.say(desk.releases[0], paper.yanked(desk.now, desk.releases[1], "looks broken"), serial=2)
    pip = (sys.executable, "-m", "pip", "install", "-q", "--target", desk.directory / "pip", "tallyflask")
    assert desk.tallystick("run", "--accept-yanks", "django", "--", *pip) == 7
    assert desk.tallystick("run", "--accept-yanks", "Tallyflask", "--", *pip) == 0
    assert desk.installed() == ["tallyflask-1.0.dist-info"]


def test_a_download_that_names_no_version_does_not_go_back_unnoticed_either(desk):
    assert desk.tallystick("download", "tallyflask", "-d", desk.directory / "first") == 0
    lower = (desk.releases[0], paper.yanked(desk.now, desk.releases[1], "looks broken"))
    desk.say(*lower, serial=2)
    assert desk.tallystick("download", "tallyflask") == 7 and "older than 2.0" in desk.err
    assert desk.tallystick("download", "tallyflask==1.0") == 0 and "older than 2.0" in desk.err
    desk.say(*(paper.yanked(desk.now, each, "leaks", "security") for each in desk.releases), serial=3)
    assert desk.tallystick("download", "tallyflask") == 7 and "all 2 releases of tallyflask are yanked" in desk.err
    assert desk.tallystick("download", "tallyflask==2.0", "-d", "x") == 7
    assert desk.tallystick("download", "tallyflask==2.0", "-d", "x", "--allow-security-yanked", "tallyflask") == 0


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_what_is_yanked_for_security_needs_the_person_s_word_although_it_is_pinned(desk, installer):
    install = getattr(desk, installer)
    desk.say(paper.yanked(desk.now, desk.releases[0], "CVE-2026-1", "security"), desk.releases[1], serial=2)
    assert install("tallyflask==1.0") == 7
    assert desk.err.count("REFUSED") == 1 and "--allow-security-yanked tallyflask" in desk.err
    assert desk.installed() == []
    words = {
        "pip": (sys.executable, "-m", "pip", "install", "-q", "--target", desk.directory / "pip"),
        "uv": (UV, "pip", "install", "--python", sys.executable, "--target", desk.directory / "uv"),
    }[installer]
    assert desk.tallystick("run", "--allow-security-yanked", "tallyflask", "--", *words, "tallyflask==1.0") == 0
    assert "yanked for security" in desk.err and desk.installed() == ["tallyflask-1.0.dist-info"]
