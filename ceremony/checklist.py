"""The paper of a ceremony: a cover, a checklist for each person, an exceptions sheet and an appendix, from its plan.

A step says who does what, what must be seen, and what else to do; whoever did it initials it with the time. Deviations
go onto the exceptions sheet, as E1, E2 and so on. Pure: the same plan makes the same bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import batched
from typing import Final

from ceremony import show
from ceremony.directory import Inputs
from ceremony.draft import RENEW, Draft
from ceremony.sheets import BLANK, Boxes, Code, Heading, Sheet, Step, Table, Text, html, markdown
from keys import layout, words

COLOURS: Final = ("blue", "red", "green", "yellow", "white", "black", "orange", "violet", "brown", "grey")
"""The colours of holders' sticks where the plan names none; sticks that looked alike have been mixed up before."""
REHEARSED: Final = timedelta(days=14)
EXCEPTIONS: Final = 8
_EXCEPTION: Final = "write it onto the exceptions sheet, and stop until the coordinator and the witness agree."
_STOP: Final = "stop. Sign nothing. Call the other holders, and write it onto the exceptions sheet."


@dataclass(frozen=True, slots=True)
class Stick:
    """The colour of the stick that carries files to a holder and back."""

    holder: str
    colour: str


@dataclass(frozen=True, slots=True)
class Arrangements:
    """When a ceremony is held, when else if that fails (both as ``2026-12-01``, or empty), and on which sticks."""

    date: str = ""
    standby: str = ""
    sticks: tuple[Stick, ...] = ()

    def colour(self, holder: str, place: int) -> str:
        """The colour of a holder's stick, or one that follows from their place in the list."""
        given = {stick.holder: stick.colour for stick in self.sticks}
        free = [colour for colour in COLOURS if colour not in given.values()]
        return given.get(holder) or free[place % len(free)]


@dataclass(frozen=True, slots=True)
class _Ceremony:
    """What all sheets speak of. ``digest`` is the SHA-256 of plan.toml, ``folder`` its directory as it is typed."""

    its: Inputs
    drafted: Draft | None
    digest: str
    when: Arrangements
    folder: str

    @property
    def people(self) -> tuple[str, ...]:
        """Who may sign: the holders of the plan, and those of the root before, as both roots may ask for them."""
        planned = [holder.name for holder in self.its.plan.holders]
        former = self.its.current.root.roles[layout.ROOT].keyids if self.its.current else ()
        return tuple(dict.fromkeys((*planned, *(self.its.names.get(keyid, keyid[:16]) for keyid in former))))

    @property
    def files(self) -> str:
        """What is signed, if it is drafted."""
        if self.drafted is None:
            return "what the draft says"
        return ", ".join(f"{each.role} {each.version}" for each in self.drafted.candidates)

    @property
    def request(self) -> str:
        """The request's file, if it is drafted."""
        first = self.drafted.candidates[0] if self.drafted else None
        return f"{self.its.plan.name}-{first.role}-{first.version}.request" if first else "REQUEST"

    @property
    def kind(self) -> str:
        return "REHEARSAL" if self.its.plan.rehearsal else "REAL"

    @property
    def flag(self) -> str:
        return " --rehearsal" if self.its.plan.rehearsal else ""

    def stick(self, holder: str) -> str:
        """A holder's stick as its label says."""
        return f"{self.when.colour(holder, self.people.index(holder)).upper()} ({self.its.plan.name} {holder})"


def checklists(
    its: Inputs, drafted: Draft | None, digest: str, when: Arrangements = Arrangements(), folder: str = "DIR"
) -> dict[str, bytes]:
    """Every sheet as Markdown, and all of them as one HTML page to be printed, by path in the ceremony's directory.

    ``digest`` is the SHA-256 of plan.toml in hexadecimal. Before there is a draft the sheets say so.
    """
    ceremony = _Ceremony(its, drafted, digest, when, folder)
    sheets = [
        _cover(ceremony),
        _coordinator(ceremony),
        *(_holder(ceremony, name) for name in ceremony.people),
        _witness(ceremony),
        _operator(ceremony),
        _exceptions(ceremony),
        _appendix(ceremony),
    ]
    files = {f"checklist/{sheet.name}.md": markdown(sheet) for sheet in sheets}
    return files | {"checklist/checklist.html": html(f"Ceremony of {its.plan.name}", sheets)}


def _cover(of: _Ceremony) -> Sheet:
    plan = of.its.plan
    return Sheet(
        "cover",
        f"Ceremony of {plan.name}: {of.kind}",
        (
            Text(f"Repository: {plan.url}"),
            Text(f"Purpose: {plan.purpose or 'none given'}"),
            Text(f"To be signed: {of.files}. {plan.threshold} of {len(plan.holders)} holders must sign."),
            *_signing(of),
            Heading("The plan, in words"),
            Text("SHA-256 of plan.toml. One reads aloud, another compares on their own machine."),
            *_digest(of.digest),
            Code((f"$ sha256sum {of.folder}/plan.toml", f"{of.digest}  {of.folder}/plan.toml")),
            Heading("When"),
            Table(("date", "standby date"), ((of.when.date or BLANK, of.when.standby or BLANK),)),
            Text("The standby date is used IF fewer holders come than must sign, a machine or a token fails, or somebody "
                 "doubts what they see. Nothing is lost by that: the files of before are good for weeks."),
            Heading("Who"),
            Table(("role", "name", "signature"), (
                ("coordinator: prepares, collects, seals; holds no key", "", ""),
                *((f"holder {name}: signs, alone, what they have read", name, "") for name in of.people),
                ("witness: reads aloud, replays, keeps the exceptions; holds no key", "", ""),
                ("operator: runs the service and holds its online key", "", ""),
            )),
            Text("Nobody has two of these roles. Nobody sees another's passphrase or PIN."),
            Heading("Done when"),
            Boxes((
                f"{of.folder}/sealed holds {of.files}, signed by enough holders",
                "the witness has replayed it from every root there ever was",
                "the service has taken it in, and its status ends with: All is well",
                "a client that was there before and a fresh one both verify a name",
                "the transcript's last words were read aloud, and the witness has signed them",
                "every exception is closed, with who closed it and how",
                "everything on the list under Afterwards is in the archive",
            )),
            Heading("Inventory"),
            Table(("what", "label", "seen"), (
                *((f"stick of {name}", of.stick(name), "") for name in of.people),
                ("key of each holder: a stick or token of their own, which never leaves their hands", "the holder's", ""),
                ("machine of each holder: no network, clock in UTC", "the holder's", ""),
                ("the tool, as one file, with SHA256SUMS on paper", "tallystick-ceremony.pyz", ""),
                ("printer, pens, envelopes", "", ""),
            )),
            Heading("Before"),
            Boxes((
                _rehearsed(of),
                "two people built the tool, each alone, and their SHA-256 is the same",
                "each holder's PIN or passphrase is kept apart from the key: never in one bag, never in this paper",
                "the clock of every machine shows UTC, within a minute of a watch",
                "`tallystick-ceremony selfcheck` says that each machine is fit",
                "every holder has read plan.toml, and compared its words above",
                *(("every holder has pinned the newest root, by its words",) if of.its.current else ()),
                "the operator can take files in on the day, and knows what must come first",
            )),
        ),
    )  # fmt: skip


def _coordinator(of: _Ceremony) -> Sheet:
    folder, plan = of.folder, of.its.plan
    drafted = (f"Drafted {of.files}.",) if of.drafted else ("Drafted root …",)
    return Sheet(
        "coordinator",
        "Coordinator",
        (
            Text("Hands out and collects; holds no key and makes nobody sign what they have not read."),
            Step("Coordinator", "Make the draft.", (f"tallystick-ceremony draft {folder}",), drafted,
                 "read each problem that is named, correct plan.toml, have it read again, and print new checklists."),
            Step("Coordinator", "Make the request.", (f"tallystick-ceremony request {folder}",), (of.request,), _EXCEPTION),
            Step("Coordinator", "Copy the request, and nothing else, onto each stick. Hand each to its holder: "
                 + "; ".join(of.stick(name) for name in of.people) + ".", (), (),
                 "a stick that holds anything else is put aside, and a new one taken."),
            Step("Coordinator", "Read aloud what changes, with everybody present or on the line.",
                 (f"tallystick-ceremony show {folder}",), (f"{of.kind}: …", "…", "Nothing else changes."), _STOP),
            Step("Holders", "Sign, each by their own checklist. Take back the sticks."),
            Step("Coordinator", "Collect the answers.", (f"tallystick-ceremony collect {folder} ANSWERS/*.answer",),
                 ("… signed …",), "an answer that is refused goes back to its holder, with what the tool said."),
            Step("Coordinator", "See who is missing.", (f"tallystick-ceremony status {folder}",), ("…: enough.",),
                 "wait for those who are named; IF they cannot come, THEN use the standby date."),
            Step("Coordinator", "Seal.", (f"tallystick-ceremony seal {folder}",), (f"Sealed and verified: {_sealed(of)}",),
                 _EXCEPTION),
            Step("Witness", "Replay it, by their own checklist."),
            Step("Operator", f"Take {folder}/sealed in, by their own checklist."),
            Heading("Afterwards"),
            Text("What is published first is the service's to know: targets, held, bins, every bin, snapshot and timestamp, "
                 "and the root last. Both roots accept all of it, so no client fails on the way."),
            Boxes((
                f"archived, in two places: {folder}/ whole, these sheets, the transcript, the exceptions, any recording's SHA-256, "
                "the SHA-256 of the tool",
                f"the next ceremony is in everybody's calendar for {_next(of)}: 90 days before the first file expires",
                "every holder's key lies sealed where it belongs, apart from its PIN or passphrase"
                if not plan.rehearsal else "every key of this rehearsal is destroyed, and its sticks are wiped",
                "sticks that carried files are wiped or destroyed; sealing bags are closed and their numbers written down",
                "what must be told is announced",
            )),
        ),
    )  # fmt: skip


def _holder(of: _Ceremony, name: str) -> Sheet:
    key, request = f"{name}.key", of.request
    leaves = name not in {holder.name for holder in of.its.plan.holders}
    pinned = (
        (Step(name, "Only once in your life as a holder: trust the newest root, by its words, as two others say them to you.",
              (f"tallystick-ceremony pin {request} --key {key}",), (), _STOP),)
        if of.its.current else ()
    )  # fmt: skip
    return Sheet(
        f"holder-{name}",
        f"Holder: {name}",
        (
            Text(f"Your stick is {of.stick(name)}. Your key is your own: no other hand touches it. You decide alone."),
            *((Text("You leave with this ceremony. The root before asks for your signature too, and then never again."),)
              if leaves else ()),
            Step(name, "Start your machine. It has no network, and its clock shows UTC.", ("date --utc",), (),
                 "set the clock by a watch; IF it has a network, THEN unplug it and start again."),
            Step(name, "Check it.", ("tallystick-ceremony selfcheck",), (), "do what it says, or take the other machine."),
            Step(name, "Is this your key, and do you still have what opens it? (For a token: --key pkcs11:…)",
                 (f"tallystick-ceremony key test --key {key}",), (), "never try a third time; " + _EXCEPTION),
            *pinned,
            Step(name, f"Insert the stick {of.stick(name)}. It holds {request} alone. Copy that to your machine.", ("ls STICK",),
                 (request,), "do not open anything else on it; " + _EXCEPTION),
            Step(name, "Begin to sign. Read five screens, and take your time.",
                 (f"tallystick-ceremony sign {request} --key {key}",), (), _STOP),
            Step(name, f"Screen 1, who and what: it says {of.its.plan.name}, {of.kind}, and your name.", (), (), _STOP),
            Step(name, "Screen 2, what changes: nothing that you were not told, and that nothing else changes.", (), (), _STOP),
            Step(name, "Screen 3, consequences and warnings: you can answer for each of them.", (), (), _STOP),
            Step(name, "Screen 4, signatures: who signs for the old root and for the new.", (), (), _STOP),
            Step(name, "Screen 5, words: have another holder read them to you from their own screen, not from yours. Type those "
                 "that are asked for. Then type what it says, and give your passphrase or PIN.", (), (), _STOP),
            Step(name, "It signs, verifies, and writes your answer. Copy the answer, and nothing else, to the stick.", (),
                 (f"Signed and verified: {of.files}.",) if of.drafted else (), "nothing was signed: " + _EXCEPTION),
            Step(name, f"Give the stick {of.stick(name)} back. Your key goes back to where it is kept, apart from what opens it."),
        ),
    )  # fmt: skip


def _witness(of: _Ceremony) -> Sheet:
    folder = of.folder
    return Sheet(
        "witness",
        "Witness",
        (
            Text("Sees everything, touches nothing. Reads aloud, replays, keeps the exceptions sheet, and may stop the ceremony."),
            Step("Witness", "Write down who is here, in which role, and since when. Read the cover aloud."),
            Step("Witness", "Compare the plan's words with those on the cover.", (f"sha256sum {folder}/plan.toml",),
                 (f"{of.digest}  {folder}/plan.toml",), _STOP),
            Step("Witness", "Make the draft again on your own machine, from the plan and the key files. It must change nothing.",
                 (f"tallystick-ceremony draft {folder}",), (f"Drafted {of.files}.",) if of.drafted else (), _STOP),
            Step("Witness", "For each holder: the stick handed over is theirs, by colour and label, and so is the one that comes "
                 "back. " + "; ".join(of.stick(name) for name in of.people) + ".", (), (), _EXCEPTION),
            Step("Witness", "Replay what was sealed, on your own machine, with stock clients.",
                 (f"tallystick-ceremony verify {folder}",), (), _STOP),
            Step("Witness", "Check the transcript, and read its last words aloud. Everybody writes down the first and the last.",
                 (f"tallystick-ceremony transcript verify {folder}", f"tallystick-ceremony transcript head {folder}"), (), _STOP),
            Step("Witness", "Sign these last words with a key of your own, never with a key of the repository.",
                 (f"tallystick-ceremony transcript head {folder} > head.txt", "ssh-keygen -Y sign -n tallystick -f YOURS head.txt")),
            Step("Witness", "Close each exception, or say who will. Sign the cover."),
        ),
    )  # fmt: skip


def _operator(of: _Ceremony) -> Sheet:
    folder, first = of.folder, of.its.current is None
    verb = "init" if first else "take-in"
    rotates = of.drafted is not None and any("online key changes" in warning for warning in of.drafted.warnings)
    practice = " --allow-rehearsal" if of.its.plan.rehearsal else ""
    before = (
        (Step("Operator", "The online key changes. Both keys must have signed everything before the sealed files come.",
              ("tallystick-service status SERVICE",), ("two online keys, …: both have signed all files",),
              "wait: the service refuses the files until then, and nothing is lost."),)
        if rotates else ()
    )  # fmt: skip
    return Sheet(
        "operator",
        "Operator",
        (
            Text("Runs the service. The online key never leaves it; what came to the ceremony is online.pub."),
            *((Step("Operator", "Make the online key, and bring online.pub to the coordinator.",
                    (f"tallystick-service key SERVICE{of.flag}",), ("Wrote SERVICE/online.key …",), _EXCEPTION),) if first else ()),
            Step("Operator", "Read aloud the id of the online key, as the service and the plan have it.",
                 ("tallystick-ceremony key show SERVICE/online.pub",), (show.short(of.its.plan.online.key),), _STOP),
            *before,
            *(() if first else (Step("Operator", "Make a backup.", ("tallystick-service backup SERVICE FILE",)),)),
            Step("Operator", "Take the sealed files in.", (f"tallystick-service {verb} SERVICE --sealed {folder}/sealed{practice}",),
                 (), "nothing was written: do what it says, and write it onto the exceptions sheet."),
            Step("Operator", "Look.", ("tallystick-service status SERVICE", "tallystick-service fsck SERVICE"),
                 ("All is well.",), "do what it says under: What to do."),
            Step("Operator", "Verify a name with a client that was there before, and with a fresh one.",
                 ("tallystick show NAME", "tallystick status"), ("… signed as serial …",), _EXCEPTION),
        ),
    )  # fmt: skip


def _exceptions(of: _Ceremony) -> Sheet:
    rows = tuple((f"E{number}", "", "", "", "") for number in range(1, EXCEPTIONS + 1))
    return Sheet(
        "exceptions",
        "Exceptions",
        (
            Text("Whatever is not as a checklist says, however small: a cable that is missing, a clock that is wrong, a stick that "
                 "was the wrong one. Kept by the witness. A ceremony with exceptions is good if each is explained."),
            Table(("no.", "step, and time (UTC)", "what happened", "what was done", "closed by"), rows),
        ),
    )  # fmt: skip


def _appendix(of: _Ceremony) -> Sheet:
    ring = of.its.keyring
    return Sheet(
        "appendix",
        "Appendix",
        (
            Heading("Keys"),
            Table(("name", "key id", "scheme"), tuple((file.name, file.key.keyid, file.key.scheme) for file in ring)),
            *_digests(of),
            Heading("How to open a key file without this tool"),
            Text("A .key file is PKCS#8, sealed with the passphrase. Any openssl from 3.0 on opens it, on a machine without a "
                 "network. The passphrase of words is typed in small letters with one space between."),
            Code(("$ openssl pkey -in YOURS.key -pubout", "Enter pass phrase for YOURS.key:", "-----BEGIN PUBLIC KEY-----")),
            Heading("Whom to call"),
            Table(("role", "name", "telephone", "second way"), tuple(
                (role, "", "", "") for role in ("coordinator", *(f"holder {name}" for name in of.people), "witness", "operator")
            )),
            Text("IF a key is lost or stolen, a file expires, or two roots have one number, THEN: "
                 f"tallystick-ceremony emergency KIND --trust {of.folder}/sealed"),
        ),
    )  # fmt: skip


def _signing(of: _Ceremony) -> Iterable[Table]:
    if of.drafted is not None:
        rows = tuple(
            (f"{each.role} {each.version}", show.long_date(each.body.expires), " and ".join(
                f"{delegator.type} {delegator.version}" for delegator in each.delegators
            )) for each in of.drafted.candidates
        )  # fmt: skip
        yield Table(("file", "good until", "must be signed for"), rows)


def _digests(of: _Ceremony) -> Iterable[Heading | Text | Code]:
    for each in of.drafted.candidates if of.drafted else ():
        yield Heading(f"{each.role} {each.version}, in words")
        yield from _digest(each.digest)


def _digest(digest: str) -> tuple[Code]:
    """A digest in eight lines of four words, each beside its eight digits."""
    said = words.words(bytes.fromhex(digest))
    return (Code(tuple(
        f"{place}  {digest[8 * place - 8:8 * place]}  {' '.join(f'{word:<12}' for word in line).rstrip()}"
        for place, line in enumerate(batched(said, 4), 1)
    )),)  # fmt: skip


def _rehearsed(of: _Ceremony) -> str:
    if of.its.plan.rehearsal:
        return "every key in the plan was made for this rehearsal"
    if of.when.date:
        since = date.fromisoformat(of.when.date) - REHEARSED
        return f"this plan was rehearsed, with keys made for that, on or after {since:%Y-%m-%d}"
    return f"this plan was rehearsed, with keys made for that, within {REHEARSED.days} days before"


def _sealed(of: _Ceremony) -> str:
    return f"{of.files.replace(', ', '.json, ')} …" if of.drafted is None else "…"


def _next(of: _Ceremony) -> str:
    if of.drafted is None:
        return BLANK
    first: datetime = min(body.expires for body in of.drafted.bodies.values())
    return show.long_date(first - RENEW)
