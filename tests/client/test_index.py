"""The verified index as an installer sees it, over a real socket where the form of a request matters."""

import http.client
import json
import socket
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from client_verify.installing.index import Index, serving
from client_verify.installing.report import Report
from keys import page
from keys.encoding import sha256
from tests import paper

WHEEL = paper.wheel("flask", "1.0")
FILE = f"/packages/flask/{WHEEL.filename}"
JSON = {"Accept": "application/vnd.pypi.simple.v1+json, text/html; q=0.01"}


class Shop:
    """The index over a world, started; ``get`` asks it one question on a connection of its own."""

    def __init__(self, world, blobs, address, report):
        self.world = world
        self.blobs = blobs
        self.report = report
        self.port = urlsplit(address).port

    def get(self, path, method="GET", headers=JSON):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            response.body = response.read()
            return response
        finally:
            connection.close()

    def raw(self, text):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain:
            plain.sendall(text.encode())
            return plain.recv(1000).decode()

    def codes(self, child=1):
        return [entry.code for entry in self.report.refused(child)]


@pytest.fixture
def shop(world, tmp_path):
    """flask 1.0 with a wheel, behind a running index."""
    world.repository.add_file("flask", WHEEL.filename, WHEEL.data, WHEEL.metadata)
    world.say("flask", paper.release(world.now, "1.0", WHEEL))
    report = Report()
    index = Index(world.verifier(), report)
    with serving(index) as address:
        yield Shop(world, tmp_path / "blobs", address, report)


@pytest.fixture
def saying(world, tmp_path):
    """The answer to one request after the world says something else of flask."""

    def answer(path, *releases, headers=JSON, **changes):
        world.repository.add_file("flask", WHEEL.filename, WHEEL.data, WHEEL.metadata)
        world.repository.say(replace(paper.project(world.now, "flask", *releases, serial=2), **changes))
        world.publish()
        report = Report()
        with serving(Index(world.verifier(), report)) as address:
            shop = Shop(world, tmp_path / "blobs", address, report)
            return shop.get(path, headers=headers), shop

    return answer


def test_a_page_lists_the_signed_files_at_our_own_address_and_nothing_private(shop):
    answer = shop.get("/simple/flask/")
    assert (answer.status, answer.getheader("Content-Type")) == (200, page.MEDIA_TYPE)
    listing = json.loads(answer.body)
    (file,) = listing["files"]
    assert urljoin("/simple/flask/", file["url"]) == FILE
    assert file["hashes"] == {"sha256": sha256(WHEEL.data)}
    assert "_state" not in listing


def test_who_does_not_ask_for_json_gets_the_same_files_as_html(shop):
    answer = shop.get("/simple/flask/", headers={"Accept": "text/html"})
    assert answer.getheader("Content-Type").startswith("text/html")
    link = f"../..{FILE}#sha256={sha256(WHEEL.data)}"
    assert link in answer.body.decode()
    assert f'data-core-metadata="sha256={sha256(WHEEL.metadata)}"' in answer.body.decode()


def test_a_yank_reason_cannot_leave_its_attribute(saying, world):
    yanked = paper.yanked(world.now, paper.release(world.now, "1.0", WHEEL), '"><script>')
    answer, _ = saying("/simple/flask/", yanked, headers={})
    assert b"&quot;&gt;&lt;script&gt;" in answer.body
    assert b"<script>" not in answer.body


def test_every_answer_forbids_caching(shop):
    for path in ("/simple/flask/", FILE, "/simple/nobody/", "/simple/Flask/", "/"):
        assert shop.get(path).getheader("Cache-Control") == "no-store", path


def test_a_name_in_another_spelling_is_sent_to_its_normal_form(shop):
    for path in ("/simple/Flask/", "/simple/flask", "/simple/FLASK"):
        answer = shop.get(path)
        assert (answer.status, answer.getheader("Location")) == (301, "/simple/flask/")


def test_head_gives_the_length_and_no_body(shop):
    answer = shop.get(FILE, method="HEAD")
    assert (answer.status, answer.getheader("Content-Length"), answer.body) == (200, str(len(WHEEL.data)), b"")


def test_a_file_and_its_core_metadata_are_served_as_signed(shop):
    assert shop.get(FILE).body == WHEEL.data
    assert shop.get(f"{FILE}.metadata").body == WHEEL.metadata


def test_a_file_with_an_address_of_its_own_is_fetched_there_and_served_here(world, saying):
    elsewhere = "http://registry.test/elsewhere/flask.whl"
    world.repository.files["elsewhere/flask.whl"] = WHEEL.data
    answer, _ = saying(FILE, paper.release(world.now, "1.0", WHEEL, url=elsewhere))
    assert answer.body == WHEEL.data


@pytest.mark.parametrize("suffix", ["", ".metadata"])
def test_a_changed_file_is_refused_and_not_kept(shop, suffix):
    address = next(path for path in shop.world.repository.files if path.endswith(f"{WHEEL.filename}{suffix}"))
    signed = shop.world.repository.files[address]
    shop.world.repository.files[address] = signed[:-1] + b"!"
    answer = shop.get(f"{FILE}{suffix}")
    assert (answer.status, answer.reason) == (409, "bytes do not match signed hash")
    assert shop.codes() == ["mismatch"]
    assert list(shop.blobs.iterdir()) == []


@pytest.mark.parametrize("change", [lambda data: data + b"!", lambda data: data[:-1]])
def test_a_file_of_another_size_is_refused(shop, change):
    address = next(path for path in shop.world.repository.files if path.endswith(WHEEL.filename))
    shop.world.repository.files[address] = change(WHEEL.data)
    assert shop.get(FILE).status == 409


def test_a_file_that_is_shorter_than_its_signed_size_is_refused_though_its_hash_is_right(saying, world):
    published = paper.release(world.now, "1.0", WHEEL)
    (file,) = published.files
    answer, shop = saying(FILE, replace(published, files=(replace(file, size=file.size + 1),)))
    assert (answer.status, shop.codes()) == (409, ["mismatch"])


def test_a_kept_file_is_verified_again_on_every_use(shop):
    shop.get(FILE)
    (shop.blobs / sha256(WHEEL.data)).write_bytes(b"changed on disk")
    assert shop.get(FILE).body == WHEEL.data


def test_a_refusal_is_told_in_reason_phrase_title_and_detail(shop):
    answer = shop.get("/simple/nobody/")
    problem = json.loads(answer.body)
    assert answer.getheader("Content-Type") == "application/problem+json"
    assert (answer.status, answer.reason) == (404, "name is not in the registry")
    assert problem["title"] == answer.reason
    assert "proven by snapshot 1" in problem["detail"]
    assert shop.codes() == ["absent"]
    assert shop.codes(child=0) == [], "an installer may go on without a name that does not exist"


def test_a_file_of_a_removed_release_is_refused(saying, world):
    answer, _ = saying(FILE, paper.removed(world.now, paper.release(world.now, "1.0", WHEEL), "malware"))
    assert (answer.status, answer.reason) == (403, "release was removed")
    assert "malware" in json.loads(answer.body)["detail"]


def test_a_quarantined_page_is_empty_and_reported_and_its_files_are_refused(saying, world):
    quarantine = paper.mark(world.now, "admin", text="credential stealer")
    published = paper.release(world.now, "1.0", WHEEL)
    answer, shop = saying("/simple/flask/", published, quarantine=quarantine)
    assert (answer.status, json.loads(answer.body)["files"]) == (200, [])
    assert shop.codes(child=0) == ["quarantined"]
    answer, _ = saying(FILE, published, quarantine=quarantine)
    assert answer.status == 403


def test_a_file_that_is_not_signed_is_not_found(shop):
    answer = shop.get("/packages/flask/flask-9.0-py3-none-any.whl")
    assert (answer.status, answer.reason) == (404, "file is not signed")


def test_a_file_of_a_yanked_release_is_served_with_a_warning(saying, world):
    answer, shop = saying(FILE, paper.yanked(world.now, paper.release(world.now, "1.0", WHEEL), "leaks memory"))
    assert answer.status == 200
    (warning,) = shop.report.warnings()
    assert "leaks memory" in warning
    assert shop.codes() == []


def test_an_unreachable_file_is_a_424_which_nobody_asks_for_again(shop):
    shop.world.fetcher.broken = True
    assert (shop.get(FILE).status, shop.codes()) == (424, ["unreachable"])


def test_a_request_for_another_host_is_a_bypass(shop):
    assert shop.raw("CONNECT pypi.org:443 HTTP/1.1\r\nHost: pypi.org:443\r\n\r\n").startswith("HTTP/1.1 403 ")
    assert shop.raw("GET http://pypi.org/simple/ HTTP/1.1\r\nHost: pypi.org\r\n\r\n").startswith("HTTP/1.1 403 ")
    assert shop.codes(child=0) == ["bypass", "bypass"]
    assert "pypi.org:443" in shop.report.refused(0)[0].detail


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "evil.example:80"])
def test_a_web_page_that_points_its_own_name_here_reads_nothing(shop, host):
    assert shop.raw(f"GET /simple/flask/ HTTP/1.1\r\nHost: {host}\r\n\r\n").startswith("HTTP/1.1 421 ")


def test_the_index_can_only_be_read(shop):
    assert shop.get("/simple/flask/", method="POST").status == 405


@pytest.mark.parametrize(
    "path", ["/", "/simple/", "/simple/..%2f/", "/packages/flask/..%2f..%2fetc", "/simple/%e2%84%aa/"]
)
def test_what_is_no_question_about_a_package_is_not_found(shop, path):
    assert shop.get(path).status == 404


def test_an_index_stops_again_and_again_and_leaves_nothing_open(world, tmp_path):
    """Stopping races with its own wake-up; whichever comes first, all is closed once, and after both."""
    world.say("flask")
    index = Index(world.verifier(), Report())
    before = open_files()
    for _ in range(500):
        with serving(index):
            pass
    assert open_files() <= before


def open_files() -> int:
    listed = Path("/proc/self/fd")
    return len(list(listed.iterdir())) if listed.exists() else 0
