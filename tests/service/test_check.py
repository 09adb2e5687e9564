"""Take a release that is good, tamper with one thing, and it is refused before it becomes true."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from securesystemslib.signer import Signature, SSlibKey
from tuf.api.metadata import Targets

from keys import layout, page
from keys.signing import Asked, HeldKeys, Sign, Signatures, signed_file
from keys.state import NameState
from keys.times import stamp
from repo_service.build.assemble import Base, Differences, Few, Placed, Release, assemble, metas
from repo_service.build.check import WouldBeRefused, check_release, check_successions
from repo_service.build.due import Lifetimes
from repo_service.build.listing import Listing, Meta
from repo_service.build.metadata import Role, snapshot_file, timestamp_file
from repo_service.build.pages import Page, Target, page_of, policy_page
from repo_service.domain.announcing import Published
from repo_service.domain.policy import preset
from repo_service.wiring import presets
from tests.domain.cases import standing
from tests.world import BEGIN, held_key, online_key, root_of_trust

TRUST: Final = root_of_trust()
BINS: Final = TRUST.newest["bins"].body
SHAPE: Final = layout.Bins(2)
SIGN: Final[Sign] = online_key()
SIGNER: Final = HeldKeys(online_key())
FIRST: Final = Base(0, None, Listing.of({}))
assert isinstance(BINS, Targets)


def assembled(*pages: Page) -> Release:
    """A first release with these pages."""
    placed = tuple(Placed(SHAPE.number(each.path), page.name, each) for page in pages for each in page.targets)
    contents: dict[int, dict[str, str]] = {number: {} for number in range(len(SHAPE))}
    for each in placed:
        contents[each.bin][each.target.path] = each.target.entry
    return assemble(
        FIRST, Differences(pages=pages, placed=Few(placed), bins=contents), SHAPE, Lifetimes(), SIGNER, BEGIN
    )


def check(release: Release) -> None:
    assert isinstance(BINS, Targets)
    check_release(release, TRUST.root, BINS, None)


def tampered(name: str, change: Callable[[dict[str, Any]], object], sign: Sign = SIGN) -> Release:
    """The good release, but for one role, whose body was changed and signed again."""
    good = assembled()

    def amend(role: Role) -> Role:
        if role.name != name:
            return role
        body = json.loads(role.body)["signed"]
        change(body)
        return replace(role, body=signed_file(body, sign))

    roles = tuple(amend(role) for role in good.roles)
    return replace(good, roles=roles, timestamp=roles[-1])


def with_policy(**amended: Any) -> Release:
    """The good release, with a policy of which some part is not what it should be."""
    policy = policy_page(Published(stamp(BEGIN), stamp(BEGIN), preset("standard", presets())))
    release = assembled()
    return replace(release, new=replace(release.new, policies=(replace(policy, **amended),)))


def test_a_policy_that_is_not_spelled_named_or_placed_as_it_says_is_refused() -> None:
    check(with_policy())
    (good,) = with_policy().policies
    elsewhere = (replace(good.targets[0], path="policy/standard/2.json"),)
    for amended in (
        {"body": b"{}"},
        {"body": b"x"},
        {"body": good.body + b"\n"},
        {"name": "b/1"},
        {"targets": elsewhere},
    ):
        with pytest.raises(WouldBeRefused, match="policy"):
            check(with_policy(**amended))


def nothing(body: dict[str, Any]) -> None:
    """Signed again as it was."""


def test_what_is_assembled_is_not_refused() -> None:
    check(assembled())
    check(tampered("bin-0", nothing))


STRANGER: Final = held_key(1)


def rubbish(payload: bytes) -> tuple[Signature, ...]:
    return (Signature(online_key().record.keyid, "00" * 70),)


def entry(body: dict[str, Any], role: str) -> dict[str, Any]:
    found: dict[str, Any] = body["meta"][f"{role}.json"]
    return found


TAMPERED: Final[dict[str, tuple[str, Callable[[dict[str, Any]], object], Sign, str]]] = {
    "a bin signed by a stranger": ("bin-0", nothing, STRANGER, "bin-0"),
    "a snapshot signed by a stranger": ("snapshot", nothing, STRANGER, "snapshot"),
    "a timestamp signed by a stranger": ("timestamp", nothing, STRANGER, "timestamp"),
    "a signature that is rubbish": ("bin-0", nothing, rubbish, "bin-0"),
    "no signature": ("bin-0", nothing, lambda payload: (), "bin-0"),
    "a bin that does not say which it is": ("bin-0", lambda b: b.pop("x-role"), SIGN, "bin-0 100000: holds"),
    "a bin that says it is another": ("bin-0", lambda b: b.update({"x-role": "bin-1"}), SIGN, "its body names 'bin-1'"),
    "a bin with another bin's version": ("bin-0", lambda b: b.update(version=100_001), SIGN, "its body names"),
    "a bin that is a snapshot": (
        "bin-0",
        lambda b: b.update(_type="snapshot", meta={}),
        SIGN,
        "holds snapshot metadata",
    ),
    "a bin that is no metadata": ("bin-0", lambda b: b.pop("expires"), SIGN, "bin-0"),
    "a timestamp of another snapshot": (
        "timestamp",
        lambda b: entry(b, "snapshot").update(version=2),
        SIGN,
        "'version': 2}; it should be 1",
    ),
    "a timestamp of another generation": (
        "timestamp",
        lambda b: b.update(version=2),
        SIGN,
        "timestamp 2 names .* it should be 1",
    ),
    "a timestamp with another length": (
        "timestamp",
        lambda b: entry(b, "snapshot").update(length=1),
        SIGN,
        "length",
    ),
    "a timestamp with another hash": (
        "timestamp",
        lambda b: entry(b, "snapshot").update(hashes={"sha256": "00" * 32}),
        SIGN,
        "hash",
    ),
}


@pytest.mark.parametrize(("role", "change", "sign", "why"), TAMPERED.values(), ids=TAMPERED)
def test_what_clients_would_refuse_is_refused_first(
    role: str, change: Callable[[dict[str, Any]], object], sign: Sign, why: str
) -> None:
    with pytest.raises(WouldBeRefused, match=why):
        check(tampered(role, change, sign))


def test_a_snapshot_must_list_every_bin_of_its_release_in_its_version() -> None:
    """The timestamp is made to fit, so that nothing but the snapshot's own content is wrong."""
    for change in (lambda b: b["meta"].pop("bin-1.json"), lambda b: entry(b, "bin-1").update(version=200_001)):
        broken = tampered("snapshot", change)
        snapshot = next(role for role in broken.roles if role.name == "snapshot")
        pinned = Meta.pinning(1, snapshot.body)
        fitting = timestamp_file(1, pinned, BEGIN, BEGIN + Lifetimes().timestamp, SIGN)
        roles = (*broken.roles[:-1], fitting)
        with pytest.raises(WouldBeRefused, match="does not list bin-1"):
            check(replace(broken, roles=roles, timestamp=fitting))


def test_a_snapshot_must_have_the_digest_that_its_release_goes_on_with() -> None:
    """The timestamp and the journal say it; nobody reckons it again."""
    good = assembled()
    assert good.snapshot.sha256
    for wrong in (replace(good.snapshot, sha256="0" * 64), replace(good.snapshot, length=1)):
        fitting = timestamp_file(1, wrong, BEGIN, BEGIN + Lifetimes().timestamp, SIGN)
        with pytest.raises(WouldBeRefused, match=r"snapshot 1: is .* but its release takes it for"):
            check(replace(good, snapshot=wrong, roles=(*good.roles[:-1], fitting), timestamp=fitting))


def test_a_snapshot_must_pin_the_bytes_of_every_offline_file() -> None:
    """Targets, held and bins have one type, the same signers and often one version: any mirror could swap them."""
    files = {name: TRUST.newest[name].data for name in ("targets", "held", "bins")}
    expires = BEGIN + timedelta(days=365)
    offline = tuple(Role(name, 1, expires, data) for name, data in files.items())
    good = assemble(FIRST, Differences(offline=offline, bins={0: {}}), SHAPE, Lifetimes(), SIGNER, BEGIN)
    check(good)
    swapped = {**metas(good.roles), "held": Meta.pinning(1, files["bins"])}
    for listed, why in (
        ({**metas(good.roles), "targets": Meta(1)}, "does not list targets as {'hashes'"),
        (swapped, "does not list held as"),
    ):
        snapshot = snapshot_file(1, Listing.of(listed), BEGIN + Lifetimes().snapshot, SIGN)
        fitting = timestamp_file(1, Meta.pinning(1, snapshot.body), BEGIN, BEGIN + Lifetimes().timestamp, SIGN)
        roles = tuple({"snapshot": snapshot, "timestamp": fitting}.get(role.name, role) for role in good.roles)
        with pytest.raises(WouldBeRefused, match=why):
            check(replace(good, roles=roles, timestamp=fitting))


def second(release: Release, **amended: Any) -> tuple[Release, bytes]:
    """A release after this one that signs two bins again, and the snapshot that it stands on."""
    before = next(role.body for role in release.roles if role.name == "snapshot")
    versions = {"bin-0": 100_000, "bin-2": 100_002} | amended
    base = Base(1, release.snapshot, release.listing, versions)
    return assemble(base, Differences(bins={0: {}, 2: {}}), SHAPE, Lifetimes(), SIGNER, BEGIN), before


def test_a_later_snapshot_lists_all_that_the_newest_did_but_for_what_changes() -> None:
    good, before = second(assembled())
    check_release(good, TRUST.root, BINS, before)
    listed = json.loads(next(role.body for role in good.roles if role.name == "snapshot"))["signed"]["meta"]
    assert {name: meta["version"] for name, meta in listed.items()} == {
        "bin-0.json": 200_000, "bin-1.json": 100_001, "bin-2.json": 200_002, "bin-3.json": 100_003,
    }  # fmt: skip


@pytest.mark.parametrize("few", [64, 0])
@pytest.mark.parametrize(
    "change",
    [
        lambda b: entry(b, "bin-1").update(version=200_001),
        lambda b: entry(b, "bin-1").update(version=1),
        lambda b: b["meta"].pop("bin-3.json"),
        lambda b: entry(b, "bin-0").update(version=100_000),
        lambda b: b["meta"].update({"bin-4.json": {"version": 1}}),
        lambda b: entry(b, "bin-1").update(length=1),
    ],
)
def test_a_line_that_should_not_change_and_does_is_refused_read_by_line_or_whole(
    change: Callable[[dict[str, Any]], object], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bit flip between two releases, or a bug in what patches the list."""
    monkeypatch.setattr("repo_service.build.check._FEW", few)
    good, before = second(assembled())
    check_release(good, TRUST.root, BINS, before)
    snapshot = next(role for role in good.roles if role.name == "snapshot")
    body = json.loads(snapshot.body)["signed"]
    change(body)
    broken = replace(snapshot, body=signed_file(body, SIGN))
    fitting = timestamp_file(2, Meta.pinning(2, broken.body), BEGIN, BEGIN + Lifetimes().timestamp, SIGN)
    roles = tuple({"snapshot": broken, "timestamp": fitting}.get(role.name, role) for role in good.roles)
    with pytest.raises(WouldBeRefused, match="snapshot 2: does not list"):
        check_release(replace(good, roles=roles, timestamp=fitting), TRUST.root, BINS, before)


@pytest.mark.parametrize("few", [64, 0])
def test_a_version_that_is_published_already_is_refused(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two byte strings of one version: stock clients keep whichever they saw first."""
    monkeypatch.setattr("repo_service.build.check._FEW", few)
    again, before = second(assembled(), **{"bin-2": 2})
    with pytest.raises(WouldBeRefused, match="bin-2 100002: is not newer than 100002"):
        check_release(again, TRUST.root, BINS, before)


def test_a_target_in_a_bin_where_nobody_looks_for_it_is_refused() -> None:
    page = page_of(state_of("registered"), "full")
    good = assembled(page)
    path = page.targets[0].path
    wrong = (SHAPE.number(path) + 1) % 4
    bins = {number: dict(entries) for number, entries in good.new.bins.items()}
    bins[wrong][path] = bins[SHAPE.number(path)].pop(path)
    placed = [replace(each, bin=wrong) if each.target.path == path else each for each in good.new.placed]
    new = replace(good.new, bins=bins, placed=Few(placed))
    with pytest.raises(WouldBeRefused, match="which is of another bin"):
        check(assemble(FIRST, new, SHAPE, Lifetimes(), SIGNER, BEGIN))


def test_a_target_that_should_come_or_go_and_does_not_is_refused() -> None:
    page = page_of(state_of("registered"), "full")
    good = assembled(page)
    path = page.targets[0].path
    number = SHAPE.number(path)
    without = {key: entry for key, entry in good.new.bins[number].items() if key != path}
    for amended, why in (
        (replace(good.new, bins={**good.new.bins, number: without}), "is not in it as it should be"),
        (replace(good.new, placed=Few(), gone=(path,)), "should be gone"),
        (replace(good.new, bins={}), "comes or goes in it, but it is not signed"),
        (replace(good.new, placed=Few(), gone=(path,), bins={}), "comes or goes in it, but it is not signed"),
    ):
        with pytest.raises(WouldBeRefused, match=why):
            check(assemble(FIRST, amended, SHAPE, Lifetimes(), SIGNER, BEGIN))


def test_a_bin_lists_what_it_was_given_and_nothing_else() -> None:
    good = assembled(page_of(state_of("registered"), "full"))
    path = "simple/other/vnd.pypi.simple.v1.json"
    with pytest.raises(WouldBeRefused, match="lists other targets"):
        check(
            tampered(
                SHAPE.role(SHAPE.number(path)),
                lambda b: b["targets"].update({path: {"hashes": {"sha256": "0" * 64}, "length": 1}}),
            )
        )
    assert [*good.new.placed]


def test_a_target_that_nobody_touched_is_described_as_it_was() -> None:
    """A bit flip between the rows and the signature, in a target that neither comes nor goes."""
    path = "simple/other/vnd.pypi.simple.v1.json"
    number = SHAPE.number(path)
    good, before = second(assembled())
    entry_text = Target.of(path, 1, "0" * 64).entry
    bins = {**{each: {} for each in good.new.bins}, number: {path: entry_text}}
    base = Base(1, assembled().snapshot, assembled().listing, {SHAPE.role(each): 100_000 + each for each in bins})
    release = assemble(base, Differences(bins=bins), SHAPE, Lifetimes(), SIGNER, BEGIN)
    check_release(release, TRUST.root, BINS, before)
    flipped = replace(release.new, bins={**bins, number: {path: entry_text.replace('"length":1', '"length":2')}})
    with pytest.raises(WouldBeRefused, match="describes a target otherwise"):
        check_release(replace(release, new=flipped), TRUST.root, BINS, before)


def test_one_key_under_two_ids_does_not_meet_a_threshold_of_two() -> None:
    assert isinstance(BINS, Targets)
    bins = deepcopy(BINS)
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None
    own = online_key().record
    alias = SSlibKey("ab" * 32, own.keytype, own.scheme, own.keyval)
    bins.delegations.keys[alias.keyid] = alias
    bins.delegations.succinct_roles.keyids.append(alias.keyid)
    bins.delegations.succinct_roles.threshold = 2

    class Twice(HeldKeys):
        def sign_all(self, asked: Sequence[Asked]) -> list[Signatures]:
            signed = [signature for (signature,) in super().sign_all(asked)]
            return [(each, Signature(alias.keyid, each.signature)) for each in signed]

    release = assembled()
    release = assemble(FIRST, release.new, SHAPE, Lifetimes(), Twice(online_key()), BEGIN)
    with pytest.raises(WouldBeRefused, match="not signed by enough different keys"):
        check_release(release, TRUST.root, bins, None)


# Pages.


def state_of(name: str) -> NameState:
    return standing(name).state("foo")


def test_a_page_that_takes_back_what_clients_verified_is_refused() -> None:
    before, after = state_of("registered"), state_of("yanked")
    check_successions({"foo": before}.get, assembled(page_of(after, "full")), BEGIN)
    check_successions({}.get, assembled(page_of(before, "full")), BEGIN)
    for broken in (
        replace(after, serial=before.serial),
        replace(after, releases=()),
        replace(after, releases=(replace(after.releases[0], files=()),)),
    ):
        with pytest.raises(WouldBeRefused, match="page of foo"):
            check_successions({"foo": before}.get, assembled(page_of(broken, "full")), BEGIN)


def test_a_page_with_two_hashes_for_one_artifact_is_refused_also_when_it_is_new() -> None:
    state = state_of("registered")
    (release,) = state.releases
    clash = replace(release.files[0], filename="foo-1.0.zip", sha256="00" * 32)
    broken = replace(state, releases=(replace(release, files=(release.files[0], clash)),))
    with pytest.raises(WouldBeRefused, match="two different sha256"):
        check_successions({}.get, assembled(page_of(broken, "full")), BEGIN)


def test_a_page_whose_parts_disagree_is_refused() -> None:
    good = page_of(state_of("registered"), "full")
    body = json.loads(good.body)
    body["files"][0]["yanked"] = "insecure"
    for bad in (json.dumps(body, sort_keys=True, separators=(",", ":")).encode(), b"{}"):
        with pytest.raises(WouldBeRefused, match="page of foo"):
            check_successions({}.get, assembled(replace(good, body=bad)), BEGIN)


@pytest.mark.parametrize("part", ["state", "listing"])
def test_any_bit_of_what_is_kept_of_a_release_that_is_flipped_is_refused(part: str) -> None:
    """A page is put together of what is kept with the signer's values; the check makes all of it anew, of the bytes."""
    before = state_of("registered")
    after, released = replace(before, display="FOO", serial=before.serial + 1), page.state_of(page.render(before))
    kept = page._shown(after.releases[0], "foo")
    good, said = assembled(page_of(after, "compact")), getattr(kept, part)
    check_successions({"foo": released}.get, good, BEGIN)
    flipped = (said[:at] + bytes([said[at] ^ 1 << at % 8]) + said[at + 1 :] for at in range(len(said)))
    otherwise = (said.replace(b",", b", ", 1), said.replace(b"{", b'{"version":"2.0",', 1))
    for wrong in (*flipped, *otherwise):
        object.__setattr__(kept, part, wrong)
        body = page.render(after)
        assert wrong in body
        made = replace(good, new=replace(good.new, pages=(Page("foo", body, ()),)))
        with pytest.raises(WouldBeRefused, match="page of foo"):
            check_successions({"foo": released}.get, made, BEGIN)


# What a release is made of.


@pytest.mark.parametrize("shape", ["full", "compact"])
def test_a_name_has_its_page_and_in_full_its_installable_files_as_targets(shape: Any) -> None:
    """Invariant I9."""
    state = state_of("registered")
    paths = [target.path for target in page_of(state, shape).targets]
    files = ["packages/foo/foo-1.0.tar.gz"] if shape == "full" else []
    assert paths == ["simple/foo/vnd.pypi.simple.v1.json", *files]
    hidden = page_of(state_of("quarantined"), shape)
    assert [target.path for target in hidden.targets] == ["simple/foo/vnd.pypi.simple.v1.json"]
    assert page.parse(hidden.body).quarantine is not None


def test_files_are_copied_out_before_what_names_them() -> None:
    release = assembled(page_of(state_of("registered"), "full"))
    kinds = [path.split(".")[1 if path.startswith("metadata") else 0] for path, *_ in release.immutable]
    assert [kind.partition("/")[0] for kind in kinds] == ["targets", *["bin-0", "bin-1", "bin-2", "bin-3"], "snapshot"]
    assert release.timestamp.path == "metadata/timestamp.json"


def test_every_role_expires_when_its_lifetime_says() -> None:
    lifetimes = Lifetimes(timedelta(days=1), timedelta(days=2), timedelta(days=3))
    release = assemble(FIRST, Differences(bins={0: {}}), SHAPE, lifetimes, SIGNER, BEGIN)
    expires = {role.name: json.loads(role.body)["signed"]["expires"] for role in release.roles}
    assert expires == {
        "bin-0": "2026-11-25T10:00:00Z",
        "snapshot": "2026-11-24T10:00:00Z",
        "timestamp": "2026-11-23T10:00:00Z",
    }
    assert json.loads(release.timestamp.body)["signed"]["x-signed-at"] == "2026-11-22T10:00:00Z"
