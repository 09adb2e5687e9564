"""The ``tallystick-ceremony`` command: it asks people, reads and writes files, and knows no network.

The clock is read here and nowhere else. What each command does is in ``keymaking`` and ``holding`` (a holder),
``coordinating`` and ``witnessing``.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ceremony import coordinating, directory, emergency, holding, inputs, keymaking, show, waiving, witnessing
from ceremony.errors import (
    AlreadySigned,
    BadInput,
    BadPassphrase,
    BrokenChain,
    CeremonyError,
    Declined,
    Interrupted,
    Mismatch,
    NotEnough,
    Refused,
    RehearsalMixup,
    TokenFailed,
    Unfit,
)
from ceremony.terminal import fill
from ceremony.tool import TOOL
from keys import hardening, layout, trust
from keys.signing import NotOpened, SignerFailed
from keys.times import moment
from keys.tlog import notes
from keys.tlog.notes import BadNote, VerifierKey

EXIT: Final[dict[type[Exception], int]] = {
    Refused: 10,
    BadInput: 11,
    Mismatch: 12,
    NotEnough: 13,
    trust.Unreadable: 11,
    trust.Differs: 12,
    trust.Unsigned: 13,
    Declined: 14,
    Interrupted: 14,
    BadPassphrase: 15,
    TokenFailed: 15,
    BrokenChain: 16,
    Unfit: 17,
    RehearsalMixup: 18,
    AlreadySigned: 19,
}
STOPPED: Final = 17
"""A disk or a stick that fails: the same as any other machine that is not fit."""
ASK: Final = "Do not use these files. Ask the coordinator for the sealed files of the ceremony before."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code says how it ended (0, 2 for usage, or ``EXIT``)."""
    arguments = parser().parse_args(argv)
    hardening.harden()
    try:
        directory.check_told(getattr(arguments, "dir", None))
        arguments.run(arguments, datetime.now(UTC))
    except CeremonyError as error:
        return _refused(EXIT[type(error)], error.what, error.todo, error.written)
    except trust.NotTrusted as error:
        return _refused(EXIT[type(error)], str(error), ASK)
    except NotOpened as error:
        return _refused(EXIT[TokenFailed], error.what, error.todo)
    except SignerFailed as error:
        return _refused(EXIT[TokenFailed], str(error), "Do not use this key, and tell the coordinator.")
    except OSError as error:
        print(
            f"STOPPED: {error}\nWhat to do: put that right and run the same command again.\n"
            "Whatever was written before this is complete.",
            file=sys.stderr,
        )
        return STOPPED
    return 0


def _refused(code: int, what: str, todo: str, written: str = "Nothing was written.") -> int:
    """Say what is wrong, what to do and whether anything was written; the exit code."""
    for text in (f"REFUSED: {what}", f"What to do: {todo}", written):
        for line in text.split("\n"):
            print(fill(line), file=sys.stderr)
    return code


class _Parser(argparse.ArgumentParser):
    """Plain text at 72 columns, also where the standard library would colour it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=show.WIDTH),
            allow_abbrev=False,
            **settings,
        )
        self.color = False


def parser() -> argparse.ArgumentParser:
    """All that can be typed; the manual page and the completions are made of it, too."""
    told = _Parser(prog="tallystick-ceremony", description="Make and change a repository's root of trust, offline.")
    told.add_argument("--version", action="version", version=TOOL)
    commands = told.add_subparsers(required=True, metavar="COMMAND")
    _add_keys(commands)
    _add_coordinator(commands)
    _add_holder(commands)
    _add_witness(commands)
    _add_waivers(commands)
    return told


def _add_keys(commands: Any) -> None:
    key = commands.add_parser("key", help="a holder's own key").add_subparsers(required=True, metavar="COMMAND")
    new = _command(key, "new", keymaking.new, "make a key", "key new alice --out /media/blue")
    new.add_argument("name", type=_name, metavar="NAME")
    _out(new, "where to write NAME.key and NAME.pub")
    new.add_argument("--rehearsal", action="store_true", help="a key to practise with and throw away")
    new.add_argument("--dice", action="store_true", help="mix in rolls of a die of your own")
    new.add_argument("--token", metavar="PKCS11-URI", help="make it on this token, which it never leaves")
    new.add_argument("--curve", choices=("P-256", "P-384"), default="P-256", help="on a token (P-256)")

    shown = _command(key, "show", keymaking.show_public, "whose key a .pub file holds", "key show alice.pub")
    shown.add_argument("pub", type=Path, metavar="F.pub")
    tested = _command(key, "test", keymaking.test, "does a key still sign", "key test --key alice.key")
    _key(tested)
    changed = _command(
        key, "passwd", keymaking.change_passphrase, "a new passphrase, on a new stick",
        "key passwd --key /media/old/alice.key --out /media/new",
    )  # fmt: skip
    _key(changed)
    _out(changed, "the new stick")

    brought = _command(
        key, "import", keymaking.import_public, "a public key that was made elsewhere",
        "key import dan --pem dan.pem --out . --proof dan.sig",
    )  # fmt: skip
    brought.add_argument("name", type=_name, metavar="NAME")
    brought.add_argument("--pem", type=Path, required=True, metavar="F.pem", help="the public key")
    brought.add_argument("--proof", type=Path, metavar="F.sig", help="a signature of NAME.statement by that key")
    brought.add_argument("--rehearsal", action="store_true", help="a key to practise with and throw away")
    _out(brought, "where to write NAME.statement, then NAME.pub")

    shared = _command(
        key, "backup", keymaking.backup, "split a spare key into shares",
        "key backup --key spare.key --shares 3of5 --out shares",
    )  # fmt: skip
    _key(shared)
    shared.add_argument("--shares", type=_shares, required=True, metavar="KofN", help="how many of how many")
    _out(shared, "where to write the shares")
    joined = _command(
        key, "restore", keymaking.restore, "put a key together from its shares",
        "key restore --pub spare.pub --share a.txt b.txt c.txt \\\n    --out /media/new",
    )  # fmt: skip
    joined.add_argument("--pub", type=Path, required=True, metavar="F.pub", help="of which key they are")
    joined.add_argument("--share", type=Path, nargs="+", required=True, metavar="F.txt")
    joined.add_argument("--verify", action="store_true", help="only say whether they are; write nothing")
    _out(joined, "where to write the key")


def _add_coordinator(commands: Any) -> None:
    planned = _on_directory(
        commands,
        "plan",
        coordinating.make_plan,
        "write a plan to be reviewed",
        "plan 2026 --name acme \\\n"
        "    --url https://pkgs.acme.example/ --online online.pub \\\n"
        "    --holder alice.pub bob.pub carol.pub",
    )
    planned.add_argument("--name", required=True, metavar="N", help="the repository's name")
    planned.add_argument("--url", required=True, metavar="U", help="where clients will find it")
    planned.add_argument("--holder", type=Path, nargs="+", action="extend", required=True, metavar="F.pub")
    planned.add_argument("--online", type=Path, required=True, metavar="F.pub", help="the service's public key")
    planned.add_argument("--threshold", type=int, default=2, metavar="T", help="holders who must sign (2)")
    planned.add_argument("--accept-no-spare", action="store_true", help="all must sign, and one lost key is the end")
    number = planned.add_mutually_exclusive_group()
    number.add_argument("--bins", type=int, default=256, metavar="B", help="hash bins, a power of two (256)")
    number.add_argument(
        "--expect-targets", type=_bins_for, dest="bins", metavar="N",
        help="as many bins as suit N names and files in a few years",
    )  # fmt: skip
    planned.add_argument("--held", nargs="+", action="extend", default=[], metavar="NAME", help="never installable")
    planned.add_argument("--days", type=int, default=365, metavar="D", help="days until expiry (365)")
    planned.add_argument("--purpose", default="", metavar="TEXT", help="why, in one line")
    planned.add_argument("--rehearsal", action="store_true", help="with rehearsal keys only")
    planned.add_argument("--after", type=Path, metavar="SEALED_DIR", help="sealed/ of the ceremony before")
    planned.add_argument("--oldest-root", type=int, default=1, metavar="N", help="that a client may have (1)")
    log = planned.add_mutually_exclusive_group()
    log.add_argument("--log", type=Path, nargs="+", default=[], metavar="F.pub", help="the log's key (as before)")
    log.add_argument("--no-log", action="store_true", help="name no log, whatever was before")
    planned.add_argument(
        "--witness", type=_verifier_key, nargs="+", action="extend", default=[], metavar="KEY",
        help="of the log, as NAME+ID+KEY (as before)",
    )  # fmt: skip
    planned.add_argument("--quorum", type=int, metavar="Q", help="witnesses who must have seen it (as before, or 0)")
    planned.add_argument("--log-begins-anew", action="store_true", help="it is another log than before, by its name")

    _on_directory(commands, "checklist", coordinating.make_checklists, "a checklist for everybody", "checklist 2026")
    urgent = _command(
        commands, "emergency", coordinating.plan_emergency, "what to do now, step by step",
        "emergency online-key --trust 2026/sealed \\\n    --public /srv/tally/public",
    )  # fmt: skip
    urgent.add_argument("kind", choices=emergency.KINDS, metavar="KIND", help=", ".join(emergency.KINDS))
    urgent.add_argument("--trust", type=Path, required=True, metavar="SEALED_DIR", help="sealed/ of the last ceremony")
    urgent.add_argument("--public", type=Path, metavar="DIR", help="the public folder, or a copy of it")
    urgent.add_argument("--lost", nargs="+", default=[], metavar="NAME", help="holders whose key is lost or stolen")
    urgent.add_argument("--plan-out", type=Path, metavar="DIR", help="write the plan of the ceremony to come there")
    _on_directory(commands, "draft", coordinating.make_draft, "make what is to be signed", "draft 2026")
    _on_directory(commands, "request", coordinating.make_request, "the file that goes to each holder", "request 2026")
    collecting = _on_directory(
        commands, "collect", coordinating.collect, "take in answers", "collect 2026 /media/blue/*.answer"
    )
    collecting.add_argument("source", type=Path, nargs="+", metavar="ANSWER", help="a file, a folder, or a code's text")
    _on_directory(commands, "status", coordinating.status, "who is missing, and what comes next", "status 2026")
    _on_directory(commands, "seal", coordinating.make_sealed, "assemble it once enough have signed", "seal 2026")
    attached = _on_request(
        commands, "attach", holding.attach, "take in signatures made without this tool",
        "attach acme-root-2.request --pub dan.pub \\\n    --sig root=root-2.sig targets=targets-2.sig",
    )  # fmt: skip
    attached.add_argument("--pub", type=Path, required=True, metavar="F.pub", help="by whom")
    attached.add_argument("--sig", type=_pair, nargs="+", required=True, metavar="ROLE=FILE")
    attached.add_argument("--out", type=Path, metavar="DIR", help="where to write the answer (beside the request)")


def _add_holder(commands: Any) -> None:
    pinned = _command(
        commands, "pin", holding.pin, "trust a repository's newest root, once",
        "pin acme-root-2.request --key alice.key",
    )  # fmt: skip
    pinned.add_argument("source", type=Path, metavar="FROM", help="a request, a sealed folder or a root file")
    _key(pinned)
    signing = _on_request(
        commands, "sign", holding.sign, "read everything, then sign", "sign acme-root-2.request --key alice.key"
    )
    _key(signing)
    signing.add_argument("--out", type=Path, metavar="DIR", help="where to write the answer (beside the request)")
    given_up = _on_request(
        commands, "abandon", holding.abandon, "give up what you signed",
        "abandon acme-root-2.request --key alice.key \\\n    --reason 'wrong holder'",
    )  # fmt: skip
    _key(given_up)
    given_up.add_argument("--reason", type=_line, required=True, metavar="TEXT")
    given_up.add_argument("--out", type=Path, metavar="DIR", help="where to write the answer (beside the request)")
    written = _on_request(
        commands,
        "payload",
        holding.payload,
        "the bytes to sign, for other tools",
        "payload acme-root-2.request --out .",
    )
    _out(written, "where to write them")
    coded = _command(commands, "code", holding.code, "show an answer as a QR code", "code acme-root-2.alice.answer")
    coded.add_argument("answer", type=Path, metavar="F.answer")
    coded.add_argument("--text", action="store_true", help="print its text instead")


def _add_witness(commands: Any) -> None:
    fit = _command(
        commands,
        "selfcheck",
        witnessing.check_machine,
        "is this machine fit",
        "selfcheck --request acme-root-2.request",
    )
    fit.add_argument("--request", type=Path, metavar="REQUEST", help="its date must be past")
    fit.add_argument("--module", type=Path, nargs="+", default=[], metavar="F.so", help="PKCS#11 modules to look for")
    _on_directory(commands, "show", witnessing.show_draft, "what holders are shown (also of a request)", "show 2026")
    verifying = _on_directory(
        commands, "verify", witnessing.verify, "replay the result with real clients", "verify 2026 --pin 3.root.json"
    )
    verifying.add_argument("--pin", type=Path, metavar="ROOT.json", help="a root that you trust")
    verifying.add_argument("--tuf-js", type=Path, metavar="DIR", help="where 'npm install tuf-js' was run")
    told = commands.add_parser("transcript", help="what happened, and that nobody changed it")
    told = told.add_subparsers(required=True, metavar="COMMAND")
    _on_directory(told, "print", witnessing.print_transcript, "read it", "transcript print 2026")
    checked = _on_directory(told, "verify", witnessing.check_transcript, "check it", "transcript verify 2026")
    checked.add_argument("--head", metavar="DIGEST", help="a head that a witness signed")
    head = _on_directory(told, "head", witnessing.transcript_head, "what witnesses sign", "transcript head 2026")
    head.add_argument("--plain", action="store_true", help="the digest alone")


def _add_waivers(commands: Any) -> None:
    waiver = commands.add_parser("waiver", help="let the signing guard do something once")
    waiver = waiver.add_subparsers(required=True, metavar="COMMAND")
    made = _command(
        waiver, "draft", waiving.make, "write a waiver to be signed",
        "waiver draft yanks.waiver --trust 2026/sealed \\\n    --allow yanks=10000 --until 2026-12-01T12:00:00Z \\\n"
        "    --number 1 --reason 'a takedown of one namespace'",
    )  # fmt: skip
    made.add_argument("file", type=Path, metavar="F.waiver")
    made.add_argument("--allow", type=_allowance, nargs="+", required=True, metavar="RULE=N", help="or RULE alone")
    made.add_argument("--until", type=moment, required=True, metavar="2026-12-01T12:00:00Z")
    made.add_argument("--number", type=int, required=True, metavar="N", help="not used by a waiver before")
    made.add_argument("--reason", type=_line, required=True, metavar="TEXT")
    signed = _command(
        waiver, "sign", waiving.sign, "read it, then sign it",
        "waiver sign yanks.waiver --key alice.key \\\n    --trust 2026/sealed",
    )  # fmt: skip
    signed.add_argument("file", type=Path, metavar="F.waiver")
    _key(signed)
    sealed = _command(
        waiver, "seal", waiving.seal, "put the signatures together",
        "waiver seal yanks.*.waiver --trust 2026/sealed \\\n    --out signed.waiver",
    )  # fmt: skip
    sealed.add_argument("signed", type=Path, nargs="+", metavar="F.NAME.waiver")
    sealed.add_argument("--out", type=Path, required=True, metavar="FILE")
    for parser in (made, signed, sealed):
        parser.add_argument(
            "--trust", type=Path, required=True, metavar="SEALED_DIR", help="sealed/ of the last ceremony"
        )


def _on_request(commands: Any, name: str, run: Callable[..., None], about: str, example: str) -> _Parser:
    parser = _command(commands, name, run, about, example)
    parser.add_argument("request", type=Path, metavar="REQUEST", help="the file that came on the stick")
    return parser


def _on_directory(commands: Any, name: str, run: Callable[..., None], about: str, example: str) -> _Parser:
    parser = _command(commands, name, run, about, example)
    parser.add_argument("dir", type=Path, metavar="DIR", help="the ceremony's directory")
    return parser


def _command(commands: Any, name: str, run: Callable[..., None], about: str, example: str) -> _Parser:
    epilog = f"example:\n  tallystick-ceremony {example}"
    description = fill(run.__doc__ or "")
    parser: _Parser = commands.add_parser(name, help=about, description=description, epilog=epilog)
    parser.set_defaults(run=run)
    return parser


def _key(parser: _Parser) -> None:
    parser.add_argument(
        "--key", type=Path, required=True, metavar="F.key", help="your key; what is beside it belongs to it"
    )


def _out(parser: _Parser, about: str) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=about)


def _bins_for(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r:.80} must be a whole number of names and files")
    return len(layout.recommended_bins(int(text)))


def _line(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r:.80} must be one line of text")
    return text


def _name(text: str) -> str:
    if not inputs.NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r:.80} must be letters, digits, '.', '_' or '-', at most 64")
    return text


def _verifier_key(text: str) -> VerifierKey:
    try:
        return notes.read_key(text)
    except BadNote as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _shares(text: str) -> tuple[int, int]:
    if not (match := re.fullmatch(r"([0-9]{1,2})of([0-9]{1,2})", text, re.ASCII)):
        raise argparse.ArgumentTypeError(f"{text!r:.80} must be like 3of5")
    return int(match[1]), int(match[2])


def _allowance(text: str) -> tuple[str, int | None]:
    rule, _, limit = text.partition("=")
    if not re.fullmatch(r"[a-z_-]+", rule) or not re.fullmatch(r"[0-9]{0,9}", limit, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r:.80} must be like yanks=10000")
    return rule, int(limit) if limit else None


def _pair(text: str) -> tuple[str, Path]:
    role, _, file = text.partition("=")
    if role not in layout.OFFLINE or not file:
        raise argparse.ArgumentTypeError(f"{text!r:.80} must be like root=root-2.sig")
    return role, Path(file)
