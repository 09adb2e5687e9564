"""Taking in what a ceremony sealed: verified again from its bytes (keys/trust.py), and held against what we have.

Nothing of a sealed folder is believed. It must continue the chain of roots that this service knows, go back in no
version, name this service's online key, and be good at this moment; only then may ``publish`` release it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from tuf.api.metadata import Metadata, Root, Targets

from keys import layout, names, rules, trust
from keys.trust import RootOfTrust, SignedFile
from repo_service.build.metadata import Role


class NotTakenIn(Exception):
    """A sealed folder that this service must not use, with every problem. Nothing was written."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Sealed:
    """A verified root of trust and the files of it that this service does not have yet, in the order of ``OFFLINE``."""

    trust: RootOfTrust
    fresh: tuple[Role, ...]

    @property
    def bins(self) -> Targets:
        """The newest ``bins`` metadata."""
        body = self.trust.newest[layout.BINS].body
        assert isinstance(body, Targets)
        return body

    @property
    def pages(self) -> tuple[tuple[str, bytes], ...]:
        """The pages of held names, by where they are stored."""
        return tuple((trust.page_file(path, data), data) for path, data in self.trust.pages.items())


def take_in(sealed: Mapping[str, bytes], known: Mapping[str, bytes], online_keyid: str, now: datetime) -> Sealed:
    """Verify a sealed folder: its files by relative path, against the newest offline files of before (none: genesis).

    Raises NotTakenIn with every problem.
    """
    try:
        found = trust.read(sealed)
    except trust.NotTrusted as error:
        raise NotTakenIn([str(error)]) from error
    if problems := [*_dates(found, now), *_continuity(found, known), *_online_key(found, online_keyid)]:
        raise NotTakenIn(problems)
    files = (*found.roots, *(found.newest[role] for role in layout.OFFLINE if role != layout.ROOT))
    before = {role: version_of(data) for role, data in known.items()}
    return Sealed(found, tuple(_role(file) for file in files if file.body.version > before.get(file.role, 0)))


def bins_shape(bins: Targets) -> layout.Bins:
    """How many hash bins a verified ``bins`` role delegates to."""
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None, "rules.bins_problems"
    return layout.Bins(bins.delegations.succinct_roles.bit_length)


@lru_cache(maxsize=2)
def held_names(targets_file: bytes) -> frozenset[str]:
    """The names that a targets file, verified when it was taken in, gives to ``held``."""
    targets = parse_targets(targets_file)
    assert targets.delegations is not None and targets.delegations.roles is not None, "rules.targets_problems"
    paths = targets.delegations.roles[layout.HELD].paths or ()
    return frozenset(names.name_of(path.split("/")[1]) for path in paths)


def parse_root(data: bytes) -> Root:
    """A root file that was verified when it was taken in."""
    return Metadata[Root].from_bytes(data).signed


def parse_targets(data: bytes) -> Targets:
    """A targets file that was verified when it was taken in."""
    return Metadata[Targets].from_bytes(data).signed


def version_of(data: bytes) -> int:
    """The version of a metadata file of ours."""
    version: int = Metadata.from_bytes(data).signed.version
    return version


def _role(file: SignedFile) -> Role:
    return Role(file.role, file.body.version, file.body.expires, file.data)


def _dates(found: RootOfTrust, now: datetime) -> Iterator[str]:
    for role, file in found.newest.items():
        yield from rules.date_problems(role, file.body.expires, now)


def _continuity(found: RootOfTrust, known: Mapping[str, bytes]) -> Iterator[str]:
    """It goes on from what we have: the same chain of roots, no older version, no other bytes under one version."""
    chain = {root.name: root.data for root in found.roots}
    for role, ours in known.items():
        version = version_of(ours)
        theirs = found.newest[role]
        if role == layout.ROOT and chain.get(f"{version}.root.json") != ours:
            yield f"root: this service trusts another root {version}; these files do not continue it"
        elif theirs.body.version < version:
            yield f"{role}: version {theirs.body.version} is older than {version}, which was taken in before"
        elif theirs.body.version == version and theirs.data != ours:
            yield f"{role}: version {version} was taken in before with other bytes"
    if known and bins_shape(_targets(found, layout.BINS)) != bins_shape(parse_targets(known[layout.BINS])):
        yield "bins: the number of bins differs from this repository's"


def _online_key(found: RootOfTrust, keyid: str) -> Iterator[str]:
    bins = _targets(found, layout.BINS)
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None, "rules.bins_problems"
    roles = found.root.roles
    needed = ((layout.TIMESTAMP, roles[layout.TIMESTAMP]), (layout.SNAPSHOT, roles[layout.SNAPSHOT]))
    for name, role in (*needed, (layout.BINS, bins.delegations.succinct_roles)):
        if keyid not in role.keyids or role.threshold != 1:
            yield f"{name}: is signed by other keys than this service's online key {keyid:.16}"


def is_rehearsal(sealed: Sealed) -> bool:
    """Whether the newest root was made to practise with."""
    return rules.is_rehearsal(sealed.trust.root)


def _targets(found: RootOfTrust, role: str) -> Targets:
    body = found.newest[role].body
    assert isinstance(body, Targets)
    return body
