"""The last look before a release becomes true: read its bytes as a stranger would, and refuse what clients would.

Signing and checking are separate so that a bug or a bit flip in one of them is caught by the other (CT log Yeti, 2022).
Of a snapshot with sixteen thousand lines only those that change are read again; the rest must be, to the byte, what the
newest snapshot said, which was checked in its turn. Stock clients' own reading is what the tests and ``fsck`` ask.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import orjson
from tuf.api.metadata import Root, Targets

from keys import counting, invariants, layout, page, strict, succession
from keys.encoding import canonical, parse_canonical, sha256
from keys.signing import parted
from keys.state import NameState
from keys.times import stamp
from repo_service.build.assemble import Differences, Each, Placed, Release
from repo_service.build.listing import Meta
from repo_service.build.metadata import Role
from repo_service.build.pages import Page
from repo_service.domain.announcing import Published
from repo_service.domain.flags import DOCUMENT, FlagAct

_FEW: Final = 64
"""Lines of a snapshot that are looked up one by one; of more, the whole is read."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FIELDS: Final = {
    "targets": {"_type", "expires", "spec_version", "targets", "version", layout.ROLE_FIELD},
    "snapshot": {"_type", "expires", "meta", "spec_version", "version"},
    "timestamp": {"_type", "expires", "meta", "spec_version", "version", layout.SIGNED_AT_FIELD},
}


Released = Callable[[str], NameState | None]
"""What clients may have verified of a name."""


class WouldBeRefused(Exception):
    """A client would refuse what was about to be published. Nothing was written."""


def check_release(release: Release, root: Root, bins: Targets, before: bytes | None, each: Each = map) -> None:
    """Every online file of ``release``: signed for its delegator, named, versioned and filled as promised; and its
    policies. ``before`` is the newest snapshot's file, None at genesis; ``each`` is how the bins are gone through.
    """
    shape, new = _shape(bins), release.new
    gone = {number: list(paths) for number, paths in groupby(sorted(new.gone, key=shape.number), shape.number)}
    signed = (role for role in release.roles if role.name not in (*layout.OFFLINE, *layout.ONLINE))
    its = (_Bin.of(role, new, gone) for role in signed)
    missing = {*new.placed.bins(), *gone} - {*each(lambda one: _check_bin(one, bins, shape), its)}
    for number in missing:
        raise WouldBeRefused(f"{shape.role(number)}: something comes or goes in it, but it is not signed")
    for role in release.roles:
        if role.name == layout.SNAPSHOT:
            _check_snapshot(role, root, release, before)
        elif role.name == layout.TIMESTAMP:
            _check_timestamp(role, root, release)
    for policy in release.policies:
        _check_policy(policy)


def check_for_old_root(release: Release, root: Root) -> None:
    """The snapshot and the timestamp, for clients that do not have the new root yet: it is published after these."""
    try:
        for role in release.roles:
            if role.name in layout.ONLINE:
                _signed_payload(role, root)
    except WouldBeRefused as error:
        said = "by clients that do not have the new root yet: hold the old online key until it is public"
        raise WouldBeRefused(f"{error}, {said}") from error


def check_successions(before: Released, release: Release, now: datetime, each: Each = map) -> None:
    """Every page of ``release``: it agrees with itself and takes nothing back that a client has verified."""
    for _ in each(lambda one: _check_page(one, before(one.name), now), release.pages):
        pass


def _check_page(its: Page, before: NameState | None, now: datetime) -> None:
    try:
        after = page.parse(its.body)
    except page.InvalidPage as error:
        raise WouldBeRefused(f"page of {its.name}: {error}") from error
    broken = invariants.broken_invariants(after, now)
    if before:
        broken += [one.sentence for one in succession.broken_promises(before, after)]
    if broken:
        raise WouldBeRefused(f"page of {its.name}: {'; '.join(broken)}")


def _check_policy(policy: Page) -> None:
    """It reads back as it was announced, at the path that its name and version give; an act of flags too."""
    kind: type[Published | FlagAct] = FlagAct if policy.name.startswith(f"{DOCUMENT}/") else Published
    try:
        published = strict.load(kind, strict.parse(policy.body))
    except strict.Malformed as error:
        raise WouldBeRefused(f"policy {policy.name}: {error}") from error
    said = (published.id, published.body, published.path)
    if said != (policy.name, policy.body, policy.targets[0].path):
        raise WouldBeRefused(f"policy {policy.name}: it says {published.id}, or is spelled or placed otherwise")


def _check_timestamp(role: Role, root: Root, release: Release) -> None:
    """The timestamp names the snapshot of this release, by the bytes that a new one was seen to have."""
    signed = _read_whole(role, root)
    meta = release.snapshot.described()
    if signed["meta"] != {"snapshot.json": meta} or signed["version"] != release.generation:
        named, wanted = signed["meta"].get("snapshot.json"), release.generation
        raise WouldBeRefused(f"timestamp {signed['version']} names {named}; it should be {wanted} and name {meta}")


@dataclass(frozen=True, slots=True)
class _Bin:
    """A signed bin beside the targets that it was given, and what comes and goes in it; ``fresh`` are the paths that
    were in no bin of this number of bins before.
    """

    role: Role
    number: int
    given: Mapping[str, str]
    fresh: Collection[str]
    placed: Sequence[Placed]
    gone: Sequence[str]

    @classmethod
    def of(cls, role: Role, new: Differences, gone: Mapping[int, Sequence[str]]) -> "_Bin":
        number = layout.bin_number(role.name)
        given, placed = new.bins[number], new.placed.of(number)
        fresh = given if new.rebinned else [each.target.path for each in placed]
        return cls(role, number, given, fresh, placed, gone.get(number, ()))


def _check_bin(its: _Bin, bins: Targets, shape: layout.Bins) -> int:
    """Its number."""
    role, number, payload = its.role, its.number, _signed_payload(its.role, bins)
    signed = _check_shell(role, payload)
    where = f"{role.name} {signed['version']}"
    if (named := signed[layout.ROLE_FIELD]) != role.name or signed["version"] % layout.BIN_STRIDE != number:
        raise WouldBeRefused(f"{where}: its body names {named!r}")
    given = ",".join([f'"{path}":{its.given[path]}' for path in sorted(its.given)])
    if not payload.endswith(
        f'"targets":{{{given}}},"version":{role.version},"{layout.ROLE_FIELD}":"{named}"}}'.encode()
    ):
        lists = (
            "describes a target otherwise" if signed["targets"].keys() == its.given.keys() else "lists other targets"
        )
        raise WouldBeRefused(f"{where}: {lists} than it was given")
    for placed in its.placed:
        entry = signed["targets"].get(placed.target.path)
        if entry != orjson.loads(placed.target.entry):
            raise WouldBeRefused(f"{where}: {placed.target.path} is not in it as it should be")
        if not (_DIGEST.fullmatch(entry["hashes"]["sha256"]) and type(entry["length"]) is int and entry["length"] >= 0):
            raise WouldBeRefused(f"{where}: {placed.target.path} has no length and sha256")
    # What came earlier was looked at when it came. Each path anew would cost as much as all else of a large bin.
    for path in its.fresh:
        if shape.number(path) != number:
            raise WouldBeRefused(f"{where}: lists {path}, which is of another bin: nobody would find it")
    for path in its.gone:
        if path in signed["targets"]:
            raise WouldBeRefused(f"{where}: {path} should be gone")
    return number


def _check_snapshot(role: Role, root: Root, release: Release, before: bytes | None) -> None:
    payload = _signed_payload(role, root)
    begin, end = _members(role, payload)
    _check_shell(role, payload[:begin] + payload[end:])
    changed = {each.name: _meta(each) for each in release.roles if each.name not in (layout.ROOT, *layout.ONLINE)}
    known = before[slice(*_members(role, before))] if before else b""
    expected = _patched(known, changed) if len(changed) <= _FEW else None
    if expected is None:
        members = payload[begin:end]
        listed: Any = orjson.loads(b"{" + members + b"}")
        expected = members if listed == _merged(orjson.loads(b"{" + known + b"}"), changed) else b""
    if begin + len(expected) != end or not payload.startswith(expected, begin):
        raise WouldBeRefused(f"snapshot {role.version}: {_difference(payload[begin:end], known, changed)}")
    if (made := Meta.pinning(role.version, role.body)) != release.snapshot:
        raise WouldBeRefused(f"snapshot {role.version}: is {made}, but its release takes it for {release.snapshot}")


def _meta(role: Role) -> dict[str, Any]:
    """What the snapshot must say of a file of this release (docs/FORMAT.md, snapshot)."""
    if role.name not in layout.OFFLINE:
        return {"version": role.version}
    return {"hashes": {"sha256": sha256(role.body)}, "length": len(role.body), "version": role.version}


def _patched(known: bytes, changed: Mapping[str, dict[str, Any]]) -> bytes | None:
    """The members of the newest snapshot with these roles' lines replaced; None if one of them is not listed yet."""
    places = []
    for name, meta in changed.items():
        start = known.find(f'"{name}.json":{{'.encode())
        if start < 0:
            return None
        version = known.index(b'"version":', start)
        end = known.index(b"}", version)
        _check_grows(name, int(known[version + 10 : end]), meta["version"])
        places.append((start, end + 1, canonical({f"{name}.json": meta})[1:-1]))
    pieces, done, rest = list[bytes | memoryview](), 0, memoryview(known)
    for start, end, line in sorted(places):
        pieces += [rest[done:start], line]
        done = end
    return b"".join((*pieces, rest[done:]))


def _merged(known: dict[str, Any], changed: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    for name, meta in changed.items():
        if (old := known.get(f"{name}.json")) is not None:
            _check_grows(name, old["version"], meta["version"])
    _check_apart(known, changed)
    return known | {f"{name}.json": meta for name, meta in changed.items()}


def _check_apart(known: dict[str, Any], changed: Mapping[str, dict[str, Any]]) -> None:
    """A bin that was never listed is one of another number of bins: no file of those before may have its version."""
    before = [meta["version"] for name, meta in known.items() if name.removesuffix(".json") not in layout.OFFLINE]
    first = min((meta["version"] for name, meta in changed.items() if f"{name}.json" not in known), default=None)
    if before and first is not None and first // layout.BIN_STRIDE <= max(before) // layout.BIN_STRIDE:
        raise WouldBeRefused(f"a bin of version {first} is new beside bins of {max(before)}: one could stand in for it")


def _check_grows(name: str, old: int, new: int) -> None:
    if new <= old:
        raise WouldBeRefused(f"{name} {new}: is not newer than {old}, which is published")


def _difference(members: bytes, known: bytes, changed: Mapping[str, dict[str, Any]]) -> str:
    """The first thing in which a snapshot is not what it should be, for a person."""
    listed: Any = orjson.loads(b"{" + members + b"}")
    wanted = _merged(orjson.loads(b"{" + known + b"}"), changed)
    for name in (*(f"{name}.json" for name in changed), *sorted(wanted.keys() | listed.keys())):
        if listed.get(name) != wanted.get(name):
            return f"does not list {name.removesuffix('.json')} as {wanted.get(name)} but as {listed.get(name)}"
    return "is not spelled as canonical JSON is"


def _members(role: Role, snapshot: bytes) -> tuple[int, int]:
    """Where the members of ``meta`` begin and end in a snapshot's file or body."""
    begin, end = snapshot.find(b'"meta":{') + 8, snapshot.rfind(b'},"spec_version":')
    if not 8 <= begin <= end:
        raise WouldBeRefused(f"{role.name} {role.version}: is not spelled as canonical JSON is")
    return begin, end


def _check_shell(role: Role, shell: bytes) -> dict[str, Any]:
    """The body itself, of which the largest part may be elsewhere: canonical, of the right kind, version and date."""
    where = f"{role.name} {role.version}"
    try:
        signed = parse_canonical(shell)
    except ValueError as error:
        raise WouldBeRefused(f"{where}: {error}") from error
    kind = role.name if role.name in layout.ONLINE else layout.TARGETS
    if signed.get("_type") != kind:
        raise WouldBeRefused(f"{where}: holds {signed.get('_type')} metadata")
    if signed.keys() != _FIELDS[kind]:
        raise WouldBeRefused(f"{where}: holds {sorted(signed)}, not {sorted(_FIELDS[kind])}")
    if type(signed["version"]) is not int or signed["expires"] != stamp(role.expires):
        raise WouldBeRefused(f"{where}: its version is {signed['version']!r}, and it expires {signed['expires']!r}")
    if signed["version"] != role.version and role.name != layout.TIMESTAMP:
        raise WouldBeRefused(f"{where}: its body names {signed.get(layout.ROLE_FIELD)!r} {signed['version']}")
    return signed


def _read_whole(role: Role, delegator: Root | Targets) -> dict[str, Any]:
    return _check_shell(role, _signed_payload(role, delegator))


def _signed_payload(role: Role, delegator: Root | Targets) -> bytes:
    """The signed part of a file, as it lies in the file, once enough keys have signed it."""
    try:
        signatures, payload = parted(role.body)
        count = counting.count(delegator, role.name, payload, signatures)
    except ValueError as error:
        raise WouldBeRefused(f"{role.name} {role.version}: {error}") from error
    if not count.met:
        raise WouldBeRefused(
            f"{role.name} {role.version}: not signed by enough different keys, {count.distinct} of {count.threshold}"
        )
    return payload


def _shape(bins: Targets) -> layout.Bins:
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None, "rules.bins_problems"
    return layout.Bins(bins.delegations.succinct_roles.bit_length)
