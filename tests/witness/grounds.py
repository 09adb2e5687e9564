"""A log of numbered leaves in memory that says whatever a test wants, and a witness behind a real door."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from keys.tlog import merkle, notes
from keys.tlog.notes import Checkpoint, HeldNoteKey, HeldWitnessKey, Note, VerifierKey
from repo_service.witness.deciding import Log
from repo_service.witness.serving import Door, Witness
from repo_service.witness.store import Store
from tests import loopback

ROOT: Final = Path(__file__).parents[2]
ENTRY: Final = (sys.executable, "-c", "from repo_service.entry import main; raise SystemExit(main())")
HTTP: Final = urllib3.PoolManager(retries=False, timeout=20, headers={"Connection": "close"})
NOW: Final = 1_800_000_000


def ed25519(number: int) -> Ed25519PrivateKey:
    """Always the same key for a number."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def witness_key(number: int = 1, name: str = "") -> HeldWitnessKey:
    return HeldWitnessKey(name or f"witness.example/w{number}", ed25519(100 + number))


def ml_dsa_key(number: int = 1) -> HeldWitnessKey:
    return HeldWitnessKey(f"witness.example/w{number}", MLDSA44PrivateKey.from_seed_bytes(bytes([number]) * 32))


@dataclass
class NumberedLog:
    """A log that signs any of its sizes, also twice. ``branch`` says from which leaf on it is another tree."""

    origin: str = "log.example/one"
    number: int = 1
    branch: int | None = None
    hashes: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.signer = HeldNoteKey(self.origin, ed25519(self.number))

    @property
    def key(self) -> VerifierKey:
        return self.signer.key

    def nodes(self, height: int, number: int) -> bytes:
        first = number << height
        return merkle.root_of([self._leaf(each) for each in range(first, first + (1 << height))])

    def _leaf(self, index: int) -> bytes:
        other = self.branch is not None and index >= self.branch
        return merkle.leaf_hash(f"{self.origin} {index} {self.branch if other else ''}".encode())

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, merkle.root_at(self.nodes, size))

    def note(self, size: int) -> Note:
        return notes.signed(self.checkpoint(size), [self.signer])

    def question(self, old: int, size: int) -> bytes:
        """An honest one, if ``old`` is what was cosigned."""
        return question(old, merkle.consistency(self.nodes, old, size) if old <= size else [], self.note(size))


def question(old: int | str, proof: Sequence[bytes], note: Note | str) -> bytes:
    hashes = "".join(f"{notes.encoded(each)}\n" for each in proof)
    return f"old {old}\n{hashes}\n{note}".encode()


@contextmanager
def witness_at(
    folder: Path, logs: Sequence[VerifierKey], *keys: HeldWitnessKey, clock: list[int] | None = None
) -> Iterator[Witness]:
    """A witness with its memory, begun if there is none."""
    fresh = not (folder / "witness.sqlite").exists()
    with closing(Store.create(folder) if fresh else Store(folder)) as store:
        if fresh:
            for key in keys:
                store.adopt(key.key)
            for log in logs:
                know(store, log)
        store.check_own(key.key for key in keys)
        yield Witness(keys, store, lambda: clock[0] if clock else NOW)


def know(store: Store, key: VerifierKey) -> None:
    store.put(key.name, lambda _: Log((key,)))


@contextmanager
def served(witness: Witness, request_s: float = 30, port: int = 0) -> Iterator[str]:
    """The address of a witness's door."""
    with loopback.serving(Door(witness, "127.0.0.1", port, request_s)) as found:
        yield f"http://127.0.0.1:{found}"


def post(url: str, body: bytes) -> tuple[int, str, str]:
    """Status, type and content of the answer to a question."""
    answer = HTTP.request("POST", f"{url}/add-checkpoint", body=body)
    return answer.status, answer.headers["Content-Type"], answer.data.decode()


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``tallystick-service witness`` in a process of its own."""
    return subprocess.run(
        [*ENTRY, "witness", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, env=os.environ
    )


@contextmanager
def process(folder: Path, *kill: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A witness that runs in a process, which may die at a moment (tests/witness/process.py), and its address."""
    run = [*ENTRY, "witness"] if not kill else [sys.executable, "-m", "tests.witness.process", *kill]
    asked = [*run, "run", str(folder), "--listen", "127.0.0.1:0", "--log", "quiet"]
    with loopback.process(asked, cwd=ROOT) as (url, running):
        yield running, url
