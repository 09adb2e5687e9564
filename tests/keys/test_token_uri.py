"""The address of a key on a token: what is said is heeded, and what is not heeded may not be said."""

import pytest

from keys.token_uri import BadUri, TokenUri, parse

MODULE = "?module-path=/usr/lib/softhsm/libsofthsm2.so"


def test_an_address_is_read_with_every_byte_of_its_id() -> None:
    """RFC 7512 section 2.3, and the example in our own docstring."""
    assert parse(f"pkcs11:token=alice;serial=366337b6ed7aee81;object=root;id=%00%07{MODULE}") == TokenUri(
        "/usr/lib/softhsm/libsofthsm2.so", "alice", "366337b6ed7aee81", None, None, "root", b"\x00\x07"
    )


def test_what_other_programs_write_is_read() -> None:
    """p11tool --list-all names everything there is."""
    uri = "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=36;token=M%C3%BCller%2F1;id=%07;type=private"
    assert parse(uri + MODULE) == TokenUri(
        "/usr/lib/softhsm/libsofthsm2.so", "Müller/1", "36", "SoftHSM v2", "SoftHSM project", None, b"\x07"
    )


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("hsm:2", "begins with 'hsm'"),
        ("pkcs11:token=alice", "must end in"),
        ("pkcs11:token=alice?module-path=libsofthsm2.so", "the whole path"),
        (f"pkcs11:token=alice{MODULE}&module-path=/other.so", "module-path twice"),
        (f"pkcs11:token=alice;token=bob{MODULE}", "token twice"),
        (f"pkcs11:token=alice;slot-id=1{MODULE}", "'slot-id', which is not one of"),
        (f"pkcs11:token=alice;x-mine=1{MODULE}", "'x-mine', which is not one of"),
        (f"pkcs11:token=alice{MODULE}&module-name=opensc", "'module-name', which is not one of"),
        (f"pkcs11:token=alice{MODULE}&pin-value=1234", "pin-value: a PIN is asked of a person"),
        (f"pkcs11:token=alice;pin-value=1234{MODULE}", "pin-value: a PIN is asked of a person"),
        (f"pkcs11:token=alice{MODULE}&pin-source=/root/pin", "pin-source: a PIN is asked of a person"),
        (f"pkcs11:token=alice;type=public{MODULE}", "must be private"),
        (f"pkcs11:token={MODULE}", "token is empty"),
        (f"pkcs11:token{MODULE}", "token is empty"),
        (f"pkcs11:token=al ice{MODULE}", "must be written as %xx"),
        (f"pkcs11:token=al%2ice{MODULE}", "must be written as %xx"),
        (f"pkcs11:token=al%2{MODULE}", "must be written as %xx"),
        (f"pkcs11:token=alice\n{MODULE}", "must be written as %xx"),
        (f"pkcs11:token=%ff{MODULE}", "token is not UTF-8"),
        (f"pkcs11:object=\u0660{MODULE}", "must be written as %xx"),
    ],
)
def test_what_would_not_be_heeded_is_refused(uri: str, why: str) -> None:
    with pytest.raises(BadUri, match=why):
        parse(uri)
