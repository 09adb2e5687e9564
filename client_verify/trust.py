"""Pinned roots: which repository is trusted under which name, from which first root metadata on.

The pinned file stays the anchor for ever: newer roots that a repository serves are verified from it again each time
(TUF specification section 5.3), and never replace it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from client_verify.refusals import Usage
from keys import counting, layout, names, records, rules, strict
from keys.encoding import compact, sha256

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_ROOT_FILE: Final = "root.json"
_PIN_FILE: Final = "pin.json"


@dataclass(frozen=True, slots=True)
class Pin:
    """A repository's local name, its base URL without a final slash, and the bytes of the root it is trusted by.

    ``prefixes`` are the names that it may speak for (client_verify.repositories), all if there are none; ``mirrors``
    are other addresses of the same files.
    """

    name: str
    url: str
    root: bytes
    prefixes: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        return f"sha256:{sha256(self.root)}"

    @property
    def is_rehearsal(self) -> bool:
        return rules.is_rehearsal(Metadata[Root].from_bytes(self.root).signed)


@dataclass(frozen=True, slots=True)
class _PinFile:
    url: str
    prefixes: tuple[names.Normal, ...] = ()
    mirrors: tuple[str, ...] = ()


def checked(name: str, url: str, root: bytes, prefixes: Iterable[str] = (), mirrors: Iterable[str] = ()) -> Pin:
    """A pin whose root is one that a ceremony may have made; Usage with every problem otherwise."""
    if not _NAME.fullmatch(name):
        raise Usage(f"{name!r:.80} cannot name a repository: use a-z, 0-9 and '-', at most 64 characters")
    for address in (url, *mirrors):
        if not address.startswith(("https://", "http://")):
            raise Usage(f"{address!r:.200} is not the address of a repository: it must begin with https:// or http://")
    if problems := list(_root_problems(root)):
        listed = "\n  ".join(problems)
        raise Usage(
            f"this root cannot be trusted:\n  {listed}\nGet the root file from the registry. Nothing was written."
        )
    try:
        own = tuple(sorted({names.normalise(prefix) for prefix in prefixes}))
    except names.InvalidName as error:
        raise Usage(str(error)) from None
    return Pin(name, url.rstrip("/"), root, own, tuple(mirror.rstrip("/") for mirror in mirrors))


def add(roots: Path, pin: Pin) -> None:
    """Keep a pin. Usage if the name already stands for another root or address."""
    directory = roots / pin.name
    if directory.exists():
        if load(roots, pin.name) == pin:
            return
        raise Usage(
            f"{pin.name!r} is already pinned to another root or address. If the registry really began anew, "
            f"run `tallystick trust remove {pin.name}` first. Nothing was written."
        )
    directory.mkdir(parents=True)
    (directory / _ROOT_FILE).write_bytes(pin.root)
    (directory / _PIN_FILE).write_bytes(compact(strict.dump(_PinFile(pin.url, pin.prefixes, pin.mirrors))))


def load(roots: Path, name: str) -> Pin:
    """The pin of this name; Usage if there is none."""
    directory = roots / name
    if not _NAME.fullmatch(name) or not directory.exists():
        raise Usage(f"no repository is pinned as {name!r:.80}. See `tallystick trust list`.")
    try:
        file = strict.load(_PinFile, strict.parse((directory / _PIN_FILE).read_bytes()))
        return Pin(name, file.url, (directory / _ROOT_FILE).read_bytes(), file.prefixes, file.mirrors)
    except (strict.Malformed, OSError) as error:
        raise Usage(f"the pin in {directory} is damaged ({error}). Remove it and add it again.") from None


def pins(roots: Path) -> list[Pin]:
    """Every pin, by name."""
    return [load(roots, path.name) for path in sorted(roots.iterdir())] if roots.exists() else []


def remove(roots: Path, name: str) -> Pin:
    """Forget a pin. What was verified under it stays, so that pinning it again still detects a rollback."""
    pin = load(roots, name)
    for file in (_PIN_FILE, _ROOT_FILE):
        (roots / name / file).unlink()
    (roots / name).rmdir()
    return pin


def _root_problems(data: bytes) -> Iterator[str]:
    try:
        root = Metadata[Root].from_bytes(data).signed
        if root.type != layout.ROOT:
            yield f"root: this is {root.type} metadata, not a root"
            return
        yield from rules.root_problems(root)
        count = counting.count_file(root, layout.ROOT, data)
    except (RepositoryError, records.UnacceptableKey, ValueError) as error:
        yield f"root: {error}"
        return
    if not count.met:
        yield f"root: signed by {count.distinct} different keys of its own; {count.threshold} are needed"
