"""Deltas save bytes and do no harm: whatever is wrong with one, the whole file is fetched, and nobody is accused."""

import threading

import pytest

from client_verify.answers import Found
from client_verify.fetching import inflate
from client_verify.fetching.deltas import ANCHOR
from client_verify.refusals import Refused
from keys import deltas, layout
from keys.deltas import REACH, SPACING
from keys.signing import signed_file
from repo_service.build.deltas import thorough_delta
from tests import paper
from tests.client.conftest import PaperFetcher


def draw(files):
    """Write the deltas of every snapshot and bin that is served, as the service does."""
    for path in list(files):
        role, version = deltas.reachable(path) or ("", 0)
        for step in deltas.drawn_with(role, version) if role else ():
            old = b"" if step.old == 0 else files.get(f"metadata/{step.old}.{role}.json")
            new = files.get(f"metadata/{step.new}.{role}.json")
            if old is not None and new is not None:
                files.setdefault(step.path, thorough_delta(old, new))


@pytest.fixture
def behind(world):
    """A client that has verified flask, and a registry that has said more since. Gives the newest state."""
    world.say("flask", serial=1)
    world.publish()
    draw(world.repository.files)
    world.session().page("flask")
    state = world.say("flask", paper.release(world.now, "1.0", paper.wheel("flask", "1.0")), serial=2)
    draw(world.repository.files)
    world.fetcher.asked.clear()
    return state


def asked(world):
    """What was asked for of snapshots, bins and deltas."""
    return [path for path in world.fetcher.asked if path.startswith("deltas/") or deltas.reachable(path)]


def anchor(world):
    return world.directory / ANCHOR


def delta_of(world, role):
    return next(
        path for path in world.repository.files if path.startswith("deltas/") and path.endswith(_last(world, role))
    )


def _last(world, role):
    version, _, rest = world.repository.newest(role).removeprefix("metadata/").partition(".")
    return f".{version}.{rest.removesuffix('.json')}.dcz"


def test_who_comes_back_reads_one_delta_for_the_snapshot_and_one_for_each_signing_of_a_bin(world, behind):
    world.say("flask", serial=3)
    newest = world.say("flask", serial=4)
    draw(world.repository.files)
    role, files = world.repository.bin_of("flask"), world.repository.files
    assert world.session().page("flask") == Found(newest)
    steps = [path for path in files if path.startswith("deltas/") and path.endswith(f".{role}.dcz")][-3:]
    assert sorted(asked(world)) == sorted(["deltas/1.5.snapshot.dcz", *steps])
    for each in (layout.SNAPSHOT, role):
        assert (world.directory / "metadata" / f"{each}.json").read_bytes() == files[world.repository.newest(each)]


def test_who_has_nothing_reads_the_anchor_and_a_delta_and_keeps_the_anchor_beside_the_trusted_files(world):
    world.say("flask")
    world.publish()
    draw(world.repository.files)
    world.session()
    assert sorted(asked(world)) == ["deltas/0.1.snapshot.dcz", "deltas/1.2.snapshot.dcz"]
    assert anchor(world).read_bytes() == world.repository.files["metadata/1.snapshot.json"]
    assert ANCHOR not in {path.name for path in (world.directory / "metadata").iterdir()}


def at_snapshot(world, version):
    world.repository._versions[layout.SNAPSHOT] = version - 1
    world.publish()


def test_a_client_moves_from_anchor_to_anchor(world):
    world.publish()
    draw(world.repository.files)
    world.session()
    for version in (SPACING, SPACING + REACH - 1, SPACING + REACH, 1500):
        at_snapshot(world, version)
    files = world.repository.files
    for step in deltas.snapshot_steps(1, 1500):
        files[step.path] = thorough_delta(*(files[f"metadata/{n}.snapshot.json"] for n in (step.old, step.new)))
    world.fetcher.asked.clear()
    assert world.session().trusted.snapshot.version == 1500
    assert sorted(asked(world)) == ["deltas/1.1024.snapshot.dcz", "deltas/1024.1500.snapshot.dcz"]
    assert anchor(world).read_bytes() == files["metadata/1024.snapshot.json"]


def test_where_there_are_no_deltas_everything_is_fetched_whole(world, behind):
    for path in [path for path in world.repository.files if path.startswith("deltas/")]:
        del world.repository.files[path]
    assert world.session().page("flask") == Found(behind)
    assert {world.repository.newest(layout.SNAPSHOT), world.repository.bin_file("flask")} <= {*asked(world)}


def test_without_a_library_no_delta_is_asked_for(world, behind, monkeypatch):
    monkeypatch.setattr(inflate, "LIBRARIES", ())
    assert world.session().page("flask") == Found(behind)
    assert not any(path.startswith("deltas/") for path in world.fetcher.asked)


def test_who_is_far_behind_takes_the_bin_whole(world, behind):
    for serial in range(3, 3 + deltas.MOST_STEPS):
        newest = world.say("flask", serial=serial)
    draw(world.repository.files)
    assert world.session().page("flask") == Found(newest)
    assert asked(world)[-1] == world.repository.bin_file("flask")


ROLES = ("snapshot", "bin")


@pytest.fixture(params=ROLES)
def role(request, world):
    return layout.SNAPSHOT if request.param == "snapshot" else world.repository.bin_of("flask")


FAULTS = {
    "empty": lambda delta: b"",
    "noise": lambda delta: b"\x5e" * 300,
    "cut": lambda delta: delta[:-1],
    "longer": lambda delta: delta + b"x",
    "too long": lambda delta: bytes(deltas.MAX_DELTA + 1),
    "for another file": lambda delta: delta[:8] + bytes(32) + delta[40:],
    "to another file": lambda delta: delta[:48] + bytes(32) + delta[80:],
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_delta_with_a_fault_costs_the_whole_file(world, behind, role, fault):
    path = delta_of(world, role)
    world.repository.files[path] = fault(world.repository.files[path])
    assert world.session().page("flask") == Found(behind)
    assert path in asked(world) and world.repository.newest(role) in asked(world)


def spoiled(world, role, new):
    """A good delta from the file that the client has, to ``new``."""
    path = delta_of(world, role)
    version = path.split("/")[1].split(".")[0]
    world.repository.files[path] = thorough_delta(world.repository.files[f"metadata/{version}.{role}.json"], new)


FORGED = {
    "not signed": lambda data: data.replace(b'"expires":"2', b'"expires":"3'),
    "no JSON": lambda data: b"{" * len(data),
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_good_delta_to_what_does_not_verify_is_no_attack_either(world, behind, role, forge):
    """FORMAT.md, rule 4: the delta may be the only thing that is wrong."""
    spoiled(world, role, forge(world.repository.files[world.repository.newest(role)]))
    session = world.session()
    assert session.page("flask") == Found(behind)
    assert world.repository.newest(role) in asked(world)


def test_a_delta_to_another_version_of_the_same_file_is_no_attack_either(world, behind, role):
    before = f"metadata/{delta_of(world, role).split('/')[1].split('.')[0]}.{role}.json"
    spoiled(world, role, world.repository.files[before])
    assert world.session().page("flask") == Found(behind)


def test_a_bin_made_of_a_delta_that_python_tuf_takes_and_we_do_not_is_fetched_whole(world, behind):
    """Both are signed by the online key with one version, so that only the whole file tells which is served."""
    role = world.repository.bin_of("flask")
    number = int(world.repository.newest(role).split("/")[1].split(".")[0])
    body = {
        "_type": "targets",
        "expires": "2026-12-01T00:00:00Z",
        "spec_version": "1.0.31",
        "targets": {},
        "version": number,
        layout.ROLE_FIELD: "bin-f",
    }
    spoiled(world, role, signed_file(body, paper.ONLINE))
    assert world.session().page("flask") == Found(behind)
    kept = (world.directory / "metadata" / f"{role}.json").read_bytes()
    assert kept == world.repository.files[world.repository.newest(role)]


def test_where_the_whole_file_does_not_verify_either_it_is_refused(world, behind, role):
    path = world.repository.newest(role)
    forged = world.repository.files[path].replace(b'"expires":"2', b'"expires":"3')
    spoiled(world, role, forged)
    world.repository.files[path] = forged
    with pytest.raises(Refused) as caught:
        world.session().page("flask")
    assert caught.value.code == "invalid"


def test_once_something_did_not_verify_a_session_asks_for_no_delta_again(world, behind):
    newest = world.repository.files[world.repository.newest(layout.SNAPSHOT)]
    spoiled(world, layout.SNAPSHOT, newest[:-1])
    session = world.session()
    world.fetcher.asked.clear()
    session.page("flask")
    assert not any(path.startswith("deltas/") for path in world.fetcher.asked)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-7], lambda data: data.replace(b"bin", b"bun"), lambda data: b""]
)
def test_an_anchor_that_somebody_changed_costs_a_download_once(world, behind, damage):
    good = anchor(world).read_bytes()
    anchor(world).write_bytes(damage(good))
    assert world.session().page("flask") == Found(behind)
    world.publish()
    draw(world.repository.files)
    world.session()
    assert anchor(world).read_bytes() == good


def test_an_anchor_from_which_no_way_leads_is_passed_over_for_the_way_from_nothing(world, behind):
    anchor(world).write_bytes(b"of another time")
    assert world.session().page("flask") == Found(behind)
    assert {"deltas/0.1.snapshot.dcz", "deltas/1.3.snapshot.dcz"} <= {*asked(world)}
    assert world.repository.newest(layout.SNAPSHOT) not in asked(world)


def test_a_kept_bin_that_somebody_changed_costs_a_download(world, behind):
    kept = world.directory / "metadata" / f"{world.repository.bin_of('flask')}.json"
    kept.write_bytes(kept.read_bytes().replace(b'"expires":"2', b'"expires":"3'))
    assert world.session().page("flask") == Found(behind)


def test_an_anchor_is_kept_only_when_its_snapshot_is_trusted(world):
    world.say("flask")
    world.publish()
    draw(world.repository.files)
    world.repository.files[world.repository.newest("targets")] = b"{}"
    with pytest.raises(Refused):
        world.session()
    assert not anchor(world).exists()


def test_the_deltas_of_one_file_are_fetched_together(world, behind):
    world.say("flask", serial=3)
    newest = world.say("flask", serial=4)
    draw(world.repository.files)
    role, together = world.repository.bin_of("flask"), threading.Barrier(3, timeout=20)

    class Waiting(PaperFetcher):
        def _fetch(self, url):
            if url.endswith(f".{role}.dcz"):
                together.wait()
            return super()._fetch(url)

    world.fetcher = Waiting(world.repository.files)
    assert world.session().page("flask") == Found(newest)
    assert not together.broken


def test_a_delta_is_read_no_further_than_the_file_itself(world, behind, role):
    limits = {}

    class Measuring(PaperFetcher):
        def download_bytes(self, url, max_length):
            limits[url.removeprefix("http://registry.test/")] = max_length
            return super().download_bytes(url, max_length)

    world.fetcher = Measuring(world.repository.files)
    world.session().page("flask")
    signed = len(world.repository.files[world.repository.newest(layout.SNAPSHOT)])
    assert limits[delta_of(world, role)] == (signed if role == layout.SNAPSHOT else deltas.MAX_DELTA)


def test_a_path_that_is_no_snapshot_and_no_bin_is_never_made_of_deltas(world, behind):
    world.repository.ceremony(world.now)
    world.publish()
    draw(world.repository.files)
    world.session()
    assert {path for path in world.fetcher.asked if path.startswith("deltas/")} == {"deltas/1.4.snapshot.dcz"}
    assert world.repository.newest("targets") in world.fetcher.asked


@pytest.mark.parametrize("library", inflate.LIBRARIES)
def test_each_library_reads_the_same(library):
    """tests/keys/test_deltas.py holds every one of them to what must be refused."""
    if (by := inflate.by(library)) is None:
        pytest.skip(
            f"{library} is not here: the standard library has its own from Python 3.14 on, backports until then"
        )
    old, new = b"what was there before, in many words" * 9, b"what was there before, in more words" * 9
    delta = thorough_delta(old, new)
    assert deltas.rebuild(delta, old, len(new), by) == new


def test_a_library_that_is_not_installed_is_none():
    assert inflate.by("no.such.library") is None
