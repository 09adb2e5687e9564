"""Public key files (``*.pub``): a key object with proof that its maker holds the private key.

The proof signs a text that can never be TUF metadata (it is not JSON), so collecting it is no way to a signature.
"""

from dataclasses import dataclass
from typing import Final, Literal

from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature, SSlibKey

from keys import records, strict
from keys.encoding import compact
from keys.signing import SigningKey

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


def write(name: str, held: SigningKey, *, rehearsal: bool) -> bytes:
    """The public key file of a key that is at hand."""
    proof = held.sign(statement(name, held.record.keyid, rehearsal=rehearsal))
    return _written(name, held.record, proof.signature, rehearsal=rehearsal)


def written_by(name: str, key: SSlibKey, proof: bytes, *, rehearsal: bool) -> bytes:
    """The public key file of a key elsewhere, whose holder signed ``statement`` there; NoPossession unless ``proof``
    verifies. It is the signature's bytes: Ed25519, RSA-PSS, ECDSA as openssl writes it or as tokens do (r and s).
    """
    signed = statement(name, key.keyid, rehearsal=rehearsal)
    forms = (proof, records.der(proof)) if key.keytype == "ecdsa" else (proof,)
    good = next((each for each in forms if records.verifies(key, each.hex(), signed)), None)
    if good is None:
        raise NoPossession(f"{name}: this is no signature by key {key.keyid:.16} over the statement for {name}")
    return _written(name, key, good.hex(), rehearsal=rehearsal)


def _written(name: str, key: SSlibKey, proof: str, *, rehearsal: bool) -> bytes:
    lines = tuple(str(key.keyval["public"]).split("\n"))
    return compact(strict.dump(_File(TYPE, name, rehearsal, key.keyid, key.keytype, key.scheme, lines, proof)))


def read(data: bytes) -> PublicKeyFile:
    """The key in a public key file. Malformed, UnacceptableKey or NoPossession if anything is wrong with it."""
    file = strict.load(_File, strict.parse(data))
    body = {"keytype": file.keytype, "scheme": file.scheme, "keyval": {"public": "\n".join(file.public)}}
    key = records.from_object(file.keyid, body)
    signed = statement(file.name, key.keyid, rehearsal=file.rehearsal)
    try:
        key.verify_signature(Signature(key.keyid, file.proof), signed)
    except (UnverifiedSignatureError, VerificationError):
        raise NoPossession(f"{file.name}: the file does not prove possession of key {key.keyid:.16}") from None
    return PublicKeyFile(file.name, file.rehearsal, key)


def statement(name: str, keyid: str, *, rehearsal: bool) -> bytes:
    """What the holder of a key signs to prove that they are: text that is no TUF metadata."""
    purpose = "rehearsal" if rehearsal else "real"
    return f"tallystick/1 possession\n{purpose}\n{name}\n{keyid}\n".encode()
