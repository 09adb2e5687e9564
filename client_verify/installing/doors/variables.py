"""The environment: variables that name another source, for whoever runs an installer without `tallystick run`."""

from collections.abc import Iterator
from typing import Final

from client_verify.installing.doors.door import Door, Surroundings

_SOURCES: Final = {
    "PIP_INDEX_URL": "pip",
    "PIP_EXTRA_INDEX_URL": "pip",
    "PIP_FIND_LINKS": "pip",
    "UV_DEFAULT_INDEX": "uv",
    "UV_INDEX_URL": "uv",
    "UV_INDEX": "uv",
    "UV_EXTRA_INDEX_URL": "uv",
    "UV_FIND_LINKS": "uv",
    "PDM_PYPI_URL": "pdm",
    "POETRY_PYPI_MIRROR_URL": "poetry",
}
_TRUSTED: Final = {"PIP_TRUSTED_HOST": "pip", "UV_INSECURE_HOST": "uv"}
_REMEDY: Final = "Unset it. `tallystick run` does so for what it runs."


def doors(around: Surroundings) -> Iterator[Door]:
    """One for each address that is not the verified index."""
    for variable, installer in _SOURCES.items():
        for word in around.environ.get(variable, "").split():
            if around.elsewhere(_address(word)):
                yield Door(f"${variable}", f"{installer} takes packages from {word:.200}", _REMEDY)
    for variable, installer in _TRUSTED.items():
        if host := around.environ.get(variable):
            yield Door(f"${variable}", f"{installer} believes whoever answers for {host:.200}", _REMEDY)


def _address(word: str) -> str:
    # UV_INDEX and UV_DEFAULT_INDEX may name their index: name=https://…
    name, equals, address = word.partition("=")
    return address if equals and "/" not in name else word
