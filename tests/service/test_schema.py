"""The tables of a database: made at once or step by step they are the same, and no program works on another's."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DatabaseError

from repo_service.cli import main
from repo_service.storage import schema
from repo_service.storage.tables import metadata, open_engine
from tests.servers import postgres
from tests.world import World, publishing

NEWEST = schema.HEAD


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL server of our own."""
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Engine]]:
    """Empty databases, as many as are asked for, of either kind."""
    made: list[Engine] = []

    def sqlite() -> Engine:
        made.append(open_engine(f"sqlite:///{tmp_path}/{len(made)}.sqlite"))
        return made[-1]

    def postgresql() -> Engine:
        url, name = request.getfixturevalue("server"), f"tests_{secrets.token_hex(8)}"
        admin = create_engine(url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        admin.dispose()
        made.append(open_engine(url.replace("/tests?", f"/{name}?")))
        return made[-1]

    yield sqlite if request.param == "sqlite" else postgresql
    for engine in made:
        engine.dispose()


def stepped(engine: Engine) -> Engine:
    """The database after every step of ``migrations/``, from nothing."""
    with engine.begin() as connection:
        command.upgrade(schema.alembic_config(connection), "head")
    return engine


def described(engine: Engine) -> list[object]:
    """Everything that the database itself says of its tables, indexes, constraints, triggers and functions."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            found = connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master")).all()
            # Constraints may stand in another order: a table is the same by its lines, not by their order. One that was
            # made anew has its name in quotes.
            return sorted(
                (*row[:3], sorted(line.strip(" ,").replace('"', "") for line in (row.sql or "").splitlines()))
                for row in found
            )
        columns = (
            "SELECT table_name, row_number() OVER (PARTITION BY table_name ORDER BY ordinal_position), column_name, "
            "data_type, is_nullable, column_default, collation_name "
            "FROM information_schema.columns WHERE table_schema = 'public'"
        )
        constraints = "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        of_tables = f"{constraints} WHERE connamespace = 'public'::regnamespace"
        indexes = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        triggers = "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
        functions = "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        queries = (columns, of_tables, indexes, triggers, functions)
        return [sorted(map(tuple, connection.exec_driver_sql(query)), key=repr) for query in queries]


# The steps.


def test_step_by_step_leads_to_the_same_tables_as_at_once(database: Callable[[], Engine]) -> None:
    at_once = database()
    schema.create(at_once)
    assert described(stepped(database())) == described(at_once)


def test_the_steps_lead_to_tables_py_and_alembic_sees_no_difference(database: Callable[[], Engine]) -> None:
    with stepped(database()).begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_newest_step_is_the_one_that_this_program_needs() -> None:
    assert next(schema.steps()) == schema.HEAD
    assert [*schema.steps()] == sorted(schema.steps(), reverse=True), "one line of steps, without branches"


def test_bodies_are_kept_when_they_get_a_table_of_their_own(database: Callable[[], Engine]) -> None:
    engine = database()
    release = "INSERT INTO releases VALUES (1, 1, 1, '2026', :body, '2027', 1)"
    file = "INSERT INTO files (path, release, position, length, sha256, body) VALUES (:path, 1, 0, 1, '', :body)"
    with engine.begin() as connection:
        command.upgrade(schema.alembic_config(connection), "0001")
        connection.execute(text(release), {"body": b"timestamp"})
        connection.execute(text(file), [{"path": "kept", "body": b"its bytes"}, {"path": "gone", "body": None}])
    assert schema.migrate(engine)[0] == "0002"
    with engine.begin() as connection:
        assert connection.execute(text("SELECT path, body FROM bodies")).all() == [("kept", b"its bytes")]
        assert connection.scalar(text("SELECT count(*) FROM files")) == 2


def test_of_older_releases_each_follows_the_one_before_it(database: Callable[[], Engine]) -> None:
    engine = database()
    with engine.begin() as connection:
        command.upgrade(schema.alembic_config(connection), "0002")
        for generation in (1, 2, 7):
            connection.execute(text(f"INSERT INTO releases VALUES ({generation}, 1, 1, '2026', '', '2027', 1)"))
    assert schema.migrate(engine) == ("0003", "0004", "0006")
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT follows, generation FROM followed ORDER BY follows")).all()
        assert rows == [(0, 1), (1, 2), (2, 7)]


def test_many_who_make_the_tables_at_once_make_them_once(database: Callable[[], Engine]) -> None:
    engine = database()
    with ThreadPoolExecutor(6) as several:
        assert list(several.map(schema.create, [engine] * 6)) == [None] * 6
    schema.check(engine)


# Older, newer, none.


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A program with one step more than the databases it meets: it adds a column, and a table that refers to one."""
    steps = tmp_path / "steps" / "versions"
    steps.mkdir(parents=True)
    source = Path(schema.__file__).parent / "migrations"
    for file in ("env.py", "script.py.mako"):
        (steps.parent / file).write_text((source / file).read_text())
    for file in (source / "versions").glob("*.py"):
        (steps / file.name).write_text(file.read_text())
    (steps / "next.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision = 'next'\ndown_revision = '{schema.HEAD}'\n\n"
        "def upgrade() -> None:\n"
        "    remade = 'always' if op.get_bind().dialect.name == 'sqlite' else 'never'\n"
        "    with op.batch_alter_table('releases', recreate=remade) as batch:\n"
        "        batch.add_column(sa.Column('note', sa.String))\n"
        "    op.create_table('more', sa.Column('it', sa.Integer, primary_key=True))\n"
    )
    usual = schema.alembic_config

    def config(connection: object = None) -> object:
        made = usual(connection)  # type: ignore[arg-type]
        made.set_main_option("script_location", str(steps.parent))
        return made

    monkeypatch.setattr(schema, "alembic_config", config)
    monkeypatch.setattr(schema, "HEAD", "next")
    return "next"


def test_an_older_database_is_refused_until_it_is_migrated_and_keeps_what_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    world = World(tmp_path)
    world.do(publishing("foo"))
    home = world.folder / "service"
    request.getfixturevalue("older")
    for command_line in (["serve", "--port", "0"], ["worker"], ["publish"], ["status"]):
        assert main([command_line[0], str(home), *command_line[1:]]) == 2
        said = capsys.readouterr().err
        assert "run `tallystick-service migrate DIR`" in said and "Nothing was written" in said
    assert main(["migrate", str(home)]) == 0
    assert "Moved on by next." in capsys.readouterr().out
    world.do(publishing("bar"))
    with world.service.journal.reading() as view:
        assert view.counts() == {"names": 2, "events": 4, "pending": 0}
    assert main(["migrate", str(home)]) == 0
    assert "already" in capsys.readouterr().out


@pytest.mark.usefixtures("older")
def test_many_who_migrate_at_once_do_it_once(database: Callable[[], Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = database()
    with monkeypatch.context() as then:
        then.setattr(schema, "HEAD", NEWEST)
        schema.create(engine)
    with ThreadPoolExecutor(3) as several:
        assert sorted(several.map(schema.migrate, [engine] * 3)) == [(), (), ("next",)]


def test_a_step_that_fails_leaves_nothing(database: Callable[[], Engine], older: str, tmp_path: Path) -> None:
    step = tmp_path / "steps" / "versions" / "next.py"
    step.write_text(step.read_text() + "    raise KeyboardInterrupt\n")
    engine = database()
    with engine.begin() as connection:
        command.upgrade(schema.alembic_config(connection), NEWEST)
    before = described(engine)
    with pytest.raises(KeyboardInterrupt):
        schema.migrate(engine)
    assert described(engine) == before


def test_a_newer_database_is_refused_also_by_migrate(database: Callable[[], Engine]) -> None:
    engine = database()
    schema.create(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for ask in (schema.create, schema.check, schema.migrate):
        with pytest.raises(schema.WrongSchema, match="made by a newer tallystick"):
            ask(engine)


def test_an_empty_database_is_for_init_alone(database: Callable[[], Engine]) -> None:
    engine = database()
    for ask in (schema.check, schema.migrate):
        with pytest.raises(schema.WrongSchema, match="init"):
            ask(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE somebody_elses (it INTEGER)"))
    with pytest.raises(schema.WrongSchema, match="no tables of ours"):
        schema.create(engine)


# Guards.


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE events SET body = '{}' WHERE seq = 1",
        "UPDATE events SET \"by\" = 'admin'",
        "UPDATE events SET seq = 100 WHERE seq = 1",
        "UPDATE events SET release = NULL",
        "UPDATE events SET release = 1 WHERE seq = 1",
        "DELETE FROM events",
    ],
)
def test_no_event_is_changed_signed_twice_or_deleted_whoever_asks(
    attempt: str, request: pytest.FixtureRequest, tmp_path: Path, database: Callable[[], Engine]
) -> None:
    engine = database()
    world = World(tmp_path / "world", f'database = "{engine.url.render_as_string(hide_password=False)}"\n')
    world.do(publishing("foo"))
    world.record(publishing("foo", "2.0"))
    with pytest.raises(DatabaseError, match="an event"), engine.begin() as connection:
        connection.execute(text(attempt))
    world.service.round()
    with world.service.journal.reading() as view:
        assert view.counts() == {"names": 1, "events": 3, "pending": 0}
    world.service.journal._engine.dispose()


def test_postgresql_does_not_empty_the_table_of_events(server: str) -> None:
    engine = open_engine(server)
    schema.create(engine)
    with pytest.raises(DatabaseError, match="an event never goes"), engine.begin() as connection:
        connection.execute(text("TRUNCATE events"))
    engine.dispose()
