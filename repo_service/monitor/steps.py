"""Is a step one that the tables allow? Each type of event asks machines of repo_service/domain/machines.py.

``evolve`` asserts what cannot be folded. Here every machine is asked, with the class of actor, and answers in words.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from keys.state import NameState
from keys.state import Release as ReleaseState
from repo_service.domain import changes as c
from repo_service.domain import machines
from repo_service.domain.machines import Machine

Stands = Callable[[NameState | None, Any], str]
"""Where a name, or what a change is about, stands in a machine."""
NOWHERE: Final = "nowhere"
"""Where what is not there stands: no row leads from it."""


def illegal_steps(before: NameState | None, event: c.Event) -> Iterator[str]:
    """Why no table allows this event; nothing if it is allowed."""
    kind = c.type_of(event.change)
    for machine, stands in _ASKS.get(kind, ()):
        source = stands(before, event.change)
        if machines.row_for(machine, source, kind, event.by) is None:
            allowed = sorted({actor for row in machines.rows(machine, source, kind) for actor in row.actors})
            yield f"{event.by} did {kind} from {source}; {' or '.join(allowed) or 'nobody'} may"


def _name(state: NameState | None, change: object) -> str:
    del change
    return machines.name_state(state)


def _project(stands: Callable[[NameState], str]) -> Stands:
    return lambda state, _: NOWHERE if state is None else stands(state)


def _release(stands: Callable[[ReleaseState], str]) -> Stands:
    def ask(state: NameState | None, change: Any) -> str:
        release = state.release(change.version) if state else None
        return NOWHERE if release is None else stands(release)

    return ask


def _published(stands: Callable[[ReleaseState], str]) -> Stands:
    """Of what is about a release that is there."""
    return _release(lambda release: stands(release) if release.state == "published" else release.state)


def _new(state: NameState | None, change: c.ReleasePublished) -> str:
    release = state.release_of(change.canonical) if state else None
    return "none" if release is None else release.state


def _file(state: NameState | None, change: Any) -> str:
    release = state.release(change.version) if state else None
    if release is None or change.filename not in [file.filename for file in release.files]:
        return NOWHERE
    return machines.file_state(release, change.filename)


def _takedown(state: NameState | None, change: Any) -> str:
    entries = state.takedowns if state else ()
    return next((entry.status for entry in entries if entry.id == change.id), "none")


def _namespace(state: NameState | None, change: object) -> str:
    del change
    return machines.namespace_state(state)


def _held(state: NameState | None, change: object) -> str:
    del change
    return NOWHERE if state is None or state.state != "registered" else "held"


def _rows() -> Mapping[str, tuple[tuple[Machine, Stands], ...]]:
    asked: tuple[tuple[Machine, Stands], ...] = (
        (machines.NAME, _name),
        (machines.HOLDING, _held),
        (machines.QUARANTINE, _project(machines.quarantine_state)),
        (machines.STATUS, _project(machines.status_state)),
        (machines.LOCK, _project(machines.lock_state)),
        (machines.RELEASE_QUARANTINE, _release(machines.release_quarantine_state)),
        (machines.DEPRECATION, _published(machines.deprecation_state)),
        (machines.WINDOW, _published(machines.window_state)),
        (machines.YANK, _published(machines.yank_state)),
        (machines.FILE, _file),
        (machines.NAMESPACE, _namespace),
        (machines.TAKEDOWN, _takedown),
    )
    rows = [(row.event, each) for each in asked for row in each[0]]
    rows += [(row.event, (machines.RELEASE, _new if row.source == "none" else _state)) for row in machines.RELEASE]
    return {event: tuple(dict.fromkeys(each for kind, each in rows if kind == event)) for event, _ in rows}


_state: Final = _release(lambda release: release.state)
_ASKS: Final = _rows()
