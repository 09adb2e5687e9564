"""Private keys at rest: sealed with a passphrase, openable without us, never overwritten."""

import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from keys import sealed
from tests.servers import need

ROUNDS = 1000  # as few as the form allows to be useful: these tests are not about time
KEYS = {
    "ed25519": Ed25519PrivateKey.from_private_bytes(b"1" * 32),
    "p256": derive_private_key(7, SECP256R1()),
    "p384": derive_private_key(7, SECP384R1()),
}


def seal(private: sealed.PrivateKey, passphrase: str = "correct horse") -> bytes:
    return sealed.seal(private, passphrase, salt=b"s" * 16, iv=b"i" * 16, rounds=ROUNDS)


def secret(private: sealed.PrivateKey) -> bytes:
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("passphrase", ["correct horse", "ö☃ 🎉", " "])
def test_the_passphrase_opens_what_it_sealed(kind: str, passphrase: str) -> None:
    assert secret(sealed.unseal(seal(KEYS[kind], passphrase), passphrase)) == secret(KEYS[kind])


@pytest.mark.parametrize("passphrase", ["", "Correct horse", "correct horse ", None])
def test_no_other_passphrase_opens_it(passphrase: str | None) -> None:
    with pytest.raises(sealed.WrongPassphrase):
        sealed.unseal(seal(KEYS["ed25519"]), passphrase)


def test_a_passphrase_for_a_key_that_is_not_sealed_is_said_to_be_wrong() -> None:
    with pytest.raises(sealed.WrongPassphrase):
        sealed.unseal(sealed.plain(KEYS["ed25519"]), "correct horse")


def test_an_online_key_opens_without_a_passphrase() -> None:
    assert secret(sealed.unseal(sealed.plain(KEYS["p256"]), None)) == secret(KEYS["p256"])


@pytest.mark.parametrize("kind", KEYS)
def test_openssl_alone_recovers_the_key(kind: str, tmp_path: Path) -> None:
    """ "``openssl pkey -in alice.key`` recovers a key without us." """
    path = tmp_path / "alice.key"
    path.write_bytes(seal(KEYS[kind]))
    command = [need("openssl", "openssl"), "pkey", "-in", str(path), "-passin", "pass:correct horse", "-outform", "DER"]
    ours = KEYS[kind].private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    opened = subprocess.run(command, capture_output=True, check=True).stdout
    assert opened == ours or secret_of_der(opened) == ours


def secret_of_der(data: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    found = load_der_private_key(data, None)
    assert isinstance(found, sealed.PrivateKey)
    return secret(found)


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff" * 99])
def test_what_holds_no_key_is_a_bad_key_file(pem: bytes) -> None:
    with pytest.raises(sealed.BadKeyFile):
        sealed.unseal(pem, None)


def test_a_damaged_sealed_file_is_not_opened() -> None:
    pem = bytearray(seal(KEYS["ed25519"]))
    pem[-60] ^= 1
    with pytest.raises((sealed.WrongPassphrase, sealed.BadKeyFile)):
        sealed.unseal(bytes(pem), "correct horse")


@pytest.mark.parametrize("encryption", [NoEncryption(), BestAvailableEncryption(b"p")])
def test_an_rsa_key_is_not_used(encryption: NoEncryption | BestAvailableEncryption) -> None:
    pem = generate_rsa_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    with pytest.raises(sealed.BadKeyFile, match="RSAPrivateKey"):
        sealed.unseal(pem, None if isinstance(encryption, NoEncryption) else "p")


def test_fresh_salt_gives_another_file_and_many_rounds_are_written_into_it() -> None:
    one = sealed.seal(KEYS["ed25519"], "p", salt=b"1" * 16, iv=b"i" * 16, rounds=ROUNDS)
    other = sealed.seal(KEYS["ed25519"], "p", salt=b"2" * 16, iv=b"i" * 16, rounds=ROUNDS)
    assert one != other
    assert sealed.ROUNDS >= 1_000_000


def test_a_key_file_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "online.key"
    sealed.write_private(path, b"first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        sealed.write_private(path, b"second")
    assert path.read_bytes() == b"first"
