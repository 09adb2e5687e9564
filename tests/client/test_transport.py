"""What arrives over HTTP is what was sent, in bounded time, or a download error with its cause."""

import contextlib
import gzip
import random
import socket
import threading
import time
import tracemalloc

import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError

from client_verify.fetching.transport import Fetcher


@pytest.fixture
def answering():
    """A server that answers every connection with the given pieces of bytes, pausing between them."""
    sockets = []

    def start(*pieces, pause=0.0, times=1):
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)

        def answers():
            for _ in range(times):
                _quietly(answer)

        threading.Thread(target=answers, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/file"

    yield start
    for listener in sockets:
        listener.close()


def _quietly(answer):
    with contextlib.suppress(OSError):  # the client has gone, as it should
        answer()


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def direct(_url):
    return None


def read(url, fetcher=None, limit=100):
    """As python-tuf reads a target."""
    with (fetcher or Fetcher(direct)).download_file(url, limit) as file:
        return file.read()


def sent(data, *headers):
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(data)}", *headers, "", ""]).encode() + data


def test_a_file_is_not_decoded_whatever_the_server_calls_it(answering):
    packed = gzip.compress(b"plain")
    assert read(answering(sent(packed, "Content-Encoding: gzip"))) == packed


def test_only_metadata_is_asked_for_in_gzip(serve):
    served = serve({"file": b"plain"})
    Fetcher(direct).download_bytes(f"{served.url}/file", 100)
    read(f"{served.url}/file")
    assert served.codings == ["gzip", "identity"]


def test_metadata_may_come_as_gzip(answering):
    text = b"metadata " * 1000
    url = answering(sent(gzip.compress(text), "Content-Encoding: gzip"))
    assert Fetcher(direct).download_bytes(url, len(text)) == text


def test_metadata_that_cannot_be_compressed_may_come_as_gzip(answering):
    noise = random.Random(1).randbytes(9000)
    url = answering(sent(gzip.compress(noise), "Content-Encoding: gzip"))
    assert Fetcher(direct).download_bytes(url, len(noise)) == noise


def test_a_bomb_is_not_unpacked_beyond_its_limit(answering):
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(DownloadLengthMismatchError):
        Fetcher(direct).download_bytes(answering(sent(bomb, "Content-Encoding: gzip")), 100_000)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_gzip_that_never_gives_anything_is_given_up(answering):
    endless = gzip.compress(b"")[:10] + b"\x00\x00\x00\xff\xff" * 100_000  # stored blocks of no bytes
    with pytest.raises(DownloadLengthMismatchError):
        Fetcher(direct).download_bytes(answering(sent(endless, "Content-Encoding: gzip")), 100)


@pytest.mark.parametrize(
    "body, why",
    [
        (b"plain", "is none"),
        (gzip.compress(b"metadata")[:-9], "ends too early"),
        (gzip.compress(b"metadata")[:-1] + b"\xff", "is none"),
        (gzip.compress(b"metadata") + b"more", "behind its end"),
        (b"", "ends too early"),
    ],
    ids=["plain", "cut short", "another checksum", "more behind it", "nothing"],  # gzip writes the time into its bytes
)
def test_what_is_not_one_whole_gzip_stream_is_a_download_error(answering, body, why):
    with pytest.raises(DownloadError, match=why):
        Fetcher(direct).download_bytes(answering(sent(body, "Content-Encoding: gzip")), 100)


def test_a_body_that_drips_is_given_up(answering):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    url = answering(head, *[b"."] * 100, pause=0.05)
    began = time.monotonic()
    with pytest.raises(SlowRetrievalError, match="slower than"):
        Fetcher(direct, patience=0.3).download_bytes(url, 1000)
    assert time.monotonic() - began < 2, "not only when the server has ended"


def test_a_server_that_says_nothing_is_given_up(answering):
    began = time.monotonic()
    with pytest.raises(SlowRetrievalError, match="slower than"):
        Fetcher(direct, patience=0.5).download_bytes(answering(HEAD, pause=5), 1000)
    assert time.monotonic() - began < 4, "not only when the server has ended"


@pytest.mark.parametrize("status", [b"204 No Content", b"206 Partial", b"304 Not Modified", b"305 Use Proxy"])
def test_only_200_is_a_file(answering, status):
    with pytest.raises(DownloadHTTPError, match=str(int(status[:3]))):
        read(answering(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"))


@pytest.mark.parametrize(
    "begin, piece",
    [
        (b"", b"H"),
        (HEAD, b"X"),
        (HEAD, b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (CHUNKED, b"1"),
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n"),
    ],
    ids=["status", "header", "headers", "interim answers", "chunk size", "trailers"],
)
def test_whatever_drips_around_a_body_is_given_up_too(answering, begin, piece):
    """Each of these is read without end, or a byte at a time, below where python-tuf counts."""
    url = answering(begin, *[piece] * 90, pause=0.1)
    began = time.monotonic()
    with pytest.raises(SlowRetrievalError, match="slower than"):
        Fetcher(direct, patience=0.3).download_bytes(url, 1000)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("endless", [b"HTTP/1.1 100 Continue\r\n\r\n", b"X: y\r\n"], ids=["interim", "trailers"])
def test_what_comes_fast_and_is_no_body_buys_no_time(answering, endless):
    begin = b"" if endless.startswith(b"HTTP") else CHUNKED + b"0\r\n"
    url = answering(begin, *[endless * 5000] * 2000)
    began = time.monotonic()
    with pytest.raises(DownloadError):
        Fetcher(direct, patience=0.5).download_bytes(url, 1000)
    assert time.monotonic() - began < 5


def test_a_server_cannot_make_us_wait_by_asking_us_to_come_back_later(answering):
    url = answering(b"HTTP/1.1 503 Later\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(DownloadHTTPError, match="503"):
        Fetcher(direct, patience=1).download_bytes(url, 10)


def test_what_is_sent_along_with_a_redirect_is_not_read(answering, serve):
    """urllib3 would read all of it, and it may have no end."""
    there = serve({"file": b"here"})
    url = answering(f"HTTP/1.1 302 Found\r\nLocation: {there.url}/file\r\n\r\n".encode(), *[b"x"] * 100, pause=0.1)
    began = time.monotonic()
    assert Fetcher(direct).download_bytes(url, 10) == b"here"
    assert time.monotonic() - began < 5


def test_redirects_without_end_are_given_up(answering):
    url = answering(*[b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"], times=20)
    with pytest.raises(DownloadError, match="more than 5 redirects"):
        Fetcher(direct).download_bytes(url, 10)


def test_redirects_share_one_deadline(answering):
    url = answering(b"", b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", pause=0.2, times=20)
    with pytest.raises(SlowRetrievalError):
        Fetcher(direct, patience=0.5).download_bytes(url, 10)


@pytest.mark.parametrize("location", ["http://[", "ftp://127.0.0.1/file", "file:///etc/passwd", "http://", "\x80"])
def test_a_redirect_to_nowhere_is_a_download_error(answering, location):
    url = answering(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
    with pytest.raises(DownloadError):
        Fetcher(direct, patience=2).download_bytes(url, 10)


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
