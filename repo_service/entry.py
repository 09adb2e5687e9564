"""Where ``tallystick-service`` begins: the server's libraries are an extra, and may not be here."""

import sys

from repo_service.cli import main as run


def main() -> int:
    """Run the command, or say what to install."""
    try:
        return run()
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] in ("keys", "repo_service"):
            raise  # our own mistake
        message = f"tallystick-service: {missing.name} is not installed; say: pip install 'tallystick[service]'"
        print(message, file=sys.stderr)  # noqa: T201 - a command's output
        return 2
