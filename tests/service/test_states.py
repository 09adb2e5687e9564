"""A state that is kept in memory is the one in the database: for every process, after every rollback."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from keys.state import NameState
from repo_service.accepting.intake import Item, Sender, record, record_all
from repo_service.accepting.turned_away import Refused
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.announcing import announce
from repo_service.storage import tables as t
from repo_service.storage.journal import Journal
from repo_service.storage.states import States
from repo_service.storage.tables import open_engine
from tests.world import BECAUSE, OWNER, World, publishing


def state_of(journal: Journal, name: str = "foo") -> NameState:
    with journal.reading() as view:
        found = view.name(name).state
    assert found is not None
    return found


def another(world: World) -> Journal:
    """The journal as another process has it open."""
    return Journal(open_engine(f"sqlite:///{world.service.folder / 'journal.sqlite'}"))


def test_what_was_read_or_written_is_not_read_again(world: World) -> None:
    world.record(publishing("foo"))
    ours, theirs = world.service.journal, another(world)
    assert state_of(ours) is state_of(ours)
    assert state_of(theirs) is state_of(theirs)
    assert state_of(theirs) == state_of(ours) and state_of(theirs) is not state_of(ours)


def test_what_another_process_wrote_is_seen_at_once(world: World) -> None:
    theirs = another(world)
    world.record(publishing("foo"))
    assert state_of(theirs).releases[0].yank is None
    world.record(r.Yank("foo", "1.0", BECAUSE, OWNER))
    assert state_of(theirs).releases[0].yank is not None
    with theirs.reading() as view:
        assert view.states(["foo", "bar"]) == {"foo": state_of(world.service.journal)}


def test_what_was_rolled_back_is_never_found(world: World) -> None:
    """Numbers of events and serials come again after a rollback; an edition does not."""
    world.record(publishing("foo"))
    ours = world.service.journal
    batch = [Item(r.Yank("foo", version, BECAUSE, OWNER)) for version in ("1.0", "9.9")]
    with pytest.raises(Refused):
        record_all(ours, batch, Sender("tests", "batch"), world.now)
    record(another(world), r.Deprecate("foo", BECAUSE, None, OWNER), Sender("tests", "theirs"), world.now)
    assert state_of(ours) == state_of(another(world))
    assert state_of(ours).deprecated is not None and state_of(ours).releases[0].yank is None


def test_every_writing_has_an_edition_of_its_own(world: World) -> None:
    """Also one that leaves serial and event as they were: nobody goes on with what was there before."""
    world.record(publishing("foo"))
    theirs, before = another(world), state_of(another(world))
    assert state_of(theirs) == before
    with world.service.journal.writing() as pen:
        pen.keep(c.Name("foo", replace(before, display="FOO"), None), None, None)
    assert state_of(theirs).display == "FOO"


def test_those_asked_for_longest_ago_go_first(tmp_path: Path) -> None:
    found = {name: named(tmp_path, name) for name in ("a", "b", "c")}
    states = States(budget=20)
    for state in found.values():
        states.put("1", state, 9)
        states.get("a", "1")
    assert [name for name in found if states.get(name, "1")] == ["a", "c"]
    states.put("2", found["a"], 15)
    assert [name for name in found if states.get(name, "1") or states.get(name, "2")] == ["a"]
    assert states.get("a", "1") is None, "an older edition is another state"
    states.put("3", found["b"], 21)
    assert [name for name in found if any(states.get(name, edition) for edition in "123")] == ["b"], "alone if need be"


def named(folder: Path, name: str) -> NameState:
    """A state of this name."""
    world = World(folder / name)
    world.record(publishing(name))
    return state_of(world.service.journal, name)


def test_the_row_holds_what_any_reader_of_json_can_read(world: World) -> None:
    world.record(publishing("foo"))
    with open_engine(f"sqlite:///{world.service.folder / 'journal.sqlite'}").connect() as connection:
        text = connection.scalar(select(t.names.c.state))
    assert text.startswith('{"display":"foo","event":2,')


def test_what_a_transaction_adds_and_takes_back_nobody_else_is_judged_by(world: World) -> None:
    """A registry's policies and flags are read once for as long as there are as many of them."""
    journal, later = world.service.journal, "2027-06-01T00:00:00Z"
    with journal.reading() as view:
        (first,) = view.policies()
    one, other = (
        announce(replace(world.service.named_policy(name), effective_from=later), (first,), world.now)
        for name in ("pypi", "pypi-strict")
    )
    with journal.trying() as pen:
        assert pen.policies() == (first,)
        pen.add_policy(one)
        assert pen.policies() == (first, one)
    with journal.writing() as pen:
        pen.add_policy(other)
    with journal.reading() as view:
        assert view.policies() == (first, other)
