"""What stands between python-tuf and a repository's servers: deltas before mirrors before HTTP, in limited time.

Nothing here judges what arrives. Who does may try again, in other ways, before saying that it is an attack.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tuf.ngclient.fetcher import FetcherInterface

from client_verify.fetching import inflate
from client_verify.fetching.deltas import Deltas
from client_verify.fetching.layers import Hurried, Layer
from client_verify.fetching.mirrors import Mirrors
from client_verify.fetching.offline import Offline

TOTAL_SECONDS: Final = 180.0
"""In which all of a refresh, or of an answer to a question, must have begun to arrive, by each of the ways."""


class Supply(Layer):
    """``bases`` are a repository's addresses, its own first, ``directory`` its data directory; ``fetcher`` is the way
    out of this machine. ``content`` fetches files in their own time, for whoever verifies them by hash.
    """

    def __init__(self, bases: tuple[str, ...], directory: Path, fetcher: FetcherInterface) -> None:
        # What is on this machine stands for all addresses at once.
        self.content = Mirrors(fetcher, bases[:1] if isinstance(fetcher, Offline) else bases)
        self._hurried = Hurried(self.content, TOTAL_SECONDS)
        self._place = 0
        found = inflate.available()
        self._deltas = None if found is None else Deltas(self._hurried, bases[0], directory, found)
        super().__init__(self._deltas or self._hurried)

    def begin(self) -> None:
        """A new question, before it is known which way: all of its time is still ahead."""
        self._hurried.begin()

    def ways(self) -> Iterator[None]:
        """Once for the way as it is; then, if deltas were used, without them; then with each other address first.

        Whoever stops asking stays with the way that did. Deltas are not used again once something did not verify.
        """
        self.begin()
        yield
        if self._deltas is not None and self._deltas.used and self.inner is self._deltas:
            yield from self._whole()
        for place in [place for place in range(len(self.content.bases)) if place != self._place]:
            if self.content.is_out_of_reach:
                return
            self._place = place
            self._hurried.inner = self.content.beginning_with(place)
            yield from self._whole()

    def keep(self) -> None:
        """What was made is trusted: keep what the next deltas lead from."""
        if self._deltas is not None:
            self._deltas.keep_anchor()

    @property
    def tried(self) -> str:
        """For the end of a refusal: where else was asked, if anywhere."""
        others = self.content.bases[1:]
        return f". Its mirrors gave nothing better: {', '.join(others)}" if others else ""

    def _whole(self) -> Iterator[None]:
        self.inner = self._hurried
        self.begin()
        yield
