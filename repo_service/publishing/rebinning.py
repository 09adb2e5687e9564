"""The whole content of the bins that a release signs, each put together when it is asked for: of all there may be many
gigabytes.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Final

from keys import layout
from repo_service.build.assemble import Differences
from repo_service.build.due import AT_ONCE
from repo_service.storage.view import View

MOST_KEPT: Final = AT_ONCE
"""Of no more bins each is kept in memory for whoever asks again, as the check does: of a change, and of what is signed
again beside it. Of those that come by thousands none is, for all have been asked for before the first is again.
"""


class Contents(Mapping[int, Mapping[str, str]]):
    """The bins of these numbers, as the newest release of a view has them and with what is new. Good for as long as the
    view is open.
    """

    def __init__(self, view: View, numbers: Collection[int], shape: layout.Bins, new: Differences) -> None:
        self._view, self._numbers, self._shape = view, numbers, shape
        self._gone, self._placed = frozenset(new.gone), new.placed
        self._kept: dict[int, Mapping[str, str]] = {}

    def __getitem__(self, number: int) -> Mapping[str, str]:
        whole = self._kept.get(number)
        if whole is None:
            whole = self._put_together(number)
            if len(self._numbers) <= MOST_KEPT:
                self._kept[number] = whole
        return whole

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def _put_together(self, number: int) -> Mapping[str, str]:
        entries = self._signed(number)
        for path in self._gone & entries.keys():
            del entries[path]
        return entries | {each.target.path: each.target.entry for each in self._placed.of(number)}

    def _signed(self, number: int) -> dict[str, str]:
        return self._view.bin(number)


class Rebinned(Contents):
    """Every target in the bin that another number of bins gives it.

    A bin's number is the first bits of a hash, so a bin of more comes out of one of fewer, and one of fewer out of
    several neighbours of more: little is read at a time.
    """

    def __init__(self, view: View, before: layout.Bins, after: layout.Bins, new: Differences) -> None:
        super().__init__(view, range(len(after)), after, new)
        self._deeper = after.bit_length - before.bit_length
        self._former = lru_cache(maxsize=1)(view.bin)

    def _signed(self, number: int) -> dict[str, str]:
        deeper = self._deeper
        former = [number >> deeper] if deeper >= 0 else range(number << -deeper, (number + 1) << -deeper)
        return {
            path: entry
            for each in former
            for path, entry in self._former(each).items()
            if self._shape.number(path) == number
        }
