"""Signatures are verified before they leave, and files repeat to the byte."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, derive_private_key
from securesystemslib.signer import Signature

from keys import records, signing
from keys.encoding import canonical
from keys.signing import HeldKey, SignerFailed
from tests.world import held_key, online_key

KEYS = [held_key(1), online_key(), HeldKey(derive_private_key(7, SECP384R1()))]


@pytest.mark.parametrize("rubbish", [b"", b"\x00", b"\xff" * 64, b"x" * 9999])
@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.record.scheme)
def test_a_signer_that_returns_rubbish_is_found_out(key: HeldKey, rubbish: bytes) -> None:
    with pytest.raises(SignerFailed, match=key.record.keyid[:16]):
        signing.verified(key.record, records.message(key.record, b"payload"), rubbish)


def test_a_signature_of_another_payload_or_another_key_is_found_out() -> None:
    one, other = held_key(1), held_key(2)
    for raw in (one.sign(b"another payload"), other.sign(b"payload")):
        with pytest.raises(SignerFailed):
            signing.verified(one.record, records.message(one.record, b"payload"), bytes.fromhex(raw.signature))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.record.scheme)
def test_equal_payloads_give_equal_signatures(key: HeldKey) -> None:
    """ECDSA is deterministic (RFC 6979)."""
    assert key.sign(b"payload") == key.sign(b"payload")
    key.record.verify_signature(key.sign(b"payload"), b"payload")


def test_a_signed_file_is_signed_over_its_canonical_body_and_lists_signatures_by_key_id() -> None:
    asked = []

    def sign(payload: bytes) -> tuple[Signature, ...]:
        asked.append(payload)
        return tuple(sorted((key.sign(payload) for key in KEYS), key=lambda each: each.keyid, reverse=True))

    body = {"b": "a\nnew line", "a": 1}
    file = json.loads(signing.signed_file(body, sign))
    assert asked == [canonical(body)]
    assert file["signed"] == body
    assert [each["keyid"] for each in file["signatures"]] == sorted(key.record.keyid for key in KEYS)
