"""A holder's own key: made, tested once a year, given a new passphrase, kept in shares, or brought from elsewhere."""

import argparse
import os
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ceremony import directory, show, stick, terminal
from ceremony.errors import BadInput, BadPassphrase, Mismatch, TokenFailed
from keys import custody, entropy, possession, records, sealed, shares, words
from keys.possession import PublicKeyFile
from keys.sealed import PrivateKey
from keys.signing import HeldKey
from keys.times import stamp


def new(arguments: argparse.Namespace, _: datetime) -> None:
    """Make a holder's key: in a file that a drawn passphrase seals, or on a token."""
    terminal.need()
    if arguments.token:
        _new_on_token(arguments)
        return
    seed = os.getrandom(32)
    if arguments.dice:
        seed = _mixed(seed)
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = possession.write(arguments.name, HeldKey(private), rehearsal=arguments.rehearsal)
    stick.check_free(arguments.out, arguments.name)
    stick.write(arguments.out, arguments.name, _sealed(private), public)
    _told(arguments.out, arguments.name, possession.read(public))


def show_public(arguments: argparse.Namespace, _: datetime) -> None:
    """Print whose key a public key file holds, with its id in words to read aloud."""
    file = directory.read_public_key(arguments.pub)
    print(f"{file.name}: {file.key.scheme}, {'for rehearsals only' if file.rehearsal else 'real'}. Key id:\n")
    print("\n".join(show.word_table(file.key.keyid)))


def test(arguments: argparse.Namespace, now: datetime) -> None:
    """Sign a text that is no metadata, and verify it: once a year, so that nobody learns too late."""
    terminal.need()
    holder = stick.at(arguments.key)
    mine = holder.public
    text = f"tallystick/1 test\n{mine.name}\n{mine.key.keyid}\n{stamp(now)}\n".encode()
    if not records.verifies(mine.key, holder.opened().sign(text).signature, text):
        raise TokenFailed("it signed, but its public key does not verify that", "Do not use it; tell the coordinator.")
    holder.tell(now, "tested")
    print(f"The key of {mine.name} opens, signs and verifies. Nothing of a repository was signed.")


def change_passphrase(arguments: argparse.Namespace, _: datetime) -> None:
    """Seal a key anew, with another drawn passphrase, on another stick."""
    terminal.need()
    before = stick.at(arguments.key)
    name = before.key.stem
    stick.check_free(arguments.out, name)
    private = before.unsealed()
    stick.write(arguments.out, name, _sealed(private.private), directory.read_file(before.key.with_suffix(".pub")))
    carried = [before.key.with_suffix(suffix) for suffix in stick.SUFFIXES[1:]]
    directory.write_all(arguments.out, {path.name: directory.read_file(path) for path in carried if path.exists()})
    terminal.say([f"Written {arguments.out / before.key.name} and what lies beside it. Destroy the old stick."])


def import_public(arguments: argparse.Namespace, _: datetime) -> None:
    """Take in a public key that was made elsewhere (PEM): first the text to sign, then the proof."""
    try:
        key = records.from_pem(directory.read_file(arguments.pem))
    except records.UnacceptableKey as error:
        raise BadInput(f"{arguments.pem}: {error}", "Give a public key in PEM: openssl pkey -in KEY -pubout.") from None
    statement = possession.statement(arguments.name, key.keyid, rehearsal=arguments.rehearsal)
    if arguments.proof is None:
        directory.write_all(arguments.out, {f"{arguments.name}.statement": statement})
        terminal.say(
            [
                f"Key {show.short(key.keyid)}, {key.scheme}. Written {arguments.out / f'{arguments.name}.statement'}.",
                "Sign these bytes where the key is; then say the same with --proof SIGNATURE.",
            ]
        )
        return
    try:
        file = possession.written_by(
            arguments.name, key, directory.read_file(arguments.proof), rehearsal=arguments.rehearsal
        )
    except possession.NoPossession as error:
        raise Mismatch(str(error), f"Sign exactly the bytes of {arguments.name}.statement, with this key.") from None
    directory.write_all(arguments.out, {f"{arguments.name}.pub": file})
    print(f"Written {arguments.out / f'{arguments.name}.pub'}: who has that key holds it, proved.")


def backup(arguments: argparse.Namespace, _: datetime) -> None:
    """Split a key into shares (SLIP-39), each a text of words for another person."""
    terminal.need()
    needed, count = arguments.shares
    holder = stick.at(arguments.key)
    private = holder.unsealed().private
    try:
        texts = shares.split(shares.secret_of(private), needed, count)
    except shares.BadShares as error:
        raise BadInput(str(error), "Say --shares 3of5 for example.") from None
    name = holder.key.stem
    files = {f"{name}.share-{number}.txt": f"{text}\n".encode() for number, text in enumerate(texts, 1)}
    directory.write_all(arguments.out, files)
    terminal.say(
        [
            f"Written {count} shares in {arguments.out}, of which any {needed} are the whole key, with no passphrase. "
            "Give each to another person, on paper or a stick of its own, and destroy this folder.",
            "Other holders are a better backup than shares: this is for a spare key that signs nothing.",
        ]
    )


def restore(arguments: argparse.Namespace, _: datetime) -> None:
    """Put a key together from its shares, and seal it with a new drawn passphrase."""
    terminal.need()
    public = directory.read_public_key(arguments.pub)
    stick.check_free(arguments.out, public.name)
    try:
        texts = [directory.read_file(path).decode("ascii", "replace").strip() for path in arguments.share]
        private = shares.private_of(shares.joined(texts), public.key)
    except shares.BadShares as error:
        raise BadInput(str(error), "Bring more shares of one set, and look for a slip of the pen.") from None
    if arguments.verify:
        print(f"These shares make the key of {public.name}. Nothing was written.")
        return
    stick.write(arguments.out, public.name, _sealed(private), directory.read_file(arguments.pub))
    _told(arguments.out, public.name, public)
    terminal.say(["Its memory did not come with the shares: copy NAME.memory.json from the old stick, or 'pin' again."])


def _new_on_token(arguments: argparse.Namespace) -> None:
    stick.check_free(arguments.out, arguments.name)
    key = custody.make_on_token(arguments.token, arguments.curve, lambda what: terminal.secret(f"{what}: "))
    public = possession.write(arguments.name, key, rehearsal=arguments.rehearsal)
    stick.write(arguments.out, arguments.name, f"{arguments.token}\n".encode(), public)
    terminal.say([f"Written {arguments.out / f'{arguments.name}.key'}, which only says where the key is."])
    _told(arguments.out, arguments.name, possession.read(public))


def _told(out: Path, name: str, file: PublicKeyFile) -> None:
    terminal.say(
        [
            f"Written {out / f'{name}.key'}, which stays with you, and {out / f'{name}.pub'}, for the coordinator.",
            f"The key is {show.short(file.key.keyid)}.",
        ]
    )


def _mixed(seed: bytes) -> bytes:
    rolls = terminal.ask(f"Roll a die {entropy.ROLLS} times and type the digits 1 to 6: ")
    try:
        return entropy.mixed(seed, rolls)
    except entropy.BadRolls as error:
        raise BadInput(str(error), "Roll again, all of them. Bad dice never harm: they are mixed in.") from None


def _sealed(private: PrivateKey) -> bytes:
    """A key sealed with a passphrase that is drawn, shown once and typed back."""
    passphrase = words.drawn_passphrase(os.getrandom(words.PASSPHRASE_WORDS))
    drawn = passphrase.split()
    print("The passphrase, drawn for this key. Nobody else may see it, no camera:\n")
    for row in range(0, len(drawn), 4):
        print("   " + "".join(f"{row + place + 1:3} {word:13}" for place, word in enumerate(drawn[row : row + 4])))
    print()
    terminal.say(
        ["Write it on paper, with the numbers, and keep the paper apart from the stick. It is shown only once."]
    )
    for _ in range(terminal.TRIES):
        said = terminal.secret("Type it from your paper: ")
        if words.spelled(said) == passphrase:
            return sealed.seal(private, passphrase, salt=os.urandom(16), iv=os.urandom(16))
        print(terminal.fill(words.slip(said) or "That is not what was drawn. Look at your paper."))
    raise BadPassphrase("what you typed is not what was drawn", "Run this again; another passphrase is drawn then.")
