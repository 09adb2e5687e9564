"""Questions about names and files: show, verify, forget."""

import argparse
import json
from pathlib import Path

from client_verify import files, trust, verdict
from client_verify.commands import describe, terminal
from client_verify.installing.report import Entry, sentence
from client_verify.places import Places
from client_verify.refusals import KINDS, Usage
from client_verify.repositories import Repositories
from client_verify.session import data_directory, forget


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = commands.add_parser(
        "verify", parents=[terminal.ABOUT], help="say whether files are signed and may be installed"
    )
    command.add_argument("files", nargs="+", type=Path, metavar="FILE")
    command.set_defaults(answer=_verify)

    command = commands.add_parser(
        "show", parents=[terminal.ABOUT, terminal.JSON], help="what the registry has signed about a name"
    )
    command.add_argument("name")
    command.set_defaults(answer=_show)

    command = commands.add_parser(
        "forget",
        parents=[terminal.ABOUT],
        help="begin again with a name after the registry has explained a contradiction",
    )
    command.add_argument("name")
    command.set_defaults(answer=_forget)


def _verify(arguments: argparse.Namespace, where: Places) -> int:
    verifier = terminal.verifier(arguments, where)
    codes = [0]
    for path in arguments.files:
        match verifier.of_file(path.name, files.digest(path)):
            case verdict.Refuse(code, why):
                terminal.complain(sentence(Entry(str(path), code, why), "Do not install it."))
                codes.append(KINDS[code].exit)
            case verdict.Warn(why):
                print(f"{path}: signed, with a warning: {why}.")
            case verdict.Install(why):
                print(f"{path}: signed. {why}.")
    return min(filter(None, codes), default=0)


def _show(arguments: argparse.Namespace, where: Places) -> int:
    name = terminal.name(arguments.name)
    session = terminal.verifier(arguments, where).session(name)
    answer = session.page(name)
    if arguments.json:
        print(json.dumps(describe.as_json(session, answer), indent=2, sort_keys=True))
    else:
        print("\n".join(describe.as_text(session, answer)))
    return 0


def _forget(arguments: argparse.Namespace, where: Places) -> int:
    name = terminal.name(arguments.name)
    directory = data_directory(where.data, _pin(arguments.repo, name, where))
    if not directory.exists() or not forget(directory, name):
        raise Usage(
            f"nothing that this machine verified about {name} was contradicted, so there is nothing to forget. "
            "Nothing was written."
        )
    print(f"What this machine verified about {name} is forgotten; the next answer is believed as if it were the first.")
    print("Both documents of the contradiction are kept.")
    return 0


def _pin(repository: str | None, name: str, where: Places) -> trust.Pin:
    if repository is not None:
        return trust.load(where.roots, repository)
    return Repositories(trust.pins(where.roots)).of(name)
