"""A name's verified answer, its timeline, events by what they are about, and policies: as people meet them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from keys import names
from repo_service.console import lookup
from repo_service.console.proving import Proven, Prover, Unproven
from repo_service.domain import requests as r
from repo_service.storage.searching import Search
from tests.console.browsing import sign_in
from tests.console.conftest import Visiting
from tests.console.registry import HOSTILE, Registry
from tests.service.door import Silent
from tests.world import BECAUSE, OWNER, World, publishing


def test_without_javascript_a_look_up_leads_to_the_timeline_and_on_to_events_that_keep_their_filter(
    registry: Registry, visit: Visiting
) -> None:
    with visit(java_script_enabled=False) as page:
        sign_in(page, registry.url, registry.token("auditor"))
        page.get_by_role("link", name="Names", exact=True).click()
        page.get_by_role("textbox", name="Name").fill("Old_Hand")
        page.get_by_role("button", name="Look up").click()
        expect(page).to_have_url(f"{registry.url}/names/old-hand")
        expect(page.get_by_role("region", name="What clients can verify")).to_contain_text("Proved until")
        page.get_by_role("link", name="Timeline").click()
        expect(page.get_by_role("main")).to_contain_text("generation 2 begins")
        expect(page.get_by_role("listitem").filter(has_text="put into quarantine")).to_contain_text(
            re.compile(r"by\s*moderator.*snapshot\s*\d+", re.DOTALL)
        )
        page.get_by_role("link", name="Its events").click()
        page.get_by_label("By", exact=True).select_option("moderator")
        page.get_by_role("button", name="Show").click()
        assert "name=old-hand" in page.url and "by=moderator" in page.url
        expect(page.get_by_role("row")).to_have_count(2)
        page.goto(f"{registry.url}/events?type=release.published")
        page.get_by_role("link", name="Older").click()
        assert "type=release.published" in page.url and "before=" in page.url
        expect(page.get_by_label("What happened")).to_have_value("release.published")


def test_what_is_accepted_is_beside_what_is_verified_and_never_in_its_place(auditor: Page, registry: Registry) -> None:
    registry.do(publishing("two-truths"), publishing("two-truths", "2.0"))
    registry.record(r.Yank("two-truths", "1.0", BECAUSE, OWNER))
    auditor.goto(f"{registry.url}/names/two-truths")
    verified = auditor.get_by_role("region", name="What clients can verify")
    expect(verified).to_contain_text("registered")
    expect(auditor.get_by_role("region", name="What the journal says")).to_contain_text("one event waits")
    row = auditor.get_by_role("row").filter(has_text="1.0")
    expect(row.locator(".badge").first).to_have_text("published")
    expect(row).to_contain_text("the journal says")
    auditor.goto(f"{registry.url}/names/two-truths/timeline")
    expect(auditor.get_by_role("listitem").filter(has_text="was yanked")).to_contain_text("waits to be signed")
    registry.service.round()
    auditor.goto(f"{registry.url}/names/two-truths")
    expect(auditor.get_by_role("region", name="What the journal says")).to_contain_text("The same")
    expect(auditor.get_by_role("row").filter(has_text="1.0").locator(".badge").first).to_have_text("yanked")


def test_a_page_that_was_tampered_with_is_not_shown_as_verified(auditor: Page, registry: Registry) -> None:
    registry.do(publishing("tampered"))
    with registry.service.journal.reading() as view:
        target = view.target(names.page_path("tampered"))
    assert target is not None
    file = registry.public / "targets" / names.hashed(target.path, target.sha256)
    signed = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(signed.replace(b"1.0", b"6.6"))
    auditor.goto(f"{registry.url}/names/tampered")
    file.write_bytes(signed)
    expect(auditor.get_by_role("main")).to_contain_text("It cannot be proved")
    expect(auditor.get_by_role("main")).not_to_contain_text("6.6")
    auditor.reload()
    expect(auditor.get_by_role("main")).to_contain_text("Proved until")


def test_a_name_that_nobody_knows_is_proven_absent_by_the_one_bin_that_could_list_it(
    auditor: Page, registry: Registry
) -> None:
    auditor.goto(f"{registry.url}/names/never-heard-of-it")
    expect(auditor.get_by_role("main")).to_contain_text("proven absent")
    expect(auditor.get_by_role("main")).to_contain_text(re.compile(r"bin-[0-9a-f] is the only file that may list"))


def test_markup_in_a_reason_or_in_what_is_asked_for_is_text(auditor: Page, registry: Registry) -> None:
    for place in ("names/sampleproject/timeline", "events?name=sampleproject"):
        auditor.goto(f"{registry.url}/{place}")
        expect(auditor.get_by_text(HOSTILE)).to_be_visible()
    auditor.goto(f"{registry.url}/names")
    auditor.get_by_role("textbox", name="Name").fill(HOSTILE)
    auditor.get_by_role("button", name="Look up").click()
    expect(auditor.get_by_role("alert")).to_contain_text("is not a project name")
    expect(auditor.get_by_role("textbox", name="Name")).to_have_value(HOSTILE)


ODD = (
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2Fmetadata", "a" * 3000, "%F0%9F%90%8D", "%E2%84%AAafka", "%00", "-",
    "foo%0Abar", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "con..", "%FF%FE",
)  # fmt: skip


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A registry that shows names to all, with a yank of ``foo`` that waits to be signed."""
    world = World(Path(tmp_path_factory.mktemp("public")), 'console = "public"\n')
    world.do(publishing("foo"), publishing("foo", "2.0"))
    world.do(r.Yank("foo", "1.0", BECAUSE, OWNER))
    world.record(r.Deprecate("foo", BECAUSE, actor=OWNER))
    return world


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_gets_a_page_that_says_so(public: World, name: str) -> None:
    client = public.service.app(Silent(), public.updater).test_client()
    for place in (f"names/{name}", f"names/{name}/timeline", f"names?name={name}"):
        answer = client.get(f"/console/{place}")
        assert answer.status_code in (404, 422) and answer.mimetype == "text/html", (place, answer.status_code)
        assert "<script>" not in answer.text and "<h1>" in answer.text


def test_once_the_timestamp_has_expired_nothing_is_called_verified_also_what_was_before(world: World) -> None:
    world.do(publishing("foo"))
    prover = Prover(world.service.depot, lambda: world.trust.roots[0].data, lambda: world.now, world.updater)
    assert isinstance(prover.prove("foo"), Proven)
    world.tick(days=20)
    found = prover.prove("foo")
    assert isinstance(found, Unproven) and "expired" in found.why
    assert lookup.agreement(found, None) == "unknown"


def test_everybody_may_read_what_is_verified_and_nothing_that_only_the_journal_says(public: World) -> None:
    client = public.service.app(Silent(), public.updater).test_client()
    seen = client.get("/console/names/foo").text
    assert "Proved until" in seen and "journal" not in seen and "deprecated" not in seen
    told = client.get("/console/names/foo/timeline").text
    assert "release 1.0 was yanked" in told and BECAUSE.text in told and "deprecated" not in told
    for page in ("events", "holds", "policies", "overview"):
        assert client.get(f"/console/{page}").status_code == 302


def test_a_reason_that_the_signed_page_does_not_give_is_shown_to_nobody_who_has_not_signed_in(public: World) -> None:
    with public.service.journal.reading_with(Search) as view:
        told = view.history("foo", None, 9).events
    found = Prover(public.service.depot, lambda: public.trust.roots[0].data, lambda: public.now, public.updater)
    proven = found.prove("foo")
    assert isinstance(proven, Proven) and proven.state is not None
    silent = replace(proven, state=replace(proven.state, history=()))
    entries = lookup.entries(told, {})
    assert [each.reason for each in lookup.for_all(entries, proven)] == [BECAUSE, None, None, None]
    assert [each.reason for each in lookup.for_all(entries, silent)] == [None] * 4
