"""What this machine remembers, and what it can prove against a registry: memory, evidence."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from client_verify import files, trust
from client_verify.commands import terminal
from client_verify.directory import MEMORY, alone, data_directory
from client_verify.metadata.trusted import Trusted
from client_verify.places import Places
from client_verify.refusals import Usage
from client_verify.remembering import evidence, logs, memory, moving, proofs
from client_verify.remembering.evidence import Evidence
from client_verify.remembering.memory import Memory
from client_verify.remembering.proofs import PAGE, Unproven
from client_verify.repositories import NOTHING_PINNED
from client_verify.trust import Pin
from keys import strict
from keys.encoding import sha256
from keys.times import stamp
from keys.tlog import contradictions
from keys.tlog.merkle import NotProven
from keys.tlog.notes import BadNote

_UNPROVEN = 5
"""The exit code of ``evidence check`` where it proves nothing: that of metadata that is not valid."""


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    _add_evidence(commands)
    _add_memory(commands)


def _add_evidence(commands: terminal.Commands) -> None:
    family = terminal.command(
        commands,
        "evidence",
        """
        Signed documents of a registry that cannot both be true: it took back what it
        had signed, or signed two files of one version. They were refused and kept.
        """,
    ).add_subparsers(required=True, metavar="COMMAND")

    command = terminal.subcommand(
        family, "list", "everything that was kept", "Everything that was kept, the oldest first.", [terminal.ABOUT]
    )
    command.set_defaults(answer=_list)

    command = terminal.subcommand(
        family,
        "show",
        "what one contradiction is, and whether it is proved",
        "What one contradiction is, both documents by their SHA-256, and whether they are proved.",
        [terminal.ABOUT],
    )
    command.add_argument("id", metavar="ID")
    command.set_defaults(answer=_show)

    command = terminal.subcommand(
        family,
        "export",
        "write it all to a file, for the registry or the public",
        """
        Write everything to a new file, a contradiction a line. Each line holds both
        signed documents and what is needed to check them from the registry's root. It
        holds nothing about you but the times at which this machine saw them.

        Whoever gets it runs `tallystick evidence check FILE --root ROOT`.
        """,
        [terminal.ABOUT],
    )
    command.add_argument("file", type=Path, metavar="FILE")
    command.set_defaults(answer=_export_evidence)

    command = terminal.subcommand(
        family,
        "check",
        "does somebody else's file prove what it says?",
        """
        Does a file of evidence prove that the registry with this root contradicted
        itself? Nothing in it is believed but what the root's keys have signed, and
        the keys of the log that it names. A witness's file of two heads is one too.

        Exit codes: 0 if every line is proved; 5 if not.
        """,
    )
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument("--root", required=True, type=Path, metavar="FILE")
    command.set_defaults(answer=_check)


def _add_memory(commands: terminal.Commands) -> None:
    family = terminal.command(
        commands,
        "memory",
        """
        What this machine has verified of a repository, and will not have taken back:
        the last signed page of each name, and the newest timestamp.
        """,
    ).add_subparsers(required=True, metavar="COMMAND")

    command = terminal.subcommand(
        family,
        "export",
        "write it to a file, for another machine",
        "Write what was verified of a repository to a new file.",
        [terminal.ABOUT],
    )
    command.add_argument("file", type=Path, metavar="FILE")
    command.set_defaults(answer=_export)

    command = terminal.subcommand(
        family,
        "import",
        "take in what another machine has verified",
        """
        Take in what another machine has verified. Every page is proved again from the
        root that is pinned here, nothing that is known here is lowered, and what
        contradicts it is kept as evidence.

        Exit codes: 0; 6 if something contradicts what is known here.
        """,
        [terminal.ABOUT],
    )
    command.add_argument("file", type=Path, metavar="FILE")
    command.set_defaults(answer=_import)

    command = terminal.subcommand(
        family,
        "reset",
        "forget everything that was verified of a repository",
        """
        Forget everything that was verified of a repository, where its memory is damaged
        or the registry has begun anew. Until every name was seen again, nobody here
        would notice if the registry, or who stole its key, took back a removal, changed
        the bytes of a file, gave a name to somebody else or made fixed versions go.
        Evidence is kept, and so is the order of snapshots.

        If one name contradicted itself, `tallystick forget NAME` is enough.
        """,
    )
    command.add_argument("--repo", metavar="NAME", required=True, help="the repository, by its full name")
    command.set_defaults(answer=_reset)


def _list(arguments: argparse.Namespace, where: Places) -> int:
    kept = list(_evidence(arguments, where))
    for pin, found in kept:
        print(f"{found.id}  {found.seen_at}  {pin.name}  {found.kind} {found.subject}: {found.why}")
    if not kept:
        terminal.complain("No evidence is kept here: nothing that was verified has contradicted itself.")
    return 0


def _show(arguments: argparse.Namespace, where: Places) -> int:
    for pin, found in _evidence(arguments, where):
        if found.id == arguments.id:
            print("\n".join(_described(pin, found)))
            return 0
    raise Usage(f"there is no evidence {arguments.id!r:.40}. See `tallystick evidence list`.")


def _described(pin: Pin, found: Evidence) -> Iterator[str]:
    yield f'{found.id}: {found.kind} {found.subject} of "{pin.name}" ({found.url or pin.url})'
    yield f"  {found.why}"
    for which, side in (("before", found.before), ("after", found.after)):
        yield f"  {which}, verified here {side.seen_at}"
        yield from (f"    {role}  sha256 {sha256(data)}" for role, data in side.files.items())
        if found.kind == "name" and PAGE not in side.files:
            yield "    no page, in a bin that had one" if which == "after" else "    no page"
    doubts = evidence.doubts(found)
    yield from (f"  not proved to others: {doubt}" for doubt in doubts)
    if not doubts:
        yield f"  proved to whoever knows the root sha256:{sha256(found.roots[0].data)}"


def _export_evidence(arguments: argparse.Namespace, where: Places) -> int:
    lines = [found.data for _, found in _evidence(arguments, where)]
    if not lines:
        raise Usage("there is no evidence. Nothing was written.")
    _write(arguments.file, b"".join(line + b"\n" for line in lines))
    print(f"{len(lines)} written to {arguments.file}. Check it with `tallystick evidence check` before you send it.")
    return 0


def _check(arguments: argparse.Namespace, _: Places) -> int:
    root, content = files.content(arguments.root), files.content(arguments.file)
    if content.startswith(contradictions.FIRST.encode()):
        return _check_heads(content, root)
    codes = [0]
    for number, line in enumerate(content.splitlines(), 1):
        doubts = _doubts(line, root)
        for doubt in doubts:
            terminal.complain(f"line {number} proves nothing: {doubt}")
        codes.append(_UNPROVEN if doubts else 0)
        if not doubts:
            found = evidence.load(line)
            print(f"line {number} is proved: {found.kind} {found.subject}: {found.why}")
    return max(codes)


def _check_heads(content: bytes, root: bytes) -> int:
    """Of a file as witnesses keep it (keys/tlog/contradictions.py)."""
    try:
        said = contradictions.read(content)
        contradictions.check(said, [key for policy in logs.policies(proofs.roots([root])) for key in policy.keys])
    except (BadNote, NotProven, Unproven) as error:
        terminal.complain(f"it proves nothing: {error}")
        return _UNPROVEN
    print(f"it is proved: the log {said.keys[0].name} signed two different heads of one size")
    return 0


def _doubts(line: bytes, root: bytes) -> list[str]:
    try:
        found = evidence.load(line)
        if [document.data for document in found.roots[:1]] != [root]:
            return ["its first root is another one"]
    except strict.Malformed as error:
        return [str(error)]
    return evidence.doubts(found)


def _evidence(arguments: argparse.Namespace, where: Places) -> Iterator[tuple[Pin, Evidence]]:
    for pin in [trust.load(where.roots, arguments.repo)] if arguments.repo else trust.pins(where.roots):
        directory = data_directory(where.data, pin)
        if (directory / MEMORY).exists():
            with alone(directory):
                found = Memory(directory / MEMORY).evidence()
            yield from ((pin, each) for each in found)


def _export(arguments: argparse.Namespace, where: Places) -> int:
    pin = _one(arguments, where)
    with _known(pin, where) as (directory, known):
        if known.timestamp(memory.NEWEST) is None:
            raise Usage(f"nothing was verified of {pin.name} yet. Nothing was written.")
        roots = Trusted(directory / "metadata", pin.root).roots
        _write(arguments.file, moving.written(known, pin, roots))
        count = known.count()
    print(f"What was verified of {pin.name} is in {arguments.file}: {count} names.")
    return 0


def _import(arguments: argparse.Namespace, where: Places) -> int:
    pin = _one(arguments, where)
    data = files.content(arguments.file)
    with _known(pin, where) as (_, known):
        taken = moving.take_in(known, pin, data, stamp(datetime.now(UTC)))
    print(f"{taken.new} names of {pin.name} are known better than before.")
    for name in taken.unproven:
        terminal.complain(f"tallystick: warning: {name} was left out: nothing in the file proves its page")
    for name in taken.contradicted:
        terminal.complain(f"tallystick: {name} contradicts what is known here. See `tallystick evidence list`.")
    return 6 if taken.contradicted else 0


def _reset(arguments: argparse.Namespace, where: Places) -> int:
    pin = trust.load(where.roots, arguments.repo)
    directory = data_directory(where.data, pin)
    if not directory.exists():
        raise Usage(f"nothing was verified of {pin.name} yet. Nothing was written.")
    with alone(directory):
        aside = memory.begin_anew(directory / MEMORY)
    terminal.complain(
        f"tallystick: warning: everything that this machine had verified of {pin.name} is forgotten. The next\n"
        "  answer about each name is believed as if it were the first: a removal that is taken back, other bytes\n"
        "  under a known name, a new holder, or fixed versions that were made to go are not noticed until then."
    )
    if aside is not None:
        print(f"The damaged file was put aside as {aside}; evidence in it may still be read by hand.")
    return 0


@contextmanager
def _known(pin: Pin, where: Places) -> Iterator[tuple[Path, Memory]]:
    directory = data_directory(where.data, pin)
    directory.mkdir(parents=True, exist_ok=True)
    with alone(directory):
        yield directory, Memory(directory / MEMORY)


def _one(arguments: argparse.Namespace, where: Places) -> Pin:
    pins = [trust.load(where.roots, arguments.repo)] if arguments.repo else trust.pins(where.roots)
    if not pins:
        raise Usage(NOTHING_PINNED)
    if len(pins) != 1:
        raise Usage(f"which repository? {len(pins)} are pinned: say which with --repo. Nothing was written.")
    return pins[0]


def _write(file: Path, data: bytes) -> None:
    try:
        new = file.open("xb")
    except FileExistsError:
        raise Usage(f"{file} exists already. Nothing was written.") from None
    except OSError as error:
        raise Usage(f"{file} cannot be written: {error.strerror}. Nothing was written.") from None
    with new:
        new.write(data)
