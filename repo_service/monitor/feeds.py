"""Atom feeds (RFC 4287) as static files: one for each project and each namespace, one of alarms, one of everything.

    DIR/project/<segment>.atom    what happened to a name (segments as in docs/FORMAT.md, "Names and paths")
    DIR/namespace/<segment>.atom  what happened to a prefix and to all names under it (PEP 752)
    DIR/alarms.atom               every finding
    DIR/everything.atom           every event

News waits in the monitor's book, written in the transaction that takes in its release, until the files are written.
Whoever dies in between writes the same again: an entry is known by its id, which follows from the log and the leaf. A
file is written only where something happened, and holds one entry a line, the newest first.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import escape, quoteattr

from keys import names
from repo_service.monitor import telling
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.saying import said
from repo_service.monitor.seen import Seen
from repo_service.monitor.whole import Gathering, Touched, Whole

MOST: Final = 100
"""Entries in a feed."""
EVERYTHING: Final = "everything"
ALARMS: Final = "alarms"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS news (
    place INTEGER PRIMARY KEY, at TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL, signed TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS news_of (feed TEXT, place INTEGER, PRIMARY KEY (feed, place)) WITHOUT ROWID;
"""
_TOLD: Final = "feeds/told"
_AT_ONCE: Final = 10_000
_ID: Final = re.compile(r"<entry><id>([^<]*)</id>")
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Place:
    """Whose feeds these are: the log's origin, and the registry's address if it has one."""

    origin: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """``key`` is what its id follows from, together with the origin."""

    key: str
    at: str
    title: str
    text: str
    name: str | None = None


class News:
    """A watch that keeps what happened until the feeds are written."""

    def __init__(self, book: Book) -> None:
        self._db = book.db
        self._db.executescript(_TABLES)
        self._gathering = Gathering()

    def __call__(self, seen: Seen) -> Iterable[Finding]:
        """Once a release is whole, keep what the feeds will tell of it. It finds nothing."""
        if whole := self._gathering.add(seen):
            self._keep(whole)
        return ()

    def _keep(self, whole: Whole) -> None:
        signed = f"signed with snapshot {whole.leaf.version} (release {whole.leaf.generation})"
        for touched in whole.touched:
            feeds = _feeds_of(touched)
            for place, event in touched.events:
                row = (place, event.at, event.name, said(event), signed)
                self._db.execute("INSERT OR IGNORE INTO news VALUES (?, ?, ?, ?, ?)", row)
                self._db.executemany("INSERT OR IGNORE INTO news_of VALUES (?, ?)", [(feed, place) for feed in feeds])


def _feeds_of(touched: Touched) -> list[str]:
    """Of the name, and of the namespaces that it was or is under."""
    around = [state for state in (touched.before, touched.after) if state]
    prefixes = {each.prefix for state in around for each in state.namespaces}
    prefixes |= {state.name for state in around if state.namespace}
    return [project(touched.after.name), *map(namespace, sorted(prefixes))]


def project(name: str) -> str:
    """The path of a name's feed, without its ending."""
    return f"project/{names.segment(name)}"


def _is_name(text: str) -> bool:
    """Findings quote strangers."""
    try:
        return names.normalise(text) == text
    except names.InvalidName:
        return False


def namespace(prefix: str) -> str:
    """Where the feed of a prefix's namespace is, without its ending."""
    return f"namespace/{names.segment(prefix)}"


def write(book: Book, folder: Path, place: Place) -> int:
    """Write what is new into the feeds below a folder; how many files were written."""
    book.db.executescript(_TABLES)
    changed = _write(book, folder, place)
    while book.number(_TOLD, 0) < telling.last(book):
        changed += _write(book, folder, place)
    return changed


def _write(book: Book, folder: Path, place: Place) -> int:
    findings = list(islice(book.findings(book.number(_TOLD, 0)), _AT_ONCE))
    entries = [_of_finding(each) for _, each in findings]
    about: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.name is not None and _is_name(entry.name):
            about.setdefault(project(entry.name), []).append(entry)
    changed = _amend(folder, place, ALARMS, entries)
    changed += _amend(folder, place, EVERYTHING, _news(book, "SELECT place FROM news ORDER BY place DESC LIMIT ?"))
    feeds = {row[0] for row in book.db.execute("SELECT DISTINCT feed FROM news_of")}
    for feed in sorted(about.keys() | feeds):
        which = "SELECT place FROM news_of WHERE feed = ? ORDER BY place DESC LIMIT ?"
        changed += _amend(folder, place, feed, [*_news(book, which, feed), *about.get(feed, ())])
    with book.transaction():
        book.db.execute("DELETE FROM news")
        book.db.execute("DELETE FROM news_of")
        if findings:
            book.keep(_TOLD, str(findings[-1][0]).encode())
    return changed


def _news(book: Book, which: str, *arguments: str) -> list[Entry]:
    """The newest of these, the oldest first."""
    columns = "place, at, name, title, signed"
    rows = book.db.execute(f"SELECT {columns} FROM news WHERE place IN ({which}) ORDER BY place", (*arguments, MOST))  # noqa: S608 - both are ours
    return [
        Entry(f"leaf {leaf}", at, title, f"{title}. Leaf {leaf} of the log, {signed}.", name)
        for leaf, at, name, title, signed in rows
    ]


def _of_finding(each: Finding) -> Entry:
    where = f" Leaf {each.index} of the log." if each.index is not None else ""
    about = f"{each.level.capitalize()} {each.code}: {each.sentence}"
    key = f"finding {each.code} {each.name} {each.at if each.index is None else each.index} {each.sentence}"
    return Entry(key, each.at, about, f"{about}.{where}", each.name)


def _amend(folder: Path, place: Place, feed: str, entries: list[Entry]) -> int:
    """Put entries, the oldest first, on top of a feed; 1 if its file changed. Its bytes follow from the entries."""
    path = folder / f"{feed}.atom"
    before = path.read_text("utf-8") if path.exists() else ""
    lines = {_id(place, entry.key): _line(place, entry) for entry in reversed(entries)}
    for line in before.splitlines():
        if match := _ID.match(line):
            lines.setdefault(match[1], line)
    after = _head(place, feed, [*lines.values()][:MOST])
    if not lines or after == before:
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(after, "utf-8")
    beside.replace(path)
    return 1


def _head(place: Place, feed: str, lines: list[str]) -> str:
    kind, _, segment = feed.partition("/")
    title = f"{kind} {names.name_of(segment)}" if segment else kind
    updated = max((re.findall(r"<updated>([^<]*)</updated>", line)[0] for line in lines), default="")
    link = f'<link rel="alternate" href={quoteattr(place.url)}/>\n' if place.url else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<id>{_id(place, feed)}</id>\n<title>{_text(f'{title} at {place.origin}')}</title>\n"
        f"<updated>{updated}</updated>\n<author><name>tallystick-service monitor</name></author>\n{link}"
        + "".join(f"{line}\n" for line in [*lines, "</feed>"])
    )


def _line(place: Place, entry: Entry) -> str:
    link = ""
    if place.url and entry.name and _is_name(entry.name):
        href = f"{place.url.rstrip('/')}/simple/{names.segment(entry.name)}/"
        link = f'<link rel="alternate" href={quoteattr(href)}/>'
    return (
        f"<entry><id>{_id(place, entry.key)}</id><title>{_text(entry.title)}</title><updated>{entry.at}</updated>"
        f'{link}<content type="text">{_text(entry.text)}</content></entry>'
    )


def _id(place: Place, key: str) -> str:
    """Always the same for a log and a leaf (or feed, or finding), whoever runs the monitor and wherever."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{place.origin}#{key}')}"


def _text(text: str) -> str:
    """In one line, of what XML may hold."""
    return escape(_NO_XML.sub("\ufffd", " ".join(text.split("\n"))))
