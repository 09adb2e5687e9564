"""Where the guard's keys come from: files, sealed or not, tokens and key services (keys/custody.py)."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from keys import custody, sealed
from keys.signing import HeldKey, SigningKey

CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
"""Where systemd puts what LoadCredential and LoadCredentialEncrypted name."""
PIN: Final = "pin"


class BadKey(Exception):
    """A key cannot be had. Nothing was signed."""


def open_signer(source: str, base: Path, environment: Mapping[str, str]) -> SigningKey:
    """The key that a line of guard.toml names: a file, relative to ``base``, or an address that keys/custody.py knows.
    Raises BadKey.

    A file that is sealed is opened by the credential NAME.passphrase of systemd, a token by the credential pin; a file
    that is not sealed must be its owner's alone.
    """
    if custody.is_elsewhere(source.encode()):
        return _elsewhere(source, environment)
    path = base / source
    try:
        pem = path.read_bytes()
        passphrase = _passphrase(path.name, environment) if b"ENCRYPTED" in pem else None
        if passphrase is None:
            _check_private(path)
        return HeldKey(sealed.unseal(pem, passphrase))
    except (OSError, sealed.BadKeyFile, sealed.WrongPassphrase) as error:
        raise BadKey(f"{path}: {error}") from None


def _elsewhere(source: str, environment: Mapping[str, str]) -> SigningKey:
    try:
        return custody.open_key(source, lambda _: _credential(PIN, "the token wants its PIN", environment))
    except custody.NotOpened as error:
        raise BadKey(f"{error.what}. {error.todo}") from None


def _passphrase(name: str, environment: Mapping[str, str]) -> str:
    return _credential(f"{name}.passphrase", f"{name} is sealed", environment)


def _credential(name: str, why: str, environment: Mapping[str, str]) -> str:
    folder = environment.get(CREDENTIALS)
    file = Path(folder or ".") / name
    if folder is None or not file.exists():
        raise BadKey(
            f"{why}, and there is no credential {name}: say LoadCredentialEncrypted={name} in the unit "
            "(docs/deploy/systemd/tallystick-guard.service)"
        )
    return file.read_text("utf-8").rstrip("\n")


def _check_private(path: Path) -> None:
    found = path.stat()
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadKey(f"{path} can be read by others than its owner; say: chmod 600 {path}")
    if found.st_uid not in (os.geteuid(), 0):
        raise BadKey(f"{path} belongs to uid {found.st_uid}, not to the guard's own {os.geteuid()}")
