"""Without a network the client goes on with what it has verified, for as long as the dates in it allow."""

import time
from datetime import UTC, datetime

import pytest
from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError

from client_verify.answers import Found, ProvenAbsent
from client_verify.commands import terminal as commands
from client_verify.fetching import supply
from client_verify.fetching.layers import Hurried
from client_verify.fetching.offline import Offline
from client_verify.fetching.sources import offline, over_http
from client_verify.metadata import freshness
from client_verify.refusals import Refused
from client_verify.session import Session
from client_verify.trust import Pin
from keys.times import stamp
from tests import paper
from tests.client.conftest import URL, World, updater_at


@pytest.fixture
def cut_off(world):
    """A session as after a restart, with no way out of the machine."""

    def open_offline():
        pin = Pin("acme", URL, world.repository.root, mirrors=("http://mirror.test",))
        fetcher = Offline(world.directory)
        return Session(pin, world.directory, fetcher, world.clock, make_updater=updater_at(world.clock))

    return open_offline


def _same_bin(world, name):
    return world.repository.bin_of(name) == world.repository.bin_of("flask")


def beside(world):
    """A name in the bin of flask."""
    return next(name for name in map("p{}".format, range(99)) if _same_bin(world, name))


def elsewhere(world):
    """A name in another."""
    return next(name for name in map("p{}".format, range(99)) if not _same_bin(world, name))


def test_what_was_verified_is_answered_without_a_network(world, cut_off):
    state = world.say("flask")
    world.session().page("flask")
    assert cut_off().page("flask") == Found(state)


def test_absence_that_was_proven_stays_proven(world, cut_off):
    world.publish()
    world.session().page("nobody")
    assert isinstance(cut_off().page("nobody"), ProvenAbsent)


def test_a_rotated_root_is_followed_without_a_network(world, cut_off):
    world.repository.ceremony(world.now)
    world.publish()
    world.session()
    assert cut_off().trusted.root.version == 2


@pytest.mark.parametrize("asked_before", [False, True], ids=["no bin", "another bin"])
def test_what_was_not_verified_is_out_of_reach_and_not_absent(world, cut_off, asked_before):
    world.say("flask")
    session = world.session()
    if asked_before:
        session.page(elsewhere(world))
    with pytest.raises(Refused, match=r"offline, and .* is not among what was verified on this machine$") as caught:
        cut_off().page("flask")
    assert caught.value.code == "unreachable"
    assert "With --offline" not in caught.value.detail


def test_a_page_that_was_not_read_is_out_of_reach_though_its_bin_was(world, cut_off):
    world.say("flask")
    world.session().page(beside(world))
    with pytest.raises(Refused, match=r"offline, and .*/targets/simple/flask/") as caught:
        cut_off().page("flask")
    assert caught.value.code == "unreachable"


def test_nothing_verified_yet_is_out_of_reach(world, cut_off):
    with pytest.raises(Refused, match="offline") as caught:
        cut_off()
    assert caught.value.code == "unreachable"
    assert isinstance(caught.value.__cause__, DownloadHTTPError), "by which a verifier sees that a file has gone"


def test_a_network_does_not_help_what_is_past_its_date_offline(world, cut_off):
    """A freeze of one's own choice is one all the same."""
    world.say("flask")
    world.session().page("flask")
    world.later(hours=23)
    cut_off().page("flask")
    world.later(hours=1)
    with pytest.raises(Refused) as caught:
        cut_off()
    assert caught.value.code == "expired"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "bin"])
def test_what_lies_on_this_machine_is_verified_again(world, cut_off, role):
    world.say("flask")
    world.session().page("flask")
    path = world.directory / "metadata" / f"{world.repository.bin_of('flask') if role == 'bin' else role}.json"
    path.write_bytes(path.read_bytes().replace(b'"expires":"2', b'"expires":"3'))
    with pytest.raises(Refused) as caught:
        cut_off().page("flask")
    assert caught.value.code in ("invalid", "unreachable")


def test_when_the_network_is_down_the_refusal_says_how_long_one_can_go_on_without(world):
    world.say("flask")
    world.session()
    world.fetcher.broken = True
    with pytest.raises(Refused, match=f"With --offline, .* until {stamp(world.now + paper.DAY)}") as caught:
        world.session()
    assert caught.value.code == "unreachable"
    world.later(hours=25)
    with pytest.raises(Refused) as caught:
        world.session()
    assert "offline" not in caught.value.detail


def test_that_one_can_go_on_without_is_not_said_of_a_repository_that_answers(world):
    world.say("flask")
    world.session()
    del world.repository.files["metadata/timestamp.json"]
    with pytest.raises(Refused) as caught:
        world.session()
    assert "offline" not in caught.value.detail


@pytest.mark.parametrize(
    "words, environ, chosen",
    [
        ((), None, over_http),
        ((), "0", over_http),
        ((), "", over_http),
        ((), "1", offline),
        (("--offline",), None, offline),
    ],
)
def test_a_person_chooses_by_an_option_or_the_environment(monkeypatch, words, environ, chosen):
    monkeypatch.delenv(commands.OFFLINE, raising=False)
    if environ is not None:
        monkeypatch.setenv(commands.OFFLINE, environ)
    assert commands.source(commands.ABOUT.parse_args(words)) is chosen


def test_a_command_goes_on_offline_with_what_was_verified(serve, terminal, tmp_path):
    real = World(tmp_path / "unused", datetime.now(UTC).replace(microsecond=0))
    real.say("flask")
    served = serve(real.repository.files)
    (tmp_path / "root.json").write_bytes(real.repository.root)
    assert terminal("trust", "add", "acme", "--url", served.url, "--root", tmp_path / "root.json") == 0
    assert terminal("show", "flask") == 0
    shown = terminal.out
    served.asked.clear()
    assert terminal("show", "--offline", "flask") == 0
    assert (terminal.out, served.asked) == (shown, [])
    assert terminal("show", "--offline", "django") == 8
    served.stop()
    served.stop = lambda: None
    assert terminal("show", "flask") == 8
    assert "With --offline" in terminal.err


# Dates.


def test_nothing_is_warned_of_while_there_is_time(world):
    world.publish()
    world.later(hours=17)
    assert world.session().warnings == []


def test_a_timestamp_and_a_snapshot_in_the_last_quarter_of_their_time_are_warned_of(world):
    world.publish()
    world.later(hours=18, seconds=1)
    timestamp, snapshot = world.session().warnings
    assert timestamp.startswith('timestamp version 1 of repository "acme" is valid until')
    assert snapshot.startswith('snapshot version 1 of repository "acme" is valid until')


def test_a_root_is_warned_of_two_weeks_before_its_end(world):
    world.later(days=365 - 14)
    world.publish(lifetime=7 * paper.DAY)
    assert world.session().warnings == []
    world.later(seconds=1)
    assert [warning.split()[0] for warning in world.session().warnings] == ["root", "targets"]


def test_of_a_timestamp_that_does_not_say_when_it_was_signed_nothing_is_known(world):
    world.publish(forge=lambda role, body: body.pop("x-signed-at", None))
    world.later(hours=23)
    session = world.session()
    assert [*freshness.warnings(session.pin, session.trusted, world.now)] == []


# All of it together has an end.


def test_a_session_may_live_longer_than_one_answer_may_take(world, monkeypatch):
    state = world.say("flask")
    monkeypatch.setattr(supply, "TOTAL_SECONDS", 2.0)
    session = world.session()
    time.sleep(2.1)
    assert session.page("flask") == Found(state)


def test_many_small_files_are_given_up_together(world):
    world.publish()
    hurried = Hurried(world.fetcher, -1.0)
    with pytest.raises(SlowRetrievalError, match="not asked for, since all before it took"):
        hurried.download_bytes(f"{URL}/metadata/timestamp.json", 9999)
    with (
        pytest.raises(SlowRetrievalError, match="not asked for"),
        hurried.download_file(f"{URL}/metadata/timestamp.json", 9999),
    ):
        pass
    assert world.fetcher.asked == []
