"""What a release leaves in the database: the rows of the transaction in which it becomes true (``Journal.commit``)."""

from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import datetime
from itertools import chain, islice
from typing import Final

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.exc import IntegrityError

from keys import layout
from keys.encoding import sha256
from keys.signing import keyids_of
from keys.times import stamp
from keys.tlog.proofs import proof_path
from repo_service.build.assemble import Release
from repo_service.build.due import Lifetimes, renew_at
from repo_service.build.growth import LOG
from repo_service.build.logbook import Entered
from repo_service.build.metadata import Role, metadata_path
from repo_service.storage import statements as s
from repo_service.storage import tables as t
from repo_service.storage.direct import Direct
from repo_service.storage.logreading import LoggedRelease
from repo_service.storage.reading import BATCH
from repo_service.storage.releasereading import FILES

LAST: Final = 2**31 - 1
"""The position of what joins a release's files after it was committed."""
_MOVE: Final = {
    "sqlite": text("UPDATE targets SET bin = bin_of(path, :bits)"),
    "postgresql": text(
        "UPDATE targets SET bin = (get_byte(hashed.digest, 0) << 8 | get_byte(hashed.digest, 1)) >> (16 - :bits) FROM "
        "(SELECT path AS hashed_path, sha256(convert_to(path, 'UTF8')) AS digest FROM targets) AS hashed "
        "WHERE path = hashed.hashed_path"
    ),
}
"""Every target into the bin of ``layout.Bins(bits)``, by one statement, however many there are."""


class Overtaken(Exception):
    """Another publisher committed a release after the same one first. Nothing was written; begin again from what it
    left.
    """


def write(
    connection: Connection, release: Release, entered: Entered | None, events: Collection[int], lifetimes: Lifetimes,
    now: datetime, epoch: int,
) -> None:  # fmt: skip
    """All of it, or, by an exception, nothing. Raises Overtaken if something follows that release already."""
    direct = Direct(connection)
    try:
        direct.write(s.STORE_RELEASE, _release_row(release, epoch, now))
        direct.write(s.STORE_FOLLOWED, {"follows": release.follows, "generation": release.generation})
    except IntegrityError as error:
        raise Overtaken(f"a generation after {release.follows} was committed by another publisher") from error
    logged = ((file.path, file.body, sha256(file.body)) for file in entered.files) if entered else ()
    store_files(direct, chain(logged, release.immutable), release.generation)
    _supersede(direct, release)
    if entered:
        _store_entered(direct, entered, release.generation)
    if release.new.rebinned:
        _rebin(connection, direct, release, release.new.rebinned)
    _store_roles(direct, release, lifetimes)
    _store_targets(direct, release)
    if release.new.rebinned:
        _check_rebinned(connection, release)
    marked = _mark_events(direct, events, release.generation)
    assert marked == len(events), "an event is in two releases, although generations follow each other"
    _mark_policies(connection, release)


def _release_row(release: Release, epoch: int, now: datetime) -> dict[str, object]:
    return {
        "generation": release.generation,
        "epoch": epoch,
        "snapshot": release.snapshot.version,
        "signed_at": stamp(now),
        "timestamp": release.timestamp.body,
        "expires": stamp(release.timestamp.expires),
        "published": 0,
    }


def store_files(direct: Direct, files: Iterable[tuple[str, bytes, str]], generation: int, first: int = 0) -> None:
    """Paths, bytes and SHA-256 that a release brings, in the order of copy-out: the first one has this position."""
    numbered = enumerate(files, first)
    while chunk := list(islice(numbered, FILES)):
        rows = [
            {"path": path, "release": generation, "position": position, "length": len(body), "sha256": digest}
            for position, (path, body, digest) in chunk
        ]
        direct.write_all(s.STORE_FILE, rows)
        direct.write_all(s.STORE_BODY, [{"path": path, "body": body} for _, (path, body, _) in chunk])


def _supersede(direct: Direct, release: Release) -> None:
    """What nothing names from this release on: the files of roles that are signed again, and of pages that change."""
    renewed = [role.name for role in release.roles if role.name not in (layout.ROOT, layout.TIMESTAMP)]
    paths = list(release.new.superseded)
    for start in range(0, len(renewed), BATCH):
        rows = direct.rows(s.VERSIONS, values=renewed[start : start + BATCH])
        paths += [metadata_path(row.role, row.version) for row in rows]
    direct.write_all(s.SUPERSEDE, [{"gone": path, "superseding": release.generation} for path in paths])


def _store_entered(direct: Direct, entered: Entered, generation: int) -> None:
    """The log after the release. Where it has witnesses, they are asked once this is committed."""
    logged = LoggedRelease(
        generation, entered.checkpoint.size, entered.checkpoint.root, entered.note, entered.proof, None
    )
    direct.write(s.STORE_LOGGED, {**asdict(logged), "root": logged.root.hex()})
    direct.write_all(s.SUPERSEDE, [{"gone": path, "superseding": generation} for path in entered.gone])
    if not entered.witnessed:
        keep_cosigned(direct, logged, "")


def keep_cosigned(direct: Direct, logged: LoggedRelease, cosigned: str) -> None:
    """What witnesses said of a release's checkpoint, unless something is kept already; with it the proof is a file, and
    the one before it is superseded.
    """
    if direct.run(s.KEEP_COSIGNED, asked=logged.generation, lines=cosigned):
        body = f"{logged.proof}{logged.checkpoint}{cosigned}".encode()
        store_files(direct, [(LOG + proof_path(logged.generation), body, sha256(body))], logged.generation, LAST)
        if (before := direct.scalar(s.LOGGED_BEFORE, generation=logged.generation)) is not None:
            direct.write_all(s.SUPERSEDE, [{"gone": LOG + proof_path(before), "superseding": logged.generation}])


def _store_roles(direct: Direct, release: Release, lifetimes: Lifetimes) -> None:
    newest = {role.name: role_row(role, lifetimes) for role in release.roles}  # of several new roots the last
    direct.write_all(s.STORE_ROLE, list(newest.values()))


def role_row(role: Role, lifetimes: Lifetimes) -> dict[str, object]:
    """What the journal keeps of a signed role."""
    online = role.name not in layout.OFFLINE
    due = renew_at(role.name, role.expires, lifetimes)
    return {
        "role": role.name, "version": role.version, "expires": stamp(role.expires),
        "renew_at": stamp(due) if due else None, "signers": " ".join(sorted(keyids_of(role.body))) if online else None,
        "digest": role.signed_digest if role.name not in (*layout.OFFLINE, *layout.ONLINE) else None,
    }  # fmt: skip


def _rebin(connection: Connection, direct: Direct, release: Release, shape: layout.Bins) -> None:
    """Every target is in the bin that the new number of bins gives it; the bins of before lead nowhere any more."""
    connection.execute(_MOVE[connection.dialect.name], {"bits": shape.bit_length})
    left = t.roles.c.signers.is_not(None) & t.roles.c.role.not_in((*layout.ONLINE, *shape.roles()))
    query = select(t.roles.c.role, t.roles.c.version).where(left)
    gone = [metadata_path(row.role, row.version) for row in connection.execute(query)]
    direct.write_all(s.SUPERSEDE, [{"gone": path, "superseding": release.generation} for path in gone])
    connection.execute(update(t.roles).where(left).values(renew_at=None, signers=None))


def _check_rebinned(connection: Connection, release: Release) -> None:
    """Each bin was signed with exactly the targets that are in it now: none was lost on the way."""
    query = select(t.targets.c.bin, func.count().label("targets")).group_by(t.targets.c.bin)
    moved = {row.bin: row.targets for row in connection.execute(query)}
    assert moved == release.sizes, "the bins that were signed do not hold what the journal does"


def _store_targets(direct: Direct, release: Release) -> None:
    """What a yank leaves as it was is not written again: of a thousand releases' files, none."""
    gone = chain(release.new.gone, (placed.target.path for placed in release.new.placed))
    while paths := list(islice(gone, BATCH)):
        direct.run(s.REMOVE_TARGETS, values=paths)
    rows = (
        {"bin": placed.bin, "path": placed.target.path, "name": placed.name, "entry": placed.target.entry}
        for placed in release.new.placed
    )
    while chunk := list(islice(rows, BATCH)):
        direct.write_all(s.STORE_TARGET, chunk)


def _mark_events(direct: Direct, events: Collection[int], generation: int) -> int:
    wanted, marked = list(events), 0
    for start in range(0, len(wanted), BATCH):
        marked += direct.run(s.MARK, values=wanted[start : start + BATCH], signing=generation)
    return marked


def _mark_policies(connection: Connection, release: Release) -> None:
    named = [page.name for page in release.policies]
    for table in (t.policies, t.flags) if named else ():
        connection.execute(update(table).where(table.c.id.in_(named)).values(release=release.generation))
