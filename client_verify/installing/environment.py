"""The environment of an installer behind the verified index: pip, uv, poetry and pdm all at once.

Whoever types ``make install`` does not say which of them will run. So each is told of the one index and of a cache that
goes away with it, all are told that the index is their proxy, and nothing is exempt from that: what any of them asks of
another place, on this machine too, meets the fence.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

DROPPED: Final = frozenset(
    {
        "NO_PROXY",
        "no_proxy",
        "PDM_IGNORE_STORED_INDEX",
        "PDM_PYPI_JSON_API",
        "PDM_PYPI_PASSWORD",
        "PDM_PYPI_USERNAME",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_NO_INDEX",
        "PIP_PROXY",
        "PIP_TRUSTED_HOST",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_INDEX",
        "UV_INDEX_URL",
        "UV_INSECURE_HOST",
        "UV_NO_INDEX",
    }
)
"""Other sources, and ways past a proxy."""
PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_PATIENT: Final = str(24 * 60 * 60)
"""Seconds. The index gives no byte before all are verified, and itself bounds the time; an installer that gives up
sooner begins the same download again, and again.
"""
_PLUGIN: Final = Path(__file__).parent / "poetry-plugin"


def environment(base: Mapping[str, str], address: str, private: Path, virtualenvs: Path) -> dict[str, str]:
    """What an installer finds where its person has ``base``.

    ``private`` is a folder for its caches; ``virtualenvs`` is where poetry keeps environments, which by default is
    inside its cache.
    """
    kept = {key: value for key, value in base.items() if key not in DROPPED}
    index = f"{address}/simple/"
    return {
        **kept,
        **{spelling: address for name in PROXIES for spelling in (name, name.lower())},
        **_git(base, address),
        "PIP_INDEX_URL": index,
        "PIP_CONFIG_FILE": os.devnull,  # a file's extra-index-url would be asked as well
        "PIP_NO_CACHE_DIR": "1",  # a wheel that pip once built is installed after its sdist was revoked
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_DEFAULT_INDEX": index,
        "UV_CACHE_DIR": str(private / "uv"),
        "POETRY_CACHE_DIR": str(private / "poetry"),  # its artifacts are installed whatever the index says by then
        "POETRY_VIRTUALENVS_PATH": str(virtualenvs),
        "POETRY_SYSTEM_GIT_CLIENT": "true",  # its own one heeds none of what is said to git here
        "PDM_PYPI_URL": index,
        "PDM_CACHE_DIR": str(private / "pdm"),
        "PIP_DEFAULT_TIMEOUT": _PATIENT,
        "UV_HTTP_TIMEOUT": _PATIENT,
        "POETRY_REQUESTS_TIMEOUT": _PATIENT,
        "PDM_REQUEST_TIMEOUT": _PATIENT,
        "PDM_CHECK_UPDATE": "0",  # it would ask pypi.org about itself
    }


def with_poetry(environ: Mapping[str, str], address: str) -> dict[str, str]:
    """The same for a command that is poetry: its plugin is found too, and nothing else that is on the path changes."""
    before = environ.get("PYTHONPATH", "")
    return {
        **environ,
        "TALLYSTICK_INDEX": f"{address}/simple",
        "TALLYSTICK_PYTHONPATH": before,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_PLUGIN), before])),
    }


def _git(base: Mapping[str, str], address: str) -> dict[str, str]:
    """A git that meets the fence: ssh would go round it, and so would a proxy in its own configuration."""
    count = int(said) if (said := base.get("GIT_CONFIG_COUNT", "")).isdecimal() else 0
    return {
        "GIT_ALLOW_PROTOCOL": "http:https",
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": "http.proxy",
        f"GIT_CONFIG_VALUE_{count}": address,
    }
