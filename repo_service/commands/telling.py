"""``tallystick-service status``, ``settings`` and ``openapi``: what a service says of itself, and writes nothing."""

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from repo_service.commands import keyfiles, opening
from repo_service.commands.opening import begun
from repo_service.operating import settings
from repo_service.web import openapi
from repo_service.web.app import create_app
from repo_service.web.verbs import VERBS
from repo_service.wiring import found_settings, open_service

if TYPE_CHECKING:
    from repo_service.commands.table import Commands


def add(commands: "Commands") -> None:
    """Add this family to the parser."""
    opening.add(commands, "openapi", _openapi)
    opening.add(commands, "settings", _settings)
    status = opening.add(commands, "status", _status)
    status.add_argument("--json", action="store_true", help="for programs")


def _openapi(options: argparse.Namespace) -> int:
    service = open_service(options.folder)
    desk = service.desk(service.publisher())  # never started: nobody will ring
    print(openapi.written(create_app(desk), VERBS, desk.url).decode())
    return 0


def _settings(options: argparse.Namespace) -> int:
    print(settings.printed(found_settings(options.folder)))
    return 0


def _status(options: argparse.Namespace) -> int:
    service = begun(options.folder)
    found = replace(service.status(), notes=(*keyfiles.rotation_lines(service), *keyfiles.log_lines(service)))
    print(json.dumps(found.data(), indent=2) if options.json else found.text())
    return 0
