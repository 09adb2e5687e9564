"""A public key file proves that its maker holds the key, under that name and for that purpose."""

import json
from typing import Any

import pytest

from keys import possession, records, strict
from tests.world import held_key, online_key

KEY = held_key(1)
FILE = possession.write("alice", KEY, rehearsal=True)


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(FILE), **fields}).encode()


@pytest.mark.parametrize("key", [KEY, online_key()], ids=["ed25519", "ecdsa"])
@pytest.mark.parametrize("rehearsal", [True, False])
def test_what_is_written_is_read(key: Any, rehearsal: bool) -> None:
    found = possession.read(possession.write("alice", key, rehearsal=rehearsal))
    assert (found.name, found.rehearsal, found.key.to_dict()) == ("alice", rehearsal, key.record.to_dict())


def test_a_changed_name_is_not_proven() -> None:
    with pytest.raises(possession.NoPossession):
        possession.read(changed(name="mallory"))


def test_a_rehearsals_key_cannot_be_made_a_real_one() -> None:
    with pytest.raises(possession.NoPossession):
        possession.read(changed(rehearsal=False))


def test_another_keys_proof_is_no_proof() -> None:
    theirs = json.loads(possession.write("alice", held_key(2), rehearsal=True))["proof"]
    with pytest.raises(possession.NoPossession):
        possession.read(changed(proof=theirs))


@pytest.mark.parametrize("proof", ["", "zz", "00" * 64])
def test_rubbish_is_no_proof(proof: str) -> None:
    with pytest.raises(possession.NoPossession):
        possession.read(changed(proof=proof))


def test_another_public_key_under_the_same_id_is_refused() -> None:
    other = held_key(2).record.keyval["public"]
    with pytest.raises(records.UnacceptableKey):
        possession.read(changed(public=[other]))


@pytest.mark.parametrize(
    "fields",
    [{"type": "tallystick-public-key/2"}, {"name": "a\nb"}, {"rehearsal": "false"}, {"more": 1}, {"public": "x"}],
)
def test_another_form_is_malformed(fields: dict[str, Any]) -> None:
    with pytest.raises(strict.Malformed):
        possession.read(changed(**fields))


def test_what_is_signed_can_never_be_metadata() -> None:
    """ "The proof signs a text that can never be TUF metadata (it is not JSON)." """
    statement = possession.statement("{}", KEY.record.keyid, rehearsal=False)
    with pytest.raises(strict.Malformed, match="not JSON"):
        strict.parse(statement)
