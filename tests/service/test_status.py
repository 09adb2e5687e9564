"""``tallystick-service status``: what it says of a service that is well, and what it advises where it is not."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from repo_service.cli import main
from repo_service.operating.status import Status
from repo_service.storage.depot import Diverged
from repo_service.storage.overview import Lane, Lease
from tests.world import World, publishing


def said(status: Status) -> str:
    """What people read, in 80 columns; lines that were folded are joined again."""
    text = status.text()
    assert max(map(len, text.splitlines())) <= 80
    return " ".join(text.split())


def test_a_service_that_is_well_says_so_and_what_is_signed_again_when(world: World) -> None:
    text = said(world.service.status())
    assert text.endswith("All is well.")
    assert "log registry.test/log: 7 leaves, cosigned by no witness" in text
    assert "public: timestamp 1" in text and "(the first of 4 bins)" in text
    assert "signed again 2026-11-22T15:45:36Z" in text  # a timestamp of 3 days, after 8 % of it
    assert re.search(r"root 1 expires 2027-11-22T10:00:00Z, in 365 days targets 1", text)


def test_an_event_that_waits_is_shown_with_its_lane_and_what_to_do(world: World) -> None:
    world.record(publishing("foo"))
    world.tick(minutes=2)
    assert "lane now: 2, the oldest for 2 minutes" in said(world.service.status())
    assert said(world.service.status()).endswith("All is well.")
    world.tick(seconds=1)
    assert "An event has waited for 2 minutes. Does a publisher run" in said(world.service.status())


def test_a_depot_that_is_behind_or_gone_or_ahead_is_told_apart(world: World) -> None:
    alien = world.public / "metadata/2.snapshot.json"
    alien.write_bytes(b"alien")
    world.record(publishing("foo"))
    with pytest.raises(Diverged):
        world.service.round()
    status = world.service.status()
    assert status.pointer == 1 and "1 of the releases are committed and not copied out" in said(status)
    older = replace(status, its=replace(status.its, generation=0, staged=0))
    assert "The depot is at 1 and the journal at 0" in said(older) and "Publish nothing" in said(older)
    (world.public / "metadata/timestamp.json").unlink()
    assert "The depot has no timestamp that can be read" in said(world.service.status())
    (world.public / "metadata/timestamp.json").write_bytes(b"{}")
    assert world.service.status().pointer is None


def test_what_is_overdue_or_has_expired_or_needs_a_ceremony_is_named(world: World) -> None:
    world.tick(hours=6, minutes=17)
    assert "timestamp was due 31 minutes ago. Does a publisher run" in said(world.service.status())
    world.tick(days=4)
    assert "timestamp has expired: every client refuses." in said(world.service.status())
    assert "timestamp 1 HAS EXPIRED" in said(world.service.status())
    world.tick(days=272)
    assert "root 1 expires in less than 90 days: hold a ceremony" in said(world.service.status())


def test_who_holds_the_lease_is_shown_and_when_it_is_free(world: World) -> None:
    status = world.service.status()
    lease = Lease("host-7 4711 ab.cd", 12, status.now.timestamp() + 8)
    assert "lease: held by host-7 4711 ab.cd, for 8 seconds; taken 12 times" in said(_with(status, lease))
    assert "lease: free; taken 12 times" in said(_with(status, replace(lease, holder="", until=0)))
    assert len(_with(status, replace(lease, holder="h" * 200)).text().splitlines()) > 5
    assert said(_with(status, replace(lease, holder="host " * 40)))


def _with(status: Status, lease: Lease) -> Status:
    return replace(status, its=replace(status.its, lease=lease))


def test_a_long_bulk_lane_is_no_reason_to_worry(world: World) -> None:
    status = world.service.status()
    bulk = Lane("bulk", 900_000, status.now - timedelta(hours=1))
    busy = replace(status, its=replace(status.its, lanes=(status.its.lanes[0], bulk)))
    assert "lane bulk: 900000, the oldest for 60 minutes" in said(busy) and said(busy).endswith("All is well.")


def test_programs_get_the_same_as_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.record(publishing("foo"))
    assert main(["status", str(world.service.folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["generation"], found["storage_generation"], found["pending"], found["bins"]) == (1, 1, 2, 4)
    assert set(found["roles"]) == {"root", "targets", "held", "bins", "snapshot", "timestamp", "bin-0"}
    assert found["roles"]["root"]["due"] is None and found["roles"]["timestamp"]["due"] == "2026-11-22T15:45:36Z"
    assert found["lanes"]["now"]["pending"] == 2 and found["lease"]["holder"] == ""
