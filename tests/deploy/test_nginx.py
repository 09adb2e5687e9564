"""nginx as docs/deploy has it, before a real server: what caches are told, name by name, and that clients lose nothing.

Both files run: the one that serves the public folder from disk, and the one of compose.yml, which keeps what it has
fetched.
"""

import gzip
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import urllib3

from client_verify.cli import main as tallystick
from repo_service.operating.serving import Server
from repo_service.operating.settings import Settings
from repo_service.storage import headers
from repo_service.web import receipts
from tests.deploy.web import Web, nginx
from tests.loopback import answering, serving
from tests.service.door import BECAUSE, OWNER, Door, sdist
from tests.world import World, publishing, root_of_trust

ROOT = Path(__file__).parents[2]
FROM_DISK = ROOT / "docs/deploy/nginx/tallystick.conf"
KEEPING = ROOT / "docs/deploy/container/nginx.conf"
DATA = sdist()


@dataclass(frozen=True, slots=True)
class Site:
    """A registry with a name, its door, and nginx before it."""

    world: World
    door: Door
    web: Web
    knows_us: bool

    def caching(self, path: str, **options: str) -> tuple[int, str | None]:
        answer = self.web.get(path, **options)
        return answer.status, answer.headers.get("Cache-Control")


@pytest.fixture(scope="module", params=[FROM_DISK, KEEPING], ids=["from disk", "keeping"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    own = tmp_path_factory.mktemp("site")
    world = World(own, begin=datetime.now(UTC).replace(microsecond=0))
    door = Door(world)
    said = door.upload("foo-1.0.tar.gz", DATA).get_json()
    assert door.post("/v1/projects/foo/releases/1.0/publish", {"files": [said], "actor": OWNER}).status_code == 200
    app = world.service.app(door.bell)  # with the console
    with serving(Server(app, "127.0.0.1", 0, 16, Settings().max_upload_bytes)) as port:
        here = {"127.0.0.1:8416": f"127.0.0.1:{port}", "/var/lib/tallystick-public": str(world.public)}
        if request.param == KEEPING:
            here = {"service:8416": f"127.0.0.1:{port}", "/var/cache/nginx/tallystick": str(own / "kept")}
            here["allow 127.0.0.1;"] = "allow 192.0.2.1;"  # here we are strangers to the console
        with nginx(request.param, own / "nginx", here) as web:
            yield Site(world, door, web, knows_us=request.param == FROM_DISK)


def public_files(world: World) -> list[str]:
    """Every public file but those of packages, which the service gives out itself."""
    found = [path.relative_to(world.public).as_posix() for path in world.public.rglob("*") if path.is_file()]
    return [path for path in found if not path.startswith((".", "targets/packages/"))]


def test_every_public_file_says_of_itself_what_the_service_says(site: Site) -> None:
    files = public_files(site.world)
    kinds = {re.split("[/.]", path.removeprefix("targets/"))[0] for path in files}
    assert kinds >= {"metadata", "log", "simple", "policy"}
    for path in files:
        answer = site.web.get(f"/{path}", accept_encoding="identity")
        assert answer.data == (site.world.public / path).read_bytes(), path
        said = answer.headers["Cache-Control"], answer.headers["Content-Type"]
        assert said == (headers.caching(path), headers.media_type(path)), path
        assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]


def test_a_delta_is_zstd_and_is_not_compressed_again(site: Site) -> None:
    delta = site.world.public / "deltas/a.b.snapshot.dcz"
    delta.parent.mkdir(exist_ok=True)
    delta.write_bytes(b"\0" * 5000)
    answer = site.web.get("/deltas/a.b.snapshot.dcz", accept_encoding="gzip, zstd")
    assert (answer.headers["Content-Type"], answer.headers.get("Content-Encoding")) == (headers.ZSTD, None)
    assert (answer.data, answer.headers["Cache-Control"]) == (delta.read_bytes(), headers.FOREVER)


@pytest.mark.parametrize(
    "path", ["/metadata/9.root.json", "/deltas/x", "/log/texts/0", "/simple/none/", "/packages/a/b"]
)
def test_that_something_is_not_there_is_kept_by_nobody(site: Site, path: str) -> None:
    assert site.caching(path) == (404, "no-store")


def test_a_new_root_is_seen_at_once_by_who_was_told_there_was_none(site: Site) -> None:
    world, version = site.world, site.world.trust.root.version + 1
    path = f"/metadata/{version}.root.json"
    for _ in range(3):  # a cache that counts how often something is asked for keeps it now
        assert site.caching(path) == (404, "no-store")
    world.take_in(root_of_trust(world.now, world.trust, holders=(1, 2, 4)))
    assert site.caching(path) == (200, headers.FOREVER)
    assert site.web.get(path).data == world.trust.roots[-1].data


def test_the_timestamp_moves_at_once_or_after_the_five_seconds_that_it_says(site: Site) -> None:
    before = site.web.get("/metadata/timestamp.json").data
    site.world.do(publishing(f"new-{site.web.url[-2:]}"))
    now = (site.world.public / "metadata/timestamp.json").read_bytes()
    deadline = time.monotonic() + 5.9
    while (said := site.web.get("/metadata/timestamp.json").data) != now:
        assert said == before and time.monotonic() < deadline
        time.sleep(0.2)


def test_a_client_verifies_through_it(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SSL_CERT_FILE", str(site.web.certificate))
    root = tmp_path / "root.json"
    root.write_bytes(site.world.trust.roots[0].data)
    assert tallystick(["trust", "add", "test", "--url", site.web.url, "--root", str(root), "--log", "require"]) == 0
    assert tallystick(["show", "foo"]) == 0
    assert tallystick(["verify", "foo", "1.0"]) in (0, 2)


def test_json_is_compressed_and_a_package_never_is(site: Site) -> None:
    (snapshot,) = (path for path in public_files(site.world) if path.endswith("1.root.json") and "/1." in path)
    packed = site.web.get(f"/{snapshot}", accept_encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert gzip.decompress(packed.data) == (site.world.public / snapshot).read_bytes()
    package = site.web.get("/packages/foo/foo-1.0.tar.gz", accept_encoding="gzip, zstd")
    assert (package.status, package.data, package.headers.get("Content-Encoding")) == (200, DATA, None)
    assert package.headers["Cache-Control"] == headers.CHECKED


@pytest.mark.parametrize("path", ["/metadata/1.root.json", "/packages/foo/foo-1.0.tar.gz"])
def test_a_range_is_of_the_bytes_as_they_lie_there(site: Site, path: str) -> None:
    whole = site.web.get(path, accept_encoding="identity").data
    part = site.web.get(path, range="bytes=10-29")
    assert (part.status, part.data) == (206, whole[10:30])
    assert part.headers["Content-Range"] == f"bytes 10-29/{len(whole)}"


def test_a_file_that_was_taken_down_is_gone_also_under_its_hash(site: Site) -> None:
    said = site.door.upload("bad-1.0.tar.gz", DATA, "bad").get_json()
    site.door.post("/v1/projects/bad/releases/1.0/publish", {"files": [said], "actor": OWNER})
    hashed = f"/targets/packages/bad/{said['sha256']}.bad-1.0.tar.gz"
    assert site.web.get(hashed).data == DATA
    site.door.post("/v1/projects/bad/quarantine", {"actor": {"kind": "admin"}, "reason": BECAUSE})
    assert (site.world.public / hashed[1:]).exists()
    assert site.caching(hashed) == (404, "no-store")


def test_the_api_is_kept_by_nobody_whatever_it_answers(site: Site) -> None:
    assert site.caching("/v1/status") == (401, "no-store")
    assert site.caching("/v1/openapi.json") == (200, "no-store")
    assert site.caching("/v1/status", authorization=f"Bearer {site.door.token}") == (200, "no-store")
    assert site.caching("/readyz")[1] == "no-store"


def test_an_upload_may_be_as_large_as_the_service_s_own_limit_and_no_other_body_may(site: Site) -> None:
    said = re.search(r"client_max_body_size (\d+)g;", FROM_DISK.read_text())
    assert said is not None and int(said[1]) << 30 == Settings().max_upload_bytes
    token = f"Bearer {site.door.token}"
    large = DATA + b"\0" * (2 << 20)
    path = "/v1/projects/large/files/large-1.0.tar.gz"
    answer = site.web.get(path, "PUT", large, authorization=token, idempotency_key="large")
    assert answer.status == 201
    assert site.web.get("/simple/foo/", "POST", b"\0" * (100 << 10)).status == 413
    assert site.caching(path, method="PUT", authorization="Bearer nobody")[0] == 401


def test_metrics_and_the_console_are_not_for_everybody(site: Site) -> None:
    token = f"Bearer {site.door.token}"
    assert site.caching("/metrics", authorization=token) == (404, "no-store")
    assert (site.caching("/console/") == (403, "no-store")) is not site.knows_us


def test_the_console_s_pages_are_kept_by_nobody_and_its_looks_are(site: Site) -> None:
    if site.knows_us:
        page = site.web.get("/console/sign-in")
        assert (page.status, page.headers["Cache-Control"]) == (200, "no-store")
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        sheet = re.findall(rb'href="(/console/static/[^"]+\.css[^"]*)"', page.data)[0]
        status, said = site.caching(sheet.decode())
        assert status == 200 and said and said != "no-store"


def test_no_address_that_a_client_writes_into_a_header_is_passed_on(tmp_path: Path) -> None:
    """Waitress drops such headers too; so what nginx sends is looked at by a server that drops nothing."""
    heard: list[str] = []

    class Listening(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(str(self.headers).lower())
            self.send_error(404)

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the base class's name for it
            pass

    lies = {"x_forwarded_for": "192.0.2.1", "forwarded": "for=192.0.2.1", "x_real_ip": "192.0.2.1"}
    with (
        answering(Listening) as behind,
        nginx(FROM_DISK, tmp_path / "nginx", {"127.0.0.1:8416": behind.removeprefix("http://")}) as web,
    ):
        web.get("/v1/status", authorization="Bearer token", **lies)
    assert "authorization: bearer token" in heard[0]
    assert "192.0.2.1" not in heard[0] and "forwarded" not in heard[0]


def test_who_asks_too_often_is_told_when_to_come_back(site: Site) -> None:
    with urllib3.PoolManager(ca_certs=str(site.web.certificate), retries=False) as pool:
        answers = (pool.request("GET", f"{site.web.url}/console") for _ in range(80))
        refused = next(answer for answer in answers if answer.status == 429)
    assert (refused.headers["Retry-After"], refused.headers["Cache-Control"]) == ("1", "no-store")


def test_http_leads_to_https_and_stays_there(site: Site) -> None:
    with urllib3.PoolManager(retries=False) as pool:
        answer = pool.request("GET", f"{site.web.plain_url}/simple/foo/?a=b", redirect=False)
    assert (answer.status, answer.headers["Location"]) == (308, "https://packages.example/simple/foo/?a=b")
    assert site.web.get("/v1/status").headers["Strict-Transport-Security"] == "max-age=31536000"


def test_nginx_waits_longer_than_a_caller_may(site: Site) -> None:
    said = re.search(r"proxy_read_timeout (\d+)s;", FROM_DISK.read_text())
    assert said is not None and int(said[1]) > receipts.MAX_WAIT


def test_nginx_had_nothing_to_complain_of_but_what_the_tests_provoke(site: Site) -> None:
    provoked = ("limiting requests", "intended to send too large body", "access forbidden by rule")
    lines = site.web.log.read_text().splitlines()
    assert [line for line in lines if not any(each in line for each in provoked)] == []


def test_both_files_are_one_but_for_where_the_public_files_come_from() -> None:
    def rest(conf: Path) -> str:
        text = conf.read_text()
        text = text[text.index("# What a cache is told") :]
        return re.sub(r"(?s)    # Signed files.*?(?=    # Pages of names)", "", text)

    assert rest(FROM_DISK) == rest(KEEPING)
