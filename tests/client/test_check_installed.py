"""What is installed, against the signed state: alarms, warnings, a list of the rest; and nothing installed runs."""

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest

from client_verify import trust
from client_verify.places import places
from keys.encoding import sha256
from keys.state import Takedown
from tests import paper

WHEEL = paper.wheel("tallyflask", "1.0")
DIGEST = sha256(WHEEL.data)


class Machine:
    """A registry with tallyflask 1.0, and a directory of packages in which it is installed."""

    def __init__(self, directory, serve, terminal):
        self.terminal = terminal
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.repository = paper.Paper(self.now)
        self.release = paper.release(self.now, "1.0", WHEEL)
        self.say(self.release)
        self.server = serve(self.repository.files)
        trust.add(places(os.environ).roots, trust.Pin("acme", self.server.url, self.repository.root))
        self.site = directory / "site-packages"
        self.install(WHEEL)

    def say(self, *releases, serial=1, **changes):
        self.repository.say(replace(paper.project(self.now, "tallyflask", *releases, serial=serial), **changes))
        self.repository.publish(self.now)

    def install(self, artifact, site=None, **records):
        """Unpack a wheel as an installer does; ``records`` are what it writes beside the metadata."""
        site = site or self.site
        zipfile.ZipFile(BytesIO(artifact.data)).extractall(site)
        folder = site / ("-".join(artifact.filename.split("-")[:2]) + ".dist-info")
        for name, value in records.items():
            (folder / f"{name}.json").write_text(value if isinstance(value, str) else json.dumps(value))

    def check(self, *words):
        code = self.terminal("check-installed", *words)
        self.out, self.err = self.terminal.out, self.terminal.err
        return code


@pytest.fixture
def machine(tmp_path, serve, terminal):
    return Machine(tmp_path, serve, terminal)


def takedown(machine, *digests):
    said = paper.mark(machine.now, "admin", text="it steals tokens")
    return Takedown("tallyflask/1/1", "malware", "confirmed", ("1.0",), digests, said, said)


def test_what_is_signed_and_installed_is_no_alarm_and_says_how_it_was_checked(machine):
    assert machine.check(machine.site) == 0
    assert machine.out == (
        f"1 distribution in {machine.site}: no alarm\n1 checked by name and version, 0 by the hash of the archive\n"
    )
    assert machine.err == ""


ALARMS = {
    "taken down": lambda machine: ({"takedowns": (takedown(machine, DIGEST),)}, machine.release, "it steals tokens"),
    "unpublished": lambda machine: ({}, paper.removed(machine.now, machine.release, "a mistake"), "a mistake"),
    "quarantined": lambda machine: (
        {"quarantine": paper.mark(machine.now, "admin", text="odd")},
        machine.release,
        "odd",
    ),
    "quarantined release": lambda machine: (
        {},
        replace(machine.release, quarantine=paper.mark(machine.now, "admin", text="odd")),
        "odd",
    ),
    "placeholder": lambda machine: (
        {"state": "placeholder"},
        paper.removed(machine.now, machine.release, "gone"),
        "kept empty",
    ),
    "new holder": lambda machine: ({"generation": 2}, machine.release, "is in generation 2"),
}


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS.keys())
def test_what_the_registry_takes_back_is_an_alarm_for_who_has_it_installed(machine, alarm):
    assert machine.check(machine.site) == 0
    changes, release, why = alarm(machine)
    machine.say(release, serial=2, **changes)
    assert machine.check(machine.site) == 7
    assert "REFUSED tallyflask 1.0: " in machine.err and why in machine.err
    assert f"It is installed in {machine.site}." in machine.err
    assert "1 distribution" in machine.out and ": 1 alarm" in machine.out


def test_a_prohibited_name_is_an_alarm(machine):
    machine.install(paper.wheel(paper.HELD_NAME, "1.0"))
    assert machine.check(machine.site) == 7
    assert "forbidden is prohibited" in machine.err


def test_what_is_yanked_is_a_warning_with_its_reason(machine):
    machine.say(paper.yanked(machine.now, machine.release, "leaks memory"), serial=2)
    assert machine.check(machine.site) == 0
    assert "tallystick: warning: tallyflask 1.0 is yanked" in machine.err and "leaks memory" in machine.err


def test_what_the_registry_does_not_know_is_listed(machine):
    machine.install(paper.wheel("nobody", "1.0"))
    machine.install(paper.wheel("tallyflask", "9.0"))
    assert machine.check(machine.site) == 0
    assert "not known to the registry: " in machine.out
    assert "nobody 1.0" in machine.out and "tallyflask 9.0" in machine.out


FROM = {
    "editable": {"url": "file:///home/me/tallyflask", "dir_info": {"editable": True}},
    "git": {"url": "https://git.example.test/x", "vcs_info": {"vcs": "git", "commit_id": "0" * 40}},
    "another archive": {"url": "https://x.example.test/x.whl", "archive_info": {"hashes": {"sha256": "0" * 64}}},
    "an archive without a hash": {"url": "https://x.example.test/x.whl", "archive_info": {}},
}


@pytest.mark.parametrize("record", FROM.values(), ids=FROM.keys())
def test_what_was_installed_from_elsewhere_is_listed_and_not_taken_for_the_registry_s_of_that_name(machine, record):
    machine.install(WHEEL, direct_url=record)
    machine.say(paper.removed(machine.now, machine.release, "a mistake"), serial=2)
    assert machine.check(machine.site) == 0
    assert "not from the registry: tallyflask 1.0" in machine.out


def test_a_tree_of_one_s_own_may_have_any_name_whatever_became_of_it(machine):
    assert machine.check(machine.site) == 0
    machine.say(machine.release, serial=2, generation=2)
    machine.install(WHEEL, direct_url=FROM["editable"])
    assert machine.check(machine.site) == 0


@pytest.mark.parametrize("hashes", [{"hashes": {"sha256": DIGEST}}, {"hash": f"sha256={DIGEST}"}], ids=["new", "old"])
def test_an_archive_that_was_taken_down_is_an_alarm_wherever_it_came_from(machine, hashes):
    machine.install(WHEEL, direct_url={"url": "https://x.example.test/tallyflask.whl", "archive_info": hashes})
    assert machine.check(machine.site) == 0
    assert "0 checked by name and version, 1 by the hash of the archive" in machine.out
    machine.say(machine.release, serial=2, takedowns=(takedown(machine, DIGEST),))
    assert machine.check(machine.site) == 7
    assert "it steals tokens" in machine.err


def test_an_archive_of_an_index_is_known_by_its_hash(machine):
    """PEP 710 (a draft): whoever records it is checked more closely."""
    for digest, words in ((DIGEST, "no alarm"), ("0" * 64, "not known to the registry: tallyflask 1.0")):
        archive = {"url": "https://x.example.test/tallyflask.whl", "archive_info": {"hashes": {"sha256": digest}}}
        machine.install(WHEEL, provenance_url=archive)
        assert machine.check(machine.site) == 0
        assert words in machine.out


@pytest.mark.parametrize("broken", ["{", "[]", '{"url": 1}', '{"url": "x\\u001b[2J"}'])
def test_a_record_or_metadata_that_cannot_be_read_is_listed(machine, broken):
    machine.install(WHEEL, direct_url=broken)
    (machine.site / "empty-1.0.dist-info").mkdir()
    assert machine.check(machine.site) == 0
    assert "not readable: " in machine.out and "tallyflask-1.0.dist-info" in machine.out
    assert "empty-1.0.dist-info" in machine.out and "\x1b" not in machine.out


def test_a_repository_that_cannot_be_reached_is_no_clean_bill(machine):
    machine.server.stop()
    assert machine.check(machine.site) == 8


@pytest.fixture
def environment(tmp_path, machine):
    """A virtual environment with tallyflask in it, and code that would run at the start of its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    [site] = (tmp_path / "env").glob("lib/*/site-packages")
    machine.install(WHEEL, site)
    (site / "woken.pth").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'woken')!r}).touch()\n")
    return tmp_path / "env"


def test_an_environment_is_known_by_its_interpreter_its_directory_or_by_being_active(
    machine, environment, tmp_path, monkeypatch
):
    monkeypatch.setenv("VIRTUAL_ENV", str(environment))
    for words in ([environment / "bin" / "python"], [environment], []):
        assert machine.check(*words) == 0
        assert "1 distribution in" in machine.out and "no alarm" in machine.out
        assert str(environment) in machine.out
    machine.say(machine.release, serial=2, takedowns=(takedown(machine, DIGEST),))
    assert machine.check() == 7


def test_nothing_that_is_installed_runs(machine, environment, tmp_path):
    assert machine.check(environment) == 0
    assert not (tmp_path / "woken").exists()
    subprocess.run([environment / "bin" / "python", "-I", "-c", "pass"], check=True)
    assert (tmp_path / "woken").exists(), "as it does when the interpreter starts as usual"


def test_an_environment_that_shares_the_system_s_packages_is_checked_with_them(machine, environment):
    own = environment / "pyvenv.cfg"
    assert machine.check(environment) == 0
    alone = machine.out
    own.write_text(own.read_text().replace("= false", "= true"))
    machine.check("--json", environment)
    said = json.loads(machine.out)
    assert len(said["directories"]) > 1 and said["directories"][0] in alone


def test_json_says_the_same_for_programs(machine):
    machine.install(paper.wheel("nobody", "1.0"))
    machine.say(machine.release, serial=2, takedowns=(takedown(machine, DIGEST),))
    assert machine.check("--json", machine.site) == 7
    said = json.loads(machine.out)
    assert (said["exit"], said["directories"]) == (7, [str(machine.site)])
    by_name = {each["name"]: each for each in said["installed"]}
    assert (by_name["tallyflask"]["standing"], by_name["tallyflask"]["code"]) == ("alarm", "taken-down")
    assert (by_name["nobody"]["standing"], by_name["nobody"]["code"]) == ("unknown", "absent")


@pytest.mark.parametrize("place", ["/bin/true", "no-such-python"])
def test_what_is_no_interpreter_is_a_usage_error(machine, place):
    assert machine.check(place) == 2
    assert "no Python that can be asked" in machine.err
