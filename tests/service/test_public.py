"""What everyone may read: exactly what is signed, for as long as it is signed."""

from pathlib import Path

import pytest

from tests.service.door import BECAUSE, OWNER, Door, filed, sdist
from tests.world import World

DATA = sdist()
FILE = "/packages/foo/foo-1.0.tar.gz"
SUPPORT = {"kind": "support"}


def stock(door: Door) -> str:
    """Publish foo 1.0; the address of its file as a TUF client asks for it."""
    said = door.upload("foo-1.0.tar.gz", DATA).get_json()
    answer = door.post("/v1/projects/foo/releases/1.0/publish", {"files": [said], "actor": OWNER})
    assert answer.status_code == 200
    return f"/targets/packages/foo/{said['sha256']}.foo-1.0.tar.gz"


@pytest.mark.parametrize("layout", ["full", "compact"])
@pytest.mark.parametrize("verb", ["unpublish", "quarantine", "prohibit"])
def test_a_removed_file_is_gone_under_both_of_its_addresses(tmp_path: Path, layout: str, verb: str) -> None:
    """Trap 6: lock files remember addresses, so a removal must cut the file's origin too."""
    door = Door(World(tmp_path, f'layout = "{layout}"\n'))
    hashed = stock(door)
    assert [door.client.get(path).data for path in (FILE, hashed)] == [DATA, DATA]
    path = {"unpublish": "projects/foo/releases/1.0", "quarantine": "projects/foo", "prohibit": "names/foo"}[verb]
    actor = SUPPORT if verb == "unpublish" else {"kind": "admin"}
    assert door.post(f"/v1/{path}/{verb}", {"actor": actor, "reason": BECAUSE}).status_code == 200
    assert [door.client.get(path).status_code for path in (FILE, hashed)] == [404, 404]
    page = door.page("foo")
    assert (page.status_code, page.get_json()["files"]) == (200, [])


def test_a_yanked_file_stays_for_those_who_pin_it(door: Door) -> None:
    hashed = stock(door)
    why = {"code": "broken", "text": "does not start"}
    door.post("/v1/projects/foo/releases/1.0/yank", {"reason": why, "actor": OWNER})
    assert [door.client.get(path).data for path in (FILE, hashed)] == [DATA, DATA]
    assert door.page("foo").get_json()["files"][0]["yanked"] == "does not start"


def test_a_file_comes_back_when_a_quarantine_is_cleared(door: Door) -> None:
    hashed = stock(door)
    for verb in ("quarantine", "clear"):
        door.post(f"/v1/projects/foo/{verb}", {"actor": {"kind": "admin"}, "reason": BECAUSE})
    assert [door.client.get(path).data for path in (FILE, hashed)] == [DATA, DATA]


def test_metadata_is_for_ever_and_the_timestamp_is_asked_for_again(door: Door) -> None:
    stock(door)
    caching = {
        path: door.client.get(path).headers["Cache-Control"]
        for path in (
            "/metadata/timestamp.json",
            "/metadata/1.root.json",
            "/metadata/2.snapshot.json",
            "/simple/foo/",
            FILE,
        )
    }
    assert caching == {
        "/metadata/timestamp.json": "public, max-age=5, must-revalidate",
        "/metadata/1.root.json": "public, max-age=31536000, immutable",
        "/metadata/2.snapshot.json": "public, max-age=31536000, immutable",
        "/simple/foo/": "public, max-age=5, must-revalidate",
        FILE: "no-cache",
    }
    assert door.page("foo").headers["Cache-Control"] == caching["/simple/foo/"]


def test_what_is_not_there_is_not_cached_for_ever(door: Door) -> None:
    """Clients ask for the next root, which is not there until it is."""
    answer = door.client.get("/metadata/2.root.json")
    assert answer.status_code == 404 and "immutable" not in answer.headers.get("Cache-Control", "")


def test_every_public_file_is_served_as_it_was_signed(door: Door) -> None:
    stock(door)
    root = door.world.public
    for path in sorted((root / "metadata").iterdir()) + sorted((root / "targets" / "simple").rglob("*.json")):
        assert door.client.get(f"/{path.relative_to(root)}").data == path.read_bytes()


def test_a_name_in_another_spelling_is_sent_to_its_own(door: Door) -> None:
    for spelling in ("Foo", "FOO"):
        answer = door.client.get(f"/simple/{spelling}/")
        assert (answer.status_code, answer.headers["Location"]) == (301, "/simple/foo/")
    answer = door.client.get("/simple/foo__bar/")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/simple/foo-bar/")


def test_no_spelling_sends_anybody_to_another_site(door: Door) -> None:
    for path in (
        "//evil.example/",
        "/simple//evil.example/",
        "/simple/%2F%2Fevil.example/",
        "/simple/evil.example%0d%0aX/",
    ):
        location = door.client.get(path).headers.get("Location", "/")
        assert location.removeprefix("http://localhost").startswith("/") and not location.startswith("//")


def test_a_name_that_is_not_known_is_404(door: Door) -> None:
    assert door.client.get("/simple/foo/").status_code == 404
    assert door.client.get(FILE).status_code == 404


@pytest.mark.parametrize("folder", ["metadata", "targets/simple/foo", "targets/packages/foo", "packages/foo", "simple"])
@pytest.mark.parametrize(
    "rest",
    ["..%2f..%2fonline.key", "%2e%2e", "..", "....//online.key", "%2e%2e%2fonline.key", "..%5conline.key", "%00",
     ".incoming", ".pointer", "%252e%252e%252fonline.key", "/etc/passwd", "%2fetc%2fpasswd", "a" * 300,
     "online.key", "foo%0A", "%FF", "é"],
)  # fmt: skip
def test_nothing_but_public_files_is_served(quiet_door: Door, folder: str, rest: str) -> None:
    answer = quiet_door.client.get(f"/{folder}/{rest}", follow_redirects=True)
    assert answer.status_code in (404, 422)
    assert b"PRIVATE KEY" not in answer.data and b"root:" not in answer.data


def test_a_hidden_file_is_not_public_wherever_it_lies(door: Door) -> None:
    (door.world.public / "metadata" / ".hidden").write_text("x")
    assert door.client.get("/metadata/.hidden").status_code == 404


def test_a_registrys_own_files_are_not_ours_to_serve(door: Door) -> None:
    door.publish("foo")
    (listed,) = door.page("foo").get_json()["files"]
    assert listed["url"] == "https://files.test/foo-1.0.tar.gz"
    assert door.client.get(FILE).status_code == 404


def test_bytes_that_were_uploaded_but_never_signed_are_not_served(door: Door) -> None:
    stock(door)
    other = sdist(None)
    said = door.upload("foo-1.0.tar.gz", other).get_json()
    assert said == filed("foo-1.0.tar.gz", other, core_metadata=None, requires_python=None)
    assert door.client.get(f"/targets/packages/foo/{said['sha256']}.foo-1.0.tar.gz").status_code == 404
    assert door.client.get(FILE).data == DATA


def test_public_files_need_no_token_and_the_api_does(door: Door) -> None:
    stock(door)
    assert door.client.get("/simple/foo/").status_code == 200
    assert door.client.get("/v1/names/foo").status_code == 401


def test_a_delta_is_for_ever_and_never_packed_again(door: Door) -> None:
    door.world.service.depot.add([("deltas/1.900.snapshot.dcz", bytes(5000))])
    answer = door.client.get("/deltas/1.900.snapshot.dcz", headers={"Accept-Encoding": "gzip, zstd"})
    assert (answer.status_code, answer.data, answer.content_type) == (200, bytes(5000), "application/zstd")
    assert "immutable" in answer.headers["Cache-Control"] and "Content-Encoding" not in answer.headers
    missing = door.client.get("/deltas/1.901.snapshot.dcz")
    assert missing.status_code == 404 and "immutable" not in missing.headers.get("Cache-Control", "")


def test_the_log_is_served_as_it_lies_in_the_depot_its_checkpoint_for_seconds_and_the_rest_for_ever(door: Door) -> None:
    stock(door)
    files = [path for path in (door.world.public / "log").rglob("*") if path.is_file()]
    assert len(files) > 5
    for file in files:
        path = file.relative_to(door.world.public).as_posix()
        answer = door.client.get(f"/{path}")
        assert (answer.status_code, answer.data) == (200, file.read_bytes()), path
        assert ("immutable" in answer.headers["Cache-Control"]) == (path != "log/checkpoint")
    assert door.client.get("/log/checkpoint").content_type == "text/plain; charset=utf-8"
    for path in ("/log/tile/0/999", "/log/tile/0/../../../metadata/timestamp.json", "/log/proofs/9.tlog-proof"):
        assert door.client.get(path).status_code == 404, path
