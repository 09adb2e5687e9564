"""Parsed states of names, so that a project of ten thousand files is not read anew for each change of one release."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final, TypeVar

from keys import strict
from keys.encoding import read_plain
from keys.state import NameState

Made = TypeVar("Made")
BUDGET: Final = 2 << 20
"""Characters of stored text whose values are kept; as values, with what is kept beside them (keys/kept.py), they take
many times as much memory. One is kept whatever its size: to read the largest anew is dearest.
"""


class States:
    """The newest state of a name that this process read or wrote, with the edition of its row.

    An edition is random and drawn anew at each writing: what is known under one is what that row holds, whichever
    process wrote it, and what was rolled back is never found again.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._left = budget
        self._kept: OrderedDict[str, tuple[str, NameState, int]] = OrderedDict()
        self._added: dict[str, tuple[int | None, Any]] = {}
        self._lock = Lock()

    def get(self, name: str, edition: str) -> NameState | None:
        """The state under this edition; None if it is not known, or another edition is."""
        with self._lock:
            known = self._kept.get(name)
            if known is None or known[0] != edition:
                return None
            self._kept.move_to_end(name)
            return known[1]

    def put(self, edition: str, state: NameState, size: int) -> None:
        """Keep one more, and let go of those that were asked for longest ago until all fit, or it alone is left."""
        with self._lock:
            if before := self._kept.pop(state.name, None):
                self._left += before[2]
            self._kept[state.name] = (edition, state, size)
            self._left -= size
            while self._left < 0 and len(self._kept) > 1:
                _, (_, _, gone) = self._kept.popitem(last=False)
                self._left += gone

    def added(self, kind: str, mark: int | None, read: Callable[[], Made]) -> Made:
        """What is only ever added to, as of ``mark``, which grows with it: read once for each mark."""
        with self._lock:
            known = self._added.get(kind)
        if known is None or known[0] != mark:
            known = (mark, read())
            with self._lock:
                self._added[kind] = known
        made: Made = known[1]
        return made

    def read(self, row: Mapping[Any, Any]) -> NameState:
        """The state in a whole row of ``names``."""
        if (known := self.get(row["name"], row["edition"])) is not None:
            return known
        state = strict.load(NameState, read_plain(row["state"]), f"names.{row['name']}")
        self.put(row["edition"], state, len(row["state"]))
        return state
