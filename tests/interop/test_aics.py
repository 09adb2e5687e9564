"""aics-tlog and aics-witness, by another hand and after the same specifications: they audit our log and cosign it, and
we read what they write and cosign what they ask.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keys.tlog import merkle, notes, proofs
from keys.tlog.merkle import NotProven
from keys.tlog.notes import Note, VerifierKey
from keys.tlog.proofs import Policy
from keys.tlog.tiles import Tree
from repo_service.publishing.witnessing import Panel, Witnesses
from repo_service.publishing.witnessing import Witness as Asked
from repo_service.witness.deciding import Log
from repo_service.witness.serving import Witness
from repo_service.witness.store import Store
from tests.interop import ours
from tests.interop.ours import Ours
from tests.keys.tlog.logs import Reference, lay, leaves_of
from tests.keys.tlog.test_merkle import forged
from tests.keys.tlog.test_tiles import forge
from tests.servers import answers, free_port, until
from tests.witness.grounds import served

AT = 1_790_000_000
ED = ours.WITNESSES[0]


def now() -> datetime:
    return datetime.now(UTC)


def test_aics_audits_every_tile_and_bundle_of_our_log(aics, log):
    import aics_tlog

    reader = aics_tlog.FileSystemTileReader(log.path)
    report = aics_tlog.audit_tiles(reader, log.head.size, log.head.root)
    assert (report.size, report.tiles, report.bundles) == (70_000, 277, 274)
    print(f"{report.tiles} tiles and {report.bundles} bundles of {report.size} leaves accepted by aics-tlog")


def test_aics_verifies_our_checkpoint_and_our_witness(aics, log):
    import aics_tlog

    note = aics_tlog.parse_note(log.sign(ours.WITNESSES, AT).encode())
    policy = aics_tlog.WitnessPolicy(1, (aics_tlog.parse_vkey(str(ED.key)),))
    key = aics_tlog.parse_vkey(str(ours.KEY.key))
    found = aics_tlog.verify_checkpoint(note, key, policy=policy, expected_origin=ours.ORIGIN, now=AT)
    assert (found.ok, found.log_ok, found.size, found.root) == (True, True, 70_000, log.head.root)
    assert (found.witnesses, found.timestamps) == ([ED.key.name], {ED.key.name: AT})


def test_aics_accepts_our_proofs_and_refuses_forged_ones(aics):
    import aics_tlog

    rng, tree = random.Random(7), Reference(leaves_of(2_000))
    accepted = refused = 0
    for _ in range(200):
        size = rng.randrange(1, 2_000)
        index, old = rng.randrange(size), rng.randrange(1, size + 1)
        path, proof = merkle.inclusion(tree.node, index, size), merkle.consistency(tree.node, old, size)
        root, leaf, old_root = tree.root(size), tree.hashes[index], tree.root(old)
        accepted += aics_tlog.verify_inclusion(leaf, index, size, path, root)
        accepted += aics_tlog.verify_consistency(old, size, old_root, root, proof)
        for false in forged(path, rng).values():
            refused += not aics_tlog.verify_inclusion(leaf, index, size, false, root)
        for false in forged(proof, rng).values():
            refused += not aics_tlog.verify_consistency(old, size, old_root, root, false)
    assert accepted == 400
    assert refused > 10_000
    print(f"{accepted} of our proofs accepted by aics-tlog, {refused} forged ones refused")


def test_aics_refuses_the_forged_tile_too(aics, tmp_path):
    import aics_tlog

    log = lay(tmp_path, leaves_of(515))
    forge(log, 7, b"another")
    with pytest.raises(aics_tlog.TileVerificationError, match="tile/0/000 does not match its parent tile"):
        aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(tmp_path), 515, log.root)


def test_we_read_a_log_that_aics_grew(aics, tmp_path):
    import aics_tlog

    rng, leaves = random.Random(8), leaves_of(3_000)
    writer = aics_tlog.IncrementalTileWriter(aics_tlog.DirectoryTileStore(tmp_path, fsync=False))
    while writer.size < len(leaves):
        writer.append(leaves[writer.size : writer.size + rng.randrange(1, 600)])
    tree = Tree(writer.size, writer.root(), lambda path: (tmp_path / path).read_bytes())
    assert [leaf for number in range(-(-writer.size // 256)) for leaf in tree.leaves(number)] == leaves
    print(f"{writer.size} leaves of aics-tlog accepted by us")


@dataclass(frozen=True)
class Stranger:
    """aics-witness at work, as its own commands set it up."""

    url: str
    key: VerifierKey
    command: Callable[..., str]

    def asked_by(self, note: Note, tree: merkle.Nodes) -> tuple[notes.Signature, ...]:
        """By our service, newly begun: it remembers nothing of what this witness knows."""
        return Witnesses(Panel((Asked(self.url, self.key),)), now, deadline_s=20).ask(note, tree)

    def evidence(self) -> list[Any]:
        found = json.loads(self.command("evidence"))
        return list(found if isinstance(found, list) else found["evidence"])


@pytest.fixture
def stranger(aics: Path, tmp_path: Path) -> Iterator[Stranger]:
    program = f"import sys; sys.path.insert(0, {str(aics)!r}); from aics_witness.cli import main; sys.exit(main())"
    start = [sys.executable, "-c", program]
    folder = tmp_path / "witness"
    folder.mkdir()

    def command(*words: str) -> str:
        found = subprocess.run(
            [*start, words[0], "--config", "witness.json", *words[1:]],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        return found.stdout

    port = free_port()
    key = notes.read_key(command("init", "--name", "aics.example/w1", "--listen", f"127.0.0.1:{port}").strip())
    command("add-log", "--origin", ours.ORIGIN, "--vkey", str(ours.KEY.key))
    server = subprocess.Popen([*start, "serve", "--config", "witness.json"], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port))
        yield Stranger(f"http://127.0.0.1:{port}", key, command)
    finally:
        server.terminate()
        server.wait(20)


def signed(log: Ours) -> Note:
    return notes.signed(log.head, (ours.KEY,))


def test_aics_witness_cosigns_our_log_as_it_grows(stranger, tmp_path):
    policy = Policy((ours.KEY.key,), (stranger.key,), 1)
    log, sizes = ours.empty(tmp_path / "log"), []
    for count in (1, 4, 251, 44, 700):
        log = log.more(leaves_of(len(log.leaves) + count)[len(log.leaves) :])
        cosigned = stranger.asked_by(signed(log), log.tree.nodes)
        head = proofs.check_head(Note(log.head.text, (*signed(log).signatures, *cosigned)), policy)
        proofs.check_quorum(head, policy)
        assert abs(head.cosigned[stranger.key] - now().timestamp()) < 60
        sizes.append(head.checkpoint.size)
    assert sizes == [1, 5, 256, 300, 1_000]
    assert stranger.asked_by(signed(log), log.tree.nodes), "the same checkpoint again"
    assert stranger.evidence() == []
    print(f"aics-witness cosigned our checkpoints of {sizes} leaves")


def test_aics_witness_refuses_a_fork_another_root_and_a_step_back(stranger, tmp_path, caplog):
    true = ours.grow(tmp_path / "log", leaves_of(300))
    assert stranger.asked_by(signed(true), true.tree.nodes)
    for leaves in ([*leaves_of(299), b"for a victim"], [b"for a victim", *leaves_of(399)]):
        fork = ours.grow(tmp_path / f"fork-{len(leaves)}", leaves)
        assert stranger.asked_by(signed(fork), fork.tree.nodes) == ()
        assert caplog.records[-1].__dict__["fault"] == "fork"
    back = ours.grow(tmp_path / "back", leaves_of(200))
    assert stranger.asked_by(signed(back), back.tree.nodes) == ()
    assert caplog.records[-1].__dict__["fault"] == "ahead"
    kept = stranger.evidence()
    assert len(kept) == 3, "the other root of one size was asked twice, the second time with the size that it knows"
    print(f"aics-witness refused two forks and a step back, and kept {len(kept)} requests as evidence")


def test_aics_witness_does_not_cosign_what_another_key_signed(stranger, tmp_path, caplog):
    log = ours.grow(tmp_path / "log", leaves_of(10))
    thief = notes.HeldNoteKey(ours.ORIGIN, ours.Ed25519PrivateKey.from_private_bytes(b"\x77" * 32))
    assert stranger.asked_by(notes.signed(log.head, (thief,)), log.tree.nodes) == ()
    assert caplog.records[-1].__dict__["why"] == "it answers with the status 403"


@contextmanager
def our_witness(folder: Path) -> Iterator[str]:
    """A witness of ours with a key of each kind, which knows our log."""
    folder.mkdir()
    store = Store.create(folder)
    for key in ours.WITNESSES:
        store.adopt(key.key)
    store.put(ours.ORIGIN, lambda _: Log((ours.KEY.key,)))
    with closing(store), served(Witness(ours.WITNESSES, store, lambda: int(time.time()))) as url:
        yield url


def test_our_witness_cosigns_what_aics_asks_and_refuses_a_fork(aics, tmp_path):
    from aics_witness import WitnessClient, WitnessRejected

    with our_witness(tmp_path / "witness") as url, WitnessClient(url, str(ED.key)) as client:
        log = ours.empty(tmp_path / "log")
        for count in (1, 299, 400):
            log = log.more(leaves_of(len(log.leaves) + count)[len(log.leaves) :])
            nodes = log.tree.nodes
            line = client.submit(str(signed(log)), lambda old, new, nodes=nodes: merkle.consistency(nodes, old, new))
            cosigned = (notes.read_signature(line.removesuffix("\n")),)
            assert notes.cosigned_at(Note(log.head.text, cosigned), [ED.key])
        fork = ours.grow(tmp_path / "fork", [b"x", *leaves_of(800)])
        with pytest.raises(WitnessRejected, match="422"):
            client.submit(str(signed(fork)), lambda old, new: merkle.consistency(fork.tree.nodes, old, new))
    print("aics-witness's client took three cosignatures of our witness, and its refusal of a fork")


def test_a_log_that_was_tampered_with_is_refused_by_both(aics, tmp_path):
    import aics_tlog

    rng, log = random.Random(9), lay(tmp_path, leaves_of(600))
    for path in log.files():
        good = path.read_bytes()
        at = rng.randrange(len(good))
        path.write_bytes(good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1 :])
        with pytest.raises(aics_tlog.TileVerificationError):
            aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(tmp_path), 600, log.root)
        with pytest.raises(NotProven):
            tree = log.tree
            [*map(tree.leaves, range(3))]
        path.write_bytes(good)
