"""Walks: what the registry says, a client outside sees, through the whole path."""

from keys.times import stamp
from repo_service.domain import requests as r
from tests.world import ADMIN, BECAUSE, OWNER, World, publishing


def test_what_is_published_is_seen_by_our_client_and_by_stock_tuf(world: World) -> None:
    world.do(publishing("flask"))
    assert [release.version for release in world.client().page("flask").state.releases] == ["1.0"]
    stock = world.stock()
    stock.refresh()
    target = stock.get_targetinfo("packages/flask/flask-1.0.tar.gz")
    assert target is not None and target.length == 1


def test_an_unpublished_last_version_leaves_a_placeholder_with_its_tombstone(world: World) -> None:
    world.do(publishing("gone"))
    world.tick(hours=1)
    no_dependents = r.Fact(0, stamp(world.now))
    world.do(r.Unpublish("gone", "1.0", BECAUSE, no_dependents, OWNER))
    state = world.client().page("gone").state
    assert state.state == "placeholder" and state.releases[0].state == "unpublished"
    assert world.stock().get_targetinfo("packages/gone/gone-1.0.tar.gz") is None


def test_quarantine_hides_every_file_and_clearing_brings_back_what_was(world: World) -> None:
    world.do(publishing("odd"))
    before = world.client().page("odd").state.releases
    world.do(r.Quarantine("odd", BECAUSE, ADMIN))
    assert world.stock().get_targetinfo("packages/odd/odd-1.0.tar.gz") is None
    world.do(r.Clear("odd", BECAUSE, ADMIN))
    assert world.client().page("odd").state.releases == before
