"""Who may call: tokens that open nothing, what each role may do on every route, and what a scope takes away."""

from typing import Final

import pytest
from werkzeug.routing import Rule

from repo_service.storage.tokens import Scope
from repo_service.web.app import create_app
from tests.service.door import ADMIN, OWNER, Door, Silent, publication
from tests.world import World

RELEASE: Final = "/v1/projects/foo/releases/1.0"

# Written by hand, and not from the tables of the code: method and route to the roles that may use it.
WRITERS: Final = {"registry", "moderator", "admin"}
READERS: Final = {*WRITERS, "auditor"}
MATRIX: Final[dict[tuple[str, str], set[str]]] = {
    ("POST", "/v1/projects/<name>/releases/<version>/<verb>"): WRITERS,
    ("POST", "/v1/projects/<name>/releases/<version>/files/<filename>/<verb>"): WRITERS,
    ("POST", "/v1/projects/<name>/<verb>"): WRITERS,
    ("POST", "/v1/names/<name>/<verb>"): WRITERS,
    ("POST", "/v1/namespaces/<name>/<verb>"): WRITERS,
    ("POST", "/v1/batch"): WRITERS,
    ("POST", "/v1/holders/<holder>/revoke"): WRITERS,
    ("POST", "/v1/notices/<outcome>"): WRITERS,
    ("PUT", "/v1/projects/<name>/files/<filename>"): {"registry", "admin"},
    ("GET", "/v1/changes/<identifier>"): READERS,
    ("GET", "/v1/names/<name>"): READERS,
    ("GET", "/v1/names/<name>/history"): READERS,
    ("GET", "/v1/names/<name>/availability"): READERS,
    ("GET", "/v1/events"): READERS,
    ("GET", "/v1/notices"): READERS,
    ("GET", "/v1/takedowns"): READERS,
    ("GET", "/v1/takedowns/osv"): READERS,
    ("GET", "/v1/status"): {*READERS, "prober"},
    ("GET", "/metrics"): {*READERS, "prober"},
    ("GET", "/v1/flags"): READERS,
    ("PUT", "/v1/projects/<name>"): WRITERS,
    ("POST", "/v1/projects/<name>/skip"): {"registry", "admin"},
    ("POST", "/v1/flags/<flag>/<verb>"): {"admin"},
    ("GET", "/v1/projects/<name>/releases/<version>/unpublish-eligibility"): {"registry", "admin"},
    ("GET", "/v1/refusals"): {"moderator", "admin", "auditor"},
    ("GET", "/v1/policy"): READERS,
    ("GET", "/v1/policy/<name>/<version>"): READERS,
}
EVERYONES: Final = {
    "/metadata/",
    "/targets/",
    "/packages/",
    "/deltas/",
    "/log/",
    "/simple/",
    "/namespaces",
    "/namespace/",
    "/v1/openapi.json",
    "/healthz",
    "/readyz",
}
PROVEN_WITHIN: Final = ("/v1/hooks/",)
"""What asks for no token but for what signs the body: tests/service/test_webhooks.py."""


def closed_routes(door: Door) -> list[tuple[str, Rule]]:
    """Every method and route of the application that is not among everyone's files."""
    rules = [rule for rule in door.app.url_map.iter_rules() if not rule.rule.startswith((*EVERYONES, *PROVEN_WITHIN))]
    methods = {"GET", "POST", "PUT", "DELETE", "PATCH"}
    return [(method, rule) for rule in rules for method in sorted(methods & (rule.methods or set()))]


@pytest.mark.parametrize("role", ["registry", "moderator", "admin", "auditor", "prober"])
def test_every_route_is_open_to_exactly_the_roles_of_the_matrix(world: World, role: str) -> None:
    door = Door(world, role)
    found = closed_routes(door)
    assert {(method, rule.rule) for method, rule in found} == set(MATRIX)
    for method, rule in found:
        path = rule.rule
        for part in rule.arguments:
            path = path.replace(f"<{part}>", "foo")
        headers = {"Authorization": f"Bearer {door.token}", "Idempotency-Key": "matrix"}
        answer = door.client.open(path, method=method, headers=headers)
        refused = (answer.status_code, (answer.get_json() or {}).get("code")) == (403, "role_insufficient")
        assert refused == (role not in MATRIX[method, rule.rule]), f"{role} {method} {path}: {answer.data!r}"
        assert door.client.open(path, method=method).status_code == 401


def test_a_role_that_lacks_a_permission_is_told_which_and_who_has_it(world: World) -> None:
    answer = Door(world, "auditor").publish("foo")
    problem = answer.get_json()
    assert (answer.status_code, problem["missing"]) == (403, "change")
    assert "the permission change needs a token of the role admin or moderator or registry" in problem["detail"]
    assert problem["detail"].endswith("Nothing was written.")


def test_a_route_that_nobody_listed_is_closed_to_an_admin_too(world: World) -> None:
    door = Door(world)
    app = create_app(world.service.desk(Silent()))
    app.add_url_rule("/v1/new", "new", lambda: "open")
    app.add_url_rule("/elsewhere", "elsewhere", lambda: "open")
    for path in ("/v1/new", "/elsewhere"):
        assert app.test_client().get(path).status_code == 401
        answer = app.test_client().get(path, headers={"Authorization": f"Bearer {door.token}"})
        assert (answer.status_code, answer.get_json()["code"]) == (403, "route_closed")


# Tokens.


@pytest.mark.parametrize(
    "header",
    ["", "tally_", "Bearer", "Bearer ", "Bearer x", "Basic dGVzdA==", "Bearer tally_0_0", "bearer {token}",
     "Bearer {token} ", "Bearer {token}x", "Bearer  {token}", "Bearer tally_é", "Bearer " + "A" * 100_000,
     "Bearer tally_" + "0" * 16 + "_" + "\N{ARABIC-INDIC DIGIT ONE}", "{token}", "Bearer tally_" + "0" * 16,
     "Bearer tally_" + "0" * 16 + "_" + "=" * 43, "Bearer tally_" + "0" * 16 + "_" + "A" * 42,
     "Bearer " + "t" * 1000000],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/status", "/v1/changes/x", "/v1/nowhere"])
def test_a_malformed_token_is_401_and_never_500(quiet_door: Door, header: str, path: str) -> None:
    """Edge case 58: no prefix, truncated, wrong base64, a megabyte."""
    sent = header.format(token=quiet_door.token).encode().decode("latin-1")
    answer = quiet_door.client.get(path, headers={"Authorization": sent})
    assert (answer.status_code, answer.get_json()["code"]) == (401, "auth_malformed")


def test_no_token_an_unknown_one_and_a_wrong_secret_are_401(quiet_door: Door) -> None:
    tag, identifier, secret = quiet_door.token.split("_", 2)
    other = ("A" if secret[0] != "A" else "B") + secret[1:]
    for header, code in (
        (None, "auth_missing"),
        (f"Bearer tally_{'0' * 16}_{secret}", "auth_unknown"),
        (f"Bearer {tag}_{identifier}_{other}", "auth_unknown"),
    ):
        answer = quiet_door.client.get("/v1/status", headers={"Authorization": header} if header else {})
        assert (answer.status_code, answer.get_json()["code"]) == (401, code)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_is_good_until_the_second_that_it_expires(door: Door) -> None:
    token = door.new_token("registry", days=1)
    door.world.tick(days=1, seconds=-1)
    assert door.get("/v1/status", token).status_code == 200
    door.world.tick(seconds=1)
    answer = door.get("/v1/status", token)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "token_expired")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("registry", {"owner", "support", "system"}),
        ("moderator", {"moderator"}),
        ("admin", {"owner", "support", "system", "moderator", "admin"}),
    ],
)
def test_a_token_acts_as_the_classes_of_its_role_and_as_no_other(world: World, role: str, may: set[str]) -> None:
    door = Door(world, role)
    allowed = set()
    for kind in ("owner", "support", "system", "moderator", "admin", "clock"):
        answer = door.post(f"{RELEASE}/yank", {"actor": {"kind": kind}})
        if answer.status_code == 403:
            assert answer.get_json()["code"] == "role_insufficient" and answer.get_json()["missing"] == kind
        else:
            assert answer.get_json()["code"] == "release_not_found"
            allowed.add(kind)
    assert allowed == may


def test_a_moderator_uploads_nothing(world: World) -> None:
    answer = Door(world, "moderator").upload("foo-1.0.tar.gz", b"x")
    assert answer.status_code == 403
    assert not (world.public / "targets/packages").exists()


def test_a_revoked_token_opens_nothing(door: Door) -> None:
    token = door.new_token("registry")
    assert door.get("/v1/status", token).status_code == 200
    with door.world.service.journal.writing() as pen:
        pen.revoke_token(token.split("_")[1], door.world.now)
    answer = door.get("/v1/status", token)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "token_revoked")


def test_an_idempotency_key_is_the_clients_and_survives_its_tokens_rotation(door: Door) -> None:
    old, new, stranger = (door.new_token("registry", client=client) for client in ("acme", "acme", "other"))
    first = door.publish("foo", key="once", token=old).get_json()
    again = door.publish("foo", key="once", token=new).get_json()
    assert again["change"] == first["change"]
    other = door.publish("foo", key="once", token=stranger).get_json()
    assert other["change"] != first["change"] and not other["changed"]


def test_a_client_cannot_speak_as_the_clock(door: Door) -> None:
    """A key of the sweeper's, spent by a client on another request, would stop every expiry."""
    door.world.tick(days=1)
    door.post("/v1/names/foo/reserve", {"actor": OWNER})
    door.world.tick(days=400)
    clock = door.new_token("registry", client="clock")
    door.publish("bar", key=f"foo {door.world.now.isoformat()}", token=clock)
    door.world.service.round()
    door.world.tick(days=14)
    door.world.service.round()
    assert door.get("/v1/names/foo", door.new_token("auditor")).get_json()["state"] == "vacant"


# Scopes: every one that is given must hold.


def refusal(door: Door, token: str, path: str, body: object = None) -> str:
    """The code with which a request is refused, and "" where the scope lets it pass."""
    answer = door.post(path, body or {}, token=token) if body is not None else door.get(path, token)
    code: str = answer.get_json().get("code", "")
    assert (answer.status_code == 403) == code.startswith("caveat_"), answer.data
    return code if answer.status_code == 403 else ""


def test_a_token_for_some_actions_takes_no_other(door: Door) -> None:
    token = door.new_token("admin", actions=("publish", "yank", "read"))
    assert refusal(door, token, f"{RELEASE}/publish", publication("foo")) == ""
    assert refusal(door, token, f"{RELEASE}/yank", {}) == ""
    assert refusal(door, token, "/v1/names/foo") == ""
    for path, body in (
        (f"{RELEASE}/unyank", {}),
        ("/v1/names/foo/prohibit", {"actor": ADMIN}),
        ("/v1/projects/foo/quarantine", {"actor": ADMIN}),
        ("/v1/status", None),
    ):
        assert refusal(door, token, path, body) == "caveat_action", path
    answer = door.put("/v1/projects/foo/files/foo-1.0.tar.gz", b"x", token)
    assert (answer.status_code, answer.get_json()["missing"]) == (403, "upload")


def test_a_token_for_some_names_takes_no_other_and_nothing_about_all_names(door: Door) -> None:
    """Edge case 10. A prefix holds what PEP 752's namespace of that name holds, however the name is spelled."""
    token = door.new_token("admin", names=("acme", "x-y"))
    for name in ("acme", "ACME", "acme-tools", "Acme_Tools.More", "x.y"):
        assert refusal(door, token, f"/v1/projects/{name}/releases/1.0/yank", {}) == "", name
        assert refusal(door, token, f"/v1/names/{name}") == "", name
    for name in ("acmeville", "acm", "foo", "foo-acme", "x", "xy"):
        assert refusal(door, token, f"/v1/projects/{name}/releases/1.0/yank", {}) == "caveat_project", name
        assert refusal(door, token, f"/v1/names/{name}") == "caveat_project", name
        answer = door.put(f"/v1/projects/{name}/files/{name}-1.0.tar.gz", b"x", token)
        assert answer.get_json()["code"] == "caveat_project"
    assert refusal(door, token, "/v1/status") == ""


def test_a_scope_that_could_hold_nothing_is_not_made() -> None:
    for wrong in ({"names": ("Acme",)}, {"names": ("acme-",)}, {"networks": ("here",)}, {"per_minute": 0}):
        with pytest.raises(ValueError, match=r"Acme|acme-|here|revoke"):
            Scope(**wrong)  # type: ignore[arg-type]


def test_a_token_for_some_names_reads_no_change_of_another(door: Door) -> None:
    token = door.new_token("registry", names=("foo",))
    own, other = (door.publish(name).get_json()["change"] for name in ("foo", "bar"))
    assert refusal(door, token, f"/v1/changes/{own}") == ""
    assert refusal(door, token, f"/v1/changes/{other}") == "caveat_project"


def test_a_route_about_all_names_is_closed_to_a_token_for_some(door: Door) -> None:
    assert refusal(door, door.new_token("auditor"), "/v1/events") == ""
    assert refusal(door, door.new_token("auditor", names=("foo",)), "/v1/events") == "caveat_project"


@pytest.mark.parametrize(
    ("networks", "peer", "opens"),
    [
        (("192.0.2.0/24",), "192.0.2.7", True),
        (("192.0.2.0/24",), "192.0.3.7", False),
        (("192.0.2.0/24", "2001:db8::/32"), "2001:db8::1", True),
        (("192.0.2.0/24",), "::ffff:192.0.2.7", True),
        (("192.0.2.0/24",), "::ffff:192.0.3.7", False),
        (("0.0.0.0/0",), "2001:db8::1", False),
        (("0.0.0.0/0", "::/0"), "", False),
        (("0.0.0.0/0", "::/0"), "localhost", False),
        ((), "192.0.2.7", False),
    ],
)
def test_a_token_for_some_networks_is_good_from_there_alone(
    world: World, networks: tuple[str, ...], peer: str, opens: bool
) -> None:
    door = Door(world)
    headers = {
        "Authorization": f"Bearer {door.new_token('admin', networks=networks)}",
        "X-Forwarded-For": "192.0.2.7",
        "Forwarded": "for=192.0.2.7",
    }
    answer = door.client.get("/v1/status", headers=headers, environ_base={"REMOTE_ADDR": peer})
    assert answer.status_code == (200 if opens else 403)
    assert opens or answer.get_json()["code"] == "caveat_ip"
