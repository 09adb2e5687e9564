"""A text of the log is taken back: its file goes for good, and the leaf, which stays, says nothing without it."""

from repo_service.build.growth import LOG
from repo_service.domain.logged import text_path
from repo_service.failpoint import failpoint
from repo_service.storage.depot import Depot
from repo_service.storage.journal import Journal


def forget_text(journal: Journal, depot: Depot, digest: str) -> bool:
    """Let go of the text with this SHA-256; whether it was there. Can be repeated.

    The journal first: from then on nobody copies it out again, and whoever dies in between says it once more.
    """
    path = LOG + text_path(digest)
    with journal.writing() as pen:
        was_known = pen.forget_text(path)
    failpoint("forget.journal")
    was_public = depot.size(path) is not None
    depot.drop(path)
    return was_known or was_public
