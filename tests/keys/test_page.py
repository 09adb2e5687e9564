"""A page and the state inside it cannot disagree."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings

from keys import page, strict
from keys.encoding import compact
from keys.state import (
    Deprecation,
    File,
    Mark,
    NameState,
    Provenance,
    Reason,
    Release,
    Removal,
    Reservation,
    Yank,
    installable,
)
from tests.keys.strategies import name_states

AT: Final = "2026-11-22T10:00:00Z"
PUBLISHED: Final = Mark(AT, "owner", None)
FILE: Final = File("foo-1.0.tar.gz", "sdist", "ab" * 32, 7, AT, ">=3.9", None, None)
WHEEL: Final = File("foo-2.0-py3-none-any.whl", "wheel--py3", "cd" * 32, 9, AT, None, "ef" * 32, None)


def release(version: str, *files: File, yank: Yank | None = None, removed: Mark | None = None) -> Release:
    state: Any = "unpublished" if removed else "published"
    return Release(version, version, state, 1, AT, yank, removed, files)


def state(*releases: Release, **more: Any) -> NameState:
    parts: dict[str, Any] = {
        "name": "foo", "display": "Foo", "state": "registered", "generation": 1, "serial": 5, "event": 17,
        "since": PUBLISHED, "quarantine": None, "reservation": None, "releases": releases, "history": (), **more,
    }  # fmt: skip
    return NameState(**parts)


YANKED: Final = Yank("owner", Mark(AT, "owner", Reason("broken", "does not import")))
RICH: Final = state(release("1.0", FILE, yank=YANKED), release("2.0", WHEEL), release("3.0", removed=PUBLISHED))


def document(found: NameState) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(page.render(found))
    return body


@given(name_states())
@settings(max_examples=80)
def test_what_is_rendered_is_parsed_to_the_same_state(found: NameState) -> None:
    """ "A page is valid only if rendering its state gives the same bytes again." """
    assert page.parse(page.render(found)) == found


@given(name_states())
@settings(max_examples=80)
def test_a_page_lists_what_may_be_installed_and_nothing_else(found: NameState) -> None:
    """Invariants I7 to I10: page and state agree in every state, and a yank is false, true or a clean line."""
    body = document(found)
    allowed = [(file.filename, file.sha256, file.size) for _, file in installable(found)]
    assert [(each["filename"], each["hashes"]["sha256"], each["size"]) for each in body["files"]] == allowed
    if found.state != "registered" or found.quarantine is not None:
        assert body["files"] == body["versions"] == []
    for each, (owner, _) in zip(body["files"], installable(found), strict=True):
        assert each["yanked"] is (owner.yank is not None) or strict_line(each["yanked"])


def strict_line(yanked: object) -> bool:
    return isinstance(yanked, str) and yanked != "" and strict.line(yanked) == yanked


def test_a_yank_is_false_true_or_a_reason() -> None:
    """PEP 592; pip and uv disagree about an empty text and about objects."""
    for yank, shown in (
        (None, False),
        (Yank("owner", PUBLISHED), True),
        (Yank("owner", Mark(AT, "owner", Reason("broken"))), True),
        (YANKED, "does not import"),
    ):
        assert document(state(release("1.0", FILE, yank=yank)))["files"][0]["yanked"] == shown


def test_an_empty_reason_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="1 to 512"):
        Reason("broken", "")
    with pytest.raises(ValueError, match="1 to 512"):
        Reason("broken", "x" * 513)
    with pytest.raises(ValueError, match="U\\+001B"):
        Reason("broken", "\x1b[2Jgone")
    with pytest.raises(ValueError, match="U\\+000A"):
        Reason("broken", "one\nWARNING: two")


def test_the_status_of_a_project_is_said_as_pep_792_has_it() -> None:
    quarantine = Mark(AT, "admin", Reason("malware", "it steals tokens"))
    assert document(RICH)["project-status"] == {"status": "active"}
    found = document(state(release("1.0", FILE), quarantine=quarantine))
    assert found["project-status"] == {"status": "quarantined", "reason": "it steals tokens"}
    archived = document(state(release("1.0", FILE), archived=Mark(AT, "owner", None)))
    assert archived["project-status"] == {"status": "archived"} and archived["files"]
    advice = Deprecation(Mark(AT, "owner", Reason("moved", "use bar")), "bar")
    deprecated = state(release("1.0", FILE), deprecated=advice)
    assert document(deprecated)["project-status"] == {"status": "deprecated", "reason": "use bar"}
    over = document(replace(deprecated, quarantine=quarantine))
    assert over["project-status"]["status"] == "quarantined" and over["files"] == []
    assert "project-status" not in document(state(state="placeholder"))
    reserved = state(state="reserved", reservation=Reservation("user", None, AT, AT, 0))
    assert document(reserved)["files"] == []


def test_a_file_has_what_installers_need() -> None:
    first, second = document(RICH)["files"]
    assert first == {
        "filename": "foo-1.0.tar.gz", "hashes": {"sha256": "ab" * 32}, "requires-python": ">=3.9", "size": 7,
        "upload-time": AT, "url": "../../packages/foo/foo-1.0.tar.gz", "yanked": "does not import",
    }  # fmt: skip
    assert second["core-metadata"] == {"sha256": "ef" * 32} and second["yanked"] is False
    elsewhere = File("foo-1.0.tar.gz", "sdist", "ab" * 32, 7, AT, None, None, "https://files.example/foo-1.0.tar.gz")
    assert document(state(release("1.0", elsewhere)))["files"][0]["url"] == "https://files.example/foo-1.0.tar.gz"


def test_any_character_changed_in_the_listing_is_refused() -> None:
    data = page.render(RICH)
    listing = data.rindex(b',"files":')
    for position in [*range(data.index(b',"_state"')), *range(listing, len(data))]:
        for other in (b"0", b'"', b"x"):
            changed = data[:position] + other + data[position + 1 :]
            if changed != data:
                with pytest.raises(page.InvalidPage):
                    page.parse(changed)


CHANGES: Final[dict[str, Any]] = {
    "a yank taken off": lambda body: body["files"][0].update(yanked=False),
    "a yank without its reason": lambda body: body["files"][0].update(yanked=True),
    "a yank put on": lambda body: body["files"][1].update(yanked="insecure"),
    "an empty yank": lambda body: body["files"][1].update(yanked=""),
    "other bytes": lambda body: body["files"][0].update(hashes={"sha256": "00" * 32}),
    "another hash beside": lambda body: body["files"][0]["hashes"].update(md5="00"),
    "another size": lambda body: body["files"][0].update(size=8),
    "another address": lambda body: body["files"][0].update(url="https://evil.example/foo-1.0.tar.gz"),
    "another Python": lambda body: body["files"][0].update({"requires-python": ">=2"}),
    "a file hidden": lambda body: body["files"].pop(),
    "a file twice": lambda body: body["files"].append(body["files"][0]),
    "files in another order": lambda body: body["files"].reverse(),
    "a version hidden": lambda body: body["versions"].pop(),
    "a removed version listed": lambda body: body["versions"].append("3.0"),
    "a quarantine put on": lambda body: body.update({"project-status": {"status": "quarantined"}}),
    "no status": lambda body: body.pop("project-status"),
    "another serial": lambda body: body.update({"_last-serial": 18}),
    "another API version": lambda body: body["meta"].update({"api-version": "2.0"}),
    "a field more": lambda body: body.update(more=1),
    "another name": lambda body: body.update(name="bar"),
    "another name in the state": lambda body: body["_state"].update(name="bar"),
    "an unyank in the state alone": lambda body: body["_state"]["releases"][0].update(yank=None),
    "a field more in the state": lambda body: body["_state"].update(more=1),
    "no state": lambda body: body.pop("_state"),
    "a list for a state": lambda body: body.update(_state=[]),
    "another schema": lambda body: body["_state"].update(schema=2),
    "no schema": lambda body: body["_state"].pop("schema"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_field_changed_without_the_others_is_refused(change: Any) -> None:
    body = document(RICH)
    assert page.parse(compact(body)) == RICH
    change(body)
    with pytest.raises(page.InvalidPage):
        page.parse(compact(body))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"_state":1}', b"\xff", b"1" * 5000, b"[" * 99_999])
def test_what_is_no_page_is_refused(data: bytes) -> None:
    with pytest.raises(page.InvalidPage):
        page.parse(data)


def test_the_same_page_in_another_spelling_is_refused() -> None:
    with pytest.raises(page.InvalidPage):
        page.parse(json.dumps(document(RICH), indent=1).encode())


def test_a_newer_schema_says_to_upgrade() -> None:
    body = document(RICH)
    body["_state"]["schema"] = 2
    with pytest.raises(page.InvalidPage, match="Upgrade tallystick"):
        page.parse(compact(body))


def test_a_target_is_described_as_tuf_does() -> None:
    """TUF specification section 4.5."""
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert page.target_entry(b"abc") == {"hashes": {"sha256": digest}, "length": 3}
    assert page.target_entry(b"abc", {"a": 1})["custom"] == {"a": 1}


def test_provenance_is_said_as_pep_740_has_it() -> None:
    proven = replace(FILE, provenance=Provenance("https://files.example/foo-1.0.tar.gz.provenance", "ab" * 32))
    (listed,) = document(state(release("1.0", proven)))["files"]
    assert listed["provenance"] == "https://files.example/foo-1.0.tar.gz.provenance"
    (listed,) = document(state(release("1.0", FILE)))["files"]
    assert "provenance" not in listed


def test_a_published_release_keeps_a_file_and_removals_are_of_its_own() -> None:
    gone = Removal(FILE.filename, "removed", Mark(AT, "owner", None))
    with pytest.raises(ValueError, match="no file left"):
        replace(release("1.0", FILE), removals=(gone,))
    with pytest.raises(ValueError, match="of its own files"):
        replace(release("1.0", FILE), removals=(replace(gone, filename="other.tar.gz"),))
