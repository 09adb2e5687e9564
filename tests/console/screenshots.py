"""The pictures of docs/CONSOLE.md: ``python -m tests.console.screenshots`` makes them again, of the tests' registry."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.console.browsing import chromium, sign_in, visiting
from tests.console.registry import Registry, serving

FOLDER: Final = Path(__file__).parents[2] / "docs" / "console"
PAGES: Final = (
    "overview", "names/old-hand", "names/old-hand/timeline", "events?by=moderator", "holds/left-alone/1.0", "policies",
    "keys", "log",
)  # fmt: skip
"""Which pages, by their address below the console."""
VIEWPORT: Final = {"width": 960, "height": 900}


def main(*only: str) -> None:
    """Make the pictures of these pages, or of all, in light and dark."""
    FOLDER.mkdir(exist_ok=True)
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        registry = stack.enter_context(serving(Registry(Path(folder) / "world", stack)))
        registry.approve_as(registry.token("admin", "Grace"), "left-alone", "1.0")
        browser = stack.enter_context(chromium())
        for scheme in ("light", "dark"):
            page = stack.enter_context(visiting(browser, scheme=scheme, viewport=VIEWPORT))  # type: ignore[arg-type]
            page.goto(f"{registry.url}/sign-in")
            page.screenshot(path=FOLDER / f"sign-in-{scheme}.png")
            sign_in(page, registry.url, registry.token("admin", f"Ada {scheme}"))
            for place in only or PAGES:
                page.goto(f"{registry.url}/{place}")
                name = place.partition("?")[0].replace("/", "-")
                page.screenshot(path=FOLDER / f"{name}-{scheme}.png", full_page=place == "overview")


if __name__ == "__main__":
    main(*sys.argv[1:])
