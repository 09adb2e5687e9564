"""The ``tallystick-ceremony`` command: asks people, reads and writes files, and knows no network.

The clock is read here and nowhere else.
"""

import argparse
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from getpass import getpass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ceremony import directory, memory, plan, responses, seal, show
from ceremony.directory import Inputs
from ceremony.draft import RENEW, Draft, key_problems
from ceremony.errors import (
    AlreadySigned,
    BadInput,
    BadPassphrase,
    CeremonyError,
    Declined,
    Mismatch,
    NotEnough,
    NoTerminal,
    Refused,
    RehearsalMixup,
)
from ceremony.pin import pinned_version
from ceremony.plan import Keyring, Plan, signatory
from keys import layout, possession, sealed, trust
from keys.signing import HeldKey

EXIT: Final[dict[type[Exception], int]] = {
    Refused: 10,
    BadInput: 11,
    Mismatch: 12,
    NotEnough: 13,
    trust.Unreadable: 11,
    trust.Differs: 12,
    trust.Unsigned: 13,
    Declined: 14,
    BadPassphrase: 15,
    NoTerminal: 17,
    RehearsalMixup: 18,
    AlreadySigned: 19,
}
ASK: Final = "Do not use these files. Ask the coordinator for the sealed files of the ceremony before."
MIN_PASSPHRASE: Final = 12
RULE: Final = "-" * show.WIDTH


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code says how it ended (0, 2 for usage, or ``EXIT``)."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments, datetime.now(UTC))
    except CeremonyError as error:
        print(f"REFUSED: {error.what}\nWhat to do: {error.todo}\nNothing was written.", file=sys.stderr)
        return EXIT[type(error)]
    except trust.NotTrusted as error:
        print(f"REFUSED: {error}\nWhat to do: {ASK}\nNothing was written.", file=sys.stderr)
        return EXIT[type(error)]
    except OSError as error:
        print(
            f"STOPPED: {error}\nWhat to do: put that right and run the same command again.\n"
            "Whatever was written before this is complete.",
            file=sys.stderr,
        )
        return EXIT[NoTerminal]
    return 0


def new_key(arguments: argparse.Namespace, now: datetime) -> None:  # noqa: ARG001 - a key has no date
    """Make a holder's key; its passphrase is asked for on the terminal."""
    _need_terminal()
    secret, public = (arguments.out / f"{arguments.name}{suffix}" for suffix in (".key", ".pub"))
    if taken := [str(path) for path in (secret, public) if path.exists()]:
        raise Refused([f"{path} exists; a key is never overwritten" for path in taken], "Choose another name or --out.")
    passphrase = _new_passphrase()
    private = Ed25519PrivateKey.generate()
    pem = sealed.seal(private, passphrase, salt=os.urandom(16), iv=os.urandom(16))
    arguments.out.mkdir(parents=True, exist_ok=True)
    sealed.write_private(secret, pem)
    held = HeldKey(private)
    directory.write_all(
        arguments.out, {public.name: possession.write(arguments.name, held, rehearsal=arguments.rehearsal)}
    )
    print(f"Written {secret}, sealed with your passphrase: keep it and a copy of it offline.")
    print(f"Written {public}, for the coordinator. Its key is {show.short(held.record.keyid)}.")


def make_plan(arguments: argparse.Namespace, now: datetime) -> None:  # noqa: ARG001 - a plan has no date
    """Write a plan to be reviewed, with the public keys that it names."""
    keyring = Keyring(
        tuple(directory.read_public_key(path) for path in arguments.holder), directory.read_public_key(arguments.online)
    )
    if problems := key_problems(keyring):
        raise Refused(problems, "Ask each holder for a key of their own, under a name of their own.")
    proposed = Plan(
        name=arguments.name,
        url=arguments.url,
        purpose=arguments.purpose,
        rehearsal=arguments.rehearsal,
        threshold=arguments.threshold,
        days=arguments.days,
        bins=arguments.bins,
        held=tuple(arguments.held),
        online=signatory(keyring.online),
        holders=tuple(signatory(file) for file in keyring.holders),
    )
    files = {"plan.toml": plan.write(proposed), "online.pub": directory.read_file(arguments.online)}
    plan.read(files["plan.toml"])
    files |= {
        f"holders/{file.name}.pub": directory.read_file(path)
        for file, path in zip(keyring.holders, arguments.holder, strict=True)
    }
    if arguments.after is not None:
        files |= {f"current/{path}": data for path, data in directory.read_former(arguments.after).items()}
    directory.write_all(arguments.dir, files)
    print(
        f"Written {arguments.dir / 'plan.toml'}, with {arguments.bins} bins. Read it, correct it, have others read it."
    )
    print(f"Next: tallystick-ceremony draft {arguments.dir}")


def make_draft(arguments: argparse.Namespace, now: datetime) -> None:
    """Make what is to be signed; run again, it makes the same."""
    inputs = directory.load(arguments.dir)
    drafted = inputs.draft(directory.drafted_at(arguments.dir, inputs.plan) or now)
    directory.write_draft(arguments.dir, drafted)
    for warning in drafted.warnings:
        print(textwrap.fill(warning, show.WIDTH))
    print(f"Drafted {', '.join(f'{each.role} {each.version}' for each in drafted.candidates)}.")
    print(f"Next: give each holder a copy of {arguments.dir}; they run 'sign'.")


def show_draft(arguments: argparse.Namespace, now: datetime) -> None:
    """Print what changes, the digests and who has signed."""
    inputs = directory.load(arguments.dir)
    drafted = directory.load_draft(arguments.dir, inputs)
    signatures = seal.collect(drafted, directory.load_responses(arguments.dir))
    print(f"\n{RULE}\n".join(show.screens(drafted, inputs.names, signatures, now)))


def sign(arguments: argparse.Namespace, now: datetime) -> None:
    """Show everything, ask, then sign each file that lists this key."""
    _need_terminal()
    inputs = directory.load(arguments.dir)
    drafted = directory.load_draft(arguments.dir, inputs)
    seal.check_dates(drafted, now)
    remembered = arguments.key.with_suffix(".signed.json")
    before = directory.read_memory(remembered)
    memory.check(before, drafted.candidates)
    pem = directory.read_file(arguments.key)
    print(_pinned(inputs, arguments.pin))

    signatures = seal.collect(drafted, directory.load_responses(arguments.dir))
    _read(show.screens(drafted, inputs.names, signatures, now))
    if _ask(input, "Type sign to sign all of this, anything else to stop: ") != "sign":
        raise Declined("you did not type sign", "If something is wrong, tell the coordinator what.")
    held = _unsealed(pem, _ask(getpass, f"Passphrase of {arguments.key.name}: "))

    mine = [each for each in drafted.candidates if held.record.keyid in each.keyids()]
    if not mine:
        raise Mismatch(
            f"{arguments.key.name} holds key {show.short(held.record.keyid)}, which signs nothing here",
            "Take the key that the plan names.",
        )
    answers = [responses.respond(each, held) for each in mine]
    # The memory first: a signature that nobody remembers lets this key sign another file of that version.
    directory.replace(remembered, memory.write(memory.remember(before, mine)))
    directory.write_all(arguments.dir / "signatures", {each.name: responses.write(each) for each in answers})
    print(f"Signed and verified: {', '.join(f'{each.role} {each.version}' for each in mine)}.")
    print(f"Next: bring {arguments.dir / 'signatures'} back to the coordinator.")


def collect(arguments: argparse.Namespace, now: datetime) -> None:  # noqa: ARG001 - counting needs no date
    """Take in the responses of other copies of the directory, each verified."""
    inputs = directory.load(arguments.dir)
    drafted = directory.load_draft(arguments.dir, inputs)
    brought = directory.collected(arguments.source)
    signatures = seal.collect(drafted, [*directory.load_responses(arguments.dir), *brought])
    directory.write_all(arguments.dir / "signatures", {each.name: responses.write(each) for each in brought})
    print(f"Collected {len(brought)} responses.")
    print(show.signature_lines(drafted, inputs.names, signatures))


def make_sealed(arguments: argparse.Namespace, now: datetime) -> None:
    """Assemble the result when every threshold is met, and verify it."""
    inputs = directory.load(arguments.dir)
    drafted = directory.load_draft(arguments.dir, inputs)
    result = seal.seal(drafted, directory.load_responses(arguments.dir), now)
    directory.write_all(arguments.dir / "sealed", result.files())
    print(f"Sealed and verified: {', '.join(result.newest[role].name for role in layout.OFFLINE)}.")
    print(f"Next: another person runs 'tallystick-ceremony verify {arguments.dir}';")
    print("then the service takes in sealed/: targets, held and bins before the root.")
    print(f"Keep sealed/ for the next ceremony, due before {show.long_date(_due(drafted))}.")


def verify(arguments: argparse.Namespace, now: datetime) -> None:
    """Replay sealed/ as a witness: made from this plan, signed by whom."""
    inputs = directory.load(arguments.dir)
    drafted = directory.load_draft(arguments.dir, inputs)
    result = directory.read_trust(arguments.dir / "sealed")
    seal.check_dates(drafted, now)
    seal.check_result(drafted, result)
    print(_reached(result, arguments.pin))
    print(show.sealed_lines(result, inputs.names))
    print("Every signature, rule and page was verified. Nothing was written.")


def _due(drafted: Draft) -> datetime:
    return min(body.expires for body in drafted.bodies.values()) - RENEW


def _pinned(inputs: Inputs, pin: Path | None) -> str:
    if inputs.current is not None:
        return _reached(inputs.current, pin)
    if pin is None:
        return "This is the first root: there is nothing to pin yet."
    raise Mismatch(
        f"{pin} is pinned, but this ceremony starts a new chain at root 1: there is nothing to pin yet",
        "If this is meant to follow your root, stop: current/ is missing. If it is a new repository, leave --pin out.",
    )


def _reached(result: trust.RootOfTrust, pin: Path | None) -> str:
    if pin is None:
        return "NOT PINNED: only this directory says that these roots are yours."
    version = pinned_version(result, pin.name, directory.read_file(pin))
    return f"The chain of roots continues from your pinned root {version}."


def _read(screens: Sequence[str]) -> None:
    """Print screens, and wait after each if the terminal is too low to hold them all."""
    lines = sum(screen.count("\n") + 2 for screen in screens)
    too_low = 0 < os.get_terminal_size(sys.stdin.fileno()).lines < lines
    for screen in screens:
        print(f"{RULE}\n{screen}")
        if too_low:
            _ask(input, "Enter to read on. ")


def _new_passphrase() -> str:
    passphrase = _ask(getpass, f"New passphrase, at least {MIN_PASSPHRASE} characters: ")
    if len(passphrase) < MIN_PASSPHRASE:
        raise BadPassphrase(f"it has {len(passphrase)} characters, not {MIN_PASSPHRASE}", "Use six random words.")
    if _ask(getpass, "The same again: ") != passphrase:
        raise BadPassphrase("the two passphrases differ", "Run this again.")
    return passphrase


def _unsealed(pem: bytes, passphrase: str) -> HeldKey:
    try:
        return HeldKey(sealed.unseal(pem, passphrase))
    except sealed.WrongPassphrase as error:
        raise BadPassphrase(str(error), "Run this again; there is no limit on tries.") from None
    except sealed.BadKeyFile as error:
        raise BadInput(str(error), "Give the .key file that 'key new' made.") from None


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        raise NoTerminal("there is no terminal, and a person must answer", "Run this by hand, with no pipe.")


def _ask(prompt: Callable[[str], str], question: str) -> str:
    try:
        return prompt(question)
    except (EOFError, KeyboardInterrupt):
        print()
        raise Declined("stopped at a question", "Run this again when you are ready.") from None


class _Parser(argparse.ArgumentParser):
    """Plain text at 72 columns, also where the standard library would colour it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=show.WIDTH),
            allow_abbrev=False,
            **settings,
        )
        self.color = False


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="tallystick-ceremony", description="Make and change a repository's root of trust, offline.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    key = commands.add_parser("key", help="make a holder's key").add_subparsers(required=True, metavar="new")
    new = _command(key, "new", new_key, "make a key", "key new alice --out /media/blue")
    new.add_argument("name", type=_name, metavar="NAME")
    new.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write NAME.key and NAME.pub")
    new.add_argument("--rehearsal", action="store_true", help="a key to practise with and throw away")

    planned = _on_directory(
        commands,
        "plan",
        make_plan,
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

    _on_directory(commands, "draft", make_draft, "make what is to be signed", "draft 2026")
    _on_directory(commands, "show", show_draft, "what changes, and who has signed", "show 2026")

    signing = _on_directory(
        commands, "sign", sign, "read everything, then sign", "sign 2026 --key alice.key --pin 3.root.json"
    )
    signing.add_argument("--key", type=Path, required=True, metavar="F.key")
    signing.add_argument("--pin", type=Path, metavar="ROOT.json", help="a root that you trust, from your own stick")

    collecting = _on_directory(
        commands, "collect", collect, "take in responses", "collect 2026 /media/blue/2026 /media/red/2026"
    )
    collecting.add_argument("source", type=Path, nargs="+", metavar="FROM", help="other copies of the directory")

    _on_directory(commands, "seal", make_sealed, "assemble the result once enough have signed", "seal 2026")

    verifying = _on_directory(commands, "verify", verify, "replay the result", "verify 2026 --pin 3.root.json")
    verifying.add_argument("--pin", type=Path, metavar="ROOT.json", help="a root that you trust")
    return parser


def _on_directory(commands: Any, name: str, run: Callable[..., None], about: str, example: str) -> _Parser:
    parser = _command(commands, name, run, about, example)
    parser.add_argument("dir", type=Path, metavar="DIR", help="the ceremony's directory")
    return parser


def _command(commands: Any, name: str, run: Callable[..., None], about: str, example: str) -> _Parser:
    epilog = f"example:\n  tallystick-ceremony {example}"
    parser: _Parser = commands.add_parser(name, help=about, description=run.__doc__, epilog=epilog)
    parser.set_defaults(run=run)
    return parser


def _bins_for(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r:.80} must be a whole number of names and files")
    return len(layout.recommended_bins(int(text)))


def _name(text: str) -> str:
    if not directory.NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r:.80} must be letters, digits, '.', '_' or '-', at most 64")
    return text
