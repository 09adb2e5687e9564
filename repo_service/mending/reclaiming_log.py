"""After a theft: what of the public log is not this journal's.

A log only grows, so nobody can take back what a thief appended with the log's key: whoever saw it, witnesses among
them, refuses any other continuation. A log of that name has ended. A ceremony gives it another name and another
key, by which it goes on from the last leaf that is ours; what a thief left there is kept as evidence.
"""

from collections.abc import Iterator, Sequence

from keys.tlog import notes, proofs
from keys.tlog.merkle import NotProven
from keys.tlog.notes import BadNote, Checkpoint
from keys.tlog.proofs import Policy
from repo_service.build.growth import LOG
from repo_service.publishing import roots
from repo_service.publishing.press import Press
from repo_service.storage.depot import CHECKPOINT
from repo_service.storage.inventory import Inventory


def check_not_forged(press: Press, view: Inventory, sealed: roots.Sealed) -> None:
    """NotTakenIn if a key of the log that the newest root names, or any root before it, signed a public checkpoint that
    is not this journal's: then the log itself has ended.
    """
    policy, data = proofs.policy_of(sealed.trust.root), press.depot.read(CHECKPOINT)
    if policy is None or data is None or (head := _signed(data, _policies(sealed, policy))) is None:
        return
    newest = view.newest_logged()
    if newest and any((row.size, row.root) == (head.size, head.root) for row in view.every_logged(newest.generation)):
        return
    known = newest.size if newest else 0
    raise roots.NotTakenIn([
        f"the log's key was stolen too: a checkpoint of {head.size} leaves is public that it signed, and this database "
        f"logged {known} otherwise. What was appended to a log stays in it, and who has seen it refuses any other log "
        f"of that name: {head.origin} has ended. Copy log/ of the depot away, it is evidence, and tell the witnesses. "
        "Then move log.key away, say `tallystick-service key DIR --log --log-name` with another name, and hold the "
        "ceremony again with its log.pub and begins_anew = true. If the database is an older one that was restored, "
        "find a newer backup instead. Nothing was written."
    ])  # fmt: skip


def aliens(press: Press, view: Inventory) -> Iterator[tuple[str, bytes, list[bytes]]]:
    """Public files of the log that are not this journal's, with what ours would be, if there is any."""
    newest = view.log_pointed()
    pointed = [f"{newest.checkpoint}{newest.cosigned}".encode()] if newest else []
    for path in press.depot.paths(LOG.rstrip("/")):
        ours = pointed if path == CHECKPOINT else [body for body in (view.file(path),) if body is not None]
        if not ours and view.has_file(path):
            continue  # replaced, and its bytes are not kept
        found = press.depot.read(path)
        if found is not None and found not in ours and not (path == CHECKPOINT and _is_ours(view, found)):
            yield path, found, ours


def _is_ours(view: Inventory, data: bytes) -> bool:
    """Whether a checkpoint is the one of any release: a later one follows it."""
    newest = view.newest_logged()
    rows = view.every_logged(newest.generation) if newest else ()
    return any(data == f"{row.checkpoint}{row.cosigned or ''}".encode() for row in rows)


def _policies(sealed: roots.Sealed, newest: Policy) -> Sequence[Policy]:
    """Of every root that names a log of that name."""
    found = (proofs.policy_of(roots.parse_root(root.data)) for root in sealed.trust.roots)
    return [each for each in found if each is not None and each.origin == newest.origin]


def _signed(data: bytes, policies: Sequence[Policy]) -> Checkpoint | None:
    """A checkpoint that the log of one of these signed; None for what no client believes."""
    for policy in policies:
        try:
            return proofs.check_head(notes.read_note(data), policy).checkpoint
        except (BadNote, NotProven):
            continue
    return None
