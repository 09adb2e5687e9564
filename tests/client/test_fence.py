"""The fence over raw sockets: whatever form a request has, it is answered here or not at all, and never passed on."""

import json
import re
import socket

import pytest

from client_verify.installing.index import Index, serving
from client_verify.installing.report import Report
from tests import paper
from tests.client.test_index import WHEEL, Shop

QUIET = 0.4
"""Seconds without a byte, after which nothing more is expected; for the first one there is time."""


class Gate(Shop):
    """The shop at its gate: what bytes come back for bytes."""

    def told(self, request):
        """Everything that comes back. ``OWN`` in the request stands for the index's address."""
        got = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain:
            plain.sendall(request.replace(b"OWN", b"127.0.0.1:%d" % self.port))
            try:
                while more := plain.recv(65536):
                    got += more
                    plain.settimeout(QUIET)
            except (TimeoutError, ConnectionResetError):
                pass
        return got

    def status(self, request):
        """The status of the only answer; None where the connection was closed without one."""
        got = self.told(request)
        assert got.count(b"HTTP/1.") <= 1, got
        return int(got.split()[1]) if got else None

    @property
    def asked_elsewhere(self):
        return [path for path in self.world.fetcher.asked if "://" in path]


@pytest.fixture
def gate(world, tmp_path):
    """flask 1.0 with a wheel, behind a running index."""
    world.repository.add_file("flask", WHEEL.filename, WHEEL.data, WHEEL.metadata)
    world.say("flask", paper.release(world.now, "1.0", WHEEL))
    report = Report()
    with serving(Index(world.verifier(), report)) as address:
        yield Gate(world, tmp_path / "blobs", address, report)


BYPASSES = {
    "a tunnel": b"CONNECT pypi.org:443 HTTP/1.1\r\nHost: pypi.org:443\r\n\r\n",
    "a tunnel of HTTP/1.0": b"CONNECT pypi.org:443 HTTP/1.0\r\n\r\n",
    "a tunnel to ourselves": b"CONNECT OWN HTTP/1.1\r\nHost: OWN\r\n\r\n",
    "a tunnel to IPv6 loopback": b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
    "a tunnel that looks like a path": b"CONNECT /simple/flask/ HTTP/1.1\r\nHost: OWN\r\n\r\n",
    "another host": b"GET http://pypi.org/simple/flask/ HTTP/1.1\r\nHost: pypi.org\r\n\r\n",
    "another host under our name": b"GET http://pypi.org/simple/flask/ HTTP/1.1\r\nHost: OWN\r\n\r\n",
    "another port of this machine": b"GET http://127.0.0.1:1/simple/flask/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
    "IPv6 loopback": b"GET http://[::1]:80/simple/flask/ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "our address as somebody's password": b"GET http://OWN@pypi.org/simple/flask/ HTTP/1.1\r\nHost: OWN\r\n\r\n",
    "our address as the beginning of a name": b"GET http://OWN.pypi.org/simple/ HTTP/1.1\r\nHost: OWN\r\n\r\n",
    "another scheme": b"GET ftp://OWN/simple/flask/ HTTP/1.1\r\nHost: OWN\r\n\r\n",
    "no scheme": b"GET pypi.org/simple/flask/ HTTP/1.1\r\nHost: OWN\r\n\r\n",
}


@pytest.mark.parametrize("request_", BYPASSES.values(), ids=BYPASSES)
def test_what_goes_elsewhere_is_refused_with_a_reason_and_reported(gate, request_):
    got = gate.told(request_)
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0].split(b" ", 1)[1] == b"403 request past the verified index"
    assert "which is not in the verified index" in json.loads(body)["detail"]
    assert gate.codes(child=0) == ["bypass"]
    assert gate.asked_elsewhere == []


def test_an_address_that_would_move_a_cursor_is_told_without_it(gate):
    gate.told(b"GET http://evil.example/\x1b[2J HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    (entry,) = gate.report.refused(0)
    assert "http://evil.example/%1B[2J" in entry.detail and entry.subject.isprintable()


def test_an_installer_that_takes_us_for_its_proxy_gets_our_own_pages_and_files(gate):
    for path in (b"/simple/flask/", b"/packages/flask/" + WHEEL.filename.encode()):
        assert gate.status(b"GET http://OWN%s HTTP/1.1\r\nHost: OWN\r\n\r\n" % path) == 200
    assert gate.codes() == []


def test_a_refusal_through_the_proxy_is_reported_as_any_other(gate):
    gate.told(b"GET http://OWN/simple/nobody/ HTTP/1.1\r\nHost: OWN\r\n\r\n")
    (entry,) = gate.report.refused(1)
    assert (entry.subject, entry.code, entry.repository) == ("simple/nobody", "absent", "acme")


NOT_OURS = {
    "no host": (b"GET /simple/flask/ HTTP/1.0\r\n\r\n", {421}),
    "an empty host": (b"GET /simple/flask/ HTTP/1.1\r\nHost:\r\n\r\n", {421}),
    "another host": (b"GET /simple/flask/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", {421}),
    "another host behind our address": (b"GET http://OWN/simple/flask/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", {421}),
    "two hosts": (b"GET /simple/flask/ HTTP/1.1\r\nHost: OWN\r\nHost: evil.example\r\n\r\n", {400, 421}),
    "a host that was forwarded": (
        b"GET /simple/flask/ HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: OWN\r\n\r\n",
        {421},
    ),
    "a path that begins with two slashes": (b"GET //pypi.org/simple/flask/ HTTP/1.1\r\nHost: OWN\r\n\r\n", {404}),
    "the server as a whole": (b"OPTIONS * HTTP/1.1\r\nHost: OWN\r\n\r\n", {405}),
    "an echo": (b"TRACE /simple/flask/ HTTP/1.1\r\nHost: OWN\r\n\r\n", {405}),
    "something to keep": (b"PUT /simple/flask/ HTTP/1.1\r\nHost: OWN\r\nContent-Length: 1\r\n\r\nx", {405}),
    "the beginning of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {None, 400, 405, 421}),
    "HTTP/0.9": (b"GET /simple/flask/\r\n\r\n", {None, 400, 421}),
    "TLS": (bytes.fromhex("160301002a0100002603030000") + b"\r\n\r\n", {None, 400}),
    "a head without end": (b"GET /simple/flask/ HTTP/1.1\r\nHost: OWN\r\nX: " + b"x" * 70_000, {431}),
    "a body without end": (b"POST /simple/flask/ HTTP/1.1\r\nHost: OWN\r\nContent-Length: 99999999\r\n\r\n", {413}),
}


@pytest.mark.parametrize(("request_", "statuses"), NOT_OURS.values(), ids=NOT_OURS)
def test_what_is_no_question_to_us_is_turned_away(gate, request_, statuses):
    assert gate.status(request_) in statuses
    assert gate.asked_elsewhere == []


def test_nothing_is_upgraded(gate):
    """A WebSocket would be a tunnel as well."""
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n"
    assert gate.status(b"GET /simple/flask/ HTTP/1.1\r\nHost: OWN\r\n" + upgrade + b"\r\n") == 200
    assert (
        gate.status(b"GET /simple/flask/ HTTP/1.1\r\nHost: OWN\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n") == 200
    )


HIDDEN = b"GET /simple/hidden/ HTTP/1.1\r\nHost: OWN\r\n\r\n"
SMUGGLED = {
    "a length and chunks": b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (len(HIDDEN) + 5),
    "two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
    "a length with a sign": b"Content-Length: +0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length that is no number": b"Content-Length: 0x0\r\n\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunks twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Content-Length : 0\r\n\r\n",
    "a folded header": b"X: a\r\n Content-Length: 0\r\n\r\n",
    "a bare line feed": b"X: a\nContent-Length: 0\r\n\r\n",
    "a bare carriage return": b"X: a\rContent-Length: 0\r\n\r\n",
    "a null": b"X: a\0b\r\n\r\n",
    "a chunk of a wrong size": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a chunk with a line feed in its extension": b"Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n",
}


@pytest.mark.parametrize("shape", SMUGGLED.values(), ids=SMUGGLED)
def test_a_request_with_two_readings_hides_no_other(gate, shape):
    """It is refused and the connection closed, or read in one way, and what follows is a request like any other."""
    got = gate.told(b"POST /simple/flask/ HTTP/1.1\r\nHost: OWN\r\n" + shape + HIDDEN)
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d+)", got)]
    assert statuses and all(status >= 400 for status in statuses), got
    assert gate.asked_elsewhere == []


def test_two_requests_in_one_packet_are_two_requests(gate):
    got = gate.told(BYPASSES["another host"] + b"GET /simple/flask/ HTTP/1.1\r\nHost: OWN\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 403") and got.count(b"HTTP/1.1 ") <= 2
    assert gate.codes(child=0) == ["bypass"]
