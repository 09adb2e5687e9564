"""Each check of the log's proofs is there: where it is taken out, the test named for it turns red."""

import inspect

import pytest

from tests.breaking import broken
from tests.keys.tlog.breakages import BREAKAGES


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda each: each.what.replace(" ", "_"))
def test_a_check_that_is_missing_turns_a_test_red(breakage, tmp_path):
    breakage.test(**_folder(breakage.test, tmp_path / "whole"), **breakage.arguments)
    with broken(breakage), pytest.raises((Exception, pytest.fail.Exception)) as caught:
        breakage.test(**_folder(breakage.test, tmp_path / "broken"), **breakage.arguments)
    assert not isinstance(caught.value, NameError | ImportError | TypeError), "broken in another way than meant"


def _folder(test, path):
    path.mkdir()
    return {"tmp_path": path} if "tmp_path" in inspect.signature(test).parameters else {}
