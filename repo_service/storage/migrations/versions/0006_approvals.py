"""The console: approvals that wait for a second admin, and rare events by their type."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"


def upgrade() -> None:
    """Nothing is approved yet. The index leaves out what imports bring by the million."""
    op.create_table(
        "approvals",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("admin", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("expires", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", "admin"),
    )
    rare = sa.text(
        "type != 'release.published' AND type != 'file.added' AND type != 'project.created' "
        "AND type != 'release.closed'"
    )
    op.create_index("rare", "events", ["type", "seq"], sqlite_where=rare, postgresql_where=rare)
