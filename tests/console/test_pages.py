"""The console's pages in a real browser: what they say, without JavaScript, by keyboard, in the dark and on a phone."""

import re
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from keys.state import Reason
from keys.times import moment
from repo_service.accepting import halting
from repo_service.domain.flags import ClearFlag, SetFlag
from tests.console.browsing import PHONE, sign_in
from tests.console.conftest import Visiting
from tests.console.registry import HOSTILE, NOW, Registry
from tests.world import BECAUSE, publishing

PAGES = (
    "overview", "names", "names/old-hand", "names/old-hand/timeline", "names/nobody-at-all", "events?by=moderator",
    "events?since=yesterday", "holds", "holds/left-alone/1.0", "holds/gone/1.0", "policies", "keys", "log", "nowhere",
)  # fmt: skip
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
IN_THE_DARK = """axe.run({runOnly: ["color-contrast"]}).then(
    found => found.violations.flatMap(each => each.nodes.map(node => node.failureSummary)))"""


# What they say.


def test_an_auditor_signs_in_with_a_token_and_is_called_by_name(registry: Registry, visit: Visiting) -> None:
    with visit() as page:
        page.goto(f"{registry.url}/")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        sign_in(page, registry.url, registry.token("auditor", "Ada"))
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        expect(page.get_by_role("banner")).to_contain_text("Ada auditor")


def test_the_overview_says_what_is_signed_what_waits_and_what_is_due(auditor: Page, registry: Registry) -> None:
    registry.record(publishing("waits-to-be-signed"))
    auditor.reload()
    main = auditor.get_by_role("main")
    expect(main).to_contain_text("All is well")
    release = registry.service.status().its.generation
    expect(main.get_by_role("region", name="Signed", exact=True)).to_contain_text(f"release {release}")
    expect(main.get_by_role("region", name="Waits to be signed")).to_contain_text("The oldest came")
    expect(main.get_by_role("link", name="1 yank waits")).to_be_visible()
    row = main.get_by_role("row", name=re.compile("^timestamp"))
    expect(row.get_by_role("img", name="2 days left of 3 days")).to_be_visible()
    expect(row).to_contain_text("signed again in")


def test_a_chart_has_a_table_of_the_same_numbers(auditor: Page) -> None:
    day = auditor.get_by_role("region", name="Accepted in the last day").first
    expect(day.get_by_role("img", name="Accepted in the last day")).to_be_visible()
    day.get_by_text("As a table").click()
    counts = day.get_by_role("cell").all_inner_texts()
    assert len(counts) == 24 and sum(map(int, counts)) >= 200
    heights = [float(each.get_attribute("height") or 0) for each in day.locator("svg .column").all()]
    assert [height > 0 for height in reversed(heights)] == [count != "0" for count in counts]


def test_the_keys_page_says_who_signs_what_and_when_people_must_meet(auditor: Page, registry: Registry) -> None:
    auditor.get_by_role("link", name="Keys").click()
    main = auditor.get_by_role("main")
    expect(main.get_by_role("heading", name=re.compile("The next ceremony is due from 2027-08-2"))).to_be_visible()
    for keyid in registry.trust.root.roles["root"].keyids:
        expect(main.get_by_role("rowheader", name=keyid)).to_be_visible()
    expect(main.get_by_role("row", name=re.compile("^root"))).to_contain_text("2 of 3")
    auditor.get_by_text("What to do").click()
    expect(main).to_contain_text("tallystick-ceremony plan")


def test_the_log_page_says_who_cosigned_and_shows_the_public_checkpoint(auditor: Page, registry: Registry) -> None:
    auditor.get_by_role("link", name="Log").click()
    main = auditor.get_by_role("main")
    expect(main).to_contain_text("2 of the 3 witnesses that count cosigned")
    shown = main.get_by_label("The newest checkpoint").locator("xpath=self::pre").inner_text()
    assert shown.strip() == (registry.public / "log/checkpoint").read_text().strip()


def test_a_flag_and_its_reason_are_shown_as_text(auditor: Page, registry: Registry) -> None:
    journal = registry.service.journal
    halting.set_flag(journal, SetFlag("new_names_halted", Reason("operations", HOSTILE)), "tests", None, registry.now)
    try:
        auditor.reload()
        expect(auditor.get_by_role("main")).to_contain_text(HOSTILE)
        assert auditor.locator("main script, main img[src]").count() == 0
    finally:
        halting.clear_flag(journal, ClearFlag("new_names_halted", BECAUSE), "tests", None, registry.now)


def test_a_token_that_is_revoked_ends_the_session_with_the_next_click(registry: Registry, visit: Visiting) -> None:
    secret = registry.token("moderator")
    with visit() as page:
        sign_in(page, registry.url, secret)
        registry.revoke(secret)
        page.get_by_role("link", name="Log").click()
        expect(page.get_by_role("status")).to_contain_text("Your session has ended")


def test_a_link_from_another_site_leads_to_the_page_and_not_out(auditor: Page, registry: Registry) -> None:
    elsewhere = registry.url.replace("localhost", "127.0.0.1").removesuffix("/console")
    auditor.goto(f"{elsewhere}/healthz")
    auditor.evaluate("where => { location.href = where }", f"{registry.url}/log")
    expect(auditor.get_by_role("heading", level=1)).to_have_text("Log and witnesses")
    expect(auditor.get_by_role("button", name="Sign out")).to_be_visible()


def test_what_came_in_is_searched_for_and_found_as_if_it_were_counted(registry: Registry) -> None:
    begin, step = NOW - timedelta(hours=26), timedelta(minutes=7)
    with registry.service.journal.reading() as view:
        found = view.waited(view.accepted(begin, step, 230))
        events = view.events(limit=10_000)
    for stretch in found:
        came = [each for each in events if stretch.begin <= moment(each.at) < stretch.end]
        assert stretch.accepted == len(came), stretch
    assert max(each.waited for each in found if each.waited and each.end <= NOW) == timedelta(seconds=10)
    assert not any(each.waited for each in found if each.end <= NOW - timedelta(hours=24))


# How they work.


def test_everything_works_without_javascript_and_by_keyboard_alone(registry: Registry, visit: Visiting) -> None:
    with visit(java_script_enabled=False) as page:
        page.goto(registry.url + "/")
        expect(page.get_by_label("Token")).to_be_focused()
        page.keyboard.type(registry.token("auditor"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        page.keyboard.press("Enter")
        assert page.url.endswith("#content")
        for name in ("Keys", "Log"):
            _tab_to(page, name)
            page.keyboard.press("Enter")
            page.wait_for_url(f"**/{name.lower()}")
        _tab_to(page, "Sign out")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def _tab_to(page: Page, name: str) -> None:
    """Go on by Tab, as somebody without a mouse, until the focus, which can be seen, is on a link or button."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and focused.inner_text().strip() == name:
            assert focused.evaluate("it => getComputedStyle(it).outlineStyle") == "solid"
            return
    pytest.fail(f"no way to {name} by keyboard")


def test_no_page_has_a_fault_that_axe_knows_nor_scrolls_sideways_on_a_phone(
    registry: Registry, visit: Visiting
) -> None:
    with visit(viewport=PHONE) as page:
        page.goto(f"{registry.url}/sign-in")
        _look(page)
        sign_in(page, registry.url, registry.token("admin"))
        for place in PAGES:
            page.goto(f"{registry.url}/{place}")
            page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true })")
            _look(page)


def _look(page: Page) -> None:
    """In the light at everything, in the dark at what is different there."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} scrolls sideways"
    page.emulate_media(color_scheme="light")
    found = Axe().run(page, options={"runOnly": RULES})
    assert found.violations_count == 0, found.generate_report()
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(IN_THE_DARK) == []
