"""How a policy comes into force: announced, signed, and after the notice that the one before it asks for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keys import names, strict
from keys.encoding import compact
from keys.times import moment, stamp
from repo_service.domain.policy import Policy, flat


class NotAnnounced(Exception):
    """A policy that may not be published as it is; the message says what to write instead."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}. Nothing was written.")


@dataclass(frozen=True, slots=True)
class Published:
    """A policy as it was announced: the document that is signed (docs/FORMAT.md, "Policies")."""

    published_at: str
    effective_from: str
    policy: Policy

    @property
    def id(self) -> str:
        """How events and the journal name it."""
        return self.policy.id

    @property
    def path(self) -> str:
        """Its target path."""
        return names.policy_path(self.policy.name, self.policy.version)

    @property
    def body(self) -> bytes:
        """The target's bytes."""
        return compact(strict.dump(self))


def announce(
    new: Policy, published: Sequence[Published], now: datetime, approved_by: Collection[str] = ()
) -> Published:
    """``new`` as the next after ``published``. NotAnnounced if it comes too suddenly or its version is not the next.

    The notice is what the policy in force asks for, so no policy shortens its own. An emergency waits for none, and two
    admins (opaque ids) stand behind it.
    """
    starts = moment(new.effective_from) if new.effective_from else now
    last = max((each.policy.version for each in published if each.policy.name == new.name), default=0)
    if new.version != last + 1:
        raise NotAnnounced(f"version is {new.version}; the next of {new.name} is {last + 1}")
    if published and new.files.version_rule != (rule := published[0].policy.files.version_rule):
        raise NotAnnounced(
            f"files.version_rule is {new.files.version_rule}; this registry's is {rule} for ever: it says which of "
            "the published versions are equal"
        )
    if not published:
        if starts > now:
            raise NotAnnounced("the first policy takes effect at once: leave effective_from out")
    elif starts < now:
        raise NotAnnounced(f"effective_from is {new.effective_from}, which is past")
    elif starts < (earliest := _notice(published, now)):
        _check_emergency(new, earliest, approved_by)
    return Published(stamp(now), stamp(max(starts, now)), new)


@dataclass(frozen=True, slots=True)
class Difference:
    """A parameter by its dotted path, as it is and as it would be."""

    parameter: str
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.parameter}: {self.old!r} -> {self.new!r}"


def differences(old: Policy, new: Policy) -> list[Difference]:
    """Every parameter that is not the same."""
    before, after = flat(old), flat(new)
    return [Difference(path, before.get(path), after[path]) for path in after if before.get(path) != after[path]]


def in_force(published: Sequence[Published], now: datetime) -> Policy:
    """The policy that judges at ``now``: of those that have taken effect the one published last. The first has always
    taken effect, also by the clock of a machine that is a little behind.
    """
    later = [each for each in published[1:] if moment(each.effective_from) <= now]
    return (later[-1] if later else published[0]).policy


def _check_emergency(new: Policy, earliest: datetime, approved_by: Collection[str]) -> None:
    if new.emergency is None:
        raise NotAnnounced(
            f"effective_from is {new.effective_from or 'not given'}; people need notice until {stamp(earliest)}. "
            'Where waiting does harm, say why: emergency = "…" (it is signed with the policy)'
        )
    if len(behind := set(filter(None, approved_by))) < 2:
        raise NotAnnounced(
            f"an emergency takes effect without notice, so two admins stand behind it, not {len(behind)}: "
            "--approved-by ID --approved-by OTHER (your own opaque ids; they are kept and never signed)"
        )


def _notice(published: Sequence[Published], now: datetime) -> datetime:
    return now + timedelta(days=in_force(published, now).announcement.notice_days)
