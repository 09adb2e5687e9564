"""The shape of a repository: bins as python-tuf has them, and versions that tell them apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import SuccinctRoles, Targets

from keys import layout
from tests.keys.strategies import project_names
from tests.world import root_of_trust

SIZES = (1, 2, 3, 4, 5, 8, 9, 13, 14)


def succinct(bit_length: int) -> SuccinctRoles:
    return SuccinctRoles([], 1, bit_length, layout.BIN_PREFIX)


@pytest.mark.parametrize("bit_length", SIZES)
def test_bins_are_named_as_python_tuf_names_them(bit_length: int) -> None:
    """TAP 15."""
    bins = layout.Bins(bit_length)
    assert bins.roles() == list(succinct(bit_length).get_roles())
    assert len(bins) == len(set(bins.roles())) == 2**bit_length
    assert [layout.bin_number(role) for role in bins.roles()] == list(range(len(bins)))


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), st.sampled_from(SIZES))
def test_a_path_falls_into_the_bin_where_python_tuf_looks_for_it(path: str, bit_length: int) -> None:
    bins = layout.Bins(bit_length)
    assert bins.role(bins.number(path)) == succinct(bit_length).get_role_for_target(path)


@given(*[st.integers(0, (1 << layout.MAX_BIT_LENGTH) - 1), st.integers(0, 500)] * 2)
def test_two_bins_never_have_the_same_version(one: int, times: int, other: int, more: int) -> None:
    """ "Two bins of equal version could be swapped by any mirror without a key." """

    def version(number: int, signed: int) -> int:
        found = layout.first_version(number)
        for _ in range(signed):
            found = layout.next_version(found)
        return found

    assert (version(one, times) == version(other, more)) == ((one, times) == (other, more))
    assert version(one, times + 1) > version(one, times) > 0
    assert version(one, times) % layout.BIN_STRIDE == one


@pytest.mark.parametrize("bit_length", [-1, 0, 15, 32])
def test_there_are_two_to_16384_bins(bit_length: int) -> None:
    with pytest.raises(ValueError, match="must be 1 to 14"):
        layout.Bins(bit_length)
    assert 1 << layout.MAX_BIT_LENGTH < layout.BIN_STRIDE


@pytest.mark.parametrize("role", ["root", "targets", "held", "bins", "bin", "bin-", "bin-g", "bins-00", "-00"])
def test_a_role_that_is_no_bin_has_no_number(role: str) -> None:
    with pytest.raises(ValueError, match=r"not a bin|invalid literal"):
        layout.bin_number(role)


def targets_and_bins(*held: str) -> tuple[Targets, Targets]:
    newest = root_of_trust(held=held).newest
    targets, bins = newest["targets"].body, newest["bins"].body
    assert isinstance(targets, Targets) and isinstance(bins, Targets)
    return targets, bins


def test_held_speaks_for_every_target_of_a_held_name_and_for_no_other() -> None:
    targets, bins = targets_and_bins("requests")
    for path in ("simple/requests/vnd.pypi.simple.v1.json", "packages/requests/requests-1.0.tar.gz"):
        assert layout.responsible_role(targets, bins, path) == "held"
    for path in (
        "simple/requests2/vnd.pypi.simple.v1.json",
        "simple/requests/a/b",
        "simple/requests",
        "packages/Requests/x",
        "other/requests/x",
    ):
        assert not layout.is_held(targets, path)
        assert layout.responsible_role(targets, bins, path).startswith("bin-")


@given(project_names, project_names)
def test_the_patterns_of_one_name_never_match_another(one: str, other: str) -> None:
    targets, _ = PATTERNS
    assert targets.delegations is not None and targets.delegations.roles is not None
    targets.delegations.roles["held"].paths = layout.held_paths(one)
    delegation = targets.delegations.roles["held"]
    for path in (f"simple/{other}/page", f"packages/{other}/file"):
        assert layout.is_held(targets, path) == (one == other) == delegation.is_delegated_path(path)


PATTERNS = targets_and_bins("x")


@pytest.mark.parametrize("role", ["bin-0x1f", "bin-0_1", "bin-", "bin- 1", "bin-1F", "bin-00000", "bins", "targets"])
def test_only_the_spelling_of_a_bin_is_a_bin(role: str) -> None:
    with pytest.raises(ValueError, match="is not a bin"):
        layout.bin_number(role)


@given(st.integers(0, 30_000_000))
def test_bins_are_recommended_so_that_each_holds_two_hundred_targets_at_most(targets: int) -> None:
    bins = len(layout.recommended_bins(targets))
    assert 256 <= bins <= 16_384
    assert targets <= bins * layout.TARGETS_A_BIN or bins == 16_384
    assert bins == 256 or targets > bins // 2 * layout.TARGETS_A_BIN


@pytest.mark.parametrize(("targets", "bins"), [(0, 256), (50_000, 256), (700_000, 4_096), (8_700_000, 16_384)])
def test_bins_recommended_for_a_small_registry_for_pages_of_pypi_and_for_all_of_it(targets: int, bins: int) -> None:
    assert len(layout.recommended_bins(targets)) == bins


@given(*[st.integers(0, (1 << layout.MAX_BIT_LENGTH) - 1), st.integers(0, 500)] * 2)
def test_no_bin_has_a_version_that_any_bin_had_when_there_was_another_number_of_them(
    old: int, times: int, new: int, more: int
) -> None:
    """ "So that no bin can stand in for one of another number of bins either." """
    before = layout.first_version(old) + times * layout.BIN_STRIDE
    after = layout.first_version(new, before) + more * layout.BIN_STRIDE
    assert after // layout.BIN_STRIDE > before // layout.BIN_STRIDE
    assert after % layout.BIN_STRIDE == new
