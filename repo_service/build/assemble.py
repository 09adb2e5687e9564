"""One release: changed pages and bins, then the snapshot, then the timestamp, each signed, in the order of copy-out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Final, Protocol, TypeVar

from keys import layout
from keys.encoding import sha256
from keys.signing import Asked, Signatures, Signer
from repo_service.build.due import Lifetimes
from repo_service.build.listing import Listing, Meta
from repo_service.build.metadata import Role, Unsigned, snapshot_file, timestamp_file, unsigned_bin
from repo_service.build.pages import Page, Target

Item = TypeVar("Item")
Made = TypeVar("Made")
Shown = Callable[[int], Iterable[bytes]]
"""What the bin of a number replaces (``keys.signing.Asked``)."""
TOGETHER: Final = 256
TOGETHER_BYTES: Final = 1 << 20
"""How many bins are signed at once, at most, and about how many bytes of them."""


class Each(Protocol):
    """As ``map``: an act on each of many things, its results in their order. Others do some of it side by side, or stop
    in between by raising.
    """

    def __call__(self, act: Callable[[Item], Made], items: Iterable[Item], /) -> Iterator[Made]:
        """What ``act`` makes of each item, in the order of ``items``."""


class Roles(Protocol):
    """A list of signed files, wherever their bytes lie."""

    def append(self, role: Role, /) -> None:
        """Put one more at the end."""

    def extend(self, roles: Iterable[Role], /) -> None:
        """Put these at the end, in their order, one after the other."""

    def __getitem__(self, number: int, /) -> Role: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Role]: ...


@dataclass(frozen=True, slots=True)
class Base:
    """What the newest release holds, as far as the next one needs it. ``generation`` counts releases and is the
    timestamp's version; 0 is nothing yet. ``versions`` are those of the online bins that will be signed again; a bin
    that is not among them begins above ``highest``, the greatest version of any bin of a former number of bins.
    ``spent`` are versions of the timestamp and the snapshot that were signed and came to nothing, if they are greater.
    """

    generation: int
    snapshot: Meta | None
    listing: Listing
    versions: Mapping[str, int] = field(default_factory=dict)
    highest: int = 0
    spent: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """A target that a release adds, in its bin, with the name that it belongs to."""

    bin: int
    name: str
    target: Target


class Placements(Protocol):
    """Targets by their bins, wherever they lie."""

    def bins(self) -> Iterable[int]:
        """The numbers of the bins that something is placed in."""

    def of(self, number: int, /) -> Sequence[Placed]:
        """What is placed in a bin, by its number; nothing for another one."""

    def __iter__(self) -> Iterator[Placed]: ...


class Few:
    """Placements in memory."""

    def __init__(self, placed: Iterable[Placed] = ()) -> None:
        self._of: dict[int, list[Placed]] = {}
        for each in placed:
            self.append(each)

    def append(self, placed: Placed) -> None:
        """Place one more."""
        self._of.setdefault(placed.bin, []).append(placed)

    def bins(self) -> Iterable[int]:
        """The numbers of the bins that something is placed in."""
        return self._of.keys()

    def of(self, number: int) -> Sequence[Placed]:
        """What is placed in a bin, by its number; nothing for another one."""
        return self._of.get(number, ())

    def __iter__(self) -> Iterator[Placed]:
        return chain.from_iterable(self._of.values())


class Pages(Protocol):
    """Rendered pages, wherever their bytes lie."""

    def __getitem__(self, number: int, /) -> Page: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Page]: ...


@dataclass(frozen=True, slots=True)
class Differences:
    """What the next release changes: sealed offline files with the pages of held names, rendered pages, policies, the
    targets that come or change (``placed``) and go (``gone``), and the whole content of each bin that changes or is
    due. ``superseded`` are the stored files that nothing will name any more, but for those of the roles. With none of
    them only the timestamp moves on, unless ``snapshot_due``. ``rebinned`` is the new number of bins where that
    changes; then ``bins`` are all of them.
    """

    offline: tuple[Role, ...] = ()
    held: tuple[tuple[str, bytes], ...] = ()
    pages: Pages = ()
    policies: tuple[Page, ...] = ()
    placed: Placements = field(default_factory=Few)
    gone: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    bins: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    snapshot_due: bool = False
    rebinned: layout.Bins | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Everything that becomes true at one commit. ``follows`` is the generation that it was made from. ``sizes`` are
    how many targets each bin has, where the number of bins changes.
    """

    generation: int
    follows: int
    roles: Roles | tuple[Role, ...]
    timestamp: Role
    snapshot: Meta
    listing: Listing
    new: Differences
    sizes: Mapping[int, int] = field(default_factory=dict)

    @property
    def immutable(self) -> Iterator[tuple[str, bytes, str]]:
        """Paths, bytes and their SHA-256 in the order to copy them out; the timestamp is pointed to last."""
        pages = ((f"targets/{page.stored_at}", page.body) for page in chain(self.pages, self.policies))
        yield from ((path, body, sha256(body)) for path, body in chain(self.new.held, pages))
        yield from ((role.path, role.body, role.digest) for role in self.roles if role.name != layout.TIMESTAMP)

    @property
    def snapshot_version(self) -> int:
        """Also of a snapshot that stays as it was while the timestamp moves on."""
        return self.snapshot.version

    @property
    def pages(self) -> Pages:
        """The pages of names that changed."""
        return self.new.pages

    @property
    def policies(self) -> tuple[Page, ...]:
        """The policies and acts of flags that come with it, as they are rendered."""
        return self.new.policies


def replacing_nothing(number: int) -> Iterable[bytes]:
    """What is shown where nobody judges."""
    del number
    return ()


def assemble(
    base: Base, new: Differences, bins: layout.Bins, lifetimes: Lifetimes, signer: Signer, now: datetime,
    roles: Roles | None = None, each: Each = map, shown: Shown = replacing_nothing,
) -> Release:  # fmt: skip
    """Build and sign the release after ``base``. Pure: nothing is true until it is committed. What is signed is kept in
    ``roles``, an empty list by default; ``each`` is how the bins are gone through, and ``shown`` what each replaces.
    """

    def encoded(content: tuple[int, Mapping[str, str]]) -> tuple[int, int, Unsigned]:
        number, entries = content
        return number, len(entries), _bin(base, bins.role(number), number, entries, lifetimes, now)

    def sign(payload: bytes) -> Signatures:
        return signer.sign_all((Asked(payload),))[0]

    made: Roles = [] if roles is None else roles
    made.extend(new.offline)
    sizes = {}
    for chunk in _together(each(encoded, new.bins.items())):
        asked = [Asked(unsigned.payload, partial(shown, number)) for number, _, unsigned in chunk]
        for (number, size, unsigned), signatures in zip(chunk, signer.sign_all(asked), strict=True):
            made.append(unsigned.signed(signatures))
            if new.rebinned and size:
                sizes[number] = size
    snapshot, listing = base.snapshot, base.listing
    if made or new.snapshot_due or snapshot is None:
        listing = listing.amended(metas(made))
        version = max(snapshot.version if snapshot else 0, base.spent.get(layout.SNAPSHOT, 0)) + 1
        signed_list = snapshot_file(version, listing, now + lifetimes.snapshot, sign)
        made.append(signed_list)
        snapshot = _pinned(signed_list)
    generation = max(base.generation, base.spent.get(layout.TIMESTAMP, 0)) + 1
    timestamp = timestamp_file(generation, snapshot, now, now + lifetimes.timestamp, sign)
    made.append(timestamp)
    return Release(generation, base.generation, made, timestamp, snapshot, listing, new, sizes)


def metas(roles: Iterable[Role]) -> dict[str, Meta]:
    """What a snapshot says of these files."""
    return {
        role.name: _pinned(role) if role.name in layout.OFFLINE else Meta(role.version)
        for role in roles
        if role.name not in (layout.ROOT, layout.SNAPSHOT, layout.TIMESTAMP)
    }


def _pinned(role: Role) -> Meta:
    return Meta(role.version, len(role.body), role.digest)


def _together(bins: Iterable[tuple[int, int, Unsigned]]) -> Iterator[list[tuple[int, int, Unsigned]]]:
    """In chunks that are signed at once."""
    chunk: list[tuple[int, int, Unsigned]] = []
    length = 0
    for each in bins:
        chunk.append(each)
        length += len(each[2].payload)
        if len(chunk) == TOGETHER or length >= TOGETHER_BYTES:
            yield chunk
            chunk, length = [], 0
    if chunk:
        yield chunk


def _bin(
    base: Base, role: str, number: int, entries: Mapping[str, str], lifetimes: Lifetimes, now: datetime
) -> Unsigned:
    before = base.versions.get(role)
    version = layout.next_version(before) if before else layout.first_version(number, base.highest)
    return unsigned_bin(role, version, entries, now + lifetimes.bin)
