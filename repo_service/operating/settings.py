"""The settings of a service: ``service.toml`` with the environment over it, and where each one came from.

The dataclass is the only list of them: the commented file that ``tallystick-service key`` writes, the names of the
variables, what is printed and what an error suggests are made from it. Nothing here reads a clock or an environment.
"""

import dataclasses
import difflib
import importlib.util
import json
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from keys import strict
from repo_service.build.pages import Layout
from repo_service.storage import places

SETTINGS: Final = "service.toml"
PREFIX: Final = "TALLYSTICK_"
_CLIENT: Final = frozenset({"HOME", "OFFLINE", "PORT", "CACHE_LIMIT", "INDEX", "PYTHONPATH"})
_TESTS: Final = frozenset({"FAILPOINT", "TESTS_MUST_RUN", "EXAMPLES", "SOAK_SECONDS", "WRITES_GOLDEN", "BENCH_KEPT"})
_MONITOR: Final = frozenset({"WEBHOOK_SECRET"})
ELSEWHERE: Final = _CLIENT | _MONITOR | _TESTS
"""What follows ``TALLYSTICK_`` in variables that are no settings: the client's, the monitor's, and those of tests and
failpoints.
"""
SECRET: Final = (
    "TALLYSTICK_DATABASE", "TALLYSTICK_REDIS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
)  # fmt: skip
"""Variables whose text may be a secret. NAME_FILE names a file that holds it instead: a credential of systemd, or a
secret of a container.
"""
DAY: Final = 86400
MAX_LIFETIME_S: Final = 400 * DAY
KEEP_BEYOND_S: Final = 3600 + 60
"""How long a superseded file stays after the last timestamp that reaches it expired: clocks of clients, and caches."""
FRESHNESS: Final[dict[str, dict[str, int]]] = {
    "default": {"timestamp_s": 3 * DAY, "snapshot_s": 7 * DAY, "bin_s": 30 * DAY},
    "strict": {"timestamp_s": DAY, "snapshot_s": DAY, "bin_s": DAY},
}
"""How long each online role is signed for; a duration that is written out itself comes before these."""


class BadSettings(Exception):
    """service.toml or the folder around it cannot be used; the message says which line and what to write there."""


@dataclass(frozen=True, slots=True)
class About:
    """What the commented file says of a setting, beside its default. ``example`` is shown where the default is None;
    ``least`` is checked, and ``heading`` begins a part of the file.
    """

    text: str
    least: float | None = None
    heading: str | None = None
    example: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """service.toml, as ``read`` checks it. Durations are in seconds. Defaults are safe."""

    layout: Annotated[
        Layout,
        About('"compact" lists pages only: smaller, but stock clients see no files', heading="What is published"),
    ] = "full"
    policy: Annotated[str, About('a preset, or a file here: policy = "policy.toml" (docs/POLICY.md)')] = "standard"
    database: Annotated[
        str, About("or postgresql+psycopg://…; a password rather in TALLYSTICK_DATABASE", heading="Where it lies")
    ] = "sqlite:///journal.sqlite"
    public: Annotated[str, About("what everyone may read; or s3://BUCKET/PREFIX?endpoint=URL&region=NAME")] = "public"
    redis: Annotated[
        str | None, About("with it workers publish, not the server", example="redis://127.0.0.1:6379/0")
    ] = None
    guard: Annotated[
        str | None, About("a signing guard holds the key, not this folder", example="/run/tallystick-guard/guard.sock")
    ] = None
    witnesses: Annotated[
        str | None,
        About("who cosigns the log, a file here (docs/LOG.md)", example="witnesses.policy", heading="The log"),
    ] = None
    witness_s: Annotated[float, About("a release waits so long for them, at most", least=0.1)] = 2.0
    freshness: Annotated[
        Literal["default", "strict"],
        About(
            '"strict" is PEP 458: timestamp, snapshot and bins live a day',
            heading="How long signatures live; a duration that is set here comes before freshness",
        ),
    ] = "default"
    timestamp_s: Annotated[int, About("3 days; survives a weekend", least=1)] = 3 * DAY
    snapshot_s: Annotated[int, About("7 days", least=1)] = 7 * DAY
    bin_s: Annotated[int, About("30 days", least=1)] = 30 * DAY
    refresh_s: Annotated[int, About("how often what is due is looked for, besides every change", least=1)] = 600
    keep_s: Annotated[int, About("gc keeps what was replaced for so long, and for 10 generations", least=1)] = 7 * DAY
    poll_s: Annotated[
        float, About("how often the publisher looks when no bell rings", least=0.01, heading="How publishing runs")
    ] = 1
    min_interval_s: Annotated[
        float, About("a publisher rests so long after a release; 1 to 5 with many changes", least=0)
    ] = 0
    lease_s: Annotated[int, About("after so long a publisher that was killed is replaced", least=2)] = 10
    url: Annotated[str, About("as its clients say it: what signed requests must sign", heading="The API")] = (
        "http://127.0.0.1:8416"
    )
    threads: Annotated[int, About("requests at once, those that wait to be signed too", least=1)] = 64
    max_upload_bytes: Annotated[int, About("1 GiB", least=1)] = 1 << 30
    max_token_days: Annotated[int, About("how long a token can live", least=1)] = 90
    client_per_minute: Annotated[
        int, About("requests of one client; a token's --per-minute can only lower it", least=1)
    ] = 6000
    name_per_minute: Annotated[int, About("changes of one name, whoever asks", least=1)] = 600
    max_pending: Annotated[int, About("events that may wait to be signed before changes get 503", least=1)] = 20000
    console: Annotated[
        Literal["off", "staff", "public"],
        About(
            '/console/ for people with a token; "public" shows names and log to all',
            heading="The console (docs/CONSOLE.md)",
        ),
    ] = "staff"
    log: Annotated[
        Literal["text", "json", "quiet"],
        About('"json" is one object a line; "quiet" is warnings only', heading="What it says of itself"),
    ] = "text"
    metrics_address: Annotated[
        str | None, About("GET /metrics there without a token (docs/OPERATIONS.md)", example="127.0.0.1:9464")
    ] = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Settings that cannot be as they are, or not together, and why."""

    names: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """The settings, and of each where it was found: ``default``, ``line 7``, a variable, or another setting."""

    settings: Settings
    origins: Mapping[str, str]


DEFAULTS: Final[dict[str, Any]] = {each.name: each.default for each in dataclasses.fields(Settings)}
"""Every setting with its default, in the order of the file."""
_KINDS: Final[dict[str, Any]] = typing.get_type_hints(Settings)
_ABOUT: Final[dict[str, About]] = {
    name: kind.__metadata__[0] for name, kind in typing.get_type_hints(Settings, include_extras=True).items()
}


def conflicts(its: Settings) -> Iterator[Conflict]:
    """What each setting needs, alone and of the others: the only place that says so."""
    for name, about in _ABOUT.items():
        least, value = about.least, getattr(its, name)
        if least is not None and value < least:
            yield Conflict((name,), f"{name} is {value}; it must be at least {least:g}")
    if its.timestamp_s < 4 * its.refresh_s:
        yield Conflict(
            ("timestamp_s", "refresh_s"),
            f"timestamp_s is {its.timestamp_s} and refresh_s {its.refresh_s}: a timestamp must live at least four "
            "refreshes, or one slow refresh makes every client refuse",
        )
    if not its.timestamp_s <= its.snapshot_s <= its.bin_s <= MAX_LIFETIME_S:
        yield Conflict(
            ("timestamp_s", "snapshot_s", "bin_s"),
            f"timestamp_s is {its.timestamp_s}, snapshot_s {its.snapshot_s} and bin_s {its.bin_s}: each must live at "
            f"least as long as the one before, and a bin at most {MAX_LIFETIME_S}, or clients refuse",
        )
    if its.keep_s < its.timestamp_s + KEEP_BEYOND_S:
        yield Conflict(
            ("keep_s", "timestamp_s"),
            f"keep_s is {its.keep_s}: a client may hold a timestamp for timestamp_s ({its.timestamp_s}) and then fetch "
            f"what it names; write at least keep_s = {its.timestamp_s + KEEP_BEYOND_S}",
        )
    if its.min_interval_s > its.refresh_s:
        yield Conflict(
            ("min_interval_s", "refresh_s"),
            f"min_interval_s is {its.min_interval_s:g} and refresh_s {its.refresh_s}: a release that is due would have "
            "to wait for longer than a refresh",
        )
    if its.lease_s > 300:
        yield Conflict(("lease_s",), f"lease_s is {its.lease_s}: nothing is published for so long when one is killed")
    yield from _database(its.database)
    yield from _public(its.public)
    if its.redis is not None and not re.match(r"(rediss?|unix)://", its.redis):
        yield Conflict(("redis",), f'redis is {masked(its.redis)!r}; write redis = "redis://HOST:6379/0"')
    if not re.match(r"https?://[^/]", its.url):
        yield Conflict(("url",), f"url is {its.url!r}; write the API's address as clients say it, with https://")
    if its.metrics_address is not None and not re.fullmatch(r"\S+:[0-9]{1,5}", its.metrics_address):
        yield Conflict(
            ("metrics_address",),
            f'metrics_address is {its.metrics_address!r}; write metrics_address = "127.0.0.1:9464"',
        )


def _database(url: str) -> Iterator[Conflict]:
    driver = url.partition("://")[0]
    if driver.startswith("postgres"):
        if driver != "postgresql+psycopg":
            yield Conflict(("database",), f"database begins with {driver}://; write postgresql+psycopg://")
        elif not _is_installed("psycopg"):
            yield Conflict(("database",), "database is PostgreSQL; say: pip install 'tallystick[postgres]'")
    elif not re.fullmatch(r"sqlite:///[^?:]+", url):
        why = (
            f'database is {masked(url)!r}; write sqlite:///journal.sqlite or "postgresql+psycopg://USER@HOST/DATABASE"'
        )
        yield Conflict(("database",), why)


def _public(public: str) -> Iterator[Conflict]:
    try:
        place = places.parse(public)
    except places.BadPlace as error:
        yield Conflict(("public",), f"public: {error}")
        return
    if isinstance(place, places.Bucket) and not _is_installed("obstore"):
        yield Conflict(("public",), "public is on S3; say: pip install 'tallystick[s3]'")


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def read(path: Path, environment: Mapping[str, str]) -> Found:
    """The settings of a file and an environment, which wins. Raises BadSettings with everything that is wrong."""
    try:
        text = path.read_text("utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        raise BadSettings(f"{path} is missing; `tallystick-service key {path.parent}` begins a service") from None
    except UnicodeDecodeError as error:
        raise BadSettings(f"{path}: not UTF-8 at byte {error.start}. Nothing was written.") from None
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path}: {error}. Nothing was written.") from None
    wrong: list[str] = []
    said = {**_of_file(text, table, wrong), **_of_environment(environment, wrong)}
    if not wrong:
        found = _together(said)
        wrong = [_located(each, found.origins) for each in conflicts(found.settings)]
        if not wrong:
            return found
    raise BadSettings("\n  ".join([f"{path} cannot be used as it is:", *wrong, "Nothing was written."]))


def with_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment with what secret files hold in place of the variables that name them. Raises BadSettings."""
    found = dict(environment)
    for name in SECRET:
        path = found.pop(f"{name}_FILE", None)
        if path is None:
            continue
        if name in environment:
            raise BadSettings(f"{name} and {name}_FILE are both set: unset one of them. Nothing was written.")
        found[name] = _secret(f"{name}_FILE", Path(path))
    return found


def _secret(variable: str, path: Path) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise BadSettings(f"the variable {variable}: {path}: {why}. Nothing was written.") from None
    if not text:
        raise BadSettings(f"the variable {variable}: {path} is empty. Nothing was written.")
    return text


def _together(said: Mapping[str, tuple[object, str]]) -> Found:
    """All settings with their origins: what was said, then what ``freshness`` implies, then the defaults."""
    freshness, origin = said.get("freshness", ("default", "default"))
    implied = {} if origin == "default" else FRESHNESS[str(freshness)]
    everything = {
        **{name: (default, "default") for name, default in DEFAULTS.items()},
        **{name: (value, f'freshness = "{freshness}"') for name, value in implied.items()},
        **said,
    }
    values: dict[str, Any] = {name: value for name, (value, _) in everything.items()}
    return Found(Settings(**values), {name: origin for name, (_, origin) in everything.items()})


def _located(conflict: Conflict, origins: Mapping[str, str]) -> str:
    """With the line or variable of each setting that somebody wrote."""
    written = list(dict.fromkeys(origins[name] for name in conflict.names if origins[name] != "default"))
    return f"{', '.join(written)}: {conflict.why}"


def _of_file(text: str, table: Mapping[str, object], wrong: list[str]) -> dict[str, tuple[object, str]]:
    lines, found = _lines(text), {}
    for name, value in table.items():
        where = f"line {lines[name]}"
        if name not in DEFAULTS:
            wrong.append(f"{where}: {name} is no setting{_nearest(name, DEFAULTS)}")
            continue
        try:
            found[name] = _value(name, value), where
        except strict.Malformed as error:
            wrong.append(f"{where}: {name} {error.why}; for example: {_line(name)}")
    return found


def _of_environment(environment: Mapping[str, str], wrong: list[str]) -> dict[str, tuple[object, str]]:
    known, found = {f"{PREFIX}{name.upper()}": name for name in DEFAULTS}, {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or variable.removeprefix(PREFIX) in ELSEWHERE:
            continue
        if variable not in known:
            wrong.append(f"the variable {variable} is no setting{_nearest(variable, known)}")
            continue
        name = known[variable]
        try:
            found[name] = _value(name, _plain(_KINDS[name], text)), variable
        except strict.Malformed as error:
            example = _example(name).strip('"')
            wrong.append(f"the variable {variable} {error.why}; for example: {variable}={example}")
    return found


def _lines(text: str) -> dict[str, int]:
    """The line on which each key of a TOML document begins: the first after what can be read without it."""
    lines, found, begin = text.splitlines(), dict[str, int](), 1
    for number in range(1, len(lines) + 1):
        try:
            table = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a value of several lines
        for name in table:
            found.setdefault(name, begin)
        begin = number + 1
    return found


def _nearest(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.6)
    return f"; did you mean {near[0]}?" if near else "; `tallystick-service settings DIR` lists them"


def _value(name: str, value: object) -> object:
    """A value as its setting's type. Raises Malformed."""
    if _KINDS[name] is not float:
        return strict.load(_KINDS[name], value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise strict.Malformed("", f"must be a number of seconds, not {value!r:.80}")
    return value


def _plain(kind: object, text: str) -> object:
    """A variable's text as TOML would give it; an empty one turns off what can be off."""
    if kind in (int, float) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return int(text) if "." not in text else float(text)
    return None if text == "" and type(None) in typing.get_args(kind) else text


def template() -> str:
    """The file that begins a service: every setting, commented out, with its default and what it is for."""
    written = [
        "# Settings of this Tallystick service. What is commented out shows its default. Durations are in seconds.",
        f"# A variable comes before this file: {PREFIX}DATABASE for database, and so on.",
    ]
    for name, about in _ABOUT.items():
        written.extend(["", f"# {about.heading}"] if about.heading else [])
        written.append(f"# {_line(name):42} # {about.text}")
    return "\n".join([*written, ""])


def printed(found: Found) -> str:
    """Every setting with its value and, where it is no default, its origin; what is secret in an address is masked."""
    lines = []
    for name, origin in found.origins.items():
        value = getattr(found.settings, name)
        text = "-" if value is None else _toml(masked(value) if isinstance(value, str) else value)
        lines.append(f"{name:18} {text}" + ("" if origin == "default" else f"   # {origin}"))
    return "\n".join(lines)


def masked(address: str) -> str:
    """An address without its password, and without the values of parameters that are secret."""
    address = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", address)
    return re.sub(r"(?i)([?&][^=&]*(?:pass|secret|token|key)[^=&]*)=[^&]*", r"\1=***", address)


def _line(name: str) -> str:
    return f"{name} = {_example(name)}"


def _example(name: str) -> str:
    return _toml(_ABOUT[name].example if DEFAULTS[name] is None else DEFAULTS[name])


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
