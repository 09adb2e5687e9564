"""Every attack and accident as one row: what is done, and what must come of it whatever the installer.

The machine has verified the repository before, where that matters. ``code`` is the refusal (client_verify.refusals);
what is read at the terminal is in ``golden``, one file for each attack.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from client_verify.refusals import Code
from keys import layout
from keys.encoding import sha256
from keys.state import Takedown
from tests import paper
from tests.client.matrix import mirror
from tests.client.matrix.stage import EVIL, ONE, PUBLISHED, Stage

FALL_BACK: Final = {"poetry": ("tallyflask-1.0",), "pdm": ("tallyflask-1.0",)}
"""These take a refused .metadata for one that is missing, and read the verified wheel instead."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A row; ``installed`` is what is there afterwards where it is not nothing."""

    strike: Callable[[Stage], None]
    code: Code
    installed: dict[str, tuple[str, ...]] = field(default_factory=dict)


# By who controls the way to the repository, and has no key.


def _rollback(stage: Stage) -> None:
    old = dict(stage.repository.files)
    stage.say(*stage.releases, serial=2)
    stage.verify()
    stage.repository.files.update(old)


def _freeze(stage: Stage) -> None:
    stage.begin(stage.now - timedelta(days=2))


def _mix_and_match(stage: Stage) -> None:
    files = stage.repository.files
    old = files[stage.repository.newest(layout.SNAPSHOT)]
    stage.say(*stage.releases, serial=2)
    while len(files[stage.repository.newest(layout.SNAPSHOT)]) != len(old):  # a signature has one of three lengths
        stage.repository.publish(stage.now)
    files[stage.repository.newest(layout.SNAPSHOT)] = old


def _bin_swap(stage: Stage) -> None:
    own = stage.repository.bin_of("tallyflask")
    other = next(role for role in stage.repository.bins.roles() if role != own)
    stage.repository.files[stage.repository.newest(own)] = stage.repository.files[stage.repository.newest(other)]


def _changed_metadata(stage: Stage) -> None:
    path = stage.repository.newest(layout.TIMESTAMP)
    stage.repository.files[path] = stage.repository.files[path].replace(b'"expires":"2', b'"expires":"3')


def _changed_page(stage: Stage) -> None:
    path = stage.repository.page_file("tallyflask")
    stage.repository.files[path] = stage.repository.files[path].replace(b"tallyflask", b"tallyflusk")


def _changed_file(stage: Stage) -> None:
    stage.repository.files[_path(stage, ONE)] = EVIL.data


def _changed_core_metadata(stage: Stage) -> None:
    assert ONE.metadata is not None
    stage.repository.files[f"{_path(stage, ONE)}.metadata"] = ONE.metadata + b"Requires-Dist: malware\n"


def _trick(ending: str, trick: mirror.Misbehave) -> Callable[[Stage], None]:
    def strike(stage: Stage) -> None:
        stage.mirror.tricks[ending] = trick

    return strike


def _slow(ending: str) -> Callable[[Stage], None]:
    def strike(stage: Stage) -> None:
        stage.mirror.tricks[ending] = mirror.drop_by_drop
        stage.patience = 2

    return strike


def _page_trick(trick: mirror.Misbehave) -> Callable[[Stage], None]:
    return lambda stage: _trick(stage.repository.page_file("tallyflask"), trick)(stage)


def _down(stage: Stage) -> None:
    """Nobody listens there. The pin is made when the person begins."""
    stage.mirror.url = "http://127.0.0.1:1"


# By who has stolen the online key, or signs with it what must not be.


def _split_view(stage: Stage) -> None:
    """This victim alone is shown that 2.0 was never published."""
    stage.verify()
    stage.say(stage.releases[0], serial=2)


def _resurrected(stage: Stage) -> None:
    stage.say(paper.removed(PUBLISHED, stage.releases[0], "it steals tokens"), stage.releases[1], serial=2)
    stage.verify()
    stage.say(paper.release(PUBLISHED, "1.0", EVIL), stage.releases[1], serial=3)


# What the registry itself forbids.


def _quarantine(stage: Stage) -> None:
    stage.say(*stage.releases, serial=2, quarantine=stage.mark("it may steal tokens"))


def _placeholder(stage: Stage) -> None:
    gone = [paper.removed(PUBLISHED, each, "the whole project was a trap") for each in stage.releases]
    stage.say(*gone, serial=2, state="placeholder", since=stage.mark("the whole project was a trap"))


def _takedown(stage: Stage) -> None:
    removed = paper.removed(PUBLISHED, stage.releases[0], "it steals tokens")
    listed = stage.mark("it steals tokens")
    entry = Takedown(
        "tallyflask/1/1", "malware", "confirmed", ("1.0",), (sha256(ONE.data),), listed, listed, ("MAL-2026-7",)
    )
    stage.say(removed, stage.releases[1], serial=2, takedowns=(entry,))


def _path(stage: Stage, artifact: paper.Artifact) -> str:
    (path,) = (each for each in stage.repository.files if each.endswith(f"{sha256(artifact.data)}.{artifact.filename}"))
    return path


ATTACKS: Final = {
    "rollback": Attack(_rollback, "rollback"),
    "freeze": Attack(_freeze, "expired"),
    "mix-and-match": Attack(_mix_and_match, "invalid"),
    "bin-swap": Attack(_bin_swap, "swapped"),
    "changed-metadata": Attack(_changed_metadata, "invalid"),
    "changed-page": Attack(_changed_page, "mismatch"),
    "changed-file": Attack(_changed_file, "mismatch"),
    "changed-core-metadata": Attack(_changed_core_metadata, "mismatch", FALL_BACK),
    "endless-timestamp": Attack(_trick("timestamp.json", mirror.without_end), "invalid"),
    "endless-page": Attack(_page_trick(mirror.without_end), "mismatch"),
    "endless-file": Attack(_trick(ONE.filename, mirror.without_end), "mismatch"),
    "slow-timestamp": Attack(_slow("timestamp.json"), "unreachable"),
    "slow-file": Attack(_slow(ONE.filename), "unreachable"),
    "missing-file": Attack(_trick(ONE.filename, mirror.missing), "unreachable"),
    "upstream-down": Attack(_down, "unreachable"),
    "split-view": Attack(_split_view, "contradiction"),
    "resurrected": Attack(_resurrected, "contradiction"),
    "quarantine": Attack(_quarantine, "quarantined"),
    "placeholder": Attack(_placeholder, "placeholder"),
    "takedown": Attack(_takedown, "taken-down"),
}
