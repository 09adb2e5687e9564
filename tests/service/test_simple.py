"""``/simple/NAME/`` as installers old and new ask for it (PEP 503, 691)."""

import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from client_verify.installing.index import serving
from keys.encoding import sha256
from tests.keys.test_html import Read
from tests.service.door import OWNER, Door, sdist, wheel

JSON = "application/vnd.pypi.simple.v1+json"
OWN_HTML = "application/vnd.pypi.simple.v1+html"
HTML = "text/html; charset=utf-8"
WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
FILES = {
    "foo-1.0-py3-none-any.whl": wheel(**{"foo-1.0.dist-info/WHEEL": WHEEL}),
    "foo-1.0.tar.gz": sdist(),
}
METADATA = b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n"


@pytest.fixture
def stocked(door: Door) -> Door:
    """foo 1.0, a wheel and an sdist, published and signed."""
    said = [door.upload(filename, data).get_json() for filename, data in FILES.items()]
    assert door.post("/v1/projects/foo/releases/1.0/publish", {"files": said, "actor": OWNER}).status_code == 200
    return door


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, HTML),
        ("*/*", HTML),
        ("text/html", HTML),
        ("text/html, application/xhtml+xml;q=0.9, */*;q=0.8", HTML),
        ("application/json", HTML),
        ("nonsense", HTML),
        ("text/html;q=0", HTML),
        (JSON, JSON),
        ("application/vnd.pypi.simple.latest+json", JSON),
        (f"{JSON}, {OWN_HTML}; q=0.1, text/html; q=0.01", JSON),  # pip
        (f"{JSON}, {OWN_HTML};q=0.2, text/html;q=0.01", JSON),  # uv
        (f"{JSON}; q=0.1, text/html", HTML),
        (OWN_HTML, OWN_HTML),
        ("application/vnd.pypi.simple.latest+html", OWN_HTML),
    ],
)
def test_a_page_comes_as_what_was_asked_for_and_else_as_html(stocked: Door, accept: str | None, kind: str) -> None:
    answer = stocked.client.get("/simple/foo/", headers={"Accept": accept} if accept else {})
    assert (answer.status_code, answer.content_type, answer.headers["Vary"]) == (200, kind, "Accept, Accept-Encoding")
    assert answer.headers["Cache-Control"] == "public, max-age=5, must-revalidate"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.data.startswith(b"{" if kind == JSON else b"<!DOCTYPE html>")


def test_the_html_says_what_the_signed_json_says(stocked: Door) -> None:
    why = {"code": "broken", "text": '"><script>'}
    stocked.post("/v1/projects/foo/releases/1.0/yank", {"reason": why, "actor": OWNER})
    stocked.post("/v1/projects/foo/archive", {"reason": {"code": "done", "text": "no time"}, "actor": OWNER})
    listing, page = stocked.page("foo").get_json(), Read(stocked.client.get("/simple/foo/").data)
    assert page.meta == {
        "pypi:repository-version": listing["meta"]["api-version"],
        "pypi:project-status": "archived",
        "pypi:project-status-reason": "no time",
    }
    links = page.all("a")
    assert [link["href"] for link in links] == [f"{f['url']}#sha256={f['hashes']['sha256']}" for f in listing["files"]]
    assert [link["data-yanked"] for link in links] == ['"><script>'] * 2
    assert [link.get("data-core-metadata") for link in links] == [f"sha256={sha256(METADATA)}", None]


def test_html_is_made_only_of_bytes_that_were_signed(stocked: Door) -> None:
    """Whoever changes a page on the disk changes no HTML: the page is verified before it is rendered."""
    (path,) = (stocked.world.public / "targets/simple/foo").iterdir()
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"yanked":false', b'"yanked":true '))
    assert stocked.client.get("/simple/foo/").status_code == 500


def test_html_that_has_not_changed_is_not_sent_again(stocked: Door) -> None:
    tag = stocked.client.get("/simple/foo/").headers["ETag"]
    answer = stocked.client.get("/simple/foo/", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.data, answer.headers["Vary"]) == (304, b"", "Accept, Accept-Encoding")
    stocked.post("/v1/projects/foo/releases/1.0/yank", {"reason": {"code": "broken"}, "actor": OWNER})
    answer = stocked.client.get("/simple/foo/", headers={"If-None-Match": tag})
    assert (answer.status_code, b"data-yanked" in answer.data) == (200, True)


def before_json(app: Any) -> Any:
    """The application as a client of before PEP 691 meets it: its Accept names HTML alone."""

    def asked(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        return app({**environ, "HTTP_ACCEPT": "text/html"}, start)

    return asked


@pytest.mark.parametrize("form", [lambda app: app, before_json], ids=["json", "html"])
def test_pip_downloads_through_either_form(stocked: Door, tmp_path: Path, form: Callable[[Any], Any]) -> None:
    with serving(form(stocked.app)) as url:
        subprocess.run(
            [sys.executable, "-m", "pip", "--isolated", "download", "-q", "--no-deps", "--no-cache-dir",
             "--disable-pip-version-check", "-i", f"{url}/simple/", "-d", str(tmp_path / "got"), "foo==1.0"],
            check=True, timeout=60,
        )  # fmt: skip
    assert {path.name: path.read_bytes() for path in (tmp_path / "got").iterdir()} == {
        "foo-1.0-py3-none-any.whl": FILES["foo-1.0-py3-none-any.whl"]
    }


def test_a_client_that_only_follows_links_finds_every_file(stocked: Door) -> None:
    """easy_install and many a script: no Accept, a regular expression for href, urljoin, the fragment checked."""
    with serving(stocked.app) as url:
        page = f"{url}/simple/Foo/"
        with urllib.request.urlopen(page, timeout=10) as answer:
            found = re.findall(r'href="([^"#]+)#sha256=([0-9a-f]{64})"', answer.read().decode())
            page = answer.url
        for link, digest in found:
            with urllib.request.urlopen(urljoin(page, link), timeout=10) as file:
                assert sha256(file.read()) == digest
    assert [link.rpartition("/")[2] for link, _ in found] == sorted(FILES)
