"""The paper of a ceremony, from its plan: a cover, a checklist for each person, an exceptions sheet, an appendix.

Pure: the same plan and draft make the same bytes. The words are in papers.py.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from ceremony import papers, request, show
from ceremony.answers import SUFFIX, signable
from ceremony.dates import long_date
from ceremony.draft import RENEW, Candidate, Draft
from ceremony.inputs import Inputs
from ceremony.sheets import BLANK, Block, Code, Heading, Sheet, Table, Text, html, markdown, parsed
from keys import layout, rules
from keys.tlog import proofs

FOLDER: Final = "checklist"
COLOURS: Final = ("blue", "red", "green", "yellow", "white", "black", "orange", "violet", "brown", "grey")
"""The colours of holders' sticks where the plan names none; sticks that looked alike have been mixed up before."""
REHEARSED: Final = timedelta(days=14)
_EXCEPTION: Final = "write it onto the exceptions sheet, and stop until coordinator and witness agree."
_STOP: Final = "stop: sign nothing, call the other holders, and write it onto the exceptions sheet."
_EXCEPTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class _Ceremony:
    """What all sheets speak of: ``digest`` is the SHA-256 of plan.toml, ``folder`` its directory as it is typed."""

    its: Inputs
    drafted: Draft | None
    digest: str
    folder: str

    @property
    def holders(self) -> dict[str, str]:
        """Who may sign, by name, and their key ids: those of the plan, and those whom only the root before lists."""
        planned = {each.name: each.key for each in self.its.plan.holders}
        former = self.its.current.root.roles[layout.ROOT].keyids if self.its.current else []
        left = {self.its.names.get(keyid, keyid[:16]): keyid for keyid in former if keyid not in planned.values()}
        return planned | {name: keyid for name, keyid in sorted(left.items()) if name not in planned}

    @property
    def files(self) -> str:
        """What is signed."""
        return _files(self.drafted.candidates) if self.drafted else BLANK

    @property
    def request(self) -> str:
        """The request's name, without its end."""
        return request.name(self.drafted) if self.drafted else "REQUEST"

    def stick(self, holder: str) -> str:
        """A holder's stick, as its label says."""
        given = {each.name: each.stick for each in self.its.plan.holders if each.stick}
        free = [colour for colour in COLOURS if colour not in given.values()]
        colour = given.get(holder) or free[[*self.holders].index(holder) % len(free)]
        return f"{colour.upper()} ({self.its.plan.name} {holder})"

    def facts(self) -> dict[str, str]:
        """What every paper may name."""
        plan = self.its.plan
        return {
            "dir": self.folder,
            "digest": self.digest,
            "exception": _EXCEPTION,
            "files": self.files,
            "kind": "REHEARSAL" if plan.rehearsal else "REAL",
            "next": _next(self),
            "practice": " --allow-rehearsal" if plan.rehearsal else "",
            "rehearsal": " --rehearsal" if plan.rehearsal else "",
            "repository": plan.name,
            "request": f"{self.request}{request.SUFFIX}",
            "sealed": f"{_sealed(self)}.",
            "sticks": ", ".join(map(self.stick, self.holders)),
            "stop": _STOP,
        }

    def paper(self, text: str, **facts: str) -> tuple[Block, ...]:
        return parsed(text.format(**self.facts(), **facts))


def checklists(its: Inputs, drafted: Draft | None, digest: str, folder: str) -> dict[str, bytes]:
    """Every sheet as Markdown, and all of them as one HTML page to be printed, by path in the ceremony's directory.

    ``digest`` is the SHA-256 of plan.toml in hexadecimal. What only a draft says is left blank before there is one.
    """
    of = _Ceremony(its, drafted, digest, folder)
    sheets = [
        _cover(of),
        Sheet("coordinator", "Coordinator", of.paper(papers.COORDINATOR, keys=_keys(of))),
        *(_holder(of, name, keyid) for name, keyid in of.holders.items()),
        Sheet("witness", "Witness", of.paper(papers.WITNESS)),
        _operator(of),
        _exceptions(),
        _appendix(of),
    ]
    files = {f"{FOLDER}/{sheet.name}.md": markdown(sheet) for sheet in sheets}
    return files | {f"{FOLDER}/{FOLDER}.html": html(f"Ceremony of {its.plan.name}", sheets)}


def _cover(of: _Ceremony) -> Sheet:
    plan, arranged = of.its.plan, of.its.plan.ceremony
    blocks = (
        Text(f"Repository: {plan.url}"),
        Text(f"Purpose: {plan.purpose or 'none given'}"),
        Text(f"To be signed: {of.files}. {plan.threshold} of {len(plan.holders)} holders must sign."),
        *_asked(of),
        Heading("The plan, in words"),
        Text("SHA-256 of plan.toml. One reads aloud, the others compare on machines of their own."),
        Code(tuple(show.word_table(of.digest))),
        Heading("When"),
        Table(("date", "standby date"), ((arranged.date or BLANK, arranged.standby or BLANK),)),
        *of.paper(papers.STANDBY),
        Heading("Who"),
        Table(("role", "name", "signature"), tuple((role, name, "") for role, name in _roles(of))),
        Text(papers.APART),
        *of.paper(papers.DONE),
        Heading("Inventory"),
        Table(("what", "label", "seen"), tuple((what, label, "") for what, label in _inventory(of))),
        *of.paper(papers.BEFORE, rehearsed=_rehearsed(of)),
    )
    return Sheet("cover", f"Ceremony of {plan.name}: {of.facts()['kind']}", blocks)


def _holder(of: _Ceremony, name: str, keyid: str) -> Sheet:
    leaves = keyid not in {each.key for each in of.its.plan.holders}
    mine = _files(signable(of.drafted, keyid)) if of.drafted else BLANK
    pin = papers.PIN.format(**of.facts(), name=name) if of.its.current else ""
    blocks = of.paper(
        papers.HOLDER,
        name=name,
        stick=of.stick(name),
        mine=mine,
        pin=pin,
        answer=f"{of.request}.{name}{SUFFIX}",
        leaves=" You leave with this ceremony: the root before asks for your signature once more." if leaves else "",
    )
    return Sheet(f"holder-{name}", f"Holder: {name}", blocks)


def _operator(of: _Ceremony) -> Sheet:
    current, online = of.its.current, of.its.plan.online.key
    rotates = current is not None and online not in rules.online_keyids(current.root)
    brought = "online.pub and log.pub" if of.its.plan.log else "online.pub"
    blocks = of.paper(
        papers.OPERATOR,
        first=(papers.LATER if current else papers.FIRST).format(**of.facts(), brought=brought),
        brought=brought,
        log=_log(of),
        before=papers.ROTATES if rotates else "",
        online=show.short(online),
        pub="online-next.pub" if rotates else "online.pub",
        verb="take-in" if current else "init",
    )
    return Sheet("operator", "Operator", blocks)


def _log(of: _Ceremony) -> str:
    """How the log's key is compared; nothing for a root without a log."""
    if of.its.plan.log is None:
        return ""
    policy = proofs.policy_of(of.drafted.root) if of.drafted else None
    before = proofs.policy_of(of.its.current.root) if of.its.current else None
    rotates = policy is not None and before is not None and not {*policy.keys} & {*before.keys}
    return papers.LOG.format(
        **of.facts(),
        names=" and ".join(f"{key.name}, {key.digits}" for key in policy.keys) if policy else BLANK,
        pub="log-next.pub" if rotates else "log.pub",
    )


def _exceptions() -> Sheet:
    rows = tuple((f"E{number}", "", "", "", "") for number in range(1, _EXCEPTIONS + 1))
    table = Table(("no.", "step, and time (UTC)", "what happened", "what was done", "closed by"), rows)
    return Sheet("exceptions", "Exceptions", (*parsed(papers.EXCEPTIONS), table))


def _appendix(of: _Ceremony) -> Sheet:
    register = tuple((file.name, file.key.keyid, file.key.scheme) for file in of.its.keyring)
    opened = ("$ openssl pkey -in YOURS.key -pubout", "Enter pass phrase for YOURS.key:", "-----BEGIN PUBLIC KEY-----")
    blocks = (
        Heading("Keys"),
        Table(("name", "key id", "scheme"), register),
        *_digests(of),
        *parsed(papers.OUTSIDE),
        Code(opened),
        Heading("Whom to call"),
        Table(("role", "name", "telephone", "another way"), tuple((role, name, "", "") for role, name in _roles(of))),
        *parsed(papers.CALL),
    )
    return Sheet("appendix", "Appendix", blocks)


def _asked(of: _Ceremony) -> Iterator[Table]:
    """Each file, until when it is good, and for whom it is signed."""
    if of.drafted is None:
        return
    rows = tuple(
        (
            f"{each.role} {each.version}",
            long_date(each.body.expires),
            " and ".join(f"{delegator.type} {delegator.version}" for delegator in each.delegators),
        )
        for each in of.drafted.candidates
    )
    yield Table(("file", "good until", "signed for"), rows)


def _digests(of: _Ceremony) -> Iterator[Block]:
    # No words of the draft: a holder must hear them from another holder's screen, and paper would say them too.
    if of.drafted is None:
        return
    rows = tuple((f"{each.role} {each.version}", each.digest) for each in of.drafted.candidates)
    yield Heading("Digests")
    yield Table(("file", "SHA-256 of what is signed"), rows)


def _roles(of: _Ceremony) -> Iterator[tuple[str, str]]:
    arranged = of.its.plan.ceremony
    yield "coordinator: prepares, collects, seals; holds no key", arranged.coordinator
    yield from ((f"holder: signs alone what they have read, {of.stick(name)}", name) for name in of.holders)
    for name in arranged.witnesses or ("",):
        yield "witness: reads aloud, replays, keeps the exceptions; holds no key", name
    yield "operator: runs the service and holds its online key", ""


def _inventory(of: _Ceremony) -> Iterator[tuple[str, str]]:
    for name in of.holders:
        yield f"stick that carries the request to {name} and the answer back", of.stick(name)
        yield f"key of {name}: on a stick or token of their own, which never leaves their hands", f"{name}.key"
        yield f"machine of {name}: no network, clock in UTC", ""
    yield "the tool, as one file, and its SHA-256 on paper", "tallystick-ceremony"
    yield "paper, pens, bags with numbers", ""


def _rehearsed(of: _Ceremony) -> str:
    if of.its.plan.rehearsal:
        return "every key of the plan was made for this rehearsal, and can sign nothing real"
    if of.its.plan.ceremony.date:
        since = date.fromisoformat(of.its.plan.ceremony.date) - REHEARSED
        return f"it was rehearsed, with the same plan and keys made for that, not before {since.isoformat()}"
    return f"it was rehearsed, with the same plan and keys made for that, in the {REHEARSED.days} days before"


def _keys(of: _Ceremony) -> str:
    if of.its.plan.rehearsal:
        return "every key of this rehearsal is destroyed, in front of the witness"
    return "every key lies where it is kept, sealed, apart from what opens it"


def _sealed(of: _Ceremony) -> str:
    """The files in sealed/ that are newest, as ``seal`` names them."""
    if of.drafted is None:
        return BLANK
    return ", ".join(f"{of.drafted.bodies[role].version}.{role}.json" for role in layout.OFFLINE)


def _next(of: _Ceremony) -> str:
    if of.drafted is None:
        return BLANK
    return long_date(min(body.expires for body in of.drafted.bodies.values()) - RENEW)


def _files(candidates: Iterable[Candidate]) -> str:
    return ", ".join(f"{each.role} {each.version}" for each in candidates)
