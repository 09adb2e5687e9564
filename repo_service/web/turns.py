"""How many requests are worked on at once. More of them would only take the interpreter from each other, and from who
publishes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, Final

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
ALONE, FEW = 1, 8
"""Where SQLite writes for one at a time anyway, and where a database elsewhere is waited for."""
_GATED: Final = "POST"
"""Changes. What is up- and downloaded takes its time elsewhere."""


class Turns:
    """A gate before an application, through which ``count`` changes pass at a time."""

    def __init__(self, count: int) -> None:
        self._free = BoundedSemaphore(count)

    def before(self, app: Wsgi) -> Wsgi:
        """The application, behind the gate."""

        def gated(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] != _GATED:
                return app(environ, start_response)
            with self._free:
                return app(environ, start_response)

        return gated

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Whoever is behind the gate and only waits lets another pass meanwhile."""
        self._free.release()
        try:
            yield
        finally:
            self._free.acquire()
