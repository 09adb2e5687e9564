"""One repository at several addresses: what one of them does not give, the next is asked for.

The order is the person's: the address that the repository is pinned by, then its mirrors as they were added. The newest
timestamp among them is not looked for: a mirror that lags is as good as any until its timestamp expires, and one that
is frozen is warned of before that. Whoever verifies what arrives asks once more with another address first
(``beginning_with``).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Final, TypeVar

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface

from client_verify.fetching.layers import Layer

T = TypeVar("T")
_NOT_THERE: Final = (403, 404)


class Mirrors(Layer):
    """Asks for a file below the first of ``bases`` at each of them until one gives it; other files once.

    An address that cannot be reached is asked last from then on. Safe for several threads.
    """

    def __init__(self, inner: FetcherInterface, bases: tuple[str, ...]) -> None:
        super().__init__(inner)
        self._named = bases[0]
        self.bases = bases
        self._failed: set[str | None] = set()

    def beginning_with(self, place: int) -> "Mirrors":
        """The same addresses, those from a place on before those that came before it."""
        other = Mirrors(self.inner, self.bases)
        other.bases = (*self.bases[place:], *self.bases[:place])
        other._failed = self._failed
        return other

    @property
    def is_out_of_reach(self) -> bool:
        """Whether every address has failed to answer."""
        return self._failed.issuperset(self.bases)

    def addresses(self, url: str) -> list[str]:
        """Where a file may be had, in the order in which to ask."""
        if not url.startswith(f"{self._named}/"):
            return [url]
        path = url.removeprefix(self._named)
        return [f"{base}{path}" for base in sorted(self.bases, key=self._failed.__contains__)]

    def note(self, address: str, error: DownloadError) -> None:
        """Ask an address last from now on, if this error means that it cannot be reached."""
        if not _is_answer(error):
            self._failed.add(self._base(address))

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """What the first address gives that gives anything."""
        return self._first(url, lambda address: self.inner.download_bytes(address, max_length))

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """As ``download_bytes``, as an open file."""
        with ExitStack() as opened:
            yield self._first(url, lambda at: opened.enter_context(self.inner.download_file(at, max_length)))

    def _first(self, url: str, fetch: Callable[[str], T]) -> T:
        """What the first address gives that gives anything. Else DownloadError: that one has no such file counts for
        more than that another cannot be reached, since python-tuf's search for a newer root ends with it.
        """
        errors: list[DownloadError] = []
        for address in self.addresses(url):
            if any(map(_is_answer, errors)) and self._base(address) in self._failed:
                break  # nobody waits for it only to hear once more that there is no newer root
            try:
                return fetch(address)
            except DownloadError as error:
                errors.append(error)
                self.note(address, error)
        raise next(filter(_is_answer, errors), errors[0])

    def _base(self, address: str) -> str | None:
        return next((base for base in self.bases if address.startswith(f"{base}/")), None)


def _is_answer(error: DownloadError) -> bool:
    return isinstance(error, DownloadHTTPError) and error.status_code in _NOT_THERE
