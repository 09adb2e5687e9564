"""The plan: what people write is read strictly and means what it says."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ceremony import plan as plans
from ceremony.errors import BadInput, Mismatch
from ceremony.plan import Keyring, Plan, Signatory, check_keyring
from tests.ceremony.people import THREE, plan, public

lines = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), max_size=20)
signatories = st.builds(Signatory, lines, lines)
PLANS = st.builds(
    Plan, lines, lines, lines, st.booleans(), st.integers(0, 9), st.integers(0, 999), st.integers(0, 2**20),
    st.lists(lines).map(tuple), signatories, st.lists(signatories, min_size=1).map(tuple),
)  # fmt: skip


@given(PLANS)
def test_what_is_written_reads_back_as_the_same_plan_and_the_same_bytes(planned: Plan) -> None:
    """What parses serialises back."""
    written = plans.write(planned)
    assert plans.read(written) == planned
    assert plans.write(plans.read(written)) == written


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (b"threshold = 2", b"threshold = 2.0", "threshold: must be int"),
        (b"threshold = 2", b"treshold = 2", "treshold: is not known here"),
        (b"threshold = 2", b"", "threshold: is missing"),
        (b"rehearsal = false", b'rehearsal = "no"', "rehearsal: must be bool"),
        (b"threshold = 2", b"threshold = = 2", "Invalid value"),
        (b'purpose = "a test"', b'purpose = "a\\u202e test"', "U\\+202E"),
        (b"threshold = 2", b"\xff", "invalid start byte"),
    ],
)
def test_a_plan_with_one_thing_wrong_is_refused_by_that_name(before: bytes, after: bytes, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        plans.read(plans.write(plan()).replace(before, after))


def test_a_key_file_that_the_plan_does_not_name_is_refused() -> None:
    with pytest.raises(Mismatch, match=r"eve, key .* is only in a key file"):
        check_keyring(plan(), Keyring((*THREE.holders, public("eve")), THREE.online))


def test_a_planned_holder_without_a_key_file_is_refused() -> None:
    with pytest.raises(Mismatch, match=r"carol, key .* is only in plan\.toml"):
        check_keyring(plan(), Keyring(THREE.holders[:2], THREE.online))


def test_a_key_file_under_another_persons_name_is_refused() -> None:
    eve = dataclasses.replace(public("eve"), name="alice")
    with pytest.raises(Mismatch, match="alice"):
        check_keyring(plan(), Keyring((eve, *THREE.holders[1:]), THREE.online))
