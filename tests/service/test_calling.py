"""A registry's process calls the API: typed, asked again until it is answered, once for each key."""

import dataclasses
import io
import socket
import subprocess
import sys
import threading
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any

import pytest
import urllib3
from flask import request
from werkzeug.serving import make_server

from keys import strict
from keys.state import Reason
from repo_service.calling import wire
from repo_service.calling.answers import Objection, Receipt, read
from repo_service.calling.api import Api
from repo_service.calling.failures import Altered, CallFailed, Misdirected, Refused, Unanswered
from repo_service.calling.line import BadAddress, Patience
from repo_service.domain import requests as r
from repo_service.domain.verbs import FILE_VERBS, NAME_VERBS, NAMESPACE_VERBS, PROJECT_VERBS, RELEASE_VERBS
from repo_service.web import auth
from tests.proxy import Proxy
from tests.service.door import Door, sdist
from tests.service.fickle import Say, fickle
from tests.world import BEGIN, World

TOKEN = f"tally_{'0' * 16}_{'x' * 43}"
NOW = r.Fact(0, "2026-11-22T10:00:00Z")
OWNER = r.Actor(id="account-1", approver="account-3", contact=r.Contact("verified", "2026-11-22T10:00:00Z"))
YANK = r.Yank("foo", "1.0", Reason("broken"), OWNER)
SAID = {
    "change": "c1", "name": "foo", "serial": 3, "changed": True, "status": "accepted", "signed_in": None,
    "warnings": [],
}  # fmt: skip
BUSY = {"type": "x", "title": "Busy", "status": 429, "detail": "too many", "instance": "/", "code": "rate_limited"}
NO = {
    "type": "x", "title": "No", "status": 403, "detail": "it has dependents. Nothing was written.", "instance": "/",
    "code": "has_dependents", "policy": "standard/1", "serial": 4, "alternatives": ["yank"], "refusal": "r1",
    "reasons": [{
        "code": "has_dependents", "detail": "3 projects need it", "params": {"most": 0}, "help": "yank it",
        "verbs": ["yank"], "ask": "owner",
    }],
}  # fmt: skip


@dataclass
class Patient:
    """A clock that only sleeping and answers move, and dice that always show the most."""

    at: float = 0
    pauses: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.at += seconds

    def patience(self, total_s: float = 60) -> Patience:
        return Patience(total_s, sleep=self.sleep, random=lambda: 1.0, monotonic=lambda: self.at)


@dataclass(frozen=True)
class Counter:
    """A registry's service on a port, the routes that were reached there, and its API as a registry calls it."""

    door: Door
    port: int
    reached: set[str]
    api: Api


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    """A service that listens, for the whole module: each test has a name of its own."""
    door = Door(World(tmp_path_factory.mktemp("counter"), "name_per_minute = 100000\nclient_per_minute = 100000\n"))
    reached: set[str] = set()
    door.app.before_request(lambda: reached.add(_endpoint()))
    server = make_server("127.0.0.1", 0, door.app, threaded=False)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    api = Api(f"http://127.0.0.1:{server.port}", door.new_token("registry"))
    yield Counter(door, server.port, reached, api)
    server.shutdown()
    server.server_close()


def _endpoint() -> str:
    return request.endpoint or ""


def stored(api: Api, name: str, version: str = "1.0") -> r.NewFile:
    """A file that was uploaded and can be published."""
    data = sdist(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n").replace(b"foo", name.encode())
    return api.upload(name, f"{name}-{version}.tar.gz", io.BytesIO(data)).file


def elsewhere(name: str, version: str = "1.0") -> r.NewFile:
    return r.NewFile(f"{name}-{version}.tar.gz", "ab" * 32, 7, url=f"https://files.test/{name}-{version}.tar.gz")


def published(api: Api, name: str, *versions: str) -> None:
    for version in versions or ("1.0",):
        api.send(r.Publish(name, version, (elsewhere(name, version),), OWNER))


def test_every_operation_that_a_registry_calls_has_its_method(counter: Counter) -> None:
    api, reached = counter.api, counter.reached
    reached.clear()
    receipt = api.send(r.Publish("all", "1.0", (elsewhere("all"),), OWNER))
    api.upload("foo", "foo-1.0.tar.gz", io.BytesIO(sdist()))
    assert api.change(receipt.change).status == "signed"
    api.send(r.Archive("all", None, OWNER))
    api.send(r.Reserve("all-reserved", OWNER))
    for refused in (
        r.Share("all", "org-2", "Org", r.Actor(id="account-1", org="org-1")),
        r.PurgeFile("all", "1.0", "all-1.0.tar.gz", actor=OWNER),
    ):
        with pytest.raises(Refused):
            api.send(refused)
    api.batch([wire.Item(r.Unarchive("all", None, OWNER))])
    with pytest.raises(Refused, match="role_insufficient"):
        api.revoke_holder("account-5", Reason("banned"), r.Actor("admin", "account-9"))
    with pytest.raises(Refused, match="notice_unknown"):
        api.acknowledge("all/1.0/held-yank/2026-11-22T10:00:00Z", "sent")
    with pytest.raises(Refused, match="malformed"):
        api.skip("all", 0)
    assert api.state(
        r.Wanted("full", 1, (r.WantedRelease("1.0", (elsewhere("full"),)),), Reason("sync"), OWNER)
    ).changed
    assert api.eligibility("all", "1.0", dependents=0, as_of="2026-11-22T10:00:00Z").outcome == "allow"
    state = api.name("all")
    assert state is not None and state.archived is None and api.name("never-heard-of") is None
    assert [event.type for event in api.history("all")][:2] == ["project.created", "release.published"]
    assert api.history("never-heard-of") == ()
    assert api.available("never-heard-of").standing == "free"
    assert {event.name for event in api.events()} >= {"all", "full"}
    assert api.notices() == () and [*api.takedowns()] == [] and api.osv()[:2] == b"PK"
    assert all(row.set is None for row in api.flags())
    assert api.policy_version("standard", 1) and api.policy().in_force.id == "standard/1"
    assert api.status().names > 1
    may = auth.ROLES["registry"].may
    others = {"metrics", "hook"}  # what Prometheus asks for, and a sender of webhooks
    assert reached == {route for route, needed in auth.ROUTES.items() if needed in may} - others


def _sample(kind: Any) -> Any:
    """A value of a type: of a dataclass with what it must have and, where that is plain, all it can have."""
    if typing.get_origin(kind) is tuple:
        return (_sample(typing.get_args(kind)[0]),)
    if typing.get_origin(kind) is typing.Literal:
        return typing.get_args(kind)[0]
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        needed = [each for each in dataclasses.fields(kind) if each.default is dataclasses.MISSING]
        return kind(**{each.name: _KNOWN.get(each.name) or _sample(hints[each.name]) for each in needed})
    return _KNOWN.get(kind) or _sample(typing.get_args(kind)[0])


_KNOWN: dict[Any, Any] = {
    str: "text", int: 1, "name": "foo", "version": "1.0", "filename": "foo-1.0.tar.gz", "sha256": "ab" * 32,
    "actor": OWNER, "code": "broken", "as_of": "2026-11-22T10:00:00Z", "display": "Foo",
}  # fmt: skip
VERBS = [
    (route, verb, kind)
    for route, table in (
        ("release_verb", RELEASE_VERBS), ("file_verb", FILE_VERBS), ("project_verb", PROJECT_VERBS),
        ("name_verb", NAME_VERBS), ("namespace_verb", NAMESPACE_VERBS),
    )
    for verb, kind in table.items()
]  # fmt: skip


def test_every_request_goes_to_its_own_route_and_is_read_there_as_it_was_written(quiet_door: Door) -> None:
    routes = quiet_door.app.url_map.bind("registry.test")
    for route, verb, kind in VERBS:
        request = _sample(kind)
        endpoint, in_path = routes.match(wire.path_of(request), "POST")
        assert (endpoint, in_path.pop("verb")) == (route, verb)
        body = strict.parse(wire.encoded(wire.body(request)))
        assert isinstance(body, dict) and strict.load(kind, {**body, **in_path}) == request
        assert wire.request_of(wire.text_of(request)) == request


def test_what_only_the_service_asks_itself_is_not_sent() -> None:
    with pytest.raises(ValueError, match="YankDue is the service's own"):
        wire.path_of(r.YankDue("foo", "1.0"))


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"verb":"yank","name":"foo"}', '{"verb":"own","name":"foo","version":"1"}']
)
def test_a_row_of_an_outbox_that_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(strict.Malformed):
        wire.request_of(text)


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_no_part_of_a_request_leads_to_another_route(counter: Counter, part: str) -> None:
    with pytest.raises(ValueError, match="cannot be a part of"):
        counter.api.send(r.Yank("foo", part, Reason("broken"), OWNER))
    with pytest.raises(ValueError, match="cannot be a part of"):
        counter.api.name(part)
    # Anything else stays in its place: a slash is no separator, and a question mark begins no query.
    with pytest.raises(CallFailed):
        counter.api.send(r.Yank("foo", "1.0/../../x?dry_run=true", Reason("broken"), OWNER), key="odd")


def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_key_and_the_change_is_made_once(
    counter: Counter,
) -> None:
    published(counter.api, "lost")
    patient = Patient()
    with Proxy(counter.port) as proxy:
        api = Api(f"http://127.0.0.1:{proxy.port}", counter.door.new_token("registry"), patient.patience())
        proxy.swallow(2)
        first = api.send(r.Yank("lost", "1.0", Reason("broken"), OWNER), key="row-1")
        again = api.send(r.Yank("lost", "1.0", Reason("broken"), OWNER), key="row-1")
    assert first.changed and (first.change, first.serial) == (again.change, again.serial)
    assert proxy.swallowed == 2 and patient.pauses == [0.5, 1.0]
    assert [event.type for event in counter.api.history("lost")].count("release.yanked") == 1


def test_every_change_has_a_key_before_its_first_try_and_keeps_it() -> None:
    patient = Patient()
    with fickle(Say(0), Say(500, b"oh"), Say(429, BUSY), Say(200, SAID)) as server:
        api = Api(server.url, TOKEN, patient.patience(), new_key=iter(["k-1", "k-2"]).__next__)
        api.send(YANK)
        api.send(YANK)
        assert [each.headers["idempotency-key"] for each in server.asked] == ["k-1"] * 4 + ["k-2"]
    assert {each.body for each in server.asked} == {b'{"reason":{"code":"broken"},"actor":' + ACTOR + b"}"}
    assert patient.pauses == [0.5, 1.0, 2.0]


ACTOR = wire.encoded(strict.sparse(OWNER))


def test_pauses_double_up_to_a_limit_and_the_dice_shorten_them() -> None:
    patience = Patience(first_s=0.5, longest_s=30, random=lambda: 1.0)
    assert [patience.pause(tries, 0) for tries in (1, 2, 3, 7, 5000)] == [0.5, 1.0, 2.0, 30, 30]
    assert dataclasses.replace(patience, random=lambda: 0.25).pause(3, 0) == 0.5
    assert 0 <= Patience().pause(1, 0) < 0.5


@pytest.mark.parametrize("said", ["7", format_datetime(BEGIN.replace(second=7), usegmt=True)])
def test_no_sooner_than_the_service_asks_for(said: str) -> None:
    patient = Patient()
    headers = {"Retry-After": said, "Date": format_datetime(BEGIN, usegmt=True)}
    with fickle(Say(429, BUSY, headers), Say(200, SAID)) as server:
        Api(server.url, TOKEN, patient.patience()).send(YANK)
    assert patient.pauses == [7.0]


@pytest.mark.parametrize("said", ["", "soon", "-5", "9" * 400, "Sun, 99 Nov 2026 10:00:00 GMT"])
def test_a_retry_after_that_says_nothing_is_none(said: str) -> None:
    patient = Patient()
    with fickle(Say(503, b"", {"Retry-After": said, "Date": "?"}), Say(200, SAID)) as server:
        Api(server.url, TOKEN, patient.patience()).send(YANK)
    assert patient.pauses == [0.5]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 412, 413, 422, 428])
def test_a_refusal_is_never_repeated_and_carries_all_that_was_said(status: int) -> None:
    patient = Patient()
    with fickle(Say(status, {**NO, "status": status})) as server:
        with pytest.raises(Refused) as refused:
            Api(server.url, TOKEN, patient.patience()).send(YANK, key="row-7")
        assert len(server.asked) == 1 and patient.pauses == []
    problem, said = refused.value.problem, str(refused.value)
    assert (problem.status, problem.code, problem.alternatives, problem.serial) == (
        status,
        "has_dependents",
        ("yank",),
        4,
    )
    (reason,) = problem.reasons
    assert reason == Objection("has_dependents", "3 projects need it", "yank it", "owner", ("yank",), {"most": 0})
    assert refused.value.key == "row-7" and "Nothing was written" in said
    assert "3 projects need it. What helps: yank it; ask: owner" in said


def test_somebody_was_faster_is_asked_again_as_the_service_says() -> None:
    patient = Patient()
    with fickle(Say(409, {**NO, "status": 409, "code": "state_conflict"}), Say(200, SAID)) as server:
        assert Api(server.url, TOKEN, patient.patience()).send(YANK).change == "c1"


def test_when_time_is_over_it_says_that_the_change_may_be_taken_and_under_which_key_to_ask_again() -> None:
    patient = Patient()
    with fickle(Say(0)) as server, pytest.raises(Unanswered) as over:
        Api(server.url, TOKEN, patient.patience(20)).send(YANK, key="row-9")
    assert sum(patient.pauses) < 20 and len(patient.pauses) >= 4
    assert over.value.key == "row-9" and over.value.problem is None
    assert "The change may have been taken; send the same again with the Idempotency-Key row-9" in str(over.value)


def test_what_was_said_last_is_in_the_failure_and_a_question_may_have_changed_nothing() -> None:
    with fickle(Say(429, BUSY, {"Retry-After": "3600"})) as server:
        api = Api(server.url, TOKEN, Patient().patience())
        with pytest.raises(Unanswered, match=r"after 1 try \(429 rate_limited: too many\). The change may") as over:
            api.send(YANK)
        with pytest.raises(Unanswered, match="Ask again later"):
            api.name("foo")
    assert over.value.problem is not None and over.value.problem.code == "rate_limited"


def test_nobody_there_is_no_answer() -> None:
    with pytest.raises(Unanswered, match="refused"):
        Api("http://127.0.0.1:1", TOKEN, Patient().patience(3)).status()


def test_an_answer_that_trickles_is_given_up_when_time_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def trickle() -> None:
            connection, _ = listener.accept()
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            try:
                while True:
                    connection.sendall(b"x")
                    threading.Event().wait(0.05)
            except OSError:
                pass

        threading.Thread(target=trickle, daemon=True).start()
        with pytest.raises(Unanswered, match="did not end in time"):
            Api(f"http://127.0.0.1:{port}", TOKEN, Patience(0.4)).status()


def test_half_an_answer_is_none() -> None:
    patient = Patient()
    with fickle(Say(200, b'{"change"', length=500), Say(200, SAID)) as server:
        assert Api(server.url, TOKEN, patient.patience()).send(YANK).change == "c1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_token_does_not_go_there(status: int) -> None:
    with fickle(Say(200, SAID)) as other, fickle(Say(status, b"", {"Location": f"{other.url}/v1/x"})) as server:
        with pytest.raises(Misdirected, match="a redirect, which is not followed"):
            Api(server.url, TOKEN, Patient().patience()).send(YANK)
        assert other.asked == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"change": 1}', b"\xff" * 9])
def test_rubbish_is_no_receipt(body: bytes) -> None:
    with fickle(Say(200, body)) as server, pytest.raises(Misdirected, match="is probably done") as wrong:
        Api(server.url, TOKEN, Patient().patience()).send(YANK, key="row-3")
    assert wrong.value.key == "row-3"


def test_a_no_in_another_form_is_not_taken_for_the_services() -> None:
    page = Say(403, b"<h1>Forbidden</h1>", {"Content-Type": "text/html"})
    with fickle(page) as server:  # noqa: SIM117 - one line would not hold it
        with pytest.raises(Refused, match=r"403 not_ours: .* look at what stands in between"):
            Api(server.url, TOKEN, Patient().patience()).send(YANK)


def test_members_that_a_newer_service_adds_are_left_out() -> None:
    newer = {**SAID, "lane": 1, "signed_in": {"snapshot": 1, "timestamp": 2, "log": {"size": 3}},
             "warnings": [{"code": "x", "detail": "y", "enforced_from": None, "since": "z"}]}  # fmt: skip
    receipt = read(Receipt, wire.encoded(newer))
    assert receipt.signed_in is not None and receipt.signed_in.timestamp == 2 and receipt.warnings[0].code == "x"
    with pytest.raises(strict.Malformed, match=r"signed_in.snapshot: must be int"):
        read(Receipt, wire.encoded({**newer, "signed_in": {"snapshot": "1", "timestamp": 2}}))


@pytest.mark.parametrize("url", ["http://tallystick.example", "http://10.0.0.1:8416", "http://127.0.0.1.evil.example/"])
def test_a_token_never_goes_over_http_to_another_machine_unless_that_is_said(url: str) -> None:
    with pytest.raises(BadAddress, match="would send the token unencrypted"):
        Api(url, TOKEN)
    assert repr(Api.in_clear(url, TOKEN)) == f"Api({url.rstrip('/')!r})"


@pytest.mark.parametrize("url", ["ftp://x", "tallystick", "https://", "https://me:pw@x.example", "https://x/?a=b", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    for make in (Api, Api.in_clear):
        with pytest.raises(BadAddress, match="is not the address of a service"):
            make(url, TOKEN)


def test_the_token_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    for good in ("https://x.example", "http://localhost:1", "http://[::1]:1"):
        api = Api(good, TOKEN)
        assert TOKEN not in repr(api) + repr(api._line) + str(api.__dict__)
    with pytest.raises(ValueError, match="this is none") as bad:
        Api("https://x.example", "secret\nX-Evil: 1")
    assert "secret" not in str(bad.value)
    with fickle(Say(500, b""), Say(403, NO)) as server, pytest.raises(Refused) as refused:
        Api(server.url, TOKEN, Patient().patience()).send(YANK)
    assert TOKEN not in f"{refused.value!r}{refused.value.__dict__}" and TOKEN not in caplog.text
    assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("key", ["", " x", "x\n", "ü", "x" * 201])
def test_a_key_that_no_header_can_hold_is_refused_before_anything_is_sent(key: str) -> None:
    with fickle(Say(200, SAID)) as server:
        with pytest.raises(ValueError, match="Idempotency-Key"):
            Api(server.url, TOKEN).send(YANK, key=key)
        assert server.asked == []


def test_a_file_is_sent_whole_again_and_is_what_was_meant(counter: Counter) -> None:
    file = stored(counter.api, "foo")
    assert file == stored(counter.api, "foo") and file.url is None
    said = {"filename": "f", "sha256": "00" * 32, "size": 5, "requires_python": None, "core_metadata": None}
    with fickle(Say(0), Say(201, said)) as server, pytest.raises(Altered, match=r"sent 5 bytes, sha256 2cf24d"):
        Api(server.url, TOKEN, Patient().patience()).upload("foo", "f", io.BytesIO(b"hello"))
    assert [each.body for each in server.asked] == [b"hello", b"hello"]
    assert server.asked[0].headers["content-length"] == "5"


def test_a_preview_can_be_insisted_on_and_so_can_a_serial(counter: Counter) -> None:
    published(counter.api, "looked", "1.0", "2.0")
    yank = r.Yank("looked", "1.0", Reason("broken"), OWNER)
    preview = counter.api.preview(yank)
    assert preview.outcome == "allow" and preview.would and preview.would.events == ("release.yanked",)
    counter.api.send(r.Archive("looked", None, OWNER), seen=preview.serial)
    with pytest.raises(Refused, match="preview_stale"):
        counter.api.send(yank, previewed=preview.preview_digest)
    with pytest.raises(Refused, match="serial_mismatch"):
        counter.api.send(yank, seen=preview.serial)
    assert counter.api.send(yank, previewed=counter.api.preview(yank).preview_digest).changed


def test_a_denied_preview_is_an_answer_with_its_reasons(counter: Counter) -> None:
    preview = counter.api.preview(r.Yank("never-heard-of", "1.0", Reason("broken"), OWNER))
    assert (preview.outcome, preview.would) == ("deny", None) and preview.reasons[0].help


def test_a_batch_is_all_or_none_or_each_for_itself(counter: Counter) -> None:
    published(counter.api, "lots", "1.0", "2.0")
    good, bad = wire.Item(r.Archive("lots", None, OWNER)), wire.Item(r.Yank("lots", "9", Reason("broken"), OWNER))
    with pytest.raises(Refused, match="release_not_found") as refused:
        counter.api.batch([good, bad])
    assert refused.value.problem.item == 1
    rows = counter.api.preview_batch([good, bad])
    assert rows[0].preview is not None and rows[1].preview is not None and rows[1].preview.outcome == "deny"
    done, turned_away = counter.api.batch_each([good, bad])
    assert done.receipt is not None and done.receipt.changed
    assert turned_away.problem is not None and turned_away.problem.code == "release_not_found"


def test_a_change_that_comes_too_early_is_held_and_taken_in_its_turn(counter: Counter) -> None:
    second = counter.api.send(r.Publish("turn", "2.0", (elsewhere("turn", "2.0"),), OWNER), number=2)
    assert (second.status, second.waits_for, second.source_seq) == ("held", 1, 2)
    counter.api.send(r.Publish("turn", "1.0", (elsewhere("turn"),), OWNER), number=1)
    assert counter.api.change(second.change).status == "signed"
    early = counter.api.send(r.Yank("turn", "9", Reason("broken"), OWNER), number=4)
    assert counter.api.skip("turn", 3).last == 4
    said = counter.api.change(early.change)
    assert said.status == "refused" and said.reasons[0].code == "release_not_found"


def test_a_full_state_is_previewed_taken_and_taken_once(counter: Counter) -> None:
    def wanted(serial: int, *versions: str) -> r.Wanted:
        releases = tuple(r.WantedRelease(each, (elsewhere("whole", each),)) for each in versions)
        return r.Wanted("whole", serial, releases, Reason("sync"), OWNER, dependents=NOW)

    would = counter.api.preview_state(wanted(1, "1.0", "2.0")).would
    assert would is not None and [each.verb for each in would] == ["publish", "publish"]
    taken = counter.api.state(wanted(1, "1.0", "2.0"))
    assert taken.changed and taken == counter.api.state(wanted(1, "1.0", "2.0"))
    with pytest.raises(Refused, match="registry_serial_reused"):
        counter.api.state(wanted(1, "1.0"))


def test_the_feed_goes_on_where_it_was_left(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    published(counter.api, "feed", "1.0", "2.0", "3.0")
    monkeypatch.setattr("repo_service.calling.api._PIECE", 2)
    everything = [*counter.api.events()]
    assert len(everything) > 4 and [*counter.api.events(everything[2].cursor)] == everything[3:]
    assert [*counter.api.events(everything[-1].cursor)] == []


def test_who_waits_longer_is_waited_for_longer() -> None:
    with fickle(Say(200, {**SAID, "status": "signed"})) as server:
        Api(server.url, TOKEN).send(YANK, wait=10)
    assert server.asked[0].headers["prefer"] == "wait=10"


def test_a_pool_of_ones_own_is_used() -> None:
    with fickle(Say(200, SAID)) as server:
        pool = urllib3.PoolManager(headers={"X-Own": "1"})
        assert Api(server.url, TOKEN, pool=pool).send(YANK).change == "c1"
        assert len(pool.pools) == 1


def test_a_callers_process_loads_no_servers_library() -> None:
    code = (
        "import sys; import repo_service.calling.api\n"
        "print({'flask', 'sqlalchemy', 'redis', 'orjson', 'werkzeug', 'repo_service.storage'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "set()\n"
