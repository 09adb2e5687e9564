"""Who may take which step: the tables, and the same again asked of decide. Both lists are written here again."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from keys.state import ActorClass
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.machines import (
    DEPRECATION,
    FILE,
    HOLDING,
    LOCK,
    NAME,
    NAMESPACE,
    QUARANTINE,
    RELEASE,
    RELEASE_QUARANTINE,
    STATUS,
    TAKEDOWN,
    WINDOW,
    YANK,
)
from tests.domain.book import Book
from tests.domain.cases import (
    CLASSES,
    WHEEL,
    acting,
    claim_openly,
    hand_on,
    pass_on,
    remove,
    reported,
    standing,
    unpublish,
    unpublish_all,
    verdict,
)
from tests.world import ADMIN, BECAUSE, publishing

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
        reserved     reservation.revoked        vacant       moderator admin
        prohibited   name.unprohibited          vacant       admin
        registered   project.assigned           registered   support admin system
        registered   project.display_name_changed  registered   owner support admin system
        reserved     reservation.transferred    reserved     owner +
        placeholder  placeholder.claimed_open   reserved     owner +
        absent       session.opened             reserved     owner system
        vacant       session.opened             reserved     owner system +
        reserved     session.cancelled          vacant       owner system moderator admin
        reserved     session.expired            vacant       clock
        """,
    ),
    "namespace": (
        NAMESPACE,
        """
        none    namespace.granted        active  owner support admin
        none    namespace.child_granted  active  owner
        active  namespace.shared         active  owner
        active  namespace.unshared       active  owner
        active  namespace.transferred    active  owner support admin
        active  namespace.ended          none    owner support admin
        """,
    ),
    "quarantine": (
        QUARANTINE,
        """
        clear        project.quarantined         quarantined  admin moderator system
        quarantined  project.quarantine_cleared  clear        admin
        quarantined  project.removed             removed      admin
        clear        project.removed             clear        owner support admin
        removed      project.restored            quarantined  admin
        clear        project.restored            clear        owner admin
        """,
    ),
    "status": (
        STATUS,
        """
        active      project.archived      archived    owner system
        archived    project.unarchived    active      owner
        active      project.deprecated    deprecated  owner support system
        archived    project.deprecated    deprecated  owner support system
        deprecated  project.undeprecated  active      owner support
        """,
    ),
    "lock": (
        LOCK,
        """
        unlocked  project.locked    locked    admin moderator system
        locked    project.unlocked  unlocked  admin
        """,
    ),
    "quarantine of a release": (
        RELEASE_QUARANTINE,
        """
        clear        release.quarantined         quarantined  admin moderator system
        quarantined  release.quarantine_cleared  clear        admin
        """,
    ),
    "deprecation": (
        DEPRECATION,
        """
        current     release.deprecated    deprecated  owner support
        deprecated  release.undeprecated  current     owner support
        """,
    ),
    "window": (WINDOW, "open  release.closed  closed  clock owner"),
    "holding": (HOLDING, "held  transfer.accepted  held  owner support admin"),
    "file": (
        FILE,
        """
        published  file.removed   removed    owner admin support
        removed    file.restored  published  owner admin
        removed    file.purged    purged     clock admin
        """,
    ),
    "release": (
        RELEASE,
        """
        none         release.published    published    owner system
        published    file.added           published    owner system
        published    release.unpublished  unpublished  owner support admin
        unpublished  release.restored     published    owner admin
        unpublished  release.purged       purged       clock admin
        """,
    ),
    "takedown": (
        TAKEDOWN,
        """
        none       takedown.listed     suspected  system moderator admin
        suspected  takedown.confirmed  confirmed  admin
        withdrawn  takedown.confirmed  confirmed  admin
        suspected  takedown.withdrawn  withdrawn  admin
        confirmed  takedown.withdrawn  withdrawn  admin
        suspected  takedown.corrected  suspected  system moderator admin
        confirmed  takedown.corrected  confirmed  system moderator admin
        """,
    ),
    "yank": (
        YANK,
        """
        clear     release.yanked               owner     owner system
        clear     release.yanked               security  moderator admin
        clear     release.yanked               support   support
        clear     release.yank_held            held      owner support system
        held      release.yank_cancelled       clear     owner support admin
        held      release.yanked               owner     owner clock
        held      release.yanked               support   support
        held      release.yanked               security  moderator admin
        owner     release.unyanked             clear     owner support admin
        support   release.unyanked             clear     support admin
        security  release.unyanked             clear     admin
        owner     release.yank_reason_changed  owner     owner system
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


def test_only_reserved_and_prohibited_names_become_vacant_and_only_without_releases() -> None:
    assert {row.source for row in NAME if row.target == "vacant"} == {"reserved", "prohibited"}
    book = standing("registered")
    book.do(r.Prohibit("foo", BECAUSE, ADMIN), r.Unprohibit("foo", BECAUSE, ADMIN))
    assert book.state("foo").state == "placeholder"
    book = standing("prohibited")
    book.do(r.Unprohibit("foo", BECAUSE, ADMIN))
    assert book.state("foo").state == "vacant"


def claim(actor: r.Actor) -> r.Claim:
    return r.Claim("foo", "case-7", "account-2", actor)


def quarantine_release(actor: r.Actor) -> r.QuarantineRelease:
    return r.QuarantineRelease("foo", "1.0", BECAUSE, actor)


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
    ("registered", "yank", lambda _, a: r.Yank("foo", "1.0", BECAUSE, a), "owner support moderator admin system"),
    ("quarantined", "yank", lambda _, a: r.Yank("foo", "1.0", BECAUSE, a), "owner support moderator admin system"),
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
    ("registered", "quarantine", lambda b, a: reported(b, actor=a), "admin moderator system"),
    ("reserved", "quarantine", lambda _, a: r.Quarantine("foo", BECAUSE, a), ""),
    ("quarantined", "clear", lambda _, a: r.Clear("foo", BECAUSE, a), "admin"),
    ("placeholder", "claim", lambda _, a: claim(a), "support admin"),
    ("registered", "claim", lambda _, a: claim(a), ""),
    ("reserved", "revoke", lambda _, a: r.Revoke("foo", BECAUSE, a), "moderator admin"),
    ("claimed", "revoke", lambda _, a: r.Revoke("foo", BECAUSE, a), "moderator admin"),
    ("registered", "revoke", lambda _, a: r.Revoke("foo", BECAUSE, a), ""),
    ("prohibited", "unprohibit", lambda _, a: r.Unprohibit("foo", BECAUSE, a), "admin"),
    ("placeholder", "unprohibit", lambda _, a: r.Unprohibit("foo", BECAUSE, a), ""),
    ("registered", "archive", lambda _, a: r.Archive("foo", None, a), "owner system"),
    ("archived", "unarchive", lambda _, a: r.Unarchive("foo", None, a), "owner"),
    ("archived", "publish", lambda _, a: publishing("foo", "2.0", actor=a), ""),
    ("registered", "deprecate", lambda _, a: r.Deprecate("foo", BECAUSE, "bar", a), "owner support system"),
    ("archived", "deprecate", lambda _, a: r.Deprecate("foo", BECAUSE, "bar", a), "owner support system"),
    ("deprecated", "undeprecate", lambda _, a: r.Undeprecate("foo", None, a), "owner support"),
    ("deprecated", "archive", lambda _, a: r.Archive("foo", None, a), ""),
    ("deprecated", "publish", lambda _, a: publishing("foo", "2.0", actor=a), "owner system"),
    ("placeholder", "archive", lambda _, a: r.Archive("foo", None, a), ""),
    ("registered", "lock", lambda _, a: r.Lock("foo", BECAUSE, a), "admin moderator system"),
    ("locked", "unlock", lambda _, a: r.Unlock("foo", BECAUSE, a), "admin"),
    ("locked", "publish", lambda _, a: publishing("foo", "2.0", actor=a), "system"),
    ("locked", "yank", lambda _, a: r.Yank("foo", "1.0", BECAUSE, a), "support moderator admin system"),
    (
        "registered",
        "quarantine 1.0",
        lambda _, a: r.QuarantineRelease("foo", "1.0", BECAUSE, a),
        "admin moderator system",
    ),
    ("quarantined 1.0", "clear 1.0", lambda _, a: r.ClearRelease("foo", "1.0", BECAUSE, a), "admin"),
    ("registered", "deprecate 1.0", lambda _, a: r.DeprecateRelease("foo", "1.0", BECAUSE, None, a), "owner support"),
    ("deprecated 1.0", "undeprecate 1.0", lambda _, a: r.UndeprecateRelease("foo", "1.0", None, a), "owner support"),
    ("registered", "close 1.0", lambda _, a: r.CloseRelease("foo", "1.0", None, a), "owner clock"),
    ("placeholder", "purge 1.0", lambda _, a: r.PurgeRelease("foo", "1.0", None, a), "admin clock"),
    ("two files", "remove a file", lambda b, a: remove(b, a), "owner support admin"),
    ("one file left", "restore a file", lambda _, a: r.RestoreFile("foo", "1.0", WHEEL, BECAUSE, a), "owner admin"),
    ("one file left", "purge a file", lambda _, a: r.PurgeFile("foo", "1.0", WHEEL, None, a), "admin clock"),
    ("reserved", "claim", lambda _, a: claim(a), ""),
    ("registered", "unpublish all", lambda b, a: unpublish_all(b, a), "owner support admin"),
    ("quarantined", "unpublish all", lambda b, a: unpublish_all(b, a), "admin"),
    ("placeholder", "restore all", lambda _, a: r.RestoreProject("foo", BECAUSE, a), "owner admin"),
    ("removed", "restore all", lambda _, a: r.RestoreProject("foo", BECAUSE, a), ""),
    ("registered", "remove", lambda _, a: r.RemoveProject("foo", "malware", BECAUSE, a), "admin"),
    ("registered", "ok", lambda _, a: verdict("ok", a), "system moderator admin"),
    ("registered", "review", lambda _, a: verdict("review", a), "system moderator admin"),
    ("registered", "quarantine verdict", lambda _, a: verdict("quarantine", a), "system moderator admin"),
    ("registered", "remove verdict", lambda _, a: verdict("remove", a), "system moderator admin"),
    ("vacant", "claim", lambda _, a: claim(a), ""),
    ("prohibited", "claim", lambda _, a: claim(a), ""),
    ("absent", "a session", lambda _, a: r.OpenSession("foo", a), "owner system"),
    ("vacant", "a session", lambda _, a: r.OpenSession("foo", a), "owner system"),
    ("registered", "a session", lambda _, a: r.OpenSession("foo", a), ""),
    ("placeholder", "a session", lambda _, a: r.OpenSession("foo", a), ""),
    ("session", "release", lambda _, a: r.Release("foo", a), "owner system moderator admin"),
    ("session", "revoke", lambda _, a: r.Revoke("foo", BECAUSE, a), "moderator admin"),
    ("registered", "transfer", lambda b, a: pass_on(b, a), "owner support admin"),
    ("locked", "transfer", lambda b, a: pass_on(b, a), ""),
    ("quarantined", "transfer", lambda b, a: pass_on(b, a), ""),
    ("reserved", "transfer", lambda b, a: pass_on(b, a), ""),
    ("placeholder", "transfer", lambda b, a: pass_on(b, a), ""),
    ("reserved", "transfer a reservation", lambda b, a: hand_on(b, a), "owner"),
    ("claimed", "transfer a reservation", lambda b, a: hand_on(b, a), ""),
    ("registered", "transfer a reservation", lambda b, a: hand_on(b, a), ""),
    ("placeholder", "claim openly", lambda b, a: claim_openly(b, a), "owner"),
    ("registered", "claim openly", lambda b, a: claim_openly(b, a), ""),
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
