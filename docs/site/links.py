"""Every link of the built site: ``python -m docs.site.links dist/docs``. What leads nowhere is named, and ends with 1.

Within the site a file and its anchor must be there. An address outside must be well formed; whether somebody answers
there says ``make docs-links``, which needs a network.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

_HOST: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?", re.ASCII)


@dataclass
class Page(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep what a tag leads to and what it is called."""
        del tag
        for name, value in attributes:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in ("href", "src", "srcset") and value:
                self.links.append(value)


def pages(site: Path) -> dict[Path, Page]:
    """Every page of a site, by its path."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        found[path] = Page()
        found[path].feed(path.read_text())
    return found


def broken(site: Path) -> Iterator[str]:
    """Each link that leads nowhere, with its page and why."""
    known = pages(site)
    for path, page in known.items():
        for link in dict.fromkeys(page.links):
            if why := _wrong(link, path, known):
                yield f"{path.relative_to(site)}: {link}: {why}"


def _wrong(link: str, path: Path, known: dict[Path, Page]) -> str | None:
    try:
        parts = urlsplit(link)
    except ValueError as error:
        return str(error)
    if parts.scheme in ("http", "https"):
        return None if _HOST.fullmatch(parts.netloc) else "no host that can be"
    if parts.scheme or parts.netloc:
        return None if parts.scheme in ("mailto", "data") else "no scheme that a page needs"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    return f"no anchor {anchor}" if anchor and target in known and anchor not in known[target].anchors else None


def main() -> int:
    """Name what is broken; 1 if there is any."""
    site = Path(sys.argv[1]).resolve()
    found = [*broken(site)]
    print("\n".join(found) or f"{len(pages(site))} pages, and every link leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
