"""May a release be yanked, unyanked, unpublished or restored?"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from keys.state import Mark, YankClass
from keys.state import Release as ReleaseState
from keys.times import moment, stamp
from repo_service.domain import brake, facts, machines
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.case import (
    Case,
    Verdict,
    Why,
    find_release,
    no_release,
    not_quarantined,
    published,
    release_not_quarantined,
    role,
    step,
    wrong_name_state,
)
from repo_service.domain.deadlines import purged_at, restorable_for
from repo_service.domain.policy import Warned
from repo_service.domain.takedowns import not_taken_down


def yank(case: Case, request: r.Yank) -> Verdict:
    """Tell resolvers to pass a release over, or change why."""
    release, why = published(case, request.version)
    if release is None:
        return why
    source = machines.yank_state(release)
    event = "release.yanked" if release.yank is None else "release.yank_reason_changed"
    row = machines.row_for(machines.YANK, source, event, request.actor.kind)
    if row is None:
        return [*_yank_locked(release, request.actor, "change"), *role(machines.YANK, source, event, request.actor)]
    kind: YankClass = "owner" if row.target == "owner" else "support" if row.target == "support" else "security"
    if release.yank is None:
        return _first_yank(case, request, release, kind)
    if (release.yank.kind, release.yank.mark.reason) == (kind, request.reason):
        return []
    return [c.YankReasonChanged(release.version, kind)]


def _first_yank(case: Case, request: r.Yank, release: ReleaseState, kind: YankClass) -> Verdict:
    """In force at once, or held by the brake; a security yank, which no owner can lift, takes two people."""
    if brake.approved(request.actor):
        return [c.ReleaseYanked(release.version, kind)]
    if kind == "security":
        sentence = (
            f"a yank by {request.actor.kind} needs a second person: actor.approver, another account than actor.id"
        )
        return [Why("second_approver_required", sentence, {"actor": request.actor.kind})]
    braked = brake.why_braked(case, release)
    if braked is None:
        return [c.ReleaseYanked(release.version, kind)]
    if release.held_yank is not None:
        return []
    until = brake.effective_at(case)
    sentence = (
        f"{braked}; the yank waits until {until}. A second person (actor.approver) makes it at once, unyank cancels"
    )
    return [c.YankHeld(release.version, kind, until), Warned("mass_yank_brake", sentence, until)]


def yank_due(case: Case, request: r.YankDue) -> Verdict:
    """Bring a held yank into force when it has waited long enough."""
    release, _ = published(case, request.version)
    if release is None or release.held_yank is None or not brake.is_over(case, release):
        return []  # cancelled, approved or removed meanwhile
    change = c.ReleaseYanked(release.version, release.held_yank.kind)
    return [*role(machines.YANK, "held", "release.yanked", request.actor), change]


def approve_yank(case: Case, request: r.ApproveYank) -> Verdict:
    """Bring a held yank into force before its time: as it was asked for, so its owner can still lift it."""
    release, why = published(case, request.version)
    if release is None:
        return why
    if request.actor.kind != "admin":
        return [Why("role_insufficient", f"{request.actor.kind} may not approve a yank; admin may", {"needs": "admin"})]
    if not brake.approved(request.actor):
        sentence = "a held yank is approved by two admins: actor.id and actor.approver, two different accounts"
        return [Why("second_approver_required", sentence, {"actor": "admin"})]
    if release.held_yank is not None:
        return [c.ReleaseYanked(release.version, release.held_yank.kind)]
    if release.yank is not None:
        return []
    return [Why("yank_not_held", f"no yank of {case.name.name} {release.version} waits", {"version": release.version})]


def unyank(case: Case, request: r.Unyank) -> Verdict:
    """Lift a yank, or cancel one that is held."""
    release, why = published(case, request.version)
    if release is not None and release.held_yank is not None:
        event = "release.yank_cancelled"
        return [*role(machines.YANK, "held", event, request.actor), c.YankCancelled(release.version)]
    if release is None or release.yank is None:
        return why
    refused = [*role(machines.YANK, machines.yank_state(release), "release.unyanked", request.actor)]
    if refused:
        return [*_yank_locked(release, request.actor, "lift"), *refused]
    return [c.ReleaseUnyanked(release.version)]


def _yank_locked(release: ReleaseState, actor: r.Actor, what: str) -> list[Why]:
    if release.yank is None or actor.kind in ("moderator", "admin"):
        return []
    mark = release.yank.mark
    sentence = f"{release.version} was yanked by {mark.by} on {mark.at}; {actor.kind} cannot {what} that"
    return [Why("admin_yank_locked", sentence, {"kind": release.yank.kind})]


def unpublish(case: Case, request: r.Unpublish) -> Verdict:
    """Remove a release; the last one leaves a placeholder."""
    release, why = published(case, request.version)
    if release is None or case.state is None:
        return why
    found: Verdict = [*role(machines.RELEASE, release.state, "release.unpublished", request.actor)]
    if request.actor.kind == "owner":
        found += [*not_quarantined(case.state, "evidence is kept"), *release_not_quarantined(release)]
    found += may_go(case, request, release)
    found.append(c.ReleaseUnpublished(release.version))
    last = sum(each.state == "published" for each in case.state.releases) == 1
    if last and case.policy.placeholder.on_last_version == "placeholder":
        found.append(c.PlaceholderSet())
    return found


def may_go(case: Case, request: r.Unpublish | r.RemoveFile, release: ReleaseState) -> Iterator[Why]:
    """Whether a version, or a file of it, may still be taken away; an admin always may.

    While it is young that is the owner's to say and support's. Later it must be hardly used, or support decides, and
    then what depends on it stops support too: a person can be talked round.
    """
    rules = case.policy.unpublish
    actor = request.actor.kind
    age = int(case.age(release.published_at).total_seconds())
    late = age >= (window := rules.owner_window_s(release.version, case.policy.version_rule))
    if actor == "owner" and late and not (rules.owner == "window" and rules.after_window == "quiet"):
        sentence = (
            f"{request.name} {release.version} was published {age // 3600} h ago; an owner can unpublish within "
            f"{window // 3600} h. Yank it, or ask support"
        )
        until = case.extended(release.published_at, moment(release.published_at) + timedelta(seconds=window))
        yield Why("unpublish_window_over", sentence, {"age_s": age, "window_s": window, "until": stamp(until)})
    elif actor == "owner" and late:
        yield from facts.at_most(case, request.downloads, rules.quiet_downloads - 1, facts.DOWNLOADS)
        yield from facts.at_most(case, request.owners, rules.quiet_owners, facts.OWNERS)
    asked = rules.later_dependents if late else rules.dependents
    if asked != "off" and (actor == "owner" or (actor == "support" and late)):
        question = facts.UNSATISFIED if asked == "range_aware" else facts.DEPENDENTS
        yield from facts.at_most(case, request.dependents, 0, question)


def restore(case: Case, request: r.Restore) -> Verdict:
    """Bring an unpublished release back with the files it had."""
    state = case.state
    release = find_release(case, request.version)
    if state is None or release is None:
        return [no_release(case, request.version)]
    if release.state == "published":
        return []
    if release.state == "purged":
        return [Why("purged", f"{release.version} was purged; nothing can bring it back", {"version": release.version})]
    found: Verdict = []
    if state.state == "placeholder":
        found += step(machines.NAME, case, request, c.ProjectRestored())
    elif state.state != "registered":
        found.append(wrong_name_state(case))
    found += [*role(machines.RELEASE, release.state, "release.restored", request.actor)]
    found += [*_restore_window(case, request, release), *not_taken_down(case, release.files)]
    if release.generation != state.generation:
        found.append(Why("restore_other_holder", f"{release.version} belongs to an earlier holder of {state.name}"))
    return [*found, c.ReleaseRestored(release.version)]


def purge(case: Case, request: r.PurgeRelease) -> Verdict:
    """Never restore an unpublished release again: after its window by the clock, at once by an admin."""
    release = find_release(case, request.version)
    clock = request.actor.kind == "clock"
    if release is None:
        return [] if clock else [no_release(case, request.version)]
    if release.state == "purged" or (clock and release.state == "published"):
        return []
    if clock and release.removed is not None and not is_purgeable(case, release.removed):
        return []
    change = c.ReleasePurged(release.version)
    return [*role(machines.RELEASE, release.state, c.type_of(change), request.actor), change]


def restorable_until(case: Case, removed: Mark) -> datetime:
    """Until when, exclusive, what was removed at a mark can be restored."""
    return case.extended(removed.at, moment(removed.at) + restorable_for(case.policy, removed))


def is_purgeable(case: Case, removed: Mark) -> bool:
    """Whether the clock may purge what was removed at a mark."""
    return case.now >= case.extended(removed.at, purged_at(case.policy, removed))


def _restore_window(case: Case, request: r.Restore, release: ReleaseState) -> Iterator[Why]:
    assert release.removed is not None, "a release that is not published says when it was removed"
    until = restorable_until(case, release.removed)
    if case.now >= until:
        yield Why(
            "restore_window_over", f"{release.version} could be restored until {stamp(until)}", {"until": stamp(until)}
        )
    if request.actor.kind == "owner" and release.removed.by != "owner":
        yield Why(
            "restore_locked", f"{release.version} was removed by {release.removed.by}; an owner cannot bring it back"
        )
