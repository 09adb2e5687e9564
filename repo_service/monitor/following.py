"""The log's head, step by step: signed by the log, consistent with the last one, every leaf where the tree has it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.reading import Public
from repo_service.monitor.seen import Watch


def follow(public: Public, book: Book, pin: bytes, now: datetime, watches: Sequence[Watch] = ()) -> Iterator[Finding]:
    """Take in what the log has grown by since the last time, and give what is found, each kept in the book before.
    ``pin`` is the file 1.root.json, which alone is believed. Raises OutOfReach and NotTrusted.
    """
    raise NotImplementedError
