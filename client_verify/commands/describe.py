"""Verified answers as text and as JSON: what a person asks to see of a name or of a repository."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, Timestamp

from client_verify import verdict
from client_verify.answers import Answer, ProvenAbsent
from client_verify.memory import Memory
from client_verify.session import Session
from client_verify.trust import Pin
from keys import layout, strict
from keys.state import Mark, NameState, Release
from keys.times import stamp


def as_json(session: Session, answer: Answer) -> dict[str, Any]:
    """An answer with the snapshot that proves it. Keys of ``state`` are those of the signed page."""
    snapshot = session.trusted.snapshot
    proof = {"repository": session.pin.name, "snapshot": snapshot.version}
    if isinstance(answer, ProvenAbsent):
        return {**proof, "name": answer.name, "expires": stamp(answer.expires), "state": None, "refused": "absent"}
    refused = verdict.of_name(answer.state)
    return {
        **proof,
        "name": answer.state.name,
        "expires": stamp(min(snapshot.expires, session.trusted.timestamp.expires)),
        "state": strict.dump(answer.state),
        "refused": None if refused is None else refused.code,
    }


def as_text(session: Session, answer: Answer) -> Iterator[str]:
    """An answer in lines."""
    if isinstance(answer, ProvenAbsent):
        yield f"{verdict.of_absence(answer).sentence}."
        return
    state = answer.state
    refused = verdict.of_name(state)
    yield f"{state.display}: {state.state} {_mark(state.since)}"
    if refused is not None:
        yield f"  not installable: {refused.sentence}."
    yield from _namespaces(state)
    for release in state.releases:
        yield f"  {_release(release)}"
    for entry in state.takedowns:
        yield f"  {', '.join(entry.versions)}  {verdict.takedown(entry)}"
        yield from (f"    sha256 {digest}" for digest in entry.sha256s)
    if state.history:
        yield "history"
    for act in state.history:
        yield f"  {act.mark.at[:10]}  {act.type}{f' {act.version}' if act.version else ''} {_by(act.mark)}"
    yield (
        f"signed as serial {state.serial}, generation {state.generation}, "
        f'in snapshot {session.trusted.snapshot.version} of "{session.pin.name}"'
    )


def status(pin: Pin, directory: Path, now: datetime) -> Iterator[str]:
    """What is pinned and was verified last, from this machine alone."""
    yield f"{pin.name}: {pin.url}"
    yield f"  pinned root {pin.fingerprint}{' (REHEARSAL)' if pin.is_rehearsal else ''}"
    file = directory / "metadata" / f"{layout.TIMESTAMP}.json"
    if not file.exists():
        yield "  nothing verified yet"
        return
    timestamp = Metadata[Timestamp].from_bytes(file.read_bytes()).signed
    late = "expired" if timestamp.is_expired(now) else "valid until"
    versions = f"timestamp {timestamp.version}, snapshot {timestamp.snapshot_meta.version}"
    yield f"  {versions}, {late} {stamp(timestamp.expires)}"
    memory = Memory(directory / "memory.sqlite")
    yield f"  {memory.count()} names remembered"
    for name, seen_at in memory.contradictions():
        yield f"  evidence kept: {name} contradicted itself on {seen_at}"


def _namespaces(state: NameState) -> Iterator[str]:
    """Whose the prefix is, and in whose namespaces the name is (PEP 752)."""
    if (grant := state.namespace) is not None:
        shared = f", shared with {', '.join(grant.shared_with)}" if grant.shared_with else ""
        yield f"  {state.name} and {state.name}-* are the namespace of {grant.owner} since {_mark(grant.mark)}{shared}"
    for each in state.namespaces if state.state == "registered" else ():
        whose = "and one of its own" if each.owned else "but not one of its own: it is somebody else's"
        yield f"  in the namespace {each.prefix}, {whose}"


def _release(release: Release) -> str:
    if release.removed is not None:
        return f"{release.version}  {release.state} {_mark(release.removed)}"
    if release.yank is not None:
        return f"{release.version}  yanked ({release.yank.kind}) {_mark(release.yank.mark)}"
    return f"{release.version}  published {release.published_at[:10]}"


def _mark(mark: Mark) -> str:
    return f"{mark.at[:10]} {_by(mark)}"


def _by(mark: Mark) -> str:
    reason = "" if mark.reason is None else f": {mark.reason.text or mark.reason.code}"
    return f"by {verdict.BY[mark.by]}{reason}"
