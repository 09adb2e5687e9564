"""What must hold within one state: a good one, one thing broken, and exactly that invariant named."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from keys.invariants import broken_invariants
from keys.state import Act, Grant, Mark, Membership, NameState, Reason, Yank
from keys.times import moment
from tests.keys.test_succession import AT, OTHER_BYTES, PUBLISHED, UNPUBLISHED, WHEEL, state

NOW: Final = moment(AT)
BECAUSE: Final = Mark(AT, "admin", Reason("malware"))
BEFORE: Final = Mark("2026-11-22T09:00:00Z", "owner", Reason("broken"))
LATER: Final = Mark("2026-11-22T10:01:01Z", "owner", Reason("broken"))
REMOVED: Final = replace(UNPUBLISHED, removed=BECAUSE)


def acts(*serials: int) -> tuple[Act, ...]:
    return tuple(Act(serial, "release.yanked", "1.0", BECAUSE) for serial in serials)


def taken(serial: int) -> tuple[Act, ...]:
    return (Act(serial, "project.created", None, BEFORE),)


GOOD: Final = {
    "published": state(PUBLISHED),
    "removed": state(REMOVED, state="placeholder"),
    "quarantined": state(PUBLISHED, quarantine=BECAUSE, locked=BECAUSE),
    "prohibited": state(state="prohibited", since=BECAUSE),
    "purged by the clock": state(replace(REMOVED, state="purged", removed=Mark(AT, "clock", None))),
    "closed": state(replace(PUBLISHED, closed=BECAUSE)),
    "a history": state(PUBLISHED, serial=3, history=acts(2, 3)),
    "a namespace of its own": state(PUBLISHED, namespace=Grant("X", BECAUSE), namespaces=(Membership("foo", True, 1),)),
    "taken before somebody else's grant": state(
        PUBLISHED, serial=3, history=taken(1), namespace=Grant("X", BECAUSE), namespaces=(Membership("foo", False, 2),)
    ),
    "yanked without a reason": state(replace(PUBLISHED, yank=Yank("owner", Mark(AT, "owner", None)))),
}


@pytest.mark.parametrize("found", GOOD.values(), ids=GOOD)
def test_what_a_registry_has_may_be_signed(found: NameState) -> None:
    assert broken_invariants(found, NOW) == []


BAD: Final[list[tuple[str, dict[str, Any]]]] = [
    ("I1", {"releases": (replace(PUBLISHED, files=(WHEEL, replace(OTHER_BYTES, identity="wheel"))),)}),
    ("I4", {"serial": 3, "history": acts(3, 2)}),
    ("I4", {"serial": 3, "history": acts(2, 2)}),
    ("I4", {"serial": 1, "history": acts(2)}),
    ("I7", {"state": "placeholder"}),
    ("I7", {"state": "prohibited", "since": BECAUSE}),
    ("I11", {"releases": (replace(PUBLISHED, generation=2),)}),
    ("I12", {"releases": ()}),
    ("I12", {"releases": (replace(PUBLISHED, files=()),)}),
    ("I13", {"releases": (REMOVED,), "state": "vacant"}),
    ("I15", {"releases": (replace(PUBLISHED, closed=BEFORE),)}),
    ("I16", {"quarantine": Mark(AT, "admin", None)}),
    ("I16", {"locked": Mark(AT, "admin", None)}),
    ("I16", {"releases": (UNPUBLISHED,)}),
    ("I16", {"releases": (replace(PUBLISHED, quarantine=Mark(AT, "admin", None)),)}),
    ("I16", {"releases": (), "state": "prohibited"}),
    (
        "I21",
        {
            "serial": 3,
            "history": taken(2),
            "namespace": Grant("X", BECAUSE),
            "namespaces": (Membership("foo", False, 1),),
        },
    ),
    ("I21", {"namespace": Grant("X", BECAUSE)}),
    ("I21", {"namespaces": (Membership("foo", True, 1),)}),
    ("I21", {"namespace": Grant("X", BECAUSE, "bar"), "namespaces": (Membership("foo", True, 1),)}),
    ("I21", {"namespace": Grant("X", BECAUSE, "foo"), "namespaces": (Membership("foo", True, 1),)}),
    ("I23", {"releases": (replace(REMOVED, removed=BEFORE),)}),
    ("I23", {"releases": (replace(PUBLISHED, yank=Yank("owner", BEFORE)),)}),
    ("I23", {"since": LATER}),
    ("I23", {"history": (Act(1, "release.yanked", "1.0", LATER),)}),
]


@pytest.mark.parametrize(("number", "broken"), BAD)
def test_one_broken_thing_is_named_by_its_number(number: str, broken: dict[str, Any]) -> None:
    assert [each.split(":")[0] for each in broken_invariants(replace(state(PUBLISHED), **broken), NOW)] == [number]


def test_a_file_may_be_uploaded_a_little_after_the_signer_s_clock_says_that_its_release_closed() -> None:
    for seconds, broken in ((300, 0), (301, 1)):
        closed = Mark((NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ"), "clock", None)
        assert len(broken_invariants(state(replace(PUBLISHED, closed=closed)), NOW)) == broken


@pytest.mark.parametrize(
    "prefixes", [("bar",), ("fo",), ("foo-bar",), ("foo", "foo"), ("foo-bar-baz", "foo"), ("foo-bar", "foo-ba")]
)
def test_a_name_is_in_namespaces_whose_prefix_it_has_once_each_and_in_order(prefixes: tuple[str, ...]) -> None:
    name = "foo-bar-baz" if len(prefixes) > 1 else "foo"
    with pytest.raises(ValueError, match="are prefixes of it, once each, the shortest first"):
        replace(state(PUBLISHED), name=name, namespaces=tuple(Membership(each, True, 1) for each in prefixes))


def test_the_longest_prefix_decides_whether_a_name_was_taken_by_a_stranger() -> None:
    """I21: a child namespace that is shared lets others in where its root does not."""
    both = (Membership("foo", False, 1), Membership("foo-bar", True, 1))
    found = state(PUBLISHED, name="foo-bar-baz", serial=3, history=taken(2), namespaces=both)
    assert broken_invariants(found, NOW) == []
    other = (Membership("foo", True, 1), Membership("foo-bar", False, 1))
    assert [each[:3] for each in broken_invariants(replace(found, namespaces=other), NOW)] == ["I21"]
