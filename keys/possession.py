"""Public key files (``*.pub``): a key object with proof that its maker holds the private key.

The proof signs a text that can never be TUF metadata (it is not JSON), so collecting it is no way to a signature.
"""

from dataclasses import dataclass
from typing import Final, Literal

from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature, SSlibKey

from keys import records, strict
from keys.encoding import compact
from keys.signing import HeldKey

TYPE: Final = "tallystick-public-key/1"


class NoPossession(ValueError):
    """The file does not prove that its maker holds the private key."""


@dataclass(frozen=True, slots=True)
class _File:
    type: Literal["tallystick-public-key/1"]
    name: str
    rehearsal: bool
    keyid: str
    keytype: str
    scheme: str
    public: tuple[str, ...]
    """The key's text by lines: a PEM holds newlines, which no text of ours does."""
    proof: str


@dataclass(frozen=True, slots=True)
class PublicKeyFile:
    """A holder's name, key and whether the key was made to practise with and thrown away."""

    name: str
    rehearsal: bool
    key: SSlibKey


def write(name: str, held: HeldKey, *, rehearsal: bool) -> bytes:
    """The public key file of a key that is at hand."""
    key = held.record
    proof = held.sign(_statement(name, key.keyid, rehearsal=rehearsal)).signature
    lines = tuple(str(key.keyval["public"]).split("\n"))
    return compact(strict.dump(_File(TYPE, name, rehearsal, key.keyid, key.keytype, key.scheme, lines, proof)))


def read(data: bytes) -> PublicKeyFile:
    """The key in a public key file. Malformed, UnacceptableKey or NoPossession if anything is wrong with it."""
    file = strict.load(_File, strict.parse(data))
    body = {"keytype": file.keytype, "scheme": file.scheme, "keyval": {"public": "\n".join(file.public)}}
    key = records.from_object(file.keyid, body)
    statement = _statement(file.name, key.keyid, rehearsal=file.rehearsal)
    try:
        key.verify_signature(Signature(key.keyid, file.proof), statement)
    except (UnverifiedSignatureError, VerificationError):
        raise NoPossession(f"{file.name}: the file does not prove possession of key {key.keyid:.16}") from None
    return PublicKeyFile(file.name, file.rehearsal, key)


def _statement(name: str, keyid: str, *, rehearsal: bool) -> bytes:
    purpose = "rehearsal" if rehearsal else "real"
    return f"tallystick/1 possession\n{purpose}\n{name}\n{keyid}\n".encode()
