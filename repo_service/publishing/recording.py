"""What a release says in the log, gathered from the journal, appended, and looked at as a stranger would."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from keys import layout, names, trust
from keys.encoding import sha256
from keys.times import stamp
from keys.tlog import leaves, merkle, notes, proofs, tiles
from keys.tlog.notes import VerifierKey
from repo_service.build.assemble import Release
from repo_service.build.check import WouldBeRefused
from repo_service.build.growth import LogFile, LogFiles
from repo_service.build.logbook import Entered, Entries, Log, enter, sealed_leaf, written_tree
from repo_service.build.metadata import metadata_path
from repo_service.domain.announcing import Published
from repo_service.domain.flags import FlagAct
from repo_service.publishing import roots
from repo_service.publishing.planning import Plan, released_state
from repo_service.publishing.press import Press, cosigned_by_nobody
from repo_service.storage.spool import Spool
from repo_service.storage.view import View

MANY: Final = 1024
"""With more events than this the files of the log wait for their commit on the disk, not in memory."""


class LogKeyMissing(Exception):
    """The log was begun, and the key that signs it is not here. Nothing was published."""


def record(press: Press, view: View, plan: Plan, release: Release, now: datetime) -> Entered | None:
    """A release's part of the log; None for a service without one. Raises WouldBeRefused or LogKeyMissing."""
    if not press.log:
        if view.newest_logged() is not None:
            raise LogKeyMissing(
                "log.key is missing, and clients that ask for the log would refuse what is not in it. Put it back "
                "into the service's folder; if it is lost, a ceremony must name another (docs/LOG.md). Nothing was "
                "published"
            )
        return None
    before, shape = plan.log, trust.bins_shape(plan.bins)
    begins = not before.edge.size
    files: LogFiles = Spool[LogFile]() if begins or len(plan.events) > MANY else []
    snapshot = next((role.body for role in release.roles if role.name == layout.SNAPSHOT), plan.snapshot)
    assert snapshot is not None, "a release points to a snapshot"
    entries = _everything(view, plan, release, shape) if begins else _what_is_new(view, plan, release)
    entered = enter(before, entries, release, snapshot, shape, press.layout, now, press.log, files)
    check_entered(before, entered, [key.key for key in press.log])
    _check_named(view, release, entered)
    return replace(entered, witnessed=press.cosign is not cosigned_by_nobody)


def check_entered(before: Log, entered: Entered, keys: Sequence[VerifierKey]) -> None:
    """The last look at the log's files: read back, they are a tree that goes on from the one before, its leaves are
    those below it, and the proof is one. Raises WouldBeRefused.
    """
    old, new = before.edge, entered.checkpoint
    try:
        tree = written_tree(old, entered.log.edge, entered.files)
        proof = merkle.consistency(tree.nodes, old.size, new.size)
        merkle.check_consistency(old.size, new.size, proof, old.root, new.root)
        for number in range(old.size // tiles.WIDTH, -(-new.size // tiles.WIDTH)):
            tree.leaves(number)
        for key in keys:
            proofs.check(proofs.read(f"{entered.proof}{entered.note}".encode()), proofs.Policy((key,)))
    except (merkle.NotProven, KeyError) as error:
        raise WouldBeRefused(f"the log at {new.size} leaves: {error}") from error


def _check_named(view: View, release: Release, entered: Entered) -> None:
    """Clients look at the log as the newest root names it: a service that was not started again with the log's new key
    publishes nothing. Raises WouldBeRefused.
    """
    new = [role.body for role in release.new.offline if role.name == layout.ROOT]
    policy = roots.named_log(new[-1] if new else view.newest(layout.ROOT))
    if policy is None:
        return
    try:
        proofs.check_head(notes.read_note(entered.note.encode()), policy)
    except merkle.NotProven as error:
        raise WouldBeRefused(
            "the log is signed by no key that the newest root names: clients that require the log would refuse this. "
            "Start the service again with that key, which `tallystick-service status` names"
        ) from error


def _what_is_new(view: View, plan: Plan, release: Release) -> Entries:
    """What this release brings."""
    sealed = [sealed_leaf(role.name, role.version, role.body) for role in release.new.offline]
    return Entries(sealed, (), view.said(plan.events), plan.pages, _documents(release), _bins(release))


def _everything(view: View, plan: Plan, release: Release, shape: layout.Bins) -> Entries:
    """Where the log begins with it: what there ever was, as far as the journal knows."""
    new = {role.name for role in release.new.offline}
    known = [each for each in view.ceremony_files() if each[0] == layout.ROOT or each[0] not in new]
    sealed = [sealed_leaf(*each, view.log_file(metadata_path(*each))) for each in known]
    signed = _bins(release)
    unsigned = {*shape.roles()} - {shape.role(each.number) for _, each in signed}
    return Entries(
        [*sealed, *_what_is_new(view, plan, release).sealed],
        [_taken_over(view, plan, name) for name in view.recovered_names()],
        view.ever_said(plan.events),
        plan.pages,
        [*map(_document, view.policies()), *map(_document, view.flags())],
        sorted((*signed, *view.signed_bins(unsigned)), key=_by_number),
    )


def _taken_over(view: View, plan: Plan, name: str) -> leaves.TakenOver:
    """A name of which the journal has not all events goes on in the log from the page that this release signs."""
    if name in plan.pages:
        _, page = plan.pages[name]
        return leaves.TakenOver(name, view.states([name])[name].serial, page.length, page.sha256)
    target, state = view.target(names.page_path(name)), released_state(view, name)
    assert target is not None and state is not None, "a recovered name has a page"
    return leaves.TakenOver(name, state.serial, len(view.log_file(target.stored_at)), target.sha256)


def _document(document: Published | FlagAct) -> leaves.Document:
    return leaves.Document(document.path, len(document.body), sha256(document.body))


def _documents(release: Release) -> list[leaves.Document]:
    return [leaves.Document(page.targets[0].path, len(page.body), page.targets[0].sha256) for page in release.policies]


def _bins(release: Release) -> list[tuple[str, leaves.SignedBin]]:
    """When each bin that a release signs expires, and the bin, in the order of numbers."""
    signed = [
        (stamp(role.expires), leaves.SignedBin(role.version, role.signed_digest))
        for role in release.roles
        if role.name not in (*layout.OFFLINE, *layout.ONLINE)
    ]
    return sorted(signed, key=_by_number)


def _by_number(signed: tuple[str, leaves.SignedBin]) -> tuple[str, int]:
    return signed[0], signed[1].number
