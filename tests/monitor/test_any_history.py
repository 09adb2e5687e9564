"""Of no history of an honest registry does the monitor find anything: it makes every page, bin, snapshot and timestamp
again, to the byte.

The same random requests as tests/walks/test_any_history.py, with the service dying at its named points; the monitor
looks after every round, and before anybody repairs anything.
"""

import os
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, Final, get_args

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from keys import trust
from keys.times import stamp
from repo_service.accepting import halting
from repo_service.domain import flags
from repo_service.monitor.auditing import EVERYTHING, audit
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.following import follow
from repo_service.monitor.reading import Folder
from tests.domain.book import POLICY
from tests.walks.test_any_history import Registry
from tests.world import BECAUSE, root_of_trust

UNDER_WAY: Final = {"timestamp-behind"}
"""What a registry that died may show until it goes on."""


class Watched(Registry):
    """A registry, and a monitor that was there from the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(self.folder / "monitor")
        self.policies = 0

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

    @rule(flag=st.sampled_from(get_args(flags.Flag)), hours=st.none() | st.integers(1, 48))
    def halt(self, flag: flags.Flag, hours: int | None) -> None:
        """An admin halts something; perhaps the clock lets it go on."""
        until = hours and stamp(self.world.now + timedelta(hours=hours))
        halting.set_flag(self.world.service.journal, flags.SetFlag(flag, BECAUSE, until), "tests", None, self.world.now)
        self.publish()

    @rule(flag=st.sampled_from(get_args(flags.Flag)))
    def let_go_on(self, flag: flags.Flag) -> None:
        halting.clear_flag(self.world.service.journal, flags.ClearFlag(flag, BECAUSE), "tests", None, self.world.now)

    @rule(
        owner=st.sampled_from(("always", "window", "never")),
        claim=st.sampled_from(("support", "open_after")),
        open_to_owners=st.booleans(),
        at_once=st.sampled_from((True, False)),
    )
    def announce(self, owner: Any, claim: Any, open_to_owners: bool, at_once: bool) -> None:
        """Another policy comes, at once or after its notice."""
        later = stamp(self.world.now + timedelta(days=POLICY.announcement.notice_days))
        self.policies += 1
        policy = replace(
            POLICY,
            name="own",
            version=self.policies,
            emergency="a worm" if at_once else None,
            effective_from=None if at_once else later,
            unpublish=replace(POLICY.unpublish, owner=owner),
            placeholder=replace(POLICY.placeholder, claim=claim),
            yank=replace(POLICY.yank, open_to_owners=open_to_owners),
        )
        self.world.service.announce(policy, ("admin-1", "admin-2"))
        self.publish()

    @precondition(lambda self: self.world.trust.root.version < 4)
    @rule(bins=st.sampled_from((4, 8, 32)))
    def hold_a_ceremony(self, bins: int) -> None:
        """Another number of bins."""
        if len(trust.bins_shape(self.world.trust.targets("bins"))) != bins:
            self.world.take_in(root_of_trust(self.world.now, self.world.trust, bins=bins))
            self.publish()

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
