"""poetry: the sources of the project, requirements that name their own, and where it keeps environments."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from client_verify.installing.doors.door import Door, Surroundings, Text, table, tables, text, texts

_APPLICATION = "pypoetry"
_REMEDY = "Remove it. Behind `tallystick run` it is refused."


def doors(around: Surroundings) -> Iterator[Door]:
    """Other sources, and requirements straight from an address."""
    if (file := text(around.project / "pyproject.toml")) is None:
        return
    settings = table(file.toml(), "tool", "poetry")
    for source in tables(settings.get("source")):
        url = source.get("url")
        if isinstance(url, str) and around.elsewhere(url):
            yield Door(file.at(url), f"poetry takes packages from the source {url!r:.200}", _REMEDY)
    groups = [table(group, "dependencies") for group in table(settings, "group").values()]
    for dependencies in (table(settings, "dependencies"), table(settings, "dev-dependencies"), *groups):
        yield from _direct(file, dependencies)


def virtualenvs(around: Surroundings) -> Path:
    """Where poetry keeps its environments, which by default is within the cache that `tallystick run` replaces."""
    settings = _configured(around)
    kept = around.environ.get("POETRY_CACHE_DIR") or settings.get("cache-dir")
    cache = str(kept or around.cache_home / _APPLICATION)
    path = around.environ.get("POETRY_VIRTUALENVS_PATH") or table(settings, "virtualenvs").get("path")
    return Path(str(path or "{cache-dir}/virtualenvs").replace("{cache-dir}", cache)).expanduser()


def _direct(file: Text, dependencies: dict[str, Any]) -> Iterator[Door]:
    for name, wanted in dependencies.items():
        for each in [wanted] if isinstance(wanted, dict) else tables(wanted):
            for kind in ("git", "url"):
                if isinstance(each.get(kind), str):
                    what = f"poetry takes {name} from {kind} {each[kind]!r:.200}"
                    yield Door(file.at(each[kind]), what, _REMEDY)


def _configured(around: Surroundings) -> dict[str, Any]:
    """The user's config.toml, and over it the project's poetry.toml."""
    named = around.environ.get("POETRY_CONFIG_DIR")
    own = [Path(named)] if named else [each / _APPLICATION for each in around.config_homes]
    merged: dict[str, Any] = {}
    for file in texts([*(each / "config.toml" for each in own), around.project / "poetry.toml"]):
        settings = file.toml()
        merged |= settings | {"virtualenvs": table(merged, "virtualenvs") | table(settings, "virtualenvs")}
    return merged
