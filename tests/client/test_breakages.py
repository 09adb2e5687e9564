"""Each check is there: where it is taken out, of python-tuf or of the client, the test named for it turns red."""

import inspect

import pytest

from tests.breaking import broken
from tests.client import breakages, log_breakages
from tests.client.conftest import World
from tests.client.refusing import refuses
from tests.client.test_corruption import keep
from tests.client.test_limits import serve_raw, verified  # noqa: F401 - fixtures of tests that are named there
from tests.client.test_logged import moved_from, registry_in


@pytest.mark.parametrize(
    "breakage", breakages.BREAKAGES + log_breakages.BREAKAGES, ids=lambda each: each.what.replace(" ", "_")
)
def test_a_check_that_is_missing_turns_a_test_red(breakage, tmp_path, request):
    breakage.test(**_fixtures(breakage.test, tmp_path / "whole", request), **breakage.arguments)
    given = _fixtures(breakage.test, tmp_path / "broken", request)
    with broken(breakage), pytest.raises((Exception, pytest.fail.Exception)) as caught:
        breakage.test(**given, **breakage.arguments)
    assert not isinstance(caught.value, (NameError, ImportError, TypeError)), "broken in another way than meant"


def _fixtures(test, tmp_path, request):
    """What a test asks for: a world of its own, and everything else as pytest has it."""
    tmp_path.mkdir()
    made = {"world": lambda: World(tmp_path / "acme"), "refuses": lambda: refuses, "tmp_path": lambda: tmp_path}
    names = [*inspect.signature(test).parameters]
    made["registry"] = lambda: registry_in(tmp_path)
    found = {name: made[name]() for name in names if name in made}
    if "moved" in names:
        found["moved"] = moved_from(found.setdefault("registry", registry_in(tmp_path)), tmp_path)
    if "kept" in names:
        found["kept"] = keep(found["world"])
    for name in ("verified", "serve_raw"):
        if name in names:
            found[name] = request.getfixturevalue(name)
    return found
