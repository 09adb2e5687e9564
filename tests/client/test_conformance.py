"""The conformance command by its protocol, from outside: exit codes, files and requests, against a repository on paper.

The public suite is run by hand and by its own action; this says the same about what it looks at, where nothing may be
fetched.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from tuf.api.metadata import Metadata

from client_verify.conformance import main
from keys import layout, names
from keys.encoding import sha256
from tests import paper, servers

ALIAS = "ab" * 32
PATH = names.page_path("flask")


class Client:
    """Runs the command in this process, or as a program at another time."""

    def __init__(self, folder, server, root):
        self.metadata, self.targets = folder / "client/metadata", folder / "client/targets"
        self.metadata.mkdir(parents=True)
        self.root = folder / "root.json"
        self.root.write_bytes(root)
        self.server = server

    def init(self):
        return main(["--metadata-dir", str(self.metadata), "init", str(self.root)])

    def refresh(self):
        return main([*self._flags(), "refresh"])

    def download(self, *paths):
        return main(
            [*self._flags(), *self._places(), *(word for path in paths for word in ("--target-name", path)), "download"]
        )

    def as_program(self, *words, at=None):
        faked = servers.at(f"@{at:%Y-%m-%d %H:%M:%S}") if at else []
        command = [*faked, sys.executable, "-m", "client_verify.conformance", *words]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TZ": "UTC"}, timeout=60)
        return done.returncode

    def refresh_at(self, moment):
        return self.as_program(*self._flags(), "refresh", at=moment)

    def trusted(self):
        """Every file of the metadata directory: its role and version, as the suite reads it."""
        found = {path.name: Metadata.from_bytes(path.read_bytes()) for path in self.metadata.glob("*.json")}
        return {name.removesuffix(".json"): metadata.signed.version for name, metadata in found.items()}

    def kept(self):
        return {path.name: path.read_bytes() for path in self.targets.iterdir()} if self.targets.exists() else {}

    def _flags(self):
        return ["--metadata-url", f"{self.server.url}/metadata", "--metadata-dir", str(self.metadata)]

    def _places(self):
        return ["--target-dir", str(self.targets), "--target-base-url", f"{self.server.url}/targets/"]


@pytest.fixture
def repository():
    made = paper.Paper(_now())
    made.say(paper.project(_now(), "flask"))
    made.publish(_now())
    return made


@pytest.fixture
def client(tmp_path, serve, repository):
    return _client(tmp_path, serve, repository)


def _client(tmp_path, serve, repository):
    return Client(tmp_path, serve(repository.files), repository.root)


def _now():
    return datetime.now(UTC).replace(microsecond=0)


def _requests(client):
    asked = [path.removeprefix("metadata/").removesuffix(".json") for path in client.server.asked]
    client.server.asked.clear()
    return asked


def test_init_trusts_the_given_root_and_asks_nobody(client):
    assert client.init() == 0
    assert client.trusted() == {"root": 1}
    assert client.server.asked == []


def test_a_refresh_asks_what_the_workflow_asks_and_no_more(client):
    client.init()
    assert client.refresh() == 0
    assert _requests(client) == ["2.root", "timestamp", "1.snapshot", "1.targets"]
    assert client.refresh() == 0
    assert _requests(client) == ["2.root", "timestamp"]


def test_the_trusted_files_are_kept_as_they_were_served(client, repository):
    repository.files["metadata/timestamp.json"] += b" "
    client.init()
    client.refresh()
    served = repository.files
    assert (client.metadata / "timestamp.json").read_bytes() == served["metadata/timestamp.json"]
    assert (client.metadata / "snapshot.json").read_bytes() == served["metadata/1.snapshot.json"]
    assert {path.name for path in client.metadata.iterdir()} == {
        "root.json", "timestamp.json", "snapshot.json", "targets.json", "root_history",
    }  # fmt: skip


def test_a_target_is_downloaded_once_and_kept_under_one_name(client, repository):
    client.init()
    assert client.download(PATH) == 0
    assert [*client.kept().values()] == [repository.files[repository.page_file("flask")]]
    client.server.asked.clear()
    assert client.download(PATH) == 0
    assert [path for path in client.server.asked if path.startswith("targets/")] == []
    repository.say(paper.project(_now(), "flask", serial=2))
    repository.publish(_now())
    assert client.download(PATH) == 0
    assert client.kept() == {quote(PATH, ""): repository.files[repository.page_file("flask")]}


def test_a_target_that_was_changed_on_disk_is_downloaded_again(client, repository):
    client.init()
    client.download(PATH)
    (client.targets / quote(PATH, "")).write_bytes(b"changed")
    assert client.download(PATH) == 0
    assert [*client.kept().values()] == [repository.files[repository.page_file("flask")]]


def test_several_targets_are_fetched_in_order_until_one_fails(client):
    client.init()
    other = names.page_path(paper.HELD_NAME)
    assert client.download(PATH, names.page_path("nobody"), other) == 1
    assert [*client.kept()] == [quote(PATH, "")]


def test_a_target_that_is_not_what_was_signed_is_not_kept(client, repository):
    client.init()
    repository.files[repository.page_file("flask")] = b"malicious"
    assert client.download(PATH) == 1
    assert client.kept() == {}


def test_a_download_before_any_refresh_refreshes(client):
    client.init()
    assert client.download("nothing") == 1
    assert client.trusted() == dict.fromkeys(("root", "timestamp", "snapshot", "targets"), 1)


def test_the_flags_come_in_any_order(client):
    client.init()
    flags = [("--metadata-dir", str(client.metadata)), ("--metadata-url", f"{client.server.url}/metadata/")]
    assert main([*flags[0], *flags[1], "refresh"]) == 0
    assert main([*flags[1], *flags[0], "refresh"]) == 0


@pytest.mark.parametrize("words", [[], ["refresh"], ["--metadata-dir", "d"], ["--metadata-dir", "d", "fly"], ["-x"]])
def test_a_wrong_command_ends_with_one_and_not_with_two(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    assert [*tmp_path.iterdir()] == []


def test_a_repository_that_was_never_initialised_is_not_asked(client):
    assert client.refresh() == 1
    assert client.server.asked == []


@pytest.mark.parametrize("change", [(b'"sig":"', b'"sig":"00'), (b'"version":1', b'"version":0')])
def test_an_initial_root_that_is_not_valid_is_never_trusted(client, change):
    client.root.write_bytes(client.root.read_bytes().replace(*change))
    assert client.init() == 1
    assert client.refresh() == 1
    assert client.server.asked == []


def test_the_pinned_root_is_trusted_and_not_the_one_in_the_metadata_directory(client, repository):
    client.init()
    stranger = paper.Paper(_now(), forge=lambda role, body: body.update({"x-stranger": True}))
    stranger.publish(_now())
    (client.metadata / "root.json").unlink()
    (client.metadata / "root.json").write_bytes(stranger.root)
    assert client.refresh() == 0
    assert (client.metadata / "root.json").read_bytes() == repository.root


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_file_that_is_not_signed_by_enough_is_refused_and_those_before_it_are_kept(tmp_path, serve, role):
    other = paper.HeldKey(paper.Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32))
    repository = paper.Paper(_now(), signers={role: other})
    repository.publish(_now())
    client = _client(tmp_path, serve, repository)
    client.init()
    assert client.refresh() == 1
    order = ["root", "timestamp", "snapshot", "targets"]
    assert client.trusted() == dict.fromkeys(order[: order.index(role)], 1)


def test_an_older_timestamp_is_refused(client, repository):
    client.init()
    old = repository.files["metadata/timestamp.json"]
    repository.publish(_now())
    assert client.refresh() == 0
    repository.files["metadata/timestamp.json"] = old
    assert client.refresh() == 1
    assert client.trusted()["timestamp"] == 2


def test_a_rotated_root_is_followed(client, repository):
    client.init()
    repository.ceremony(_now())
    repository.publish(_now())
    assert client.refresh() == 0
    assert client.trusted()["root"] == 2


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_one_key_under_two_ids_does_not_count_twice(tmp_path, serve, role):
    key = paper.ONLINE if role in layout.ONLINE else paper.HOLDERS[0]

    def forge(signed, body):
        if signed == "root":
            body["keys"][ALIAS] = key.record.to_dict()
            body["roles"][role] = {"keyids": [key.record.keyid, ALIAS], "threshold": 2}

    signers = {role: lambda payload: (*key(payload), *paper.alias(key, ALIAS)(payload))}
    repository = paper.Paper(_now(), forge=forge, signers=signers)
    repository.publish(_now())
    client = _client(tmp_path, serve, repository)
    client.init()
    assert client.refresh() == 1


def test_one_key_under_two_ids_does_not_count_twice_for_a_delegated_role(tmp_path, serve):
    key = paper.ONLINE

    def forge(signed, body):
        if signed == "bins":
            body["delegations"]["keys"][ALIAS] = key.record.to_dict()
            body["delegations"]["succinct_roles"].update({"keyids": [key.record.keyid, ALIAS], "threshold": 2})

    twice = lambda payload: (*key(payload), *paper.alias(key, ALIAS)(payload))  # noqa: E731
    repository = paper.Paper(_now(), forge=forge, signers=dict.fromkeys(layout.Bins(2).roles(), twice))
    repository.say(paper.project(_now(), "flask"))
    repository.publish(_now())
    client = _client(tmp_path, serve, repository)
    client.init()
    assert client.refresh() == 0
    assert client.download(PATH) == 1
    assert client.kept() == {}


@pytest.mark.parametrize(
    "role", ["../up", "..", "/etc/up", "%2e%2e%2fup", "a\0b", "C:\\up", "CON", "..\\up", "?", "#", "ünïcode", "a/b"]
)
def test_whatever_a_delegated_role_is_called_nothing_is_written_elsewhere(tmp_path, serve, role):
    repository = paper.Paper(_now(), forge=_delegate_all_to(role))
    target, data = "any/target", b"content"
    repository._sign(role, 1, {"targets": {target: _entry(data)}}, paper.DAY, paper.as_signed)
    address = repository.files.pop(f"metadata/1.{role}.json")
    repository.files[f"metadata/1.{quote(role, '')}.json"] = address
    repository.files[f"targets/any/{sha256(data)}.target"] = data
    repository.publish(_now(), forge=_listing(role))
    client = _client(tmp_path, serve, repository)
    client.init()
    assert client.download(target) == 0
    assert _written(tmp_path) == {"root.json", "client/metadata", "client/metadata.pin", "client/targets"}
    assert [path.name for path in client.targets.iterdir()] == ["any%2Ftarget"]


@pytest.mark.parametrize(
    "target", ["../up", "/etc/up", "a/../../up", "%2e%2e/up", "C:\\up", "..\\up", "ünïcode", "a b"]
)
def test_whatever_a_target_is_called_nothing_is_written_elsewhere(tmp_path, serve, target):
    data = b"content"

    def forge(role, body):
        if role == "targets":
            body["targets"][target] = _entry(data)

    repository = paper.Paper(_now(), forge=forge)
    repository.publish(_now())
    client = _client(tmp_path, serve, repository)
    client.init()
    client.download(target)  # 0 or 1: an address with .. is put right by whoever asks for it, and then not found
    assert _written(tmp_path) == {"root.json", "client/metadata", "client/metadata.pin", "client/targets"}
    assert all(path.is_file() for path in client.targets.iterdir())


def _delegate_all_to(name):
    def forge(role, body):
        if role == "targets":
            signed_by = {"keyids": [paper.ONLINE.record.keyid], "threshold": 1, "terminating": True}
            keys = {paper.ONLINE.record.keyid: paper.ONLINE.record.to_dict()}
            body["delegations"] = {"keys": keys, "roles": [{"name": name, "paths": ["*/*"], **signed_by}]}

    return forge


def _listing(name):
    def forge(role, body):
        if role == "snapshot":
            body["meta"][f"{name}.json"] = {"version": 1}

    return forge


def _entry(data):
    return {"hashes": {"sha256": sha256(data)}, "length": len(data)}


def _written(folder):
    """What lies below a folder, down to two levels."""
    found = {str(path.relative_to(folder)) for path in [*folder.glob("*"), *folder.glob("client/*")]}
    return found - {"client"}


# As a program of its own.


def test_the_program_does_what_the_protocol_says(client, repository):
    flags = client._flags()
    assert client.as_program("--metadata-dir", str(client.metadata), "init", str(client.root)) == 0
    assert client.as_program(*flags, "refresh") == 0
    assert client.as_program(*flags, *client._places(), "--target-name", PATH, "download") == 0
    assert [*client.kept().values()] == [repository.files[repository.page_file("flask")]]
    assert client.as_program("fly") == 1


def test_expired_metadata_is_refused_by_the_time_of_the_machine(client):
    client.init()
    assert client.refresh_at(_now() + timedelta(hours=20)) == 0
    assert client.refresh_at(_now() + timedelta(hours=30)) == 1
    assert client.refresh_at(_now() + timedelta(days=400)) == 1
