"""pip: its configuration files at every level (as `pip config debug` lists them), and requirements files."""

import configparser
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from client_verify.installing.doors.door import Door, Surroundings, Text, texts

_SOURCES: Final = ("index-url", "extra-index-url", "find-links")
_OPTION: Final = re.compile(
    r"(?:^|\s)(?P<option>-i|--index-url|--pypi-url|--extra-index-url|-f|--find-links|--trusted-host)[\s=]+(?P<value>\S+)"
)
_DIRECT: Final = re.compile(r"(?:^|\s|@)(?P<url>(?:(?:git|hg|svn|bzr)\+\S+|(?:https?|ftp)://\S+))")
_CONFIG_REMEDY: Final = "Remove it. `tallystick run` lets pip read no configuration file."
_REQUIREMENT_REMEDY: Final = "Remove it. Behind `tallystick run` it is refused."


def doors(around: Surroundings) -> Iterator[Door]:
    """Other sources in configuration and requirements files."""
    for file in texts(configurations(around)):
        yield from _configured(around, file)
    for file in texts(requirements(around.project)):
        yield from _required(around, file)


def configurations(around: Surroundings) -> list[Path]:
    """The files that pip would read, those of all users first; PIP_CONFIG_FILE comes on top of them."""
    named = around.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    site = around.environ.get("VIRTUAL_ENV")
    return [
        *(each / "pip" / "pip.conf" for each in around.config_dirs),
        Path("/etc/pip.conf"),
        around.home / ".pip" / "pip.conf",
        *(each / "pip" / "pip.conf" for each in around.config_homes),
        *([Path(site, "pip.conf")] if site else []),
        *([around.project / named] if named else []),
    ]


def requirements(project: Path) -> list[Path]:
    """Requirements and constraints files by their customary names."""
    patterns = (
        "*requirements*.txt",
        "*constraints*.txt",
        "requirements/*.txt",
        "*requirements*.in",
        "requirements/*.in",
    )
    return sorted({path for pattern in patterns for path in project.glob(pattern)})


def _configured(around: Surroundings, file: Text) -> Iterator[Door]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(file.content)
    except configparser.Error:
        return  # pip refuses to run with it
    for section in parser.sections():
        for key, value in parser.items(section):
            yield from _setting(around, file, key.replace("_", "-"), value)


def _setting(around: Surroundings, file: Text, key: str, value: str) -> Iterator[Door]:
    for word in value.split():
        if key in _SOURCES and around.elsewhere(word):
            yield Door(file.at(word), f"pip takes packages from {key} = {word:.200}", _CONFIG_REMEDY)
        elif key == "trusted-host":
            yield Door(
                file.at(word),
                f"pip believes whoever answers for {word:.200}, and caches what it got",
                _CONFIG_REMEDY,
            )


def _required(around: Surroundings, file: Text) -> Iterator[Door]:
    for number, line in enumerate(file.content.splitlines(), 1):
        said = re.sub(r"(^|\s)#.*", "", line)
        where = f"{file.path}:{number}"
        if (option := _OPTION.search(said)) is not None:
            if option["option"] == "--trusted-host" or around.elsewhere(option["value"]):
                yield Door(where, f"pip and uv are led to {option['value']:.200}", _REQUIREMENT_REMEDY)
        elif (direct := _DIRECT.search(said)) is not None and around.elsewhere(direct["url"]):
            yield Door(where, f"a requirement comes straight from {direct['url']:.200}", _REQUIREMENT_REMEDY)
