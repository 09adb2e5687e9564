"""Whatever a registry asks for, in whatever order: what must hold of every state, and between any two, for ever."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from keys import names, page, succession
from keys.invariants import broken_invariants
from keys.state import NameState, installable
from keys.times import stamp
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.case import Accepted
from repo_service.domain.evolve import evolve
from tests.domain.book import Book
from tests.domain.moves import NAMES, requests


class Lives(RuleBasedStateMachine):
    """Three names, any requests, and time. After every request the invariants of docs/FORMAT.md are looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.seen: dict[str, list[NameState]] = {name: [] for name in NAMES}
        self.bytes: dict[tuple[str, ...], str] = {}

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        for request in data.draw(st.lists(requests(stamp(self.book.now)), min_size=1, max_size=6)):
            self.ask_one(request)

    def ask_one(self, request: r.Request) -> None:
        before = self.book.names.get(request.name)
        decision = self.book.decide(request)
        if not isinstance(decision, Accepted):
            return
        self.book.do(request)
        after = self.book.names.get(request.name)
        if not decision.changes:
            assert after == before
            return
        assert after is not None and after.state is not None
        self.look(before.state if before else None, after.state, [c.type_of(change) for change in decision.changes])

    @rule(hours=st.sampled_from((1, 23, 24, 72, 24 * 30, 24 * 100, 24 * 200)))
    def time_passes(self, hours: int) -> None:
        self.book.tick(hours=hours)

    def look(self, before: NameState | None, after: NameState, events: list[str]) -> None:
        # I4: the serial moves with every event.
        assert after.serial == (before.serial if before else 0) + len(events)
        assert after.event > (before.event if before else 0)
        if before is not None:
            # I11: a new holder comes only where nothing is installable.
            assert after.generation in (before.generation, before.generation + 1)
            if after.generation > before.generation:
                assert not list(installable(before)) and after.state in ("reserved", "registered")
            # I12: out of a placeholder by a restoration or a new generation alone.
            if before.state == "placeholder" and after.state == "registered":
                assert "project.restored" in events and after.generation == before.generation
            # I13: once registered, never free again.
            if before.releases:
                assert after.state != "vacant"
        # evolve() never breaks a promise, towards any state that a client may hold (I1-I3).
        for held in self.seen[after.name]:
            assert succession.broken_promises(held, after) == ()
        assert succession.new_files_clash(after) == ()
        self.seen[after.name].append(after)

    @invariant()
    def every_state_is_one_that_may_be_signed(self) -> None:
        for name in self.book.names.values():
            state = name.state
            assert state is not None
            published = [release for release in state.releases if release.state == "published"]
            # I7: only a registered name has a published version, and it has at least one.
            assert bool(published) == (state.state == "registered")
            # I8: a quarantine hides every file.
            assert not (state.quarantine and list(installable(state)))
            # I16: every act says when and by whom.
            assert all(act.mark.at <= stamp(self.book.now) and act.mark.by for act in state.history)
            assert (name.holder is not None) == (state.state == "reserved")
            assert page.parse(page.render(state)) == state

    @invariant()
    def every_name_says_itself_which_namespaces_it_is_in_and_whether_it_is_theirs(self) -> None:
        """I21, and that grants which overlap have one owner."""
        granted = {name.name: name.orgs for name in self.book.names.values() if name.granted}
        for name in self.book.names.values():
            assert name.state is not None and broken_invariants(name.state, self.book.now) == []
            over = {prefix: orgs for prefix, orgs in granted.items() if names.is_under(name.name, prefix)}
            said = {each.prefix: each.owned for each in name.state.namespaces}
            assert said == {prefix: name.org in orgs for prefix, orgs in over.items()}
            assert len({orgs[0] for orgs in over.values()}) <= 1
            assert "org-" not in repr(name.state)

    @invariant()
    def a_file_name_and_an_artifact_stand_for_the_same_bytes_for_ever(self) -> None:
        """I1 and I2, over both names and every generation."""
        for name in self.book.names.values():
            for release in name.state.releases if name.state else ():
                for file in release.files:
                    for key in (("file", file.filename), (name.name, release.canonical, file.identity)):
                        assert self.bytes.setdefault(key, file.sha256) == file.sha256

    def teardown(self) -> None:
        """The fold of the events is the state."""
        folded: dict[str, c.Name] = {}
        for event in self.book.events:
            folded[event.name] = evolve(folded.get(event.name, c.Name(event.name, None, None)), event)
        assert folded == self.book.names


Lives.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestLives = Lives.TestCase
