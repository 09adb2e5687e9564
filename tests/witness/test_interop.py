"""Another implementation of the protocol, both ways: aics-witness, which lives apart."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keys.tlog import merkle, notes
from keys.tlog.notes import Note
from repo_service.publishing.witnessing import Panel, Witness, Witnesses
from tests.servers import free_port, missing
from tests.witness.grounds import NOW, NumberedLog, post, served, witness_at, witness_key
from tests.witness.test_asking import Seen, who

LOG = NumberedLog()
FORK = NumberedLog(branch=3)


def now() -> datetime:
    return datetime.now(UTC)


APART = Path(sys.prefix, "tools", "aics")
COMMAND = [sys.executable, "-c", "from aics_witness.cli import main; raise SystemExit(main())"]


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children find it, and nobody else."""
    if not (APART / "aics_witness").is_dir():
        missing("aics-witness", "aics-witness (make brings it)")
    monkeypatch.setenv("PYTHONPATH", str(APART))


def aics(*arguments: str, folder: Path) -> str:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout


@contextmanager
def aics_witness(folder: Path) -> Iterator[Witness]:
    """One that knows the log."""
    listen = f"127.0.0.1:{free_port()}"
    vkey = aics("init", "--name", "aics.example/w", "--listen", listen, folder=folder).strip()
    aics("add-log", "--origin", LOG.origin, "--vkey", str(LOG.key), folder=folder)
    with subprocess.Popen([*COMMAND, "serve"], cwd=folder, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stderr is not None
            while "listening" not in (line := running.stderr.readline()) and listen not in line:
                assert line, "it did not begin"
            yield Witness(f"http://{listen}", notes.read_key(vkey))
        finally:
            running.kill()


def test_aics_witness_cosigns_for_us_and_its_refusals_are_understood(tmp_path: Path) -> None:
    with aics_witness(tmp_path) as witness:
        seen = Seen()
        witnesses = Witnesses(Panel((witness,)), now, metrics=seen, deadline_s=20)
        for size in (1, 5, 5, 8, 300):
            assert who(witnesses, size) == {witness.key.name}
        for size, log, fault in ((200, LOG, "ahead"), (300, FORK, "fork"), (400, FORK, "fork")):
            again = Witnesses(Panel((witness,)), now, metrics=seen, deadline_s=20)
            assert who(again, size, log) == set()
            assert seen.failed[-1] == (witness.key.name, fault)
        assert len(json.loads(aics("evidence", folder=tmp_path))) >= 2


FEED = """
import json, sys
from aics_witness.feeder import WitnessClient, FeederError
told = json.load(sys.stdin)
for asked in told["asked"]:
    client = WitnessClient(told["url"], told["vkey"], max_attempts=1, clock=lambda: told["now"])
    proofs = {int(old): [bytes.fromhex(each) for each in proof] for old, proof in asked["proofs"].items()}
    try:
        print(json.dumps(client.submit(asked["note"], lambda old, new: proofs[old])))
    except FeederError as error:
        print(json.dumps(type(error).__name__))
"""


def proofs(log: NumberedLog, size: int) -> dict[int, list[str]]:
    """From every size that is asked for."""
    return {
        old: [each.hex() for each in merkle.consistency(log.nodes, old, size)] for old in (1, 5, 9, 300) if old <= size
    }


def test_our_witness_cosigns_for_the_client_of_aics_witness(tmp_path: Path) -> None:
    key = witness_key()
    with witness_at(tmp_path, [LOG.key], key) as witness, served(witness) as url:
        steps = [(1, LOG), (5, LOG), (9, LOG), (300, LOG), (200, LOG), (300, FORK), (400, FORK), (400, LOG)]
        asked = [{"note": str(log.note(size)), "proofs": proofs(log, size)} for size, log in steps]
        told = json.dumps({"url": url, "vkey": str(key.key), "now": NOW, "asked": asked})
        done = subprocess.run([sys.executable, "-c", FEED], input=told, capture_output=True, text=True, timeout=60)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(said) == len(steps), done.stderr
        for (size, _), lines in [*zip(steps[:4], said[:4], strict=True), (steps[-1], said[-1])]:
            note = Note(LOG.note(size).text, tuple(map(notes.read_signature, lines.splitlines())))
            assert notes.cosigned_at(note, [key.key]) == {key.key: NOW}
        assert said[4:7] == ["WitnessAhead", "WitnessRejected", "WitnessRejected"]
        assert len(witness.store.evidence()) == 2
        assert post(url, LOG.question(400, 400))[0] == 200
