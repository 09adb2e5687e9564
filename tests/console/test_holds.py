"""Held yanks in the console: two admins approve, one cancels, and what each is told where it is not so."""

from collections.abc import Callable
from itertools import count
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from client_verify.answers import Found
from repo_service.domain import requests as r
from tests.console.browsing import sign_in
from tests.console.conftest import Visiting
from tests.console.registry import Registry
from tests.world import BECAUSE, publishing

_ALONE: Final = r.Actor("owner", "account-1")
_numbers: Final = count()
APPROVE: Final = "Approve, as the first of two"
YANK_NOW: Final = "Approve: yank it now"


@pytest.fixture
def held(registry: Registry) -> str:
    """A name of which a yank waits."""
    name = f"held-{next(_numbers)}"
    registry.do(publishing(name), r.Yank(name, "1.0", BECAUSE, _ALONE))
    return name


def is_yanked(registry: Registry, name: str) -> bool:
    """As a client verifies it."""
    registry.service.round()
    found = registry.client(f"client-{next(_numbers)}").page(name)
    assert isinstance(found, Found)
    return found.state.releases[0].yank is not None


def look(page: Page, registry: Registry, name: str) -> None:
    page.goto(f"{registry.url}/holds/{name}/1.0")


def test_without_javascript_two_admins_approve_and_a_client_sees_the_yank(
    registry: Registry, visit: Visiting, held: str
) -> None:
    with visit(java_script_enabled=False) as first, visit(java_script_enabled=False) as second:
        sign_in(first, registry.url, registry.token("admin", "Ada"))
        sign_in(second, registry.url, registry.token("admin", "Grace"))
        first.get_by_role("link", name="Holds").click()
        row = first.get_by_role("row").filter(has_text=held)
        expect(row).to_contain_text(f"1.0 is the last release of {held} that is not yanked")
        row.get_by_role("link").click()
        first.get_by_role("button", name=APPROVE).click()
        expect(first.get_by_role("main")).to_contain_text("You approved it")
        expect(first.get_by_role("button", name="Approve")).to_have_count(0)
        assert not is_yanked(registry, held)
        look(second, registry, held)
        expect(second.get_by_role("main")).to_contain_text("by Ada")
        second.get_by_role("button", name=YANK_NOW).click()
        expect(second).to_have_url(f"{registry.url}/names/{held}/timeline")
        expect(second.get_by_role("listitem").filter(has_text="was yanked")).to_contain_text("admin")
        assert is_yanked(registry, held)
        look(first, registry, held)
        expect(first.get_by_role("heading", level=1)).to_have_text("Nothing waits here")


def test_one_admin_cancels_and_it_installs_as_before(registry: Registry, visit: Visiting, held: str) -> None:
    with visit() as page:
        sign_in(page, registry.url, registry.token("admin"))
        look(page, registry, held)
        page.get_by_role("button", name="Cancel the yank").click()
        expect(page.get_by_role("main")).to_contain_text("the waiting yank of release 1.0 was cancelled")
    assert not is_yanked(registry, held)


def moved(registry: Registry, name: str, secret: str) -> None:
    registry.do(publishing(name, "2.0"))


def gone(registry: Registry, name: str, secret: str) -> None:
    registry.do(r.Unyank(name, "1.0", None, _ALONE))


def revoked(registry: Registry, name: str, secret: str) -> None:
    registry.revoke(secret)


def approved(registry: Registry, name: str, secret: str) -> None:
    registry.approve_as(secret, name, "1.0")


@pytest.mark.parametrize(
    ("meanwhile", "title", "said"),
    [
        (moved, "The name has changed since you looked", "still waits. Look at it again"),
        (gone, "The name has changed since you looked", "waits any more. The timeline"),
        (revoked, "You are not signed in", "Nothing was written."),
        (approved, "It takes another admin", "still waits"),
    ],
)
def test_what_happened_since_the_page_was_opened_is_said_and_nothing_is_written(
    registry: Registry, visit: Visiting, held: str, meanwhile: Callable[..., None], title: str, said: str
) -> None:
    secret = registry.token("admin")
    with visit() as page:
        sign_in(page, registry.url, secret)
        look(page, registry, held)
        meanwhile(registry, held, secret)
        page.get_by_role("button", name=APPROVE).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(page.get_by_role("main")).to_contain_text(said)
        expect(page.get_by_role("main")).to_contain_text("Nothing was written")
    assert not is_yanked(registry, held)


@pytest.mark.parametrize(
    ("role", "scope"),
    [("moderator", {}), ("auditor", {}), ("admin", {"actions": ("audit", "read", "yank", "change")})],
)
@pytest.mark.parametrize("act", ["approve", "cancel"])
def test_who_may_not_act_as_an_admin_here_approves_and_cancels_nothing(
    registry: Registry, visit: Visiting, held: str, role: str, scope: dict[str, tuple[str, ...]], act: str
) -> None:
    with visit() as page:
        sign_in(page, registry.url, registry.token(role, **scope))
        look(page, registry, held)
        if role != "admin":
            expect(page.get_by_role("button", name="Approve")).to_have_count(0)
            expect(page.get_by_role("button", name="Cancel the yank")).to_have_count(0)
        sent = page.evaluate(
            """async ([path, serial]) => {
                 const form = document.querySelector('form');
                 form.action = path;
                 for (const [name, value] of [['serial', serial], ['digest', '0'.repeat(64)]]) {
                   const field = document.createElement('input');
                   field.name = name; field.value = value; form.append(field);
                 }
                 form.submit();
               }""",
            [f"{registry.url}/holds/{held}/1.0/{act}", str(registry.serial(held))],
        )
        assert sent is None
        expect(page.get_by_role("heading", level=1)).to_have_text("The token may not do so")
    assert registry.serial(held) == 3
