"""Runs in the bundle before the tool. The Python must be the one that it was built for; only the bundle's own packages
and Python's library are imported, whatever else the machine has installed; and there is nothing to fetch with.
"""

import json
import os
import sys
from pathlib import Path
from types import ModuleType

site_packages = Path(__file__).parents[1]
library = os.path.dirname(os.__file__)  # noqa: PTH120 - a path that sys.path may begin with, as text
sys.path[:] = [
    path
    for path in sys.path
    if path == str(site_packages)
    or (path.startswith(library) and not path.endswith(("site-packages", "dist-packages")))
]

built = json.loads((site_packages / "ceremony" / "built.json").read_text("utf-8"))
version, machine = f"{sys.version_info[0]}.{sys.version_info[1]}", os.uname().machine
if (version, machine) != (built["python"], built["machine"]):
    sys.exit(
        f"REFUSED: this file is for Python {built['python']} on {built['machine']}, "
        f"and this is Python {version} on {machine}.\n"
        "What to do: take the file that was built for this machine.\nNothing was written."
    )


class Urllib3Fetcher:
    """python-tuf's client wants one to exist. Replaying sealed files it is given another, which reads a folder."""


# Without this, python-tuf's client would import urllib3, which is not here, and http.client and ssl of the library.
nothing = ModuleType("tuf.ngclient.urllib3_fetcher")
vars(nothing)["Urllib3Fetcher"] = Urllib3Fetcher
sys.modules[nothing.__name__] = nothing
