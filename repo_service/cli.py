"""``tallystick-service``: the registry's side, for the person who runs it."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import waitress
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from keys import possession, sealed
from keys.signing import HeldKey, SignerFailed
from keys.times import stamp
from repo_service import cli_import, cli_tokens, roots
from repo_service.bell import Publisher
from repo_service.build.check import WouldBeRefused
from repo_service.domain.announcing import NotAnnounced, announce, differences
from repo_service.domain.clock import ClockWentBack
from repo_service.importing.index import NoIndex
from repo_service.importing.preparing import Halted
from repo_service.storage.depot import Diverged
from repo_service.web import openapi
from repo_service.web.app import create_app
from repo_service.web.verbs import VERBS
from repo_service.wiring import ONLINE_KEY, ONLINE_PUB, SETTINGS, BadSettings, Service, open_service

MAX_HEADERS: Final = 1 << 14
"""Bytes before a request's body. Waitress answers 431 to more; a signed request needs less than 2,000."""

_SETTINGS_TEXT: Final = """\
# Settings of this Tallystick service. What is commented out shows its default. Durations are in seconds.

# layout = "full"                          # "compact" lists pages only: smaller, but stock TUF clients see no files
# database = "sqlite:///journal.sqlite"
# public = "public"                        # the folder that everyone may read
# redis = "redis://127.0.0.1:6379/0"       # publish from RQ workers instead of the server's own thread
# timestamp_s = 259200                     # 3 days; survives a weekend
# snapshot_s = 604800                      # 7 days
# bin_s = 2592000                          # 30 days
# refresh_s = 600                          # how often what is due is looked for, besides every change
# max_upload_bytes = 1073741824
# url = "http://127.0.0.1:8416"            # the API's address as its clients say it: what signed requests must sign
# max_token_days = 90
# client_per_minute = 6000                 # requests of one client; a token's --per-minute can only lower it
# name_per_minute = 600                    # changes of one name, whoever asks
# max_pending = 20000                      # events that may wait to be signed before changes are answered 503
# policy = "standard"                      # a preset, or a file in this folder: policy = "policy.toml" (docs/POLICY.md)
"""

_EXIT: Final[dict[type[Exception], int]] = {
    BadSettings: 2,
    NotAnnounced: 2,
    FileExistsError: 2,
    cli_tokens.TokenRefused: 2,
    NoIndex: 2,
    roots.NotTakenIn: 3,
    WouldBeRefused: 4,
    ClockWentBack: 4,
    SignerFailed: 4,
    Halted: 4,
    Diverged: 5,
}
"""What can go wrong, and how a script can tell."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except tuple(_EXIT) as error:
        print(f"tallystick-service: {error}", file=sys.stderr)
        return _EXIT[type(error)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tallystick-service",
        description="Signed state for a package registry: its API, its publisher and its public files.",
        epilog="Begin with: key DIR, then a ceremony (tallystick-ceremony), then init DIR, then serve DIR.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=run)
        command.add_argument("folder", metavar="DIR", type=Path, help="the service's folder")
        return command

    key = add("key", _key, "begin a service: make its online key and settings; the ceremony needs DIR/online.pub")
    key.add_argument("--name", default="online", help="how the ceremony shows this key (default: online)")
    key.add_argument("--rehearsal", action="store_true", help="a throw-away key, for a rehearsal ceremony")
    for name, run, text in (
        ("init", _init, "take a first ceremony's sealed files in, verify them again and publish the first snapshot"),
        ("take-in", _take_in, "take a later ceremony's sealed files in and publish them"),
    ):
        command = add(name, run, text)
        command.add_argument("--sealed", type=Path, required=True, help="the sealed/ folder of the ceremony")
        command.add_argument("--allow-rehearsal", action="store_true", help="accept a root made to practise with")
    cli_tokens.add_to(commands, _begun)
    serve = add("serve", _serve, "serve the API and the public files, and publish what comes in")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8416)
    cli_import.arguments(add("import", _import, cli_import.HELP))
    policy = add("policy", _policy, "which policy judges, and how it changes (docs/POLICY.md)")
    policy.add_argument("do", choices=sorted(_POLICY), help="show what judges now and later; check or publish the next")
    policy.add_argument(
        "file", metavar="FILE", nargs="?", help="a .toml file or a preset (default: the settings' policy)"
    )
    policy.add_argument(
        "--approved-by", metavar="ID", action="append", default=[],
        help="an admin's opaque id; an emergency needs two of them (kept, never signed)",
    )  # fmt: skip
    add("openapi", _openapi, "print the API's description, OpenAPI 3.1, as /v1/openapi.json serves it")
    add("publish", _publish, "do one round by hand: deadlines, then whatever is pending or due")
    add("status", _status, "what is signed, what is pending, what expires when")
    add("worker", _worker, "serve the Redis queue of service.toml: publish when rung, and on a timer")
    return parser


def _key(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    private = generate_private_key(SECP256R1())
    sealed.write_private(folder / ONLINE_KEY, sealed.plain(private))
    (folder / ONLINE_PUB).write_bytes(possession.write(options.name, HeldKey(private), rehearsal=options.rehearsal))
    if not (folder / SETTINGS).exists():
        (folder / SETTINGS).write_text(_SETTINGS_TEXT)
    print(f"Wrote {folder / ONLINE_KEY} (keep it; only its owner can read it), {folder / SETTINGS}")
    print(f"and {folder / ONLINE_PUB}, which the ceremony needs: `tallystick-ceremony plan --online ...`.")
    return 0


def _init(options: argparse.Namespace) -> int:
    service = open_service(options.folder)
    service.journal.create()
    with service.journal.reading() as view:
        if view.roles():
            raise BadSettings(f"{options.folder} is initialised; take-in is for later ceremonies. Nothing was written.")
    found = service.take_in(options.sealed, rehearsal_allowed=options.allow_rehearsal)
    bins = len(roots.bins_shape(found.bins))
    print(f"Verified root {found.trust.root.version}; published snapshot 1 with {bins} bins.")
    cli_tokens.issue_first(service)
    print(f"Next: tallystick-service serve {options.folder}")
    return 0


def _begun(folder: Path) -> Service:
    """A service that ``init`` has begun."""
    service = open_service(folder)
    service.journal.create()
    with service.journal.reading() as view:
        if not view.roles():
            raise BadSettings(
                f"{folder} has no root yet: `tallystick-service init {folder} --sealed SEALED` takes a ceremony's "
                "files in. Nothing was written."
            )
    return service


def _take_in(options: argparse.Namespace) -> int:
    found = _begun(options.folder).take_in(options.sealed, rehearsal_allowed=options.allow_rehearsal)
    print("Published: " + (", ".join(f"{role.name} {role.version}" for role in found.fresh) or "nothing new"))
    return 0


def _serve(options: argparse.Namespace) -> int:
    service = _begun(options.folder)
    with _stopped_by_signals(), service.bell() as bell:
        bell.ring()  # what a crash left is finished before the first request
        server = waitress.create_server(
            create_app(service.desk(bell)), host=options.host, port=options.port, threads=16, ident=None,
            max_request_body_size=service.settings.max_upload_bytes, max_request_header_size=MAX_HEADERS,
        )  # fmt: skip
        print(f"Serving {options.folder} on http://{options.host}:{server.effective_port}/ (Ctrl-C stops)", flush=True)
        try:
            server.run()
        except KeyboardInterrupt:
            print("Stopping; what was accepted is kept.")
        finally:
            server.close()
    return 0


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM stop as Ctrl-C does: between requests, with the round in hand finished."""

    def interrupt(number: int, frame: Any) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _import(options: argparse.Namespace) -> int:
    with _stopped_by_signals():
        return cli_import.bring(_begun(options.folder), options)


def _policy(options: argparse.Namespace) -> int:
    file = options.file
    source = str(Path(file).absolute()) if file and file.endswith(".toml") else file
    return _POLICY[options.do](_begun(options.folder), source, options.approved_by)


def _show_policy(service: Service, _: str | None, __: Sequence[str]) -> int:
    with service.journal.reading() as view:
        judging, published = view.policy(service.clock()), view.policies()
    for each in published:
        state = "judges now" if each.policy == judging else f"takes effect {each.effective_from}"
        if each.policy != judging and each.effective_from <= stamp(service.clock()):
            state = "was replaced"
        urgent = f", at once because: {each.policy.emergency}" if each.policy.emergency else ""
        print(f"{each.policy.id:20} published {each.published_at}, {state}{urgent}")
    return 0


def _check_policy(service: Service, source: str | None, approved_by: Sequence[str]) -> int:
    new, now = service.named_policy(source), service.clock()
    with service.journal.reading() as view:
        judging, published = view.policy(now), view.policies()
    for line in differences(judging, new):
        print(f"  {line}")
    found = announce(new, published, now, approved_by)
    print(f"{new.id} can be published; it would judge from {found.effective_from}. Nothing was written.")
    return 0


def _publish_policy(service: Service, source: str | None, approved_by: Sequence[str]) -> int:
    published = service.announce(service.named_policy(source), approved_by)
    print(f"Published {published.policy.id}: it judges from {published.effective_from}, and is signed as")
    print(f"  {published.path}")
    return 0


_POLICY: Final = {"show": _show_policy, "check": _check_policy, "publish": _publish_policy}


def _publish(options: argparse.Namespace) -> int:
    release = _begun(options.folder).round()
    print(f"Published snapshot {release.snapshot_version}." if release else "Nothing was pending or due.")
    return 0


def _openapi(options: argparse.Namespace) -> int:
    service = open_service(options.folder)
    desk = service.desk(Publisher(service.round, service.settings.refresh_s))  # never started: nobody will ring
    print(openapi.written(create_app(desk), VERBS, desk.url).decode())
    return 0


def _status(options: argparse.Namespace) -> int:
    service = _begun(options.folder)
    now = service.clock()
    with service.journal.reading() as view:
        base, counts, staged = view.base(), view.counts(), view.staged()
    print(f"{counts['names']} names, {counts['events']} events, {counts['pending']} of them not signed yet")
    print(
        f"snapshot {base.snapshot[0] if base.snapshot else '-'}, timestamp {base.generation}, {len(staged)} to copy out"
    )
    bins = [signed for role, signed in base.roles.items() if role.startswith("bin-")]
    soonest = min(bins, key=lambda signed: signed.expires, default=None)
    shown = [
        base.roles[role] for role in ("root", "targets", "held", "bins", "snapshot", "timestamp") if role in base.roles
    ]
    for signed in [*shown, *([soonest] if soonest else [])]:
        left = signed.expires - now
        note = f" (the first of {len(bins)} bins)" if signed is soonest else ""
        print(f"  {signed.role:10} {signed.version:<8} expires {stamp(signed.expires)}, in {_span(left)}{note}")
    return 0


def _span(left: timedelta) -> str:
    """A length of time as people say it."""
    for unit, seconds in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if left.total_seconds() >= 2 * seconds:
            return f"{left.total_seconds() // seconds:.0f} {unit}"
    return f"{left.total_seconds():.0f} seconds"


def _worker(options: argparse.Namespace) -> int:
    from repo_service.worker import work

    service = _begun(options.folder)
    if service.settings.redis is None:
        raise BadSettings(f'{options.folder / SETTINGS} names no redis; add the line redis = "redis://…"')
    work(service)
    return 0


if __name__ == "__main__":
    sys.exit(main())
