"""The addresses in a lock file, replaced in its text: the rest stays byte for byte.

An entry's bytes are known by their signed hash, so the address from which they come may be any; only what was verified
is rewritten. The new text is read again and must say the same with the new addresses.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from client_verify.locks import addresses, requirements
from client_verify.locks.checking import Checked
from client_verify.locks.entries import Index, Lock
from client_verify.locks.reading import read
from client_verify.refusals import Usage

_QUOTED: Final = re.compile(r"""(["'])([a-z]+://[^"'\s]*)\1""")
_OPTION: Final = re.compile(r"(?m)^([ \t]*(?:-i|-f|--index-url|--extra-index-url|--find-links)[ =][ \t]*)([^\s\\]+)")


def changes(checked: Checked, base: str | None) -> dict[str, str]:
    """Old addresses and new ones, where they differ; ``base`` None is the repository itself.

    Every entry is one that was not refused. Usage if the new place cannot be told.
    """
    home = base if base is not None else _home(checked)
    found: dict[str, str] = {}
    for each in checked.judged:
        if each.entry.url is not None and each.file is not None:
            signed = each.file.url if base is None else None
            found[each.entry.url] = signed or addresses.of_file(home, each.entry.name, each.file.filename)
    for index in checked.lock.indexes:
        if index.url.startswith(("http://", "https://")):
            found[index.url] = addresses.of_index(home, index.url)
    return {old: new for old, new in found.items() if old != new}


def rewritten(filename: str, data: bytes, changed: Mapping[str, str]) -> bytes:
    """The lock file with other addresses. Usage if it is not written as the installers write it."""
    pattern = _OPTION if requirements.FILENAME.fullmatch(filename) else _QUOTED

    def put(found: re.Match[str]) -> str:
        old, whole = found[2], found[0]
        return whole.replace(old, changed.get(old, old))

    text = pattern.sub(put, data.decode()).encode()
    if read(filename, text) != _moved(read(filename, data), changed):
        raise Usage(f"the addresses in {filename} are not written as its installer writes them. Nothing was written.")
    return text


def write(path: Path, data: bytes) -> None:
    """Put a new text in a file's place at once: whoever reads it has the old one or the new one, with the same mode."""
    path = path.resolve()
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _home(checked: Checked) -> str:
    match [pin.url for pin in checked.pins]:
        case [only]:
            return only
        case urls:
            several = ", ".join(sorted(urls)) or "none"
            raise Usage(f"its packages are of no single repository ({several}): say the address. Nothing was written.")


def _moved(lock: Lock, changed: Mapping[str, str]) -> Lock:
    entries = (replace(each, url=changed.get(each.url, each.url)) if each.url else each for each in lock.entries)
    indexes = (Index(changed.get(each.url, each.url)) for each in lock.indexes)
    return replace(
        lock,
        entries=tuple(dict.fromkeys(entries)),
        indexes=tuple(dict.fromkeys(indexes)),
    )
