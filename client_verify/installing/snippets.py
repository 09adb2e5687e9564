"""What a person writes so that an installer uses a long-lived index (`tallystick serve`): printed, never written."""

from typing import Final

PIP: Final = """\
# pip: in a pip.conf (`pip config debug` lists where it may be)
[global]
index-url = {index}
no-cache-dir = true
"""
UV: Final = """\
# uv: in uv.toml; in pyproject.toml the table is [[tool.uv.index]]
[[index]]
name = "tallystick"
url = "{index}"
default = true
cache-control = {{ api = "no-cache", files = "no-store" }}
"""
POETRY: Final = """\
# poetry: in pyproject.toml. poetry.lock will record this address.
# `tallystick run -- poetry ...` needs none of it, and leaves poetry.lock as it is.
[[tool.poetry.source]]
name = "tallystick"
url = "{index}"
priority = "primary"
"""
PDM: Final = """\
# pdm: in pyproject.toml
[[tool.pdm.source]]
name = "pypi"
url = "{index}"
"""
SNIPPETS: Final = {"pip": PIP, "uv": UV, "poetry": POETRY, "pdm": PDM}
NO_FENCE: Final = "# There is no fence around this: other sources are asked as well. `tallystick doctor` finds them.\n"


def snippet(installer: str, index: str) -> str:
    """Of one of SNIPPETS, for the simple index at this address with its final slash."""
    return SNIPPETS[installer].format(index=index) + NO_FENCE
