"""Key objects: the kinds we accept, each under the one id that is its own."""

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, SECP256R1, SECP384R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import Key, Signature, SSlibKey

from keys import records
from keys.signing import HeldKey
from tests.world import held_key, online_key

ED25519 = Ed25519PrivateKey.from_private_bytes(b"1" * 32).public_key()
P256 = derive_private_key(7, SECP256R1()).public_key()
P384 = derive_private_key(7, SECP384R1()).public_key()


@pytest.mark.parametrize("public", [ED25519, P256, P384])
def test_a_key_id_is_the_sha256_of_the_whole_key_object(public: records.PublicKey) -> None:
    """TUF specification section 4.2."""
    key = records.record(public)
    assert key.keyid == hashlib.sha256(encode_canonical(key.to_dict()).encode()).hexdigest()
    assert records.from_object(key.keyid, key.to_dict()) == key
    assert records.check(key).to_dict() == key.to_dict()


@pytest.mark.parametrize("public", [ED25519, P256, P384])
def test_securesystemslib_agrees_about_what_a_key_is(public: records.PublicKey) -> None:
    assert SSlibKey.from_crypto(public) == records.record(public)


def refusal(body: Any, keyid: str = "ab" * 32) -> str:
    with pytest.raises(records.UnacceptableKey) as error:
        records.from_object(keyid, body)
    return str(error.value)


def test_another_id_than_its_own_is_refused() -> None:
    key = records.record(ED25519)
    assert f"its id should be {key.keyid:.16}" in refusal(key.to_dict())


@pytest.mark.parametrize("scheme", ["ed448", "ecdsa-sha2-nistp384", "ssh-ed25519", ""])
def test_a_scheme_that_is_not_the_key_types_own_is_refused(scheme: str) -> None:
    assert f"ed25519/{scheme}" in refusal({**records.record(ED25519).to_dict(), "scheme": scheme})


def test_rsa_is_refused_in_its_own_dress_and_in_another() -> None:
    public = generate_rsa_key(65537, 2048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert "is not one of" in refusal({"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": pem}})
    dressed = {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem}}
    assert "holds a RSAPublicKey" in refusal(dressed)


def test_a_curve_that_we_do_not_use_is_refused() -> None:
    public = derive_private_key(7, SECP256K1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    body = {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem}}
    assert "secp256k1 is not accepted" in refusal(body)


def test_a_scheme_of_another_curve_than_the_keys_is_refused() -> None:
    p384 = records.record(P384)
    assert "its id should be" in refusal({**p384.to_dict(), "scheme": "ecdsa-sha2-nistp256"}, p384.keyid)


@pytest.mark.parametrize(
    "change",
    [
        {"keyval": {"public": "zz"}},
        {"keyval": {"public": "ab" * 31}},
        {"keyval": {"public": 7}},
        {"keyval": {}},
        {"keyval": "x"},
        {"keytype": 7},
        {"keytype": ["ed25519"]},
    ],
)
def test_key_material_that_cannot_be_read_is_refused(change: dict[str, Any]) -> None:
    assert refusal({**records.record(ED25519).to_dict(), **change})


@pytest.mark.parametrize("body", [None, 7, "x", [], {}, {"keytype": "ed25519"}])
def test_what_is_no_key_object_is_refused(body: Any) -> None:
    assert refusal(body)


def test_another_spelling_of_a_public_key_is_refused_although_its_id_would_fit() -> None:
    shouted = {**records.record(ED25519).to_dict()}
    shouted["keyval"] = {"public": shouted["keyval"]["public"].upper()}
    own_id = hashlib.sha256(encode_canonical(shouted).encode()).hexdigest()
    assert "its id should be" in refusal(shouted, own_id)


def test_a_private_or_any_other_field_in_a_key_object_is_refused() -> None:
    key = records.record(ED25519)
    assert "its id should be" in refusal({**key.to_dict(), "comment": "mine"}, key.keyid)


def test_a_fingerprint_is_of_the_key_itself_whatever_id_it_is_listed_under() -> None:
    key = records.record(ED25519)
    alias: Key = SSlibKey("cd" * 32, key.keytype, key.scheme, key.keyval)
    assert records.fingerprint(alias) == records.fingerprint(key)
    assert len({records.fingerprint(records.record(each)) for each in (ED25519, P256, P384)}) == 3


def p384() -> HeldKey:
    return HeldKey(derive_private_key(7, SECP384R1()))


@given(st.sampled_from([held_key(1), online_key(), p384()]), st.binary(max_size=8), st.booleans(), st.integers(0, 200))
def test_a_signature_verifies_here_exactly_where_the_library_verifies_it(
    key: HeldKey, payload: bytes, good: bool, place: int
) -> None:
    """Held against securesystemslib, which reads the key anew each time."""
    signature = key.sign(b"payload" if good else payload)
    raw = bytearray.fromhex(signature.signature)
    raw[place % len(raw)] ^= place // len(raw)
    tried = Signature(key.record.keyid, raw.hex())
    try:
        key.record.verify_signature(tried, b"payload")
        theirs = True
    except (UnverifiedSignatureError, VerificationError):
        theirs = False
    assert records.verifies(key.record, tried.signature, b"payload") == theirs


@pytest.mark.parametrize("signature", ["", "zz", "00", "é"])
def test_what_is_no_signature_at_all_does_not_verify(signature: str) -> None:
    for key in (held_key(1), online_key()):
        assert not records.verifies(key.record, signature, b"payload")


def test_a_signature_of_another_curve_than_the_scheme_names_does_not_verify() -> None:
    own = p384().record
    dressed = SSlibKey(own.keyid, own.keytype, "ecdsa-sha2-nistp256", own.keyval)
    assert not records.verifies(dressed, p384().sign(b"payload").signature, b"payload")
