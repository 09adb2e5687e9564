"""The online key and the log's in a service's folder, and another in the place of each, and no client fails."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import layout, possession, rules, sealed, trust
from keys.signing import HeldKey, HeldKeys, Signer, SignerFailed
from keys.times import stamp
from keys.tlog import proofs
from keys.tlog.notes import BadNote, HeldNoteKey, VerifierKey
from repo_service.build.metadata import metadata_path
from repo_service.publishing import roots
from repo_service.storage.disk import fsync
from repo_service.wiring import (
    LOG_KEY,
    LOG_PUB,
    NEXT_KEY,
    NEXT_LOG_KEY,
    NEXT_LOG_PUB,
    NEXT_PUB,
    ONLINE_KEY,
    ONLINE_PUB,
    Service,
    log_keys,
    panel_of,
)

RETIRE_AFTER: Final = timedelta(hours=1)
"""How long both keys sign after the new root is public: a client that began before it is done by then."""


_PUBLIC: Final = re.compile(r"https://((?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*(?::\d+)?(?:/[\w.~/-]*)?)", re.ASCII)
"""An address by which others than this machine reach a service: with a domain's name."""
_NOWHERE: Final = (".invalid", ".test", ".localhost", ".local", ".internal")


class KeyRefused(Exception):
    """The online key cannot be made, or retired now; the message says why and what to do. Nothing was written."""


def make(folder: Path, name: str, *, rehearsal: bool) -> None:
    """Write a service's first online key, and its public half for the ceremony."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / ONLINE_KEY, folder / ONLINE_PUB, name, rehearsal=rehearsal)


def make_next(folder: Path, name: str, *, rehearsal: bool) -> None:
    """Write the key that is to follow; from the next start of the service on both sign everything."""
    if not (folder / ONLINE_KEY).exists():
        raise KeyRefused(f"{folder / ONLINE_KEY} is missing: there is no key to follow. Nothing was written.")
    _write(folder / NEXT_KEY, folder / NEXT_PUB, name, rehearsal=rehearsal)


def log_name(url: str, random: str) -> str:
    """What a log is called if nobody says: its address without the scheme (C2SP tlog-checkpoint) where ``url`` is one
    that others reach, else a name that nobody else has and that is no address.
    """
    address = _PUBLIC.fullmatch(url)
    if address is None or url.split("/")[2].partition(":")[0].endswith(_NOWHERE):
        return f"tallystick.invalid/{random}"
    return f"{address[1].rstrip('/')}/log"


def check_log_name(name: str) -> None:
    """KeyRefused if no log can be called this."""
    try:
        HeldNoteKey(name, Ed25519PrivateKey.generate())
    except BadNote as error:
        raise KeyRefused(f"--log-name: {error}. Nothing was written.") from None
    if not rules.is_plain_name(name):
        raise KeyRefused(
            f"--log-name: {name!r:.80} must be plain letters, digits and marks, and without https://, as no root may "
            "name another. Nothing was written."
        )


def make_log(folder: Path, name: str) -> VerifierKey:
    """Write the first key of the log called ``name``, and its public half for the ceremony."""
    return _write_log(folder / LOG_KEY, folder / LOG_PUB, name)


def make_next_log(folder: Path) -> VerifierKey:
    """Write the log's key that is to follow; from the next start of the service on both sign each checkpoint."""
    if not (held := log_keys(folder)) or not (folder / LOG_KEY).exists():
        raise KeyRefused(f"{folder / LOG_KEY} is missing: there is no key to follow. Nothing was written.")
    return _write_log(folder / NEXT_LOG_KEY, folder / NEXT_LOG_PUB, held[0].key.name)


def retire(service: Service) -> Path:
    """Let the next key sign alone, from the next start of the service on; where the old one lies now.

    KeyRefused until every role names the next key and clients have had time to learn it. Can be run again if it was
    interrupted: a folder with the next key alone is a service that signs with that.
    """
    folder, online = service.folder, service.online
    if not isinstance(online, HeldKeys):
        raise KeyRefused(
            "the guard holds the keys: an hour after the root that names the new one was taken in, take the old one "
            "out of keys in its guard.toml and start it again. Nothing was written."
        )
    if not (folder / NEXT_KEY).exists():
        raise KeyRefused(f"{folder / NEXT_KEY} is missing: there is no next key. Nothing was written.")
    following = online.keys[-1].record.keyid
    _check_named(service, following)
    old = online.keys[0].record.keyid
    retired = folder / f"online-retired-{old:.16}.key"
    _replace(folder / ONLINE_KEY, retired, {NEXT_PUB: ONLINE_PUB, NEXT_KEY: ONLINE_KEY})
    return retired


def retire_log(service: Service) -> Path:
    """Let the log's next key sign alone, from the next start of the service on; where the old one lies now. KeyRefused
    until a root names the next key. Can be run again if it was interrupted.
    """
    folder, held = service.folder, log_keys(service.folder)
    if not (folder / NEXT_LOG_KEY).exists():
        raise KeyRefused(f"{folder / NEXT_LOG_KEY} is missing: there is no next key. Nothing was written.")
    following = held[-1].key
    with service.journal.reading() as view:
        root = roots.parse_root(view.newest(layout.ROOT))
        since = view.signed_at(metadata_path(layout.ROOT, root.version))
    policy = proofs.policy_of(root)
    if policy is None or following not in policy.keys:
        raise KeyRefused(
            f"root {root.version} does not name the log's key {following.digits}: clients that require the log would "
            "refuse what it signs alone. Hold a ceremony that names it (tallystick-ceremony plan … --log log-next.pub "
            "--after …), take it in, and retire the old key after that. Nothing was written."
        )
    _check_known(service, f"the log's key {following.digits}", since)
    retired = folder / f"log-retired-{held[0].key.id.hex()}.key"
    _replace(folder / LOG_KEY, retired, {NEXT_LOG_PUB: LOG_PUB, NEXT_LOG_KEY: LOG_KEY})
    return retired


def log_lines(service: Service) -> Iterator[str]:
    """What an operator should know of the log's keys and the root, for status; nothing while they agree."""
    held = [each.key for each in log_keys(service.folder)]
    with service.journal.reading() as view:
        root = roots.parse_root(view.newest(layout.ROOT))
    policy = proofs.policy_of(root)
    if held and policy is None:
        yield (
            f"the log {held[0].name} is kept, and root {root.version} does not name it: no client asks for it. Name it "
            "in the next ceremony (tallystick-ceremony plan … --log log.pub)"
        )
    if policy is not None and not set(held) & set(policy.keys):
        yield f"root {root.version} names the log {policy.origin}, and its key is not here: bring log.key back"
    asked = panel.witnesses if (panel := panel_of(service.settings, service.folder)) else ()
    for key in [each for each in (policy.witnesses if policy else ()) if each not in {one.key for one in asked}]:
        yield f"root {root.version} counts the witness {key.name}, and nobody asks it: write it into witnesses.policy"
    if len(held) > 1:
        named = " and ".join(key.digits for key in held if policy is not None and key in policy.keys) or "neither"
        both = " and ".join(key.digits for key in held)
        yield f"two keys of the log, {both}: both sign each checkpoint; root {root.version} names {named}"


def rotation_lines(service: Service) -> Iterator[str]:
    """How far both keys have signed everything, for status; nothing while one key is held. Or that a guard is away."""
    try:
        held = service.online.keyids
    except SignerFailed as away:
        yield str(away)
        return
    if len(held) < 2:
        return
    with service.journal.reading() as view:
        signed = view.signed_by()
    both = sum(files for _, keyids, files in signed if held <= keyids)
    total = sum(files for *_, files in signed)
    names = " and ".join(f"{keyid:.16}" for keyid in _in_order(service.online))
    then = "ready for the root that names the new one" if both == total else "the rest is signed by the next rounds"
    yield f"two online keys, {names}: both have signed {both} of {total} files; {then}"


def _in_order(online: Signer) -> list[str]:
    """Key ids, of keys that are here the one before the one that follows."""
    return [key.record.keyid for key in online.keys] if isinstance(online, HeldKeys) else sorted(online.keyids)


def _check_named(service: Service, keyid: str) -> None:
    with service.journal.reading() as view:
        root, bins = roots.parse_root(view.newest(layout.ROOT)), roots.parse_targets(view.newest(layout.BINS))
        since = view.signed_at(metadata_path(layout.ROOT, root.version))
        lacking = view.lacking([keyid], 1)
    if unnamed := sorted(kind for kind, keyids in trust.online_keyids(root, bins).items() if keyid not in keyids):
        raise KeyRefused(
            f"key {keyid:.16} is not named for {', '.join(unnamed)}: clients would refuse what it signs alone. Hold a "
            "ceremony that names it (tallystick-ceremony plan … --online online-next.pub --after …), take it in, and "
            "retire the old key after that. Nothing was written."
        )
    if lacking:
        raise KeyRefused(f"{lacking[0]} is not signed by key {keyid:.16}; see status. Nothing was written.")
    _check_known(service, f"key {keyid:.16}", since)


def _check_known(service: Service, which: str, since: datetime) -> None:
    if service.clock() < since + RETIRE_AFTER:
        raise KeyRefused(
            f"the root that names {which} is public since {stamp(since)}; clients that began before it still "
            f"need the old key. Retire it after {stamp(since + RETIRE_AFTER)}. Nothing was written."
        )


def _replace(old: Path, retired: Path, renamed: Mapping[str, str]) -> None:
    """Move the old key aside, then the next one's files to its place. A folder with the next key alone, as a crash may
    leave it, is a service that signs with that.
    """
    if old.exists():
        if retired.exists():
            raise KeyRefused(f"{retired} exists, and a key is never overwritten. Nothing was written.")
        old.rename(retired)
    for before, after in renamed.items():
        if (old.parent / before).exists():
            (old.parent / before).rename(old.parent / after)
    fsync(old.parent)


def _write(secret: Path, public: Path, name: str, *, rehearsal: bool) -> None:
    private = generate_private_key(SECP256R1())
    sealed.write_private(secret, sealed.plain(private))
    public.write_bytes(possession.write(name, HeldKey(private), rehearsal=rehearsal))


def _write_log(secret: Path, public: Path, name: str) -> VerifierKey:
    held = HeldNoteKey(name, Ed25519PrivateKey.generate())
    sealed.write_private(secret, held.written.encode())
    public.write_text(held.key.line, "utf-8")
    return held.key
