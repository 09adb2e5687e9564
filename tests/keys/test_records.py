"""Key objects: the kinds we accept, each under the one id that is its own."""

import hashlib
import subprocess
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, SECP256R1, SECP384R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey, MLDSA87PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner, Key, Signature, SSlibKey

from keys import records
from keys.signing import HeldKey
from tests.servers import need
from tests.world import held_key, online_key

ED25519 = Ed25519PrivateKey.from_private_bytes(b"1" * 32).public_key()
P256 = derive_private_key(7, SECP256R1()).public_key()
P384 = derive_private_key(7, SECP384R1()).public_key()
RSA_PRIVATE = generate_rsa_key(65537, 2048)
RSA = RSA_PRIVATE.public_key()
MLDSA_PRIVATE = [kind.from_seed_bytes(b"7" * 32) for kind in (MLDSA44PrivateKey, MLDSA65PrivateKey, MLDSA87PrivateKey)]
MLDSA = [private.public_key() for private in MLDSA_PRIVATE]
EVERY: Final = [ED25519, P256, P384, RSA, *MLDSA]
NAMES: Final = list(records.SCHEMES)


def pem_of(public: Any) -> str:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def own_id(body: dict[str, Any]) -> str:
    return hashlib.sha256(encode_canonical(body).encode()).hexdigest()


@pytest.mark.parametrize("public", EVERY, ids=NAMES)
def test_a_key_id_is_the_sha256_of_the_whole_key_object(public: records.PublicKey) -> None:
    """TUF specification section 4.2."""
    key = records.record(public)
    assert key.keyid == hashlib.sha256(encode_canonical(key.to_dict()).encode()).hexdigest()
    assert records.from_object(key.keyid, key.to_dict()) == key
    assert records.check(key).to_dict() == key.to_dict()


@pytest.mark.parametrize("public", EVERY, ids=NAMES)
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


def test_rsa_is_refused_in_the_dress_of_another_kind() -> None:
    dressed = {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem_of(RSA)}}
    assert "holds a RSAPublicKey, not a key of type ecdsa" in refusal(dressed)


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (2040, 65537), (8200, 65537), (2048, 3)])
def test_an_rsa_key_that_is_weak_or_huge_is_refused(bits: int, exponent: int) -> None:
    public = RSAPublicNumbers(exponent, (1 << bits) - 1).public_key()
    body = {"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": pem_of(public)}}
    for refused in (refusal(body, own_id(body)), refusal_of_pem(pem_of(public).encode())):
        assert f"RSA of {bits} bits is not accepted; it takes 2048 to 8192 bits" in refused


@pytest.mark.parametrize("scheme", ["rsassa-pss-sha512", "rsa-pkcs1v15-sha256"])
def test_an_rsa_key_has_one_scheme(scheme: str) -> None:
    """ "A second one would be a second id for the same key." """
    body = {"keytype": "rsa", "scheme": scheme, "keyval": {"public": pem_of(RSA)}}
    assert f"rsa/{scheme} is not one of" in refusal(body, own_id(body))
    other = SSlibKey(own_id(body), "rsa", scheme, {"public": pem_of(RSA)})
    assert records.fingerprint(other) == records.fingerprint(records.record(RSA))


def test_a_post_quantum_key_has_the_scheme_of_its_own_size() -> None:
    body = {"keytype": "ml-dsa", "scheme": "ml-dsa-44/1", "keyval": {"public": pem_of(MLDSA[1])}}
    assert "its scheme is ml-dsa-44/1, but it is a key for ml-dsa-65/1" in refusal(body, own_id(body))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda pem: pem.replace("\n", "\r\n"), "is spelled otherwise than we write it"),
        (lambda pem: pem.rstrip("\n"), "is spelled otherwise than we write it"),
        (lambda pem: pem + "\n", "is spelled otherwise than we write it"),
        (lambda pem: pem.replace("\n", "\n\n", 1), ""),
        (lambda pem: "a key\n" + pem, "is written in PEM"),
    ],
)
@pytest.mark.parametrize("public", EVERY[1:], ids=NAMES[1:])
def test_a_pem_in_another_spelling_is_refused_under_the_id_that_it_would_have(
    public: records.PublicKey, change: Any, sentence: str
) -> None:
    body = records.record(public).to_dict()
    other = {**body, "keyval": {"public": change(body["keyval"]["public"])}}
    assert sentence in refusal(other, own_id(other))


@pytest.mark.parametrize("scheme", ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"])
def test_a_hexadecimal_ecdsa_key_is_refused(scheme: str) -> None:
    """sigstore's first roots held such, and other clients could not read them (root-signing #329)."""
    point = P256.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()
    body = {"keytype": "ecdsa", "scheme": scheme, "keyval": {"public": point}}
    assert "a key of type ecdsa is written in PEM" in refusal(body, own_id(body))


def test_an_old_key_type_of_ecdsa_is_refused() -> None:
    """ "One scheme for each key": the library knows the type ecdsa-sha2-nistp256 too."""
    body = {**records.record(P256).to_dict(), "keytype": "ecdsa-sha2-nistp256"}
    assert "ecdsa-sha2-nistp256/ecdsa-sha2-nistp256 is not one of" in refusal(body, own_id(body))


def test_a_curve_that_we_do_not_use_is_refused() -> None:
    public = derive_private_key(7, SECP256K1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    body = {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem}}
    assert "secp256k1 is not accepted" in refusal(body)


def test_a_scheme_of_another_curve_than_the_keys_is_refused() -> None:
    p384 = records.record(P384)
    said = refusal({**p384.to_dict(), "scheme": "ecdsa-sha2-nistp256"}, p384.keyid)
    assert "its scheme is ecdsa-sha2-nistp256, but it is a key for ecdsa-sha2-nistp384" in said


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
    assert "spelled otherwise" in refusal(shouted, own_id(shouted))


def test_a_private_or_any_other_field_in_a_key_object_is_refused() -> None:
    key = records.record(ED25519)
    assert "its id should be" in refusal({**key.to_dict(), "comment": "mine"}, key.keyid)


def test_a_fingerprint_is_of_the_key_itself_whatever_id_it_is_listed_under() -> None:
    key = records.record(ED25519)
    alias: Key = SSlibKey("cd" * 32, key.keytype, key.scheme, key.keyval)
    assert records.fingerprint(alias) == records.fingerprint(key)
    assert len({records.fingerprint(records.record(each)) for each in EVERY}) == len(EVERY)


def p384() -> HeldKey:
    return HeldKey(derive_private_key(7, SECP384R1()))


SIGNED: Final = [CryptoSigner(private) for private in (RSA_PRIVATE, *MLDSA_PRIVATE)]


@given(
    st.sampled_from([held_key(1), online_key(), p384(), *SIGNED]),
    st.binary(max_size=8),
    st.booleans(),
    st.integers(0, 20_000),
)
def test_a_signature_verifies_here_exactly_where_the_library_verifies_it(
    key: HeldKey | CryptoSigner, payload: bytes, good: bool, place: int
) -> None:
    """Held against securesystemslib, which reads the key anew each time."""
    record = key.record if isinstance(key, HeldKey) else key.public_key
    signature = key.sign(b"payload" if good else payload)
    raw = bytearray.fromhex(signature.signature)
    raw[place % len(raw)] ^= place // len(raw) % 256
    tried = Signature(record.keyid, raw.hex())
    try:
        record.verify_signature(tried, b"payload")
        theirs = True
    except (UnverifiedSignatureError, VerificationError):
        theirs = False
    assert records.verifies(record, tried.signature, b"payload") == theirs


@pytest.mark.parametrize("signer", SIGNED, ids=lambda each: each.public_key.scheme)
def test_what_the_library_signs_with_an_imported_key_verifies_and_nothing_else(signer: CryptoSigner) -> None:
    key = records.check(signer.public_key)
    signature = signer.sign(b"payload").signature
    assert records.verifies(key, signature, b"payload")
    assert not records.verifies(key, signature, b"payloae")
    assert not records.verifies(key, f"{signature[:-2]}{int(signature[-2:], 16) ^ 1:02x}", b"payload")


@pytest.mark.parametrize("signature", ["", "zz", "00", "é"])
def test_what_is_no_signature_at_all_does_not_verify(signature: str) -> None:
    for key in (held_key(1), online_key()):
        assert not records.verifies(key.record, signature, b"payload")


def test_a_signature_of_another_curve_than_the_scheme_names_does_not_verify() -> None:
    own = p384().record
    dressed = SSlibKey(own.keyid, own.keytype, "ecdsa-sha2-nistp256", own.keyval)
    assert not records.verifies(dressed, p384().sign(b"payload").signature, b"payload")


def test_a_signature_under_a_scheme_that_we_do_not_know_does_not_verify() -> None:
    own = records.record(RSA)
    dressed = SSlibKey(own.keyid, "rsa", "rsa-pkcs1v15-sha256", own.keyval)
    assert not records.verifies(dressed, SIGNED[0].sign(b"payload").signature, b"payload")


def test_a_signature_as_tokens_give_it_becomes_one_of_asn_1() -> None:
    for key, size in ((online_key(), 32), (p384(), 48)):
        r, s = decode_dss_signature(bytes.fromhex(key.sign(b"payload").signature))
        raw = r.to_bytes(size, "big") + s.to_bytes(size, "big")
        assert records.der(raw).hex() == key.sign(b"payload").signature


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run([need("openssl", "openssl"), *arguments], input=given, capture_output=True, check=True).stdout


@pytest.mark.parametrize("encoding", ["named_curve", "explicit"])
@pytest.mark.parametrize(
    ("curve", "scheme"), [("prime256v1", "ecdsa-sha2-nistp256"), ("secp384r1", "ecdsa-sha2-nistp384")]
)
def test_the_public_keys_of_a_ceremony_with_openssl_are_taken_in(curve: str, scheme: str, encoding: str) -> None:
    """As the PSF's of 2020: PEM, perhaps from a machine that writes CRLF. One key has one id however it is written."""
    private = openssl("ecparam", "-name", curve, "-genkey", "-noout")
    pem = openssl("ec", "-pubout", "-param_enc", encoding, given=private)
    key = records.from_pem(pem)
    assert (key.scheme, records.check(key)) == (scheme, key)
    for other in (pem.replace(b"\n", b"\r\n"), pem.rstrip(), b"\n" + pem + b"\n"):
        assert records.from_pem(other) == key
    assert key == records.from_pem(openssl("ec", "-pubout", given=private))


@pytest.mark.parametrize("public", EVERY, ids=NAMES)
def test_every_kind_of_public_key_is_read_from_pem(public: records.PublicKey) -> None:
    assert records.from_pem(pem_of(public).encode()) == records.record(public)


def refusal_of_pem(data: bytes) -> str:
    with pytest.raises(records.UnacceptableKey) as error:
        records.from_pem(data)
    return str(error.value)


def test_a_file_that_is_not_one_public_key_is_refused() -> None:
    pem = pem_of(P256).encode()
    private = derive_private_key(7, SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert "this is a private key; it stays where it is" in refusal_of_pem(private)
    assert "this is a private key; it stays where it is" in refusal_of_pem(pem + private)
    assert "holds PUBLIC KEY, PUBLIC KEY; give one public key" in refusal_of_pem(pem + pem)
    assert "holds no PEM; give one public key" in refusal_of_pem(b"ed25519 " + b"ab" * 32)
    assert "no public key can be read in it" in refusal_of_pem(pem.replace(b"M", b"N", 1))
    assert "no public key can be read in it" in refusal_of_pem(pem.replace(b"PUBLIC KEY", b"CERTIFICATE"))
    ed448 = openssl("pkey", "-pubout", given=openssl("genpkey", "-algorithm", "ed448"))
    assert "holds a key for Ed448; use Ed25519, P-256, P-384 or RSA" in refusal_of_pem(ed448)
