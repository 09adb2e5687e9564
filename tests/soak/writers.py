"""Writers: registries that send changes through HTTP until each is acknowledged, some twice and some out of order."""

import http.client
import json
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.soak.history import Answer, Diary, Turned

CHANGES_OF_A_NAME: Final = 40
"""After so many a writer begins another project: pages must not grow without end."""
WINDOW: Final = 5
"""So many numbered changes are sent in any order."""
_AGAIN: Final = {408, 429, 500, 502, 503, 504}
_TIMEOUT_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class Change:
    """One change that a writer means. It keeps its key for ever."""

    lane: str
    place: int
    name: str
    verb: str
    version: str
    key: str
    source_seq: int | None = None

    @property
    def path(self) -> str:
        return f"/v1/projects/{self.name}/releases/{self.version}/{self.verb}"

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"actor": {"kind": "owner", "id": f"owner of {self.name}", "approver": "another"}}
        if self.verb == "publish":
            filename = f"{self.name.replace('-', '_')}-{self.version}.tar.gz"
            file = {"filename": filename, "sha256": "ab" * 32, "size": 7, "url": f"https://files.test/{filename}"}
            body["files"] = [file]
        if self.verb == "yank":
            body["reason"] = {"code": "broken", "text": "does not start"}
        return body | ({} if self.source_seq is None else {"source_seq": self.source_seq})


@dataclass(slots=True)
class Project:
    """A writer's idea of a project of its own: what may be asked next."""

    name: str
    yanked: dict[str, bool] = field(default_factory=dict)
    places: int = 0

    def next(self, chance: random.Random) -> tuple[str, str]:
        """A verb and a version that fit."""
        self.places += 1
        standing = [version for version, yanked in self.yanked.items() if not yanked]
        gone = [version for version, yanked in self.yanked.items() if yanked]
        verb = chance.choices(["publish", "yank", "unyank"], [6, 3 if standing else 0, 2 if gone else 0])[0]
        if verb == "publish":
            version = f"{len(self.yanked) + 1}.0"
        else:
            version = chance.choice(standing if verb == "yank" else gone)
        self.yanked[version] = verb == "yank"
        return verb, version


@dataclass(frozen=True, slots=True)
class Door:
    """The addresses of the API, any of which will do, and a token for it."""

    ports: Sequence[int]
    token: str

    def send(self, change: Change, port: int) -> tuple[int, dict[str, Any]]:
        """One attempt; status and body. OSError or HTTPException where there was no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": change.key}
            connection.request("POST", change.path, json.dumps(change.body), headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
            return answer.status, said
        finally:
            connection.close()


class Writer:
    """One registry. It sends until it is told to end, and then until everything that it has begun is acknowledged."""

    def __init__(self, number: int, seed: int, door: Door, diary: Diary, names: Path, numbered: bool) -> None:
        self._number = number
        self._chance = random.Random(f"{seed} writer {number}")
        self._door = door
        self._diary = diary
        self._names = names
        self._numbered = numbered
        self._ending = threading.Event()
        self._last: list[Change] = []
        self.unsettled: list[Change] = []
        self.thread = threading.Thread(target=self._run, name=f"writer {number}", daemon=True)

    def end(self) -> None:
        self._ending.set()

    def _run(self) -> None:
        count = 0
        while not self._ending.is_set():
            project = Project(f"soak-{self._number}-{count}")
            count += 1
            while project.places < CHANGES_OF_A_NAME and not self._ending.is_set():
                if self._numbered:
                    self._in_any_order(project)
                else:
                    self._one(project)

    def _one(self, project: Project) -> None:
        change = self._meant(project)
        self._settle(change, twice=self._chance.random() < 0.25)
        if self._last and self._chance.random() < 0.1:  # a client that lost its note of an answer asks again, late
            self._settle(self._chance.choice(self._last), twice=False)
        self._last = [*self._last[-20:], change]
        self._ending.wait(self._chance.expovariate(1 / 0.02))

    def _in_any_order(self, project: Project) -> None:
        changes = [self._meant(project) for _ in range(WINDOW)]
        self._chance.shuffle(changes)
        for change in changes:
            self._settle(change, twice=self._chance.random() < 0.2)
        self._ending.wait(self._chance.expovariate(1 / 0.05))

    def _meant(self, project: Project) -> Change:
        verb, version = project.next(self._chance)
        place = project.places
        lane = f"writer {self._number}"
        key = f"{project.name} {place} {verb} {version}"
        return Change(lane, place, project.name, verb, version, key, place if self._numbered else None)

    def _settle(self, change: Change, twice: bool) -> None:
        """Send until there is an answer; ``twice``: from two places at once."""
        self.unsettled.append(change)
        other = threading.Thread(target=self._send_until_answered, args=(change, self._chance.random()), daemon=True)
        if twice:
            other.start()
        self._send_until_answered(change, self._chance.random())
        if twice:
            other.join()
        self.unsettled.remove(change)

    def _send_until_answered(self, change: Change, seed: float) -> None:
        chance = random.Random(seed)
        while True:
            sent = time.time()
            try:
                status, said = self._door.send(change, chance.choice(self._door.ports))
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                status, said = 503, {}
            if status in (200, 202):
                return self._answered(change, sent, said)
            if status not in _AGAIN and said.get("code") != "state_conflict":
                turned = Turned(change.name, change.verb, change.version, status, json.dumps(said)[:500])
                return self._diary.write(turned)
            time.sleep(chance.uniform(0.05, 0.4))

    def _answered(self, change: Change, sent: float, said: dict[str, Any]) -> None:
        signed = said["signed_in"]
        answer = Answer(
            change.lane, change.place, change.name, change.verb, change.version, change.key, sent, time.time(),
            said["change"], said["status"], said["serial"], said["changed"], signed["timestamp"] if signed else None,
        )  # fmt: skip
        self._diary.write(answer)
        if change.place == 1:
            with self._names.open("a") as file:
                print(change.name, file=file)
