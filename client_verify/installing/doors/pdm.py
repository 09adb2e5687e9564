"""pdm: the sources of the project and of its configuration files, and the cache that it links to."""

from collections.abc import Iterator

from client_verify.installing.doors.door import Door, Surroundings, Text, table, tables, text, texts

_SOURCE_REMEDY = "Remove it. Behind `tallystick run` it is refused."


def doors(around: Surroundings) -> Iterator[Door]:
    """Other sources, in the project and in configuration."""
    yield from detours(around)
    if (file := text(around.project / "pyproject.toml")) is not None:
        for source in tables(table(file.toml(), "tool", "pdm").get("source")):
            yield from _source(around, file, source.get("url"))
    for file in _configurations(around):
        pypi = table(file.toml(), "pypi")
        for url in (pypi.get("url"), *(table(each).get("url") for each in pypi.values())):
            yield from _source(around, file, url)


def detours(around: Surroundings) -> Iterator[Door]:
    """With install.cache what is installed are links into pdm's cache, and `tallystick run` gives it one of its own."""
    for file in _configurations(around):
        if table(file.toml(), "install").get("cache") in (True, "true", "True", "1"):
            yield Door(
                file.at("cache"),
                "pdm installs links into its cache (install.cache), and installs from there what was revoked",
                "Run `pdm config install.cache false` (with --local for the project's).",
            )


def _source(around: Surroundings, file: Text, url: object) -> Iterator[Door]:
    if isinstance(url, str) and around.elsewhere(url):
        yield Door(file.at(url), f"pdm takes packages from the source {url!r:.200}", _SOURCE_REMEDY)


def _configurations(around: Surroundings) -> Iterator[Text]:
    named = around.environ.get("PDM_CONFIG_FILE")
    places = [around.project / named] if named else [each / "pdm" / "config.toml" for each in around.config_homes]
    return texts([around.project / "pdm.toml", *places, *(each / "pdm" / "config.toml" for each in around.config_dirs)])
