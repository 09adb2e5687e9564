"""What follows from an event: state before, event, state after. The fold of a name's events is its state."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from keys.state import (
    TAKING,
    Act,
    Deprecation,
    File,
    HeldYank,
    Mark,
    NameState,
    Removal,
    Reservation,
    Takedown,
    Yank,
)
from keys.state import Release as ReleaseState
from keys.times import stamp
from repo_service.domain import changes as c
from repo_service.domain import granting, machines
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted
from repo_service.domain.policy import Policy


def evolve(name: c.Name, event: c.Event) -> c.Name:
    """The name after ``event``. The event was decided before; a step that no table allows is our own mistake."""
    before = name.state or _blank(event)
    kind = c.type_of(event.change)
    target, generation = _step(name.state, kind, event)
    serial = 1 if name.state is None else before.serial + 1
    act = Act(serial, kind, getattr(event.change, "version", None), event.mark)
    state = replace(
        before,
        state=target,
        generation=before.generation + generation,
        serial=serial,
        event=event.seq,
        since=event.mark if target != before.state else before.since,
        quarantine=None if generation else before.quarantine,  # it was about what an earlier holder published
        reservation=_reservation(before, event.change) if target == "reserved" else None,
        history=before.history if isinstance(event.change, _PUBLISHING) else (*before.history, act),
    )
    if apply := _APPLY.get(type(event.change)):
        state = apply(state, event.change, event.mark)
    # Who takes a name is said by the event, if anybody knows it: never the one who had it before.
    holder = event.holder if kind in TAKING else event.holder or name.holder
    org = event.org if kind in _ORG_IS_SAID else name.org
    return c.Name(
        name.name,
        state,
        holder if target == "reserved" else None,
        org,
        granting.orgs_after(name.orgs, event.change, event.org),
    )


def evolve_all(name: c.Name, events: Sequence[c.Event]) -> c.Name:
    """The name after all of these, as ``evolve`` for one after the other. New releases in a row, and releases that are
    closed in a row, are folded at once: a project's history would otherwise be copied for each of them.
    """
    for kind, run in groupby(events, lambda event: type(event.change)):
        together, at_once = list(run), _AT_ONCE.get(kind)
        if at_once and len(together) > 1 and name.state is not None and name.state.state == "registered":
            state = replace(
                name.state,
                serial=name.state.serial + len(together),
                event=together[-1].seq,
                releases=at_once(name.state, together),
            )
            name = replace(name, state=state)
        else:
            for event in together:
                name = evolve(name, event)
    return name


def _publish_all(state: NameState, events: Sequence[c.Event]) -> tuple[ReleaseState, ...]:
    releases = (_release_of(state, event.change) for event in events)
    return tuple(sorted((*state.releases, *releases), key=lambda r: r.version))


def _close_all(state: NameState, events: Sequence[c.Event]) -> tuple[ReleaseState, ...]:
    marks = {getattr(event.change, "version", None): event.mark for event in events}
    return tuple(replace(r, closed=marks[r.version]) if r.version in marks else r for r in state.releases)


def evolved(name: c.Name, request: r.Request, accepted: Accepted, policy: Policy, now: datetime) -> c.Name:
    """The name as it would be if what was accepted were remembered now."""
    reason, actor = getattr(request, "reason", None), request.actor
    for change in accepted.changes:
        number = name.state.event + 1 if name.state else 1
        event = c.Event(
            number, name.name, stamp(now), actor.kind, reason, policy.id, change, actor.id, accepted.holder,
            actor.approver, accepted.org,
        )  # fmt: skip
        name = evolve(name, event)
    return name


def _blank(event: c.Event) -> NameState:
    return NameState(event.name, event.name, "vacant", 1, 1, event.seq, event.mark, None, None, (), ())


def _step(state: NameState | None, kind: str, event: c.Event) -> tuple[Any, int]:
    """Where the name's machine goes, and by how much the generation grows."""
    source = machines.name_state(state)
    if not any(row.event == kind for row in machines.NAME):
        return "vacant" if state is None else source, 0  # a prefix is granted before anybody takes the name
    row = machines.row_for(machines.NAME, source, kind, event.by)
    assert row is not None, f"{event.name}: {event.by} cannot take {kind} from {source}"
    if row.target == "vacant":
        assert state is not None, "nothing that was never touched is given back"
        return machines.when_given_up(state), row.new_generation
    taken = [act.type for act in state.history if act.type in TAKING] if state else []
    # An upload session that was given up held nothing: who comes next has no forerunner.
    return row.target, row.new_generation if taken and taken[-1] != "session.opened" else 0


def _reservation(before: NameState, change: c.Change) -> Reservation | None:
    if isinstance(change, c.NameReserved):
        return Reservation(change.kind, change.holder, change.expires_at, change.grace_until, 0)
    if isinstance(change, c.SessionOpened):
        return Reservation("session", None, change.expires_at, change.expires_at, 0)
    if isinstance(change, c.ClaimGranted | c.ClaimedOpen):
        return Reservation("grant", change.holder, change.expires_at, change.grace_until, 0)
    old = before.reservation
    if isinstance(change, c.ReservationRenewed) and old is not None:
        return replace(old, expires_at=change.expires_at, grace_until=change.grace_until, renewals=old.renewals + 1)
    if isinstance(change, c.ReservationTransferred) and old is not None:
        return replace(old, holder=change.holder)
    return old


def _display(state: NameState, change: Any, mark: Mark) -> NameState:
    del mark
    return replace(state, display=change.display)


def _publish(state: NameState, change: c.ReleasePublished, mark: Mark) -> NameState:
    del mark
    return replace(
        state, releases=tuple(sorted((*state.releases, _release_of(state, change)), key=lambda r: r.version))
    )


def _release_of(state: NameState, change: Any) -> ReleaseState:
    files = _sorted(change.files)
    return ReleaseState(
        change.version, change.canonical, "published", state.generation, change.published_at, None, None, files
    )


def _add_file(state: NameState, change: c.FileAdded, mark: Mark) -> NameState:
    del mark
    return _with_release(state, change.version, lambda r: replace(r, files=_sorted((*r.files, change.file))))


def _yank(state: NameState, change: c.ReleaseYanked | c.YankReasonChanged, mark: Mark) -> NameState:
    def amend(release: ReleaseState) -> ReleaseState:
        held = release.held_yank
        # The clock, and admins who approve, bring into force what somebody asked for: their mark and reason are the
        # yank's. Where admins yank by themselves, it is of another kind.
        for_another = held is not None and mark.by in ("clock", "admin") and change.kind == held.kind
        return replace(release, yank=Yank(change.kind, held.mark if held and for_another else mark), held_yank=None)

    return _with_release(state, change.version, amend)


def _hold_yank(state: NameState, change: c.YankHeld, mark: Mark) -> NameState:
    held = HeldYank(change.kind, mark, change.effective_at)
    return _with_release(state, change.version, lambda r: replace(r, held_yank=held))


def _cancel_yank(state: NameState, change: c.YankCancelled, mark: Mark) -> NameState:
    del mark
    return _with_release(state, change.version, lambda r: replace(r, held_yank=None))


def _unyank(state: NameState, change: c.ReleaseUnyanked, mark: Mark) -> NameState:
    del mark
    return _with_release(state, change.version, lambda r: replace(r, yank=None))


def _unpublish(state: NameState, change: c.ReleaseUnpublished, mark: Mark) -> NameState:
    return _with_release(state, change.version, lambda r: replace(r, state="unpublished", removed=mark))


def _restore(state: NameState, change: c.ReleaseRestored, mark: Mark) -> NameState:
    del mark
    return _with_release(state, change.version, lambda r: replace(r, state="published", removed=None))


def _quarantine(state: NameState, change: c.ProjectQuarantined, mark: Mark) -> NameState:
    del change
    return replace(state, quarantine=mark)


def _clear(state: NameState, change: c.QuarantineCleared, mark: Mark) -> NameState:
    del change, mark
    return replace(state, quarantine=None)


def _archive(state: NameState, change: c.ProjectArchived, mark: Mark) -> NameState:
    del change
    return replace(state, archived=mark)


def _deprecate(state: NameState, change: c.ProjectDeprecated, mark: Mark) -> NameState:
    return replace(state, archived=None, deprecated=Deprecation(mark, change.alternative))


def _activate(state: NameState, change: c.ProjectUnarchived | c.ProjectUndeprecated, mark: Mark) -> NameState:
    del change, mark
    return replace(state, archived=None, deprecated=None)


def _lock(state: NameState, change: c.ProjectLocked, mark: Mark) -> NameState:
    del change
    return replace(state, locked=mark)


def _unlock(state: NameState, change: c.ProjectUnlocked, mark: Mark) -> NameState:
    del change, mark
    return replace(state, locked=None)


def _quarantine_release(state: NameState, change: c.ReleaseQuarantined, mark: Mark) -> NameState:
    return _with_release(state, change.version, lambda r: replace(r, quarantine=mark))


def _clear_release(state: NameState, change: c.ReleaseQuarantineCleared, mark: Mark) -> NameState:
    del mark
    return _with_release(state, change.version, lambda r: replace(r, quarantine=None))


def _deprecate_release(state: NameState, change: c.ReleaseDeprecated, mark: Mark) -> NameState:
    advice = Deprecation(mark, change.alternative)
    return _with_release(state, change.version, lambda r: replace(r, deprecated=advice))


def _undeprecate_release(state: NameState, change: c.ReleaseUndeprecated, mark: Mark) -> NameState:
    del mark
    return _with_release(state, change.version, lambda r: replace(r, deprecated=None))


def _close(state: NameState, change: c.ReleaseClosed, mark: Mark) -> NameState:
    return _with_release(state, change.version, lambda r: replace(r, closed=mark))


def _purge(state: NameState, change: c.ReleasePurged, mark: Mark) -> NameState:
    def amend(release: ReleaseState) -> ReleaseState:
        # The clock has no reason of its own; why it was removed stays to be read.
        reason = mark.reason or (release.removed.reason if release.removed else None)
        return replace(release, state="purged", removed=replace(mark, reason=reason))

    return _with_release(state, change.version, amend)


def _remove_file(state: NameState, change: c.FileRemoved, mark: Mark) -> NameState:
    return _with_removal(state, change, (Removal(change.filename, "removed", mark),))


def _restore_file(state: NameState, change: c.FileRestored, mark: Mark) -> NameState:
    del mark
    return _with_removal(state, change, ())


def _purge_file(state: NameState, change: c.FilePurged, mark: Mark) -> NameState:
    return _with_removal(state, change, (Removal(change.filename, "purged", mark),))


def _list_takedown(state: NameState, change: c.TakedownListed, mark: Mark) -> NameState:
    entry = Takedown(
        change.id, change.kind, "suspected", change.versions, change.sha256s, mark, mark, change.external_ids
    )
    return replace(state, takedowns=(*state.takedowns, entry))


def _confirm_takedown(state: NameState, change: c.TakedownConfirmed, mark: Mark) -> NameState:
    return _with_takedown(state, change.id, lambda t: replace(t, status="confirmed", mark=mark))


def _withdraw_takedown(state: NameState, change: c.TakedownWithdrawn, mark: Mark) -> NameState:
    return _with_takedown(state, change.id, lambda t: replace(t, status="withdrawn", mark=mark))


def _correct_takedown(state: NameState, change: c.TakedownCorrected, mark: Mark) -> NameState:
    return _with_takedown(state, change.id, lambda t: replace(t, external_ids=change.external_ids, mark=mark))


def _with_takedown(state: NameState, identifier: str, amend: Callable[[Takedown], Takedown]) -> NameState:
    return replace(state, takedowns=tuple(amend(t) if t.id == identifier else t for t in state.takedowns))


def _pass_on(state: NameState, change: c.ProjectTransferred, mark: Mark) -> NameState:
    del change, mark
    return replace(state, holder_epoch=state.holder_epoch + 1)


def _with_removal(
    state: NameState, change: c.FileRemoved | c.FileRestored | c.FilePurged, now: tuple[Removal, ...]
) -> NameState:
    def amend(release: ReleaseState) -> ReleaseState:
        others = (each for each in release.removals if each.filename != change.filename)
        return replace(release, removals=tuple(sorted((*others, *now), key=lambda each: each.filename)))

    return _with_release(state, change.version, amend)


def _with_release(state: NameState, version: str, amend: Callable[[ReleaseState], ReleaseState]) -> NameState:
    assert state.release(version) is not None, f"{state.name} has no release {version}"
    return replace(state, releases=tuple(amend(r) if r.version == version else r for r in state.releases))


def _sorted(files: tuple[File, ...]) -> tuple[File, ...]:
    return tuple(sorted(files, key=lambda file: file.filename))


_PUBLISHING: Final = (c.ReleasePublished, c.FileAdded, c.ReleaseClosed)
"""Events that the releases themselves show for ever, so the history need not."""

_AT_ONCE: Final[dict[type[c.Change], Callable[[NameState, Sequence[c.Event]], tuple[ReleaseState, ...]]]] = {
    c.ReleasePublished: _publish_all,
    c.ReleaseClosed: _close_all,
}
"""Events that touch only releases, each its own."""

_ORG_IS_SAID: Final = TAKING | {"project.assigned"}
"""Events after which the name belongs to the organisation of the event, or to none."""

_APPLY: Final[dict[type[c.Change], Callable[[NameState, Any, Mark], NameState]]] = {
    c.NameReserved: _display,
    c.ReservationConverted: _display,
    c.ProjectCreated: _display,
    c.DisplayNameChanged: _display,
    c.ReleasePublished: _publish,
    c.FileAdded: _add_file,
    c.ReleaseYanked: _yank,
    c.YankReasonChanged: _yank,
    c.YankHeld: _hold_yank,
    c.YankCancelled: _cancel_yank,
    c.ReleaseUnyanked: _unyank,
    c.ReleaseUnpublished: _unpublish,
    c.ReleaseRestored: _restore,
    c.ProjectQuarantined: _quarantine,
    c.QuarantineCleared: _clear,
    c.ProjectArchived: _archive,
    c.ProjectUnarchived: _activate,
    c.ProjectDeprecated: _deprecate,
    c.ProjectUndeprecated: _activate,
    c.ProjectLocked: _lock,
    c.ProjectUnlocked: _unlock,
    c.ReleaseQuarantined: _quarantine_release,
    c.ReleaseQuarantineCleared: _clear_release,
    c.ReleaseDeprecated: _deprecate_release,
    c.ReleaseUndeprecated: _undeprecate_release,
    c.ReleaseClosed: _close,
    c.ReleasePurged: _purge,
    c.FileRemoved: _remove_file,
    c.FileRestored: _restore_file,
    c.FilePurged: _purge_file,
    c.NamespaceGranted: granting.granted,
    c.ChildGranted: granting.child_granted,
    c.NamespaceShared: granting.shared,
    c.NamespaceUnshared: granting.shared,
    c.NamespaceTransferred: granting.transferred,
    c.NamespaceEnded: granting.ended,
    c.NamespacesMatched: granting.matched,
    c.TakedownListed: _list_takedown,
    c.TakedownConfirmed: _confirm_takedown,
    c.TakedownWithdrawn: _withdraw_takedown,
    c.TakedownCorrected: _correct_takedown,
    c.ProjectTransferred: _pass_on,
    c.SessionOpened: _display,
}
