"""Pinned roots: which repository is trusted under which name, from which first root metadata on.

The pinned file stays the anchor for ever: newer roots that a repository serves are verified from it again each time
(TUF specification section 5.3), and never replace it.

A pin is a directory of two files, ``root.json`` as the registry gave it and ``pin.json`` beside it. An administrator
pins for all users of a machine by copying such a directory to ``/etc/tallystick/roots``.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from client_verify.places import Roots
from client_verify.refusals import Usage
from keys import counting, layout, names, records, rules, strict
from keys.encoding import compact, sha256
from keys.tlog import notes, proofs
from keys.tlog.notes import BadNote, VerifierKey
from keys.tlog.proofs import Policy

Mode = Literal["off", "warn", "require"]
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_ROOT_FILE: Final = "root.json"
_PIN_FILE: Final = "pin.json"


@dataclass(frozen=True, slots=True)
class LogTrust:
    """What is asked of a repository's transparency log, and whom this person believes about it (docs/adr/0036).

    ``witnesses`` and ``quorum`` stand in the place of the root's; ``keys`` are the log's if the root names no log. Keys
    are spelled as in signed-note.
    """

    mode: Mode = "warn"
    keys: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    quorum: int | None = None

    def __post_init__(self) -> None:
        for key in (*self.keys, *self.witnesses):
            _key(key)
        if self.witnesses and self.quorum is None:
            raise ValueError("of your own witnesses, how many must have seen the log? Say --quorum too")

    def policy(self, root: Root) -> Policy | None:
        """Whose checkpoint counts below a verified root; None if there is no log. ValueError for what cannot be met."""
        said = proofs.policy_of(root)
        if said is None and self.keys:
            said = Policy(tuple(map(_key, self.keys)))
        if said is None:
            return None
        witnesses = tuple(map(_key, self.witnesses)) or said.witnesses
        return Policy(said.keys, witnesses, said.quorum if self.quorum is None else self.quorum)


DEFAULT_LOG: Final = LogTrust()


@dataclass(frozen=True, slots=True)
class Pin:
    """A repository's local name, its base URL without a final slash, and the bytes of the root it is trusted by.

    ``prefixes`` are the names that it may speak for (client_verify.repositories), all if there are none; ``mirrors``
    are other addresses of the same files. ``first_use`` is the time at which this root was taken from the repository
    itself, if nobody has vouched for it since.
    """

    name: str
    url: str
    root: bytes
    prefixes: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    first_use: str | None = None
    log: LogTrust = DEFAULT_LOG

    @property
    def fingerprint(self) -> str:
        """The pinned root's SHA-256, as people compare it."""
        return f"sha256:{sha256(self.root)}"

    @property
    def signed(self) -> Root:
        """What the pinned root says."""
        return Metadata[Root].from_bytes(self.root).signed

    @property
    def is_rehearsal(self) -> bool:
        """Whether the pinned root was made to practise with."""
        return rules.is_rehearsal(self.signed)


@dataclass(frozen=True, slots=True)
class _PinFile:
    url: str
    prefixes: tuple[names.Normal, ...] = ()
    mirrors: tuple[str, ...] = ()
    first_use: str | None = None
    log: LogTrust = DEFAULT_LOG


def checked(name: str, url: str, root: bytes, prefixes: Iterable[str] = (), mirrors: Iterable[str] = ()) -> Pin:
    """A pin whose root is one that a ceremony may have made; Usage with every problem otherwise."""
    if not _NAME.fullmatch(name):
        raise Usage(
            f"{name!r:.80} cannot name a repository: use a-z, 0-9 and '-', at most 64 characters. Nothing was written."
        )
    if problems := list(_root_problems(root)):
        listed = "\n  ".join(problems)
        raise Usage(
            f"this root cannot be trusted:\n  {listed}\nGet the root file from the registry. Nothing was written."
        )
    return Pin(name, address(url), root, _normal(prefixes), tuple(map(address, mirrors)))


def address(url: str) -> str:
    """A repository's base URL without its final slash; Usage for what is none."""
    if not url.startswith(("https://", "http://")):
        raise Usage(
            f"{url!r:.200} is not the address of a repository: it must begin with https:// or http://. "
            "Nothing was written."
        )
    return url.rstrip("/")


def changed(pin: Pin, prefixes: Iterable[str], mirrors: Iterable[str]) -> Pin:
    """The same repository with other prefixes and mirrors; where none are given they stay."""
    own, others = _normal(prefixes), tuple(map(address, mirrors))
    return replace(pin, prefixes=own or pin.prefixes, mirrors=others or pin.mirrors)


def with_log(pin: Pin, log: LogTrust) -> Pin:
    """The same repository with this trust in its log; Usage if that cannot be met below the pinned root."""
    try:
        if log.keys and proofs.policy_of(pin.signed) is not None:
            raise ValueError("the root names the log and its keys; they cannot be replaced")
        if log.policy(pin.signed) is None and (log.witnesses or log.quorum is not None):
            raise ValueError("the root names no log that witnesses could have seen: give --log-key too")
    except ValueError as error:
        raise Usage(f"this trust in a log cannot be: {error}. Nothing was written.") from None
    return replace(pin, log=log)


def add(roots: Roots, pin: Pin) -> None:
    """Keep a pin, or change the prefixes, the mirrors, the log and the doubts of one. Usage if its name stands for
    another root or address. A crash leaves what was there, or the whole pin.
    """
    if (shipped := _shipped(roots, pin.name)) is not None:
        if replace(_read(shipped), first_use=None) == replace(pin, first_use=None):
            return
        raise Usage(
            f"{pin.name!r} is already pinned for all users of this machine, in {shipped}. Choose another name. "
            "Nothing was written."
        )
    directory = roots.own / pin.name
    if not directory.exists():
        _begin(directory, pin)
        return
    known = _read(directory)
    if (known.root, known.url) != (pin.root, pin.url):
        raise Usage(
            f"{pin.name!r} is already pinned to another root or address. If the registry really began anew, "
            f"run `tallystick trust remove {pin.name}` first. Nothing was written."
        )
    if known != pin:
        _replace(directory / _PIN_FILE, _pin_file(pin))


def load(roots: Roots, name: str) -> Pin:
    """The pin of this name; Usage if there is none, or two that differ."""
    if (pin := find(roots, name)) is None:
        raise Usage(f"no repository is pinned as {name!r:.80}. See `tallystick trust list`.")
    return pin


def find(roots: Roots, name: str) -> Pin | None:
    """The pin of this name, if there is one; Usage if two differ."""
    own, shipped = roots.own / name, _shipped(roots, name)
    if not _NAME.fullmatch(name) or not (shipped or own.exists()):
        return None
    if shipped is None:
        return _read(own)
    pin = _read(shipped)
    if own.exists() and replace(_read(own), first_use=None) != replace(pin, first_use=None):
        raise Usage(
            f"{name!r} is pinned in {own} and, for all users of this machine, in {shipped}, and they differ. "
            f"Remove yours with `tallystick trust remove {name}`."
        )
    return pin


def pins(roots: Roots) -> list[Pin]:
    """Every pin, by name."""
    found = {path.name for folder in (roots.own, *roots.shipped) for path in _pinned(folder)}
    return [load(roots, name) for name in sorted(found)]


def remove(roots: Roots, name: str) -> None:
    """Forget a pin of this user's, damaged or not. What was verified under it stays, so that pinning it again still
    detects a rollback.
    """
    directory = roots.own / name
    if _NAME.fullmatch(name) and not directory.exists() and (shipped := _shipped(roots, name)) is not None:
        raise Usage(f"{name!r} is pinned for all users of this machine, in {shipped}; only there it can be removed")
    if not _NAME.fullmatch(name) or not directory.exists():
        raise Usage(f"no repository is pinned as {name!r:.80}. See `tallystick trust list`.")
    gone = Path(tempfile.mkdtemp(prefix=".", dir=roots.own))
    directory.replace(gone)  # in one step: a crash leaves the pin, or none
    for file in gone.iterdir():
        file.unlink()
    gone.rmdir()


def shipped_in(roots: Roots, pin: Pin) -> Path | None:
    """Where a pin lies that came for all users of this machine."""
    return _shipped(roots, pin.name)


def _shipped(roots: Roots, name: str) -> Path | None:
    return next((folder / name for folder in roots.shipped if (folder / name).is_dir()), None)


def _pinned(folder: Path) -> Iterator[Path]:
    # What a crash left of a pin that was being made or removed begins with a dot.
    return (path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else iter(())


def _read(directory: Path) -> Pin:
    try:
        file = strict.load(_PinFile, strict.parse((directory / _PIN_FILE).read_bytes()))
        pin = checked(directory.name, file.url, (directory / _ROOT_FILE).read_bytes(), file.prefixes, file.mirrors)
    except (strict.Malformed, OSError, Usage) as error:
        raise Usage(f"the pin in {directory} is damaged ({error}). Remove it and add it again.") from None
    return replace(pin, first_use=file.first_use, log=file.log)


def _pin_file(pin: Pin) -> bytes:
    return compact(strict.dump(_PinFile(pin.url, pin.prefixes, pin.mirrors, pin.first_use, pin.log)))


def _key(text: str) -> VerifierKey:
    try:
        return notes.read_key(text)
    except BadNote as error:
        raise ValueError(str(error)) from None


def _begin(directory: Path, pin: Pin) -> None:
    # A directory gets its name when it is whole, and takes nobody else's: rename fails where another has files.
    directory.parent.mkdir(parents=True, exist_ok=True)
    whole = Path(tempfile.mkdtemp(prefix=".", dir=directory.parent))
    _replace(whole / _ROOT_FILE, pin.root)
    _replace(whole / _PIN_FILE, _pin_file(pin))
    whole.chmod(0o755)
    whole.replace(directory)


def _replace(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _normal(prefixes: Iterable[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted({names.normalise(prefix) for prefix in prefixes}))
    except names.InvalidName as error:
        raise Usage(str(error)) from None


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
