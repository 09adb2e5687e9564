"""A holder's answer: one signature over one candidate, in one small file that says what it is for.

It lies at ``signatures/<role>-<version>-<first 16 digits of the key id>.json``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from securesystemslib.signer import Signature

from ceremony.draft import Candidate
from ceremony.errors import BadInput, Mismatch
from keys import strict
from keys.encoding import compact
from keys.signing import HeldKey

TYPE: Final = "tallystick-signature/1"


@dataclass(frozen=True, slots=True)
class Response:
    """A signature, and what it is over: ``digest`` is SHA-256 of the canonical signed bytes."""

    type: Literal["tallystick-signature/1"]
    role: Literal["root", "targets", "held", "bins"]
    version: int
    digest: str
    keyid: str
    sig: str

    @property
    def name(self) -> str:
        return f"{self.role}-{self.version}-{self.keyid:.16}.json"


def respond(candidate: Candidate, held: HeldKey) -> Response:
    """Sign a candidate; ``HeldKey`` verifies the signature before it is handed on."""
    signature = held.sign(candidate.payload)
    answer = {"type": TYPE, "role": candidate.role, "version": candidate.version, "digest": candidate.digest}
    return strict.load(Response, {**answer, "keyid": signature.keyid, "sig": signature.signature})


def write(response: Response) -> bytes:
    """The response's file."""
    return compact(strict.dump(response))


def read(name: str, data: bytes) -> Response:
    """The inverse of ``write``, for a file of this name."""
    try:
        response = strict.load(Response, strict.parse(data))
    except strict.Malformed as error:
        raise BadInput(f"{name}: {error}", "Ask its holder for the file again.") from None
    if write(response) != data:
        raise BadInput(f"{name}: not written as 'sign' writes it", "Ask its holder for the file again.")
    if response.name != name:
        raise Mismatch(f"{name}: holds {response.name}", "Ask its holder for the file again.")
    return response


def verify(response: Response, candidates: Iterable[Candidate]) -> Signature:
    """The response's signature, if it is a good one for a candidate of this draft."""
    candidate = next((each for each in candidates if each.role == response.role), None)
    if candidate is None or (candidate.version, candidate.digest) != (response.version, response.digest):
        raise Mismatch(
            f"{response.name}: signs {response.role} {response.version}, digest {response.digest:.16}, "
            "which is not in this draft",
            "Two drafts are about. Compare their digests; remove the response that belongs to neither plan.",
        )
    signature = Signature(response.keyid, response.sig)
    if not any(response.keyid in candidate.count(each, [signature]).signed for each in candidate.delegators):
        raise Mismatch(
            f"{response.name}: is not a good signature by a key that may sign {response.role} {response.version}",
            "Remove it, and ask its holder to sign again.",
        )
    return signature
