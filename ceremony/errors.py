"""What can end a ceremony's command: each says what is wrong, then what to do next.

Every check stands before the first write, so none of these leaves anything half written.
"""

from collections.abc import Sequence


class CeremonyError(Exception):
    """``what`` is wrong, and what ``todo`` about it."""

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo


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


class BadPassphrase(CeremonyError):
    """A passphrase is too short, differs from its repetition, or does not open the key."""


class NoTerminal(CeremonyError):
    """A person must answer, and there is no terminal to ask on."""


class RehearsalMixup(CeremonyError):
    """Something made to practise with meets something real."""


class AlreadySigned(CeremonyError):
    """This key signed another file of the same role and version."""
