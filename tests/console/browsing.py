"""A real Chromium, and a visitor in it who remembers what the browser complained of."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.servers import need

WIDE: Final = {"width": 1200, "height": 800}
PHONE: Final = {"width": 360, "height": 740}
expect.set_options(timeout=20_000)  # on a busy machine a page may take its time


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium without a window, for as long as the block lasts."""
    program = need("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(
    browser: Browser, *, scheme: Literal["light", "dark"] = "light", viewport: Any = WIDE, **options: Any
) -> Iterator[Page]:
    """A page of somebody who is nobody yet. At its end the browser must have nothing to complain of: no violation of
    the content security policy, no script's error, nothing that did not load.
    """
    context = browser.new_context(color_scheme=scheme, viewport=viewport, locale="en-GB", **options)
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
    try:
        yield page
        answers = "Failed to load resource: the server responded with a status of 4"  # what a test asks for
        assert [each for each in complaints if not each.startswith(answers)] == []
    finally:
        context.close()


def sign_in(page: Page, url: str, secret: str) -> None:
    """As a person does, at the form."""
    page.goto(f"{url}/sign-in")
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/overview")
