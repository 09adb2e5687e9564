"""The commands as a person types them, against a repository on loopback: what they print and their exit codes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from client_verify.cli import COMMANDS
from client_verify.installing import run
from client_verify.refusals import KINDS
from keys import layout
from keys.state import Act, Deprecation, Grant, Mark, Membership, Reason, Reservation, Takedown
from tests import paper

WHEEL = paper.wheel("tallyflask", "1.0")


@pytest.fixture
def now():
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def registry(now, serve, tmp_path):
    """tallyflask 1.0 on loopback, and its root in a file."""
    repository = paper.Paper(now)
    repository.add_file("tallyflask", WHEEL.filename, WHEEL.data, WHEEL.metadata)
    repository.say(paper.project(now, "tallyflask", paper.release(now, "1.0", WHEEL)))
    repository.publish(now)
    repository.server = serve(repository.files)
    repository.url = repository.server.url
    repository.root_file = tmp_path / "root.json"
    repository.root_file.write_bytes(repository.root)
    return repository


@pytest.fixture
def trusting(terminal, registry):
    assert terminal("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file) == 0
    return terminal


def test_a_pin_is_listed_shown_and_removed(trusting, registry, tmp_path):
    assert "Compare this fingerprint" in trusting.out
    assert trusting("trust", "list") == 0
    assert registry.url in trusting.out and "sha256:" in trusting.out
    assert trusting("show", "tallyflask") == 0
    assert trusting("trust", "remove", "acme") == 0
    assert trusting("trust", "list") == 0
    assert trusting.out == ""
    assert len(list((tmp_path / "home" / "data").iterdir())) == 1, "what was verified stays"


def test_a_pin_is_never_replaced_silently(trusting, registry, tmp_path, now):
    other = tmp_path / "other.json"
    other.write_bytes(paper.Paper(now, forge=lambda role, body: body.update({"x-other": 1})).root)
    assert trusting("trust", "add", "acme", "--url", registry.url, "--root", other) == 2
    assert "already pinned" in trusting.err and "Nothing was written" in trusting.err
    assert trusting("trust", "add", "acme", "--url", "http://other.test", "--root", registry.root_file) == 2
    assert trusting("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file) == 0


def test_only_a_name_that_was_contradicted_is_forgotten(trusting, registry, now):
    assert trusting("show", "tallyflask") == 0
    assert trusting("forget", "tallyflask") == 2
    assert "was contradicted, so there is nothing to forget. Nothing was written." in trusting.err
    registry.hush("tallyflask")
    registry.files |= registry.publish(now)
    assert trusting("show", "tallyflask") == 6
    assert trusting("forget", "Tallyflask") == 0
    assert "Both documents of the contradiction are kept." in trusting.out
    assert trusting("show", "tallyflask") == 0
    assert "not known to the registry" in trusting.out
    assert trusting("forget", "tallyflask") == 2


def test_a_fingerprint_that_differs_stops_the_pin(terminal, registry):
    words = ("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file, "--fingerprint")
    assert terminal(*words, "sha256:" + "0" * 64) == 2
    assert "not the file that you were told about" in terminal.err
    assert terminal("trust", "list") == 0
    assert terminal.out == ""


ROOTS = {
    "one signature short": ({}, {"root": paper.HOLDERS[0]}, "signed by 1 different keys of its own; 2 are needed"),
    "one key twice": (
        {"threshold": 2, "keyids": [paper.HOLDERS[0].record.keyid, "ab" * 32]},
        {"root": lambda payload: (*paper.HOLDERS[0](payload), *paper.alias(paper.HOLDERS[0], "ab" * 32)(payload))},
        "would count twice",
    ),
}


@pytest.mark.parametrize("role, signers, why", ROOTS.values(), ids=ROOTS.keys())
def test_a_root_that_no_ceremony_makes_is_not_pinned(terminal, now, tmp_path, role, signers, why):
    def forge(signed, body):
        if signed == "root" and role:
            body["keys"]["ab" * 32] = paper.HOLDERS[0].record.to_dict()
            body["roles"]["root"] = role

    root = tmp_path / "root.json"
    root.write_bytes(paper.Paper(now, forge=forge, signers=signers).root)
    assert terminal("trust", "add", "acme", "--url", "http://registry.test", "--root", root) == 2
    assert why in terminal.err


def test_a_root_with_a_number_that_nobody_can_sign_is_not_pinned(terminal, registry):
    registry.root_file.write_bytes(registry.root.replace(b'"signed":{', b'"signed":{"x-odd":0.5,'))
    assert terminal("trust", "add", "acme", "--url", "http://registry.test", "--root", registry.root_file) == 2
    assert "no canonical form" in " ".join(terminal.err.split()) and "Nothing was written" in terminal.err


def test_metadata_that_is_no_root_is_not_pinned(terminal, registry, tmp_path):
    for data in (registry.files["metadata/timestamp.json"], b"{}", b"\x00"):
        registry.root_file.write_bytes(data)
        assert terminal("trust", "add", "acme", "--url", "http://registry.test", "--root", registry.root_file) == 2
        assert "cannot be trusted" in terminal.err


def test_a_rehearsal_root_is_pinned_with_a_loud_warning(terminal, now, tmp_path):
    root = tmp_path / "root.json"
    root.write_bytes(paper.Paper(now, forge=lambda role, body: body.update({layout.REHEARSAL_FIELD: True})).root)
    assert terminal("trust", "add", "practice", "--url", "http://registry.test", "--root", root) == 0
    assert "REHEARSAL" in terminal.err


@pytest.mark.parametrize("name", ["../acme", "", "A", "a" * 65])
def test_a_pin_s_name_cannot_leave_its_directory(terminal, registry, name):
    assert terminal("trust", "add", name, "--url", registry.url, "--root", registry.root_file) == 2
    assert terminal("trust", "remove", name) == 2


@pytest.mark.parametrize("name", ["..", ".", "acme/../acme"])
def test_a_path_is_no_name_of_a_pin(trusting, name):
    assert trusting("trust", "remove", name) == 2
    assert "no repository is pinned as" in trusting.err
    assert trusting("show", "tallyflask") == 0


def test_several_pins_make_the_person_choose(trusting, registry):
    trusting("trust", "add", "other", "--url", registry.url, "--root", registry.root_file)
    assert trusting("show", "tallyflask") == 2
    assert "--repo acme|other" in trusting.err
    assert trusting("show", "--repo", "other", "tallyflask") == 0


def test_without_a_pin_a_person_learns_how_to_begin(terminal):
    assert terminal("show", "flask") == 2
    assert "tallystick trust add" in terminal.err


def test_show_tells_the_state_the_history_and_the_snapshot(trusting, registry, now):
    yanked = paper.yanked(now, paper.release(now, "1.0", WHEEL), "leaks memory")
    state = paper.project(now, "tallyflask", yanked, serial=2)
    registry.say(replace(state, history=(Act(2, "release.yanked", "1.0", yanked.yank.mark),)))
    registry.publish(now)
    assert trusting("show", "TallyFlask") == 0
    assert "1.0  yanked (owner) " in trusting.out and "leaks memory" in trusting.out
    assert f"{now:%Y-%m-%d}  release.yanked 1.0 by its owner" in trusting.out
    assert 'serial 2, generation 1, in snapshot 2 of "acme"' in trusting.out


def test_show_says_in_whose_namespace_a_project_is(trusting, registry, now):
    since = paper.mark(now)
    mine, others = Membership("tallyflask", True, 1), Membership("tallyflask", False, 1)
    project = paper.project(now, "tallyflask", paper.release(now, "1.0", WHEEL), serial=2)
    grant = Grant("Acme Corporation", since, shared_with=("Acme Labs",))
    registry.say(replace(project, namespace=grant, namespaces=(mine,)))
    registry.publish(now)
    assert trusting("show", "tallyflask") == 0
    assert "tallyflask and tallyflask-* are the namespace of Acme Corporation since" in trusting.out
    assert "shared with Acme Labs" in trusting.out
    assert "in the namespace tallyflask, and one of its own" in trusting.out
    registry.say(replace(project, serial=3, namespace=grant, namespaces=(others,)))
    registry.publish(now)
    assert trusting("show", "tallyflask") == 0
    assert "in the namespace tallyflask, but not one of its own: it is somebody else's" in trusting.out


def test_show_tells_takedowns_in_words_with_the_bytes_that_they_are_about(trusting, registry, now):
    one = paper.removed(now, paper.release(now, "1.0", WHEEL), "it steals tokens")
    said = paper.mark(now, "admin", text="it steals tokens")
    digest = one.files[0].sha256
    entry = Takedown(
        "tallyflask/1/1", "dependency_confusion", "withdrawn", ("1.0",), (digest,), said, said, ("CVE-2026-1000",)
    )
    registry.say(replace(paper.project(now, "tallyflask", one, serial=2), takedowns=(entry,)))
    registry.publish(now)
    assert trusting("show", "tallyflask") == 0
    words = "1.0 withdrawn; it was listed as dependency confusion (CVE-2026-1000) since "
    said = " ".join(trusting.out.split())
    assert words in said and "by an administrator: it steals tokens" in said
    assert f"sha256 {digest}" in trusting.out


def test_show_says_why_nothing_can_be_installed(trusting):
    assert trusting("show", paper.HELD_NAME) == 0
    assert "not installable: forbidden is prohibited since" in trusting.out


def test_show_proves_absence_with_its_snapshot_and_expiry(trusting, now):
    assert trusting("show", "nobody") == 0
    assert "proven by snapshot 1, valid until" in trusting.out
    assert trusting("show", "--json", "nobody") == 0
    shown = json.loads(trusting.out)
    assert (shown["state"], shown["refused"], shown["snapshot"]) == (None, "absent", 1)


def test_show_json_holds_the_signed_state(trusting):
    assert trusting("show", "--json", "tallyflask") == 0
    shown = json.loads(trusting.out)
    assert shown["state"]["releases"][0]["files"][0]["filename"] == WHEEL.filename
    assert shown["refused"] is None


def test_verify_accepts_the_signed_bytes_and_refuses_others(trusting, tmp_path):
    file = tmp_path / WHEEL.filename
    file.write_bytes(WHEEL.data)
    assert trusting("verify", file) == 0
    file.write_bytes(WHEEL.data + b"!")
    assert trusting("verify", file) == 6
    assert "REFUSED" in trusting.err and "mismatch" in trusting.err


def test_verify_refuses_a_removed_release_and_warns_of_a_yanked_one(trusting, registry, tmp_path, now):
    file = tmp_path / WHEEL.filename
    file.write_bytes(WHEEL.data)
    published = paper.release(now, "1.0", WHEEL)
    registry.say(paper.project(now, "tallyflask", paper.yanked(now, published, "leaks memory"), serial=2))
    registry.publish(now)
    assert trusting("verify", file) == 0
    assert "leaks memory" in trusting.out
    registry.say(paper.project(now, "tallyflask", paper.removed(now, published, "malware"), serial=3))
    registry.publish(now)
    assert trusting("verify", file) == 7
    assert "malware" in trusting.err


def test_verify_of_something_else_is_a_usage_error(trusting, tmp_path):
    assert trusting("verify", tmp_path / "notes.txt") == 2
    assert trusting("verify", tmp_path / "absent-1.0.tar.gz") == 2


def test_status_tells_what_was_verified_and_when_it_ends(trusting, registry, now):
    assert trusting("status") == 0
    assert "nothing verified yet" in trusting.out
    trusting("show", "tallyflask")
    assert trusting("status") == 0
    assert "timestamp 1, snapshot 1, valid until" in trusting.out and "1 name remembered" in trusting.out


def test_explain_has_a_paragraph_for_every_refusal(terminal):
    for code, kind in KINDS.items():
        assert terminal("explain", code) == 0
        assert f"{code} (exit code {kind.exit})" in terminal.out


def test_a_refusal_ends_any_command_with_its_exit_code(trusting, registry, now):
    registry.publish(now)
    old = dict(registry.files)
    registry.publish(now)
    assert trusting("show", "tallyflask") == 0
    registry.files.update(old)
    assert trusting("show", "tallyflask") == 3
    assert "timestamp version 2; this machine has already verified version 3" in trusting.err
    assert "See: tallystick explain rollback" in trusting.err


def test_four_processes_share_one_metadata_directory(trusting, registry):
    """python-tuf without a lock: "0-5 % of refreshes fail with FileExistsError"; every one of ours must answer."""
    command = [sys.executable, "-m", "client_verify.cli"]
    script = "import sys; from client_verify.cli import main; sys.exit(max(main(['show', n]) for n in sys.argv[1:]))"
    names = ("tallyflask", "nobody", "forbidden")
    command = [sys.executable, "-c", script, *names]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, env=dict(os.environ)) for _ in range(4)]
    assert [process.wait() for process in running] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (["pip", "install", "flask"], "pip"),
        (["/usr/bin/uv", "pip", "install", "flask"], "uv"),
        (["/venv/bin/python", "-m", "pip", "install", "flask"], "pip"),
        (["python", "-m"], "python"),
        (["python", "setup.py"], "python"),
    ],
)
def test_a_refusal_names_the_installer_as_its_user_knows_it(command, program):
    assert run.program(command) == program


def test_status_tells_how_long_what_was_verified_is_valid(trusting, registry):
    trusting("show", "tallyflask")
    assert trusting("status") == 0
    assert "(for 23 hours)" in trusting.out and "newest root 1, valid until" in trusting.out


def test_status_asks_nobody_and_refresh_asks(trusting, registry):
    registry.server.asked.clear()
    assert trusting("status") == 0
    assert registry.server.asked == []
    assert trusting("status", "--refresh", "--json") == 0
    (said,) = json.loads(trusting.out)["repositories"]
    assert (said["verified"]["timestamp"], said["verified"]["expired"], said["damage"]) == (1, False, None)


def test_status_says_what_a_refresh_was_refused_for(trusting, registry):
    trusting("show", "tallyflask")
    registry.server.files.clear()
    assert trusting("status", "--refresh", "--json") == 8
    assert json.loads(trusting.out)["refused"] == {"acme": "unreachable"}
    assert json.loads(trusting.out)["repositories"][0]["verified"]["snapshot"] == 1


@pytest.mark.parametrize(
    "file", ["metadata/timestamp.json", "metadata/snapshot.json", "metadata/root.json", "memory.sqlite"]
)
@pytest.mark.parametrize("data", [b"", b"{}", b"\x00" * 5000])
def test_status_says_that_a_state_is_damaged(trusting, tmp_path, file, data):
    trusting("show", "tallyflask")
    (directory,) = (tmp_path / "home" / "data").glob("acme-*")
    (directory / file).unlink()
    (directory / file).write_bytes(data)
    assert trusting("status", "--json") == 2
    (said,) = json.loads(trusting.out)["repositories"]
    assert said["damage"] is not None
    assert trusting("status") == 2
    assert "DAMAGED" in trusting.out


def test_status_names_what_contradicted_itself(trusting, registry, now):
    trusting("show", "tallyflask")
    registry.hush("tallyflask")
    registry.publish(now)
    trusting("show", "tallyflask")
    assert trusting("status") == 0
    assert "evidence kept: tallyflask contradicted itself on" in trusting.out


def test_with_json_a_refusal_is_an_object_too(trusting, registry):
    registry.server.files.clear()
    for words in (("show", "x"), ("available", "x"), ("download", "x"), ("verify", "x-1.tar.gz")):
        assert trusting(*words, "--json") == 8
        said = json.loads(trusting.out)
        assert (said["refused"], said["exit"], said.keys()) == ("unreachable", 8, {"refused", "detail", "exit"})
        assert "REFUSED" in trusting.err, "and the person reads it as well"
    assert trusting("show", "--json", "no name") == 2
    assert (json.loads(trusting.out)["refused"], json.loads(trusting.out)["exit"]) == ("usage", 2)


def test_show_says_what_an_installer_would_do_and_judges_each_release(trusting, registry, now):
    releases = [
        paper.yanked(now, paper.release(now, "1.0", WHEEL), "leaks memory"),
        paper.release(now, "2.0", paper.wheel("tallyflask", "2.0")),
        paper.release(now, "3.0rc1", paper.wheel("tallyflask", "3.0rc1")),
    ]
    registry.say(paper.project(now, "tallyflask", *releases, serial=2))
    registry.publish(now)
    assert trusting("show", "tallyflask") == 0
    assert "`pip install tallyflask` would install 2.0" in trusting.out
    assert trusting("show", "tallyflask", "--json") == 0
    said = json.loads(trusting.out)
    assert said["would_install"] == "2.0"
    assert [(each["version"], each["verdict"]) for each in said["verdicts"]] == [
        ("1.0", "warn"), ("2.0", "install"), ("3.0rc1", "install")
    ]  # fmt: skip


LONG = "sent " + "the tokens of everybody who installed it to a paste site, and deleted the traces, " * 3
MARK = Mark("2026-11-22T10:00:00Z", "moderator", Reason("harmful", LONG))
RESERVED = Reservation("user", "Somebody", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z", 1)
STATES = {
    "registered": {},
    "quarantined": {"quarantine": MARK},
    "archived": {"archived": MARK},
    "deprecated": {"deprecated": Deprecation(MARK, "tallyflask2")},
    "locked": {"locked": MARK, "generation": 2},
    "reserved": {"state": "reserved", "reservation": RESERVED, "releases": ()},
    "vacant": {"state": "vacant", "releases": ()},
    "placeholder": {"state": "placeholder", "releases": ()},
    "prohibited": {"state": "prohibited", "releases": ()},
    "absent": None,
}
TOLD = {
    "registered": "would install 1.0",
    "quarantined": "not installable: tallystate is quarantined since 2026-11-22 by a moderator: sent the tokens",
    "archived": "archived since 2026-11-22",
    "deprecated": "Use tallyflask2",
    "locked": "locked since 2026-11-22",
    "reserved": "reserved for Somebody until 2027-01-01",
    "vacant": "is vacant since",
    "placeholder": "its name is kept empty since",
    "prohibited": "is prohibited since",
    "absent": "is not known to the registry",
}


@pytest.mark.parametrize("name", STATES)
def test_show_reads_well_in_eighty_columns_in_every_state(trusting, registry, now, name):
    if (changes := STATES[name]) is not None:
        project = paper.project(now, "tallystate", paper.release(now, "1.0", WHEEL))
        registry.say(
            replace(project, **{"since": MARK, "history": (Act(1, "project.created", None, MARK),), **changes})
        )
        registry.publish(now)
    assert trusting("show", "tallystate") == 0
    assert TOLD[name] in " ".join(trusting.out.split())
    assert max(map(len, trusting.out.splitlines())) <= 80


def test_alone_the_command_says_where_to_begin(terminal, registry):
    assert terminal() == 0
    assert "tallystick trust add" in terminal.out and "Nothing is trusted here yet" in terminal.out
    terminal("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file)
    assert terminal() == 0
    assert "Trusted here: acme." in terminal.out


def test_the_command_tells_its_version(terminal):
    assert terminal("--version") == 0
    assert terminal.out.startswith("tallystick ")


HELP = [
    (), *((name,) for name in COMMANDS), ("cache", "purge"), ("trust", "add"), ("trust", "show"), ("lock", "verify"),
    ("lock", "rewrite"), ("memory", "import"), ("memory", "reset"), ("evidence", "export"), ("evidence", "check"),
]  # fmt: skip


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_help_fits_in_eighty_columns(terminal, words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert terminal(*words, "--help") == 0
    assert max(map(len, terminal.out.splitlines())) <= 80


@pytest.mark.parametrize("words", [("show",), ("available",), ("download",), ("verify",)])
def test_help_of_what_can_be_refused_has_an_example_and_exit_codes(terminal, words):
    terminal(*words, "--help")
    assert f"\n  tallystick {words[0]}" in terminal.out and "Exit codes: 0" in terminal.out


def test_explain_alone_is_a_table_and_all_of_it_is_asked_for(terminal):
    assert terminal("explain") == 0
    table = terminal.out.splitlines()
    assert len(table) == len(KINDS) + 3 and max(map(len, table)) <= 80
    assert "3     rollback         rollback attack detected" in table
    assert terminal("explain", "--all") == 0
    assert all(f"{code} (exit code {kind.exit}): {kind.title}" in terminal.out for code, kind in KINDS.items())
    assert terminal("explain", "rollback", "--json") == 0
    assert json.loads(terminal.out)["refusals"]["rollback"]["exit"] == 3
    assert terminal("explain", "bewitched") == 2


def test_what_any_command_refused_is_in_the_log(trusting, registry):
    registry.server.files.clear()
    assert trusting("download", "tallyflask") == 8
    assert trusting("log", "--json") == 0
    (refusal,) = json.loads(trusting.out)["refusals"]
    assert (refusal["subject"], refusal["code"], refusal["program"]) == ("tallyflask", "unreachable", "tallystick")


def test_alone_and_of_a_pin_the_command_keeps_to_eighty_columns(trusting, registry):
    for words in ((), ("trust", "show", "acme"), ("explain", "--all")):
        assert trusting(*words) == 0
        assert max(map(len, trusting.out.splitlines())) <= 80, words
