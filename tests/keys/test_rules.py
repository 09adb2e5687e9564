"""Take metadata that a ceremony sealed, break one thing, and expect that one problem."""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from securesystemslib.signer import SSlibKey
from tuf.api.metadata import DelegatedRole, Root, TargetFile, Targets

from keys import records, rules
from tests.world import BEGIN, held_key, online_key, root_of_trust

TRUST: Final = root_of_trust(held=("requests",))
KEYID: Final = held_key(1).record.keyid
ONLINE: Final = online_key().record.keyid
FOREIGN: Final = SSlibKey("ab" * 32, "rsa", "rsa-pkcs1v15-sha256", {"public": "x"})
NEW_KIND: Final = records.record(MLDSA65PrivateKey.from_seed_bytes(b"7" * 32).public_key())


def alias() -> SSlibKey:
    own = held_key(1).record
    return SSlibKey("cd" * 32, own.keytype, own.scheme, own.keyval)


def root() -> Root:
    return deepcopy(TRUST.root)


def body(role: str) -> Targets:
    found = deepcopy(TRUST.newest[role].body)
    assert isinstance(found, Targets)
    return found


def roles(targets: Targets) -> dict[str, DelegatedRole]:
    assert targets.delegations is not None and targets.delegations.roles is not None
    return targets.delegations.roles


def succinct(bins: Targets) -> Any:
    assert bins.delegations is not None
    return bins.delegations.succinct_roles


def test_what_a_ceremony_seals_breaks_no_rule() -> None:
    assert rules.root_problems(root()) == []
    assert rules.targets_problems(body("targets")) == []
    assert rules.held_problems(body("held")) == []
    assert rules.bins_problems(body("bins")) == []


def list_alias(found: Root) -> None:
    found.keys["cd" * 32] = alias()
    found.roles["targets"].keyids.append("cd" * 32)


def list_online_as_holder(found: Root) -> None:
    found.roles["targets"].keyids.append(ONLINE)


def list_holder_as_online(found: Root) -> None:
    found.roles["snapshot"].keyids.append(KEYID)


@pytest.mark.parametrize(
    ("break_one", "problems"),
    [
        (
            lambda r: setattr(r, "consistent_snapshot", False),
            ["root: consistent_snapshot must be true, or files of two snapshots mix"],
        ),
        (
            lambda r: setattr(r, "consistent_snapshot", None),
            ["root: consistent_snapshot must be true, or files of two snapshots mix"],
        ),
        (
            lambda r: r.keys.update({"cd" * 32: alias()}),
            [f"root: key cdcdcdcdcdcdcdcd: its id should be {KEYID:.16} (SHA-256 of the whole key)"],
        ),
        (
            lambda r: r.keys.update({"ab" * 32: FOREIGN}),
            [
                "root: key abababababababab: rsa/rsa-pkcs1v15-sha256 is not one of ecdsa-sha2-nistp256, "
                "ecdsa-sha2-nistp384, ed25519, ml-dsa-44/1, ml-dsa-65/1, ml-dsa-87/1, rsassa-pss-sha256"
            ],
        ),
        (
            list_alias,
            [
                f"root: key cdcdcdcdcdcdcdcd: its id should be {KEYID:.16} (SHA-256 of the whole key)",
                "targets: one private key is listed under two key ids; it would count twice",
            ],
        ),
        (
            lambda r: r.roles["root"].keyids.append("ef" * 32),
            ["root: lists key efefefefefefefef but does not carry it"],
        ),
        (
            lambda r: setattr(r.roles["root"], "threshold", 4),
            ["root: the threshold is 4 of 3 keys, which nobody can meet"],
        ),
        (
            lambda r: setattr(r.roles["timestamp"], "threshold", 0),
            ["timestamp: the threshold is 0 of 1 keys, which nobody can meet"],
        ),
        (
            lambda r: r.roles["snapshot"].keyids.clear(),
            ["snapshot: the threshold is 1 of 0 keys, which nobody can meet"],
        ),
        (list_online_as_holder, [f"root: key {ONLINE:.16} is both online and offline"]),
        (list_holder_as_online, [f"root: key {KEYID:.16} is both online and offline"]),
    ],
)
def test_a_root_with_one_thing_broken_has_exactly_this_problem(
    break_one: Callable[[Root], object], problems: list[str]
) -> None:
    broken = root()
    break_one(broken)
    assert rules.root_problems(broken) == problems


def test_one_key_under_two_ids_cannot_meet_a_threshold_of_two() -> None:
    broken = root()
    broken.keys["cd" * 32] = alias()
    broken.roles["root"].keyids = [KEYID, "cd" * 32]
    assert "root: the threshold is 2 of 1 keys, which nobody can meet" in rules.root_problems(broken)


@pytest.mark.parametrize("said", [None, "", "  ", 7, True, "a\nb"])
def test_a_root_with_a_key_that_old_clients_cannot_read_says_which_clients_can(said: Any) -> None:
    """docs/adr/0026: such a key stops them for good."""
    broken = root()
    broken.keys[NEW_KIND.keyid] = NEW_KIND
    broken.roles["root"].keyids.append(NEW_KIND.keyid)
    if said is not None:
        broken.unrecognized_fields["x-minimum-client"] = said
    assert rules.root_problems(broken) == [
        f"root: key {NEW_KIND.keyid:.16} stops clients that do not know its kind; say x-minimum-client"
    ]
    broken.unrecognized_fields["x-minimum-client"] = "tuf 7.0, tallystick 1.0"
    assert rules.root_problems(broken) == []
    assert rules.minimum_client(broken) == "tuf 7.0, tallystick 1.0"


def test_no_delegation_carries_a_key_that_old_clients_cannot_read() -> None:
    for role, problems in (("targets", rules.targets_problems), ("bins", rules.bins_problems)):
        broken = body(role)
        assert broken.delegations is not None
        broken.delegations.keys[NEW_KIND.keyid] = NEW_KIND
        assert problems(broken) == [f"{role}: key {NEW_KIND.keyid:.16} is ml-dsa-65/1, which only a root may carry"]


def test_every_problem_of_a_root_is_said_at_once() -> None:
    broken = root()
    broken.consistent_snapshot = False
    broken.roles["root"].threshold = 9
    assert len(rules.root_problems(broken)) == 2


def reorder(targets: Targets) -> None:
    found = roles(targets)
    held = found.pop("held")
    found["held"] = held


def by_prefixes(targets: Targets) -> None:
    held = roles(targets)["held"]
    held.paths, held.path_hash_prefixes = None, ["00"]


def in_this_order() -> list[str]:
    return ["targets: must delegate to held and bins, in this order"]


@pytest.mark.parametrize(
    ("break_one", "problems"),
    [
        (reorder, in_this_order()),
        (lambda t: roles(t).pop("held"), in_this_order()),
        (lambda t: roles(t).update(more=roles(t)["held"]), in_this_order()),
        (lambda t: setattr(t, "delegations", None), in_this_order()),
        (
            lambda t: t.targets.update({"simple/x/page": TargetFile(1, {"sha256": "00"}, "simple/x/page")}),
            ["targets: must list no targets, only delegate"],
        ),
        (
            lambda t: setattr(roles(t)["held"], "terminating", False),
            ["held: its delegation must be terminating, or a later role could speak for its names"],
        ),
        (
            lambda t: setattr(roles(t)["bins"], "terminating", False),
            ["bins: its delegation must be terminating, or a later role could speak for its names"],
        ),
        (by_prefixes, ["held: must be delegated by paths, not by hash prefixes"]),
        (
            lambda t: setattr(roles(t)["bins"], "paths", ["*"]),
            ["bins: must be delegated simple/*/*, packages/*/*, policy/*/*"],
        ),
        (
            lambda t: setattr(roles(t)["bins"], "paths", ["simple/*/*"]),
            ["bins: must be delegated simple/*/*, packages/*/*, policy/*/*"],
        ),
        (
            lambda t: setattr(roles(t)["bins"], "threshold", 4),
            ["bins: the threshold is 4 of 3 keys, which nobody can meet"],
        ),
        (
            lambda t: roles(t)["held"].keyids.append("ef" * 32),
            ["held: lists key efefefefefefefef but does not carry it"],
        ),
    ],
)
def test_targets_with_one_thing_broken_have_exactly_this_problem(
    break_one: Callable[[Targets], object], problems: list[str]
) -> None:
    broken = body("targets")
    break_one(broken)
    assert rules.targets_problems(broken) == problems


@pytest.mark.parametrize(
    "pattern",
    ["*", "*/*", "simple/*", "simple/*/*", "simple/a*/*", "simple/[a]/*", "simple/a?/*", "simple/a/b/*", "simple/a",
     "simple/a/page", "other/a/*", "/a/*", "packages/*/*", "simple//*"],
)  # fmt: skip
def test_held_is_delegated_whole_folders_of_single_names_only(pattern: str) -> None:
    broken = body("targets")
    roles(broken)["held"].paths = [pattern]
    assert rules.targets_problems(broken) == [f"held: the pattern {pattern} is not one name's folder"]


@pytest.mark.parametrize(
    ("break_one", "problems"),
    [
        (
            lambda b: b.targets.update({"simple/x/page": TargetFile(1, {"sha256": "00"}, "simple/x/page")}),
            ["bins: must list no targets, only delegate"],
        ),
        (lambda b: setattr(b, "delegations", None), ["bins: must delegate to succinct hash bins (TAP 15)"]),
        (
            lambda b: setattr(succinct(b), "name_prefix", "shelf"),
            ["bins: must be named bin- and at most 2^14"],
        ),
        (lambda b: setattr(succinct(b), "bit_length", 15), ["bins: must be named bin- and at most 2^14"]),
        (
            lambda b: setattr(succinct(b), "threshold", 2),
            ["bin: the threshold is 2 of 1 keys, which nobody can meet"],
        ),
        (
            lambda b: b.delegations.keys.clear(),
            [f"bin: lists key {ONLINE:.16} but does not carry it"],
        ),
    ],
)
def test_bins_with_one_thing_broken_have_exactly_this_problem(
    break_one: Callable[[Any], object], problems: list[str]
) -> None:
    broken = body("bins")
    break_one(broken)
    assert rules.bins_problems(broken) == problems


def test_bins_may_be_as_many_as_their_versions_can_number() -> None:
    found = body("bins")
    succinct(found).bit_length = 14
    assert rules.bins_problems(found) == []


def test_bins_by_ordinary_delegations_are_refused() -> None:
    broken = body("bins")
    broken.delegations = body("targets").delegations
    assert rules.bins_problems(broken) == ["bins: must delegate to succinct hash bins (TAP 15)"]


def test_held_lists_pages_only_and_delegates_to_nobody() -> None:
    broken = body("held")
    path = "packages/requests/requests-1.0.tar.gz"
    broken.targets[path] = TargetFile(1, {"sha256": "00"}, path)
    assert rules.held_problems(broken) == [f"held: lists {path}, which is not a page"]
    broken = body("held")
    broken.delegations = body("targets").delegations
    assert rules.held_problems(broken) == ["held: delegates, but it must speak for itself"]


@pytest.mark.parametrize(
    ("expires", "problems"),
    [
        (BEGIN - timedelta(seconds=1), ["held: expired on 22 November 2026"]),
        (BEGIN, ["held: expired on 22 November 2026"]),
        (BEGIN + timedelta(seconds=1), []),
        (BEGIN + timedelta(days=rules.MAX_DAYS), []),
        (BEGIN + timedelta(days=rules.MAX_DAYS + 1), ["held: lives 401 days; the limit is 400"]),
    ],
)
def test_an_offline_role_expires_and_never_lives_much_longer_than_a_year(
    expires: datetime, problems: list[str]
) -> None:
    assert rules.date_problems("held", expires, BEGIN) == problems


def with_keys(found: Root, role: str, threshold: int, keyids: int) -> Root:
    """So many keys, of which so many must sign; no rule about key ids is asked."""
    found.roles[role].threshold, found.roles[role].keyids = threshold, [f"{number:064x}" for number in range(keyids)]
    return found


@pytest.mark.parametrize(
    ("role", "threshold", "keyids", "named"),
    [
        ("root", 2, 3, None),
        ("root", 3, 3, "root"),
        ("root", 4, 3, "root"),
        ("targets", 3, 3, "targets"),
        ("targets", 1, 1, "targets"),
        ("root", 1, 1, "root"),
        ("root", 1, 2, None),
        ("snapshot", 1, 1, None),
    ],
)
def test_a_lost_key_must_never_be_the_end(role: str, threshold: int, keyids: int, named: str | None) -> None:
    problems = rules.spare_problems(with_keys(root(), role, threshold, keyids))
    assert [problem.partition(":")[0] for problem in problems] == ([] if named is None else [named])


def test_root_and_targets_without_a_spare_key_are_one_problem() -> None:
    (problem,) = rules.spare_problems(with_keys(with_keys(root(), "root", 3, 3), "targets", 3, 3))
    assert problem.startswith("root and targets: every key must sign, so after one lost key nobody can ever change")


def next_root() -> Root:
    found = root()
    found.version += 1
    return found


@pytest.mark.parametrize(
    ("break_one", "problems"),
    [
        (lambda r: None, []),
        (lambda r: setattr(r, "version", 1), ["root: version 1 follows 1; it must be 2"]),
        (lambda r: setattr(r, "version", 3), ["root: version 3 follows 1; it must be 2"]),
        (
            lambda r: r.unrecognized_fields.pop("x-rehearsal"),
            ["root: version 2 mixes a rehearsal with what is real; both must be the same"],
        ),
        (
            lambda r: setattr(r, "consistent_snapshot", False),
            ["root: version 2 changes consistent_snapshot, and with it every file's name"],
        ),
    ],
)
def test_a_root_follows_the_one_before_in_exactly_one_step(
    break_one: Callable[[Root], object], problems: list[str]
) -> None:
    after = next_root()
    break_one(after)
    assert rules.step_problems(root(), after) == problems


def test_a_real_root_never_becomes_a_rehearsal() -> None:
    before = root()
    del before.unrecognized_fields["x-rehearsal"]
    assert rules.step_problems(before, next_root()) == [
        "root: version 2 mixes a rehearsal with what is real; both must be the same"
    ]


@pytest.mark.parametrize(
    ("versions", "whole"),
    [([1], True), ([1, 2, 3], True), ([], False), ([2], False), ([1, 3], False), ([2, 3], False), ([1, 1], False),
     ([2, 1], False), ([0, 1], False)],
)  # fmt: skip
def test_a_chain_of_roots_is_whole_from_the_first_one_on(versions: list[int], whole: bool) -> None:
    said = [] if whole else [f"the roots are versions {versions}; they must be 1 to N without a gap"]
    assert rules.chain_problems(versions) == said


@pytest.mark.parametrize(
    ("oldest", "newest", "problems"),
    [
        (1, 1, []),
        (1, 201, []),
        (
            1,
            202,
            [
                "root 202 is 201 after root 1, the oldest that a client was given; clients follow 200. "
                "Release clients with a newer root first"
            ],
        ),
        (2, 202, []),
        (0, 1, ["root 0 is said to be the oldest that a client was given; there are 1 to 1"]),
        (3, 2, ["root 3 is said to be the oldest that a client was given; there are 1 to 2"]),
    ],
)
def test_no_client_is_left_further_behind_than_it_can_follow(oldest: int, newest: int, problems: list[str]) -> None:
    assert rules.reach_problems(oldest, newest) == problems


@pytest.mark.parametrize(
    "text",
    ["https://acme.example", "pkcs11:token=alice", "hsm:2", "awskms:alias/root", "gcpkms:projects/p", "hv:root/1",
     "azurekms:v", "file:/root/key", "file2:key", "FILE:x", "gnupg:", "sigstore:", "tkey:", "mailto:alice",
     "alice@acme.example", "Alice <alice@acme.example>"],
)  # fmt: skip
def test_no_address_of_a_key_a_place_or_a_person_is_signed(text: str) -> None:
    """sigstore's roots named key URIs; one with a slip of the pen had to be signed again by everybody."""
    said = [f"root: says {text!r:.80}; no address of a key, place or person is signed"]
    for value in (text, {"who": [text]}, {text: 1}):
        broken = root()
        broken.unrecognized_fields["x-note"] = value
        assert rules.public_problems("root", broken) == said
    key = broken.keys[KEYID]
    broken.unrecognized_fields.clear()
    key.unrecognized_fields["x-tuf-on-ci-online-uri"] = text
    assert rules.public_problems("root", broken) == said


def test_what_a_ceremony_seals_names_no_place_or_person() -> None:
    assert rules.public_problems("root", root()) == []
    scoped = body("targets")
    scoped.unrecognized_fields["x-note"] = ["@babel/core", "user@host", "a: b", "2026-11-22T10:00:00Z", "file name"]
    assert rules.public_problems("targets", scoped) == []


def test_a_rehearsal_says_so_in_its_root() -> None:
    found = root()
    assert rules.is_rehearsal(found)
    found.unrecognized_fields["x-rehearsal"] = "true"
    assert not rules.is_rehearsal(found)
    assert rules.online_keyids(found) == {ONLINE}
