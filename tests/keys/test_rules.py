"""Take metadata that a ceremony sealed, break one thing, and expect that one problem."""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey
from securesystemslib.signer import SSlibKey
from tuf.api.metadata import DelegatedRole, Root, TargetFile, Targets

from ceremony.plan import Log
from keys import records, rules
from keys.tlog.notes import HeldNoteKey, HeldWitnessKey
from tests.world import BEGIN, held_key, log_key, online_key, root_of_trust


def witness(name: str, seed: bytes = b"w") -> str:
    """A witness's key, by its name alone."""
    return str(HeldWitnessKey(name, Ed25519PrivateKey.from_private_bytes(sha256(name.encode() + seed).digest())).key)


LOG_KEY: Final = log_key().key
WITNESSES: Final = tuple(sorted(witness(f"{name}.test/w") for name in ("cats", "dogs", "owls")))
TRUST: Final = root_of_trust(held=("requests",), log=Log((str(LOG_KEY),), WITNESSES, 2))
KEYID: Final = held_key(1).record.keyid
ONLINE: Final = online_key().record.keyid
FOREIGN: Final = SSlibKey("ab" * 32, "rsa", "rsa-pkcs1v15-sha256", {"public": "x"})
NEW_KIND: Final = records.record(MLDSA65PrivateKey.from_seed_bytes(b"7" * 32).public_key())

STOPS: Final = f"key {NEW_KIND.keyid:.16} is ml-dsa-65/1, which stops clients that do not know it; say x-minimum-client"


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


ROOT_CASES: Final[list[tuple[Callable[[Any], object], list[str]]]] = [
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
        [
            f"root: key cdcdcdcdcdcdcdcd: its id should be {KEYID:.16} (SHA-256 of the whole key)",
            f"root: cdcdcdcdcdcdcdcd and {KEYID:.16} are the same private key; it would count twice",
        ],
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
            f"root: cdcdcdcdcdcdcdcd and {KEYID:.16} are the same private key; it would count twice",
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
    (
        lambda r: r.keys.update({NEW_KIND.keyid: NEW_KIND}),
        [f"root: {STOPS}"],
    ),
    (
        lambda r: r.unrecognized_fields.update({"x-key-of-alice": "hsm:2?label=alice"}),
        ["root: says 'hsm:2?label=alice', an address, which is never signed"],
    ),
    (list_online_as_holder, [f"root: key {ONLINE:.16} is both online and offline"]),
    (list_holder_as_online, [f"root: key {KEYID:.16} is both online and offline"]),
]


@pytest.mark.parametrize(("break_one", "problems"), ROOT_CASES)
def test_a_root_with_one_thing_broken_has_exactly_this_problem(
    break_one: Callable[[Root], object], problems: list[str]
) -> None:
    broken = root()
    break_one(broken)
    assert rules.root_problems(broken) == problems


def saying(**said: Any) -> Callable[[Root], object]:
    """A root that says something else of its log."""
    return lambda root: root.unrecognized_fields["x-log"].update(said)


def own_witness(found: Root) -> None:
    """An ML-DSA key of a root, which cosigns the log too: another kind of signature by the same private key."""
    private = MLDSA44PrivateKey.from_seed_bytes(b"8" * 32)
    shared = records.record(private.public_key())
    found.keys[shared.keyid] = shared
    found.unrecognized_fields["x-minimum-client"] = "tallystick 2"
    found.unrecognized_fields["x-log"].update(witnesses=[str(HeldWitnessKey("own.test/w", private).key)], quorum=1)


def own_log(found: Root) -> None:
    """A holder's key, that of a witness and the log's."""
    private = held_key(1)._private
    assert isinstance(private, Ed25519PrivateKey)
    found.unrecognized_fields["x-log"]["keys"] = [str(HeldNoteKey("registry.test/log", private).key)]


OWN_MLDSA: Final = records.record(MLDSA44PrivateKey.from_seed_bytes(b"8" * 32).public_key()).keyid
LOG_CASES: Final[list[tuple[Callable[[Any], object], str]]] = [
    (lambda r: r.unrecognized_fields.update({"x-log": None}), "document: must be an object, not None"),
    (lambda r: r.unrecognized_fields.update({"x-log": []}), "document: must be an object, not []"),
    (lambda r: r.unrecognized_fields["x-log"].pop("quorum"), "quorum: is missing"),
    (saying(more=1), "more: is not known here; known are keys, quorum, witnesses"),
    (saying(quorum=True), "quorum: must be int, not True"),
    (saying(quorum=4), "a quorum of 4 of 3 witnesses cannot be met"),
    (saying(quorum=-1), "a quorum of -1 of 3 witnesses cannot be met"),
    (saying(keys=[]), "a log has one name and at least one key"),
    (
        saying(keys=sorted((str(LOG_KEY), str(log_key(2, "other.test/log").key)))),
        "a log has one name and at least one key",
    ),
    (saying(keys=["x"]), "'x' is no verifier key: it is empty"),
    (saying(keys=[WITNESSES[0]]), "a log's key is of type Ed25519"),
    (saying(witnesses=[str(log_key(2).key)], quorum=0), "a witness's key is one that cosigns"),
    (saying(witnesses=[WITNESSES[0]] * 2), "no key and no witness counts twice"),
    (saying(witnesses=[*reversed(WITNESSES)]), "its keys and its witnesses must be in order"),
    (
        saying(keys=sorted((str(LOG_KEY), str(log_key(2).key)), reverse=True)),
        "its keys and its witnesses must be in order",
    ),
    (
        saying(witnesses=[witness("c\u0430ts.test/w")], quorum=1),
        "'c\u0430ts.test/w' must be plain letters, digits and marks, and no address",
    ),
    (
        saying(keys=[str(log_key(1, "r\u0435gistry.test/log").key)]),
        "'r\u0435gistry.test/log' must be plain letters, digits and marks, and no address",
    ),
    (own_log, f"the key of registry.test/log is key {KEYID:.16} of this root; each needs one of its own"),
    (own_witness, f"the key of own.test/w is key {OWN_MLDSA:.16} of this root; each needs one of its own"),
]


@pytest.mark.parametrize(("break_one", "problem"), LOG_CASES)
def test_a_root_whose_log_has_one_thing_wrong_has_exactly_this_problem(
    break_one: Callable[[Root], object], problem: str
) -> None:
    broken = root()
    break_one(broken)
    assert rules.root_problems(broken) == [f"root: x-log: {problem}"]


def test_an_address_in_the_name_of_a_witness_is_said_as_one() -> None:
    broken = root()
    broken.unrecognized_fields["x-log"].update(witnesses=[witness("https://w.test")], quorum=1)
    assert rules.root_problems(broken)[0].endswith("an address, which is never signed")
    assert "'https://w.test' must be plain" in rules.root_problems(broken)[1]


def test_a_root_needs_no_log_and_one_may_have_two_keys() -> None:
    without, two = root(), root()
    without.unrecognized_fields.pop("x-log")
    two.unrecognized_fields["x-log"]["keys"] = sorted((str(LOG_KEY), str(log_key(2).key)))
    assert rules.root_problems(without) == rules.root_problems(two) == []


def logged(name: str | None) -> Root:
    """A root that names the log of this name."""
    found = root()
    found.unrecognized_fields.pop("x-log")
    if name is not None:
        found.unrecognized_fields["x-log"] = {"keys": [str(log_key(1, name).key)], "witnesses": [], "quorum": 0}
    return found


@pytest.mark.parametrize(
    ("before", "after", "another"),
    [
        ([None], None, False),
        ([], "a.test", False),
        ([None], "a.test", False),
        (["a.test"], None, False),
        (["a.test"], "a.test", False),
        (["a.test"], "b.test", True),
        (["a.test", None], "b.test", True),
        (["a.test", None], "a.test", False),
        (["a.test", "b.test"], "a.test", True),
    ],
)
def test_a_root_that_names_another_log_than_the_last_one_that_was_named_is_found(
    before: list[str | None], after: str | None, another: bool
) -> None:
    last = next((name for name in reversed(before) if name), "")
    said = f"root: the log {last} becomes {after}, which is another log and begins anew"
    assert rules.another_log_problems([logged(name) for name in before], logged(after)) == [said] * another


def test_one_key_under_two_ids_cannot_meet_a_threshold_of_two() -> None:
    broken = root()
    broken.keys["cd" * 32] = alias()
    broken.roles["root"].keyids = [KEYID, "cd" * 32]
    assert "root: the threshold is 2 of 1 keys, which nobody can meet" in rules.root_problems(broken)


def carrying(signed: Root | Targets) -> Any:
    """With a key that old clients cannot read."""
    keys = signed.keys if isinstance(signed, Root) else signed.delegations.keys  # type: ignore[union-attr]
    keys[NEW_KIND.keyid] = NEW_KIND
    return signed


CARRIERS: Final[list[tuple[Callable[[], Any], Callable[[Any], list[str]]]]] = [
    (lambda: carrying(root()), rules.root_problems),
    (lambda: carrying(body("targets")), rules.targets_problems),
    (lambda: carrying(body("bins")), rules.bins_problems),
]


@pytest.mark.parametrize(("whole", "problems"), CARRIERS, ids=["root", "targets", "bins"])
@pytest.mark.parametrize("said", [None, "", "  ", 7, True, "a\nb"])
def test_a_file_with_a_key_that_old_clients_cannot_read_says_which_clients_can(
    said: Any, whole: Callable[[], Any], problems: Callable[[Any], list[str]]
) -> None:
    """docs/adr/0026: such a key stops them for good."""
    carrier = whole()
    if said is not None:
        carrier.unrecognized_fields["x-minimum-client"] = said
    assert len(problems(carrier)) == 1 and problems(carrier)[0].endswith("do not know it; say x-minimum-client")
    carrier.unrecognized_fields["x-minimum-client"] = "tuf 7.0, tallystick 1.0"
    assert problems(carrier) == []
    assert rules.minimum_client(carrier) == "tuf 7.0, tallystick 1.0"


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


TARGETS_CASES: Final[list[tuple[Callable[[Any], object], list[str]]]] = [
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
        lambda t: t.delegations.keys.update({NEW_KIND.keyid: NEW_KIND}),
        [f"targets: {STOPS}"],
    ),
    (
        lambda t: setattr(roles(t)["held"], "paths", ["simple/*/*"]),
        ["held: the pattern simple/*/* is not one name's folder"],
    ),
    (
        lambda t: t.unrecognized_fields.update({"x-by": ["alice@example.org"]}),
        ["targets: says 'alice@example.org', an address, which is never signed"],
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
]


@pytest.mark.parametrize(("break_one", "problems"), TARGETS_CASES)
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


BINS_CASES: Final[list[tuple[Callable[[Any], object], list[str]]]] = [
    (
        lambda b: b.targets.update({"simple/x/page": TargetFile(1, {"sha256": "00"}, "simple/x/page")}),
        ["bins: must list no targets, only delegate"],
    ),
    (lambda b: setattr(b, "delegations", None), ["bins: must delegate to succinct hash bins (TAP 15)"]),
    (
        lambda b: setattr(succinct(b), "name_prefix", "shelf"),
        ["bins: must be named bin- and at most 2^14"],
    ),
    (lambda b: setattr(succinct(b), "bit_length", 14), []),
    (lambda b: setattr(succinct(b), "bit_length", 15), ["bins: must be named bin- and at most 2^14"]),
    (
        lambda b: setattr(succinct(b), "threshold", 2),
        ["bin: the threshold is 2 of 1 keys, which nobody can meet"],
    ),
    (
        lambda b: b.delegations.keys.update({NEW_KIND.keyid: NEW_KIND}),
        [f"bins: {STOPS}"],
    ),
    (
        lambda b: b.unrecognized_fields.update({"x-online": {"awskms:alias/online": 1}}),
        ["bins: says 'awskms:alias/online', an address, which is never signed"],
    ),
    (
        lambda b: b.delegations.keys.clear(),
        [f"bin: lists key {ONLINE:.16} but does not carry it"],
    ),
]


@pytest.mark.parametrize(("break_one", "problems"), BINS_CASES)
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


ELSEWHERE: Final = "packages/requests/requests-1.0.tar.gz"
HELD_CASES: Final[list[tuple[Callable[[Any], object], list[str]]]] = [
    (
        lambda h: h.targets.update({ELSEWHERE: TargetFile(1, {"sha256": "00"}, ELSEWHERE)}),
        [f"held: lists {ELSEWHERE}, which is not a page"],
    ),
    (
        lambda h: setattr(h, "delegations", body("targets").delegations),
        ["held: delegates, but it must speak for itself"],
    ),
    (
        lambda h: next(iter(h.targets.values())).unrecognized_fields.update(custom={"see": "https://example.org"}),
        ["held: says 'https://example.org', an address, which is never signed"],
    ),
]


@pytest.mark.parametrize(("break_one", "problems"), HELD_CASES)
def test_held_with_one_thing_broken_has_exactly_this_problem(
    break_one: Callable[[Any], object], problems: list[str]
) -> None:
    broken = body("held")
    break_one(broken)
    assert rules.held_problems(broken) == problems


@pytest.mark.parametrize(
    "address",
    ["file:alice.key", "file2:/media/alice.key", "HSM:2", "pkcs11:token=alice", "gnupg:", "gcpkms:projects/x", "hv:x/1",
     "azurekms:x.vault.azure.net/keys/x", "tkey:/dev/ttyACM0", "sigstore:?ambient=false", "envvar:KEY", "see file://x",
     "postgresql://u:p@db/x", "mailto:a", "Alice <alice.anders+tuf@mail.example.org>", "a@b.c"],
)  # fmt: skip
def test_no_address_of_a_key_a_server_or_a_person_is_signed(address: str) -> None:
    """ "Where a private key lies, and who holds it, is nobody else's business." """
    for put in ({"x-a": address}, {"x-a": [{"b": [address]}]}, {"x-a": {address: 1}}):
        broken = root()
        broken.unrecognized_fields.update(put)
        assert rules.root_problems(broken) == [f"root: says {address!r:.60}, an address, which is never signed"]


@pytest.mark.parametrize(
    "text",
    ["tuf 7.0, tallystick 1.0", "my file: alice", "2026-11-22T10:00:00Z", "sha256:00", "a @ b", "simple/file:/*"],
)
def test_other_text_is_no_address(text: str) -> None:
    good = root()
    good.unrecognized_fields["x-a"] = text
    assert rules.root_problems(good) == []


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


def real(found: Root) -> None:
    found.unrecognized_fields.pop("x-rehearsal", None)


def threshold(role: str, number: int) -> Callable[[Root], None]:
    def change(found: Root) -> None:
        real(found)
        found.roles[role].threshold = number

    return change


SPARE_CASES: Final[list[tuple[Callable[[Any], object], list[str]]]] = [
    (real, []),
    (
        threshold("root", 3),
        ["root: all 3 keys must sign; once one is lost, nobody can ever change it again"],
    ),
    (
        threshold("targets", 3),
        ["targets: all 3 keys must sign; once one is lost, nobody can ever change it again"],
    ),
    (threshold("root", 1), ["root: one key is enough to sign; whoever steals it owns this repository"]),
    (threshold("targets", 1), ["targets: one key is enough to sign; whoever steals it owns this repository"]),
    (threshold("timestamp", 1), []),
]


@pytest.mark.parametrize(("break_one", "problems"), SPARE_CASES)
def test_a_good_root_bears_the_loss_of_one_key_and_the_theft_of_one(
    break_one: Callable[[Root], object], problems: list[str]
) -> None:
    found = root()
    break_one(found)
    assert rules.spare_problems(found) == problems


def test_one_holder_may_practise_alone() -> None:
    found = root()
    found.roles["root"].threshold = 1
    assert rules.spare_problems(found) == []


def following(version: int) -> Root:
    found = root()
    found.version = version
    return found


STEP_CASES: Final[list[tuple[Callable[[Any], object], list[str]]]] = [
    (lambda r: None, []),
    (
        lambda r: setattr(r, "version", 3),
        ["root: version 3 cannot follow 1; there must be no gap, and no way back"],
    ),
    (
        lambda r: setattr(r, "version", 1),
        ["root: version 1 cannot follow 1; there must be no gap, and no way back"],
    ),
    (lambda r: setattr(r, "spec_version", "1.0.99"), []),
    (
        lambda r: setattr(r, "spec_version", "1.1.31"),
        ["root: its format changes from 1.0 to 1.1, which not every client follows"],
    ),
    (real, ["root: version 1 is a rehearsal and 2 is real; that never changes"]),
]


@pytest.mark.parametrize(("break_one", "problems"), STEP_CASES)
def test_a_root_that_cannot_follow_has_exactly_this_problem(
    break_one: Callable[[Root], object], problems: list[str]
) -> None:
    after = following(2)
    break_one(after)
    assert rules.step_problems(following(1), after) == problems


def test_a_real_root_is_not_followed_by_a_rehearsal() -> None:
    before = following(1)
    real(before)
    assert rules.step_problems(before, following(2)) == [
        "root: version 1 is real and 2 is a rehearsal; that never changes"
    ]


CHAIN_CASES: Final[list[tuple[list[int], list[int], list[str]]]] = [
    ([1], [1], []),
    ([1, 2, 3], [1, 3], []),
    ([1, 2, 3], [], []),
    ([2, 3], [2], []),
    ([], [1], ["root: there is none"]),
    ([1, 3], [1], ["root: version 3 cannot follow 1; there must be no gap, and no way back"]),
    ([2, 3], [], ["root: the first is 2; it must be 1, or one that clients were given"]),
    ([2, 3], [3], ["root: the first is 2; it must be 1, or one that clients were given"]),
    ([1, 2], [1, 3], ["root: version 3, which clients were given, is not among 1 to 2"]),
    ([2, 3], [1, 2], ["root: version 1, which clients were given, is not among 2 to 3"]),
    (list(range(1, 202)), [1], []),
    (
        list(range(1, 203)),
        [1, 2],
        ["root: a client that was given 1 has 201 to follow; more than 200 may stop it"],
    ),
]


@pytest.mark.parametrize(("versions", "embedded", "problems"), CHAIN_CASES)
def test_a_client_reaches_the_newest_root_from_each_that_it_may_have_been_given(
    versions: list[int], embedded: list[int], problems: list[str]
) -> None:
    assert rules.chain_problems([following(version) for version in versions], embedded) == problems


def test_a_rehearsal_says_so_in_its_root() -> None:
    found = root()
    assert rules.is_rehearsal(found)
    found.unrecognized_fields["x-rehearsal"] = "true"
    assert not rules.is_rehearsal(found)
    assert rules.online_keyids(found) == {ONLINE}
