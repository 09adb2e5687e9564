"""A root of trust is read only if everything in it holds: take a good one, break one thing, see the refusal."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest
from securesystemslib.signer import SSlibKey
from tuf.api.metadata import Root, TargetFile, Targets

from ceremony.draft import Candidate
from keys import layout, page, trust
from keys.encoding import compact, sha256
from keys.names import hashed, page_path
from keys.signing import envelope
from keys.strict import parse
from keys.trust import Body, Differs, NotTrusted, RootOfTrust, Unreadable, Unsigned
from tests.ceremony.people import drafted, first, held, keyring, sealed_by, without

GOOD = sealed_by(drafted(keyring("alice", "bob", "dan"), first()), "alice", "bob")
"""Roots 1 and 2, targets 2, held 1, bins 1, one page."""
FILES = GOOD.files()
PAGE = next(path for path in FILES if path.startswith("targets/"))


def signed(role: str, body: Body, *names: str) -> bytes:
    """A file that these people signed, whatever it says."""
    candidate = Candidate(role, body, ())
    return candidate.file(held(name).sign(candidate.payload) for name in names)


def unsigned(name: str) -> bytes:
    return envelope(dict(parse(FILES[name])["signed"]), ())  # type: ignore[index]  # it is an envelope


def body(name: str, role: str) -> Body:
    """A fresh copy of a file's body, to be changed."""
    return trust.parse_body(name, role, FILES[name])


def test_the_good_one_reads() -> None:
    assert trust.read(FILES) == GOOD


def test_a_gap_in_the_chain_of_roots_is_refused() -> None:
    with pytest.raises(Unreadable, match="the first is 2; it must be 1"):
        trust.read(without(FILES.items(), "1.root.json"))


def test_a_missing_role_is_refused() -> None:
    with pytest.raises(Unreadable, match="exactly one file of each"):
        trust.read(without(FILES.items(), "1.bins.json"))


def test_two_versions_of_one_role_are_refused() -> None:
    newer = body("1.bins.json", layout.BINS)
    newer.version = 2
    with pytest.raises(Unreadable, match="exactly one file of each"):
        trust.read(FILES | {"2.bins.json": signed(layout.BINS, newer, "alice", "bob")})


@pytest.mark.parametrize("name", ["1.root.json", "2.root.json", "2.targets.json", "1.held.json", "1.bins.json"])
def test_every_file_must_be_signed(name: str) -> None:
    with pytest.raises(Unsigned, match=f"{name}: signed by 0 of 2 keys"):
        trust.read(FILES | {name: unsigned(name)})


@pytest.mark.parametrize(
    ("signers", "asking"), [(("alice", "dan"), "root 1"), (("alice", "carol"), "root 2")], ids=["new only", "old only"]
)
def test_a_root_must_be_signed_for_the_one_before_and_for_itself(signers: tuple[str, ...], asking: str) -> None:
    root = signed(layout.ROOT, body("2.root.json", layout.ROOT), *signers)
    with pytest.raises(Unsigned, match=rf"2\.root\.json: signed by 1 of 2 keys that {asking} asks for"):
        trust.read(FILES | {"2.root.json": root})


def test_targets_signed_for_the_old_root_only_are_refused() -> None:
    targets = signed(layout.TARGETS, body("2.targets.json", layout.TARGETS), "alice", "carol")
    with pytest.raises(Unsigned, match="that root 2 asks for"):
        trust.read(FILES | {"2.targets.json": targets})


def test_one_private_key_under_two_ids_is_refused() -> None:
    root = body("2.root.json", layout.ROOT)
    assert isinstance(root, Root)
    alice = held("alice").record
    root.add_key(SSlibKey("f" * 64, alice.keytype, alice.scheme, dict(alice.keyval)), layout.ROOT)
    with pytest.raises(Unreadable, match="are the same private key; it would count twice"):
        trust.read(FILES | {"2.root.json": signed(layout.ROOT, root, "alice", "bob")})


def test_held_served_in_place_of_bins_is_refused() -> None:
    with pytest.raises(Differs, match="says it is 'held', not bins"):
        trust.read(FILES | {"1.bins.json": FILES["1.held.json"]})


def test_a_file_without_its_role_is_refused() -> None:
    bins = body("1.bins.json", layout.BINS)
    del bins.unrecognized_fields[layout.ROLE_FIELD]
    with pytest.raises(Differs, match="says it is None, not bins"):
        trust.read(FILES | {"1.bins.json": signed(layout.BINS, bins, "alice", "bob")})


def test_a_held_name_that_is_not_delegated_is_refused() -> None:
    targets = body("2.targets.json", layout.TARGETS)
    assert isinstance(targets, Targets) and targets.delegations and targets.delegations.roles
    targets.delegations.roles[layout.HELD].paths = ["simple/admin/*"]
    with pytest.raises(Differs, match="does not hand to held exactly the names"):
        trust.read(FILES | {"2.targets.json": signed(layout.TARGETS, targets, "alice", "bob")})


def test_a_page_that_could_be_installed_is_refused_even_if_holders_signed_it() -> None:
    state = dataclasses.replace(page.parse(FILES[PAGE]), state="registered")
    path, data = page_path("admin"), page.render(state)
    role = body("1.held.json", layout.HELD)
    assert isinstance(role, Targets)
    role.targets = {path: TargetFile.from_dict(page.target_entry(data), path)}
    files = without(FILES.items(), PAGE) | {
        "1.held.json": signed(layout.HELD, role, "alice", "bob"),
        f"targets/{hashed(path, sha256(data))}": data,
    }
    with pytest.raises(Differs, match="is the page of admin, which is registered"):
        trust.read(files)


@pytest.mark.parametrize(
    ("breaking", "error", "why"),
    [
        (lambda: without(FILES.items(), PAGE), Differs, "the pages are not exactly those that held.json lists"),
        (lambda: FILES | {PAGE: FILES[PAGE] + b" "}, Differs, "is not the page that held.json lists"),
        (lambda: FILES | {"targets/simple/x/y": b""}, Differs, "the pages are not exactly those"),
        (lambda: FILES | {"notes.json": b"{}"}, Unreadable, "not the name of a sealed file"),
        (lambda: FILES | {"3.root.json": FILES["2.root.json"]}, Differs, "3.root.json: holds version 2"),
        (lambda: FILES | {"2.root.json": b"{"}, Unreadable, "not TUF metadata"),
        (lambda: FILES | {"2.root.json": FILES["2.root.json"] + b"\n"}, Unreadable, "not a root file as a ceremony"),
        (lambda: FILES | {"2.root.json": FILES["2.targets.json"]}, Unreadable, "not a root file as a ceremony"),
        (lambda: FILES | {"2.root.json": compact({"signed": 1, "signatures": []})}, Unreadable, "not TUF metadata"),
    ],
)
def test_one_broken_file_is_refused(
    breaking: Callable[[], dict[str, bytes]], error: type[NotTrusted], why: str
) -> None:
    with pytest.raises(error, match=why):
        trust.read(breaking())


def test_old_roots_may_be_expired_but_a_rule_is_never_too_old_to_hold() -> None:
    root = body("1.root.json", layout.ROOT)
    assert isinstance(root, Root)
    root.expires -= timedelta(days=4000)
    second = body("2.root.json", layout.ROOT)
    files = FILES | {"1.root.json": signed(layout.ROOT, root, "alice", "bob")}
    assert isinstance(trust.read(files), RootOfTrust)
    root.consistent_snapshot = False
    assert isinstance(second, Root)
    with pytest.raises(Unreadable, match="consistent_snapshot must be true"):
        trust.read(FILES | {"1.root.json": signed(layout.ROOT, root, "alice", "bob")})


def test_held_and_bins_are_never_delegated_to_the_online_key() -> None:
    targets, root = body("2.targets.json", layout.TARGETS), body("2.root.json", layout.ROOT)
    assert isinstance(targets, Targets) and isinstance(root, Root) and targets.delegations and targets.delegations.roles
    (online,) = root.roles["timestamp"].keyids
    targets.delegations.keys[online] = root.keys[online]
    targets.delegations.roles["held"].keyids.append(online)
    with pytest.raises(Differs, match="delegates to the online key"):
        trust.read(FILES | {"2.targets.json": signed(layout.TARGETS, targets, "alice", "bob")})
