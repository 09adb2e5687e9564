"""From a page as it stands in the repository to a page of the site: text in, text out.

What a code host does with links and the site cannot, is put right here, so that the pages read well in both: the README
is the first page, a directory is its index, a link within a heading stands below it. ``<!-- made: NAME -->`` is
filled in from the code.
"""

import re
from pathlib import Path
from typing import Final

from docs.site import reference

README: Final = "<!-- README -->\n"
INDEXES: Final = {"adr": "explanation/decisions.md"}
"""The page of a directory that holds none of its own."""
_MADE: Final = re.compile(r"^<!-- made: (?P<name>[a-z]+) -->$", re.MULTILINE)
_LINK: Final = re.compile(r"(?<!!)\[(?P<text>[^]]*)\]\((?P<target>[^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ .*$", re.MULTILINE)
_FENCE: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def fitted(text: str, docs: Path, page: str) -> str:
    """The text of a page, fitted to the site. ``page`` is its path below ``docs``, without its suffix."""
    text = text.replace(README, _readme(docs)) if README in text else text
    text = _MADE.sub(lambda made: reference.PAGES[made["name"]](), text)
    folder = (docs / page).parent

    def prose(part: str) -> str:
        part = _HEADING.sub(lambda heading: _freed(heading[0]), part)
        return _LINK.sub(lambda link: _led(link, folder, docs), part)

    parts, at = [], 0
    for fence in _FENCE.finditer(text):
        parts += [prose(text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, prose(text[at:])])


def _readme(docs: Path) -> str:
    """The README as a page in docs."""
    return (docs.parent / "README.md").read_text().replace("](docs/", "](").replace('="docs/site/static/', '="_static/')


def _freed(heading: str) -> str:
    """A heading without its links, which stand below it: the site's table of contents can hold none."""
    links = [link[0] for link in _LINK.finditer(heading)]
    bare = _LINK.sub(r"\g<text>", heading)
    return f"{bare}\n\n{', '.join(links)}" if links else heading


def _led(link: re.Match[str], folder: Path, docs: Path) -> str:
    """A link to the page that the site has instead: the first one for the README, for a directory its index, if any."""
    target = link["target"]
    if ":" in target or target.startswith("#"):
        return link[0]
    place, mark, anchor = target.partition("#")
    path = (folder / place).resolve()
    up = "../" * len(folder.relative_to(docs).parts)
    if path == docs.parent / "README.md":
        return f"[{link['text']}]({up}index.md{mark}{anchor})"
    if not path.is_dir():
        return link[0]
    page = _index(path, docs)
    return f"[{link['text']}]({up}{page})" if page else link["text"]


def _index(directory: Path, docs: Path) -> str | None:
    """The page of a directory, as a path below ``docs``."""
    if not directory.is_relative_to(docs):
        return None
    below = directory.relative_to(docs).as_posix()
    if below in INDEXES:
        return INDEXES[below]
    return next((f"{below}/{each}" for each in ("index.md", "README.md") if (directory / each).is_file()), None)
