"""What a registry serves is read within bounds, and one that answers badly is asked again before anybody says so."""

import gzip
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final

import pytest

from repo_service.monitor.reading import Folder, OutOfReach, Public, Web, public_at
from tests.loopback import answering

BOMB: Final = gzip.compress(b"0" * 10_000_000)


class Answering(BaseHTTPRequestHandler):
    """``asked`` counts; whoever asks for ``/shaky`` is answered the third time."""

    asked: Final[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        match self.path:
            case "/base/plain":
                self._answer(200, b"plain")
            case "/base/packed":
                self._answer(200, gzip.compress(b"packed"), "gzip")
            case "/base/bomb":
                self._answer(200, BOMB, "gzip")
            case "/base/shaky" if self.asked.count(self.path) == 3:
                self._answer(200, b"at last")
            case "/base/shaky" | "/base/broken":
                self._answer(503, b"")
            case "/base/elsewhere":
                self.send_response(302)
                self.send_header("Location", "/base/plain")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case _:
                self._answer(404, b"not here")

    def _answer(self, status: int, body: bytes, coding: str | None = None) -> None:
        self.send_response(status)
        if coding:
            self.send_header("Content-Encoding", coding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        pass


@pytest.fixture
def web() -> Iterator[Web]:
    Answering.asked.clear()
    with answering(Answering) as url:
        yield Web(f"{url}/base/", pause=0.001)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "public").mkdir()
    (tmp_path / "public/plain").write_bytes(b"plain")
    (tmp_path / "secret").write_bytes(b"secret")
    return Folder(tmp_path / "public")


def test_a_file_is_read_as_it_is_from_the_web_and_from_a_folder(web: Web, folder: Folder) -> None:
    for public in (web, folder):
        assert public.read("plain") == b"plain"
        assert public.read("nothing") is None
    assert web.read("packed") == b"packed"


def test_no_more_is_read_than_asked_for(web: Web, folder: Folder) -> None:
    public: Public
    for public in (web, folder):
        assert public.read("plain", 5) == b"plain"
        with pytest.raises(OutOfReach, match="longer than 4 bytes"):
            public.read("plain", 4)


def test_a_small_answer_that_unpacks_to_much_is_refused(web: Web) -> None:
    with pytest.raises(OutOfReach, match="longer than 1000000 bytes"):
        web.read("bomb", 1_000_000)


def test_what_fails_is_asked_for_again_and_given_up_in_the_end(web: Web) -> None:
    assert web.read("shaky") == b"at last"
    with pytest.raises(OutOfReach, match="HTTP status 503"):
        web.read("broken")
    assert Answering.asked.count("/base/broken") == 4


def test_no_redirect_is_followed(web: Web) -> None:
    with pytest.raises(OutOfReach, match="HTTP status 302"):
        web.read("elsewhere")


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../secret"])
def test_no_path_leaves_the_folder(path: str, folder: Folder) -> None:
    with pytest.raises(OutOfReach):
        folder.read(path)


def test_a_registry_that_is_not_there_is_out_of_reach() -> None:
    with pytest.raises(OutOfReach):
        Web("http://127.0.0.1:9", pause=0.001).read("plain")
    assert isinstance(public_at("https://registry.example"), Web)
    assert isinstance(public_at("/srv/public"), Folder)
