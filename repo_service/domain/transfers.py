"""May a reservation or a project pass to another account? The registry asks both; here the last step is judged."""

from collections.abc import Iterator

from keys.state import NameState
from keys.times import moment
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.case import Case, Verdict, Why, not_quarantined, only_holder, role, step, wrong_name_state
from repo_service.domain.facts import is_fresh
from repo_service.domain.policy import Warned
from repo_service.domain.standing import shown


def reservation(case: Case, request: r.TransferReservation) -> Verdict:
    """Hand a reservation on. The new holder begins a generation: nothing of the old one's is theirs."""
    if case.state is None or case.state.reservation is None:
        return [wrong_name_state(case)]
    if case.name.holder == request.recipient.id:
        return []
    if not case.policy.reservations.transfer:
        return [Why("feature_disabled", f"reservations stay with their account here, says the policy {case.policy.id}")]
    found: Verdict = [*only_holder(case, request.actor), *_verified(case, request.recipient)]
    if case.state.reservation.kind == "session":
        found.append(Why("session_not_transferable", "an upload session ends with its account; let the other open one"))
    change = c.ReservationTransferred(shown(case, request.holder))
    return [*found, *step(machines.NAME, case, request, change)]


def project(case: Case, request: r.TransferProject) -> Verdict:
    """A project changes hands with its releases. What its old holder began and did not finish is cancelled."""
    if case.state is None or case.state.state != "registered":
        return [wrong_name_state(case)]
    change = c.ProjectTransferred()
    found: Verdict = [*role(machines.HOLDING, "held", c.type_of(change), request.actor)]
    found += [*_at_rest(case.state, request.actor), *_verified(case, request.recipient)]
    if (until := request.offer_expires_at) is not None and case.now >= moment(until):
        found.append(
            Why("transfer_offer_over", f"the offer could be accepted until {until}; offer it again", {"until": until})
        )
    return [*found, change, *_cancelled(case.state)]


def _at_rest(state: NameState, actor: r.Actor) -> Iterator[Why]:
    """Who is investigated hands nothing on; decide() has looked at the lock for owners."""
    if state.locked is not None and actor.kind != "owner":
        sentence = f"{state.name} is locked since {state.locked.at}; an admin unlocks it first"
        yield Why("project_locked", sentence, {"since": state.locked.at})
    yield from not_quarantined(state, "it cannot change hands")


def _cancelled(state: NameState) -> Iterator[c.Change | Warned]:
    for release in state.releases:
        if release.held_yank is not None and release.state == "published":
            sentence = (
                f"the yank of {release.version} that was to come at {release.held_yank.effective_at} is cancelled"
            )
            yield c.YankCancelled(release.version)
            yield Warned("pending_yank_cancelled", f"{sentence}; tell its old and its new holder", None)


def _verified(case: Case, recipient: r.Recipient) -> Iterator[Why]:
    contact = recipient.contact
    if contact.state != "verified" or not is_fresh(case, contact.as_of):
        oldest = case.policy.facts.max_age_s
        sentence = (
            f"the recipient's contact is {contact.state} as of {contact.as_of}; a transfer needs a verified one, "
            f"looked up at most {oldest} s ago"
        )
        yield Why("recipient_unverified", sentence, {"contact": contact.state, "as_of": contact.as_of})
