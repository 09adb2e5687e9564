"""A folder with everybody's key files, and the command run on it, in this process or by a person at a terminal."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ceremony import cli, directory
from keys import possession, sealed
from tests.ceremony.people import held, private
from tests.ceremony.person import PASSPHRASE, Person


@dataclass(frozen=True, slots=True)
class Table:
    """The table at which a ceremony sits: ``folder`` holds NAME.pub and NAME.key of each person."""

    folder: Path

    def seat(self, *names: str, rehearsal: bool = False) -> None:
        """Give people key files, sealed with few rounds because they are made for every test."""
        for name in names:
            pem = sealed.seal(private(name), PASSPHRASE, salt=bytes(16), iv=bytes(16), rounds=1000)
            sealed.write_private(self.folder / f"{name}.key", pem)
            (self.folder / f"{name}.pub").write_bytes(possession.write(name, held(name), rehearsal=rehearsal))

    def run(self, line: str) -> int:
        """Run a command in this process, with paths relative to the folder; its exit code."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            return cli.main(line.split())
        finally:
            os.chdir(before)

    def plan(self, folder: str, holders: str = "alice bob carol", more: str = "") -> int:
        files = " ".join(f"{name}.pub" for name in holders.split())
        return self.run(
            f"plan {folder} --name acme --url https://pkgs.acme.example/ --bins 16 "
            f"--holder {files} --online service.pub {more}"
        )

    def copy(self, folder: str, name: str) -> str:
        """A holder's own copy of the directory, as a stick carries it."""
        shutil.copytree(self.folder / folder, self.folder / name)
        return name

    def files(self) -> dict[str, bytes]:
        """Every file on the table: equal before and after means that nothing was written."""
        return {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    def sign(self, request: str, name: str, person: Person | None = None, height: int = 24) -> tuple[int, str]:
        """A holder reads, hears the words that belong to the request, and signs; exit code and all they saw."""
        person = person or Person()
        person.heard = person.heard or directory.open_ceremony(self.folder / request).drafted.digest
        return person.run(self.folder, f"sign {request} --key {name}.key", height)
