"""Which pinned repository answers for a name: exactly one, and never another because that one has no answer.

Dependency confusion is a name that a private registry serves and a public one serves as well. Here a repository may be
pinned for prefixes (as PEP 752 has them: ``acme`` holds ``acme`` and ``acme-…``), the longest prefix decides, and one
repository without prefixes answers for all other names. There is no second try: where the one repository that may
speak says no, is out of reach or was not asked to be used, the name is refused.
"""

from collections.abc import Sequence
from typing import Final

from client_verify.refusals import Refused, Usage
from client_verify.trust import Pin
from keys import names

NOTHING_PINNED: Final = "no repository is pinned. Begin with `tallystick trust add NAME --url URL --root FILE`."


class Repositories:
    """The map of names. Usage where two repositories would answer for one name."""

    def __init__(self, pins: Sequence[Pin]) -> None:
        if not pins:
            raise Usage(NOTHING_PINNED)
        self._by_prefix: dict[str, Pin] = {}
        self._rest: Pin | None = None
        for pin in pins:
            self._place(pin)

    def of(self, name: str) -> Pin:
        """The one repository that may speak for a name in its normal form; Refused as ``unmapped`` if none may."""
        longest_first = reversed(names.prefixes(name))
        pin = next((self._by_prefix[prefix] for prefix in longest_first if prefix in self._by_prefix), self._rest)
        if pin is None:
            raise Refused("unmapped", f"no pinned repository may answer for {name}: each is pinned for other prefixes")
        return pin

    def _place(self, pin: Pin) -> None:
        if not pin.prefixes:
            if self._rest is not None:
                raise Usage(
                    f"{self._rest.name} and {pin.name} are both pinned for every name. Choose one with --repo "
                    f"{self._rest.name}|{pin.name}, or pin one again with --prefix for the names that are its own."
                )
            self._rest = pin
        for prefix in pin.prefixes:
            if (other := self._by_prefix.setdefault(prefix, pin)) is not pin:
                raise Usage(f"{other.name} and {pin.name} are both pinned for {prefix}. Remove it from one of them.")
