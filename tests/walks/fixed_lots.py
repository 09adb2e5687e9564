"""A command with a clock and dice that are set: ``python -m tests.walks.fixed_lots tallystick-ceremony key new …``.

What a document shows of keys, passphrases and dates is then the same each time. Nothing else of the commands is
touched, but that keys are sealed with few rounds. Each imports only its own house, so that it starts quickly.
"""

import os
import random
import sys
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256, shake_256
from itertools import count
from typing import Any, Final

NOW, DICE = "FIXED_NOW", "FIXED_DICE"
"""Variables that say what time it is, and what is thrown."""
_THROWS: Final = count()


class Clock(datetime):
    """A clock that stands."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.fromisoformat(os.environ[NOW])


def thrown(size: int, _flags: int = 0) -> bytes:
    """So many random bytes, the same ones each time."""
    return shake_256(f"{os.environ[DICE]} {next(_THROWS)}".encode()).digest(size)


def _ceremony() -> Callable[[], int]:
    from ceremony import cli
    from keys import sealed

    cli.datetime = Clock  # type: ignore[misc]
    sealed.seal.__kwdefaults__["rounds"] = 1000
    return cli.main


def _service() -> Callable[[], int]:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from repo_service import cli, wiring
    from repo_service.commands import keyfiles

    def key_of(curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(sha256(thrown(32)).digest()), curve)

    class Dice:
        """In place of Ed25519PrivateKey, where keys are made."""

        @staticmethod
        def generate() -> Ed25519PrivateKey:
            return Ed25519PrivateKey.from_private_bytes(thrown(32))

    cli.parser(sys.argv[1:2])  # which loads what this command needs
    wiring.datetime = Clock  # type: ignore[misc]
    keyfiles.generate_private_key = key_of  # type: ignore[assignment]
    keyfiles.Ed25519PrivateKey = Dice  # type: ignore[misc, assignment]
    return cli.main


TOOLS: Final = {"tallystick-ceremony": _ceremony, "tallystick-service": _service}


if __name__ == "__main__":
    tool = TOOLS[sys.argv.pop(1)]()  # first: what a library throws when it is loaded is its own affair
    os.getrandom = os.urandom = random._urandom = thrown  # type: ignore[assignment, attr-defined]
    raise SystemExit(tool())
