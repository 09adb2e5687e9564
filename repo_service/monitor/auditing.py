"""What is served now, compared with what the log says: timestamp, snapshot, bins and pages."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from repo_service.monitor.book import Book
from repo_service.monitor.findings import Finding
from repo_service.monitor.reading import Public


@dataclass(frozen=True, slots=True)
class Sample:
    """How much is looked at: all bins and pages (None), or those that changed and as many more by chance."""

    bins: int | None = 8
    pages: int | None = 32


def audit(public: Public, book: Book, pin: bytes, now: datetime, sample: Sample) -> Iterator[Finding]:
    """Everything in which a registry's files differ from its log, as far as it was followed. Raises OutOfReach."""
    raise NotImplementedError
