"""Held yanks, and the two admins who may bring one into force before its time.

The first approval is remembered, bound to what was seen and for a while; the second, by another admin who saw the same,
makes the yank true in the same transaction, the way every change takes. Cancelling needs one admin: what is cancelled
installs as it did before, and who meant it can ask again; while of two admins one may be asleep, or a thief.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keys.state import HeldYank
from repo_service.accepting import attempts, intake
from repo_service.accepting.turned_away import PreviewStale, Refused, SerialMoved, TurnedAway
from repo_service.accepting.writing import locked_for
from repo_service.domain import changes as c
from repo_service.domain import foresight
from repo_service.domain import requests as r
from repo_service.domain.case import Refusal
from repo_service.domain.foresight import Foresight, request_digest, serial_of
from repo_service.storage.approvals import Approval, ApprovalPen, approval
from repo_service.storage.journal import Journal
from repo_service.storage.requestreading import ChangeRecord
from repo_service.storage.searching import Search
from repo_service.storage.tokens import Token
from repo_service.storage.view import View

LASTS: Final = timedelta(hours=1)
"""For how long a first approval counts: long enough to wake somebody, too short to be forgotten."""
_TWO: Final = r.Actor("admin", "one", approver="another")
"""In a preview, which nobody has approved yet."""


class ApprovedAlready(TurnedAway):
    """The same admin again: it takes another one. Nothing was written."""

    def __init__(self, before: Approval) -> None:
        super().__init__(f"you approved this at {before.at}; until {before.expires} another admin can make it true")


class NotHeld(TurnedAway):
    """No yank of this release waits any more. Nothing was written."""


class TokenGone(TurnedAway):
    """The token that asked was revoked or has expired. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The held yank that an admin looked at: the ``serial`` of its name, the ``digest`` of what approving would do."""

    name: str
    version: str
    serial: int
    digest: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A held yank as an admin looks at it: why the brake held it, what approving would do now (with every reason
    against it), and the approvals that count.
    """

    name: str
    version: str
    held: HeldYank
    why: str | None
    would: Foresight
    approvals: tuple[Approval, ...]

    @property
    def seen(self) -> Seen:
        """What an approval binds itself to: where the name stands now, and what would follow."""
        return Seen(self.name, self.version, self.would.serial, self.would.digest)


def holds(view: Search, now: datetime) -> list[Hold]:
    """Every yank that waits, the one that comes into force first before the others."""
    # Whoever can cancel it is to be told, so the names are found by their notices, which have an index.
    names = [view.name(name) for name in view.noticed(now)]
    found = [_hold(view, name, version, held, now) for name in names for version, held in held_yanks(name)]
    return sorted(found, key=lambda each: (each.held.effective_at, each.name, each.version))


def hold(view: Search, name: str, version: str, now: datetime) -> Hold | None:
    """The yank of a release that waits, if one does."""
    its = view.name(name)
    held = dict(held_yanks(its)).get(version)
    return _hold(view, its, version, held, now) if held is not None else None


def held_yanks(name: c.Name) -> Iterator[tuple[str, HeldYank]]:
    """The yanks of a name that wait, by version."""
    for release in name.state.releases if name.state else ():
        if release.held_yank is not None and release.state == "published":
            yield release.version, release.held_yank


def approve(journal: Journal, seen: Seen, by: Token, now: datetime) -> ChangeRecord | Approval:
    """The second admin's word makes it true, and the change is given back; the first one's is kept.

    Raises SerialMoved or PreviewStale where it is no longer what was seen, ApprovedAlready, TokenGone, and what
    ``intake.record`` raises. ``by`` is somebody whom the door let act as an admin on this name.
    """

    def written() -> ChangeRecord | Approval:
        with journal.writing_with(ApprovalPen) as pen:
            return _approved(pen, seen, by, now)

    return attempts.noted(journal, written, _client(by.client), now)


def cancel(journal: Journal, seen: Seen, by: Token, now: datetime) -> ChangeRecord:
    """One admin's word is enough. Raises SerialMoved, NotHeld, TokenGone, and what ``intake.record`` raises."""

    def written() -> ChangeRecord:
        with journal.writing_with(ApprovalPen) as pen:
            _check_live(pen, by, now)
            request = r.Unyank(seen.name, seen.version, None, r.Actor("admin", _client(by.client)))
            name = _as_seen(pen, request, seen)
            if seen.version not in dict(held_yanks(name)):  # to lift one that is in force is another act
                raise NotHeld(f"no yank of {seen.name} {seen.version} waits")
            return _recorded(pen, request, seen, by, now)

    return attempts.noted(journal, written, _client(by.client), now)


def _approved(pen: ApprovalPen, seen: Seen, by: Token, now: datetime) -> ChangeRecord | Approval:
    _check_live(pen, by, now)
    name = _as_seen(pen, _request(seen, _TWO), seen)
    found = _foreseen(pen, name, seen.version, now)
    if found.reasons:
        raise Refused(_request(seen, _TWO), Refusal(found.reasons), pen.policy(now), found.serial)
    if found.digest != seen.digest:
        raise PreviewStale(f"approving would do something else to {seen.name} {seen.version} now; look at it again")
    standing = _counting(pen, pen.approvals(seen.name, seen.version), seen, now)
    others = [each for each in standing if each.admin != by.client]
    if not others:
        if standing:
            raise ApprovedAlready(standing[0])
        first = approval(seen.name, seen.version, by.client, by.id, seen.serial, seen.digest, now, now + LASTS)
        pen.keep_approval(first)
        return first
    actor = r.Actor("admin", _client(others[0].admin), approver=_client(by.client))
    return _recorded(pen, _request(seen, actor), seen, by, now)


def _recorded(pen: ApprovalPen, request: r.Request, seen: Seen, by: Token, now: datetime) -> ChangeRecord:
    key = f"console/{r.verb_of(request)}/{seen.name}/{seen.version}/{seen.serial}"  # done, the serial is another
    sender = intake.Sender(_client(by.client), key, seen.serial)
    done = intake.record_within(pen, request, sender, request_digest(request), secrets.token_hex(16), now)
    pen.forget_approvals(seen.name, seen.version)
    return done


def _as_seen(pen: ApprovalPen, request: r.Request, seen: Seen) -> c.Name:
    """The name, locked, so that of two at the same moment the second finds what the first left."""
    name = locked_for(pen, request)
    if serial_of(name) != seen.serial:
        raise SerialMoved(name, seen.serial)
    return name


def _check_live(pen: ApprovalPen, by: Token, now: datetime) -> None:
    """Looked up in the transaction that writes: it may have been revoked since the session was."""
    token = pen.token(by.id)
    if token is None or not token.is_live(now):
        raise TokenGone(f"the token {by.id} of {by.client!r} is no longer good")


def _counting(view: View, approvals: Sequence[Approval], seen: Seen, now: datetime) -> list[Approval]:
    """Those that are about what was seen, not over, and by a token that is still good."""
    return [
        each
        for each in approvals
        if (each.serial, each.digest) == (seen.serial, seen.digest)
        and not each.is_over(now)
        and (token := view.token(each.token)) is not None
        and token.is_live(now)
    ]


def _hold(view: Search, name: c.Name, version: str, held: HeldYank, now: datetime) -> Hold:
    would = _foreseen(view, name, version, now)
    seen = Seen(name.name, version, would.serial, would.digest)
    counting = _counting(view, view.approvals(name.name, version), seen, now)
    why = view.why_held(name.name, version)
    return Hold(name.name, version, held, why and why.partition("; ")[0], would, tuple(counting))


def _foreseen(view: View, name: c.Name, version: str, now: datetime) -> Foresight:
    request = r.ApproveYank(name.name, version, _TWO)
    (found,) = intake.foreseen(view, name, [request], now)
    return foresight.foresee(name, request, found.outcome, view.policies(), now)


def _request(seen: Seen, actor: r.Actor) -> r.ApproveYank:
    return r.ApproveYank(seen.name, seen.version, actor)


def _client(client: str) -> str:
    return f"client:{client}"
