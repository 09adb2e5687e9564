"""The guard itself: one question after the other is judged, made durable, and only then answered."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

from securesystemslib.signer import Signature

from keys import rules, signing, trust
from keys.encoding import sha256
from keys.signing import Signatures, SigningKey
from keys.trust import RootOfTrust
from repo_service.guarding import protocol, waiving
from repo_service.guarding.facts import BinSigned, Fact, Sealed, SnapshotSigned, State, TakenIn, evolve, pin
from repo_service.guarding.protocol import NOT_YET, BadFrame, Request
from repo_service.guarding.reading import Evidence, NotShown, Refusal
from repo_service.guarding.reconciling import published
from repo_service.guarding.rules import Case, Limits, besides, judge
from repo_service.guarding.store import Store

logger: Final = logging.getLogger(__name__)
Reached = Callable[[str], None]


def _pass_by(moment: str) -> None:
    """Where nobody waits at the named moments at which a test may kill the guard."""
    del moment


class Show(Exception):
    """What the payloads at these places replace must be shown."""

    def __init__(self, places: list[int]) -> None:
        super().__init__(places)
        self.places = places


class Guard:
    """Keys, what they have signed, and the rules for what they sign next."""

    def __init__(
        self, store: Store, sealed: RootOfTrust, keys: Sequence[SigningKey], limits: Limits, waivers: Path,
        clock: Callable[[], datetime], check: Callable[[RootOfTrust], None], reached: Reached = _pass_by,
    ) -> None:  # fmt: skip
        self._store, self._keys, self._limits, self._waivers = store, keys, limits, waivers
        self._clock, self._reached, self._check = clock, reached, check
        self._state = store.state(sealed)
        self._shown = self._closed = False
        self._turn = Lock()

    @property
    def state(self) -> State:
        """What was signed last, and how much of each limit is used."""
        return self._state

    def close(self) -> None:
        """Let what is being answered end; nothing is answered any more."""
        with self._turn:
            self._closed = True
            self._store.close()

    def answer(self, parts: Sequence[bytes]) -> bytes:
        """The frame that answers a frame's parts. BadFrame if they are no question."""
        request = protocol.request(parts[0])
        try:
            with self._turn:
                if self._closed:
                    raise ConnectionAbortedError("the guard is being stopped")
                return protocol.encode(_ANSWERS[request.ask](self, request, parts[1:]))
        except Refusal as refusal:
            logger.warning("refused %s: %s", refusal.code, refusal.sentence[:2000])
            return protocol.encode({"refused": refusal.code, "sentence": refusal.sentence[:2000]})
        except signing.SignerFailed as failed:
            logger.exception("a key did not sign")
            return protocol.encode({"refused": "key_failed", "sentence": str(failed)[:2000]})

    def _hello(self, request: Request, parts: Sequence[bytes]) -> dict[str, Any]:
        del request, parts
        sealed = {role: file.body.version for role, file in self._state.sealed.trust.newest.items()}
        return {"keyids": sorted(self._keyids), "sealed": sealed, "shown": self._shown}

    @property
    def _keyids(self) -> frozenset[str]:
        return frozenset(key.record.keyid for key in self._keys)

    def _take_in(self, request: Request, parts: Sequence[bytes]) -> dict[str, Any]:
        if len(request.paths) != len(parts):
            raise BadFrame("each path has its file")
        found = verified(dict(zip(request.paths, parts, strict=True)), self._state.sealed.offline, self._clock())
        self._check(found)
        if found.files() != self._state.sealed.trust.files():
            self._commit([TakenIn(Sealed(found))])
        return {}

    def _show(self, request: Request, parts: Sequence[bytes]) -> dict[str, Any]:
        """What is public: a timestamp and the snapshot that it names, or nothing."""
        del request
        if len(parts) not in (0, 2):
            raise BadFrame("a timestamp and a snapshot, or neither")
        if parts:
            found = published(self._state, *parts)
            if found.snapshot or found.timestamp:
                logger.warning("what is public is newer than what was remembered; going on from there")
                self._commit([found])
        self._shown = True
        return {}

    def _highest(self, request: Request, parts: Sequence[bytes]) -> dict[str, Any]:
        del parts
        self._check_shown()
        state = self._state
        if state.snapshot and request.holding == state.snapshot.version and self._store.has_kept():
            self._store.forget_kept()
        tops = {"snapshot": state.snapshot, "timestamp": state.timestamp}
        bins = {role: state.bins[role].spent for role in request.roles if role in state.bins}
        return {"versions": bins | {role: top.version for role, top in tops.items() if top}}

    def _sign(self, request: Request, parts: Sequence[bytes]) -> dict[str, Any]:
        self._check_shown()
        asked = _asked(request, parts, self._store.kept)
        budgets = waiving.budgets(self._waivers, self._state.sealed, self._store.used, self._clock())
        case = Case(self._state, self._limits, self._clock(), self._keyids, waiving.total(budgets))
        try:
            judged = _judged(case, asked)
        except Show as show:
            return {"show": show.places}
        signatures = [self._signatures(payload, fact) for (payload, _), fact in zip(asked, judged, strict=True)]
        facts = [_with_file(fact, asked[place][0], signatures[place]) for place, fact in enumerate(judged) if fact]
        used = [one for rule, amount in case.waived.items() for one in waiving.drawn(budgets, rule, amount)]
        for rule, amount in case.waived.items():
            logger.warning("waived %s, by %d", rule, amount)
        self._reached("judged")
        if facts:
            self._commit([*facts, *besides(case)], used)
        self._reached("committed")
        return {"signatures": [[{"keyid": s.keyid, "sig": s.signature} for s in each] for each in signatures]}

    def _signatures(self, payload: bytes, fact: Fact | None) -> Signatures:
        newest = self._state.snapshot
        if fact is None and newest and newest.signatures and newest.payload == sha256(payload):
            return tuple(Signature(keyid, signature) for keyid, signature in newest.signatures)
        return tuple(key.sign(payload) for key in self._keys)

    def _check_shown(self) -> None:
        if not self._shown:
            raise Refusal("not_shown", "the guard was started and has not seen yet what is public")

    def _commit(self, facts: list[Fact], used: Sequence[tuple[int, str, str, int]] = ()) -> None:
        self._store.commit(self._state, facts, used)
        for fact in facts:
            evolve(self._state, fact)


def verified(files: Mapping[str, bytes], known: Mapping[str, bytes], now: datetime) -> RootOfTrust:
    """The root of trust in a ceremony's files, which go on from those that are known. Raises Refusal."""
    try:
        found = trust.read(files)
    except trust.NotTrusted as error:
        raise Refusal("untrusted", str(error)) from None
    if problems := trust.continuing_problems(found, known, now):
        raise Refusal("untrusted", "; ".join(problems))
    return found


def check_rehearsal(found: RootOfTrust) -> None:
    """Refusal for a root that was made to practise with."""
    if rules.is_rehearsal(found.root):
        raise Refusal("rehearsal", "the root was made in a rehearsal; rehearsal = true in guard.toml allows it")


def allow_rehearsal(found: RootOfTrust) -> None:
    """Where one practises."""
    del found


def _asked(
    request: Request, parts: Sequence[bytes], kept: Callable[[str], bytes | None]
) -> list[tuple[bytes, Evidence]]:
    """The payloads, each with what is shown of it."""
    count, at = len(request.shown), len(request.shown)
    if not 0 < count <= protocol.MAX_BATCH or any(each < NOT_YET for each in request.shown):
        raise BadFrame(f"1 to {protocol.MAX_BATCH} payloads are signed at once")
    if count + sum(max(0, each) for each in request.shown) != len(parts):
        raise BadFrame("what is shown is not as many files as was said")
    found = []
    for payload, files in zip(parts, request.shown, strict=False):
        found.append((payload, Evidence(None if files == NOT_YET else tuple(parts[at : at + files]), kept)))
        at += max(0, files)
    return found


def _judged(case: Case, asked: Sequence[tuple[bytes, Evidence]]) -> list[Fact | None]:
    """What signing all of these makes known. Raises Refusal, or Show."""
    found, lacking, roles = list[Fact | None](), [], set[str]()
    case.state = case.state.draft()
    for place, (payload, shown) in enumerate(asked):
        try:
            fact = judge(case, payload, shown)
        except NotShown:
            lacking.append(place)
            continue
        if fact is not None:
            _check_together(fact, roles, len(asked))
            evolve(case.state, fact)
        found.append(fact)
    if lacking:
        raise Show(lacking)
    return found


def _check_together(fact: Fact, roles: set[str], count: int) -> None:
    """A snapshot is of bins that are signed already, and no bin comes twice: what is asked at once is side by side."""
    if not isinstance(fact, BinSigned) and count > 1:
        raise Refusal("wrong_form", "a snapshot or timestamp is asked for by itself")
    if isinstance(fact, BinSigned) and fact.role in roles:
        raise Refusal("wrong_form", f"{fact.role} is asked for twice at once")
    roles |= {fact.role} if isinstance(fact, BinSigned) else set()


def _with_file(fact: Fact, payload: bytes, signatures: Signatures) -> Fact:
    """A snapshot with its file, which the next timestamp must name."""
    if not isinstance(fact, SnapshotSigned):
        return fact
    file = pin(fact.top.version, signing.wrapped(payload, signatures))
    listed = tuple((each.keyid, each.signature) for each in signatures)
    return replace(fact, top=replace(fact.top, file=file, signatures=listed))


_ANSWERS: Final[Mapping[str, Callable[[Guard, Request, Sequence[bytes]], dict[str, Any]]]] = {
    "hello": Guard._hello,
    "take_in": Guard._take_in,
    "show": Guard._show,
    "highest": Guard._highest,
    "sign": Guard._sign,
}
