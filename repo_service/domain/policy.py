"""A policy: the numbers and switches that differ between registries. Presets are data (standard.toml)."""

import tomllib
from dataclasses import dataclass

from keys import strict


@dataclass(frozen=True, slots=True)
class Policy:
    """Parameters as of one version. Durations are in seconds or days, as their names say.

    ``reservation_days`` is a cascade: the first length is for a new reservation, each further one for a renewal.
    """

    preset: str
    version: int
    unpublish_window_s: int
    max_fact_age_s: int
    restore_window_s: int
    reservation_days: tuple[int, ...]
    reservation_grace_days: int
    upload_skew_s: int

    @property
    def id(self) -> str:
        """How events name the policy that judged them."""
        return f"{self.preset}/{self.version}"


def parse(text: str) -> Policy:
    """A policy file in TOML. Malformed names the parameter that is wrong."""
    return strict.load(Policy, tomllib.loads(text))
