"""A witness's keys on disk: a private one for its owner alone, and beside it the line that others know it by."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from keys import sealed
from keys.tlog import notes
from keys.tlog.notes import BadNote, HeldWitnessKey, VerifierKey

ED25519: Final = "witness.key"
MLDSA44: Final = "witness-ml-dsa.key"
_FILES: Final = (ED25519, MLDSA44)
PrivateKey = Ed25519PrivateKey | MLDSA44PrivateKey


class BadKey(Exception):
    """A key cannot be used. Nothing was signed."""


def write(folder: Path, file: str, name: str, private: PrivateKey) -> None:
    """Keep a new key. FileExistsError rather than overwrite one."""
    (folder / file).with_suffix(".vkey").write_text(f"{HeldWitnessKey(name, private).key}\n", "utf-8")
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    sealed.write_private(folder / file, pem)


def read(folder: Path) -> Sequence[HeldWitnessKey]:
    """Every key of a witness. Raises BadKey."""
    found = [_read(folder / file) for file in _FILES if (folder / file).exists()]
    if not found:
        raise BadKey(f"{folder} holds no key; `tallystick-service witness key {folder} --name NAME` makes one")
    return found


def public(folder: Path) -> Sequence[VerifierKey]:
    """The lines of its keys, where the private ones need not be readable. Raises BadKey."""
    files = [(folder / file).with_suffix(".vkey") for file in _FILES]
    return [_public(file) for file in files if file.exists()]


def _read(path: Path) -> HeldWitnessKey:
    _check_private(path)
    key = _public(path.with_suffix(".vkey"))
    try:
        private = load_pem_private_key(path.read_bytes(), None)
    except (OSError, TypeError, ValueError) as error:
        raise BadKey(f"{path} holds no private key that can be used: {error}") from None
    if not isinstance(private, Ed25519PrivateKey | MLDSA44PrivateKey):
        raise BadKey(f"{path} holds a {type(private).__name__}; a witness's key is Ed25519 or ML-DSA-44")
    held = HeldWitnessKey(key.name, private)
    if held.key != key:
        raise BadKey(f"{path} is not the private key of {path.with_suffix('.vkey')}")
    return held


def _public(path: Path) -> VerifierKey:
    try:
        return notes.read_key(path.read_text("utf-8").removesuffix("\n"))
    except (OSError, UnicodeDecodeError, BadNote) as error:
        raise BadKey(f"{path}: {error}") from None


def _check_private(path: Path) -> None:
    found = path.stat()
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadKey(f"{path} can be read by others than its owner; say: chmod 600 {path}")
    if found.st_uid not in (os.geteuid(), 0):
        raise BadKey(f"{path} belongs to uid {found.st_uid}, not to the witness's own {os.geteuid()}")
