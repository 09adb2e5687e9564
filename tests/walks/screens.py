"""Two whole ceremonies by three holders, one with a key on a token, and everything that they saw.

``python -m tests.walks.screens`` writes docs/examples/ceremony/screens where a change of what people read is meant.
Everybody sits at a machine without a network, at fixed times and with fixed keys, so that every screen repeats.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

from ceremony import directory, memory
from keys import possession, sealed, words
from keys.encoding import sha256
from keys.signing import HeldKey
from tests import servers
from tests.ceremony.person import Person
from tests.ceremony.table import Table
from tests.no_network import in_no_network
from tests.servers import SoftHsm, at

SCREENS: Final = Path(__file__).parents[2] / "docs" / "examples" / "ceremony" / "screens"
FIRST: Final = "2026-12-01 10:00:00"
SECOND: Final = "2027-09-01 10:00:00"
_MAIN: Final = "from ceremony.cli import main; raise SystemExit(main())"


@contextmanager
def table(folder: Path) -> Iterator["Sitting"]:
    """Alice, carol and dan with sealed files, bob with a token, and the service's public key."""
    with servers.softhsm() as hsm:
        seated = Table(folder)
        seated.seat("alice", "carol", "dan", "service")
        hsm.init("bob")
        private = derive_private_key(int(sha256(b"bob"), 16) >> 8, SECP256R1())
        pem = sealed.plain(private)
        hsm.bring("bob", "root", "0007", pem)
        (folder / "bob.key").write_text(f"{hsm.uri('bob', 'root')}\n")
        (folder / "bob.pub").write_bytes(possession.write("bob", HeldKey(private), rehearsal=False))
        yield Sitting(seated, hsm)


class Sitting:
    """The same table at a time that is set, where nobody has a network."""

    def __init__(self, table: Table, hsm: SoftHsm) -> None:
        self.table, self.hsm = table, hsm
        self.time = FIRST

    def command(self) -> tuple[str, ...]:
        return (*in_no_network((*at(self.time), sys.executable, "-c", _MAIN)),)

    def run(self, line: str) -> str:
        """A command of the coordinator or a witness; what it said. It must end well."""
        code, said = Person().run(self.table.folder, line, command=self.command(), TZ="UTC")
        assert code == 0, said
        return said

    def sign(self, request: str, name: str) -> str:
        """A holder signs; what they saw."""
        person = Person(heard=directory.open_ceremony(self.table.folder / request).drafted.digest, pin=self.hsm.pin)
        return self.saw(person, f"sign {request} --key {name}.key")

    def pin(self, request: str, name: str) -> str:
        """A holder who is new trusts the newest root; what they saw."""
        current = directory.open_ceremony(self.table.folder / request).inputs.current
        assert current is not None
        return self.saw(Person(heard=memory.root_entry(current.roots[-1]).digest), f"pin {request} --key {name}.key")

    def saw(self, person: Person, line: str) -> str:
        code, said = person.run(
            self.table.folder, line, command=self.command(), TZ="UTC", **self.hsm.environment
        )  # fmt: skip
        assert code == 0, said
        said = re.sub(r"\((\d+)\?\) *", lambda place: f"{_words(person)[int(place[1]) - 1]:14}", said)
        return f"$ tallystick-ceremony {line}\n{said}"


def ceremonies(sitting: Sitting) -> dict[str, str]:
    """First root, then carol is replaced by dan; what was seen, by file name."""
    told, table = {}, sitting.table
    plan = "--name acme --url https://pkgs.acme.example/ --bins 16 --held admin --online service.pub"
    sitting.run(f"plan one {plan} --purpose first-root --holder alice.pub bob.pub carol.pub")
    for line in ("draft one", "request one"):
        sitting.run(line)
    told["1-alice-signs.txt"] = sitting.sign("one/acme-root-1.request", "alice")
    told["2-bob-signs-with-a-token.txt"] = sitting.sign("one/acme-root-1.request", "bob")
    sitting.sign("one/acme-root-1.request", "carol")
    for line in ("collect one one", "seal one", "verify one"):
        sitting.run(line)
    sitting.time = SECOND
    more = "--purpose replace-carol-by-dan --holder alice.pub bob.pub dan.pub --after one/sealed"
    sitting.run(f"plan two {plan} {more}")
    for line in ("draft two", "request two"):
        sitting.run(line)
    told["3-dan-pins.txt"] = sitting.pin("two/acme-root-2.request", "dan")
    told["4-dan-signs.txt"] = sitting.sign("two/acme-root-2.request", "dan")
    told["5-bob-signs-with-a-token.txt"] = sitting.sign("two/acme-root-2.request", "bob")
    told["6-status.txt"] = sitting.run("collect two two") + sitting.run("status two")
    sitting.sign("two/acme-root-2.request", "carol")
    for line in ("collect two two", "seal two"):
        sitting.run(line)
    told["7-a-witness-verifies.txt"] = sitting.run("verify two --pin one/sealed/1.root.json")
    assert (table.folder / "two/sealed/2.root.json").exists()
    return {name: repeatable(text, table.folder) for name, text in told.items()}


def repeatable(text: str, folder: Path) -> str:
    """Without what is other each time: which four words are not shown but heard, and so the head of a transcript."""
    text = re.sub(r"(  word )[ \d]{2}: [a-z]+", r"\1..: (as heard)", text.replace(str(folder), "…"))
    text = re.sub(r"(transcript is) [0-9a-f]{16}", r"\1 …", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


def _words(person: Person) -> tuple[str, ...]:
    return words.words(bytes.fromhex(person.heard))


def main() -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, table(Path(folder)) as sitting:
        for name, text in ceremonies(sitting).items():
            (SCREENS / name).write_text(text)


if __name__ == "__main__":
    main()
