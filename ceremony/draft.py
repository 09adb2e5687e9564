"""From a plan to what is to be signed: a pure function, so that every holder can make the draft again and compare.

Nothing is taken from the draft that a coordinator hands around; a holder's machine makes its own and compares bytes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from securesystemslib.signer import Signature
from tuf.api.metadata import DelegatedRole, Delegations, Role, Root, SuccinctRoles, TargetFile, Targets

from ceremony.errors import Refused, RehearsalMixup
from ceremony.plan import Keyring, Plan, check_keyring
from keys import counting, layout, names, page, records, rules, trust
from keys.counting import Count, Delegator
from keys.encoding import canonical, sha256
from keys.signing import SPEC_VERSION, envelope
from keys.state import Mark, NameState, Reason
from keys.times import stamp
from keys.tlog.proofs import LOG_FIELD
from keys.trust import Body, RootOfTrust, SignedFile

RENEW: Final = timedelta(days=90)
"""A file with less than this left is signed again, changed or not: a ceremony that fails can still be repeated."""
_DELEGATOR: Final = {layout.TARGETS: layout.ROOT, layout.HELD: layout.TARGETS, layout.BINS: layout.TARGETS}
_CORRECT: Final = "Correct plan.toml and run this again."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file to be signed, and every delegator whose threshold it must meet: for a root, the old root and itself."""

    role: str
    body: Body
    delegators: tuple[Delegator, ...]

    @property
    def version(self) -> int:
        """Its number in its role, one more than that of the file before it."""
        return self.body.version

    @property
    def payload(self) -> bytes:
        """The bytes that signatures cover."""
        return canonical(self.body.to_dict())

    @property
    def digest(self) -> str:
        """SHA-256 of ``payload``: it stays the same while signatures are added."""
        return sha256(self.payload)

    def file(self, signatures: Iterable[Signature]) -> bytes:
        """The metadata file with these signatures; with none, what lies in ``draft/``."""
        return envelope(self.body.to_dict(), tuple(signatures))

    def keyids(self) -> frozenset[str]:
        """Every key that may sign, those that only an old root lists included."""
        return frozenset(keyid for each in self.delegators for keyid in each.get_delegated_role(self.role).keyids)

    def count(self, delegator: Delegator, signatures: Iterable[Signature]) -> Count:
        """How far these signatures meet the threshold of one delegator."""
        return counting.count(delegator, self.role, self.payload, signatures)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a ceremony is to make of what there is.

    ``bodies`` holds all four roles as they will be; ``candidates`` those that need signatures, in the order root,
    targets, held, bins; ``pages`` the pages of held names by target path.
    """

    plan: Plan
    current: RootOfTrust | None
    at: datetime
    bodies: Mapping[str, Body]
    candidates: tuple[Candidate, ...]
    pages: Mapping[str, bytes]

    def files(self) -> dict[str, bytes]:
        """What lies in ``draft/``, by file name."""
        return {f"{candidate.role}.json": candidate.file(()) for candidate in self.candidates}

    @property
    def root(self) -> Root:
        """The root as it will be."""
        body = self.bodies[layout.ROOT]
        assert isinstance(body, Root)
        return body

    @property
    def digest(self) -> str:
        """SHA-256 over everything that is to be signed and the root that it follows: what people read aloud as words.

        The root of before is in it since what people see as a change is a change from that.
        """
        after = None if self.current is None else sha256(canonical(self.current.root.to_dict()))
        signed = {candidate.role: candidate.digest for candidate in self.candidates}
        return sha256(canonical({"after": after, "signed": signed}))


def draft(plan: Plan, keyring: Keyring, current: RootOfTrust | None, now: datetime) -> Draft:
    """What ``plan`` makes of ``current`` (None: the first ceremony), with every time absolute.

    A role is drafted if its content changes, if it has less than ``RENEW`` left, or if its present signatures would not
    satisfy who delegates to it from now on. Refused carries every problem at once.
    """
    check_keyring(plan, keyring)
    _check_rehearsal(plan, keyring, current)
    if problems := [*_plan_problems(plan), *key_problems(keyring)]:
        raise Refused(problems, _CORRECT)
    at = now.replace(microsecond=0)
    pages = _pages(plan, current, at)
    bodies, candidates = _settle(_bodies(plan, keyring, pages, at), current, at)
    drafted = Draft(plan, current, at, bodies, candidates, pages)
    if problems := lint(drafted, at):
        raise Refused(problems, _CORRECT)
    return drafted


def lint(drafted: Draft, now: datetime) -> list[str]:
    """Every rule of keys/rules.py that a candidate, or the chain of roots, breaks at ``now``; or that there is none."""
    if not drafted.candidates:
        return ["nothing to sign: the plan changes nothing, and nothing expires soon"]
    return [
        *(
            problem
            for each in drafted.candidates
            for problem in (
                *trust.body_problems(each.role, each.body),
                *rules.date_problems(each.role, each.body.expires, now),
            )
        ),
        *_chain_problems(drafted),
    ]


def _chain_problems(drafted: Draft) -> Iterator[str]:
    root = drafted.root
    if not drafted.plan.accept_no_spare:
        yield from (f"{problem}; or say accept_no_spare = true" for problem in rules.spare_problems(root))
    files = drafted.current.roots if drafted.current is not None else ()
    before = [file.body for file in files if isinstance(file.body, Root)]
    if drafted.plan.log and not drafted.plan.log.begins_anew:
        problems = rules.another_log_problems(before, root)
        yield from (f"{problem}; name the old one, or say begins_anew = true" for problem in problems)
    chain = {body.version: body for body in (*before, root)}
    yield from rules.chain_problems([*chain.values()], (drafted.plan.oldest_root,))


def drafted_at(plan: Plan, body: Body) -> datetime:
    """When a draft was made, as its files tell; the draft made again then must equal them."""
    try:
        return body.expires - timedelta(days=plan.days)
    except OverflowError:
        raise Refused([f"days is {plan.days}; it must be 1 to {rules.MAX_DAYS}"], _CORRECT) from None


def key_problems(keyring: Keyring) -> list[str]:
    """Names that two keys share, and private keys that two names share."""
    called = Counter(file.name for file in keyring)
    problems = [f"two keys are called {name}" for name, times in sorted(called.items()) if times > 1]
    owner: dict[str, str] = {}
    for file in keyring:
        fingerprint = records.fingerprint(file.key)
        if fingerprint in owner:
            problems.append(f"{owner[fingerprint]} and {file.name} have the same private key; it would count twice")
        owner[fingerprint] = file.name
    return problems


def _check_rehearsal(plan: Plan, keyring: Keyring, current: RootOfTrust | None) -> None:
    wrong = [f"the key of {file.name}" for file in keyring if file.rehearsal != plan.rehearsal]
    if current is not None and rules.is_rehearsal(current.root) != plan.rehearsal:
        wrong.append("the current root")
    if wrong:
        ours, theirs = ("a rehearsal", "real") if plan.rehearsal else ("real", "for rehearsal")
        raise RehearsalMixup(
            f"the plan is {ours}, but {', '.join(wrong)} is {theirs}",
            "Rehearse with keys made by 'key new --rehearsal' only, and never use those for anything real.",
        )


def _plan_problems(plan: Plan) -> Iterator[str]:
    count = len(plan.holders)
    if not 1 <= plan.threshold <= count:
        yield f"the threshold is {plan.threshold} of {count} holders, which nobody can meet"
    if plan.bins not in {1 << bits for bits in range(1, layout.MAX_BIT_LENGTH + 1)}:
        yield f"bins is {plan.bins}; it must be a power of two, 2 to {1 << layout.MAX_BIT_LENGTH}"
    if not 1 <= plan.days <= rules.MAX_DAYS:
        yield f"days is {plan.days}; it must be 1 to {rules.MAX_DAYS}"
    if not plan.name or not plan.url.startswith(("https://", "http://")):
        yield f"a repository needs a name and an http(s) url, not {plan.name!r:.80} and {plan.url!r:.80}"
    for name in plan.held:
        try:
            names.normalise(name)
        except names.InvalidName as error:
            yield f"held: {error}"
    try:
        _named_log(plan)
    except ValueError as error:
        yield f"log: {error}"


def bins_of(current: RootOfTrust) -> int:
    """How many hash bins a root of trust delegates to."""
    body = current.newest[layout.BINS].body
    assert isinstance(body, Targets) and body.delegations is not None and body.delegations.succinct_roles is not None
    return 1 << body.delegations.succinct_roles.bit_length


def _pages(plan: Plan, current: RootOfTrust | None, at: datetime) -> dict[str, bytes]:
    # A page that was signed stays as it was: two different pages with one serial would contradict each other.
    before = current.pages if current is not None else {}
    held = sorted({names.normalise(name) for name in plan.held})
    return {path: before.get(path) or _page(name, at) for name in held for path in [names.page_path(name)]}


def _page(name: str, at: datetime) -> bytes:
    since = Mark(stamp(at), "admin", Reason("held", "held back by the key holders"))
    return page.render(NameState(name, name, "prohibited", 1, 1, 0, since, None, None, (), ()))


def _bodies(plan: Plan, keyring: Keyring, pages: Mapping[str, bytes], at: datetime) -> dict[str, Body]:
    expires = at + timedelta(days=plan.days)
    return {
        layout.ROOT: _root(plan, keyring, expires),
        layout.TARGETS: _targets(plan, keyring, pages, expires),
        layout.HELD: _held(pages, expires),
        layout.BINS: _bins(plan, keyring, expires),
    }


def _root(plan: Plan, keyring: Keyring, expires: datetime) -> Root:
    offline = {role: Role(_offline_keyids(keyring), plan.threshold) for role in (layout.ROOT, layout.TARGETS)}
    online = {role: Role([keyring.online.key.keyid], 1) for role in layout.ONLINE}
    keys: dict[str, Any] = {file.key.keyid: file.key for file in keyring}
    extra = {**({layout.REHEARSAL_FIELD: True} if plan.rehearsal else {}), **_minimum_client(plan), **_named_log(plan)}
    return Root(1, SPEC_VERSION, expires, keys, offline | online, True, extra)  # noqa: FBT003 - python-tuf's signature


def _targets(plan: Plan, keyring: Keyring, pages: Mapping[str, bytes], expires: datetime) -> Targets:
    roles = {
        role: DelegatedRole(role, _offline_keyids(keyring), plan.threshold, terminating=True, paths=paths)
        for role, paths in ((layout.HELD, trust.held_paths(pages)), (layout.BINS, list(layout.BIN_PATHS)))
    }
    keys: dict[str, Any] = {file.key.keyid: file.key for file in keyring.holders}
    return _targets_of(layout.TARGETS, expires, {}, Delegations(keys, roles), _minimum_client(plan))


def _held(pages: Mapping[str, bytes], expires: datetime) -> Targets:
    targets = {path: TargetFile.from_dict(page.target_entry(data), path) for path, data in pages.items()}
    return _targets_of(layout.HELD, expires, targets, None, {})


def _bins(plan: Plan, keyring: Keyring, expires: datetime) -> Targets:
    key = keyring.online.key
    succinct = SuccinctRoles([key.keyid], 1, plan.bins.bit_length() - 1, layout.BIN_PREFIX)
    return _targets_of(
        layout.BINS, expires, {}, Delegations({key.keyid: key}, succinct_roles=succinct), _minimum_client(plan)
    )


def _minimum_client(plan: Plan) -> dict[str, Any]:
    """What each file says that may carry a key of a new kind (docs/adr/0026)."""
    return {layout.MINIMUM_CLIENT_FIELD: plan.minimum_client} if plan.minimum_client else {}


def _named_log(plan: Plan) -> dict[str, Any]:
    """What a root says of its log. ValueError if the plan's is none."""
    return {LOG_FIELD: plan.log.policy().described()} if plan.log else {}


def _targets_of(
    role: str,
    expires: datetime,
    targets: dict[str, TargetFile],
    delegations: Delegations | None,
    extra: Mapping[str, Any],
) -> Targets:
    return Targets(1, SPEC_VERSION, expires, targets, delegations, {layout.ROLE_FIELD: role, **extra})


def _offline_keyids(keyring: Keyring) -> list[str]:
    return sorted(file.key.keyid for file in keyring.holders)


def _settle(
    fresh: Mapping[str, Body], current: RootOfTrust | None, at: datetime
) -> tuple[dict[str, Body], tuple[Candidate, ...]]:
    """Which of the four become candidates. Each role comes after the one that delegates to it."""
    settled: dict[str, Body] = {}
    candidates = []
    for role, body in fresh.items():
        delegator = body if role == layout.ROOT else settled[_DELEGATOR[role]]
        if current is not None:
            before = current.newest[role]
            if not _is_due(body, before, delegator, at):
                settled[role] = before.body
                continue
            body.version = before.body.version + 1
        settled[role] = body
        candidates.append(Candidate(role, body, _delegators(role, delegator, current)))
    return settled, tuple(candidates)


def _is_due(body: Body, before: SignedFile, delegator: Delegator, at: datetime) -> bool:
    return (
        _content(body) != _content(before.body)
        or before.body.expires - at < RENEW
        or not counting.count_file(delegator, before.role, before.data).met
    )


def _content(body: Body) -> dict[str, Any]:
    return {field: value for field, value in body.to_dict().items() if field not in ("version", "expires")}


def _delegators(role: str, delegator: Delegator, current: RootOfTrust | None) -> tuple[Delegator, ...]:
    # Root: TUF specification 5.3.4. Targets too, so that it can be published before the new root and no client that
    # still has the old one meets files that it must reject; the same people sign both anyway.
    if current is None or current.root is delegator or role not in (layout.ROOT, layout.TARGETS):
        return (delegator,)
    return (current.root, delegator)
