"""The transparency log: its tree after each release, and the digest of what is signed in each role."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """The log begins with the next release; digests of roles that were signed before are made when they are needed."""
    op.create_table(
        "logged",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("cosigned", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["generation"], ["releases.generation"]),
        sa.PrimaryKeyConstraint("generation"),
    )
    # Where a column is added to a table as it is, SQLite keeps its text, which is not that of a new database.
    with op.batch_alter_table(
        "roles", recreate="always" if op.get_bind().dialect.name == "sqlite" else "never"
    ) as roles:
        roles.add_column(sa.Column("digest", sa.String(), nullable=True))
