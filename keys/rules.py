"""What root and targets metadata must look like before anyone of ours signs, takes in or trusts it.

TUF libraries parse much that must never be published: wrong key ids, one key under two ids, thresholds that nobody can
meet. These rules are stricter than any client (shape: keys/layout.py). Each returns every problem, in plain words.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from securesystemslib.signer import Key
from tuf.api.metadata import Role, Root, Targets

from keys import counting, layout, records

MAX_DAYS: Final = 400
"""No offline role may live longer: a year and the weeks in which it is signed again."""


def root_problems(root: Root) -> list[str]:
    """Everything wrong with a root; an empty list if it may be signed."""
    return list(_root(root))


def targets_problems(targets: Targets) -> list[str]:
    """Everything wrong with the top-level targets: exactly ``held`` then ``bins``, both terminating."""
    return list(_targets(targets))


def bins_problems(bins: Targets) -> list[str]:
    """Everything wrong with ``bins``: no targets of its own, succinct bins and nothing else."""
    return list(_bins(bins))


def held_problems(held: Targets) -> list[str]:
    """Everything wrong with ``held``: it lists pages only and delegates to nobody."""
    problems = [f"held: lists {path}, which is not a page" for path in held.targets if not path.startswith("simple/")]
    if held.delegations is not None:
        problems.append("held: delegates, but it must speak for itself")
    return problems


def date_problems(role: str, expires: datetime, now: datetime) -> list[str]:
    """Whether a file is past its date, or lives too long. Apart from the rules above: old roots expire and stay good
    links of their chain.
    """
    if expires <= now:
        return [f"{role}: expired on {expires:%d %B %Y}"]
    if (expires - now).days > MAX_DAYS:
        return [f"{role}: lives {(expires - now).days} days; the limit is {MAX_DAYS}"]
    return []


def online_keyids(root: Root) -> frozenset[str]:
    """Key ids that sign timestamps and snapshots."""
    return frozenset(root.roles[layout.TIMESTAMP].keyids) | frozenset(root.roles[layout.SNAPSHOT].keyids)


def is_rehearsal(root: Root) -> bool:
    """Whether this root was made to practise with."""
    return root.unrecognized_fields.get(layout.REHEARSAL_FIELD) is True


def minimum_client(root: Root) -> str | None:
    """The oldest client that can read this root and what follows it, as people say it; None if that is any client."""
    said = root.unrecognized_fields.get(layout.MINIMUM_CLIENT_FIELD)
    return said if isinstance(said, str) and said.strip() and said.isprintable() else None


def _root(root: Root) -> Iterator[str]:
    if root.consistent_snapshot is not True:
        yield "root: consistent_snapshot must be true, or files of two snapshots mix"
    yield from _keys("root", root.keys)
    if minimum_client(root) is None:
        for keyid in _gated(root.keys):
            yield f"root: key {keyid:.16} stops clients that do not know its kind; say {layout.MINIMUM_CLIENT_FIELD}"
    for name, role in root.roles.items():
        yield from _threshold(name, role, root.keys)
    offline = frozenset(root.roles[layout.ROOT].keyids) | frozenset(root.roles[layout.TARGETS].keyids)
    for keyid in sorted(offline & online_keyids(root)):
        yield f"root: key {keyid:.16} is both online and offline"


def _targets(targets: Targets) -> Iterator[str]:
    if targets.targets:
        yield "targets: must list no targets, only delegate"
    delegations = targets.delegations
    if delegations is None or delegations.roles is None or list(delegations.roles) != [layout.HELD, layout.BINS]:
        yield "targets: must delegate to held and bins, in this order"
        return
    yield from _keys("targets", delegations.keys)
    yield from _classical("targets", delegations.keys)
    for name, role in delegations.roles.items():
        yield from _threshold(name, role, delegations.keys)
        if not role.terminating:
            yield f"{name}: its delegation must be terminating, or a later role could speak for its names"
        if role.path_hash_prefixes is not None:
            yield f"{name}: must be delegated by paths, not by hash prefixes"
    if list(delegations.roles[layout.BINS].paths or ()) != list(layout.BIN_PATHS):
        yield f"bins: must be delegated {', '.join(layout.BIN_PATHS)}"
    for path in delegations.roles[layout.HELD].paths or ():
        folder, _, rest = path.partition("/")
        name = rest.removesuffix("/*")
        if folder not in ("simple", "packages") or name in ("", rest) or set(name) & set("*?[]/"):
            yield f"held: the pattern {path} is not one name's folder"


def _bins(bins: Targets) -> Iterator[str]:
    if bins.targets:
        yield "bins: must list no targets, only delegate"
    succinct = bins.delegations.succinct_roles if bins.delegations else None
    if bins.delegations is None or succinct is None:
        yield "bins: must delegate to succinct hash bins (TAP 15)"
        return
    yield from _keys("bins", bins.delegations.keys)
    yield from _classical("bins", bins.delegations.keys)
    yield from _threshold("bin", succinct, bins.delegations.keys)
    if succinct.name_prefix != layout.BIN_PREFIX or succinct.bit_length > layout.MAX_BIT_LENGTH:
        yield f"bins: must be named {layout.BIN_PREFIX}- and at most 2^{layout.MAX_BIT_LENGTH}"


def _keys(where: str, keys: Mapping[str, Key]) -> Iterator[str]:
    readable = {}
    for keyid, key in sorted(keys.items()):
        try:
            readable[keyid] = records.check(key)
        except records.UnacceptableKey as error:
            yield f"{where}: {error}"
    if twice := counting.same_key_twice(readable):
        yield f"{where}: {twice[0]:.16} and {twice[1]:.16} are the same private key; it would count twice"


def _gated(keys: Mapping[str, Key]) -> list[str]:
    return sorted(keyid for keyid, key in keys.items() if key.scheme in records.GATED)


def _classical(where: str, keys: Mapping[str, Key]) -> Iterator[str]:
    for keyid in _gated(keys):
        yield f"{where}: key {keyid:.16} is {keys[keyid].scheme}, which only a root may carry"


def _threshold(name: str, role: Role, keys: Mapping[str, Key]) -> Iterator[str]:
    unknown = [keyid for keyid in role.keyids if keyid not in keys]
    for keyid in unknown:
        yield f"{name}: lists key {keyid:.16} but does not carry it"
    fingerprints = set()
    for keyid in role.keyids:
        try:
            fingerprints.add(records.fingerprint(keys[keyid]) if keyid in keys else keyid)
        except records.UnacceptableKey:
            fingerprints.add(keyid)  # named by _keys already
    if len(fingerprints) < len(role.keyids):
        yield f"{name}: one private key is listed under two key ids; it would count twice"
    if not 1 <= role.threshold <= len(fingerprints):
        yield f"{name}: the threshold is {role.threshold} of {len(fingerprints)} keys, which nobody can meet"
