"""Is this machine fit to hold a root key? Each check is a function of ``Facts``; ``facts`` reads them from files alone:
what the kernel knows of the network is in /proc/net and /sys/class/net, so no socket is needed.
"""

import ctypes
import os
import resource
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from ceremony import built
from ceremony.dates import long_date
from ceremony.show import LINES, WIDTH
from keys import words

Level = Literal["ok", "warning", "problem"]
MODULES: Final = ("opensc-pkcs11.so", "libykcs11.so", "libtpm2_pkcs11.so", "softhsm/libsofthsm2.so")
"""PKCS#11 modules by the names that Debian gives them, in its library folders."""
_PR_GET_DUMPABLE: Final = 3
_PROC: Final = Path("/proc")
_SYS: Final = Path("/sys")


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface that is not the loopback. ``linked``: it has a carrier; ``routed``: it has an address."""

    name: str
    linked: bool
    routed: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of this machine. ``since``: the latest instant that must be past, such as the date of the current
    root; ``modules``: the PKCS#11 modules that somebody asked for, and the known ones that are there.
    """

    now: datetime
    offset: timedelta
    built_at: datetime | None
    since: datetime | None
    interfaces: tuple[Interface, ...]
    swaps: tuple[str, ...]
    dumpable: bool
    core_limit: int
    core_piped: bool
    random_device: bool
    virtual: bool
    modules: tuple[Path, ...]
    missing_modules: tuple[Path, ...]
    terminal: tuple[int, int] | None
    umask: int
    bundle: built.Bundle | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: a sentence, and what to do unless it is ok."""

    level: Level
    said: str
    todo: str = ""

    def lines(self) -> list[str]:
        """As it is printed: the level in front, what to do behind."""
        text = f"{self.said} {self.todo}".rstrip()
        return textwrap.wrap(text, WIDTH, initial_indent=f"{self.level:9}", subsequent_indent=" " * 9)


def network(facts: Facts) -> Finding:
    """Whether an interface is up or a route leads out: a key is used where nothing can carry it away."""
    up = [each.name for each in facts.interfaces if each.linked or each.routed]
    if up:
        return Finding("problem", f"The network is up: {', '.join(up)}.", "Pull the cable, switch off the radio.")
    there = ", ".join(each.name for each in facts.interfaces)
    return Finding("ok", f"No network: {there} not connected." if there else "No network: there is no interface.")


def clock(facts: Facts) -> Finding:
    """Whether the time can be right: not before this tool was built, nor before the root trusted here was made."""
    said = f"The clock says {facts.now:%A}, {long_date(facts.now)}, {facts.now:%H:%M} UTC."
    past = {"this tool was built": facts.built_at, "the root that is trusted here was made": facts.since}
    for what, moment in past.items():
        if moment is not None and facts.now < moment:
            return Finding("problem", f"{said} But {what} on {long_date(moment)}.", "Set the clock, by a watch.")
    return Finding("ok", said, "Compare it with a watch.")


def zone(facts: Facts) -> Finding:
    """Whether the clock shows UTC, as every date of a ceremony does."""
    if facts.offset:
        hours = facts.offset / timedelta(hours=1)
        return Finding("warning", f"This machine's time is {hours:+g} hours from UTC.", "Say: export TZ=UTC")
    return Finding("ok", "Times are in UTC.")


def swap(facts: Facts) -> Finding:
    """Whether memory, which holds an opened key, may be written to a disk."""
    on_disk = [name for name in facts.swaps if not name.startswith("/dev/zram")]  # zram is memory
    if on_disk:
        return Finding("problem", f"Memory may be written to {', '.join(on_disk)}.", "Say: swapoff -a")
    return Finding("ok", "No swap on a disk.")


def core_dumps(facts: Facts) -> Finding:
    """``keys.hardening`` sees to it; where it could not, this says so."""
    if facts.dumpable and facts.core_piped:  # core(5): the limit is not enforced then
        said = "A crash hands this process's memory to another program."
        return Finding("problem", said, "Say, as root: sysctl kernel.core_pattern=core")
    if facts.dumpable and facts.core_limit:
        return Finding("problem", "A crash writes this process's memory to a file.", "Say: ulimit -c 0")
    return Finding("ok", "A crash writes no memory to a disk.")


def random_device(facts: Facts) -> Finding:
    """Whether hardware adds to the kernel's randomness; keys are good without."""
    if facts.random_device:
        return Finding("ok", "There is a hardware source of randomness, /dev/hwrng, beside the kernel's own.")
    said = "There is no /dev/hwrng: randomness is the kernel's alone."
    return Finding("warning", said, "That will do; dice add to it.")


def hypervisor(facts: Facts) -> Finding:
    """Whether this is a virtual machine, whose host sees its memory."""
    if facts.virtual:
        said = "This is a virtual machine: its host can read every key."
        return Finding("warning", said, "Use a computer of your own.")
    return Finding("ok", "No sign of a virtual machine.")


def modules(facts: Facts) -> Finding:
    """Whether the PKCS#11 modules that were named are there, for whose key is on a token."""
    if facts.missing_modules:
        names = ", ".join(map(str, facts.missing_modules))
        return Finding("problem", f"PKCS#11 module missing: {names}.", "Install it, or correct the path.")
    names = ", ".join(map(str, facts.modules))
    return Finding("ok", f"PKCS#11 modules: {names or 'none, so keys are files here'}.")


def terminal(facts: Facts) -> Finding:
    """Whether there is a terminal that is wide and high enough for the screens of a signing."""
    if facts.terminal is None:
        return Finding("warning", "There is no terminal; signing needs one.", "Run this by hand, with no pipe.")
    columns, lines = facts.terminal
    said = f"The terminal has {columns} columns and {lines} lines."
    if columns < WIDTH or lines < LINES:
        return Finding("problem", said, f"Make it at least {WIDTH} by {LINES}, or the font smaller.")
    return Finding("ok", said)


def umask(facts: Facts) -> Finding:
    """Whether others on this machine can read what is written besides keys."""
    if facts.umask & 0o077 == 0o077:
        return Finding("ok", "What is written here only you can read.")
    said = f"Files other than keys can be read by other users (umask {facts.umask:03o})."
    return Finding("warning", said, "Say: umask 077")


def bundle(facts: Facts) -> Finding:
    """The digest of the bundle that runs, which holders compare, or that it is none."""
    if facts.bundle is None:
        said = "This tool was installed, so there is no digest of it to compare."
        return Finding("warning", said, "For a real ceremony use the bundle.")
    said = " ".join(words.words(bytes.fromhex(facts.bundle.sha256)))
    return Finding("ok", f"The words of {facts.bundle.path.name} are: {said}.", "Hear them from two who built it.")


CHECKS: Final[tuple[Callable[[Facts], Finding], ...]] = (
    network, clock, zone, swap, core_dumps, random_device, hypervisor, modules, terminal, umask, bundle,
)  # fmt: skip


def findings(facts: Facts) -> list[Finding]:
    """What every check finds, in the order in which they are shown."""
    return [check(facts) for check in CHECKS]


def report(facts: Facts) -> list[str]:
    """Every finding, in lines that a terminal of a holder is wide enough for."""
    return [line for finding in findings(facts) for line in finding.lines()]


def problems(facts: Facts) -> list[Finding]:
    """What must be put right before a key is used here; warnings are none."""
    return [finding for finding in findings(facts) if finding.level == "problem"]


def facts(now: datetime, since: datetime | None = None, asked: Iterable[Path] = ()) -> Facts:
    """Read this machine. ``asked``: PKCS#11 modules that must be there."""
    its = built.read()
    offset = now.astimezone().utcoffset()
    assert offset is not None
    wanted = tuple(asked)
    known = [folder / name for folder in _libraries() for name in MODULES]
    found = (path for path in (*wanted, *known) if path.exists())
    return Facts(
        now=now,
        offset=offset,
        built_at=its.at if its else None,
        since=since,
        interfaces=tuple(interfaces(_PROC, _SYS)),
        swaps=tuple(line.split()[0] for line in _lines(_PROC / "swaps")[1:]),
        dumpable=ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) != 0,
        core_limit=resource.getrlimit(resource.RLIMIT_CORE)[0],
        core_piped="".join(_lines(_PROC / "sys/kernel/core_pattern")).startswith("|"),
        random_device=Path("/dev/hwrng").exists(),
        virtual=any("hypervisor" in line.split() for line in _lines(_PROC / "cpuinfo")),
        modules=tuple(dict.fromkeys(found)),
        missing_modules=tuple(path for path in wanted if not path.exists()),
        terminal=_terminal(),
        umask=_umask(),
        bundle=built.bundle(Path(sys.argv[0])),
    )


def interfaces(proc: Path, sys: Path) -> Iterator[Interface]:
    """The interfaces of this process's network: /sys alone shows those of the machine."""
    routed = {line.split()[0] for line in _lines(proc / "net/route")[1:]}
    routed |= {line.split()[-1] for line in _lines(proc / "net/if_inet6")}
    for line in _lines(proc / "net/dev")[2:]:
        name = line.split(":")[0].strip()
        if name != "lo":
            state = _lines(sys / "class/net" / name / "operstate")
            yield Interface(name, state == ["up"], name in routed)


def _lines(path: Path) -> list[str]:
    """The lines of a file of the kernel's; none where it has no such file."""
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _libraries() -> list[Path]:
    return [Path("/usr/lib"), *sorted(Path("/usr/lib").glob("*-linux-gnu"))]


def _terminal() -> tuple[int, int] | None:
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        if stream is not None and stream.isatty():
            size = os.get_terminal_size(stream.fileno())
            return size.columns, size.lines
    return None


def _umask() -> int:
    """As the kernel tells it: asking ``os.umask`` would change it for a moment."""
    said = [line.split()[1] for line in _lines(_PROC / "self/status") if line.startswith("Umask:")]
    return int(said[0], 8) if said else 0
