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
from tests.client.matrix.states import INSTALLS, LOCKED, REFUSES, SOME_LOCKED, become, begin, enact, patched, wheels
from tests.installers import INSTALLERS


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


AMONG_ATTACKS = {"quarantinedproject", "placeholder", "takendown"}
"""What test_attacks has in the hands of every installer already."""


@pytest.mark.parametrize("installer", INSTALLERS)
def test_what_may_be_installed_is_installed_with_what_a_person_should_know(stage, terminal, installer):
    enact(stage, INSTALLS)
    project = INSTALLERS[installer].project(stage.folder / "project", *wanted(INSTALLS))
    options = [word for name, row in INSTALLS.items() for option in row.options for word in (option, name)]
    outcome = run(stage, terminal, project, *options)
    there = tuple(sorted(f"{name}-{row.installs}" for name, row in INSTALLS.items()))
    assert (outcome.code, outcome.installed) == (0, there), stage.printed
    golden.check("states-that-install", installer, outcome)


@pytest.mark.parametrize("name", [name for name in REFUSES if name not in AMONG_ATTACKS])
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
    outcome = run(stage, terminal, project)
    assert (outcome.code, outcome.installed) == (0, (f"{new}-1.0", f"{old}-3.0")), stage.printed


def hashed(name):
    files = (wheels(name)[0], *([patched(name)] if name == "filegone" else []))
    digests = sorted(sha256(each.data) for each in files)
    return f"{name}==1.0 {' '.join(f'--hash=sha256:{each}' for each in digests)}\n"


FROM_LOCK = {
    "pip": lambda name: ("install", "--prefix", ".venv", "--require-hashes", "-r", f"{name}.txt"),
    "uv": lambda name: ("pip", "install", "--require-hashes", "-r", f"{name}.txt"),
    "uv sync": lambda name: ("sync", "--frozen", "--only-group", name),
    "poetry": lambda name: ("install", "--no-interaction", "--only", name),
    "pdm": lambda name: ("sync", "--no-default", "-G", name),
}
ALL = [word for name in SOME_LOCKED for word in ("-r", f"{name}.txt")]
LOCKING = {
    "pip": ("install", "--prefix", ".venv", *ALL),
    "uv": ("pip", "install", *ALL),
    "uv sync": ("sync", "--all-groups"),
    "poetry": ("install", "--no-interaction"),
    "pdm": ("install",),
}
STILL_WANTED = {("uv sync", "filegone"): "unpublished"}
"""uv sync wants the very file that it has recorded, and the others one of those that are there."""


@pytest.mark.parametrize("installer", INSTALLERS)
def test_a_lock_of_better_days_brings_back_nothing_and_warm_caches_do_not_either(stage, terminal, installer):
    rows = LOCKED if installer == "uv sync" else SOME_LOCKED  # the others are slow, and all ask the page first
    begin(stage, rows)
    project = INSTALLERS[installer].project(stage.folder / "project")
    groups = "".join(f'{name} = ["{name}==1.0"]\n' for name in rows)
    with (project.folder / "pyproject.toml").open("a") as file:
        file.write(f"[dependency-groups]\n{groups}")
    for name in rows:
        (project.folder / f"{name}.txt").write_text(hashed(name))
    outcome = run(stage, terminal, project.again(*LOCKING[installer]))
    assert outcome == Outcome(0, tuple(sorted(f"{name}-1.0" for name in rows)), outcome.told), stage.printed
    become(stage, rows)
    for name, row in rows.items():
        shutil.rmtree(project.folder / ".venv")
        outcome = run(stage, terminal, project.again(*FROM_LOCK[installer](name)))
        golden.check(f"locked-state-{name}", installer, outcome)
        code = STILL_WANTED.get((installer, name), row.code)
        expected = (0, (f"{name}-1.0",)) if code is None else (KINDS[code].exit, ())
        assert (outcome.code, outcome.installed) == expected, f"{name}: {stage.printed}"
    fetched = [path for path in stage.mirror.asked if path.endswith(wheels("yankedpin")[0].filename)]
    assert len(fetched) == 1, "our own cache was warm, and would have had what was refused"


def read(stage, terminal, *words):
    """What somebody reads who asks without installing, on a terminal of 80 columns."""
    stage.environment["COLUMNS"] = "80"
    with stage.as_person():
        code = terminal(*words)
    printed = terminal.out + terminal.err
    broken = [line for line in printed.splitlines() if not line.startswith("tallystick: REFUSED")]
    assert max(map(len, broken)) <= 80, printed
    return Outcome(code, (), said(told(f"tallystick: {' '.join(words)}\n{printed}")))


def test_each_state_is_shown_within_eighty_columns(stage, terminal):
    rows = INSTALLS | REFUSES
    enact(stage, rows)
    for name in rows:
        golden.check("states-shown", name, read(stage, terminal, "show", name))


def test_each_state_is_found_in_a_lock_within_eighty_columns(stage, terminal):
    rows = INSTALLS | REFUSES
    enact(stage, rows)
    (stage.folder / "all.txt").write_text("".join(map(hashed, rows)))
    golden.check("states-in-a-lock", "lock verify", read(stage, terminal, "lock", "verify", "all.txt"))
