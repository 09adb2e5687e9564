"""May a name be reserved, renewed, given back, revoked, claimed, prohibited or freed of it?"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from keys.state import Reservation
from keys.times import moment, stamp
from repo_service.domain import changes as c
from repo_service.domain import limits, machines, naming
from repo_service.domain import requests as r
from repo_service.domain.case import Case, Verdict, Why, only_holder, step, wrong_name_state
from repo_service.domain.namespaces import not_renewable
from repo_service.domain.policy import Policy


def reserve(case: Case, request: r.Reserve) -> Verdict:
    """Keep a name for the actor."""
    if case.state is not None and case.state.state == "reserved" and request.account == case.name.holder:
        return []
    if case.state is not None and not [*machines.rows(machines.NAME, case.state.state, "name.reserved")]:
        return [wrong_name_state(case)]
    expires, grace = _terms(case.policy, case.now, 0)
    display, alike = request.display or request.name, case.around.alike
    change = c.NameReserved("user", request.holder, expires, grace, display, alike)
    new = [*naming.new_name(case, request), *limits.reservations(case, request)]
    return [*_needs_id(request), *new, *step(machines.NAME, case, request, change)]


def renew(case: Case, request: r.Renew) -> Verdict:
    """Prolong a reservation, as often as the cascade allows."""
    reservation, why = _reserved(case)
    if reservation is None:
        return why
    found: Verdict = [*only_holder(case, request.actor)]
    if not found and request.until is not None and moment(request.until) <= moment(reservation.expires_at):
        return []
    found += not_renewable(case)
    if _is_over(case, reservation):
        sentence = f"the reservation ended on {reservation.grace_until}, grace included"
        found.append(Why("reservation_not_renewable", sentence, {"until": reservation.grace_until}))
    renewal = reservation.renewals + 1
    if renewal >= len(case.policy.reservations.days):
        return [
            *found,
            Why("renewal_limit", f"a reservation can be renewed {renewal - 1} times", {"renewals": renewal - 1}),
        ]
    expires, grace = _terms(case.policy, moment(reservation.expires_at), renewal)
    return [*found, *step(machines.NAME, case, request, c.ReservationRenewed(expires, grace))]


def release(case: Case, request: r.Release) -> Verdict:
    """Give a reservation back."""
    reservation, why = _reserved(case)
    if reservation is None:
        return why
    mine = [] if request.actor.kind in ("moderator", "admin") else [*only_holder(case, request.actor)]
    return [*mine, *step(machines.NAME, case, request, c.ReservationReleased())]


def expire(case: Case, request: r.Expire) -> Verdict:
    """End a reservation whose grace period is over."""
    reservation, _ = _reserved(case)
    if reservation is None or not _is_over(case, reservation):
        return []  # renewed, converted or released meanwhile: the sweeper may ask as often as it likes
    return [*step(machines.NAME, case, request, c.ReservationExpired())]


def claim(case: Case, request: r.Claim) -> Verdict:
    """Hand a placeholder's name to a new holder."""
    if case.state is None or case.state.state != "placeholder":
        return [wrong_name_state(case)]
    expires, grace = _terms(case.policy, case.now, 0)
    return [*step(machines.NAME, case, request, c.ClaimGranted(request.case, request.holder, expires, grace))]


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


def _reserved(case: Case) -> tuple[Reservation | None, Verdict]:
    if case.state is None or case.state.reservation is None:
        return None, [wrong_name_state(case)]
    return case.state.reservation, []


def _is_over(case: Case, reservation: Reservation) -> bool:
    """Whether its grace period has passed, by a clock that stands still while the registry is read-only."""
    assert case.state is not None, "a reservation of a name"
    return case.now >= case.extended(case.state.since.at, moment(reservation.grace_until))


def _terms(policy: Policy, start: datetime, renewal: int) -> tuple[str, str]:
    expires = start + timedelta(days=policy.reservations.days[renewal])
    return stamp(expires), stamp(expires + timedelta(days=policy.reservations.grace_days))


def _needs_id(request: r.Reserve) -> Iterator[Why]:
    if not request.account:
        yield Why(
            "actor_id_missing", "say for which account: actor.id, your own opaque identifier (it is never published)"
        )
