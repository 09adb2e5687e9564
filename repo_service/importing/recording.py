"""What was decided is written, in transactions that are short: whoever else writes waits for milliseconds."""

from collections.abc import Sequence
from datetime import datetime

from repo_service.failpoint import failpoint
from repo_service.importing.entries import Entry
from repo_service.importing.preparing import Prepared, look, prepare
from repo_service.storage.journal import Journal, once_more


def record(journal: Journal, entries: Sequence[Entry], prepared: Prepared, now: datetime) -> Prepared:
    """Write it all, or nothing. Where the journal says something else by now, it is decided anew, in this transaction.

    If we die before the commit, nothing happened, and the same entries come again; after it, they are known.
    """
    if not any(each.answer for each in prepared.rows):
        return prepared
    return once_more(lambda: _written(journal, entries, prepared, now))


def _written(journal: Journal, entries: Sequence[Entry], prepared: Prepared, now: datetime) -> Prepared:
    with journal.writing() as pen:
        pen.lock_all(prepared.brought.keys(), prepared.new)
        if look(pen, prepared, entries, now) != prepared.seen:
            prepared = prepare(pen, entries, now)
        pen.write_all([each for each in prepared.rows if each.answer])
        failpoint("import.before_commit")
    failpoint("import.committed")
    return prepared
