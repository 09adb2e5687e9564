"""Go reads and proves our log, and we read and prove one of Go's: golang.org/x/mod/sumdb, in which no line is ours."""

import json
import random

import pytest

from keys.tlog import merkle, notes, proofs
from keys.tlog.merkle import NotProven
from keys.tlog.notes import encoded
from keys.tlog.proofs import Policy
from keys.tlog.tiles import Tree
from tests.interop import ours
from tests.keys.tlog.logs import Reference, lay, leaves_of
from tests.keys.tlog.test_merkle import forged
from tests.keys.tlog.test_tiles import forge

AT = 1_790_000_000


def test_go_proves_every_record_of_our_log_and_that_it_only_grew(go, log):
    rng = random.Random(5)
    sizes = sorted({1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000, *rng.sample(range(1, 70_000), 100)})
    log.sign(ours.WITNESSES, AT)
    keys = [ours.KEY.key, *(each.key for each in ours.WITNESSES)]
    found = go("audit", log.path, ",".join(map(str, keys)), ",".join(map(str, sizes)))
    assert found == {
        "origin": ours.ORIGIN, "size": 70_000, "records": 70_000, "direct": 50, "trees": len(sizes),
        "signed": [each.name for each in keys], "unknown": 0,
    }  # fmt: skip
    print(f"{found['records']} records, {found['trees']} trees, {len(found['signed'])} signatures accepted by Go")


def test_go_passes_over_witnesses_that_it_does_not_know(go, log):
    log.sign(ours.WITNESSES, AT)
    found = go("audit", log.path, ours.KEY.key, "1")
    assert (found["signed"], found["unknown"]) == ([ours.ORIGIN], 2)


@pytest.mark.parametrize("which", range(3))
def test_go_refuses_a_note_with_a_signature_that_does_not_verify(which, go, log):
    note = notes.read_note(log.sign(ours.WITNESSES, AT).encode())
    false = [*note.signatures]
    false[which] = notes.Signature(false[which].name, false[which].id, false[which].data[:-1] + b"\0")
    (log.path / "checkpoint").write_text(str(notes.Note(note.text, tuple(false))))
    keys = [ours.KEY.key, *(each.key for each in ours.WITNESSES)]
    with pytest.raises(AssertionError, match="invalid signature"):
        go("audit", log.path, ",".join(map(str, keys)), "1")


def test_go_accepts_our_proofs_and_refuses_forged_ones(go):
    rng, tree = random.Random(6), Reference(leaves_of(2_000))
    good, bad = list[dict[str, object]](), list[dict[str, object]]()

    def spelled(proof: list[bytes], **fields: object) -> dict[str, object]:
        return fields | {"Proof": [*map(encoded, proof)]}

    for _ in range(400):
        size = rng.randrange(1, 2_000)
        index, old = rng.randrange(size), rng.randrange(1, size + 1)
        record = {"New": size, "NewRoot": encoded(tree.root(size)), "Index": index, "Leaf": encoded(tree.hashes[index])}
        growth = {
            "New": size, "NewRoot": encoded(tree.root(size)), "Old": old, "OldRoot": encoded(tree.root(old)),
        }  # fmt: skip
        path, proof = merkle.inclusion(tree.node, index, size), merkle.consistency(tree.node, old, size)
        good += [spelled(path, **record), spelled(proof, **growth)]
        bad += [spelled(each, **record) for each in forged(path, rng).values()]
        bad += [spelled(each, **growth) for each in forged(proof, rng).values()]
    found = go("check", lines="\n".join(map(json.dumps, good)))
    assert found == {"accepted": 800, "refused": 0}
    refused = go("check", lines="\n".join(map(json.dumps, bad)))
    assert refused == {"accepted": 0, "refused": len(bad)}
    print(f"{found['accepted']} of our proofs accepted by Go, {refused['refused']} forged ones refused")


@pytest.mark.parametrize("size", [1, 256, 515, 70_000])
def test_we_read_a_log_that_go_wrote(size, go, tmp_path):
    keys = go("write", tmp_path, "go.example/log", size, AT)
    witnesses = tuple(map(notes.read_key, keys["witnesses"]))
    policy = Policy((notes.read_key(keys["log"]),), witnesses, 2)
    head = proofs.check_head(notes.read_note((tmp_path / "checkpoint").read_bytes()), policy)
    proofs.check_quorum(head, policy)
    assert head.cosigned == dict.fromkeys(witnesses, AT)
    tree = Tree(head.checkpoint.size, head.checkpoint.root, lambda path: (tmp_path / path).read_bytes())
    leaves = [leaf for number in range(-(-size // 256)) for leaf in tree.leaves(number)]
    assert leaves == [b"go %d" % index for index in range(size)]
    for old in {1, size // 2 or 1, size}:
        merkle.check_consistency(old, size, merkle.consistency(tree.nodes, old, size), tree.root_at(old), tree.root)
    print(f"{len(leaves)} leaves and {len(head.cosigned)} cosignatures of Go accepted by us")


def test_the_forged_tile_was_believed_by_older_go_and_is_refused_by_go_and_by_us(go, faulty_go, tmp_path):
    """CVE-2026-56865 (tests/keys/tlog/test_tiles.py): the attack is the real one."""
    log = lay(tmp_path, leaves_of(515))
    asked = ("leaf", tmp_path, 515, encoded(log.root), 7)
    assert go(*asked) == faulty_go(*asked) == {"leaf": "leaf 7"}
    forge(log, 7, b"another")
    assert faulty_go(*asked) == {"leaf": "another"}
    assert go(*asked) == {"refused": "downloaded inconsistent tile"}
    with pytest.raises(NotProven):
        log.tree.leaf(7)
    print("the forged tile is believed by x/mod as it was, refused by x/mod as it is")
