"""Running an installer so that everything it installs comes from the verified index, and telling what was refused.

Environment variables alone close no side door: an extra index in a project's own configuration still wins. So the
index is also the installer's proxy, and says no to whatever comes that way. What would lead past the proxy too is
looked for before anything is run.
"""

import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from packaging.requirements import Requirement

from client_verify import verdict
from client_verify.answers import Found, ProvenAbsent
from client_verify.installing import doctor, foresight, pins
from client_verify.installing.doors import poetry, project
from client_verify.installing.doors.door import Surroundings
from client_verify.installing.environment import environment, with_poetry
from client_verify.installing.index import Index, preferred, serving, usual_port
from client_verify.installing.report import Entry, Report
from client_verify.installing.written import written
from client_verify.refusals import Refused, Usage
from client_verify.verifier import Verifier

_STILL: Final = "Nothing was run."
_RUNNERS: Final = ("uv", "uvx", "pipx")
_FOLDERS: Final = ("UV_PROJECT", "UV_WORKING_DIR", "PDM_PROJECT")
_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def installer(command: Sequence[str], verifier: Verifier, environ: Mapping[str, str]) -> tuple[int, Report]:
    """Run ``command`` behind the index of ``verifier``; its exit code, and what was refused meanwhile."""
    report = Report()
    around = Surroundings(environ, Path.home(), Path.cwd(), usual_port(environ))
    verifier.prefetch(foresight.named(command, around.project))
    with (
        TemporaryDirectory(prefix="tallystick-") as private,
        serving(index := Index(verifier, report), preferred(around.port)) as address,
        _watched(around.project, address, report),
    ):
        made = environment(environ, address, Path(private), poetry.virtualenvs(around))
        child = _child(command, with_poetry(made, address) if names_poetry(command) else made)
    if child != 0:
        wanted = [*written(command, around.project), *pins.of_project(around.project)]
        for requirement in pins.read(dict.fromkeys(wanted)):
            if requirement.name in index.asked:
                _explain(verifier, report, requirement)
    return child, report


def program(command: Sequence[str]) -> str:
    """What a command is called by whoever typed it: `python -m pip` is pip."""
    module = command[1:3] if command[1:2] == ["-m"] else []
    return module[1] if len(module) == 2 else Path(command[0]).name.removesuffix(".exe")


def names_poetry(command: Sequence[str]) -> bool:
    """Is it poetry that runs, itself or by `uvx poetry`, `uv tool run poetry` or `pipx run poetry`?"""
    called = program(command)
    return called == "poetry" or (called in _RUNNERS and "poetry" in command[1:4])


def check(command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Usage if the installer is told or configured so that it would go round the fence."""
    if told := next((word for word in command[1:] if word.split("=")[0] == "--proxy"), None):
        raise Usage(f"{told} leads past the verified index. tallystick itself uses HTTPS_PROXY: set that. {_STILL}")
    for folder in _folders(command, environ):
        around = Surroundings(_configured(command, environ), Path.home(), folder, usual_port(environ))
        for door in doctor.detours(program(command), around):
            raise Usage(f"{door.where}: {door.what}. {door.remedy} {_STILL}")


def _folders(command: Sequence[str], environ: Mapping[str, str]) -> Iterator[Path]:
    """Where an installer reads configuration: here, and where an argument or a variable sends it (-C, --project)."""
    yield Path.cwd()
    for named in (*(word.rpartition("=")[2] for word in command[1:]), *(environ.get(name, "") for name in _FOLDERS)):
        if named and Path(named).is_dir():
            yield Path(named).resolve()


def _configured(command: Sequence[str], environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, with the file that uv is told to read as the variable that would say the same."""
    for word, following in pairwise([*command, ""]):
        option, equals, value = word.partition("=")
        if option == "--config-file":
            return {**environ, "UV_CONFIG_FILE": value if equals else following}
    return environ


@contextmanager
def _watched(folder: Path, address: str, report: Report) -> Iterator[None]:
    """Say which lock files the installer wrote our address into: it is there only while we are."""
    before = _naming(folder, address)
    yield
    for lock in sorted(_naming(folder, address) - before):
        report.warn(
            f"{lock.name} now records {address}, which is there only while `tallystick run` or `tallystick serve` is. "
            f"`tallystick lock rewrite {lock.name}` leads it to the repository"
        )


def _naming(folder: Path, address: str) -> set[Path]:
    return {lock for lock in project.locks(folder) if f"{address}/".encode() in lock.read_bytes()}


def pinned(command: Sequence[str], environ: Mapping[str, str]) -> Iterator[pins.Pin]:
    """Names and exact versions that somebody gave: with the command, or in a project's files before it is run."""
    for folder in _folders(command, environ):
        yield from pins.of_requirements([*written(command, folder), *pins.of_project(folder)])


def _explain(verifier: Verifier, report: Report, requirement: Requirement) -> None:
    # pip only says that no distribution matches; the signed state knows why.
    name = requirement.name
    try:
        answer = verifier.ask(name)
        if isinstance(answer, ProvenAbsent):
            return
        exact = pins.version(requirement)
        given = _of_range(answer, requirement) if exact is None else verifier.of_version(name, exact)
    except Refused:
        return  # the index has reported it when the installer asked
    match given:
        case verdict.Refuse(code, sentence) as refused if refused != verdict.of_name(answer.state):
            report.refuse(Entry(f"{name}{requirement.specifier}", code, sentence, verifier.repository(name)))


def _of_range(found: Found, requirement: Requirement) -> verdict.Refuse | None:
    told = verdict.of_name(found.state) or verdict.of_no_choice(found.state, found.past)
    return None if told else verdict.of_range(found.state, requirement.specifier)


def _child(command: Sequence[str], environ: Mapping[str, str]) -> int:
    early: list[int] = []  # signals that came before there was anybody to get them
    with _signals_to(early.append):
        try:
            child = subprocess.Popen(command, env=environ)
        except OSError as error:
            raise Usage(f"{command[0]} cannot be run: {error.strerror}. Nothing was installed.") from None
        with _signals_to(child.send_signal):
            for number in early:
                child.send_signal(number)
            code = child.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _signals_to(tell: Callable[[int], None]) -> Iterator[None]:
    """Signals are the child's to answer; we stay to say what was refused and to clean up. What whoever started us has
    had ignored (`nohup`, a job in the background) stays so, for the child as well.
    """
    ours = [number for number in _FORWARDED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda received, _: tell(received)) for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
