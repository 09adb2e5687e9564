"""Public text goes out compressed to whoever asks for it, and nobody else sees a difference."""

import gzip
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import urllib3
import zstandard
from flask import Blueprint, Flask, Response
from tuf.ngclient import Updater
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header
from werkzeug.test import TestResponse

from client_verify.installing.index import serving
from repo_service.web import encodings
from repo_service.web.encodings import Kept, chosen
from tests.service.door import OWNER, Door, publication, sdist
from tests.world import World

SNAPSHOT = "/metadata/1.snapshot.json"
DATA = sdist()
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompress(body),
}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Door:
    """foo 1.0, its files and 256 bins, served at the time of this machine."""
    now = datetime.now(UTC).replace(microsecond=0)
    door = Door(World(tmp_path_factory.mktemp("encodings"), bins=256, begin=now))
    said = door.upload("foo-1.0.tar.gz", DATA).get_json()
    for version, files in {
        "1.0": [said],
        **{f"1.{n}": publication("foo", f"1.{n}")["files"] for n in range(1, 12)},
    }.items():
        answer = door.post(f"/v1/projects/foo/releases/{version}/publish", {"files": files, "actor": OWNER})
        assert answer.status_code == 200
    return door


def get(door: Door, path: str, coding: str | None, **headers: str) -> TestResponse:
    asked = {"Accept-Encoding": coding} if coding is not None else {}
    return door.client.get(path, headers=asked | {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("asked", "coding"),
    [
        ("zstd", "zstd"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),  # uv, browsers
        ("gzip, deflate", "gzip"),  # pip
        ("identity", None),  # urllib3, python-tuf, our client
        ("", None),
        ("br", None),
        ("*", None),
        ("zstd;q=0.5, gzip", "gzip"),
        ("zstd;q=0, gzip;q=0.1", "gzip"),
        ("zstd;q=0, gzip;q=0", None),
        ("gzip;q=0.5, identity", None),
        ("gzip, identity;q=0.5", "gzip"),
        ("identity;q=0", None),
        ("zstd;q=nonsense, gzip", "gzip"),
    ],
)
def test_the_client_says_which_coding_it_gets(asked: str, coding: str | None) -> None:
    assert chosen(parse_accept_header(asked, Accept)) == coding


@pytest.mark.parametrize("coding", UNPACK)
@pytest.mark.parametrize("path", [SNAPSHOT, "/simple/foo/"])
def test_what_is_unpacked_is_what_lies_there(door: Door, path: str, coding: str) -> None:
    plain = get(door, path, None)
    for _ in range(2):  # made, and kept
        answer = get(door, path, coding)
        assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, coding)
        assert int(answer.headers["Content-Length"]) == len(answer.data) < len(plain.data)
        assert UNPACK[coding](answer.data) == plain.data
        assert answer.content_type == plain.content_type
        assert answer.headers["Cache-Control"] == plain.headers["Cache-Control"]
        assert "Accept-Ranges" not in answer.headers
    assert "Content-Encoding" not in plain.headers


def test_a_cache_is_told_that_the_answer_depends_on_what_was_asked(door: Door) -> None:
    for coding in (None, "zstd", "identity"):
        assert "Accept-Encoding" in get(door, SNAPSHOT, coding).vary
        assert get(door, "/simple/foo/", coding).headers["Vary"] == "Accept, Accept-Encoding"
    tag = get(door, SNAPSHOT, "zstd").headers["ETag"]
    assert "Accept-Encoding" in get(door, SNAPSHOT, "zstd", If_None_Match=tag).vary


def test_json_and_html_of_one_address_are_kept_apart(door: Door) -> None:
    for _ in range(2):
        html = get(door, "/simple/foo/", "gzip", Accept="text/html")
        json = get(door, "/simple/foo/", "gzip", Accept="application/vnd.pypi.simple.v1+json")
        assert gzip.decompress(html.data).startswith(b"<!DOCTYPE html>")
        assert gzip.decompress(json.data).startswith(b"{")


def test_each_coding_has_an_entity_tag_of_its_own(door: Door) -> None:
    """RFC 9110, section 8.8.3: two representations with different bytes never share a strong tag."""
    tags = {coding: get(door, SNAPSHOT, coding).headers["ETag"] for coding in ("identity", "zstd", "gzip")}
    assert len(set(tags.values())) == 3 and not any(tag.startswith("W/") for tag in tags.values())
    for coding, tag in tags.items():
        for asked in (tag, f"W/{tag}", f'"another", {tag}'):
            answer = get(door, SNAPSHOT, coding, If_None_Match=asked)
            assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
            assert "Content-Encoding" not in answer.headers
        assert get(door, SNAPSHOT, coding, If_None_Match='"another"').status_code == 200
    assert get(door, SNAPSHOT, None, If_None_Match=tags["zstd"]).status_code == 200


def test_a_range_is_of_the_bytes_that_lie_there(door: Door) -> None:
    plain = get(door, SNAPSHOT, None)
    part = get(door, SNAPSHOT, "zstd, gzip", Range="bytes=10-1999")
    assert (part.status_code, part.data) == (206, plain.data[10:2000])
    assert "Content-Encoding" not in part.headers
    # Who has half of the packed bytes must not go on in the middle of the others.
    packed = get(door, SNAPSHOT, "zstd").headers["ETag"]
    whole = get(door, SNAPSHOT, "zstd", Range="bytes=10-1999", If_Range=packed)
    assert (whole.status_code, whole.data) == (200, plain.data)


def test_files_of_packages_are_never_labelled(door: Door) -> None:
    """A client that unpacks what is labelled would see other bytes than those that were signed."""
    page = get(door, "/simple/foo/", None, Accept="application/vnd.pypi.simple.v1+json").get_json()
    digest = page["files"][0]["hashes"]["sha256"]
    for path in ("/packages/foo/foo-1.0.tar.gz", f"/targets/packages/foo/{digest}.foo-1.0.tar.gz"):
        answer = get(door, path, "gzip, zstd")
        assert (answer.status_code, answer.data) == (200, DATA)
        assert "Content-Encoding" not in answer.headers and "Vary" not in answer.headers


def test_what_is_short_goes_as_it_is(door: Door) -> None:
    answer = get(door, "/metadata/timestamp.json", "gzip, zstd")
    assert answer.status_code == 200 and len(answer.data) < encodings.LEAST
    assert "Content-Encoding" not in answer.headers and "Accept-Encoding" in answer.vary


def test_the_api_is_not_compressed(door: Door) -> None:
    """Its answers are for one caller: their lengths, with something of somebody else's in them, would tell secrets."""
    answer = get(door, "/v1/openapi.json", "gzip, zstd", Authorization=f"Bearer {door.token}")
    assert len(answer.data) > encodings.LEAST and "Content-Encoding" not in answer.headers


def test_head_says_what_get_would(door: Door) -> None:
    asked = {"Accept-Encoding": "zstd"}
    head, full = door.client.head(SNAPSHOT, headers=asked), door.client.get(SNAPSHOT, headers=asked)
    assert head.data == b""
    for name in ("Content-Encoding", "Content-Length", "ETag", "Vary"):
        assert head.headers[name] == full.headers[name]


def test_an_answer_that_changes_is_packed_again() -> None:
    bodies = iter([b"a" * 5000, b"b" * 5000])
    app, routes = Flask(__name__), Blueprint("public", __name__)
    encodings.register(routes)

    @routes.get("/page")
    def page() -> Response:
        response = Response(next(bodies), content_type="application/json")
        response.add_etag()
        return response

    app.register_blueprint(routes)
    answers = [app.test_client().get("/page", headers={"Accept-Encoding": "gzip"}).data for _ in range(2)]
    assert [gzip.decompress(answer)[:1] for answer in answers] == [b"a", b"b"]


def test_what_is_kept_has_a_bound_in_bytes() -> None:
    kept = Kept(1000)
    for number in range(100):
        kept.put((f"/{number}", "", "gzip"), bytes(90))
        kept.get(("/0", "", "gzip"))
    held = [number for number in range(100) if kept.get((f"/{number}", "", "gzip")) is not None]
    assert held == [0, *range(90, 100)]  # the one that is asked for again and again, and the last
    kept.put(("/0", "", "gzip"), bytes(500))
    kept.put(("/large", "", "gzip"), bytes(1001))
    assert kept.get(("/large", "", "gzip")) is None


class Overheard:
    """The application, and what was asked of it and answered: path, asked coding, coding."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.said: list[tuple[str, str | None, str | None]] = []

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            coding = dict(headers).get("Content-Encoding")
            self.said.append((environ["PATH_INFO"], environ.get("HTTP_ACCEPT_ENCODING"), coding))
            return start_response(status, headers, *more)

        answer: Iterable[bytes] = self._app(environ, start)
        return answer


def test_python_tuf_asks_for_plain_bytes_and_gets_them(door: Door, tmp_path: Path) -> None:
    root = get(door, "/metadata/1.root.json", None).data
    overheard = Overheard(door.app)
    with serving(overheard) as url:  # type: ignore[arg-type]
        updater = Updater(str(tmp_path), f"{url}/metadata/", str(tmp_path), f"{url}/targets/", bootstrap=root)
        updater.refresh()
        assert updater.get_targetinfo("simple/foo/vnd.pypi.simple.v1.json") is not None
    assert {(asked, coding) for _, asked, coding in overheard.said} == {("identity", None)}
    assert any(re.search("bin-..[.]json", path) for path, _, _ in overheard.said)


def test_a_client_that_unpacks_gets_the_signed_bytes_over_the_wire(door: Door) -> None:
    plain = get(door, SNAPSHOT, None).data
    with serving(door.app) as url, urllib3.PoolManager() as pool:
        for asked, coding in (("gzip, deflate", "gzip"), ("zstd", "zstd")):
            answer = pool.request("GET", url + SNAPSHOT, headers={"Accept-Encoding": asked}, decode_content=False)
            assert answer.headers["Content-Encoding"] == coding and UNPACK[coding](answer.data) == plain
