"""A stolen socket asks for everything bad, and gets a refusal with its own code. What is good is signed.

Each case is a real question over a real socket. That a case is refused only for its one fault is seen by the good ones.
"""

import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from securesystemslib.signer import Signature

from keys import layout, names, page
from keys.encoding import canonical
from keys.signing import SignerFailed, wrapped
from keys.state import NameState
from keys.times import stamp
from repo_service.commands.guard import begin
from repo_service.domain import requests as r
from repo_service.guarding import reading, settings
from repo_service.guarding.guard import check_rehearsal
from repo_service.guarding.protocol import MAX_FRAME
from repo_service.guarding.store import Store
from tests.guarding.guarded import GuardedWorld
from tests.guarding.thief import Refused, Thief, bin_of, described, new_bin
from tests.world import BECAUSE, OWNER, online_key, publishing, root_of_trust

PAGE: Final = names.page_path("foo")
FILE: Final = names.file_path("foo", "foo-1.0.tar.gz")
Bad = Callable[[Thief], object]


@pytest.fixture(scope="module")
def thief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thief]:
    """In a repository with foo 1.0, which was yanked. Who is refused leaves nothing behind, so all share it."""
    world = GuardedWorld(tmp_path_factory.mktemp("refusals"))
    world.do(publishing("foo"), publishing("bar"))
    world.tick(minutes=1)
    world.do(r.Yank("foo", "1.0", BECAUSE, OWNER))
    world.tick(minutes=1)
    its = Thief(world)
    world.service.press.sign.highest((), its.body("snapshot")["version"])  # the service has kept what was signed
    yield its
    world.close()


def targets(its: Thief, path: str, entry: Any) -> bytes:
    """The next version of the bin of a path, with another entry of it; None is without."""
    listed = its.body(bin_of(path))["targets"]
    changed = {key: each for key, each in listed.items() if key != path} | ({path: entry} if entry else {})
    return its.again(bin_of(path), targets=changed)


def replaced(its: Thief, forged: bytes, *shown: bytes) -> object:
    """Ask for the bin with this page of foo, showing everything that belongs to it."""
    files = (its.file(bin_of(PAGE)), *its.pages("foo"), *(shown or (forged,)))
    return its.sign(targets(its, PAGE, described(forged)), shown=files)


def forged(its: Thief, change: Callable[[NameState], NameState]) -> bytes:
    state = page.parse(its.page("foo"))
    return page.render(change(replace(state, serial=state.serial + 1, event=state.event + 1)))


def unyanked(state: NameState) -> NameState:
    return replace(state, releases=tuple(replace(each, yank=None) for each in state.releases), history=())


def without_the_release(state: NameState) -> NameState:
    return replace(state, releases=())


def listed(its: Thief, **versions: Any) -> object:
    return its.sign(its.again("snapshot", meta=its.listing(**versions)))


def without(its: Thief, file: str) -> object:
    meta = {key: each for key, each in its.listing().items() if key != file}
    return its.sign(its.again("snapshot", meta=meta))


def soon(its: Thief, **more: float) -> str:
    return stamp(its.world.now + timedelta(**more))


def later(world: GuardedWorld, **more: Any) -> dict[str, bytes]:
    """What a later ceremony seals."""
    return root_of_trust(world.now, after=world.trust, **{"held": ("internal",), "holders": (1, 2, 4), **more}).files()


def over(its: Thief) -> object:
    files = later(its.world, days=1)
    its.world.tick(days=2)
    try:
        return taken_in(its, files)
    finally:
        its.world.tick(days=-2)


def backwards(its: Thief) -> object:
    its.world.tick(hours=-1)
    try:
        return its.sign(its.again("timestamp"))
    finally:
        its.world.tick(hours=1)


BAD: Final[dict[str, tuple[str, Bad]]] = {
    "a payload with a space": ("not_canonical", lambda its: its.sign(its.again("timestamp") + b" ")),
    "a bin whose targets have a space": (
        "not_canonical",
        lambda its: its.sign(its.again("bin-0").replace(b'"targets":{', b'"targets":{ '), shown=[its.file("bin-0")]),
    ),
    "bytes that are no JSON": ("not_canonical", lambda its: its.sign(b"\x00tallystick")),
    "a digest": ("not_canonical", lambda its: its.sign(bytes(32))),
    "a list": ("not_canonical", lambda its: its.sign(b"[]")),
    "a root": ("wrong_type", lambda its: its.sign(canonical(its.body("root")["_type"] and {"_type": "root"}))),
    "the top-level targets": ("wrong_type", lambda its: its.sign(its.again("targets"))),
    "held": ("wrong_type", lambda its: its.sign(its.again("held"))),
    "bins, whose keys hold lines": ("not_canonical", lambda its: its.sign(its.again("bins"))),
    "a bin without its name": ("wrong_type", lambda its: its.sign(its.again("bin-0", **{"x-role": "held"}))),
    "a bin that delegates": ("wrong_type", lambda its: its.sign(its.again("bin-0", delegations={}))),
    "a timestamp with a field more": ("wrong_form", lambda its: its.sign(its.again("timestamp", more=1))),
    "a snapshot of another specification": (
        "wrong_form", lambda its: its.sign(its.again("snapshot", spec_version="1")),
    ),
    "a version that is text": ("wrong_form", lambda its: its.sign(its.again("timestamp", version="7"))),
    "a version that is true": ("wrong_form", lambda its: its.sign(its.again("timestamp", version=True))),
    "an expiry in another form": ("wrong_form", lambda its: its.sign(its.again("snapshot", expires="2026-11-22"))),
    "a snapshot and a timestamp at once": (
        "wrong_form", lambda its: its.sign(its.again("bin-0"), its.again("snapshot")),
    ),
    "one bin twice at once": (
        "wrong_form",
        lambda its: its.sign(its.again("bin-0"), its.again("bin-0", version=its.body("bin-0")["version"] + 200_000)),
    ),
    "a target without a length": (
        "wrong_form", lambda its: its.sign(targets(its, FILE, {"hashes": {}}), shown=[its.file(bin_of(FILE))]),
    ),
    "a bin of no number that there is": (
        "wrong_bin", lambda its: its.sign(new_bin("bin-7", 900_007, soon(its, days=1))),
    ),
    "a bin's name in another spelling": (
        "wrong_bin", lambda its: its.sign(new_bin("bin-00", 900_000, soon(its, days=1))),
    ),
    "a bin with another bin's version": (
        "wrong_bin", lambda its: its.sign(its.again("bin-0", version=its.body("bin-0")["version"] + 100_001)),
    ),
    "a target where nobody looks": (
        "wrong_bin",
        lambda its: its.sign(
            its.again(f"bin-{3 - int(bin_of(PAGE)[-1])}", targets={PAGE: described(b"x")}),
            shown=[its.file(f"bin-{3 - int(bin_of(PAGE)[-1])}")],
        ),
    ),
    "a timestamp that is over": (
        "expired", lambda its: its.sign(its.again("timestamp", expires=soon(its, seconds=0))),
    ),
    "a timestamp of a month": ("lifetime", lambda its: its.sign(its.again("timestamp", expires=soon(its, days=30)))),
    "a snapshot of a month": ("lifetime", lambda its: its.sign(its.again("snapshot", expires=soon(its, days=30)))),
    "a bin of a year": ("lifetime", lambda its: its.sign(its.again("bin-0", expires=soon(its, days=365)))),
    "a timestamp of tomorrow": (
        "lifetime", lambda its: its.sign(its.again("timestamp", **{"x-signed-at": soon(its, days=1)})),
    ),
    "a clock that went back": ("clock_back", backwards),
    "an older timestamp": ("regression", lambda its: its.sign(its.again("timestamp", version=1))),
    "an older snapshot": ("regression", lambda its: its.sign(its.again("snapshot", version=1))),
    "an older bin": (
        "regression", lambda its: its.sign(its.again(bin_of(PAGE), version=100_000 + int(bin_of(PAGE)[-1]))),
    ),
    "fast-forward of the timestamp": ("version_jump", lambda its: its.sign(its.again("timestamp", version=2**31 - 1))),
    "fast-forward of the snapshot": ("version_jump", lambda its: its.sign(its.again("snapshot", version=1_500))),
    "fast-forward of a bin": (
        "version_jump", lambda its: its.sign(its.again("bin-0", version=(2**31 // 100_000) * 100_000)),
    ),
    "two timestamps of one version": (
        "equivocation",
        lambda its: its.sign(its.again("timestamp", version=its.body("timestamp")["version"])),
    ),
    "two snapshots of one version": (
        "equivocation", lambda its: its.sign(its.again("snapshot", version=its.body("snapshot")["version"])),
    ),
    "two bins of one version": (
        "equivocation",
        lambda its: its.sign(
            its.again(bin_of(PAGE), version=its.body(bin_of(PAGE))["version"], expires=soon(its, days=29)),
        ),
    ),
    "other targets without what they replace": (
        "unproven", lambda its: its.sign(targets(its, PAGE, None), shown=[its.file("snapshot")]),
    ),
    "an old bin as what is replaced": (
        "unproven", lambda its: its.sign(targets(its, PAGE, None), shown=[oldest(its, bin_of(PAGE))]),
    ),
    "a page that nobody is shown": ("unproven", lambda its: replaced(its, b"forged", b"another")),
    "a page that is gone": (
        "vanished", lambda its: its.sign(targets(its, PAGE, None), shown=[its.file(bin_of(PAGE))]),
    ),
    "a policy that is gone": (
        "vanished",
        lambda its: its.sign(targets(its, policy(its), None), shown=[its.file(bin_of(policy(its)))]),
    ),
    "another policy under its name": (
        "changed",
        lambda its: its.sign(targets(its, policy(its), described(b"x")), shown=[its.file(bin_of(policy(its)))]),
    ),
    "another file under its name": (
        "changed",
        lambda its: its.sign(targets(its, FILE, described(b"malware")), shown=[its.file(bin_of(FILE))]),
    ),
    "a page without what happened": ("succession", lambda its: replaced(its, forged(its, unyanked))),
    "a page without a release": ("succession", lambda its: replaced(its, forged(its, without_the_release))),
    "an older page of the name": ("succession", lambda its: replaced(its, its.pages("foo")[0])),
    "a page that is none": ("succession", lambda its: replaced(its, b"<html>")),
    "another name's page": ("succession", lambda its: replaced(its, its.page("bar"))),
    "a page that goes on under another name": (
        "succession",
        lambda its: replaced(its, forged(its, lambda state: replace(state, name="other"))),
    ),
    "a snapshot without a bin": ("dropped", lambda its: without(its, "bin-2.json")),
    "a snapshot without held": ("dropped", lambda its: without(its, "held.json")),
    "a bin back at its first version": ("rolled_back", lambda its: listed(its, **back(its, bin_of(PAGE)))),
    "older bins metadata": ("rolled_back", lambda its: listed(its, bins={**its.listing()["bins.json"], "version": 0})),
    "held of another hash": (
        "offline_role", lambda its: listed(its, held={**its.listing()["held.json"], "length": 1}),
    ),
    "targets of a version that nobody sealed": (
        "offline_role", lambda its: listed(its, targets={**its.listing()["targets.json"], "version": 9}),
    ),
    "a role that is no role": ("strange_role", lambda its: listed(its, admin={"version": 1})),
    "a bin that is not there": ("strange_role", lambda its: listed(its, bin_9={"version": 900_009})),
    "a bin that was never signed": ("unlisted", lambda its: listed(its, bin_0={"version": 9_900_000})),
    "a bin that is listed with a hash": (
        "unlisted", lambda its: listed(its, bin_0=described(b"x") | {"version": 900_000}),
    ),
    "a timestamp of the snapshot before": (
        "not_newest", lambda its: its.sign(its.again("timestamp", meta=older_snapshot(its))),
    ),
    "a timestamp of another file of this version": (
        "not_newest",
        lambda its: its.sign(its.again("timestamp", meta={"snapshot.json": pinned(its) | {"length": 9}})),
    ),
    "a timestamp of two files": (
        "not_newest",
        lambda its: its.sign(
            its.again("timestamp", meta={"snapshot.json": pinned(its), "root.json": {"version": 1}})
        ),
    ),
    "another ceremony's files": ("untrusted", lambda its: taken_in(its, root_of_trust(holders=(4, 5, 6)).files())),
    "a ceremony's files without their signatures": ("untrusted", lambda its: taken_in(its, unsigned(its))),
    "a ceremony that is over": ("untrusted", over),
}  # fmt: skip


def back(its: Thief, role: str) -> dict[str, Any]:
    return {role.replace("-", "_"): {"version": 100_000 + int(role[-1])}}


def oldest(its: Thief, role: str) -> bytes:
    files = (its.world.public / "metadata").glob(f"*.{role}.json")
    return min(files, key=lambda file: int(file.name.partition(".")[0])).read_bytes()


def policy(its: Thief) -> str:
    return next(path for role in range(4) for path in its.body(f"bin-{role}")["targets"] if path.startswith("policy/"))


def pinned(its: Thief) -> dict[str, Any]:
    found: dict[str, Any] = its.body("timestamp")["meta"]["snapshot.json"]
    return found


def older_snapshot(its: Thief) -> dict[str, Any]:
    version = its.body("snapshot")["version"] - 1
    file = (its.world.public / "metadata" / f"{version}.snapshot.json").read_bytes()
    return {"snapshot.json": described(file) | {"version": version}}


def taken_in(its: Thief, files: dict[str, bytes]) -> object:
    return its.ask({"ask": "take_in", "paths": list(files)}, [*files.values()])


def unsigned(its: Thief) -> dict[str, bytes]:
    files = later(its.world)
    root = json.loads(files["2.root.json"])
    return files | {"2.root.json": canonical({**root, "signatures": root["signatures"][:1]})}


@pytest.mark.parametrize("name", BAD)
def test_a_stolen_socket_cannot_have_it_signed(thief: Thief, name: str) -> None:
    code, bad = BAD[name]
    before = thief.world.guard.state.bins.copy(), thief.world.guard.state.snapshot, thief.world.guard.state.timestamp
    with pytest.raises(Refused) as refused:
        bad(thief)
    assert refused.value.code == code, refused.value
    its = thief.world.guard.state
    assert (its.bins, its.snapshot, its.timestamp) == before, "what was refused left something behind"


def test_the_good_is_signed(tmp_path: Path) -> None:
    """The same questions without their fault."""
    world = GuardedWorld(tmp_path)
    world.do(publishing("foo"))
    world.tick(minutes=1)
    its = Thief(world)
    role = bin_of(PAGE)
    page_now = forged(its, lambda state: state)
    assert its.sign(its.again("timestamp"))
    signed = replaced(its, page_now)
    assert signed
    version = json.loads(targets(its, PAGE, described(page_now)))["version"]
    snapshot = its.again("snapshot", meta=its.listing(**{role.replace("-", "_"): {"version": version}}))
    (signatures,) = its.sign(snapshot)
    later = its.body("timestamp")["version"] + 2
    assert its.sign(its.again("timestamp", version=later, meta=its.pinned(snapshot, signatures)))
    assert its.sign(snapshot) == [signatures], "again as it was"
    world.close()


def test_bins_of_another_number_begin_above_all_and_are_listed_all_at_once(tmp_path: Path) -> None:
    world = GuardedWorld(tmp_path)
    world.do(publishing("foo"))
    world.tick(minutes=1)
    its, shape = Thief(world), layout.Bins(4)
    taken_in(its, later(world, bins=16))
    before = {number: its.file(f"bin-{number:x}") for number in range(4)}
    highest = max(its.listing()[f"bin-{number}.json"]["version"] for number in range(4))

    def moved(number: int, version: int) -> bytes:
        listed = json.loads(before[number >> 2])["signed"]["targets"]
        entries = {path: entry for path, entry in listed.items() if shape.number(path) == number}
        return new_bin(shape.role(number), version, soon(its, days=1), entries)

    low = next(n for n in range(4, 16) if its.world.guard.state.bins.get(shape.role(n)) is None)
    with pytest.raises(Refused, match="regression"):
        its.sign(moved(low, 100_000 + low), shown=[before[low >> 2]])
    for number in range(1, 16):
        assert its.sign(moved(number, layout.first_version(number, highest)), shown=[before[number >> 2]])
    pinned = world.guard.state.sealed.pinned
    versions = {f"{shape.role(n)}.json": {"version": layout.first_version(n, highest)} for n in range(16)}
    with pytest.raises(Refused, match=r"dropped: .* bin-0\.json|dropped: .* bin-[4-9a-f]\.json"):
        its.sign(its.again("snapshot", meta={**its.listing(), **pinned}))
    with pytest.raises(Refused, match="of another number of bins"):
        its.sign(its.again("snapshot", meta={**versions, **pinned, "bin-0.json": its.listing()["bin-0.json"]}))
    assert its.sign(moved(0, layout.first_version(0, highest)), shown=[before[0]])
    assert its.sign(its.again("snapshot", meta={**versions, **pinned}))
    world.close()


def test_more_than_is_allowed_within_an_hour_is_refused_by_what_it_counts(tmp_path: Path) -> None:
    world = GuardedWorld(tmp_path)
    world.do(*(publishing(f"name-{number}") for number in range(4)))
    world.tick(minutes=1)
    world.restart_guard("yanks_an_hour = 1", "removals_an_hour = 1", "files_an_hour = 1")
    world.service.press.sign.highest((), 0)
    its, found = Thief(world), set()
    for change in ("yank", "removal"):
        for number in range(4):
            try:
                lose(its, f"name-{number}", change)
            except Refused as refused:
                found.add(refused.code)
    listed = [(role, its.body(role)["targets"]) for role in (f"bin-{number}" for number in range(4))]
    for role, entries in listed:
        kept = {path: each for path, each in entries.items() if not path.startswith("packages/")}
        try:
            its.sign(its.again(role, version=its.body(role)["version"] + 300_000, targets=kept), shown=[its.file(role)])
        except Refused as refused:
            found.add(refused.code)
    assert found == {"yanks", "removals", "files"}
    world.close()


def lose(its: Thief, name: str, change: str) -> None:
    from keys.state import Mark, Yank

    path, state = names.page_path(name), page.parse(its.page(name))
    mark = Mark(stamp(its.world.now), "admin")
    if change == "yank":
        releases = tuple(replace(each, yank=Yank("security", mark)) for each in state.releases)
    else:
        releases = tuple(replace(each, quarantine=mark) for each in state.releases)
    after = page.render(replace(state, serial=state.serial + 1, event=state.event + 9, releases=releases))
    listed = its.body(bin_of(path))["targets"] | {path: described(after)}
    version = its.body(bin_of(path))["version"] + (100_000 if change == "yank" else 200_000) * (int(name[-1]) + 1)
    payload = its.again(bin_of(path), targets=listed, version=version)
    its.sign(payload, shown=[its.file(bin_of(path)), its.page(name), after])


def test_a_guard_that_holds_no_key_that_is_named_signs_nothing(tmp_path: Path) -> None:
    world = GuardedWorld(tmp_path)
    world.give_key("other.key", 7)
    world.restart_guard('keys = ["other.key"]')
    world.service.press.sign.highest((), 0)
    for role in ("timestamp", "snapshot", "bin-0"):
        with pytest.raises(Refused, match="not_named"):
            Thief(world).sign(Thief(world).again(role))
    world.close()


def test_a_guard_that_was_just_started_signs_nothing_before_it_has_seen_what_is_public(world: GuardedWorld) -> None:
    world.restart_guard()
    its = Thief(world)
    with pytest.raises(Refused, match="not_shown"):
        its.sign(its.again("timestamp"))
    its.ask({"ask": "show"}, [its.file("timestamp"), its.file("snapshot")])
    assert its.sign(its.again("timestamp"))


def test_a_rehearsal_is_refused_unless_guard_toml_allows_it(world: GuardedWorld) -> None:
    world.guard._check = check_rehearsal
    with pytest.raises(Refused, match="rehearsal"):
        taken_in(Thief(world), later(world))


def test_what_is_public_and_nobody_signed_is_refused(world: GuardedWorld) -> None:
    world.do(publishing("foo"))
    world.restart_guard()
    its = Thief(world)
    timestamp, snapshot = its.file("timestamp"), its.file("snapshot")
    files = sorted((world.public / "metadata").glob("*.snapshot.json"))
    wrong = {
        "flipped": (timestamp.replace(b'"sig":"30', b'"sig":"31'), snapshot),
        "forged": (timestamp.replace(b'"version":2', b'"version":9', 1), snapshot),
        "another snapshot": (timestamp, files[0].read_bytes()),
        "a snapshot in its place": (snapshot, snapshot),
        "nothing of ours": (b"{}", b"{}"),
    }
    for parts in wrong.values():
        with pytest.raises(Refused, match="foreign"):
            its.ask({"ask": "show"}, parts)
    its.ask({"ask": "show"}, [timestamp, snapshot])


def test_a_key_that_fails_spends_nothing_and_says_so(world: GuardedWorld) -> None:
    class Broken:
        record = online_key().record

        def sign(self, payload: bytes) -> Signature:
            raise SignerFailed("the token was pulled out")

    its, good = Thief(world), world.guard._keys
    world.service.press.sign.highest((), 0)
    payload = its.again("timestamp")
    world.guard._keys = [Broken()]
    with pytest.raises(Refused, match="key_failed: the token was pulled out"):
        its.sign(payload)
    world.guard._keys = good
    assert its.sign(its.again("timestamp", expires=soon(its, days=1))), "its version was not spent"


def test_what_the_key_signed_elsewhere_under_a_version_of_ours_is_found_out(world: GuardedWorld) -> None:
    world.do(publishing("foo"))
    world.restart_guard()
    its = Thief(world)
    version = its.body("timestamp")["version"]
    payload = its.again("timestamp", version=version, expires=soon(its, days=1))
    other = wrapped(payload, (online_key().sign(payload),))
    with pytest.raises(Refused, match="somebody else has the key"):
        its.ask({"ask": "show"}, [other, its.file("snapshot")])


def test_a_guard_that_knows_only_another_ceremony_than_what_is_public_asks_for_its_files(tmp_path: Path) -> None:
    world = GuardedWorld(tmp_path)
    old = world.trust
    world.tick(minutes=1)
    world.take_in(root_of_trust(world.now, after=world.trust, bins=16))
    its = Thief(world)
    timestamp, snapshot = its.file("timestamp"), its.file("snapshot")
    world.stop_guard()
    for file in world.guard_folder.glob("guard.sqlite*"):
        file.unlink()
    store = Store(world.guard_folder / settings.DATABASE)
    begin(store, old, settings.read(world.guard_folder))
    store.close()
    world.start_guard()
    its = Thief(world)
    with pytest.raises(Refused, match="take in its ceremony's files first"):
        its.ask({"ask": "show"}, [timestamp, snapshot])
    taken_in(its, world.trust.files())
    its.ask({"ask": "show"}, [timestamp, snapshot])
    world.close()


def test_every_code_of_a_refusal_is_tested_here() -> None:
    elsewhere = {"yanks", "removals", "files", "not_named", "not_shown", "rehearsal", "foreign", "key_failed"}
    assert {code for code, _ in BAD.values()} | elsewhere == reading.CODES


def test_the_manual_says_of_every_code_what_to_do() -> None:
    text = (Path(__file__).parents[2] / "docs/OPERATIONS.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|.*\|.*\|$", text, re.MULTILINE)
    assert {code for row in rows for code in re.findall("[a-z_]+", row)} >= reading.CODES


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xff\xff\xff\xff", b"\x00\x00\x00\x04\xff\xff\xff\xff", b"\x00\x00\x00\x06\x00\x00\x00\x02{}",
     b"\x00\x00\x00\x00", (MAX_FRAME + 1).to_bytes(4, "big")],
)  # fmt: skip
def test_what_is_no_question_ends_the_connection_and_nothing_else(world: GuardedWorld, frame: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(world.socket))
        connection.sendall(frame)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(10) == b""
    assert Thief(world).ask({"ask": "hello"})["shown"]


def test_a_user_who_is_not_named_gets_no_answer(world: GuardedWorld) -> None:
    assert world.server is not None
    world.server._uids = frozenset({12_345})
    with pytest.raises((AssertionError, OSError)):
        Thief(world).ask({"ask": "hello"})


def test_the_socket_is_closed_to_strangers(world: GuardedWorld) -> None:
    assert world.socket.stat().st_mode & 0o777 == 0o660
