"""What a container engine would do with compose.yml, done with plain processes: the same commands, variables, secrets.

Containers' folders become folders of a test, and names of services become addresses on this machine.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from repo_service.cli import main

FOLDER: Final = Path(__file__).parents[2] / "docs/deploy/container"
SHUT: Final = (
    "import ctypes; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)\n"  # PR_SET_MDWE, as MemoryDenyWriteExecute= of the units
    "from repo_service.entry import main; raise SystemExit(main())"
)


def compose() -> dict[str, Any]:
    """compose.yml, with what its variables are without an .env."""
    text = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", (FOLDER / "compose.yml").read_text())
    read: dict[str, Any] = yaml.safe_load(text)
    return read


@dataclass
class Engine:
    """A project's folder ``here``, in which secrets are drawn; ``addresses`` says where a service of compose is."""

    here: Path
    volumes: Path
    addresses: dict[str, str] = field(default_factory=dict)
    port: int = 0
    """Where the service listens."""
    pids: dict[str, int] = field(default_factory=dict)

    def _placed(self, text: str, mounts: Mapping[str, Path]) -> str:
        for place in sorted(mounts, key=len, reverse=True):
            text = text.replace(place, str(mounts[place]))
        for name, address in self.addresses.items():
            text = text.replace(name, address)
        return text

    def _mounts(self, service: dict[str, Any], more: list[str]) -> dict[str, Path]:
        """Which folder of ours each path of a container is. What a volume holds is made when it is first used."""
        found = {"/run/secrets": self.here / "secrets"}
        for volume in (*service.get("volumes", ()), *more):
            source, target = volume.split(":")[:2]
            if source.startswith("."):
                found[target] = self.here / source
            else:
                found[target] = self.volumes / source
                found[target].mkdir(exist_ok=True)
        files = {target: source for target, source in found.items() if source.is_file()}
        for target, source in files.items():  # a file that is mounted into a volume
            del found[target]
            folder = next(found[parent] for parent in sorted(found, key=len, reverse=True) if target.startswith(parent))
            shutil.copy(source, folder / Path(target).name)
        return found

    def environment(self, name: str, more: list[str] | None = None) -> dict[str, str]:
        """The variables of a service, and nothing else but what a process of ours needs to be found."""
        service = compose()["services"][name]
        mounts = self._mounts(service, more or [])
        said = {key: self._placed(str(value), mounts) for key, value in service.get("environment", {}).items()}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **said}

    def words(self, name: str, arguments: list[str] | None = None, more: list[str] | None = None) -> list[str]:
        """The command of a service, or what ``run`` says instead of it."""
        service = compose()["services"][name]
        mounts = self._mounts(service, more or [])
        return [self._placed(each, mounts) for each in arguments or service["command"]]

    def do(self, line: str, setenv: Callable[[Mapping[str, str]], Any]) -> None:
        """Carry out one line of docs/deploy/README.md. ``setenv`` sets the variables of a service in this process."""
        line, _, out = (part.strip() for part in line.partition(">"))
        if line == "sudo ./secrets.sh":
            mine = "" if os.geteuid() == 0 else "chown() { :; }; "
            subprocess.run(["/bin/sh", "-c", f"{mine}set -- ; . ./secrets.sh"], cwd=self.here, check=True)
            return
        options = _run_parser().parse_args(shlex.split(line)[2:])
        words = self.words(options.service, options.words, options.volume)
        if options.entrypoint:
            assert options.entrypoint == "cat"
            (self.here / out).write_text(Path(words[0]).read_text())
            return
        setenv(self.environment(options.service, options.volume))
        assert main(words) == 0, line

    @contextmanager
    def up(self, name: str, *more: str) -> Iterator[None]:
        """A service of ours as a process, with ``more`` words; told to stop, it ends well."""
        words = [*self.words(name), *more]
        log = (self.here / f"{name}.log").open("w+")
        process = subprocess.Popen(
            [sys.executable, "-c", SHUT, *words], env=self.environment(name), stdout=log, stderr=subprocess.STDOUT
        )  # fmt: skip
        self.pids[name] = process.pid
        try:
            yield
            process.terminate()
            assert process.wait(40) == 0, (self.here / f"{name}.log").read_text()
        finally:
            process.kill()
            process.wait()
            log.close()

    def log(self, name: str) -> str:
        return (self.here / f"{name}.log").read_text()

    def seen(self, name: str) -> str:
        """The arguments and variables of a service's process, as the kernel tells them."""
        process = Path(f"/proc/{self.pids[name]}")
        return "".join((process / file).read_bytes().decode() for file in ("cmdline", "environ"))


def _run_parser() -> argparse.ArgumentParser:
    """`run` of docker compose, as far as our manual uses it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", choices=["run"])
    parser.add_argument("--rm", action="store_true", required=True)
    parser.add_argument("--no-deps", action="store_true")
    parser.add_argument("--entrypoint")
    parser.add_argument("-v", dest="volume", action="append", default=[])
    parser.add_argument("service")
    parser.add_argument("words", nargs=argparse.REMAINDER)
    return parser


@contextmanager
def running(*commands: list[str], cwd: Path) -> Iterator[None]:
    """Programs of others, as long as the block lasts."""
    with ExitStack() as stack:
        for command in commands:
            quiet = subprocess.DEVNULL
            process = subprocess.Popen(command, cwd=cwd, stdout=quiet, stderr=quiet)
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield
