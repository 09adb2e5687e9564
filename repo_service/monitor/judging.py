"""Did the policy allow it? What of policies and flags can be decided by everyone, from public facts alone.

A policy also asks for what only the registry knows: how often a file was downloaded, who stands behind an account, a
second person. Nothing is said of that here; docs/adr/0037 lists it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from keys.state import NameState
from keys.state import Release as ReleaseState
from keys.times import moment, stamp
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain.announcing import NotAnnounced, Published, announce, in_force
from repo_service.domain.artifacts import BadArtifact
from repo_service.domain.case import Around, Case
from repo_service.domain.deadlines import closes_at
from repo_service.domain.demands import is_offered
from repo_service.domain.flags import (
    ClearFlag,
    Flag,
    FlagAct,
    SetFlag,
    Standing,
    clear_due,
    clear_flag,
    pauses,
    set_flag,
)
from repo_service.domain.policy import phase
from repo_service.domain.releases import is_purgeable, restorable_until
from repo_service.monitor import codes
from repo_service.monitor.findings import Finding

Objection = tuple[str, str]
"""A code and a sentence."""
_SECOND: Final = timedelta(seconds=1)
_TWO_ADMINS: Final = ("one", "two")
"""Who they are is not public."""


class Law:
    """The policies and acts of flags that were announced, in the order of the log."""

    def __init__(self) -> None:
        self.policies: list[Published] = []
        self.acts: list[FlagAct] = []

    def take(self, document: Published | FlagAct) -> Iterator[str]:
        """What is wrong with the next document; it counts all the same."""
        if isinstance(document, FlagAct):
            yield from _wrong_act(self.acts, document)
            self.acts.append(document)
        else:
            yield from _wrong_policy(self.policies, document)
            self.policies.append(document)

    def objections(self, before: NameState | None, event: c.Event) -> Iterator[Objection]:
        """Everything that policies and flags have against an event."""
        yield from self._halted(before, event)
        known = [each.policy for each in self.policies if each.id == event.policy]
        if not known:
            yield "policy-unknown", f"the policy {event.policy} was never announced"
            return
        # What is recorded in the second in which a policy comes may have been decided before it.
        at = moment(event.at)
        judging = {in_force(self.policies, when).id for when in (at, at - _SECOND)}
        if event.policy not in judging:
            yield "policy-not-in-force", f"it was judged by {event.policy}; in force was {' or '.join(sorted(judging))}"
        around = Around(pauses=pauses(self.acts, at) if self.acts else ())
        case = Case(c.Name(event.name, before, None), before, known[-1], at, around)
        yield from (("policy-broken", why) for why in _broken(case, event))

    def _halted(self, before: NameState | None, event: c.Event) -> Iterator[Objection]:
        if not self.acts:
            return
        for flag in _standing(self.acts, event.at):
            if _stops(flag, before, event):
                yield "flag-broken", f"{flag} was set, which stops it"


def _wrong_policy(known: Sequence[Published], new: Published) -> Iterator[str]:
    try:
        announced = announce(new.policy, known, moment(new.published_at), _TWO_ADMINS)
    except NotAnnounced as error:
        yield f"policy {new.id} could not be announced: {error}"
        return
    if announced != new:
        yield f"policy {new.id} takes effect at {new.effective_from}; it should at {announced.effective_from}"


def _wrong_act(acts: Sequence[FlagAct], new: FlagAct) -> Iterator[str]:
    now, until = moment(new.at), _until(new)
    if new.number != len(acts) + 1:
        yield f"act {new.number} of flags follows {len(acts)} acts"
    elif acts and moment(acts[-1].at) > now:
        yield f"act {new.number} of flags is dated {new.at}, before the one that it follows"
    else:
        try:
            if new.by == "clock":
                expected = clear_due(acts, now)
            elif new.act == "set":
                expected = set_flag(acts, SetFlag(new.flag, new.reason, until), now)
            else:
                expected = clear_flag(acts, ClearFlag(new.flag, new.reason), now)
        except ValueError as error:
            yield f"act {new.number} of flags: {error}"
            return
        if expected != new:
            yield f"act {new.number} of flags says otherwise what stands after it than follows from those before"


def _until(act: FlagAct) -> str | None:
    return next((each.until for each in act.standing if each.flag == act.flag), None)


def _standing(acts: Sequence[FlagAct], at: str) -> set[Flag]:
    """The flags that stood for the whole second of an event: within one nobody knows what came first."""

    def after(known: Sequence[FlagAct]) -> set[Flag]:
        standing: tuple[Standing, ...] = known[-1].standing if known else ()
        return {each.flag for each in standing}

    before = [act for act in acts if act.at < at]
    through = [before, *([*before, act] for act in acts if act.at == at)]
    return set.intersection(*map(after, through))


_REMOVALS: Final = ("project.removed", "file.removed", "release.purged", "file.purged")
_YANKS: Final = ("release.yanked", "release.yank_held", "release.yank_reason_changed")
_NEW_NAMES: Final = ("project.created", "name.reserved", "session.opened")


def _stops(flag: Flag, before: NameState | None, event: c.Event) -> bool:
    """As ``domain.halts.HALTS``, by the events that follow from what is halted; where one event has several causes,
    only if all of them are.
    """
    kind = c.type_of(event.change)
    match flag:
        case "read_only":
            return True
        case "deletions_halted":
            unpublished = kind == "release.unpublished" and event.by != "admin"  # a prohibition is no deletion
            yanked = kind in _YANKS and event.by not in ("moderator", "admin")
            return (kind in _REMOVALS and not _in_takedown(event)) or unpublished or yanked
        case "new_names_halted":
            taken = kind in _NEW_NAMES and machines.name_state(before) in machines.NOBODYS
            return taken or kind == "placeholder.claimed_open"
        case "uploads_halted":
            return kind in ("release.published", "file.added")


def _in_takedown(event: c.Event) -> bool:
    """An admin takes down what is harmful, whatever is halted."""
    return event.by == "admin" and c.type_of(event.change) == "project.removed"


# What a policy says of one type of event. Each gives sentences.


def _broken(case: Case, event: c.Event) -> Iterator[str]:
    kind, policy = c.type_of(event.change), case.policy
    if event.by == "owner" and (verb := _OFFERED.get(kind)) and not is_offered(policy, verb):
        yield f"owners cannot do this here ({verb}), says the policy {policy.id}"
    if event.by == "owner" and case.state is not None and case.state.locked is not None:
        yield f"{event.name} was locked, which stops its owner"
    if rule := _RULES.get(kind):
        yield from rule(case, event, event.change)


def _unpublished(case: Case, event: c.Event, change: c.ReleaseUnpublished) -> Iterator[str]:
    """Within the window of owners. Where whole projects go on other terms, a version may be part of one."""
    release, rules = _release(case, change.version), case.policy.unpublish
    if release is None or event.by != "owner":
        return
    if case.state is not None and (case.state.quarantine or release.quarantine):
        yield f"an owner unpublished {release.version} out of quarantine"
    if rules.project == "young_or_quiet" or (rules.owner == "window" and rules.after_window == "quiet"):
        return
    window = rules.owner_window_s(release.version, case.policy.version_rule)
    age = int(case.age(release.published_at).total_seconds())
    if age >= window and _enforced(case, "unpublish_window_over"):
        yield f"an owner unpublished {release.version} {age} s after it was published; the window is {window} s"


def _restored(case: Case, event: c.Event, change: c.ReleaseRestored) -> Iterator[str]:
    release = _release(case, change.version)
    if release is None or release.removed is None:
        return
    until = restorable_until(case, release.removed)
    if case.now >= until and _enforced(case, "restore_window_over"):
        yield f"{release.version} came back at {event.at}; it could until {stamp(until)}"
    if event.by == "owner" and release.removed.by != "owner":
        yield f"an owner brought {release.version} back, which was removed by {release.removed.by}"


def _purged(case: Case, event: c.Event, change: c.ReleasePurged) -> Iterator[str]:
    release = _release(case, change.version)
    if event.by == "clock" and release and release.removed and not is_purgeable(case, release.removed):
        yield f"{release.version} was purged before it was due"


def _file_purged(case: Case, event: c.Event, change: c.FilePurged) -> Iterator[str]:
    release = _release(case, change.version)
    removals = [each for each in (release.removals if release else ()) if each.filename == change.filename]
    if event.by == "clock" and removals and not is_purgeable(case, removals[0].mark):
        yield f"{change.filename} was purged before it was due"


def _closed(case: Case, event: c.Event, change: c.ReleaseClosed) -> Iterator[str]:
    release = _release(case, change.version)
    if event.by == "clock" and release and case.now < _open_until(case, release):
        yield f"{release.version} was closed before it was due"


def _added(case: Case, event: c.Event, change: c.FileAdded) -> Iterator[str]:
    release = _release(case, change.version)
    if event.by != "owner" or release is None:
        return
    if release.closed is not None or case.now >= _open_until(case, release):
        yield f"{change.file.filename} came to {release.version}, which took no new files any more"
    if release.quarantine is not None:
        yield f"{change.file.filename} came to {release.version}, which is in quarantine"
    yield from _artifact(case, change.file.filename, change.file.identity, release.canonical)


def _published(case: Case, event: c.Event, change: c.ReleasePublished) -> Iterator[str]:
    if event.by != "owner":
        return
    if case.state is not None and (case.state.quarantine or case.state.archived):
        yield f"{change.version} was published while {event.name} is in quarantine or archived"
    for file in change.files:
        yield from _artifact(case, file.filename, file.identity, change.canonical)


def _artifact(case: Case, filename: str, identity: str, canonical: str) -> Iterator[str]:
    """A file name says which artifact of which version it is."""
    try:
        said = case.policy.version_rule.artifact(filename, case.name.name)
    except BadArtifact as error:
        yield str(error)
        return
    if (said.name, said.canonical, said.identity) != (case.name.name, canonical, identity):
        yield f"{filename} is {said.identity} of {said.name} {said.canonical}, not {identity} of {canonical}"


def _yanked(case: Case, event: c.Event, change: c.ReleaseYanked) -> Iterator[str]:
    release = _release(case, change.version)
    if event.by == "clock" and release and (held := release.held_yank):
        if case.now < case.extended(held.mark.at, moment(held.effective_at)):
            yield f"the yank of {release.version} came into force before {held.effective_at}"
    elif event.by == "owner" and event.reason is None and _reason_required(case):
        yield f"{change.version} was yanked without a reason"


def _expired(case: Case, event: c.Event, change: object) -> Iterator[str]:
    """Not before its grace is over; later where its holder was told late, which is not public."""
    del change
    if case.state is None or (reservation := case.state.reservation) is None:
        return
    if case.now < (end := case.extended(case.state.since.at, moment(reservation.grace_until))):
        yield f"the reservation ended at {event.at}; it lasts until {stamp(end)}, grace included"


def _reserved(case: Case, event: c.Event, change: c.NameReserved) -> Iterator[str]:
    if event.by == "owner":
        yield from _term(case, event, change.expires_at, change.grace_until)


def _term(case: Case, event: c.Event, expires_at: str, grace_until: str) -> Iterator[str]:
    terms = case.policy.reservations
    expires = moment(event.at) + timedelta(days=terms.days[0])
    if (expires_at, grace_until) != (stamp(expires), stamp(expires + timedelta(days=terms.grace_days))):
        yield f"it is reserved until {expires_at} and {grace_until}; the policy gives {terms.days[0]} days"


def _removed(case: Case, event: c.Event, change: c.FileRemoved) -> Iterator[str]:
    yield from _unpublished(case, event, c.ReleaseUnpublished(change.version))


def _release(case: Case, version: str) -> ReleaseState | None:
    return case.state.release(version) if case.state else None


def _open_until(case: Case, release: ReleaseState) -> Any:
    return case.extended(release.published_at, closes_at(release, case.policy))


def _reason_required(case: Case) -> bool:
    return case.policy.yank.reason_required and _enforced(case, "reason_missing")


def _enforced(case: Case, code: str) -> bool:
    return phase(case.policy, code, case.now) == "enforce"


_OFFERED: Final[Mapping[str, str]] = {
    "release.yanked": "yank",
    "release.yank_held": "yank",
    "project.archived": "archive",
    "project.deprecated": "deprecate",
    "release.deprecated": "deprecate_release",
    "placeholder.claimed_open": "claim",
    "file.removed": "unpublish",
    "name.reserved": "reserve",
}
"""What owners may do where the policy offers it."""
_RULES: Final[Mapping[str, Callable[[Case, c.Event, Any], Iterator[str]]]] = {
    "release.published": _published,
    "file.added": _added,
    "release.closed": _closed,
    "release.unpublished": _unpublished,
    "file.removed": _removed,
    "release.restored": _restored,
    "release.purged": _purged,
    "file.purged": _file_purged,
    "release.yanked": _yanked,
    "reservation.expired": _expired,
    "session.expired": _expired,
    "name.reserved": _reserved,
}


def objections(law: Law, before: NameState | None, event: c.Event, index: int) -> Iterator[Finding]:
    """As findings."""
    for code, sentence in law.objections(before, event):
        yield codes.found(code, f"{c.type_of(event.change)} of {event.name}: {sentence}", event.at, index, event.name)
