"""Is it allowed? A request against a name's state and a policy gives changes, or a refusal with all its reasons.

Each verb has one function that lists its changes and every objection. No changes and no objection means that the
request asks for what is already so: nothing happens, and that is a success.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, get_args

from repo_service.domain import changes as c
from repo_service.domain import (
    files,
    namespaces,
    overlays,
    projects,
    publishing,
    releases,
    standing,
    takedowns,
    transfers,
)
from repo_service.domain import requests as r
from repo_service.domain.case import ALONE, Accepted, Around, Case, Refusal, Verdict, Why
from repo_service.domain.demands import demands
from repo_service.domain.halts import halted
from repo_service.domain.policy import Policy, Warned, enforced_from, phase


def decide(
    name: c.Name, request: r.Request, policy: Policy, now: datetime, around: Around = ALONE
) -> Accepted | Refusal:
    """The decision, as of ``now``, under one policy. Pure: deciding changes nothing."""
    case = Case(name, name.state, policy, now, around)
    if around.held and request.actor.kind != "clock":
        return Refusal((_held(case),))
    stopped = tuple(halted(case, request))
    if stopped and request.actor.kind == "clock":
        return Accepted(())  # time waits: the sweeper asks again, and once the flag is cleared it is heard
    org = getattr(request, "org", request.actor.org)
    verdict = [*_not_locked(case, request), *_VERBS[type(request)](case, request)]
    changes = tuple(item for item in verdict if not isinstance(item, Why | Warned))
    said = tuple(item for item in verdict if isinstance(item, Warned))
    objections = tuple(item for item in verdict if isinstance(item, Why))
    foreign = namespaces.strangers(case, org, changes)
    refusing, warned = judge((*stopped, *demands(case, request), *objections, *foreign), policy, now)
    if refusing:
        return Refusal(refusing)
    assert changes or not objections, "a rule that has phases left nothing to do: a success that does nothing"
    changes = (*namespaces.follow(case, org, changes), *changes)
    return Accepted(changes, _new_holder(request), (*said, *warned), org)


def judge(reasons: Iterable[Why], policy: Policy, now: datetime) -> tuple[tuple[Why, ...], tuple[Warned, ...]]:
    """The reasons that refuse and those that only warn, by the phases of their rules. A rule that is off is silent."""
    found = [(why, phase(policy, why.code, now)) for why in reasons]
    warned = (Warned(why.code, why.sentence, enforced_from(policy, why.code, now)) for why, at in found if at == "warn")
    return tuple(why for why, at in found if at == "enforce"), tuple(warned)


def _held(case: Case) -> Why:
    # A deadline passes whoever speaks for the name now; refused, it would stop every round from here on.
    sentence = f"{case.name.name} is held by the registry's offline keys; only a targets ceremony can release it"
    return Why("name_held", sentence)


def _not_locked(case: Case, request: r.Request) -> list[Why]:
    """A lock halts whatever the owner asks (L1)."""
    if case.state is None or case.state.locked is None or request.actor.kind != "owner":
        return []
    sentence = f"{case.state.name} is locked since {case.state.locked.at}; ask the registry's moderators"
    return [Why("project_locked", sentence, {"since": case.state.locked.at})]


def _new_holder(request: r.Request) -> str | None:
    match request:
        case r.Claim():
            return request.holder_id
        case r.Reserve():
            return request.account
        case r.OpenSession() | r.ClaimOpen():
            return request.actor.id
        case r.TransferReservation() | r.TransferProject():
            return request.recipient.id
    return None


_VERBS: Final[dict[type[r.Request], Callable[[Case, Any], Verdict]]] = {
    r.Publish: publishing.publish,
    r.Yank: releases.yank,
    r.YankDue: releases.yank_due,
    r.ApproveYank: releases.approve_yank,
    r.Unyank: releases.unyank,
    r.Unpublish: releases.unpublish,
    r.Restore: releases.restore,
    r.Reserve: standing.reserve,
    r.Renew: standing.renew,
    r.Release: standing.release,
    r.Expire: standing.expire,
    r.Claim: standing.claim,
    r.Prohibit: standing.prohibit,
    r.Unprohibit: standing.unprohibit,
    r.Revoke: standing.revoke,
    r.PurgeRelease: releases.purge,
    r.RemoveFile: files.remove,
    r.RestoreFile: files.restore,
    r.PurgeFile: files.purge,
    r.Respell: standing.respell,
    r.Assign: namespaces.assign,
    r.Grant: namespaces.grant,
    r.GrantChild: namespaces.grant_child,
    r.Share: namespaces.share,
    r.Unshare: namespaces.unshare,
    r.HandOver: namespaces.hand_over,
    r.EndGrant: namespaces.end,
    r.UnpublishProject: projects.unpublish,
    r.RestoreProject: projects.restore,
    r.RemoveProject: takedowns.remove,
    r.Judge: takedowns.judge,
    r.TransferReservation: transfers.reservation,
    r.TransferProject: transfers.project,
    r.OpenSession: standing.open_session,
    r.CloseDue: publishing.close,
    r.ClaimOpen: standing.claim_open,
    **dict.fromkeys(get_args(r.OfProject), overlays.of_project),
    **dict.fromkeys(get_args(r.OfRelease), overlays.of_release),
}
