"""The shape of a repository: its roles, which bin a path falls into, and how a bin is versioned.

    root ─┬─ timestamp   online
          ├─ snapshot    online
          └─ targets     offline ─┬─ held  offline, terminating: names no online key can make installable
                                  └─ bins  offline, terminating ── bin-00 … bin-ff  online (TAP 15)

All bins share a key and the snapshot carries versions only, so two bins of equal version could be swapped by any mirror
without a key. Therefore a bin's version ends in the bin's own number: version = n * 10^5 + number.
"""

import hashlib
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from tuf.api.metadata import Targets

from keys.names import segment

ROOT: Final = "root"
TARGETS: Final = "targets"
HELD: Final = "held"
BINS: Final = "bins"
SNAPSHOT: Final = "snapshot"
TIMESTAMP: Final = "timestamp"
OFFLINE: Final = (ROOT, TARGETS, HELD, BINS)
ONLINE: Final = (SNAPSHOT, TIMESTAMP)

BIN_PREFIX: Final = "bin"
BIN_PATHS: Final = ("simple/*/*", "packages/*/*", "policy/*/*")
BIN_STRIDE: Final = 100_000
MAX_BIT_LENGTH: Final = 14  # 16,384 bins: PEP 458's number, and under the stride

_BIN: Final = re.compile(rf"{BIN_PREFIX}-([0-9a-f]{{1,4}})", re.ASCII)
TARGETS_A_BIN: Final = 200  # about 17 KB of a compressed bin, where a snapshot has 2 to 3 bytes for each bin there is
ROLE_FIELD: Final = "x-role"
REHEARSAL_FIELD: Final = "x-rehearsal"
MINIMUM_CLIENT_FIELD: Final = "x-minimum-client"
SIGNED_AT_FIELD: Final = "x-signed-at"


@dataclass(frozen=True, slots=True)
class Bins:
    """2^bit_length hash bins by the first bits of SHA-256 of the target path (TAP 15)."""

    bit_length: int

    def __post_init__(self) -> None:
        if not 1 <= self.bit_length <= MAX_BIT_LENGTH:
            raise ValueError(f"bit_length is {self.bit_length}; it must be 1 to {MAX_BIT_LENGTH}")

    def __len__(self) -> int:
        return 1 << self.bit_length

    def number(self, path: str) -> int:
        """The bin that a target path falls into."""
        digest = hashlib.sha256(path.encode()).digest()
        return int.from_bytes(digest[:4], "big") >> (32 - self.bit_length)

    def role(self, number: int) -> str:
        """A bin's role name, as python-tuf's SuccinctRoles spells it."""
        width = (self.bit_length + 3) // 4
        return f"{BIN_PREFIX}-{number:0{width}x}"

    def roles(self) -> list[str]:
        """The names of all bins, in order of their number."""
        return [self.role(number) for number in range(len(self))]


def bin_number(role: str) -> int:
    """The inverse of ``Bins.role``; ValueError for a role that is no bin."""
    if not (match := _BIN.fullmatch(role)):
        raise ValueError(f"{role!r} is not a bin")
    return int(match[1], 16)


def recommended_bins(targets: int) -> Bins:
    """How many bins suit a repository of so many targets (a page for each name, and each file unless ``compact``).

    The fewest from 256 to 16,384 with at most ``TARGETS_A_BIN`` in each on average: a client fetches two or three bins
    and the snapshot, and what the one gains by more bins the other loses.
    """
    fitting = (bits for bits in range(8, MAX_BIT_LENGTH) if targets <= TARGETS_A_BIN << bits)
    return Bins(next(fitting, MAX_BIT_LENGTH))


def first_version(number: int, highest: int = 0) -> int:
    """The version of a bin signed for the first time. ``highest`` is the greatest version of any bin of a former number
    of bins: all new ones are above it, so that no bin can stand in for one of another number of bins either.
    """
    return (highest // BIN_STRIDE + 1) * BIN_STRIDE + number


def next_version(version: int) -> int:
    """The version of a bin signed once more."""
    return version + BIN_STRIDE


def held_paths(name: str) -> list[str]:
    """The patterns that hand every target of one name to ``held``: the only globs we use, one ``*`` segment each."""
    return [f"simple/{segment(name)}/*", f"packages/{segment(name)}/*"]


def is_held(targets: Targets, path: str) -> bool:
    """Whether ``held`` speaks for ``path``, and no bin is asked."""
    assert targets.delegations is not None and targets.delegations.roles is not None
    held = targets.delegations.roles[HELD]
    return any(_matches(path, pattern) for pattern in held.paths or ())


def responsible_role(targets: Targets, bins: Targets, path: str) -> str:
    """The one role that can speak for ``path``: absence is proven only by this role's own, verified file."""
    if is_held(targets, path):
        return HELD
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None
    return str(bins.delegations.succinct_roles.get_role_for_target(path))


def _matches(path: str, pattern: str) -> bool:
    # As the specification says (section 4.5): a * never crosses a slash. Case-sensitive on every system.
    ours, theirs = path.split("/"), pattern.split("/")
    return len(ours) == len(theirs) and all(map(fnmatchcase, ours, theirs))
