
from client_verify.answers import Found, ProvenAbsent
from tests import paper


def test_a_published_name_is_found_as_it_was_said(world):
    state = paper.project(world.now, "flask", paper.release(world.now, "1.0", paper.wheel("flask", "1.0")))
    world.repository.say(state)
    world.publish()
    assert world.session().page("flask") == Found(state)


def test_an_unknown_name_is_proven_absent_by_a_snapshot_and_until_a_date(world):
    world.publish()
    assert world.session().page("nobody") == ProvenAbsent("nobody", 1, world.now + paper.DAY)
