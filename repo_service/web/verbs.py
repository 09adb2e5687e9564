"""The verbs of each route that ends in one: those of changes (domain/verbs.py), and those of flags."""

from collections.abc import Mapping
from typing import Final

from repo_service.domain.verbs import FAMILIES
from repo_service.web import halts

VERBS: Final[dict[str, Mapping[str, type]]] = {
    **{f"{family}_verb": verbs for family, verbs in FAMILIES.items()},
    "flag_verb": halts.VERBS,
}
"""The verbs of each route that ends in one."""
