"""Draft the next step, for whoever changed ``tables.py``."""

import sys

from alembic import command

from repo_service.storage import schema
from repo_service.storage.tables import open_engine


def main(message: str) -> None:
    """Write a file of ``versions/`` with the difference between the newest step and ``tables.py``."""
    with open_engine("sqlite://").begin() as connection:
        config = schema.alembic_config(connection)
        number = f"{len(list(schema.steps())) + 1:04}"
        if number != "0001":
            command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True, rev_id=number)


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
