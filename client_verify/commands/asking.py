"""Questions about names and files: show, available, verify, forget."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from client_verify import files, trust, verdict
from client_verify.availability import UNPROVEN, Availability, availability, invalid
from client_verify.commands import describe, terminal
from client_verify.directory import data_directory, forget
from client_verify.installing.report import Entry, sentence
from client_verify.places import Places
from client_verify.refusals import KINDS, Usage
from client_verify.repositories import Repositories
from client_verify.session import Session
from keys import names

NOT_FREE: Final = 7
"""The exit code of ``available`` where the name cannot be had: that of everything the signed state forbids."""


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = terminal.command(
        commands,
        "show",
        """
        What the registry has signed about a name: its state and history, and what an
        installer would do. Verified, and never older than what was shown before.

        Example:
          tallystick show flask

        Exit codes: 0, also where nothing may be installed; 3 to 8 if it cannot be told.
        """,
        [terminal.ABOUT, terminal.JSON],
    )
    command.add_argument("name", metavar="NAME", help="of a project, in any spelling")
    command.set_defaults(answer=_show)

    command = terminal.command(
        commands,
        "available",
        """
        Whether somebody can have a name: verified, also if the answer is no. Says what
        proves it, and what only the registry can tell.

        Example:
          tallystick available acme-tools

        Exit codes: 0 free; 7 not free; 3 to 8 if it cannot be told.
        """,
        [terminal.ABOUT, terminal.JSON],
    )
    command.add_argument("name", metavar="NAME", help="of a project, in any spelling")
    command.set_defaults(answer=_available)

    command = terminal.command(
        commands,
        "verify",
        """
        Whether wheels and sdists are the signed ones and may be installed. Of a
        directory, every wheel and sdist in it.

        Example:
          tallystick verify dist/ wheels/flask-3.1.3-py3-none-any.whl

        Exit codes: 0 all may be installed; 6 other bytes than signed; 7 not signed,
        or forbidden; the gravest (lowest) of all files.
        """,
        [terminal.ABOUT, terminal.JSON],
    )
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a wheel, an sdist or a directory")
    command.set_defaults(answer=_verify)

    command = terminal.command(
        commands,
        "forget",
        """
        Begin again with a name whose signed pages contradicted each other, after the
        registry has said in public why. The evidence is kept.
        """,
        [terminal.ABOUT],
    )
    command.add_argument("name", metavar="NAME", help="of a project, in any spelling")
    command.set_defaults(answer=_forget)


def _show(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: as ``describe.as_json``."""
    name = terminal.name(arguments.name)
    session = terminal.verifier(arguments, where).session(name)
    answer = session.page(name)
    if arguments.json:
        terminal.tell(describe.as_json(session, answer))
    else:
        print("\n".join(describe.as_text(session, answer)))
    return 0


def _available(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: ``name, free, standing, sentence, until``; ``unproven``: what only the registry can tell, in words;
    ``proof``, null for what can be no name: ``repository, snapshot, expires``, ``pages`` looked at (``target`` and
    ``serial``, null if absent), ``skeleton``.
    """
    try:
        name = names.normalise(arguments.name)
    except names.InvalidName as error:
        return _say_available(arguments, invalid(arguments.name, str(error)), None)
    session = terminal.verifier(arguments, where).session(name)
    # A namespace's grant is on the page of its prefix, and the same repository speaks for that (docs/adr/0008).
    answers = {prefix: session.page(prefix) for prefix in names.prefixes(name)}
    return _say_available(arguments, availability(name, answers), session)


def _say_available(arguments: argparse.Namespace, found: Availability, session: Session | None) -> int:
    if arguments.json:
        terminal.tell(_available_as_json(found, session))
    else:
        print("\n".join(_available_as_text(found, session)))
    return 0 if found.is_free else NOT_FREE


def _available_as_json(found: Availability, session: Session | None) -> dict[str, Any]:
    pages = [{"target": names.page_path(each.name), "serial": each.serial} for each in found.looked]
    return {
        "name": found.name,
        "free": found.is_free,
        "standing": found.standing,
        "sentence": found.sentence,
        "until": found.until,
        "unproven": list(UNPROVEN) if found.is_free else [],
        "proof": session and {**describe.proof(session), "pages": pages, "skeleton": found.skeleton},
    }


def _available_as_text(found: Availability, session: Session | None) -> Iterator[str]:
    yield terminal.folded(f"{'free' if found.is_free else 'not free'}: {found.sentence}", "", "  ")
    if session is not None:
        proof = describe.proof(session)
        pages = ", ".join(
            f"{each.name} ({'no such page' if each.serial is None else f'serial {each.serial}'})"
            for each in found.looked
        )
        yield terminal.folded(
            f'proven by snapshot {proof["snapshot"]} of "{proof["repository"]}", valid until {proof["expires"]}; '
            f"looked at: {pages}",
            hanging="  ",
        )
    if found.is_free:
        yield "  not proven, only the registry can say:"
        yield from (terminal.folded(each, "    ", "  ") for each in UNPROVEN)


def _verify(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: ``files``, of each ``file, sha256, verdict`` (install, warn, refuse), ``code`` and ``sentence``."""
    verifier = terminal.verifier(arguments, where)
    codes, found = [0], []
    for path in _files(arguments.files):
        digest = files.digest(path)
        said = verifier.of_file(path.name, digest)
        found.append({"file": str(path), "sha256": digest, **describe.verdict_as_json(said)})
        if isinstance(said, verdict.Refuse):
            codes.append(KINDS[said.code].exit)
        if not arguments.json:
            _say_verdict(path, said)
    if arguments.json:
        terminal.tell({"files": found})
    return min(filter(None, codes), default=0)


def _say_verdict(path: Path, said: verdict.Verdict) -> None:
    match said:
        case verdict.Refuse(code, why):
            terminal.complain(sentence(Entry(str(path), code, why), "Do not install it."))
        case verdict.Warn(why):
            print(terminal.folded(f"{path}: signed, with a warning: {why}.", "", "  "))
        case verdict.Install(why):
            print(terminal.folded(f"{path}: signed. {why}.", "", "  "))


def _files(paths: list[Path]) -> Iterator[Path]:
    """Files as they were named, and what can be installed of directories."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        within = sorted(each for each in path.iterdir() if each.name.endswith((".whl", ".tar.gz", ".zip")))
        if not within:
            raise Usage(f"there is no wheel or sdist in {path}")
        yield from within


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
