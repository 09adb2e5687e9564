"""A journal behind newer public files, an older one or one that lost everything, takes back from them what it lost.

Whoever restores an old backup has a journal that would sign again, with other content, what clients have verified
already. The public files hold the whole signed state of everything: which versions were signed, every target, every
name's page. All of it is verified again as a client would, from a root that this journal has or that its operator
brings, and becomes the journal's state; the next release goes on from there, so no client ever sees a step back. The
log holds the releases and the events as well (mending/retelling.py), and what they lead to must be what is public.

What public files cannot hold is lost, and is said: accounts and organisations, idempotency keys, numbers of sequences,
tokens, what was accepted and not signed yet; and without a log the single events (a name goes on from its page).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keys import layout, names, page, strict, succession, trust
from keys.encoding import compact, sha256
from keys.state import TAKING, NameState
from keys.times import stamp
from keys.tlog.binsums import BinSums
from keys.tlog.proofs import policy_of
from repo_service.accepting.writing import keep
from repo_service.build.due import Signed
from repo_service.build.metadata import Role, metadata_path
from repo_service.domain import changes as c
from repo_service.domain.announcing import Published
from repo_service.domain.flags import FlagAct
from repo_service.failpoint import failpoint
from repo_service.mending.damage import Progress
from repo_service.mending.found import STOLEN, Found, public_files, target_file, targets_of
from repo_service.mending.retelling import BOTH, OWNING, NotRecovered, Retold, keep_files, retell
from repo_service.publishing.press import Press
from repo_service.publishing.publish import leased
from repo_service.storage.journal import Collided
from repo_service.storage.recovery import Public, Recovery
from repo_service.storage.releasereading import Head

_ENTRY: Final = re.compile(r"simple/([^/]+)/.*|packages/([^/]+)/.*", re.ASCII)
_GRANTING: Final = "namespace."
_LONG: Final = 3600.0
_MOST_A_SECOND: Final = 1000
_NOT_LOGGED: Final = f"its public page is not what the log's events lead to: {STOLEN}"


@dataclass(frozen=True, slots=True)
class Recovered:
    """The generation that the journal is at now, the names that were taken back, and those of them whose account or
    organisation nobody knows any more. Of the log: how many events, the names that go on from their pages all the same,
    and the digests of texts that were taken back.
    """

    generation: int
    names: tuple[str, ...]
    unknown: tuple[str, ...]
    events: int = 0
    paged: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def recover(press: Press, now: datetime, progress: Progress) -> Recovered | None:
    """Bring the journal to the public state, in one transaction; None if it is not behind. Raises NotRecovered.

    Nothing else may use the journal meanwhile; whoever does waits, and then finds the recovered state.
    """
    with leased(press, _LONG) as epoch, press.journal.writing_with(Recovery) as pen:
        if (head := pen.head()) is None:
            raise NotRecovered(
                "the journal was never begun: `tallystick-service init` is for that, and `recover --from-log ROOT` "
                "for a database that is lost. Nothing was written."
            )
        found = public_files(press, pen.file(metadata_path(layout.ROOT, 1)))
        for root in found.trust.roots:
            if pen.file(f"metadata/{root.name}") not in (None, root.data):
                raise NotRecovered(f"{root.name} is another than this journal's. Nothing was written.")
        if found.public.generation <= head.generation:
            return None
        _check_pace(head, found.public, now)
        return _taken_back(press, pen, found, head.generation, epoch, now, progress)


def recover_lost(press: Press, root: bytes, now: datetime, progress: Progress) -> Recovered:
    """Fill an empty journal with what the public log and the public files say, in one transaction. ``root`` is a root
    of this repository from a source that is trusted. Raises NotRecovered.
    """
    with leased(press, _LONG) as epoch, press.journal.writing_with(Recovery) as pen:
        if pen.roles():
            raise NotRecovered("this database is not empty: `recover` without --from-log. Nothing was written.")
        found = public_files(press, root)
        if found.log is None:
            raise NotRecovered("there is no public log to recover from. Nothing was written.")
        _check_keys(press, found)
        return _taken_back(press, pen, found, 0, epoch, now, progress)


def _check_keys(press: Press, found: Found) -> None:
    """What is recovered must be able to go on."""
    if not press.sign.keyids & {*found.root.roles[layout.TIMESTAMP].keyids}:
        raise NotRecovered("the online key of this folder is not the one that the root names. Nothing was written.")
    policy = policy_of(found.root)
    if policy and not {each.key for each in press.log} & {*policy.keys}:
        raise NotRecovered("log.key of this folder is not the one that the root names. Nothing was written.")


def _check_pace(head: Head, public: Public, now: datetime) -> None:
    """Whoever stole the online key can choose any number, and this would make it ours."""
    ahead = public.generation - head.generation
    if ahead > _MOST_A_SECOND * max(1.0, (now - head.signed_at).total_seconds()):
        raise NotRecovered(
            f"the public timestamp is {ahead} releases ahead of the one that this journal signed at "
            f"{stamp(head.signed_at)}, and no service publishes so often: {STOLEN}. Nothing was written."
        )


def _taken_back(
    press: Press, pen: Recovery, found: Found, follows: int, epoch: int, now: datetime, progress: Progress
) -> Recovered:  # fmt: skip
    generation, shape, told = found.public.generation, found.shape, None
    if found.log is None:
        pen.add_release(found.public, epoch, follows)
    else:
        timestamp, published = found.public.timestamp, int(found.is_pointed)
        told = retell(pen, press.depot, found.log, timestamp, published, epoch, progress)
        _check_sealed(found, told)
    _documents(pen, found, told.documents if told else {})
    _offline(pen, found, press)
    taken, unknown, highest, digests = [], [], 0, {}
    for number in range(len(shape)):
        progress("bins", number + 1, len(shape))
        role = found.role(found.bins, shape.role(number))
        digests[number] = bytes.fromhex(role.signed_digest)
        for path, body in _bin(pen, found, role, number):
            state = _parsed(path, body)
            highest = max(highest, state.event)
            name, is_new = _led_to(pen, told, state, body) if told else _continued(pen, state)
            if is_new:
                unknown += [name.name] if _is_unknown(pen.name(name.name), name, told) else []
                keep(pen, name, pen.policy(now), now)
                taken.append(name.name)
                if told is None or name.name in told.paged:
                    pen.begin_again(name, generation)
            pen.sign_pending(name.name, state.serial, generation)
        _replace_role(pen, press, role, generation)
    pen.drop_misplaced(shape)
    _replace_role(pen, press, found.role(found.root, layout.SNAPSHOT), generation)
    pen.set_role(_timestamp_role(found), press.lifetimes)
    _former_bins(pen, found)
    pen.skip_numbers(highest)
    if told:
        keep_files(pen, press.depot, told, BinSums.of(shape, digests))
        if lost := pen.without_pages():
            raise NotRecovered(f"{lost[0]} has no public page, and the log has its events. Nothing was written.")
    failpoint("recover.written")
    return Recovered(
        generation, tuple(sorted(taken)), tuple(sorted(unknown)),
        *((told.events, tuple(sorted(told.paged)), tuple(told.gone)) if told else ()),
    )  # fmt: skip


def _check_sealed(found: Found, told: Retold) -> None:
    """The newest files of ceremonies are those that the log names."""
    for role, leaf in told.sealed.items():
        file = found.trust.newest[role]
        if (file.body.version, sha256(file.data)) != (leaf.version, leaf.sha256):
            raise NotRecovered(
                f"{leaf.version}.{role}.json is in the log, and the newest that is public is {file.name}: put it back "
                "from the sealed folder of its ceremony. Nothing was written."
            )


def _led_to(pen: Recovery, told: Retold, state: NameState, body: bytes) -> tuple[c.Name, bool]:
    """A name by the log, of which the public page must be what its events lead to; what is pending stays so."""
    name = pen.released_name(state.name)
    if state.name in told.paged:
        if sha256(body) != told.paged[state.name]:
            raise NotRecovered(f"{state.name}: {_NOT_LOGGED}. Nothing was written.")
        return c.Name(state.name, state, None, None, ()), True
    if name.state is None or page.render(name.state) != body:
        raise NotRecovered(f"{state.name}: {_NOT_LOGGED}. Nothing was written.")
    return pen.name(state.name), True


def _bin(pen: Recovery, found: Found, role: Role, number: int) -> Iterator[tuple[str, bytes]]:
    """Make a bin's targets the journal's; the pages that are others than the journal's, with their paths."""
    listed = targets_of(role)
    old = pen.described(listed)
    changed = {path: entry for path, entry in listed.items() if old.get(path) != compact(entry).decode()}
    pages = [path for path in changed if path in old and path.startswith("simple/")]
    pen.supersede(found.public.generation, [target_file(path, strict.parse(old[path].encode())) for path in pages])
    targets = {path: (_name_of(path), compact(entry).decode()) for path, entry in listed.items()}
    pen.set_bin(number, found.shape, targets)
    for path, entry in changed.items():
        if path.startswith(("simple/", "policy/")):
            stored, body = found.target(path, entry)
            pen.add_files(found.public.generation, [(stored, body)])
            if path.startswith("simple/"):
                yield path, body


def _parsed(path: str, body: bytes) -> NameState:
    """The state that a public page says."""
    try:
        state = page.parse(body)
    except page.InvalidPage as error:
        raise NotRecovered(f"{path}: {error}. Nothing was written.") from error
    if names.page_path(state.name) != path:
        raise NotRecovered(f"{path}: is the page of {state.name}. Nothing was written.")
    return state


def _continued(pen: Recovery, state: NameState) -> tuple[c.Name, bool]:
    """A name by its public page, which must follow what the journal knows of it; whether it says anything new."""
    before = pen.name(state.name)
    if before.state is not None and (broken := succession.broken_promises(before.state, state)):
        raise NotRecovered(f"{state.name}: {broken[0].sentence}: {BOTH}. Nothing was written.")
    if before.state == state:
        return before, False  # what was pending here was signed, and nothing else happened
    since = _types_since(before.state, state)
    holder = before.holder if state.state == "reserved" and not since & TAKING else None
    orgs = () if any(each.startswith(_GRANTING) for each in since) else before.orgs
    return c.Name(state.name, state, holder, before.org if not since & OWNING else None, orgs), True


def _types_since(before: NameState | None, state: NameState) -> frozenset[str]:
    serial = before.serial if before else 0
    return frozenset(act.type for act in state.history if act.serial > serial)


def _is_unknown(before: c.Name, after: c.Name, told: Retold | None) -> bool:
    """Whether an account or organisation behind a name is not known, or may be another than before."""
    assert after.state is not None, "what was recovered has a state"
    if told and after.name in told.unknown:
        return True
    reserved = after.state.state == "reserved" and after.holder is None
    granted = after.state.namespace is not None and not after.orgs
    return reserved or granted or (before.org, before.orgs) != (after.org, after.orgs) or before.state is None


def _documents(pen: Recovery, found: Found, logged: Mapping[str, int]) -> None:
    """Policies and acts of flags first, in their order: names are judged by them. ``logged`` says in which release they
    came, by their paths.
    """
    documents: list[Published | FlagAct] = []
    for number in range(len(found.shape)):
        listed = targets_of(found.role(found.bins, found.shape.role(number)))
        documents += [found.document(path, entry) for path, entry in listed.items() if path.startswith("policy/")]
    for document in sorted(documents, key=lambda each: each.at if isinstance(each, FlagAct) else each.published_at):
        try:
            pen.add_document(document, logged.get(document.path, found.public.generation))
        except Collided as error:
            raise NotRecovered(f"{error}: {BOTH}. Nothing was written.") from error


def _offline(pen: Recovery, found: Found, press: Press) -> None:
    generation, before = found.public.generation, pen.every_role()
    pen.add_files(generation, [(f"metadata/{root.name}", root.data) for root in found.trust.roots])
    pen.add_files(generation, [(trust.page_file(path, data), data) for path, data in found.trust.pages.items()])
    for name, file in found.trust.newest.items():
        pen.add_files(generation, [(f"metadata/{file.name}", file.data)])
        old = before.get(name)
        if old and old.version != file.body.version and name != layout.ROOT:
            pen.supersede(generation, [metadata_path(name, old.version)])
        pen.set_role(Role(name, file.body.version, file.body.expires, file.data), press.lifetimes)


def _replace_role(pen: Recovery, press: Press, role: Role, generation: int) -> None:
    old = pen.versions([role.name]).get(role.name)
    if old is not None and old > role.version:
        raise NotRecovered(
            f"{role.name} {role.version} is public, and this journal has signed {old}. Nothing was written."
        )
    if old is not None and old != role.version:
        pen.supersede(generation, [metadata_path(role.name, old)])
    pen.add_files(generation, [(role.path, role.body)])
    pen.set_role(role, press.lifetimes)


def _timestamp_role(found: Found) -> Role:
    public = found.public
    return Role(layout.TIMESTAMP, public.generation, public.expires, public.timestamp)


def _former_bins(pen: Recovery, found: Found) -> None:
    """Of a former number of bins: only their versions count."""
    current, known = {*found.shape.roles(), *layout.OFFLINE, *layout.ONLINE}, pen.every_role()
    for role, version in found.roles.items():
        if role not in current:
            old = known.get(role)
            pen.supersede(found.public.generation, [metadata_path(role, old.version)] if old else [])
            pen.set_former_bin(Signed(role, version, found.public.expires))


def _name_of(path: str) -> str:
    """Whose a target is: a name, or a policy under its own id."""
    if match := _ENTRY.fullmatch(path):
        return names.name_of(match[1] or match[2])
    return path.removeprefix("policy/").removesuffix(".json")
