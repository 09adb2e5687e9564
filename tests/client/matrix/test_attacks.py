"""Every attack against every installer: the exit code, that nothing wrong was installed, and what the person reads."""

import pytest

from client_verify.refusals import KINDS
from tests.client.matrix import golden
from tests.client.matrix.attacks import ATTACKS
from tests.installers import INSTALLERS


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("installer", INSTALLERS)
def test_an_attack_is_refused_in_the_hands_of_every_installer(stage, attack, installer):
    row = ATTACKS[attack]
    row.strike(stage)
    outcome = stage.run(installer)
    assert (outcome.code, outcome.installed) == (KINDS[row.code].exit, row.installed.get(installer, ())), stage.printed
    golden.check(attack, installer, outcome)
