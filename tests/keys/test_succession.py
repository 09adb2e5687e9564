"""Which state may follow which: for each promise a pair of states that breaks it and nothing else."""

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings

from keys import succession
from keys.state import Act, File, Mark, NameState, Release, Removal, Reservation, Takedown
from keys.succession import Promise
from tests.keys.strategies import name_states

AT: Final = "2026-11-22T10:00:00Z"
MARK: Final = Mark(AT, "owner", None)
ACT: Final = Act(1, "release.yanked", "1.0", MARK)


def file(filename: str, sha256: str = "ab", identity: str | None = None) -> File:
    return File(filename, identity or filename, sha256 * 32, 7, AT, None, None, None)


SDIST: Final = file("foo-1.0.tar.gz", identity="sdist")
WHEEL: Final = file("foo-1.0-py3-none-any.whl", identity="wheel")
PUBLISHED: Final = Release("1.0", "1", "published", 1, AT, None, None, (SDIST,))
UNPUBLISHED: Final = replace(PUBLISHED, state="unpublished", removed=MARK)
PURGED: Final = replace(PUBLISHED, state="purged", removed=MARK)


def state(*releases: Release, serial: int = 1, **more: Any) -> NameState:
    parts: dict[str, Any] = {
        "name": "foo", "display": "foo", "state": "registered", "generation": 1, "serial": serial, "event": serial,
        "since": MARK, "quarantine": None, "reservation": None, "releases": releases, "history": (), **more,
    }  # fmt: skip
    return NameState(**parts)


def promises(before: NameState, after: NameState) -> list[Promise]:
    return [broken.promise for broken in succession.broken_promises(before, after)]


@given(name_states())
@settings(max_examples=30)
def test_a_state_follows_itself(found: NameState) -> None:
    assert succession.broken_promises(found, found) == ()


SUSPECTED: Final = Takedown("foo/1/1", "malware", "suspected", ("1.0",), ("ab" * 32,), MARK, MARK)
CONFIRMED: Final = replace(SUSPECTED, status="confirmed", external_ids=("MAL-2026-1",))
ANOTHER: Final = replace(SUSPECTED, id="foo/1/2")


def listing(*entries: Takedown, serial: int = 1) -> NameState:
    return state(UNPUBLISHED, serial=serial, state="placeholder", takedowns=entries)


NEXT: Final = state(PUBLISHED, serial=2)
RESERVATION: Final = Reservation("grant", None, AT, AT, 0)

GOOD: Final = {
    "another version": state(PUBLISHED, replace(PUBLISHED, version="2.0", canonical="2", files=()), serial=2),
    "another file of the version": state(replace(PUBLISHED, files=(WHEEL, SDIST)), serial=2),
    "a removal": state(UNPUBLISHED, serial=2),
    "a purge": state(PURGED, serial=2),
    "a placeholder": state(UNPUBLISHED, serial=3, state="placeholder"),
    "a new holder": state(UNPUBLISHED, serial=4, state="reserved", generation=2, reservation=RESERVATION),
    "a prohibition": state(UNPUBLISHED, serial=3, state="prohibited"),
    "a takedown": listing(SUSPECTED, serial=2),
    "a quarantine": state(PUBLISHED, serial=2, quarantine=MARK),
    "a transfer": state(PUBLISHED, serial=2, holder_epoch=1),
}


@pytest.mark.parametrize("after", GOOD.values(), ids=GOOD)
def test_what_a_registry_does_breaks_no_promise(after: NameState) -> None:
    assert promises(state(PUBLISHED), after) == []


@pytest.mark.parametrize("status", ["suspected", "confirmed", "withdrawn"])
def test_a_takedown_may_be_settled_either_way_and_learn_further_ids(status: Any) -> None:
    settled = replace(CONFIRMED, status=status, mark=Mark(AT, "admin", None))
    for before in (SUSPECTED, replace(SUSPECTED, status="withdrawn"), replace(SUSPECTED, status="confirmed")):
        assert promises(listing(before), listing(settled, ANOTHER, serial=2)) == []


def test_a_removal_may_be_undone_with_the_same_files_by_the_same_holder() -> None:
    assert promises(state(UNPUBLISHED), state(PUBLISHED, serial=2)) == []


OTHER_BYTES: Final = replace(SDIST, sha256="cd" * 32)
RENAMED: Final = file("foo-1.0.zip", "cd", identity="sdist")

BAD: Final[dict[str, tuple[NameState, NameState, list[Promise]]]] = {
    "I4: the serial goes back": (state(PUBLISHED, serial=2), state(PUBLISHED, serial=1), ["serial"]),
    "I4: two states of one serial": (state(PUBLISHED), state(PUBLISHED, event=9), ["serial"]),
    "a transfer is forgotten": (
        state(PUBLISHED, holder_epoch=2),
        state(PUBLISHED, holder_epoch=1, serial=2),
        ["holder"],
    ),
    "I11: the generation goes back": (
        state(PUBLISHED, generation=2),
        state(PUBLISHED, generation=1, serial=2),
        ["generation"],
    ),
    "I1: other bytes under one file name": (
        state(PUBLISHED),
        state(replace(PUBLISHED, files=(OTHER_BYTES,)), serial=2),
        ["bytes"],
    ),
    "I1: other bytes for one artifact under another file name": (
        state(PUBLISHED),
        state(replace(PUBLISHED, files=(RENAMED,)), serial=2),
        ["bytes"],
    ),
    "I1: other bytes in a tombstone": (
        state(UNPUBLISHED),
        state(replace(UNPUBLISHED, files=(OTHER_BYTES,)), serial=2),
        ["bytes"],
    ),
    "I2: other bytes under another holder": (
        state(UNPUBLISHED),
        state(replace(PUBLISHED, generation=2, files=(OTHER_BYTES,)), serial=5, generation=2),
        ["bytes", "resurrected"],
    ),
    "I1: a file asks for another Python": (
        state(PUBLISHED),
        state(replace(PUBLISHED, files=(replace(SDIST, requires_python="<3"),)), serial=2),
        ["facts"],
    ),
    "I1: a file takes another name": (
        state(PUBLISHED),
        state(replace(PUBLISHED, files=(replace(SDIST, filename="foo-1.0.zip"),)), serial=2),
        ["facts"],
    ),
    "a release was published at another time": (
        state(PUBLISHED),
        state(replace(PUBLISHED, published_at="2020-01-01T00:00:00Z"), serial=2),
        ["facts"],
    ),
    "a published release passes to another holder": (
        state(PUBLISHED),
        state(replace(PUBLISHED, generation=2), serial=2, generation=2),
        ["resurrected"],
    ),
    "an act is erased": (state(PUBLISHED, history=(ACT,)), state(PUBLISHED, serial=2), ["history"]),
    "an act is told otherwise": (
        state(PUBLISHED, history=(ACT,)),
        state(PUBLISHED, serial=2, history=(replace(ACT, type="release.unyanked"),)),
        ["history"],
    ),
    "I3: a release vanishes": (state(PUBLISHED), state(serial=2), ["tombstone"]),
    "I3: a tombstone vanishes": (state(UNPUBLISHED), state(serial=2), ["tombstone"]),
    "I3: a file vanishes": (state(PUBLISHED), state(replace(PUBLISHED, files=()), serial=2), ["tombstone"]),
    "I2: a removed version comes back with another file": (
        state(UNPUBLISHED),
        state(replace(PUBLISHED, files=(WHEEL, SDIST)), serial=2),
        ["resurrected"],
    ),
    "I2: a removed version comes back under another holder": (
        state(UNPUBLISHED),
        state(replace(PUBLISHED, generation=2), serial=5, generation=2),
        ["resurrected"],
    ),
    "a purged file comes back": (
        state(replace(PUBLISHED, files=(WHEEL, SDIST), removals=(Removal(WHEEL.filename, "purged", MARK),))),
        state(replace(PUBLISHED, files=(WHEEL, SDIST)), serial=2),
        ["resurrected"],
    ),
    "a purged version comes back": (state(PURGED), state(PUBLISHED, serial=2), ["resurrected"]),
    "a purged version becomes restorable": (state(PURGED), state(UNPUBLISHED, serial=2), ["resurrected"]),
    "I19: a takedown vanishes": (listing(SUSPECTED), listing(serial=2), ["takedown"]),
    "I19: a takedown gives way to another": (listing(SUSPECTED), listing(ANOTHER, serial=2), ["takedown"]),
    "I19: a takedown loses an external id": (
        listing(CONFIRMED),
        listing(replace(CONFIRMED, external_ids=("MAL-2026-2",)), serial=2),
        ["takedown"],
    ),
    **{
        f"I19: a takedown is of other {field}": (
            listing(SUSPECTED),
            listing(replace(SUSPECTED, **{field: other}), serial=2),  # type: ignore[arg-type]
            ["takedown"],
        )
        for field, other in (
            ("kind", "spam"),
            ("versions", ("1.0", "2.0")),
            ("sha256s", ("cd" * 32,)),
            ("listed", Mark(AT, "admin", None)),
        )
    },
    "I13: a name with releases becomes vacant": (
        state(UNPUBLISHED, state="placeholder"),
        state(UNPUBLISHED, serial=2, state="vacant"),
        ["vacated"],
    ),
}


@pytest.mark.parametrize(("before", "after", "broken"), BAD.values(), ids=BAD)
def test_each_promise_is_kept_from_the_one_step_that_breaks_it(
    before: NameState, after: NameState, broken: list[Promise]
) -> None:
    assert promises(before, after) == broken


def test_a_version_is_the_same_version_in_another_spelling() -> None:
    respelled = replace(PUBLISHED, version="1.0.0", files=(OTHER_BYTES,))
    assert promises(state(PUBLISHED), state(respelled, serial=2)) == ["bytes", "facts"]


def test_a_broken_promise_names_both_values() -> None:
    (broken,) = succession.broken_promises(state(PUBLISHED, serial=7), state(PUBLISHED, serial=3))
    assert broken.sentence == "serial went back from 7 to 3"


def test_all_broken_promises_are_said_at_once() -> None:
    before = state(PUBLISHED, serial=5, generation=2)
    assert promises(before, state(serial=4, generation=1, state="vacant")) == [
        "serial",
        "generation",
        "vacated",
        "tombstone",
    ]


def test_one_file_name_or_one_artifact_with_two_hashes_clashes_within_a_state() -> None:
    twice = replace(PUBLISHED, files=(SDIST, RENAMED))
    (clash,) = succession.new_files_clash(state(twice))
    assert clash.promise == "bytes" and "sdist" in clash.sentence
    elsewhere = Release("2.0", "2", "published", 1, AT, None, None, (replace(OTHER_BYTES, identity="other"),))
    (clash,) = succession.new_files_clash(state(PUBLISHED, elsewhere))
    assert "foo-1.0.tar.gz" in clash.sentence
    assert succession.new_files_clash(state(replace(PUBLISHED, files=(WHEEL, SDIST)))) == ()
