"""A public key file proves that its maker holds the key, under that name and for that purpose."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from keys import possession, records, strict
from tests.servers import need
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


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run([need("openssl", "openssl"), *arguments], input=given, capture_output=True, check=True).stdout


PSS: Final = ("-sigopt", "rsa_padding_mode:pss")
ELSEWHERE: Final = {
    "ed25519": (("-algorithm", "ed25519"), None),
    "ecdsa-sha2-nistp256": (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), ("-sha256",)),
    "ecdsa-sha2-nistp384": (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"), ("-sha384",)),
    "rsassa-pss-sha256": (
        ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        ("-sha256", *PSS, "-sigopt", "rsa_pss_saltlen:-1"),
    ),
}
"""Scheme to how openssl makes such a key, and how it signs with it."""


def elsewhere(folder: Path, scheme: str) -> tuple[Any, bytes]:
    """A key that we never hold, and its signature over its statement as bob's."""
    making, signing = ELSEWHERE[scheme]
    private, said = folder / "key.pem", folder / "bob.statement"
    private.write_bytes(openssl("genpkey", *making))
    key = records.from_pem(openssl("pkey", "-pubout", "-in", str(private)))
    said.write_bytes(possession.statement("bob", key.keyid, rehearsal=False))
    if signing is None:
        return key, openssl("pkeyutl", "-sign", "-rawin", "-inkey", str(private), "-in", str(said))
    return key, openssl("dgst", *signing, "-sign", str(private), str(said))


@pytest.mark.parametrize("scheme", ELSEWHERE)
def test_a_key_that_is_elsewhere_is_proven_by_what_openssl_signed_with_it(scheme: str, tmp_path: Path) -> None:
    key, proof = elsewhere(tmp_path, scheme)
    assert key.scheme == scheme
    found = possession.read(possession.written_by("bob", key, proof, rehearsal=False))
    assert (found.name, found.rehearsal, found.key) == ("bob", False, key)
    for name, rehearsal in (("mallory", False), ("bob", True)):
        with pytest.raises(possession.NoPossession, match=f"no signature by key {key.keyid:.16}"):
            possession.written_by(name, key, proof, rehearsal=rehearsal)


@pytest.mark.parametrize(("scheme", "size"), [("ecdsa-sha2-nistp256", 32), ("ecdsa-sha2-nistp384", 48)])
def test_a_proof_as_a_token_makes_it_is_written_in_the_form_of_tuf(scheme: str, size: int, tmp_path: Path) -> None:
    key, proof = elsewhere(tmp_path, scheme)
    r, s = decode_dss_signature(proof)
    raw = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    assert possession.written_by("bob", key, raw, rehearsal=False) == possession.written_by(
        "bob", key, proof, rehearsal=False
    )


@pytest.mark.parametrize("key", [KEY, online_key()], ids=["ed25519", "ecdsa"])
@pytest.mark.parametrize("proof", [b"", b"x", b"0" * 64, b"0" * 70])
def test_no_file_is_written_for_a_proof_that_is_rubbish(key: Any, proof: bytes) -> None:
    with pytest.raises(possession.NoPossession):
        possession.written_by("alice", key.record, proof, rehearsal=True)


def test_a_public_key_file_that_others_made_out_of_shape_is_refused_though_its_proof_is_good(tmp_path: Path) -> None:
    key, proof = elsewhere(tmp_path, "ecdsa-sha2-nistp256")
    file = json.loads(possession.written_by("bob", key, proof, rehearsal=False))
    for public in (file["public"][:-1], ["#", *file["public"]]):
        with pytest.raises(records.UnacceptableKey):
            possession.read(json.dumps({**file, "public": public}).encode())
