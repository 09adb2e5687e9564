"""Any bytes as a lock file, and real ones changed anywhere: an answer or a usage error, and no hash is passed over."""

import re
import tomllib
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from pip._internal.req.req_file import COMMENT_RE, ignore_comments, join_lines

from client_verify.locks import requirements
from client_verify.locks.entries import Lock
from client_verify.locks.reading import read
from client_verify.locks.rewriting import rewritten
from client_verify.refusals import Usage
from tests.client.test_locks import SAMPLES

HASH = re.compile(r"(?<![0-9a-z])[0-9a-f]{64}(?![0-9a-z])")
OWN = {"poetry.lock": "content-hash", "pdm.lock": "content_hash", "pdm.static.lock": "content_hash"}
PIECES = st.sampled_from(
    ["\\", "\n", "#", " #", " ", "\t", "\r\n", "-r x", "--hash=sha256:", "ab" * 32, "x==1", "\x0c", "'", ";", "\\\\"]
)


@st.composite
def changed(draw):
    """A real lock file with some pieces cut out, doubled, or replaced by pieces of another."""
    name, other = draw(st.sampled_from([*SAMPLES])), draw(st.sampled_from([*SAMPLES]))
    text, donor = SAMPLES[name], SAMPLES[other]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 200)))
        place = draw(st.integers(0, len(donor)))
        new = draw(
            st.one_of(
                st.just(""),
                st.text(max_size=4),
                st.sampled_from(['"', "'", "[", "]", "{", "}", "=", "\n", ",", "#", "\\", "sha256:", "[[package]]\n"]),
                st.just(donor[place : place + 80]),
                st.just(text[start:end] * 2),
            )
        )
        text = text[:start] + new + text[end:]
    return name, text


LINES = st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=30).map("".join)


def said(lock):
    """Every hash of an answer."""
    return {each.sha256 for each in lock.entries} | {digest for each in lock.unverifiable for digest in each.sha256s}


def pip_lines(lines):
    """Lines of requirements, joined and without comments: by pip."""
    return [line for _, line in ignore_comments(join_lines(enumerate(line.removesuffix("\r") for line in lines)))]


def hashes_in(name, text):
    """Every hash that stands in a lock file and is of something to install, found without reading it."""
    if name.endswith(".txt"):
        return set(HASH.findall("\n".join(pip_lines(text.split("\n"))).lower()))
    document = tomllib.loads(text)
    document.pop("tool", None)
    if isinstance(metadata := document.get("metadata"), dict):
        metadata.pop(OWN.get(name), None)
    return set(HASH.findall(repr(document).lower()))


@given(st.sampled_from([*SAMPLES]), st.binary(max_size=300))
def test_any_bytes_are_answered_or_a_usage_error(name, data):
    with suppress(Usage):
        assert isinstance(read(name, data), Lock)


@given(changed())
def test_no_hash_in_a_changed_lock_file_is_passed_over(case):
    name, text = case
    try:
        lock = read(name, text.encode("utf-8", "surrogatepass"))
    except Usage:
        return
    assert said(lock) == hashes_in(name, text)
    for each in (*lock.unverifiable, *lock.local):
        assert str(each).isprintable()


@given(changed(), st.sampled_from(["http://127.0.0.1:1", "https://registry.example.test/x"]))
def test_rewriting_leaves_everything_but_addresses_byte_for_byte(case, base):
    name, text = case
    try:
        data = text.encode()
        lock = read(name, data)
        changes = {each.url: f"{base}/{number}" for number, each in enumerate(lock.entries) if each.url}
        changes |= {index.url: base for index in lock.indexes}
        new = rewritten(name, data, changes).decode()
    except (Usage, UnicodeEncodeError):
        return
    for old, value in sorted(changes.items(), key=lambda each: -len(each[1])):
        new = new.replace(value, old) if text.count(old) == new.count(value) else new
    assert re.sub(r"https?://[^\s\"']*", "", new) == re.sub(r"https?://[^\s\"']*", "", text)


@given(LINES)
def test_lines_of_requirements_are_joined_and_stripped_as_pip_does_it(text):
    """On text whose lines end in LF or CRLF alone, which is all that ``items`` takes as lines."""
    raw = re.sub(r"[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]|\r(?!\n)", "", text)
    assert COMMENT_RE.pattern == requirements._COMMENT.pattern
    assert [*requirements.logical(raw.split("\n"))] == pip_lines(raw.splitlines())


@given(LINES)
def test_no_hash_in_any_requirements_is_passed_over(text):
    with suppress(Usage, UnicodeEncodeError):
        lock = read("requirements.txt", text.encode())
        assert said(lock) == hashes_in("requirements.txt", text)
