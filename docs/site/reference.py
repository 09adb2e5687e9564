"""The pages of docs/reference, from the code they are about: each function makes what one page says.

Nothing is copied by hand: the API from the routes and their types, commands from their own ``--help``, settings from
the class that reads them, metrics from a scrape, codes from the tables that the code looks them up in.
"""

import argparse
import inspect
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ceremony import cli as ceremony
from client_verify import cli as client
from client_verify import conformance, refusals
from docs.site import api
from repo_service import cli as service
from repo_service.commands import bringing, keymaking, monitor, opening, tokens
from repo_service.domain.remedies import REMEDIES
from repo_service.guarding import reading
from repo_service.monitor import telling
from repo_service.operating import settings
from repo_service.operating.exposition import exposed
from repo_service.registries.devpi import cli as devpi
from repo_service.web import openapi, operations
from repo_service.web.app import create_app
from repo_service.web.verbs import VERBS
from tests.service.door import Silent
from tests.world import World

MANUAL: Final = "../OPERATIONS.md"
SERVICE_EXITS: Final = {**opening.EXITS, **bringing.OWN_EXITS, **keymaking.OWN_EXITS, **tokens.OWN_EXITS}


def commands() -> Iterator[tuple[str, str]]:
    """Every command, as it is typed, and what its ``--help`` prints."""
    for parser in (client.parser(), service.parser(), ceremony.parser(), conformance._parser(), devpi.parser()):
        yield from ((each.prog, each.format_help()) for each in parsers(parser))


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A command and all that are below it, each once."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in dict.fromkeys(action.choices.values()):
                yield from parsers(each)


def cli() -> str:
    """The commands of the four programs, with the help that each prints."""
    with _eighty_columns():
        return "\n".join(
            f"{'##' if ' ' not in typed else '###'} `{typed}`\n\n```text\n{text}```\n" for typed, text in commands()
        )


@contextmanager
def _eighty_columns() -> Iterator[None]:
    """As a terminal of 80 columns without colour."""
    before = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR")}
    os.environ |= {"COLUMNS": "80", "NO_COLOR": "1"}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def configuration() -> str:
    """Every setting: its line with the default, its variable, and what it is for."""
    rows, lines = list[tuple[str, ...]](), list[str]()
    for name, about in settings._ABOUT.items():
        if about.heading and rows:
            lines += [*api.table(_SETTING, rows)]
            rows = []
        lines += [f"## {about.heading}", ""] if about.heading else []
        default = settings.DEFAULTS[name]
        shown = "off" if default is None else f"`{settings._toml(default)}`"
        example = f"; for example `{settings._toml(about.example)}`" if about.example else ""
        least = f"; at least {about.least:g}" if about.least is not None else ""
        rows.append((f"`{name}`", shown, f"`{settings.PREFIX}{name.upper()}`", f"{about.text}{example}{least}"))
    return "\n".join([*lines, *api.table(_SETTING, rows)])


_SETTING: Final = ("setting", "default", "variable", "says")


def metrics() -> str:
    """Every metric with its labels, from a scrape of a service in which everything has happened once."""
    with world() as its:
        counted = its.service.metrics
        with counted.stage("read"):
            counted.published([its.now])
        counted.round_failed(ValueError())
        counted.refused(401, "auth_missing")
        counted.refused(429, "rate_limited")
        counted.witness_asked("w")
        counted.witness_cosigned("w")
        counted.witness_failed("w", "away")
        rows = []
        for family in exposed(counted, its.service.parts(Silent())).collect():
            if family.name.startswith("tallystick_"):
                seen = {label for sample in family.samples for label in sample.labels}
                labels = sorted({*seen, *getattr(family, "_labelnames", ())} - {"le"})
                total = "_total" if family.type == "counter" else ""
                rows.append((f"`{family.name}{total}`", family.type, ", ".join(labels), family.documentation))
    return "\n".join(api.table(("metric", "type", "labels", "says"), sorted(rows)))


def codes() -> str:
    """Every code and exit status that a program can meet, by who says it."""
    remedies = [(f"`{code}`", its.ask, its.help, ", ".join(its.verbs)) for code, its in sorted(REMEDIES.items())]
    door = [(f"`{code}`", str(status)) for code, status in operations.DOOR.items()]
    kinds = [(f"`{code}`", str(of.exit), str(int(of.status)), of.title) for code, of in refusals.KINDS.items()]
    guard = [(f"`{code}`",) for code in sorted(reading.CODES)]
    findings = [(f"`{code}`", level, text, telling.DO[code] or "–") for code, (level, text) in telling.CODES.items()]
    watching = [(str(status), text) for status, text in monitor.EXITS.items()]
    return "\n".join([
        "## Why the API refuses a change", "",
        "In `reasons` of a problem (RFC 9457), with `ask`, `help` and `verbs`.", "",
        *api.table(("code", "ask", "help", "verbs"), remedies),
        "## Why the API refuses a request", "", "As `code` of a problem.", "", *api.table(("code", "status"), door),
        "## Why the client refuses", "",
        "`tallystick explain CODE` has a paragraph on each; [CLIENT.md](../CLIENT.md) too. The status is what an "
        "installer gets from the loopback index.", "",
        *api.table(("code", "exit", "HTTP", "title"), kinds),
        "## Why the guard does not sign", "", f"[OPERATIONS.md]({MANUAL}#the-guard) says of each what to do.", "",
        *api.table(("code",), guard),
        "## What a monitor finds", "", *api.table(("code", "level", "says", "next"), findings),
        "## Exit statuses of `tallystick-service monitor`", "", *api.table(("exit", "says"), watching),
        "## Exit statuses of `tallystick-service`", "", f"[OPERATIONS.md]({MANUAL}) says of 4 and 5 what to do.", "",
        *api.table(("exit", "after", "says"), _exits(SERVICE_EXITS)),
        "## Exit statuses of `tallystick-ceremony`", "", *api.table(("exit", "after", "says"), _exits(ceremony.EXIT)),
    ])  # fmt: skip


def _exits(table: Mapping[type[Exception], int]) -> list[tuple[str, str, str]]:
    """By status, with the first sentence that each error's class says of itself."""
    rows = [(str(status), f"`{error.__name__}`", _first_sentence(error)) for error, status in table.items()]
    return sorted(rows, key=lambda row: (int(row[0]), row[1]))


def _first_sentence(of: type) -> str:
    return " ".join((inspect.getdoc(of) or "").partition("\n\n")[0].split()).replace("``", "`")


@contextmanager
def world() -> Iterator[World]:
    """A registry in memory and a throw-away folder, which is asked what it is."""
    with tempfile.TemporaryDirectory() as folder:
        yield World(Path(folder))


def http() -> str:
    """The API, as it describes itself."""
    with world() as its:
        app = create_app(its.service.desk(Silent()))
        return api.page(openapi.document(openapi.routes(app), VERBS, "https://registry.example"))


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "api": http, "cli": cli, "codes": codes, "configuration": configuration, "metrics": metrics,
}  # fmt: skip
"""What ``<!-- made: NAME -->`` stands for in docs/reference."""
