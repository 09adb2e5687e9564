"""What a request costs in the journal, counted in statements."""

from sqlalchemy import Engine, event
from sqlalchemy.sql import ClauseElement

from tests.service.door import BECAUSE, OWNER, Door, Silent
from tests.world import World


def test_a_yank_asks_the_journal_with_the_very_statements_of_the_yank_before(world: World) -> None:
    door = Door(world, bell=Silent())
    for name in ("foo", "bar"):
        door.publish(name)
    first, second = _statements(door, "foo"), _statements(door, "bar")
    assert len(first) >= 10
    assert [again for one, again in zip(first, second, strict=True) if one is not again] == []


def _statements(door: Door, name: str) -> list[ClauseElement]:
    found: list[ClauseElement] = []

    def listen(connection: object, statement: ClauseElement, *values: object) -> None:
        found.append(statement)

    event.listen(Engine, "before_execute", listen)
    try:
        answer = door.post(f"/v1/projects/{name}/releases/1.0/yank", {"reason": BECAUSE, "actor": OWNER})
        assert answer.status_code == 202, answer.json
    finally:
        event.remove(Engine, "before_execute", listen)
    return found
