"""``tallystick-service guard``: the process that holds the online key. It starts without the server's libraries."""

import argparse
import logging
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from keys import hardening, possession, sealed
from keys.signing import HeldKey
from keys.trust import RootOfTrust
from keys.waivers import NoWaiver
from repo_service.commands.table import command, status_of
from repo_service.guarding import serving, settings, waiving
from repo_service.guarding.facts import Sealed, TakenIn
from repo_service.guarding.guard import Guard, allow_rehearsal, check_rehearsal, verified
from repo_service.guarding.keyring import BadKey, open_signer
from repo_service.guarding.reading import Refusal
from repo_service.guarding.settings import BadGuard, Settings
from repo_service.guarding.store import BadStore, Store

if TYPE_CHECKING:
    from repo_service.commands.table import Commands

_EXIT: Final[dict[type[Exception], int]] = {
    BadGuard: 2,
    BadKey: 2,
    BadStore: 2,
    NoWaiver: 3,
    Refusal: 3,
    FileExistsError: 2,
    OSError: 5,
}


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit status."""
    do: Callable[[argparse.Namespace], None] = _DO[options.do]
    try:
        do(options)
    except tuple(_EXIT) as error:
        return status_of("guard", error, _EXIT)
    return 0


def add(commands: "Commands") -> None:
    """Add this command to the parser."""
    parser = command(commands, "guard")
    parser.set_defaults(command=run)
    parser.add_argument("folder", metavar="DIR", type=Path, help="the guard's folder: its key, guard.toml, its memory")
    parser.add_argument(
        "do", nargs="?", choices=sorted(_DO), default="serve",
        help="serve (default); key makes a key, init pins a ceremony's files, waiver takes one of the root holders",
    )  # fmt: skip
    parser.add_argument("file", nargs="?", type=Path, help="the waiver; for key the new key's file (online.key)")
    parser.add_argument("--sealed", type=Path, help="init: the sealed/ folder of the newest ceremony")
    parser.add_argument("--name", default="online", help="key: how the ceremony shows it (default: online)")
    parser.add_argument("--rehearsal", action="store_true", help="key: a throw-away key, for a rehearsal ceremony")
    parser.add_argument("--passphrase", type=Path, help="key: seal it with the first line of this file")


def _key(options: argparse.Namespace) -> None:
    folder, name = options.folder, str(options.file or "online.key")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = generate_private_key(SECP256R1())
    pem = sealed.plain(private)
    if options.passphrase:
        passphrase = options.passphrase.read_text("utf-8").splitlines()[0]
        pem = sealed.seal(private, passphrase, salt=os.urandom(16), iv=os.urandom(16))
    sealed.write_private(folder / name, pem)
    public = (folder / name).with_suffix(".pub")
    public.write_bytes(possession.write(options.name, HeldKey(private), rehearsal=options.rehearsal))
    print(f"Wrote {folder / name} (keep it) and {public}, which the ceremony needs.")
    if (folder / settings.FILE).exists():
        print(f"Add it to keys in {folder / settings.FILE} and start the guard again: then both keys sign.")
    else:
        (folder / settings.FILE).write_text(settings.TEMPLATE.format(key=name), "utf-8")
        print(f"Wrote {folder / settings.FILE}. After the ceremony: guard {folder} init --sealed SEALED.")


def _init(options: argparse.Namespace) -> None:
    its = settings.read(options.folder)
    if options.sealed is None or not options.sealed.is_dir():
        raise BadGuard("init needs --sealed, the sealed/ folder of the newest ceremony. Nothing was written.")
    files = {
        path.relative_to(options.sealed).as_posix(): path.read_bytes()
        for path in options.sealed.rglob("*")
        if path.is_file()
    }
    store = Store(options.folder / settings.DATABASE)
    try:
        if store.sealed() is not None:
            raise BadGuard(
                f"{options.folder} has a root of trust; later ones come from the service. Nothing was written."
            )
        begin(store, verified(files, {}, _now()), its)
    finally:
        store.close()
    print(f"Pinned. Next: tallystick-service guard {options.folder}")


def begin(store: Store, found: RootOfTrust, its: Settings) -> None:
    """Pin a first root of trust. Raises Refusal."""
    _check(its)(found)
    store.commit(store.state(found), [TakenIn(Sealed(found))])


def _waiver(options: argparse.Namespace) -> None:
    if options.file is None:
        raise BadGuard("name the waiver's file. Nothing was written.")
    folder = options.folder / waiving.FOLDER
    data = options.file.read_bytes()
    waiver = waiving.read(data, Sealed(Store.pinned(options.folder / settings.DATABASE)))
    if waiver.is_over(_now()):
        raise NoWaiver(f"it ended {waiver.expires}. Nothing was written.")
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / f"{waiver.number}.json").open("xb") as file:
        file.write(data)
    allowed = ", ".join(f"{each.rule} {each.limit or 'without a limit'}" for each in waiver.allow)
    print(f"Waiver {waiver.number} allows {allowed} until {waiver.expires}. The guard need not be started again.")


def _serve(options: argparse.Namespace) -> None:
    folder: Path = options.folder
    os.umask(0o077)
    hardening.harden()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", force=True)
    its = settings.read(folder)
    path = settings.socket_of(folder, its)
    store = Store(folder / settings.DATABASE)
    guard = opened(folder, its, store)
    server = serving.Server(path, guard, its.allowed)
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    server.begin()
    print(f"Guarding {len(its.keys)} key(s) at {path}", flush=True)
    stopping.wait()
    server.end()
    guard.close()


def opened(folder: Path, its: Settings, store: Store, clock: Callable[[], datetime] | None = None) -> Guard:
    """The guard of a folder. BadGuard or BadKey if it cannot work."""
    found = store.sealed()
    if found is None:
        raise BadGuard(f"{folder} has no root of trust yet: `tallystick-service guard {folder} init --sealed SEALED`")
    _check(its)(found)
    keys = [open_signer(source, folder, os.environ) for source in its.keys]
    return Guard(store, found, keys, its.limits, folder / waiving.FOLDER, clock or _now, _check(its))


def _check(its: Settings) -> Callable[[RootOfTrust], None]:
    return allow_rehearsal if its.rehearsal else check_rehearsal


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


_DO: Final[dict[str, Callable[[argparse.Namespace], None]]] = {
    "serve": _serve,
    "key": _key,
    "init": _init,
    "waiver": _waiver,
}
