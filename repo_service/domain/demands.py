"""What the policy asks of an act whatever state the name is in: that it is offered here, by whom, and with a reason."""

from collections.abc import Callable, Iterator
from typing import Final

from keys.times import moment
from repo_service.domain import limits
from repo_service.domain import requests as r
from repo_service.domain.case import Case, Why
from repo_service.domain.facts import is_fresh
from repo_service.domain.policy import Act, Policy

ACTS: Final[dict[type[r.Request], Act]] = {
    r.Publish: "publish",
    r.Yank: "yank",
    r.Unpublish: "unpublish",
    r.RemoveFile: "unpublish",
    r.Restore: "restore",
    r.RestoreFile: "restore",
    r.Reserve: "reserve",
    r.Archive: "archive",
    r.Deprecate: "deprecate",
    r.DeprecateRelease: "deprecate_release",
    r.UnpublishProject: "unpublish",
    r.RestoreProject: "restore",
    r.OpenSession: "publish",
    r.ClaimOpen: "claim",
    r.TransferReservation: "transfer",
    r.TransferProject: "transfer",
}
"""The verbs that a policy speaks of by name. The others only undo or prolong one of these, or are no owner's."""

_OFFERED: Final[dict[Act, Callable[[Policy], bool]]] = {
    "yank": lambda policy: policy.yank.open_to_owners,
    "unpublish": lambda policy: policy.unpublish.owner != "never",
    "reserve": lambda policy: policy.reservations.open,
    "claim": lambda policy: policy.placeholder.claim == "open_after",
    "archive": lambda policy: policy.archive.open,
    "deprecate": lambda policy: "project" in policy.deprecate.scopes,
    "deprecate_release": lambda policy: "release" in policy.deprecate.scopes,
}
"""What a registry may leave out for owners."""

_ON_OWN_TERMS: Final = frozenset({r.UnpublishProject})
"""Where no single version may go, a whole project still may (``policy.unpublish.project``)."""


def is_offered(policy: Policy, verb: str) -> bool:
    """Whether owners may use a verb here at all, about a project or a release of it."""
    acts = [offers for act, offers in _OFFERED.items() if act in (verb, f"{verb}_release")]
    return not acts or any(offers(policy) for offers in acts)


def demands(case: Case, request: r.Request) -> Iterator[Why]:
    """Objections that need no look at the name. Moderators, admins and the clock act for the registry itself."""
    if request.actor.kind == "owner" and (act := ACTS.get(type(request))):
        if act in _OFFERED and type(request) not in _ON_OWN_TERMS and not _OFFERED[act](case.policy):
            sentence = (
                f"owners cannot do this here ({act}), says the policy {case.policy.id}; ask the registry's support"
            )
            yield Why("feature_disabled", sentence, {"act": act})
        if act in case.policy.contact.verified_for:
            yield from _contact(case, request.actor, act)
        yield from _step_up(case, request.actor, act)
        if isinstance(request, r.Yank):
            yield from limits.yanks(case)
    if isinstance(request, r.Yank) and request.reason is None and case.policy.yank.reason_required:
        yield Why("reason_missing", "say why it is yanked: reason {code, text}, which installers show")


def _contact(case: Case, actor: r.Actor, act: Act) -> Iterator[Why]:
    """What the registry does not say, or looked up long ago, counts as not verified."""
    contact, oldest = actor.contact, case.policy.facts.max_age_s
    if contact is None:
        sentence = f"{act} needs a verified contact, and the request does not say: actor.contact {{state, as_of}}"
        yield Why("contact_unverified", sentence, {"contact": "unknown"})
    elif contact.state == "suppressed":
        sentence = f"{act} needs a contact that takes messages; the account's holder must let the registry write again"
        yield Why("contact_suppressed", sentence, {"contact": "suppressed"})
    elif contact.state != "verified":
        sentence = f"{act} needs a verified contact, and the account's is {contact.state}"
        yield Why("contact_unverified", sentence, {"contact": contact.state})
    elif not is_fresh(case, contact.as_of):
        sentence = f"{act} needs a verified contact, looked up at most {oldest} s ago, not at {contact.as_of}"
        yield Why("contact_unverified", sentence, {"contact": "stale", "as_of": contact.as_of})


def _step_up(case: Case, actor: r.Actor, act: Act) -> Iterator[Why]:
    """What the registry does not say of a session counts as not done."""
    auth, removal = actor.auth, act == "unpublish"
    rules = case.policy.contact
    if auth is None:
        if act in rules.mfa_for or (removal and (rules.reauth_s or not rules.tokens_may_remove)):
            yield _weak(
                act, "the request does not say how its owner was recognised: actor.auth {method, mfa, reauth_at}"
            )
        return
    if act in rules.mfa_for and not auth.mfa:
        yield _weak(act, f"no second factor stands behind this {auth.method}")
    if removal and auth.method != "session" and not rules.tokens_may_remove:
        yield _weak(act, f"a {auth.method} removes nothing here; its owner does it in a session")
    if removal and auth.method == "session" and rules.reauth_s and not _confirmed(case, auth):
        yield _weak(act, f"a removal needs a session that was confirmed within {rules.reauth_s} s")


def _confirmed(case: Case, auth: r.Auth) -> bool:
    if auth.reauth_at is None:
        return False
    age = (case.now - moment(auth.reauth_at)).total_seconds()
    return -case.policy.files.upload_skew_s <= age <= case.policy.contact.reauth_s


def _weak(act: Act, sentence: str) -> Why:
    return Why("step_up_required", f"{act}: {sentence}", {"act": act})
