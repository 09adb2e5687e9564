"""Releases follow each other: which was made from which is said, for generations may have gaps."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Each release follows the one before it."""
    op.create_table(
        "followed",
        sa.Column("follows", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["generation"], ["releases.generation"]),
        sa.PrimaryKeyConstraint("follows"),
    )
    op.execute(
        "INSERT INTO followed (follows, generation) "
        "SELECT COALESCE(lag(generation) OVER (ORDER BY generation), 0), generation FROM releases"
    )
