"""A holder's answer (``*.answer``): signatures over everything that their key signs in one draft, or a no, in one file.

Each signature is verified before it leaves and again where it arrives; the file says which draft it is for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from securesystemslib.signer import Signature

from ceremony.draft import Candidate, Draft
from ceremony.errors import BadInput, Mismatch
from keys import strict
from keys.encoding import compact
from keys.signing import SigningKey
from keys.times import stamp

TYPE: Final = "tallystick-answer/1"
SUFFIX: Final = ".answer"
_AGAIN: Final = "Ask its holder for the file again."


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature over one file; ``sig`` in hexadecimal, as TUF has it."""

    role: Literal["root", "targets", "held", "bins"]
    version: int
    sig: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a holder says to the draft of this digest: ``signed``, or with nothing signed why not (``declined``).

    ``heard`` says that they typed words as heard from another holder. ``transcript`` is the head of their own.
    """

    type: Literal["tallystick-answer/1"]
    draft: str
    name: str
    keyid: str
    at: str
    heard: bool
    signed: tuple[Signed, ...]
    declined: str = ""
    transcript: str = ""

    @property
    def file_name(self) -> str:
        """How the answer's file is called: whose it is, and whether they signed or declined."""
        return f"{self.name}.{'declined' if self.declined else 'signed'}{SUFFIX}"


def signable(drafted: Draft, keyid: str) -> list[Candidate]:
    """What a key may sign of a draft."""
    return [each for each in drafted.candidates if keyid in each.keyids()]


def answer(drafted: Draft, name: str, key: SigningKey, now: datetime, *, heard: bool) -> Answer:
    """Sign everything that ``key`` may sign; the key verifies each signature before it is handed on."""
    mine = signable(drafted, key.record.keyid)
    signed = [(each, key.sign(each.payload)) for each in mine]
    return _answer(drafted, name, key.record.keyid, now, signed, heard=heard)


def attached(
    drafted: Draft, name: str, keyid: str, at: datetime, signatures: Iterable[tuple[str, str]], *, heard: bool
) -> Answer:
    """An answer of signatures that came without their file: pairs of role and hexadecimal signature, each verified."""
    by_role = {each.role: each for each in drafted.candidates}
    signed = []
    for role, sig in signatures:
        if role not in by_role:
            raise Mismatch(f"{role}: is not signed in this draft", f"It signs {', '.join(by_role)}.")
        signed.append((by_role[role], Signature(keyid, sig)))
    made = _answer(drafted, name, keyid, at, signed, heard=heard)
    verify(made, drafted, {keyid: name})
    return made


def refusal(drafted: Draft, name: str, keyid: str, now: datetime, reason: str) -> Answer:
    """A no, with its reason."""
    return Answer(TYPE, drafted.digest, name, keyid, stamp(now), heard=False, signed=(), declined=reason)


def write(answer: Answer) -> bytes:
    """The answer's file."""
    return compact(strict.dump(answer))


def read(where: str, data: bytes) -> Answer:
    """The inverse of ``write``."""
    try:
        answer = strict.load(Answer, strict.parse(data))
    except strict.Malformed as error:
        raise BadInput(f"{where}: {error}", _AGAIN) from None
    if write(answer) != data:
        raise BadInput(f"{where}: not written as 'sign' writes it", _AGAIN)
    return answer


def verify(answer: Answer, drafted: Draft, names: Mapping[str, str]) -> list[tuple[Candidate, Signature]]:
    """The answer's signatures with what each is over. Mismatch unless all of them are good ones for this draft, by a
    key that the plan knows under this name.
    """
    whose = f"the answer of {answer.name}"
    if answer.draft != drafted.digest:
        raise Mismatch(
            f"{whose} is to another draft: {answer.draft:.16}, and this is {drafted.digest:.16}",
            "Two drafts are about. Compare their words; take away the answer that belongs to neither plan.",
        )
    if names.get(answer.keyid) != answer.name:
        raise Mismatch(f"{whose}: key {answer.keyid:.16} is not theirs by this plan", _AGAIN)
    if not answer.signed and not answer.declined:
        raise Mismatch(f"{whose} neither signs nor declines", _AGAIN)
    by_role = {each.role: each for each in drafted.candidates}
    return [_verified(whose, each, answer.keyid, by_role.get(each.role)) for each in answer.signed]


def _verified(whose: str, signed: Signed, keyid: str, candidate: Candidate | None) -> tuple[Candidate, Signature]:
    if candidate is None or candidate.version != signed.version:
        raise Mismatch(f"{whose} signs {signed.role} {signed.version}, which is not in this draft", _AGAIN)
    signature = Signature(keyid, signed.sig)
    if not any(keyid in candidate.count(each, [signature]).signed for each in candidate.delegators):
        raise Mismatch(
            f"{whose}: holds no good signature by a key that may sign {signed.role} {signed.version}",
            "Take it away, and ask its holder to sign again.",
        )
    return candidate, signature


def _answer(
    drafted: Draft, name: str, keyid: str, now: datetime, signed: Iterable[tuple[Candidate, Signature]], *, heard: bool
) -> Answer:
    made = [{"role": each.role, "version": each.version, "sig": signature.signature} for each, signature in signed]
    common = {"type": TYPE, "draft": drafted.digest, "name": name, "keyid": keyid, "at": stamp(now), "heard": heard}
    return strict.load(Answer, {**common, "signed": made})
