"""What a request costs in the journal, counted in statements."""

import re

from sqlalchemy import Engine, Select, event
from sqlalchemy.sql import ClauseElement

from repo_service.storage import schema, statements
from repo_service.storage.tables import open_engine
from tests.service.door import BECAUSE, OWNER, Door, Silent
from tests.world import World


def test_a_yank_asks_the_journal_with_the_very_statements_of_the_yank_before(world: World) -> None:
    door = Door(world, bell=Silent())
    for name in ("foo", "bar"):
        door.publish(name)
    first, second = _statements(door, "foo"), _statements(door, "bar")
    assert len(first) > 10
    assert [again for one, again in zip(first, second, strict=True) if one is not again] == []


GROWING = {"names", "events", "changes", "deliveries", "releases", "files", "bodies", "targets", "refusals"}
PARTIAL = ("USING INDEX staged", "USING INDEX held")
"""Indexes of only those rows that are asked for."""


def test_no_statement_walks_through_a_table_that_grows() -> None:
    """But to its end, where the newest is: a table without a condition, by its key, the last row first."""
    engine = open_engine("sqlite://")
    schema.create(engine)
    found = {}
    with engine.connect() as connection:
        for name, statement in vars(statements).items():
            if not isinstance(statement, Select) or name == "HEAD":
                continue
            sql = re.sub(r"\(?__\[POSTCOMPILE_\w+\]\)?", "(?)", str(statement.compile(dialect=engine.dialect)))
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?")).all()
            walks = [row.detail for row in rows if row.detail.startswith("SCAN") and not row.detail.endswith(PARTIAL)]
            if walked := GROWING & {walk.split()[1] for walk in walks}:
                found[name] = walked
    assert found == {}


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
