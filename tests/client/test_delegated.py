"""What the specification asks of the top-level roles is asked of ``held``, ``bins`` and each bin as well.

Half of the advisories about TUF clients are a check that was made for the four top-level roles and not for delegated
ones. The public suite looks at few of them.
"""

from urllib.parse import quote

import pytest

from client_verify.answers import Found, ProvenAbsent
from client_verify.refusals import Refused
from client_verify.session import Session
from client_verify.trust import Pin
from keys import layout, names, page
from keys.encoding import sha256
from tests import paper
from tests.client.conftest import URL, PaperFetcher, updater_at
from tests.client.refusing import refuses
from tests.paper import HOLDERS, ONLINE, alias

DELEGATED = ("held", "bins", "bin")
ALIAS = "cd" * 32


class Swapping(PaperFetcher):
    """The repository's own address gives one file in another's place; every mirror is honest."""

    def __init__(self, files, path, instead):
        super().__init__(files)
        self.path, self.instead = path, instead

    def _fetch(self, url):
        base, _, path = url.partition("test/")
        if base.startswith("http://registry.") and path == self.path:
            return iter([self.files[self.instead]])
        return super()._fetch(f"{URL}/{path}")


def _role(world, kind):
    return world.repository.bin_of("flask") if kind == "bin" else kind


def _name(kind):
    return paper.HELD_NAME if kind == "held" else "flask"


def _ask(world, kind):
    return lambda: world.session().page(_name(kind))


def _forging(role, **fields):
    def forge(signed, body):
        if signed == role:
            body.update(fields)

    return forge


@pytest.mark.parametrize("kind", ["root", "timestamp", "snapshot", "targets", *DELEGATED])
def test_an_expired_role_is_refused(world, kind):
    """Each by itself, while all others are valid."""
    forge = _forging(_role(world, kind), expires="2026-11-22T09:59:59Z")
    world.rebuild(forge)
    world.publish(forge=forge)
    ask = _ask(world, kind) if kind in DELEGATED else world.session
    refuses("expired", ask, "2026-11-22T09:59:59Z")


def test_an_older_timestamp_of_the_same_snapshot_is_a_rollback(world):
    world.say("flask")
    world.say("flask", serial=2)
    world.session()
    world.publish(forge=_forging("timestamp", version=1))
    refuses("rollback", world.session, "timestamp version 1", "verified version 2")


@pytest.mark.parametrize("kind", DELEGATED)
def test_a_delegated_role_never_goes_back_to_an_earlier_version(world, kind):
    world.say("flask")
    world.repository.ceremony(world.now)
    world.say("flask", serial=2)
    _ask(world, kind)()
    role = _role(world, kind)

    def forge(signed, body):
        if signed == "snapshot":
            body["meta"][f"{role}.json"]["version"] -= layout.BIN_STRIDE if kind == "bin" else 1

    world.publish(forge=forge)
    refuses("rollback", _ask(world, kind), f"{role} version", "already verified version")


@pytest.mark.parametrize("kind", DELEGATED)
def test_a_delegated_role_never_disappears_from_the_snapshot(world, kind):
    world.say("flask")
    world.session()
    role = _role(world, kind)

    def forge(signed, body):
        if signed == "snapshot":
            del body["meta"][f"{role}.json"]

    world.publish(forge=forge)
    refuses("invalid", _ask(world, kind), role)


@pytest.mark.parametrize("kind", DELEGATED)
def test_a_delegated_role_that_the_snapshot_never_listed_is_refused(world, kind):
    role = _role(world, kind)

    def forge(signed, body):
        if signed == "snapshot":
            del body["meta"][f"{role}.json"]

    world.publish(forge=forge)
    refuses("invalid", _ask(world, kind), role)


@pytest.mark.parametrize("wrong", [{"length": 7}, {"hashes": {"sha256": "0" * 64}}], ids=["length", "hash"])
@pytest.mark.parametrize("kind", DELEGATED)
def test_the_length_and_hash_that_a_snapshot_gives_of_a_delegated_role_are_heeded(world, kind, wrong):
    """CVE-2026-6967: they were not."""
    role = _role(world, kind)

    def forge(signed, body):
        if signed == "snapshot":
            body["meta"][f"{role}.json"].update(wrong)

    world.publish(forge=forge)
    refuses("invalid", _ask(world, kind))


@pytest.mark.parametrize("kind", DELEGATED)
def test_a_delegated_role_must_be_signed_by_those_it_is_delegated_to(world, kind):
    stranger = paper.HeldKey(paper.Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32))
    world.rebuild(paper.as_signed, {_role(world, kind): stranger})
    world.publish()
    refuses("invalid", _ask(world, kind), "signed by 0/")


@pytest.mark.parametrize("kind", ["held", "bins"])
def test_the_online_key_cannot_sign_what_is_signed_offline(world, kind):
    world.rebuild(paper.as_signed, {kind: ONLINE})
    world.publish()
    refuses("invalid", _ask(world, kind), "signed by 0/2")


@pytest.mark.parametrize("kind", ["held", "bins"])
def test_one_signature_does_not_meet_a_threshold_of_two(world, kind):
    world.rebuild(paper.as_signed, {kind: HOLDERS[0]})
    world.publish()
    refuses("invalid", _ask(world, kind), "signed by 1/2")


@pytest.mark.parametrize("kind", DELEGATED)
def test_two_signatures_of_one_key_id_are_refused(world, kind):
    """CVE-2020-6174, CVE-2020-15093, CVE-2026-6966: each counted."""
    key = ONLINE if kind == "bin" else HOLDERS[0]
    world.rebuild(paper.as_signed, {_role(world, kind): lambda payload: (key.sign(payload), key.sign(payload))})
    world.publish()
    refuses("invalid", _ask(world, kind))


@pytest.mark.parametrize("threshold", [0, -1])
@pytest.mark.parametrize("kind", DELEGATED)
def test_a_threshold_that_asks_for_no_signature_is_refused(world, kind, threshold):
    """CVE-2026-23992: nothing needed to be signed."""

    def forge(signed, body):
        if signed == ("bins" if kind == "bin" else "targets"):
            _delegation(body, kind)["threshold"] = threshold

    world.rebuild(forge, {_role(world, kind): lambda payload: ()})
    world.publish()
    refuses("invalid", _ask(world, kind))


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_a_root_with_a_threshold_that_asks_for_no_signature_is_refused(world, role):
    world.publish()
    world.session()

    def forge(signed, body):
        if signed == "root":
            body["roles"][role]["threshold"] = 0

    world.repository.ceremony(world.now, forge)
    world.publish()
    refuses("invalid", world.session)


@pytest.mark.parametrize("kind", DELEGATED)
def test_a_key_id_that_is_listed_twice_is_refused(world, kind):
    def forge(signed, body):
        if signed == ("bins" if kind == "bin" else "targets"):
            _delegation(body, kind)["keyids"] *= 2

    world.rebuild(forge)
    world.publish()
    refuses("invalid", _ask(world, kind))


@pytest.mark.parametrize("kind", DELEGATED)
def test_one_key_under_two_ids_does_not_meet_a_delegated_threshold_of_two(world, kind):
    key = ONLINE if kind == "bin" else HOLDERS[0]

    def forge(signed, body):
        if signed == ("bins" if kind == "bin" else "targets"):
            body["delegations"]["keys"][ALIAS] = key.record.to_dict()
            _delegation(body, kind).update({"keyids": [key.record.keyid, ALIAS], "threshold": 2})

    twice = lambda payload: (*key(payload), *alias(key, ALIAS)(payload))  # noqa: E731
    world.rebuild(forge, {_role(world, kind): twice})
    world.publish()
    refuses("invalid", _ask(world, kind))


@pytest.mark.parametrize("kind", DELEGATED)
def test_a_delegated_role_of_another_type_is_refused(world, kind):
    def forge(signed, body):
        if signed == _role(world, kind):
            body.clear()
            body.update(
                {"_type": "snapshot", "spec_version": "1.0.31", "version": 1, "expires": "2027-01-01T00:00:00Z"}
            )
            body["meta"] = {}

    world.rebuild(forge)
    world.publish(forge=forge)
    refuses("invalid", _ask(world, kind))


OFFLINE = ("targets", "held", "bins")


@pytest.mark.parametrize("asked, served", [(one, other) for one in OFFLINE for other in OFFLINE if one != other])
def test_a_file_that_the_holders_signed_for_another_role_is_swapped_and_does_not_stay(world, asked, served):
    """The same people sign all three, in equal versions, so no mirror needs a key; and python-tuf keeps what it got.

    CVE-2025-2888: what was refused stayed in the cache, and the client was stuck with it.
    """
    said = world.say("flask")
    files, path = world.repository.files, world.repository.newest(asked)
    honest, files[path] = files[path], files[world.repository.newest(served)]
    name = paper.HELD_NAME if asked == "held" else "flask"
    refuses("swapped", lambda: world.session().page(name), f"asked for {asked}")
    files[path] = honest
    session = world.session()
    assert session.page("flask") == Found(said)
    assert session.page(paper.HELD_NAME)


@pytest.mark.parametrize("asked, served", [("targets", "held"), ("bins", "targets")])
def test_a_mirror_that_swaps_such_files_costs_an_attempt_and_nothing_else(world, asked, served):
    said = world.say("flask")
    files, mirror = world.repository.files, "http://mirror.test"
    world.fetcher = Swapping(files, world.repository.newest(asked), world.repository.newest(served))
    pin = Pin("acme", URL, world.repository.root, mirrors=(mirror,))
    session = Session(pin, world.directory, world.fetcher, world.clock, make_updater=updater_at(world.clock))
    assert session.page("flask") == Found(said)


def test_a_target_in_a_bin_that_is_not_its_own_is_not_found(world):
    """A bin speaks only for the paths that hash into it, whatever it lists."""
    state = paper.project(world.now, "flask")
    data, path = page.render(state), names.page_path("flask")
    world.repository.files[f"targets/{names.hashed(path, sha256(data))}"] = data
    own = world.repository.bin_of("flask")

    def forge(signed, body):
        if signed.startswith("bin-") and signed != own:
            body["targets"][path] = page.target_entry(data)

    world.publish(forge=forge)
    assert isinstance(world.session().page("flask"), ProvenAbsent)


def test_two_bins_swapped_in_both_directions_are_told_apart_though_one_key_signs_them(world):
    world.say("flask")
    files, repository = world.repository.files, world.repository
    own = repository.bin_of("flask")
    other = next(role for role in repository.bins.roles() if role != own)
    first, second = repository.newest(own), repository.newest(other)
    files[first], files[second] = files[second], files[first]
    refuses("swapped", lambda: world.session().page("flask"), other)


def test_delegations_that_none_of_ours_has_are_refused_before_anything_of_them_is_asked_for(world):
    """A walk through a thousand roles would cost minutes; 32 is python-tuf's limit, and none is asked for here."""

    def forge(signed, body):
        if signed == "targets":
            own = body["delegations"]["roles"]
            own[:0] = [
                {**own[0], "name": f"x{number}", "paths": ["*/*/*"], "terminating": False} for number in range(1_000)
            ]

    world.rebuild(forge)
    world.publish()
    refuses("invalid", _ask(world, "bin"), "must delegate to held and bins")
    assert not [path for path in world.fetcher.asked if ".x" in path]


@pytest.mark.parametrize(
    "prefix", ["../../bin", "..", "/bin", "%2e%2e%2fbin", "a\0b", "C:\\bin", "bin/../..", "ünïcode", "b" * 500]
)
def test_bins_by_another_name_are_refused_and_nothing_is_written_elsewhere(world, prefix):
    def forge(signed, body):
        if signed == "bins":
            body["delegations"]["succinct_roles"]["name_prefix"] = prefix
        if signed == "snapshot":
            body["meta"].update({f"{prefix}-{number}.json": {"version": 100_000 + number} for number in range(4)})

    world.rebuild(forge)
    world.publish(forge=forge)
    files = world.repository.files
    for number, version in enumerate(range(100_000, 100_004)):
        files[f"metadata/{version}.{quote(f'{prefix}-{number}', '')}.json"] = files[
            f"metadata/{version}.bin-{number}.json"
        ]
    before = {path for path in world.directory.parent.rglob("*") if world.directory not in (path, *path.parents)}
    with pytest.raises((Refused, OSError), match=r"not valid|name too long"):
        world.session().page("flask")
    after = {path for path in world.directory.parent.rglob("*") if world.directory not in (path, *path.parents)}
    assert after == before
    assert {path.name for path in world.directory.iterdir()} == {"metadata", "memory.sqlite", "lock"}


@pytest.mark.parametrize("bits", [0, 33, 64, -1, 15, 32])
def test_a_number_of_bins_that_none_of_ours_has_is_refused(world, bits):
    def forge(signed, body):
        if signed == "bins":
            body["delegations"]["succinct_roles"]["bit_length"] = bits

    world.rebuild(forge)
    world.publish()
    refuses("invalid", _ask(world, "bin"))


def _delegation(body, kind):
    """The part of a delegator's body that speaks of a role."""
    delegations = body["delegations"]
    return delegations["succinct_roles"] if kind == "bin" else delegations["roles"][0 if kind == "held" else 1]


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "held", "bins", "bin"])
def test_what_is_refused_is_not_kept(world, role):
    """CVE-2020-15163: it was written before it was verified, and trusted the next time."""
    world.say("flask")
    named = _role(world, role)
    path = world.repository.newest(named)
    world.repository.files[path] = world.repository.files[path].replace(b'"expires":"2', b'"expires":"3')
    refuses("invalid", _ask(world, role))
    assert not (world.directory / "metadata" / f"{named}.json").exists()
