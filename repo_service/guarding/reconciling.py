"""What is public, held against what the guard remembers: whichever is newer is gone on from.

Neither a guard whose memory was restored from a copy nor a service whose database was can go back then. Dates are not
read: a repository whose timestamp has expired goes on.
"""

from typing import Any

from keys import layout
from keys.counting import Delegator
from keys.encoding import parse_canonical, sha256
from repo_service.guarding.facts import Published, State, Top, pin
from repo_service.guarding.reading import Refusal, verified


def published(state: State, timestamp: bytes, snapshot: bytes) -> Published:
    """What these files, which are public, add to what is known. Raises Refusal if they are nobody's of ours, or others
    than were signed under their versions.
    """
    root = state.sealed.trust.root
    pointed, pointer = _read(timestamp, root, layout.TIMESTAMP)
    listed, list_ = _read(snapshot, root, layout.SNAPSHOT)
    if pointer.get("meta") != {"snapshot.json": pin(list_["version"], snapshot)}:
        raise Refusal("foreign", f"the public timestamp {pointer['version']} does not name the snapshot that was shown")
    top = Top(list_["version"], listed, pin(list_["version"], snapshot))
    newer_snapshot = _newer(state.snapshot, top, layout.SNAPSHOT)
    newer_timestamp = _newer(state.timestamp, Top(pointer["version"], pointed), layout.TIMESTAMP)
    if newer_snapshot is None:
        return Published(None, newer_timestamp, None, {})
    return Published(newer_snapshot, newer_timestamp, _bits(state, list_["meta"]), list_["meta"])


def _read(file: bytes, delegator: Delegator, role: str) -> tuple[str, dict[str, Any]]:
    """The SHA-256 of a file's payload, and the payload."""
    try:
        payload = verified(file, delegator, role)
        body = parse_canonical(payload)
    except ValueError as error:
        raise Refusal(
            "foreign", f"the public {role} is none that a key of this repository signed: it {error}"
        ) from None
    return sha256(payload), body


def _newer(own: Top | None, public: Top, role: str) -> Top | None:
    """The public one if it is newer; None if it is not."""
    if own and own.version == public.version and own.payload != public.payload:
        raise Refusal(
            "foreign",
            f"{role} {public.version} is public with other content than was signed here: somebody else has the key",
        )
    return public if own is None or public.version > own.version else None


def _bits(state: State, meta: dict[str, Any]) -> int:
    """The number of bins that a snapshot is of: that of the ``bins`` which it lists."""
    ours, listed = state.sealed.pinned[f"{layout.BINS}.json"], meta.get(f"{layout.BINS}.json")
    if ours == listed:
        return state.sealed.shape.bit_length
    if state.bits is not None and state.listing.get(f"{layout.BINS}.json") == listed:
        return state.bits
    raise Refusal(
        "foreign",
        "the public snapshot lists a bins role that the guard does not know: take in its ceremony's files first",
    )
