"""Where a private key is: in a file, or elsewhere, by one line of text that says where.

pkcs11:token=alice;object=root?module-path=/usr/lib/softhsm/libsofthsm2.so    a token (RFC 7512)
awskms:…  gcpkms:…  azurekms:…  hv:…                                          a key service, by securesystemslib
"""

from collections.abc import Callable
from typing import Final

from keys.signing import SigningKey

TOKEN: Final = "pkcs11:"  # noqa: S105 - a scheme
SERVICES: Final = ("awskms:", "gcpkms:", "azurekms:", "hv:")
Ask = Callable[[str], str]
"""Asks a person for a secret, by what it is called."""


class NotOpened(Exception):
    """A key elsewhere that cannot be used: ``what`` is wrong, and what ``todo`` about it."""

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo


def is_elsewhere(data: bytes) -> bool:
    """Whether a key file only says where the key is."""
    return data.startswith(tuple(each.encode() for each in (TOKEN, *SERVICES)))


def open_key(where: str, ask: Ask) -> SigningKey:
    """The key at a place. NotOpened says why not; nothing is tried twice."""
    if where.startswith(TOKEN):
        from keys import tokens

        return tokens.open_key(where, ask)
    from keys import services

    return services.open_key(where)


def make_on_token(where: str, curve: str, ask: Ask) -> SigningKey:
    """A new key on a token, which it never leaves. ``curve`` is P-256 or P-384."""
    from keys import tokens

    return tokens.make_key(where, curve, ask)
