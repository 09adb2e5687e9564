"""The Python API: what an installer that builds us in sees of it, and that it brings nothing of a server."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from client_verify import trust
from client_verify.places import places
from client_verify.trust import Pin
from client_verify.verifier import Found, Install, ProvenAbsent, Refuse, Refused, Usage, Verifier, Warn
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


def test_a_verifier_that_lives_long_asks_for_a_newer_snapshot_when_its_own_is_a_minute_old(acme):
    made = Verifier(
        [Pin("acme", URL, acme.repository.root)],
        acme.directory.parent / "blobs",
        lambda _: acme.session(),
        acme.clock,
        timedelta(seconds=60),
    )
    assert made.ask("tallyflask").state.serial == 1
    acme.say("tallyflask", paper.release(acme.now, "1.0", WHEEL), serial=2)
    acme.later(seconds=59)
    assert made.ask("tallyflask").state.serial == 1
    acme.later(seconds=1)
    assert made.ask("tallyflask").state.serial == 2


def test_a_repository_that_goes_out_of_reach_is_answered_for_until_what_was_verified_expires(acme):
    made = Verifier(
        [Pin("acme", URL, acme.repository.root)],
        acme.directory.parent / "blobs",
        lambda _: acme.session(),
        acme.clock,
        timedelta(seconds=60),
    )
    made.ask("tallyflask")
    acme.fetcher.broken = True
    acme.later(hours=23)
    assert isinstance(made.ask("tallyflask"), Found)
    acme.later(hours=2)
    with pytest.raises(Refused) as caught:
        made.ask("tallyflask")
    assert caught.value.code == "expired"


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
