"""Each check of witnessing is there: where it is taken out, the test named for it turns red."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from tests.breaking import Breakage, Test, broken
from tests.witness.breakages import BREAKAGES


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda each: each.what.replace(" ", "_"))
def test_a_check_that_is_missing_turns_a_test_red(breakage: Breakage, tmp_path: Path) -> None:
    with broken(breakage), pytest.raises((Exception, pytest.fail.Exception)) as caught:
        breakage.test(**folder(breakage.test, tmp_path), **breakage.arguments)
    assert not isinstance(caught.value, NameError | ImportError | TypeError), "broken in another way than meant"


def folder(test: Test, path: Path) -> dict[str, Any]:
    return {"tmp_path": path} if "tmp_path" in inspect.signature(test).parameters else {}
