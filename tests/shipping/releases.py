"""docs/release/dist.py as a module."""

import importlib.util
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]


def script() -> Any:
    """What ``make dist`` runs."""
    spec = importlib.util.spec_from_file_location("release_dist", ROOT / "docs" / "release" / "dist.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
