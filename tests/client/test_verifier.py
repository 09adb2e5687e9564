"""The Python API: what an installer that builds us in sees of it, and that it brings nothing of a server."""

import hashlib
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from client_verify import trust
from client_verify.accepted import Accepted
from client_verify.places import places
from client_verify.trust import Pin
from client_verify.verifier import Found, Install, InvalidName, ProvenAbsent, Refuse, Refused, Usage, Verifier, Warn
from tests import paper
from tests.client.conftest import URL

WHEEL = paper.wheel("tallyflask", "1.0")


@pytest.fixture
def acme(world):
    """A repository with tallyflask 1.0 in it."""
    world.repository.add_file("tallyflask", WHEEL.filename, WHEEL.data, WHEEL.metadata)
    world.say("tallyflask", paper.release(world.now, "1.0", WHEEL))
    return world


def test_every_answer_has_a_type_of_its_own(acme):
    verifier = acme.verifier()
    assert isinstance(verifier.ask("TallyFlask"), Found)
    assert isinstance(verifier.ask("nobody"), ProvenAbsent)
    digest = hashlib.sha256(WHEEL.data).hexdigest()
    assert isinstance(verifier.of_file(WHEEL.filename, digest), Install)
    assert verifier.of_file(WHEEL.filename, "0" * 64).code == "mismatch"
    assert verifier.of_version("tallyflask", "9").code == "unknown-version"
    assert verifier.of_version("nobody", "1").code == "absent"
    assert isinstance(verifier.of_version("tallyflask", "1.0.0"), Install)
    with pytest.raises(Usage):
        verifier.of_file("tallyflask.exe", digest)


def test_a_yanked_version_is_a_warning_with_its_reason(acme):
    release = paper.release(acme.now, "1.0", WHEEL)
    acme.say("tallyflask", paper.yanked(acme.now, release, "leaks memory"), serial=2)
    found = acme.verifier().of_version("tallyflask", "1.0")
    assert isinstance(found, Warn) and "leaks memory" in found.sentence


def test_bytes_are_handed_out_only_when_all_of_them_were_verified(acme):
    verifier = acme.verifier()
    _, file = verifier.ask("tallyflask").state.file(WHEEL.filename)
    with verifier.content("tallyflask", file) as content:
        assert content.read() == WHEEL.data
    with verifier.metadata("tallyflask", file) as metadata:
        assert metadata.read() == WHEEL.metadata


def test_content_is_found_by_a_name_in_any_spelling_as_every_answer_is(acme):
    verifier = acme.verifier()
    (file,) = verifier.ask("TallyFlask").state.releases[0].files
    for handed_out in (verifier.content("Tallyflask", file), verifier.metadata("TALLYFLASK", file)):
        with handed_out as content:
            assert content.read() in (WHEEL.data, WHEEL.metadata)


def test_what_no_project_can_be_called_is_an_error_of_the_api_s_own(acme):
    verifier = acme.verifier()
    (file,) = verifier.ask("tallyflask").state.releases[0].files
    for ask in (
        lambda: verifier.ask("a b"),
        lambda: verifier.of_version("a b", "1"),
        lambda: verifier.of_choice("a b", WHEEL.filename),
        lambda: verifier.content("a b", file),
        lambda: verifier.repository("a b"),
    ):
        with pytest.raises(InvalidName):
            ask()


def long_lived(acme):
    """A verifier that asks for a newer snapshot once its own is a minute old."""
    blobs = acme.directory.parent / "blobs"
    pin = Pin("acme", URL, acme.repository.root)
    return Verifier([pin], blobs, lambda _: acme.session(), acme.clock, timedelta(seconds=60))


def test_a_verifier_that_lives_long_asks_for_a_newer_snapshot_when_its_own_is_a_minute_old(acme):
    made = long_lived(acme)
    assert made.ask("tallyflask").state.serial == 1
    acme.say("tallyflask", paper.release(acme.now, "1.0", WHEEL), serial=2)
    acme.later(seconds=59)
    assert made.ask("tallyflask").state.serial == 1
    acme.later(seconds=1)
    assert made.ask("tallyflask").state.serial == 2


def test_a_repository_that_goes_out_of_reach_is_answered_for_until_what_was_verified_expires(acme):
    made = long_lived(acme)
    made.ask("tallyflask")
    acme.fetcher.broken = True
    acme.later(hours=23)
    assert isinstance(made.ask("tallyflask"), Found)
    acme.later(hours=2)
    with pytest.raises(Refused) as caught:
        made.ask("tallyflask")
    assert caught.value.code == "expired"


# What is not there may only not be signed yet.


NEXT = paper.wheel("tallyflask", "2.0")
QUESTIONS = {
    "a name": lambda made: isinstance(made.ask("new"), Found),
    "a version": lambda made: isinstance(made.of_version("tallyflask", "2.0"), Install),
    "a file": lambda made: isinstance(made.of_file(NEXT.filename, hashlib.sha256(NEXT.data).hexdigest()), Install),
    "a file for an installer": lambda made: isinstance(made.of_choice("tallyflask", NEXT.filename), Install),
}


def say_more(acme):
    acme.say("new")
    acme.say(
        "tallyflask", *(paper.release(acme.now, each[1], each[0]) for each in ((WHEEL, "1.0"), (NEXT, "2.0"))), serial=2
    )


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_was_signed_since_the_session_began_is_there_when_it_is_asked_for(acme, question):
    made = acme.verifier()
    made.ask("tallyflask")
    say_more(acme)
    assert QUESTIONS[question](made)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_newer_snapshot_is_asked_for_because_of_that_only_now_and_then(acme, question):
    made = acme.verifier()
    assert not QUESTIONS[question](made)
    say_more(acme)
    acme.fetcher.asked.clear()
    acme.later(seconds=9)
    assert not QUESTIONS[question](made)
    assert [path for path in acme.fetcher.asked if "timestamp" in path] == []
    acme.later(seconds=1)
    assert QUESTIONS[question](made)


@pytest.mark.parametrize("missing", ["bin", "page"])
def test_a_file_of_the_snapshot_that_has_gone_is_found_in_the_next_one(acme, missing):
    """PEP 458: a client that gets a 404 within a snapshot begins again with the newest."""
    made = acme.verifier()
    gone = acme.repository.bin_file("tallyflask") if missing == "bin" else acme.repository.page_file("tallyflask")
    say_more(acme)
    del acme.repository.files[gone]
    assert made.ask("tallyflask").state.serial == 2


def test_a_file_that_is_still_missing_in_the_next_snapshot_is_out_of_reach(acme):
    made = acme.verifier()
    del acme.repository.files[acme.repository.page_file("tallyflask")]
    with pytest.raises(Refused) as caught:
        made.ask("tallyflask")
    assert caught.value.code == "unreachable"


def test_a_repository_out_of_reach_is_not_asked_twice_for_one_question(acme):
    made = acme.verifier()
    acme.fetcher.broken = True
    acme.fetcher.asked.clear()
    with pytest.raises(Refused):
        made.ask("tallyflask")
    assert [path for path in acme.fetcher.asked if "timestamp" in path] == []


def test_what_a_user_pinned_is_one_line_away(acme, serve, tmp_path):
    now = datetime.now(UTC).replace(microsecond=0)
    repository = paper.Paper(now)
    repository.say(paper.project(now, "tallyflask"))
    repository.publish(now)
    with pytest.raises(Usage):
        Verifier.pinned(home=tmp_path)
    served = serve(repository.files)
    trust.add(places({"TALLYSTICK_HOME": str(tmp_path)}).roots, Pin("acme", served.url, repository.root))
    assert isinstance(Verifier.pinned(home=tmp_path).ask("tallyflask"), Found)
    assert isinstance(Verifier.pinned("acme", home=tmp_path).of_version("nobody", "1"), Refuse)


def test_the_api_loads_no_server_s_library():
    """What an installer that builds it in would ship, besides python-tuf's own needs."""
    look = (
        "import sys; import client_verify.verifier; "
        "print(*{name.partition('.')[0] for name in sys.modules} & "
        "{'flask', 'sqlalchemy', 'rq', 'redis', 'waitress', 'alembic', 'argparse'})"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == ""


NAMED = Accepted(pinned=frozenset({("tallyflask", "2.0")}))


def test_a_version_that_somebody_named_is_waited_for_before_its_page_is_answered(acme):
    made, other = acme.verifier(NAMED), acme.verifier(Accepted(pinned=frozenset({("tallyflask", "1")})))
    say_more(acme)
    assert other.ask("tallyflask").state.serial == 1, "what was named is there"
    assert made.ask("tallyflask").state.serial == 2


def test_who_asks_while_a_newer_snapshot_comes_for_somebody_else_is_answered_from_that(acme):
    """uv asks for all pages at once."""
    made = acme.verifier(NAMED)
    say_more(acme)
    asking = threading.Thread(target=made.ask, args=["new"])

    class Meanwhile(dict):
        def __getitem__(self, path):
            if "simple/tallyflask" in path and asking.ident is None:
                asking.start()
                asking.join()
            return super().__getitem__(path)

    acme.fetcher.files = Meanwhile(acme.fetcher.files)
    assert made.ask("tallyflask").state.serial == 2
