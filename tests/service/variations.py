"""Publishers that are wrong on purpose: the steps of the real one put together in an order that loses something.

They exist so that the crash matrix and the soak can show that they would notice. Nothing outside the tests uses them.
"""

from collections.abc import Callable
from typing import Any, Final

from repo_service.failpoint import failpoint
from repo_service.publishing import publish
from repo_service.publishing.press import Press
from repo_service.storage import local, s3
from repo_service.storage.journal import Journal
from repo_service.storage.view import View


def timestamp_first() -> None:
    """Point clients to a release before its files are there."""
    real = publish.finish

    def finish(press: Press, ending: int | None = None) -> None:
        with press.journal.reading() as view:
            staged = [view.stage(generation) for generation in view.staged()]
        for release in staged:
            press.depot.point(release.timestamp)
            failpoint("finish.pointed")
        real(press, ending)

    publish.finish = finish


def upload_before_commit() -> None:
    """Show a release before it is true: copied out and pointed to, then committed."""
    real: Callable[..., None] = Journal.commit

    def commit(journal: Journal, release: Any, *rest: Any) -> None:
        press = _PRESS[0]
        press.depot.add((path, body) for path, body, _ in release.immutable)
        failpoint("finish.added")
        press.depot.point(release.timestamp.body)
        failpoint("finish.pointed")
        real(journal, release, *rest)

    Journal.commit = commit  # type: ignore[assignment,method-assign]


def pointer_unguarded() -> None:
    """Move the pointer wherever the caller says, also back."""
    for module in (local, s3):
        setattr(module, "moves", lambda *_: True)  # noqa: B010 - they import it by name


def event_forgotten() -> None:
    """Sign all pending events but the newest, and mark that one too: it is in a release and in no page."""
    real: Callable[..., tuple[tuple[int, ...], tuple[str, ...]]] = View.pending

    def pending(view: View, bulk: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
        events, names = real(view, bulk)
        return events, names[:-1] if len(names) > 1 else names

    View.pending = pending  # type: ignore[assignment,method-assign]


_PRESS: list[Press] = []
"""The press of this process, for steps that the real publisher does not hand it to."""

VARIATIONS: Final[dict[str, Callable[[], None]]] = {
    "": lambda: None,
    "timestamp first": timestamp_first,
    "upload before commit": upload_before_commit,
    "pointer unguarded": pointer_unguarded,
    "event forgotten": event_forgotten,
}


def vary(name: str, press: Press) -> None:
    """Make this process's publisher the wrong one of that name; an empty name leaves it right."""
    _PRESS[:] = [press]
    VARIATIONS[name]()
