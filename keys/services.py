"""Keys that a service holds."""

from keys.signing import SigningKey


def open_key(where: str) -> SigningKey:
    raise NotImplementedError
