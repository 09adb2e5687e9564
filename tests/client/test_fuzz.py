"""Whatever bytes come from the network or out of other people's files: the expected refusal, and no other exception.

    make fuzz SECONDS=600       as long as you like; FUZZ_EXAMPLES is how many examples each test draws, 12 here

Bytes are drawn at random, by editing valid files, and by putting odd values into valid JSON, which is signed again as
somebody would who has stolen the keys.
"""

import contextlib
import copy
import json
import logging
import os
import socket
import threading
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from securesystemslib.exceptions import FormatError
from tuf.api.exceptions import DownloadError

from client_verify import files, trust
from client_verify.answers import Found, ProvenAbsent
from client_verify.conformance import main
from client_verify.fetching.transport import Fetcher
from client_verify.installing.index import Index, Request, serving
from client_verify.installing.report import Report
from client_verify.places import Roots
from client_verify.refusals import Refused, Usage
from client_verify.session import Session
from client_verify.trust import Pin
from client_verify.verifier import Verifier
from keys import layout, names, page, strict
from keys.encoding import sha256
from keys.signing import signed_file
from tests import paper
from tests.client.conftest import NOW, URL, PaperFetcher, updater_at

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))
fuzzed = settings(
    max_examples=EXAMPLES, deadline=None, derandomize="FUZZ_EXAMPLES" not in os.environ, database=None,
    suppress_health_check=[*HealthCheck],
)  # fmt: skip
ROLES = ("root", "timestamp", "snapshot", "targets", "held", "bins", "bin")


def _repository():
    made = paper.Paper(NOW)
    wheel = paper.wheel("flask", "1.0")
    made.add_file("flask", wheel.filename, wheel.data, wheel.metadata)
    made.say(paper.project(NOW, "flask", paper.release(NOW, "1.0", wheel)))
    made.ceremony(NOW)
    made.publish(NOW)
    return made


REPOSITORY = _repository()
GOOD = dict(REPOSITORY.files)
PAGE = GOOD[REPOSITORY.page_file("flask")]


# What is drawn.

edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=20)), min_size=1, max_size=4)
strange = st.sampled_from(
    [
        *(2**53, -1, 10**400, "", "../x", "\0", "\ud800", "1.0.31", "2.0", "targets", "root", "sha256", "*" * 500),
        *([[]], {"a": {}}, "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "-----BEGIN PUBLIC KEY-----\n"),
    ]
)
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just([]) | st.just({})
odd = plain | strange
changes = st.lists(
    st.tuples(st.integers(0, 10**6), odd, st.sampled_from(["replace", "delete", "add"])), min_size=1, max_size=3
)


def edited(data, edits):
    """Bytes with pieces cut out and others put in."""
    for place, cut, put in edits:
        at = int(place * len(data))
        data = data[:at] + put + data[at + cut :]
    return data


def changed(value, changes):
    """A JSON value with odd values in it, at places counted in order."""
    value = copy.deepcopy(value)
    for number, new, how in changes:
        places = [*_places(value)]
        if not places:
            return value
        holder, key = places[number % len(places)]
        if how == "delete":
            del holder[key]
        elif how == "add" and isinstance(holder, dict):
            holder[new if isinstance(new, str) else "x-odd"] = new
        else:
            holder[key] = new
    return value


def _places(value):
    for key, item in [*value.items()] if isinstance(value, dict) else [*enumerate(value)]:
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


# Metadata, through a session.


def _role(kind):
    return REPOSITORY.bin_of("flask") if kind == "bin" else kind


def _session(folder, served):
    pin = Pin("acme", URL, REPOSITORY.root)
    return Session(pin, Path(folder, "acme"), PaperFetcher(served), lambda: NOW, make_updater=updater_at(lambda: NOW))


def _asked(served):
    """Ask a fresh client everything; each answer is a right one or a refusal. What was written beside its directory."""
    with TemporaryDirectory() as folder:
        with contextlib.suppress(Refused):
            session = _session(folder, served)
            for name in ("flask", "nobody", paper.HELD_NAME):
                with contextlib.suppress(Refused):
                    assert isinstance(session.page(name), Found | ProvenAbsent)
        return {path.name for path in Path(folder).iterdir()}


@pytest.mark.parametrize("kind", ROLES)
@fuzzed
@given(data=st.binary(max_size=300))
def test_random_bytes_for_metadata_are_refused(kind, data):
    assert _asked({**GOOD, REPOSITORY.newest(_role(kind)): data}) == {"acme"}


@pytest.mark.parametrize("kind", ROLES)
@fuzzed
@given(edits=edits)
def test_edited_metadata_is_refused_or_says_what_was_signed(kind, edits):
    path = REPOSITORY.newest(_role(kind))
    assert _asked({**GOOD, path: edited(GOOD[path], edits)}) == {"acme"}


@pytest.mark.parametrize("kind", ROLES)
@fuzzed
@given(changes=changes)
def test_odd_metadata_is_refused_or_answered_from_though_it_is_signed(kind, changes):
    assert _asked(_signed_anew(_role(kind), changes)) == {"acme"}


@pytest.mark.parametrize("kind", ROLES)
@fuzzed
@given(changes=changes)
def test_odd_files_around_what_is_signed_are_refused_or_say_what_was_signed(kind, changes):
    path = REPOSITORY.newest(_role(kind))
    odd = json.dumps(changed(json.loads(GOOD[path]), changes)).encode()
    assert _asked({**GOOD, path: odd}) == {"acme"}


def _signed_anew(role, changes):
    path = REPOSITORY.newest(role)
    data = _resigned(role, changed(json.loads(GOOD[path])["signed"], changes))
    served = {**GOOD, path: data}
    if role == "snapshot":
        timestamp = json.loads(GOOD["metadata/timestamp.json"])["signed"]
        timestamp["meta"]["snapshot.json"].update({"length": len(data), "hashes": {"sha256": sha256(data)}})
        served["metadata/timestamp.json"] = _resigned("timestamp", timestamp)
    return served


def _resigned(role, body):
    signer = paper.all_of(*paper.HOLDERS[:2]) if role in layout.OFFLINE else paper.ONLINE
    try:
        return signed_file(body, signer)
    except (ValueError, TypeError, FormatError):  # it has no canonical form: nobody can sign that
        return json.dumps({"signatures": [], "signed": body}).encode()


# Pages, pins, names and JSON.


@fuzzed
@given(data=st.binary(max_size=300) | edits.map(lambda edits: edited(PAGE, edits)))
def test_a_page_of_any_bytes_is_a_page_or_none(data):
    _page(data)


@fuzzed
@given(changes=changes)
def test_a_page_with_odd_values_is_a_page_or_none(changes):
    _page(
        json.dumps(changed(json.loads(PAGE), changes), separators=(",", ":"), sort_keys=True).encode(
            "utf-8", "surrogatepass"
        )
    )


def _page(data):
    try:
        state = page.parse(data)
    except page.InvalidPage as error:
        assert str(error)
        return
    assert page.render(state) == data


@fuzzed
@given(data=st.binary(max_size=300) | edits.map(lambda edits: edited(REPOSITORY.root, edits)))
def test_a_root_file_of_any_bytes_is_pinned_only_if_it_is_a_root(data):
    _root(data)


@fuzzed
@given(changes=changes)
def test_an_odd_root_file_is_pinned_only_if_it_is_a_root(changes):
    _root(_resigned("root", changed(json.loads(REPOSITORY.root)["signed"], changes)))


def _root(data):
    with contextlib.suppress(Usage):
        pin = trust.checked("acme", URL, data)
        assert (pin.fingerprint, pin.is_rehearsal) == (f"sha256:{sha256(data)}", pin.is_rehearsal)


@fuzzed
@given(
    data=st.binary(max_size=100)
    | edits.map(lambda edits: edited(b'{"mirrors":["https://m.test"],"prefixes":["a"],"url":"https://a.test"}', edits)),
    root=st.binary(max_size=50) | st.just(REPOSITORY.root),
)
def test_a_pin_of_any_bytes_is_read_or_is_damaged(data, root):
    with TemporaryDirectory() as folder:
        roots = Roots(Path(folder))
        trust.add(roots, Pin("acme", URL, REPOSITORY.root))
        Path(folder, "acme", "pin.json").write_bytes(data)
        Path(folder, "acme", "root.json").write_bytes(root)
        with contextlib.suppress(Usage):
            assert trust.load(roots, "acme").root == root
            trust.pins(roots)


@fuzzed
@given(
    data=st.binary(max_size=200)
    | st.recursive(odd, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_json_of_any_bytes_is_plain_and_bounded_or_malformed(data):
    try:
        value = strict.parse(data)
    except strict.Malformed as error:
        assert str(error).encode(), "it can be printed"
        return
    assert strict.parse(json.dumps(value).encode()) == value


@fuzzed
@given(text=st.text(max_size=80))
def test_a_name_of_any_text_is_one_or_is_refused(text):
    with contextlib.suppress(names.InvalidName):
        normal = names.normalise(text)
        assert names.normalise(normal) == normal
        assert ".." not in names.page_path(normal)


@fuzzed
@given(text=st.text(max_size=60) | st.text(max_size=20).map(lambda text: f"{text}-1.0-py3-none-any.whl"))
@example("-1.0.tar.gz")
def test_a_file_name_of_any_text_is_of_a_project_or_is_none(text):
    with contextlib.suppress(Usage):
        assert files.project(text)


# HTTP: what servers send to us, and what installers do.


@fuzzed
@given(
    head=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                          b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n",
                          b"HTTP/1.1 302 Found\r\nLocation: ", b"HTTP/1.1 200 OK\r\nContent-Length: ",
                          b"HTTP/1.0 200\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 206 Partial\r\n\r\n"]),
    rest=st.binary(max_size=120),
)  # fmt: skip
def test_whatever_a_server_answers_is_bytes_or_a_download_error(answering, head, rest):
    url, answers = answering
    answers[:] = [head + rest]
    with contextlib.suppress(DownloadError):
        assert len(Fetcher(lambda _: None, patience=0.5).download_bytes(url, 50)) <= 50


@pytest.fixture(scope="module")
def answering():
    """A server that says the one thing in a list, whatever it is asked, and hangs up; more than once, to a redirect."""
    answers = [b""]

    def serve():
        while True:
            connection, _ = listener.accept()
            with contextlib.suppress(OSError), connection:
                connection.recv(10_000)
                connection.sendall(answers[0])

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/file", answers


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    pin = Pin("acme", URL, REPOSITORY.root)
    verifier = Verifier([pin], folder / "blobs", lambda _: _session(folder, GOOD), lambda: NOW)
    verifier.open()
    return Index(verifier, Report())


parts = st.sampled_from(
    ["", "simple", "packages", "flask", "Flask", "..", ".", "%2e%2e", "\0", "flask-1.0-py3-none-any.whl"]
)
paths = st.lists(parts | st.text(max_size=8), max_size=6).map("/".join)


@fuzzed
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "CONNECT", "OPTIONS", "\xff", ""]),
    target=paths, path=paths, host=st.sampled_from(["127.0.0.1:80", "localhost:80", "evil", ""]) | st.text(max_size=20),
    accept=st.sampled_from([page.MEDIA_TYPE, "text/html", "*/*"]) | st.text(max_size=40),
)  # fmt: skip
def test_any_request_has_an_answer(index, method, target, path, host, accept):
    response = index.respond(Request(method, target, path, host, "80", accept))
    with response.body:
        assert response.status in {*HTTPStatus} - {500, 502, 503}
    assert response.reason.isascii() and "\n" not in response.reason
    for name, value in response.headers:
        assert not set("\r\n\0") & set(name + value), "a header is one line"
        assert value.encode("latin-1")


beginnings = st.sampled_from(
    [
        *(b"GET /simple/flask/ HTTP/1.1\r\n", b"GET ", b"CONNECT ", b"GET http://[ HTTP/1.1\r\n\r\n"),
        b"GET /\x00\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ]
)


@fuzzed
@given(data=st.binary(max_size=200) | st.builds(lambda first, rest: first + rest, beginnings, st.binary(max_size=100)))
def test_any_bytes_to_the_index_leave_it_standing(running, data):
    port, records = running
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2) as plain:
        plain.sendall(data)
        plain.shutdown(socket.SHUT_WR)
        answer = plain.recv(1000)
        assert answer[9:12] not in (b"500", b"502", b"503"), answer
    # An address that Python cannot take apart ("http://[") ends the connection within waitress, which is answer enough.
    assert [each for each in records if "|split_uri|" not in each] == []


@pytest.fixture(scope="module")
def running(index):
    """The index on a port, and what goes wrong in it unseen."""
    records = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: records.append(record.getMessage())
    logging.getLogger("waitress").addHandler(handler)
    with serving(index) as address:
        port = urlsplit(address).port
        yield port, records
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            plain.sendall(f"GET /simple/flask/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            assert plain.recv(1000).startswith(b"HTTP/1.1 200 OK")
    logging.getLogger("waitress").removeHandler(handler)


@fuzzed
@given(
    words=st.lists(
        st.sampled_from(
            [
                "--metadata-dir",
                "--metadata-url",
                "--target-name",
                "init",
                "refresh",
                "download",
                "-h",
                "http://[",
                "x",
                "",
            ]
        )
        | st.text(max_size=8),
        max_size=8,
    )
)
def test_any_conformance_command_ends_with_zero_or_one(words):
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        assert main(words) in (0, 1)


def test_what_is_fuzzed_is_right_before_it_is_changed(tmp_path):
    assert isinstance(_session(tmp_path, GOOD).page("flask"), Found)
    assert page.render(page.parse(PAGE)) == PAGE
    assert trust.checked("acme", URL, REPOSITORY.root).root == REPOSITORY.root
