"""Real poetry and real pdm behind ``tallystick run``: what they install, what is refused, and what they leave."""

import os

import pytest

from tests import paper
from tests.client.test_run import WHEEL, Desk
from tests.installers import INSTALLERS


class Bench(Desk):
    """A desk with a fresh project, whose person has configured nothing."""

    def __init__(self, *things, monkeypatch):
        super().__init__(*things)
        self._monkeypatch = monkeypatch

    def project(self, installer, *wanted):
        made = INSTALLERS[installer].project(self.directory / "app", *wanted)
        for name, value in {**made.environment, "COLUMNS": "10000"}.items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.chdir(made.folder)
        return made

    def run(self, project, *words):
        return self.tallystick("run", "--", *(words or project.command))


@pytest.fixture
def bench(tmp_path, serve, terminal, monkeypatch):
    return Bench(tmp_path, serve, terminal, monkeypatch=monkeypatch)


BOTH = pytest.mark.parametrize("installer", ["poetry", "pdm"])


@BOTH
def test_they_install_what_is_signed_and_their_lock_names_no_address_of_ours(bench, installer):
    project = bench.project(installer, "tallyflask==1.0")
    assert (bench.run(project), "REFUSED" in bench.err) == (0, False), bench.out + bench.err
    assert project.installed() == ["tallyflask-1.0"]
    lock = (project.folder / f"{installer}.lock").read_text()
    assert "tallyflask" in lock and "127.0.0.1" not in lock and "[package.source]" not in lock


def spoil(bench, suffix):
    for path in list(bench.repository.files):
        if path.endswith(suffix):
            bench.repository.files[path] = bench.repository.files[path][:-1] + b"!"


@BOTH
def test_a_changed_file_is_refused(bench, installer):
    spoil(bench, ".whl")
    project = bench.project(installer, "tallyflask==1.0")
    assert bench.run(project) == 6
    assert f"REFUSED packages/tallyflask/{WHEEL.filename}: bytes do not match signed hash" in bench.err
    assert project.installed() == []


@BOTH
def test_a_changed_metadata_file_is_refused_though_the_installer_shrugs_and_ends_with_0(bench, installer):
    """They fall back to the wheel; an exit code of 0 would hide that somebody changed something."""
    spoil(bench, ".metadata")
    assert bench.run(bench.project(installer, "tallyflask==1.0")) == 6
    assert f"REFUSED packages/tallyflask/{WHEEL.filename}.metadata" in bench.err


@BOTH
def test_a_quarantined_project_is_refused_with_its_reason(bench, installer):
    bench.say(*bench.releases, serial=2, quarantine=paper.mark(bench.now, "admin", text="credential stealer"))
    project = bench.project(installer, "tallyflask==1.0")
    assert bench.run(project) == 7
    assert "credential stealer" in bench.err and project.installed() == []


@BOTH
def test_their_lock_file_does_not_bring_back_what_was_removed(bench, installer):
    project = bench.project(installer, "tallyflask==1.0")
    assert bench.run(project) == 0
    assert bench.run(project, project.command[0], "remove", "tallyflask", *["--no-sync"] * (installer == "pdm")) == 0
    bench.say(paper.removed(bench.now, bench.releases[0], "it steals tokens"), bench.releases[1], serial=2)
    fresh = bench.project(installer, "tallyflask==1.0")
    assert bench.run(fresh) == 7
    assert "it steals tokens" in bench.err


SOURCES = {
    "poetry": '[[tool.poetry.source]]\nname = "extra"\nurl = "{}"\npriority = "primary"\n',
    "pdm": '[[tool.pdm.source]]\nname = "extra"\nurl = "{}"\n',
}


@pytest.mark.parametrize(
    ("installer", "address"),
    [
        ("poetry", "http://extra.example.test/simple/"),
        ("poetry", "https://extra.example.test/simple/"),
        ("pdm", "https://extra.example.test/simple/"),  # it does not ask one over plain http
    ],
)
def test_another_source_of_the_project_is_refused_as_a_bypass(bench, installer, address):
    project = bench.project(installer, "tallyflask==1.0")
    with (project.folder / "pyproject.toml").open("a") as file:
        file.write(SOURCES[installer].format(address))
    assert bench.run(project) == 9
    assert "extra.example.test" in bench.err and project.installed() == []


@BOTH
def test_another_source_on_loopback_is_refused_and_not_asked(bench, installer, serve):
    elsewhere = serve({})
    project = bench.project(installer, "tallyflask==1.0")
    with (project.folder / "pyproject.toml").open("a") as file:
        file.write(SOURCES[installer].format(f"{elsewhere.url}/simple/"))
    assert bench.run(project) == 9
    assert elsewhere.asked == []


@BOTH
@pytest.mark.parametrize(
    "address", ["https://files.example.test/tallyflask-1.0-py3-none-any.whl", "git+https://git.example.test/x.git"]
)
def test_a_requirement_with_an_address_is_refused_as_a_bypass(bench, installer, address):
    assert bench.run(bench.project(installer, f"tallyflask @ {address}")) == 9
    assert "example.test" in bench.err


@BOTH
def test_git_over_ssh_is_not_a_way_round_the_fence(bench, installer, monkeypatch):
    called, ssh = bench.directory / "called", bench.directory / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f"#!/bin/sh\ntouch {called}\nexit 1\n")
    ssh.chmod(0o755)
    project = bench.project(installer, "tallyflask @ git+ssh://git@git.example.test/x.git")
    monkeypatch.setenv("PATH", f"{ssh.parent}{os.pathsep}{os.environ['PATH']}")
    assert bench.run(project) != 0
    assert not called.exists()


def test_poetry_without_plugins_meets_the_fence(bench):
    project = bench.project("poetry", "tallyflask==1.0")
    assert bench.run(project, *project.command, "--no-plugins") == 9
    assert "pypi.org" in bench.err and project.installed() == []


def test_what_poetry_starts_and_what_it_finds_installed_knows_nothing_of_the_plugin(bench, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/lib/mine")
    project = bench.project("poetry", "tallyflask==1.0")
    assert bench.run(project) == 0
    assert bench.run(project, project.command[0], "sync", "-v") == 0
    assert "tallystick" not in bench.out
    script = "import os, sys; print(os.environ['PYTHONPATH'], [each for each in sys.path if 'tallystick' in each])"
    assert bench.run(project, project.command[0], "run", "python", "-c", script) == 0
    assert bench.out.splitlines()[-1] == "/lib/mine []"


def test_what_poetry_keeps_outside_the_project_stays(bench, monkeypatch):
    project = bench.project("poetry", "tallyflask==1.0")
    monkeypatch.setenv("POETRY_VIRTUALENVS_IN_PROJECT", "false")
    monkeypatch.setenv("POETRY_CACHE_DIR", str(bench.directory / "cache"))
    assert bench.run(project) == 0
    assert [path.name for path in bench.directory.glob("cache/virtualenvs/app-*/lib/*/site-packages/tallyflask.py")]
    assert not (bench.directory / "cache" / "artifacts").exists()


def test_pdm_that_links_into_its_cache_is_not_run(bench):
    project = bench.project("pdm", "tallyflask==1.0")
    (project.folder / "pdm.toml").write_text("[install]\ncache = true\n")
    assert bench.run(project) == 2
    assert "pdm.toml:2: pdm installs links into its cache" in bench.err and "Nothing was run" in bench.err
    assert project.installed() == []
