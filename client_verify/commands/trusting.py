"""Which repositories are trusted: trust add, list, show, remove."""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tuf.api.exceptions import DownloadError
from tuf.api.metadata import Root

from client_verify import files, trust
from client_verify.commands import terminal
from client_verify.directory import data_directory
from client_verify.fetching.transport import Fetcher
from client_verify.places import Places
from client_verify.refusals import Refused, Usage
from client_verify.repositories import NOTHING_PINNED, Repositories
from client_verify.standing import Standing, standing
from client_verify.trust import Mode, Pin
from keys import strict, words
from keys.times import stamp

MAX_ROOT: Final = 512_000
"""Bytes of a first root: as much as python-tuf reads of one."""
_WORDS_A_LINE: Final = 4
MODES: Final[dict[Mode, str]] = {"off": "not asked for", "warn": "asked for", "require": "required"}
"""What a person reads of a mode."""
_FINGERPRINT: Final = re.compile(r"sha256:[0-9a-f]{64}")


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    parser = terminal.command(
        commands,
        "trust",
        """
        Which repositories are trusted, each from which root on. A pin is a root file
        of the registry's and an address; everything else is verified from there.
        """,
    )
    family = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_add(family)

    command = terminal.subcommand(
        family,
        "list",
        "every pinned repository",
        """
        Every pinned repository: its address and fingerprint, the names that it may
        speak for, and what should make you wonder.
        """,
        [terminal.JSON],
    )
    command.set_defaults(answer=_list)

    command = terminal.subcommand(
        family,
        "show",
        "a pinned root: its fingerprint in words, its keys and thresholds",
        """
        The root that a repository is trusted by: its fingerprint, also as words to
        read aloud, who signs which role, and until when.

        With --raw the file itself, as the registry signed it:
          tallystick trust show acme --raw > acme-root.json
        """,
        [terminal.JSON],
    )
    command.add_argument("name", metavar="NAME")
    command.add_argument("--raw", action="store_true", help="the root file itself, byte for byte")
    command.set_defaults(answer=_show)

    command = terminal.subcommand(
        family,
        "remove",
        "trust it no longer; keep what was verified",
        """
        Trust a repository no longer. What this machine has verified of it stays, so
        that it cannot be taken back if you trust the repository again.
        """,
    )
    command.add_argument("name", metavar="NAME")
    command.set_defaults(answer=_remove)


def _add_add(family: terminal.Commands) -> None:
    command = terminal.subcommand(
        family,
        "add",
        "trust a repository from this root on",
        """
        Pin a repository. Its root file and its fingerprint come from the registry, by
        another way than its own address: its documentation, a colleague, your image.

        Example:
          tallystick trust add acme --url https://packages.acme.example \\
              --root acme-root.json --fingerprint sha256:6f1c...

        With a fingerprint and no file, the root is fetched and must have it.
        Said again of the same root and address, it changes what is given again:
          tallystick trust add acme --log require
        """,
    )
    command.add_argument("name", metavar="NAME", help="what you call it: a-z, 0-9 and '-'")
    command.add_argument("--url", help="where the repository is served")
    command.add_argument("--root", type=Path, metavar="FILE", help="its first root, 1.root.json")
    command.add_argument("--fingerprint", metavar="sha256:HEX", help="what the root must have")
    command.add_argument(
        "--prefix",
        action="append",
        default=[],
        help="speak only for this name and names that begin with it and '-'; may be given again",
    )
    command.add_argument(
        "--mirror", action="append", default=[], metavar="URL", help="another address of the same files"
    )
    _add_log(command)
    command.add_argument(
        "--unsafe-trust-on-first-use",
        action="store_true",
        help="take the root from the repository itself, with nobody to vouch for it",
    )
    command.set_defaults(answer=_add)


def _add_log(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--log",
        choices=("off", "warn", "require"),
        help="what is not in its transparency log: use it, use it and say so (the default), or refuse it",
    )
    command.add_argument(
        "--witness",
        action="append",
        default=[],
        metavar="KEY",
        help="believe this witness of the log, and none of those that the root names; may be given again",
    )
    command.add_argument("--quorum", type=int, metavar="N", help="how many witnesses must have seen the log")
    command.add_argument(
        "--log-key", action="append", default=[], metavar="KEY", help="the log's key, where the root names no log"
    )


def _add(arguments: argparse.Namespace, where: Places) -> int:
    known = trust.find(where.roots, arguments.name)
    pin = _with_log(_vouched(_asked_for(arguments, known), arguments.fingerprint), known, arguments)
    trust.add(where.roots, pin)
    print(f"{pin.name} is pinned: {pin.url}\n  root {pin.fingerprint}")
    if pin.prefixes:
        print(terminal.folded(f"for {', '.join(pin.prefixes)}, and names that begin with one of them and '-'"))
    for change in _changes(known, pin):
        print(terminal.folded(change, hanging="  "))
    if arguments.fingerprint is None and known is None:
        print("  Compare this fingerprint with one that you got by another way.")
    for warning in (*_doubts(pin), *_quarrel(where)):
        terminal.complain(f"tallystick: warning: {warning}")
    return 0


def _asked_for(arguments: argparse.Namespace, known: Pin | None) -> Pin:
    """The pin that was asked for, whose root nobody has vouched for yet if it was fetched."""
    if not arguments.url and known is None:
        raise Usage("where is it served? Give --url. Nothing was written.")
    url = trust.address(arguments.url) if arguments.url or known is None else known.url
    if arguments.root is not None:
        pin = trust.checked(arguments.name, url, files.content(arguments.root), arguments.prefix, arguments.mirror)
        again = known is not None and (known.root, known.url) == (pin.root, pin.url)
        return trust.changed(replace(known, first_use=None), pin.prefixes, pin.mirrors) if known and again else pin
    if known is not None:
        return trust.changed(replace(known, url=url), arguments.prefix, arguments.mirror)
    if not (arguments.fingerprint or arguments.unsafe_trust_on_first_use):
        raise Usage(
            "which root? Give --root FILE, with the root that you got from the registry by a way that you trust, or "
            "--fingerprint, and it is fetched. Nothing was written."
        )
    pin = trust.checked(arguments.name, url, _first_root(url), arguments.prefix, arguments.mirror)
    return replace(pin, first_use=stamp(datetime.now(UTC)))


def _with_log(pin: Pin, known: Pin | None, arguments: argparse.Namespace) -> Pin:
    """The pin with the trust in its log that was asked for; what is not said stays."""
    said = {
        "mode": arguments.log,
        "keys": tuple(arguments.log_key),
        "witnesses": tuple(arguments.witness),
        "quorum": arguments.quorum,
    }
    given = {field: value for field, value in said.items() if value not in (None, ())}
    try:
        log = replace(trust.DEFAULT_LOG if known is None else known.log, **given)
    except ValueError as error:
        raise Usage(f"this trust in a log cannot be: {error}. Nothing was written.") from None
    return trust.with_log(pin, log)


def _first_root(url: str) -> bytes:
    # The first and not the newest: its fingerprint is what a registry tells people, and it leads to all others.
    try:
        return Fetcher().download_bytes(f"{url}/metadata/1.root.json", MAX_ROOT)
    except DownloadError as error:
        raise Refused("unreachable", f"its first root: {error}") from error


def _vouched(pin: Pin, fingerprint: str | None) -> Pin:
    """The pin, with no doubt about its root if somebody named its fingerprint."""
    if fingerprint is None:
        return pin
    if not _FINGERPRINT.fullmatch(said := fingerprint.strip().lower()):
        raise Usage(
            f"{fingerprint!r:.80} is no fingerprint: sha256: and 64 digits of 0-9 and a-f. Nothing was written."
        )
    if said != pin.fingerprint:
        raise Usage(
            f"the root file's fingerprint is {pin.fingerprint}, not {fingerprint}. "
            "It is not the file that you were told about. Nothing was written."
        )
    return replace(pin, first_use=None)


def _changes(before: Pin | None, after: Pin) -> Iterator[str]:
    if before is None:
        return
    for what, old, new in (
        ("prefixes", before.prefixes, after.prefixes),
        ("mirrors", before.mirrors, after.mirrors),
    ):
        if old != new:
            yield f"{what}: now {', '.join(new)}; before {', '.join(old) or 'none'}"
    if before.log != after.log:
        yield f"its log: now {_log(after)}; before {_log(before)}"
    if before.first_use and not after.first_use:
        yield "its root was trusted on first use; now it is vouched for"
    if before == after:
        yield "it was pinned so already; nothing was changed"


def _doubts(pin: Pin) -> Iterator[str]:
    if pin.is_rehearsal:
        yield "THIS IS A REHEARSAL ROOT. Its keys are thrown away; trust nothing it signs."
    if pin.first_use is not None:
        yield (
            f"NOBODY HAS VOUCHED FOR THIS ROOT. It came from {pin.url} itself, so whoever stood between chose "
            "whom this machine trusts from now on.\n"
            "  Get the fingerprint from the registry by another way, then say:\n"
            f"  tallystick trust add {pin.name} --fingerprint sha256:..."
        )


def _quarrel(where: Places) -> Iterator[str]:
    """What stands in the way of several pins together, said when it comes about and not at the next install."""
    try:
        Repositories(trust.pins(where.roots))
    except Usage as error:
        yield str(error)


def _list(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: ``{"repositories": [...]}``, each as ``as_json`` has it."""
    pins = trust.pins(where.roots)
    if arguments.json:
        terminal.tell({"repositories": [as_json(pin, where) for pin in pins]})
        return 0
    if not pins:
        terminal.complain(NOTHING_PINNED)
    for pin in pins:
        print(f"{pin.name}  {pin.url}\n  {pin.fingerprint}")
        for line in (*about(pin, where), *_dates(standing(pin, data_directory(where.data, pin)))):
            print(terminal.folded(line, hanging="  "))
    return 0


def _dates(known: Standing) -> Iterator[str]:
    """Until when the root holds that counts: the newest one, which the pinned one leads to."""
    if known.verified is not None:
        yield f"its newest root, version {known.verified.root}, is valid until {stamp(known.verified.root_expires)}"
    else:
        root = known.pin.signed
        yield f"its pinned root, version {root.version}, is valid until {stamp(root.expires)}; no newer one is known"


def as_json(pin: Pin, where: Places) -> dict[str, Any]:
    """A pin: ``name, url, prefixes, mirrors``; of its root ``fingerprint, version, expires, rehearsal``, and
    ``first_use``: when it was taken from the repository itself, null if it is vouched for; ``shipped``: the directory,
    if it was pinned for all users; ``log_trust``: the ``mode`` (off, warn, require), and ``keys``, ``witnesses`` and
    ``quorum`` that stand in the place of the root's.
    """
    root = pin.signed
    shipped = trust.shipped_in(where.roots, pin)
    return {
        "name": pin.name,
        "url": pin.url,
        "fingerprint": pin.fingerprint,
        "version": root.version,
        "expires": stamp(root.expires),
        "prefixes": list(pin.prefixes),
        "mirrors": list(pin.mirrors),
        "rehearsal": pin.is_rehearsal,
        "first_use": pin.first_use,
        "shipped": None if shipped is None else str(shipped),
        "log_trust": strict.dump(pin.log),
    }


def about(pin: Pin, where: Places) -> Iterator[str]:
    """What a person should know of a pin besides its address and fingerprint."""
    own = ", ".join(f"{prefix}, {prefix}-*" for prefix in pin.prefixes)
    yield f"speaks for {own or 'every name that no other is pinned for'}"
    if pin.mirrors:
        yield f"mirrors {', '.join(pin.mirrors)}"
    if pin.log != trust.DEFAULT_LOG:
        yield f"its transparency log: {_log(pin)}"
    if (shipped := trust.shipped_in(where.roots, pin)) is not None:
        yield f"pinned for all users of this machine, in {shipped}"
    if pin.is_rehearsal:
        yield "REHEARSAL: its keys are thrown away; trust nothing from it"
    if pin.first_use is not None:
        yield (
            f"TRUSTED ON FIRST USE, {pin.first_use[:10]}: nobody has vouched for this root. Compare its fingerprint, "
            f"then: tallystick trust add {pin.name} --fingerprint sha256:..."
        )


def _log(pin: Pin) -> str:
    """What is asked of a log, in words."""
    log = pin.log
    keys = f", of the key {', '.join(log.keys)}" if log.keys else ""
    names = ", ".join(key.partition("+")[0] for key in log.witnesses) or "those that its root names"
    quorum = "" if log.quorum is None else f", seen by {log.quorum} of {names}"
    return f"{MODES[log.mode]}{keys}{quorum}"


def _show(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: the keys of ``as_json``, ``newest`` (the version of the newest root that was verified, or null),
    ``words`` and ``roles``: of each its ``keyids`` and ``threshold``.
    """
    pin = trust.load(where.roots, arguments.name)
    if arguments.raw:
        sys.stdout.buffer.write(pin.root)
        return 0
    known = standing(pin, data_directory(where.data, pin))
    newest = known.verified.root if known.verified else None
    root = pin.signed
    if arguments.json:
        roles = {name: {"keyids": role.keyids, "threshold": role.threshold} for name, role in root.roles.items()}
        terminal.tell({**as_json(pin, where), "newest": newest, "words": _words(pin), "roles": roles})
    else:
        print("\n".join(_shown(known, root, where)))
    return 0


def _shown(known: Standing, root: Root, where: Places) -> Iterator[str]:
    pin, said = known.pin, _words(known.pin)
    yield f"{pin.name}: {pin.url}"
    yield f"  root {pin.fingerprint}"
    yield "  in words, to read to each other:"
    for start in range(0, len(said), _WORDS_A_LINE):
        yield "    " + "".join(f"{word:<14}" for word in said[start : start + _WORDS_A_LINE]).rstrip()
    for line in (*_dates(known), *about(pin, where)):
        yield terminal.folded(line, hanging="  ")
    for name, role in root.roles.items():
        yield f"  {name} is signed by {role.threshold} of {len(role.keyids)}:"
        for keyid in role.keyids:
            yield terminal.folded(f"{keyid}  {root.keys[keyid].scheme}", "    ", "  ")


def _words(pin: Pin) -> list[str]:
    return list(words.words(bytes.fromhex(pin.fingerprint.removeprefix("sha256:"))))


def _remove(arguments: argparse.Namespace, where: Places) -> int:
    trust.remove(where.roots, arguments.name)
    print(f"{arguments.name} is no longer trusted. What was verified stays in {where.data}.")
    return 0
