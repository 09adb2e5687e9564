"""What a person at the terminal has accepted for this one command, name by name. It is never kept."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Accepted:
    """Names in their normal form: whose new holder is accepted, whose releases may be installed although they are
    yanked for security, and which may go back to a lower version at once. ``pinned`` are names with the exact versions
    that were asked for, as they were written: who names a version did not have it chosen.
    """

    generations: frozenset[str] = frozenset()
    security_yanks: frozenset[str] = frozenset()
    lower_versions: frozenset[str] = frozenset()
    pinned: frozenset[tuple[str, str]] = frozenset()

    def versions(self, name: str) -> list[str]:
        """The exact versions of a name that were asked for."""
        return [version for pinned, version in self.pinned if pinned == name]


NOTHING: Final = Accepted()
