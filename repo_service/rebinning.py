"""Every target in the bin that another number of bins gives it, of which little is in memory at a time."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from keys import layout
from repo_service.build.assemble import Differences
from repo_service.storage.journal import Journal


class Rebinned(Mapping[int, Mapping[str, str]]):
    """The whole content of every bin of another number of bins, each put together when it is asked for.

    A bin's number is the first bits of a hash, so a bin of more comes out of one of fewer, and one of fewer out of
    several neighbours of more: little is read at a time. What is read changes with the next release only, and then the
    commit of this one fails.
    """

    def __init__(self, journal: Journal, before: layout.Bins, after: layout.Bins, new: Differences) -> None:
        self._journal, self._before, self._after = journal, before, after
        self._gone = frozenset((*new.gone, *(each.target.path for each in new.placed)))
        self._placed: dict[int, dict[str, str]] = {}
        for each in new.placed:
            self._placed.setdefault(each.bin, {})[each.target.path] = each.target.entry
        self._read = lru_cache(maxsize=1)(self._read_bin)

    def __getitem__(self, number: int) -> Mapping[str, str]:
        deeper = self._after.bit_length - self._before.bit_length
        former = [number >> deeper] if deeper >= 0 else range(number << -deeper, (number + 1) << -deeper)
        entries = {
            path: entry
            for each in former
            for path, entry in self._read(each).items()
            if self._after.number(path) == number and path not in self._gone
        }
        return entries | self._placed.get(number, {})

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._after)))

    def __len__(self) -> int:
        return len(self._after)

    def _read_bin(self, number: int) -> Mapping[str, str]:
        with self._journal.reading() as view:
            return view.bin(number)
