"""The frame of the console, asked as a program asks: who is let in, for how long, and what every answer bears."""

import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from repo_service.console import doors, frame, sessions
from repo_service.operating.settings import BadSettings
from repo_service.web.auth import CONSOLE, ROLES
from repo_service.wiring import CONSOLE_KEY, console_secret
from tests.service.door import Silent
from tests.world import World, publishing


class Visitor:
    """A browser without a face: it keeps cookies and sends forms. Its first address is of the setting ``console``."""

    def __init__(self, world: World, console: str = "staff") -> None:
        self.world = world
        self.app = app_of(world, console)
        self.client = self.app.test_client()

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(f"/console/{path}", headers=headers)

    def csrf(self) -> str:
        """The token of the form of the page to sign in, or out, at."""
        page = self.client.get("/console/sign-in", follow_redirects=True)
        found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert found is not None
        return found[1]

    def post(self, path: str, **form: str) -> TestResponse:
        return self.client.post(f"/console/{path}", data={"csrf_token": self.csrf(), **form})

    def sign_in(self, secret: str, **form: str) -> TestResponse:
        return self.post("sign-in", token=secret, **form)

    def cookie(self) -> str:
        found = self.client.get_cookie(sessions.COOKIE)
        return found.value if found else ""

    @property
    def is_in(self) -> bool:
        return self.get("overview").status_code == 200


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One repository for all that changes nothing in it but tokens; its clock only goes on."""
    world = World(tmp_path_factory.mktemp("frame"), "client_per_minute = 100000\n")
    world.do(publishing("sampleproject"))
    return world


@pytest.fixture
def visitor(repository: World) -> Visitor:
    return Visitor(repository)


def app_of(world: World, console: str) -> Flask:
    its: Any = replace(world.service.settings, console=console)  # type: ignore[arg-type]
    return replace(world.service, settings=its).app(Silent())


def token(world: World, role: str = "auditor", days: float = 30, **scope: Any) -> str:
    """A new token's secret."""
    world.tick(seconds=2)
    return world.token(role, f"{role} {len(_tokens(world))}", days, **scope)


def _tokens(world: World) -> list[Any]:
    with world.service.journal.reading() as view:
        return list(view.tokens())


def pages(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Every route of the console: its name, a method and a path."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(f"{CONSOLE}."):
            path = re.sub(r"<[^>]+>", "sampleproject", rule.rule)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule.endpoint.removeprefix(f"{CONSOLE}."), method, path


# The table.


def test_every_page_is_in_the_table_of_doors_and_each_once(visitor: Visitor) -> None:
    names = {name for name, _, _ in pages(visitor.app)}
    assert names == doors.OPEN | doors.PAGES.keys()
    assert not doors.OPEN & doors.PAGES.keys()
    assert doors.PAGES.keys() >= doors.PUBLIC
    assert all(doors.PAGES[page] == "read" for page in doors.PUBLIC), "what all may read needs no more of staff"


def test_a_page_that_is_not_in_the_table_is_closed_to_an_admin_too(visitor: Visitor, repository: World) -> None:
    visitor.app.add_url_rule("/console/new", f"{CONSOLE}.new", lambda: "open")
    assert "sign-in" in visitor.get("new").headers["Location"]
    visitor.sign_in(token(repository, "admin"))
    answer = visitor.get("new")
    assert (answer.status_code, "route_closed" in answer.text, "open" in answer.text.split()) == (403, True, False)


def test_nobody_sees_a_page_of_the_staff(visitor: Visitor) -> None:
    for name, method, path in pages(visitor.app):
        if name in doors.PAGES:
            answer = visitor.client.open(path, method=method)
            if method == "GET":
                assert answer.status_code == 302 and "/console/sign-in?" in answer.headers["Location"], name
            else:
                assert answer.status_code == 400, name


def test_in_public_nobody_sees_more_than_the_public_pages(repository: World) -> None:
    visitor = Visitor(repository, "public")
    for name, method, path in pages(visitor.app):
        if name in doors.PAGES and method == "GET":
            status = visitor.client.open(path, method=method).status_code
            assert (status != 302) == (name in doors.PUBLIC), name
    assert visitor.get("").headers["Location"] != "/console/sign-in"
    nav = visitor.get("log").text
    assert "Overview" not in nav and "Sign in" in nav


def test_off_there_is_no_console_and_no_key_of_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    visitor = Visitor(world, "off")
    assert visitor.get("").status_code == visitor.get("sign-in").status_code == 404
    assert not (world.service.folder / CONSOLE_KEY).exists()


# Signing in.


@pytest.mark.parametrize("role", sorted(ROLES))
def test_those_who_may_audit_sign_in_and_no_others(visitor: Visitor, repository: World, role: str) -> None:
    answer = visitor.sign_in(token(repository, role))
    assert visitor.is_in == (role in ("auditor", "moderator", "admin"))
    assert answer.status_code == (303 if visitor.is_in else 403)
    if not visitor.is_in:
        assert f"has the role {role}" in answer.text


@pytest.mark.parametrize("wrong", ["", "x", "tally_", "tally_" + "0" * 16 + "_" + "A" * 43, "\x00", "é" * 100])
def test_what_is_no_token_is_said_to_be_none(visitor: Visitor, repository: World, wrong: str) -> None:
    repository.tick(seconds=2)
    answer = visitor.sign_in(wrong)
    assert (answer.status_code, visitor.is_in) == (401, False)
    assert 'role="alert"' in answer.text and "token" in answer.text


def test_a_token_for_some_names_or_another_network_does_not_sign_in(visitor: Visitor, repository: World) -> None:
    for narrow in ({"names": ("acme",)}, {"networks": ("10.0.0.0/8",)}, {"actions": ("yank",)}):
        assert visitor.sign_in(token(repository, "admin", **narrow)).status_code == 403
        assert not visitor.is_in


def test_who_signs_in_gets_a_session_of_their_own(visitor: Visitor, repository: World) -> None:
    token_before, before = visitor.csrf(), visitor.cookie()
    visitor.sign_in(token(repository))
    assert visitor.is_in
    assert visitor.client.post("/console/sign-out", data={"csrf_token": token_before}).status_code == 400
    visitor.client.set_cookie(sessions.COOKIE, before)
    assert not visitor.is_in, "a session that somebody laid out before is still nobody's"


def test_one_returns_to_where_one_wanted_to_go_and_to_no_other_site(visitor: Visitor, repository: World) -> None:
    secret = token(repository)
    assert visitor.get("keys").headers["Location"] == "/console/sign-in?next=/console/keys"
    for wanted, where in (
        ("/console/keys", "/console/keys"),
        ("/console/log?x=1", "/console/log?x=1"),
        ("https://evil.example/console/", "/console/overview"),
        ("//evil.example/console/", "/console/overview"),
        ("/\\evil.example/console/", "/console/overview"),
        ("\\\\evil.example/console/", "/console/overview"),
        ("/console/\r\nSet-Cookie: x", "/console/overview"),
        ("javascript:alert(1)", "/console/overview"),
        ("/v1/status", "/console/overview"),
    ):
        repository.tick(seconds=2)
        answer = Visitor(repository).sign_in(secret, next=wanted)
        assert (answer.status_code, answer.headers["Location"]) == (303, where)


def test_trying_tokens_is_limited(repository: World) -> None:
    visitor = Visitor(repository)
    form = {"csrf_token": visitor.csrf(), "token": "tally_" + "0" * 16 + "_" + "A" * 43}
    statuses = [visitor.client.post("/console/sign-in", data=form).status_code for _ in range(40)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert visitor.client.post("/console/sign-in", data=form).headers["Retry-After"] == "2"


# How long a session lasts.


def test_a_session_dies_with_its_token(visitor: Visitor, repository: World) -> None:
    secret = token(repository)
    visitor.sign_in(secret)
    assert visitor.is_in
    with repository.service.journal.writing() as pen:
        pen.revoke_token(secret.split("_")[1], repository.now)
    visitor.get("static/console.css")  # which a browser may ask for in between: the page is to say that it is over
    assert visitor.get("overview").headers["Location"] == "/console/sign-in?next=/console/overview&ended=1"
    assert not visitor.is_in


def test_a_session_ends_when_its_token_expires(visitor: Visitor, repository: World) -> None:
    visitor.sign_in(token(repository, days=1 / 96))
    repository.tick(minutes=14)
    assert visitor.is_in
    repository.tick(minutes=1)
    assert not visitor.is_in


def test_a_session_ends_after_half_an_hour_without_a_page(visitor: Visitor, repository: World) -> None:
    visitor.sign_in(token(repository))
    for _ in range(3):
        repository.tick(minutes=29)
        assert visitor.is_in
    repository.tick(minutes=30)
    assert not visitor.is_in


def test_a_session_ends_after_twelve_hours_however_busy(visitor: Visitor, repository: World) -> None:
    visitor.sign_in(token(repository))
    for _ in range(28):
        repository.tick(minutes=25)
        assert visitor.is_in
    repository.tick(minutes=20)
    assert not visitor.is_in


def test_signing_out_forgets_who_it_was(visitor: Visitor, repository: World) -> None:
    visitor.sign_in(token(repository))
    assert visitor.post("sign-out").status_code == 303
    assert not visitor.is_in


def test_a_session_that_another_key_signed_or_that_was_changed_is_nobodys(
    visitor: Visitor, repository: World, tmp_path: Path
) -> None:
    other = Visitor(World(tmp_path))
    other.sign_in(token(other.world, "admin"))
    assert other.is_in
    visitor.client.set_cookie(sessions.COOKIE, other.cookie())
    assert not visitor.is_in
    visitor.sign_in(token(repository))
    visitor.client.set_cookie(sessions.COOKIE, "e" + visitor.cookie())
    assert not visitor.is_in


def test_two_servers_of_a_service_know_each_others_sessions(visitor: Visitor, repository: World) -> None:
    visitor.sign_in(token(repository))
    other = Visitor(repository)
    other.client.set_cookie(sessions.COOKIE, visitor.cookie())
    assert other.is_in


# The key that signs sessions.


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = console_secret(tmp_path)
    path = tmp_path / CONSOLE_KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert console_secret(tmp_path) == first and len(first) == 43
    assert [each.name for each in tmp_path.iterdir()] == [CONSOLE_KEY]


def test_a_key_that_was_cut_off_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / CONSOLE_KEY).write_text("short\n")
    with pytest.raises(BadSettings, match="is not as it was made; delete it"):
        console_secret(tmp_path)
    assert (tmp_path / CONSOLE_KEY).read_text() == "short\n"


def test_where_no_key_can_be_made_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match='write console = "off"'):
        console_secret(tmp_path / "nowhere")


# Forged requests.


def test_a_form_without_its_token_changes_nothing(visitor: Visitor, repository: World) -> None:
    secret = token(repository)
    answer = visitor.client.post("/console/sign-in", data={"token": secret})
    assert (answer.status_code, visitor.is_in) == (400, False)
    assert "Nothing was written." in answer.text
    visitor.sign_in(secret)
    for forged in ({}, {"csrf_token": "x"}, {"csrf_token": Visitor(repository).csrf()}):
        assert visitor.client.post("/console/sign-out", data=forged).status_code == 400
        assert visitor.is_in


def test_over_tls_a_form_must_come_from_this_site(visitor: Visitor, repository: World) -> None:
    form = {"csrf_token": visitor.csrf(), "token": token(repository)}
    for referrer, status in ((None, 400), ("https://evil.example/", 400), ("https://localhost/console/sign-in", 303)):
        headers = {"Referer": referrer} if referrer else {}
        answer = visitor.client.post("/console/sign-in", data=form, headers=headers, base_url="https://localhost")
        assert answer.status_code == status, referrer


def test_a_form_is_short(visitor: Visitor) -> None:
    form = {"csrf_token": visitor.csrf(), "token": "x" * frame.MAX_FORM}
    assert visitor.client.post("/console/sign-in", data=form).status_code == 413


def test_a_link_from_another_site_does_not_sign_anybody_out(visitor: Visitor, repository: World) -> None:
    visitor.sign_in(token(repository))
    stranger = Visitor(repository)  # as the browser sends it: a strict cookie stays behind
    for path in ("overview", "sign-in"):
        answer = stranger.get(path, Sec_Fetch_Site="cross-site")
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (200, False)
        assert f'content="0; url=/console/{path}"' in answer.text


# What every answer bears.


def test_every_answer_of_the_console_bears_the_headers(visitor: Visitor, repository: World) -> None:
    answers = [visitor.get(path) for path in ("", "sign-in", "overview", "nowhere/at/all", "static/console.css")]
    answers.append(visitor.client.post("/console/sign-in", data={}))
    visitor.sign_in(token(repository))
    answers.extend(visitor.get(path) for path in ("overview", "keys", "log"))
    for answer in answers:
        assert frame.HEADERS.items() <= dict(answer.headers).items(), answer.request.path
        if answer.mimetype == "text/html":
            assert answer.headers["Cache-Control"] == "no-store", answer.request.path
        assert "<style" not in answer.text and "style=" not in answer.text and "<script" not in answer.text


def test_the_cookie_is_for_this_host_alone_and_for_no_script(visitor: Visitor) -> None:
    (cookie,) = visitor.get("sign-in").headers.get_all("Set-Cookie")
    parts = {each.strip() for each in cookie.split(";")[1:]}
    assert cookie.startswith("__Host-") and parts == {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"}


def test_the_api_and_the_public_files_know_no_session(visitor: Visitor, repository: World) -> None:
    visitor.sign_in(token(repository, "admin"))
    assert visitor.client.get("/v1/status").status_code == 401
    for path in ("/v1/status", "/simple/sampleproject/", "/metadata/timestamp.json", "/healthz"):
        answer = visitor.client.get(path)
        assert "Set-Cookie" not in answer.headers and "Cookie" not in answer.headers.get("Vary", ""), path


def test_redirects_name_no_scheme_which_a_proxy_may_have_changed(visitor: Visitor) -> None:
    for path in ("/console", "/console/", "/console/overview"):
        assert visitor.client.get(path).headers["Location"].startswith("/console/sign-in"), path


def test_what_is_not_there_is_said_on_a_page(visitor: Visitor) -> None:
    answer = visitor.get("nothing/<b>here")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "&lt;b&gt;here" in answer.text and "<b>here" not in answer.text
