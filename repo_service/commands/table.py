"""Each command's name and what it is for, said once: in the list of all, and at the head of its own help."""

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
Run = Callable[[argparse.Namespace], int]

COMMANDS: Final = {
    "key": ("keymaking", "begin a service: its online key, its log's key and its settings; the ceremony needs *.pub"),
    "init": ("taking_in", "take a first ceremony's sealed files in, verify them again and publish the first snapshot"),
    "take-in": ("taking_in", "take a later ceremony's sealed files in and publish them"),
    "token": ("tokens", "make, list, rotate and revoke the tokens and keys that open the API"),
    "fsck": ("keeping", "whether the database, the public files and a verifying client agree; 6 if they do not"),
    "rebuild": ("keeping", "make the public files again from the database; nothing is overwritten"),
    "recover": (
        "keeping", "let an older database, restored behind newer public files, take back from them what it lost"
    ),
    "forget-text": (
        "keeping", "take a text of the log back for good; its leaf stays, and says nothing without it"
    ),
    "gc": ("keeping", "let go of superseded public files that nobody can need any more; done daily by itself"),
    "backup": (
        "keeping", "copy the database into FILE while the service goes on (not the online key: keep it apart)"
    ),
    "restore": ("keeping", "make a backup the database of a service that has none; then say fsck"),
    "migrate": ("keeping", "move the tables of an older tallystick's database on; stop the service first"),
    "serve": ("serving", "serve the API and the public files, and publish what comes in"),
    "import": (
        "bringing", "bring what another registry holds: a folder of wheels and sdists, NDJSON (docs/FORMAT.md), or its "
        "index",
    ),
    "policy": ("policies", "which policy judges, and how it changes (docs/POLICY.md)"),
    "openapi": ("telling", "print the API's description, OpenAPI 3.1, as /v1/openapi.json serves it"),
    "publish": ("serving", "do one round by hand: deadlines, then whatever is pending or due"),
    "settings": ("telling", "every setting as it is in effect, and the line or variable that says so"),
    "clear-clock": ("serving", "go on after something was signed by a clock that was ahead"),
    "status": ("telling", "what is signed, what is pending, what is due when, who publishes, what to do"),
    "doctor": (
        "examining", "look at a live installation as a colleague would, and change nothing; 6 if something is not well"
    ),
    "guard": (
        "guard", "hold the online key in a process of its own and sign only what goes on from what was signed before"
    ),
    "witness": (
        "witness", "cosign other people's logs, so that each of them shows everybody the same one (docs/LOG.md)"
    ),
    "monitor": (
        "monitor",
        "look from outside whether a registry keeps to its log: replay it, compare what is served, say what alarms",
    ),
    "worker": ("serving", "serve the Redis queue of service.toml: publish when rung, and on a timer"),
}  # fmt: skip
"""Each command, in which module beside this one it is, and what it is for."""


def status_of(command: str, error: Exception, statuses: Mapping[type[Exception], int]) -> int:
    """Say what went wrong with a command, and give its exit status: that of the first kind that the error is of."""
    print(f"tallystick-service {command}: {error}", file=sys.stderr)
    return next(status for kind, status in statuses.items() if isinstance(error, kind))


def command(commands: "Commands", name: str) -> argparse.ArgumentParser:
    """Add a command of the table to a parser's."""
    text = COMMANDS[name][1]
    return commands.add_parser(name, help=text, description=text)
