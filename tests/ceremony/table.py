"""A folder with everybody's key files, and the command run on it, in this process or on a real terminal."""

import os
import pty
import select
import shutil
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ceremony import cli
from keys import possession, sealed
from tests.ceremony.people import held, private

PASSPHRASE: Final = "correct horse battery"
READ: Final = (("Enter to read on.", ""), ("Enter to read on.", ""))
SIGN: Final = (*READ, ("Type sign", "sign"), ("Passphrase of", PASSPHRASE))
"""What a holder answers who has read both screens and agrees."""
_COMMAND: Final = (sys.executable, "-c", "from ceremony.cli import main; raise SystemExit(main())")
_PATIENCE: Final = 30.0


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

    def talk(self, line: str, *answers: tuple[str, str], height: int = 24) -> tuple[int, str]:
        """Run a command on a terminal of its own and answer each prompt; exit code and all that was on the screen."""
        child, terminal = pty.fork()
        if child == 0:
            termios.tcsetwinsize(0, (height, 80))
            os.chdir(self.folder)
            os.execv(_COMMAND[0], [*_COMMAND, *line.split()])
        screen = ""
        for prompt, answer in answers:
            screen += _until(terminal, prompt)
            os.write(terminal, answer.encode() + b"\n")
        screen += "".join(_rest(terminal))
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), screen.replace("\r\n", "\n")


def _until(terminal: int, prompt: str) -> str:
    screen = ""
    for piece in _rest(terminal):
        screen += piece
        if prompt in screen:
            return screen
    raise AssertionError(f"never asked {prompt!r}; the screen says:\n{screen}")


def _rest(terminal: int) -> Iterator[str]:
    while select.select([terminal], [], [], _PATIENCE)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other side has closed
            return
        if not data:
            return
        yield data.decode()
    raise AssertionError(f"silent for {_PATIENCE} seconds")
