"""Lock files and environments: lock verify, lock rewrite, check-installed."""

import argparse
import os
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from client_verify import files
from client_verify.commands import terminal
from client_verify.installing.index import LOOPBACK, usual_port
from client_verify.installing.report import Entry, sentence
from client_verify.locks import addresses, installed, rewriting
from client_verify.locks.checking import Checked, Finding, check
from client_verify.locks.installed import Environment, Known, Standing
from client_verify.locks.reading import read
from client_verify.places import Places
from client_verify.refusals import Usage

_ASIDE: Final[tuple[tuple[Standing, str], ...]] = (
    ("unknown", "not known to the registry"),
    ("elsewhere", "not from the registry"),
    ("unreadable", "not readable"),
)


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    _add_lock(terminal.command(commands, "lock", "Lock files: verify them, or say from where they install."))

    command = terminal.command(
        commands,
        "check-installed",
        """
        Checks every distribution of an environment against what is signed today: by
        its name and version, and by the hash of its archive where an installer recorded
        that. No installed code is run.

          tallystick check-installed                 the active virtual environment
          tallystick check-installed .venv           another one, or its interpreter
          tallystick check-installed /opt/app/lib    a directory of packages

        What the registry does not know, and what was installed from elsewhere, is
        listed and is no alarm.

        Exit codes: 0 no alarm; 7 something was taken down, removed, quarantined,
        prohibited or yanked for security; 3 to 8 if something cannot be told.
        """,
        [terminal.ABOUT, terminal.JSON],
    )
    command.add_argument("place", nargs="?", metavar="PYTHON|DIR")
    command.set_defaults(answer=_check_installed)


def _add_lock(parser: argparse.ArgumentParser) -> None:
    family = parser.add_subparsers(required=True, metavar="COMMAND")

    command = terminal.subcommand(
        family,
        "verify",
        "whether every file in lock files is signed and may be installed",
        """
        Whether every file in lock files is signed and may be installed. Downloads none
        of them. Reads uv.lock, pylock.toml, poetry.lock, pdm.lock, and requirements
        with hashes in NAME.txt.

          tallystick lock verify uv.lock requirements.txt

        Entries from version control, from a direct address, from an archive on this
        machine or without a sha256 cannot be verified, and count as not signed. Source
        trees on this machine (the project, editable dependencies) are only listed.

        Exit codes: 0 all signed, perhaps with warnings; 6 another hash than the signed
        one; 7 not signed, forbidden or unverifiable; the gravest (lowest) of all files.
        """,
        [terminal.ABOUT, terminal.ACCEPTING, terminal.JSON],
    )
    command.add_argument("files", nargs="+", type=Path, metavar="FILE")
    command.set_defaults(answer=_verify)

    command = terminal.subcommand(
        family,
        "rewrite",
        "put other addresses into a lock file, and leave the rest as it is",
        """
        Puts other addresses of its files and indexes into a lock file, and leaves the
        rest as it is, to the byte. Nothing is written if one of its files is refused.

          tallystick lock rewrite uv.lock --to loopback    for `run` and `serve`
          tallystick lock rewrite uv.lock                  the repository (canonical)

        Exit codes: as of lock verify.
        """,
        [terminal.ABOUT, terminal.ACCEPTING],
    )
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument("--to", default="canonical", metavar="canonical|loopback|URL")
    command.set_defaults(answer=_rewrite)


def _verify(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: ``exit``, and ``locks``: of each what ``_as_json`` gives."""
    locks = {path: read(path.name, files.content(path)) for path in arguments.files}
    verifier = terminal.verifier(arguments, where, terminal.accepted(arguments))
    checked = {path: check(lock, verifier) for path, lock in locks.items()}
    exit_code = min(filter(None, (each.exit_code for each in checked.values())), default=0)
    if arguments.json:
        terminal.tell({"exit": exit_code, "locks": [_as_json(path, each) for path, each in checked.items()]})
    else:
        for path, each in checked.items():
            _say(path, each, "Do not install it.")
    return exit_code


def _rewrite(arguments: argparse.Namespace, where: Places) -> int:
    path: Path = arguments.file
    base = _base(arguments.to)
    data = files.content(path)
    lock = read(path.name, data)
    checked = check(lock, terminal.verifier(arguments, where, terminal.accepted(arguments)))
    if checked.refused:
        _say_refused(path, checked.refused, "Nothing was written.")
        return checked.exit_code
    changed = rewriting.changes(checked, base)
    text = rewriting.rewritten(path.name, data, changed)
    if text == data:
        print(f"{path}: nothing to change. Nothing was written.")
        return 0
    rewriting.write(path, text)
    for (old, new), count in Counter((addresses.host(o), addresses.host(n)) for o, n in changed.items()).items():
        print(f"{path}: {_count(count, 'address', 'addresses')} at {old} now at {new}")
    for left in checked.lock.unverifiable:
        terminal.complain(f"tallystick: warning: {path}: {left.what} was left as it is: {left.why}")
    return 0


def _check_installed(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: ``directories``, ``exit``, ``installed``: objects with ``name, version, path, standing, code,
    sentence, sha256`` (of the archive, if that was recorded) and ``origin``.
    """
    directories = installed.directories(arguments.place, os.environ)
    environment = installed.check(installed.found_in(directories), terminal.verifier(arguments, where))
    if arguments.json:
        terminal.tell(_environment_as_json(environment, directories))
    else:
        _say_environment(environment, directories)
    return environment.exit_code


def _base(to: str) -> str | None:
    if to == "canonical":
        return None
    if to == "loopback":
        return f"http://{LOOPBACK}:{usual_port(os.environ)}"
    if not to.startswith(("https://", "http://")):
        raise Usage(f"{to!r:.200} is none of canonical, loopback and an address. Nothing was written.")
    return to.rstrip("/").removesuffix("/simple")


def _say(path: Path, checked: Checked, consequence: str) -> None:
    for finding in checked.warned:
        terminal.complain(f"tallystick: warning: {path}: {finding.sentence}")
    if checked.elsewhere:
        terminal.complain(f"tallystick: warning: {path} {_elsewhere(path, checked)}")
    _say_refused(path, checked.refused, consequence)
    if left := checked.lock.unverifiable:
        listed = ";\n  ".join(f"{each.what}: {each.why}" for each in left)
        subject = f"{path}: {_count(len(left), 'entry', 'entries')}"
        terminal.complain(sentence(Entry(subject, "unverifiable", listed), consequence))
    if checked.lock.local:
        print(f"{path}: not from a registry: {', '.join(f'{each.what} ({each.path})' for each in checked.lock.local)}")
    print(f"{path}: {_summary(checked)}")


def _say_refused(path: Path, findings: list[Finding], consequence: str) -> None:
    for finding in findings:
        assert finding.code is not None
        many = f" ({len(finding.files)} files)" if len(finding.files) > 1 else ""
        entry = Entry(f"{path}: {finding.what}{many}", finding.code, finding.sentence)
        terminal.complain(sentence(entry, consequence))


def _summary(checked: Checked) -> str:
    total, refused = len(checked.judged), sum(len(finding.files) for finding in checked.refused)
    said = f"{_count(total, 'file', 'files')} of {_count(checked.packages, 'package', 'packages')}"
    other = len(checked.lock.unverifiable)
    if not refused and not other:
        return f"{said}: all signed"
    parts = [f"{total - refused} signed", *[f"{refused} refused"] * bool(refused)]
    return f"{said}: {', '.join(parts)}" + (f"; {_count(other, 'entry', 'entries')} unverifiable" if other else "")


def _elsewhere(path: Path, checked: Checked) -> str:
    named = ", ".join(f"{host} ({_count(count, 'time', 'times')})" for host, count in checked.elsewhere.items())
    return (
        f"names addresses elsewhere: {named}. An installer that goes by it passes the verified index by; "
        f"`tallystick lock rewrite {shlex.quote(str(path))} --to loopback` changes that"
    )


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _as_json(path: Path, checked: Checked) -> dict[str, Any]:
    return {
        "file": str(path),
        "exit": checked.exit_code,
        "files": len(checked.judged),
        "packages": checked.packages,
        "refused": [*map(_finding_as_json, checked.refused)],
        "warnings": [*map(_finding_as_json, checked.warned)],
        "unverifiable": [{"what": each.what, "why": each.why} for each in checked.lock.unverifiable],
        "local": [{"what": each.what, "path": each.path} for each in checked.lock.local],
        "elsewhere": dict(checked.elsewhere),
    }


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    return {"what": finding.what, "code": finding.code, "sentence": finding.sentence, "files": list(finding.files)}


def _say_environment(environment: Environment, directories: list[str]) -> None:
    for known in environment.of("warning"):
        terminal.complain(f"tallystick: warning: {known.sentence}")
    for known in environment.of("alarm"):
        assert known.code is not None
        terminal.complain(
            sentence(
                Entry(known.installed.what, known.code, known.sentence), f"It is installed in {known.installed.path}."
            )
        )
    print("\n".join(_environment_as_text(environment, directories)))


def _environment_as_text(environment: Environment, directories: list[str]) -> Iterator[str]:
    for standing, words in _ASIDE:
        if each := environment.of(standing):
            yield f"{words}: {', '.join(known.installed.what for known in each)}"
    alarms = environment.count["alarm"]
    asked = len(environment.known) - environment.count["elsewhere"] - environment.count["unreadable"]
    yield (
        f"{_count(len(environment.known), 'distribution', 'distributions')} in {', '.join(directories)}: "
        f"{_count(alarms, 'alarm', 'alarms') if alarms else 'no alarm'}"
    )
    yield f"{asked - environment.by_hash} checked by name and version, {environment.by_hash} by the hash of the archive"


def _environment_as_json(environment: Environment, directories: list[str]) -> dict[str, Any]:
    return {
        "directories": directories,
        "exit": environment.exit_code,
        "installed": [*map(_known_as_json, environment.known)],
    }


def _known_as_json(known: Known) -> dict[str, Any]:
    return {
        "name": known.installed.name,
        "version": known.installed.version,
        "path": str(known.installed.path),
        "standing": known.standing,
        "code": known.code,
        "sentence": known.sentence,
        "sha256": known.installed.sha256,
        "origin": known.installed.origin,
    }
