"""Walks: what the registry says, a client outside sees, through the whole path."""

import pytest
from tuf.api.exceptions import RepositoryError

from keys.times import stamp
from repo_service.accepting.turned_away import Refused
from repo_service.domain import requests as r
from repo_service.publishing.roots import NotTakenIn
from tests.world import ADMIN, BECAUSE, OWNER, URL, Mirror, World, publishing, root_of_trust


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


def test_a_mirror_cannot_serve_held_for_bins_although_one_type_and_the_same_keys_signed_both(world: World) -> None:
    metadata = world.public / "metadata"
    (metadata / "1.bins.json").write_bytes((metadata / "1.held.json").read_bytes())
    with pytest.raises(RepositoryError):
        world.stock().get_targetinfo("simple/flask/vnd.pypi.simple.v1.json")


def test_a_second_ceremony_replaces_a_holder_and_holds_a_name_while_clients_go_on(world: World) -> None:
    world.do(publishing("flask"))
    world.client("cached").page("flask")
    world.tick(days=30)
    world.service.round()
    world.take_in(root_of_trust(world.now, world.trust, holders=(1, 2, 4), held=("internal",)))
    assert world.trust.root.version == 2
    for client in ("cached", "fresh"):
        assert world.client(client).page("flask").state.state == "registered"
        assert world.client(client).page("internal").state.state == "prohibited"
    with pytest.raises(Refused, match="offline keys"):
        world.record(publishing("internal"))


def test_a_sealed_folder_that_does_not_continue_ours_is_not_taken_in(world: World) -> None:
    with pytest.raises(NotTakenIn, match="trusts another root 1"):
        world.take_in(root_of_trust(world.now, days=300))


def test_an_idle_repository_stays_fresh_for_forty_days(world: World) -> None:
    world.do(publishing("flask"), r.CloseRelease("flask", "1.0"))
    for _ in range(40):
        world.tick(days=1)
        world.service.round()
        assert world.client().page("flask").state.serial == 3


def test_a_project_may_be_called_like_a_folder_or_a_role_of_ours(world: World) -> None:
    """Edge case 21: a name is one segment below a folder, so it never meets a path of another kind."""
    named = ("simple", "packages", "policy", "targets", "metadata", "root", "held", "bins", "bin-0", "index", "xn-foo")
    world.do(*(publishing(name, content=name.encode()) for name in named))
    client, stock = world.client(), world.stock()
    for name in named:
        state = client.page(name).state
        assert (state.name, state.state) == (name, "registered")
        filename = state.releases[0].files[0].filename
        assert stock.get_targetinfo(f"packages/{name}/{filename}") is not None


def test_a_client_that_comes_back_reads_the_deltas_that_the_service_drew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.do(publishing("flask"))
    world.client().page("flask")
    for number in range(3):
        world.do(publishing("flask", f"1.{number + 1}"))
    asked: list[str] = []
    fetch = Mirror._fetch
    monkeypatch.setattr(Mirror, "_fetch", lambda self, url: (asked.append(url.removeprefix(URL)), fetch(self, url))[1])
    assert len(world.client().page("flask").state.releases) == 4
    drawn = [path for path in asked if path.startswith("/deltas/")]
    assert {path.rpartition(".")[0].split(".")[-1].split("-")[0] for path in drawn} == {"snapshot", "bin"}
    assert [path for path in asked if "snapshot.json" in path or (".bin-" in path and path not in drawn)] == []
