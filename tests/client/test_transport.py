"""What arrives over HTTP is what was sent, in bounded time, or a download error with its cause."""

import contextlib
import socket
import threading
import time

import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError

from client_verify.fetching.transport import Fetcher


@pytest.fixture
def answering():
    """A server that answers every connection with the given pieces of bytes, pausing between them."""
    sockets = []

    def start(*pieces, pause=0.0):
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)

        threading.Thread(target=lambda: _quietly(answer), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/file"

    yield start
    for listener in sockets:
        listener.close()


def _quietly(answer):
    with contextlib.suppress(OSError):  # the client has gone, as it should
        answer()


def direct(_url):
    return None


def test_a_body_is_not_decoded_whatever_the_server_calls_it(answering):
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"
    assert Fetcher(direct).download_bytes(answering(head, b"plain"), 100) == b"plain"


def test_a_body_that_drips_is_given_up(answering):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    url = answering(head, *[b"."] * 100, pause=0.05)
    began = time.monotonic()
    with pytest.raises(SlowRetrievalError, match="slower than"):
        Fetcher(direct, patience=0.3).download_bytes(url, 1000)
    assert time.monotonic() - began < 2, "not only when the server has ended"


def test_a_server_that_says_nothing_is_given_up(answering):
    with pytest.raises(DownloadError, match="timed out"):
        Fetcher(direct, patience=0.1).download_bytes(answering(b"", pause=2), 1000)


def test_a_truncated_body_is_a_download_error(answering):
    url = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"half")
    with pytest.raises(DownloadError, match="IncompleteRead"):
        Fetcher(direct).download_bytes(url, 1000)


def test_a_body_that_is_too_long_is_cut(answering):
    url = answering(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000)
    with pytest.raises(DownloadLengthMismatchError):
        Fetcher(direct).download_bytes(url, 10)


def test_an_error_status_is_told_with_the_address(serve):
    url = f"{serve({}).url}/gone"
    with pytest.raises(DownloadHTTPError, match=f"{url}: HTTP status 404") as caught:
        Fetcher(direct).download_bytes(url, 10)
    assert caught.value.status_code == 404


def test_a_refused_connection_says_so():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DownloadError, match="Connection refused"):
        Fetcher(direct).download_bytes(f"http://127.0.0.1:{port}/", 10)


def test_a_proxy_is_used_where_there_is_one(serve):
    proxy = serve({"http://registry.test/file": b"through the proxy"})
    fetched = Fetcher(lambda url: proxy.url).download_bytes("http://registry.test/file", 100)
    assert fetched == b"through the proxy"
