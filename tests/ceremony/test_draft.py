"""The draft: a pure function of plan, keys, current and time, that refuses with every problem at once."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from tuf.api.metadata import Root, Targets

from ceremony.answers import attached
from ceremony.draft import draft, lint
from ceremony.errors import Mismatch, Refused, RehearsalMixup
from ceremony.plan import Keyring
from ceremony.seal import seal
from keys import layout, page, possession, records
from keys.encoding import canonical
from tests.ceremony.people import (
    NAMES,
    NOW,
    THREE,
    answers,
    drafted,
    first,
    keyring,
    plan,
    public,
    rehearsing,
    roles,
    sealed_by,
)


def test_the_first_ceremony_drafts_all_four_roles_as_version_1() -> None:
    assert roles(drafted()) == ["root 1", "targets 1", "held 1", "bins 1"]


def test_equal_inputs_make_equal_bytes_whatever_the_order_of_holders() -> None:
    backwards = Keyring(tuple(reversed(THREE.holders)), THREE.online)
    assert drafted().files() == drafted().files() == drafted(backwards).files()


def test_holders_sign_root_and_targets_and_the_online_key_the_rest() -> None:
    root = drafted().bodies[layout.ROOT]
    assert isinstance(root, Root)
    holders = sorted(file.key.keyid for file in THREE.holders)
    assert {role: (each.keyids, each.threshold) for role, each in root.roles.items()} == {
        "root": (holders, 2),
        "targets": (holders, 2),
        "snapshot": ([THREE.online.key.keyid], 1),
        "timestamp": ([THREE.online.key.keyid], 1),
    }
    assert root.expires == NOW + timedelta(days=365)


def test_a_held_name_gets_both_its_paths_and_a_page_that_nobody_can_install() -> None:
    made = drafted(held=("Django.REST", "admin"))
    targets, held = made.bodies[layout.TARGETS], made.bodies[layout.HELD]
    assert isinstance(targets, Targets) and targets.delegations and targets.delegations.roles
    assert targets.delegations.roles[layout.HELD].paths == [
        "packages/admin/*", "packages/django-rest/*", "simple/admin/*", "simple/django-rest/*",
    ]  # fmt: skip
    assert isinstance(held, Targets) and list(held.targets) == list(made.pages)
    assert [page.parse(data).state for data in made.pages.values()] == ["prohibited"] * 2


def test_a_rehearsal_says_so_inside_what_is_signed() -> None:
    ring = Keyring(tuple(rehearsing(name) for name in ("alice", "bob", "carol")), rehearsing("service"))
    made = drafted(ring, rehearsal=True)
    assert b'"x-rehearsal":true' in made.candidates[0].payload
    assert b"x-rehearsal" not in drafted().candidates[0].payload


@pytest.mark.parametrize(
    ("amended", "why"),
    [
        ({"threshold": 4}, "the threshold is 4 of 3 holders, which nobody can meet"),
        ({"threshold": 0}, "the threshold is 0 of 3 holders, which nobody can meet"),
        ({"bins": 255}, "bins is 255; it must be a power of two, 2 to 16384"),
        ({"bins": 32768}, "bins is 32768; it must be a power of two, 2 to 16384"),
        ({"days": 401}, "days is 401; it must be 1 to 400"),
        ({"days": 0}, "days is 0; it must be 1 to 400"),
        ({"url": "ftp://acme"}, "a repository needs a name and an http(s) url, not 'acme' and 'ftp://acme'"),
        ({"name": ""}, "a repository needs a name and an http(s) url, not '' and 'https://pkgs.acme.example/'"),
    ],
)
def test_a_plan_against_the_rules_is_refused(amended: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused) as refused:
        drafted(**amended)
    assert refused.value.problems == (why,)


def test_a_held_name_that_is_no_name_is_refused() -> None:
    with pytest.raises(Refused, match=r"held: '\.\./x' is not a project name"):
        drafted(held=("../x",))


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(Refused) as refused:
        drafted(threshold=9, bins=3, days=0, held=("-",))
    assert len(refused.value.problems) == 4


def test_two_holders_with_one_private_key_are_refused() -> None:
    twin = dataclasses.replace(public("alice"), name="bob")
    ring = Keyring((public("alice"), twin, public("carol")), THREE.online)
    with pytest.raises(Refused, match="alice and bob have the same private key; it would count twice"):
        drafted(ring)


def test_two_holders_of_one_name_are_refused() -> None:
    ring = Keyring((*THREE.holders, dataclasses.replace(public("dan"), name="alice")), THREE.online)
    with pytest.raises(Refused, match="two keys are called alice"):
        drafted(ring)


@pytest.mark.parametrize("name", ["service", "alice"])
def test_an_online_key_that_is_a_holders_is_refused_under_any_name(name: str) -> None:
    with pytest.raises(Refused, match=f"alice and {name} have the same private key"):
        drafted(Keyring(THREE.holders, dataclasses.replace(public("alice"), name=name)))


def test_key_files_that_the_plan_does_not_name_are_never_drafted() -> None:
    with pytest.raises(Mismatch, match=r"dan, key \w+, is only in a key file"):
        draft(plan(), Keyring((*THREE.holders, public("dan")), THREE.online), None, NOW)


def test_a_rehearsal_key_in_a_real_plan_is_refused() -> None:
    ring = Keyring((public("alice"), public("bob"), rehearsing("carol")), THREE.online)
    with pytest.raises(RehearsalMixup, match="the plan is real, but the key of carol is for rehearsal"):
        drafted(ring)


def test_a_real_key_in_a_rehearsal_is_refused() -> None:
    with pytest.raises(RehearsalMixup, match=r"the plan is a rehearsal, but the key of alice, .* is real"):
        drafted(rehearsal=True)


def test_a_rehearsal_after_a_real_root_is_refused() -> None:
    ring = Keyring(tuple(rehearsing(name) for name in ("alice", "bob", "carol")), rehearsing("service"))
    with pytest.raises(RehearsalMixup, match="the current root is real"):
        drafted(ring, first(), rehearsal=True)


def test_nothing_is_drafted_when_nothing_changes() -> None:
    with pytest.raises(Refused, match="nothing to sign"):
        drafted(current=first(), now=NOW + timedelta(days=30))


def test_with_less_than_90_days_left_everything_is_signed_again() -> None:
    assert roles(drafted(current=first(), now=NOW + timedelta(days=276))) == ["root 2", "targets 2", "held 2", "bins 2"]
    with pytest.raises(Refused, match="nothing to sign"):
        drafted(current=first(), now=NOW + timedelta(days=275))


def test_an_expired_root_can_still_be_followed() -> None:
    assert roles(drafted(current=first(), now=NOW + timedelta(days=500)))[0] == "root 2"


def test_a_new_held_name_changes_targets_and_held_only_and_keeps_the_older_page() -> None:
    before = first()
    after = drafted(current=before, now=NOW + timedelta(days=9), held=("admin", "root"))
    assert roles(after) == ["targets 2", "held 2"]
    assert after.pages["simple/admin/vnd.pypi.simple.v1.json"] == before.pages["simple/admin/vnd.pypi.simple.v1.json"]


def test_a_name_that_is_no_longer_held_leaves_targets_and_held() -> None:
    after = sealed_by(drafted(current=first(), held=()), "alice", "bob")
    assert after.pages == {} and [file for file in after.files() if file.startswith("targets/")] == []


NEW = keyring("alice", "bob", "dan")


def test_files_signed_by_a_holder_who_leaves_are_signed_again() -> None:
    assert roles(drafted(NEW, first("alice", "carol"))) == ["root 2", "targets 2", "held 2", "bins 2"]


def test_files_whose_signatures_still_count_are_not_signed_again() -> None:
    assert roles(drafted(NEW, first("alice", "bob"))) == ["root 2", "targets 2"]


def test_a_new_online_key_changes_root_and_bins() -> None:
    assert roles(drafted(keyring("alice", "bob", "carol", online="service-2"), first())) == ["root 2", "bins 2"]


def test_another_number_of_bins_changes_bins_alone() -> None:
    assert roles(drafted(current=first(), bins=32)) == ["bins 2"]


def test_all_holders_must_sign_only_where_the_plan_says_that_this_is_meant() -> None:
    strict = plan(threshold=3)
    assert draft(strict, THREE, None, NOW)
    with pytest.raises(Refused, match="once one is lost, nobody can ever change it again"):
        draft(dataclasses.replace(strict, accept_no_spare=False), THREE, None, NOW)


def test_a_holder_who_leaves_may_sign_the_root_and_targets_that_remove_him_and_nothing_else() -> None:
    made = drafted(NEW, first("alice", "carol"))
    assert [each.role for each in answers(made, "carol")[0].signed] == ["root", "targets"]


def test_the_digest_of_a_draft_changes_with_any_of_its_files() -> None:
    made = {drafted(**amended).digest for amended in ({}, {"held": ()}, {"bins": 32}, {"threshold": 3}, {"days": 364})}
    assert len(made) == 5


def test_the_candidates_digest_is_of_the_bytes_that_are_signed() -> None:
    for candidate in drafted().candidates:
        assert candidate.payload == canonical(candidate.body.to_dict())


def test_a_fraction_of_a_second_never_reaches_a_file() -> None:
    assert draft(plan(), THREE, None, NOW + timedelta(microseconds=7)).files() == drafted().files()


def test_a_plan_whose_oldest_root_never_was_is_refused() -> None:
    with pytest.raises(Refused, match="version 3, which clients were given, is not among 1 to 2"):
        drafted(NEW, first(), oldest_root=3)


def test_the_minimum_client_of_a_plan_is_inside_what_is_signed() -> None:
    assert b"x-minimum-client" not in drafted().candidates[0].payload
    assert b'"x-minimum-client":"tuf 7.0"' in drafted(minimum_client="tuf 7.0").candidates[0].payload


def test_a_mail_address_in_a_plan_is_never_signed() -> None:
    with pytest.raises(Refused, match=r"root: says 'ask alice@acme\.example', an address"):
        drafted(minimum_client="ask alice@acme.example")


def test_a_root_that_skips_a_version_is_never_drafted() -> None:
    made = drafted(NEW, first())
    made.bodies[layout.ROOT].version = 5
    assert lint(made, NOW) == ["root: version 5 cannot follow 1; there must be no gap, and no way back"]


def test_a_holder_with_a_key_of_a_new_kind_is_let_in_only_where_the_plan_says_which_clients_can_read_it() -> None:
    """Who does not know the kind of one key stops at the file for good (python-tuf #2669)."""
    private = MLDSA65PrivateKey.from_seed_bytes(bytes(32))
    key = records.record(private.public_key())
    proof = private.sign(records.message(key, possession.statement("zoe", key.keyid, rehearsal=False)))
    zoe = possession.read(possession.written_by("zoe", key, proof, rehearsal=False))
    ring = Keyring((*THREE.holders[:2], zoe), THREE.online)
    with pytest.raises(Refused, match="x-minimum-client"):
        draft(plan(ring), ring, None, NOW)
    made = draft(plan(ring, minimum_client="tuf 7.0"), ring, None, NOW)
    signed = [(each.role, private.sign(records.message(key, each.payload)).hex()) for each in made.candidates]
    answer = attached(made, "zoe", key.keyid, NOW, signed, heard=False)
    names = {**NAMES, key.keyid: "zoe"}
    assert seal(made, [answer, *answers(made, "alice")], names, NOW).root.version == 1
