"""A holder's commands: a key of one's own, a root one trusts, and signing what one has read.

Nothing that comes with a request is believed: the draft is made again, and the chain of roots is followed from what
this holder's own stick remembers.
"""

import argparse
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from ceremony import answers, codes, directory, inputs, memory, request, seal, selfcheck, show, stick, terminal
from ceremony.answers import Answer
from ceremony.dates import long_date
from ceremony.draft import Candidate
from ceremony.errors import AlreadySigned, BadInput, Declined, Interrupted, Mismatch, Unfit
from ceremony.inputs import Ceremony
from ceremony.memory import Entry
from ceremony.seal import Signatures
from ceremony.stick import Stick
from keys import layout, trust

SLACK: Final = timedelta(minutes=10)
"""By how much a machine's clock may be behind the one that drafted."""


def pin(arguments: argparse.Namespace, now: datetime) -> None:
    """Trust the newest root of a repository once, by words that another holder reads to you."""
    terminal.need()
    holder = stick.at(arguments.key)
    before = holder.memory
    root, where = _newest_root(arguments.source)
    entry = memory.root_entry(root)
    if before.pinned == entry:
        print(f"Your key trusts root {entry.version} already. Nothing was written.")
        return
    if before.pinned is not None:
        raise Mismatch(f"your key trusts root {before.pinned.version} already, and follows it by itself", memory.STOP)
    print(f"{where}: root {entry.version}, until {long_date(root.body.expires)}. Its words:\n")
    places = terminal.unseen()
    print("\n".join(show.word_table(entry.digest, places)))
    print()
    terminal.heard(entry.digest, places)
    terminal.typed(f"trust root {entry.version}")
    directory.replace(holder.memory_path, memory.write(memory.pin(before, root)))
    holder.tell(now, "pinned", root=entry.version, digest=entry.digest)
    print(f"Your key trusts root {entry.version} from now on, and whatever continues it.")


def sign(arguments: argparse.Namespace, now: datetime) -> None:
    """Show everything in five screens, ask after each, then sign all that this key signs."""
    terminal.need()
    its, holder = directory.open_ceremony(arguments.request), stick.at(arguments.key)
    mine, place = holder.public, _place(arguments)
    if _is_answered(its, mine.key.keyid, place / _answer_name(its, mine.name)):
        print(f"You have signed this already; {place / _answer_name(its, mine.name)} is whole. Nothing was written.")
        return
    candidates = _signable(its, mine.key.keyid, holder.key)
    _check_time(its, now)
    before = holder.memory
    trusted = memory.check_chain(before, its.inputs.current)
    memory.check_fork(before, candidates)
    if memory.is_abandoned(before, candidates):
        raise AlreadySigned("you gave this draft up, and it must never be published", "Ask for a new draft.")

    places = terminal.unseen()
    screens = show.screens(its, _beside(arguments.request, its), now, _signer(holder, its, trusted, now), places)
    try:
        for screen in screens:
            terminal.agree(screen)
        terminal.heard(its.drafted.digest, places)
        terminal.typed(f"sign {candidates[0].role} {candidates[0].version}")
    except Interrupted:
        raise
    except Declined as no:
        raise _declined(no, its, holder, place, now) from None
    key = holder.opened()

    # The memory first: a signature that nobody remembers lets this key sign another file of that version.
    answer = answers.answer(its.drafted, mine.name, key, now, heard=True)
    directory.replace(holder.memory_path, memory.write(memory.remember(before, candidates, its.inputs.current)))
    shown = [page for screen in screens for page in screen.pages]
    signed = [f"{each.role} {each.version}" for each in candidates]
    head = holder.tell(now, "signed", draft=its.drafted.digest, signed=signed, shown=shown)
    path = place / _answer_name(its, mine.name)
    directory.write_all(place, {path.name: answers.write(replace(answer, transcript=head))})
    print(f"\nSigned and verified: {', '.join(signed)}.")
    terminal.say(
        [
            f"Written {path}. Bring it to the coordinator on this stick, which never comes back to this machine; or "
            f"show it to a camera: tallystick-ceremony code {path}",
            f"The head of your transcript is {head:.16}.",
        ]
    )


def abandon(arguments: argparse.Namespace, now: datetime) -> None:
    """Give up what this key signed, so that it may sign another draft of the same version."""
    terminal.need()
    its, holder = directory.open_ceremony(arguments.request), stick.at(arguments.key)
    mine, before, place = holder.public, holder.memory, _place(arguments)
    candidates = _signable(its, mine.key.keyid, holder.key)
    after = memory.abandon(before, candidates)
    if after == before:
        raise Mismatch("your key has not signed this draft, so there is nothing to give up", "Name the other request.")
    given_up = f"{candidates[0].role} {candidates[0].version}"
    terminal.say(
        [
            f"You signed {given_up} of this draft. If it is ever published beside another {given_up}, clients are "
            "split for ever. Give it up only if every answer of it is destroyed, and the coordinator says so to all.",
        ]
    )
    terminal.typed(f"abandon {given_up}")
    directory.replace(holder.memory_path, memory.write(after))
    holder.tell(now, "abandoned", draft=its.drafted.digest, reason=arguments.reason)
    refusal = answers.refusal(its.drafted, mine.name, mine.key.keyid, now, arguments.reason)
    _write_refusal(its, place, refusal)
    print(f"Given up. Destroy your answer to it; bring {place / _refusal_name(its, mine.name)} to the coordinator.")


def payload(arguments: argparse.Namespace, _: datetime) -> None:
    """Write the bytes that are to be signed, for a holder who will not run this tool."""
    its = directory.open_ceremony(arguments.request)
    files = {f"{each.role}-{each.version}.payload": each.payload for each in its.drafted.candidates}
    directory.write_all(arguments.out, files)
    print(f"Written {', '.join(str(arguments.out / name) for name in files)}: the bytes that signatures cover.")
    terminal.say(
        [
            "Ed25519: openssl pkeyutl -sign -rawin -inkey KEY -in FILE -out FILE.sig",
            "P-256: openssl dgst -sha256 -sign KEY -out FILE.sig FILE; P-384 the same with -sha384",
            f"Then: tallystick-ceremony attach {arguments.request} --pub NAME.pub --sig root=FILE.sig …",
        ]
    )


def attach(arguments: argparse.Namespace, now: datetime) -> None:
    """Make an answer of signatures that were made without this tool; each is verified."""
    its, mine = directory.open_ceremony(arguments.request), directory.read_public_key(arguments.pub)
    pairs = [(role, _signature(path)) for role, path in arguments.sig]
    made = answers.attached(its.drafted, mine.name, mine.key.keyid, now, pairs, heard=False)
    lacking = {each.role for each in _signable(its, mine.key.keyid, arguments.pub)} - {role for role, _ in pairs}
    place = _place(arguments)
    directory.write_all(place, {_answer_name(its, mine.name): answers.write(made)})
    print(f"Verified. Written {place / _answer_name(its, mine.name)}.")
    if lacking:
        print(f"Not signed by {mine.name}: {', '.join(sorted(lacking))}.")


def code(arguments: argparse.Namespace, _: datetime) -> None:
    """Show an answer as one QR code."""
    drawing = codes.drawn(text := codes.write(directory.read_answer(arguments.answer)))
    columns, lines = terminal.size()
    wide, high = max(map(len, drawing.splitlines())), len(drawing.splitlines())
    if arguments.text:
        print(text)
        return
    print(drawing)
    if columns < wide or lines < high:
        terminal.say([f"If it looks torn: it takes {wide} columns and {high} lines, not {columns} and {lines}."])
    terminal.say(["The coordinator keeps the scanned text in a file: tallystick-ceremony collect DIR FILE"])


def _signable(its: Ceremony, keyid: str, key: Path) -> list[Candidate]:
    if not (found := answers.signable(its.drafted, keyid)):
        raise Mismatch(
            f"{key.name} holds key {show.short(keyid)}, which signs nothing here", "Take the key that the plan names."
        )
    return found


def _check_time(its: Ceremony, now: datetime) -> None:
    if now < its.drafted.at - SLACK:
        raise Unfit(
            f"this machine's date is {long_date(now)}, {now:%H:%M} UTC, and this was drafted on "
            f"{long_date(its.drafted.at)}, {its.drafted.at:%H:%M} UTC",
            "Set the clock of this machine (date -u -s …), and look at a watch.",
        )
    seal.check_dates(its.drafted, now)


def _signer(holder: Stick, its: Ceremony, trusted: Entry | None, now: datetime) -> list[str]:
    mine = holder.public
    sticks = {each.key: each.stick for each in its.inputs.plan.holders}
    colour = f", on stick {sticks[mine.key.keyid].upper()}" if sticks.get(mine.key.keyid) else ""
    chain = "This is the first root: there is nothing to trust yet."
    if trusted is not None:
        assert its.inputs.current is not None, "memory.check_chain"
        newest = its.inputs.current.root.version
        chain = f"The chain of roots goes on from root {trusted.version}, which your key trusts, to root {newest}."
    network = selfcheck.network(selfcheck.facts(now))
    return [
        *([f"WARNING: {network.said} {network.todo}"] if network.level != "ok" else []),
        "",
        f"You sign as {mine.name}, key {show.short(mine.key.keyid)}, {holder.kind}{colour}.",
        chain,
        f"This machine says that today is {now:%A}, {long_date(now)}, {now:%H:%M} UTC.",
    ]


def _newest_root(source: Path) -> tuple[trust.SignedFile, str]:
    """The root to trust: in a request, in a folder of sealed files, or in a file of its own."""
    if source.is_dir():
        if not (source / inputs.PLAN).exists():
            return directory.read_trust(source).roots[-1], str(source)
    elif source.suffix != request.SUFFIX:
        data = directory.read_file(source)
        return trust.SignedFile(layout.ROOT, data, trust.parse_body(source.name, layout.ROOT, data)), source.name
    its = directory.open_ceremony(source)
    if its.inputs.current is None:
        raise BadInput(f"{source.name}: is for the first root: there is nothing to trust yet", "Sign it.")
    return its.inputs.current.roots[-1], source.name


def _beside(path: Path, its: Ceremony) -> Signatures:
    """The signatures of answers that lie beside the request, so far as they are good."""
    folder = path / "answers" if path.is_dir() else path.parent
    good = []
    for file in sorted(folder.glob(f"*{answers.SUFFIX}")):
        try:
            answers.verify(answer := directory.read_answer(file), its.drafted, its.names)
        except (BadInput, Mismatch):
            continue  # of another ceremony, or nothing that counts: it is only shown
        good.append(answer)
    return seal.collect(its.drafted, good, its.names)


def _is_answered(its: Ceremony, keyid: str, path: Path) -> bool:
    if not path.exists():
        return False
    answer = directory.read_answer(path)
    signed = {candidate.role for candidate, _ in answers.verify(answer, its.drafted, its.names)}
    return signed == {each.role for each in answers.signable(its.drafted, keyid)}


def _declined(no: Declined, its: Ceremony, holder: Stick, place: Path, now: datetime) -> Declined:
    """The no, which travels home with a reason if the holder gives one."""
    reason = terminal.ask("Why not? One line for the coordinator, or Enter: ")
    if not reason:
        return no
    mine = holder.public
    refusal = answers.refusal(its.drafted, mine.name, mine.key.keyid, now, reason)
    holder.tell(now, "declined", draft=its.drafted.digest, reason=reason)
    _write_refusal(its, place, refusal)
    return Declined(no.what, no.todo, f"Nothing was signed. Written {place / _refusal_name(its, mine.name)}.")


def _write_refusal(its: Ceremony, place: Path, refusal: Answer) -> None:
    directory.write_all(place, {_refusal_name(its, refusal.name): answers.write(refusal)})


def _answer_name(its: Ceremony, name: str) -> str:
    return f"{request.name(its.drafted)}.{name}{answers.SUFFIX}"


def _refusal_name(its: Ceremony, name: str) -> str:
    return f"{request.name(its.drafted)}.{name}.declined{answers.SUFFIX}"


def _place(arguments: argparse.Namespace) -> Path:
    """Where the answer goes: beside the request, unless somebody says otherwise."""
    if arguments.out is not None:
        return Path(arguments.out)
    path: Path = arguments.request
    return path / "answers" if path.is_dir() else path.parent


def _signature(path: Path) -> str:
    """A signature as a program writes it, in hexadecimal: raw bytes, or hexadecimal text."""
    data = directory.read_file(path)
    try:
        return bytes.fromhex(data.decode("ascii").strip()).hex()
    except ValueError:
        return data.hex()
