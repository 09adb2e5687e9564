"""Is everything signed for whom trusts it: what ceremonies sealed, timestamp, snapshot and every bin?"""

import json
from collections.abc import Iterator
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Targets

from keys import counting, layout, rules, strict, trust
from keys.counting import Delegator
from keys.encoding import sha256
from keys.times import moment, stamp
from repo_service.build.metadata import metadata_path
from repo_service.build.pages import stored_at
from repo_service.mending.damage import CEREMONY, PUBLISH, RESTORE, Problem
from repo_service.mending.look import Look, Trusted


def offline(look: Look) -> tuple[Trusted | None, list[Problem]]:
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
    return Trusted(read.root, bins, trust.bins_shape(bins)), problems


def online(look: Look) -> Iterator[Problem]:
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


def _snapshot(look: Look, trusted: Trusted) -> Iterator[Problem]:
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


def _bin(look: Look, trusted: Trusted, number: int) -> Iterator[Problem]:
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
    look: Look, delegator: Delegator, role: str, data: bytes | None
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
