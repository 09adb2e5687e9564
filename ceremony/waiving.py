"""Waivers for a repository's signing guard (keys/waivers.py): written by a coordinator, signed by holders of the root.

A waiver lets the online key do what the guard forbids, until a date. So a holder reads it as they read a root, and
their own key says which repository it is for.
"""

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from securesystemslib.signer import Signature

from ceremony import directory, memory, show, stick, terminal
from ceremony.dates import long_date
from ceremony.errors import BadInput, Mismatch, NotEnough, Refused
from ceremony.show import Screen
from keys import layout, rules, waivers
from keys.encoding import sha256
from keys.times import moment, stamp
from keys.trust import RootOfTrust
from keys.waivers import Allowance, NoWaiver, Waiver

SUFFIX: Final = ".waiver"


def make(arguments: argparse.Namespace, now: datetime) -> None:
    """Write a waiver that nobody has signed yet."""
    trusted = directory.read_trust(arguments.trust)
    if arguments.until <= now:
        raise Refused([f"{stamp(arguments.until)} is past"], "Say until when it is to hold.")
    allowed = tuple(Allowance(rule, limit) for rule, limit in arguments.allow)
    try:
        made = Waiver(repository(trusted), arguments.number, stamp(arguments.until), allowed, arguments.reason)
    except ValueError as error:
        raise BadInput(str(error), "Correct what you typed.") from None
    path: Path = arguments.file
    directory.write_all(path.parent, {path.name: waivers.write(made, ())})
    print(f"Written {path}. Its words:\n")
    print("\n".join(show.word_table(sha256(waivers.payload(made)))))
    terminal.say(["", f"Next, each holder: tallystick-ceremony waiver sign {path} --key NAME.key --trust SEALED"])


def sign(arguments: argparse.Namespace, now: datetime) -> None:
    """Show what a waiver allows, ask, then sign it with a holder's key."""
    terminal.need()
    trusted, holder = directory.read_trust(arguments.trust), stick.at(arguments.key)
    its, signatures = _read(arguments.file)
    _check(its, trusted, now)
    mine = holder.public
    if mine.key.keyid not in trusted.root.roles[layout.ROOT].keyids:
        raise Mismatch(
            f"{mine.name} does not sign root {trusted.root.version}", "Take the key of a holder of the root."
        )
    memory.check_chain(holder.memory, trusted)
    digest, places = sha256(waivers.payload(its)), terminal.unseen()
    for screen in screens(its, trusted, mine.name, now, places):
        terminal.agree(screen)
    terminal.heard(digest, places)
    terminal.typed(f"sign waiver {its.number}")
    signature = holder.opened().sign(waivers.payload(its))
    holder.tell(now, "signed a waiver", digest=digest, number=its.number, reason=its.reason)
    path = arguments.file.with_suffix(f".{mine.name}{SUFFIX}")
    others = [each for each in signatures if each.keyid != signature.keyid]
    directory.write_all(path.parent, {path.name: waivers.write(its, [*others, signature])})
    terminal.say(["", f"Signed and verified. Written {path}. Bring it back to the coordinator."])


def seal(arguments: argparse.Namespace, now: datetime) -> None:
    """Put the signatures of holders together, and verify the waiver as the guard will."""
    trusted = directory.read_trust(arguments.trust)
    read = [_read(path) for path in arguments.signed]
    its = read[0][0]
    if any(other != its for other, _ in read):
        raise Mismatch("these are not one waiver", "Two waivers are about. Compare their words.")
    _check(its, trusted, now)
    signatures = {each.keyid: each for _, found in read for each in found}
    data = waivers.write(its, signatures.values())
    try:
        waivers.read(data, trusted.root, repository(trusted))
    except NoWaiver as error:
        raise NotEnough(f"the waiver {error}", "Collect it from more holders, each with a good signature.") from None
    path: Path = arguments.out
    directory.write_all(path.parent, {path.name: data})
    print(f"Sealed and verified: {path}, good until {long_date(moment(its.expires))}.")
    print(f"Next: tallystick-service guard DIR waiver {path}")


def screens(its: Waiver, trusted: RootOfTrust, name: str, now: datetime, unseen: Sequence[int] = ()) -> list[Screen]:
    """What a holder reads before signing a waiver."""
    what = [
        f"Waiver {its.number} for the repository whose first root is",
        f" {its.repository}",
        f"Reason: {its.reason}",
        f"It holds until {long_date(moment(its.expires))}, {moment(its.expires):%H:%M} UTC.",
        f"You sign as {name}, for root {trusted.root.version}. Today is {now:%A}, {long_date(now)}.",
    ]
    allowed = [f"ALLOWS {each.rule}: {_how_much(each)}" for each in its.allow]
    follows = [
        *allowed,
        "",
        "WARNING: whoever has the online key can do this until then, also a thief. All else stays refused.",
    ]
    words = [
        "These words stand for the whole waiver. Call another holder, and read them to each other.",
        "",
        *show.word_table(sha256(waivers.payload(its)), unseen),
    ]
    mark = "REHEARSAL" if rules.is_rehearsal(trusted.root) else "REAL"
    told = (
        ("Who and what", what, "Is this what you came for?"),
        ("What it allows", follows, "Do you allow exactly this?"),
        ("Words", words, ""),
    )
    return show.paged(told, mark)


def repository(trusted: RootOfTrust) -> str:
    """How a waiver names a repository: SHA-256 of the file of its first root."""
    return sha256(trusted.roots[0].data)


def _check(its: Waiver, trusted: RootOfTrust, now: datetime) -> None:
    if its.repository != repository(trusted):
        raise Mismatch(
            "this waiver is for another repository", "Take the sealed files of the repository that it is for."
        )
    if its.is_over(now):
        raise Refused([f"this waiver ended on {long_date(moment(its.expires))}"], "Write a new one.")


def _read(path: Path) -> tuple[Waiver, list[Signature]]:
    try:
        return waivers.unverified(directory.read_file(path))
    except NoWaiver as error:
        raise BadInput(f"{path.name}: {error}", "Ask the coordinator for the file again.") from None


def _how_much(allowance: Allowance) -> str:
    return "without a limit" if allowance.limit is None else f"{allowance.limit} more than the guard does by itself"
