"""A policy: the numbers and switches that differ between registries. Presets are data; announcing.py publishes them.

What never bends is no parameter: a file's bytes are never replaced, no version is used twice, a name that had releases
never becomes vacant (docs/FORMAT.md, "What may follow what"). docs/POLICY.md explains every parameter.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from keys import names, strict
from keys.strict import MAX_INTEGER, Malformed
from keys.times import moment
from repo_service.domain.flags import DOCUMENT
from repo_service.domain.versions import RULES as VERSION_RULES
from repo_service.domain.versions import RuleName, VersionRule

Phase = Literal["off", "warn", "enforce"]
Act = Literal[
    "publish", "yank", "unpublish", "restore", "reserve", "archive", "deprecate", "deprecate_release",
    "claim", "transfer",
]  # fmt: skip
DeprecationScope = Literal["project", "release"]
_MOST: Final = 1_000_000
_MOST_S: Final = 100 * 366 * 86400  # a date reckoned with it is still a date

RULES: Final = {
    "contact_suppressed": "The account's primary contact takes messages from the registry.",
    "contact_unverified": "The account's primary contact is verified.",
    "has_dependents": "What an owner unpublishes, nothing else depends on.",
    "multiple_owners": "What an owner unpublishes late has no more owners than the policy says.",
    "name_similar": "A new name does not look like another one.",
    "name_stdlib": "A new name is not a module of the language.",
    "reason_missing": "A yank says why.",
    "reservation_quota": "An account holds and makes a limited number of reservations.",
    "restore_window_over": "What was unpublished is restored within a limited time.",
    "step_up_required": "An account acts with a second factor, and removes in a session that was confirmed just now.",
    "too_many_downloads": "What an owner unpublishes late was downloaded seldom.",
    "unpublish_window_over": "An owner unpublishes within a limited time.",
}
"""The refusals that a policy may phase in or out. No other code is here: what protects somebody else's name, files or
rights, or says that a fact is missing, is never off.
"""


@dataclass(frozen=True, slots=True)
class Names:
    """What a new name may be, and how fast an account may take them: ``new_burst`` in the time in which that many
    come at ``new_per_hour`` (0: as fast as they like).
    """

    grammar: Literal["pep508", "npm", "crates"]
    similar: Literal["off", "observe", "block"]
    language_modules: Literal["off", "deny"]
    new_per_hour: int
    new_burst: int

    def __post_init__(self) -> None:
        if self.new_per_hour and not self.new_burst:
            raise ValueError("new_burst is 0, so nobody could take a name; new_per_hour = 0 sets no limit")


@dataclass(frozen=True, slots=True)
class Files:
    """Versions and their files. ``per_version`` 0 is any number."""

    version_rule: RuleName
    per_version: int
    open_days: int
    upload_skew_s: int


@dataclass(frozen=True, slots=True)
class Yank:
    """Yanks by owners (``interval_s`` 0: as fast as they like), and the brake on yanking very much at once."""

    open_to_owners: bool
    reason_required: bool
    interval_s: int
    burst: int
    brake_percent: int
    brake_count: int
    brake_window_s: int
    brake_delay_s: int

    def __post_init__(self) -> None:
        if self.brake_percent > 100:
            raise ValueError(f"brake_percent is {self.brake_percent}; it is a share of a project's releases, up to 100")
        if self.interval_s and not self.burst:
            raise ValueError("burst is 0, so no owner could yank; interval_s = 0 sets no limit")
        if self.interval_s * self.burst > _MOST_S:
            raise ValueError(
                f"{self.burst} yanks of {self.interval_s} s each are more than a century; that is no limit"
            )


@dataclass(frozen=True, slots=True)
class Unpublish:
    """What owners may unpublish themselves; ``after_window`` says what follows, ``project`` what all at once needs."""

    owner: Literal["always", "window", "never"]
    window_s: int
    prereleases_always: bool
    dependents: Literal["off", "exists"]
    later_dependents: Literal["off", "exists", "range_aware"]
    after_window: Literal["support", "quiet"]
    quiet_downloads: int
    quiet_owners: int
    project: Literal["confirmed", "every_release", "young_or_quiet"]
    project_window_s: int
    project_downloads_a_month: int

    def owner_window_s(self, version: str, rule: VersionRule) -> int:
        """For how many seconds after its publication an owner may unpublish this version; 0 is never."""
        if self.owner == "always" or (self.prereleases_always and rule.is_prerelease(version)):
            return MAX_INTEGER
        return self.window_s if self.owner == "window" else 0


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What becomes of a name whose releases are gone, and who may have it then."""

    on_last_version: Literal["placeholder", "keep_empty"]
    claim: Literal["support", "open_after"]
    open_after_s: int
    security_removal: Literal["placeholder", "prohibited"]


@dataclass(frozen=True, slots=True)
class Restore:
    """For how long what was unpublished can come back, and when it is purged."""

    window_s: int
    purge_after_s: int
    secret_purge_after_s: int

    def __post_init__(self) -> None:
        if self.purge_after_s < self.window_s:
            raise ValueError(
                f"purge_after_s is {self.purge_after_s}; nothing is purged while it can be restored, for "
                f"{self.window_s} s"
            )


@dataclass(frozen=True, slots=True)
class Reservations:
    """``days`` is a cascade: the first length is for a new reservation, each further one for a renewal. It holds for
    granted claims also where accounts cannot reserve by themselves.
    """

    open: bool
    days: tuple[int, ...]
    grace_days: int
    reminder_days: tuple[int, ...]
    per_holder: int
    per_day: int
    transfer: bool
    show_holder: bool
    session_days: int

    def __post_init__(self) -> None:
        if not self.days:
            raise ValueError("days is empty; it needs at least the length of a new reservation")


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Prefixes granted to organisations (PEP 752)."""

    grants: Literal["off", "review", "organisation"]
    max_depth: int


@dataclass(frozen=True, slots=True)
class Deprecate:
    """What can be marked deprecated; nothing, if ``scopes`` is empty."""

    scopes: tuple[DeprecationScope, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """Whether an owner may archive a project (PEP 792)."""

    open: bool


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Who besides admins puts a project into quarantine: observers, that many, one of them trusted; a young project
    needs one trusted observer alone.
    """

    automatic: Literal["off", "observers"]
    observers: int
    young_s: int


@dataclass(frozen=True, slots=True)
class Contact:
    """What the account behind an act must have. ``reauth_s`` 0: a session may be of any age."""

    verified_for: tuple[Act, ...]
    mfa_for: tuple[Act, ...]
    reauth_s: int
    tokens_may_remove: bool

    def __post_init__(self) -> None:
        if "yank" in self.verified_for:
            raise ValueError("verified_for names yank; a yank protects users, so it never waits for somebody's contact")


@dataclass(frozen=True, slots=True)
class Facts:
    """How old what only the registry knows may be. Missing or older, it means no, never zero."""

    max_age_s: int


@dataclass(frozen=True, slots=True)
class Announcement:
    """How long before it takes effect the next version of a policy must be published."""

    notice_days: int


@dataclass(frozen=True, slots=True)
class Step:
    """One phase of a rule. ``since`` None is from the moment the policy takes effect."""

    phase: Phase
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Phases:
    """The phases of one rule, in order of time. The first begins with the policy, so that none is left open."""

    code: str
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if self.code not in RULES:
            raise Malformed(self.code, f"is no rule that has phases; those are {', '.join(RULES)}")
        if not self.steps or self.steps[0].since is not None or any(step.since is None for step in self.steps[1:]):
            raise Malformed(self.code, "its first phase has no `since`, it begins with the policy; all others have one")
        times = [moment(step.since) for step in self.steps if step.since is not None]
        if times != sorted(set(times)):
            raise Malformed(self.code, "its phases are not in order of time")


@dataclass(frozen=True, slots=True)
class Policy:
    """Parameters as of one version. Durations are in seconds or days, as their names say; none is negative."""

    name: str
    version: int
    names: Names
    files: Files
    yank: Yank
    unpublish: Unpublish
    placeholder: Placeholder
    restore: Restore
    reservations: Reservations
    namespaces: Namespaces
    deprecate: Deprecate
    archive: Archive
    quarantine: Quarantine
    contact: Contact
    facts: Facts
    announcement: Announcement
    phases: tuple[Phases, ...] = ()
    effective_from: str | None = None
    emergency: str | None = None

    def __post_init__(self) -> None:
        names.policy_path(self.name, self.version)
        if self.name == DOCUMENT:
            raise ValueError(f"a policy cannot be named {DOCUMENT}: the flags lie there")
        if self.effective_from is not None:
            moment(self.effective_from)
        if self.emergency == "":
            raise ValueError("emergency is the reason for taking effect without notice; it is empty")
        _check_numbers(strict.dump(self), "")

    @property
    def id(self) -> str:
        """How events name the policy that judged them."""
        return f"{self.name}/{self.version}"

    @property
    def version_rule(self) -> VersionRule:
        """How versions and file names are read."""
        return VERSION_RULES[self.files.version_rule]


@dataclass(frozen=True, slots=True)
class Warned:
    """A reason that does not refuse yet, in the words of the refusal that it becomes at ``enforced_from``."""

    code: str
    detail: str
    enforced_from: str | None


def parse(text: str, presets: Mapping[str, str]) -> Policy:
    """A policy file in TOML, on top of the preset that it ``extends``. Malformed names the parameter that is wrong."""
    own = _table(text)
    if own.get("name") in list(presets):
        raise Malformed("name", f"{own['name']!r} is the name of a preset; give your policy one of its own")
    return _load(_merged(own, presets))


def preset(name: str, presets: Mapping[str, str]) -> Policy:
    """A policy that ships with the service; Malformed if there is none of this name."""
    return _load(_preset(name, presets))


def phase(policy: Policy, code: str, now: datetime) -> Phase:
    """How far a rule has come: one without phases is enforced from the beginning."""
    found: Phase = "enforce"
    for step in _steps(policy, code):
        if step.since is None or moment(step.since) <= now:
            found = step.phase
    return found


def enforced_from(policy: Policy, code: str, now: datetime) -> str | None:
    """When a rule that only warns now will refuse, if that is settled."""
    later = (step.since for step in _steps(policy, code) if step.phase == "enforce" and step.since is not None)
    return next((since for since in later if moment(since) > now), None)


def flat(policy: Policy) -> dict[str, object]:
    """Parameters by their dotted path, as docs/POLICY.md names them."""
    body: dict[str, Any] = strict.dump(policy)
    found: dict[str, object] = {}
    for key, value in body.items():
        found |= {f"{key}.{inner}": item for inner, item in value.items()} if isinstance(value, dict) else {key: value}
    return found


def _steps(policy: Policy, code: str) -> tuple[Step, ...]:
    return next((each.steps for each in policy.phases if each.code == code), ())


def _table(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Malformed("", f"not TOML: {error}") from None


def _preset(name: object, presets: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(name, str) or name not in presets:
        raise Malformed("extends", f"there is no preset {name!r:.80}; there are {', '.join(sorted(presets))}")
    return _merged(_table(presets[name]), presets)


def _merged(own: dict[str, Any], presets: Mapping[str, str]) -> dict[str, Any]:
    """One level deep: a table replaces single parameters, a list or a rule's phases replace the whole of it."""
    if "extends" not in own:
        return own
    base = _preset(own["extends"], presets)
    above = {key: value for key, value in own.items() if key != "extends"}
    return base | {key: _over(base.get(key), value) for key, value in above.items()}


def _over(base: object, own: object) -> object:
    return base | own if isinstance(base, dict) and isinstance(own, dict) else own


def _load(table: dict[str, Any]) -> Policy:
    rules = table.get("phases", {})
    if not isinstance(rules, dict):
        raise Malformed("phases", "must be a table of rules")
    listed = [{"code": code, "steps": steps} for code, steps in sorted(rules.items())]
    return strict.load(Policy, {**table, "phases": listed})


def _check_numbers(value: object, where: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check_numbers(item, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for item in value:
            _check_numbers(item, where)
    elif isinstance(value, int):
        most = _MOST_S if where.endswith("_s") else _MOST
        if not 0 <= value <= most:
            raise Malformed(where, f"is {value}; it must be 0 to {most}")
