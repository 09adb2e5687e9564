"""Metadata files read once: python-tuf's parse of them, and the bytes that their signatures cover, made faster.

Of a snapshot of 16,384 bins most of python-tuf's time is its canonical encoder in Python, which it runs twice;
the checks of client_verify.metadata.trusted would run it again. Here the same bytes are made in C where that is proved
to be the same (docs/adr/0030-reading-fast.md), and what was read is remembered by the file's own bytes. Whatever is not
accepted this way python-tuf judges alone, so that all errors are its own.
"""

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from operator import lt
from threading import Lock
from typing import Any, Final

import securesystemslib
import tuf
from securesystemslib.signer import Signature
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, Targets
from tuf.ngclient import Updater

from keys.encoding import canonical

PROVED: Final = frozenset({("7.0.1", "1.6.0")})
"""Versions of tuf and securesystemslib that the tests of this module were run with: no other is hastened."""
_KEPT: Final = 8
_BIN: Final = re.compile(r'"(bin-[0-9a-f]{1,4}\.json)":\{"version":([1-9][0-9]{0,14})\}', re.ASCII)
_HEAD: Final = re.compile(
    r'\{"signatures":\[[^\[\]]*\],"signed":\{"_type":"snapshot","expires":"[^"\\]*","meta":\{', re.ASCII
)
_READING: Final = Lock()
_FLAT: Final = frozenset({str, int, bool, type(None)})


@dataclass(frozen=True, slots=True)
class File:
    """A metadata file as python-tuf parses it, and the payload that its signatures cover. Nothing is verified."""

    metadata: Metadata[Any]
    payload: bytes


Read = Callable[[bytes], File]
Loaded = tuple[Signed, bytes, dict[str, Signature]]
Load = Callable[..., Loaded]


Entries = dict[str, MetaFile]
"""Entries of a snapshot that say a version and nothing else, by its digits: from one to the next few are new."""


def read(data: bytes, entries: Entries | None = None) -> File:
    """A file from its bytes; RepositoryError, as of python-tuf, for what it does not accept."""
    with _READING, _no_collection():
        with suppress(ValueError, RepositoryError):
            return _snapshot_of_bins(data.decode("ascii"), {} if entries is None else entries)
        metadata: Metadata[Any] = Metadata.from_bytes(data)
        return File(metadata, payload(metadata))


def remembering() -> Read:
    """``read`` that knows the last few files again by all of their bytes. Nobody changes what it gives."""
    entries: Entries = {}
    return lru_cache(_KEPT)(lambda data: read(data, entries))


def _snapshot_of_bins(text: str, entries: Entries) -> File:
    """A snapshot as registries write it: its bins in order, one after the other, then what is no bin. The bins' text is
    taken out and read here, all else is read by python-tuf. ValueError for any other text.
    """
    head = _HEAD.match(text)
    found = _BIN.findall(text)
    if head is None or not found or text.count('"meta"') != 1 or "\\" in text:  # an escape could spell it once more
        raise ValueError("not as registries write it")
    run = "".join([f'"{name}":{{"version":{version}}},' for name, version in found])
    names, versions = zip(*found, strict=True)
    # The text of the bins is this and nothing else, each name once and in its place, and something follows.
    _require(text.startswith(f'{run}"', head.end()) and all(map(lt, names, names[1:])))
    metadata: Metadata[Any] = Metadata.from_bytes((text[: head.end()] + text[head.end() + len(run) :]).encode())
    snapshot = metadata.signed
    _require(isinstance(snapshot, Snapshot) and all(name > names[-1] for name in snapshot.meta))
    covered = _framed(snapshot, run.encode() + _entries_of(snapshot))
    new = [version for version in versions if version not in entries]
    entries.update(zip(new, map(MetaFile, map(int, new)), strict=True))
    snapshot.meta = dict(zip(names, map(entries.__getitem__, versions), strict=True)) | snapshot.meta
    return File(metadata, covered)


@contextmanager
def _no_collection() -> Iterator[None]:
    """No search for cycles meanwhile: fifty thousand new objects, none in a cycle, are looked through again and again
    as they come. Only within the lock: of two at once the second might leave it off for good.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def payload(metadata: Metadata[Any]) -> bytes:
    """``metadata.signed_bytes``, sooner for snapshots and bins; root, timestamp and delegating roles take that itself.

    It is made from the parsed model, never taken out of the file, so signatures cover what python-tuf goes on with.
    """
    signed = metadata.signed
    try:
        if isinstance(signed, Snapshot):
            return _of_snapshot(signed)
        if isinstance(signed, Targets):
            return _of_targets(signed)
    except ValueError:
        pass  # not plain, or half a surrogate pair: the reference encoder decides
    return metadata.signed_bytes


def hasten(updater: Updater, remembered: Read) -> None:
    """Let an updater read with ``remembered``, through the one place where its trusted set chooses how to load a file.

    That place is private to python-tuf. If it is not there, does not hold what it held when this was written, or the
    libraries are others than those of PROVED, nothing is done: python-tuf reads as ever. A test says which it is.
    """
    trusted = getattr(updater, "_trusted_set", None)
    reference = getattr(trusted, "_load_data", None)
    known = (tuf.__version__, securesystemslib.__version__) in PROVED
    if trusted is None or reference is None or not known or reference.__name__ != "_load_from_metadata":
        return
    trusted._load_data = _loader(reference, remembered)


def _loader(reference: Load, remembered: Read) -> Load:
    """``reference``, which is asked again whenever the fast way does not end in enough good signatures."""

    def load(
        role: type[Signed], data: bytes, delegator: Root | Targets | None = None, role_name: str | None = None
    ) -> Loaded:
        if role in (Snapshot, Targets) and delegator is not None:
            with suppress(RepositoryError, ValueError):
                file = remembered(data)
                delegator.verify_delegate(role_name or role.type, file.payload, file.metadata.signatures)
                if file.metadata.signed.type == role.type:
                    return file.metadata.signed, file.payload, file.metadata.signatures
        return reference(role, data, delegator, role_name)

    return load


def _of_snapshot(signed: Snapshot) -> bytes:
    return _framed(signed, _entries_of(signed))


def _framed(signed: Snapshot, entries: bytes) -> bytes:
    """The payload of a snapshot around the text of its entries."""
    head = Snapshot(signed.version, signed.spec_version, signed.expires, {}, signed.unrecognized_fields).to_dict()
    _require(_is_flat(head, "meta"))
    # Keys are sorted by code points, and of the fields that every snapshot has some come before "meta" and some after.
    before = canonical({key: value for key, value in head.items() if key < "meta"})
    after = canonical({key: value for key, value in head.items() if key > "meta"})
    return b'%b,"meta":{%b},%b' % (before[:-1], entries, after[1:])


def _entries_of(signed: Snapshot) -> bytes:
    names = "".join(signed.meta)
    _require('"' not in names and "\\" not in names)  # all that canonical JSON escapes
    return ",".join(f'"{name}":{_entry(file)}' for name, file in sorted(signed.meta.items())).encode()


def _entry(file: MetaFile) -> str:
    _require(type(file.version) is int and type(file.length) in (int, type(None)) and not file.unrecognized_fields)
    return canonical(file.to_dict()).decode()


def _of_targets(signed: Targets) -> bytes:
    _require(signed.delegations is None)
    _require(all(type(file.length) is int and not file.unrecognized_fields for file in signed.targets.values()))
    body = signed.to_dict()
    _require(_is_flat(body, "targets"))
    return canonical(body)


def _is_flat(body: dict[str, Any], but: str) -> bool:
    # No float, which canonical JSON does not have, and no nesting, whose depth the two encoders bound differently.
    return all(type(value) in _FLAT for key, value in body.items() if key != but)


def _require(plain: bool) -> None:  # noqa: FBT001 - as assert has it
    if not plain:
        raise ValueError("not plain")
