"""Whoever is refused is told what helps and whom to ask, for every reason that there is."""

import re
from importlib.resources import files
from typing import get_args

import pytest

from repo_service.domain import verbs
from repo_service.domain.case import Why
from repo_service.domain.flags import Flag
from repo_service.domain.policy import preset
from repo_service.domain.remedies import REMEDIES, alternatives
from repo_service.domain.requests import verb_of
from repo_service.wiring import presets
from tests.domain.book import POLICY
from tests.domain.test_refusals import REFUSED
from tests.world import publishing

TABLES = [verbs.RELEASE_VERBS, verbs.FILE_VERBS, verbs.PROJECT_VERBS, verbs.NAME_VERBS, verbs.NAMESPACE_VERBS]
VERBS = {verb for table in TABLES for verb in table}


def test_there_is_a_remedy_for_every_code_that_decide_knows_and_for_no_other() -> None:
    rooms = [room.read_text() for room in files("repo_service.domain").iterdir() if room.name.endswith(".py")]
    written = {code for room in rooms for code in re.findall(r'Why\(\s*"(\w+)"', room)}
    # Codes that are put together, or handed to a function.
    written |= {f"flag_{flag}" for flag in get_args(Flag)} | {"too_many_downloads", "multiple_owners"}
    assert written | {code for _, _, codes in REFUSED for code in codes} == set(REMEDIES)


@pytest.mark.parametrize("code", sorted(REMEDIES))
def test_a_remedy_names_only_verbs_that_there_are(code: str) -> None:
    remedy = REMEDIES[code]
    assert set(remedy.verbs) <= VERBS
    assert remedy.help and not remedy.help.endswith(".")


def test_alternatives_are_those_of_all_reasons_once_each_as_far_as_the_policy_offers_them() -> None:
    reasons = [Why("has_dependents", ""), Why("unpublish_window_over", ""), Why("project_archived", "")]
    assert alternatives(reasons, POLICY) == ("yank", "deprecate", "unarchive")
    assert alternatives(reasons, preset("npm", presets())) == ("deprecate", "unarchive")
    assert alternatives(reasons, preset("crates", presets())) == ("yank", "unarchive")


@pytest.mark.parametrize(
    "table", [verbs.RELEASE_VERBS, verbs.FILE_VERBS, verbs.PROJECT_VERBS, verbs.NAME_VERBS, verbs.NAMESPACE_VERBS]
)
def test_a_request_is_known_by_the_verb_of_its_route(table: dict[str, type]) -> None:
    for verb, kind in table.items():
        assert verb_of(kind.__new__(kind)) == verb
    assert verb_of(publishing("foo")) == "publish"
