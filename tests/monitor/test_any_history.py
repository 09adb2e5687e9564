"""Of no history of an honest registry does the monitor find anything: it makes every page, bin, snapshot and timestamp
again, to the byte.

The same random requests as tests/walks/test_any_history.py, with the service dying at its named points; the monitor
looks after every round, and before anybody repairs anything.
"""

import os
from random import Random
from typing import Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import rule

from repo_service.monitor.auditing import EVERYTHING, audit
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.following import follow
from repo_service.monitor.reading import Folder
from tests.walks.test_any_history import Registry

UNDER_WAY: Final = {"timestamp-behind"}
"""What a registry that died may show until it goes on."""


class Watched(Registry):
    """A registry, and a monitor that was there from the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(self.folder / "monitor")

    def check(self) -> None:
        assert self.found() == []

    def look(self) -> None:
        assert [each for each in self.found() if each.code not in UNDER_WAY] == []

    def found(self) -> list[Finding]:
        pin = self.world.trust.roots[0].data
        return [*audit(Folder(self.world.public), self.book, pin, self.world.now, EVERYTHING, Random(1))]

    @rule()
    def another_monitor(self) -> None:
        """One that begins today reads all of the log, and finds no more."""
        book = Book(self.folder / f"monitor-{len(list(self.folder.iterdir()))}")
        pin = self.world.trust.roots[0].data
        assert [*follow(Folder(self.world.public), book, pin, self.world.now)] == []
        book.close()

    def teardown(self) -> None:
        self.book.close()
        super().teardown()


EXAMPLES: Final = int(os.environ.get("TALLYSTICK_EXAMPLES", "8"))
Watched.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    derandomize=EXAMPLES == 8,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestAnyHistory = Watched.TestCase
