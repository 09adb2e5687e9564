"""Every state in the hands of every installer: exit code, what is installed, and what the person reads."""

import shutil
from datetime import UTC, datetime

import pytest

from client_verify.refusals import KINDS
from tests import paper
from tests.client.matrix import golden
from tests.client.matrix.stage import PUBLISHED, Outcome, told
from tests.client.matrix.states import INSTALLS, REFUSES, enact
from tests.installers import INSTALLERS


def run(stage, terminal, project, *options):
    """Somebody types ``tallystick run OPTION... -- INSTALLER …``."""
    with stage.as_person(project):
        code = terminal("run", *options, "--", *project.command)
    today = datetime.now(UTC).date().isoformat()
    return Outcome(code, tuple(project.installed()), told(terminal.err).replace(today, "TODAY"))


def wanted(rows):
    return [f"{name}{row.wanted}" for name, row in rows.items()]


@pytest.mark.parametrize("installer", INSTALLERS)
def test_what_may_be_installed_is_installed_with_what_a_person_should_know(stage, terminal, installer):
    enact(stage, INSTALLS)
    for each in (paper.wheel("newholderaccepted", "3.0"),):
        stage.repository.add_file("newholderaccepted", each.filename, each.data, each.metadata)
    project = INSTALLERS[installer].project(stage.folder / "project", *wanted(INSTALLS))
    options = [word for name, row in INSTALLS.items() for option in row.options for word in (option, name)]
    outcome = run(stage, terminal, project, *options)
    there = tuple(sorted(f"{name}-{row.installs}" for name, row in INSTALLS.items()))
    assert (outcome.code, outcome.installed) == (0, there), stage.printed
    golden.check("states-that-install", installer, outcome)


@pytest.mark.parametrize("name", REFUSES)
@pytest.mark.parametrize("installer", INSTALLERS)
def test_what_may_not_be_installed_is_refused_with_the_reason(stage, terminal, installer, name):
    row = REFUSES[name]
    enact(stage, {name: row})
    project = INSTALLERS[installer].project(stage.folder / "project", f"{name}{row.wanted}")
    outcome = run(stage, terminal, project)
    assert (outcome.code, outcome.installed) == (KINDS[row.code].exit, ()), stage.printed
    golden.check(f"state-{name}", installer, outcome)
