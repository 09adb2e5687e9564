"""How things stand on this machine: status."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from client_verify import trust
from client_verify.commands import history, terminal, trusting
from client_verify.directory import data_directory
from client_verify.installing import record
from client_verify.installing.record import Refusal
from client_verify.metadata.freshness import STALE
from client_verify.places import Places
from client_verify.refusals import KINDS, USAGE, Refused
from client_verify.standing import LogStanding, Standing, Verified, standing
from client_verify.trust import Pin
from client_verify.verifier import Verifier
from keys.times import moment, stamp

_LATEST: Final = 253_402_300_799  # the end of the year 9999
LAST: Final = 3
"""How many refusals are shown; ``tallystick log`` has all of them."""


def add(commands: terminal.Commands) -> None:
    """Add this family to the parser."""
    command = terminal.command(
        commands,
        "status",
        """
        What this machine trusts and has verified, from its own disk: no network.

        With --refresh every repository is asked for its newest snapshot first:
          tallystick status --refresh

        Exit codes: 0; with --refresh that of the gravest refusal (tallystick explain).
        """,
        [terminal.JSON],
    )
    command.add_argument("--refresh", action="store_true", help="ask every repository for its newest snapshot first")
    command.set_defaults(answer=_status)


def _status(arguments: argparse.Namespace, where: Places) -> int:
    """With --json: ``repositories`` (each as ``trust list --json``, and as ``_as_json`` has it), ``cache`` (``files``
    and ``bytes``), ``refusals`` (the last as ``log --json``) and ``refused`` (repository to code, of --refresh).
    """
    pins, now = trust.pins(where.roots), datetime.now(UTC)
    refused = {pin.name: why for pin in pins if (why := _asked(pin)) is not None} if arguments.refresh else {}
    known = [standing(pin, data_directory(where.data, pin)) for pin in pins]
    last = record.read(where.log).refusals[-LAST:]
    if arguments.json:
        terminal.tell(
            {
                "repositories": [{**trusting.as_json(each.pin, where), **_as_json(each, now)} for each in known],
                "cache": history.cache_as_json(where),
                "refusals": [history.as_json(each) for each in last],
                "refused": {name: why.code for name, why in refused.items()},
            }
        )
    else:
        print("\n".join(_as_text(known, where, last, now)))
    for name, why in refused.items():
        terminal.refusal(why, name, "What was verified before is still here.")
    damaged = USAGE if any(each.damage for each in known) else 0
    return min((KINDS[why.code].exit for why in refused.values()), default=damaged)


def _asked(pin: Pin) -> Refused | None:
    try:
        Verifier.pinned(pin.name).open()
    except Refused as refused:
        return refused
    return None


def _as_json(known: Standing, now: datetime) -> dict[str, Any]:
    """What was ``verified`` last, or null (the versions of ``root``, ``timestamp``, ``snapshot``; ``root_expires``,
    ``signed_at``, ``valid_until``, ``expired``); ``log`` if its newest root names one: ``origin``, ``witnesses`` (how
    many there are), ``quorum``, ``size`` of its newest verified head and ``seen``, the times at which witnesses
    cosigned that, the last first; ``damage``; ``names``: how many are remembered; ``evidence`` of
    contradictions: ``name`` and ``seen_at``; ``directory`` of all that; ``warnings`` in words.
    """
    verified = known.verified
    return {
        "verified": None
        if verified is None
        else {
            "root": verified.root,
            "root_expires": stamp(verified.root_expires),
            "timestamp": verified.timestamp,
            "snapshot": verified.snapshot,
            "signed_at": verified.signed_at,
            "valid_until": stamp(verified.valid_until),
            "expired": verified.valid_until <= now,
        },
        "log": None
        if known.log is None
        else {
            "origin": known.log.policy.origin,
            "witnesses": len(known.log.policy.witnesses),
            "quorum": known.log.policy.quorum,
            "size": known.log.size,
            "seen": [_time(each) for each in known.log.seen],
        },
        "damage": known.damage,
        "names": known.names,
        "evidence": [{"name": name, "seen_at": at} for name, at in known.evidence],
        "directory": str(known.directory),
        "warnings": list(_warnings(known, now)),
    }


def _as_text(known: list[Standing], where: Places, last: list[Refusal], now: datetime) -> Iterator[str]:
    if not known:
        yield "No repository is pinned. Begin with `tallystick trust add`."
    for each in known:
        yield f"{each.pin.name}: {each.pin.url}"
        yield f"  root {each.pin.fingerprint}"
        for line in (*trusting.about(each.pin, where), *_lines(each, now)):
            yield terminal.folded(line, hanging="  ")
    yield terminal.folded(history.cache_line(where), "", "  ")
    if last:
        yield f"refused last ({LAST} at most; tallystick log has all):"
        yield from (line for each in last for line in history.as_text(each))


def _lines(known: Standing, now: datetime) -> Iterator[str]:
    if known.verified is not None:
        yield from _verified(known.verified, now)
    elif known.damage is None:
        yield "nothing verified yet"
    if known.log is not None:
        yield _log(known, known.log, now)
    if known.damage is None:
        yield f"{terminal.count(known.names, 'name')} remembered, in {known.directory}"
    yield from _warnings(known, now)


def _verified(verified: Verified, now: datetime) -> Iterator[str]:
    until = verified.valid_until
    left = f"for {terminal.span(until - now)}" if until > now else f"expired {terminal.span(now - until)} ago"
    yield f"timestamp {verified.timestamp}, snapshot {verified.snapshot}, valid until {stamp(until)} ({left})"
    signed = f", signed at {verified.signed_at}{_ago(verified.signed_at, now)}" if verified.signed_at else ""
    yield f"newest root {verified.root}, valid until {stamp(verified.root_expires)}{signed}"


def _log(known: Standing, log: LogStanding, now: datetime) -> str:
    policy, asked = log.policy, trusting.MODES[known.pin.log.mode]
    wanted = f"{policy.quorum} of {terminal.count(len(policy.witnesses), 'witness', 'witnesses')} must have seen it"
    if log.size is None:
        return f"log {policy.origin}, {asked}: {wanted}; no head of it verified yet"
    when = f", last at {_time(log.seen[0])}{_ago(_time(log.seen[0]), now)}" if log.seen else ""
    leaves = terminal.count(log.size, "leaf", "leaves")
    return f"log {policy.origin}, {asked}: {leaves}; {len(log.seen)} have seen it{when}; {wanted}"


def _time(seconds: int) -> str:
    return stamp(datetime.fromtimestamp(min(seconds, _LATEST), UTC))


def _warnings(known: Standing, now: datetime) -> Iterator[str]:
    if known.damage is not None:
        yield (
            f"DAMAGED: {known.damage}. What was verified lies in {known.directory}. Keep a copy of it. Without it this "
            "machine does not notice when older metadata is served than it has seen"
        )
    for name, seen_at in known.evidence:
        yield f"evidence kept: {name} contradicted itself on {seen_at}; see `tallystick evidence list`"
    if known.verified is not None and (age := _age(known.verified.signed_at, now)) is not None and age > STALE.days:
        yield f"nothing newer was verified for {age} days"


def _age(signed_at: str | None, now: datetime) -> int | None:
    try:
        return None if signed_at is None else (now - moment(signed_at)).days
    except ValueError:
        return None


def _ago(signed_at: str, now: datetime) -> str:
    try:
        return f" ({terminal.span(now - moment(signed_at))} ago)"
    except ValueError:
        return ""
