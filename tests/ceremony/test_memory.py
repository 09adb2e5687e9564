"""A key remembers what it signed: the only defence against two roots of one version."""

import pytest

from ceremony import memory
from ceremony.errors import AlreadySigned, BadInput
from tests.ceremony.people import drafted


def test_a_second_root_of_one_version_is_refused_with_both_digests() -> None:
    signed, asked = drafted().candidates[:1], drafted(threshold=3).candidates[:1]
    with pytest.raises(AlreadySigned) as refused:
        memory.check(memory.remember(memory.NEW, signed), asked)
    assert signed[0].digest in refused.value.what and asked[0].digest in refused.value.what


def test_the_same_root_may_be_signed_again_and_is_remembered_once() -> None:
    remembered = memory.remember(memory.NEW, drafted().candidates)
    memory.check(remembered, drafted().candidates)
    assert memory.remember(remembered, drafted().candidates) == remembered


def test_a_memory_reads_back_as_the_same_bytes() -> None:
    remembered = memory.remember(memory.NEW, drafted().candidates)
    assert memory.read(memory.write(remembered)) == remembered


@pytest.mark.parametrize("data", [b"", b"{}", b'{"type":"tallystick-signed/1","signed":[1]}'])
def test_a_damaged_memory_is_refused_and_never_taken_for_an_empty_one(data: bytes) -> None:
    with pytest.raises(BadInput, match="the memory beside the key is damaged"):
        memory.read(data)
