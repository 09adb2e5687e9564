"""Names brought into each state there is, and requests to them."""

import hashlib
from dataclasses import replace
from typing import Any, Final

from keys.state import ActorClass
from keys.times import stamp
from repo_service.domain import requests as r
from tests.domain.book import POLICY, Book
from tests.world import ADMIN, BECAUSE, OWNER, publishing

SYSTEM: Final = r.Actor("system")
SUPPORT: Final = r.Actor("support", "account-7", approver="account-8")
MODERATOR: Final = r.Actor("moderator", "account-6", approver="account-8")
CLOCK: Final = r.Actor("clock")
CLASSES: Final[tuple[ActorClass, ...]] = ("owner", "moderator", "admin", "support", "system", "clock")


def acting(kind: ActorClass) -> r.Actor:
    """An actor of a class. The owner is the one who holds what ``standing`` reserves."""
    return OWNER if kind == "owner" else r.Actor(kind, "account-1", approver="account-3")


def a_file(filename: str, content: bytes = b"x", **more: Any) -> r.NewFile:
    return r.NewFile(filename, hashlib.sha256(content).hexdigest(), len(content), **more)


def unpublish(book: Book, version: str = "1.0", actor: r.Actor = SUPPORT, name: str = "foo") -> r.Unpublish:
    return r.Unpublish(name, version, BECAUSE, r.Fact(0, stamp(book.now)), actor)


def recipient(book: Book, account: str = "account-2", state: Any = "verified") -> r.Recipient:
    """The account that something passes to, its contact looked up now."""
    return r.Recipient(account, r.Contact(state, stamp(book.now)))


def pass_on(book: Book, actor: r.Actor = OWNER, **more: Any) -> r.TransferProject:
    return r.TransferProject("foo", recipient(book), actor, **more)


def hand_on(book: Book, actor: r.Actor = OWNER) -> r.TransferReservation:
    """Hand a reservation on, where the policy lets it."""
    book.policy = replace(POLICY, reservations=replace(POLICY.reservations, transfer=True))
    return r.TransferReservation("foo", recipient(book, "account-4"), actor, "Heir Ltd")


def quietly(book: Book, actor: r.Actor = OWNER, days: int = 3, **counts: int) -> r.Unpublish:
    """Unpublish after the window, where what is hardly used may still go; by default nobody uses it."""
    book.policy = replace(POLICY, unpublish=replace(POLICY.unpublish, after_window="quiet"))
    book.tick(days=days)
    facts = {key: r.Fact(value, stamp(book.now)) for key, value in {**QUIET, **counts}.items()}
    return r.Unpublish("foo", "1.0", BECAUSE, actor=actor, **facts)


def reported(book: Book, observers: int = 2, trusted: int = 1, actor: r.Actor = SYSTEM) -> r.Quarantine:
    """Quarantine by reports alone, where the policy has such a rule."""
    book.policy = replace(POLICY, quarantine=replace(POLICY.quarantine, automatic="observers"))
    now = stamp(book.now)
    return r.Quarantine("foo", BECAUSE, actor, r.Fact(observers, now), r.Fact(trusted, now))


def claim_openly(book: Book, actor: r.Actor = OWNER) -> r.ClaimOpen:
    """Claim a placeholder, where the policy opens it to all after a day."""
    book.policy = replace(POLICY, placeholder=replace(POLICY.placeholder, claim="open_after"))
    return r.ClaimOpen("foo", actor)


QUIET: Final = {"dependents": 0, "downloads": 299, "owners": 1}


WHEEL: Final = "foo-1.0-py3-none-any.whl"


def remove(book: Book, actor: r.Actor = OWNER, filename: str = WHEEL) -> r.RemoveFile:
    return r.RemoveFile("foo", "1.0", filename, BECAUSE, r.Fact(0, stamp(book.now)), actor)


def unpublish_all(book: Book, actor: r.Actor = OWNER) -> r.UnpublishProject:
    return r.UnpublishProject("foo", BECAUSE, "foo", r.Facts(r.Fact(0, stamp(book.now))), actor)


def restored(actor: r.Actor = ADMIN) -> r.RestoreProject:
    return r.RestoreProject("foo", BECAUSE, actor)


def verdict(said: Any, actor: r.Actor = MODERATOR, **more: Any) -> r.Judge:
    """A verdict of this kind about foo, which is malware."""
    return r.Judge("foo", said, "case-7", actor, **{"kind": "malware", **more})


def _over(state: str, book: Book) -> list[r.Request]:
    """What lies over a registered project in this state."""
    wheel = r.Publish("foo", "1.0", (a_file(WHEEL),), OWNER)
    return {
        "yanked": [r.Yank("foo", "1.0", BECAUSE, OWNER)],
        "quarantined": [r.Quarantine("foo", BECAUSE, ADMIN)],
        "archived": [r.Archive("foo")],
        "deprecated": [r.Deprecate("foo", BECAUSE, "bar")],
        "locked": [r.Lock("foo", BECAUSE, ADMIN)],
        "quarantined 1.0": [r.QuarantineRelease("foo", "1.0", BECAUSE, ADMIN)],
        "deprecated 1.0": [r.DeprecateRelease("foo", "1.0", BECAUSE)],
        "closed 1.0": [r.CloseRelease("foo", "1.0")],
        "two files": [wheel],
        "one file left": [wheel, remove(book)],
        "registered": [],
    }.get(state, [])


OVER: Final = (
    *("registered", "yanked", "quarantined", "archived", "deprecated", "locked"),
    *("quarantined 1.0", "deprecated 1.0", "closed 1.0", "two files", "one file left"),
)


_IS: Final = {
    "claimed": "reserved",
    "session": "reserved",
    "granted": "vacant",
    "suspected": "registered",
    "removed": "prohibited",
}


def standing(state: str) -> Book:
    """A book in which ``foo`` stands in this state."""
    book = Book()
    if state == "held":
        book.held.add("foo")
        return book
    if state == "granted":
        book.do(r.Grant("foo", "org-1", "Example Corp", SUPPORT))
    if state in ("reserved", "vacant"):
        book.do(r.Reserve("foo", OWNER, holder="Example Corp"))
    if state == "vacant":
        book.do(r.Release("foo", OWNER))
    if state in (*OVER, "placeholder", "claimed"):
        book.do(publishing("foo"), *_over(state, book))
    if state in ("placeholder", "claimed"):
        book.do(unpublish(book, actor=OWNER))
    if state == "claimed":
        book.do(r.Claim("foo", "case-7", "account-2", SUPPORT))
    if state == "session":
        book.do(r.OpenSession("foo", OWNER))
    if state in ("suspected", "removed"):
        book.do(publishing("foo"), verdict("quarantine"))
    if state == "removed":
        book.do(verdict("remove", ADMIN))
    if state == "prohibited":
        book.do(r.Prohibit("foo", BECAUSE, ADMIN))
    expected = "registered" if state in OVER else _IS.get(state, state)
    assert state == "absent" or book.state("foo").state == expected
    return book
