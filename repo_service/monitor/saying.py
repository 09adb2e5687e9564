"""An event in plain words, for feeds. It repeats no free text: what a registry takes back would stay in them."""

from collections.abc import Callable
from typing import Any, Final

from repo_service.domain import changes as c
from repo_service.monitor.words import plural


def said(event: c.Event) -> str:
    """What happened, by which class of actor and with which code of a reason: one sentence without its end."""
    reason = f" ({event.reason.code})" if event.reason else ""
    return f"{event.name}: {happened(event.change)}, by {event.by}{reason}"


def happened(change: c.Change) -> str:
    """What happened to a name, as the second half of a sentence."""
    return _SAID[type(change)](change)


def _versions(versions: tuple[str, ...]) -> str:
    return ", ".join(versions[:5]) + (f" and {len(versions) - 5} more" if versions[5:] else "")


def _matched(change: c.NamespacesMatched) -> str:
    under = [f"{each.prefix} ({'owned' if each.owned else 'not owned'})" for each in change.namespaces]
    return f"is under these namespaces now: {', '.join(under)}" if under else "is under no namespace any more"


def _count(things: tuple[object, ...], what: str) -> str:
    return f"{len(things)} {plural(len(things), what)}"


def _kind(kind: str) -> str:
    return "" if kind == "owner" else f" ({kind})"


def _advice(alternative: str | None) -> str:
    return f"; {alternative} is the alternative" if alternative else ""


_SAID: Final[dict[type[c.Change], Callable[[Any], str]]] = {
    c.NameReserved: lambda it: f"was reserved until {it.expires_at}",
    c.ReservationRenewed: lambda it: f"its reservation was renewed until {it.expires_at}",
    c.ReservationReleased: lambda _: "its reservation was given up",
    c.ReservationExpired: lambda _: "its reservation ended",
    c.ReservationConverted: lambda _: "the reserved name became a project",
    c.ReservationRevoked: lambda _: "its reservation was revoked",
    c.ReservationTransferred: lambda _: "its reservation passed to another holder",
    c.ProjectCreated: lambda _: "the project was created",
    c.ReleasePublished: lambda it: f"release {it.version} was published with {_count(it.files, 'file')}",
    c.FileAdded: lambda it: f"file {it.file.filename} was added to release {it.version}",
    c.ReleaseYanked: lambda it: f"release {it.version} was yanked{_kind(it.kind)}",
    c.YankHeld: lambda it: f"a yank of release {it.version}{_kind(it.kind)} waits until {it.effective_at}",
    c.YankCancelled: lambda it: f"the waiting yank of release {it.version} was cancelled",
    c.YankReasonChanged: lambda it: f"the yank of release {it.version} has another reason{_kind(it.kind)}",
    c.ReleaseUnyanked: lambda it: f"the yank of release {it.version} was lifted",
    c.ReleaseUnpublished: lambda it: f"release {it.version} was removed",
    c.ReleaseRestored: lambda it: f"release {it.version}, which was removed, came back",
    c.ReleasePurged: lambda it: f"release {it.version} was removed for ever",
    c.ReleaseQuarantined: lambda it: f"release {it.version} was put into quarantine",
    c.ReleaseQuarantineCleared: lambda it: f"release {it.version} came out of quarantine",
    c.ReleaseDeprecated: lambda it: f"release {it.version} was deprecated{_advice(it.alternative)}",
    c.ReleaseUndeprecated: lambda it: f"release {it.version} is no longer deprecated",
    c.ReleaseClosed: lambda it: f"release {it.version} takes no more files",
    c.FileRemoved: lambda it: f"file {it.filename} of release {it.version} was removed",
    c.FileRestored: lambda it: f"file {it.filename} of release {it.version}, which was removed, came back",
    c.FilePurged: lambda it: f"file {it.filename} of release {it.version} was removed for ever",
    c.PlaceholderSet: lambda _: "the name became a placeholder: nothing is left of the project",
    c.ProjectRemoved: lambda it: f"the project was removed, with {_versions(it.versions) or 'no releases'}",
    c.ProjectRestored: lambda _: "the project, which was removed, came back",
    c.ProjectQuarantined: lambda _: "the project was put into quarantine",
    c.QuarantineCleared: lambda _: "the project came out of quarantine",
    c.ProjectArchived: lambda _: "the project was archived",
    c.ProjectUnarchived: lambda _: "the project is no longer archived",
    c.ProjectDeprecated: lambda it: f"the project was deprecated{_advice(it.alternative)}",
    c.ProjectUndeprecated: lambda _: "the project is no longer deprecated",
    c.ProjectLocked: lambda _: "the project was locked",
    c.ProjectUnlocked: lambda _: "the project was unlocked",
    c.ProjectAssigned: lambda _: "the project was assigned to an organisation, or to none",
    c.ProjectTransferred: lambda _: "the project passed to another holder, with its releases",
    c.DisplayNameChanged: lambda it: f"its name is spelled {it.display} now",
    c.ClaimGranted: lambda it: f"a claim of the name was granted until {it.expires_at}",
    c.ClaimedOpen: lambda it: f"the name was claimed until {it.expires_at}",
    c.NameProhibited: lambda _: "nobody may have the name any more",
    c.NameUnprohibited: lambda _: "the name is no longer prohibited",
    c.NamespaceGranted: lambda _: "the name was granted as a namespace",
    c.ChildGranted: lambda it: f"the name was granted as a namespace within {it.parent}",
    c.NamespaceShared: lambda it: f"the namespace is shared with {_count(it.shared_with, 'organisation')} now",
    c.NamespaceUnshared: lambda it: f"the namespace is shared with {_count(it.shared_with, 'organisation')} now",
    c.NamespaceTransferred: lambda _: "the namespace passed to another organisation",
    c.NamespaceEnded: lambda _: "the namespace ended",
    c.NamespacesMatched: _matched,
    c.TakedownListed: lambda it: f"takedown {it.id} ({it.kind}) was listed: {_versions(it.versions)}",
    c.TakedownConfirmed: lambda it: f"takedown {it.id} was confirmed",
    c.TakedownWithdrawn: lambda it: f"takedown {it.id} was withdrawn",
    c.TakedownCorrected: lambda it: f"takedown {it.id} has other external ids",
    c.SessionOpened: lambda it: f"an upload began; the name is kept until {it.expires_at}",
    c.SessionCancelled: lambda _: "an upload was given up",
    c.SessionExpired: lambda _: "an upload ran out of time",
}
