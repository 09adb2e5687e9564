"""The bodies of requests that are no change of one name."""

from dataclasses import dataclass

from keys.state import Reason
from repo_service.domain import requests as r


@dataclass(frozen=True, slots=True)
class Ban:
    """The body of the revocation of all that an account has reserved."""

    reason: Reason
    actor: r.Actor


@dataclass(frozen=True, slots=True)
class Told:
    """The body of an acknowledgement: the id of a notice, as it was listed."""

    id: str
