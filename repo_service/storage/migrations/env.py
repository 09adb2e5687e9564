"""How Alembic runs our steps: on the connection that ``schema.py`` hands it, inside the transaction that this began."""

from alembic import context

from repo_service.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
    transactional_ddl=True,  # SQLite's DDL is transactional too, as we say BEGIN ourselves (tables.py)
)
context.run_migrations()
