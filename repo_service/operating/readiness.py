"""Is this process ready to serve: each part looked at by itself, so that whoever asks learns which one is not."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keys.times import moment
from repo_service.bell import Bell
from repo_service.build.due import Lifetimes
from repo_service.publishing.clocks import Source
from repo_service.storage.depot import Depot
from repo_service.storage.journal import Journal
from repo_service.storage.schema import WrongSchema

logger: Final = logging.getLogger(__name__)
OK: Final = "ok"


@dataclass(frozen=True, slots=True)
class Parts:
    """What is looked at, and against which periods and clocks."""

    journal: Journal
    depot: Depot
    bell: Bell
    clock: Callable[[], datetime]
    lifetimes: Lifetimes
    clocks: Sequence[Source] = ()

    def look(self) -> dict[str, str]:
        """Each part with ``ok`` or with one sentence, without addresses or secrets, on what is wrong with it."""
        looks = (
            ("database", self._database, "it does not answer"),
            ("schema", self._schema, "it cannot be read"),
            ("depot", self._depot, "it cannot be read"),
            ("timestamp", self._timestamp, "it cannot be read"),
            ("publisher", self._publisher, "it cannot be asked"),
        )
        return {part: _said(part, look, otherwise) for part, look, otherwise in looks}

    def _database(self) -> str:
        with self.journal.reading() as view:
            view.has_pending_beyond(0)
        return OK

    def _schema(self) -> str:
        try:
            self.journal.check()
        except WrongSchema:
            return "the database is of another version; see tallystick-service migrate"
        return OK

    def _depot(self) -> str:
        return OK if self.depot.pointer() else "it has no timestamp.json"

    def _timestamp(self) -> str:
        left, whole = public_timestamp(self.depot).expires - self.clock(), self.lifetimes.timestamp
        return OK if left >= whole / 2 else f"it has {left.total_seconds():.0f} s left of {whole.total_seconds():.0f}"

    def _publisher(self) -> str:
        return OK if self.bell.is_alive() else "its thread has ended; restart this process"


@dataclass(frozen=True, slots=True)
class PublicTimestamp:
    """What clients are told now: the version, which is the generation, and until when."""

    version: int
    expires: datetime


def public_timestamp(depot: Depot) -> PublicTimestamp:
    """The timestamp that is in the depot. LookupError if there is none."""
    data = depot.pointer()
    if data is None:
        raise LookupError("the depot has no timestamp.json")
    signed = json.loads(data)["signed"]
    return PublicTimestamp(signed["version"], moment(signed["expires"]))


def _said(part: str, look: Callable[[], str], otherwise: str) -> str:
    try:
        return look()
    except Exception:  # whatever it was: the answer is that this part is not ready
        logger.warning("not ready", extra={"part": part}, exc_info=True)
        return otherwise
