"""Verified files in somebody's hands: download."""

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from client_verify import files, verdict
from client_verify.answers import Found, ProvenAbsent
from client_verify.commands import terminal
from client_verify.places import Places
from client_verify.refusals import Refused, Usage
from client_verify.verdict import Refuse, Verdict, Warn
from client_verify.verifier import Verifier
from keys.state import File, NameState


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = terminal.command(
        commands,
        "download",
        """
        Fetch the files of a release, each verified before it gets its name. Refuses
        what an installer would be refused. Never overwrites another file.

        Example:
          tallystick download flask==3.1.3 -d wheels
          tallystick download flask --only flask-3.1.3-py3-none-any.whl

        Exit codes: 0 all files are there; 6 other bytes than signed; 7 not signed, or
        forbidden; 8 out of reach (tallystick explain).
        """,
        [terminal.ABOUT, terminal.ACCEPTING, terminal.JSON],
    )
    command.add_argument("wanted", metavar="NAME[==VERSION]", help="without a version the newest")
    command.add_argument("-d", "--dir", type=Path, default=Path(), metavar="DIR", help="where to (default: here)")
    command.add_argument(
        "--only", action="append", metavar="FILENAME", help="one file of it, not all; may be given again"
    )
    command.set_defaults(answer=_download)


def _download(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: ``name, version``, ``warning`` (a sentence or null), and ``files``: of each ``path``, ``sha256`` and
    ``fetched``, false where it was there already.
    """
    wanted, _, version = arguments.wanted.partition("==")
    arguments.name = name = terminal.name(wanted.strip())
    version = version.strip()
    pinned = [(name, version)] if version else []
    verifier = terminal.verifier(arguments, where, terminal.accepted(arguments, pinned))
    chosen = version or _newest(_found(verifier, name))
    warning = _allowed(verifier.of_version(name, chosen))
    listed = _chosen(_found(verifier, name).state, chosen, arguments.only)  # a newer snapshot may have been asked for
    for file in listed:
        warning = _allowed(verifier.of_choice(name, file.filename)) or warning
        _check_free(arguments.dir / file.filename, file)
    fetched = {file.filename: _fetch(verifier, name, file, arguments.dir) for file in listed}
    if arguments.json:
        found = [
            {"path": str(arguments.dir / file.filename), "sha256": file.sha256, "fetched": fetched[file.filename]}
            for file in listed
        ]
        terminal.tell({"name": name, "version": chosen, "warning": warning, "files": found})
    else:
        for file in listed:
            there = "" if fetched[file.filename] else " (it was there already)"
            print(f"{arguments.dir / file.filename}{there}")
        if warning is not None:
            terminal.complain(f"tallystick: warning: {warning}")
    return 0


def _found(verifier: Verifier, name: str) -> Found:
    answer = verifier.ask(name)
    if isinstance(answer, ProvenAbsent):
        absent = verdict.of_absence(answer)
        raise Refused(absent.code, absent.sentence)
    return answer


def _newest(found: Found) -> str:
    state = found.state
    if (refused := verdict.of_name(state) or verdict.of_no_choice(state, found.past)) is not None:
        raise Refused(refused.code, refused.sentence)
    if (version := verdict.newest(state)) is None:
        raise Refused("unknown-version", f"{state.name} has no version that is installed without being asked for")
    return version


def _allowed(said: Verdict) -> str | None:
    """Its warning, if it has one; Refused as an installer would be."""
    if isinstance(said, Refuse):
        raise Refused(said.code, said.sentence)
    return said.sentence if isinstance(said, Warn) else None


def _chosen(state: NameState, version: str, only: list[str] | None) -> list[File]:
    """The files of the version, or those that were named; each of these must be one of its files."""
    release = next(each for each in state.releases if verdict.is_same(each.version, version))
    if only is None:
        return list(release.present)
    by_name = {file.filename: file for file in release.files}
    if strange := sorted({*only} - by_name.keys()):
        raise Refused("unknown-file", f"{', '.join(strange)} is not a file of {state.name} {release.version}")
    return [by_name[filename] for filename in dict.fromkeys(only)]


def _check_free(path: Path, file: File) -> None:
    if path.exists() and files.digest(path) != file.sha256:
        raise Usage(f"{path} is there already, with other bytes than are signed. Nothing was overwritten.")


def _fetch(verifier: Verifier, name: str, file: File, folder: Path) -> bool:
    """Whether a file had to be fetched. It gets its name when it is whole and verified."""
    path = folder / file.filename
    if path.exists():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with verifier.content(name, file) as content:
        _place(content, path)
    return True


def _place(content: BinaryIO, path: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".tallystick-", delete=False) as arriving:
        arrived = Path(arriving.name)
    try:
        with arrived.open("wb") as file:
            shutil.copyfileobj(content, file)
        arrived.chmod(0o644)
        os.link(arrived, path)  # which, unlike a rename, never takes the place of a file that came meanwhile
    except FileExistsError:
        raise Usage(f"{path} came to be while it was fetched. It was not overwritten.") from None
    finally:
        arrived.unlink(missing_ok=True)
