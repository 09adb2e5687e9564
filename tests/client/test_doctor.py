"""``tallystick doctor``: every door past the verified index is found where it is, and nothing else is called one."""

import json
import os
import shutil
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from client_verify.installing import doctor
from client_verify.installing.doors import poetry
from client_verify.installing.doors.door import Surroundings
from tests.client.test_run import Desk

OURS = "http://127.0.0.1:8417/simple/"
THEIRS = "https://extra.example.test/simple/"


@dataclass
class House:
    """A home and a project within it, of somebody whose administrator has configured nothing."""

    around: Surroundings

    def write(self, path, text):
        file = self.around.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def where(self, **variables):
        """Where the doors are, with files told from home on."""
        around = replace(self.around, environ={**self.around.environ, **variables})
        return [door.where.replace(f"{self.around.home}/", "") for door in doctor.doors(around)]


@pytest.fixture
def house(tmp_path):
    (tmp_path / "app").mkdir()
    return House(Surroundings({"XDG_CONFIG_DIRS": str(tmp_path / "all")}, tmp_path, tmp_path / "app", 8417))


@pytest.mark.parametrize(
    "variable",
    [
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_TRUSTED_HOST",
        "UV_DEFAULT_INDEX",
        "UV_INDEX_URL",
        "UV_INDEX",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_INSECURE_HOST",
        "PDM_PYPI_URL",
        "POETRY_PYPI_MIRROR_URL",
    ],
)
def test_a_variable_that_names_another_source_is_found(house, variable):
    assert house.where(**{variable: THEIRS}) == [f"${variable}"]


def test_a_variable_that_names_the_verified_index_is_none(house):
    assert house.where(PIP_INDEX_URL=OURS, UV_INDEX=f"tallystick={OURS}", PDM_PYPI_URL=OURS) == []
    assert house.where(UV_INDEX=f"tallystick={OURS} other={THEIRS}") == ["$UV_INDEX"]
    assert house.where(PIP_INDEX_URL="http://127.0.0.1:8418/simple/") == ["$PIP_INDEX_URL"], "somebody else's port"
    assert house.where(PIP_INDEX_URL="http://127.0.0.1:8417@evil.example/") == ["$PIP_INDEX_URL"]


DOORS = {
    "pip, for all": ("all/pip/pip.conf", f"[global]\nextra-index-url = {THEIRS}\n", 2),
    "pip, of old": (".pip/pip.conf", f"[install]\nindex-url={THEIRS}\n", 2),
    "pip, of the user": (".config/pip/pip.conf", "[global]\ntimeout = 5\nfind-links =\n    /srv/wheels\n", 4),
    "pip, a trusted host": (".config/pip/pip.conf", "[global]\ntrusted_host = extra.example.test\n", 2),
    "uv, for all": ("all/uv/uv.toml", f'extra-index-url = ["{THEIRS}"]\n', 1),
    "uv, of the user": (".config/uv/uv.toml", f'\n[[index]]\nurl = "{THEIRS}"\n', 3),
    "uv, of the project": ("app/uv.toml", f'[pip]\nindex-url = "{THEIRS}"\n', 2),
    "uv, around the project": ("uv.toml", f'find-links = ["{THEIRS}"]\n', 1),
    "uv, in pyproject": ("app/pyproject.toml", f'[tool.uv]\n[[tool.uv.index]]\nurl = "{THEIRS}"\n', 3),
    "uv, a proxy": ("app/pyproject.toml", '[tool.uv]\nhttps-proxy = "http://proxy.example.test"\n', 2),
    "uv, an insecure host": ("app/uv.toml", 'allow-insecure-host = ["extra.example.test"]\n', 1),
    "uv, what it keeps": (
        "app/uv.toml",
        f'[[index]]\nurl = "{OURS}"\ncache-control = {{ files = "max-age=365000000" }}\n',
        3,
    ),
    "uv, a git source": ("app/pyproject.toml", '[tool.uv.sources]\nx = { git = "https://git.example.test/x" }\n', 2),
    "uv, a url source": ("app/pyproject.toml", '[tool.uv.sources]\nx = [{ url = "https://a.test/x.whl" }]\n', 2),
    "poetry, a source": (
        "app/pyproject.toml",
        f'[[tool.poetry.source]]\nname = "extra"\npriority = "explicit"\nurl = "{THEIRS}"\n',
        4,
    ),
    "poetry, a git requirement": (
        "app/pyproject.toml",
        '[tool.poetry.dependencies]\npython = "^3.11"\nx = { git = "https://git.example.test/x" }\n',
        3,
    ),
    "poetry, of a group": (
        "app/pyproject.toml",
        '[tool.poetry.group.dev.dependencies]\nx = [{ url = "https://a.test/x.whl" }]\n',
        2,
    ),
    "pdm, a source": ("app/pyproject.toml", f'[[tool.pdm.source]]\nname = "extra"\nurl = "{THEIRS}"\n', 3),
    "pdm, of the user": (".config/pdm/config.toml", f'[pypi]\nurl = "{THEIRS}"\n', 2),
    "pdm, another of the user": (".config/pdm/config.toml", f'[pypi.extra]\nurl = "{THEIRS}"\n', 2),
    "pdm, links into its cache": ("app/pdm.toml", "[install]\ncache = true\n", 2),
    "a requirement": ("app/pyproject.toml", '[project]\ndependencies = [\n"x @ https://a.test/x.whl",\n]\n', 3),
    "an optional requirement": (
        "app/pyproject.toml",
        '[project.optional-dependencies]\nx = ["x @ git+https://git.example.test/x"]\n',
        2,
    ),
    "a group": ("app/pyproject.toml", '[dependency-groups]\nx = ["x @ file:///srv/x.whl"]\n', 2),
    "what builds it": ("app/pyproject.toml", '[build-system]\nrequires = ["x @ https://a.test/x.whl"]\n', 2),
    "requirements, an extra index": ("app/requirements.txt", f"flask\n--extra-index-url {THEIRS}\n", 2),
    "requirements, an index": ("app/requirements-dev.txt", f"-i {THEIRS}\n", 1),
    "requirements, links": ("app/requirements/base.txt", "--find-links=/srv/wheels\n", 1),
    "requirements, a trusted host": ("app/constraints.txt", "--trusted-host extra.example.test\n", 1),
    "requirements, a url": ("app/requirements.in", "x @ https://a.test/x.whl  # why\n", 1),
    "requirements, git": ("app/requirements.txt", "-e git+ssh://git@git.example.test/x#egg=x\n", 1),
    "uv.lock": ("app/uv.lock", 'version = 1\nsource = { registry = "https://pypi.org/simple" }\n', 2),
    "pylock.toml": ("app/pylock.dev.toml", 'lock-version = "1.0"\nurl = "https://a.test/x.whl"\n', 2),
    "poetry.lock": ("app/poetry.lock", f'[package.source]\nurl = "{THEIRS}"\n', 2),
    "pdm.lock": ("app/pdm.lock", 'files = [\n{url = "https://a.test/x.whl", hash = "sha256:0"},\n]\n', 2),
}


@pytest.mark.parametrize(("path", "text", "line"), DOORS.values(), ids=DOORS)
def test_a_door_is_found_at_its_line(house, path, text, line):
    house.write(path, text)
    assert house.where() == [f"{path}:{line}"]


QUIET = {
    "pip": (".config/pip/pip.conf", f"[global]\nindex-url = {OURS}\nno-cache-dir = true\n"),
    "pip, that pip itself cannot read": (".config/pip/pip.conf", "index-url\n"),
    "uv": (
        "app/uv.toml",
        f'[[index]]\nurl = "{OURS}"\ncache-control = {{ api = "no-cache", files = "no-store" }}\n',
    ),
    "uv, a path source": ("app/pyproject.toml", '[tool.uv.sources]\nx = { workspace = true }\ny = { path = "../y" }\n'),
    "poetry": ("app/pyproject.toml", f'[[tool.poetry.source]]\nname = "t"\nurl = "{OURS}"\n'),
    "poetry, PyPI by its name": ("app/pyproject.toml", '[[tool.poetry.source]]\nname = "PyPI"\n'),
    "pdm": ("app/pyproject.toml", f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{OURS}"\n'),
    "requirements": (
        "app/requirements.txt",
        f"# see https://a.test\nflask==1.0  # -i {THEIRS}\n-r dev.txt\n",
    ),
    "uv.lock": ("app/uv.lock", f'source = {{ registry = "{OURS}" }}\n'),
    "poetry.lock": ("app/poetry.lock", 'files = [{file = "x.whl", hash = "sha256:0"}]\n'),
    "what is no TOML": ("app/pyproject.toml", "[tool.uv\n"),
    "what is not of the usual shape": (
        "app/pyproject.toml",
        'build-system = "x"\n[tool]\nuv = 1\npdm = []\n[tool.poetry]\nsource = "x"\ngroup = 3\n',
    ),
}


@pytest.mark.parametrize(("path", "text"), QUIET.values(), ids=QUIET)
def test_what_leads_to_the_verified_index_or_nowhere_is_no_door(house, path, text):
    house.write(path, text)
    assert house.where() == []


def test_a_file_that_a_variable_names_is_looked_into(house):
    house.write("app/own.conf", f"[global]\nindex-url = {THEIRS}\n")
    house.write("app/own.toml", f'index-url = "{THEIRS}"\n')
    assert house.where(PIP_CONFIG_FILE="own.conf") == ["app/own.conf:2"]
    assert house.where(UV_CONFIG_FILE="own.toml") == ["app/own.toml:1"]
    house.write(".config/pip/pip.conf", f"[global]\nindex-url = {THEIRS}\n")
    assert house.where(PIP_CONFIG_FILE=os.devnull) == [], "pip reads no file at all"


def test_pip_s_file_in_an_environment_is_looked_into(house):
    house.write("app/.venv/pip.conf", f"[global]\nindex-url = {THEIRS}\n")
    assert house.where(VIRTUAL_ENV=str(house.around.project / ".venv")) == ["app/.venv/pip.conf:2"]


def test_the_nearest_configuration_of_uv_hides_those_around_it(house):
    house.write("uv.toml", f'index-url = "{THEIRS}"\n')
    house.write("app/pyproject.toml", "[project]\n")
    assert house.where() == ["uv.toml:1"]
    house.write("app/pyproject.toml", "[tool.uv]\n")
    assert house.where() == []


def test_a_lock_of_a_thousand_addresses_is_one_door_for_each_host(house):
    urls = [f'url = "https://{host}.test/{number}.whl"\n' for host in "ab" for number in range(500)]
    house.write("app/uv.lock", "".join(urls))
    assert house.where() == ["app/uv.lock:1", "app/uv.lock:501"]


@pytest.mark.parametrize(
    ("variables", "config", "project", "path"),
    [
        ({}, "", "", ".cache/pypoetry/virtualenvs"),
        ({"XDG_CACHE_HOME": "/c"}, "", "", "/c/pypoetry/virtualenvs"),
        ({"POETRY_CACHE_DIR": "/p"}, 'cache-dir = "/q"\n', "", "/p/virtualenvs"),
        ({}, 'cache-dir = "/q"\n', "", "/q/virtualenvs"),
        ({}, 'cache-dir = "/q"\n[virtualenvs]\npath = "{cache-dir}/envs"\n', "", "/q/envs"),
        ({}, '[virtualenvs]\npath = "/user"\n', "[virtualenvs]\nin-project = true\n", "/user"),
        ({}, '[virtualenvs]\npath = "/user"\n', '[virtualenvs]\npath = "/project"\n', "/project"),
        ({"POETRY_VIRTUALENVS_PATH": "/mine"}, '[virtualenvs]\npath = "/user"\n', "", "/mine"),
    ],
)
@pytest.mark.skipif("sys.platform == 'darwin'")
def test_poetry_s_environments_are_where_poetry_would_have_kept_them(house, variables, config, project, path):
    house.write(".config/pypoetry/config.toml", config)
    house.write("app/poetry.toml", project)
    around = replace(house.around, environ={**house.around.environ, **variables})
    assert poetry.virtualenvs(around) == house.around.home / path


# The command.


@pytest.fixture
def desk(tmp_path, serve, terminal, monkeypatch):
    for variable in [name for name in os.environ if name.startswith(("PIP_", "UV_", "PDM_", "POETRY_", "XDG_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "all"))
    return Desk(tmp_path, serve, terminal)


def test_a_clean_machine_ends_with_0_and_is_told_what_no_search_finds(desk):
    assert desk.tallystick("doctor") == 0
    assert desk.out.startswith("Nothing leads past the verified index here.\n")
    assert "Nothing intercepts an installer that is typed without `tallystick run --`" in " ".join(desk.out.split())


def test_a_door_ends_with_9_and_is_told_with_what_to_do(desk, tmp_path):
    (tmp_path / "uv.toml").write_text(f'index-url = "{THEIRS}"\n')
    assert desk.tallystick("doctor") == 9
    assert f"{tmp_path}/uv.toml:1\n  uv takes packages from index-url = '{THEIRS}'.\n  Remove it." in desk.out
    assert desk.tallystick("doctor", "--json", "--project", tmp_path) == 9
    (door,) = json.loads(desk.out)["doors"]
    assert door["where"] == f"{tmp_path}/uv.toml:1" and set(door) == {"where", "what", "remedy"}


def test_a_machine_that_trusts_nobody_is_told_so(desk, tmp_path):
    shutil.rmtree(tmp_path / "home")
    assert desk.tallystick("doctor") == 9
    assert "no repository is pinned" in desk.out


def test_a_clock_that_is_behind_what_was_verified_is_found(desk):
    desk.repository.publish(desk.now + timedelta(hours=2))
    assert desk.tallystick("show", "tallyflask") == 0
    assert desk.tallystick("doctor") == 9
    assert "the clock\n  it is behind" in desk.out and "Set it." in desk.out


def test_a_project_that_is_no_folder_is_a_usage_error(desk):
    assert desk.tallystick("doctor", "--project", Path("/nowhere")) == 2
