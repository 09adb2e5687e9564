"""The ``tallystick`` command: pin a repository, run an installer behind it, ask about names and files.

Exit codes: 0 done; 2 usage or configuration; 3 to 9 refused (`tallystick explain` lists them); of ``run`` otherwise the
installer's own.
"""

import argparse
import json
import logging
import os
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill

from client_verify import describe, files, run, trust, verdict
from client_verify.places import Places, places
from client_verify.refusals import KINDS, USAGE, ClientError, Refused, Usage
from client_verify.report import Entry, sentence
from client_verify.session import Session, data_directory, forget
from client_verify.transport import Fetcher
from keys import names


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    logging.getLogger("waitress").setLevel(logging.ERROR)  # its queue warnings would land between pip's own lines
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.answer(arguments, places(os.environ)))
    except Refused as refused:
        what = getattr(arguments, "name", None) or "the repository"
        _complain(sentence(Entry(what, refused.code, refused.detail), "Nothing from this repository was used."))
        return refused.kind.exit
    except (ClientError, OSError, sqlite3.Error) as error:
        _complain(f"tallystick: {error}")
        return USAGE


def _run(arguments: argparse.Namespace, where: Places) -> int:
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise Usage("which installer? For example: tallystick run -- pip install flask")
    accepted = frozenset(map(_name, arguments.accept_new_generation))
    try:
        session = _session(arguments, where, accepted)
    except Refused as refused:
        consequence = f"Nothing from this repository was passed to {_program(command)}, which was not run."
        _complain(sentence(Entry("the repository", refused.code, refused.detail), consequence))
        return refused.kind.exit
    child, report = run.installer(command, session, where.blobs, os.environ)
    for entry in report.refused(child):
        _complain(sentence(entry, f"Nothing of it was passed to {_program(command)}."))
    for warning in report.warnings():
        _complain(f"tallystick: warning: {warning}")
    return report.exit_code(child)


def _verify(arguments: argparse.Namespace, where: Places) -> int:
    session = _session(arguments, where)
    codes = [0]
    for path in arguments.files:
        match files.check(session, path):
            case verdict.Refuse(code, why):
                _complain(sentence(Entry(str(path), code, why), "Do not install it."))
                codes.append(KINDS[code].exit)
            case verdict.Warn(why):
                print(f"{path}: signed, with a warning: {why}.")
            case verdict.Install(why):
                print(f"{path}: signed. {why}.")
    return min(filter(None, codes), default=0)


def _show(arguments: argparse.Namespace, where: Places) -> int:
    name = _name(arguments.name)
    session = _session(arguments, where)
    answer = session.page(name)
    if arguments.json:
        print(json.dumps(describe.as_json(session, answer), indent=2, sort_keys=True))
    else:
        print("\n".join(describe.as_text(session, answer)))
    return 0


def _forget(arguments: argparse.Namespace, where: Places) -> int:
    name = _name(arguments.name)
    directory = data_directory(where.data, trust.chosen(where.roots, arguments.repo))
    if not directory.exists() or not forget(directory, name):
        raise Usage(
            f"nothing that this machine verified about {name} was contradicted, so there is nothing to forget. "
            "Nothing was written."
        )
    print(f"What this machine verified about {name} is forgotten; the next answer is believed as if it were the first.")
    print("Both documents of the contradiction are kept.")
    return 0


def _explain(arguments: argparse.Namespace, _: Places) -> int:
    for code in [arguments.code] if arguments.code else KINDS:
        kind = KINDS[code]
        print(f"{code} (exit code {kind.exit}): {kind.title}")
        print(fill(kind.explanation, 78, initial_indent="  ", subsequent_indent="  "))
    return 0


def _status(_: argparse.Namespace, where: Places) -> int:
    for pin in trust.pins(where.roots):
        print("\n".join(describe.status(pin, data_directory(where.data, pin), _now())))
    return 0


def _trust_add(arguments: argparse.Namespace, where: Places) -> int:
    pin = trust.checked(arguments.name, arguments.url, arguments.root.read_bytes())
    if arguments.fingerprint not in (None, pin.fingerprint):
        raise Usage(
            f"the root file's fingerprint is {pin.fingerprint}, not {arguments.fingerprint}. "
            "It is not the file that you were told about. Nothing was written."
        )
    trust.add(where.roots, pin)
    print(f"{pin.name} is pinned: {pin.url}\n  root {pin.fingerprint}")
    if arguments.fingerprint is None:
        print("  Compare this fingerprint with one that you got by another way.")
    if pin.is_rehearsal:
        _complain("tallystick: warning: THIS IS A REHEARSAL ROOT. Its keys are thrown away; trust nothing it signs.")
    return 0


def _trust_list(_: argparse.Namespace, where: Places) -> int:
    for pin in trust.pins(where.roots):
        print(f"{pin.name}  {pin.url}  {pin.fingerprint}")
    return 0


def _trust_show(arguments: argparse.Namespace, where: Places) -> int:
    sys.stdout.buffer.write(trust.load(where.roots, arguments.name).root)
    return 0


def _trust_remove(arguments: argparse.Namespace, where: Places) -> int:
    pin = trust.remove(where.roots, arguments.name)
    print(f"{pin.name} is no longer trusted. What was verified stays in {data_directory(where.data, pin)}.")
    return 0


def _session(arguments: argparse.Namespace, where: Places, accepted: frozenset[str] = frozenset()) -> Session:
    pin = trust.chosen(where.roots, arguments.repo)
    session = Session(pin, data_directory(where.data, pin), Fetcher(), _now, accepted)
    for warning in session.warnings:
        _complain(f"tallystick: warning: {warning}")
    return session


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tallystick", description="Install only what a registry has signed.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    about = argparse.ArgumentParser(add_help=False)
    about.add_argument("--repo", metavar="NAME", help="which pinned repository, if there are several")

    command = commands.add_parser("run", parents=[about], help="run pip or uv behind the verified index")
    command.add_argument("--accept-new-generation", metavar="NAME", action="append", default=[])
    command.add_argument("command", nargs=argparse.REMAINDER, metavar="-- INSTALLER ARGUMENT...")
    command.set_defaults(answer=_run)

    command = commands.add_parser("verify", parents=[about], help="say whether files are signed and may be installed")
    command.add_argument("files", nargs="+", type=Path, metavar="FILE")
    command.set_defaults(answer=_verify)

    command = commands.add_parser("show", parents=[about], help="what the registry has signed about a name")
    command.add_argument("name")
    command.add_argument("--json", action="store_true")
    command.set_defaults(answer=_show)

    command = commands.add_parser(
        "forget", parents=[about], help="begin again with a name after the registry has explained a contradiction"
    )
    command.add_argument("name")
    command.set_defaults(answer=_forget)

    command = commands.add_parser("explain", help="what a refusal means and what to do")
    command.add_argument("code", nargs="?", choices=sorted(KINDS))
    command.set_defaults(answer=_explain)

    command = commands.add_parser("status", help="what is pinned, and what was verified last")
    command.set_defaults(answer=_status)

    _add_trust(commands.add_parser("trust", help="pin, list or remove repositories"))
    return parser


def _add_trust(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("add", help="trust a repository from this root on")
    command.add_argument("name")
    command.add_argument("--url", required=True)
    command.add_argument("--root", required=True, type=Path, metavar="FILE")
    command.add_argument("--fingerprint", metavar="sha256:HEX")
    command.set_defaults(answer=_trust_add)

    command = commands.add_parser("list", help="every pinned repository")
    command.set_defaults(answer=_trust_list)

    command = commands.add_parser("show", help="the pinned root file")
    command.add_argument("name")
    command.set_defaults(answer=_trust_show)

    command = commands.add_parser("remove", help="trust it no longer; keep what was verified")
    command.add_argument("name")
    command.set_defaults(answer=_trust_remove)


def _name(text: str) -> str:
    try:
        return names.normalise(text)
    except names.InvalidName as error:
        raise Usage(str(error)) from None


def _program(command: Sequence[str]) -> str:
    # `python -m pip` is pip to whoever typed it.
    module = command[1:3] if command[1:2] == ["-m"] else []
    return module[1] if len(module) == 2 else Path(command[0]).name


def _complain(text: str) -> None:
    print(text, file=sys.stderr)


def _now() -> datetime:
    return datetime.now(UTC)
