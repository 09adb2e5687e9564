"""Who gets into the console, and for how long."""

from playwright.sync_api import Page, expect

from tests.console.browsing import sign_in
from tests.console.conftest import Visiting
from tests.console.registry import Registry


def test_an_auditor_signs_in_with_a_token_and_sees_the_overview(registry: Registry, visit: Visiting) -> None:
    with visit() as page:
        page.goto(f"{registry.url}/")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        sign_in(page, registry.url, registry.token("auditor", "Ada"))
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        expect(page.get_by_role("banner")).to_contain_text("Ada")


def test_a_page_says_what_is_signed(auditor: Page) -> None:
    expect(auditor.get_by_role("main")).to_contain_text("All is well")
