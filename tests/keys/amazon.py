"""What a key of Amazon's service answers, through the whole of securesystemslib: ``python -m tests.keys.amazon SITE``.

boto3 comes with moto, whose packages lie in a venv of their own (Makefile): SITE, which is looked at last. Printed is
one JSON object: of each curve the scheme of a key that was made and what became of a signature by it, and what is said
of a key that is not there.
"""

import json
import sys

sys.path.append(sys.argv[1])  # before securesystemslib looks for boto3

import boto3

from keys import services
from keys.custody import NotOpened
from keys.signing import SignerFailed


def signed(curve: str) -> list[str]:
    key_id = boto3.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec=curve)["KeyMetadata"]["KeyId"]
    key = services.open_key(f"awskms:{key_id}")
    try:
        key.sign(b"payload")
    except SignerFailed:
        return [key.record.scheme, "SignerFailed"]
    return [key.record.scheme, "signed"]


def opened(key_id: str) -> str:
    try:
        services.open_key(f"awskms:{key_id}")
    except NotOpened as error:
        return error.what
    return "opened"


if __name__ == "__main__":
    unknown = opened("00000000-0000-0000-0000-000000000000")
    print(json.dumps({"unknown": unknown, **{curve: signed(curve) for curve in ("ECC_NIST_P256", "ECC_NIST_P384")}}))
