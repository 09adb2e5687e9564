"""``tallystick-service serve``, ``worker``, ``publish`` and ``clear-clock``: what signs, and what lets it go on."""

import argparse
from typing import TYPE_CHECKING

from keys.times import moment, stamp
from repo_service.commands import opening
from repo_service.commands.opening import begun, current
from repo_service.console import doors
from repo_service.operating import logs
from repo_service.operating.serving import Server, spare_the_collector, stopped_by_signals
from repo_service.operating.settings import SETTINGS, BadSettings

if TYPE_CHECKING:
    from repo_service.commands.table import Commands


def add(commands: "Commands") -> None:
    """Add this family to the parser."""
    serve = opening.add(commands, "serve", _serve)
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8416)
    opening.add(commands, "publish", _publish)
    clear = opening.add(commands, "clear-clock", _clear_clock)
    clear.add_argument(
        "--time", type=moment, required=True, metavar="2026-11-22T10:00:00Z",
        help="what time it is, from another clock than this machine's",
    )  # fmt: skip
    opening.add(commands, "worker", _worker)


def _serve(options: argparse.Namespace) -> int:
    service = current(options.folder)
    its = service.settings
    logs.begin(its.log)
    service.catch_up()
    with stopped_by_signals() as stopping, service.bell() as bell, service.metrics_served(bell):
        bell.ring()  # what a crash left is finished before the first request
        app = service.app(bell)
        server = Server(app, options.host, options.port, its.threads, its.max_upload_bytes)
        spare_the_collector()
        address = f"http://{options.host}:{server.port}"
        print(f"Serving {options.folder} on {address}/ (Ctrl-C stops)", flush=True)
        if its.console != "off":
            print(f"For people: {address}{doors.PREFIX}/", flush=True)
        server.serve(stopping)
        print("Stopping; what was accepted is kept.", flush=True)
    return 0


def _publish(options: argparse.Namespace) -> int:
    service = current(options.folder)
    service.catch_up()
    release = service.round()
    print(f"Published snapshot {release.snapshot_version}." if release else "Nothing was pending or due.")
    return 0


def _clear_clock(options: argparse.Namespace) -> int:
    ahead = begun(options.folder).clear_clock(options.time)
    print(f"Cleared: what was dated until {stamp(ahead)} no longer stops what comes. Publishing goes on.")
    print("Pages of names that changed by the wrong clock are dated later than now and change again after that date.")
    return 0


def _worker(options: argparse.Namespace) -> int:
    from repo_service.worker import work

    service = current(options.folder)
    if service.settings.redis is None:
        raise BadSettings(f'{options.folder / SETTINGS} names no redis; add the line redis = "redis://…"')
    logs.begin(service.settings.log)
    work(service)
    return 0
