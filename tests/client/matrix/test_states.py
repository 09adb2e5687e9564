"""Every state in the hands of every installer: exit code, what is installed, and what the person reads."""

import re
import shutil
from datetime import UTC, datetime

import pytest

from client_verify.refusals import KINDS
from keys.encoding import sha256
from tests import paper
from tests.client.matrix import golden
from tests.client.matrix.stage import PUBLISHED, Outcome, told
from tests.client.matrix.states import INSTALLS, LOCKED, REFUSES, become, begin, enact, patched, wheels
from tests.installers import INSTALLERS
from tests.servers import free_port


def run(stage, terminal, project, *options):
    """Somebody types ``tallystick run OPTION... -- INSTALLER …``."""
    with stage.as_person(project):
        code = terminal("run", *options, "--", *project.command)
    return Outcome(code, tuple(project.installed()), said(told(terminal.err)))


def said(text):
    """In an order that does not depend on which of an installer's threads came first, and without today's date."""
    texts = re.split(r"^(?=tallystick: )", f"{text.strip()}\n", flags=re.MULTILINE)
    return "".join(sorted(texts)).replace(datetime.now(UTC).date().isoformat(), "TODAY")


def wanted(rows):
    return [f"{name}{row.wanted}" for name, row in rows.items()]


@pytest.mark.parametrize("installer", INSTALLERS)
def test_what_may_be_installed_is_installed_with_what_a_person_should_know(stage, terminal, installer):
    enact(stage, INSTALLS)
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


@pytest.mark.parametrize("installer", INSTALLERS)
def test_what_is_published_while_an_installer_runs_is_asked_for_again_and_installed(stage, terminal, installer):
    """The session has its snapshot when a name and a version are published that it does not know."""
    old, new = "newversion", "newname"
    one, two, three = (paper.release(PUBLISHED, f"{n}.0", paper.wheel(old, f"{n}.0")) for n in (1, 2, 3))
    for each in (*wheels(old), *wheels(new)):
        stage.repository.add_file(each.filename.partition("-")[0], each.filename, each.data, each.metadata)
    stage.repository.say(paper.project(PUBLISHED, old, one, two))
    stage.repository.publish(stage.now)

    def publish(path):
        if path.endswith(".snapshot.json"):
            stage.mirror.before = lambda _: None
            stage.repository.say(paper.project(PUBLISHED, old, one, two, three, serial=2))
            stage.repository.say(paper.project(PUBLISHED, new, paper.release(PUBLISHED, "1.0", wheels(new)[0])))
            stage.repository.publish(stage.now)

    stage.mirror.before = publish
    project = INSTALLERS[installer].project(stage.folder / "project", new, f"{old}==3.0")
    assert run(stage, terminal, project) == Outcome(0, (f"{new}-1.0", f"{old}-3.0"), "\n"), stage.printed


def hashed(name):
    digests = sorted(sha256(each.data) for each in (wheels(name)[0], patched(name)))
    return f"{name}==1.0 {' '.join(f'--hash=sha256:{each}' for each in digests)}\n"


FROM_LOCK = {
    "pip": lambda name: ("install", "--prefix", ".venv", "--require-hashes", "-r", f"{name}.txt"),
    "uv": lambda name: ("pip", "install", "--require-hashes", "-r", f"{name}.txt"),
    "uv sync": lambda name: ("sync", "--frozen", "--only-group", name),
    "poetry": lambda name: ("install", "--no-interaction", "--only", name),
    "pdm": lambda name: ("sync", "--no-default", "-G", name),
}
LOCKING = {
    "pip": ("install", "--prefix", ".venv", *(word for name in LOCKED for word in ("-r", f"{name}.txt"))),
    "uv": ("pip", "install", *(word for name in LOCKED for word in ("-r", f"{name}.txt"))),
    "uv sync": ("sync", "--all-groups"),
    "poetry": ("install", "--no-interaction"),
    "pdm": ("install",),
}


@pytest.mark.parametrize("installer", INSTALLERS)
def test_a_lock_of_better_days_brings_back_nothing_and_warm_caches_do_not_either(stage, terminal, installer):
    stage.environment["TALLYSTICK_PORT"] = str(free_port())  # it is recorded, and must be ours again
    begin(stage, LOCKED)
    project = INSTALLERS[installer].project(stage.folder / "project")
    groups = "".join(f'{name} = ["{name}==1.0"]\n' for name in LOCKED)
    with (project.folder / "pyproject.toml").open("a") as file:
        file.write(f"[dependency-groups]\n{groups}")
    for name in LOCKED:
        (project.folder / f"{name}.txt").write_text(hashed(name))
    outcome = run(stage, terminal, project.again(*LOCKING[installer]))
    assert outcome == Outcome(0, tuple(sorted(f"{name}-1.0" for name in LOCKED)), outcome.told), stage.printed
    become(stage, LOCKED)
    wrong = []
    for name, row in LOCKED.items():
        shutil.rmtree(project.folder / ".venv")
        outcome = run(stage, terminal, project.again(*FROM_LOCK[installer](name)))
        golden.check(f"locked-state-{name}", installer, outcome)
        expected = (0, (f"{name}-1.0",)) if row.code is None else (KINDS[row.code].exit, ())
        if (outcome.code, outcome.installed) != expected:
            wrong.append((name, outcome, stage.printed))
    assert not wrong
