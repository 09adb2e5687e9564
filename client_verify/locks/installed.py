"""What is installed in an environment, against the signed state: takedowns, tombstones and quarantine are alarms.

No installed code runs: not even the interpreter's ``site``, whose ``.pth`` files may hold code of what is installed
there. The signed state knows the hashes of wheels and not of what they unpack to, so an installed distribution is known
by its name and version; only where an installer recorded from which archive it came is the hash looked at as well.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Final, Literal

from client_verify.answers import Found
from client_verify.locks.checking import AT_ONCE, of_digest, with_digest
from client_verify.locks.digests import DIGEST
from client_verify.refusals import KINDS, Code, Refused, Usage
from client_verify.verdict import Refuse, Verdict, Warn
from client_verify.verifier import Verifier
from keys import names, strict

UNKNOWN: Final[frozenset[Code]] = frozenset(
    {"absent", "reserved", "vacant", "unknown-version", "unknown-file", "unmapped"}
)
"""What the registry does not know came from elsewhere: said, and no alarm."""
_ORIGINS: Final = ("direct_url.json", "provenance_url.json")
"""From where it was installed: PEP 610, and the draft PEP 710 for what came from an index."""
_FOR_AN_ANSWER: Final = 20

_ASK: Final = """
import json, os, sys, sysconfig
home = os.path.dirname(os.path.dirname(os.path.abspath(sys.executable)))
found = []
try:
    with open(os.path.join(home, "pyvenv.cfg"), encoding="utf-8") as file:
        pairs = [line.partition("=") for line in file]
    settings = {key.strip().lower(): value.strip().lower() for key, _, value in pairs}
    own = {"base": home, "platbase": home}
    found += [sysconfig.get_path(kind, "venv", own) for kind in ("purelib", "platlib")]
    shares = settings.get("include-system-site-packages") == "true"
except OSError:
    shares = True
if shares:
    for scheme in sysconfig.get_scheme_names():
        found += [sysconfig.get_path(kind, scheme) for kind in ("purelib", "platlib")]
print(json.dumps([path for path in dict.fromkeys(map(os.path.realpath, found)) if os.path.isdir(path)]))
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """A distribution as its metadata names it; ``sha256`` is that of the archive it came from, if that was recorded,
    ``origin`` the address or directory it was installed from, if it did not come from an index.
    """

    name: str
    version: str
    path: Path
    sha256: str | None = None
    origin: str | None = None

    @property
    def what(self) -> str:
        """Name and version as people write them."""
        return f"{self.name} {self.version}"


Standing = Literal["signed", "warning", "alarm", "unknown", "elsewhere", "unreadable"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an installed distribution, and the sentence for it; ``code`` where the registry refuses it."""

    installed: Installed
    standing: Standing
    sentence: str
    code: Code | None = None


@dataclass(frozen=True)
class Environment:
    """All that is installed in some directories."""

    known: tuple[Known, ...]

    @cached_property
    def count(self) -> Counter[Standing]:
        """How many distributions have each standing."""
        return Counter(each.standing for each in self.known)

    @property
    def by_hash(self) -> int:
        """How many were checked by the hash of their archive and not by name and version alone."""
        return sum(each.installed.sha256 is not None and each.standing != "elsewhere" for each in self.known)

    def of(self, standing: Standing) -> list[Known]:
        """The distributions of one standing."""
        return [each for each in self.known if each.standing == standing]

    @property
    def exit_code(self) -> int:
        """That of the gravest alarm, the lowest."""
        return min((KINDS[each.code].exit for each in self.known if each.standing == "alarm" and each.code), default=0)


def directories(place: str | None, environ: Mapping[str, str]) -> list[str]:
    """Where an environment keeps what is installed: of an interpreter, of a virtual environment, or the directory
    itself; of the active one or of this interpreter if ``place`` is None. Usage if it cannot be told.
    """
    path = Path(place or environ.get("VIRTUAL_ENV") or sys.executable)
    if not path.is_dir():
        return _asked(path)
    if (path / "pyvenv.cfg").exists():
        return _asked(path / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    return [str(path)]


def found_in(paths: Iterable[str]) -> Iterator[Installed | Known]:
    """Every distribution there; Known at once where its metadata cannot be read."""
    for found in distributions(path=[*paths]):
        path = Path(str(found.locate_file("")))
        try:
            name, version = _named(found)
            yield Installed(name, version, path, *_origin(found))
        except (ValueError, LookupError, OSError) as error:
            where = Path(str(getattr(found, "_path", path)))
            yield Known(
                Installed(f"{where.name!r:.80}", "?", path), "unreadable", f"its metadata cannot be read: {error}"
            )


def check(found: Iterable[Installed | Known], verifier: Verifier) -> Environment:
    """Ask about all of them, several at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Environment(tuple(pool.map(lambda each: _known(each, verifier), found)))


def _known(each: Installed | Known, verifier: Verifier) -> Known:
    if isinstance(each, Known):
        return each
    try:
        judged = _judged(each, verifier)
    except Refused as refused:
        judged = Refuse(refused.code, refused.detail)
    match judged:
        case None:
            return Known(each, "elsewhere", f"it was installed from {each.origin}")
        case Refuse(code, sentence):
            return Known(each, "unknown" if code in UNKNOWN else "alarm", sentence, code)
        case Warn(sentence):
            return Known(each, "warning", sentence)
    return Known(each, "signed", judged.sentence)


def _judged(each: Installed, verifier: Verifier) -> Verdict | None:
    """None where the registry says nothing of it: a tree or an archive of somebody's own may have any name."""
    if each.origin is not None and each.sha256 is None:
        return None
    answer = verifier.ask(each.name)
    signed = with_digest(answer.state, each.sha256) if isinstance(answer, Found) and each.sha256 is not None else None
    if signed is not None:
        return verifier.of_file(signed.filename, signed.sha256)
    if each.origin is not None:
        return None
    if isinstance(answer, Found) and each.sha256 is not None:
        return of_digest(verifier, answer.state, each.version, each.sha256)
    return verifier.of_version(each.name, each.version)


def _named(found: Distribution) -> tuple[str, str]:
    metadata: Any = found.metadata
    name, version = metadata["Name"] if metadata is not None else None, metadata and metadata["Version"]
    if not isinstance(name, str) or not isinstance(version, str):
        raise strict.Malformed("", "it names no project or no version")
    return names.normalise(name), strict.line(version)


def _origin(found: Distribution) -> tuple[str | None, str | None]:
    """The SHA-256 of the archive a distribution came from, and the address if that was no index's; what is recorded."""
    for filename in _ORIGINS:
        text = found.read_text(filename)
        if text is not None:
            document = strict.parse(text.encode("utf-8", "surrogatepass"))
            if not isinstance(document, dict):
                raise strict.Malformed(filename, "must be an object")
            url = strict.load(str, document.get("url"), f"{filename}: url")
            return _sha256(document.get("archive_info")), url if filename == "direct_url.json" else None
    return None, None


def _sha256(archive: object) -> str | None:
    """Of PEP 610's ``archive_info``: ``hashes`` today, ``hash`` of older installers."""
    if not isinstance(archive, dict):
        return None
    hashes, old = archive.get("hashes"), archive.get("hash")
    found = hashes.get("sha256") if isinstance(hashes, dict) else None
    if found is None and isinstance(old, str):
        found = old.removeprefix("sha256=") if old.startswith("sha256=") else None
    return found if isinstance(found, str) and DIGEST.fullmatch(found) else None


def _asked(python: Path) -> list[str]:
    """The directories of an interpreter, by its own word: -I and -S, so that it loads nothing of what is in them."""
    try:
        done = subprocess.run(
            [python, "-I", "-S", "-c", _ASK], capture_output=True, timeout=_FOR_AN_ANSWER, check=True, text=True
        )
        found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise Usage(f"{python} is no Python that can be asked where its packages are: {error}") from None
    if not isinstance(found, list) or not found:
        raise Usage(f"{python} names no directory of packages")
    return [str(path) for path in found]
