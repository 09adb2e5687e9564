"""What a colleague would say of a live installation: facts in, findings out. ``looking`` brings the facts.

Pure: made of what was seen and of ``now``. Each finding is one check: how it is, what was seen, and what to do.
"""

import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from keys import layout
from keys.times import moment
from keys.tlog.proofs import Policy, Witnessed
from repo_service.build.due import WARN_DAYS
from repo_service.operating.settings import DEFAULTS, Settings
from repo_service.operating.status import LATE, STALE, WIDTH, Status, span
from repo_service.publishing.clocks import APART
from repo_service.storage.depot import version_of
from repo_service.storage.headers import FRESH
from repo_service.storage.overview import SignedRole
from repo_service.storage.tokens import Token

Verdict = Literal["ok", "warn", "fail"]
DAY: Final = timedelta(days=1)
BACKUP_OLD: Final = (2 * DAY, 7 * DAY)
"""A backup that is older than the first is late; than the second, it is none."""
MONITOR_OLD: Final = DAY
TOKEN_SOON: Final = 14 * DAY
QUICK_S: Final = 20e-6
"""No disk answers sooner that it holds something."""
ROOM: Final = ((0.03, 256 << 20), (0.10, 1 << 30))
"""Which part of a disk, or how many bytes of it, must be free: below the first fails, below the second warns."""
FILES_OPEN: Final = 1024
_VANISHING: Final = {"tmpfs": "memory", "ramfs": "memory", "overlay": "a container's own layer"}
_EVERYWHERE: Final = ("0.0.0.0", "[::]", "*")  # noqa: S104 - to be warned of
_REMOTE: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.s3fs"}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was seen, and where it is not well what to do."""

    check: str
    verdict: Verdict
    seen: str
    do: str = ""


def _ok(check: str, seen: str) -> Finding:
    return Finding(check, "ok", seen)


def _warn(check: str, seen: str, do: str) -> Finding:
    return Finding(check, "warn", seen, do)


def _fail(check: str, seen: str, do: str) -> Finding:
    return Finding(check, "fail", seen, do)


@dataclass(frozen=True, slots=True)
class Clocks:
    """This machine's time; by how many seconds each other clock is ahead; when the newest thing was done; whether a
    time server keeps this clock, None where that cannot be known.
    """

    now: datetime
    apart: Mapping[str, float]
    last: datetime | None
    synchronised: bool | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A file or socket that nobody else may read or write: its permission bits and its owner's number. ``shared`` are
    bits that it may have all the same.
    """

    path: Path
    mode: int
    uid: int
    shared: int = 0


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system that a folder is on: its type, what is free of it, and how long each write to it took."""

    folder: Path
    kind: str
    free: int
    size: int
    syncs_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Copied:
    """The newest backup: when it was made, and what is wrong with it if it cannot be read back."""

    file: Path
    made: datetime
    damage: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What somebody outside gets of a public file: the status, its Cache-Control, its bytes; 0 where nobody answers."""

    url: str
    status: int
    caching: str
    body: bytes


def clocks(seen: Clocks) -> Iterator[Finding]:
    """Is it the time that everybody thinks it is."""
    far = {name: by for name, by in seen.apart.items() if abs(by) > APART.total_seconds()}
    for name, by in far.items():
        said = f"{name} is {abs(by):.0f} s {'ahead of' if by > 0 else 'behind'} this machine"
        yield _fail("clock", said, "set the one that is wrong; nothing is signed until then")
    ahead = seen.last - seen.now if seen.last else timedelta(0)
    if ahead > APART:
        said = f"the newest release or event is dated {span(ahead)} ahead of this machine"
        yield _fail("clock", said, "is this clock behind? Set it. Was it ahead then? `tallystick-service clear-clock`")
    if seen.synchronised is False:
        said = "the kernel says that no time server keeps this clock right"
        yield _warn("clock", said, "run chrony or systemd-timesyncd: a clock that is ahead signs what lives too long")
    elif not far and ahead <= APART:
        others = f"agrees with {' and '.join(seen.apart)}" if seen.apart else "there is no other to ask"
        kept = "a time server keeps it" if seen.synchronised else "whether a time server keeps it cannot be known here"
        yield _ok("clock", f"{others}; {kept}")


def dangerous(its: Settings, armed: Collection[str]) -> Iterator[Finding]:
    """Settings that can be used and should be known of. ``armed`` are variables that are for tests."""
    found = [*_dangerous(its)]
    for each in armed:
        found.append(_fail("settings", f"the variable {each} is set: it is for tests", "unset it, and start again"))
    yield from found or [_ok("settings", "nothing in them is dangerous")]


def _dangerous(its: Settings) -> Iterator[Finding]:
    address = urlsplit(its.url)
    if its.url == DEFAULTS["url"]:
        yield _warn(
            "settings", f"url is the default, {its.url}", "write the address that clients use: signed requests sign it"
        )
    elif address.scheme == "http" and address.hostname not in ("127.0.0.1", "localhost", "::1"):
        yield _fail(
            "settings",
            f"url is {its.url}: tokens go over the network for all to read",
            "put TLS in front, and write https://",
        )
    if its.timestamp_s > 7 * 86400:
        yield _warn(
            "settings",
            f"timestamp_s is {its.timestamp_s}: for so long a mirror can hide a yank",
            "a week is much; the default is 3 days",
        )
    if its.metrics_address is not None and its.metrics_address.rpartition(":")[0] in _EVERYWHERE:
        said = f"metrics_address is {its.metrics_address}: who can reach it reads it, without a token"
        yield _warn("settings", said, "write an address of the inner network")


def kept(files: Sequence[Kept], owner: int, user: int, public: Path | None) -> Iterator[Finding]:
    """Who can read or write what must be kept: ``owner`` is the folder's, ``user`` who asks."""
    found = []
    for each in files:
        if open_to := each.mode & 0o077 & ~each.shared:
            said = f"{each.path} is {each.mode:04o}: others can {_can(open_to)} it"
            do = f"chmod {each.mode & (0o700 | each.shared):04o} {each.path}; a key that others could read is stolen"
            found.append(_fail("files", said, do))
        if each.uid != owner:
            found.append(
                _warn(
                    "files",
                    f"{each.path} is owned by {each.uid}, and the folder by {owner}",
                    "chown one of them to the service's user",
                )
            )
        if public is not None and public in each.path.parents:
            found.append(
                _fail(
                    "files",
                    f"{each.path} is in the public folder: everybody can fetch it",
                    "move it out, and hold it for stolen (docs/OPERATIONS.md)",
                )
            )
    if user not in (owner, 0):
        found.append(
            _warn(
                "files",
                f"you are {user}, and the folder is owned by {owner}",
                f"ask as that user; what cannot be read here it can: sudo -u '#{owner}' …",
            )
        )
    yield from found or [_ok("files", f"{len(files)} keys, tokens and sockets are for their owner alone")]


def _can(bits: int) -> str:
    return "write" if bits & 0o022 else "read" if bits & 0o044 else "enter"


def disks(found: Iterable[Disk]) -> Iterator[Finding]:
    """Does what is written stay written, and is there room."""
    for disk in found:
        yield _stays(disk)
        yield _room(disk)


def _stays(disk: Disk) -> Finding:
    if disk.kind in ("tmpfs", "ramfs"):
        return _fail(
            "fsync",
            f"{disk.folder} is in memory ({disk.kind}): the next start finds nothing",
            "move it to a disk: what was signed must never be forgotten",
        )
    if disk.kind in _VANISHING:
        return _warn(
            "fsync",
            f"{disk.folder} is on {_VANISHING[disk.kind]} ({disk.kind})",
            "is it gone with the container? Then give it a volume",
        )
    if disk.kind in _REMOTE:
        return _warn(
            "fsync",
            f"{disk.folder} is on another machine ({disk.kind})",
            "SQLite's locks and fsync depend on that server; use a local disk, or PostgreSQL",
        )
    if disk.syncs_s and (typical := median(disk.syncs_s)) < QUICK_S:
        return _warn(
            "fsync",
            f"{disk.folder}: a write is said to be safe after {typical * 1e6:.0f} µs",
            "no disk is so quick: something lies, and a power cut will tell",
        )
    spent = f", {median(disk.syncs_s) * 1e3:.1f} ms for a write" if disk.syncs_s else ""
    return _ok("fsync", f"{disk.folder} is on {disk.kind}{spent}")


def _room(disk: Disk) -> Finding:
    left = f"{disk.folder} has {disk.free / 1e9:.1f} of {disk.size / 1e9:.1f} GB left"
    for verdict, (part, least) in zip(("fail", "warn"), ROOM, strict=True):
        if disk.free < min(part * disk.size, least):
            return Finding(
                "space",
                "fail" if verdict == "fail" else "warn",
                left,
                "make room, or a bigger disk: without room nothing is accepted or signed",
            )
    return _ok("space", left)


def limits(files: int, whose: str) -> Finding:
    """How many files may be open at once, and in which process that was seen."""
    if files < FILES_OPEN:
        return Finding(
            "limits", "warn", f"{whose} may open {files} files at once", "LimitNOFILE= of its unit, or ulimit -n"
        )
    return _ok("limits", f"{whose} may open {files} files at once")


def signed(status: Status) -> Iterator[Finding]:
    """Until when each role is good, the soonest bin for all of them; and what waits."""
    roles = status.roles()
    found = [each for role in roles for each in _ending(role, status.now)]
    if not found and roles:
        first = min(roles, key=lambda role: role.expires)
        left = ", ".join(f"{role.role} {span(role.expires - status.now)}" for role in roles if role is not first)
        found = [_ok("expiry", f"{first.role} in {span(first.expires - status.now)}, the first; {left}")]
    yield from found
    yield from _waiting(status)


def _ending(role: SignedRole, now: datetime) -> Iterator[Finding]:
    left, offline = role.expires - now, role.role in layout.OFFLINE
    seen = f"{role.role} {role.version} expires in {span(left)}"
    if left <= timedelta(0):
        said = f"{role.role} {role.version} has expired: every client refuses"
        yield _fail("expiry", said, "hold a ceremony now, then take-in" if offline else _PUBLISHER)
    elif offline and left < max(WARN_DAYS) * DAY:
        judged = _fail if left < min(WARN_DAYS) * DAY else _warn
        yield judged("expiry", seen, "hold a ceremony (tallystick-ceremony plan … --after), then take-in")
    elif role.due is not None and now - role.due > LATE:
        yield _warn("expiry", f"{seen}, and was to be signed again {span(now - role.due)} ago", _PUBLISHER)


_PUBLISHER: Final = "does a publisher run (`serve`, or `worker` with redis)? `tallystick-service publish` shows why not"


def _waiting(status: Status) -> Iterator[Finding]:
    its, first = status.its, status.its.lanes[0]
    if first.oldest is not None and status.now - first.oldest > STALE:
        yield Finding(
            "pending", "fail", f"{first.pending} events wait, one for {span(status.now - first.oldest)}", _PUBLISHER
        )
    elif its.staged:
        yield _warn("pending", f"{its.staged} releases are signed and not copied out", _PUBLISHER)
    else:
        yield _ok("pending", f"{first.pending} events wait to be signed")
    if status.pointer is None:
        yield _fail(
            "depot",
            "it has no timestamp that can be read: nobody can install",
            "is it there, and may we read it? `tallystick-service rebuild` makes it again",
        )
    elif status.pointer > its.generation:
        yield _fail(
            "depot",
            f"it is at {status.pointer} and the database at {its.generation}, which is older",
            "publish nothing; docs/OPERATIONS.md, An old database",
        )
    else:
        yield _ok("depot", f"it is at {status.pointer}, as the database is")


def tokens(every: Iterable[Token], now: datetime) -> Iterator[Finding]:
    """Who can still call tomorrow."""
    live = [each for each in every if each.is_live(now)]
    last: dict[str, datetime] = {}
    for each in live:  # a client is well as long as its last token lives
        last[each.client] = max(last.get(each.client, now), moment(each.expires))
    for client, until in sorted(last.items()):
        if until - now < TOKEN_SOON:
            yield _warn(
                "tokens",
                f"the last token of {client} expires in {span(until - now)}",
                "`tallystick-service token rotate DIR CLIENT`, and give it the new one",
            )
    if not any(each.role == "admin" for each in live):
        yield Finding(
            "tokens", "warn", "no admin's token is live", "`tallystick-service token new DIR CLIENT --role admin`"
        )
    elif min(last.values()) - now >= TOKEN_SOON:
        yield _ok("tokens", f"{len(live)} live, the first client's last one for {span(min(last.values()) - now)}")


def backups(newest: Copied | None, now: datetime) -> Finding:
    """Could the database be had again."""
    if newest is None:
        return Finding(
            "backups", "warn", "none was found", "make them (docs/OPERATIONS.md, Backups), and say --backups DIR"
        )
    age = now - newest.made
    if newest.damage:
        return _fail("backups", f"{newest.file} cannot be read back: {newest.damage}", "make another one now")
    seen = f"{newest.file} is {span(age)} old"
    if age > BACKUP_OLD[0]:
        return Finding(
            "backups",
            "fail" if age > BACKUP_OLD[1] else "warn",
            seen,
            "does the timer run? `systemctl list-timers tallystick-backup.timer`",
        )
    return _ok("backups", f"{seen}, and was read back; is a copy on another machine?")


def outside(seen: Answered, ours: bytes | None) -> Iterator[Finding]:
    """Does the public address serve what the depot holds, and are caches told what they must be."""
    where = "write the right url, or say --public ADDRESS; is the front up?"
    if seen.status != 200:
        yield Finding(
            "public", "fail", f"{seen.url}: " + (f"status {seen.status}" if seen.status else "nobody answers"), where
        )
        return
    if seen.body == ours or ours is None:
        yield _ok("public", f"{seen.url} is what the depot holds")
    else:
        yield _differs(seen, ours)
    if seen.caching != FRESH:
        yield _warn(
            "public",
            f"{seen.url} says Cache-Control: {seen.caching or 'nothing'}",
            f"a cache may keep it for longer than it should; let it say {FRESH}",
        )


def _differs(seen: Answered, ours: bytes) -> Finding:
    try:
        version = version_of(seen.body)
    except (ValueError, KeyError, TypeError):
        return _fail("public", f"{seen.url} is no timestamp", "is that the public folder's address?")
    here = version_of(ours)
    if version < here:
        return _warn(
            "public",
            f"{seen.url} is at {version}, and the depot at {here}",
            "a cache is behind: if it stays so for a minute, purge it and look at its rules",
        )
    return _fail(
        "public",
        f"{seen.url} is at {version} with other bytes, and the depot at {here}",
        "somebody else publishes there, or this depot is an old copy; publish nothing until you know",
    )


def witnesses(policy: Policy | None, head: Witnessed | None, now: datetime) -> Finding:
    """Has the log's public checkpoint the cosignatures that the root asks for: those that verify are in ``head``."""
    if policy is None:
        return _ok("witnesses", "the root names no log")
    if head is None:
        return _fail("witnesses", "there is no public checkpoint", "`tallystick-service rebuild` makes it again")
    by = ", ".join(sorted(key.name for key in head.cosigned)) or "nobody"
    if len(head.cosigned) < policy.quorum:
        said = f"{by} cosigned the public checkpoint, and {policy.quorum} of {len(policy.witnesses)} must have"
        return _fail("witnesses", said, "who requires the log takes nothing new; docs/OPERATIONS.md, Witnesses")
    if not head.cosigned:
        return _ok("witnesses", "the root asks for none, and nobody cosigned the public checkpoint")
    age = now - datetime.fromtimestamp(min(head.cosigned.values()), UTC)
    return _ok("witnesses", f"{by} cosigned the public checkpoint within {span(age)}; {policy.quorum} must have")


def monitor(age: timedelta | None) -> Finding:
    """How long ago a monitor's last round ended, where its folder was named; None where it has none in it."""
    if age is None:
        return _warn("monitor", "there is no monitor's memory in that folder", "docs/LOG.md, Run a monitor")
    if age > MONITOR_OLD:
        return Finding(
            "monitor", "warn", f"its last round ended {span(age)} ago", "does its unit run? Its log says why not"
        )
    return _ok("monitor", f"its last round ended {span(age)} ago")


def key(signs: Collection[str], named: Collection[str], whose: str) -> Finding:
    """Whether the online key that we have is one that the root names; ``whose`` is where it is."""
    if {*signs} & {*named}:
        return _ok("key", f"{whose} holds an online key that the root names")
    return _fail(
        "key",
        f"{whose} holds no online key that the root names: nothing can be signed",
        "put the key of the last ceremony back, or take a new ceremony's files in",
    )


def workers(beats: Collection[datetime], now: datetime) -> Finding:
    """When each worker at Redis was last heard of."""
    fresh = [each for each in beats if now - each < timedelta(minutes=10)]
    if not fresh:
        return Finding(
            "redis",
            "fail",
            "it answers, and no worker is at it: nothing publishes",
            "start `tallystick-service worker`",
        )
    return _ok("redis", f"it answers, and {len(fresh)} worker{'s are' if len(fresh) > 1 else ' is'} at it")


def text(found: Sequence[Finding]) -> str:
    """For people, 80 columns."""
    lines = []
    for each in found:
        lines += _lines(f"{each.verdict:5} {each.check:10} ", each.seen)
        lines += _lines(" " * 17 + "-> ", each.do) if each.do else []
    count = {verdict: sum(each.verdict == verdict for each in found) for verdict in ("ok", "warn", "fail")}
    lines += ["", f"{count['ok']} ok, {count['warn']} to look at, {count['fail']} failed. Nothing was changed."]
    return "\n".join(lines)


def _lines(begin: str, said: str) -> list[str]:
    return textwrap.wrap(
        begin + said, WIDTH, subsequent_indent=" " * len(begin), break_long_words=False, break_on_hyphens=False
    )


def data(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """For programs: ``check``, ``verdict``, ``seen`` and ``do`` of each."""
    return [{"check": each.check, "verdict": each.verdict, "seen": each.seen, "do": each.do} for each in found]
