"""Reading fast is reading the same: the payload byte for byte, and never a file that python-tuf refuses."""

import gc
import inspect
import json
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib import formats
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets
from tuf.api.serialization.json import CanonicalJSONSerializer
from tuf.ngclient import Updater
from tuf.ngclient._internal import trusted_metadata_set

from client_verify.metadata import reading
from client_verify.metadata.trusted import Trusted
from client_verify.refusals import Refused
from keys.encoding import sha256
from keys.signing import SPEC_VERSION
from tests import paper
from tests.client.conftest import NOW

NASTY = st.text(st.sampled_from('"\\/\n\t\x00\x1f\x7fab:{},é☃𝔘\u2028\uffff\U0010ffff\ud800\udc00'), max_size=6)
NUMBERS = st.integers(-3, 3) | st.integers() | st.integers(2**63, 2**70) | st.floats() | st.booleans()
JSON = st.recursive(
    st.none() | NUMBERS | NASTY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NASTY, inner, max_size=3),
    max_leaves=8,
)
HASHES = st.just({"sha256": "0" * 64}) | st.dictionaries(NASTY, NASTY, max_size=2) | JSON
SOMETIMES = st.dictionaries(NASTY | st.sampled_from(["length", "hashes", "custom", "version"]), JSON, max_size=1)
VERSIONS = st.integers(1, 10**12) | NUMBERS
FILES = st.builds(lambda version, more: {"version": version} | more, VERSIONS, SOMETIMES) | st.builds(
    lambda version, length, hashes: {"version": version, "length": length, "hashes": hashes}, VERSIONS, NUMBERS, HASHES
)
TARGETS = st.builds(
    lambda length, hashes, more: {"length": length, "hashes": hashes} | more,
    st.integers(0) | NUMBERS,
    HASHES,
    SOMETIMES,
)
NAMES = st.sampled_from(["bin-0.json", "bin-1.json", "bins.json"]) | NASTY
DATES = st.sampled_from(["2027-01-01T00:00:00Z", "2027-1-1T0:0:0Z", "2027-01-01T00:00:00+00:00", ""])
KINDS = st.builds(lambda meta: {"_type": "snapshot", "meta": meta}, st.dictionaries(NAMES, FILES, max_size=4)) | (
    st.builds(lambda targets: {"_type": "targets", "targets": targets}, st.dictionaries(NAMES, TARGETS, max_size=4))
)
BODIES = st.builds(
    lambda kind, version, expires, more: (
        {"version": version, "expires": expires, "spec_version": SPEC_VERSION} | more | kind
    ),
    KINDS,
    VERSIONS,
    DATES,
    st.dictionaries(NASTY | st.sampled_from(["meta", "delegations", "x-role", "version"]), JSON, max_size=2),
)

SOURCES = "1420ef97"


def outcome(made: Any) -> Any:
    """What a call gives, or the type of what it raises: texts may differ."""
    try:
        return made()
    except Exception as error:
        return type(error)


def metadata_of(body: Any) -> Metadata[Any] | None:
    with suppress(RepositoryError, UnicodeEncodeError):
        return Metadata.from_bytes(json.dumps({"signatures": [], "signed": body}).encode())
    return None


COMMON = {"version": 1, "expires": "2027-01-01T00:00:00Z", "spec_version": SPEC_VERSION}
ODD: list[Any] = [
    *(
        {"_type": "snapshot", "meta": {name: {"version": 1}}}
        for name in ('a"b', "a\\b", "a\nb", "\ud800", "𝔘", "\uffff")
    ),
    *(
        {"_type": "snapshot", "meta": {"a": {"version": 1} | more}}
        for more in ({"x": 1.5}, {"length": None}, {"x": [1]})
    ),
    *({"_type": "snapshot", "meta": {"a": {"version": version}}} for version in (True, 1.5, 2**70)),
    *({"_type": "snapshot", "meta": {"a": {"version": 1, "length": length}}} for length in (True, 1.5, 7)),
    *({"_type": "snapshot", "meta": {"a": {"version": v, "hashes": {"sha256": "00"}}}} for v in (1, True)),
    {"_type": "snapshot", "meta": {"b": {"version": 1}, "a": {"version": 2}}},
    *({"_type": "snapshot", "meta": {}, "x": value} for value in (1.5, "\n", [], {"a": 1.5}, None, False)),
    *({"_type": "targets", "targets": {}, "x": value} for value in (1.5, "\n", [1.5], {"a": 1}, None, False)),
    *(
        {"_type": "targets", "targets": {"a": {"length": length, "hashes": {"sha256": "0"}}}}
        for length in (True, 1.5, 7)
    ),
    {"_type": "targets", "targets": {"a": {"length": 1, "hashes": {"sha256": "0"}, "custom": {"x": 1.5}}}},
    {"_type": "targets", "targets": {}, "delegations": {"keys": {}, "roles": [], "x": 1.5}},
]


@pytest.mark.parametrize("body", ODD, ids=repr)
def test_what_canonical_json_has_no_plain_form_for_is_the_reference_encoders(body: Any) -> None:
    metadata = metadata_of(COMMON | body)
    assert metadata is not None
    assert outcome(lambda: reading.payload(metadata)) == outcome(lambda: metadata.signed_bytes)


@given(BODIES)
def test_the_payload_is_that_of_the_reference_encoder_byte_for_byte(body: Any) -> None:
    """ADR 30: "whatever JSON a file holds, the payload is python-tuf's, or its error is"."""
    if (metadata := metadata_of(body)) is not None:
        assert outcome(lambda: reading.payload(metadata)) == outcome(lambda: metadata.signed_bytes)


def test_most_of_what_a_registry_signs_is_made_the_fast_way(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.say("flask")
    monkeypatch.setattr(CanonicalJSONSerializer, "serialize", lambda *_: pytest.fail("the reference encoder was asked"))
    for role in ("snapshot", world.repository.bin_of("flask")):
        assert reading.read(world.repository.files[world.repository.newest(role)]).payload


# Files, with everything that JSON text can say and a model cannot.


def rendered(value: Any, spell: Any) -> str:
    """JSON text in one of many spellings: some keys twice, white space, escapes, any order."""
    match value:
        case dict():
            members = [f"{rendered(key, spell)}:{rendered(item, spell)}" for key, item in value.items()]
            twice = members + [members[0]] * spell(st.sampled_from([0, 0, 0, 1])) if members else []
            return "{" + ",".join(twice) + " " * spell(st.sampled_from([0, 0, 0, 1])) + "}"
        case list():
            return "[" + ",".join(rendered(item, spell) for item in value) + "]"
    return json.dumps(value, ensure_ascii=spell(st.booleans()))


@given(st.data(), BODIES)
def test_the_loader_accepts_exactly_what_python_tuf_accepts(data: Any, body: Any) -> None:
    """Whichever bytes were signed: the canonical form of what was parsed, or the file's own spelling."""
    text = rendered(body, data.draw)
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return
    metadata = metadata_of(body)
    canonical = outcome(lambda: metadata.signed_bytes) if metadata is not None else raw
    signed = canonical if isinstance(canonical, bytes) and data.draw(st.booleans()) else raw
    signatures = json.dumps([paper.ONLINE.sign(signed).to_dict()])
    file = f'{{"signatures":{signatures},"signed":{text}}}'.encode()
    role, delegator = (Snapshot, ROOT) if body["_type"] == "snapshot" else (Targets, BINS)
    name = "snapshot" if role is Snapshot else "bin-0"
    reference = trusted_metadata_set._load_from_metadata
    fast = reading._loader(reference, reading.remembering())
    for wanted in (role, Snapshot, Targets):
        assert outcome(lambda: fast(wanted, file, delegator, name)) == outcome(  # noqa: B023 - called at once
            lambda: reference(wanted, file, delegator, name)  # noqa: B023
        )


ENTRY = st.sampled_from(
    [
        *(f'"bin-{number:x}.json":{{"version":{version}}}' for number in range(3) for version in (100000, 200001)),
        '"bin-3fff.json":{"version":9}',
        '"bin-1.json":{"version":0}',
        '"bin-1.json":{"version":1.0}',
        '"bin-1.json":{"version":01}',
        '"bin-1.json":{"length":1,"version":2}',
        '"bins.json":{"version":3}',
        '"targets.json":{"hashes":{"sha256":"00"},"length":1,"version":3}',
        '"aa.json":{"version":1}',
        '"x":{"version":1,"y":[{"bin-0.json":{"version":1}}]}',
        "",
        " ",
    ]
)
ENDS = st.sampled_from(
    [
        '},"spec_version":"1.0.31","version":7}}',
        '},"spec_version":"1.0.31","version":7,"x":1}}',
        '},"spec_version":"1.0.31","version":7,"meta":{"bin-0.json":{"version":8}}}}',
        '},"spec_version":"1.0.31","version":7,"x-meta":{"bin-0.json":{"version":8}}}}',
        '},"spec_version":"1.0.31","version":7,"m\\u0065ta":{"bin-0.json":{"version":8}}}}',
        '},"spec_version":"1.0.31","version":7,"_type":"targets"}}',
        '},"spec_version":"1.0.31","version":7},"signed":{}}',
        '},"version":7}}',
    ]
)
STARTS = st.sampled_from(
    [
        '{"signatures":[],"signed":{"_type":"snapshot","expires":"2027-01-01T00:00:00Z","meta":{',
        '{"signatures":[{"keyid":"a","sig":"00"}],"signed":{"_type":"snapshot","expires":"2027-01-01T00:00:00Z","meta":{',
        '{"signatures":[{"keyid":"]","sig":"00"}],"signed":{"_type":"snapshot","expires":"2027-01-01T00:00:00Z","meta":{',
        '{"signatures":[],"signed":{"_type":"snapshot","expires":"2027-1-1T00:00:00Z","meta":{',
        '{"signatures":[],"signed":{"_type":"snapshot","expires":"","meta":{',
        '{"signatures":[],"signed":{"_type":"targets","expires":"2027-01-01T00:00:00Z","meta":{',
        '{"signatures":[],"signed":{"_type":"snapshot","expires":"2027-01-01T00:00:00Z","x":{},"meta":{',
    ]
)


@given(STARTS, st.lists(ENTRY, max_size=6), st.sampled_from([",", ",", ",", ", ", ",,"]), ENDS)
def test_a_snapshot_s_bins_are_read_as_python_tuf_reads_them(start: str, entries: Any, comma: str, end: str) -> None:
    """ADR 30: "the text of the bins is taken out, and what it says is what it would say in its place"."""
    data = f"{start}{comma.join(entries)}{end}".encode()
    found, expected = outcome(lambda: reading.read(data)), outcome(lambda: Metadata.from_bytes(data))
    payload = expected if isinstance(expected, type) else outcome(lambda: expected.signed_bytes)
    if isinstance(payload, type):
        assert found is payload
    else:
        assert (found.metadata, found.payload) == (expected, payload)


def test_the_bins_of_what_a_registry_signs_are_read_in_one_go(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish()
    data = world.repository.files[world.repository.newest("snapshot")]
    seen: list[bytes] = []
    from_bytes = Metadata.from_bytes
    monkeypatch.setattr(Metadata, "from_bytes", lambda data: (seen.append(data), from_bytes(data))[1])
    found = reading.read(data)
    assert len(seen) == 1 and b"bin-0" not in seen[0]
    assert found.metadata == from_bytes(data) and found.payload == from_bytes(data).signed_bytes


def test_one_entry_stands_for_a_version_in_every_snapshot(world: Any) -> None:
    remembered = reading.remembering()
    meta = []
    for _ in range(2):
        world.publish()
        meta.append(remembered(world.repository.files[world.repository.newest("snapshot")]).metadata.signed.meta)
    assert meta[0]["bin-0.json"] is meta[1]["bin-0.json"]


def delegators() -> tuple[Root, Targets]:
    made = paper.Paper(NOW)
    root: Metadata[Root] = Metadata.from_bytes(made.root)
    bins: Metadata[Targets] = Metadata.from_bytes(made.files["metadata/1.bins.json"])
    return root.signed, bins.signed


ROOT, BINS = delegators()


@pytest.mark.parametrize("role", ["snapshot", "bin"])
def test_one_changed_byte_anywhere_is_refused(world: Any, role: str) -> None:
    world.say("flask")
    name = world.repository.bin_of("flask") if role == "bin" else role
    kind, delegator = (Targets, BINS) if role == "bin" else (Snapshot, ROOT)
    data = world.repository.files[world.repository.newest(name)]
    fast = reading._loader(trusted_metadata_set._load_from_metadata, reading.remembering())
    assert fast(kind, data, delegator, name)[0].version > 0
    begin = data.index(b'"signed":')
    for place in range(begin, len(data) - 1):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises((RepositoryError, ValueError)):
            fast(kind, changed, delegator, name)


# What is remembered.


def test_the_bytes_in_the_directory_are_read_even_where_what_they_said_is_remembered(world: Any) -> None:
    """Trusted judges the files that are there, and not what the loader saw."""
    world.say("flask")
    session = world.session()
    path = world.directory / "metadata" / "snapshot.json"
    remembered = reading.remembering()
    remembered(path.read_bytes())
    body = json.loads(path.read_bytes())
    body["signed"]["version"] += 1
    path.write_bytes(json.dumps(body).encode())
    with pytest.raises(Refused) as caught:
        Trusted(world.directory / "metadata", session.pin.root, remembered)
    assert caught.value.code == "invalid"


def test_a_file_is_parsed_once_for_python_tuf_and_for_our_own_checks(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.say("flask")
    parsed: list[str] = []
    read = reading.read
    monkeypatch.setattr(reading, "read", lambda data, *more: (parsed.append(sha256(data)), read(data, *more))[1])
    world.session().page("flask")
    for role in ("snapshot", "targets", "bins", world.repository.bin_of("flask")):
        assert parsed.count(sha256(world.repository.files[world.repository.newest(role)])) == 1


def test_the_collector_is_on_again_whatever_was_read(world: Any) -> None:
    world.publish()
    reading.read(world.repository.files["metadata/timestamp.json"])
    assert gc.isenabled()
    with pytest.raises(RepositoryError):
        reading.read(b"{}")
    assert gc.isenabled()


# When upstream moves.


def updater_of(world: Any) -> Updater:
    world.publish()
    (world.directory / "metadata").mkdir(parents=True)
    return Updater(
        str(world.directory / "metadata"), "http://x", fetcher=world.fetcher, bootstrap=world.repository.root
    )


def test_the_installed_python_tuf_is_hastened(world: Any) -> None:
    updater = updater_of(world)
    before = updater._trusted_set._load_data
    reading.hasten(updater, reading.read)
    assert updater._trusted_set._load_data is not before, "look at what changed, prove it, and add it to PROVED"
    assert trusted_metadata_set._load_from_metadata is before, "nothing of python-tuf's own module is changed"


def test_a_session_reads_fast(world: Any) -> None:
    world.publish()
    assert world.session()._newest._updater._trusted_set._load_data is not trusted_metadata_set._load_from_metadata


@pytest.mark.parametrize("version", ["7.0.2", "8.0.0"])
def test_another_python_tuf_reads_as_ever(world: Any, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuf.__version__", version)
    updater = updater_of(world)
    before = updater._trusted_set._load_data
    reading.hasten(updater, reading.read)
    assert updater._trusted_set._load_data is before


def test_another_way_to_load_is_left_alone(world: Any) -> None:
    updater = updater_of(world)
    updater._trusted_set._load_data = trusted_metadata_set._load_from_simple_envelope
    reading.hasten(updater, reading.read)
    assert updater._trusted_set._load_data is trusted_metadata_set._load_from_simple_envelope
    del updater._trusted_set
    reading.hasten(updater, reading.read)


def test_what_is_done_here_instead_is_what_it_was_when_this_was_written() -> None:
    """A new version of python-tuf in which these are the same needs no more than its number in PROVED."""
    replaced = (
        trusted_metadata_set._load_from_metadata,
        CanonicalJSONSerializer.serialize,
        Metadata.signed_bytes.fget,
        Snapshot.to_dict,
        MetaFile.to_dict,
        MetaFile.__init__,
        Targets.to_dict,
        TargetFile.to_dict,
        formats.encode_canonical,
        formats._encode_canonical,
        formats._canonical_string_encoder,
    )
    source = "".join(inspect.getsource(each) for each in replaced)
    assert sha256(source.encode())[:8] == SOURCES, f"on Python {sys.version}"


def test_a_deep_document_is_the_reference_encoders_to_refuse() -> None:
    """Python's own encoder bounds nesting elsewhere, from Python 3.12 on."""
    body = {"_type": "snapshot", "version": 1, "expires": "2027-01-01T00:00:00Z", "spec_version": SPEC_VERSION}
    deep: Any = "end"
    for _ in range(sys.getrecursionlimit() // 2):
        deep = [deep]
    metadata = metadata_of(body | {"meta": {}, "x-deep": deep})
    if metadata is not None:
        assert outcome(lambda: reading.payload(metadata)) == outcome(lambda: metadata.signed_bytes)
