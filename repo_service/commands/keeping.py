"""``tallystick-service`` for whoever keeps the database and the public files: do they agree, and what if not."""

import argparse
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from repo_service.commands import opening
from repo_service.commands.opening import begun, opened
from repo_service.mending import collecting, forgetting, fsck
from repo_service.mending.look import Repository
from repo_service.mending.rebuilding import rebuild
from repo_service.mending.recovering import Recovered, recover, recover_lost
from repo_service.operating.settings import BadSettings
from repo_service.wiring import Service, open_service

if TYPE_CHECKING:
    from repo_service.commands.table import Commands

FOUND: Final = 6
"""The exit status where something is wrong with the repository, and not with the command."""


def add(commands: "Commands") -> None:
    """Add this family to the parser."""
    check = opening.add(commands, "fsck", opened(begun, _fsck))
    check.add_argument("--quick", action="store_true", help="without replaying each name's events")
    opening.add(commands, "rebuild", opened(begun, _rebuild))
    recovering = opening.add(commands, "recover", opened(open_service, _recover))
    recovering.add_argument(
        "--from-log", metavar="ROOT", type=Path,
        help="the database is lost: fill an empty one from the public log; ROOT is a root.json of a ceremony, from "
        "where you trust it",
    )  # fmt: skip
    forget = opening.add(commands, "forget-text", opened(begun, _forget_text))
    forget.add_argument("digest", metavar="SHA256", type=_digest, help="as the leaf says it, without sha256:")
    gc = opening.add(commands, "gc", opened(begun, _gc))
    gc.add_argument("--dry-run", action="store_true", help="only say which")
    for name, run in (("backup", _backup), ("restore", _restore)):
        opening.add(commands, name, opened(open_service, run)).add_argument("file", metavar="FILE", type=Path)
    opening.add(commands, "migrate", opened(open_service, _migrate))


def progress(what: str, number: int, total: int) -> None:
    """A bar on a terminal, nothing elsewhere."""
    if sys.stderr.isatty() and (number in (0, total) or number % max(1, total // 200) == 0):
        width = 30 * number // max(1, total)
        end = "\n" if number == total else ""
        print(
            f"\r  {what:10} [{'#' * width}{'.' * (30 - width)}] {number}/{total}", end=end, file=sys.stderr, flush=True
        )


def _fsck(service: Service, options: argparse.Namespace) -> int:
    its = Repository(service.journal, service.depot, service.settings.layout, service.clock(), progress)
    found = 0
    for problem in (fsck.examine_quickly if options.quick else fsck.examine)(its):
        print(problem)
        found += 1
    print(f"{found} problems. Nothing was written." if found else "Database, public files and a client agree.")
    return FOUND if found else 0


def _rebuild(service: Service, _: argparse.Namespace) -> int:
    found = 0
    for problem in rebuild(service.press, progress):
        print(problem)
        found += 1
    print(f"{found} files could not be made again." if found else "The public files are those of the database.")
    return FOUND if found else 0


def _read_root(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadSettings(
            f"{file}: {error.strerror}; it should be a root.json of a ceremony. Nothing was written."
        ) from None


def _recover(service: Service, options: argparse.Namespace) -> int:
    if options.from_log is not None:
        root = _read_root(options.from_log)
        service.journal.create()
        done: Recovered | None = recover_lost(service.press, root, service.clock(), progress)
    else:
        service.journal.check()
        done = recover(service.press, service.clock(), progress)
    if done is None:
        print("The database is not behind the public files. Nothing was written.")
        return 0
    print(
        f"The database is at release {done.generation} now, as the public files are; {len(done.names)} names were taken"
    )
    print(f"back from their pages, and {done.events} events from the log. What public files do not hold is lost: see")
    print("docs/OPERATIONS.md, An old database behind a newer depot.")
    for name in done.unknown:
        print(f"  {name}: its account or organisation is not known here; look it up, and set it again")
    for name in done.paged:
        print(f"  {name}: goes on from its page, since texts or pages of the log are gone")
    for digest in done.gone:
        print(f"  log/texts/{digest}: is gone, so what an event said there is not known")
    if options.from_log is not None:
        print("There are no tokens: make new ones (token issue). Nor is anything known of requests under which keys,")
        print("numbers of sequences, refusals, escalations, and what was accepted and not signed.")
    else:
        print(
            "Tokens are those of the backup: revoke what was revoked since (token list), and make the new ones again."
        )
    print(f"Next: tallystick-service fsck {service.folder}")
    return 0


def _digest(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError("a sha256 is 64 of 0-9 a-f")
    return text


def _forget_text(service: Service, options: argparse.Namespace) -> int:
    if not forgetting.forget_text(service.journal, service.depot, options.digest):
        print(f"log/texts/{options.digest} is not there, or not any more. Nothing was written.")
        return 0
    print(f"log/texts/{options.digest} is gone, and nothing makes it again. Purge the CDN: it may go on serving it.")
    print("The page of its name and the database still say it, for as long as the page shows it. A backup from before")
    print("has the file: say this again after restoring one.")
    return 0


def _gc(service: Service, options: argparse.Namespace) -> int:
    if options.dry_run:
        keep = timedelta(seconds=service.settings.keep_s)
        marked, dropped = collecting.foreseen(service.journal, keep, service.clock())
        for path in dropped:
            print(f"would go now: {path}")
        for path in marked:
            print(f"would go in a day: {path}")
        print("Nothing was written.")
        return 0
    done = service.collect()
    print(f"{done.dropped} files are gone, and {done.marked} more go in a day.")
    return 0


def _backup(service: Service, options: argparse.Namespace) -> int:
    service.journal.back_up(options.file)
    print(f"Wrote {options.file}, and read it back. It does not hold {service.folder / 'online.key'}: keep that apart.")
    return 0


def _restore(service: Service, options: argparse.Namespace) -> int:
    service.journal.restore(options.file)
    print(f"Restored. Next: tallystick-service fsck {service.folder}, before anything is served.")
    return 0


def _migrate(service: Service, _: argparse.Namespace) -> int:
    steps = service.journal.migrate()
    print(f"Moved on by {', '.join(steps)}." if steps else "The tables are those of this tallystick already.")
    return 0
