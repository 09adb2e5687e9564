"""Guides for emergencies: every name and number is the repository's, and what they say of clients is so."""

import dataclasses
import json
import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.exceptions import BadVersionNumberError, DownloadError, ExpiredMetadataError, UnsignedMetadataError
from tuf.api.metadata import Metadata, Root
from tuf.ngclient import Updater
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from ceremony import cli, plan, situation
from ceremony.draft import draft
from ceremony.emergency import KINDS, Kind, steps
from ceremony.errors import Refused
from ceremony.plan import Plan, signatory
from ceremony.situation import Public, Situation
from client_verify import cli as client_cli
from keys import layout
from keys.encoding import compact
from keys.trust import RootOfTrust
from repo_service import cli as service_cli
from tests.ceremony import guide_files
from tests.ceremony.guide_files import LATER, NAMES, SITUATIONS, forked, second
from tests.ceremony.people import LOG, NOW, drafted, first, keyring, log_key, roles, sealed_by
from tests.ceremony.people import plan as planned_by
from tests.world import Mirror, write_folder

_FILE = re.compile(r"(?<!--)\b(root|targets|held|bins) ([0-9]+)\b")


def text(kind: Kind, its: Situation) -> str:
    """A guide in one line."""
    return " ".join(steps(kind, its, LATER).text.split())


def client(root: bytes) -> TrustedMetadataSet:
    """A stock client that trusts this root."""
    return TrustedMetadataSet(root, EnvelopeType.METADATA)


def completed(guided: Plan) -> tuple[Plan, tuple[str, ...]]:
    """The plan of a guide with erin, frank and so on for the new people, and everybody's name."""
    new = iter(("erin", "frank", "grace"))
    names = tuple(next(new) if each.name.startswith("NEW") else each.name for each in guided.holders)
    ring = keyring(*names, online=guided.online.name)
    log = guided.log
    if log is not None and log.keys == (situation.NEW_LOG,):
        log = dataclasses.replace(log, keys=(log_key("next log"),))
    return dataclasses.replace(
        guided, holders=tuple(signatory(file) for file in ring.holders), online=signatory(ring.online), log=log
    ), names


@pytest.mark.parametrize("kind", KINDS)
def test_the_guide_reads_as_it_was_reviewed(kind: Kind) -> None:
    reviewed = (guide_files.FILES / f"{kind}.txt").read_text()
    assert steps(kind, SITUATIONS[kind], LATER).text == reviewed, "if meant: python -m tests.ceremony.guide_files"


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_is_wider_than_72_columns(kind: Kind) -> None:
    assert max(map(len, steps(kind, SITUATIONS[kind], LATER).text.splitlines())) <= 72


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3])
def test_every_version_in_it_is_this_repositorys(kind: Kind, count: int) -> None:
    found = first(log=LOG)
    for day in range(1, count):
        now = NOW + timedelta(days=day)
        found = sealed_by(
            drafted(
                current=found,
                now=now,
                held=("admin", f"name-{day}"),
                threshold=2 + day % 2,
                accept_no_spare=True,
                log=LOG,
            ),
            "alice",
            "bob",
            "carol",
        )
    its = Situation(found, NAMES, lost=("alice", "bob") if kind == "quorum-lost" else ())
    versions = {role: found.newest[role].body.version for role in layout.OFFLINE}
    known = {(role, str(number)) for role, version in versions.items() for number in (version, version + 1)}
    if kind.startswith("quorum"):
        known |= {(role, "1") for role in layout.OFFLINE}
    if kind == "fork":
        known.add(("root", str(versions["root"] + 2)))
    said = set(_FILE.findall(text(kind, its)))
    assert said <= known and ("root", str(versions["root"])) in said


@pytest.mark.parametrize(
    ("kind", "its"),
    [
        ("online-key", SITUATIONS["online-key"]),
        ("log-key", SITUATIONS["log-key"]),
        ("holder-lost", SITUATIONS["holder-lost"]),
        ("holder-lost", guide_files.situation(second("alice", "dan", "bob"), lost=("dan",))),
        ("holder-lost", guide_files.situation(second("bob", "carol", "dan"), lost=("bob",))),
        ("expired", SITUATIONS["expired"]),
        ("fork", SITUATIONS["fork"]),
    ],
    ids=["online key", "log key", "dan lost", "dan lost, others signed", "bob lost, he signed", "expired", "fork"],
)
@pytest.mark.parametrize("now", [NOW + timedelta(days=1), LATER, NOW + timedelta(days=500)])
def test_what_it_asks_to_sign_is_what_the_draft_then_holds(kind: Kind, its: Situation, now: object) -> None:
    assert isinstance(now, type(NOW))
    if kind == "expired" and now < LATER:
        return
    guide = steps(kind, its, now)
    asked = re.search(r"their own key trusts\. (.*?) Whose key is new", " ".join(guide.text.split()))
    amended, names = completed(guide.plan)
    made = draft(amended, keyring(*names, online=amended.online.name), its.trust, now)
    assert asked is not None
    named = set(_FILE.findall(re.sub(r"the (old|new) root \d+", "", asked[1])))
    assert {" ".join(each) for each in named} == set(roles(made))


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_in_it_is_one_that_the_tools_take(kind: Kind) -> None:
    parsers = {
        "tallystick": client_cli._parser, "tallystick-ceremony": lambda _: cli.parser(),
        "tallystick-service": lambda _: service_cli.parser(),
    }  # fmt: skip
    guide = steps(kind, SITUATIONS[kind], LATER).text.replace(" \\\n", " ").replace("LAST-GOOD", "41")
    taken = [shlex.split(line) for line in re.findall(r"\$ (tallystick.*)", guide)]
    for tool, *words in taken:
        parsers[tool](words).parse_args(words)
    assert len(taken) > 6


@pytest.mark.parametrize("kind", ["quorum-lost", "quorum-stolen"])
def test_a_new_chain_begins_at_version_1_under_a_new_address(kind: Kind) -> None:
    guide = steps(kind, SITUATIONS[kind], LATER)
    amended, names = completed(dataclasses.replace(guide.plan, url="https://new.example/"))
    assert guide.plan.url == "NEW-ADDRESS" and not {"alice", "bob", "dan"} & set(names)
    assert roles(draft(amended, keyring(*names, online="online-new"), None, LATER)) == [
        "root 1", "targets 1", "held 1", "bins 1",
    ]  # fmt: skip


def test_the_amended_plan_is_a_plan_whose_new_keys_are_still_to_be_filled_in() -> None:
    amended = steps("holder-lost", SITUATIONS["holder-lost"], LATER).plan
    assert plan.read(plan.write(amended)) == amended
    assert [each.name for each in amended.holders if each.key == situation.NEW] == ["NEW"]
    kept = {each for each in planned_by(guide_files.AFTER).holders if each.name != "dan"}
    assert kept == {each for each in amended.holders if each.key != situation.NEW}


def test_two_lost_of_three_is_no_lost_holder() -> None:
    with pytest.raises(Refused, match="1 of 3 holders remain and 2 must sign"):
        text("holder-lost", guide_files.situation(lost=("alice", "bob")))


def test_one_lost_of_three_is_no_lost_quorum() -> None:
    with pytest.raises(Refused, match="2 of 3 holders remain and 2 must sign: enough"):
        text("quorum-lost", guide_files.situation(lost=("alice",)))


def test_a_lost_holder_who_is_none_is_refused() -> None:
    with pytest.raises(Refused, match="carol is no holder of root 2"):
        guide_files.situation(lost=("carol",))


def test_a_log_that_no_root_names_has_no_emergency() -> None:
    with pytest.raises(Refused, match="root 2 names no log"):
        text("log-key", guide_files.situation())


def test_a_stolen_key_of_the_log_leaves_the_witnesses_and_the_name_of_the_log() -> None:
    amended = steps("log-key", SITUATIONS["log-key"], LATER).plan
    assert amended.log == dataclasses.replace(LOG, keys=(situation.NEW_LOG,))
    assert amended.holders == planned_by(guide_files.AFTER).holders


def test_who_steals_the_online_key_may_have_the_logs_too_where_there_is_one() -> None:
    assert "key DIR --next-log" in text("online-key", guide_files.situation(guide_files.logged()))
    assert "log.key" not in text("online-key", guide_files.situation())


def test_a_log_without_witnesses_is_said_to_have_none_who_refuse() -> None:
    alone = Situation(first(log=dataclasses.replace(LOG, quorum=0)), NAMES)
    assert "No witness need have seen the log" in text("log-key", alone)
    assert "2 of 3 witnesses" in text("log-key", SITUATIONS["log-key"])


def test_every_guide_but_a_new_chains_leaves_the_log_as_the_root_says() -> None:
    its = guide_files.situation(guide_files.logged(), lost=("dan",))
    for kind in ("online-key", "holder-lost", "expired", "fork"):
        assert steps(kind, its, LATER).plan.log == dataclasses.replace(LOG, witnesses=tuple(sorted(LOG.witnesses)))
    anew = steps("quorum-stolen", its, LATER)
    assert anew.plan.log == plan.Log((situation.NEW_LOG,)) and "--log NEW-DIR/log.pub" in anew.text
    assert steps("quorum-stolen", guide_files.situation(), LATER).plan.log is None


def test_a_stolen_key_that_signs_alone_is_said_loudly() -> None:
    alone = Situation(first("alice", threshold=1), NAMES, lost=("carol",))
    assert "One stolen key makes a root alone" in text("holder-lost", alone)


def test_nothing_that_expires_soon_is_no_emergency() -> None:
    with pytest.raises(Refused, match=r"nothing expires soon: root 1 is the first, on 2027-11-22") as error:
        steps("expired", Situation(first(), NAMES), NOW)
    assert "after 2027-08-24" in error.value.todo


def test_where_a_root_of_the_thief_is_public_nobody_is_told_to_race() -> None:
    theirs = sealed_by(drafted(keyring("dan", "erin", "frank"), first()), "alice", "bob", "dan", "erin")
    seen = Public(None, None, (), {theirs.roots[1].name: theirs.roots[1].data})
    said = text("quorum-stolen", Situation(first(), NAMES, public=seen))
    assert "not in sealed: 2.root.json" in said and "THEN race" not in said
    assert "THEN race" in text("quorum-stolen", Situation(first(), NAMES))


def test_another_root_that_too_few_signed_is_no_fork() -> None:
    other = forked()
    few = {name: _unsigned(data) for name, data in other.offline.items()}
    with pytest.raises(Refused, match="no client took it"):
        text("fork", guide_files.situation(public=dataclasses.replace(other, offline=few)))


def test_a_fork_that_nobody_can_sign_for_says_that_one_side_is_lost() -> None:
    theirs = sealed_by(drafted(keyring("erin", "frank", "dan"), first()), "alice", "bob", "erin", "dan")
    seen = Public(None, None, (), {theirs.roots[1].name: theirs.roots[1].data})
    said = text("fork", guide_files.situation(public=seen))
    assert "2 holders would have to be in both roots 2, and dan is. The side whose root is given up is lost." in said


# What the guides say of clients, by stock clients.


def test_a_client_takes_no_second_root_of_a_version_and_follows_the_next_that_is_signed_for_its_own() -> None:
    ours, theirs = second(), forked().offline["2.root.json"]
    sides = [client(first().roots[0].data), client(first().roots[0].data)]
    sides[0].update_root(ours.roots[1].data)
    sides[1].update_root(theirs)
    with pytest.raises(BadVersionNumberError):
        sides[1].update_root(ours.roots[1].data)
    roots = {
        signers: sealed_by(drafted(keyring("alice", "bob", "frank"), ours, held=("admin", "root")), *signers)
        .roots[2]
        .data
        for signers in (("alice", "bob"), ("alice", "dan", "frank"))
    }
    assert [_follows(side, roots["alice", "dan", "frank"]) for side in sides] == [True, False]
    sides[0] = client(ours.roots[1].data)
    assert [_follows(side, roots["alice", "bob"]) for side in sides] == [True, True]


def test_a_root_that_lacks_signatures_stops_every_client_and_the_right_one_is_taken_after_it() -> None:
    made = drafted(guide_files.AFTER, first(), held=("admin", "root"))
    lacking = made.candidates[0].file([])
    follower = client(first().roots[0].data)
    with pytest.raises(UnsignedMetadataError):
        follower.update_root(lacking)
    follower.update_root(second().roots[1].data)
    assert follower.root.version == 2


def test_an_expired_root_stops_clients_until_the_next_and_older_dates_do_not_matter() -> None:
    late = NOW + timedelta(days=500)
    after = sealed_by(drafted(current=first(), now=late), "alice", "bob")
    follower = client(after.roots[0].data)
    follower.reference_time = late
    with pytest.raises(ExpiredMetadataError, match=r"root\.json is expired"):
        follower.update_timestamp(b"")
    follower.update_root(after.roots[1].data)
    with pytest.raises(Exception, match="deserialize") as error:
        follower.update_timestamp(b"")
    assert not isinstance(error.value, ExpiredMetadataError)


def test_a_victim_of_a_stolen_quorum_stays_with_the_thief_until_a_new_root_is_embedded(tmp_path: Path) -> None:
    evil = sealed_by(drafted(keyring("dan", "eve", "other"), first()), "alice", "bob", "dan", "eve")
    ours = sealed_by(drafted(keyring("dan", "erin", "frank"), first()), "alice", "bob", "erin", "frank")
    anew = sealed_by(drafted(keyring("dan", "erin", "frank")), "erin", "frank")
    theirs, good, new = (
        _mirror(tmp_path / name, each) for name, each in (("evil", evil), ("ours", ours), ("new", anew))
    )
    victim = _refreshed(tmp_path / "cache", theirs, first().roots[0].data)
    assert victim == evil.root
    assert _refreshed(tmp_path / "cache", good, first().roots[0].data) == evil.root
    assert _refreshed(tmp_path / "cache", new, anew.roots[0].data) == anew.root
    assert _refreshed(tmp_path / "cache", good, ours.roots[1].data) == ours.root
    assert _refreshed(tmp_path / "fresh", good, first().roots[0].data) == ours.root


# What is read from disk.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ceremony's directory and, beside it, a public folder."""
    found = first()
    files = {f"one/sealed/{name}": data for name, data in found.files().items()}
    files |= {
        "one/plan.toml": plan.write(planned_by()),
        **{f"public/metadata/{n}": d for n, d in found.files().items()},
    }
    bins = {f"bin-{number:x}.json": {"version": 100_000 + number} for number in range(16)}
    files["public/metadata/timestamp.json"] = _body(41, {"snapshot.json": {"version": 17}})
    files["public/metadata/17.snapshot.json"] = _body(17, {"targets.json": {"version": 1}, **bins})
    return write_folder(tmp_path, files)


def test_what_is_public_is_read_and_called_unverified(folder: Path) -> None:
    its = situation.read(folder / "one/sealed", folder / "public")
    said = " ".join(steps("online-key", its, LATER).text.split())
    assert "not verified here" in said
    assert "timestamp 41 until 2027-09-20T10:00:00Z; snapshot 17 until 2027-09-20T10:00:00Z; 16 bins," in said
    assert "of versions 100000 to 100015" in said
    assert its.plan == planned_by() and not its.others and not its.newer


@pytest.mark.parametrize(
    "broken", [b"", b"[]", b'{"signed": 1}', b'{"signed": {"meta": {"snapshot.json": 3}}}', b"\xff"]
)
def test_a_public_folder_that_holds_rubbish_says_so_and_stops_nobody(folder: Path, broken: bytes) -> None:
    (folder / "public/metadata/timestamp.json").write_bytes(broken)
    its = situation.read(folder / "one/sealed", folder / "public")
    assert "no timestamp that can be read; no snapshot that can be read; no bins" in text("online-key", its)


def test_another_root_in_the_public_folder_is_found(folder: Path) -> None:
    other = first("bob", "carol")
    (folder / "public/metadata/1.root.json").write_bytes(other.roots[0].data)
    its = situation.read(folder / "one/sealed", folder / "public")
    assert list(its.others) == ["1.root.json"] and situation.other_root(its) == other.root


def test_another_root_in_a_form_that_is_not_ours_is_a_fork_all_the_same(folder: Path) -> None:
    spaced = json.dumps(json.loads(first("bob", "carol").roots[0].data), indent=1).encode()
    (folder / "public/metadata/1.root.json").write_bytes(spaced)
    assert "Enough keys signed both" in text("fork", situation.read(folder / "one/sealed", folder / "public"))


def test_a_situation_needs_nothing_but_the_sealed_files(folder: Path) -> None:
    (folder / "one/plan.toml").unlink()
    its = situation.read(folder / "one/sealed", None)
    assert its.plan is None and "The repository of" in text("online-key", its)


def _body(version: int, meta: dict[str, dict[str, int]]) -> bytes:
    return compact({"signatures": [], "signed": {"version": version, "expires": "2027-09-20T10:00:00Z", "meta": meta}})


def _unsigned(data: bytes) -> bytes:
    metadata: Metadata[Root] = Metadata.from_bytes(data)
    return compact({"signatures": [], "signed": metadata.signed.to_dict()})


def _follows(follower: TrustedMetadataSet, root: bytes) -> bool:
    try:
        follower.update_root(root)
    except UnsignedMetadataError:
        return False
    return True


def _mirror(folder: Path, found: RootOfTrust) -> Mirror:
    return Mirror(write_folder(folder, {f"metadata/{file.name}": file.data for file in found.roots}))


def _refreshed(cache: Path, mirror: Mirror, embedded: bytes) -> Root:
    """The root that a stock client with this cache and embedded root comes to; these mirrors hold nothing else."""
    cache.mkdir(exist_ok=True)
    updater = Updater(str(cache), "https://a.test/metadata/", fetcher=mirror, bootstrap=embedded)
    with pytest.raises(DownloadError):
        updater.refresh()
    return updater._trusted_set.root
