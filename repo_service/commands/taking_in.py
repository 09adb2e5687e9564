"""``tallystick-service init`` and ``take-in``: what a ceremony sealed comes in."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from keys import trust
from repo_service.commands import keyfiles, opening, tokens
from repo_service.commands.opening import begun, current
from repo_service.operating.settings import BadSettings
from repo_service.wiring import EVIDENCE, Service, open_service

if TYPE_CHECKING:
    from repo_service.commands.table import Commands


def add(commands: "Commands") -> None:
    """Add this family to the parser."""
    first, later = opening.add(commands, "init", _init), opening.add(commands, "take-in", _take_in)
    for command in (first, later):
        command.add_argument("--sealed", type=Path, required=True, help="the sealed/ folder of the ceremony")
        command.add_argument("--allow-rehearsal", action="store_true", help="accept a root made to practise with")
    old_key = later.add_mutually_exclusive_group()
    old_key.add_argument(
        "--key-lost", action="store_true",
        help="the old online key is gone: sign everything anew; clients fail for the moment in between",
    )  # fmt: skip
    old_key.add_argument(
        "--key-stolen", type=int, metavar="LAST_GOOD",
        help="the old online key was stolen: take what the thief wrote out of the public metadata, and go on "
        "after this release, the newest in the database (docs/OPERATIONS.md)",
    )  # fmt: skip


def _init(options: argparse.Namespace) -> int:
    service = open_service(options.folder)
    service.journal.create()
    with service.journal.reading() as view:
        if view.roles():
            raise BadSettings(f"{options.folder} is initialised; take-in is for later ceremonies. Nothing was written.")
    found = service.take_in(options.sealed, rehearsal_allowed=options.allow_rehearsal)
    bins = len(trust.bins_shape(found.bins))
    print(f"Verified root {found.trust.root.version}; published snapshot 1 with {bins} bins.")
    tokens.issue_first(service)
    _tell_of_log(service)
    print(f"Next: tallystick-service serve {options.folder}")
    return 0


def _take_in(options: argparse.Namespace) -> int:
    if options.key_stolen is not None:
        return _take_in_after_theft(options)
    service = current(options.folder)
    found = service.take_in(options.sealed, rehearsal_allowed=options.allow_rehearsal, key_lost=options.key_lost)
    print("Published: " + (", ".join(f"{role.name} {role.version}" for role in found.fresh) or "nothing new"))
    _tell_of_log(service)
    return 0


def _tell_of_log(service: Service) -> None:
    for line in keyfiles.log_lines(service):
        print(f"Note: {line}.")


def _take_in_after_theft(options: argparse.Namespace) -> int:
    service = begun(options.folder)  # the public timestamp may be the thief's, and far ahead
    found, taken = service.take_in_after_theft(
        options.sealed, options.key_stolen, rehearsal_allowed=options.allow_rehearsal
    )
    for path in taken:
        print(f"not ours, taken out: {path}")
    if taken:
        print(f"The bytes are kept in {options.folder / EVIDENCE}. Purge the CDN: it may go on serving them.")
    print(f"Published root {found.trust.root.version}; everything is signed by the new key.")
    _tell_of_log(service)
    print(f"Next: tallystick-service fsck {options.folder}")
    return 0
