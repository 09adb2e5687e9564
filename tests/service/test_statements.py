"""What a request costs in the journal, counted in statements."""

import re

import pytest
from sqlalchemy import Engine, Select, event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import ClauseElement

from repo_service.storage import schema, statements
from repo_service.storage.direct import _text
from repo_service.storage.tables import open_engine
from tests.service.door import BECAUSE, OWNER, Door, Silent
from tests.world import World


def test_a_yank_asks_the_journal_with_statements_that_were_made_once(world: World) -> None:
    """Whatever else one needs is built anew and goes through all of SQLAlchemy each time."""
    door = Door(world, bell=Silent())
    door.publish("foo")
    assert _built(door, "foo") == []


def test_a_statement_says_what_is_wrong_as_sqlalchemy_would(world: World) -> None:
    with pytest.raises(IntegrityError, match="UNIQUE constraint"), world.service.journal.reading() as view:
        view._direct.write_all(statements.STORE_BODY, [{"path": "twice", "body": b""}] * 2)


GROWING = {"names", "events", "changes", "deliveries", "releases", "files", "bodies", "targets", "refusals"}
PARTIAL = ("USING INDEX staged", "USING INDEX held")
"""Indexes of only those rows that are asked for."""


def test_no_statement_walks_through_a_table_that_grows() -> None:
    """But to its end, where the newest is (HEAD), and to count the roles of each key, which a ceremony asks."""
    engine = open_engine("sqlite://")
    schema.create(engine)
    found = {}
    with engine.connect() as connection:
        for name, statement in vars(statements).items():
            if not isinstance(statement, Select) or name.startswith("_") or name in ("HEAD", "SIGNED_BY"):
                continue
            sql = re.sub(r"__\[POSTCOMPILE_\w+\]", "?", _text(statement, engine.dialect, None).sql)
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?")).all()
            walks = [row.detail for row in rows if row.detail.startswith("SCAN") and not row.detail.endswith(PARTIAL)]
            if walked := GROWING & {walk.split()[1] for walk in walks}:
                found[name] = walked
    assert found == {}


def _built(door: Door, name: str) -> list[ClauseElement]:
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
