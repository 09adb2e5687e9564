"""What an admin has approved, as long as a second one is waited for. Never signed, and gone once it is done."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from keys.times import moment, stamp
from repo_service.storage import tables as t
from repo_service.storage.pen import Pen


@dataclass(frozen=True, slots=True)
class Approval:
    """One admin's word that a held yank should come into force, given by a ``token``, and what was seen: the ``serial``
    of the name and the ``digest`` of what approving would do.
    """

    name: str
    version: str
    admin: str
    token: str
    serial: int
    digest: str
    at: str
    expires: str

    def is_over(self, now: datetime) -> bool:
        """Whether it counts no longer, since nobody joined it in time."""
        return now >= moment(self.expires)


class ApprovalReading:
    """Reading of approvals: a part of a view."""

    _connection: Connection

    def approvals(self, name: str, version: str) -> Sequence[Approval]:
        """All that are kept about one held yank, the first given first, whether they still count or not."""
        its = (t.approvals.c.name == name) & (t.approvals.c.version == version)
        query = select(t.approvals).where(its).order_by(t.approvals.c.at, t.approvals.c.admin)
        return [Approval(**row) for row in self._connection.execute(query).mappings()]


class ApprovalPen(ApprovalReading, Pen):
    """A pen that keeps approvals too."""

    def keep_approval(self, approval: Approval) -> None:
        """Remember it in place of what the same admin approved of the same yank before; what is over goes."""
        same = (t.approvals.c.name == approval.name) & (t.approvals.c.version == approval.version)
        mine = same & (t.approvals.c.admin == approval.admin)
        self._connection.execute(delete(t.approvals).where(mine | (t.approvals.c.expires <= approval.at)))
        self._connection.execute(insert(t.approvals), asdict(approval))

    def forget_approvals(self, name: str, version: str) -> None:
        """The yank that they were about waits no more."""
        its = (t.approvals.c.name == name) & (t.approvals.c.version == version)
        self._connection.execute(delete(t.approvals).where(its))


def approval(
    name: str, version: str, admin: str, token: str, serial: int, digest: str, now: datetime, until: datetime
) -> Approval:
    """An approval that is given now."""
    return Approval(name, version, admin, token, serial, digest, stamp(now), stamp(until))
