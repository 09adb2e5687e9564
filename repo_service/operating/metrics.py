"""What a process counts while it works, as the code that works sees it: the names of moments, and no library.

Hand a ``Metrics`` in and call it where something has just happened; this one forgets everything. The one of
``exposition.py`` keeps it for Prometheus. No method raises, and none of them changes what is done.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

Stage = Literal["read", "sign", "check", "log", "commit", "witness", "copy"]
"""The parts of a release, in order: what is timed."""
WitnessFault = Literal["away", "late", "rubbish", "signature", "clock", "refused", "forgot", "ahead", "fork"]
"""Why a witness did not cosign. The last two say that something is wrong with our log, or was signed for others."""


class Metrics:
    """Forgets everything."""

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Times a part of a release: ``with metrics.stage("sign"): …``. A part that raises is timed too."""
        del name
        yield

    def published(self, accepted: Iterable[datetime]) -> None:
        """A release is visible now, and these are the times at which its events were accepted. Leave the bulk lane
        out: nobody waits for it.
        """

    def round_done(self) -> None:
        """A round ended well: what was pending and due is published."""

    def round_failed(self, error: Exception) -> None:
        """A round ended with this."""

    def lease_lost(self) -> None:
        """Another publisher has taken the lease, or committed first."""

    def doorbell_failed(self) -> None:
        """Redis did not take a wake-up."""

    def refused(self, status: int, code: str) -> None:
        """A request was answered with a problem: its status and code."""

    def collected(self, files: int) -> None:
        """So many superseded files were deleted."""

    def witness_asked(self, name: str) -> None:
        """A witness is asked to cosign a checkpoint, perhaps with more than one question."""

    def witness_cosigned(self, name: str) -> None:
        """It did, and its signature verifies."""

    def witness_failed(self, name: str, fault: WitnessFault) -> None:
        """It did not, and is left alone for a while."""


FORGETFUL: Metrics = Metrics()
