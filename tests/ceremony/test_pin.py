"""A pinned root is found in the chain that continues it, and nowhere else."""

import pytest
from ceremony.pin import pinned_version

from ceremony.errors import Mismatch
from tests.ceremony.people import first
from tests.keys.test_trust import FILES, GOOD


def test_a_pinned_root_is_found_in_the_chain_that_continues_it() -> None:
    assert pinned_version(GOOD, "1.root.json", FILES["1.root.json"]) == 1


def test_a_pinned_root_of_another_chain_is_refused() -> None:
    other = first(days=300)
    with pytest.raises(Mismatch, match="your pinned root 1 is not in this chain of roots"):
        pinned_version(GOOD, "1.root.json", other.roots[0].data)
