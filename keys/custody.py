"""Where a private key is: in a file, or elsewhere, by one line of text that says where.

pkcs11:token=alice;object=root?module-path=/usr/lib/softhsm/libsofthsm2.so    a token (RFC 7512)
awskms:…  gcpkms:…  azurekms:…  hv:…                                          a key service, by securesystemslib
"""

from importlib.util import find_spec
from typing import Final

from keys.signing import Ask as Ask
from keys.signing import NotOpened as NotOpened
from keys.signing import SigningKey

TOKEN: Final = "pkcs11:"  # noqa: S105 - a scheme
SERVICES: Final = ("awskms:", "gcpkms:", "azurekms:", "hv:")


def is_elsewhere(data: bytes) -> bool:
    """Whether a key file only says where the key is."""
    return data.startswith(tuple(each.encode() for each in (TOKEN, *SERVICES)))


def kind(data: bytes) -> str:
    """Where the key of a key file is, for people."""
    if not is_elsewhere(data):
        return "in a sealed file"
    return "on a token" if data.startswith(TOKEN.encode()) else "with a key service"


def open_key(where: str, ask: Ask) -> SigningKey:
    """The key at a place. NotOpened says why not; nothing is tried twice."""
    if where.startswith(TOKEN):
        _need_tokens()
        from keys import tokens

        return tokens.open_key(where, ask)
    from keys import services

    return services.open_key(where)


def make_on_token(where: str, curve: str, ask: Ask) -> SigningKey:
    """A new key on a token, which it never leaves. ``curve`` is P-256 or P-384."""
    _need_tokens()
    from keys import tokens

    return tokens.make_key(where, curve, ask)


def _need_tokens() -> None:
    if find_spec("pkcs11") is None:
        raise NotOpened("keys on tokens need the package python-pkcs11", "pip install 'tallystick[ceremony]'")
