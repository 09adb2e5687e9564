"""Whatever a server sends costs little: bytes, signatures, keys, depth and numbers are bounded before they are used."""

import gzip
import json
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler

import pytest
from securesystemslib.signer import SSlibKey

from client_verify import trust
from client_verify.fetching.blobs import Blobs, Content
from client_verify.fetching.mirrors import Mirrors
from client_verify.fetching.transport import Fetcher
from client_verify.places import Roots
from client_verify.refusals import Refused, Usage
from client_verify.session import Session
from client_verify.trust import Pin
from keys import page, records, strict
from keys.signing import signed_file
from tests import paper
from tests.client.conftest import URL, PaperFetcher, updater_at
from tests.client.refusing import refuses
from tests.loopback import answering

CHUNK = b" " * 65_536
DEEP = 200_000


class Endless(PaperFetcher):
    """Sends one of its files without end, and counts what was taken of it."""

    def __init__(self, files: dict[str, bytes], path: str) -> None:
        super().__init__(files)
        self.path = path
        self.taken = 0

    def _fetch(self, url: str) -> Iterator[bytes]:
        if url == f"{URL}/{self.path}":
            return self._more()
        return super()._fetch(url)

    def _more(self) -> Iterator[bytes]:
        while True:
            self.taken += len(CHUNK)
            yield CHUNK


LIMITS = {
    "root": 512_000,
    "timestamp": 16_384,
    "snapshot": None,
    "targets": 5_000_000,
    "held": 5_000_000,
    "bins": 5_000_000,
    "bin": 5_000_000,
}
"""Bytes of a file that are taken at most; of the snapshot as many as the timestamp says."""


@pytest.mark.parametrize("role", LIMITS)
def test_metadata_without_end_is_cut_off(world, role):
    world.say("flask")
    path = world.repository.newest(world.repository.bin_of("flask") if role == "bin" else role)
    limit = LIMITS[role] or len(world.repository.files[path])
    if role == "root":
        path = "metadata/2.root.json"
    world.fetcher = Endless(world.repository.files, path)
    name = paper.HELD_NAME if role == "held" else "flask"
    refuses("invalid", lambda: world.session().page(name), "too long")
    assert limit < world.fetcher.taken <= limit + len(CHUNK)


def test_a_page_without_end_is_cut_off_at_its_signed_length(world):
    world.say("flask")
    path = world.repository.page_file("flask")
    world.fetcher = Endless(world.repository.files, path)
    refuses("mismatch", lambda: world.session().page("flask"))
    assert world.fetcher.taken == len(CHUNK)


@pytest.mark.parametrize("size", [70_000, None], ids=["signed size", "no signed size"])
def test_a_file_without_end_is_cut_off_and_leaves_nothing(tmp_path, size):
    endless = Endless({}, "file")
    content = Content("file", f"{URL}/file", "0" * 64, size)
    refuses("mismatch", lambda: Blobs(tmp_path, Mirrors(endless, (URL,))).open(content), "larger than")
    assert endless.taken <= (size or 8 << 20) + len(CHUNK)
    assert [*tmp_path.iterdir()] == []


def test_roots_without_end_are_followed_only_so_far(world):
    for _ in range(5):
        world.repository.ceremony(world.now)
    world.publish()
    world.session(max_root_rotations=3)
    assert [path for path in world.fetcher.asked if path.endswith(".root.json")] == [
        f"metadata/{version}.root.json" for version in (2, 3, 4)
    ]


@pytest.fixture
def verified(monkeypatch):
    """How often a signature was verified, by python-tuf's code and by ours."""
    counted = []
    for owner, name in ((SSlibKey, "verify_signature"), (records, "verifies_message")):
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *given, real=real: (counted.append(1), real(*given))[1])
    return counted


def test_thousands_of_invalid_signatures_cost_no_more_than_one(world, verified):
    """CVE-2020-6173: each was verified, and it took minutes. Only those of keys that a role lists are."""
    world.say("flask")
    verified.clear()
    world.session().page("flask")
    usual = len(verified)
    path = world.repository.bin_file("flask")
    file = json.loads(world.repository.files[path])
    file["signatures"][:0] = [{"keyid": f"{number:064x}", "sig": "30" * 70} for number in range(4_000)]
    world.repository.files[path] = json.dumps(file).encode()
    (world.directory / "metadata" / f"{world.repository.bin_of('flask')}.json").unlink()
    verified.clear()
    world.session().page("flask")
    assert len(verified) < 2 * usual, "what is kept is compared with what is served, and no more"


def test_a_delegation_to_thousands_of_ids_of_one_key_is_refused_and_costs_seconds(world):
    """The worst that a file within the limits can ask for: it needs the holders' own signatures."""
    aliases = [f"{number:064x}" for number in range(800)]

    def forge(role, body):
        if role == "bins":
            body["delegations"]["keys"].update(dict.fromkeys(aliases, paper.ONLINE.record.to_dict()))
            body["delegations"]["succinct_roles"].update({"keyids": aliases, "threshold": 800})

    one = {}  # ECDSA signatures differ each time; the same one will do

    def many(payload):
        signature = one.setdefault(payload, paper.ONLINE.sign(payload).signature)
        return tuple(paper.Signature(alias, signature) for alias in aliases)

    world.rebuild(forge, dict.fromkeys(world.repository.bins.roles(), many))
    world.publish()
    began = time.process_time()
    refuses("invalid", lambda: world.session().page("flask"), "count twice")
    assert time.process_time() - began < 10


# What JSON can be, and metadata cannot.

NESTED = b"[" * DEEP + b"]" * DEEP
ODD = {
    "deep": NESTED,
    "deep within": b'{"signatures":[],"signed":{"_type":"timestamp","x":' + NESTED + b"}}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"signed":{}}'.encode("utf-16"),
    "not a number": b'{"signed":NaN,"signatures":[]}',
    "many digits": b'{"signed":{"version":' + b"9" * 10_000 + b'},"signatures":[]}',
    "gzip": gzip.compress(b"{}"),
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"signed"',
    "wrong inside": b'{"signed":7,"signatures":{}}',
    "wrong signatures": b'{"signed":{"_type":"root"},"signatures":[7]}',
    "NUL": b"\0" * 100,
    "surrogate": b'{"signed":{"_type":"\\ud800"},"signatures":[]}',
}


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "held", "bins", "bin"])
@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_a_file_that_is_no_metadata_is_refused(world, role, data):
    if role == "root":
        world.repository.ceremony(world.now)
    world.say("flask")
    path = world.repository.newest(world.repository.bin_of("flask") if role == "bin" else role)
    world.repository.files[path] = data
    name = paper.HELD_NAME if role == "held" else "flask"
    refuses("invalid", lambda: world.session().page(name))


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_a_page_that_is_no_page_is_refused_though_it_is_signed(world, data):
    world.repository._pages["simple/flask/index.json"] = data
    with pytest.raises(page.InvalidPage):
        page.parse(data)


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_a_root_file_that_is_no_root_is_not_pinned(data):
    with pytest.raises(Usage):
        trust.checked("acme", URL, data)


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_a_damaged_pin_is_refused(world, tmp_path, data):
    roots = Roots(tmp_path / "roots")
    trust.add(roots, Pin("acme", URL, world.repository.root))
    (roots.own / "acme" / "pin.json").write_bytes(data)
    with pytest.raises(Usage, match="damaged"):
        trust.load(roots, "acme")


@pytest.mark.parametrize("number", [1.5, 1.0, 1e300, "1", None, [1], 0, -1])
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "bin"])
def test_a_version_that_is_no_positive_integer_is_refused_though_it_is_signed(world, role, number):
    named = world.repository.bin_of("flask") if role == "bin" else role
    world.publish(forge=lambda signed, body: body.update(version=number) if signed == named else None)
    with pytest.raises(Refused) as caught:
        world.session().page("flask")
    assert caught.value.code in ("invalid", "unreachable", "swapped"), caught.value


@pytest.mark.parametrize("odd", [1.5, 1.0, -0.0, 1e300, [[1.5]], {"a": 1.5}], ids=repr)
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "bin"])
def test_there_are_no_floats_in_metadata_whoever_signs_it(world, role, odd):
    """Canonical JSON has none, so two implementations could read two different things in one signed file."""
    named = world.repository.bin_of("flask") if role == "bin" else role
    world.publish(forge=lambda signed, body: body.update({"x-odd": odd}) if signed == named else None)
    refuses("invalid", lambda: world.session().page("flask"))


def test_versions_beyond_what_a_float_keeps_are_compared_exactly(world):
    """2^53 and 2^53 + 1 are one number to whoever reads JSON into floats."""
    forge = lambda version: lambda role, body: body.update(version=version) if role == "timestamp" else None  # noqa: E731
    world.publish(forge=forge(2**53 + 1))
    world.session()
    world.publish(forge=forge(2**53))
    refuses("rollback", world.session, str(2**53), str(2**53 + 1))


def test_of_a_key_that_comes_twice_what_was_signed_counts(world):
    """What counts to the verifier counts to the reader: nothing can be put before or behind the signed value."""
    world.say("flask")
    path = "metadata/timestamp.json"
    served = world.repository.files[path]
    world.repository.files[path] = served.replace(b'"version":1', b'"version":9,"version":1', 1)
    try:
        assert world.session().trusted.timestamp.version == 1
    except Refused as refused:
        assert refused.code == "invalid"
    world.repository.files[path] = served.replace(b'"spec_version"', b'"version":9,"spec_version"', 1).replace(
        b'"version":1}', b'"version":1,"version":9}'
    )
    world.directory = world.directory.with_name("fresh")
    refuses("invalid", world.session)


@pytest.mark.parametrize("said", ["café", "cafe\u0301", "\u202eflask", "fl\0ask", "../flask", "%2e%2e", "flask/", ""])
def test_a_name_that_is_none_is_asked_of_nobody(world, said):
    world.publish()
    verifier = world.verifier()
    world.fetcher.asked.clear()
    with pytest.raises(ValueError, match="name"):
        verifier.ask(said)
    assert world.fetcher.asked == []


@pytest.mark.parametrize("path", ["metadata/timestamp.json", "metadata/1.snapshot.json"])
def test_a_compressed_bomb_is_cut_off(world, serve_raw, tmp_path, path):
    """14 KB that would be 14 MB: what is counted is what comes out, or nothing is decoded."""
    bomb = gzip.compress(bytes(14 << 20))
    url = serve_raw({**_heads(world.repository.publish(world.now)), path: (b"Content-Encoding: gzip", bomb)})
    pin = Pin("acme", url, world.repository.root)
    tracemalloc.start()
    with pytest.raises(Refused) as caught:
        Session(pin, tmp_path / "data", Fetcher(lambda _: None), world.clock, make_updater=updater_at(world.clock))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "invalid"
    assert peak < 4 << 20


def _heads(files):
    return {path: (b"X-Plain: yes", data) for path, data in files.items()}


@pytest.fixture
def serve_raw():
    """A server that says of each file what it is told to say."""
    running = ExitStack()

    def start(files):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                found = files.get(self.path.lstrip("/"))
                self.send_response(200 if found else 404)
                if found:
                    self.send_header(*found[0].decode().split(": "))
                    self.send_header("Content-Length", str(len(found[1])))
                self.end_headers()
                if found:
                    try:
                        self.wfile.write(found[1])
                    except OSError:
                        return  # the client has gone, as it should

            def log_message(self, *_):
                pass

        return running.enter_context(answering(Handler))

    with running:
        yield start


def test_strict_json_is_bounded_in_depth_size_of_numbers_and_kind():
    for name, data in ODD.items():
        if name not in ("null", "a list", "a text", "wrong inside", "wrong signatures", "surrogate"):
            with pytest.raises(strict.Malformed):
                strict.parse(data)


def test_a_signed_file_of_ours_never_holds_a_float():
    with pytest.raises((TypeError, ValueError, AssertionError)):
        signed_file({"_type": "timestamp", "x": float("nan")}, paper.ONLINE)
