"""Whoever has the registry's keys and one victim, in the hands of pip and uv, by what the victim asks of the log.

tallyflask 2.0 fixes 1.0. The thief shows the victim alone that 2.0 is yanked; the victim wants the newest.
"""

import json
import re
from dataclasses import dataclass

import pytest

from client_verify.refusals import KINDS
from client_verify.trust import LogTrust
from keys.signing import signed_file
from tests import paper
from tests.client.matrix import golden
from tests.client.matrix.stage import ONE, PUBLISHED, TWO, Outcome, Stage
from tests.paper_log import PaperLog

NEWEST, OLD, NOTHING = ("tallyflask-2.0",), ("tallyflask-1.0",), ()
FOOLED, WORKS = (0, OLD), (0, NEWEST)
_TOLD = re.compile(r"^tallystick: .*\n(?:  .*\n)*", re.MULTILINE)


@dataclass
class Scene:
    """A stage whose repository has a log."""

    stage: Stage
    log: PaperLog

    def publish(self, *releases, serial=2):
        """A release that is in the log."""
        self.stage.say(*releases, serial=serial)
        self.log.append(self.stage.repository, self.stage.now)


@pytest.fixture
def scene(stage):
    log = PaperLog()
    stage.begin(forge=log.forge)
    log.append(stage.repository, stage.now)
    return Scene(stage, log)


def yanked():
    return paper.release(PUBLISHED, "1.0", ONE), paper.yanked(
        PUBLISHED, paper.release(PUBLISHED, "2.0", TWO), "looks broken"
    )


def online_key(scene):
    """A release that is signed and in no log."""
    scene.stage.say(*yanked(), serial=2)


def forged_bin(scene):
    """The logged snapshot, and one bin of its version that is another."""
    repository = scene.stage.repository
    path = repository.bin_file("tallyflask")
    said = paper.project(PUBLISHED, "tallyflask", *yanked(), serial=2)
    body = json.loads(repository.files[path])["signed"]
    page = paper.page.render(said)
    repository._store_page(said)
    body["targets"][paper.names.page_path("tallyflask")] = paper.page.target_entry(page)
    repository.files[path] = signed_file(body, paper.ONLINE)


def log_key_too(scene):
    """A log of the thief's own, which no witness signs."""
    scene.log = scene.log.fork(b'{"kind":"event"}')
    scene.log.away = {1, 2, 3}
    scene.publish(*yanked())


def log_key_and_memory(scene):
    """The same, and this machine has seen the honest log."""
    scene.publish(*scene.stage.releases)
    scene.stage.verify()
    scene.log.leaves = scene.log.leaves[:1]
    scene.log.away = {1, 2, 3}
    scene.publish(*yanked(), serial=3)


def old_proof(scene):
    """A release that is in no log, with the proof of the one before in the place of its own."""
    files = scene.stage.repository.files
    scene.stage.say(*yanked(), serial=2)
    files["log/proofs/2.tlog-proof"] = files["log/proofs/1.tlog-proof"]


def outage(scene):
    """No thief: the witnesses are away."""
    scene.log.away = {1, 2}
    scene.publish(*scene.stage.releases)


CASES = {
    ("split-view", "off"): (online_key, FOOLED),
    ("split-view", "warn"): (online_key, FOOLED),
    ("split-view", "require"): (online_key, "not-logged"),
    ("split-view-old-proof", "require"): (old_proof, "not-logged"),
    ("forged-bin", "off"): (forged_bin, FOOLED),
    ("forged-bin", "warn"): (forged_bin, "contradiction"),
    ("forged-bin", "require"): (forged_bin, "contradiction"),
    ("forked-log", "warn"): (log_key_too, FOOLED),
    ("forked-log", "require"): (log_key_too, "log-unwitnessed"),
    ("forked-log-seen-before", "warn"): (log_key_and_memory, "contradiction"),
    ("witness-outage", "off"): (outage, WORKS),
    ("witness-outage", "warn"): (outage, WORKS),
    ("witness-outage", "require"): (outage, "log-unwitnessed"),
}


@pytest.mark.parametrize(("name", "mode"), CASES)
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_what_comes_of_a_split_view_and_what_the_victim_reads(scene, installer, name, mode):
    strike, expected = CASES[name, mode]
    scene.stage.log_trust = LogTrust(mode)
    strike(scene)
    outcome = scene.stage.run(installer, scene.stage.project(installer, "tallyflask"))
    code, installed = (KINDS[expected].exit, NOTHING) if isinstance(expected, str) else expected
    assert (outcome.code, outcome.installed) == (code, installed), scene.stage.printed
    said = "".join(_TOLD.findall(f"{outcome.told}\n"))
    golden.check(f"{name}-{mode}", installer, Outcome(outcome.code, outcome.installed, said))
