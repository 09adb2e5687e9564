"""What is kept of requests that carry the registry's own number: the ledger by which they are put in order."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request with its number within the project. ``id`` is the change's, from the day on which it came.

    ``body`` is the request of the class ``verb`` as JSON. ``refused`` are the reasons, also as JSON, of one whose turn
    came and that could not be.
    """

    id: str
    name: str
    source_seq: int
    client: str
    key: str
    digest: str
    verb: str
    body: str
    at: str
    state: Literal["held", "recorded", "refused"] = "held"
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A project whose requests wait: for the number ``waits_for``, how many of them, since when the oldest does."""

    name: str
    waits_for: int
    held: int
    since: str
