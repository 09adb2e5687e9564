"""Bodies by themselves: a file's bytes are no longer written anew when something else of its row changes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """``files.body`` becomes a table of its own."""
    op.create_table(
        "bodies",
        sa.Column("path", sa.String().with_variant(sa.String(collation="C"), "postgresql"), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("path"),
    )
    op.execute("INSERT INTO bodies (path, body) SELECT path, body FROM files WHERE body IS NOT NULL")
    op.drop_column("files", "body")
