"""What clients see is the fold of what was accepted: generated walks through the whole service."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from client_verify.answers import Found, ProvenAbsent
from keys import names as n
from keys.state import installable
from keys.times import stamp
from repo_service.accepting import intake
from repo_service.domain import changes as c
from repo_service.domain.evolve import evolve
from repo_service.storage.view import View
from tests.domain.moves import NAMES, requests
from tests.world import World

EVERY_FILE = tuple(
    (name, f"{name}-{version}{kind}")
    for name in NAMES
    for version in ("1.0", "1.0.0", "2.0")
    for kind in (".tar.gz", ".zip", "-py3-none-any.whl")
)


@given(st.data())
@settings(max_examples=10, deadline=None)
def test_after_every_publishing_each_client_sees_the_fold_of_the_events(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        for _ in range(data.draw(st.integers(2, 4), label="rounds")):
            for _ in range(data.draw(st.integers(1, 6), label="requests")):
                with suppress(intake.Refused):
                    world.record(data.draw(requests(stamp(world.now))))
            world.service.round()
            look(world)
            world.tick(hours=data.draw(st.sampled_from((1, 24, 72)), label="hours"))


def look(world: World) -> None:
    with world.service.journal.reading() as view:
        accepted = {name: view.name(name) for name in NAMES}
        assert fold(view) == {name: found for name, found in accepted.items() if found.state}
        assert view.pending().events == ()
    client, stock = world.client(accepted=frozenset(NAMES)), world.stock()  # a new holder is asked about elsewhere
    stock.refresh()
    for name, found in accepted.items():
        answer = client.page(name)
        if found.state is None:
            assert isinstance(answer, ProvenAbsent)
            continue
        assert isinstance(answer, Found) and answer.state == found.state
        allowed = {file.filename: file for _, file in installable(found.state)}
        for filename in (filename for owner, filename in EVERY_FILE if owner == name):
            target = stock.get_targetinfo(n.file_path(name, filename))
            assert (target is not None) == (filename in allowed)
            if target is not None:
                assert target.hashes["sha256"] == allowed[filename].sha256


def fold(view: View) -> dict[str, c.Name]:
    found: dict[str, c.Name] = {}
    for event in view.events():
        found[event.name] = evolve(found.get(event.name, c.Name(event.name, None, None)), event)
    return found
