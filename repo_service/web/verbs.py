"""The verbs of each route that ends in one: those of changes (domain/verbs.py), and those of flags."""

from collections.abc import Mapping
from typing import Final

from repo_service.domain.verbs import FILE_VERBS, NAME_VERBS, NAMESPACE_VERBS, PROJECT_VERBS, RELEASE_VERBS
from repo_service.web import halts

VERBS: Final[dict[str, Mapping[str, type]]] = {
    "release_verb": RELEASE_VERBS,
    "file_verb": FILE_VERBS,
    "project_verb": PROJECT_VERBS,
    "name_verb": NAME_VERBS,
    "namespace_verb": NAMESPACE_VERBS,
    "flag_verb": halts.VERBS,
}
"""The verbs of each route that ends in one."""
