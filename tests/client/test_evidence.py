"""Two signed files of one version: refused, kept with what proves them, and checked by somebody who knows the root."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from client_verify.answers import Found
from client_verify.refusals import Refused
from client_verify.remembering import equivocation, evidence
from client_verify.remembering.evidence import doubts
from keys import layout
from keys.encoding import compact
from keys.signing import signed_file
from tests import paper

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
ONE = paper.release(NOW, "1.0", paper.wheel("flask", "1.0"))
TWO = paper.release(NOW, "2.0", paper.wheel("flask", "2.0"))
MALWARE = paper.release(NOW, "1.0", paper.wheel("flask", "1.0", says="malware"))


def contradicted(ask):
    with pytest.raises(Refused) as caught:
        ask()
    assert caught.value.code == "contradiction", caught.value
    return caught.value.detail


def kept(world):
    """The one piece of evidence, which proves itself."""
    (found,) = world.memory().evidence()
    assert doubts(found) == []
    return evidence.load(found.data)


def signed_again(world, role, change=lambda body: None, sign=paper.ONLINE):
    """Another file of a role's newest version, in place of the one that is served."""
    path = world.repository.newest(role)
    body = json.loads(world.repository.files[path])["signed"]
    change(body)
    world.repository.files[path] = signed_file(body, sign)
    return world.repository.files[path]


def lists_snapshot(data):
    """A timestamp's change, so that it lists these bytes as the snapshot that it lists already."""

    def change(body):
        body["version"] += 1
        body["meta"]["snapshot.json"].update(paper.page.target_entry(data))

    return change


def test_two_timestamps_of_one_version_are_a_contradiction_which_python_tuf_passes_over(world):
    world.say("flask", ONE)
    world.session()
    first = world.repository.files["metadata/timestamp.json"]
    second = signed_again(world, "timestamp", lambda body: body.update({"x-for": "you alone"}))
    assert "two different files are signed as version 1 of timestamp" in contradicted(world.session)
    found = kept(world)
    assert (found.kind, found.subject) == ("role", "timestamp")
    assert [side.files["timestamp"] for side in (found.before, found.after)] == [first, second]
    contradicted(world.session)
    assert len(world.memory().evidence()) == 1
    world.publish()
    assert isinstance(world.session().page("flask"), Found), "another version is another statement"


def test_two_timestamps_are_compared_although_the_metadata_was_lost(world):
    world.say("flask", ONE)
    world.session()
    shutil.rmtree(world.directory / "metadata")
    signed_again(world, "timestamp", lambda body: body.update({"x-for": "you alone"}))
    contradicted(world.session)
    assert kept(world).subject == "timestamp"


def test_the_same_content_in_other_bytes_is_no_contradiction(world):
    world.say("flask", ONE)
    world.session()
    path = "metadata/timestamp.json"
    world.repository.files[path] = json.dumps(json.loads(world.repository.files[path]), indent=1).encode()
    assert isinstance(world.session().page("flask"), Found)
    assert world.memory().evidence() == []


def test_another_timestamp_that_is_not_signed_is_not_valid_and_no_evidence(world):
    world.say("flask", ONE)
    world.session()
    signed_again(world, "timestamp", lambda body: body.update({"x-for": "you alone"}), paper.HOLDERS[0])
    with pytest.raises(Refused) as caught:
        world.session()
    assert caught.value.code == "invalid" and world.memory().evidence() == []


def test_two_snapshots_of_one_version_are_a_contradiction_which_python_tuf_never_looks_at(world):
    world.say("flask", ONE)
    world.session()
    first = world.repository.files[world.repository.newest("snapshot")]
    second = signed_again(world, "snapshot", lambda body: body.update({"x-for": "you alone"}))
    signed_again(world, "timestamp", lists_snapshot(second))
    assert "version 1 of snapshot" in contradicted(world.session)
    assert [side.files["snapshot"] for side in (kept(world).before, kept(world).after)] == [first, second]


def test_a_snapshot_in_other_bytes_with_the_same_content_is_taken(world):
    world.say("flask", ONE)
    world.session()
    path = world.repository.newest("snapshot")
    world.repository.files[path] = json.dumps(json.loads(world.repository.files[path]), indent=1).encode()
    signed_again(world, "timestamp", lists_snapshot(world.repository.files[path]))
    assert isinstance(world.session().page("flask"), Found)


def test_a_timestamp_that_lists_another_snapshot_than_is_there_is_a_mismatch_and_no_evidence(world):
    world.say("flask", ONE)
    world.session()
    signed_again(world, "timestamp", lists_snapshot(b"something else" * 1000))
    with pytest.raises(Refused) as caught:
        world.session()
    assert caught.value.code == "mismatch" and world.memory().evidence() == []


def test_another_snapshot_that_is_not_signed_is_not_valid_and_no_evidence(world):
    world.say("flask", ONE)
    world.session()
    second = signed_again(world, "snapshot", lambda body: body.update({"x-for": "you alone"}), paper.HOLDERS[0])
    signed_again(world, "timestamp", lists_snapshot(second))
    with pytest.raises(Refused) as caught:
        world.session()
    assert caught.value.code == "invalid" and world.memory().evidence() == []


def test_two_bins_of_one_version_are_a_contradiction_wherever_the_second_is_met(world):
    world.say("flask", ONE)
    world.session().page("flask")
    role = world.repository.bin_of("flask")
    shutil.rmtree(world.directory / "metadata")
    signed_again(world, role, lambda body: body["targets"].clear())
    assert f"of {role}" in contradicted(lambda: world.session().page("flask"))
    found = kept(world)
    assert found.subject == "flask" and found.before.files[role] != found.after.files[role]


def test_a_bin_that_only_a_key_signed_that_is_trusted_no_longer_contradicts_nothing(world):
    world.say("flask", ONE)
    session, role = world.session(), world.repository.bin_of("flask")
    session.page("flask")
    bins, bin_ = session.trusted.delegator(role), session.trusted.files[role]
    body = {**json.loads(bin_)["signed"], "targets": {}}
    assert equivocation.of_bin(bins, role, signed_file(body, paper.ONLINE), bin_) is not None
    assert equivocation.of_bin(bins, role, signed_file(body, paper.HOLDERS[0]), bin_) is None


def said_otherwise(world):
    """flask was one thing and is another, under the same name and hash."""
    world.say("flask", ONE, serial=5)
    world.session().page("flask")
    world.later(hours=1)
    world.say("flask", MALWARE, serial=6)
    contradicted(lambda: world.session().page("flask"))
    return kept(world)


def test_evidence_of_two_pages_holds_what_a_stranger_needs_and_no_more(world):
    found = said_otherwise(world)
    role = world.repository.bin_of("flask")
    assert found.before.files.keys() == {"page", role, "bins", "targets"}
    assert found.after.files.keys() == {"page", role, "bins", "targets", "timestamp"}
    assert [document.data for document in found.roots] == [world.repository.root]


def test_a_page_that_vanished_is_proved_by_the_bin_that_no_longer_lists_it(world):
    world.say("flask", ONE)
    world.session().page("flask")
    world.repository.hush("flask")
    world.publish()
    contradicted(lambda: world.session().page("flask"))
    assert "page" not in kept(world).after.files


def test_evidence_is_proved_across_a_planned_change_of_root(world):
    world.say("flask", ONE, serial=5)
    world.session().page("flask")
    world.repository.ceremony(world.later(hours=1))
    world.say("flask", MALWARE, serial=6)
    contradicted(lambda: world.session().page("flask"))
    assert [document.role for document in kept(world).roots] == ["root", "root"]


FORGERIES = {
    "another page": lambda found, files: {**files, "page": files["page"].replace(b"1.0", b"1.1")},
    "a bin that nobody signed": lambda found, files: {
        role: data.replace(b'"sha256":"', b'"sha256":"0') if role.startswith("bin-") else data
        for role, data in files.items()
    },
    "no bins": lambda found, files: {role: data for role, data in files.items() if role != "bins"},
    "the earlier page again": lambda found, files: found.before.files,
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_evidence_that_was_made_up_proves_nothing(world, forgery):
    found = said_otherwise(world)
    files = FORGERIES[forgery](found, found.after.files)
    assert doubts(replace(found, after=evidence.statement(files, "2026-11-22T10:00:00Z"))) != []
    made_up = replace(found, before=evidence.statement(FORGERIES["another page"](found, found.before.files), "x"))
    assert doubts(made_up) != []


@pytest.mark.parametrize("role", ["bin", "bins", "targets"])
def test_evidence_that_another_key_signed_proves_nothing(world, role):
    found = said_otherwise(world)
    role = world.repository.bin_of("flask") if role == "bin" else role
    for side in ("before", "after"):
        files = getattr(found, side).files
        files[role] = signed_file(json.loads(files[role])["signed"], paper.HOLDERS[0])
        (doubt,) = doubts(replace(found, **{side: evidence.statement(files, found.seen_at)}))
        assert f"{role} is not signed by enough keys" in doubt


def test_evidence_from_roots_that_do_not_follow_each_other_proves_nothing(world):
    found = said_otherwise(world)
    stranger = paper.Paper(NOW, forge=lambda role, body: body.update({"x-stranger": 1}))
    (root,) = found.roots
    (other,) = evidence.proofs.documents_of("root", [stranger.root])
    for roots in ((), (root, other), (evidence.proofs.documents_of("root", [b"{}"])[0],)):
        assert doubts(replace(found, roots=roots)) != []


def test_two_timestamps_prove_nothing_if_one_is_of_another_version_or_key(world):
    world.say("flask", ONE)
    world.session()
    signed_again(world, "timestamp", lambda body: body.update({"x-for": "you alone"}))
    contradicted(world.session)
    found = kept(world)
    for change, key in ((lambda body: body.update(version=2), paper.ONLINE), (lambda body: None, paper.HOLDERS[0])):
        other = evidence.statement({"timestamp": signed_again(world, "timestamp", change, key)}, found.seen_at)
        assert doubts(replace(found, after=other)) != []


def test_a_name_s_role_says_which_file_it_is_also_in_evidence(world):
    def forge(role, body):
        if role.startswith("bin-"):
            body[layout.ROLE_FIELD] = "bin-9"

    found = said_otherwise(world)
    world.say("flask", MALWARE, serial=7)
    world.publish(forge=forge)
    world.repository.hush("flask")
    world.publish(forge=forge)
    role = world.repository.bin_of("flask")
    files = {**found.after.files, role: world.repository.files[world.repository.newest(role)]}
    del files["page"]
    assert "does not say that it is" in doubts(replace(found, after=evidence.statement(files, "x")))[0]


# At the terminal.


@pytest.fixture
def accuser(terminal, serve, tmp_path):
    """A person whose registry contradicted itself about tallyflask."""
    now = datetime.now(UTC).replace(microsecond=0)
    repository = paper.Paper(now)
    url = serve(repository.files).url
    root = tmp_path / "root.json"
    root.write_bytes(repository.root)
    assert terminal("trust", "add", "acme", "--url", url, "--root", root) == 0
    for says, code in (("hello", 0), ("malware", 6)):
        wheel = paper.wheel("tallyflask", "1.0", says=says)
        repository.say(paper.project(now, "tallyflask", paper.release(now, "1.0", wheel)))
        repository.publish(now)
        assert terminal("show", "tallyflask") == code
    return terminal


def test_evidence_is_listed_shown_exported_and_checked_by_somebody_else(accuser, tmp_path, monkeypatch):
    assert accuser("evidence", "list") == 0
    identifier = accuser.out.split()[0]
    assert "name tallyflask: there are two different states with serial 1" in accuser.out
    assert accuser("evidence", "show", identifier) == 0
    assert "proved to whoever knows the root sha256:" in accuser.out and "page  sha256" in accuser.out
    assert accuser("evidence", "show", "nothing") == 2
    assert accuser("status") == 0
    assert "tallyflask" in accuser.out
    assert accuser("evidence", "export", "out.jsonl") == 0
    assert accuser("evidence", "export", "out.jsonl") == 2 and "Nothing was written" in accuser.err
    monkeypatch.setenv("TALLYSTICK_HOME", str(tmp_path / "stranger"))
    assert accuser("evidence", "export", "more.jsonl") == 2
    assert accuser("evidence", "check", "out.jsonl", "--root", "root.json") == 0
    assert "line 1 is proved: name tallyflask" in accuser.out


def test_a_check_says_which_line_proves_nothing_and_to_whom(accuser, tmp_path):
    assert accuser("evidence", "export", "out.jsonl") == 0
    stranger = tmp_path / "stranger.json"
    stranger.write_bytes(paper.Paper(NOW, forge=lambda role, body: body.update({"x-stranger": 1})).root)
    assert accuser("evidence", "check", "out.jsonl", "--root", stranger) == 5
    assert "line 1 proves nothing: its first root is another one" in accuser.err
    (tmp_path / "bad.jsonl").write_bytes(compact({"form": "other"}))
    assert accuser("evidence", "check", "bad.jsonl", "--root", "root.json") == 5


def test_a_memory_is_exported_imported_and_reset_by_its_full_name(accuser, tmp_path, monkeypatch):
    assert accuser("memory", "export", "known.json") == 0
    assert "1 names" in accuser.out
    home = tmp_path / "second"
    shutil.copytree(tmp_path / "home" / "config", home / "config")
    monkeypatch.setenv("TALLYSTICK_HOME", str(home))
    assert accuser("memory", "export", "more.json") == 2 and "nothing was verified" in accuser.err
    assert accuser("memory", "import", "known.json") == 0
    assert "1 names of acme are known better" in accuser.out
    assert accuser("show", "tallyflask") == 6, "it notices what the first machine would have"
    assert accuser("memory", "reset") == 2
    assert accuser("memory", "reset", "--repo", "ac") == 2
    assert accuser("memory", "reset", "--repo", "acme") == 0
    assert "a removal that is taken back" in accuser.err
    assert accuser("show", "tallyflask") == 0
    assert accuser("evidence", "list") == 0 and "tallyflask" in accuser.out
    assert accuser("memory", "import", "known.json") == 6
    assert "tallyflask contradicts what is known here" in accuser.err


def test_a_damaged_memory_is_put_aside_by_a_reset_and_said_at_the_terminal(accuser, tmp_path):
    (file,) = (tmp_path / "home" / "data").glob("*/memory.sqlite")
    file.write_bytes(b"x" * 10_000)
    assert accuser("show", "tallyflask") == 6
    assert "memory of this machine is damaged" in accuser.err and "Nothing was written" in accuser.err
    assert accuser("memory", "reset", "--repo", "acme") == 0
    assert "put aside" in accuser.out
    assert file.with_suffix(".damaged-1").read_bytes() == b"x" * 10_000
    assert accuser("show", "tallyflask") == 0
