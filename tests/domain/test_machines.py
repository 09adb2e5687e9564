"""Who may take which step: the tables, and the same again asked of decide. Both lists are written here again."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from keys.state import ActorClass
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.machines import NAME, QUARANTINE, RELEASE, YANK
from tests.domain.book import Book
from tests.domain.cases import CLASSES, acting, standing, unpublish
from tests.world import BECAUSE, publishing

_REGISTRARS: Final = "owner system support admin"

MAY: Final[dict[str, tuple[machines.Machine, str]]] = {
    # source, event, target, by whom, and + where the name passes to an unrelated holder
    "name": (
        NAME,
        f"""
        absent       name.reserved              reserved     {_REGISTRARS}
        vacant       name.reserved              reserved     {_REGISTRARS} +
        absent       project.created            registered   owner system
        vacant       project.created            registered   owner system +
        reserved     reservation.converted      registered   owner system
        reserved     reservation.renewed        reserved     owner
        reserved     reservation.released       vacant       owner moderator admin
        reserved     reservation.expired        vacant       clock
        absent       name.prohibited            prohibited   admin
        vacant       name.prohibited            prohibited   admin
        reserved     name.prohibited            prohibited   admin
        registered   name.prohibited            prohibited   admin
        placeholder  name.prohibited            prohibited   admin
        registered   name.placeholder_set       placeholder  {_REGISTRARS}
        placeholder  project.restored           registered   owner admin
        placeholder  placeholder.claim_granted  reserved     support admin +
        """,
    ),
    "quarantine": (
        QUARANTINE,
        """
        clear        project.quarantined         quarantined  admin moderator system
        quarantined  project.quarantine_cleared  clear        admin
        """,
    ),
    "release": (
        RELEASE,
        """
        none         release.published    published    owner system
        published    file.added           published    owner system
        published    release.unpublished  unpublished  owner support admin
        unpublished  release.restored     published    owner admin
        """,
    ),
    "yank": (
        YANK,
        """
        clear     release.yanked               owner     owner
        clear     release.yanked               security  moderator admin
        clear     release.yanked               support   support
        owner     release.unyanked             clear     owner support admin
        support   release.unyanked             clear     support admin
        security  release.unyanked             clear     admin
        owner     release.yank_reason_changed  owner     owner
        owner     release.yank_reason_changed  support   support
        owner     release.yank_reason_changed  security  moderator admin
        support   release.yank_reason_changed  support   support
        support   release.yank_reason_changed  security  moderator admin
        security  release.yank_reason_changed  security  moderator admin
        """,
    ),
}


def steps(text: str) -> dict[tuple[str, str, str], tuple[str, int]]:
    found = {}
    for line in text.strip().splitlines():
        source, event, target, *who = line.split()
        for actor in who:
            if actor != "+":
                found[source, event, actor] = (target, int("+" in who))
    return found


@pytest.mark.parametrize("name", MAY)
def test_every_step_is_for_its_actors_and_for_no_other_class(name: str) -> None:
    machine, text = MAY[name]
    sources = {row.source for row in machine} | {row.target for row in machine}
    events = {row.event for row in machine}
    taken = {
        (source, event, actor): (row.target, row.new_generation)
        for source in sources
        for event in events
        for actor in CLASSES
        if (row := machines.row_for(machine, source, event, actor)) is not None
    }
    assert taken == steps(text)


@pytest.mark.parametrize("name", MAY)
def test_no_actor_has_two_rows_to_choose_from(name: str) -> None:
    machine, _ = MAY[name]
    taken = [(row.source, row.event, actor) for row in machine for actor in row.actors]
    assert len(taken) == len(set(taken))


def test_a_prohibited_name_stays_so_and_nobody_becomes_vacant_again() -> None:
    assert not [row for row in NAME if row.source == "prohibited"]
    assert {row.source for row in NAME if row.target == "vacant"} == {"reserved"}


def claim(actor: r.Actor) -> r.Claim:
    return r.Claim("foo", "case-7", "account-2", actor)


Ask = Callable[[Book, r.Actor], r.Request]

VERBS: Final[list[tuple[str, str, Ask, str]]] = [
    ("absent", "publish", lambda _, a: publishing("foo", actor=a), "owner system"),
    ("vacant", "publish", lambda _, a: publishing("foo", actor=a), "owner system"),
    ("reserved", "publish", lambda _, a: publishing("foo", actor=a), "owner system"),
    ("registered", "a version", lambda _, a: publishing("foo", "2.0", actor=a), "owner system"),
    ("placeholder", "publish", lambda _, a: publishing("foo", "2.0", actor=a), ""),
    ("claimed", "publish", lambda _, a: publishing("foo", "2.0", actor=a), ""),
    ("prohibited", "publish", lambda _, a: publishing("foo", actor=a), ""),
    ("quarantined", "publish", lambda _, a: publishing("foo", "2.0", actor=a), ""),
    ("registered", "yank", lambda _, a: r.Yank("foo", "1.0", BECAUSE, a), "owner support moderator admin"),
    ("quarantined", "yank", lambda _, a: r.Yank("foo", "1.0", BECAUSE, a), "owner support moderator admin"),
    ("yanked", "unyank", lambda _, a: r.Unyank("foo", "1.0", BECAUSE, a), "owner support admin"),
    ("registered", "unpublish", lambda b, a: unpublish(b, actor=a), "owner support admin"),
    ("quarantined", "unpublish", lambda b, a: unpublish(b, actor=a), "support admin"),
    ("placeholder", "restore", lambda _, a: r.Restore("foo", "1.0", BECAUSE, a), "owner admin"),
    ("claimed", "restore", lambda _, a: r.Restore("foo", "1.0", BECAUSE, a), ""),
    ("absent", "reserve", lambda _, a: r.Reserve("foo", a), _REGISTRARS),
    ("vacant", "reserve", lambda _, a: r.Reserve("foo", a), _REGISTRARS),
    ("registered", "reserve", lambda _, a: r.Reserve("foo", a), ""),
    ("placeholder", "reserve", lambda _, a: r.Reserve("foo", a), ""),
    ("prohibited", "reserve", lambda _, a: r.Reserve("foo", a), ""),
    ("reserved", "renew", lambda _, a: r.Renew("foo", a), "owner"),
    ("reserved", "release", lambda _, a: r.Release("foo", a), "owner moderator admin"),
    ("claimed", "release", lambda _, a: r.Release("foo", a), "moderator admin"),
    ("registered", "release", lambda _, a: r.Release("foo", a), ""),
    ("registered", "quarantine", lambda _, a: r.Quarantine("foo", BECAUSE, a), "admin moderator system"),
    ("reserved", "quarantine", lambda _, a: r.Quarantine("foo", BECAUSE, a), ""),
    ("quarantined", "clear", lambda _, a: r.Clear("foo", BECAUSE, a), "admin"),
    ("placeholder", "claim", lambda _, a: claim(a), "support admin"),
    ("registered", "claim", lambda _, a: claim(a), ""),
    ("reserved", "claim", lambda _, a: claim(a), ""),
    ("vacant", "claim", lambda _, a: claim(a), ""),
    ("prohibited", "claim", lambda _, a: claim(a), ""),
    *(
        (state, "prohibit", lambda _, a: r.Prohibit("foo", BECAUSE, a), "admin")
        for state in ("absent", "vacant", "reserved", "registered", "quarantined", "placeholder", "claimed")
    ),
]


@pytest.mark.parametrize(("state", "verb", "ask", "who"), VERBS, ids=[f"{verb} {state}" for state, verb, _, _ in VERBS])
def test_a_verb_is_for_its_actors_and_for_no_other_class(state: str, verb: str, ask: Ask, who: str) -> None:
    def accepted(kind: ActorClass) -> bool:
        book = standing(state)
        return not book.codes(ask(book, acting(kind)))

    assert {kind for kind in CLASSES if accepted(kind)} == set(who.split())


@pytest.mark.parametrize(
    ("kind", "yank"), [("owner", "owner"), ("support", "support"), ("moderator", "security"), ("admin", "security")]
)
def test_a_yank_is_of_the_class_of_who_yanked(kind: Any, yank: str) -> None:
    book = standing("registered")
    book.do(r.Yank("foo", "1.0", BECAUSE, acting(kind)))
    found = book.state("foo").releases[0].yank
    assert found is not None and (found.kind, found.mark.by, found.mark.reason) == (yank, kind, BECAUSE)
