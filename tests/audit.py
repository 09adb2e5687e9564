"""An auditor of a whole service after whatever happened to it: database, depot and signed files must tell one story.

Written against docs/FORMAT.md and the tables, and with none of the code that publishes, so that it does not share its
mistakes. It returns what is wrong as sentences; nothing found is an empty list.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Connection, select

from keys import layout, names, page
from keys.encoding import sha256
from keys.tlog import tiles
from keys.tlog.merkle import NotProven
from repo_service.domain import changes as c
from repo_service.domain.evolve import evolve
from repo_service.storage import tables as t
from repo_service.storage.view import View
from repo_service.wiring import Service

TIMESTAMP: Final = "metadata/timestamp.json"
CHECKPOINT: Final = "log/checkpoint"
_VERSIONED: Final = re.compile(r"metadata/(\d+)\.([a-z0-9-]+)\.json", re.ASCII)
_FILES: Final = select(t.files, t.bodies.c.body).outerjoin(t.bodies, t.bodies.c.path == t.files.c.path)
_REPLACED: Final = ("metadata/", "targets/simple/")
_SIGNED: Final = ("metadata/", "targets/simple/", "targets/policy/", "log/")
"""Folders of the depot that hold nothing but what a release names."""


def audit(service: Service) -> list[str]:
    """Everything that is wrong when nobody is publishing and nothing is pending."""
    count_up = _grow if service.settings.guard else _count_up  # a guard remembers versions that came to nothing
    with service.journal.reading() as view:
        return [
            *_releases(view._connection, count_up),
            *_events(view._connection),
            *_copies(service, view._connection),
            *_current(view._connection),
            *_versions(view._connection, count_up),
            *_newest(service, view._connection),
            *_names(service, view),
            *_log(service, view._connection),
        ]


def _count_up(numbers: list[int]) -> bool:
    return numbers == list(range(1, len(numbers) + 1))


def _grow(numbers: list[int]) -> bool:
    return all(before < after for before, after in pairwise(numbers))


def _releases(connection: Connection, count_up: Callable[[list[int]], bool]) -> Iterator[str]:
    rows = connection.execute(select(t.releases).order_by(t.releases.c.generation)).mappings().all()
    made_from = connection.execute(select(t.followed).order_by(t.followed.c.generation)).all()
    if [*map(tuple, made_from)] != [*pairwise((0, *(row["generation"] for row in rows)))]:
        yield f"releases do not follow each other: {made_from}"
    if not count_up([row["generation"] for row in rows]):
        yield f"generations are not 1, 2, 3 …: {[row['generation'] for row in rows]}"
    for row in rows:
        if not row["published"]:
            yield f"release {row['generation']} was never copied out"
        if _signed(row["timestamp"])["version"] != row["generation"]:
            yield f"release {row['generation']} holds another timestamp"
    for before, after in pairwise(row["snapshot"] for row in rows):
        if after != before and not count_up([1, 1 + after - before]):
            yield f"snapshot {after} follows {before}"


def _events(connection: Connection) -> Iterator[str]:
    serials, releases = defaultdict(list), defaultdict(list)
    for row in connection.execute(select(t.events).order_by(t.events.c.name, t.events.c.serial)).mappings():
        serials[row["name"]].append(row["serial"])
        releases[row["name"]].append(row["release"])
    for name, found in serials.items():
        if found != list(range(1, len(found) + 1)):
            yield f"the serials of {name} are not 1, 2, 3 …: {found}"
        if None in releases[name]:
            yield f"an event of {name} is in no release"
        elif releases[name] != sorted(releases[name]):
            yield f"the events of {name} are signed in another order than they came: {releases[name]}"


def _copies(service: Service, connection: Connection) -> Iterator[str]:
    kept = {row["path"]: row for row in connection.execute(_FILES).mappings()}
    for path, row in kept.items():
        found = service.depot.read(path)
        if found is None and row["dropped"] is None:
            yield f"{path} is not in the depot"
        elif found is not None and (len(found), sha256(found)) != (row["length"], row["sha256"]):
            yield f"{path} is other bytes in the depot"
        if row["body"] is not None and row["body"] != found:
            yield f"{path} is other bytes in the journal"
    for path in sorted(set(lying(service)) - kept.keys() - {TIMESTAMP, CHECKPOINT}):
        yield f"{path} is in the depot, and no release names it"


def _current(connection: Connection) -> Iterator[str]:
    """What the newest release names is kept whole; what none names any more is known to be superseded."""
    named = {f"metadata/{row.version}.{row.role}.json" for row in connection.execute(select(t.roles))}
    for row in connection.execute(select(t.targets)).mappings():
        digest = json.loads(row["entry"])["hashes"]["sha256"]
        named.add(f"targets/{names.hashed(row['path'], digest)}")
    for path, entry in _held(connection).items():
        named.add(f"targets/{names.hashed(path, entry['hashes']['sha256'])}")
    for row in connection.execute(_FILES).mappings():
        path, superseded = row["path"], row["superseded"]
        if path in named and (superseded is not None or row["body"] is None):
            yield f"{path} is named by the newest release and taken for superseded"
        if path not in named and superseded is None and path.startswith(_REPLACED) and not path.endswith(".root.json"):
            yield f"{path} is named by nothing and not known to be superseded"


def _held(connection: Connection) -> dict[str, Any]:
    """The targets that only offline keys speak for, which are no rows of ``targets``."""
    version = connection.scalar(select(t.roles.c.version).where(t.roles.c.role == layout.HELD))
    held = connection.scalar(select(t.bodies.c.body).where(t.bodies.c.path == f"metadata/{version}.held.json"))
    return dict(_signed(held)["targets"]) if held else {}


def lying(service: Service) -> Iterator[str]:
    """The paths of everything in the depot that a release must have put there, the pointer among it."""
    return (path for path in service.depot.paths("") if path.startswith(_SIGNED))


def _versions(connection: Connection, count_up: Callable[[list[int]], bool]) -> Iterator[str]:
    found: dict[str, list[int]] = defaultdict(list)
    for path in connection.scalars(select(t.files.c.path)):
        if match := _VERSIONED.fullmatch(path):
            found[match[2]].append(int(match[1]))
    for role, versions in found.items():
        counted = sorted(versions)
        if role.startswith("bin-"):
            number = layout.bin_number(role)
            if any(version % layout.BIN_STRIDE != number for version in versions):
                yield f"a version of {role} does not end in its number: {counted}"
            counted = [version // layout.BIN_STRIDE for version in counted]
            # Of another number of bins each begins above all that were there before.
            runs = 1 + sum(after > before + 1 for before, after in pairwise(counted))
            if 1 < len(found[layout.BINS]) >= runs and len({*counted}) == len(counted):
                continue
        if not count_up(counted):
            yield f"the versions of {role} are not 1, 2, 3 …: {counted}"


def _newest(service: Service, connection: Connection) -> Iterator[str]:
    newest = connection.execute(select(t.releases).order_by(t.releases.c.generation.desc()).limit(1)).mappings().one()
    pointer = service.depot.read(TIMESTAMP)
    if pointer != newest["timestamp"]:
        shown = _signed(pointer)["version"] if pointer else "nothing"
        yield f"timestamp {shown} is public, and release {newest['generation']} is the newest"
        return
    snapshot = service.depot.read(f"metadata/{newest['snapshot']}.snapshot.json")
    described = _signed(newest["timestamp"])["meta"]["snapshot.json"]
    if snapshot is None or sha256(snapshot) != described["hashes"]["sha256"] or len(snapshot) != described["length"]:
        yield f"snapshot {newest['snapshot']} is not the one that timestamp {newest['generation']} names"
        return
    named = {file.removesuffix(".json"): meta["version"] for file, meta in _signed(snapshot)["meta"].items()}
    yield from _roles(service, connection, named)


def _roles(service: Service, connection: Connection, named: Mapping[str, int]) -> Iterator[str]:
    known = {row.role: row.version for row in connection.execute(select(t.roles.c.role, t.roles.c.version))}
    for role, version in known.items():
        if role in (layout.ROOT, layout.SNAPSHOT, layout.TIMESTAMP):
            continue
        if named.get(role) != version:
            yield f"the snapshot names version {named.get(role)} of {role}; the journal has {version}"
        if service.depot.read(f"metadata/{version}.{role}.json") is None:
            yield f"version {version} of {role} is named and not there"


def _names(service: Service, view: View) -> Iterator[str]:
    for name in view._connection.scalars(select(t.names.c.name)).all():
        told = c.Name(name, None, None)
        for event in view.events(name, limit=100_000):
            told = evolve(told, event)
        if told != view.name(name):
            yield f"the state of {name} is not what its events say"
        target = view.target(names.page_path(name))
        body = service.depot.read(f"targets/{names.hashed(target.path, target.sha256)}") if target else None
        if body is None or page.parse(body) != told.state:
            yield f"the signed page of {name} is not its state"


def _log(service: Service, connection: Connection) -> Iterator[str]:
    """The log is whole and only grew; every release is in it since it began, and every event once."""
    rows = connection.execute(select(t.logged).order_by(t.logged.c.generation)).mappings().all()
    if not rows:
        return
    releases = [*connection.scalars(select(t.releases.c.generation).order_by(t.releases.c.generation))]
    if releases[releases.index(rows[0]["generation"]) :] != [row["generation"] for row in rows]:
        yield f"of the releases {releases} are logged: {[row['generation'] for row in rows]}"
    newest = rows[-1]
    if service.depot.read(CHECKPOINT) != f"{newest['checkpoint']}{newest['cosigned']}".encode():
        yield "the public checkpoint is not the one of the newest release"
        return
    try:
        tree = tiles.Tree(newest["size"], bytes.fromhex(newest["root"]), lambda path: _there(service, f"log/{path}"))
        leaves = [json.loads(leaf) for number in range(-(-tree.size // 256)) for leaf in tree.leaves(number)]
        for row in rows:
            if tree.root_at(row["size"]).hex() != row["root"]:
                yield f"the log of release {row['generation']} is not the beginning of the newest"
    except (NotProven, LookupError) as error:
        yield f"the log is not whole: {error}"
        return
    yield from _leaves(connection, leaves, rows)


def _there(service: Service, path: str) -> bytes:
    if (data := service.depot.read(path)) is None:
        raise LookupError(path)
    return data


def _leaves(
    connection: Connection, leaves: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[Any, Any]]
) -> Iterator[str]:
    shown, start = set(), 0
    for row in rows:
        its, start = leaves[start : row["size"]], row["size"]
        if [leaf["generation"] for leaf in its if leaf["kind"] == "snapshot"] != [row["generation"]]:
            yield f"the leaves of release {row['generation']} do not end in its snapshot"
        shown |= {leaf["sha256"] for leaf in its if leaf["kind"] == "snapshot"}
        signed = (
            t.events.c.release == row["generation"] if row is not rows[0] else t.events.c.release <= row["generation"]
        )
        events = select(t.events.c.seq, t.events.c.name, t.events.c.serial).where(signed).order_by(t.events.c.seq)
        told = [(leaf["seq"], leaf["name"], leaf["serial"]) for leaf in its if leaf["kind"] == "event"]
        if told != [*map(tuple, connection.execute(events))]:
            yield f"the events of release {row['generation']} are not those that are logged with it: {told}"
    visible = select(t.files.c.path, t.files.c.sha256).where(t.files.c.release >= rows[0]["generation"])
    for path, digest in connection.execute(visible.where(t.files.c.path.like("metadata/%.snapshot.json"))):
        if digest not in shown:
            yield f"{path} is not logged"


def _signed(data: bytes) -> dict[str, Any]:
    signed: dict[str, Any] = json.loads(data)["signed"]
    return signed
