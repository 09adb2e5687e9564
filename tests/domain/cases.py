"""Names brought into each state there is, and requests to them."""

import hashlib
from typing import Any, Final

from keys.state import ActorClass
from keys.times import stamp
from repo_service.domain import requests as r
from tests.domain.book import Book
from tests.world import ADMIN, BECAUSE, OWNER, publishing

SYSTEM: Final = r.Actor("system")
SUPPORT: Final = r.Actor("support")
MODERATOR: Final = r.Actor("moderator")
CLOCK: Final = r.Actor("clock")
CLASSES: Final[tuple[ActorClass, ...]] = ("owner", "moderator", "admin", "support", "system", "clock")


def acting(kind: ActorClass) -> r.Actor:
    """An actor of a class. The owner is the one who holds what ``standing`` reserves."""
    return OWNER if kind == "owner" else r.Actor(kind, "account-1")


def a_file(filename: str, content: bytes = b"x", **more: Any) -> r.NewFile:
    return r.NewFile(filename, hashlib.sha256(content).hexdigest(), len(content), **more)


def unpublish(book: Book, version: str = "1.0", actor: r.Actor = SUPPORT, name: str = "foo") -> r.Unpublish:
    return r.Unpublish(name, version, BECAUSE, r.Fact(0, stamp(book.now)), actor)


def standing(state: str) -> Book:
    """A book in which ``foo`` stands in this state."""
    book = Book()
    if state in ("reserved", "vacant"):
        book.do(r.Reserve("foo", OWNER, holder="Example Corp"))
    if state == "vacant":
        book.do(r.Release("foo", OWNER))
    if state in ("registered", "yanked", "quarantined", "placeholder", "claimed"):
        book.do(publishing("foo"))
    if state == "yanked":
        book.do(r.Yank("foo", "1.0", BECAUSE, OWNER))
    if state == "quarantined":
        book.do(r.Quarantine("foo", BECAUSE, ADMIN))
    if state in ("placeholder", "claimed"):
        book.do(unpublish(book, actor=OWNER))
    if state == "claimed":
        book.do(r.Claim("foo", "case-7", "account-2", SUPPORT))
    if state == "prohibited":
        book.do(r.Prohibit("foo", BECAUSE, ADMIN))
    assert state == "absent" or book.state("foo").state == {
        "yanked": "registered", "quarantined": "registered", "claimed": "reserved",
    }.get(state, state)  # fmt: skip
    return book
