"""Whatever a registry asks, in whatever order and however often, a real client sees what the events say, and only that.

Random requests of every verb, by anybody, at random times, sent again and late, with the service dying at its named
points. A model that reads nothing but the public events (docs/FORMAT.md) says what may be installed. After every
round it is compared with the page that stock python-tuf gets, and our own client, which remembers all it ever saw,
must have nothing to refuse.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tuf.ngclient import Updater

from client_verify.accepted import Accepted
from client_verify.answers import Found, ProvenAbsent
from keys import names
from keys.times import stamp
from repo_service import failpoint
from repo_service.accepting import intake, sweeping
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.evolve import evolve
from repo_service.storage.requestreading import ChangeRecord
from repo_service.wiring import open_service
from tests.domain.moves import NAMES, requests
from tests.service.door import Door
from tests.world import BEGIN, World, publishing

Files = dict[str, tuple[str, bool]]
"""What an installer is offered: file name to sha256, and whether it is yanked."""


class Crash(Exception):
    """The process died here."""


class Told:
    """One name as the public events tell of it, told in the shortest way."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, str]] = {}
        self.registered = False
        self.quarantined = False
        self.removed: set[str] = set()
        self.hidden: set[str] = set()
        self.yanked: set[str] = set()

    def hear(self, event: dict[str, Any]) -> None:
        """Follow one event; KeyError if nobody has thought of what it means to installers."""
        _MEANS[event["type"]](self, event["change"])

    @property
    def offered(self) -> Files:
        if not self.registered or self.quarantined:
            return {}
        return {
            filename: (sha256, version in self.yanked)
            for version, files in self.files.items()
            if not {version} & (self.removed | self.hidden)
            for filename, sha256 in files.items()
            if filename not in self.removed
        }

    def _publish(self, change: dict[str, Any]) -> None:
        self.files[change["version"]] = {file["filename"]: file["sha256"] for file in change["files"]}

    def _add(self, change: dict[str, Any]) -> None:
        self.files[change["version"]][change["file"]["filename"]] = change["file"]["sha256"]

    def _stand(self, change: dict[str, Any]) -> None:
        self.registered = True

    def _fall(self, change: dict[str, Any]) -> None:
        self.registered = False

    def _shut(self, change: dict[str, Any]) -> None:
        self.quarantined = True

    def _open(self, change: dict[str, Any]) -> None:
        self.quarantined = False

    def _nothing(self, change: dict[str, Any]) -> None:
        """Said about a name, and of no consequence for what can be installed."""


def _into(attribute: str, part: str) -> Callable[[Told, dict[str, Any]], None]:
    return lambda told, change: getattr(told, attribute).add(change[part])


def _out_of(attribute: str, part: str) -> Callable[[Told, dict[str, Any]], None]:
    return lambda told, change: getattr(told, attribute).discard(change[part])


_MEANS: Final[dict[str, Callable[[Told, dict[str, Any]], None]]] = {
    "release.published": Told._publish,
    "file.added": Told._add,
    "project.created": Told._stand,
    "reservation.converted": Told._stand,
    "project.restored": Told._stand,
    "name.placeholder_set": Told._fall,
    "name.prohibited": Told._fall,
    "project.quarantined": Told._shut,
    "project.quarantine_cleared": Told._open,
    "placeholder.claimed_open": Told._open,
    "placeholder.claim_granted": Told._open,  # a quarantine was about what the earlier holder published
    "release.unpublished": _into("removed", "version"),
    "release.restored": _out_of("removed", "version"),
    "file.removed": _into("removed", "filename"),
    "file.restored": _out_of("removed", "filename"),
    "release.quarantined": _into("hidden", "version"),
    "release.quarantine_cleared": _out_of("hidden", "version"),
    "release.yanked": _into("yanked", "version"),
    "release.unyanked": _out_of("yanked", "version"),
    **dict.fromkeys(
        (
            *("name.reserved", "reservation.renewed", "reservation.released", "reservation.expired"),
            *("reservation.revoked", "name.unprohibited", "release.purged", "file.purged", "release.closed"),
            *("release.yank_held", "release.yank_cancelled", "release.yank_reason_changed"),
            *("project.archived", "project.unarchived", "project.deprecated", "project.undeprecated"),
            *("project.locked", "project.unlocked", "release.deprecated", "release.undeprecated", "project.assigned"),
            "project.display_name_changed",
            *("namespace.granted", "namespace.child_granted", "namespace.shared", "namespace.unshared"),
            *("namespace.transferred", "namespace.ended", "namespace.matched"),
            *("reservation.transferred", "transfer.accepted", "session.opened", "session.cancelled", "session.expired"),
            *("takedown.listed", "takedown.confirmed", "takedown.withdrawn", "takedown.corrected", "project.removed"),
        ),
        Told._nothing,
    ),
}
POINTS: Final = (
    *("intake.before_commit", "intake.committed", "publish.read", "publish.signed", "publish.before_commit"),
    *("publish.committed", "finish.staged", "depot.drafted", "depot.written", "depot.linked", "finish.added"),
    *("depot.pointer_written", "depot.pointed", "finish.pointed", "finish.marked"),
    *("finish.cosigned", "finish.log_pointed"),
)


class Registry(RuleBasedStateMachine):
    """A registry, its service and two clients: one that was there from the beginning, one that knows nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder / "world")
        self.another = open_service(self.world.service.folder, clock=lambda: self.world.now)
        self.told = {name: Told() for name in NAMES}
        self.heard = "0-0"
        self._strangers = 0
        self.door = Door(self.world)
        self.token = self.door.new_token("auditor", days=365)
        self.sent: list[tuple[str, r.Request, ChangeRecord | None]] = []
        self.late: list[r.Request] = []

    @initialize()
    def begin(self) -> None:
        """Something to change from the beginning."""
        for name, version in (("foo", "1.0"), ("foo", "2.0"), ("bar", "1.0")):
            self.send(f"begin {name} {version}", publishing(name, version))
        self.publish()

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        """Any requests, most of them by whom they befit."""
        for request in data.draw(st.lists(requests(stamp(self.world.now)), min_size=12, max_size=30)):
            self.send(f"key-{len(self.sent)}", request)

    @rule(data=st.data())
    def put_off(self, data: st.DataObject) -> None:
        """A request that the network delivers later than those sent after it."""
        self.late.append(data.draw(requests(stamp(self.world.now))))

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def deliver_late(self, data: st.DataObject) -> None:
        self.send(f"key-{len(self.sent)}", self.late.pop(data.draw(st.integers(0, len(self.late) - 1))))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """A client that saw no answer sends the same request under the same key: it is answered and not done again."""
        key, request, record = data.draw(st.sampled_from(self.sent))
        again = self.send(key, request)
        assert record is None or again == record, "the second answer is another"

    @precondition(lambda self: self.world.now < BEGIN + timedelta(days=160))  # the ceremony's root is good for a year
    @rule(seconds=st.sampled_from((1, 3600, 86_400, 15 * 86_400, 31 * 86_400, 200 * 86_400)))
    def wait(self, seconds: int) -> None:
        """Time passes; the timer of the service rings all the while, so nothing goes out of date."""
        self.world.tick(seconds=seconds)
        sweeping.sweep(self.world.service.journal, self.world.now)
        self.publish()

    @rule()
    def publish(self) -> None:
        self.world.service.round()
        self.check()

    @rule()
    def publish_elsewhere(self) -> None:
        """Another publisher has its turn: what either remembers of its last release may be of one long gone."""
        self.another.round()
        self.check()

    @rule(point=st.sampled_from(POINTS), data=st.data())
    def die(self, point: str, data: st.DataObject) -> None:
        """The process dies at a named point, if it comes there; whoever was not answered asks again."""
        key, request = f"key-{len(self.sent)}", data.draw(requests(stamp(self.world.now)))

        def reached(name: str) -> None:
            if name == point:
                raise Crash(name)

        failpoint.arm(reached)
        try:
            self.send(key, request)
            self.world.service.round()
        except Crash:
            pass
        finally:
            failpoint.arm(None)
        self.look()  # before anybody repairs anything
        self.send(key, request)
        self.publish()

    @invariant()
    def nothing_is_kept_that_events_do_not_say(self) -> None:
        """The state of every name is the fold of its events, and no event is lost or doubled."""
        with self.world.service.journal.reading() as view:
            for name in NAMES:
                found = c.Name(name, None, None)
                for event in view.events(name):
                    found = evolve(found, event)
                assert found == view.name(name)
                assert found.state is None or found.state.serial == len(view.events(name))

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def send(self, key: str, request: r.Request) -> ChangeRecord | None:
        """Send one request; None if it is refused."""
        try:
            record = self.world.record(request, key)
        except intake.Refused:
            record = None
        if all(key != known for known, _, _ in self.sent):
            self.sent.append((key, request, record))
        return record

    def check(self) -> None:
        """What has come into force is what clients see."""
        feed = self.door.get(f"/v1/events?after={self.heard}", self.token).get_json()
        for event in feed["events"]:
            self.told[event["name"]].hear(event)
        self.heard = feed["next"]
        self.look()
        for name, told in self.told.items():
            assert offered(self.world.stock("comes and goes"), name) == told.offered

    def look(self) -> None:
        """A client that was always there, and one that knows nothing, have nothing to refuse."""
        self._strangers += 1
        for client in ("always there", f"stranger {self._strangers}"):
            session = self.world.client(client, accepted=Accepted(generations=frozenset(NAMES)))
            for name in NAMES:
                assert isinstance(session.page(name), Found | ProvenAbsent)


def offered(updater: Updater, name: str) -> Files:
    """The page of a name as an installer reads it, fetched by python-tuf alone."""
    target = updater.get_targetinfo(names.page_path(name))
    if target is None:
        return {}
    page = json.loads(Path(updater.download_target(target)).read_bytes())
    return {file["filename"]: (file["hashes"]["sha256"], file["yanked"] is not False) for file in page["files"]}


EXAMPLES: Final = int(os.environ.get("TALLYSTICK_EXAMPLES", "9"))
Registry.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    derandomize=EXAMPLES == 9,
    database=None,
    phases=[Phase.generate],  # a failure is printed as it was found: making it smaller takes longer than reading it
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestAnyHistory = Registry.TestCase
