"""May a name be reserved, renewed, given back, revoked, claimed, prohibited or freed of it?"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from keys.state import NameState, Reservation
from keys.times import moment, stamp
from repo_service.domain import changes as c
from repo_service.domain import limits, machines, naming
from repo_service.domain import requests as r
from repo_service.domain.case import Case, Verdict, Why, only_holder, reclaimable_at, step, wrong_name_state
from repo_service.domain.namespaces import not_renewable
from repo_service.domain.notices import last_reminder
from repo_service.domain.policy import Policy

_EMPTYING: Final = ("name.placeholder_set", "name.prohibited")


def reserve(case: Case, request: r.Reserve) -> Verdict:
    """Keep a name for the actor."""
    if case.state is not None and case.state.state == "reserved" and request.account == case.name.holder:
        return [wrong_name_state(case)] if _is_session(case.state) else []
    if case.state is not None and not [*machines.rows(machines.NAME, case.state.state, "name.reserved")]:
        return [wrong_name_state(case)]
    expires, grace = _terms(case.policy, case.now, 0)
    display, alike = request.display or request.name, case.around.alike
    change = c.NameReserved("user", shown(case, request.holder), expires, grace, display, alike)
    new = [*naming.new_name(case, request), *limits.reservations(case, request)]
    return [*_needs_id(request.account), *new, *step(machines.NAME, case, request, change)]


def renew(case: Case, request: r.Renew) -> Verdict:
    """Prolong a reservation, as often as the cascade allows."""
    reservation, why = _reserved(case)
    if reservation is None:
        return why
    found: Verdict = [*only_holder(case, request.actor)]
    if not found and request.until is not None and moment(request.until) <= moment(reservation.expires_at):
        return []
    found += not_renewable(case)
    if reservation.kind == "session":
        sentence = (
            f"an upload session ends at {reservation.expires_at} and is not prolonged; publish before, or open another"
        )
        return [*found, Why("reservation_not_renewable", sentence)]
    if (end := ends_at(case, reservation)) is not None and case.now >= end:
        sentence = f"the reservation ended on {stamp(end)}, grace included"
        found.append(Why("reservation_not_renewable", sentence, {"until": stamp(end)}))
    renewal = reservation.renewals + 1
    if renewal >= len(case.policy.reservations.days):
        return [
            *found,
            Why("renewal_limit", f"a reservation can be renewed {renewal - 1} times", {"renewals": renewal - 1}),
        ]
    # From the end of its term; where downtime made that later, from the day that leaves it the same grace.
    start = max(moment(reservation.expires_at), case.now - timedelta(days=case.policy.reservations.grace_days))
    expires, grace = _terms(case.policy, start, renewal)
    return [*found, *step(machines.NAME, case, request, c.ReservationRenewed(expires, grace))]


def respell(case: Case, request: r.Respell) -> Verdict:
    """Show the name otherwise; it stays the same name."""
    if case.state is None or case.state.state != "registered":
        return [wrong_name_state(case)]
    if case.state.display == request.display:
        return []
    change = c.DisplayNameChanged(request.display)
    return [*naming.respelled(case, request), *step(machines.NAME, case, request, change)]


def release(case: Case, request: r.Release) -> Verdict:
    """Give a reservation back."""
    reservation, why = _reserved(case)
    if reservation is None:
        return why
    mine = [] if request.actor.kind in ("moderator", "admin") else [*only_holder(case, request.actor)]
    change = c.SessionCancelled() if reservation.kind == "session" else c.ReservationReleased()
    return [*mine, *step(machines.NAME, case, request, change)]


def expire(case: Case, request: r.Expire) -> Verdict:
    """End a reservation whose grace period is over."""
    reservation, _ = _reserved(case)
    if reservation is None or (end := ends_at(case, reservation)) is None or case.now < end:
        return []  # renewed, converted, released or not yet told: the sweeper may ask as often as it likes
    change = c.SessionExpired() if reservation.kind == "session" else c.ReservationExpired()
    return [*step(machines.NAME, case, request, change)]


def open_session(case: Case, request: r.OpenSession) -> Verdict:
    """Keep a name for the account whose first upload has begun: for days, without grace, and only one at a time."""
    if case.state is not None and case.state.state == "reserved" and request.actor.id == case.name.holder:
        return []
    if not [*machines.rows(machines.NAME, machines.name_state(case.state), "session.opened")]:
        return [wrong_name_state(case)]
    if not (days := case.policy.reservations.session_days):
        return [Why("feature_disabled", "upload sessions keep no name here; publish, or ask the registry's support")]
    display, alike = request.display or request.name, case.around.alike
    change = c.SessionOpened(stamp(case.now + timedelta(days=days)), display, alike)
    new = [*naming.new_name(case, request), *(limits.held(case) if request.actor.kind == "owner" else ())]
    return [*_needs_id(request.actor.id), *new, *step(machines.NAME, case, request, change)]


def claim_open(case: Case, request: r.ClaimOpen) -> Verdict:
    """Take a placeholder without asking anybody: its last holder at once, others when the policy's time is over."""
    if case.state is None or case.state.state != "placeholder":
        return [wrong_name_state(case)]
    found: Verdict = [*_needs_id(request.actor.id), *limits.new_names(case), *limits.held(case)]
    if case.now < (since := reclaimable_at(case, case.state)) and request.actor.id != case.around.last_holder:
        sentence = f"{case.name.name} can be claimed from {stamp(since)} on; until then only by its last holder"
        found.append(Why("name_placeholder", sentence, {"since": case.state.since.at, "reclaimable_at": stamp(since)}))
    if (by := _emptied_by(case.state)) != "owner":
        sentence = f"{case.name.name} was emptied by {by}; only a claim that support grants gives it to somebody"
        found.append(Why("needs_support", sentence, {"by": by}))
    expires, grace = _terms(case.policy, case.now, 0)
    change = c.ClaimedOpen(shown(case, request.holder), expires, grace)
    return [*found, *step(machines.NAME, case, request, change)]


def shown(case: Case, holder: str | None) -> str | None:
    """What becomes public of a holder."""
    return holder if case.policy.reservations.show_holder else None


def claim(case: Case, request: r.Claim) -> Verdict:
    """Hand a placeholder's name to a new holder."""
    if case.state is None or case.state.state != "placeholder":
        return [wrong_name_state(case)]
    expires, grace = _terms(case.policy, case.now, 0)
    return [
        *step(machines.NAME, case, request, c.ClaimGranted(request.case, shown(case, request.holder), expires, grace))
    ]


def revoke(case: Case, request: r.Revoke) -> Verdict:
    """End somebody's reservation."""
    reservation, why = _reserved(case)
    if reservation is None:
        return why
    return [*step(machines.NAME, case, request, c.ReservationRevoked())]


def unprohibit(case: Case, request: r.Unprohibit) -> Verdict:
    """Lift a prohibition; a name that once had releases becomes a placeholder, not free."""
    if case.state is None or case.state.state != "prohibited":
        return [wrong_name_state(case)]
    return [*step(machines.NAME, case, request, c.NameUnprohibited())]


def prohibit(case: Case, request: r.Prohibit) -> Verdict:
    """Take everything away and let nothing be published again."""
    if case.state is not None and case.state.state == "prohibited":
        return []
    published = [each for each in case.state.releases if each.state == "published"] if case.state else []
    removals = [c.ReleaseUnpublished(each.version) for each in published]
    return [*removals, *step(machines.NAME, case, request, c.NameProhibited())]


def ends_at(case: Case, reservation: Reservation) -> datetime | None:
    """When a reservation ends, grace included: as much later as its last reminder came late. None: nobody was told."""
    assert case.state is not None, "a reservation of a name"
    end = case.extended(case.state.since.at, moment(reservation.grace_until))
    last = last_reminder(reservation, case.policy)
    if last is None:
        return end
    told = case.around.reminded_at
    return None if told is None else end + max(told - last, timedelta(0))


def _reserved(case: Case) -> tuple[Reservation | None, Verdict]:
    if case.state is None or case.state.reservation is None:
        return None, [wrong_name_state(case)]
    return case.state.reservation, []


def _is_session(state: NameState) -> bool:
    return state.reservation is not None and state.reservation.kind == "session"


def _emptied_by(state: NameState) -> str:
    """Who took a placeholder's last release away: what moderators emptied is theirs to give, whoever had it since."""
    return next((act.mark.by for act in reversed(state.history) if act.type in _EMPTYING), "nobody")


def _terms(policy: Policy, start: datetime, renewal: int) -> tuple[str, str]:
    expires = start + timedelta(days=policy.reservations.days[renewal])
    return stamp(expires), stamp(expires + timedelta(days=policy.reservations.grace_days))


def _needs_id(account: str | None) -> Iterator[Why]:
    if not account:
        yield Why(
            "actor_id_missing", "say for which account: actor.id, your own opaque identifier (it is never published)"
        )
