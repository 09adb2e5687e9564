"""What to do when keys are stolen or lost, files expire or roots contradict each other: exact steps for one repository.

Pure. Every name, number and date in a guide is of the root of trust that it is made from. The words are in guides.py.
"""

import dataclasses
import re
import shlex
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from ceremony import guides, sheets
from ceremony.dates import long_date
from ceremony.draft import RENEW
from ceremony.errors import Refused
from ceremony.plan import Log, Plan
from ceremony.situation import NEW_LOG, Situation, digest, other_root
from keys import layout

Kind = Literal["online-key", "log-key", "holder-lost", "quorum-lost", "quorum-stolen", "expired", "fork"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

Facts = dict[str, str]
_NEW: Final = "NEW"


@dataclass(frozen=True, slots=True)
class Guide:
    """What to do, as text 72 columns wide, and the plan of the ceremony to come; ``situation.NEW`` stands in it for
    keys that are not made yet.
    """

    kind: Kind
    text: str
    plan: Plan


def steps(kind: Kind, situation: Situation, now: datetime) -> Guide:
    """The guide for one kind of emergency. Refused if the situation is another one, with the kind that it is."""
    planned, facts = _KINDS[kind](situation, now)
    facts = _known(situation, planned, now) | facts
    return Guide(kind, sheets.plain(sheets.parsed(guides.TEXTS[kind].format_map(facts))), planned)


def _online_key(its: Situation, now: datetime) -> tuple[Plan, Facts]:
    new_online = f"online-{_next(its, layout.ROOT)}"
    planned = its.amended("the online key was stolen", its.remaining, new_online)
    due = its.due((layout.ROOT, layout.BINS), now)
    timestamp = its.public.timestamp if its.public else None
    return planned, {
        "new_online": new_online,
        "log_too": guides.LOG_TOO if its.log else "",
        "ceremony": _ceremony(its, planned, due, now, online="DIR/online.pub"),
        "timestamp_expires": timestamp.expires if timestamp else "three days after it was signed, by default",
    }


def _log_key(its: Situation, now: datetime) -> tuple[Plan, Facts]:
    if (log := its.log) is None:
        raise Refused(
            [f"root {its.version(layout.ROOT)} names no log: no client takes anything for it from a log"],
            "Make a new key of the log: move log.key away, and say 'tallystick-service key DIR --log'.",
        )
    policy = log.policy()
    planned = its.amended("a new key of the log", its.holders, its.online)
    planned = dataclasses.replace(planned, log=dataclasses.replace(log, keys=(NEW_LOG,)))
    due = its.due((layout.ROOT,), now)
    asked = f"{policy.quorum} of {len(policy.witnesses)} witnesses"
    return planned, {
        "log": policy.origin,
        "log_keys": " and ".join(f"key {key.id.hex()} ({key.digits})" for key in policy.keys),
        "checkpoint": f"{planned.url.rstrip('/')}/log/checkpoint",
        "witnessed": f"A witness that has seen it refuses another history, and who requires the log asks for {asked}."
        if policy.quorum
        else "No witness need have seen the log: only who compares two of its heads finds out.",
        "ceremony": _ceremony(its, planned, due, now, online="online.pub", log="DIR/log-next.pub"),
    }


def _holder_lost(its: Situation, now: datetime) -> tuple[Plan, Facts]:
    left = _left(its)
    if left < its.threshold:
        raise Refused(
            [f"{left} of {len(its.holders)} holders remain and {its.threshold} must sign: the quorum is lost"],
            "Say 'emergency quorum-lost', or 'emergency quorum-stolen' if somebody else has the keys.",
        )
    planned = its.amended(f"replace {_lost(its)}", (*its.remaining, _NEW), its.online)
    spare = left - its.threshold
    lines = [
        f"Lost: {_lost(its)}. {left} of {len(its.holders)} remain and {its.threshold} must sign: "
        + (f"{spare} more may be lost." if spare else "until this is done no other key may be lost."),
        f"One stolen key signs nothing alone, as {its.threshold} must sign."
        if its.threshold > 1
        else "One stolen key makes a root alone: if it may be stolen, say `emergency quorum-stolen`.",
    ]
    if not its.lost:
        signed = ", ".join(f"{role} by {_listed(its.signers(role))}" for role in (layout.HELD, layout.BINS))
        lines.append(
            f"Say with --lost who it is, for held and bins may have to be signed too. They are signed: {signed}."
        )
    due = its.due(_touched(its), now)
    return planned, {"lost_now": " ".join(lines), "ceremony": _ceremony(its, planned, due, now, online="online.pub")}


def _quorum_lost(its: Situation, now: datetime) -> tuple[Plan, Facts]:
    if its.lost and len(its.remaining) >= its.threshold:
        raise Refused(
            [f"{len(its.remaining)} of {len(its.holders)} holders remain and {its.threshold} must sign: enough"],
            "Say 'emergency holder-lost'.",
        )
    planned = _anew(its, "a new chain, as the old quorum is lost")
    able = f"only {_listed(its.remaining) or 'nobody'} can" if its.lost else "fewer can"
    return planned, {
        "lost_now": f"{its.threshold} of {', '.join(its.holders)} must sign, and {able}.",
        "new_chain": _new_chain(planned, now),
    }


def _quorum_stolen(its: Situation, now: datetime) -> tuple[Plan, Facts]:
    planned = _anew(its, "a new chain, as the old quorum is stolen")
    seen = [name for name in its.newer if name.endswith(".root.json")]
    here = f"Public now, and not in {its.sealed}: {', '.join(seen)}. If no ceremony of yours made it, a thief did."
    return planned, {
        "seen": here if seen else "",
        "race": "" if seen else _race(its, now),
        "new_chain": _new_chain(planned, now),
    }


def _expired(its: Situation, now: datetime) -> tuple[Plan, Facts]:
    due = its.due((), now)
    if not due:
        role, when = its.first_expiry
        raise Refused(
            [f"nothing expires soon: {role} {its.version(role)} is the first, on {long_date(when)}"],
            f"Hold the next ceremony after {long_date(when - RENEW)}. If a client says otherwise, look "
            "at the service: 'tallystick-service status'.",
        )
    planned = its.amended("sign again before it expires", its.holders, its.online)
    over = [role for role in due if its.expires(role) <= now]
    return planned, {
        "dates": "\n".join(f"- {_date(its, role, now)}" for role in layout.OFFLINE),
        "ceremony": _ceremony(its, planned, due, now, online="online.pub"),
        "refuse": "\n".join(f"- {_refused(its, role, now)}" for role in due),
        "after": "Once the next versions are public, clients with a cache and fresh ones are well again by themselves."
        if over
        else "No client notices anything if the next versions are public before that.",
    }


def _fork(its: Situation, now: datetime) -> tuple[Plan, Facts]:
    leaver = _leaver(its)
    stay = [name for name in its.holders if name != leaver]
    planned = its.amended(f"follow both roots {its.version(layout.ROOT)}", (*stay, _NEW), its.online)
    due = its.due(_touched(dataclasses.replace(its, lost=(leaver,))), now)
    return planned, {
        "digest": _digits(digest(its.root)),
        "other": _other(its),
        "both": _both(its),
        "leaver": leaver,
        "after_next": str(_next(its, layout.ROOT) + 1),
        "ceremony": _ceremony(its, planned, due, now, online="online.pub"),
    }


_KINDS: Final[Mapping[str, Callable[[Situation, datetime], tuple[Plan, Facts]]]] = {
    "online-key": _online_key,
    "log-key": _log_key,
    "holder-lost": _holder_lost,
    "quorum-lost": _quorum_lost,
    "quorum-stolen": _quorum_stolen,
    "expired": _expired,
    "fork": _fork,
}


def _known(its: Situation, planned: Plan, now: datetime) -> Facts:
    """What every guide may name."""
    return {
        "about": _about(its, now),
        "public_now": _public_now(its),
        "name": planned.name,
        "url": planned.url,
        "dir": _folder(now),
        "sealed": its.sealed,
        "public": its.folder,
        "online": its.online,
        "bins": f"{its.bins:,}",
        "threshold": str(its.threshold),
        "count": str(len(its.holders)),
        "root": str(its.version(layout.ROOT)),
        "next_root": str(_next(its, layout.ROOT)),
        "root_expires": long_date(its.expires(layout.ROOT)),
        "deadline": _deadline(its),
    }


def _about(its: Situation, now: datetime) -> str:
    whose = f"{its.plan.name}, {its.plan.url}" if its.plan else f"The repository of {its.sealed}"
    files = _listed([f"{role} {its.version(role)}" for role in layout.OFFLINE])
    return (
        f"{whose}. Written {long_date(now)}, {now:%H:%M} UTC, from {its.sealed}: {files}. "
        f"{its.threshold} of {', '.join(its.holders)} must sign these."
    )


def _public_now(its: Situation) -> str:
    if its.public is None:
        return ""
    said = [
        f"{role} {signed.version} until {signed.expires}" if signed else f"no {role} that can be read"
        for role, signed in (("timestamp", its.public.timestamp), ("snapshot", its.public.snapshot))
    ]
    bins = its.public.bins
    said.append(f"{len(bins):,} bins, of versions {bins[0]} to {bins[-1]}" if bins else "no bins")
    return (
        f"In {its.folder} now, and not verified here, as a thief may have signed it: {'; '.join(said)}. Versions above "
        "those of `tallystick-service status DIR` were not signed by this service."
    )


def _ceremony(
    its: Situation, planned: Plan, due: tuple[str, ...], now: datetime, online: str, log: str | None = None
) -> str:
    """The steps from a plan to files that a witness replayed, after the root of trust that there is."""
    return guides.CEREMONY.format(
        plan=_plan_command(planned, _folder(now), online, its.sealed, log),
        dir=_folder(now),
        needed=" ".join(_needed(its, planned, due)),
        request=_request(planned, due[0], _next(its, due[0])),
        root=its.version(layout.ROOT),
    )


def _new_chain(planned: Plan, now: datetime) -> str:
    """The steps of a first ceremony under a new address, to a new service and its clients."""
    return guides.NEW_CHAIN.format(
        plan=_plan_command(
            planned, _folder(now), "NEW-DIR/online.pub", None, "NEW-DIR/log.pub" if planned.log else None
        ),
        log=guides.NEW_LOG if planned.log else "",
        dir=_folder(now),
        name=planned.name,
        request=_request(planned, layout.ROOT, 1),
        count=len(planned.holders),
        threshold=planned.threshold,
        new_online=planned.online.name,
    )


def _race(its: Situation, now: datetime) -> str:
    newcomers = _newcomers(its)
    planned = its.amended("replace every holder at once", newcomers, its.online)
    due = its.due(_touched(dataclasses.replace(its, lost=its.holders)), now)
    folder = f"{_folder(now)}-race"
    return guides.RACE.format(
        next_root=_next(its, layout.ROOT),
        threshold=its.threshold,
        needed=" ".join(_needed(its, planned, due)),
        plan=_plan_command(planned, folder, "online.pub", its.sealed),
        dir=folder,
    )


def _needed(its: Situation, planned: Plan, due: Iterable[str]) -> Iterator[str]:
    """Who must sign what, for whom: a sentence for each group of files that the same people are asked for."""
    old, new = list(its.remaining), [holder.name for holder in planned.holders]
    files = {role: f"{role} {_next(its, role)}" for role in due}
    # The old root is asked about root and targets, and only where there is a new one (ceremony/draft.py).
    top = [files.pop(role) for role in (layout.ROOT, layout.TARGETS) if layout.ROOT in due and role in due]
    before, after = f"the old root {its.version(layout.ROOT)}", f"the new root {_next(its, layout.ROOT)}"
    if top and old == new:
        yield f"{_listed(top)}: {its.threshold} of {', '.join(new)}, for {before} and for {after}."
    elif top:
        yield f"{_listed(top)}: {its.threshold} of {', '.join(old)} for {before},"
        yield f"and {its.threshold} of {', '.join(new)} for {after}."
    if files:
        yield f"{_listed([*files.values()])}: {its.threshold} of {', '.join(new)}."


def _touched(its: Situation) -> tuple[str, ...]:
    """What is signed again when the lost holders leave: what lists them, and what is not signed by enough others."""
    short = [role for role in (layout.HELD, layout.BINS) if len({*its.signers(role)} - {*its.lost}) < its.threshold]
    return (layout.ROOT, layout.TARGETS, *short)


def _other(its: Situation) -> str:
    """The other of two roots of one version; Refused if what is public is no root that a client takes."""
    name = its.trust.roots[-1].name
    if (other := other_root(its)) is not None:
        both = "Enough keys signed both."
        return f"{its.folder}/metadata/{name}, SHA-256 of what is signed: {_digits(digest(other))} {both}"
    if name in its.others:
        raise Refused(
            [f"the {name} of {its.folder} is not signed by enough keys: no client took it, and this is no fork"],
            f"Keep a copy of it, and put the one of {its.sealed} in its place: 'tallystick-service rebuild'.",
        )
    if its.public is None:
        return "The other one was not compared here: give its folder as --public."
    return f"There is no other {name} in {its.folder}. Look on mirrors, and give the folder of one as --public."


def _both(its: Situation) -> str:
    version, root = its.version(layout.ROOT), _next(its, layout.ROOT)
    if (other := other_root(its)) is None:
        return f"For that, enough keys must be in both roots {version}, and sign it."
    ours, theirs = its.root.roles[layout.ROOT], other.roles[layout.ROOT]
    common = its.people({*ours.keyids} & {*theirs.keyids})
    needed = max(ours.threshold, theirs.threshold)
    if len(common) < needed:
        return (
            f"Here it cannot be done: {needed} holders would have to be in both roots {version}, and "
            f"{_listed(common) or 'nobody'} is. The side whose root is given up is lost."
        )
    return f"For that, {needed} of {', '.join(common)} must sign root {root}: these are in both roots {version}."


def _leaver(its: Situation) -> str:
    """Who takes a new key after a fork: somebody whose old key is not in both roots, if there is one."""
    other = other_root(its)
    common = its.people({*other.roles[layout.ROOT].keyids} & {*its.root.keys}) if other else its.holders
    return next((name for name in reversed(its.holders) if name not in common), its.holders[-1])


def _anew(its: Situation, purpose: str) -> Plan:
    planned = its.amended(purpose, _newcomers(its), "online-new", url="NEW-ADDRESS")
    return dataclasses.replace(planned, log=Log((NEW_LOG,)) if its.log else None)


def _newcomers(its: Situation) -> list[str]:
    return [f"{_NEW}-{number}" for number in range(1, len(its.holders) + 1)]


def _plan_command(planned: Plan, folder: str, online: str, after: str | None, log: str | None = None) -> str:
    """``log`` is the file of a new key of the log; without it what the root before says of the log stays."""
    words = ["tallystick-ceremony", "plan", folder, "--name", planned.name, "--url", planned.url]
    words += ["--purpose", planned.purpose, "--threshold", str(planned.threshold), "--days", str(planned.days)]
    words += ["--bins", str(planned.bins), *(["--held", *planned.held] if planned.held else [])]
    words += ["--oldest-root", str(planned.oldest_root)] if planned.oldest_root > 1 else []
    words += ["--accept-no-spare"] if planned.accept_no_spare else []
    words += ["--holder", *(f"{holder.name}.pub" for holder in planned.holders), "--online", online]
    words += ["--log", log] if log else []
    words += [*(["--after", after] if after else []), *(["--rehearsal"] if planned.rehearsal else [])]
    return shlex.join(words)


def _request(planned: Plan, role: str, version: int) -> str:
    # As ceremony/request.py names it once there is a draft; the test that parses a guide's commands compares them.
    return f"{re.sub('[^A-Za-z0-9._]+', '-', planned.name)}-{role}-{version}.request"


def _folder(now: datetime) -> str:
    return f"ceremony-{now:%Y-%m-%d}"


def _next(its: Situation, role: str) -> int:
    return its.version(role) + 1


def _lost(its: Situation) -> str:
    return _listed(its.lost) or "one holder"


def _left(its: Situation) -> int:
    return len(its.holders) - max(1, len(its.lost))


def _deadline(its: Situation) -> str:
    role, when = its.first_expiry
    return f"{role} {its.version(role)} expires on {long_date(when)}"


def _date(its: Situation, role: str, now: datetime) -> str:
    expires = its.expires(role)
    days = (expires.date() - now.date()).days
    ago = f"expired {-days} days ago, on" if expires <= now else f"expires in {days} days, on"
    return f"{role} {its.version(role)} {ago} {long_date(expires)}."


def _refused(its: Situation, role: str, now: datetime) -> str:
    held = f"held names ({', '.join(its.held)})" if its.held else "nothing, as no name is held"
    what = {layout.HELD: held, layout.BINS: "every name that is not held"}.get(role, "everything")
    when = "Since" if its.expires(role) <= now else "From"
    return f"{when} {long_date(its.expires(role))}, clients refuse {what}, because of {role} {its.version(role)}."


def _digits(text: str) -> str:
    return f"{' '.join(textwrap.wrap(text, 8))}."


def _listed(words: Iterable[str]) -> str:
    words = [*words]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
