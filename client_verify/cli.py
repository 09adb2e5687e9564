"""The ``tallystick`` command: pin a repository, run an installer behind it, ask about names and files.

Exit codes: 0 done; 2 usage or configuration; 3 to 9 refused (`tallystick explain` lists them); of ``run`` otherwise the
installer's own.
"""

import argparse
import importlib
import os
import sqlite3
import sys
from collections.abc import Sequence
from typing import Final

from client_verify import disk
from client_verify.commands import terminal
from client_verify.installing.report import Entry
from client_verify.places import Places, places
from client_verify.refusals import USAGE, ClientError, Refused

COMMANDS: Final = {
    "run": ("running", "run pip, uv, poetry or pdm behind the verified index"),
    "serve": ("serving", "a verified index on this machine, as long as you want it"),
    "config": ("serving", "what leads an installer to `tallystick serve`"),
    "doctor": ("examining", "find what leads an installer past the verified index"),
    "show": ("asking", "what the registry has signed about a name"),
    "available": ("asking", "whether a name is free, with proof"),
    "verify": ("asking", "say whether files are signed and may be installed"),
    "forget": ("asking", "begin again with a name that contradicted itself"),
    "download": ("obtaining", "fetch verified files of a release"),
    "lock": ("locking", "lock files: verify them, or say from where they install"),
    "check-installed": ("locking", "whether what is installed was taken down, removed or yanked"),
    "trust": ("trusting", "pin, list or remove repositories"),
    "status": ("standing", "what is trusted, what was verified last, and until when"),
    "evidence": ("remembering", "signed documents that contradict each other"),
    "memory": ("remembering", "move or reset what this machine has verified"),
    "log": ("history", "what was refused on this machine"),
    "cache": ("history", "what is kept only to be faster: info, purge"),
    "explain": ("explaining", "what a refusal means and what to do"),
}
"""Each command, in which module of client_verify/commands it is, and what it is for. Only the module of the command
that was typed is loaded: what verifies takes longer to load than to explain a refusal.
"""
ORIENTATION: Final = """\
tallystick installs only what a registry has signed.

  tallystick trust add acme --url URL --root FILE   trust a registry
  tallystick run -- pip install flask               install what it has signed
  tallystick show flask                             what is signed about a name
  tallystick status                                 what is verified, how long
  tallystick explain                                what a refusal means

Every command: tallystick --help. One command: tallystick show --help.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    with terminal.manners():
        return _answer(sys.argv[1:] if argv is None else argv)


def _answer(words: Sequence[str]) -> int:
    arguments = _parser(words).parse_args(words)
    try:
        where = places(os.environ)
        code = int(arguments.answer(arguments, where))
        terminal.warn_of_all(arguments)
        return code
    except Refused as refused:
        subject = getattr(arguments, "name", None) or "the repository"
        terminal.keep(where, Entry(subject, refused.code, refused.detail), "tallystick")
        _tell_program(arguments, refused.code, refused.detail, refused.kind.exit)
        return terminal.refusal(refused, subject, "Nothing from this repository was used.")
    except BrokenPipeError:
        raise  # the reader has gone, and nothing is wrong with this machine
    except (ClientError, OSError, sqlite3.Error) as error:
        what = str(error) if isinstance(error, ClientError) else disk.complaint(error)
        _tell_program(arguments, "usage", what, USAGE)
        terminal.complain(f"tallystick: {what}")
        return USAGE


def _tell_program(arguments: argparse.Namespace, code: str, detail: str, exit_code: int) -> None:
    """With --json a command that could not answer says so in one object, too: ``refused``, ``detail`` and ``exit``."""
    if getattr(arguments, "json", False):
        terminal.tell({"refused": code, "detail": detail, "exit": exit_code})


def _orient(_: argparse.Namespace, where: Places) -> int:
    from client_verify import trust  # here, because reading a root loads python-tuf

    pinned = ", ".join(pin.name for pin in trust.pins(where.roots))
    print(ORIENTATION)
    print(f"Trusted here: {pinned}." if pinned else "Nothing is trusted here yet: begin with the first line.")
    return 0


def parser() -> argparse.ArgumentParser:
    """All that can be typed; the manual page and the completions are made of it. Loads every command's module."""
    told, commands = _begun([])
    for module in dict.fromkeys(module for module, _ in COMMANDS.values()):
        importlib.import_module(f"client_verify.commands.{module}").add(commands)
    for listed in commands._choices_actions:  # there is no public way to say a command's line later
        listed.help = COMMANDS[listed.dest][1]
    commands._choices_actions.sort(key=lambda listed: list(COMMANDS).index(listed.dest))
    return told


def _version() -> str:
    from importlib.metadata import version  # here, because every other command starts sooner without it

    return f"tallystick {version('tallystick')}"


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """What is needed to read these words."""
    told, commands = _begun(words)
    if words and words[0] in COMMANDS:
        importlib.import_module(f"client_verify.commands.{COMMANDS[words[0]][0]}").add(commands)
    else:  # a list of them, or an error that lists them
        for name, (_, summary) in COMMANDS.items():
            commands.add_parser(name, help=summary)
    return told


def _begun(words: Sequence[str]) -> tuple[argparse.ArgumentParser, terminal.Commands]:
    told = argparse.ArgumentParser(
        prog="tallystick",
        description="Install only what a registry has signed.",
        epilog="Exit codes: 0 done; 2 usage or configuration; 3 to 9 refused (tallystick explain).",
    )
    told.add_argument("--version", action="version", version=_version() if "--version" in words else "")
    told.set_defaults(answer=_orient)
    return told, told.add_subparsers(metavar="COMMAND", title="commands")
