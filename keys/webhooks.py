"""Standard Webhooks (standardwebhooks.com): a message that a shared secret signs, and whether it does.

Signed are the message's id, when it is sent (seconds since 1970) and the body's bytes, with HMAC-SHA256. A sender that
rotates its secret signs with both; a receiver takes either. The same id again is the same message again.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from keys.tlog.notes import BadNote, decoded, encoded

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
WINDOW_S: Final = 300
"""How far a message's time may be from the receiver's clock, either way."""
_MOST_SIGNATURES: Final = 10
PREFIX: Final = "whsec_"
_ID: Final = re.compile(r"[!-~]{1,200}", re.ASCII)
_AT: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_SHORTEST, _LONGEST = 24, 64


class BadSecret(ValueError):
    """The text is no secret of a webhook; the message does not repeat it."""


class NotProven(ValueError):
    """Headers that no sender of Standard Webhooks makes, or that were made too long ago."""


@dataclass(frozen=True, slots=True)
class Message:
    """What came, of this moment by its own word. It proves nothing before ``is_by`` says so."""

    id: str
    at: int
    body: bytes = field(repr=False)
    signatures: tuple[str, ...] = field(repr=False)

    def is_by(self, secret: bytes) -> bool:
        """Whether one of its signatures is made with this secret."""
        expected = _signature(secret, self.id, self.at, self.body).encode()
        return any(hmac.compare_digest(expected, each.encode()) for each in self.signatures)


def secret_of(text: str) -> bytes:
    """The secret that a text like ``whsec_…`` stands for. Raises BadSecret."""
    try:
        secret = decoded(text.removeprefix(PREFIX))
    except BadNote:
        secret = b""
    if not text.startswith(PREFIX) or not _SHORTEST <= len(secret) <= _LONGEST:
        raise BadSecret(f"a secret is {PREFIX} and the base64 of {_SHORTEST} to {_LONGEST} random bytes")
    return secret


def written(secret: bytes) -> str:
    """The inverse of ``secret_of``."""
    return f"{PREFIX}{encoded(secret)}"


def derived(key: bytes, name: str) -> bytes:
    """The secret of this name: who has the key can make it again, and who has only secrets can make no other."""
    return hmac.digest(key, b"tallystick webhook secret\0" + name.encode(), sha256)


def headers(secret: bytes, identity: str, at: int, body: bytes) -> dict[str, str]:
    """What goes with a message: its id, when it is sent (s since 1970), and the signature of both and the body."""
    return {ID: identity, TIMESTAMP: str(at), SIGNATURE: _signature(secret, identity, at, body)}


def received(said: Mapping[str, str], body: bytes, now: int) -> Message:
    """A message as it came, if it says that it was sent just now; headers are in lower case. Raises NotProven."""
    identity, at, signatures = (said.get(each, "") for each in (ID, TIMESTAMP, SIGNATURE))
    if not _ID.fullmatch(identity) or not _AT.fullmatch(at):
        raise NotProven(f"send {ID}, {TIMESTAMP} (seconds since 1970) and {SIGNATURE}, as Standard Webhooks says")
    if abs(now - int(at)) > WINDOW_S:
        raise NotProven(f"{TIMESTAMP} {at} is more than {WINDOW_S} s from our clock, {now}")
    return Message(identity, int(at), body, tuple(signatures.split(" ")[:_MOST_SIGNATURES]))


def _signature(secret: bytes, identity: str, at: int, body: bytes) -> str:
    return f"v1,{encoded(hmac.digest(secret, f'{identity}.{at}.'.encode() + body, sha256))}"
