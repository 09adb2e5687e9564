"""Expecting a refusal: which, and what its sentence says."""

from collections.abc import Callable

import pytest

from client_verify.refusals import Code, Refused


def refuses(code: Code, ask: Callable[[], object], *texts: str) -> Refused:
    """Expect exactly this refusal, and every given text in its sentence."""
    with pytest.raises(Refused) as caught:
        ask()
    assert caught.value.code == code, caught.value
    for text in texts:
        assert text in caught.value.detail
    return caught.value
