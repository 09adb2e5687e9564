"""Is it allowed? A request against a name's state and a policy gives changes, or a refusal with all its reasons.

Each verb has one function that lists its changes and every objection. No changes and no objection means that the
request asks for what is already so: nothing happens, and that is a success.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from keys.names import InvalidName, file_path
from keys.state import File, NameState, Reservation, YankClass
from keys.state import Release as ReleaseState
from keys.strict import MAX_INTEGER
from keys.times import moment, stamp
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain import requests as r
from repo_service.domain.artifacts import BadArtifact, artifact, canonical_version
from repo_service.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class Why:
    """One reason against a request: a code for programs, a sentence for people, and the values in it."""

    code: str
    sentence: str
    params: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """All the reasons at once, the most telling first."""

    reasons: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The changes to record, in order. ``holder`` is the account that holds the name afterwards, if one comes to."""

    changes: tuple[c.Change, ...]
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """What a verb's function looks at."""

    name: c.Name
    state: NameState | None
    policy: Policy
    now: datetime


def decide(name: c.Name, request: r.Request, policy: Policy, now: datetime) -> Accepted | Refusal:
    """The decision, as of ``now``, under one policy. Pure: deciding changes nothing."""
    verdict = _VERBS[type(request)](_Case(name, name.state, policy, now), request)
    reasons = tuple(item for item in verdict if isinstance(item, Why))
    if reasons:
        return Refusal(reasons)
    return Accepted(tuple(item for item in verdict if not isinstance(item, Why)), _new_holder(request))


def _new_holder(request: r.Request) -> str | None:
    match request:
        case r.Claim():
            return request.holder_id
        case r.Reserve():
            return request.actor.id
    return None


Verdict = list[Any]
"""Changes and reasons, in the order in which a verb finds them."""


def _publish(case: _Case, request: r.Publish) -> Verdict:
    found: Verdict = [*_may_register(case, request)]
    try:
        canonical = canonical_version(request.version)
    except BadArtifact as error:
        return [*found, Why("version_invalid", str(error))]
    release = case.state.release_of(canonical) if case.state else None
    found += _may_release(request, release)
    files = [*_new_files(case, request, canonical, release, found)]
    if not request.files:
        found.append(Why("files_missing", f"a release needs at least one file; {request.version} came with none"))
    if release is None and files:
        found.append(c.ReleasePublished(request.version, canonical, min(f.uploaded_at for f in files), tuple(files)))
    elif release is not None:
        found += [c.FileAdded(release.version, file) for file in files]
    return found


def _may_register(case: _Case, request: r.Publish) -> Iterator[c.Change | Why]:
    """The step that makes a name registered, if it is not."""
    display = request.display or request.name
    match machines.name_state(case.state):
        case "absent" | "vacant":
            yield from _step(machines.NAME, case, request, c.ProjectCreated(display))
        case "reserved":
            yield from _only_holder(case, request.actor)
            yield from _step(machines.NAME, case, request, c.ReservationConverted(display))
        case "registered":
            yield from _not_quarantined(case.state, "nothing can be published")
        case _:
            yield _wrong_name_state(case)


def _may_release(request: r.Publish, release: ReleaseState | None) -> Iterator[Why]:
    if release is None:
        yield from _role(machines.RELEASE, "none", "release.published", request.actor)
    elif release.state != "published":
        yield Why(
            "version_tombstoned",
            f"{request.name} {release.version} was {release.state} and no version is ever used again; "
            "publish a new version, or restore this one with the same files",
            {"version": release.version, "state": release.state},
        )
    elif release.version != request.version:
        yield Why(
            "version_exists",
            f"{request.version} is the same version as {release.version} (PEP 440), which exists",
            {"version": release.version},
        )
    else:
        yield from _role(machines.RELEASE, "published", "file.added", request.actor)


def _new_files(
    case: _Case, request: r.Publish, canonical: str, release: ReleaseState | None, found: Verdict
) -> Iterator[File]:
    """The files of the request that are not there yet; objections go to ``found``."""
    taken = {file.identity: file for file in release.files} if release else {}
    for new in request.files:
        try:
            file = _file(new, request.name, canonical, case.now)
        except (BadArtifact, InvalidName, ValueError) as error:
            found.append(Why("filename_mismatch" if isinstance(error, BadArtifact) else "file_invalid", str(error)))
            continue
        if moment(file.uploaded_at) > case.now + timedelta(seconds=case.policy.upload_skew_s):
            found.append(
                Why("upload_time_in_future", f"{file.filename}: was uploaded at {file.uploaded_at}, which is to come")
            )
        same = taken.get(file.identity)
        if same is None:
            taken[file.identity] = file
            yield file
        elif same.sha256 != file.sha256 or same.filename != file.filename:
            found.append(_clash(same, file))


def _file(new: r.NewFile, name: str, canonical: str, now: datetime) -> File:
    file_path(name, new.filename)
    said = artifact(new.filename)
    if (said.name, said.canonical) != (name, canonical):
        raise BadArtifact(f"{new.filename} is a file of {said.name} {said.canonical}, not of {name} {canonical}")
    if not 0 < new.size <= MAX_INTEGER:
        raise ValueError(f"{new.filename}: its size is {new.size}")
    uploaded_at = new.uploaded_at or stamp(now)
    return File(
        new.filename, said.identity, new.sha256, new.size, uploaded_at, new.requires_python, new.core_metadata, new.url
    )


def _clash(same: File, file: File) -> Why:
    params: dict[str, str | int] = {"filename": same.filename, "sha256": same.sha256}
    if same.filename == file.filename:
        return Why(
            "file_exists",
            f"File already exists: {file.filename} has sha256 {same.sha256:.16}… for ever, not {file.sha256:.16}…",
            params,
        )
    return Why(
        "artifact_identity_conflict",
        f"{file.filename} and {same.filename} are the same artifact of one version; it has its bytes already",
        params,
    )


def _yank(case: _Case, request: r.Yank) -> Verdict:
    release, why = _published(case, request.version)
    if release is None:
        return why
    source = machines.yank_state(release)
    event = "release.yanked" if release.yank is None else "release.yank_reason_changed"
    row = machines.row_for(machines.YANK, source, event, request.actor.kind)
    if row is None:
        return [*_yank_locked(release, request.actor, "change"), *_role(machines.YANK, source, event, request.actor)]
    kind: YankClass = "owner" if row.target == "owner" else "support" if row.target == "support" else "security"
    if release.yank is None:
        return [c.ReleaseYanked(release.version, kind)]
    if (release.yank.kind, release.yank.mark.reason) == (kind, request.reason):
        return []
    return [c.YankReasonChanged(release.version, kind)]


def _unyank(case: _Case, request: r.Unyank) -> Verdict:
    release, why = _published(case, request.version)
    if release is None or release.yank is None:
        return why
    refused = [*_role(machines.YANK, machines.yank_state(release), "release.unyanked", request.actor)]
    if refused:
        return [*_yank_locked(release, request.actor, "lift"), *refused]
    return [c.ReleaseUnyanked(release.version)]


def _yank_locked(release: ReleaseState, actor: r.Actor, what: str) -> list[Why]:
    if release.yank is None or actor.kind in ("moderator", "admin"):
        return []
    mark = release.yank.mark
    sentence = f"{release.version} was yanked by {mark.by} on {mark.at}; {actor.kind} cannot {what} that"
    return [Why("admin_yank_locked", sentence, {"kind": release.yank.kind})]


def _unpublish(case: _Case, request: r.Unpublish) -> Verdict:
    release, why = _published(case, request.version)
    if release is None or case.state is None:
        return why
    found: Verdict = [*_role(machines.RELEASE, release.state, "release.unpublished", request.actor)]
    if request.actor.kind == "owner":
        found += [*_not_quarantined(case.state, "evidence is kept"), *_owner_window(case, request, release)]
    found.append(c.ReleaseUnpublished(release.version))
    if sum(each.state == "published" for each in case.state.releases) == 1:
        found.append(c.PlaceholderSet())
    return found


def _owner_window(case: _Case, request: r.Unpublish, release: ReleaseState) -> Iterator[Why]:
    age = int((case.now - moment(release.published_at)).total_seconds())
    if age >= case.policy.unpublish_window_s:
        yield Why(
            "unpublish_window_over",
            f"{request.name} {release.version} was published {age // 3600} h ago; an owner can unpublish within "
            f"{case.policy.unpublish_window_s // 3600} h. Yank it, or ask support",
            {"age_s": age, "window_s": case.policy.unpublish_window_s},
        )
    fact = request.dependents
    if fact is None:
        yield Why("facts_missing", "say how many projects depend on it: dependents {value, as_of}")
    elif not 0 <= (fact_age := int((case.now - moment(fact.as_of)).total_seconds())) <= case.policy.max_fact_age_s:
        yield Why(
            "facts_stale",
            f"the number of dependents is {fact_age} s old; it may be {case.policy.max_fact_age_s} s old at most",
            {"as_of": fact.as_of, "max_age_s": case.policy.max_fact_age_s},
        )
    elif fact.value > 0:
        yield Why("has_dependents", f"{fact.value} projects depend on it", {"count": fact.value, "as_of": fact.as_of})


def _restore(case: _Case, request: r.Restore) -> Verdict:
    state = case.state
    release = _find(state, request.version)
    if state is None or release is None:
        return [_no_release(case, request.version)]
    if release.state == "published":
        return []
    found: Verdict = []
    if state.state == "placeholder":
        found += _step(machines.NAME, case, request, c.ProjectRestored())
    elif state.state != "registered":
        found.append(_wrong_name_state(case))
    found += [*_role(machines.RELEASE, release.state, "release.restored", request.actor)]
    found += [*_restore_window(case, request, release)]
    if release.generation != state.generation:
        found.append(Why("restore_other_holder", f"{release.version} belongs to an earlier holder of {state.name}"))
    return [*found, c.ReleaseRestored(release.version)]


def _restore_window(case: _Case, request: r.Restore, release: ReleaseState) -> Iterator[Why]:
    assert release.removed is not None, "a release that is not published says when it was removed"
    until = moment(release.removed.at) + timedelta(seconds=case.policy.restore_window_s)
    if case.now >= until:
        yield Why(
            "restore_window_over", f"{release.version} could be restored until {stamp(until)}", {"until": stamp(until)}
        )
    if request.actor.kind == "owner" and release.removed.by != "owner":
        yield Why(
            "restore_locked", f"{release.version} was removed by {release.removed.by}; an owner cannot bring it back"
        )


def _reserve(case: _Case, request: r.Reserve) -> Verdict:
    if case.state is not None and case.state.state == "reserved" and request.actor.id == case.name.holder:
        return []
    if case.state is not None and not [*machines.rows(machines.NAME, case.state.state, "name.reserved")]:
        return [_wrong_name_state(case)]
    expires, grace = _terms(case.policy, case.now, 0)
    change = c.NameReserved("user", request.holder, expires, grace, request.display or request.name)
    return [*_needs_id(request.actor), *_step(machines.NAME, case, request, change)]


def _renew(case: _Case, request: r.Renew) -> Verdict:
    reservation, why = _reserved(case)
    if reservation is None:
        return why
    found: Verdict = [*_only_holder(case, request.actor)]
    if case.now >= moment(reservation.grace_until):
        found.append(
            Why("reservation_not_renewable", f"the reservation ended on {reservation.grace_until}, grace included")
        )
    renewal = reservation.renewals + 1
    if renewal >= len(case.policy.reservation_days):
        return [
            *found,
            Why("renewal_limit", f"a reservation can be renewed {renewal - 1} times", {"renewals": renewal - 1}),
        ]
    expires, grace = _terms(case.policy, moment(reservation.expires_at), renewal)
    return [*found, *_step(machines.NAME, case, request, c.ReservationRenewed(expires, grace))]


def _release(case: _Case, request: r.Release) -> Verdict:
    reservation, why = _reserved(case)
    if reservation is None:
        return why
    mine = [] if request.actor.kind in ("moderator", "admin") else [*_only_holder(case, request.actor)]
    return [*mine, *_step(machines.NAME, case, request, c.ReservationReleased())]


def _expire(case: _Case, request: r.Expire) -> Verdict:
    reservation, _ = _reserved(case)
    if reservation is None or case.now < moment(reservation.grace_until):
        return []  # renewed, converted or released meanwhile: the sweeper may ask as often as it likes
    return [*_step(machines.NAME, case, request, c.ReservationExpired())]


def _quarantine(case: _Case, request: r.Quarantine) -> Verdict:
    if case.state is None or case.state.state != "registered":
        return [_wrong_name_state(case)]
    if case.state.quarantine is not None:
        return []
    return [*_role(machines.QUARANTINE, "clear", "project.quarantined", request.actor), c.ProjectQuarantined()]


def _clear(case: _Case, request: r.Clear) -> Verdict:
    if case.state is None or case.state.state != "registered":
        return [_wrong_name_state(case)]
    if case.state.quarantine is None:
        return []
    return [
        *_role(machines.QUARANTINE, "quarantined", "project.quarantine_cleared", request.actor),
        c.QuarantineCleared(),
    ]


def _claim(case: _Case, request: r.Claim) -> Verdict:
    if case.state is None or case.state.state != "placeholder":
        return [_wrong_name_state(case)]
    expires, grace = _terms(case.policy, case.now, 0)
    return [*_step(machines.NAME, case, request, c.ClaimGranted(request.case, request.holder, expires, grace))]


def _prohibit(case: _Case, request: r.Prohibit) -> Verdict:
    if case.state is not None and case.state.state == "prohibited":
        return []
    published = [each for each in case.state.releases if each.state == "published"] if case.state else []
    removals = [c.ReleaseUnpublished(each.version) for each in published]
    return [*removals, *_step(machines.NAME, case, request, c.NameProhibited())]


def _step(machine: machines.Machine, case: _Case, request: r.Request, change: c.Change) -> Iterator[c.Change | Why]:
    """The change, and an objection if the name's machine has no such row for this actor."""
    yield from _role(machine, machines.name_state(case.state), c.type_of(change), request.actor)
    yield change


def _role(machine: machines.Machine, source: str, event: str, actor: r.Actor) -> Iterator[Why]:
    if machines.row_for(machine, source, event, actor.kind) is None:
        who = sorted({each for row in machines.rows(machine, source, event) for each in row.actors})
        sentence = f"{actor.kind} may not do this ({event}); {' or '.join(who) or 'nobody'} may"
        yield Why("role_insufficient", sentence, {"actor": actor.kind, "needs": " or ".join(who)})


def _published(case: _Case, version: str) -> tuple[ReleaseState | None, Verdict]:
    release = _find(case.state, version)
    if release is None:
        return None, [_no_release(case, version)]
    if release.state != "published":
        removed = release.removed.at if release.removed else ""
        sentence = f"{case.name.name} {release.version} was {release.state} on {removed}"
        return None, [Why("release_not_published", sentence, {"state": release.state})]
    return release, []


def _find(state: NameState | None, version: str) -> ReleaseState | None:
    try:
        return state.release_of(canonical_version(version)) if state else None
    except BadArtifact:
        return None


def _no_release(case: _Case, version: str) -> Why:
    return Why("release_not_found", f"{case.name.name} has no release {version!r:.80}", {"version": version[:80]})


def _reserved(case: _Case) -> tuple[Reservation | None, Verdict]:
    if case.state is None or case.state.reservation is None:
        return None, [_wrong_name_state(case)]
    return case.state.reservation, []


def _terms(policy: Policy, start: datetime, renewal: int) -> tuple[str, str]:
    expires = start + timedelta(days=policy.reservation_days[renewal])
    return stamp(expires), stamp(expires + timedelta(days=policy.reservation_grace_days))


def _needs_id(actor: r.Actor) -> Iterator[Why]:
    if actor.id is None:
        yield Why(
            "actor_id_missing", "say for which account: actor.id, your own opaque identifier (it is never published)"
        )


def _only_holder(case: _Case, actor: r.Actor) -> Iterator[Why]:
    if actor.id is None or actor.id != case.name.holder:
        yield _wrong_name_state(case)


def _not_quarantined(state: NameState | None, so: str) -> Iterator[Why]:
    if state is not None and state.quarantine is not None:
        yield Why("project_quarantined", f"{state.name} is in quarantine since {state.quarantine.at}; {so}")


def _wrong_name_state(case: _Case) -> Why:
    name, state = case.name.name, case.state
    if state is None:
        return Why("name_unknown", f"{name} is not known to this registry")
    if state.reservation is not None:
        holder = state.reservation.holder or "someone else"
        sentence = f"{name} is reserved for {holder} until {state.reservation.expires_at}"
        params: dict[str, str | int] = {"holder": holder, "expires_at": state.reservation.expires_at}
        return Why("name_reserved", sentence, params)
    sentence = {
        "placeholder": f"{name} is a placeholder since {state.since.at}: its last release was removed, and "
        "the name can be used again only after a claim that support grants",
        "prohibited": f"{name} is prohibited since {state.since.at}",
        "registered": f"{name} is taken: it is registered since {state.since.at}",
        "vacant": f"{name} is not registered",
    }[state.state]
    code = "name_taken" if state.state == "registered" else f"name_{state.state}"
    return Why(code, sentence, {"since": state.since.at})


_VERBS: Final[dict[type[r.Request], Callable[[_Case, Any], Verdict]]] = {
    r.Publish: _publish,
    r.Yank: _yank,
    r.Unyank: _unyank,
    r.Unpublish: _unpublish,
    r.Restore: _restore,
    r.Reserve: _reserve,
    r.Renew: _renew,
    r.Release: _release,
    r.Expire: _expire,
    r.Quarantine: _quarantine,
    r.Clear: _clear,
    r.Claim: _claim,
    r.Prohibit: _prohibit,
}
