"""uv: its own files, [tool.uv] of the nearest project, the user's and the machine's (in this order of precedence)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from client_verify.installing.doors.door import Door, Surroundings, Text, strings, table, tables, text, texts

_PROXIES: Final = ("http-proxy", "https-proxy")
_SOURCES: Final = ("index-url", "extra-index-url", "find-links")
_CLOSED: Final = "Remove it. Behind `tallystick run` it is refused."


def doors(around: Surroundings) -> Iterator[Door]:
    """Other sources, caches that outlive a refusal, and proxies."""
    yield from detours(around)
    for file, settings in _settings(around):
        for scope in (settings, table(settings, "pip")):
            yield from _sources(around, file, scope)
        for index in tables(settings.get("index")):
            yield from _index(around, file, index)
        for name, source in table(settings, "sources").items():
            yield from _source(file, name, source)


def detours(around: Surroundings) -> Iterator[Door]:
    """A proxy of uv's own wins over the variables that lead to the fence (measured with uv 0.13.9)."""
    for file, settings in _settings(around):
        for key in _PROXIES:
            if settings.get(key):
                yield Door(
                    file.at(key),
                    f"uv sends everything through {key} = {settings[key]!r:.200}, past `tallystick run`",
                    "Remove it, and set HTTPS_PROXY in the environment instead: tallystick itself uses that one.",
                )


def _settings(around: Surroundings) -> Iterator[tuple[Text, dict[str, Any]]]:
    if named := around.environ.get("UV_CONFIG_FILE"):
        files = list(texts([around.project / named]))
    else:
        own = [each / "uv" / "uv.toml" for each in around.config_homes]
        shared = [*(each / "uv" / "uv.toml" for each in around.config_dirs), Path("/etc/uv/uv.toml")]
        files = [*_nearest(around), *texts([*own, *shared])]
    for file in files:
        whole = file.toml()
        yield file, table(whole, "tool", "uv") if file.path.name == "pyproject.toml" else whole


def _nearest(around: Surroundings) -> list[Text]:
    """The uv.toml, or the pyproject.toml with a [tool.uv], that is nearest; uv reads no other, but workspaces do."""
    for folder in around.above():
        found = [file for name in ("uv.toml", "pyproject.toml") if (file := text(folder / name)) is not None]
        told = [file for file in found if file.path.name == "uv.toml" or "uv" in table(file.toml(), "tool")]
        if told:
            return told
    return []


def _sources(around: Surroundings, file: Text, scope: dict[str, Any]) -> Iterator[Door]:
    for key in _SOURCES:
        for url in filter(around.elsewhere, strings(scope.get(key))):
            yield Door(file.at(url), f"uv takes packages from {key} = {url!r:.200}", _CLOSED)
    for host in strings(scope.get("allow-insecure-host")):
        yield Door(file.at(host), f"uv believes whoever answers for {host!r:.200}", "Remove allow-insecure-host.")


def _index(around: Surroundings, file: Text, index: dict[str, Any]) -> Iterator[Door]:
    url = index.get("url")
    if isinstance(url, str) and around.elsewhere(url):
        yield Door(file.at(url), f"uv takes packages from the index {url!r:.200}", _CLOSED)
    control = table(index, "cache-control")
    for key in ("api", "files"):
        if isinstance(said := control.get(key), str) and "no-store" not in said and said != "no-cache":
            yield Door(
                file.at("cache-control"),
                f"uv keeps what it got from {url!r:.200} ({key} = {said!r:.80}) and installs it after it was revoked",
                'Say cache-control = { api = "no-cache", files = "no-store" }.',
            )


def _source(file: Text, name: str, source: object) -> Iterator[Door]:
    for each in [source] if isinstance(source, dict) else tables(source):
        for kind in ("git", "url"):
            if isinstance(each.get(kind), str):
                where = f"{kind} {each[kind]!r:.200}"
                yield Door(file.at(each[kind]), f"uv takes {name} from {where}", _CLOSED)
