"""``tallystick-service witness``: cosign other people's logs. It starts without the server's libraries."""

import argparse
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from keys import hardening
from keys.tlog import notes
from keys.tlog.notes import BadNote, HeldWitnessKey, VerifierKey
from repo_service.commands.table import command, status_of
from repo_service.operating import logs
from repo_service.operating.serving import stopped_by_signals
from repo_service.witness import keyring, store
from repo_service.witness.deciding import Log
from repo_service.witness.keyring import BadKey
from repo_service.witness.serving import Door, Witness, described
from repo_service.witness.store import BadStore, Store

if TYPE_CHECKING:
    from repo_service.commands.table import Commands

LISTEN: Final = "127.0.0.1:8417"


class NotAdded(Exception):
    """A log is not known by this key from now on. Nothing was written."""


_EXIT: Final[dict[type[Exception], int]] = {
    BadKey: 2,
    BadNote: 2,
    BadStore: 2,
    NotAdded: 2,
    FileExistsError: 2,
    OSError: 5,
    sqlite3.Error: 5,
}


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit status."""
    do: Callable[[argparse.Namespace], None] = options.do
    try:
        do(options)
    except tuple(_EXIT) as error:
        return status_of("witness", error, _EXIT)
    return 0


def add(commands: "Commands") -> None:
    """Add this command to the parser."""
    parser = command(commands, "witness")
    parser.set_defaults(command=run)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, do: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(do=do)
        command.add_argument("folder", metavar="DIR", type=Path, help="the witness's folder: its keys and its memory")
        return command

    key = add("key", _key, "begin a witness, or give one that has an Ed25519 key another of the other kind")
    key.add_argument("--name", required=True, help="the witness's name, best a URL without https://")
    key.add_argument("--ml-dsa", action="store_true", help="an ML-DSA-44 key, for those who ask for one")
    log = add("add", _add, "cosign a log from now on")
    log.add_argument("vkey", metavar="VKEY", help="the log's key, as its operator spells it: NAME+ID+KEY")
    instead = log.add_mutually_exclusive_group()
    instead.add_argument("--replace", action="store_true", help="the log is known: this key instead of those it had")
    instead.add_argument("--beside", action="store_true", help="the log is known: this key counts too")
    serve = add("run", _run, "answer at an address until told to stop")
    serve.add_argument(
        "--listen", type=_address, default=_address(LISTEN), metavar="HOST:PORT",
        help=f"default: {LISTEN}; port 0 is a free one",
    )  # fmt: skip
    serve.add_argument("--log", choices=("text", "json", "quiet"), default="text", help="how its log is written")
    add("show", _show, "its keys, the logs it knows, how far it cosigned them, and what was kept as evidence")


def _key(options: argparse.Namespace) -> None:
    folder: Path = options.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file, private = _new(options)
    if (folder / file).exists():
        raise FileExistsError(f"{folder / file} exists, and a key is never overwritten. Nothing was written.")
    key = HeldWitnessKey(options.name, private).key
    fresh = not (folder / store.FILE).exists() and not keyring.public(folder)
    with closing(Store.create(folder) if fresh else Store(folder)) as memory:
        memory.adopt(key)
    keyring.write(folder, file, options.name, private)
    print(f"Wrote {folder / file} (keep it; only its owner can read it). The witness is known by this line:")
    print(key)


def _new(options: argparse.Namespace) -> tuple[str, keyring.PrivateKey]:
    if options.ml_dsa:
        return keyring.MLDSA44, MLDSA44PrivateKey.generate()
    return keyring.ED25519, Ed25519PrivateKey.generate()


def _add(options: argparse.Namespace) -> None:
    key = notes.read_key(options.vkey)
    change = _replaced if options.replace else _beside if options.beside else _added
    with closing(Store(options.folder)) as memory:
        memory.put(key.name, lambda log: change(log, key))
    print(f"{key.name} is cosigned from now on. A witness that runs need not be started again.")


def _added(log: Log | None, key: VerifierKey) -> Log:
    if log is None:
        return Log((key,))
    if key in log.keys:
        raise NotAdded(f"{key.name} is known by this key. Nothing was written.")
    raise NotAdded(
        f"{key.name} is known by another key. If its operator has a new one, say --beside while both sign, and "
        "--replace when the old one is gone. Nothing was written."
    )


def _beside(log: Log | None, key: VerifierKey) -> Log:
    its = _other(log, key)
    others = tuple(each for each in its.keys if each != key)
    return Log((*others, key), its.retired, its.head)


def _replaced(log: Log | None, key: VerifierKey) -> Log:
    its = _other(log, key)
    return Log((key,), (*its.retired, *(old for old in its.keys if old != key)), its.head)


def _other(log: Log | None, key: VerifierKey) -> Log:
    if log is None:
        raise NotAdded(f"{key.name} is not known yet; say it without --beside and --replace. Nothing was written.")
    if log.keys == (key,):
        raise NotAdded(f"{key.name} is known by this key alone. Nothing was written.")
    return log


def _run(options: argparse.Namespace) -> None:
    folder: Path = options.folder
    os.umask(0o077)
    hardening.harden()
    logs.begin(options.log)
    host, port = options.listen
    with store.locked(folder), closing(Store(folder)) as memory:
        keys = keyring.read(folder)
        memory.check_own(key.key for key in keys)
        door = Door(Witness(keys, memory, _now), host, port)
        with stopped_by_signals() as stopping:
            print(f"Witnessing {len(memory.logs())} log(s) at http://{host}:{door.port}", flush=True)
            door.serve(stopping)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _show(options: argparse.Namespace) -> None:
    with closing(Store(options.folder)) as memory:
        print(*keyring.public(options.folder), "", *described(memory.logs(), _now()), sep="\n")
        for path, found in memory.evidence():
            what = "signed two trees of one size" if found.is_fork else "was given a proof that does not lead there"
            print(f"{found.keys[0].name}: {what}: {path}")


def _now() -> int:
    return int(time.time())
