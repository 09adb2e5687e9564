"""Where ``tallystick-service`` begins: the server's libraries are an extra, and may not be here."""

import sys


def main() -> int:
    """Run the command, or say what to install."""
    if sys.argv[1:2] == ["guard"]:  # it holds the key, so it loads nothing that it can do without
        from repo_service.cli_guard import main as guard

        return guard(sys.argv[2:])
    if sys.argv[1:2] == ["witness"]:  # so does it, for other people's logs, and a base install can run it
        from repo_service.cli_witness import main as witness

        return witness(sys.argv[2:])
    if sys.argv[1:2] == ["monitor"]:  # it is anybody's, who need have no server
        from repo_service.cli_monitor import main as monitor

        return monitor(sys.argv[2:])
    try:
        from repo_service.cli import main as run
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] in ("keys", "repo_service"):
            raise  # our own mistake
        message = f"tallystick-service: {missing.name} is not installed; say: pip install 'tallystick[service]'"
        print(message, file=sys.stderr)  # noqa: T201 - a command's output
        return 2
    return run()
