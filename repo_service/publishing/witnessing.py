"""Asking witnesses to cosign a checkpoint (C2SP tlog-witness), and whom to ask (C2SP tlog-policy).

Nothing that a witness does is an error of ours: what came by the deadline and verifies is used, whoever did not help is
left alone for a while, and a release goes on without them. All that is remembered is in memory. Without it the first
question to a witness is refused with the size that it knows, and is asked again from there.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Final

import urllib3

from keys.tlog import merkle, notes
from keys.tlog.notes import BadNote, Checkpoint, Note, Signature, VerifierKey
from repo_service.operating.metrics import FORGETFUL, Metrics, WitnessFault

logger: Final = logging.getLogger(__name__)
DEADLINE_S: Final = 2.0
ASTRAY_S: Final = 300
"""How far the time in a cosignature may be from ours: clients take it for a lower bound of what time it is."""
MAX_ANSWER: Final = 1 << 16
_PATIENCE_S: Final = 10.0
"""For a connection, and for each read: what comes after the deadline still counts for the same checkpoint."""
_REST_S: Final = (5.0, 300.0)
"""How long a witness is left alone after its first failure, which doubles with each, and at most."""
_TRIES: Final = 3
"""Questions in one round: the first tells the size that the witness knows, and somebody may be ahead of the second."""
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_LOUD: Final[dict[WitnessFault, str]] = {
    "forgot": "a witness no longer knows what it cosigned: it was set back, and may cosign another log than ours",
    "ahead": "a witness has cosigned more of this log than we have: it was set back, or another publisher is ahead",
    "fork": "a witness refuses this log: it has cosigned another one that we signed",
}


class BadPolicy(Exception):
    """The file of witnesses cannot be used; the message says which line, and what to write. Nothing was asked."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Where a witness is asked (its submission prefix), and the key that it cosigns with."""

    url: str
    key: VerifierKey


@dataclass(frozen=True, slots=True)
class Panel:
    """Who is asked, and when it is enough: cosigned by ``quorum`` of ``counted``. Without a quorum it never is:
    every one is waited for until the deadline.
    """

    witnesses: tuple[Witness, ...]
    counted: frozenset[VerifierKey] = frozenset()
    quorum: int = 0

    def is_enough(self, cosigned: Iterable[VerifierKey]) -> bool:
        """Whether no further one need be waited for."""
        return 0 < self.quorum <= len(self.counted.intersection(cosigned))


def read_witnesses(text: str) -> Panel:
    """A policy's file, with a quorum of one witness, of one group or none. Its logs are read and left: which log it is,
    and whose witness counts for clients, the root says. Raises BadPolicy.
    """
    if bad := next((each for each in text if each < " " and each not in "\t\n"), None):
        raise BadPolicy(f"the control character U+{ord(bad):04X} stands in it; only tabs and line ends may")
    policy = _Policy()
    for number, line in enumerate(text.split("\n"), 1):
        words = [word for word in re.split("[ \t]+", line) if word]
        if not words or words[0].startswith("#"):
            continue
        try:
            policy.read(words)
        except (BadNote, BadPolicy) as error:
            raise BadPolicy(f"line {number}: {error}") from None
    return policy.panel()


@dataclass(slots=True)
class _Policy:
    """What was read of a policy so far."""

    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: dict[str, tuple[int, frozenset[VerifierKey]]] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    logs: set[bytes] = field(default_factory=set)
    quorum: tuple[int, frozenset[VerifierKey]] | None = None

    def read(self, words: list[str]) -> None:
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                self._log(notes.read_key(vkey))
            case ["witness", name, vkey, url]:
                self._witness(self._fresh(name), notes.read_key(vkey), url)
            case ["witness", name, _]:
                raise BadPolicy(f"the witness {name} has no URL, so that nobody can ask it; write it after the key")
            case ["group", name, least, *members] if members:
                self._group(self._fresh(name), least, members)
            case ["quorum", name]:
                self._quorum(name)
            case _:
                raise BadPolicy(
                    "a line is `witness NAME VKEY URL`, `group NAME K|any|all WITNESS...`, `quorum NAME` or `log VKEY`"
                )

    def panel(self) -> Panel:
        if self.quorum is None:
            raise BadPolicy("no line says the quorum; write `quorum GROUP`, or `quorum none` if no witness is needed")
        quorum, counted = self.quorum
        return Panel(tuple(self.witnesses.values()), counted, quorum)

    def _fresh(self, name: str) -> str:
        if name == "none" or name in self.witnesses or name in self.groups:
            raise BadPolicy(f"the name {name} is taken; every witness and group has one of its own")
        return name

    def _log(self, key: VerifierKey) -> None:
        if key.public in self.logs:
            raise BadPolicy(f"the key of {key.name} stands in two lines")
        self.logs.add(key.public)

    def _witness(self, name: str, key: VerifierKey, url: str) -> None:
        if key.kind == notes.ED25519:
            raise BadPolicy(f"the key of {key.name} is a log's, not one that cosigns")
        if key.public in {each.key.public for each in self.witnesses.values()}:
            raise BadPolicy(f"the key of {key.name} stands in two lines; no witness counts twice")
        if not re.match("https?://[^/]", url):
            raise BadPolicy(f"{url} is no http or https address")
        self.witnesses[name] = Witness(url.rstrip("/"), key)

    def _group(self, name: str, least: str, members: list[str]) -> None:
        for member in members:
            if member in self.groups:
                raise BadPolicy(
                    f"the group {name} holds the group {member}, and groups within groups are not known here; "
                    "write one group of all witnesses that count"
                )
            if member not in self.witnesses:
                raise BadPolicy(f"no line before this one says who {member} is")
            if member in self.members:
                raise BadPolicy(f"{member} is a member twice")
            self.members.add(member)
        self.groups[name] = (_least(least, len(members)), frozenset(self.witnesses[each].key for each in members))

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise BadPolicy("a second quorum; there is one")
        if name == "none":
            self.quorum = (0, frozenset())
        elif name in self.witnesses:
            self.quorum = (1, frozenset({self.witnesses[name].key}))
        elif name in self.groups:
            self.quorum = self.groups[name]
        else:
            raise BadPolicy(f"no line before this one says who {name} is")


def _least(text: str, members: int) -> int:
    least = {"any": 1, "all": members}.get(text) or (int(text) if re.fullmatch("[1-9][0-9]{0,3}", text) else 0)
    if not 1 <= least <= members:
        raise BadPolicy(f"{text} of {members} cannot be met; write any, all, or a number up to {members}")
    return least


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of one question: a status and a body, or why nothing did."""

    line: "_Line"
    text: str
    status: int
    body: bytes


@dataclass(slots=True)
class _Line:
    """What is remembered of one witness. Only ``Witnesses.ask`` touches it, in one thread at a time."""

    witness: Witness
    size: int = 0
    """From which it wants a proof, as far as we know."""
    cosigned: int = 0
    """The largest size that we hold its cosignature of."""
    tries: int = 0
    failures: int = 0
    rests_until: float = 0.0
    asked_at: float | None = None
    """Since when an answer is awaited."""
    late: bool = False
    """Whether what is awaited was given up already."""

    @property
    def name(self) -> str:
        return self.witness.key.name


class _Faulty(Exception):
    """A witness's answer is of no use."""

    def __init__(self, fault: WitnessFault, why: str) -> None:
        super().__init__(why)
        self.fault: WitnessFault = fault


class Witnesses:
    """The witnesses of a service. One question at a time is open to each of them, in a thread that only waits: what
    comes back is judged in the thread that asks, and what comes too late by the next one that does.
    """

    def __init__(
        self,
        panel: Panel,
        clock: Callable[[], datetime],
        *,
        metrics: Metrics = FORGETFUL,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._panel, self._clock, self._metrics, self._deadline_s = panel, clock, metrics, deadline_s
        self._lines = [_Line(each) for each in panel.witnesses]
        self._pool = urllib3.PoolManager(len(self._lines) + 1, retries=False, maxsize=len(self._lines) + 1)
        self._answers = SimpleQueue[_Answer]()
        self._text = ""
        self._found = dict[VerifierKey, Signature]()
        self._turn = Lock()

    def ask(self, note: Note, nodes: merkle.Nodes) -> tuple[Signature, ...]:
        """The cosignatures, each verified, that came by the deadline or before there were enough. ``note`` is our
        checkpoint with our signature, ``nodes`` those of its tree; they are called in this thread.
        """
        with self._turn:
            until = monotonic() + self._deadline_s
            if note.text != self._text:
                self._text, self._found = note.text, {}
            head = notes.read_checkpoint(note.text)
            for answer in self._waiting(0.0):
                self._heard(answer, note, head, nodes)
            for line in self._lines:
                self._begin(line, note, head, nodes)
            for answer in self._waiting(until):
                self._heard(answer, note, head, nodes)
            self._give_up()
            return tuple(self._found[each.key] for each in self._panel.witnesses if each.key in self._found)

    def _waiting(self, until: float) -> Iterator[_Answer]:
        """Answers as they come, while one is awaited and there are not enough; where until is past, those that are
        here.
        """
        while not self._panel.is_enough(self._found) and any(line.asked_at is not None for line in self._lines):
            try:
                yield self._answers.get(timeout=max(until - monotonic(), 0.0))
            except Empty:
                return

    def _begin(self, line: _Line, note: Note, head: Checkpoint, nodes: merkle.Nodes) -> None:
        """Ask a witness that did not cosign this yet, unless it rests or has not answered the last question."""
        if line.witness.key in self._found or line.asked_at is not None or monotonic() < line.rests_until:
            return
        line.tries, line.late = 0, False
        self._metrics.witness_asked(line.name)
        self._put(line, note, head, nodes)

    def _put(self, line: _Line, note: Note, head: Checkpoint, nodes: merkle.Nodes) -> None:
        old = min(line.size, head.size)
        proof = "".join(f"{notes.encoded(each)}\n" for each in merkle.consistency(nodes, old, head.size))
        line.tries, line.asked_at = line.tries + 1, monotonic()
        body = f"old {old}\n{proof}\n{note}".encode()
        Thread(target=self._exchange, args=(line, note.text, body), name=f"asks {line.name}", daemon=True).start()

    def _exchange(self, line: _Line, text: str, body: bytes) -> None:
        try:
            with self._pool.request(
                "POST", f"{line.witness.url}/add-checkpoint", body=body, timeout=_PATIENCE_S, redirect=False,
                preload_content=False,
            ) as response:  # fmt: skip
                data = response.read(MAX_ANSWER, decode_content=False)
                answer = _Answer(line, text, response.status, data)
        except Exception as error:  # a thread that ends without a word would leave its witness asked for ever
            answer = _Answer(line, text, 0, str(error).encode(errors="replace"))
        self._answers.put(answer)

    def _heard(self, answer: _Answer, note: Note, head: Checkpoint, nodes: merkle.Nodes) -> None:
        line = answer.line
        line.asked_at = None
        try:
            size = self._judged(answer)
        except _Faulty as error:
            if not line.late:
                self._failed(line, error.fault, str(error))
            return
        if size is None:
            return
        line.size = size
        if line.cosigned > size:
            why = f"it cosigned {line.cosigned} leaves, and says {size}"
            line.cosigned = size  # told once; it is asked again when it has rested
            self._failed(line, "forgot", why)
        elif line.late or answer.text != note.text:
            pass
        elif line.tries < _TRIES:
            self._put(line, note, head, nodes)
        else:
            self._failed(line, "refused", "it says another size each time")

    def _judged(self, answer: _Answer) -> int | None:
        """None if it cosigned, or else the size that it wants a proof from. Raises _Faulty."""
        head = notes.read_checkpoint(answer.text)
        match answer.status:
            case 200:
                self._cosigned(answer, head)
                return None
            case 409:
                return _known_size(answer.body, head.size)
            case 422:
                raise _Faulty(
                    "fork", f"it cannot follow our checkpoint of {head.size} leaves from what we signed before"
                )
            case 0:
                raise _Faulty("away", answer.body.decode(errors="replace")[:200])
            case status:
                raise _Faulty("refused", f"it answers with the status {status}")

    def _cosigned(self, answer: _Answer, head: Checkpoint) -> None:
        line, key = answer.line, answer.line.witness.key
        signature, at = _cosignature(answer.body, key, answer.text)
        if abs(at - self._clock().timestamp()) > ASTRAY_S:
            raise _Faulty("clock", f"it cosigned at {at}, and here it is {self._clock().timestamp():.0f}")
        line.size = line.cosigned = head.size
        if not line.late:
            line.failures, line.rests_until = 0, 0.0
        if answer.text == self._text:
            self._found[key] = signature
        self._metrics.witness_cosigned(line.name)

    def _give_up(self) -> None:
        """On those who did not answer in time. Whoever was not waited for to the end may still."""
        waited = not self._panel.is_enough(self._found)
        for line in self._lines:
            if line.asked_at is None or line.late:
                continue
            if waited or line.asked_at + self._deadline_s <= monotonic():
                self._failed(line, "late", f"it did not answer within {self._deadline_s:g} s")
                line.late = True

    def _failed(self, line: _Line, fault: WitnessFault, why: str) -> None:
        first, most = _REST_S
        line.rests_until = monotonic() + min(first * 2 ** min(line.failures, 16), most)
        line.failures += 1
        self._metrics.witness_failed(line.name, fault)
        fields = {"witness": line.name, "fault": fault, "why": why}
        if fault in _LOUD:
            logger.error(_LOUD[fault], extra=fields)
        else:
            logger.warning("a witness did not cosign", extra=fields)


def _known_size(body: bytes, ours: int) -> int:
    """The size in a refusal (409). Raises _Faulty."""
    found = _SIZE.fullmatch(body)
    if not found:
        raise _Faulty("rubbish", f"it answers {body[:40]!r} where a size belongs")
    size = int(found[1])
    if size > ours:
        raise _Faulty("ahead", f"it has cosigned {size} leaves, and our checkpoint has {ours}")
    return size


def _cosignature(body: bytes, key: VerifierKey, text: str) -> tuple[Signature, int]:
    """A witness's own cosignature among those it answered with, and its time. Raises _Faulty."""
    try:
        lines = body.decode().removesuffix("\n").split("\n")
        signatures = tuple(map(notes.read_signature, lines[: notes.MAX_SIGNATURES]))
    except (UnicodeDecodeError, BadNote) as error:
        raise _Faulty("rubbish", f"it answers with no signature: {error}") from None
    for signature in signatures:
        if found := notes.cosigned_at(Note(text, (signature,)), [key]):
            return signature, found[key]
    raise _Faulty("signature", f"none of its {len(signatures)} signatures is one of {key.name} on this checkpoint")
