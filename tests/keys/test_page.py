"""A page and the state inside it cannot disagree."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final
from unittest.mock import ANY

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from tests.keys.strategies import marks, name_states, project_names

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


def test_any_character_changed_outside_the_state_is_refused_or_changes_the_state() -> None:
    """Nothing is said twice, so nothing of a page can change and leave what the state says as it was."""
    data = page.render(RICH)
    listing = data.rindex(b',"files":')
    for position in [*range(data.index(b',"_state"')), *range(listing, len(data))]:
        for other in (b"0", b'"', b"x"):
            changed = data[:position] + other + data[position + 1 :]
            with suppress(page.InvalidPage):
                assert changed == data or page.parse(changed) != RICH


@given(name_states(), st.data())
@settings(max_examples=80)
def test_a_page_made_of_what_was_kept_is_the_page_rendered_whole(found: NameState, data: st.DataObject) -> None:
    """ "Work on an immutable value that is done once": no byte tells what was done before."""
    page.render(found)
    if found.releases:
        number = data.draw(st.integers(0, len(found.releases) - 1))
        amended = replace(found.releases[number], quarantine=data.draw(st.none() | marks))
        found = replace(found, releases=(*found.releases[:number], amended, *found.releases[number + 1 :]))
    found = replace(found, quarantine=data.draw(st.none() | marks))
    if found.namespace is None and not found.namespaces:
        found = replace(found, name=data.draw(st.just(found.name) | project_names))
    assert page.render(found) == compact(whole(found))
    assert page.encode(found) == compact(strict.sparse(found))
    assert strict.load(NameState, strict.parse(page.encode(found))) == found


def whole(found: NameState) -> dict[str, Any]:
    """A page as docs/FORMAT.md describes it, made at once and of plain values."""
    listing = {file.filename: (owner, file) for owner, file in installable(found)}
    said = {"schema": 1, **strict.sparse(found)}
    for file in (file for each in said.get("releases", ()) for file in each.get("files", ())):
        for field in page._LISTED if file["filename"] in listing else ():
            file.pop(field, None)
    body = {
        "_last-serial": found.event, "_state": {key: said[key] for key in said if key != "name"},
        "files": [page._file(found.name, *each) for each in listing.values()], "meta": {"api-version": "1.5"},
        "name": found.name,
        "namespaces": [{"name": each.prefix, "owned": each.owned} for each in found.namespaces] or None,
        "versions": list(dict.fromkeys(owner.version for owner, _ in listing.values())),
    }  # fmt: skip
    return body | ({"project-status": page._status(found)} if found.state == "registered" else {})


CHANGES: Final[dict[str, Any]] = {
    "a yank taken off": lambda body: body["files"][0].update(yanked=False),
    "a yank without its reason": lambda body: body["files"][0].update(yanked=True),
    "a yank put on": lambda body: body["files"][1].update(yanked="insecure"),
    "an empty yank": lambda body: body["files"][1].update(yanked=""),
    "another hash beside": lambda body: body["files"][0]["hashes"].update(md5="00"),
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


FACTS: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "other bytes": ({"hashes": {"sha256": "00" * 32}}, {"sha256": "00" * 32}),
    "another size": ({"size": 8}, {"size": 8}),
    "another time": ({"upload-time": "2026-11-22T10:00:01Z"}, {"uploaded_at": "2026-11-22T10:00:01Z"}),
    "another address": ({"url": "https://evil.example/foo.gz"}, {"url": "https://evil.example/foo.gz"}),
    "another Python": ({"requires-python": ">=2"}, {"requires_python": ">=2"}),
    "other metadata": ({"core-metadata": {"sha256": "00" * 32}}, {"core_metadata": "00" * 32}),
}


@pytest.mark.parametrize("fact", FACTS, ids=FACTS)
def test_what_the_listing_says_of_a_file_is_what_the_state_says(fact: str) -> None:
    """One statement, so no page can show pip one hash and hold another against what was remembered."""
    listed, state_says = FACTS[fact]
    body = document(RICH)
    body["files"][0].update(listed)
    assert page.parse(compact(body)).file(FILE.filename) == (ANY, replace(FILE, **state_says))


REPEATED: Final[dict[str, Any]] = {
    "the same bytes": {"sha256": "ab" * 32},
    "other bytes": {"sha256": "00" * 32},
    "a field that is not set": {"core_metadata": None},
    "a default": {"provenance": None},
}


@pytest.mark.parametrize("repeated", REPEATED.values(), ids=REPEATED)
def test_what_is_said_in_both_parts_of_a_page_is_refused(repeated: dict[str, Any]) -> None:
    body = document(RICH)
    body["_state"]["releases"][0]["files"][0].update(repeated)
    with pytest.raises(page.InvalidPage):
        page.parse(compact(body))


@pytest.mark.parametrize(
    "listing", [None, 1, {}, [1], [[]], [{"filename": []}], [{"filename": FILE.filename, "hashes": 1}], [{}]], ids=repr
)
def test_a_listing_that_is_none_is_refused(listing: Any) -> None:
    for found in (RICH, state(release("3.0", FILE, removed=PUBLISHED))):
        body = document(found)
        body["files"] = listing
        with pytest.raises(page.InvalidPage):
            page.parse(compact(body))


@pytest.mark.parametrize("releases", [None, 1, [1], [{"files": 1}], [{"files": [[]]}], [{"files": [{"filename": []}]}]])
def test_a_state_that_is_none_is_refused(releases: Any) -> None:
    body = document(RICH)
    body["_state"]["releases"] = releases
    with pytest.raises(page.InvalidPage):
        page.parse(compact(body))


@given(name_states(), st.data())
@settings(max_examples=150)
def test_a_page_is_read_or_refused_as_the_strict_parser_would(found: NameState, data: st.DataObject) -> None:
    """Bytes changed, put in or taken out: ``parse`` never accepts what it would not have, parsed strictly."""
    page_bytes = bytearray(page.render(found))
    for _ in range(data.draw(st.integers(0, 2))):
        start = data.draw(st.integers(0, len(page_bytes)))
        other = data.draw(st.sampled_from(SPELLINGS) | st.binary(max_size=3))
        page_bytes[start : start + data.draw(st.integers(0, 3))] = other
    changed = bytes(page_bytes)
    with pytest.MonkeyPatch.context() as patch:
        quick = outcome(changed)
        patch.setattr(page, "read_plain", json.loads)
        assert outcome(changed) == quick, "without orjson"
        patch.setattr(page, "read_plain", strict.parse)
        assert outcome(changed) == quick, "strictly"


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (b'"canonical":', b'"canonical\x7f":', r"a key holds the character U\+007F"),
        (b'"display":', b'"display\\ud800":', r"a key holds the character U\+D800"),
        (b'"filename":"', b'"filename":"\\ud800', r"holds the character U\+D800"),
    ],
)
def test_a_character_that_no_page_may_hold_is_refused_by_its_number(before: bytes, after: bytes, why: str) -> None:
    """A page that a stolen key signed must not end the client with an error of its own."""
    data = page.render(RICH)
    assert before in data
    with pytest.raises(page.InvalidPage, match=why):
        page.parse(data.replace(before, after))


SPELLINGS: Final = (
    b" ", b"0", b".0", b"e0", b"-", b"null", b"true", b"1.5", b"9007199254740992", b"18446744073709551616", b"NaN",
    b"\\", b"\\u0041", b"\\ud800", b"\x1f", b"\x7f", b"\xff", "\u202e".encode(), b'"a":1,', b'"name":"foo",', b"{",
    b"[", b"}", b"]", b"[" * 2000,
)  # fmt: skip
"""What two readers of JSON could take differently."""


def outcome(data: bytes) -> NameState | str:
    try:
        return page.parse(data)
    except page.InvalidPage as error:
        return str(error)


REPEATED_KEYS: Final = {
    b'"name":"foo"': b'"name":"foo","name":"foo"',
    b'"yanked":false': b'"yanked":"insecure","yanked":false',
    b'"size":9': b'"size":1,"size":9',
    b'"canonical":"2.0"': b'"canonical":"2.1","canonical":"2.0"',
    b'"serial":5': b'"serial":4,"serial":5',
}


@pytest.mark.parametrize("once", REPEATED_KEYS, ids=bytes.decode)
def test_a_key_that_comes_twice_is_refused_whichever_counts(once: bytes) -> None:
    data = page.render(RICH)
    assert data.count(once) == 1
    with pytest.raises(page.InvalidPage):
        page.parse(data.replace(once, REPEATED_KEYS[once]))


def test_what_is_wrong_with_a_page_is_said_with_its_place() -> None:
    for change, why in (
        (
            lambda body: body["_state"]["releases"][1].update(state="lost"),
            r"^releases\[1\]\.state: must be 'published'",
        ),
        (lambda body: body["files"][1].update(size=-1), r"^releases\[1\]\.files\[0\]: a size cannot be -1"),
        (lambda body: body["files"][1].update(size=2**53), r"^.*larger than 2\^53 - 1"),
        (lambda body: body["_state"].update({"\x1b[31m": 1}), r"^document: a key holds the character U\+001B"),
    ):
        body = document(RICH)
        change(body)
        with pytest.raises(page.InvalidPage, match=why):
            page.parse(compact(body))


def test_pages_share_the_releases_that_they_say_alike() -> None:
    before = page.parse(page.render(RICH))
    yanked = replace(RICH.releases[1], yank=YANKED)
    after = page.parse(page.render(replace(RICH, releases=(RICH.releases[0], yanked, RICH.releases[2]))))
    assert after.releases[0] is before.releases[0] and after.releases[2] is before.releases[2]
    assert after.releases[1] == yanked
    moved = page.parse(
        page.render(replace(RICH, releases=(replace(RICH.releases[0], generation=2), *RICH.releases[1:])))
    )
    assert moved.releases[0] is not before.releases[0]


def test_what_a_page_says_is_shared_with_nothing_that_was_not_read_from_one() -> None:
    """Whoever checks what was signed makes all of it anew (build/check.py)."""
    rendered = page.render(RICH)
    loaded = strict.load(NameState, strict.parse(page.encode(RICH)))
    for ours, theirs in zip(page.parse(rendered).releases, (*RICH.releases, *loaded.releases), strict=False):
        assert ours is not theirs


def test_a_file_that_is_not_listed_keeps_its_facts() -> None:
    """A tombstone's hash stays for ever, whatever is hidden, removed or in quarantine."""
    for hidden in (
        state(release("1.0", FILE, removed=PUBLISHED)),
        state(release("1.0", FILE), quarantine=PUBLISHED),
        state(replace(release("1.0", FILE, WHEEL), removals=(Removal(FILE.filename, "removed", PUBLISHED),))),
    ):
        (file, *_) = document(hidden)["_state"]["releases"][0]["files"]
        assert (file["sha256"], file["size"], file["uploaded_at"]) == (FILE.sha256, FILE.size, FILE.uploaded_at)


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
