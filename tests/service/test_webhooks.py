"""Webhooks at the door, sent by the official library: the same requests, once each, by who holds a live secret."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
from werkzeug.test import TestResponse

from keys import strict, webhooks
from keys.times import stamp
from repo_service.cli import main
from repo_service.domain import requests as r
from repo_service.domain.verbs import FAMILIES
from repo_service.storage.tokens import Scope
from repo_service.web import auth, hooks
from repo_service.wiring import HOOK_KEY, BadSettings, read_hook_key
from tests.service.door import ADMIN, OWNER, Door, publication
from tests.world import World

KEY = b"what all the secrets are made of"
CLIENT = "acme hooks"


_NUMBERS = itertools.count()


class Sender:
    """A registry that sends webhooks with the official library, by one secret or by several at once."""

    def __init__(self, door: Door, *secrets: str, client: str = CLIENT) -> None:
        self.door, self.secrets, self.client = door, secrets, client

    def send(self, kind: str, data: Any, *, later: float = 0, **said: Any) -> TestResponse:
        """A message, as if it was sent so many seconds from now; ``said`` overrides what it says."""
        body = json.dumps({"type": kind, "timestamp": "2026-11-22T10:00:00.5Z", "data": data}).encode()
        headers = self.headers(body, later, said.get("id"))
        return self.post(said.get("body", body), {**headers, **said.get("headers", {})}, said.get("query", ""))

    def headers(self, body: bytes, later: float = 0, identity: str | None = None) -> dict[str, str]:
        identity, at = identity or f"msg_{next(_NUMBERS)}", self.door.world.now + timedelta(seconds=later)
        signatures = [standardwebhooks.Webhook(each).sign(identity, at, body.decode()) for each in self.secrets]
        return {
            "webhook-id": identity, "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }  # fmt: skip

    def post(self, body: bytes, headers: dict[str, str], query: str = "") -> TestResponse:
        return self.door.client.post(f"/v1/hooks/{self.client}{query}", data=body, headers=headers)


@pytest.fixture
def sender(door: Door) -> Sender:
    """A client with one live secret of the role registry."""
    (door.world.service.folder / HOOK_KEY).write_text(webhooks.written(KEY))
    return Sender(door, secret(door))


def secret(door: Door, role: str = "registry", client: str = CLIENT, days: float = 90, **scope: Any) -> str:
    """Another secret of a client."""
    expires = stamp(door.world.now + timedelta(days=days))
    text, token = auth.new_webhook(role, client, expires, KEY, Scope(**scope))
    with door.world.service.journal.writing() as pen:
        pen.add_token(token)
    return text


def published(sender: Sender, name: str = "foo", **more: Any) -> TestResponse:
    return sender.send("release.publish", {"name": name, "version": "1.0", **publication(name), **more})


YANK = {"name": "foo", "version": "1.0", "reason": {"code": "broken"}, "actor": OWNER}


def code(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json().get("code", "")


def events(door: Door, name: str = "foo") -> list[str]:
    return [each["type"] for each in door.get(f"/v1/names/{name}/history").get_json().get("events", [])]


def test_a_change_that_comes_as_a_webhook_is_signed_state(sender: Sender) -> None:
    receipt = published(sender)
    assert (receipt.status_code, receipt.get_json()["status"]) == (200, "signed")
    assert sender.send("release.yank", YANK).get_json()["changed"]
    assert events(sender.door) == ["project.created", "release.published", "release.yanked"]
    (release,) = sender.door.get("/v1/names/foo").get_json()["releases"]
    assert release["yank"]["mark"]["reason"]["code"] == "broken"


def test_every_verb_has_its_type_and_is_the_request_of_its_route() -> None:
    assert {kind: its for kind, (_, _, its) in hooks.TYPES.items()} == {
        f"{family}.{verb}": kind for family, verbs in FAMILIES.items() for verb, kind in verbs.items()
    }
    assert hooks.TYPES["file.remove"] == ("file_verb", "remove", r.RemoveFile)
    assert {route for route, _, _ in hooks.TYPES.values()} <= auth.ROUTES.keys()


def test_a_message_that_comes_again_is_done_once_and_answered_the_same(sender: Sender) -> None:
    published(sender)
    first = sender.send("release.yank", YANK, id="msg_again")
    again = sender.send("release.yank", YANK, id="msg_again", later=60)  # signed anew, as senders do
    assert first.get_json() == again.get_json() and first.get_json()["changed"]
    assert events(sender.door).count("release.yanked") == 1
    other = sender.send("release.unyank", {**YANK, "reason": None}, id="msg_again")
    assert code(other) == (422, "idempotency_key_reused")


def test_a_message_that_is_replayed_undoes_nothing(sender: Sender) -> None:
    published(sender)
    body = json.dumps({"type": "release.yank", "timestamp": "2026-11-22T10:00:00Z", "data": YANK}).encode()
    headers = sender.headers(body)
    assert sender.post(body, headers).get_json()["changed"]
    sender.send("release.unyank", {**YANK, "reason": None})
    assert sender.post(body, headers).status_code == 200  # the answer of before
    assert events(sender.door)[-1] == "release.unyanked"
    sender.door.world.tick(seconds=301)
    assert code(sender.post(body, headers)) == (401, "webhook_invalid")


@pytest.mark.parametrize("later", [-301, 301])
def test_a_message_of_another_time_is_refused(sender: Sender, later: float) -> None:
    answer = sender.send("release.publish", {"name": "foo", "version": "1.0", **publication("foo")}, later=later)
    assert code(answer) == (401, "webhook_invalid") and "300 s from our clock" in answer.get_json()["detail"]
    assert answer.get_json()["detail"].endswith("Nothing was written.") and events(sender.door) == []


def test_what_another_secret_signed_or_what_was_altered_is_refused(sender: Sender) -> None:
    stranger = Sender(sender.door, webhooks.written(webhooks.derived(b"x" * 32, "stranger")))
    assert code(published(stranger)) == (401, "webhook_invalid")
    for said in (
        {"body": b'{"type":"release.yank","timestamp":"","data":{}}'},
        {"headers": {"webhook-id": "msg_other"}},
        {"headers": {"webhook-signature": ""}},
        {"headers": {"webhook-signature": "v1,"}},
    ):
        data = {"name": "foo", "version": "1.0", **publication("foo")}
        assert code(sender.send("release.publish", data, **said)) == (401, "webhook_invalid")
    assert events(sender.door) == []


def test_a_clients_secret_signs_for_that_client_alone(sender: Sender) -> None:
    secret(sender.door, client="other")
    assert code(published(Sender(sender.door, *sender.secrets, client="other"))) == (401, "webhook_invalid")
    assert code(published(Sender(sender.door, *sender.secrets, client="nobody"))) == (401, "webhook_invalid")


def test_two_secrets_live_while_one_follows_the_other(sender: Sender) -> None:
    old, new = sender.secrets[0], secret(sender.door)
    for number, secrets in enumerate([(old,), (new,), (old, new), ("whsec_" + "A" * 32, new)]):
        assert published(Sender(sender.door, *secrets), f"name-{number}").status_code == 200
    with sender.door.world.service.journal.writing() as pen:
        gone = min(pen.tokens(), key=lambda token: auth.webhook_secret(token, KEY) != webhooks.secret_of(old))
        pen.revoke_token(gone.id, sender.door.world.now)
    assert code(published(Sender(sender.door, old), "late")) == (401, "webhook_invalid")
    assert published(Sender(sender.door, old, new), "late").status_code == 200


def test_the_same_message_by_the_other_secret_is_the_same_message(sender: Sender) -> None:
    published(sender)
    first = sender.send("release.yank", YANK, id="msg_1x")
    rotated = Sender(sender.door, secret(sender.door)).send("release.yank", YANK, id="msg_1x")
    assert first.get_json() == rotated.get_json()


def test_a_secret_ends_with_its_token(sender: Sender) -> None:
    short = Sender(sender.door, secret(sender.door, days=1))
    assert published(short).status_code == 200
    sender.door.world.tick(days=1)
    assert code(published(short, "bar")) == (401, "webhook_invalid")
    assert published(sender, "bar").status_code == 200


def test_a_webhooks_secret_opens_no_other_route_and_a_token_signs_no_webhook(sender: Sender) -> None:
    (token,) = [each for each in _tokens(sender.door) if each.client == CLIENT]
    for shown in (sender.secrets[0], sender.secrets[0].removeprefix("whsec_"), sender.secrets[0][:43]):
        answer = sender.door.client.get("/v1/names/foo", headers={"Authorization": f"Bearer tally_{token.id}_{shown}"})
        assert answer.status_code == 401
    bearer = sender.door.new_token("registry", client="plain")
    (plain,) = [each for each in _tokens(sender.door) if each.client == "plain"]
    for secret_bytes in (bearer.encode()[-32:], webhooks.derived(KEY, plain.id)):
        signed = Sender(sender.door, webhooks.written(secret_bytes), client="plain")
        assert code(published(signed)) == (401, "webhook_invalid")


def _tokens(door: Door) -> list[Any]:
    with door.world.service.journal.reading() as view:
        return view.tokens()


def test_the_database_does_not_hold_what_signs(sender: Sender) -> None:
    (token,) = [each for each in _tokens(sender.door) if each.client == CLIENT]
    said = json.dumps(strict.dump(token))
    assert sender.secrets[0] not in said and sender.secrets[0][6:] not in said
    (sender.door.world.service.folder / HOOK_KEY).unlink()
    assert code(published(sender)) == (401, "webhook_invalid")  # and without the key nobody's signature counts


def test_role_scope_and_class_of_actor_hold_as_by_any_other_route(sender: Sender) -> None:
    assert code(published(sender, actor=ADMIN)) == (403, "role_insufficient")
    scoped = Sender(sender.door, secret(sender.door, names=("acme",), actions=("publish",)))
    assert code(published(scoped)) == (403, "caveat_project")
    assert published(scoped, "acme-one").status_code == 200
    yank = {**YANK, "name": "acme-one"}
    assert code(scoped.send("release.yank", yank)) == (403, "caveat_action")
    wanted = {"name": "acme-one", "registry_serial": 1, "releases": [], "reason": {"code": "sync"}}
    assert code(scoped.send("project.state", wanted)) == (403, "caveat_action")
    reader = Sender(sender.door, secret(sender.door, role="auditor", client="r"), client="r")
    assert code(published(reader)) == (403, "role_insufficient")
    far = Sender(sender.door, secret(sender.door, client="far", networks=("10.0.0.0/8",)), client="far")
    assert code(published(far)) == (403, "caveat_ip")


def test_the_limits_of_a_client_hold(sender: Sender) -> None:
    slow = Sender(sender.door, secret(sender.door, client="slow", per_minute=1), client="slow")
    assert published(slow).status_code == 200
    late = published(slow, "bar")
    assert code(late) == (429, "rate_limited") and late.headers["Retry-After"]


def test_a_full_state_comes_as_a_webhook_too(sender: Sender) -> None:
    release = {"version": "1.0", "files": publication("whole")["files"]}
    wanted = {"name": "whole", "registry_serial": 1, "releases": [release], "reason": {"code": "sync"}, "actor": OWNER}
    taken = sender.send("project.state", wanted)
    assert taken.status_code == 200 and taken.get_json()["changed"]
    assert sender.send("project.state", wanted).get_json() == taken.get_json()
    old = sender.send("project.state", {**wanted, "releases": []})
    assert code(old) == (409, "registry_serial_reused")


def test_numbered_messages_are_taken_in_their_order(sender: Sender) -> None:
    early = sender.send("release.yank", {**YANK, "source_seq": 2})
    assert (early.status_code, early.get_json()["status"]) == (202, "held")
    assert published(sender, source_seq=1).status_code == 200
    assert events(sender.door) == ["project.created", "release.published", "release.yanked"]


def test_who_acts_for_the_registry_says_what_they_saw(sender: Sender) -> None:
    published(sender)
    lock = {"name": "foo", "reason": {"code": "asked"}, "actor": {"kind": "support", "id": "account-7"}}
    assert code(sender.send("project.lock", lock))[0] in (403, 428)
    staff = Sender(sender.door, secret(sender.door, role="admin", client="staff"), client="staff")
    asked = {**lock, "actor": ADMIN}
    assert code(staff.send("project.lock", asked)) == (428, "precondition_required")
    assert code(staff.send("project.lock", {**asked, "expected_serial": 1})) == (412, "serial_mismatch")
    assert staff.send("project.lock", {**asked, "expected_serial": 2}).status_code == 200


def test_a_refusal_is_a_problem_and_never_says_that_the_address_is_gone(sender: Sender) -> None:
    published(sender)
    missing = sender.send("release.yank", {**YANK, "version": "9"})
    assert code(missing) == (404, "release_not_found") and missing.get_json()["reasons"][0]["help"]
    staff = Sender(sender.door, secret(sender.door, role="admin", client="staff"), client="staff")
    for verb in ("unpublish", "purge"):
        data = {"name": "foo", "version": "1.0", "reason": {"code": "legal"}, "actor": ADMIN}
        serial = sender.door.serial("foo")
        assert staff.send(f"release.{verb}", {**data, "expected_serial": serial}).status_code == 200
    restore = {"name": "foo", "version": "1.0", "reason": {"code": "asked"}, "actor": OWNER}
    assert code(sender.door.post("/v1/projects/foo/releases/1.0/restore", {"reason": {"code": "asked"}})) == (
        410,
        "purged",
    )
    assert code(sender.send("release.restore", restore)) == (409, "purged")


def test_a_dry_run_writes_nothing(sender: Sender) -> None:
    data = {"name": "foo", "version": "1.0", **publication("foo")}
    answer = sender.send("release.publish", data, query="?dry_run=true")
    assert answer.get_json()["outcome"] == "allow" and events(sender.door) == []
    assert code(sender.send("release.publish", data, query="?dryrun=true")) == (422, "malformed")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "document"),
        (b"{}", "data"),
        (b'{"type":"release.yank","timestamp":"x","data":[]}', "data"),
        (b'{"type":"release.yank","timestamp":"x","data":{}}', "data.name"),
        (b'{"type":"release.yank","timestamp":"x","data":{"name":1}}', "data.name"),
        (b'{"type":"release.own","timestamp":"x","data":{"name":"foo"}}', "type"),
        (b'{"type":"project.yank","timestamp":"x","data":{"name":"foo"}}', "type"),
        (b'{"type":"release.yank","timestamp":"x","data":{"name":"foo"}}', "data.version"),
        (b'{"type":"release.yank","timestamp":"x","data":{"name":"foo","version":"1","own":1}}', "data.own"),
        (b'{"type":"release.yank","timestamp":"x","data":{"name":"foo","version":"1"},"own":1}', "own"),
    ],
)
def test_what_is_signed_and_malformed_is_refused_with_its_place(sender: Sender, body: bytes, where: str) -> None:
    answer = sender.post(body, sender.headers(body))
    assert code(answer) == (422, "malformed") and f"{where}: " in answer.get_json()["detail"]


def test_nobody_who_has_no_secret_makes_the_service_read_a_body(sender: Sender) -> None:
    too_long = b" " * ((1 << 20) + 1)
    assert code(Sender(sender.door, client="nobody").post(too_long, {})) == (401, "webhook_invalid")
    assert code(sender.post(too_long, sender.headers(too_long))) == (413, "too_large")


def test_a_secret_is_made_shown_once_listed_rotated_and_revoked(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(world.service.folder)
    assert main(["token", "new", folder, CLIENT, "--role", "registry", "--webhook"]) == 0
    said = capsys.readouterr().out
    assert "/v1/hooks/acme%20hooks\n" in said
    (first,) = [line.strip() for line in said.splitlines() if line.startswith("  whsec_")]
    assert (world.service.folder / HOOK_KEY).stat().st_mode & 0o777 == 0o600
    assert main(["token", "rotate", folder, CLIENT, "--webhook"]) == 0
    (second,) = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  whsec_")]
    assert first != second
    assert main(["token", "list", folder]) == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[4] for line in listed if line[1:3] == CLIENT.split()] == ["webhook", "webhook"]
    world.now = datetime.now(UTC)
    for name, text in (("first", first), ("second", second)):
        assert published(Sender(Door(world), text), name).status_code == 200
    with pytest.raises(SystemExit):
        main(["token", "new", folder, "x", "--role", "registry", "--webhook", "--key", "a.pub"])


def test_a_key_file_that_is_damaged_is_said_and_not_replaced(world: World) -> None:
    (world.service.folder / HOOK_KEY).write_text("whsec_")
    with pytest.raises(BadSettings, match=r"webhooks.key: a secret is whsec_"):
        read_hook_key(world.service.folder)
