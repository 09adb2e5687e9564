"""An event as a leaf of the log says it (docs/FORMAT.md, "Leaves"): public facts, each free text as a salted digest.

A log can forget nothing. So a text stands in it as the SHA-256 of a file of salt and text, which lies beside the log
and can be taken back; without the file nobody can guess the text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from keys import strict
from keys.encoding import compact_plain, parse_canonical, sha256
from keys.state import ActorClass, Reason, Sha256, check_digests
from keys.times import moment
from keys.tlog.leaves import EVENT, BadLeaf
from keys.tlog.tiles import MAX_LEAF
from repo_service.domain import changes as c

SALT_BYTES: Final = 16
Salt = Callable[[str], bytes]
"""Salt for a label: bytes that nobody else can guess, and the same ones for the same label."""
Open = Callable[[str], bytes]
"""What a file of a text holds behind its salt, by its digest; whatever it raises passes through."""
_PREFIX: Final = "sha256:"
_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "name.reserved": ("holder",),
    "placeholder.claim_granted": ("holder",),
    "placeholder.claimed_open": ("holder",),
    "reservation.transferred": ("holder",),
    "namespace.granted": ("owner",),
    "namespace.child_granted": ("owner",),
    "namespace.shared": ("shared_with",),
    "namespace.unshared": ("shared_with",),
    "namespace.transferred": ("owner", "shared_with"),
}
"""Fields of changes that are free text and stand on the page, for as long as it shows them."""
_RESTRICTED: Final[Mapping[str, tuple[str, ...]]] = {
    "placeholder.claim_granted": ("case",),
    "takedown.listed": ("evidence",),
    "takedown.confirmed": ("evidence",),
    "takedown.withdrawn": ("evidence",),
}
"""Those that are on no page: the files of these texts are not published."""


@dataclass(frozen=True, slots=True)
class PageSum:
    """The page that follows from an event: its length in bytes and its sha256."""

    length: int
    sha256: Sha256

    def __post_init__(self) -> None:
        check_digests(self.sha256)


@dataclass(frozen=True, slots=True)
class _Said:
    """A leaf without its change."""

    kind: str
    seq: int
    name: str
    serial: int
    at: str
    by: ActorClass
    type: str
    policy: str
    reason: Reason | None = None
    page: PageSum | None = None

    def __post_init__(self) -> None:
        moment(self.at)
        if self.type not in c.TYPES:
            raise ValueError(f"{self.type!r:.80} is no type of event")


@dataclass(frozen=True, slots=True)
class Logged:
    """An event as a leaf says it, its texts still digests. ``page`` is there if it is the last one of its name in a
    release.
    """

    seq: int
    name: str
    serial: int
    page: PageSum | None
    _said: _Said
    _change: Mapping[str, Any] | str

    @property
    def at(self) -> str:
        """When it happened, by the service's clock."""
        return self._said.at

    @property
    def by(self) -> ActorClass:
        """The class of who did it."""
        return self._said.by

    @property
    def type(self) -> str:
        """As ``changes.TYPES`` names it."""
        return self._said.type

    @property
    def reason(self) -> Reason | None:
        """With a digest for its text."""
        return self._said.reason

    def event(self, opened: Open) -> c.Event:
        """The event with its texts, but for those that are on no page. Raises BadLeaf, and what ``opened`` raises."""
        said = self._said
        change = self._change
        try:
            plain = parse_canonical(opened(_digest(change))) if isinstance(change, str) else change
            fields = {
                name: _opened(value, opened) if name in _SHOWN.get(said.type, ()) else value
                for name, value in plain.items()
            }
            loaded = strict.load(c.TYPES[said.type], fields)
            if strict.sparse(loaded) != fields:
                raise ValueError("a field that has its default is left out")
            reason = said.reason and Reason(said.reason.code, _opened(said.reason.text, opened))
        except (ValueError, RecursionError) as error:
            raise BadLeaf(f"event {said.seq} is malformed: {error}") from None
        return c.Event(said.seq, said.name, said.at, said.by, reason, said.policy, loaded, None, None)


def leaf_of(event: c.Event, serial: int, page: PageSum | None, salt: Salt) -> tuple[bytes, tuple[bytes, ...]]:
    """The leaf of an event, and the files of the texts that it names and that are public."""
    files = list[bytes]()
    kind = c.type_of(event.change)

    def digested(text: str | None, label: str) -> str | None:
        if text is None:
            return None
        files.append(salt(f"{event.seq}/{label}")[:SALT_BYTES] + text.encode())
        return _PREFIX + sha256(files[-1])

    change = strict.sparse(event.change)
    for field in _RESTRICTED.get(kind, ()):
        change[field] = digested(change[field], field)
    files.clear()  # they are on no page
    for field in _SHOWN.get(kind, ()):
        texts = change[field]
        change[field] = (
            [digested(text, f"{field}/{at}") for at, text in enumerate(texts)]
            if isinstance(texts, list)
            else digested(texts, field)
        )
    reason = event.reason and Reason(event.reason.code, digested(event.reason.text, "reason"))
    said = _Said(EVENT, event.seq, event.name, serial, event.at, event.by, kind, event.policy, reason, page)
    leaf = compact_plain({**strict.sparse(said), "change": change})
    if len(leaf) > MAX_LEAF:
        files.append(salt(f"{event.seq}/change")[:SALT_BYTES] + compact_plain(change))
        leaf = compact_plain({**strict.sparse(said), "change": _PREFIX + sha256(files[-1])})
    return leaf, tuple(files)


def read(leaf: bytes) -> Logged:
    """The event that a leaf says. Raises BadLeaf."""
    try:
        plain = parse_canonical(leaf)
        change = plain.pop("change", None)
        said = strict.load(_Said, plain)
    except (ValueError, RecursionError) as error:
        raise BadLeaf(f"a leaf is malformed: {error}") from None
    if said.kind != EVENT or not isinstance(change, dict | str) or strict.sparse(said) != plain:
        raise BadLeaf("a leaf that should be an event's is none")
    return Logged(said.seq, said.name, said.serial, said.page, said, change)


def text_path(digest: str) -> str:
    """Where a text lies below the log's address."""
    return f"texts/{digest}"


def _opened(value: Any, opened: Open) -> Any:
    if isinstance(value, list):
        return [_opened(each, opened) for each in value]
    return None if value is None else opened(_digest(value)).decode()


def _digest(reference: object) -> str:
    digest = reference.removeprefix(_PREFIX) if isinstance(reference, str) else ""
    if digest == reference:
        raise ValueError("a text must stand in a leaf as its digest")
    check_digests(digest)
    return digest
