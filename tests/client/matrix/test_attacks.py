"""Every attack against every installer: the exit code, that nothing wrong was installed, and what the person reads."""

import pexpect
import pytest

from client_verify.refusals import KINDS
from tests.client.matrix import golden
from tests.client.matrix.attacks import ATTACKS
from tests.client.matrix.stage import Outcome, told
from tests.installers import INSTALLERS


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("installer", INSTALLERS)
def test_an_attack_is_refused_in_the_hands_of_every_installer(stage, attack, installer):
    row = ATTACKS[attack]
    row.strike(stage)
    outcome = stage.run(installer)
    assert (outcome.code, outcome.installed) == (KINDS[row.code].exit, row.installed.get(installer, ())), stage.printed
    golden.check(attack, installer, outcome)


@pytest.mark.parametrize("attack", ["rollback", "freeze", "mix-and-match"])
def test_a_terminal_of_80_columns_shows_what_is_golden(stage, attack):
    ATTACKS[attack].strike(stage)
    project = stage.project("pip")
    command, *words = stage.command(project)
    environment = stage.process_environment(project)
    del environment["COLUMNS"]
    terminal = pexpect.spawn(
        command, words, cwd=project.folder, env=environment, dimensions=(24, 80), encoding="utf-8", timeout=60
    )
    terminal.expect(pexpect.EOF)
    printed = terminal.before.replace("\r\n", "\n")
    assert max(map(len, printed.splitlines())) <= 80
    golden.check(attack, "pip", Outcome(terminal.wait(), (), told(printed)))
