"""How the documentation site is made: ``make docs``. The pages are docs/**/*.md as they are; docs/adr/0045 says why."""

import logging
import sys
from pathlib import Path
from typing import Any, Final

from sphinx.application import Sphinx

SITE: Final = Path(__file__).parent
ROOT: Final = SITE.parents[1]
sys.path.insert(0, str(ROOT))

from docs.site import fitting  # noqa: E402 - from the tree that this file is in

project = "Tallystick"
project_copyright = "the Tallystick authors, Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["site", "examples", "charts"]
root_doc = "index"
# A console block of the ceremony prints a TOML file, and examples are cut short with an ellipsis: shown, not coloured.
suppress_warnings = ["misc.highlighting_failure"]

myst_enable_extensions = ["attrs_block"]
myst_heading_anchors = 4
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"

linkcheck_timeout = 10
linkcheck_retries = 2
linkcheck_ignore = [r"https?://[^/]*\.(example|test)(/|$)", r"http://127\.0\.0\.1"]

html_theme = "furo"
html_title = "Tallystick"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False


def _fit(_: Sphinx, page: str, source: list[str]) -> None:
    source[0] = fitting.fitted(source[0], ROOT / "docs", page)


def _frame(_: Sphinx, what: str, name: str, of: object, options: object, lines: list[str]) -> None:  # noqa: ARG001
    """An indented example of a module is code."""
    first = next((number for number, line in enumerate(lines) if what == "module" and line.startswith("    ")), None)
    if first is not None:
        lines[first:first] = ["::", ""]


def _reach(_: Sphinx, page: str, template: str, context: dict[str, Any], *more: object) -> None:
    """Who has no mouse can scroll a wide block too."""
    del page, template, more
    if "body" in context:
        context["body"] = context["body"].replace("<pre>", '<pre tabindex="0">')


def setup(app: Sphinx) -> dict[str, bool]:
    """Every page is fitted to the site when it is read; pages know nothing of each other."""
    logging.getLogger("tuf").setLevel(logging.WARNING)
    app.connect("source-read", _fit)
    app.connect("autodoc-process-docstring", _frame)
    app.connect("html-page-context", _reach)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
