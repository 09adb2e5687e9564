"""Killed at every named point, the service shows the old state or the new one, and the next round finishes.

The points are found by a dry run of the production code, so a new one is killed too without anybody listing it. After
each kill a client that was there before and one that comes new look at the wreck; in half of the cases another change
comes in; then the next round repairs, and an auditor compares database, depot and what clients ever saw.
"""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import pytest
from sqlalchemy import update

from keys.encoding import sha256
from keys.names import file_path, hashed
from repo_service.storage import tables as t
from repo_service.storage.depot import DepotError
from tests.audit import audit, lying
from tests.servers import S3Server, postgres
from tests.service.act import SECOND, Acts, Deed, Order, Outcome, acts
from tests.service.grounds import Embedded, Ground, now, scaled
from tests.service.witness import Seen, Witness, view
from tests.world import World, publishing, root_of_trust, write_folder

COMMON_POINTS: Final = {
    "intake.before_commit", "intake.committed", "publish.read", "publish.signed", "publish.before_commit",
    "publish.committed", "finish.staged", "finish.added", "finish.log_pointed", "finish.pointed",
    "finish.marked",
}  # fmt: skip
EXPECTED_POINTS: Final = {
    "embedded": {
        *COMMON_POINTS, "depot.drafted", "depot.written", "depot.linked", "depot.pointer_written", "depot.pointed",
    },
    "scaled": {*COMMON_POINTS, "depot.put", "depot.pointer_read", "depot.pointed"},
}  # fmt: skip
BEGUN: Final = Counter({"first": 2})
MADE: Final = {"first": 1, "second": 2, "numbered": 2, "late": 2}
"""How many events the changes of an act make, in its order; and the one that comes late."""
OLD: Final = frozenset[str]()
NEW: Final = frozenset({"first", "second", "numbered"})
EVERYTHING: Final = {OLD, NEW, NEW | {"late"}, frozenset({"late"})}
ARTIFACT: Final = f"targets/{hashed(file_path('first', 'first-1.0.tar.gz'), sha256(b'x'))}"
"""The one file that is there to be fetched."""
CLIENTS: Final = ("cached", "fresh-before")


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory, access: None) -> Iterator[Acts]:
    """Whoever acts and is killed."""
    with acts(tmp_path_factory.mktemp("said")) as found:
        yield found


@pytest.fixture(scope="module")
def access() -> Iterator[None]:
    """Whoever acts may write to the bucket."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in S3Server(0).credentials.items():
            environment.setenv(name, value)
        yield


@pytest.fixture(scope="module", params=["embedded", "scaled"])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, access: None) -> Iterator[Ground]:
    """SQLite and a local disk, or PostgreSQL and S3."""
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as servers:
        if request.param == "embedded":
            yield Embedded(folder)
        else:
            bucket: S3Server = request.getfixturevalue("seaweedfs_server")
            yield servers.enter_context(scaled(folder, servers.enter_context(postgres()), bucket))


@pytest.fixture(scope="module")
def begun(ground: Ground) -> World:
    """A published project, and a client that has verified it."""
    world = ground.begin()
    world.service.depot.add([(ARTIFACT, b"x")])
    world.do(publishing("first"))
    view(world, "cached", Witness())
    return world


@dataclass(frozen=True, slots=True)
class Wreck:
    """One world after somebody died or stopped in it, and all that is wrong there."""

    world: World
    witness: Witness
    where: str
    bad: list[str] = field(default_factory=list)

    def look(self, allowed: Collection[Seen], *clients: str) -> None:
        """Let these clients see one of the states that are allowed, and nothing else."""
        self.witness.look_through(self.world.service.depot, lying(self.world.service))
        for client in clients:
            if (seen := view(self.world, client, self.witness)) not in allowed:
                self.say(f"{client} saw {seen if isinstance(seen, str) else sorted(seen)}")

    def say(self, *sentences: str) -> None:
        self.bad.extend(f"{self.where}: {each}" for each in sentences)

    def repair(self) -> None:
        """The next round, by the normal code; then the auditor comes."""
        try:
            self.world.service.round()
        except DepotError as error:
            self.say(f"{type(error).__name__}: {error}")
        self.say(*audit(self.world.service))

    def done(self) -> list[str]:
        self.say(*self.witness.wrong)
        return self.bad


@dataclass(frozen=True, slots=True)
class Matrix:
    """A ground, the world that is copied for each death, and whoever dies."""

    ground: Ground
    begun: World
    forks: Acts

    def points(self, variation: str = "", do: Deed = "changes") -> Counter[str]:
        """Every named point that the production code passes, and how often."""
        world = self.ground.copy(self.begun, f"dry-{do}-{variation}")
        trace = world.folder / "trace"
        outcome = self.forks.run(Order(str(world.service.folder), do, f"trace:{trace}", variation))
        assert outcome.status == 0, outcome.said
        passed = Counter(trace.read_text().split())
        self.ground.clear(world)
        return passed

    def times(self, times: int) -> list[int]:
        """At which passings of a point to die: the first, and where that is cheap the second and the last."""
        few = {1, 2, times} if isinstance(self.ground, Embedded) else {1}
        return sorted(few & {*range(1, times + 1)})

    def kill(self, point: str, time: int, late: bool, variation: str = "") -> list[str]:
        """Die at the nth passing of a point; what is wrong before, while and after the next round repairs."""
        wreck, outcome = self.wreck(point, time, "changes", variation)
        if late:
            wreck.world.now = wreck.world.service.clock()
            wreck.world.record(publishing("late"))
        wreck.repair()
        _check_what_was_acknowledged(wreck, outcome, late)
        self.ground.clear(wreck.world)
        return wreck.done()

    def wreck(self, point: str, time: int, do: Deed, variation: str = "") -> tuple[Wreck, Outcome]:
        """What is left after somebody died at the nth passing of a point, seen by clients of before and of now."""
        where = f"{do} {variation} {point} {time}".replace("  ", " ")
        wreck = Wreck(self.ground.copy(self.begun, where.replace(" ", "-")), Witness(), where)
        wreck.look({OLD}, "cached")
        order = Order(str(wreck.world.service.folder), do, f"kill:{point}:{time}", variation)
        outcome = self.forks.run(order)
        assert outcome.status == -signal.SIGKILL, (where, outcome)
        wreck.look({OLD, NEW}, *CLIENTS)
        return wreck, outcome


def _check_what_was_acknowledged(wreck: Wreck, outcome: Outcome, late: bool) -> None:
    with wreck.world.service.journal.reading() as journal:
        serials = Counter(event.name for event in journal.events())
    remembered = {name for name, count in serials.items() if count > BEGUN[name]}
    if doubled := {
        name: count for name, count in serials.items() if count not in (BEGUN[name], BEGUN[name] + MADE[name])
    }:
        wreck.say(f"events are lost or doubled: {doubled}")
    if lost := ({*tuple(MADE)[: outcome.acknowledged], *(["late"] if late else [])} - remembered):
        wreck.say(f"acknowledged and lost: {sorted(lost)}")
    wreck.look({frozenset(remembered)}, *CLIENTS, "fresh-after")


@pytest.fixture
def matrix(ground: Ground, begun: World, forks: Acts) -> Matrix:
    return Matrix(ground, begun, forks)


def test_whoever_dies_where_clients_see_old_or_new_and_the_next_round_finishes(matrix: Matrix) -> None:
    passed = matrix.points()
    assert set(passed) == EXPECTED_POINTS[matrix.ground.name], "a point appeared or vanished: is it meant?"
    deaths = [(point, time) for point, times in passed.items() for time in matrix.times(times)]
    bad = [matrix.kill(point, time, late=bool(number % 2)) for number, (point, time) in enumerate(deaths)]
    assert list(chain(*bad)) == []


@pytest.mark.parametrize("ground", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    ("amended", "brought"),
    [
        ({"holders": (1, 2, 4), "held": ("internal",)}, "metadata/2.root.json"),
        ({"bins": 16}, "metadata/2.bins.json"),
    ],
    ids=["another root", "another number of bins"],
)
def test_whoever_dies_while_a_ceremony_is_taken_in_can_take_it_in_again(
    matrix: Matrix, amended: dict[str, Any], brought: str
) -> None:
    """A new root goes out last: until it is there clients follow the old one."""
    shutil.rmtree(matrix.begun.folder / SECOND, ignore_errors=True)
    write_folder(matrix.begun.folder / SECOND, root_of_trust(now(), matrix.begun.trust, **amended).files())
    passed = matrix.points(do="ceremony")
    bad = []
    for point, time in sorted({(point, time) for point, times in passed.items() for time in (1, times)}):
        wreck, _ = matrix.wreck(point, time, "ceremony")
        wreck.repair()
        wreck.world.service.take_in(wreck.world.folder / SECOND, rehearsal_allowed=True)
        wreck.say(*audit(wreck.world.service))
        wreck.look({OLD, frozenset({"first"}), frozenset({"first", "second"}), NEW}, *CLIENTS, "fresh-after")
        if wreck.world.service.depot.read(brought) is None:
            wreck.say(f"{brought} is not public")
        matrix.ground.clear(wreck.world)
        bad += wreck.done()
    assert bad == []


def test_whoever_dies_while_something_is_purged_leaves_it_to_the_next_round(matrix: Matrix) -> None:
    """Its bytes go once nothing names them that clients can come to, and whoever dies before is followed (I25)."""
    passed = matrix.points(do="purge")
    assert "depot.dropped" in passed or matrix.ground.name == "scaled"
    bad = []
    for point, time in sorted({(point, times) for point, times in passed.items()}):
        wreck, _ = matrix.wreck(point, time, "purge")
        wreck.repair()
        wreck.repair()
        if wreck.world.service.depot.read(ARTIFACT) is not None and _unpublished(wreck.world):
            wreck.say("what was purged is still there")
        wreck.look({OLD}, *CLIENTS, "fresh-after")
        matrix.ground.clear(wreck.world)
        bad += wreck.done()
    assert bad == []


def _unpublished(world: World) -> bool:
    with world.service.journal.reading() as journal:
        state = journal.name("first").state
    return state is not None and state.releases[0].state != "published"


@pytest.mark.parametrize("ground", ["embedded"], indirect=True)
@pytest.mark.parametrize(("variation", "found"), [("timestamp first", "404"), ("upload before commit", "Diverged")])
def test_the_matrix_sees_what_a_publisher_in_another_order_would_break(
    matrix: Matrix, variation: str, found: str
) -> None:
    """The two orders in which one could write it and be wrong: each is caught, by more than one death."""
    passed = [point for point in matrix.points(variation) if point.startswith(("depot", "finish"))]
    bad = {point: matrix.kill(point, 1, late=True, variation=variation) for point in passed}
    red = [point for point, sentences in bad.items() if sentences]
    assert len(red) >= 3, bad
    assert any(found in sentence for sentence in chain(*bad.values())), bad


PAUSES: Final = (
    "publish.read", "publish.before_commit", "publish.committed", "finish.staged", "finish.added", "depot.pointed",
)  # fmt: skip


@pytest.mark.parametrize("point", PAUSES)
def test_a_publisher_that_sleeps_through_its_lease_wakes_up_to_nothing(matrix: Matrix, point: str) -> None:
    wreck = Wreck(matrix.ground.copy(matrix.begun, f"pause-{point}"), Witness(), f"paused at {point}")
    said = pause(matrix, wreck, point)
    wreck.repair()
    wreck.look({frozenset({"first", "second", "numbered", "late"})}, *CLIENTS, "fresh-after")
    matrix.ground.clear(wreck.world)
    assert wreck.done() == []
    assert "Traceback" not in said


@pytest.mark.parametrize("ground", ["embedded"], indirect=True)
def test_without_the_guard_of_the_pointer_a_sleeper_takes_it_back(matrix: Matrix) -> None:
    wreck = Wreck(matrix.ground.copy(matrix.begun, "unguarded"), Witness(), "unguarded")
    pause(matrix, wreck, "finish.added", "pointer unguarded")
    wreck.look(EVERYTHING, *CLIENTS)
    matrix.ground.clear(wreck.world)
    assert any("went back" in each or "rollback" in each for each in wreck.done()), wreck.done()


def pause(matrix: Matrix, wreck: Wreck, point: str, variation: str = "") -> str:
    """Stop a publisher at a point for longer than its lease, let another publish twice, and wake it; what it said.

    A stop may leave a lock behind it, for which the other then waits: nothing is lost by that either.
    """
    folder, forks = str(wreck.world.service.folder), matrix.forks
    wreck.look({OLD}, "cached")
    sleeper = forks.begin(Order(folder, failpoint=f"stop:{point}:1", variation=variation))
    assert forks.wait(sleeper).status is None
    let_leases_run_out(wreck.world)
    other = forks.begin(Order(folder, "late"))
    waits = forks.wait(other, 3.0).status is None
    wreck.look(EVERYTHING, *CLIENTS)
    os.kill(sleeper, signal.SIGCONT)
    ended = [forks.wait(sleeper)] + ([forks.wait(other)] if waits else [])
    assert all(outcome.status == 0 for outcome in ended), ended
    wreck.look(EVERYTHING, *CLIENTS)
    return ended[0].said


def let_leases_run_out(world: World) -> None:
    """As if the time of a lease had passed."""
    with world.service.journal._engine.begin() as connection:
        connection.execute(update(t.lease).values(until=0))
