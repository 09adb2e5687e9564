"""What of a policy everyone can decide is decided: each act is one that the policy in force does not allow."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from keys.encoding import sha256
from keys.state import File, NameState, Reason
from keys.times import stamp
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.evolve import evolve
from repo_service.domain.flags import FlagAct, SetFlag, set_flag
from repo_service.domain.policy import Policy
from repo_service.monitor import steps
from repo_service.monitor.judging import Law
from tests.domain.book import POLICY
from tests.world import BECAUSE, BEGIN

Act = tuple[float, c.Change, str]
"""How many hours after the act before, what, and by which class."""
DAY: Final = 24.0
SDIST: Final = File("foo-1.0.tar.gz", "sdist", sha256(b"x"), 1, stamp(BEGIN))
WHEEL: Final = File("foo-1.0-py3-none-any.whl", "wheel--py3-none-any", sha256(b"y"), 1, stamp(BEGIN))
FOO: Final[tuple[Act, ...]] = (
    (0, c.ProjectCreated("foo"), "owner"),
    (0, c.ReleasePublished("1.0", "1", stamp(BEGIN), (SDIST, WHEEL)), "owner"),
)
GONE: Final[tuple[Act, ...]] = (*FOO, (0, c.ReleaseUnpublished("1.0"), "owner"))
OPEN_DAYS: Final = POLICY.files.open_days
NEVER: Final = replace(POLICY, unpublish=replace(POLICY.unpublish, owner="never"))


def reserved(hours: float = 0) -> c.NameReserved:
    ends = BEGIN + timedelta(hours=hours, days=POLICY.reservations.days[0])
    return c.NameReserved(
        "user", None, stamp(ends), stamp(ends + timedelta(days=POLICY.reservations.grace_days)), "foo"
    )


def judged(acts: Sequence[Act], policy: Policy = POLICY, flags: Sequence[FlagAct] = ()) -> list[tuple[str, str]]:
    """What the law has against the last of these acts."""
    law, state, now = Law(), None, BEGIN
    assert [*law.take(Published(stamp(BEGIN), stamp(BEGIN), policy))] == []
    for each in flags:
        assert [*law.take(each)] == []
    found: list[tuple[str, str]] = []
    for number, (hours, change, by) in enumerate(acts, 1):
        now += timedelta(hours=hours)
        reason = None if isinstance(change, c.ReleasePurged | c.FilePurged) else BECAUSE
        event = c.Event(number, "foo", stamp(now), by, reason, policy.id, change, None, None)  # type: ignore[arg-type]  # a class by its name
        found, state = [*law.objections(state, event)], evolved(state, event)
    return found


def evolved(state: NameState | None, event: c.Event) -> NameState | None:
    return evolve(c.Name("foo", state, None), event).state


WRONG: Final[dict[str, tuple[tuple[Act, ...], str]]] = {
    "a version, by its owner, after the window": ((*FOO, (99 * DAY, c.ReleaseUnpublished("1.0"), "owner")), "window"),
    "a file, by its owner, after the window": (
        (*FOO, (99 * DAY, c.FileRemoved("1.0", SDIST.filename), "owner")),
        "window",
    ),
    "a version out of a project's quarantine": (
        (*FOO, (0, c.ProjectQuarantined(), "admin"), (1, c.ReleaseUnpublished("1.0"), "owner")),
        "quarantine",
    ),
    "a version out of its quarantine": (
        (*FOO, (0, c.ReleaseQuarantined("1.0"), "admin"), (1, c.ReleaseUnpublished("1.0"), "owner")),
        "quarantine",
    ),
    "back after the window": ((*GONE, (999 * DAY, c.ReleaseRestored("1.0"), "admin")), "could until"),
    "back, by its owner, after an admin removed it": (
        (*FOO, (0, c.ReleaseUnpublished("1.0"), "admin"), (1, c.ReleaseRestored("1.0"), "owner")),
        "removed by admin",
    ),
    "a version purged early": ((*GONE, (1, c.ReleasePurged("1.0"), "clock")), "before it was due"),
    "a file purged early": (
        (*FOO, (0, c.FileRemoved("1.0", SDIST.filename), "owner"), (1, c.FilePurged("1.0", SDIST.filename), "clock")),
        "before it was due",
    ),
    "closed early": ((*FOO, (1, c.ReleaseClosed("1.0"), "clock")), "before it was due"),
    "a file after the release was closed": (
        (
            *FOO,
            (1, c.ReleaseClosed("1.0"), "owner"),
            (
                1,
                c.FileAdded(
                    "1.0", replace(WHEEL, filename="foo-1.0-1-py3-none-any.whl", identity="wheel-1-py3-none-any")
                ),
                "owner",
            ),
        ),
        "no new files",
    ),
    "a file after the release's window": (
        (
            *FOO,
            (
                OPEN_DAYS * DAY,
                c.FileAdded(
                    "1.0", replace(WHEEL, filename="foo-1.0-1-py3-none-any.whl", identity="wheel-1-py3-none-any")
                ),
                "owner",
            ),
        ),
        "no new files",
    ),
    "a file into quarantine": (
        (
            *FOO,
            (1, c.ReleaseQuarantined("1.0"), "admin"),
            (
                1,
                c.FileAdded(
                    "1.0", replace(WHEEL, filename="foo-1.0-1-py3-none-any.whl", identity="wheel-1-py3-none-any")
                ),
                "owner",
            ),
        ),
        "quarantine",
    ),
    "a file of another version": (
        (*FOO, (1, c.FileAdded("1.0", replace(SDIST, filename="foo-2.0.tar.gz", identity="x")), "owner")),
        "sdist of foo 2",
    ),
    "a release into a project that is archived": (
        (
            *FOO,
            (0, c.ProjectArchived(), "owner"),
            (1, c.ReleasePublished("2.0", "2", stamp(BEGIN), (replace(SDIST, filename="foo-2.0.tar.gz"),)), "owner"),
        ),
        "archived",
    ),
    "a file whose name says nothing": (
        (
            (0, c.ProjectCreated("foo"), "owner"),
            (0, c.ReleasePublished("1.0", "1", stamp(BEGIN), (replace(SDIST, filename="foo.exe"),)), "owner"),
        ),
        "foo.exe",
    ),
    "a yank that waited too short": (
        (
            *FOO,
            (0, c.YankHeld("1.0", "owner", stamp(BEGIN + timedelta(days=1))), "owner"),
            (1, c.ReleaseYanked("1.0", "owner"), "clock"),
        ),
        "came into force before",
    ),
    "whatever its owner does to what is locked": (
        (*FOO, (0, c.ProjectLocked(), "admin"), (1, c.ReleaseYanked("1.0", "owner"), "owner")),
        "locked",
    ),
    "a reservation that ended early": (
        ((0, reserved(), "owner"), (1, c.ReservationExpired(), "clock")),
        "grace included",
    ),
    "a reservation on other terms": (((0, reserved(hours=1), "owner"),), "the policy gives"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_the_policy_does_not_allow(what: str) -> None:
    acts, sentence = WRONG[what]
    found = judged(acts)
    assert [code for code, _ in found] == ["policy-broken"]
    assert sentence in found[0][1]


RIGHT: Final[dict[str, tuple[Act, ...]]] = {
    "within the window": (*FOO, (1, c.ReleaseUnpublished("1.0"), "owner")),
    "by support, later": (*FOO, (99 * DAY, c.ReleaseUnpublished("1.0"), "support")),
    "back in time": (*GONE, (1, c.ReleaseRestored("1.0"), "owner")),
    "purged when it is due": (*GONE, (999 * DAY, c.ReleasePurged("1.0"), "clock")),
    "purged by an admin": (*GONE, (1, c.ReleasePurged("1.0"), "admin")),
    "closed when it is due": (*FOO, (OPEN_DAYS * DAY, c.ReleaseClosed("1.0"), "clock")),
    "a reservation on the policy's terms": ((0, reserved(), "owner"),),
    "a reservation that ended": ((0, reserved(), "owner"), (999 * DAY, c.ReservationExpired(), "clock")),
    "reserved by the registry itself": ((0, reserved(hours=1), "system"),),
}


@pytest.mark.parametrize("what", RIGHT)
def test_what_the_policy_allows(what: str) -> None:
    assert judged(RIGHT[what]) == []


def test_what_owners_are_not_offered() -> None:
    removed: Act = (1, c.FileRemoved("1.0", SDIST.filename), "owner")
    assert "owners cannot do this here (unpublish)" in judged((*FOO, removed), NEVER)[0][1]
    assert judged((*FOO, (1, c.FileRemoved("1.0", SDIST.filename), "support")), NEVER) == []


def test_a_yank_without_the_reason_that_is_asked_for() -> None:
    policy = replace(POLICY, yank=replace(POLICY.yank, reason_required=True), phases=())
    law, state = Law(), None
    assert [*law.take(Published(stamp(BEGIN), stamp(BEGIN), policy))] == []
    for number, (_, change, _) in enumerate((*FOO, (0, c.ReleaseYanked("1.0", "owner"), "owner")), 1):
        event = c.Event(number, "foo", stamp(BEGIN), "owner", None, policy.id, change, None, None)
        found, state = [*law.objections(state, event)], evolved(state, event)
    assert found == [("policy-broken", "1.0 was yanked without a reason")]
    assert [*law.objections(state, replace(event, reason=Reason("broken")))] == []


def test_a_policy_takes_effect_when_it_says_and_an_act_of_flags_says_what_stands() -> None:
    (why,) = Law().take(Published(stamp(BEGIN), stamp(BEGIN - timedelta(days=1)), POLICY))
    assert "takes effect at" in why
    law, first = Law(), set_flag((), SetFlag("read_only", BECAUSE), BEGIN)
    assert first is not None
    assert [*law.take(replace(first, standing=()))] == [
        "act 1 of flags says otherwise what stands after it than follows from those before"
    ]
    second = replace(first, number=2, at=stamp(BEGIN - timedelta(hours=1)))
    assert "before the one that it follows" in next(law.take(second))


HALTED: Final[dict[str, tuple[tuple[Act, ...], bool]]] = {
    "read_only: a yank by an admin": ((*FOO, (1, c.ReleaseYanked("1.0", "security"), "admin")), True),
    "deletions_halted: a version": ((*FOO, (1, c.ReleaseUnpublished("1.0"), "owner")), True),
    "deletions_halted: a file": ((*FOO, (1, c.FileRemoved("1.0", SDIST.filename), "support")), True),
    "deletions_halted: a yank by its owner": ((*FOO, (1, c.ReleaseYanked("1.0", "owner"), "owner")), True),
    "deletions_halted: a yank by an admin": ((*FOO, (1, c.ReleaseYanked("1.0", "security"), "admin")), False),
    "deletions_halted: a prohibition": ((*FOO, (1, c.ReleaseUnpublished("1.0"), "admin")), False),
    "new_names_halted: a new name": (((1, c.ProjectCreated("foo"), "owner"),), True),
    "new_names_halted: a version": ((*FOO, (1, c.ReleaseYanked("1.0", "owner"), "owner")), False),
    "uploads_halted: a yank": ((*FOO, (1, c.ReleaseYanked("1.0", "owner"), "owner")), False),
    "uploads_halted: in the same second": (FOO, False),
}


@pytest.mark.parametrize("what", HALTED)
def test_what_a_flag_stops(what: str) -> None:
    acts, stops = HALTED[what]
    flag: Any = what.partition(":")[0]
    halt = set_flag((), SetFlag(flag, BECAUSE), BEGIN)
    assert halt is not None
    assert [code for code, _ in judged(acts, flags=(halt,))] == (["flag-broken"] if stops else [])


def test_every_type_of_event_is_asked_for_in_a_machine_but_one_that_only_follows() -> None:
    assert set(c.TYPES) - set(steps._ASKS) == {"namespace.matched"}
