"""From a draft and its answers to a root of trust, when every threshold is met and not before."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from securesystemslib.signer import Signature

from ceremony.answers import Answer, verify
from ceremony.draft import Candidate, Draft, lint
from ceremony.errors import Mismatch, NotEnough, Refused
from keys import trust
from keys.counting import Count, Delegator
from keys.trust import RootOfTrust

Signatures = Mapping[str, Mapping[str, Signature]]
"""Verified signatures by role and key id."""


def seal(draft: Draft, answers: Iterable[Answer], names: Mapping[str, str], now: datetime) -> RootOfTrust:
    """The root of trust that ``draft`` becomes, read back from its own bytes and verified as a client would.

    NotEnough names every threshold that is not met; Mismatch an answer that is not to this draft.
    """
    signatures = collect(draft, answers, names)
    check_dates(draft, now)
    lacking = [
        f"{each.role} {each.version} lacks {count.missing} of {count.threshold} signatures that "
        f"{delegator.type} {delegator.version} asks for"
        for each, delegator, count in counts(draft, signatures)
        if not count.met
    ]
    if lacking:
        raise NotEnough("\n".join(lacking), "Collect the answers of more holders.")
    return trust.read(_files(draft, signatures))


def collect(draft: Draft, answers: Iterable[Answer], names: Mapping[str, str]) -> dict[str, dict[str, Signature]]:
    """The signatures of these answers, each verified: one per key, however often it is handed in."""
    signatures: dict[str, dict[str, Signature]] = {candidate.role: {} for candidate in draft.candidates}
    for answer in answers:
        for candidate, signature in verify(answer, draft, names):
            signatures[candidate.role][signature.keyid] = signature
    return signatures


def counts(draft: Draft, signatures: Signatures) -> list[tuple[Candidate, Delegator, Count]]:
    """How far each candidate is signed, for each delegator that must accept it."""
    return [
        (candidate, delegator, candidate.count(delegator, signatures[candidate.role].values()))
        for candidate in draft.candidates
        for delegator in candidate.delegators
    ]


def check_dates(draft: Draft, now: datetime) -> None:
    """Refused if a candidate broke a rule since it was drafted: time passes between a draft and its last signature."""
    if problems := lint(draft, now):
        raise Refused(problems, "Check this machine's date. If it is right, make a new draft in a new directory.")


def check_result(draft: Draft, result: RootOfTrust) -> None:
    """Mismatch unless ``result`` says what ``draft`` does and continues its chain of roots."""
    differing = [role for role, body in draft.bodies.items() if result.newest[role].body.to_dict() != body.to_dict()]
    before = () if draft.current is None else draft.current.roots
    if differing or result.roots[: len(before)] != before:
        raise Mismatch(
            f"sealed/ is not what the draft says: {', '.join(differing) or 'its older roots'} differ",
            "Do not publish it. Seal again in a clean copy of the directory.",
        )


def _files(draft: Draft, signatures: Signatures) -> dict[str, bytes]:
    """Every root there was, what does not change, and the candidates with their signatures."""
    drafted = {each.role for each in draft.candidates}
    files = {trust.page_file(path, data): data for path, data in draft.pages.items()}
    if draft.current is not None:
        kept = [file for role, file in draft.current.newest.items() if role not in drafted]
        files |= {file.name: file.data for file in (*draft.current.roots, *kept)}
    for each in draft.candidates:
        files[f"{each.version}.{each.role}.json"] = each.file(signatures[each.role].values())
    return files
