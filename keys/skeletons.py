"""Which names look alike: names with equal skeletons do.

A skeleton is made of a normalised name letter by letter, so anybody can reckon it. It folds what Warehouse's
``ultranormalize`` folds (separators; 1, l and i; 0 and o) and ``rn``, which looks like ``m``, and ``vv``, like ``w``.
"""

from typing import Final

FUNCTION: Final = "skeleton-1"
"""The function's name. Another table gets another name: what looked alike once is on record under this one."""

_LOOKS: Final = str.maketrans({"-": "", "i": "1", "l": "1", "o": "0", "m": "rn", "w": "vv"})


def skeleton(name: str) -> str:
    """What a normalised name looks like: of ``pip`` it is ``p1p``, of ``module`` and ``rnodule`` it is ``rn0du1e``."""
    return name.translate(_LOOKS)
