"""``tallystick-service``: the registry's side, for the person who runs it."""

import argparse
import json
import logging
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from keys import trust
from keys.signing import SignerAway, SignerFailed, SignerOvertaken, SignerRefused
from keys.times import moment, stamp
from repo_service import cli_guard, cli_import, cli_journal, cli_keys, cli_monitor, cli_tokens, cli_witness
from repo_service.build.check import WouldBeRefused
from repo_service.domain.announcing import NotAnnounced, announce, differences
from repo_service.domain.clock import ClockWentBack
from repo_service.importing.index import NoIndex
from repo_service.importing.preparing import Halted
from repo_service.mending.retelling import NotRecovered
from repo_service.operating import logs, settings
from repo_service.operating.serving import Server, spare_the_collector, stopped_by_signals
from repo_service.operating.settings import SETTINGS, BadSettings
from repo_service.publishing import roots
from repo_service.publishing.clocks import ClocksDiffer
from repo_service.publishing.publish import LeaseHeld
from repo_service.publishing.recording import LogKeyMissing
from repo_service.storage.backups import NotCopied
from repo_service.storage.depot import Behind, Diverged, Unavailable, Unfit
from repo_service.storage.schema import WrongSchema
from repo_service.storage.tables import DatabaseAway
from repo_service.web import openapi
from repo_service.web.app import create_app
from repo_service.web.verbs import VERBS
from repo_service.wiring import (
    EVIDENCE,
    LOG_KEY,
    LOG_PUB,
    NEXT_KEY,
    NEXT_LOG_KEY,
    NEXT_LOG_PUB,
    NEXT_PUB,
    ONLINE_KEY,
    ONLINE_PUB,
    Service,
    found_settings,
    open_service,
)

_EXIT: Final[dict[type[Exception], int]] = {
    BadSettings: 2,
    NotAnnounced: 2,
    FileExistsError: 2,
    cli_tokens.TokenRefused: 2,
    NoIndex: 2,
    WrongSchema: 2,
    cli_keys.KeyRefused: 2,
    roots.NotTakenIn: 3,
    WouldBeRefused: 4,
    LogKeyMissing: 4,
    ClockWentBack: 4,
    ClocksDiffer: 4,
    SignerFailed: 4,
    SignerRefused: 4,
    SignerOvertaken: 4,
    SignerAway: 5,
    Halted: 4,
    Unfit: 2,
    Diverged: 5,
    Behind: 5,
    Unavailable: 5,
    DatabaseAway: 5,
    LeaseHeld: 5,
    NotCopied: 2,
    NotRecovered: 5,
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

    key = add("key", _key, "begin a service: its online key, its log's key and its settings; the ceremony needs *.pub")
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
    for name, run, text in (
        ("init", _init, "take a first ceremony's sealed files in, verify them again and publish the first snapshot"),
        ("take-in", _take_in, "take a later ceremony's sealed files in and publish them"),
    ):
        command = add(name, run, text)
        command.add_argument("--sealed", type=Path, required=True, help="the sealed/ folder of the ceremony")
        command.add_argument("--allow-rehearsal", action="store_true", help="accept a root made to practise with")
        if name == "take-in":
            old_key = command.add_mutually_exclusive_group()
            old_key.add_argument(
                "--key-lost", action="store_true",
                help="the old online key is gone: sign everything anew; clients fail for the moment in between",
            )  # fmt: skip
            old_key.add_argument(
                "--key-stolen", type=int, metavar="LAST_GOOD",
                help="the old online key was stolen: take what the thief wrote out of the public metadata, and go on "
                "after this release, the newest in the database (docs/OPERATIONS.md)",
            )  # fmt: skip
    cli_tokens.add_to(commands, _begun)
    cli_journal.add_to(commands, _begun)
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
    add("settings", _settings, "every setting as it is in effect, and the line or variable that says so")
    clear = add("clear-clock", _clear_clock, "go on after something was signed by a clock that was ahead")
    clear.add_argument(
        "--time", type=moment, required=True, metavar="2026-11-22T10:00:00Z",
        help="what time it is, from another clock than this machine's",
    )  # fmt: skip
    status = add("status", _status, "what is signed, what is pending, what is due when, who publishes, what to do")
    status.add_argument("--json", action="store_true", help="for programs")
    guard = commands.add_parser("guard", help=cli_guard.HELP)  # run by entry.py, without all that is loaded here
    cli_guard.arguments(guard)
    guard.set_defaults(command=cli_guard.run)
    witness = commands.add_parser("witness", help=cli_witness.HELP)  # so is this
    cli_witness.arguments(witness)
    witness.set_defaults(command=cli_witness.run)
    monitor = commands.add_parser("monitor", help=cli_monitor.HELP)  # so is this
    cli_monitor.arguments(monitor)
    monitor.set_defaults(command=cli_monitor.run)
    add("worker", _worker, "serve the Redis queue of service.toml: publish when rung, and on a timer")
    return parser


def _key(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    if options.next:
        return _next_key(options)
    if options.retire:
        return _retired(cli_keys.retire(_begun(folder)))
    if options.log:
        return _log_key(options)
    if options.next_log:
        return _next_log_key(options)
    if options.retire_log:
        return _retired(cli_keys.retire_log(_begun(folder)))
    log = _log_name(options)
    cli_keys.make(folder, options.name, rehearsal=options.rehearsal)
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
    name = cli_keys.log_name(url, secrets.token_hex(8)) if options.log_name is None else str(options.log_name)
    cli_keys.check_log_name(name)
    return name


def _make_log(folder: Path, name: str) -> None:
    made = cli_keys.make_log(folder, name)
    print(f"Wrote {folder / LOG_KEY} (keep it too) and {folder / LOG_PUB}, for `plan --log ...`.")
    print(f"The log is called {made.name} for good (--log-name says another name); its key is {made.digits}.")


def _next_log_key(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    made = cli_keys.make_next_log(folder)
    print(f"Wrote {folder / NEXT_LOG_KEY} (keep it; only its owner can read it) and {folder / NEXT_LOG_PUB}.")
    print(f"The key is {made.digits}, for the ceremony to compare.")
    print("Restart the service now: from then on both keys sign each checkpoint. Give log-next.pub to the witnesses.")
    print(
        f"Then hold a ceremony, `tallystick-ceremony plan ... --log {folder / NEXT_LOG_PUB} --after ...`, and take-in."
    )
    return 0


def _next_key(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    cli_keys.make_next(folder, options.name, rehearsal=options.rehearsal)
    print(f"Wrote {folder / NEXT_KEY} (keep it; only its owner can read it) and {folder / NEXT_PUB}.")
    print("Restart the service now: from then on both keys sign, and everything is signed again little by little.")
    print(f"When `tallystick-service status {folder}` says that both have signed everything, hold a ceremony:")
    print(f"`tallystick-ceremony plan ... --online {folder / NEXT_PUB} --after ...`, then take-in, then key --retire.")
    return 0


def _retired(retired: Path) -> int:
    print(f"Restart the service: from then on the new key signs alone. The old one lies in {retired};")
    print("destroy it once the service runs.")
    return 0


def _clear_clock(options: argparse.Namespace) -> int:
    ahead = _begun(options.folder).clear_clock(options.time)
    print(f"Cleared: what was dated until {stamp(ahead)} no longer stops what comes. Publishing goes on.")
    print("Pages of names that changed by the wrong clock are dated later than now and change again after that date.")
    return 0


def _init(options: argparse.Namespace) -> int:
    service = open_service(options.folder)
    service.journal.create()
    with service.journal.reading() as view:
        if view.roles():
            raise BadSettings(f"{options.folder} is initialised; take-in is for later ceremonies. Nothing was written.")
    found = service.take_in(options.sealed, rehearsal_allowed=options.allow_rehearsal)
    bins = len(trust.bins_shape(found.bins))
    print(f"Verified root {found.trust.root.version}; published snapshot 1 with {bins} bins.")
    cli_tokens.issue_first(service)
    _tell_of_log(service)
    print(f"Next: tallystick-service serve {options.folder}")
    return 0


def _begun(folder: Path) -> Service:
    """A service that ``init`` has begun."""
    service = open_service(folder)
    service.journal.check()
    with service.journal.reading() as view:
        if not view.roles():
            raise BadSettings(
                f"{folder} has no root yet: `tallystick-service init {folder} --sealed SEALED` takes a ceremony's "
                "files in. Nothing was written."
            )
    return service


def _current(folder: Path) -> Service:
    """A service that was begun, and whose database is not an older one that was restored."""
    service = _begun(folder)
    service.check_not_behind()
    return service


def _take_in(options: argparse.Namespace) -> int:
    if options.key_stolen is not None:
        return _take_in_after_theft(options)
    service = _current(options.folder)
    found = service.take_in(options.sealed, rehearsal_allowed=options.allow_rehearsal, key_lost=options.key_lost)
    print("Published: " + (", ".join(f"{role.name} {role.version}" for role in found.fresh) or "nothing new"))
    _tell_of_log(service)
    return 0


def _tell_of_log(service: Service) -> None:
    for line in cli_keys.log_lines(service):
        print(f"Note: {line}.")


def _take_in_after_theft(options: argparse.Namespace) -> int:
    service = _begun(options.folder)  # the public timestamp may be the thief's, and far ahead
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


def _serve(options: argparse.Namespace) -> int:
    service = _current(options.folder)
    its = service.settings
    logs.begin(its.log)
    service.catch_up()
    with stopped_by_signals() as stopping, service.bell() as bell, service.metrics_served(bell):
        bell.ring()  # what a crash left is finished before the first request
        app = service.app(bell)
        server = Server(app, options.host, options.port, its.threads, its.max_upload_bytes)
        spare_the_collector()
        print(f"Serving {options.folder} on http://{options.host}:{server.port}/ (Ctrl-C stops)", flush=True)
        server.serve(stopping)
        print("Stopping; what was accepted is kept.", flush=True)
    return 0


def _import(options: argparse.Namespace) -> int:
    with stopped_by_signals(cli_import.interrupt):
        return cli_import.bring(_current(options.folder), options)


def _policy(options: argparse.Namespace) -> int:
    file = options.file
    source = str(Path(file).absolute()) if file and file.endswith(".toml") else file
    return _POLICY[options.do](_current(options.folder), source, options.approved_by)


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
    service = _current(options.folder)
    service.catch_up()
    release = service.round()
    print(f"Published snapshot {release.snapshot_version}." if release else "Nothing was pending or due.")
    return 0


def _openapi(options: argparse.Namespace) -> int:
    service = open_service(options.folder)
    desk = service.desk(service.publisher())  # never started: nobody will ring
    print(openapi.written(create_app(desk), VERBS, desk.url).decode())
    return 0


def _settings(options: argparse.Namespace) -> int:
    print(settings.printed(found_settings(options.folder)))
    return 0


def _status(options: argparse.Namespace) -> int:
    service = _begun(options.folder)
    found = replace(service.status(), notes=(*cli_keys.rotation_lines(service), *cli_keys.log_lines(service)))
    print(json.dumps(found.data(), indent=2) if options.json else found.text())
    return 0


def _worker(options: argparse.Namespace) -> int:
    from repo_service.worker import work

    service = _current(options.folder)
    if service.settings.redis is None:
        raise BadSettings(f'{options.folder / SETTINGS} names no redis; add the line redis = "redis://…"')
    logs.begin(service.settings.log)
    work(service)
    return 0


if __name__ == "__main__":
    sys.exit(main())
