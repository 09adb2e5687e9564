"""A whole repository whose releases are cosigned, by witnesses that come and go."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ceremony.plan import Log
from client_verify import cli as client
from keys.tlog import notes, proofs
from repo_service.publishing.publish import Release
from tests.servers import free_port
from tests.witness.grounds import NumberedLog, ml_dsa_key, served, witness_at, witness_key
from tests.world import BEGIN, LOG_NAME, World, log_key, publishing

KEYS = (witness_key(1), ml_dsa_key(2), witness_key(3))


class Witnessed(World):
    """A world with witnesses on fixed ports, the first two of which work; the third nobody ever saw."""

    def __init__(self, folder: Path) -> None:
        self.clock = [int(BEGIN.timestamp())]
        self.ports = [free_port() for _ in KEYS]
        self.running = ExitStack()
        (folder / "home").mkdir(parents=True)
        self.begin(folder / "home", 0, 1)
        names = ["one", "two", "three"]
        lines = [
            f"witness {name} {key.key} http://127.0.0.1:{port}"
            for name, key, port in zip(names, KEYS, self.ports, strict=True)
        ]
        policy = folder / "witnesses.policy"
        policy.write_text("\n".join([*lines, "group all 2 one two three", "quorum all", ""]))
        log = Log((str(log_key().key),), tuple(str(key.key) for key in KEYS), 2)
        super().__init__(folder, f'witnesses = "{policy}"\nwitness_s = 1.0\n', log=log)

    def begin(self, home: Path, *which: int) -> None:
        """Let witnesses work from now on."""
        for number in which:
            (home / str(number)).mkdir(exist_ok=True)
            at = witness_at(home / str(number), [log_key().key], KEYS[number], clock=self.clock)
            self.running.enter_context(served(self.running.enter_context(at), port=self.ports[number]))

    def end(self) -> None:
        """Stop them all."""
        self.running.close()

    def tick(self, **duration: float) -> None:
        super().tick(**duration)
        self.clock[0] = int(self.now.timestamp())

    def checked(self, release: Release | None) -> set[str]:
        """Whose cosignatures the public checkpoint and the proof of the newest release have, which are the same."""
        assert release is not None
        root = self.trust.root
        policy = proofs.policy_of(root)
        assert policy is not None
        head = proofs.check_head(notes.read_note((self.public / "log/checkpoint").read_bytes()), policy)
        (proof, *_) = sorted((self.public / "log/proofs").iterdir(), key=lambda path: -int(path.name.partition(".")[0]))
        logged = proofs.check(proofs.read(proof.read_bytes()), policy)
        assert logged.head.cosigned == head.cosigned
        return {key.name for key in head.cosigned}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Witnessed]:
    made = Witnessed(tmp_path)
    yield made
    made.end()


def test_a_release_is_public_with_the_cosignatures_of_a_quorum(world: Witnessed) -> None:
    both = {KEYS[0].key.name, KEYS[1].key.name}
    for number in range(3):
        world.tick(minutes=1)
        assert world.checked(world.do(publishing(f"sampleproject-{number}"))) == both


def test_a_release_goes_on_without_witnesses_and_the_next_one_that_they_see_heals_it(world: Witnessed) -> None:
    world.end()
    world.tick(minutes=1)
    begun = time.monotonic()
    assert world.checked(world.do(publishing("sampleproject"))) == set()
    assert time.monotonic() - begun < 5
    world.begin(world.folder / "home", 0, 1, 2)
    world.reopen()
    world.tick(minutes=1)
    assert len(world.checked(world.do(publishing("another")))) >= 2


def test_after_an_outage_a_timestamp_alone_has_the_quorum_ten_minutes_later(world: Witnessed) -> None:
    world.end()
    world.tick(minutes=1)
    assert world.checked(world.do(publishing("sampleproject"))) == set()
    world.begin(world.folder / "home", 0, 1, 2)
    world.reopen()
    world.tick(minutes=9)
    assert world.service.round() is None, "it is not asked at every look"
    world.tick(minutes=1)
    release = world.service.round()
    assert release is not None and [role.name for role in release.roles] == ["timestamp"]
    assert len(world.checked(release)) >= 2
    world.tick(minutes=11)
    assert world.service.round() is None, "nothing is lacking"


def test_a_witness_that_does_not_count_does_not_end_the_asking(world: Witnessed) -> None:
    world.end()
    policy = world.folder / "witnesses.policy"
    policy.write_text(policy.read_text().replace("group all 2 one two three", "group all 1 one two"))
    world.begin(world.folder / "home", 2)
    world.reopen()
    world.tick(minutes=1)
    assert world.checked(world.do(publishing("sampleproject"))) == {KEYS[2].key.name}
    for _ in range(2):
        world.tick(minutes=10)
        assert world.service.round() is not None


def test_what_a_witness_kept_is_proved_by_the_command_of_a_client(
    world: Witnessed, capsys: pytest.CaptureFixture[str]
) -> None:
    """It knows the root of the registry, and believes nothing else."""
    honest, other = NumberedLog(LOG_NAME), NumberedLog(LOG_NAME, branch=3)
    honest.signer = other.signer = log_key()
    folder, root = world.folder / "another", world.folder / "1.root.json"
    folder.mkdir()
    root.write_bytes(world.trust.roots[0].data)
    with witness_at(folder, [log_key().key], KEYS[0]) as witness:
        witness.add_checkpoint(honest.question(0, 5))
        witness.add_checkpoint(other.question(5, 5))
        ((path, _),) = witness.store.evidence()
    assert client.main(["evidence", "check", str(path), "--root", str(root)]) == 0
    assert capsys.readouterr().out == f"it is proved: the log {LOG_NAME} signed two different heads of one size\n"
