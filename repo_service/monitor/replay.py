"""One release of the log, replayed: events to states, states to pages, pages to bins, bins to the snapshot.

Everything that was signed must come out again to the byte, from what is logged alone. Where it does not, that is said
once and the monitor goes on from what was signed, so that one lie is one finding and hides nothing that follows it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from keys import layout, names, page, strict, trust
from keys.encoding import sha256
from keys.layout import Bins
from keys.state import NameState
from keys.times import moment
from keys.tlog import leaves
from keys.tlog.leaves import BadLeaf
from repo_service.build.growth import LOG
from repo_service.build.listing import Listing, Meta
from repo_service.build.metadata import snapshot_body
from repo_service.build.pages import Target, file_targets, page_of, stored_at
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.evolve import evolve
from repo_service.domain.flags import FlagAct
from repo_service.domain.logged import SALT_BYTES, Logged, PageSum, text_path
from repo_service.monitor import codes, judging
from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.known import Known, Names
from repo_service.monitor.order import out_of_time, wrong_order, wrong_state
from repo_service.monitor.reading import Public
from repo_service.monitor.seen import Announced, Happened, Released, SealedFile, Seen, Watch, WentOn
from repo_service.monitor.shelves import Shelves, Sums
from repo_service.monitor.sorting import Leaves, sorted_out
from repo_service.monitor.steps import illegal_steps
from repo_service.monitor.trusting import read_sealed, signed_file

KEPT_RELEASES: Final = 4096
"""How many of the last releases' leaves are kept: what is served is one of them."""
Unread = tuple[str, str]
"""A code and a sentence."""
_GONE: Final = b"(a text that was taken back)"


@dataclass(slots=True)
class _Touched:
    """A name that changes in a release: what was known of it, its state so far, its last event, and the page that the
    log names. ``is_whole`` unless a text is missing, ``is_read`` unless an event is.
    """

    before: Known | None
    state: NameState | None
    index: int
    page: PageSum | None = None
    is_whole: bool = True
    is_read: bool = True


class Replay:
    """The replay of a book's log, from where it was left. ``release`` is called within a transaction of the book; after
    an exception it must be made anew.
    """

    def __init__(self, book: Book, public: Public, watches: Sequence[Watch] = ()) -> None:
        self._book = book
        self._db = book.db
        self._public = public
        self._watches = watches
        self.names = Names(book)
        self.last = last_release(book)
        self._law = judging.Law()
        for (body,) in self._db.execute("SELECT body FROM document ORDER BY number"):
            for _ in self._law.take(_document(body)):
                pass  # it was said when the document came
        roles = self._db.execute("SELECT role, version, length, sha256 FROM role").fetchall()
        self._metas = {role: Meta(version, length, digest) for role, version, length, digest in roles}
        self._listing = Listing.of({role: meta for role, meta in self._metas.items() if role != layout.ROOT})
        self._shape = Bins(self.last.bit_length) if self.last else None
        if self._shape:
            self._shelves = Shelves(book, self._shape)
            digests = self._db.execute("SELECT number, sha256 FROM body").fetchall()
            self._sums = Sums(self._shape, dict(digests))
        self._changed_roles: set[str] = set()
        self._relisted: set[str] = set()
        self._changed_bins: dict[int, tuple[bytes, int]] = {}

    def release(self, first: int, raw: Sequence[bytes]) -> Iterator[Finding]:
        """Take in a release's leaves, the first of which has this index, and say what is wrong with them."""
        found: list[Finding] = []
        its = sorted_out(first, raw, found)
        yield from found
        touched: dict[str, _Touched] = {}
        placed = set[int]()
        if self._shape != (shape := Bins(its.last[1].bit_length)):
            if self._shape:
                self._shelves.write()
            self._shelves = Shelves(self._book, shape)
        for index, sealed in its.sealed:
            yield from self._take_sealed(index, sealed, its.at)
        for index, document in its.documents:
            yield from self._take_document(index, document, its.at, placed)
        for index, taken_over in its.taken_over:
            yield from self._take_over(index, taken_over, its.at, touched)
        for index, event in its.events:
            yield from self._take_event(index, event, its.at, touched)
        for name, each in touched.items():
            yield from self._sign_page(name, each, its.last[1], placed)
        yield from self._sign_bins(its, placed)
        yield from self._sign_snapshot(its)
        self._db.execute(
            "INSERT OR REPLACE INTO release VALUES (?, ?, ?)", (its.last[1].generation, its.last[0], raw[-1])
        )
        bins = sum(len(each.bins) for _, each in its.bins)
        yield from self._watched(Released(its.last[0], its.last[1], self.last, len(its.events), bins))
        self.last = its.last[1]

    def write(self) -> None:
        """Before the transaction ends."""
        self.names.write()
        if self.last is None:
            return
        self._shelves.write()
        metas = ((role, self._metas[role]) for role in self._changed_roles)
        rows = ((role, meta.version, meta.length, meta.sha256) for role, meta in metas)
        self._db.executemany("INSERT OR REPLACE INTO role VALUES (?, ?, ?, ?)", rows)
        bins = ((number, *each) for number, each in self._changed_bins.items())
        self._db.executemany("INSERT OR REPLACE INTO body VALUES (?, ?, ?)", bins)
        older = "SELECT place FROM release ORDER BY place DESC LIMIT 1 OFFSET ?"
        self._db.execute(f"DELETE FROM release WHERE place <= ({older})", (KEPT_RELEASES,))  # noqa: S608 - no value
        self._changed_roles, self._changed_bins = set(), {}

    def _watched(self, seen: Seen) -> Iterator[Finding]:
        for watch in self._watches:
            yield from watch(seen)

    # Ceremonies, documents and names that go on.

    def _take_sealed(self, index: int, leaf: leaves.Sealed, at: str) -> Iterator[Finding]:
        known = self._metas.get(leaf.role)
        if known and leaf.version <= known.version:
            yield codes.found("sealed-backwards", f"{leaf.role} {leaf.version} follows {known.version}", at, index)
        self._put_role(leaf.role, Meta(leaf.version, leaf.length, leaf.sha256))
        data = read_sealed(self._public, leaf.role, leaf.version)
        if data is None and leaf.role == layout.ROOT:
            yield codes.found("sealed-differs", f"root {leaf.version} is not there; roots stay for ever", at, index)
        if data is not None and (why := _wrong_sealed(leaf, data)):
            yield codes.found("sealed-differs", f"{leaf.role} {leaf.version}: {why}", at, index)
            data = None
        yield from self._watched(SealedFile(index, leaf, data))

    def _take_document(self, index: int, leaf: leaves.Document, at: str, placed: set[int]) -> Iterator[Finding]:
        target = Target.of(leaf.path, leaf.length, leaf.sha256)
        placed.add(self._shelves.put(target.path, target.entry))
        body = self._public.read(target.stored_at)
        try:
            document = _document_at(leaf, body)
        except ValueError as error:
            yield codes.found("document-differs", f"{leaf.path}: {error}", at, index)
            return
        for why in self._law.take(document):
            yield codes.found("document-differs", why, at, index)
        self._db.execute(
            "INSERT OR REPLACE INTO document SELECT ?, 1 + count(*), ? FROM document", (leaf.path, document.body)
        )
        yield from self._watched(Announced(index, document))

    def _take_over(
        self, index: int, leaf: leaves.TakenOver, at: str, touched: dict[str, _Touched]
    ) -> Iterator[Finding]:
        its = self._touch(leaf.name, index, touched)
        state = self._page(leaf.name, PageSum(leaf.length, leaf.sha256))
        if state is None or state.serial != leaf.serial:
            yield codes.found("page-taken-over", f"{leaf.name}: its page is not there", at, index, leaf.name)
        its.state, its.page, its.is_whole = state or its.state, PageSum(leaf.length, leaf.sha256), state is not None
        yield from self._watched(WentOn(index, leaf, state))

    def _touch(self, name: str, index: int, touched: dict[str, _Touched]) -> _Touched:
        if name not in touched:
            known = self.names.get(name)
            state, is_whole = (known.state, known.is_whole) if known else (None, True)
            touched[name] = _Touched(known, state, index, None, is_whole)
        touched[name].index = index
        return touched[name]

    def _page(self, name: str, its: PageSum) -> NameState | None:
        """What a page says that the log names, if it is still there."""
        try:
            path = stored_at(names.page_path(name), its.sha256)
        except names.InvalidName:
            return None
        body = self._public.read(path)
        if body is None or (len(body), sha256(body)) != (its.length, its.sha256):
            return None
        try:
            state = page.parse(body)
        except page.InvalidPage:
            return None
        return state if state.name == name else None

    # Events.

    def _take_event(self, index: int, leaf: Logged, at: str, touched: dict[str, _Touched]) -> Iterator[Finding]:
        its = self._touch(leaf.name, index, touched)
        its.page = leaf.page
        unread = list[Unread]()
        try:
            event = leaf.event(self._opener(unread))
        except BadLeaf as error:
            unread = unread or [("leaf-malformed", str(error))]
            event = None
        for code, why in unread:
            yield codes.found(code, f"event {leaf.seq} of {leaf.name}: {why}", at, index, leaf.name)
        its.is_whole &= not unread
        if event is None:
            its.is_read = False
            return
        before = its.state
        yield from self._wrong_event(index, leaf, event, before, at)
        its.state, problems = _evolved(before, event)
        for why in problems:
            yield codes.found("step-illegal", f"{leaf.name}: {why}", event.at, index, leaf.name)
        yield from self._watched(Happened(index, event, leaf.serial, before, its.state))

    def _wrong_event(
        self, index: int, leaf: Logged, event: c.Event, before: NameState | None, at: str
    ) -> Iterator[Finding]:
        expected = before.serial + 1 if before else 1
        if leaf.serial != expected:
            sentence = f"event {leaf.seq} of {leaf.name} has serial {leaf.serial}, and {expected} comes next"
            yield codes.found("serial", sentence, event.at, index, leaf.name)
        try:
            for why in out_of_time(event, before, at):
                yield codes.found("time-backwards", why, event.at, index, leaf.name)
            yield from judging.objections(self._law, before, event, index)
        except (ValueError, OverflowError) as error:  # such a version, or such a time
            sentence = f"event {leaf.seq} of {leaf.name} cannot be judged: {error}"
            yield codes.found("policy-broken", sentence, event.at, index, leaf.name)

    def _opener(self, unread: list[Unread]) -> Callable[[str], bytes]:
        """Texts by their digests; one that is gone is replaced, so that all else can be replayed."""

        def opened(digest: str) -> bytes:
            body = self._public.read(LOG + text_path(digest))
            if body is not None and sha256(body) == digest:
                return body[SALT_BYTES:]
            what = ("text-gone", "was taken back") if body is None else ("text-differs", "is another one")
            unread.append((what[0], f"the text {digest:.16}… {what[1]}; the name's page is not made again"))
            return _GONE

        return opened

    # What is signed.

    def _sign_page(self, name: str, its: _Touched, release: leaves.Snapshot, placed: set[int]) -> Iterator[Finding]:
        """The page of a name that changed, and its targets in their bins."""
        at, targets = release.signed_at, release.layout
        if (state := its.state) is None:
            return  # its first event is none that can be read; that was said
        made = page_of(state, targets)
        said, whole = its.page, PageSum(len(made.body), made.targets[0].sha256)
        if said is None and self.last is not None:
            yield codes.found("page-unnamed", f"{name} changed, and the log names no page", at, its.index, name)
        if said is not None and said != whole:
            # What was signed is what the next events follow, if it can still be seen.
            signed = self._page(name, said)
            if its.is_whole or (its.is_read and signed is not None and not _same_but_for_texts(state, signed)):
                sentence = (
                    f"the page of {name} is sha256 {said.sha256:.16}…; {whole.sha256:.16}… follows from its events"
                )
                yield codes.found("page-differs", sentence, at, its.index, name)
            state, its.is_whole = signed or state, its.is_whole or signed is not None
        before = its.before.state if its.before and its.before.is_whole else None
        yield from wrong_state(before, state, at, its.index)
        said = said or whole
        own = Target.of(names.page_path(name), said.length, said.sha256)
        self._place(its.before, (own, *file_targets(state, targets)), placed)
        self.names.put(name, Known(state, targets, said, release.generation, its.is_whole))

    def _place(self, before: Known | None, after: tuple[Target, ...], placed: set[int]) -> None:
        """The targets of a name, instead of those that it had."""
        gone = dict[str, str]()
        if before is not None:
            own = Target.of(names.page_path(before.state.name), before.page.length, before.page.sha256)
            gone = {each.path: each.entry for each in (own, *file_targets(before.state, before.layout))}
        for each in after:
            if gone.pop(each.path, None) != each.entry:
                placed.add(self._shelves.put(each.path, each.entry))
        for path in gone:
            placed.add(self._shelves.drop(path))

    def _sign_bins(self, its: Leaves, placed: set[int]) -> Iterator[Finding]:
        """Every bin that was signed, made again and compared."""
        shape, at, is_anew = self._shelves.shape, its.at, self._shape != self._shelves.shape
        floor = self._highest() if is_anew else 0
        if is_anew:
            self._shape, self._sums = shape, Sums(shape, {})
            self._db.execute("DELETE FROM body")
            self._changed_bins = {}
            placed.update(range(len(shape)))
        signed = set[int]()
        for index, leaf in its.bins:
            if leaf.bit_length != shape.bit_length:
                yield codes.found("bins-root", f"bins of {leaf.bit_length} bits in a release of others", at, index)
                continue
            for each in leaf.bins:
                if each.number in signed:
                    yield codes.found("bin-version", f"{shape.role(each.number)} is signed twice", at, index)
                    continue
                signed.add(each.number)
                yield from self._sign_bin(each, leaf.expires, floor, its.last[1], index)
        for number in sorted(placed - signed):
            yield codes.found("bin-unsigned", f"{shape.role(number)} changed and was not signed", at, its.last[0])
        if self._sums.root.hex() != its.last[1].bins:
            sentence = f"the root of all bins is {its.last[1].bins:.16}…; {self._sums.root.hex():.16}… follows"
            yield codes.found("bins-root", sentence, at, its.last[0])

    def _sign_bin(
        self, signed: leaves.SignedBin, expires: str, floor: int, release: leaves.Snapshot, index: int
    ) -> Iterator[Finding]:
        role, number, at = self._shelves.shape.role(signed.number), signed.number, release.signed_at
        yield from self._wrong_version(role, signed, floor, at, index)
        body = self._shelves.payload(number, signed.version, moment(expires))
        if (made := sha256(body)) != signed.sha256:
            sentence = f"{role} {signed.version} is signed with sha256 {signed.sha256:.16}…; {made:.16}… follows"
            yield codes.found("bin-differs", sentence, at, index)
        digest = bytes.fromhex(signed.sha256)
        self._put_role(role, Meta(signed.version))
        self._sums.put(number, digest)
        self._changed_bins[number] = digest, release.generation

    def _wrong_version(self, role: str, signed: leaves.SignedBin, floor: int, at: str, index: int) -> Iterator[Finding]:
        """A bin's version grows by one step; one that begins anew is above all that there ever were."""
        known = self._metas.get(role)
        before = (
            layout.first_version(signed.number, floor) if floor or known is None else layout.next_version(known.version)
        )
        if signed.version < before:
            yield codes.found("bin-version", f"{role} {signed.version} must be at least {before}", at, index)
        elif signed.version > before and self.last is not None:
            yield codes.found("version-gap", f"{role} {signed.version} follows; {before} was next", at, index)

    def _highest(self) -> int:
        return max((meta.version for role, meta in self._metas.items() if role not in layout.OFFLINE), default=0)

    def _sign_snapshot(self, its: Leaves) -> Iterator[Finding]:
        """The snapshot made again and compared; where nothing was signed, only the timestamp is new."""
        index, leaf = its.last
        self._listing = self._listing.amended({role: self._metas[role] for role in self._relisted - {layout.ROOT}})
        self._relisted = set()
        yield from wrong_order(self.last, leaf, index)
        body = snapshot_body(leaf.version, self._listing, moment(leaf.expires))
        if (made := sha256(body)) != leaf.signed:
            sentence = f"snapshot {leaf.version} is signed with sha256 {leaf.signed:.16}…; {made:.16}… follows"
            yield codes.found("snapshot-differs", sentence, leaf.signed_at, index)

    def _put_role(self, role: str, meta: Meta) -> None:
        self._metas[role] = meta
        self._changed_roles.add(role)
        self._relisted.add(role)


def _evolved(before: NameState | None, event: c.Event) -> tuple[NameState | None, list[str]]:
    """The state after an event, and why it is no step that may be taken. What cannot be folded leaves all as it was."""
    problems = [*illegal_steps(before, event)]
    try:
        return evolve(c.Name(event.name, before, None), event).state, problems
    except (AssertionError, ValueError) as error:
        return before, problems or [f"{c.type_of(event.change)} cannot follow: {error}"]


def _same_but_for_texts(ours: NameState, theirs: NameState) -> bool:
    """Whether two states are one, where the texts of ours that were taken back may be any."""
    return _alike(strict.dump(ours), strict.dump(theirs))


def _alike(ours: object, theirs: object) -> bool:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_alike(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_alike, ours, theirs))
    return ours == theirs or (ours == _GONE.decode() and isinstance(theirs, str))


def _wrong_sealed(leaf: leaves.Sealed, data: bytes) -> str | None:
    if (len(data), sha256(data)) != (leaf.length, leaf.sha256):
        return "the file that is served is another one"
    try:
        version = signed_file(leaf.role, data).body.version
    except trust.NotTrusted as error:
        return str(error)
    return None if version == leaf.version else f"it holds version {version}"


def _document_at(leaf: leaves.Document, body: bytes | None) -> Published | FlagAct:
    """The policy or the act of flags at a path. Raises ValueError."""
    if body is None or (len(body), sha256(body)) != (leaf.length, leaf.sha256):
        raise ValueError("it is not there as the log names it")
    document = _document(body)
    if (document.path, document.body) != (leaf.path, body):
        raise ValueError(f"it is {document.id}, or spelled otherwise")
    return document


def _document(body: bytes) -> Published | FlagAct:
    plain = strict.parse(body)
    kind: type[Published | FlagAct] = FlagAct if isinstance(plain, dict) and "act" in plain else Published
    return strict.load(kind, plain)


def last_release(book: Book) -> leaves.Snapshot | None:
    """The leaf of the last release that a book took in."""
    row = book.db.execute("SELECT leaf FROM release ORDER BY place DESC LIMIT 1").fetchone()
    return leaves.read(leaves.Snapshot, row[0]) if row else None
