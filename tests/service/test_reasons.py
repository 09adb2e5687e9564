"""A yank's reason on its way from a request to a terminal: one clean line, or nothing at all."""

from typing import Any

import pytest

from tests.service.door import OWNER, Door, filed, sdist, wheel

RELEASE = "/v1/projects/foo/releases/1.0"
JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}


def yank(door: Door, reason: Any) -> Any:
    return door.post(f"{RELEASE}/yank", {"reason": reason, "actor": OWNER})


def yanked(door: Door) -> list[bool | str]:
    return [file["yanked"] for file in door.client.get("/simple/foo/", headers=JSON).get_json()["files"]]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (None, True),
        ("leaks memory", "leaks memory"),
        ("läuft nicht, 💥 на 3.14", "läuft nicht, 💥 на 3.14"),
        ("x" * 512, "x" * 512),
        ("💥" * 512, "💥" * 512),
    ],
)
def test_a_clean_line_is_shown_as_it_was_said_and_no_text_is_true(door: Door, text: str | None, shown: Any) -> None:
    """Edge case 16. A text is counted in characters; 512 of them are at most 2 kB."""
    door.publish("foo")
    assert yank(door, {"code": "broken", "text": text} if text else {"code": "broken"}).status_code == 200
    assert yanked(door) == [shown]


@pytest.mark.parametrize(
    "text",
    [
        *("", "x" * 513, "x" * 10_000, "one\ntwo", "one\rtwo", "\x1b[31mred", "\x9b31mred", "a\tb", "\x00"),
        *("safe\u202egnp.exe", "\u2066isolated\u2069", "zero\u200bwidth", "line\u2028break", "\ud800"),
    ],
)
def test_what_a_terminal_could_take_for_something_else_is_refused(door: Door, text: str) -> None:
    """Trap 9 and edge case 16."""
    door.publish("foo")
    answer = yank(door, {"code": "broken", "text": text})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "malformed")
    assert "reason" in answer.get_json()["detail"]
    assert yanked(door) == [False]


def test_a_yank_is_of_a_release_and_marks_all_of_its_files_alike(door: Door) -> None:
    """Edge case 17: part of a release cannot be yanked, so no two installers see different parts of it."""
    files = [filed("foo-1.0.tar.gz", sdist()), filed("foo-1.0-py3-none-any.whl", wheel())]
    for file, data in zip(files, (sdist(), wheel()), strict=True):
        file.update(door.upload(file["filename"], data).get_json())
    assert door.post(f"{RELEASE}/publish", {"files": files, "actor": OWNER}).status_code == 200
    one = door.post(f"{RELEASE}/files/{files[0]['filename']}/yank", {"actor": OWNER, "reason": {"code": "broken"}})
    assert one.status_code == 404 and yanked(door) == [False, False]
    assert yank(door, {"code": "broken", "text": "does not start"}).status_code == 200
    assert yanked(door) == ["does not start"] * 2
