"""What people read, and read aloud, before they sign: what changes, the digests, and who has signed.

The changes are stated about the repository, not file by file: who signs what, how many must, what is held. Two sets of
facts are compared, and whatever no fact covers is compared too, so "nothing else changes" is checked and not hoped.
"""

import json
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from tuf.api.metadata import Role, Root, Targets

from ceremony.consequences import consequences
from ceremony.dates import long_date
from ceremony.draft import Candidate, Draft
from ceremony.inputs import Ceremony
from ceremony.seal import Signatures, counts
from keys import layout, words
from keys.counting import Count, Delegator, count_file
from keys.names import name_of
from keys.tlog import proofs
from keys.tlog.proofs import LOG_FIELD
from keys.trust import Body, RootOfTrust

WIDTH: Final = 72
LINES: Final = 20
RULE: Final = "-" * WIDTH
_TOLD: Final = {"version", "expires", "keys", "keyids", "threshold", "bit_length", "targets", "paths", LOG_FIELD}
"""Fields that ``_facts`` tells; the paths of held follow from its pages, or the files were not read (trust.read)."""


@dataclass(frozen=True, slots=True)
class Screen:
    """One decision: what it is about, the lines to read, in pages that an 80x24 terminal holds, and the question."""

    title: str
    pages: tuple[str, ...]
    question: str


def screens(
    its: Ceremony,
    signatures: Signatures,
    now: datetime,
    signer: Sequence[str] = (),
    unseen: Collection[int] = (),
) -> list[Screen]:
    """Everything to be read before signing, one decision each. ``signer`` says who signs, with what, trusting what;
    ``unseen`` are the words that they must hear from somebody else.
    """
    drafted, names = its.drafted, its.names
    told = (
        ("Who and what", [*_heading(drafted), *signer], "Is this what you came for?"),
        ("What changes", _changes(drafted, names), "Do you want exactly these changes?"),
        ("What follows", consequences(drafted, names), "Do you want all that follows?"),
        ("Who signs", [*_files(drafted, now), "", *_signatures(drafted, names, signatures)], "Do you go on?"),
        ("Words", _words(drafted, unseen), ""),
    )
    return paged(told, "REHEARSAL" if drafted.plan.rehearsal else "REAL")


def paged(told: Sequence[tuple[str, list[str], str]], mark: str) -> list[Screen]:
    """Screens of titles, lines and questions; ``mark`` stands on every page."""
    return [
        Screen(title, tuple(_paged(f"{number} of {len(told)}  {title}", mark, lines)), question)
        for number, (title, lines, question) in enumerate(told, 1)
    ]


def word_table(digest: str, unseen: Collection[int] = ()) -> list[str]:
    """A digest as words to read aloud, four a line: by telephone, line by line. Of some only the place is shown."""
    said = [
        f"({place + 1}?)" if place in unseen else word for place, word in enumerate(words.words(bytes.fromhex(digest)))
    ]
    return [
        (f"{row + 1:2}-{row + 4:<2}   " + "".join(f"{word:14}" for word in said[row : row + 4])).rstrip()
        for row in range(0, len(said), 4)
    ]


def signature_lines(drafted: Draft, names: Mapping[str, str], signatures: Signatures) -> str:
    """Who has signed for each delegator, and who is missing."""
    return "\n".join(_wrapped(_signatures(drafted, names, signatures)))


def sealed_lines(result: RootOfTrust, names: Mapping[str, str]) -> str:
    """Every file of a root of trust, until when it is good and who signed it."""
    targets = result.newest[layout.TARGETS]
    asked = [(root, [before, root]) for before, root in pairwise((result.roots[0], *result.roots))]
    asked += [(targets, [result.roots[-1]])]
    asked += [(result.newest[role], [targets]) for role in (layout.HELD, layout.BINS)]
    lines = []
    for file, delegators in asked:
        signed = frozenset[str]().union(*(count_file(each.body, file.role, file.data).signed for each in delegators))
        lines.append(f"{file.name}, until {long_date(file.body.expires)}: {_people(signed, names)}")
    return "\n".join(_wrapped(lines))


def short(keyid: str) -> str:
    """The first 16 digits of a key id, in fours."""
    return " ".join(textwrap.wrap(keyid[:16], 4))


def _heading(drafted: Draft) -> list[str]:
    plan = drafted.plan
    return [
        f"{plan.name}, {plan.url}",
        f"Purpose: {plan.purpose or 'none given'}",
        "REHEARSAL: nobody will trust these files." if plan.rehearsal else "REAL: clients will trust these files.",
        f"Drafted {long_date(drafted.at)}, {drafted.at:%H:%M} UTC.",
        f"To be signed: {_listed([f'{each.role} {each.version}' for each in drafted.candidates])}.",
    ]


def _changes(drafted: Draft, names: Mapping[str, str]) -> list[str]:
    after = _facts(drafted.bodies, names)
    if drafted.current is None:
        return ["The first ceremony: there is nothing before it.", *(f"NEW   {fact}" for fact in after)]
    bodies = {role: file.body for role, file in drafted.current.newest.items()}
    before = _facts(bodies, names)
    gone = [f"GONE  {fact}" for fact in before if fact not in after]
    new = [f"NEW   {fact}" for fact in after if fact not in before]
    other = [
        f"OTHER {role}: {_rest(bodies[role])} becomes {_rest(body)}"
        for role, body in drafted.bodies.items()
        if _rest(body) != _rest(bodies[role])
    ]
    return [*gone, *new, *other, "Nothing else changes."]


def _facts(bodies: Mapping[str, Body], names: Mapping[str, str]) -> list[str]:
    """What a repository's offline files say, one sentence each."""
    roles = dict(_roles(bodies))
    facts = [
        f"{names.get(keyid, 'a former signer')}, key {short(keyid)}, signs "
        + _listed([role for role, each in roles.items() if keyid in each.keyids])
        for keyid in dict.fromkeys(keyid for each in roles.values() for keyid in each.keyids)
    ]
    rules = {role: f"{each.threshold} of {len(each.keyids)} must sign" for role, each in roles.items()}
    facts += [
        f"{rule} {_listed([role for role in rules if rules[role] == rule])}" for rule in dict.fromkeys(rules.values())
    ]
    held = bodies[layout.HELD]
    assert isinstance(held, Targets)
    facts += [
        f"nobody can install {name_of(path.split('/')[1])}: held, page {entry.hashes['sha256'][:16]}"
        for path, entry in held.targets.items()
    ]
    return [*facts, *_log(bodies[layout.ROOT])]


def _log(root: Body) -> Iterator[str]:
    assert isinstance(root, Root)
    if (policy := proofs.policy_of(root)) is None:
        return
    for key in policy.keys:
        yield f"the log is {key.name}, key {key.id.hex()} ({key.digits})"
    for key in policy.witnesses:
        yield f"a witness is {key.name}, key {key.id.hex()} ({key.digits})"
    asked = f"{policy.quorum} of {len(policy.witnesses)} witnesses must" if policy.quorum else "no witness need"
    yield f"{asked} have seen the log"


def _roles(bodies: Mapping[str, Body]) -> Iterator[tuple[str, Role]]:
    root, targets, bins = bodies[layout.ROOT], bodies[layout.TARGETS], bodies[layout.BINS]
    assert isinstance(root, Root) and isinstance(targets, Targets) and isinstance(bins, Targets)
    assert targets.delegations is not None and targets.delegations.roles is not None
    assert bins.delegations is not None and bins.delegations.succinct_roles is not None
    yield from root.roles.items()
    yield from targets.delegations.roles.items()
    succinct = bins.delegations.succinct_roles
    yield f"each of {1 << succinct.bit_length} bins", succinct


def _rest(body: Body) -> str:
    """What ``_facts`` does not tell of a body, as text."""
    return json.dumps(_untold(body.to_dict()), sort_keys=True)


def _untold(value: Any) -> Any:
    if isinstance(value, dict):
        return {field: _untold(item) for field, item in value.items() if field not in _TOLD}
    return [_untold(item) for item in value] if isinstance(value, list) else value


def _words(drafted: Draft, unseen: Collection[int]) -> list[str]:
    return [
        "These words stand for everything that is to be signed, and all holders must have the same. Call another "
        "holder, and read them to each other.",
        "",
        *word_table(drafted.digest, unseen),
    ]


def _files(drafted: Draft, now: datetime) -> list[str]:
    expires = drafted.candidates[0].body.expires
    lines = [f"To be signed, until {long_date(expires)}, in {(expires.date() - now.date()).days} days:"]
    for candidate in drafted.candidates:
        before = drafted.current.newest[candidate.role].body.version if drafted.current else None
        change = "the first" if before is None else f"after {before}"
        lines += [f"{candidate.role}, version {candidate.version}, {change}. SHA-256 of what is signed:"]
        lines += [" " + " ".join(textwrap.wrap(candidate.digest, 8))]
    unchanged = [role for role in drafted.bodies if role not in {each.role for each in drafted.candidates}]
    return [*lines, *([f"Not touched: {_listed(unchanged)}."] if unchanged else [])]


def _signatures(drafted: Draft, names: Mapping[str, str], signatures: Signatures) -> list[str]:
    """One sentence for each standing, naming all files that share it."""
    standings: dict[str, list[str]] = {}
    for candidate, delegator, count in counts(drafted, signatures):
        asked = f"asked by {_delegator(candidate, delegator, drafted)}: {_standing(count, names)}"
        standings.setdefault(asked, []).append(f"{candidate.role} {candidate.version}")
    return [f"{_listed(files)}, {standing}" for standing, files in standings.items()]


def _delegator(candidate: Candidate, delegator: Delegator, drafted: Draft) -> str:
    label = f"{delegator.type} {delegator.version}"
    if drafted.current is not None and delegator is drafted.current.root:
        return f"the old {label}" if len(candidate.delegators) > 1 else label
    return f"the new {label}" if len(candidate.delegators) > 1 else label


def _standing(count: Count, names: Mapping[str, str]) -> str:
    by = _people(count.signed, names)
    if count.met:
        return f"signed by {by}; {count.threshold} {'is' if count.threshold == 1 else 'are'} enough."
    standing = f"{count.distinct} of {count.threshold} signed" + (f" ({by})" if by else "")
    return f"{standing}; {count.missing} missing, of {_people(count.unsigned, names)}."


def _people(keyids: frozenset[str], names: Mapping[str, str]) -> str:
    return ", ".join(sorted(names.get(keyid, f"key {short(keyid)}") for keyid in keyids))


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _wrapped(lines: list[str]) -> list[str]:
    return [piece for line in lines for piece in textwrap.wrap(line, WIDTH, subsequent_indent="      ") or [""]]


def _paged(title: str, mark: str, lines: list[str]) -> Iterator[str]:
    """Pages of at most ``LINES`` lines, each under the same heading."""
    wrapped = _wrapped(lines)
    room = LINES - 2
    count = -(-len(wrapped) // room)
    for number, start in enumerate(range(0, len(wrapped), room), 1):
        heading = f"{title}, page {number} of {count}" if count > 1 else title
        yield "\n".join((f"{heading:{WIDTH - len(mark)}}{mark}", RULE, *wrapped[start : start + room]))
