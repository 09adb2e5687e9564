"""A registry whose depot is a bucket publishes into it and serves from it what one with a folder does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from repo_service.storage import s3
from repo_service.storage.depot import TIMESTAMP, Opened, Unavailable
from repo_service.storage.s3 import S3Depot
from tests.proxy import Proxy
from tests.servers import S3Server
from tests.service.door import OWNER, Door, sdist
from tests.world import World, publishing

DATA = sdist() + bytes(3 << 20)
FILE = "/packages/foo/foo-1.0.tar.gz"


def stocked(folder: Path, settings: str = "") -> Door:
    """A registry that holds foo 1.0."""
    door = Door(World(folder, settings))
    said = door.upload("foo-1.0.tar.gz", DATA).get_json()
    answer = door.post("/v1/projects/foo/releases/1.0/publish", {"files": [said], "actor": OWNER})
    assert answer.status_code == 200
    return door


@pytest.fixture(scope="module", autouse=True)
def allowed(moto_server: S3Server) -> Iterator[None]:
    """The environment says who we are."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in moto_server.credentials.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, moto_server: S3Server) -> Door:
    folder = tmp_path_factory.mktemp("bucket")
    return stocked(folder, f'public = "{moto_server.url(folder.name)}"\n')


def test_what_is_published_into_a_bucket_is_served_as_it_was_signed(door: Door) -> None:
    depot = door.world.service.depot
    assert isinstance(depot, S3Depot)
    listed = sorted(path for path in depot.paths("") if not path.startswith("targets/packages/"))
    assert TIMESTAMP in listed and any(path.startswith("targets/simple/foo/") for path in listed)
    for path in listed:
        assert door.client.get(f"/{path}").data == depot.read(path)
    assert door.client.get(FILE).data == DATA
    assert door.page("foo").get_json()["files"][0]["filename"] == "foo-1.0.tar.gz"
    assert b"foo-1.0.tar.gz" in door.client.get("/simple/foo/", headers={"Accept": "text/html"}).data
    assert (
        door.client.get("/metadata/.hidden").status_code == door.client.get("/metadata/9.root.json").status_code == 404
    )


def test_headers_are_the_same_from_a_bucket_as_from_a_folder(door: Door, tmp_path: Path) -> None:
    folder = stocked(tmp_path)
    for path in ("/metadata/timestamp.json", "/metadata/1.root.json", FILE, "/simple/foo/"):
        one, other = door.client.get(path), folder.client.get(path)
        assert one.headers["ETag"] and other.headers["ETag"]
        for name in ("Content-Type", "Cache-Control", "Accept-Ranges", "X-Content-Type-Options"):
            assert one.headers.get(name) == other.headers.get(name), (path, name)
        assert one.headers["Content-Length"] == str(len(one.data))


def test_who_has_a_file_is_not_sent_it_again(door: Door) -> None:
    etag = door.client.get(FILE).headers["ETag"]
    answer = door.client.get(FILE, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.data) == (304, b"")
    before = door.client.get("/metadata/timestamp.json").headers["ETag"]
    door.publish("bar")
    answer = door.client.get("/metadata/timestamp.json", headers={"If-None-Match": before})
    assert answer.status_code == 200 and answer.headers["ETag"] != before


@pytest.mark.parametrize(
    "asked, part",
    [("bytes=0-9", slice(0, 10)), ("bytes=2000000-2000999", slice(2000000, 2001000)), ("bytes=-5", slice(-5, None))],
)
def test_a_range_of_a_file_in_a_bucket_is_that_range(door: Door, asked: str, part: slice) -> None:
    answer = door.client.get(FILE, headers={"Range": asked})
    assert (answer.status_code, answer.data) == (206, DATA[part])
    assert answer.headers["Content-Range"].endswith(f"/{len(DATA)}")
    assert door.client.get(FILE, headers={"Range": "bytes=99999999-"}).status_code == 416


def test_a_large_file_is_sent_on_piece_by_piece(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    depot = door.world.service.depot
    asked: list[int] = []
    real = type(depot).open

    def watched(self: S3Depot, path: str) -> Opened | None:
        opened = real(self, path)  # type: ignore[arg-type]
        if opened:
            read = opened.file.read
            opened.file.read = lambda size=-1: (asked.append(size), read(size))[1]  # type: ignore[method-assign]
        return opened

    monkeypatch.setattr(type(depot), "open", watched)
    assert door.client.get(FILE).data == DATA
    assert asked and min(asked) > 0 and max(asked) <= 1 << 20


def test_a_file_that_was_not_uploaded_cannot_be_published_from_a_bucket_either(door: Door) -> None:
    said = {"filename": "foo-2.0.tar.gz", "sha256": "0" * 64, "size": 5}
    answer = door.post("/v1/projects/foo/releases/2.0/publish", {"files": [said], "actor": OWNER})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "blob_missing")


def test_a_bucket_that_cannot_be_reached_is_said_and_publishing_goes_on_when_it_can(
    tmp_path: Path, moto_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_RETRY", {"max_retries": 0})
    with Proxy(moto_server.port) as proxy:
        door = stocked(tmp_path, f'public = "{moto_server.url(tmp_path.name, proxy.port)}"\n')
        depot = door.world.service.depot
        depot._patience_s = 0  # type: ignore[attr-defined]
        before = depot.pointer()
        proxy.reset_share = 1
        answer = door.upload("foo-2.0.tar.gz", sdist())
        assert (answer.status_code, answer.get_json()["code"]) == (503, "depot_unavailable")
        door.world.record(publishing("bar"))
        with pytest.raises(Unavailable):
            door.world.service.round()
        proxy.reset_share = 0
        assert depot.pointer() == before
        door.world.service.round()
        assert depot.pointer() != before and door.page("bar").status_code == 200
