"""A lock's entries against the signed state. Only metadata and pages are asked for, never an artifact."""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from client_verify import verdict
from client_verify.answers import ProvenAbsent
from client_verify.files import project
from client_verify.locks import addresses
from client_verify.locks.entries import Entry, Lock
from client_verify.refusals import KINDS, Code, Refused, Usage
from client_verify.trust import Pin
from client_verify.verdict import Refuse, Verdict, Warn
from client_verify.verifier import Verifier
from keys.state import File, NameState

AT_ONCE: Final = 8
"""So many names are asked about at a time."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An entry and what follows for it; ``file`` is the signed file with these bytes, if there is one."""

    entry: Entry
    verdict: Verdict
    file: File | None = None
    pin: Pin | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said of a release: why, and of which of its files (by name, or by hash where a lock has no names).

    ``code`` is None for a warning.
    """

    what: str
    code: Code | None
    sentence: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checked:
    """A lock, judged."""

    lock: Lock
    judged: tuple[Judged, ...]

    @cached_property
    def refused(self) -> list[Finding]:
        """Grouped by release and kind of refusal: thirty wheels of a release are one finding."""
        groups: dict[tuple[str, Code], list[tuple[Entry, str]]] = {}
        for each in self.judged:
            if isinstance(each.verdict, Refuse):
                key = (each.entry.what, each.verdict.code)
                groups.setdefault(key, []).append((each.entry, each.verdict.sentence))
        return [Finding(what, code, _together(group), _files(group)) for (what, code), group in groups.items()]

    @cached_property
    def warned(self) -> list[Finding]:
        """Grouped by release and sentence, as ``refused`` is."""
        groups: dict[tuple[str, str], list[tuple[Entry, str]]] = {}
        for each in self.judged:
            if isinstance(each.verdict, Warn):
                key = (each.entry.what, each.verdict.sentence)
                groups.setdefault(key, []).append((each.entry, each.verdict.sentence))
        return [Finding(what, None, sentence, _files(group)) for (what, sentence), group in groups.items()]

    @property
    def pins(self) -> set[Pin]:
        """The repositories that answered for its names."""
        return {each.pin for each in self.judged if each.pin is not None}

    @cached_property
    def elsewhere(self) -> Counter[str]:
        """Hosts that an installer with this lock would ask although they are not ours, and how often each is named."""
        files = ((each.entry.url, each.file) for each in self.judged)
        indexes = ((index.url, None) for index in self.lock.indexes)
        named = ((url, file) for url, file in (*files, *indexes) if url is not None)
        return Counter(addresses.host(url) for url, file in named if not addresses.is_ours(url, self.pins, file))

    @property
    def packages(self) -> int:
        """How many names were judged."""
        return len({each.entry.name for each in self.judged})

    @property
    def exit_code(self) -> int:
        """That of the gravest refusal, the lowest; what cannot be verified counts, what is local does not."""
        codes = [KINDS[each.code].exit for each in self.refused if each.code is not None]
        if self.lock.unverifiable:
            codes.append(KINDS["unverifiable"].exit)
        return min(codes, default=0)


def check(lock: Lock, verifier: Verifier) -> Checked:
    """Judge every entry of a lock, several names at a time."""
    by_name: dict[str, list[Entry]] = {}
    for entry in lock.entries:
        by_name.setdefault(entry.name, []).append(entry)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        judged = pool.map(lambda name: [*_of_name(verifier, name, by_name[name])], by_name)
        return Checked(lock, tuple(each for found in judged for each in found))


def _of_name(verifier: Verifier, name: str, entries: Iterable[Entry]) -> Iterator[Judged]:
    try:
        answer = verifier.ask(name)
        pin = verifier.session(name).pin
    except Refused as refused:
        yield from (Judged(entry, Refuse(refused.code, refused.detail)) for entry in entries)
        return
    for entry in entries:
        if isinstance(answer, ProvenAbsent):
            yield Judged(entry, verdict.of_absence(answer), None, pin)
        else:
            yield Judged(entry, _of_entry(verifier, answer.state, entry), with_digest(answer.state, entry.sha256), pin)


def _of_entry(verifier: Verifier, state: NameState, entry: Entry) -> Verdict:
    if entry.filename is None:
        assert entry.version is not None, "only a pinned requirement names no files"
        return of_digest(verifier, state, entry.version, entry.sha256)
    try:
        if project(entry.filename) != entry.name:
            return Refuse("unknown-file", f"{entry.filename} is no file of {entry.name}")
        judged = verifier.of_file(entry.filename, entry.sha256)
    except Usage as error:
        return Refuse("unknown-file", str(error))
    except Refused as refused:
        return Refuse(refused.code, refused.detail)
    return _of_the_rest(state, entry, judged)


def _of_the_rest(state: NameState, entry: Entry, judged: Verdict) -> Verdict:
    """What else a lock says of a file must be so as well: people read it in a review."""
    signed = state.file(entry.filename or "")
    if signed is None or isinstance(judged, Refuse):
        return judged
    release, file = signed
    if entry.version is not None and not verdict.is_same(release.version, entry.version):
        return Refuse("unknown-file", f"{file.filename} is a file of {state.name} {release.version}")
    if entry.size not in (None, file.size):
        return Refuse("mismatch", f"{file.filename} has {file.size} bytes; the lock says {entry.size}")
    return judged


def of_digest(verifier: Verifier, state: NameState, version: str, sha256: str) -> Verdict:
    """Bytes of a version whose file name is not known."""
    release = next((release for release in state.releases if verdict.is_same(release.version, version)), None)
    file = next((file for file in release.files if file.sha256 == sha256), None) if release is not None else None
    if file is not None:
        return verifier.of_file(file.filename, sha256)
    judged = verifier.of_version(state.name, version)
    if isinstance(judged, Refuse):
        return judged
    return Refuse("unknown-file", f"no file of {state.name} {version} that the registry has signed has sha256 {sha256}")


def with_digest(state: NameState, sha256: str) -> File | None:
    """The file of a name that has this content, in any state."""
    return next((file for release in state.releases for file in release.files if file.sha256 == sha256), None)


def _together(group: list[tuple[Entry, str]]) -> str:
    sentences = list(dict.fromkeys(sentence for _, sentence in group))
    more = len(sentences) - 1
    return sentences[0] if not more else f"{sentences[0]}; the like is true of {more} more of its files"


def _files(group: list[tuple[Entry, str]]) -> tuple[str, ...]:
    return tuple(entry.filename or f"sha256:{entry.sha256}" for entry, _ in group)
