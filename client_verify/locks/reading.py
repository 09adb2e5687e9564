"""A lock file's bytes to what it says will be installed. Pure.

Nothing is passed over: what is not understood is an ``Unverifiable``, and so is a SHA-256 anywhere in the file that
became part of nothing. The file's name says its format, because an installer goes by it too.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from client_verify.locks import requirements
from client_verify.locks.digests import DIGEST, digests
from client_verify.locks.entries import Entry, Index, Item, Local, Lock, Unverifiable
from client_verify.refusals import Usage
from keys import names, strict

Table = dict[str, Any]
T = TypeVar("T")

_ARCHIVE: Final = re.compile(r".+\.(?:whl|zip|tgz|tar|tar\.\w+)", re.IGNORECASE)


def read(filename: str, data: bytes) -> Lock:
    """What a lock file of this name says. Usage if it is none that can be read."""
    text = _text(filename, data)
    if requirements.FILENAME.fullmatch(filename):
        return Lock.of(requirements.items(filename, text))
    for dialect in DIALECTS:
        if dialect.filename.fullmatch(filename):
            return Lock.of(_toml(dialect, filename, text))
    raise Usage(
        f"what kind of lock file is {filename}? Known by their names are uv.lock and SCRIPT.py.lock, pylock.toml and "
        "pylock.NAME.toml, poetry.lock, pdm.lock and pdm.NAME.lock, and requirements with hashes in NAME.txt"
    )


@dataclass(frozen=True, slots=True)
class Dialect:
    """A kind of lock file in TOML: how its file is named, where its format version is and which are known, the key of
    its array of packages, and what one package of it says. ``own`` are keys of hashes that are of no package.
    """

    filename: re.Pattern[str]
    version: tuple[str, ...]
    known: re.Pattern[str]
    packages: str
    items: Callable[[Table], Iterator[Item]]
    own: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Package:
    name: str
    version: str | None = None

    @property
    def normal(self) -> str:
        return names.normalise(self.name)

    @property
    def what(self) -> str:
        return self.normal if self.version is None else f"{self.normal} {self.version}"


@dataclass(frozen=True, slots=True)
class _File:
    """A file as any of the four may describe it: their keys do not clash."""

    file: str | None = None
    filename: str | None = None
    name: str | None = None
    url: str | None = None
    path: str | None = None
    size: int | None = None

    @property
    def called(self) -> str:
        return self.file or self.filename or self.name or basename(self.url or self.path or "")


def basename(url: str) -> str:
    """The file name at the end of an address or path. ValueError if it has none."""
    found = unquote(urlsplit(url).path.rpartition("/")[2])
    names.file_path("x", found)
    return found


def _text(filename: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Usage(f"{filename} is not UTF-8 at byte {error.start}") from None


def _toml(dialect: Dialect, filename: str, text: str) -> Iterator[Item]:
    document = _parsed(filename, text)
    _check_version(dialect, filename, document)
    packages = document.pop(dialect.packages, [])
    if not isinstance(packages, list):
        raise Usage(f"{filename}: {dialect.packages} is no array of packages")
    for package in packages:
        yield from _items(dialect, package)
    yield from _besides(dialect, document)


def _parsed(filename: str, text: str) -> Table:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise Usage(f"{filename} is not TOML: {str(error)!r:.200}") from None
    except RecursionError:
        raise Usage(f"{filename} is nested too deep") from None


def _check_version(dialect: Dialect, filename: str, document: Table) -> None:
    found: Any = document
    for key in dialect.version:
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, bool) or not dialect.known.fullmatch(str(found)):
        raise Usage(
            f"{filename}: {'.'.join(dialect.version)} is {found!r:.80}; this program reads {dialect.known.pattern}. "
            "Lock again with an installer of today, or upgrade tallystick"
        )


def _items(dialect: Dialect, package: object) -> Iterator[Item]:
    try:
        found = [*dialect.items(_table(package))]
    except ValueError as error:  # strict.Malformed, names.InvalidName, and urllib's
        found = [Unverifiable(_called(package), f"its entry is not understood ({error})", digests(package))]
    yield from found
    yield from _unread(_called(package), package, found)


def _besides(dialect: Dialect, document: Table) -> Iterator[Item]:
    """What stands beside the packages and looks like something to install."""
    for key, value in document.items():
        if isinstance(value, list) and any(isinstance(each, dict) and "name" in each for each in value):
            yield Unverifiable(f"{key!r:.80}", "it is an array of packages that is not understood", digests(value))
        elif key != "tool":
            kept = {k: v for k, v in value.items() if k not in dialect.own} if isinstance(value, dict) else value
            yield from _unread(f"{key!r:.80}", kept, ())


def _unread(what: str, value: object, found: Iterable[Item]) -> Iterator[Unverifiable]:
    read = {item.sha256 for item in found if isinstance(item, Entry)}
    read |= {digest for item in found if isinstance(item, Unverifiable) for digest in item.sha256s}
    if left := tuple(digest for digest in digests(value) if digest not in read):
        yield Unverifiable(what, "its entry holds a hash that is not understood", left)


def _uv(table: Table) -> Iterator[Item]:
    package = _pick(_Package, table)
    match table.get("source"):
        case {"registry": str(url), **rest} if not rest:
            yield Index(strict.line(url))
            yield from _files(package, table)
        case {"virtual": str(path), **rest} | {"editable": str(path), **rest} | {"directory": str(path), **rest} if (
            not rest
        ):
            yield Local(package.what, strict.line(path))
        case {"git": str(where)} | {"url": str(where)} | {"path": str(where)}:
            yield _from_elsewhere(package, where, table)
        case other:
            raise strict.Malformed("source", f"is {other!r:.200}")


def _pylock(table: Table) -> Iterator[Item]:
    package = _pick(_Package, table)
    if isinstance(index := table.get("index"), str):
        yield Index(strict.line(index))
    match {key: table[key] for key in ("vcs", "directory", "archive", "sdist", "wheels") if key in table}:
        case {"directory": {"path": str(path)}, **rest} if not rest:
            yield Local(package.what, strict.line(path))
        case {"vcs": dict(place), **rest} | {"archive": dict(place), **rest} if not rest:
            yield _from_elsewhere(package, str(place.get("url", place.get("path"))), table)
        case {**files} if files.keys() <= {"sdist", "wheels"}:
            yield from _files(package, table)
        case other:
            raise strict.Malformed("", f"it has {' and '.join(sorted(other))}")


def _poetry(table: Table) -> Iterator[Item]:
    package = _pick(_Package, table)
    match table.get("source"):
        case None:
            yield from _files(package, table)
        case {"type": "legacy", "url": str(url)}:
            yield Index(strict.line(url))
            yield from _files(package, table)
        case {"type": "directory", "url": str(path)}:
            yield Local(package.what, strict.line(path))
        case {"type": "file" | "url" | "git", "url": str(where)}:
            yield _from_elsewhere(package, where, table)
        case other:
            raise strict.Malformed("source", f"is {other!r:.200}")


def _pdm(table: Table) -> Iterator[Item]:
    package = _pick(_Package, table)
    match {key: table[key] for key in ("git", "hg", "svn", "bzr", "url", "path") if key in table}:
        case {"path": str(path), **rest} if not rest and not _ARCHIVE.fullmatch(path):
            yield Local(package.what, strict.line(path))
        case {**place} if place:
            yield _from_elsewhere(package, " ".join(map(str, place.values())), table)
        case _:
            yield from _files(package, table)


def _files(package: _Package, table: Table) -> Iterator[Item]:
    """A registry's release: uv and pylock have its files in ``sdist`` and ``wheels``, poetry and pdm in ``files``."""
    sdist = [table["sdist"]] if "sdist" in table else []
    described = [*sdist, *_list(table.get("wheels", [])), *_list(table.get("files", []))]
    if not described:
        yield Unverifiable(package.what, "the lock names no file and no hash of it")
    for file in described:
        yield from _file(package, _table(file))


def _file(package: _Package, table: Table) -> Iterator[Item]:
    file, hashes = _pick(_File, table), _hashes(table)
    # An installer takes bytes that match any one of the hashes, so one of another kind opens the door to other bytes.
    if others := sorted(hashes.keys() - {"sha256"}):
        yield Unverifiable(package.what, f"{file.called} has a hash of another kind than sha256: {', '.join(others)}")
    if "sha256" not in hashes:
        yield Unverifiable(package.what, f"{file.called} has no sha256 in the lock")
        return
    if not DIGEST.fullmatch(hashes["sha256"]):
        raise strict.Malformed("hash", f"no sha256 is {hashes['sha256']!r:.80}")
    yield Entry(package.normal, package.version, file.called, hashes["sha256"], file.size, file.url)


def _hashes(table: Table) -> dict[str, str]:
    """By their kind: pylock has a table of them, the others have ``kind:value``."""
    if "hash" in table:
        kind, _, value = strict.load(str, table["hash"], "hash").partition(":")
        return {kind: value}
    return {strict.line(kind): strict.load(str, value, kind) for kind, value in _table(table.get("hashes", {})).items()}


def _from_elsewhere(package: _Package, where: str, table: Table) -> Unverifiable:
    return Unverifiable(package.what, f"it comes from {strict.line(where)}", digests(table))


def _called(package: object) -> str:
    """A package that may be malformed, for a person."""
    name = package.get("name") if isinstance(package, dict) else None
    return f"{name:.80}" if isinstance(name, str) and name.isascii() and name.isprintable() else f"{name!r:.80}"


def _pick(kind: type[T], table: Table) -> T:
    """The fields of ``kind`` out of a table that may have more."""
    wanted = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # only of dataclasses
    return strict.load(kind, {name: table[name] for name in wanted if name in table})


def _table(value: object) -> Table:
    if not isinstance(value, dict):
        raise strict.Malformed("", f"must be a table, not {value!r:.80}")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise strict.Malformed("", f"must be an array, not {value!r:.80}")
    return value


DIALECTS: Final = (
    Dialect(re.compile(r"uv\.lock|.*\.py\.lock"), ("version",), re.compile("1"), "package", _uv),
    Dialect(re.compile(r"pylock\.(?:[^.]+\.)?toml"), ("lock-version",), re.compile(r"1\.\d+"), "packages", _pylock),
    Dialect(
        re.compile(r"poetry\.lock"),
        ("metadata", "lock-version"),
        re.compile(r"2\.\d+"),
        "package",
        _poetry,
        frozenset({"content-hash"}),
    ),
    Dialect(
        re.compile(r"pdm\.(?:.+\.)?lock"),
        ("metadata", "lock_version"),
        re.compile(r"4\.\d+(?:\.\d+)?"),
        "package",
        _pdm,
        frozenset({"content_hash"}),
    ),
)
