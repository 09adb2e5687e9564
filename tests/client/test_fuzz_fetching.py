"""Whatever bytes come from the network: in bounded time a file of bounded length, or a download error. Nothing else."""

import gzip
import socket
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.exceptions import DownloadError

from client_verify.fetching import inflate
from client_verify.fetching.deltas import ANCHOR, Deltas
from client_verify.fetching.layers import Layer
from client_verify.fetching.transport import Fetcher, unpacked
from repo_service.build.deltas import thorough_delta
from tests.client.conftest import URL, PaperFetcher

LIMIT = 2000
OLD = b'{"signed":{"meta":{"bin-0.json":{"version":100000}},"version":1}}'
NEW = OLD.replace(b"100000", b"200000").replace(b":1}}", b":2}}")
DELTA = thorough_delta(OLD, NEW) or b""


def packed(data):
    return gzip.compress(data, mtime=0)


def edited(data):
    """``data`` with a few edits, or anything at all."""
    edit = st.tuples(st.integers(0, len(data)), st.integers(0, 12), st.binary(max_size=12))

    def apply(edits):
        changed = data
        for place, gone, come in edits:
            changed = changed[:place] + come + changed[place + gone :]
        return changed

    return st.lists(edit, max_size=3).map(apply) | st.binary(max_size=200)


def in_pieces(data):
    """``data`` cut in up to five places."""
    cuts = st.lists(st.integers(0, len(data)), max_size=4).map(sorted)
    return cuts.map(lambda places: [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)])


@given(delta=edited(DELTA), anchor=edited(OLD))
def test_a_delta_of_any_bytes_and_an_anchor_of_any_bytes_give_a_file_that_was_named_or_the_whole_one(delta, anchor):
    served = {"deltas/1.2.snapshot.dcz": delta, "metadata/2.snapshot.json": b"whole"}
    with TemporaryDirectory() as directory:
        Path(directory, ANCHOR).write_bytes(anchor)
        by = inflate.available()
        assert by is not None
        layer = Deltas(Layer(PaperFetcher(served)), URL, Path(directory), by)
        given_back = layer.download_bytes(f"{URL}/metadata/2.snapshot.json", LIMIT)
        assert len(given_back) <= LIMIT
        assert layer.used == (given_back != b"whole")
        assert (given_back == NEW) or not (delta == DELTA and anchor == OLD)


@given(
    data=st.binary(max_size=500).flatmap(lambda data: st.tuples(st.just(data), in_pieces(gzip.compress(data, mtime=0))))
)
def test_gzip_gives_what_was_packed_however_it_arrives(data):
    assert b"".join(unpacked(data[1])) == data[0]


@given(pieces=edited(packed(b"metadata " * 30)).flatmap(in_pieces))
def test_gzip_of_any_bytes_is_unpacked_or_a_download_error(pieces):
    try:
        found = b"".join(unpacked(pieces))
    except DownloadError:
        return
    assert gzip.decompress(b"".join(pieces)) == found


@pytest.fixture(scope="module")
def answer():
    """The address of a server that answers every connection with the same bytes, which the test sets."""
    listener = socket.create_server(("127.0.0.1", 0))
    say = {"bytes": b"", "url": f"http://127.0.0.1:{listener.getsockname()[1]}/file"}

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    connection.recv(5000)
                    connection.sendall(say["bytes"])
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    yield say
    listener.close()


HEADERS = [
    b"Content-Length: 5",
    b"Content-Length: 5, 5",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Content-Encoding: gzip",
    b"Content-Encoding: br, gzip, zstd",
    b"Transfer-Encoding: chunked",
    b"Location: /file",
    b"Location: http://[::",
    b"Location: \xff\xfe",
    b"Retry-After: 99999",
    b": x",
    b" folded",
    b"Connection: keep-alive",
    b"Set-Cookie: a=b",
]
responses = st.builds(
    lambda status, headers, body: b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"", body]),
    st.sampled_from([b"200 OK", b"302 Found", b"404", b"503 x", b"100 Continue", b"204 x", b"999 x", b"-1 x", b"200"]),
    st.lists(st.sampled_from(HEADERS) | st.binary(max_size=30), max_size=4),
    st.sampled_from([b"plain", b"5\r\nplain\r\n0\r\n\r\n", b"ffffffffff\r\nx", b"-5\r\nx", packed(b"x"), b""])
    | st.binary(max_size=50),
)


@settings(max_examples=150, deadline=None)
@given(said=responses | st.binary(max_size=100))
def test_an_answer_of_any_bytes_is_a_file_or_a_download_error(answer, said):
    answer["bytes"] = said
    fetcher = Fetcher(lambda _: None, patience=2)
    for read in (lambda: fetcher.download_bytes(answer["url"], 100), lambda: _file(fetcher, answer["url"])):
        with suppress(DownloadError):
            assert len(read()) <= 100


def _file(fetcher, url):
    with fetcher.download_file(url, 100) as file:
        return file.read()
