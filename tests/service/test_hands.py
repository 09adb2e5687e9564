"""Names that change hands, over HTTP and in the eyes of a client that knew them before."""

from pathlib import Path
from typing import Any

import pytest

from client_verify.accepted import Accepted
from client_verify.refusals import Refused
from keys import strict
from keys.times import stamp
from repo_service.accepting import intake
from repo_service.domain import requests as r
from tests.service.door import OWNER, Door
from tests.world import BECAUSE, World, publishing


def verified(world: World, account: str) -> r.Actor:
    """An owner whose contact was looked up now."""
    return r.Actor("owner", account, r.Contact("verified", stamp(world.now)))


def recipient(world: World, account: str = "account-2") -> dict[str, Any]:
    return {"id": account, "contact": {"state": "verified", "as_of": stamp(world.now)}}


def test_a_project_is_transferred_and_a_client_installs_on_without_a_question(world: World) -> None:
    world.do(publishing("foo"))
    client = world.client()
    client.page("foo")
    door = Door(world, "registry")
    body = {"actor": OWNER, "recipient": recipient(world), "reason": {"code": "sold"}}
    answer = door.post("/v1/projects/foo/transfer", body)
    assert answer.status_code == 200 and answer.get_json()["changed"]
    state = world.client().page("foo").state
    assert (state.holder_epoch, state.generation, state.history[-1].type) == (1, 1, "transfer.accepted")
    assert b"account" not in door.get("/v1/events").data


def test_a_cancelled_session_leaves_a_free_name_and_no_generation(world: World) -> None:
    """Edge case 11."""
    door = Door(world, "registry")
    for account, status in (("account-1", 200), ("account-2", 409)):
        answer = door.post("/v1/names/foo/open-session", {"actor": {"id": account}})
        assert answer.status_code == status, answer.data
    assert answer.get_json()["code"] == "name_reserved"
    assert door.post("/v1/names/foo/release", {"actor": {"id": "account-1"}}).status_code == 200
    assert door.post("/v1/names/foo/open-session", {"actor": {"id": "account-2"}}).status_code == 200
    world.tick(days=7)
    world.service.round()
    assert (world.client().page("foo").state.state, world.client().page("foo").state.generation) == ("vacant", 1)


def open_claims(folder: Path) -> Path:
    """A policy by which placeholders open to everybody after a day."""
    path = folder / "open.toml"
    path.write_text('extends = "standard"\nname = "open"\nversion = 1\n[placeholder]\nclaim = "open_after"\n')
    return path


def test_a_placeholder_that_a_stranger_claims_is_a_new_generation_that_clients_ask_about(tmp_path: Path) -> None:
    """Edge case 3: the old snapshot refuses as a placeholder, the new one until a person confirms."""
    world = World(tmp_path / "world", f'policy = "{open_claims(tmp_path)}"')
    owner, stranger = (verified(world, account) for account in ("account-1", "account-2"))
    world.do(publishing("foo", actor=owner), r.Unpublish("foo", "1.0", BECAUSE, r.Fact(0, stamp(world.now)), owner))
    before = world.client()
    assert before.page("foo").state.state == "placeholder"
    door, body = Door(world, "registry"), {"actor": strict.dump(stranger)}
    answer = door.post("/v1/names/foo/claim-open", body)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "name_placeholder")
    world.tick(days=1)
    assert (
        door.post("/v1/names/foo/claim-open", {"actor": strict.dump(verified(world, "account-2"))}).status_code == 200
    )
    assert before.page("foo").state.state == "placeholder"
    world.do(publishing("foo", "2.0", actor=verified(world, "account-2")))
    with pytest.raises(Refused) as asked:
        world.client().page("foo")
    assert asked.value.code == "new-generation" and "generation 2" in str(asked.value)
    assert world.client(accepted=Accepted(generations=frozenset({"foo"}))).page("foo").state.generation == 2


def test_the_journal_remembers_whose_a_placeholder_was(tmp_path: Path) -> None:
    world = World(tmp_path / "world", f'policy = "{open_claims(tmp_path)}"')
    owner = verified(world, "account-1")
    world.do(publishing("foo", actor=owner))
    world.do(r.TransferProject("foo", r.Recipient("account-2", owner.contact), owner))
    world.do(r.Unpublish("foo", "1.0", BECAUSE, r.Fact(0, stamp(world.now)), r.Actor("owner", None, owner.contact)))
    with pytest.raises(intake.Refused, match="only by its last holder"):
        world.record(r.ClaimOpen("foo", owner))
    assert world.record(r.ClaimOpen("foo", verified(world, "account-2"))).events == 1
