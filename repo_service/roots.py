"""Taking in what a ceremony sealed: root, targets, held and bins, verified again from their bytes.

Nothing of a sealed folder is believed: signatures are counted, the rules of keys/rules.py asked, and the held pages
read. Only then may ``publish`` make them part of a release.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.serialization import DeserializationError

from keys import counting, layout, names, page, rules
from keys.encoding import sha256
from repo_service.build.due import Signed
from repo_service.build.metadata import Role

_FILE: Final = re.compile(r"([1-9][0-9]{0,8})\.(root|targets|held|bins)\.json", re.ASCII)


class NotTakenIn(Exception):
    """A sealed folder that this service must not use, with every problem. Nothing was written."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ceremony's result, verified: the new roots in order, the other roles that are new, and the held pages."""

    roles: tuple[Role, ...]
    pages: tuple[tuple[str, bytes], ...]
    root: Root
    targets: Targets
    bins: Targets

    @property
    def bins_shape(self) -> layout.Bins:
        """How many hash bins there are."""
        return bins_shape(self.bins)


def take_in(
    sealed: Mapping[str, bytes], trusted: bytes | None, known: Mapping[str, Signed], online_keyid: str, now: datetime
) -> Sealed:
    """Verify a sealed folder: file name (``1.root.json``, ``targets/…``) to bytes, against the root that is trusted.

    ``trusted`` is None at genesis: then root 1 vouches for itself. ``known`` are the versions taken in before.
    Raises NotTakenIn.
    """
    try:
        files = _by_role(sealed)
        roots = _root_chain(files, trusted)
        root = roots[-1][1] if roots else _parse(trusted or b"")
        parsed = {role: _newest(files, role) for role in (layout.TARGETS, layout.HELD, layout.BINS)}
        targets = _delegated(root, layout.TARGETS, parsed)
        held = _delegated(targets, layout.HELD, parsed)
        bins = _delegated(targets, layout.BINS, parsed)
        pages = tuple(_held_pages(held, sealed))
    except (RepositoryError, DeserializationError, ValueError, KeyError) as error:
        raise NotTakenIn([str(error)]) from error
    problems = [
        *rules.root_problems(root, now),
        *rules.targets_problems(targets, now),
        *rules.held_problems(held, now),
        *rules.bins_problems(bins, now),
        *_online_key_problems(root, bins, online_keyid),
        *(
            f"{role} {v} is older than {known[role].version}"
            for role, (v, _) in parsed.items()
            if _older(known, role, v)
        ),
    ]
    if problems:
        raise NotTakenIn(problems)
    fresh = [Role(layout.ROOT, each.version, each.expires, body) for body, each in roots]
    for role, (version, body) in parsed.items():
        if role not in known or version > known[role].version:
            fresh.append(Role(role, version, Metadata[Targets].from_bytes(body).signed.expires, body))
    return Sealed(tuple(fresh), pages, root, targets, bins)


def bins_shape(bins: Targets) -> layout.Bins:
    """How many hash bins a verified ``bins`` role delegates to."""
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None, "rules.bins_problems"
    return layout.Bins(bins.delegations.succinct_roles.bit_length)


def held_names(targets: Targets) -> frozenset[str]:
    """The names that verified targets metadata gives to ``held``."""
    assert targets.delegations is not None and targets.delegations.roles is not None, "rules.targets_problems"
    paths = targets.delegations.roles[layout.HELD].paths or ()
    return frozenset(names.name_of(path.split("/")[1]) for path in paths)


def parse_targets(data: bytes) -> Targets:
    """A targets file that was verified when it was taken in."""
    return Metadata[Targets].from_bytes(data).signed


def _by_role(sealed: Mapping[str, bytes]) -> dict[str, dict[int, bytes]]:
    found: dict[str, dict[int, bytes]] = {role: {} for role in layout.OFFLINE}
    for filename, body in sealed.items():
        if match := _FILE.fullmatch(filename):
            found[match[2]][int(match[1])] = body
        elif not filename.startswith("targets/"):
            raise ValueError(f"{filename} does not belong in a sealed folder")
    return found


def _root_chain(files: Mapping[str, Mapping[int, bytes]], trusted: bytes | None) -> list[tuple[bytes, Root]]:
    """Each new root, signed by the one before it and by itself (TUF specification section 5.3.4)."""
    chain: list[tuple[bytes, Root]] = []
    before = _parse(trusted) if trusted else None
    for version, body in sorted(files[layout.ROOT].items()):
        if before is not None and version <= before.version:
            continue
        root = _parse(body)
        expected = before.version + 1 if before else 1
        if root.version != version or version != expected:
            raise ValueError(f"{version}.root.json holds root {root.version}; the next root is {expected}")
        for delegator in filter(None, (before, root)):
            _must_be_signed(delegator, layout.ROOT, body)
        chain.append((body, root))
        before = root
    if before is None:
        raise ValueError("there is no 1.root.json")
    return chain


def _parse(data: bytes) -> Root:
    return Metadata[Root].from_bytes(data).signed


def _newest(files: Mapping[str, Mapping[int, bytes]], role: str) -> tuple[int, bytes]:
    if not files[role]:
        raise ValueError(f"there is no {role}.json with its version before it")
    return max(files[role].items())


def _delegated(delegator: Root | Targets, role: str, files: Mapping[str, tuple[int, bytes]]) -> Targets:
    version, body = files[role]
    _must_be_signed(delegator, role, body)
    metadata = Metadata[Targets].from_bytes(body)
    delegator.verify_delegate(role, counting.payload_of(metadata), metadata.signatures)
    if metadata.signed.version != version:
        raise ValueError(f"{version}.{role}.json holds version {metadata.signed.version}")
    return metadata.signed


def _must_be_signed(delegator: Root | Targets, role: str, body: bytes) -> None:
    count = counting.count_file(delegator, role, body)
    if not count.met:
        raise ValueError(f"{role}: {count.distinct} of the {count.threshold} signatures that it needs")


def _held_pages(held: Targets, sealed: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    found = []
    for path, target in held.targets.items():
        stored = f"targets/{names.hashed(path, target.hashes['sha256'])}"
        body = sealed.get(stored)
        if body is None or sha256(body) != target.hashes["sha256"]:
            raise ValueError(f"held: {stored} is missing or has other bytes")
        state = page.parse(body)
        if state.state != "prohibited" or names.page_path(state.name) != path:
            raise ValueError(f"held: {path} must be the page of a prohibited name, not of {state.name} ({state.state})")
        found.append((stored, body))
    return found


def _online_key_problems(root: Root, bins: Targets, keyid: str) -> list[str]:
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None, "rules.bins_problems"
    needed: dict[str, Any] = {
        layout.TIMESTAMP: root.roles[layout.TIMESTAMP],
        layout.SNAPSHOT: root.roles[layout.SNAPSHOT],
        layout.BINS: bins.delegations.succinct_roles,
    }
    return [
        f"{role}: is signed by other keys than this service's online key {keyid:.16}"
        for role, delegated in needed.items()
        if keyid not in delegated.keyids or delegated.threshold != 1
    ]


def _older(known: Mapping[str, Signed], role: str, version: int) -> bool:
    return role in known and version < known[role].version
