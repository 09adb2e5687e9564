"""A witness never goes back, whatever it is asked, by how many at once, and whatever happens to its files."""

import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.tlog import merkle, notes
from keys.tlog.notes import Checkpoint
from repo_service import failpoint
from repo_service.witness import keyring
from repo_service.witness.keyring import BadKey
from repo_service.witness.serving import Witness
from repo_service.witness.store import FILE, HEADS, BadStore, Store, hash_of, locked
from tests.service.dying import dying_at
from tests.witness.grounds import NumberedLog, ed25519, post, question, served, witness_at, witness_key

LOG = NumberedLog()
TREES = (LOG, NumberedLog(branch=2), NumberedLog(branch=5))
OTHER = NumberedLog("log.example/two", number=2)
KEY = witness_key()


def are_one_chain(heads: list[Checkpoint]) -> bool:
    """Whether some one tree begins with each of them: each is a head of the tree that the largest is of."""
    if not heads:
        return True
    last = max(heads, key=lambda head: head.size)
    (tree, *_) = (each for each in TREES if each.checkpoint(last.size).root == last.root)
    return all(tree.checkpoint(head.size).root == head.root for head in heads)


def answered(witness: Witness, body: bytes, head: Checkpoint) -> list[Checkpoint]:
    """The head, if it was cosigned."""
    status, _, text = witness.add_checkpoint(body)
    if status != 200:
        return []
    signatures = tuple(map(notes.read_signature, text.splitlines()))
    assert notes.cosigned_at(notes.Note(head.text, signatures), [KEY.key])
    return [head]


ASKED = st.tuples(
    st.sampled_from(TREES),  # whose checkpoint
    st.sampled_from(TREES),  # whose proof
    st.one_of(st.none(), st.integers(0, 12)),  # from which size: none is the right one
    st.integers(0, 12),
    st.integers(-1, 1),  # a hash less, or more
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ASKED, max_size=12))
def test_what_is_cosigned_of_one_log_is_one_chain(
    asked: list[tuple[NumberedLog, NumberedLog, int | None, int, int]],
) -> None:
    """tlog-cosignature: "the consistent tree head with the largest size the cosigner has observed"."""
    cosigned: list[Checkpoint] = []
    with TemporaryDirectory() as folder, witness_at(Path(folder), [LOG.key], KEY) as witness:
        for tree, prover, said, size, more in asked:
            old = said if said is not None else cosigned[-1].size if cosigned else 0
            proof = merkle.consistency(prover.nodes, old, size) if old <= size else []
            body = question(old, proof[: len(proof) + min(more, 0)] + [bytes(32)] * max(more, 0), tree.note(size))
            cosigned += answered(witness, body, tree.checkpoint(size))
    assert [head.size for head in cosigned] == sorted(head.size for head in cosigned)
    assert are_one_chain(cosigned)


def test_many_at_once_are_never_answered_with_a_step_back(tmp_path: Path) -> None:
    """tlog-witness: "otherwise the following race can occur"."""
    told: list[tuple[int, int]] = []
    statuses: Counter[int] = Counter()
    with witness_at(tmp_path, [LOG.key, OTHER.key], KEY) as witness, served(witness) as url:

        def ask(number: int) -> None:
            tree = TREES[number % 3]
            for turn in range(12):
                status, _, text = post(url, tree.question(0, 1 + (turn * 5 + number) % 30))
                old = int(text) if status == 409 else 0
                size = max(old, old + (turn + number) % 4)
                status, _, text = post(url, tree.question(old, size))
                statuses[status] += 1
                if status == 200:
                    told.append((size, tree.checkpoint(size).root[0]))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log = witness.store.log(LOG.origin)
        assert log is not None and log.head is not None
        assert max(size for size, _ in told) <= log.head.checkpoint.size
        assert {409, 200} <= statuses.keys()
        roots = Counter({size for size, _ in told})
        assert len({*told}) == len(roots), "two roots of one size"


@contextmanager
def meanwhile(point: str, do: Callable[[], None]) -> Iterator[list[threading.Thread]]:
    """Another thread begins to do something when this one passes a point, which waits until it is done, or stuck."""
    others: list[threading.Thread] = []

    def other() -> None:
        with suppress(sqlite3.Error):  # what it did not do is looked for by the test
            do()

    def reached(name: str) -> None:
        if name == point and not others:
            others.append(threading.Thread(target=other))
            others[0].start()
            others[0].join(0.3)
            assert others[0].is_alive(), "it did not wait"

    failpoint.arm(reached)
    try:
        yield others
    finally:
        failpoint.arm(None)
    others[0].join()


def test_whoever_comes_between_comparing_and_writing_waits(tmp_path: Path) -> None:
    """tlog-witness: "checking the old size … and persisting the new checkpoint must be performed atomically"."""
    late: list[int] = []
    with witness_at(tmp_path, [LOG.key], KEY) as witness:
        assert witness.add_checkpoint(LOG.question(0, 5))[0] == 200
        with meanwhile("witness.decided", lambda: late.append(witness.add_checkpoint(LOG.question(5, 9))[0])):
            assert witness.add_checkpoint(LOG.question(5, 7))[0] == 200
        assert late == [409]


def test_a_monitor_sees_nothing_that_is_not_durable_yet(tmp_path: Path) -> None:
    seen: list[str] = []
    with witness_at(tmp_path, [LOG.key], KEY) as witness:
        with meanwhile("witness.before_commit", lambda: seen.append(witness.checkpoint(hash_of(LOG.origin))[2])):
            assert witness.add_checkpoint(LOG.question(0, 5))[0] == 200
        assert seen == [witness.checkpoint(hash_of(LOG.origin))[2]]


@pytest.mark.parametrize("point", ["witness.decided", "witness.before_commit"])
def test_killed_before_the_commit_nothing_was_cosigned(point: str, tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], KEY) as witness, dying_at(point):
        witness.add_checkpoint(LOG.question(0, 5))
    with witness_at(tmp_path, [LOG.key], KEY) as witness:
        assert witness.add_checkpoint(TREES[1].question(0, 5))[0] == 200


@pytest.mark.parametrize("point", ["witness.committed", "witness.marked"])
def test_killed_after_the_commit_another_tree_of_that_size_is_refused(point: str, tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], KEY) as witness, dying_at(point):
        witness.add_checkpoint(LOG.question(0, 5))
    with witness_at(tmp_path, [LOG.key], KEY) as witness:
        assert witness.add_checkpoint(TREES[1].question(0, 5))[0] == 409
        assert witness.add_checkpoint(TREES[1].question(5, 5))[0] == 422
        assert witness.add_checkpoint(LOG.question(5, 5))[0] == 200


def test_a_database_that_was_restored_is_never_signed_by_again(tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], KEY) as witness:
        witness.add_checkpoint(LOG.question(0, 5))
    shutil.copy(tmp_path / FILE, tmp_path / "backup")
    with witness_at(tmp_path, [LOG.key], KEY) as witness:
        witness.add_checkpoint(LOG.question(5, 7))
    shutil.copy(tmp_path / "backup", tmp_path / FILE)
    with pytest.raises(BadStore, match="is older than what was cosigned"), witness_at(tmp_path, [LOG.key], KEY):
        pass


def test_a_database_that_took_another_way_is_never_signed_by_again(tmp_path: Path) -> None:
    for name, tree in (("one", LOG), ("two", TREES[1])):
        (tmp_path / name).mkdir()
        with witness_at(tmp_path / name, [LOG.key], KEY) as witness:
            witness.add_checkpoint(tree.question(0, 5))
    shutil.copy(tmp_path / "two" / FILE, tmp_path / "one" / FILE)
    with pytest.raises(BadStore, match="is older than what was cosigned"), witness_at(tmp_path / "one", [], KEY):
        pass


def test_a_database_of_another_witness_is_not_signed_by(tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], KEY):
        pass
    with closing(Store(tmp_path)) as store, pytest.raises(BadStore, match=r"is not the memory of witness.example/w2"):
        store.check_own([witness_key(2).key])


def test_two_cannot_hold_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(BadStore, match="another witness works in"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_memory_that_is_missing_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(BadStore, match="is missing"):
        Store(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_key_that_others_can_read_is_not_signed_with(tmp_path: Path) -> None:
    keyring.write(tmp_path, keyring.ED25519, "witness.example/w1", ed25519(5))
    assert [key.key.name for key in keyring.read(tmp_path)] == ["witness.example/w1"]
    (tmp_path / keyring.ED25519).chmod(0o640)
    with pytest.raises(BadKey, match="can be read by others"):
        keyring.read(tmp_path)


def test_a_key_under_another_name_or_line_is_not_signed_with(tmp_path: Path) -> None:
    keyring.write(tmp_path, keyring.ED25519, "witness.example/w1", ed25519(5))
    (tmp_path / "witness.vkey").write_text(f"{KEY.key}\n")
    with pytest.raises(BadKey, match="is not the private key of"):
        keyring.read(tmp_path)


def test_a_mark_that_was_left_half_written_is_no_mark(tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], KEY) as witness:
        witness.add_checkpoint(LOG.question(0, 5))
    (tmp_path / HEADS / f".{hash_of(LOG.origin)}").write_bytes(b"half")
    with witness_at(tmp_path, [LOG.key], KEY) as witness:
        assert witness.add_checkpoint(LOG.question(5, 7))[0] == 200


@pytest.mark.parametrize("sql", ["UPDATE logs SET size = 4", "UPDATE logs SET size = NULL", "DELETE FROM logs"])
def test_the_database_itself_refuses_to_go_back(sql: str, tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], KEY) as witness:
        witness.add_checkpoint(LOG.question(0, 5))
        with pytest.raises(sqlite3.IntegrityError):
            witness.store._connection.execute(sql)


def test_a_head_that_cannot_be_marked_is_not_shown(tmp_path: Path) -> None:
    with witness_at(tmp_path, [LOG.key], KEY) as witness:
        shutil.rmtree(tmp_path / HEADS)
        with pytest.raises(FileNotFoundError):
            witness.add_checkpoint(LOG.question(0, 5))
    with witness_at(tmp_path, [LOG.key], KEY) as witness:
        assert witness.add_checkpoint(LOG.question(5, 7))[0] == 200
