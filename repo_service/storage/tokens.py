"""What is kept of those who may call: their tokens and keys, and what narrows each of them."""

import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from keys import names
from keys.times import moment

LIVE_AT_MOST: Final = 2
"""Live tokens of one client: the old one and the new one while they are rotated."""
_CLIENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}", re.ASCII)


class NonceSpent(Exception):
    """A signed request came a second time."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What narrows a token below its role. None narrows nothing; of what is given, everything must hold."""

    actions: tuple[str, ...] | None = None
    """Verbs, whatever they are about, and ``upload``, ``read``, ``status`` and ``audit``."""
    names: tuple[str, ...] | None = None
    """Prefixes as PEP 752 has them: ``acme`` is ``acme`` and every ``acme-…``, and not ``acmeville``."""
    networks: tuple[str, ...] | None = None
    """CIDR; of the address that is connected, whatever X-Forwarded-For says."""
    per_minute: int | None = None

    def __post_init__(self) -> None:
        for prefix in self.names or ():
            if names.normalise(prefix) != prefix:
                raise ValueError(f"the prefix {prefix!r:.80} is written {names.normalise(prefix)}")
        for network in self.networks or ():
            ip_network(network)
        if self.per_minute is not None and self.per_minute < 1:
            raise ValueError(f"{self.per_minute} requests a minute are none at all; revoke the token instead")

    def holds_name(self, name: str) -> bool:
        """Whether a normalised name is one of the token's."""
        return self.names is None or any(names.is_under(name, prefix) for prefix in self.names)

    def holds_address(self, peer: str | None) -> bool:
        """Whether a connection from this address may use the token; one that cannot be read may not."""
        if self.networks is None:
            return True
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in ip_network(network) for network in self.networks)


@dataclass(frozen=True, slots=True)
class Token:
    """One way for a client to show who it is: a secret, kept as its SHA-256, or a public key (PEM), for signatures."""

    id: str
    client: str
    role: str
    expires: str
    scope: Scope
    sha256: str | None = None
    public: str | None = None
    revoked: str | None = None

    def __post_init__(self) -> None:
        assert (self.sha256 is None) != (self.public is None), "a token is a secret or a key"
        if not _CLIENT.fullmatch(self.client):
            raise ValueError(
                f"a client's name is 1 to 64 letters, digits, spaces and . _ @ -, beginning with a letter or digit; "
                f"not {self.client!r:.80}"
            )

    def is_live(self, now: datetime) -> bool:
        """Whether it may still be used: neither revoked nor past its date."""
        return self.revoked is None and now < moment(self.expires)
