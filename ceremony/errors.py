"""What can end a ceremony's command: each says what is wrong, then what to do next.

Every check stands before the first write, so none of these leaves anything half written.
"""

from collections.abc import Sequence


class CeremonyError(Exception):
    """``what`` is wrong, what ``todo`` about it, and what was ``written``."""

    def __init__(self, what: str, todo: str, written: str = "Nothing was written.") -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo
        self.written = written


class Refused(CeremonyError):
    """The rules forbid it: ``problems`` are all of them, not the first."""

    def __init__(self, problems: Sequence[str], todo: str) -> None:
        super().__init__("\n".join(problems), todo)
        self.problems = tuple(problems)


class BadInput(CeremonyError):
    """A file is missing or cannot be read as what it must be."""


class Mismatch(CeremonyError):
    """Two things that must be the same are not."""


class NotEnough(CeremonyError):
    """A threshold is not met."""


class Declined(CeremonyError):
    """The person said no."""


class Interrupted(Declined):
    """The person left at a question."""


class BadPassphrase(CeremonyError):
    """A passphrase that differs from the one that was drawn, or does not open the key."""


class TokenFailed(CeremonyError):
    """A token or key service did not open, or did not sign."""


class Unfit(CeremonyError):
    """This machine, its clock or its terminal is not one to hold a ceremony on."""


class BrokenChain(CeremonyError):
    """A transcript was changed, cut or put together from two."""


class RehearsalMixup(CeremonyError):
    """Something made to practise with meets something real."""


class AlreadySigned(CeremonyError):
    """This key signed another file of the same role and version."""
