"""Changes pass the door in turn, and who only waits is in nobody's way."""

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from repo_service.web.turns import Turns
from tests.service.door import Door, Silent, publication
from tests.world import World


class Counting:
    """An application that knows how many requests it was at work on at once."""

    def __init__(self) -> None:
        self.most = 0
        self._here = 0
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: object) -> Iterable[bytes]:
        with self._lock:
            self._here += 1
            self.most = max(self.most, self._here)
        time.sleep(0.1)
        with self._lock:
            self._here -= 1
        return []


def most_at_once(method: str, count: int) -> int:
    """Of six requests, where so many have a turn."""
    app = Counting()
    gated = Turns(count).before(app)
    with ThreadPoolExecutor(6) as clients:
        list(clients.map(lambda _: gated({"REQUEST_METHOD": method}, None), range(6)))
    return app.most


def test_so_many_changes_are_worked_on_at_once() -> None:
    assert most_at_once("POST", 1) == 1
    assert 1 < most_at_once("POST", 3) <= 3


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_is_no_change_waits_for_no_turn(method: str) -> None:
    assert most_at_once(method, 1) > 1


def test_a_request_that_fails_leaves_its_turn_to_the_next(world: World) -> None:
    door = Door(world, bell=Silent())
    assert door.post("/v1/projects/foo/releases/1.0/publish", {"nonsense": 1}).status_code == 422
    assert door.publish("foo").status_code == 202


def test_who_waits_to_be_signed_lets_others_pass(world: World) -> None:
    bell = Silent()  # nothing is ever signed
    door = Door(world, bell=bell)
    with ThreadPoolExecutor(1) as other:
        began = time.monotonic()
        waiting = other.submit(lambda: door.publish("foo", Prefer="wait=3"))
        while bell.rings == 0:
            time.sleep(0.01)
        body = publication("bar")
        assert door.post("/v1/projects/bar/releases/1.0/publish", body).status_code == 202
        assert time.monotonic() - began < 2, "it stood behind one that only waits"
        assert waiting.result().status_code == 202
