"""``tallystick-service key``: a service's keys are made, followed and retired."""

import argparse
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from repo_service.commands import keyfiles, opening
from repo_service.commands.opening import EXITS, begun
from repo_service.operating import settings
from repo_service.operating.settings import SETTINGS
from repo_service.wiring import (
    LOG_KEY,
    LOG_PUB,
    NEXT_KEY,
    NEXT_LOG_KEY,
    NEXT_LOG_PUB,
    NEXT_PUB,
    ONLINE_KEY,
    ONLINE_PUB,
    found_settings,
)

if TYPE_CHECKING:
    from repo_service.commands.table import Commands

OWN_EXITS: Final = {**EXITS, keyfiles.KeyRefused: 2}
"""What can go wrong with this command, and how a script can tell."""


def add(commands: "Commands") -> None:
    """Add this family to the parser."""
    key = opening.add(commands, "key", _key, OWN_EXITS)
    key.add_argument("--name", default="online", help="how the ceremony shows this key (default: online)")
    step = key.add_mutually_exclusive_group()
    step.add_argument("--next", action="store_true", help="make the key that is to follow; both sign until --retire")
    step.add_argument("--retire", action="store_true", help="let the next key sign alone (docs/OPERATIONS.md)")
    step.add_argument("--log", action="store_true", help="make the log's key, for a service that has none")
    step.add_argument("--next-log", action="store_true", help="make the log's key that is to follow; both sign then")
    step.add_argument("--retire-log", action="store_true", help="let the log's next key sign alone")
    key.add_argument(
        "--log-name", metavar="NAME",
        help="what the log is called for good: its address without https://, like pkgs.acme.example/log (default: from "
        "the url of the settings, or a random name)",
    )  # fmt: skip
    key.add_argument("--rehearsal", action="store_true", help="a throw-away key, for a rehearsal ceremony")


def _key(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    if options.next:
        return _next_key(options)
    if options.retire:
        return _retired(keyfiles.retire(begun(folder)))
    if options.log:
        return _log_key(options)
    if options.next_log:
        return _next_log_key(options)
    if options.retire_log:
        return _retired(keyfiles.retire_log(begun(folder)))
    log = _log_name(options)
    keyfiles.make(folder, options.name, rehearsal=options.rehearsal)
    if not (folder / SETTINGS).exists():
        (folder / SETTINGS).write_text(settings.template(), "utf-8")
    print(f"Wrote {folder / ONLINE_KEY} (keep it; only its owner can read it), {folder / SETTINGS}")
    print(f"and {folder / ONLINE_PUB}, which the ceremony needs: `tallystick-ceremony plan --online ...`.")
    if not (folder / LOG_KEY).exists():  # else a new online key goes on with the log of before
        _make_log(folder, log)
    return 0


def _log_key(options: argparse.Namespace) -> int:
    _make_log(options.folder, _log_name(options))
    return 0


def _log_name(options: argparse.Namespace) -> str:
    """How the log is to be called. Of a rehearsal never as the real one: witnesses forget no log."""
    folder: Path = options.folder
    known = (folder / SETTINGS).exists() and not options.rehearsal
    url = found_settings(folder).settings.url if known else ""
    name = keyfiles.log_name(url, secrets.token_hex(8)) if options.log_name is None else str(options.log_name)
    keyfiles.check_log_name(name)
    return name


def _make_log(folder: Path, name: str) -> None:
    made = keyfiles.make_log(folder, name)
    print(f"Wrote {folder / LOG_KEY} (keep it too) and {folder / LOG_PUB}, for `plan --log ...`.")
    print(f"The log is called {made.name} for good (--log-name says another name); its key is {made.digits}.")


def _next_log_key(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    made = keyfiles.make_next_log(folder)
    print(f"Wrote {folder / NEXT_LOG_KEY} (keep it; only its owner can read it) and {folder / NEXT_LOG_PUB}.")
    print(f"The key is {made.digits}, for the ceremony to compare.")
    print("Restart the service now: from then on both keys sign each checkpoint. Give log-next.pub to the witnesses.")
    print(
        f"Then hold a ceremony, `tallystick-ceremony plan ... --log {folder / NEXT_LOG_PUB} --after ...`, and take-in."
    )
    return 0


def _next_key(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    keyfiles.make_next(folder, options.name, rehearsal=options.rehearsal)
    print(f"Wrote {folder / NEXT_KEY} (keep it; only its owner can read it) and {folder / NEXT_PUB}.")
    print("Restart the service now: from then on both keys sign, and everything is signed again little by little.")
    print(f"When `tallystick-service status {folder}` says that both have signed everything, hold a ceremony:")
    print(f"`tallystick-ceremony plan ... --online {folder / NEXT_PUB} --after ...`, then take-in, then key --retire.")
    return 0


def _retired(retired: Path) -> int:
    print(f"Restart the service: from then on the new key signs alone. The old one lies in {retired};")
    print("destroy it once the service runs.")
    return 0
