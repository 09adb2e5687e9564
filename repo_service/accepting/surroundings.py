"""What the rest of the registry says that bears on a request, read in the transaction that decides it."""

from collections.abc import Collection, Mapping
from datetime import datetime

from keys import layout, names
from keys.skeletons import skeleton
from keys.times import moment
from repo_service.domain import changes as c
from repo_service.domain import flags, limits
from repo_service.domain import requests as r
from repo_service.domain.case import Around, Lately, TakenDown
from repo_service.domain.clock import check_clock
from repo_service.domain.naming import takes_a_name
from repo_service.domain.notices import last_reminder, reminder_id
from repo_service.domain.policy import Policy
from repo_service.publishing import roots
from repo_service.storage.view import View


def around(view: View, name: c.Name, request: r.Request, policy: Policy, now: datetime) -> Around:
    """All that may matter to this request; nothing that would be dear and does not is looked up.

    Every decision begins here, whichever way its request came, so here the clock is checked. Raises ClockWentBack.
    """
    check_clock(view.last_done_at(), now)
    acts = view.flags()
    held = roots.held_names(view.newest(layout.TARGETS))
    return Around(
        held=request.name in held,
        grants=view.grants_over(request.name),
        below=view.grants_below(request.name) if isinstance(request, r.OfNamespace) else (),
        alike=alike(view, request.name, held) if takes_a_name(name, request) else (),
        lately=_lately(view, name, request, policy),
        taken_down=view.taken_down(_digests(view, request)),
        flags=flags.standing(acts),
        pauses=flags.pauses(acts, now),
        last_holder=view.last_holder(request.name) if isinstance(request, r.ClaimOpen) else None,
        reminded_at=_reminded_at(view, name, policy) if isinstance(request, r.Expire | r.Renew) else None,
    )


def around_all(view: View, brought: Mapping[str, Collection[str]], now: datetime) -> dict[str, Around]:
    """As ``around``, for many names at once and for requests by the registry itself that bring these bytes (SHA-256):
    what ``around`` looks up for owners, holders and namespaces is not among it. Raises ClockWentBack.
    """
    check_clock(view.last_done_at(), now)
    acts = view.flags()
    standing, pauses = flags.standing(acts), flags.pauses(acts, now)
    held = roots.held_names(view.newest(layout.TARGETS))
    grants = view.all_grants_over(brought)
    looks = {name: skeleton(name) for name in brought}
    like = view.all_alike(sorted({*looks.values()}))
    for name in held:
        like[skeleton(name)] = sorted({*like.get(skeleton(name), ()), name})
    taken_down: dict[str, list[TakenDown]] = {}
    for each in view.taken_down(digest for digests in brought.values() for digest in digests):
        taken_down.setdefault(each.sha256, []).append(each)
    return {
        name: Around(
            held=name in held,
            grants=tuple(grants[prefix] for prefix in names.prefixes(name) if prefix in grants),
            alike=tuple(each for each in like.get(looks[name], ()) if each != name),
            taken_down=tuple(each for digest in sorted({*digests}) for each in taken_down.get(digest, ())),
            flags=standing,
            pauses=pauses,
        )
        for name, digests in brought.items()
    }


def alike(view: View, name: str, held: frozenset[str]) -> tuple[str, ...]:
    """Other names that a name looks like: known ones, and those that only the offline keys speak for."""
    offline = {each for each in held - {name} if skeleton(each) == skeleton(name)}
    return tuple(sorted(offline.union(view.alike(name))))


def _lately(view: View, name: c.Name, request: r.Request, policy: Policy) -> Lately:
    account = request.actor.id
    if account is None:
        return Lately()
    keeps = isinstance(request, r.Reserve | r.OpenSession | r.ClaimOpen)
    new = policy.names.new_burst if keeps or takes_a_name(name, request) else 0
    reserved = policy.reservations.per_day if isinstance(request, r.Reserve) else 0
    yanked = policy.yank.burst if isinstance(request, r.Yank) and policy.yank.interval_s else 0
    return Lately(
        view.latest(account, limits.NEW_NAMES, new) if new else (),
        view.latest(account, limits.RESERVATIONS, reserved) if reserved else (),
        view.latest(account, limits.YANKS, yanked) if yanked else (),
        view.holds(account) if keeps else 0,
    )


def _reminded_at(view: View, name: c.Name, policy: Policy) -> datetime | None:
    """Since when a holder is told of the end: when the last reminder was sent, or, where the registry does not say,
    since this service was there to give it out. Where nobody can be reached there is nothing to wait for.
    """
    if name.state is None or (reservation := name.state.reservation) is None:
        return None
    if (due_at := last_reminder(reservation, policy)) is None:
        return None
    identifier = reminder_id(name.state, reservation, min(policy.reservations.reminder_days))
    said = view.acknowledged([identifier]).get(identifier)
    if said is None:
        return view.signed_since(due_at)
    return moment(said.at) if said.outcome == "sent" else due_at


def _digests(view: View, request: r.Request) -> set[str]:
    """The bytes that a request would let people install."""
    if isinstance(request, r.Publish):
        return {file.sha256 for file in request.files}
    if isinstance(request, r.Restore | r.RestoreFile | r.RestoreProject):
        state = view.name(request.name).state
        return {file.sha256 for release in state.releases for file in release.files} if state else set()
    return set()
