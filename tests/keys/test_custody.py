"""A key file holds a key, or says in one line where it is."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import custody, sealed


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"pkcs11:token=alice;object=root?module-path=/x.so\n", "on a token"),
        (b"awskms:alias/root\n", "with a key service"),
        (b"gcpkms:projects/p\n", "with a key service"),
        (b"azurekms://v.vault.azure.net/keys/root/1\n", "with a key service"),
        (b"hv:root/1\n", "with a key service"),
    ],
)
def test_a_line_says_where_a_key_is(line: bytes, kind: str) -> None:
    assert custody.is_elsewhere(line)
    assert custody.kind(line) == kind


def test_what_begins_otherwise_is_a_key_file() -> None:
    """Among them the other signers of securesystemslib, which we do not use: each would be a file or a network."""
    pem = sealed.plain(Ed25519PrivateKey.from_private_bytes(b"1" * 32))
    for data in (pem, b"", b"file2:/root/key", b"hsm:2", b"gnupg:", b" pkcs11:x", b"PKCS11:x", b"sigstore:", b"tkey:"):
        assert not custody.is_elsewhere(data)
        assert custody.kind(data) == "in a sealed file"
