"""What a witness answers, over HTTP: the table of C2SP tlog-witness, "add-checkpoint", row by row."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from keys.tlog import merkle, notes
from keys.tlog.notes import Checkpoint, HeldNoteKey, Note, Signature
from repo_service.witness.deciding import MAX_BODY
from repo_service.witness.serving import Witness
from repo_service.witness.store import hash_of
from tests.witness.grounds import (
    HTTP,
    NOW,
    NumberedLog,
    ed25519,
    ml_dsa_key,
    post,
    question,
    served,
    witness_at,
    witness_key,
)

LOG = NumberedLog()
FORK = NumberedLog(branch=3)
KEYS = (witness_key(), ml_dsa_key())


@contextmanager
def begun(folder: Path) -> Iterator[Witness]:
    """A witness that cosigned five leaves."""
    with witness_at(folder, [LOG.key], *KEYS) as made:
        assert made.add_checkpoint(LOG.question(0, 5))[0] == 200
        yield made


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """It cosigned five leaves."""
    with begun(tmp_path) as made:
        yield made


@pytest.fixture
def url(witness: Witness) -> Iterator[str]:
    with served(witness) as address:
        yield address


def stranger(size: int = 7) -> Note:
    """The log's checkpoint, signed by a key of the same name that is not the log's."""
    return notes.signed(LOG.checkpoint(size), [HeldNoteKey(LOG.origin, ed25519(9))])


def spoiled(note: Note) -> Note:
    (signature,) = note.signatures
    return replace(note, signatures=(replace(signature, data=bytes(64)),))


def head(size: int, root: bytes) -> Note:
    return notes.signed(Checkpoint(LOG.origin, size, root), [LOG.signer])


def proof(old: int, size: int) -> list[bytes]:
    return merkle.consistency(LOG.nodes, old, size)


def text_signed(text: str) -> Note:
    signature = LOG.signer._private.sign(text.encode())
    return Note(text, (Signature(LOG.key.name, LOG.key.id, signature),))


REFUSED = {
    "another log": (NumberedLog("log.example/two").question(5, 7), 404),
    "another log whose checkpoint is none": (question(5, [], Note("x\n", stranger().signatures)), 404),
    "signed by nobody we know": (question(5, proof(5, 7), stranger()), 403),
    "a bad signature": (question(5, proof(5, 7), spoiled(LOG.note(7))), 403),
    "a good signature and a bad one": (
        question(
            5, proof(5, 7), replace(LOG.note(7), signatures=LOG.note(7).signatures + spoiled(LOG.note(7)).signatures)
        ),
        403,
    ),
    "signed by the witness alone": (question(5, proof(5, 7), notes.signed(LOG.checkpoint(7), KEYS, NOW)), 403),
    "an old size above the checkpoint's": (question(6, [], LOG.note(5)), 400),
    "an old size that is not the last": (LOG.question(4, 7), 409),
    "an old size of nothing": (LOG.question(0, 7), 409),
    "a smaller tree": (LOG.question(3, 4), 409),
    "no proof": (question(5, [], LOG.note(7)), 422),
    "a proof of another tree": (FORK.question(5, 7), 422),
    "a proof that is too long": (question(5, [*proof(5, 7), bytes(32)], LOG.note(7)), 422),
    "a proof that is too short": (question(5, proof(5, 7)[:-1], LOG.note(7)), 422),
    "another root of the same size": (FORK.question(5, 5), 422),
    "a proof where none belongs": (question(5, [bytes(32)], LOG.note(5)), 422),
    "an empty tree with a root": (question(0, [], text_signed(f"{LOG.origin}\n0\n{notes.encoded(bytes(32))}\n")), 422),
    "nothing": (b"", 400),
    "no old size": (LOG.question(5, 7).partition(b"\n")[2], 400),
    "an old size with a zero before it": (question("05", proof(5, 7), LOG.note(7)), 400),
    "an old size below zero": (question("-5", proof(5, 7), LOG.note(7)), 400),
    "an old size in other digits": (question("\u0665", proof(5, 7), LOG.note(7)), 400),
    "64 hashes": (question(5, [bytes(32)] * 64, LOG.note(7)), 400),
    "a hash of 31 bytes": (question(5, [bytes(31)], LOG.note(7)), 400),
    "a hash that is no base64": (LOG.question(5, 7).replace(b"=", b"!", 1), 400),
    "other line ends": (LOG.question(5, 7).replace(b"\n", b"\r\n"), 400),
    "no empty line": (LOG.question(5, 7).replace(b"\n\n", b"\n"), 400),
    "no signature": (LOG.question(5, 7).rpartition("\u2014".encode())[0], 400),
    "a signed text that is no checkpoint": (question(5, [], text_signed(f"{LOG.origin}\nseven\n")), 400),
    "a size with a zero before it": (
        question(5, proof(5, 7), text_signed(LOG.checkpoint(7).text.replace("\n7\n", "\n07\n"))),
        400,
    ),
    "more than a question has": (question(5, proof(5, 7), LOG.note(7)) + b"x" * MAX_BODY, 413),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_refused_by_its_status_and_changes_nothing(case: str, tmp_path: Path) -> None:
    body, status = REFUSED[case]
    with begun(tmp_path) as witness, served(witness) as url:
        found, kind, text = post(url, body)
        assert found == status, text
        assert "\u2014" not in text
        if status == 409:
            assert (kind, text) == ("text/x.tlog.size", "5\n")
        assert post(url, LOG.question(5, 7))[0] == 200


@pytest.mark.parametrize("size", [5, 6, 8, 1000])
def test_a_tree_that_goes_on_is_cosigned_with_every_key(size: int, url: str) -> None:
    status, _, text = post(url, LOG.question(5, size))
    assert status == 200
    note = Note(LOG.checkpoint(size).text, tuple(map(notes.read_signature, text.splitlines())))
    assert notes.cosigned_at(note, [key.key for key in KEYS]) == {key.key: NOW for key in KEYS}


def test_an_empty_tree_is_cosigned_and_goes_on(tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], witness_key()) as witness:
        assert [witness.add_checkpoint(LOG.question(0, size))[0] for size in (0, 0, 3)] == [200, 200, 200]
        assert witness.add_checkpoint(question(0, [bytes(32)], LOG.note(3)))[0] == 409


def test_a_proof_of_what_follows_nothing_is_empty(tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], witness_key()) as witness:
        assert witness.add_checkpoint(question(0, [bytes(32)], LOG.note(3)))[0] == 422


def test_signatures_of_others_and_extension_lines_are_let_pass(url: str) -> None:
    note = notes.signed(replace(LOG.checkpoint(7), extensions=("more",)), [LOG.signer])
    body = question(5, proof(5, 7), replace(note, signatures=(*stranger().signatures, *note.signatures)))
    assert post(url, body)[0] == 200


def test_a_monitor_reads_the_last_checkpoint_with_the_signatures_of_both(url: str) -> None:
    cosigned = post(url, LOG.question(5, 7))[2]
    answer = HTTP.request("GET", f"{url}/{hash_of(LOG.origin)}/checkpoint")
    assert (answer.status, answer.data.decode()) == (200, f"{LOG.note(7)}{cosigned}")


@pytest.mark.parametrize("path", [hash_of("log.example/two"), hash_of(LOG.origin).upper(), LOG.origin, "..", "%00"])
def test_a_monitor_finds_no_checkpoint_where_none_was_cosigned(path: str, url: str) -> None:
    assert HTTP.request("GET", f"{url}/{path}/checkpoint").status == 404


def test_a_log_that_is_known_and_was_never_cosigned_has_no_checkpoint(tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], witness_key()) as witness:
        assert witness.checkpoint(hash_of(LOG.origin))[0] == 404


def test_a_person_reads_who_it_is_and_which_logs_it_knows(url: str) -> None:
    answer = HTTP.request("GET", f"{url}/")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.data.decode() == f"{KEYS[0].key}\n{KEYS[1].key}\n\n{LOG.origin}: 5 leaves, cosigned 0 s ago\n"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/add-checkpoint", 405), ("PUT", "/add-checkpoint", 405), ("POST", "/", 405), ("GET", "/more", 404),
     ("POST", "/add-checkpoint/", 404), ("POST", "/sign-subtree", 404), ("HEAD", "/", 200)],
)  # fmt: skip
def test_other_addresses_and_methods_are_told_so(method: str, path: str, status: int, url: str) -> None:
    assert HTTP.request(method, url + path).status == status


def test_a_connection_is_kept_for_the_next_question(url: str) -> None:
    import urllib3

    with urllib3.HTTPConnectionPool("127.0.0.1", int(url.rpartition(":")[2]), maxsize=1) as pool:
        for old, size in ((5, 6), (6, 7), (7, 9)):
            assert pool.urlopen("POST", "/add-checkpoint", body=LOG.question(old, size)).status == 200
        assert pool.num_connections == 1


def test_who_asks_too_slowly_loses_the_connection(tmp_path: Path) -> None:
    with begun(tmp_path) as witness, served(witness, request_s=0.5) as url:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        with (
            socket.create_connection(address, timeout=10) as silent,
            socket.create_connection(address, timeout=10) as slow,
        ):
            slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nold 5")
            since = time.monotonic()
            while time.monotonic() - since < 5:
                try:
                    slow.sendall(b" ")
                    time.sleep(0.1)
                except OSError:
                    break
            else:
                pytest.fail("it waits for as long as one likes")
            assert silent.recv(1) == b""
        assert post(url, LOG.question(5, 7))[0] == 200


def test_a_clock_that_went_back_signs_nothing_dated_before_what_it_signed(tmp_path: Path) -> None:
    clock = [NOW]
    with witness_at(tmp_path, [LOG.key], witness_key(), clock=clock) as witness:
        assert witness.add_checkpoint(LOG.question(0, 5))[0] == 200
        clock[0] = NOW - 61
        assert witness.add_checkpoint(LOG.question(5, 6))[0] == 503
        clock[0] = NOW - 60
        assert witness.add_checkpoint(LOG.question(5, 6))[0] == 200
        log = witness.store.log(LOG.origin)
        assert log is not None and log.head is not None and log.head.at == NOW
