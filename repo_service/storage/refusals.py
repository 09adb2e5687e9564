"""What is kept of an attempt that was refused: who asked for what, and every reason. Never signed, and not for ever."""

from dataclasses import dataclass

from keys.state import ActorClass
from repo_service.domain.case import Why


@dataclass(frozen=True, slots=True)
class Attempt:
    """A refused request. ``policy`` is the id of the policy that judged it."""

    id: str
    at: str
    client: str
    verb: str
    name: str
    version: str | None
    by: ActorClass
    reasons: tuple[Why, ...]
    policy: str
