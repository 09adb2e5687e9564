"""Verified answers as text and as JSON: what a person asks to see of a name."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from packaging.version import Version

from client_verify import verdict, withdrawals
from client_verify.accepted import NOTHING
from client_verify.answers import Answer, Found, ProvenAbsent
from client_verify.commands import terminal
from client_verify.session import Session
from client_verify.verdict import Refuse, Verdict
from keys import strict
from keys.state import Mark, NameState, Release, Takedown
from keys.times import stamp


def as_json(session: Session, answer: Answer) -> dict[str, Any]:
    """An answer with the snapshot that proves it: ``repository, snapshot, expires, name``; ``state`` with the keys of
    the signed page, null if the name is proven absent; ``refused``: the code if nothing of it may be installed;
    ``would_install``: the version that an installer would take; ``verdicts``: of each release ``version``, ``verdict``
    (install, warn, refuse), ``code`` and ``sentence``.
    """
    if isinstance(answer, ProvenAbsent):
        return {
            **proof(session),
            "name": answer.name,
            "state": None,
            "refused": "absent",
            "would_install": None,
            "verdicts": [],
        }
    state = answer.state
    refused = verdict.of_name(state)
    said = {each.version: verdict.of_version(state, each.version) for each in state.releases}
    return {
        **proof(session),
        "name": state.name,
        "state": strict.dump(state),
        "refused": None if refused is None else refused.code,
        "would_install": verdict.newest(state),
        "verdicts": [{"version": version, **verdict_as_json(each)} for version, each in said.items()],
    }


def proof(session: Session) -> dict[str, Any]:
    """What an answer rests on: ``repository``, ``snapshot`` (its version), and until when it ``expires``; ``log``, if
    the snapshot is proven to be in one: ``origin``, ``size``, ``index`` of its leaf, ``witnesses`` who have seen that,
    and ``seen_at``, when a quorum of them had (null if none must).
    """
    snapshot, timestamp = session.trusted.snapshot, session.trusted.timestamp
    expires = stamp(min(snapshot.expires, timestamp.expires))
    return {"repository": session.pin.name, "snapshot": snapshot.version, "expires": expires, "log": _log(session)}


def _log(session: Session) -> dict[str, Any] | None:
    if (logged := session.log.logged) is None:
        return None
    at, head = session.log.vouched_at, logged.head
    return {
        "origin": head.checkpoint.origin,
        "size": head.checkpoint.size,
        "index": logged.index,
        "witnesses": sorted(key.name for key in head.cosigned),
        "seen_at": None if at is None else stamp(at),
    }


def verdict_as_json(said: Verdict) -> dict[str, Any]:
    """A verdict: ``verdict`` (install, warn, refuse), ``code`` (null but for refusals) and ``sentence``."""
    code = said.code if isinstance(said, Refuse) else None
    return {"verdict": type(said).__name__.lower(), "code": code, "sentence": said.sentence}


def as_text(session: Session, answer: Answer) -> Iterator[str]:
    """An answer in lines of a terminal."""
    if isinstance(answer, ProvenAbsent):
        yield terminal.folded(f"{verdict.of_absence(answer).sentence}.", "", "  ")
        return
    state = answer.state
    since = f" since {_mark(state.since)}" if state.state == "registered" else ""  # of others the refusal says it
    yield terminal.folded(f"{state.display}: {state.state}{since}", "", "  ")
    for line in (_would(answer, session.now), *_lines(state)):
        yield terminal.folded(line, hanging="  ")
    yield from _listed(state)
    yield f"signed as serial {state.serial}, generation {state.generation}, {_proven(session)}"


def _proven(session: Session) -> str:
    rests = proof(session)
    log = rests["log"]
    seen = f", seen by {terminal.count(len(log['witnesses']), 'witness', 'witnesses')}" if log else ""
    logged = f"\n  leaf {log['index']} of the log {log['origin']}{seen}" if log else ""
    return f'in snapshot {rests["snapshot"]} of "{rests["repository"]}",\n  valid until {rests["expires"]}{logged}'


def _lines(state: NameState) -> Iterator[str]:
    for what, mark in (("archived", state.archived), ("locked", state.locked)):
        if mark is not None:
            yield f"{what} since {_mark(mark)}"
    if (advice := state.deprecated) is not None:
        yield f"deprecated since {_mark(advice.mark)}{f'. Use {advice.alternative}' if advice.alternative else ''}"
    if (kept := state.reservation) is not None:
        yield f"after that date it can still be renewed until {kept.grace_until[:10]}; renewed {kept.renewals} times"
    if state.event == 0:
        yield "said by the registry's offline keys: no online key can change it"
    if state.generation > 1:
        yield f"the name has passed to an unrelated holder before: this is generation {state.generation} of it"
    yield from _namespaces(state)


def _would(found: Found, now: datetime) -> str:
    state = found.state
    if (refused := verdict.of_name(state)) is not None:
        return f"not installable: {refused.sentence}."
    what = f"`pip install {state.name}` would install"
    if (version := verdict.newest(state)) is not None:
        refused = _lower(found, version, now)
        return f"{what} {version}" if refused is None else f"{what} nothing: {refused.sentence}."
    if (refused := verdict.of_no_choice(state, found.past)) is not None:
        return f"{what} nothing: {refused.sentence}."
    return f"{what} nothing: {'every release is yanked or removed' if state.releases else 'it has no release'}"


def _lower(found: Found, version: str, now: datetime) -> Refuse | None:
    """Why the newest version is not chosen on this machine for now, if that is so."""
    release = found.state.release(version)
    assert release is not None, "the newest is one of them"
    given = withdrawals.of_choice(found, release.present[0].filename, NOTHING, now)
    return given if isinstance(given, Refuse) else None


def _namespaces(state: NameState) -> Iterator[str]:
    """Whose the prefix is, and in whose namespaces the name is (PEP 752)."""
    if (grant := state.namespace) is not None:
        shared = f", shared with {', '.join(grant.shared_with)}" if grant.shared_with else ""
        yield f"{state.name} and {state.name}-* are the namespace of {grant.owner} since {_mark(grant.mark)}{shared}"
    for each in state.namespaces if state.state == "registered" else ():
        whose = "and one of its own" if each.owned else "but not one of its own: it is somebody else's"
        yield f"in the namespace {each.prefix}, {whose}"


def _listed(state: NameState) -> Iterator[str]:
    if state.releases:
        yield "releases, the newest first"
    for release in sorted(state.releases, key=_newest, reverse=True):
        yield terminal.folded(_release(release), hanging="  ")
    if state.takedowns:
        yield "takedowns"
    for entry in state.takedowns:
        yield from _takedown(entry)
    if state.history:
        yield "history"
    for act in state.history:
        what = f"{act.mark.at[:10]}  {act.type}{f' {act.version}' if act.version else ''} {_by(act.mark)}"
        yield terminal.folded(what, hanging="  ")


def _takedown(entry: Takedown) -> Iterator[str]:
    yield terminal.folded(f"{', '.join(entry.versions)}  {verdict.takedown(entry)}", hanging="  ")
    yield from (f"    sha256 {digest}" for digest in entry.sha256s)


def _release(release: Release) -> str:
    version = release.version
    if release.removed is not None:
        return f"{version}  {release.state} {_mark(release.removed)}"
    if release.quarantine is not None:
        return f"{version}  quarantined {_mark(release.quarantine)}"
    if release.yank is not None:
        return f"{version}  yanked ({release.yank.kind}) {_mark(release.yank.mark)}"
    return f"{version}  published {release.published_at[:10]}, {_files(release)}{''.join(_remarks(release))}"


def _files(release: Release) -> str:
    vouched = sum(file.provenance is not None for file in release.present)
    return f"{terminal.count(len(release.present), 'file')}{f', {vouched} with provenance' if vouched else ''}"


def _remarks(release: Release) -> Iterator[str]:
    if (advice := release.deprecated) is not None:
        instead = f"; use {advice.alternative}" if advice.alternative else ""
        yield f"; deprecated {_mark(advice.mark)}{instead}"
    if (held := release.held_yank) is not None:
        yield f"; will be yanked ({held.kind}) at {held.effective_at} unless cancelled, {_by(held.mark)}"
    for removal in release.removals:
        yield f"; {removal.filename} {removal.state} {_mark(removal.mark)}"


def _newest(release: Release) -> tuple[bool, Version | str]:
    return (True, Version(release.version)) if verdict.is_readable(release.version) else (False, release.version)


def _mark(mark: Mark) -> str:
    return f"{mark.at[:10]} {_by(mark)}"


def _by(mark: Mark) -> str:
    reason = "" if mark.reason is None else f": {mark.reason.text or mark.reason.code}"
    return f"by {verdict.BY[mark.by]}{reason}"
