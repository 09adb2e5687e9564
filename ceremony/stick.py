"""A holder's stick: the key, and beside it what belongs to it under the same name.

alice.key                a sealed private key, or one line that says where it is (pkcs11:…, a key service)
alice.pub                the public key, with proof that alice holds the private one
alice.memory.json        the newest root that alice trusts, and what this key has signed
alice.transcript.jsonl   what alice was shown, and said
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ceremony import directory, terminal
from ceremony.errors import BadInput, BadPassphrase, Mismatch, Refused
from ceremony.memory import Memory
from keys import custody, sealed, words
from keys.possession import PublicKeyFile
from keys.signing import HeldKey, SigningKey

SUFFIXES: Final = (".pub", ".memory.json", ".transcript.jsonl")


def at(key: Path) -> "Stick":
    """The stick of a key file. BrokenChain if its transcript is not whole: nothing is done on top of it."""
    found = Stick(key)
    directory.check_whole(found.transcript_path)
    return found


@dataclass(frozen=True, slots=True)
class Stick:
    """A key file, and the files beside it."""

    key: Path

    @property
    def public(self) -> PublicKeyFile:
        """The public key file beside the key."""
        return directory.read_public_key(self.key.with_suffix(".pub"))

    @property
    def memory_path(self) -> Path:
        """The file beside the key in which its memory is kept."""
        return self.key.with_suffix(".memory.json")

    @property
    def memory(self) -> Memory:
        """What the key remembers; nothing, if it is new."""
        return directory.read_memory(self.memory_path)

    @property
    def kind(self) -> str:
        """Where the key is, for people."""
        return custody.kind(directory.read_file(self.key))

    @property
    def transcript_path(self) -> Path:
        """The file beside the key in which its holder's transcript is kept."""
        return self.key.with_suffix(".transcript.jsonl")

    def tell(self, now: datetime, event: str, **told: object) -> str:
        """Add to what this holder was shown and said; the head of it."""
        return directory.tell(self.transcript_path, now, event, **told)

    def opened(self) -> SigningKey:
        """The key, opened with a passphrase or PIN asked for here, once. Mismatch unless it is the one of the .pub."""
        is_elsewhere = custody.is_elsewhere(directory.read_file(self.key))
        key = self._elsewhere() if is_elsewhere else self.unsealed()
        if key.record.keyid != self.public.key.keyid:
            raise Mismatch(
                f"{self.key.name} opens another key than the one of {self.key.with_suffix('.pub').name}",
                "Take the stick on which both were made.",
            )
        return key

    def unsealed(self) -> HeldKey:
        """The private key of a sealed file."""
        pem = directory.read_file(self.key)
        return HeldKey(unseal(self.key.name, pem, terminal.secret(f"Passphrase of {self.key.name}: ")))

    def _elsewhere(self) -> SigningKey:
        where = directory.read_file(self.key).decode().strip()
        return custody.open_key(where, lambda what: terminal.secret(f"{what}: "))


def unseal(name: str, pem: bytes, passphrase: str) -> sealed.PrivateKey:
    """The private key in a sealed file. A slip of the pen in a drawn passphrase is found before any work is done."""
    if slip := words.slip(passphrase):
        raise BadPassphrase(slip, "Look at your paper again. There is no limit on tries.")
    try:
        return sealed.unseal(pem, words.spelled(passphrase))
    except sealed.WrongPassphrase as error:
        raise BadPassphrase(str(error), "Run this again; there is no limit on tries.") from None
    except sealed.BadKeyFile as error:
        raise BadInput(f"{name}: {error}", "Give the .key file that 'key new' made.") from None


def write(folder: Path, name: str, secret: bytes, public: bytes) -> None:
    """Write a new key and its public half; Refused rather than overwrite either."""
    check_free(folder, name)
    folder.mkdir(parents=True, exist_ok=True)
    sealed.write_private(folder / f"{name}.key", secret)
    directory.write_all(folder, {f"{name}.pub": public})


def check_free(folder: Path, name: str) -> None:
    """Refused if there is a key of this name, or anything that belongs to one."""
    if taken := [str(path) for suffix in (".key", *SUFFIXES) if (path := folder / f"{name}{suffix}").exists()]:
        raise Refused([f"{path} exists; a key is never overwritten" for path in taken], "Choose another name or --out.")
