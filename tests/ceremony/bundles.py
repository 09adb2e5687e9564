"""The bundle as ``make bundle`` makes it, from a copy of this checkout: one download of its wheels for many builds."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
SCRIPT: Final = "docs/bundle/build.py"
PYTHON: Final = f"{sys.version_info[0]}.{sys.version_info[1]}"
EPOCH: Final = 1_795_860_000


def script() -> Any:
    """docs/bundle/build.py as a module."""
    spec = importlib.util.spec_from_file_location("bundle_build", ROOT / SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheels(folder: Path) -> Path:
    """The wheels of the lock for this Python, downloaded into a folder."""
    script().download(folder, PYTHON, os.uname().machine)
    return folder


def copy(folder: Path) -> Path:
    """What a bundle is built from, without git."""
    for name in script().PACKED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def build(checkout: Path, wheels: Path, before: tuple[str, ...] = (), umask: int = -1, **environment: str) -> Path:
    """Build in a checkout, with ``before`` in front of the command; the bundle in its ``dist``."""
    command = [*before, sys.executable, str(checkout / SCRIPT), "--wheels", str(wheels)]
    command += ["--python", PYTHON, "--machine", os.uname().machine]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**clean, "SOURCE_DATE_EPOCH": str(EPOCH), **environment}
    subprocess.run(command, env=environment, umask=umask, check=True, stdout=subprocess.PIPE)
    (bundle,) = (checkout / "dist").glob("*.pyz")
    return bundle
