"""The rules: what the guard signs. Pure: a state, a payload and what is shown of it give facts, or a Refusal.

What was signed before may be signed again as it was. Everything else goes on from it: no version comes twice with other
content or goes back, a snapshot lists what was signed, a timestamp names the newest snapshot, and a bin keeps what it
promised. docs/OPERATIONS.md says of each code what to do.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from keys import layout
from keys.invariants import CLOCK
from repo_service.guarding.facts import (
    Bin,
    BinSigned,
    Content,
    Counts,
    Fact,
    Jumped,
    SnapshotSigned,
    State,
    TimestampSigned,
    Top,
    Waived,
)
from repo_service.guarding.losses import losses
from repo_service.guarding.reading import (
    BinBody,
    Evidence,
    NotShown,
    Refusal,
    TopBody,
    digest_of,
    known_targets,
    read,
    targets_of,
)

MOST_LEFT_OUT: Final = 1000
"""Versions of a role that may be left out within an hour; of a bin, of its turns."""
WAIVABLE: Final = frozenset(
    {"clock_back", "version_jump", "unproven", "vanished", "succession", "yanks", "removals", "files"}
)
"""Rules that a waiver can relax: those that guard against what is possible and rare. The others hold always."""
OVERTAKEN: Final = frozenset({"equivocation", "regression", "unlisted", "not_newest"})
"""Refusals that one of two publishers gets who do the same at once; with fresh numbers it is another question."""


@dataclass(frozen=True, slots=True)
class Limits:
    """For how long each role may be signed, and how much may go within an hour (guard.toml)."""

    timestamp: timedelta = timedelta(days=3)
    snapshot: timedelta = timedelta(days=7)
    bin: timedelta = timedelta(days=30)
    yanks: int = 500
    removals: int = 200
    files: int = 20_000

    def period(self, role: str) -> timedelta:
        """For how long a role may be signed at most; what is neither timestamp nor snapshot is a bin."""
        return {layout.TIMESTAMP: self.timestamp, layout.SNAPSHOT: self.snapshot}.get(role, self.bin)


@dataclass(slots=True)
class Case:
    """One payload, all that it is judged by, and what it makes of waivers: ``budgets`` are how much more than a rule
    says is allowed (None: any).
    """

    state: State
    limits: Limits
    now: datetime
    keyids: Collection[str]
    budgets: Mapping[str, int | None]
    waived: dict[str, int] = field(default_factory=dict)
    jumped: list[Jumped] = field(default_factory=list)

    def over(self, code: str, sentence: str, amount: int) -> None:
        """Something is over a rule that can be waived. Raises Refusal unless it is."""
        left = self.budgets.get(code, 0)
        used = self.waived.get(code, 0) + amount
        if left is not None and used > left:
            raise Refusal(code, sentence)
        self.waived[code] = used


def judge(case: Case, payload: bytes, shown: Evidence) -> Fact | None:
    """What becomes known when this is signed; None if the very same was signed before. Raises Refusal or NotShown.

    What was waived is in the case. Of a snapshot the file is not known before it is signed (``facts.Top``).
    """
    body = read(payload)
    for rule in _RULES[_kind(body)]:
        rule(case, body)
    if isinstance(body, BinBody):
        return _judge_bin(case, body, shown)
    return _JUDGES[body.role](case, body)


def besides(case: Case) -> Iterator[Waived | Jumped]:
    """What the case has used of waivers, and the versions that it leaves out."""
    yield from (Waived(rule, amount) for rule, amount in case.waived.items())
    yield from case.jumped


def _kind(body: BinBody | TopBody) -> str:
    return layout.BIN_PREFIX if isinstance(body, BinBody) else body.role


# What holds for each kind of file.


def _is_named(case: Case, body: BinBody | TopBody) -> None:
    if case.state.sealed.named[_kind(body)].isdisjoint(case.keyids):
        raise Refusal(
            "not_named", f"{body.role}: the newest root of trust names none of the keys that are held here for it"
        )


def _lives(case: Case, body: BinBody | TopBody) -> None:
    period = case.limits.period(_kind(body))
    if body.expires <= case.now:
        raise Refusal("expired", f"{body.role} {body.version} would be signed after its date")
    if body.expires > case.now + period + CLOCK:
        days = (body.expires - case.now) / timedelta(days=1)
        raise Refusal("lifetime", f"{body.role} {body.version} would live {days:.1f} days; guard.toml allows {period}")
    if isinstance(body, TopBody) and body.signed_at and body.signed_at > case.now + CLOCK:
        raise Refusal("lifetime", f"{body.role} {body.version} says that it is signed later than now")


def _clock(case: Case, body: BinBody | TopBody) -> None:
    last = case.state.clock
    if last is not None and case.now < last - CLOCK:
        behind = int((last - case.now).total_seconds())
        case.over("clock_back", f"{body.role}: this machine's clock is {behind} s behind what was signed last", behind)


def _of_this_shape(case: Case, body: BinBody | TopBody) -> None:
    assert isinstance(body, BinBody)
    bins = case.state.sealed.shape
    if body.role not in case.state.sealed.roles:
        raise Refusal("wrong_bin", f"{body.role} is none of the {len(bins)} bins of the newest root of trust")
    if body.version % layout.BIN_STRIDE != layout.bin_number(body.role):
        raise Refusal("wrong_bin", f"{body.role} {body.version}: the version is another bin's")


_ALL: Final[tuple[Callable[[Case, BinBody | TopBody], None], ...]] = (_is_named, _lives, _clock)
_RULES: Final = {
    layout.BIN_PREFIX: (*_ALL, _of_this_shape),
    layout.SNAPSHOT: _ALL,
    layout.TIMESTAMP: _ALL,
}


# Versions.


def _is_again(name: str, version: int, payload: str, last: Top | Content | None) -> bool:
    """Whether this is what was signed last. Refusal if it is older, or other content under one version."""
    if last is None or version > last.version:
        return False
    if version < last.version:
        raise Refusal("regression", f"{name} {version}: version {last.version} was signed before")
    if payload != last.payload:
        raise Refusal("equivocation", f"{name} {version} was signed before with other content")
    return True


def _grows(case: Case, name: str, version: int, steps: int) -> None:
    """Versions may be left out, for some come to nothing; but not so many, at once or little by little."""
    if steps == 1:
        return
    total = case.state.left_out(name, case.now) + steps - 1
    if total >= MOST_LEFT_OUT:
        sentence = f"{name} {version} leaves out {total} versions within an hour; less than {MOST_LEFT_OUT} are allowed"
        case.over("version_jump", sentence, steps)
    case.jumped.append(Jumped(name, case.now, steps - 1))


# Bins.


def _judge_bin(case: Case, body: BinBody, shown: Evidence) -> Fact | None:
    known, state = case.state.bins.get(body.role, Bin()), case.state
    last = _last(state, known)
    assert body.content.payload is not None
    if _is_again(body.role, body.version, body.content.payload, last):
        return None
    floor = last.version if last else state.highest
    steps = body.version // layout.BIN_STRIDE - floor // layout.BIN_STRIDE
    if steps <= 0:
        raise Refusal("regression", f"{body.role} {body.version}: version {floor} was signed before")
    _grows(case, body.role, body.version, steps)
    base = _replaced(state, body.role, known)
    if len(base) == 1 and base[0][1].targets == body.content.targets:
        return BinSigned(body.role, body.content, case.now)
    return _changed(case, body, base, shown)


def _last(state: State, known: Bin) -> Content | None:
    """What was signed of this bin last; of another number of bins it is another bin, whatever its name."""
    found = max((each for each in (known.listed, known.signed) if each), key=lambda each: each.version, default=None)
    return None if found and state.is_rebinning and found.version <= state.highest else found


def _replaced(state: State, role: str, known: Bin) -> list[tuple[str, Content]]:
    """The bins of the newest snapshot that a bin's targets come from: itself, or where the number of bins changes those
    that its paths were in.
    """
    if not state.is_rebinning:
        return [(role, known.listed)] if known.listed else []
    assert state.bits is not None
    number, former = layout.bin_number(role), layout.Bins(state.bits)
    deeper = state.sealed.shape.bit_length - state.bits
    numbers = [number >> deeper] if deeper >= 0 else range(number << -deeper, (number + 1) << -deeper)
    found = ((former.role(each), state.bins[former.role(each)].listed) for each in numbers)
    return [(each, listed) for each, listed in found if listed]


def _changed(case: Case, body: BinBody, base: list[tuple[str, Content]], shown: Evidence) -> BinSigned:
    """A bin whose targets are not those of before, or not known to be."""
    before = _before(case, body.role, base, shown)
    after = targets_of(body.targets)
    _well_formed(case, body.role, before or {}, after)
    lost = losses(body.role, before, after, case.state.sealed.held, shown, case.over) if before else Counts()
    _break(case, body.role, lost)
    assert body.content.targets is not None
    pages = {} if before is None else _new_pages(before, after, shown)
    return BinSigned(body.role, body.content, case.now, lost, {body.content.targets: body.targets, **pages})


def _before(case: Case, role: str, base: list[tuple[str, Content]], shown: Evidence) -> dict[str, Any] | None:
    """The targets that a bin replaces; None if they were not shown and that is waived."""
    bins, shape = case.state.sealed.trust.targets(layout.BINS), case.state.sealed.shape
    number, found = layout.bin_number(role), dict[str, Any]()
    for each, content in base:
        encoded = shown.targets(each, content, bins)
        if encoded is None and shown.files is None:
            raise NotShown
        if encoded is None:
            sentence = f"{each} {content.version}, which {role} replaces, was not shown as it was signed"
            case.over("unproven", sentence, 1)
            return None
        found |= known_targets(encoded)
    if not case.state.is_rebinning:
        return found
    return {path: entry for path, entry in found.items() if shape.number(path) == number}


def _well_formed(case: Case, role: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """What comes and changes has a SHA-256 and a length, and is where clients look for it."""
    number, shape = layout.bin_number(role), case.state.sealed.shape
    for path, entry in after.items():
        if before.get(path) == entry:
            continue
        if digest_of(entry) is None or type(entry.get("length")) is not int:
            raise Refusal("wrong_form", f"{role}: {path:.120} has no SHA-256 and length")
        if shape.number(path) != number:
            raise Refusal("wrong_bin", f"{role}: {path:.120} is of another bin")


def _new_pages(before: Mapping[str, Any], after: Mapping[str, Any], shown: Evidence) -> dict[str, bytes]:
    """The pages that changed, which are what the next ones go on from."""
    changed = (entry for path, entry in after.items() if path.startswith("simple/") and before.get(path) != entry)
    digests = map(digest_of, changed)
    return {digest: page for digest in digests if digest and (page := shown.of(digest)) is not None}


def _break(case: Case, role: str, lost: Counts) -> None:
    """The breaker: a thief, or a program gone wrong, takes much away at once."""
    if lost == Counts():
        return
    before = case.state.counts(case.now)
    for rule in ("yanks", "removals", "files"):
        new, limit = getattr(lost, rule), getattr(case.limits, rule)
        total = getattr(before, rule) + new
        if new and total > limit:
            sentence = f"{role}: {total} {_WHAT[rule]} within an hour; guard.toml allows {limit}"
            case.over(rule, sentence, min(new, total - limit))


_WHAT: Final = {
    "yanks": "releases would be yanked",
    "removals": "projects, releases or files would no longer be installable",
    "files": "files would no longer be listed",
}


# Snapshot and timestamp.


def _judge_snapshot(case: Case, body: TopBody) -> Fact | None:
    state = case.state
    if _is_again(body.role, body.version, body.payload, state.snapshot):
        return None
    _grows(case, body.role, body.version, body.version - (state.snapshot.version if state.snapshot else 0))
    if missing := [file for file in state.listing if file not in body.meta]:
        raise Refusal("dropped", f"snapshot {body.version} no longer lists {missing[0]}")
    required = {f"{role}.json" for role in state.sealed.roles} if state.bits != state.sealed.shape.bit_length else ()
    if missing := sorted(each for each in (*required, *state.sealed.pinned) if each not in body.meta):
        raise Refusal("dropped", f"snapshot {body.version} does not list {missing[0]} of the newest root of trust")
    changed = {file: meta for file, meta in body.meta.items() if state.listing.get(file) != meta or file in required}
    for file, meta in changed.items():
        _check_line(state, body.version, file, meta)
    return SnapshotSigned(Top(body.version, body.payload), state.sealed.shape.bit_length, changed, case.now)


def _check_line(state: State, snapshot: int, file: str, meta: Any) -> None:
    role, listed = file.removesuffix(".json"), state.listing.get(file)
    version = meta.get("version") if isinstance(meta, dict) else None
    if type(version) is int and listed is not None and version < listed["version"]:
        raise Refusal("rolled_back", f"snapshot {snapshot} lists {role} {version} after {listed['version']}")
    if role in layout.OFFLINE:
        if meta != state.sealed.pinned.get(file):
            raise Refusal("offline_role", f"snapshot {snapshot} lists a {role} that is not the newest sealed one")
        return
    if role not in state.sealed.roles:
        raise Refusal("strange_role", f"snapshot {snapshot} lists {role:.40}, which is no role of this repository")
    signed = state.bins.get(role, Bin()).signed
    if meta != {"version": version} or signed is None or signed.version != version:
        wanted = signed.version if signed else "nothing"
        raise Refusal("unlisted", f"snapshot {snapshot} lists {role} as {meta!s:.80}; signed last was {wanted}")
    if state.is_rebinning and signed.version <= state.highest:
        raise Refusal("unlisted", f"snapshot {snapshot} lists {role} {version}, which is of another number of bins")


def _judge_timestamp(case: Case, body: TopBody) -> Fact | None:
    state = case.state
    if _is_again(body.role, body.version, body.payload, state.timestamp):
        return None
    _grows(case, body.role, body.version, body.version - (state.timestamp.version if state.timestamp else 0))
    newest = state.snapshot.file if state.snapshot else None
    named = body.meta.get("snapshot.json")
    if newest is None or body.meta != {"snapshot.json": newest}:
        wanted = newest["version"] if newest else "none"
        raise Refusal(
            "not_newest", f"timestamp {body.version} names {named!s:.120}; the newest snapshot signed is {wanted}"
        )
    return TimestampSigned(Top(body.version, body.payload), case.now)


_JUDGES: Final[Mapping[str, Callable[[Case, TopBody], Fact | None]]] = {
    layout.SNAPSHOT: _judge_snapshot,
    layout.TIMESTAMP: _judge_timestamp,
}
