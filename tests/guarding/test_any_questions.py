"""Whatever is asked, in whatever order: no version has two contents, and what is signed goes forward only."""

import json
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from securesystemslib.signer import Signature

from keys import layout
from keys.encoding import canonical
from keys.signing import SPEC_VERSION, wrapped
from keys.times import stamp
from repo_service.guarding import protocol
from repo_service.guarding.facts import Sealed, TakenIn, pin
from repo_service.guarding.guard import Guard, allow_rehearsal
from repo_service.guarding.reading import CODES
from repo_service.guarding.rules import Limits
from repo_service.guarding.store import Store
from tests.world import BEGIN, online_key, root_of_trust

TRUST: Final = root_of_trust()
ROLES: Final = layout.Bins(2).roles()
PATHS: Final = [
    next(path for n in range(999) if layout.Bins(2).number(path := f"packages/name-{n}/file.tar.gz") == number)
    for number in range(4)
]
BINS: Final = strategies.sampled_from(range(4))
STEPS: Final = strategies.sampled_from([-2, -1, 0, 0, 1, 1, 1, 1, 2, 999, 1001])
DAYS: Final = strategies.sampled_from([1, 2, 3])
CONTENT: Final = strategies.sampled_from(["", "a" * 64, "b" * 64])


class Questions(RuleBasedStateMachine):
    """Remembers everything that was ever signed, as an attacker would."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="questions"))
        self.now = BEGIN
        self.signed: dict[tuple[str, int], bytes] = {}
        self.newest: dict[str, int] = {}
        self.listed: dict[str, Any] = {}
        self.named: list[int] = []
        self.snapshot: bytes | None = None

    @initialize()
    def begin(self) -> None:
        store = Store(self.folder / "guard.sqlite")
        store.commit(store.state(TRUST), [TakenIn(Sealed(TRUST))])
        store.close()
        self.open()

    def open(self) -> None:
        self.store = Store(self.folder / "guard.sqlite")
        self.guard = Guard(
            self.store, TRUST, [online_key()], Limits(), self.folder / "waivers", lambda: self.now, allow_rehearsal
        )
        self.ask({"ask": "show"})

    def teardown(self) -> None:
        self.guard.close()
        shutil.rmtree(self.folder)

    def ask(self, header: dict[str, object], *parts: bytes) -> dict[str, Any]:
        (header_part, *_) = protocol.split(self.guard.answer([canonical(header), *parts])[4:])
        return protocol.header_of([header_part])

    def sign(self, role: str, payload: bytes, *shown: bytes) -> bytes | None:
        """The signed file; None if it was refused."""
        answer = self.ask({"ask": "sign", "shown": [len(shown)]}, payload, *shown)
        if "refused" in answer:
            assert answer["refused"] in CODES
            return None
        version = json.loads(payload)["version"]
        before = self.signed.setdefault((role, version), payload)
        assert before == payload, f"{role} {version} was signed with two contents"
        assert version >= self.newest.get(role, 0), f"{role} went back"
        self.newest[role] = version
        (signatures,) = answer["signatures"]
        return wrapped(payload, tuple(Signature(each["keyid"], each["sig"]) for each in signatures))

    def body(self, kind: str, version: int, days: int, **more: Any) -> bytes:
        expires = stamp(self.now + timedelta(days=days))
        common = {"_type": kind, "expires": expires, "spec_version": SPEC_VERSION, "version": version}
        return canonical({**common, **more})

    @rule(number=BINS, steps=STEPS, days=DAYS, content=CONTENT)
    def bin(self, number: int, steps: int, days: int, content: str) -> None:
        role = ROLES[number]
        version = max(self.newest.get(role, number) + steps * layout.BIN_STRIDE, number + layout.BIN_STRIDE)
        targets = {PATHS[number]: {"hashes": {"sha256": content}, "length": 1}} if content else {}
        payload = self.body("targets", version, days, targets=targets, **{layout.ROLE_FIELD: role})
        files = [wrapped(each, ()) for (name, _), each in self.signed.items() if name == role]
        self.sign(role, payload, *files)

    @rule(steps=STEPS, days=DAYS, old=strategies.sets(BINS, max_size=1))
    def snapshot_of(self, steps: int, days: int, old: set[int]) -> None:
        lines = {f"{role}.json": {"version": self.newest.get(role, 0)} for role in ROLES}
        for number in old:
            lines[f"{ROLES[number]}.json"] = {"version": max(0, self.newest.get(ROLES[number], 0) - layout.BIN_STRIDE)}
        version = max(1, self.newest.get("snapshot", 0) + steps)
        meta = {**Sealed(TRUST).pinned, **lines}
        file = self.sign("snapshot", self.body("snapshot", version, days, meta=meta))
        if file is not None:
            for name, each in meta.items():
                assert each["version"] >= self.listed.get(name, 0), f"a snapshot lists an older {name}"
                self.listed[name] = each["version"]
            self.snapshot = file

    @rule(steps=STEPS, days=DAYS)
    def timestamp(self, steps: int, days: int) -> None:
        if self.snapshot is None:
            return
        number = json.loads(self.snapshot)["signed"]["version"]
        version = max(1, self.newest.get("timestamp", 0) + steps)
        meta = {"snapshot.json": pin(number, self.snapshot)}
        more = {"meta": meta, layout.SIGNED_AT_FIELD: stamp(self.now)}
        if self.sign("timestamp", self.body("timestamp", version, days, **more)) is not None:
            self.named.append(number)

    @rule(minutes=strategies.sampled_from([-3, 0, 1, 600]))
    def tick(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def start_again(self) -> None:
        self.guard.close()
        self.open()

    @invariant()
    def timestamps_never_go_back(self) -> None:
        assert self.named == sorted(self.named)


Questions.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestAnyQuestions = Questions.TestCase
