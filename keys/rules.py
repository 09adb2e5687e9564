"""What root and targets metadata must look like before anyone of ours signs, takes in or trusts it.

TUF libraries parse much that must never be published: wrong key ids, one key under two ids, thresholds that nobody can
meet. These rules are stricter than any client (shape: keys/layout.py). Each returns every problem, in plain words; they
stand in tables at the end, and ceremony, service and client ask the same ones.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Role, Root, Targets

from keys import counting, layout, records
from keys.tlog import notes, proofs
from keys.tlog.proofs import LOG_FIELD, Policy

MAX_DAYS: Final = 400
"""No offline role may live longer: a year and the weeks in which it is signed again."""
MAX_ROOTS: Final = 200
"""How many roots a client may have to follow. python-tuf stops for good after 256 from the one it was given."""
_ADDRESS: Final = re.compile(
    r"://"  # of a server, or of a database with its password
    r"|^(?:file2?|hsm|pkcs11|tkey|gnupg|awskms|gcpkms|azurekms|hv|sigstore|envvar|mailto):"  # of a private key
    r"|[\w.+-]@[\w-]+\.[a-z]",  # of a person
    re.IGNORECASE,
)


def root_problems(root: Root) -> list[str]:
    """Everything wrong with a root; an empty list if it may be signed."""
    said = _Keys(layout.ROOT, root.keys, root.roles, minimum_client(root))
    return [
        *_all(ROOT_RULES, root),
        *_all(KEY_RULES, said),
        *_all(TEXT_RULES, (layout.ROOT, root)),
        *_log_problems(root),
    ]


def targets_problems(targets: Targets) -> list[str]:
    """Everything wrong with the top-level targets: exactly ``held`` then ``bins``, both terminating."""
    found = [*_lists_none(layout.TARGETS, targets), *_all(TEXT_RULES, (layout.TARGETS, targets))]
    delegations = targets.delegations
    if delegations is None or delegations.roles is None or list(delegations.roles) != [layout.HELD, layout.BINS]:
        return [*found, "targets: must delegate to held and bins, in this order"]
    said = _Keys(layout.TARGETS, delegations.keys, delegations.roles, minimum_client(targets))
    return [*found, *_all(DELEGATION_RULES, delegations.roles), *_all(KEY_RULES, said)]


def bins_problems(bins: Targets) -> list[str]:
    """Everything wrong with ``bins``: no targets of its own, succinct bins and nothing else."""
    found = [*_lists_none(layout.BINS, bins), *_all(TEXT_RULES, (layout.BINS, bins))]
    succinct = bins.delegations.succinct_roles if bins.delegations else None
    if bins.delegations is None or succinct is None:
        return [*found, "bins: must delegate to succinct hash bins (TAP 15)"]
    if succinct.name_prefix != layout.BIN_PREFIX or succinct.bit_length > layout.MAX_BIT_LENGTH:
        found.append(f"bins: must be named {layout.BIN_PREFIX}- and at most 2^{layout.MAX_BIT_LENGTH}")
    said = _Keys(layout.BINS, bins.delegations.keys, {layout.BIN_PREFIX: succinct}, minimum_client(bins))
    return [*found, *_all(KEY_RULES, said)]


def held_problems(held: Targets) -> list[str]:
    """Everything wrong with ``held``: it lists pages only and delegates to nobody."""
    return [*_all(HELD_RULES, held), *_all(TEXT_RULES, (layout.HELD, held))]


def spare_problems(root: Root) -> list[str]:
    """What a good root bears: the loss of any one key, and the theft of one. Apart from the rules above: a plan may do
    without in so many words.
    """
    return _all(SPARE_RULES, root)


def another_log_problems(before: Sequence[Root], after: Root) -> list[str]:
    """Whether ``after`` names another log than the roots before it. Apart from the rules above: it begins anew, and
    nobody who remembers the old one can compare them, so a plan must say so in so many words.
    """
    old, new = last_log(before), proofs.policy_of(after)
    if old is None or new is None or old.origin == new.origin:
        return []
    return [f"root: the log {old.origin} becomes {new.origin}, which is another log and begins anew"]


def last_log(roots: Sequence[Root]) -> Policy | None:
    """The log that the newest of these roots names which names one."""
    return next((found for root in reversed(roots) if (found := proofs.policy_of(root)) is not None), None)


def is_plain_name(name: str) -> bool:
    """Whether a log or a witness may be called this."""
    return name.isascii() and not _ADDRESS.search(name)


def step_problems(before: Root, after: Root) -> list[str]:
    """Why ``after`` cannot be the root that follows ``before``, whoever signs it."""
    return _all(STEP_RULES, (before, after))


def chain_problems(roots: Sequence[Root], embedded: Iterable[int] = (1,)) -> list[str]:
    """What stops a client on its way along these roots, from each version that clients were ever given (``embedded``):
    they are read in order, one after the other (TUF specification section 5.3).
    """
    if not roots:
        return ["root: there is none"]
    given = sorted(set(embedded))
    steps = [problem for before, after in pairwise(roots) for problem in step_problems(before, after)]
    return [*_all(CHAIN_RULES, _Chain(roots[0].version, roots[-1].version, given)), *steps]


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


def minimum_client(signed: Root | Targets) -> str | None:
    """The oldest client that can read this file, as people say it; None if it does not say so."""
    said = signed.unrecognized_fields.get(layout.MINIMUM_CLIENT_FIELD)
    return said if isinstance(said, str) and said.strip() and said.isprintable() else None


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys that a file carries, the roles that it gives them, and the oldest client that it says can read it."""

    where: str
    keys: Mapping[str, Key]
    roles: Mapping[str, Role]
    minimum_client: str | None


@dataclass(frozen=True, slots=True)
class _Chain:
    """The first and the newest of some roots, and the versions that clients were given."""

    first: int
    newest: int
    embedded: Sequence[int]


# Of a root.


def _consistent(root: Root) -> Iterator[str]:
    if root.consistent_snapshot is not True:
        yield "root: consistent_snapshot must be true, or files of two snapshots mix"


def _apart(root: Root) -> Iterator[str]:
    offline = frozenset(root.roles[layout.ROOT].keyids) | frozenset(root.roles[layout.TARGETS].keyids)
    for keyid in sorted(map(str, offline & online_keyids(root))):  # python-tuf takes ids of any type
        yield f"root: key {keyid:.16} is both online and offline"


# Of the log that a root names.


def _log_problems(root: Root) -> list[str]:
    if LOG_FIELD not in root.unrecognized_fields:
        return []
    try:
        policy = proofs.read_policy(root.unrecognized_fields[LOG_FIELD])
    except ValueError as error:
        return [f"root: {LOG_FIELD}: {error}"]
    return _all(LOG_RULES, (root, policy))


def _one_spelling(said: tuple[Root, Policy]) -> Iterator[str]:
    root, policy = said
    if root.unrecognized_fields[LOG_FIELD] != policy.described():
        yield f"root: {LOG_FIELD}: its keys and its witnesses must be in order"


def _plain_names(said: tuple[Root, Policy]) -> Iterator[str]:
    """People compare them on screens, where other alphabets have letters that look the same."""
    for key in (*said[1].keys, *said[1].witnesses):
        if not is_plain_name(key.name):
            yield f"root: {LOG_FIELD}: {key.name!r:.60} must be plain letters, digits and marks, and no address"


def _log_apart(said: tuple[Root, Policy]) -> Iterator[str]:
    """What a holder or the service signs must never count for the log, nor the other way round."""
    root, policy = said
    own = {_fingerprint(root.keys, keyid): keyid for keyid in root.keys}
    for key in (*policy.keys, *policy.witnesses):
        if keyid := own.get(records.fingerprint(records.record(notes.public_key(key)))):
            yield f"root: {LOG_FIELD}: the key of {key.name} is key {keyid:.16} of this root; each needs one of its own"


# Of the keys and roles of a root, of targets and of bins.


def _acceptable(said: _Keys) -> Iterator[str]:
    for _, key in sorted(said.keys.items()):
        try:
            records.check(key)
        except records.UnacceptableKey as error:
            yield f"{said.where}: {error}"


def _distinct(said: _Keys) -> Iterator[str]:
    readable = {keyid: key for keyid, key in said.keys.items() if _fingerprint(said.keys, keyid) != keyid}
    if twice := counting.same_key_twice(readable):
        yield f"{said.where}: {twice[0]:.16} and {twice[1]:.16} are the same private key; it would count twice"


def _carried(said: _Keys) -> Iterator[str]:
    for name, role in said.roles.items():
        for keyid in role.keyids:
            if keyid not in said.keys:
                yield f"{name}: lists key {keyid!s:.16} but does not carry it"


def _reachable(said: _Keys) -> Iterator[str]:
    for name, role in said.roles.items():
        different = {_fingerprint(said.keys, keyid) for keyid in role.keyids}
        if not 1 <= role.threshold <= len(different):
            yield f"{name}: the threshold is {role.threshold} of {len(different)} keys, which nobody can meet"


def _gate(said: _Keys) -> Iterator[str]:
    for keyid, key in sorted(said.keys.items()):
        if key.scheme in records.GATED and said.minimum_client is None:
            needed = f"say {layout.MINIMUM_CLIENT_FIELD}"
            yield f"{said.where}: key {keyid:.16} is {key.scheme}, which stops clients that do not know it; {needed}"


# Of the delegations of targets, and of held.


def _terminating(roles: Mapping[str, DelegatedRole]) -> Iterator[str]:
    for name, role in roles.items():
        if not role.terminating:
            yield f"{name}: its delegation must be terminating, or a later role could speak for its names"


def _by_paths(roles: Mapping[str, DelegatedRole]) -> Iterator[str]:
    for name, role in roles.items():
        if role.path_hash_prefixes is not None:
            yield f"{name}: must be delegated by paths, not by hash prefixes"


def _bin_paths(roles: Mapping[str, DelegatedRole]) -> Iterator[str]:
    if list(roles[layout.BINS].paths or ()) != list(layout.BIN_PATHS):
        yield f"bins: must be delegated {', '.join(layout.BIN_PATHS)}"


def _held_paths(roles: Mapping[str, DelegatedRole]) -> Iterator[str]:
    for path in roles[layout.HELD].paths or ():
        folder, _, rest = path.partition("/")
        name = rest.removesuffix("/*")
        if folder not in ("simple", "packages") or name in ("", rest) or set(name) & set("*?[]/"):
            yield f"held: the pattern {path} is not one name's folder"


def _pages_only(held: Targets) -> Iterator[str]:
    for path in held.targets:
        if not path.startswith("simple/"):
            yield f"held: lists {path}, which is not a page"


def _delegates_nothing(held: Targets) -> Iterator[str]:
    if held.delegations is not None:
        yield "held: delegates, but it must speak for itself"


def _lists_none(role: str, targets: Targets) -> Iterator[str]:
    if targets.targets:
        yield f"{role}: must list no targets, only delegate"


# Of everything that is signed.


def _no_address(said: tuple[str, Root | Targets]) -> Iterator[str]:
    """Where a private key lies, and who holds it, is nobody else's business; and a typing error in it needs every
    holder to sign again (sigstore's root-signing #1347).
    """
    role, signed = said
    for text in _texts(signed.to_dict()):
        if _ADDRESS.search(text):
            yield f"{role}: says {text!r:.60}, an address, which is never signed"


# Of a root that may be signed, and of what comes before it.


def _no_spare(root: Root) -> Iterator[str]:
    for name in (layout.ROOT, layout.TARGETS):
        role = root.roles[name]
        if role.threshold >= len(role.keyids):
            yield f"{name}: all {len(role.keyids)} keys must sign; once one is lost, nobody can ever change it again"


def _one_thief(root: Root) -> Iterator[str]:
    for name in (layout.ROOT, layout.TARGETS):
        if root.roles[name].threshold < 2 and not is_rehearsal(root):
            yield f"{name}: one key is enough to sign; whoever steals it owns this repository"


def _next_version(step: tuple[Root, Root]) -> Iterator[str]:
    before, after = step
    if after.version != before.version + 1:
        yield f"root: version {after.version} cannot follow {before.version}; there must be no gap, and no way back"


def _same_format(step: tuple[Root, Root]) -> Iterator[str]:
    before, after = (root.spec_version.split(".")[:2] for root in step)
    if before != after:
        yield f"root: its format changes from {'.'.join(before)} to {'.'.join(after)}, which not every client follows"


def _same_purpose(step: tuple[Root, Root]) -> Iterator[str]:
    before, after = step
    if is_rehearsal(before) != is_rehearsal(after):
        kinds = ("real", "a rehearsal") if is_rehearsal(after) else ("a rehearsal", "real")
        yield f"root: version {before.version} is {kinds[0]} and {after.version} is {kinds[1]}; that never changes"


def _begins(chain: _Chain) -> Iterator[str]:
    if chain.first != 1 and chain.first not in chain.embedded:
        yield f"root: the first is {chain.first}; it must be 1, or one that clients were given"


def _given(chain: _Chain) -> Iterator[str]:
    for version in chain.embedded:
        if not chain.first <= version <= chain.newest:
            yield f"root: version {version}, which clients were given, is not among {chain.first} to {chain.newest}"


def _near(chain: _Chain) -> Iterator[str]:
    for version in chain.embedded:
        if chain.newest - version > MAX_ROOTS:
            ahead = chain.newest - version
            yield f"root: a client that was given {version} has {ahead} to follow; more than {MAX_ROOTS} may stop it"


Rule = Callable[[Any], Iterator[str]]

ROOT_RULES: Final[tuple[Rule, ...]] = (_consistent, _apart)
LOG_RULES: Final[tuple[Rule, ...]] = (_one_spelling, _plain_names, _log_apart)
KEY_RULES: Final[tuple[Rule, ...]] = (_acceptable, _gate, _distinct, _carried, _reachable)
DELEGATION_RULES: Final[tuple[Rule, ...]] = (_terminating, _by_paths, _bin_paths, _held_paths)
HELD_RULES: Final[tuple[Rule, ...]] = (_pages_only, _delegates_nothing)
TEXT_RULES: Final[tuple[Rule, ...]] = (_no_address,)
SPARE_RULES: Final[tuple[Rule, ...]] = (_no_spare, _one_thief)
STEP_RULES: Final[tuple[Rule, ...]] = (_next_version, _same_format, _same_purpose)
CHAIN_RULES: Final[tuple[Rule, ...]] = (_begins, _given, _near)


def _all(rules: tuple[Rule, ...], value: object) -> list[str]:
    return [problem for rule in rules for problem in rule(value)]


def _fingerprint(keys: Mapping[str, Key], keyid: str) -> str:
    """Of a key that is carried and can be read; of any other its id, for ``_carried`` and ``_acceptable`` name it."""
    try:
        return records.fingerprint(keys[keyid]) if keyid in keys else keyid
    except records.UnacceptableKey:
        return keyid


def _texts(value: object) -> Iterator[str]:
    """Every text in a plain value, names of members included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from (name, *_texts(item))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
