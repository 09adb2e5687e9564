"""Take a good repository, break one thing, expect the exact refusal. What a mirror without keys can do comes first."""

from dataclasses import replace

import pytest

from client_verify.answers import ProvenAbsent
from client_verify.metadata.trusted import Trusted
from client_verify.refusals import KINDS
from client_verify.verdict import of_name
from keys import layout, names, page
from keys.encoding import sha256
from keys.times import stamp
from tests import paper
from tests.client import refusing
from tests.paper import ONLINE, alias, all_of

ALIAS = "ab" * 32


@pytest.fixture
def refuses():
    """Expect exactly this refusal, and every given text in its sentence."""
    return refusing.refuses


# Without a key.


def test_an_older_timestamp_is_a_rollback_and_names_both_versions(world, refuses):
    world.say("flask")
    old = world.repository.files["metadata/timestamp.json"]
    world.say("flask", serial=2)
    world.session()
    world.repository.files["metadata/timestamp.json"] = old
    refused = refuses("rollback", world.session, "timestamp version 1", "verified version 2", '"acme"')
    assert refused.kind.exit == 3


def test_an_expired_timestamp_is_a_freeze_and_says_since_when_and_until_what_date(world, refuses):
    world.say("flask")
    world.session()
    signed_at, expires = stamp(world.now), stamp(world.now + paper.DAY)
    now = world.later(hours=25)
    refused = refuses("expired", world.session, f"signed {signed_at}", f"valid until {expires}", stamp(now))
    assert refused.kind.exit == 4


def test_an_expired_timestamp_is_a_freeze_at_first_sight_too(world, refuses):
    world.say("flask")
    world.later(hours=25)
    refuses("expired", world.session, "timestamp")


def test_a_timestamp_is_good_until_the_second_of_its_date_and_the_refusal_says_to_check_the_clock_first(world, refuses):
    """Edge case 55: a freeze and a clock that is ahead look alike, so both dates are said and what to do first."""
    world.say("flask")
    world.later(seconds=int(paper.DAY.total_seconds()) - 1)
    world.session()
    world.later(seconds=1)
    refused = refuses("expired", world.session, f"it is now {stamp(world.now)}")
    assert "the clock of this machine is wrong. Check the clock first" in refused.kind.explanation


def test_a_freeze_behind_a_missing_snapshot_is_still_a_freeze(world, refuses):
    world.say("flask")
    world.session()
    world.later(hours=25)
    del world.repository.files[world.repository.newest("snapshot")]
    refuses("expired", world.session, "the newest timestamp")


def test_a_machine_long_offline_learns_that_the_repository_is_unreachable_not_frozen(world, refuses):
    world.say("flask")
    world.session()
    world.later(hours=25)
    world.fetcher.broken = True
    assert refuses("unreachable", world.session, "connection refused").kind.exit == 8


def test_a_repository_without_a_timestamp_is_unreachable_not_frozen(world, refuses):
    world.say("flask")
    world.session()
    world.later(hours=25)
    del world.repository.files["metadata/timestamp.json"]
    refuses("unreachable", world.session, "404")


def test_a_session_that_outlives_its_timestamp_answers_no_more(world, refuses):
    world.say("flask")
    session = world.session()
    session.page("flask")
    world.later(hours=25)
    refuses("expired", lambda: session.page("flask"), "timestamp")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "bins"])
def test_metadata_with_one_byte_changed_is_not_valid(world, refuses, role):
    world.say("flask")
    path = world.repository.newest(role)
    world.repository.files[path] = world.repository.files[path].replace(b'"expires":"2', b'"expires":"3')
    refused = refuses("invalid", lambda: world.session().page("flask"))
    assert refused.kind.exit == 5


def test_metadata_without_end_is_not_valid(world, refuses):
    world.say("flask")
    world.repository.files["metadata/timestamp.json"] = b" " * 20_000
    refuses("invalid", world.session, "too long")


def test_a_changed_page_is_a_mismatch(world, refuses):
    world.say("flask")
    path = world.repository.page_file("flask")
    world.repository.files[path] = world.repository.files[path].replace(b"flask", b"flusk")
    assert refuses("mismatch", lambda: world.session().page("flask"), "page of flask").kind.exit == 6


def test_a_longer_page_is_a_mismatch(world, refuses):
    world.say("flask")
    world.repository.files[world.repository.page_file("flask")] += b" "
    refuses("mismatch", lambda: world.session().page("flask"))


def test_a_missing_page_is_not_absence(world, refuses):
    world.say("flask")
    del world.repository.files[world.repository.page_file("flask")]
    refuses("unreachable", lambda: world.session().page("flask"), "404")


def test_a_bin_served_for_another_of_equal_count_is_swapped(world, refuses):
    """All bins are signed once here; without the number in the version a mirror needs no key to hide a name."""
    world.say("flask")
    own, other = sorted(world.repository.bins.roles(), key=lambda role: role != world.repository.bin_of("flask"))[:2]
    files = world.repository.files
    files[world.repository.newest(own)] = files[world.repository.newest(other)]
    refuses(
        "swapped",
        lambda: world.session().page("flask"),
        f"the file of {other} where another was asked for",
        f"Expected {own} ",
    )


def test_an_earlier_file_of_the_same_bin_is_swapped(world, refuses):
    world.say("flask")
    old = world.repository.files[world.repository.bin_file("flask")]
    world.say("flask", serial=2)
    world.repository.files[world.repository.bin_file("flask")] = old
    refuses("swapped", lambda: world.session().page("flask"))


def test_a_missing_bin_is_not_absence(world, refuses):
    world.say("flask")
    del world.repository.files[world.repository.bin_file("nobody")]
    refuses("unreachable", lambda: world.session().page("nobody"), "404")


def test_a_walk_that_is_cut_off_is_not_absence(world, refuses):
    world.publish()
    refuses("incomplete", lambda: world.session(max_delegations=1).page("nobody"), "never reached")


def test_a_walk_that_is_cut_off_beside_an_old_file_of_the_bin_is_not_absence(world, refuses):
    world.publish()
    world.session().page("flask")
    world.say("flask")
    refuses("incomplete", lambda: world.session(max_delegations=1).page("flask"), "lists its version")


def test_a_walk_that_is_cut_off_before_a_file_that_lists_the_name_is_not_absence(world, refuses):
    world.say("flask")
    world.session().page("flask")
    refuses("incomplete", lambda: world.session(max_delegations=1).page("flask"), "did not end there")


def test_absence_is_proven_for_the_bin_that_was_read(world):
    world.publish()
    assert isinstance(world.session().page("nobody"), ProvenAbsent)


# With the stolen online key.


def test_a_timestamp_that_lists_an_older_snapshot_is_a_rollback(world, refuses):
    world.say("flask")
    world.say("flask", serial=2)
    world.session()

    def forge(role, body):
        if role == "timestamp":
            body["meta"]["snapshot.json"]["version"] = 1

    world.publish(forge=forge)
    refuses("rollback", world.session, "snapshot version 1", "verified version 2")


def test_a_snapshot_that_lists_an_older_bin_is_a_rollback(world, refuses):
    world.say("flask")
    world.say("flask", serial=2)
    world.session()
    role = world.repository.bin_of("flask")

    def forge(signed, body):
        if signed == "snapshot":
            body["meta"][f"{role}.json"]["version"] -= layout.BIN_STRIDE

    world.publish(forge=forge)
    refuses("rollback", world.session, f"{role} version")


@pytest.mark.parametrize("named", [None, "bin-f", 7])
def test_a_bin_must_say_that_it_is_this_bin(world, refuses, named):
    def forge(role, body):
        if role.startswith("bin-"):
            body[layout.ROLE_FIELD] = named
            if named is None:
                del body[layout.ROLE_FIELD]

    world.publish(forge=forge)
    refuses("swapped", lambda: world.session().page("flask"), "calls itself", str(named))


def test_a_bin_s_version_must_end_in_its_number(world, refuses):
    def forge(role, body):
        if role.startswith("bin-"):
            body["version"] += 7

    world.publish(forge=forge)
    refuses("swapped", lambda: world.session().page("flask"), "cannot be one of")


def test_a_page_of_another_name_is_not_this_name_s(world, refuses):
    other = page.render(paper.project(world.now, "evil"))
    path = names.page_path("flask")
    world.repository.files[f"targets/{names.hashed(path, sha256(other))}"] = other

    def forge(role, body):
        if role == world.repository.bin_of("flask"):
            body["targets"][path] = page.target_entry(other)

    world.publish(forge=forge)
    refuses("invalid", lambda: world.session().page("flask"), "is one of evil")


def test_a_page_that_lists_what_its_state_does_not_say_is_not_valid(world, refuses):
    state = paper.project(world.now, "flask", paper.release(world.now, "1.0", paper.wheel("flask", "1.0")))
    forged = page.render(state).replace(b'"yanked":false', b'"yanked":"all of them"')
    path = names.page_path("flask")
    world.repository.files[f"targets/{names.hashed(path, sha256(forged))}"] = forged

    def forge(role, body):
        if role == world.repository.bin_of("flask"):
            body["targets"][path] = page.target_entry(forged)

    world.publish(forge=forge)
    refuses("invalid", lambda: world.session().page("flask"), "not what its state says")


def test_a_held_name_stays_prohibited_whatever_the_online_key_signs(world):
    world.say(paper.HELD_NAME, paper.release(world.now, "1.0", paper.wheel(paper.HELD_NAME, "1.0")))
    answer = world.session().page(paper.HELD_NAME)
    assert of_name(answer.state).code == "prohibited"


def test_what_is_held_is_neither_remembered_nor_compared(world):
    world.say("flask", paper.release(world.now, "1.0"), serial=5)
    world.session().page("flask")
    world.repository.held["flask"] = paper.prohibited(world.now, "flask")
    world.repository.ceremony(world.now)
    world.publish()
    assert of_name(world.session().page("flask").state).code == "prohibited"
    del world.repository.held["flask"]
    world.repository.ceremony(world.now)
    state = world.say("flask", paper.release(world.now, "1.0"), serial=6)
    assert world.session().page("flask").state == state


def test_a_held_page_that_lists_files_is_not_valid(world, refuses):
    listed = paper.project(world.now, "flask", paper.release(world.now, "1.0", paper.wheel("flask", "1.0")))
    world.repository.held["flask"] = listed
    world.repository.ceremony(world.now)
    world.publish()
    refuses("invalid", lambda: world.session().page("flask"), "held")


# One key that counts twice, which python-tuf lets pass.


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_one_key_under_two_ids_does_not_meet_a_threshold_of_two(world, refuses, role):
    key = ONLINE if role in layout.ONLINE else paper.HOLDERS[0]

    def forge(signed, body):
        if signed == "root":
            body["keys"][ALIAS] = key.record.to_dict()
            body["roles"][role] = {"keyids": [key.record.keyid, ALIAS], "threshold": 2}

    world.rebuild(forge, {role: lambda payload: (*key(payload), *alias(key, ALIAS)(payload))})
    world.publish()
    refuses("invalid", world.session, role, "1 different keys; 2 are needed")


def test_a_new_root_that_one_holder_signs_as_two_is_not_valid(world, refuses):
    """Both ids are in the new root only, so it meets its own threshold and not the old one's with two real keys."""
    twice = paper.HOLDERS[0]

    def forge(role, body):
        if role == "root":
            body["keys"][ALIAS] = twice.record.to_dict()
            body["roles"]["root"] = {
                "keyids": [twice.record.keyid, ALIAS, paper.HOLDERS[1].record.keyid],
                "threshold": 3,
            }

    both = all_of(*paper.HOLDERS[:2])
    world.repository.signers["root"] = lambda payload: (*both(payload), *alias(twice, ALIAS)(payload))
    world.repository.ceremony(world.now, forge)
    world.publish()
    refuses("invalid", world.session, "root", "2 different keys; 3 are needed")


def test_a_new_root_that_the_old_one_s_holder_signs_as_two_is_not_valid(world, refuses):
    """The new root meets its own threshold with two real keys, and the old one's with one key under two ids."""
    first, second, third = paper.HOLDERS

    def forge(role, body):
        if role == "root":
            body["keys"][ALIAS] = first.record.to_dict()
            body["roles"]["root"] = {"keyids": [first.record.keyid, ALIAS, second.record.keyid], "threshold": 2}

    world.rebuild(forge)
    both = all_of(first, third)
    world.repository.signers["root"] = lambda payload: (*both(payload), *alias(first, ALIAS)(payload))
    world.repository.ceremony(world.now)
    world.publish()
    refuses("invalid", world.session, "root", "1 different keys; 2 are needed")


@pytest.mark.parametrize("role", ["bins", "bin"])
def test_a_delegation_that_lists_one_key_twice_is_not_valid(world, refuses, role):
    key = paper.HOLDERS[0] if role == "bins" else ONLINE

    def forge(signed, body):
        if signed == ("targets" if role == "bins" else "bins"):
            delegations = body["delegations"]
            delegations["keys"][ALIAS] = key.record.to_dict()
            target = delegations["roles"][1] if role == "bins" else delegations["succinct_roles"]
            target.update({"keyids": [key.record.keyid, ALIAS], "threshold": 2})

    twice = lambda payload: (*key(payload), *alias(key, ALIAS)(payload))  # noqa: E731
    world.rebuild(forge, dict.fromkeys(["bins"] if role == "bins" else world.repository.bins.roles(), twice))
    world.publish()
    refuses("invalid", lambda: world.session().page("flask"), "count twice")


@pytest.mark.parametrize("role", ["held", "bins", "bin"])
def test_a_delegated_file_is_counted_again_when_it_is_read_again(world, refuses, role):
    """What python-tuf verified and what is read after it are two readings of one file."""
    world.publish()
    session = world.session()
    session.page("flask")
    session.page(paper.HELD_NAME)
    role = world.repository.bin_of("flask") if role == "bin" else role
    path = world.directory / "metadata" / f"{role}.json"
    path.write_bytes(path.read_bytes().replace(b'"expires":"2', b'"expires":"3'))
    again = Trusted(world.directory / "metadata", world.repository.root)
    asked = paper.HELD_NAME if role == "held" else "flask"
    refuses("invalid", lambda: again.responsible(names.page_path(asked)), "0 different keys")


# Promises between two states, which no stolen online key can take back.


def _before(now):
    one = paper.release(now, "1.0", paper.wheel("flask", "1.0"))
    two = paper.removed(now, paper.release(now, "2.0", paper.wheel("flask", "2.0")), "broken")
    return paper.project(now, "flask", one, two, serial=5)


def _other_bytes(now):
    other = paper.release(now, "1.0", paper.wheel("flask", "1.0", says="malware"))
    return paper.project(now, "flask", other, _before(now).releases[1], serial=6)


def _resurrected(now):
    again = paper.release(now, "2.0", paper.wheel("flask", "2.0", says="malware"))
    return paper.project(now, "flask", _before(now).releases[0], again, serial=6)


def _no_tombstone(now):
    return paper.project(now, "flask", _before(now).releases[0], serial=6)


def _equal_serial(now):
    return replace(_before(now), display="Flask")


def _lower_serial(now):
    return replace(_before(now), serial=4)


def _vacated(now):
    return replace(_before(now), state="vacant", serial=6)


CONTRADICTIONS = {
    "other bytes": (_other_bytes, "flask-1.0-py3-none-any.whl was sha256"),
    "resurrected": (_resurrected, "flask-2.0-py3-none-any.whl was sha256"),
    "no tombstone": (_no_tombstone, "version 2.0 disappeared without a tombstone"),
    "equal serial": (_equal_serial, "two different states with serial 5"),
    "lower serial": (_lower_serial, "serial went back from 5 to 4"),
    "vacated": (_vacated, "became vacant"),
}


@pytest.mark.parametrize("after, sentence", CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_a_state_that_breaks_a_promise_is_refused_with_both_dates_and_kept_as_evidence(world, refuses, after, sentence):
    before = _before(world.now)
    world.repository.say(before)
    world.publish()
    world.session().page("flask")
    verified_at = stamp(world.now)
    broken = after(world.now)
    world.repository.say(broken)
    world.later(hours=1)
    world.publish()
    refused = refuses("contradiction", lambda: world.session().page("flask"), sentence, verified_at, "snapshot 1")
    assert refused.kind.exit == 6
    assert world.memory().contradictions() == [("flask", stamp(world.now))]
    assert world.memory().recall("flask").state == before


def test_a_page_that_vanishes_is_a_contradiction_and_not_absence(world, refuses):
    world.say("flask")
    world.session().page("flask")
    world.repository.hush("flask")
    world.publish()
    refuses("contradiction", lambda: world.session().page("flask"), "vanished")
    refuses("contradiction", lambda: world.session().page("flask"), "vanished")
    assert len(world.memory().contradictions()) == 1


def test_one_artifact_with_two_hashes_is_refused_at_first_sight(world, refuses):
    one, two = paper.wheel("flask", "1.0"), paper.wheel("flask", "1.0", says="malware")
    other = replace(two, filename="flask-1.0-1-py3-none-any.whl")
    both = paper.release(world.now, "1.0", one, other)
    same = tuple(replace(file, identity="wheel") for file in both.files)
    world.say("flask", replace(both, files=same))
    refuses("contradiction", lambda: world.session().page("flask"), "two different sha256")
    assert world.memory().recall("flask") is None


def test_a_new_holder_is_refused_until_a_person_accepts_it(world, refuses):
    world.say("flask")
    world.session().page("flask")
    after = replace(paper.project(world.now, "flask", serial=2), generation=2)
    world.repository.say(after)
    world.publish()
    refused = refuses("new-generation", lambda: world.session().page("flask"), "generation 2", "generation 1")
    assert refused.kind.exit == 7
    refuses("new-generation", lambda: world.session("django").page("flask"))
    assert world.session("flask").page("flask").state == after
    assert world.session().page("flask").state == after


def test_every_kind_of_refusal_has_a_title_that_can_be_a_reason_phrase():
    for code, kind in KINDS.items():
        assert kind.title.isascii() and kind.title.isprintable() and len(kind.title) <= 40, code
        assert 3 <= kind.exit <= 9
        assert kind.status not in (500, 502, 503), "pip and uv retry these and drop the reason"
