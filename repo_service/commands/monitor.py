"""``tallystick-service monitor``: does a registry keep to its log? It starts without the server's libraries."""

import argparse
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final

from keys.trust import NotTrusted
from repo_service.commands.table import command, status_of
from repo_service.monitor import feeds, hooks, limits, rounds, telling
from repo_service.monitor.auditing import Sample
from repo_service.monitor.book import Book, BookInUse
from repo_service.monitor.feeds import Place
from repo_service.monitor.hooks import BadSecret, Hook
from repo_service.monitor.limits import BadLimits, Limits
from repo_service.monitor.reading import OutOfReach, public_at
from repo_service.monitor.rounds import Post
from repo_service.monitor.trusting import signed_file
from repo_service.monitor.vantages import Vantage

if TYPE_CHECKING:
    from repo_service.commands.table import Commands

PINNED: Final = "root.json"
ALARM: Final = 6
EXITS: Final = {
    0: "nothing is wrong, as far as it was looked at; there may be notices",
    2: "it was not called as it must be, or its folder cannot be used; nothing was looked at",
    5: "it could not look: the registry is out of reach, or the disk is full",
    ALARM: "there is an alarm, new or still standing",
}
"""What each exit status says (docs/LOG.md)."""
_TOLD: Final = "printed"


class NotPinned(Exception):
    """The monitor does not know what to believe."""


_EXIT: Final[dict[type[Exception], int]] = {
    BadLimits: 2,
    FileNotFoundError: 2,
    BadSecret: 2,
    BookInUse: 2,
    NotPinned: 2,
    NotTrusted: ALARM,
    OutOfReach: 5,
    OSError: 5,
}


def run(options: argparse.Namespace, clock: Callable[[], datetime] | None = None) -> int:
    """Run the command; the exit status."""
    try:
        return _monitor(options, clock or _now)
    except tuple(_EXIT) as error:
        return status_of("monitor", error, _EXIT)


def add(commands: "Commands") -> None:
    """Add this command to the parser."""
    parser = command(commands, "monitor")
    parser.set_defaults(command=run)
    add = parser.add_argument
    add("registry", metavar="URL_OR_FOLDER", help="the registry's address, or a folder that mirrors its public files")
    add("--state", metavar="DIR", type=Path, required=True, help="the monitor's own folder, made if it is not there")
    add("--root", metavar="1.root.json", type=Path, help="the root to believe; needed once, and compared from then on")
    add("--follow", action="store_true", help="go on looking until stopped")
    add("--every", metavar="SECONDS", type=float, default=60, help="how often, with --follow (default: 60)")
    add("--full", action="store_true", help="compare every bin and page that is served, not a sample")
    add("--json", action="store_true", help="one JSON object a line for each finding")
    add("--webhook", metavar="URL", help="send alarms there (Standard Webhooks)")
    add("--webhook-secret", metavar="FILE", type=Path, help=f"whsec_…; or the variable {hooks.VARIABLE}")
    add("--feeds", metavar="DIR", type=Path, help="write Atom feeds there: of each project and namespace, of alarms")
    add(
        "--vantage", metavar="URL_OR_FOLDER", action="append", default=[],
        help="a witness's monitoring prefix or another mirror, where the log must be the same; may come often",
    )  # fmt: skip
    add("--limits", metavar="FILE", type=Path, help="limits of the alarms (TOML; docs/LOG.md lists them)")


def _monitor(options: argparse.Namespace, clock: Callable[[], datetime]) -> int:
    bounds = limits.read(options.limits.read_text("utf-8")) if options.limits else Limits()
    hook = Hook(options.webhook, hooks.secret_of(options.webhook_secret)) if options.webhook else None
    if not _is_address(options.registry) and not Path(options.registry).is_dir():
        raise OutOfReach(options.registry, "is no address and no folder")
    pin = pinned(options.state, options.root, options.registry)
    book = Book(options.state)
    try:
        watch = _Watcher(options, _post(options, pin, bounds), book, hook, clock)
        return watch.follow() if options.follow else watch.once()
    finally:
        book.close()


def _post(options: argparse.Namespace, pin: bytes, bounds: Limits) -> Post:
    sample = Sample(None, None) if options.full else Sample()
    elsewhere = tuple(map(Vantage.at, options.vantage))
    return Post(
        options.registry, public_at(options.registry), pin, options.state, bounds, sample, elsewhere,
        has_feeds=options.feeds is not None,
    )  # fmt: skip


def pinned(state: Path, root: Path | None, registry: str) -> bytes:
    """The root that this monitor believes. NotPinned, NotTrusted."""
    kept = state / PINNED
    if root is None:
        if not kept.exists():
            raise NotPinned(
                f"{state} pins no root yet, and nothing is believed unseen. Get "
                f"{registry.rstrip('/')}/metadata/1.root.json, compare its SHA-256 with the one that the key holders "
                "announced (their transcript says it), and give it with --root. Nothing was written."
            )
        return kept.read_bytes()
    data = root.read_bytes()
    try:
        signed_file("root", data)
    except NotTrusted as error:
        raise NotPinned(f"{root}: {error}. Nothing was written.") from None
    if kept.exists():
        if kept.read_bytes() != data:
            raise NotPinned(
                f"{root} is not the root that {state} pins. Leave --root out, or give the monitor another folder. "
                "Nothing was written."
            )
    else:
        state.mkdir(parents=True, exist_ok=True)
        beside = kept.with_suffix(".new")
        beside.write_bytes(data)
        beside.replace(kept)
    return data


class _Watcher:
    """The rounds of one run."""

    def __init__(
        self, options: argparse.Namespace, post: Post, book: Book, hook: Hook | None, clock: Callable[[], datetime]
    ) -> None:
        self._options = options
        self._post = post
        self._book = book
        self._hook = hook
        self._clock = clock

    def once(self) -> int:
        try:
            found = rounds.look(self._post, self._book, self._clock())
        finally:
            self._tell()
        for finding in () if self._options.json else found.still:
            print(telling.paragraph(finding), end="\n\n")
        if not self._options.json:
            print(rounds.summary(found, self._post))
        return ALARM if found.alarms else 0

    def follow(self) -> int:
        stopping = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        while not stopping.is_set():
            try:
                found = rounds.look(self._post, self._book, self._clock())
                if found.new_leaves and not self._options.json:
                    print(rounds.summary(found, self._post), flush=True)
            except (OutOfReach, NotTrusted) as error:
                print(f"tallystick-service monitor: {error}; it is tried again", file=sys.stderr, flush=True)
            self._tell()
            stopping.wait(self._options.every)
        return 0

    def _tell(self) -> None:
        """What is new, everywhere it is to be told. Who is killed in the middle tells it again, under the same id."""
        origin = (self._book.value(rounds.ORIGIN) or self._options.registry.encode()).decode()
        for number, finding in self._book.findings(self._book.number(_TOLD, 0)):
            is_json = self._options.json
            print(
                telling.as_json(origin, number, finding) if is_json else f"{telling.paragraph(finding)}\n", flush=True
            )
            self._book.keep(_TOLD, str(number).encode())
        if self._options.feeds:
            feeds.write(self._book, self._options.feeds, self._place(origin))
        if self._hook and (waiting := hooks.deliver(self._book, self._hook, origin, self._clock())):
            print(f"{waiting} of the alarms wait for the webhook", file=sys.stderr, flush=True)

    def _place(self, origin: str) -> Place:
        where = self._options.registry
        return Place(origin, where if _is_address(where) else None)


def _is_address(where: str) -> bool:
    return where.startswith(("https://", "http://"))


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
