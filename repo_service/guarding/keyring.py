"""Where the guard's keys come from: files, sealed or not. Other places are one function away."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from securesystemslib.signer import Signature, SSlibKey

from keys import sealed
from keys.signing import HeldKey

CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
"""Where systemd puts what LoadCredential and LoadCredentialEncrypted name."""


class BadKey(Exception):
    """A key cannot be had. Nothing was signed."""


class Key(Protocol):
    """A private key, wherever it is. ``sign`` gives a verified signature, or raises SignerFailed."""

    @property
    def record(self) -> SSlibKey: ...

    def sign(self, payload: bytes) -> Signature: ...


def open_signer(source: str, base: Path, environment: Mapping[str, str]) -> Key:
    """The key that a line of guard.toml names: a file, relative to ``base``. Raises BadKey.

    A file that is sealed is opened by the credential NAME.passphrase of systemd; one that is not must be its owner's
    alone.
    """
    if ":" in source:  # a scheme (pkcs11:, awskms://): here it would be handed to keys.custody
        raise BadKey(f"{source.partition(':')[0]}: keys of this kind cannot be opened yet; name a file")
    path = base / source
    try:
        pem = path.read_bytes()
        passphrase = _passphrase(path.name, environment) if b"ENCRYPTED" in pem else None
        if passphrase is None:
            _check_private(path)
        return HeldKey(sealed.unseal(pem, passphrase))
    except (OSError, sealed.BadKeyFile, sealed.WrongPassphrase) as error:
        raise BadKey(f"{path}: {error}") from None


def _passphrase(name: str, environment: Mapping[str, str]) -> str:
    folder = environment.get(CREDENTIALS)
    file = Path(folder or ".") / f"{name}.passphrase"
    if folder is None or not file.exists():
        raise BadKey(
            f"{name} is sealed, and there is no credential {name}.passphrase: say LoadCredentialEncrypted={name}."
            "passphrase in the unit (docs/systemd/tallystick-guard.service)"
        )
    return file.read_text("utf-8").rstrip("\n")


def _check_private(path: Path) -> None:
    found = path.stat()
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadKey(f"{path} can be read by others than its owner; say: chmod 600 {path}")
    if found.st_uid not in (os.geteuid(), 0):
        raise BadKey(f"{path} belongs to uid {found.st_uid}, not to the guard's own {os.geteuid()}")
