"""Each rule, just below and just above what it allows."""

import itertools
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from keys.times import stamp
from keys.tlog.leaves import Sealed, TakenOver
from keys.tlog.merkle import EMPTY
from keys.tlog.notes import Checkpoint, HeldWitnessKey, signed
from keys.tlog.proofs import Policy, check_head
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.flags import FlagAct
from repo_service.domain.policy import preset
from repo_service.monitor import alarms, limits, telling
from repo_service.monitor.alarms import of_head, of_release, of_root
from repo_service.monitor.book import Book
from repo_service.monitor.limits import BadLimits, Limits
from repo_service.monitor.seen import Announced, Happened, SealedFile, WentOn
from repo_service.monitor.tallies import Memory
from repo_service.monitor.watching import Alarms
from repo_service.monitor.whole import Rooted
from repo_service.wiring import presets
from tests.monitor.made import DIGEST, Tale, made_file, versions
from tests.world import BECAUSE, BEGIN, log_key, root_of_trust

FEW = Limits(withdrawn=3, withdrawn_percent=90)


@pytest.fixture
def tale() -> Tale:
    return Tale()


def published(tale: Tale, name: str = "flask", count: int = 10) -> None:
    tale.publish(name, *versions(count))
    tale.release()
    tale.tick(days=1)


@pytest.mark.parametrize(("count", "told"), [(3, []), (4, ["withdrawn"])])
def test_more_releases_of_a_project_than_the_limit_are_an_alarm(tale: Tale, count: int, told: list[str]) -> None:
    published(tale)
    tale.yank("flask", *versions(count))
    tale.release()
    assert tale.codes(FEW) == told


@pytest.mark.parametrize(("count", "told"), [(5, []), (6, ["withdrawn"])])
def test_more_percent_of_a_project_than_the_limit_are_an_alarm(tale: Tale, count: int, told: list[str]) -> None:
    published(tale)
    tale.yank("flask", *versions(count))
    tale.release()
    assert tale.codes(Limits(withdrawn_percent=50)) == told


@pytest.mark.parametrize(("many", "told"), [(5, []), (4, ["withdrawn"])])
def test_percent_do_not_count_where_there_are_few(tale: Tale, many: int, told: list[str]) -> None:
    published(tale, count=5)
    tale.yank("flask", *versions(4))
    tale.release()
    assert tale.codes(Limits(withdrawn_percent_from=many)) == told


@pytest.mark.parametrize(("apart", "told"), [(3600, []), (3599, ["withdrawn"])])
def test_the_window_slides_over_releases(tale: Tale, apart: int, told: list[str]) -> None:
    published(tale)
    tale.yank("flask", "0.0", "1.0", "2.0")
    tale.release()
    tale.tick(seconds=apart)
    tale.yank("flask", "3.0")
    tale.release()
    assert tale.codes(FEW) == told


def test_it_is_told_again_when_it_doubled_and_not_in_between(tale: Tale) -> None:
    published(tale, count=40)
    for version in versions(20):
        tale.yank("flask", version)
        tale.release()
    assert [each.sentence.split()[0] for each in tale.found(FEW)] == ["4", "7", "13"]


def test_a_yank_that_is_lifted_counts_no_more(tale: Tale) -> None:
    published(tale)
    for version in versions(6):
        tale.yank("flask", version)
        tale.release()
        tale.event("flask", c.ReleaseUnyanked(version))
        tale.release()
    assert "withdrawn" not in tale.codes(FEW)


def test_a_whole_project_that_is_removed_counts_with_all_its_releases(tale: Tale) -> None:
    published(tale)
    tale.event("flask", c.ProjectRemoved(tuple(versions(10))))
    tale.event("flask", c.PlaceholderSet())
    tale.release()
    assert tale.codes(FEW) == ["all-withdrawn", "withdrawn"]


@pytest.mark.parametrize(("count", "told"), [(2, []), (3, ["all-withdrawn"])])
def test_nothing_left_of_several_releases_is_an_alarm(tale: Tale, count: int, told: list[str]) -> None:
    published(tale, count=count)
    tale.yank("flask", *versions(count))
    tale.release()
    assert tale.codes() == told


@pytest.mark.parametrize(("version", "told"), [("1.0", []), ("10.0", ["newest-withdrawn"]), ("11.0rc1", [])])
def test_the_newest_stable_release_that_goes_is_a_notice(tale: Tale, version: str, told: list[str]) -> None:
    tale.publish("flask", "1.0", "9.0", "10.0", "11.0rc1")
    tale.release()
    tale.yank("flask", version)
    tale.release()
    assert tale.codes() == told
    assert {each.level for each in tale.found()} <= {"notice"}


@pytest.mark.parametrize(("count", "told"), [(6, []), (7, ["withdrawn-everywhere"])])
def test_more_releases_of_all_projects_than_the_limit_are_an_alarm(tale: Tale, count: int, told: list[str]) -> None:
    for name in "abcdefg":
        tale.publish(name, "1.0", "0.9")
    tale.release()
    for name in "abcdefg"[:count]:
        tale.yank(name, "0.9")
        tale.release()
    assert tale.codes(Limits(withdrawn_everywhere=6)) == told


@pytest.mark.parametrize(("minutes", "told"), [(60, []), (59, ["withdrawn-everywhere"])])
def test_what_is_older_than_the_window_counts_no_more(tale: Tale, minutes: int, told: list[str]) -> None:
    published(tale)
    tale.yank("flask", "0.0")
    tale.release()
    tale.tick(minutes=minutes)
    tale.yank("flask", "1.0")
    tale.release()
    assert tale.codes(Limits(withdrawn_everywhere=1)) == told


def test_after_an_hour_of_quiet_it_is_told_again(tale: Tale) -> None:
    published(tale)
    for first in (0, 2):
        tale.yank("flask", *versions(2, first))
        tale.release()
        tale.tick(hours=2)
        tale.release()
    assert tale.codes(Limits(withdrawn_everywhere=1)) == ["withdrawn-everywhere"] * 2


@pytest.mark.parametrize(("count", "told"), [(2, []), (3, ["one-class"])])
def test_one_class_of_actor_at_many_projects_is_an_alarm(tale: Tale, count: int, told: list[str]) -> None:
    for name in "abcd":
        tale.publish(name, "1.0", "0.9")
    tale.release()
    tale.yank("d", "0.9", by="owner")
    for name in "abc"[:count]:
        tale.yank(name, "0.9", by="admin")
        tale.release()
    assert tale.codes(Limits(projects_of_one_class=2)) == told


@pytest.mark.parametrize(("count", "told"), [(2, []), (3, ["quarantines"])])
def test_more_quarantines_than_the_limit_are_an_alarm(tale: Tale, count: int, told: list[str]) -> None:
    for name in "abc":
        tale.publish(name, "1.0")
    tale.release()
    for name in "abc"[:count]:
        tale.event(name, c.ProjectQuarantined(), by="admin")
    tale.release()
    assert tale.codes(Limits(quarantines=2)) == told


@pytest.mark.parametrize(("count", "told"), [(2, []), (3, ["takedowns"])])
def test_more_takedowns_than_the_limit_are_an_alarm(tale: Tale, count: int, told: list[str]) -> None:
    for name in "abc":
        tale.publish(name, "1.0")
    tale.release()
    for name in "abc"[:count]:
        listed = c.TakedownListed(f"{name}/1/1", "malware", ("1.0",), (DIGEST,), (), None)
        tale.event(name, listed, by="admin")
    tale.release()
    assert tale.codes(Limits(takedowns=2)) == told


@pytest.mark.parametrize(("content", "told"), [(b"x", []), (b"y", ["digest-changed"])])
def test_other_bytes_under_a_file_name_are_an_alarm(tale: Tale, content: bytes, told: list[str]) -> None:
    published(tale, count=1)
    before = tale.state("flask")
    assert before is not None
    [release] = before.releases
    event = c.Event(99, "flask", stamp(tale.now), "owner", None, "standard/1",
                    c.FileAdded("0.0", made_file("flask-0.0.tar.gz", content)), None, None)  # fmt: skip
    file = made_file("flask-0.0.tar.gz", content)
    after = replace(before, serial=9, releases=(replace(release, files=(file,)),))
    tale.also(Happened(50, event, 9, before, after))
    tale.release()
    assert tale.codes() == told


@pytest.mark.parametrize(("ago", "told"), [(86400, []), (86401, ["late-event"])])
def test_an_event_that_comes_long_after_its_date_is_an_alarm(tale: Tale, ago: int, told: list[str]) -> None:
    published(tale)
    tale.tick(days=9)
    tale.event("flask", c.ProjectArchived(), ago=ago)
    tale.release()
    assert tale.codes() == told


def test_a_mass_of_yanks_that_are_all_dated_back_is_still_one(tale: Tale) -> None:
    published(tale, count=30)
    tale.tick(days=9)
    for number, version in enumerate(versions(25)):
        tale.yank("flask", version, ago=90000 - 3601 * number if number else 90000)
    tale.release()
    assert "withdrawn" in tale.codes()


@pytest.mark.parametrize(("first", "told"), [(True, []), (False, ["taken-over"])])
def test_names_that_go_on_without_events_are_an_alarm_after_the_beginning(
    tale: Tale, first: bool, told: list[str]
) -> None:
    if not first:
        tale.release()
    for name in ("a", "b"):
        tale.also(WentOn(0, TakenOver(name, 3, 1, DIGEST), None))
    tale.release()
    assert tale.codes() == told


def test_who_comes_to_have_a_name_is_said(tale: Tale) -> None:
    published(tale)
    tale.event("flask", c.ProjectTransferred())
    tale.event("flask", c.ProjectRemoved(tuple(versions(10))))
    tale.event("flask", c.PlaceholderSet())
    tale.release()
    tale.event("flask", c.ClaimGranted("case", None, stamp(tale.now), stamp(tale.now)), by="support")
    tale.release()
    assert [code for code in tale.codes(Limits(withdrawn=100)) if code in ("passed-on", "new-generation")] == [
        "passed-on", "new-generation",
    ]  # fmt: skip


def test_what_comes_back_is_said(tale: Tale) -> None:
    published(tale)
    tale.event("flask", c.ReleaseUnpublished("1.0"))
    tale.release()
    tale.event("flask", c.ReleaseRestored("1.0"))
    tale.release()
    assert tale.codes() == ["restored"]


def test_yanks_that_wait_are_said_once_a_release(tale: Tale) -> None:
    published(tale)
    for version in versions(3):
        tale.event("flask", c.YankHeld(version, "owner", stamp(tale.now)))
    tale.release()
    assert [each.sentence for each in tale.found()] == ["3 yanks of flask wait until 2026-11-23T10:00:00Z"]


def test_policies_and_flags_are_said(tale: Tale) -> None:
    policy = preset("standard", presets())
    tale.also(Announced(0, Published(stamp(BEGIN), stamp(BEGIN), policy)))
    tale.also(Announced(1, FlagAct(1, stamp(BEGIN), "admin", "set", "deletions_halted", BECAUSE, ())))
    tale.also(SealedFile(2, Sealed("held", 2, 1, DIGEST), None))
    tale.release()
    assert tale.codes() == ["policy", "flag", "sealed"]


@pytest.mark.parametrize(
    ("amended", "code", "words"),
    [
        ({}, "root-renewed", "keys are as before"),
        ({"threshold": 1}, "root-changed", "the threshold of root"),
        ({"online_number": 2}, "root-changed", "the keys of snapshot"),
        ({"log": None}, "root-changed", "the log, its witnesses or their quorum"),
    ],
)
def test_a_root_that_says_who_else_may_sign_is_an_alarm(amended: dict[str, Any], code: str, words: str) -> None:
    before = root_of_trust().root
    [found] = of_root(Rooted(7, before, root_of_trust(**amended).root), stamp(BEGIN))
    assert (found.code, found.index) == (code, 7)
    assert words in found.sentence


@pytest.mark.parametrize(("age", "told"), [(600, []), (601, ["cosignatures-stale"])])
def test_a_quorum_that_cosigned_long_ago_is_an_alarm(age: int, told: list[str]) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    keys = [HeldWitnessKey(f"w{n}", Ed25519PrivateKey.from_private_bytes(bytes([n] * 32))) for n in (1, 2, 3)]
    policy = Policy((log_key().key,), tuple(each.key for each in keys), 2)
    checkpoint, now = Checkpoint(policy.origin, 0, EMPTY), int(BEGIN.timestamp())
    note = signed(checkpoint, [log_key()])
    # The first cosigned just now, the second so long ago, the third never.
    cosigned = [each.sign(checkpoint, at) for each, at in zip(keys, (now, now - age), strict=False)]
    head = check_head(replace(note, signatures=(*note.signatures, *cosigned)), policy)
    assert [each.code for each in of_head(head, policy, Limits(cosigned_age_s=600), BEGIN)] == told


def test_broken_off_after_any_release_the_same_is_found(tale: Tale, tmp_path: Path) -> None:
    bounds = Limits(withdrawn=2, withdrawn_everywhere=3, projects_of_one_class=1)
    for name in "abc":
        tale.publish(name, *versions(8))
    for round_ in range(8):
        for name in "abc":
            tale.yank(name, f"{round_}.0")
        tale.release()
        tale.tick(minutes=20)
    book = Book(tmp_path / "whole")
    whole = Alarms(book, bounds)
    expected = [found for each in tale.seen for found in whole(each)]
    assert len({each.code for each in expected}) > 3
    broken, found = Book(tmp_path / "broken"), []
    watch = Alarms(broken, bounds)
    for each in tale.seen:
        found += watch(each)
        if type(each).__name__ == "Released":
            watch = Alarms(broken, bounds)
    assert found == expected == tale.found(bounds)
    book.close()
    broken.close()


def test_what_is_remembered_is_bounded_by_the_limits(tale: Tale) -> None:
    bounds = Limits(projects_of_one_class=2)
    for number in range(100):
        tale.publish(f"p{number}", "1.0", "0.9")
    tale.release()
    for number in range(100):
        tale.yank(f"p{number}", "0.9")
    tale.release()
    memory = Memory()
    for whole in tale.wholes():
        _, memory = of_release(whole, memory, bounds)
    assert len(memory.seen) == 16


def test_every_limit_is_explained_and_every_code_has_a_next_step() -> None:
    assert list(limits.ABOUT) == [each.name for each in fields(Limits)]
    assert telling.DO.keys() == telling.CODES.keys()


def test_limits_are_read_strictly() -> None:
    assert limits.read("withdrawn = 7\n") == Limits(withdrawn=7)
    wrong = {
        "withdraw = 7": "withdraw is no limit",
        'withdrawn = "7"': "whole number",
        "withdrawn = true": "whole number",
        "withdrawn = 0": "at least 1",
        "=": "Invalid",
    }
    for text, why in wrong.items():
        with pytest.raises(BadLimits, match=why):
            limits.read(text)


def test_no_two_rules_say_the_same_code() -> None:
    from repo_service.monitor import codes

    assert not codes.CODES.keys() & alarms.CODES.keys()
    assert all(a != b for a, b in itertools.pairwise(telling.CODES))
