"""What replay and audit can find: every code, its level, and what it says in general."""

from collections.abc import Mapping
from typing import Final

from repo_service.monitor.findings import Finding, Level

CODES: Final[Mapping[str, tuple[Level, str]]] = {
    # The log itself.
    "log-forked": ("alarm", "The log is another one than it was: its head does not continue the last one."),
    "log-behind": ("notice", "An older head of the same log is served: a cache, or a mirror that waits."),
    "log-broken": ("alarm", "The log's files are not those that its head promises, or its head is not signed."),
    "log-open": ("alarm", "The log does not end with a snapshot's leaf."),
    "leaf-malformed": ("alarm", "A leaf is none that can be read."),
    "leaf-misplaced": ("alarm", "A leaf stands where its kind does not belong."),
    # Events that are logged, and are not allowed.
    "serial": ("alarm", "A name's events do not count up by one: one is missing, or comes twice."),
    "step-illegal": ("alarm", "No table lets this class of actor take this step from where the name stands."),
    "promise-broken": ("alarm", "A page takes back what the page before it said."),
    "invariant-broken": ("alarm", "A state that must never be signed."),
    "time-backwards": ("alarm", "Something is dated before what it follows, or after its own release."),
    "policy-unknown": ("alarm", "An event was judged by a policy that was never announced."),
    "policy-not-in-force": ("alarm", "An event was judged by a policy that was not in force at that time."),
    "policy-broken": ("alarm", "An event that the policy in force does not allow."),
    "flag-broken": ("alarm", "An event while a flag had halted its kind."),
    "text-gone": ("notice", "A text was taken back, so this name's page cannot be made again."),
    "text-differs": ("alarm", "The file of a text holds another one than the log names."),
    # Documents, and files of ceremonies.
    "document-differs": ("alarm", "A policy or an act of flags is not there, or not as it may be."),
    "sealed-differs": ("alarm", "A file of a ceremony is another one than the log names, or not signed as it must be."),
    "sealed-backwards": ("alarm", "A file of a ceremony does not come after the one before it."),
    # What is signed, and does not follow from what is logged.
    "page-differs": ("alarm", "A page that was signed is not the one that follows from the events."),
    "page-unnamed": ("alarm", "A name changed in a release, and the log names no page of it."),
    "page-taken-over": ("alarm", "The page that a name goes on from is not there, or not as the log names it."),
    "bin-differs": ("alarm", "A bin that was signed is not the one that follows from the log."),
    "bin-unsigned": ("alarm", "Something changed in a bin, and it was not signed."),
    "bin-version": ("alarm", "A bin's version does not follow the one before, or does not end in its number."),
    "bins-root": ("alarm", "The root over all bins is not that of the bins in the log."),
    "snapshot-differs": ("alarm", "A snapshot that was signed is not the one that follows from the log."),
    "version-backwards": ("alarm", "A release, snapshot or bin is not newer than the one before."),
    "version-gap": ("notice", "Versions are left out: something was signed and came to nothing, or is not shown."),
    # What is served now.
    "served-missing": ("alarm", "A file that clients need is not there."),
    "served-differs": ("alarm", "A file is served that is not the one in the log."),
    "served-unsigned": ("alarm", "A file is served that is not signed as it must be."),
    "snapshot-unlogged": ("alarm", "A timestamp or a snapshot is served that no leaf of the log names."),
    "root-unlogged": ("alarm", "A root is served that no leaf of the log names."),
    "timestamp-behind": ("notice", "The timestamp is of an earlier release than the log's last."),
    "timestamp-expired": ("alarm", "The newest timestamp is past its date."),
    "checkpoint-stale": ("alarm", "Nothing was added to the log for longer than it may stand still."),
    "quorum-missed": ("alarm", "Fewer witnesses than the root asks for have cosigned the newest head."),
}
"""docs/LOG.md lists them for people."""


def found(code: str, sentence: str, at: str, index: int | None = None, name: str | None = None) -> Finding:
    """A finding of one of these codes."""
    return Finding(code, CODES[code][0], sentence, at, index, name)
