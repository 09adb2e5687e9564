"""Do the database, the public files and a verifying client agree? Every signature, every invariant, and no trust in
what wrote them: all is read back from bytes, by python-tuf's client and by keys/, as a stranger would.

It reads one moment of the journal, so it can run beside a service that goes on publishing. Nothing is ever written.
Memory holds some bins and one name (and the versions of all roles), whatever the size of the repository.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, Final

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Root, Targets
from tuf.ngclient import Updater

from keys import counting, invariants, layout, names, page, rules, strict, succession, trust
from keys.counting import Delegator
from keys.encoding import sha256
from keys.state import NameState
from keys.times import moment, stamp
from keys.tlog.proofs import policy_of
from repo_service.build.due import Signed
from repo_service.build.metadata import metadata_path
from repo_service.build.pages import Layout, Target, page_of, policy_page, stored_at
from repo_service.domain import changes as c
from repo_service.domain.evolve import evolve
from repo_service.mending import logcheck
from repo_service.mending.damage import (
    CEREMONY,
    MOVE_AWAY,
    PUBLISH,
    REBUILD,
    RECOVER,
    RESTORE,
    UPLOAD,
    Problem,
    Progress,
    artifacts,
)
from repo_service.storage.depot import Depot, version_of
from repo_service.storage.inventory import Inventory
from repo_service.storage.journal import Journal
from repo_service.storage.mirror import BASE, Mirror

_UNSIGNED: Final = 1 << 62
"""Later than every release."""
_CHUNK: Final = 64
"""Bins that one client looks at: it keeps all that it has read."""


@dataclass(frozen=True, slots=True)
class Repository:
    """What is examined: journal, depot and layout, at which time; ``progress`` hears what is being looked at, and how
    far; ``make_updater`` makes python-tuf's client.
    """

    journal: Journal
    depot: Depot
    layout: Layout
    now: datetime
    progress: Progress = lambda *_: None
    make_updater: Callable[..., Updater] = Updater


@dataclass(frozen=True, slots=True)
class _Trusted:
    """The delegators of everything that is signed online, once the offline files hold together."""

    root: Root
    bins: Targets
    shape: layout.Bins


@dataclass(frozen=True, slots=True)
class _Look:
    """One moment of a repository, and what several checks ask for. ``trusted`` is None where nobody can be."""

    its: Repository
    view: Inventory
    roles: Mapping[str, Signed]
    staged: frozenset[int]
    trusted: _Trusted | None = None


def examine(its: Repository) -> Iterator[Problem]:
    """Every problem there is."""
    return _examine(its, (*_QUICK, _histories, _leaves, _artifacts))


def examine_quickly(its: Repository) -> Iterator[Problem]:
    """As ``examine``, without replaying the events of each name and without looking for artifacts."""
    return _examine(its, _QUICK)


def _examine(its: Repository, checks: Iterable[Callable[[_Look], Iterator[Problem]]]) -> Iterator[Problem]:
    with its.journal.inventory() as view:
        look = _Look(its, view, view.every_role(), frozenset(view.staged()))
        trusted, problems = _offline(look)
        yield from problems
        for check in checks:
            yield from check(replace(look, trusted=trusted))


# The releases and the pointer.


def _pointer(look: _Look) -> Iterator[Problem]:
    """The public timestamp is the newest release's that was copied out."""
    newest, public = look.view.pointed(), look.its.depot.pointer()
    if newest is None:
        return
    generation, timestamp = newest
    where = metadata_path(layout.TIMESTAMP, generation)
    if public is None:
        yield Problem(where, f"is missing; clients should see timestamp {generation}", REBUILD)
        return
    try:
        version = version_of(public)
    except (ValueError, KeyError, TypeError):
        yield Problem(where, "is no timestamp", MOVE_AWAY)
        return
    if version > generation and not _is_known(look.its.journal, version):
        yield Problem(where, f"is version {version}; the newest release of the journal is {generation}", RECOVER)
    elif version < generation:
        yield Problem(where, f"is version {version}; {generation} was published", REBUILD)
    elif version == generation and public != timestamp:
        yield Problem(where, f"is of version {version} and not as it was signed", MOVE_AWAY)


def _is_known(journal: Journal, generation: int) -> bool:
    """Whether publishing just went on, since this look began."""
    with journal.reading() as view:
        head = view.head()
    return head is not None and head.generation >= generation


def _log(look: _Look) -> Iterator[Problem]:
    """The public checkpoint, and the proof that goes with the public timestamp."""
    with look.its.journal.reading() as view:  # publishing may have gone on since this look began
        newest = view.newest_logged()
    yield from logcheck.pointed_wrong(look.view, look.its.depot, newest.size if newest else 0)
    if look.trusted is not None:
        yield from logcheck.unproven(look.view, look.its.depot, policy_of(look.trusted.root))


def _leaves(look: _Look) -> Iterator[Problem]:
    """The log itself, leaf by leaf."""
    return logcheck.leaves_wrong(look.view, look.its.depot, look.its.progress)


def _staged(look: _Look) -> Iterator[Problem]:
    """Every release is copied out. What is being copied at this moment is given a moment."""
    if look.staged:
        time.sleep(1)
        with look.its.journal.reading() as view:
            still = look.staged.intersection(view.staged())
        for generation in sorted(still):
            yield Problem(f"release {generation}", "is signed and not copied out", PUBLISH)
    for generation in look.view.lost_releases():
        yield Problem(f"release {generation}", "is named by events and does not exist", RESTORE)


# The files.


def _files(look: _Look) -> Iterator[Problem]:
    """Every file of the current state is in the journal and in the depot, to the byte."""
    total, _ = look.view.counted()
    for number, file in enumerate(look.view.current_files(), 1):
        look.its.progress("files", number, total)
        if file.body is None:
            yield Problem(file.path, "is of the current state, and the journal has no copy of it", RESTORE)
        elif (len(file.body), sha256(file.body)) != (file.length, file.sha256):
            yield Problem(file.path, "the journal's own copy is not what was signed", RESTORE)
        if file.release in look.staged:
            continue
        found = look.its.depot.read(file.path)
        if found is None:
            yield Problem(file.path, "is missing in the depot", REBUILD)
        elif (len(found), sha256(found)) != (file.length, file.sha256):
            yield Problem(file.path, "has other bytes in the depot than were signed", MOVE_AWAY)


# What is signed.


def _offline(look: _Look) -> tuple[_Trusted | None, list[Problem]]:
    """The files of ceremonies hold together, from the first root on; whom they trust online."""
    found: dict[str, bytes] = {}
    for role in layout.OFFLINE:
        newest = look.roles[role].version if role in look.roles else 0
        for version in range(1, newest + 1) if role == layout.ROOT else (newest,):
            if (body := look.view.current(metadata_path(role, version))) is not None:
                found[f"{version}.{role}.json"] = body
    try:
        held = _listed(found.get(f"{look.roles[layout.HELD].version}.{layout.HELD}.json"))
        for path, entry in held.items():
            stored = stored_at(path, entry["hashes"]["sha256"])
            found |= {stored: body} if (body := look.view.current(stored)) is not None else {}
        read = trust.read(found)
    except (trust.NotTrusted, strict.Malformed, KeyError) as error:
        return None, [Problem("the files of ceremonies", f"do not hold together: {error}", RESTORE)]
    bins = read.newest[layout.BINS].body
    assert isinstance(bins, Targets)
    problems = []
    for role, file in read.newest.items():
        late = rules.date_problems(role, file.body.expires, look.its.now)
        problems += [Problem(file.name, each.removeprefix(f"{role}: "), CEREMONY) for each in late]
        if look.roles[role].expires != file.body.expires:
            problems.append(
                Problem(file.name, f"expires {stamp(file.body.expires)}; the journal says otherwise", RESTORE)
            )
    return _Trusted(read.root, bins, trust.bins_shape(bins)), problems


def _online(look: _Look) -> Iterator[Problem]:
    """Timestamp, snapshot and bins: signed for their delegators, and saying what the journal says."""
    if look.trusted is None or (head := look.view.head()) is None:
        return
    problems, signed = _read(look, look.trusted.root, layout.TIMESTAMP, head.timestamp)
    yield from problems
    pinned = {"snapshot.json": head.snapshot.described()}
    if signed and signed["meta"] != pinned:
        yield Problem(f"timestamp {head.generation}", f"does not name snapshot {head.snapshot.version}", RESTORE)
    yield from _snapshot(look, look.trusted)
    for number in range(len(look.trusted.shape)):
        look.its.progress("bins", number + 1, len(look.trusted.shape))
        yield from _bin(look, look.trusted, number)


def _snapshot(look: _Look, trusted: _Trusted) -> Iterator[Problem]:
    """It lists every role but root and timestamp, at its newest version, and pins the bytes of the offline ones; bins
    of a former number of bins too, as clients want of a snapshot what was ever in one.
    """
    data = look.view.current(metadata_path(layout.SNAPSHOT, look.roles[layout.SNAPSHOT].version))
    problems, signed = _read(look, trusted.root, layout.SNAPSHOT, data)
    yield from problems
    if signed is None:
        return
    expected = {f"{role}.json": each.version for role, each in look.roles.items() if role != layout.ROOT}
    for online in layout.ONLINE:
        del expected[f"{online}.json"]
    expected |= {f"{role}.json": version for role, version in look.view.former_bins().items()}
    listed = {file: meta["version"] for file, meta in signed["meta"].items()}
    for file in sorted(expected.keys() | listed.keys()):
        if expected.get(file) != listed.get(file):
            said = f"lists {file} as {listed.get(file)}; the newest is {expected.get(file)}"
            yield Problem(f"snapshot {signed['version']}", said, RESTORE)
    for role in layout.OFFLINE:
        body = look.view.current(metadata_path(role, look.roles[role].version))
        meta = signed["meta"].get(f"{role}.json")
        if meta and body and (meta.get("length"), meta.get("hashes")) != (len(body), {"sha256": sha256(body)}):
            yield Problem(f"snapshot {signed['version']}", f"does not pin the bytes of {role}", RESTORE)


def _bin(look: _Look, trusted: _Trusted, number: int) -> Iterator[Problem]:
    """A bin lists exactly the journal's targets of it, and says which bin it is."""
    role = trusted.shape.role(number)
    if role not in look.roles:
        yield Problem(role, "was never signed", RESTORE)
        return
    problems, signed = _read(look, trusted.bins, role, look.view.current(metadata_path(role, look.roles[role].version)))
    yield from problems
    if signed is None:
        return
    if signed.get(layout.ROLE_FIELD) != role or signed["version"] % layout.BIN_STRIDE != number:
        yield Problem(role, f"says it is {signed.get(layout.ROLE_FIELD)} {signed['version']}", RESTORE)
    rows = look.view.bin(number)
    for path in sorted(rows.keys() | signed["targets"].keys()):
        if trusted.shape.number(path) != number:
            yield Problem(path, f"is in {role}, where nobody looks for it", RESTORE)
        if path not in rows or signed["targets"].get(path) != json.loads(rows[path]):
            yield Problem(path, f"is in {role} otherwise than in the journal", RESTORE)


def _read(
    look: _Look, delegator: Delegator, role: str, data: bytes | None
) -> tuple[list[Problem], dict[str, Any] | None]:
    """What a signed file says, and whether it is signed and dated as the journal says."""
    where = f"{role} {look.roles[role].version}" if role in look.roles else role
    if data is None:
        return [Problem(where, "is not in the journal's current state", RESTORE)], None
    try:
        signed: dict[str, Any] = _body(data)
        count = counting.count_file(delegator, role, data)
        said = signed["version"], moment(signed["expires"])
    except (RepositoryError, ValueError, KeyError, TypeError) as error:
        return [Problem(where, f"cannot be read: {error}", RESTORE)], None
    problems = []
    if not count.met:
        problems.append(Problem(where, f"is signed by {count.distinct} of {count.threshold} keys", RESTORE))
    if said != (look.roles[role].version, look.roles[role].expires):
        problems.append(
            Problem(where, f"is version {said[0]} until {signed['expires']}; the journal says otherwise", RESTORE)
        )
    elif said[1] <= look.its.now:
        problems.append(Problem(where, f"expired {signed['expires']}", PUBLISH))
    return problems, signed


def _body(data: bytes) -> dict[str, Any]:
    plain = strict.parse(data)
    if not isinstance(plain, dict) or not isinstance(plain.get("signed"), dict):
        raise ValueError("it is no signed file")
    signed: dict[str, Any] = plain["signed"]
    return signed


def _listed(data: bytes | None) -> dict[str, Any]:
    if data is None:
        raise strict.Malformed("held.json", "is not in the journal's current state")
    targets: dict[str, Any] = _body(data)["targets"]
    return targets


# Names and their pages.


def _named(look: _Look, what: str) -> Iterator[c.Name]:
    _, total = look.view.counted()
    for number, name in enumerate(look.view.all_names(), 1):
        look.its.progress(what, number, total)
        yield name


def _pages(look: _Look) -> Iterator[Problem]:
    """Every name has a page in the bins, and where nothing is pending it is the page of the name's state."""
    for name in _named(look, "pages"):
        assert name.state is not None, "a row of names has a state"
        targets = {target.path: target for _, target in look.view.targets_of([name.name])}
        yield from _page(look, name.state, targets, waiting=look.view.is_pending(name.name))
    for who, path in look.view.strays():
        yield Problem(path, f"is a target of {who}, which nobody ever touched", RESTORE)
    for document in look.view.signed_documents():
        own = policy_page(document).targets[0]
        if look.view.target(own.path) != own:
            yield Problem(own.path, f"is not the target that {document.id} should be", RESTORE)


def _page(look: _Look, state: NameState, targets: dict[str, Target], *, waiting: bool) -> Iterator[Problem]:
    own = targets.get(names.page_path(state.name))
    if own is None:
        if not waiting:
            yield Problem(state.name, "has no signed page", RESTORE)
        return
    body = look.view.current(own.stored_at)
    if body is None:
        yield Problem(state.name, f"its signed page is not in the journal's current state: {own.stored_at}", RESTORE)
        return
    try:
        signed = page.parse(body)
    except page.InvalidPage as error:
        yield Problem(state.name, f"its signed page cannot be read: {error}", RESTORE)
        return
    if signed.name != state.name or sha256(body) != own.sha256:
        yield Problem(state.name, f"its signed page is another: of {signed.name}", RESTORE)
    if waiting:
        return
    expected = page_of(state, look.its.layout)
    if expected.body != body:
        yield Problem(state.name, f"its signed page (serial {signed.serial}) is not that of its state", RESTORE)
    made = {target.path: target for target in expected.targets}
    for path in sorted(made.keys() | targets.keys()):
        if made.get(path) != targets.get(path) and path != own.path:
            yield Problem(path, "is signed otherwise than the state says", RESTORE)


def _histories(look: _Look) -> Iterator[Problem]:
    """Every name is the fold of its events, of which each is in one release, and no release took anything back."""
    for name in _named(look, "histories"):
        try:
            yield from _history(look, name)
        except (AssertionError, ValueError, KeyError) as error:
            yield Problem(name.name, f"its events do not follow each other: {error}", RESTORE)


def _history(look: _Look, name: c.Name) -> Iterator[Problem]:
    folded, last, signed = c.Name(name.name, None, None), 0, None
    number = 0
    if begun := look.view.begun_from(name.name):  # what came before was lost with an older journal
        folded, number, last = begun
    for each in look.view.history(name.name, after=number):
        number += 1
        release = _UNSIGNED if each.release is None else each.release
        if each.serial != number:
            yield Problem(name.name, f"event {number} is missing: {each.serial} comes next", RESTORE)
            return
        if release < last:
            yield Problem(name.name, f"event {number} is signed in release {release}, before those it follows", RESTORE)
        if last and release != last:
            yield from _succession(signed, folded.state)
            signed = folded.state
        folded, last = evolve(folded, each.event), release
    if last != _UNSIGNED:
        yield from _succession(signed, folded.state)
        signed = folded.state
    if folded != name:
        yield Problem(name.name, "its state is not what its events lead to", RESTORE)
    if signed is not None:
        yield from _signed_state(look, signed)


def _succession(before: NameState | None, after: NameState | None) -> Iterator[Problem]:
    if before is not None and after is not None:
        for broken in succession.broken_promises(before, after):
            yield Problem(after.name, f"serial {after.serial} takes something back: {broken.sentence}", RESTORE)


def _signed_state(look: _Look, signed: NameState) -> Iterator[Problem]:
    """The page in the bins is the one that the signed events lead to, and it breaks no invariant."""
    for broken in invariants.broken_invariants(signed, look.its.now):
        yield Problem(signed.name, f"is signed and breaks {broken}", RESTORE)
    target = look.view.target(names.page_path(signed.name))
    if target is not None and target.sha256 != sha256(page.render(signed)):
        yield Problem(signed.name, "its signed page is not what its signed events lead to", RESTORE)


# Artifacts.


def _artifacts(look: _Look) -> Iterator[Problem]:
    """The files of an embedded registry lie where their targets point."""
    for name in _named(look, "artifacts"):
        assert name.state is not None, "a row of names has a state"
        for path, size in artifacts(name.state):
            if (found := look.its.depot.size(path)) is None:
                yield Problem(path, "is missing in the depot", UPLOAD)
            elif size is not None and found != size:
                yield Problem(path, f"has {found} bytes in the depot, not {size}", MOVE_AWAY)


# A client.


def _client(look: _Look) -> Iterator[Problem]:
    """python-tuf's client, which trusts the first root alone, finds in every bin what the journal says."""
    first, head = look.view.current(metadata_path(layout.ROOT, 1)), look.view.head()
    if first is None or look.trusted is None or head is None:
        return
    shape = look.trusted.shape
    for start in range(0, len(shape), _CHUNK):
        look.its.progress("a client", start, len(shape))
        with tempfile.TemporaryDirectory() as folder:
            updater = look.its.make_updater(
                folder, f"{BASE}/metadata", target_dir=folder, target_base_url=f"{BASE}/targets",
                fetcher=Mirror(look.its.depot), bootstrap=first,
            )  # fmt: skip
            try:
                updater.refresh()
                if look.its.depot.pointer() == head.timestamp:
                    yield from _found(look, updater, range(start, min(start + _CHUNK, len(shape))))
            except (RepositoryError, DownloadError, OSError) as error:
                yield Problem("a client", f"refuses what is public: {type(error).__name__}: {error}", _REFUSED)
                return
    look.its.progress("a client", len(shape), len(shape))


_REFUSED: Final = "what is wrong with the files themselves is listed with them"


def _found(look: _Look, updater: Updater, bins: Iterable[int]) -> Iterator[Problem]:
    for number in bins:
        for path, entry in islice(look.view.bin(number).items(), 1):
            found = updater.get_targetinfo(path)
            if found is None or found.to_dict() != json.loads(entry):
                yield Problem(path, f"a client finds {found and found.to_dict()}, not {entry}", RESTORE)
            elif path.startswith("simple/"):
                updater.download_target(found)


_QUICK: Final = (_pointer, _log, _files, _online, _pages, _client, _staged)
