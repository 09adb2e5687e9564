"""Real pip and real uv behind ``tallystick run``: what is installed, what is refused, and the exit code."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client_verify import trust
from client_verify.installing import run
from client_verify.installing.doctor import detours
from client_verify.installing.doors.door import Surroundings
from client_verify.installing.environment import DROPPED, environment, with_poetry
from client_verify.installing.index import bound
from client_verify.installing.run import names_poetry, pinned
from client_verify.places import places
from tests import paper
from tests.servers import free_port

UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
WHEEL = paper.wheel("tallyflask", "1.0")
NEXT = paper.wheel("tallyflask", "2.0")


class Desk:
    """A person's machine: a home, a pinned repository, and a place to install to."""

    def __init__(self, directory, serve, terminal):
        self._terminal = terminal
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.directory = directory
        self.repository = paper.Paper(self.now)
        for artifact in (WHEEL, NEXT):
            self.repository.add_file("tallyflask", artifact.filename, artifact.data, artifact.metadata)
        self.releases = (paper.release(self.now, "1.0", WHEEL), paper.release(self.now, "2.0", NEXT))
        self.say(*self.releases)
        self.server = serve(self.repository.files)
        trust.add(places(os.environ).roots, trust.Pin("acme", self.server.url, self.repository.root))

    def say(self, *releases, serial=1, **changes):
        self.repository.say(replace(paper.project(self.now, "tallyflask", *releases, serial=serial), **changes))
        self.repository.publish(self.now)

    def tallystick(self, *words):
        code = self._terminal(*words)
        self.out, self.err = self._terminal.out, self._terminal.err
        return code

    def pip(self, *words):
        target = ("--target", self.directory / "pip")
        return self.tallystick("run", "--", sys.executable, "-m", "pip", "install", "-q", *target, *words)

    def uv(self, *words):
        target = ("--python", sys.executable, "--target", self.directory / "uv")
        return self.tallystick("run", "--", UV, "pip", "install", *target, *words)

    def installed(self):
        return sorted(path.name for path in self.directory.glob("*/*.dist-info"))


@pytest.fixture
def desk(tmp_path, serve, terminal):
    return Desk(tmp_path, serve, terminal)


def test_pip_and_uv_install_what_is_signed(desk):
    assert (desk.pip("tallyflask==1.0"), desk.err) == (0, "")
    assert desk.uv("tallyflask") == 0
    assert "REFUSED" not in desk.err
    assert desk.installed() == ["tallyflask-1.0.dist-info", "tallyflask-2.0.dist-info"]


def test_a_yanked_pin_is_installed_with_its_reason_by_both(desk):
    yanked = paper.yanked(desk.now, desk.releases[0], "leaks memory")
    desk.say(yanked, desk.releases[1], serial=2)
    for install in (desk.pip, desk.uv):
        assert install("tallyflask==1.0") == 0
        assert "tallystick: warning: tallyflask 1.0 is yanked since" in desk.err
        assert "leaks memory" in desk.err


def test_a_quarantined_project_is_refused_with_its_reason_by_both(desk):
    quarantine = paper.mark(desk.now, "admin", text="credential stealer")
    desk.say(
        paper.release(desk.now, "1.0", WHEEL), paper.release(desk.now, "2.0", NEXT), serial=2, quarantine=quarantine
    )
    for install in (desk.pip, desk.uv):
        assert install("tallyflask") == 7
        assert "REFUSED simple/tallyflask: project is quarantined" in desk.err
        assert "credential stealer" in desk.err and "See: tallystick explain quarantined" in desk.err
    assert desk.installed() == []


def test_a_changed_file_is_refused_by_both(desk):
    for path in list(desk.repository.files):
        if path.endswith(".whl"):
            desk.repository.files[path] = desk.repository.files[path][:-1] + b"!"
    for install in (desk.pip, desk.uv):
        assert install("tallyflask==1.0") == 6
        assert "bytes do not match signed hash" in desk.err.split("tallystick: REFUSED")[0], "the installer's own words"
        assert f"REFUSED packages/tallyflask/{WHEEL.filename}" in desk.err
    assert desk.installed() == []


def test_a_changed_page_is_refused_by_both(desk):
    desk.repository.files[desk.repository.page_file("tallyflask")] = b"{}"
    for install in (desk.pip, desk.uv):
        assert install("tallyflask") == 6
        assert "REFUSED simple/tallyflask: bytes do not match signed hash" in desk.err
        assert "See: tallystick explain mismatch" in desk.err


def test_nothing_is_run_when_the_repository_is_unreachable(desk):
    desk.server.stop()
    for install in (desk.pip, desk.uv):
        assert install("tallyflask") == 8
        assert "which was not run" in desk.err
        assert desk.err.count("\n") == 3, "not a word from the installer"


def test_nothing_is_run_after_a_rollback(desk):
    old = dict(desk.repository.files)
    desk.say(*desk.releases, serial=2)
    assert desk.tallystick("show", "tallyflask") == 0
    desk.repository.files.update(old)
    assert desk.pip("tallyflask") == 3
    assert "rollback attack detected" in desk.err and desk.installed() == []


def test_a_pinned_version_that_was_removed_or_never_was_is_explained(desk):
    removed = paper.removed(desk.now, desk.releases[0], "published by mistake")
    desk.say(removed, desk.releases[1], serial=2)
    assert desk.pip("tallyflask==1.0") == 7
    assert "REFUSED tallyflask==1.0: release was removed" in desk.err
    assert "published by mistake. The newest version to install is 2.0" in desk.err
    assert desk.uv("tallyflask==9") == 7
    assert "REFUSED tallyflask==9: version is not signed" in desk.err


def test_a_range_in_which_everything_was_withdrawn_is_explained(desk):
    quarantined = replace(desk.releases[1], quarantine=paper.mark(desk.now, "admin", text="it may steal tokens"))
    desk.say(desk.releases[0], quarantined, serial=2)
    for install in (desk.pip, desk.uv):
        assert install("tallyflask>1") == 7
        assert "REFUSED tallyflask>1: release is quarantined" in desk.err and "it may steal tokens" in desk.err
    assert desk.pip("tallyflask>=3") == 7
    assert "REFUSED tallyflask>=3: version is not signed" in desk.err and "try again in a minute" in desk.err
    assert desk.pip("tallyflask>=1") == 0, "there is another"


def test_a_name_that_does_not_exist_is_proven_absent(desk):
    assert desk.pip("nobody") == 7
    assert "nobody is not known to the registry: proven by snapshot 1" in desk.err


def test_an_installer_that_fails_for_its_own_reasons_keeps_its_code(desk):
    assert desk.tallystick("run", "--", sys.executable, "-c", "raise SystemExit(42)") == 42
    assert desk.err == ""
    assert desk.tallystick("run", "--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)") == 137


def test_an_installer_that_cannot_be_started_is_a_usage_error(desk):
    assert desk.tallystick("run", "--", "no-such-installer") == 2
    assert desk.tallystick("run") == 2


def test_a_new_holder_is_accepted_by_name(desk):
    assert desk.pip("tallyflask==1.0") == 0
    desk.say(*desk.releases, serial=2, generation=2)
    assert desk.pip("--upgrade", "tallyflask") == 7
    assert "name has a new holder" in desk.err
    pip = (sys.executable, "-m", "pip", "download", "-q", "-d", desk.directory / "files", "tallyflask")
    assert desk.tallystick("run", "--accept-new-generation", "TallyFlask", "--", *pip) == 0


# Side doors.


@pytest.fixture
def elsewhere(serve):
    """Another index on loopback, which no fence guards: it must not even be asked."""
    return serve({})


def test_an_extra_index_in_a_pip_configuration_is_not_asked(desk, elsewhere, monkeypatch):
    (desk.directory / "pip.conf").write_text(f"[global]\nextra-index-url = {elsewhere.url}/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(desk.directory / "pip.conf"))
    assert desk.pip("tallyflask") == 0
    assert elsewhere.asked == []


def test_other_sources_in_the_environment_are_not_asked(desk, elsewhere, monkeypatch):
    for variable in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"):
        monkeypatch.setenv(variable, f"{elsewhere.url}/simple/")
    assert desk.pip("tallyflask") == 0
    assert desk.uv("tallyflask") == 0
    assert elsewhere.asked == []


@pytest.mark.parametrize("installer", ["pip", "uv"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_direct_url_is_refused_as_a_bypass(desk, installer, scheme):
    url = f"{scheme}://files.example.test/tallyflask-1.0-py3-none-any.whl"
    assert getattr(desk, installer)(f"tallyflask @ {url}", *["--retries=0"] * (installer == "pip")) == 9
    assert "request past the verified index" in desk.err and "files.example.test" in desk.err
    assert desk.installed() == []


LOCKED = """lock-version = "1.0"
created-by = "tests"
[[packages]]
name = "tallyflask"
version = "1.0"
[[packages.wheels]]
name = "tallyflask-1.0-py3-none-any.whl"
url = "http://files.example.test/tallyflask-1.0-py3-none-any.whl"
[packages.wheels.hashes]
sha256 = "{}"
"""


def test_a_lock_file_does_not_bring_back_what_was_removed(desk):
    """Trap 6 and edge case 52: it names an address and a hash, and nobody asked what the registry says today."""
    lock = desk.directory / "pylock.toml"
    lock.write_text(LOCKED.format(hashlib.sha256(WHEEL.data).hexdigest()))
    desk.say(paper.removed(desk.now, desk.releases[0], "it steals tokens"), desk.releases[1], serial=2)
    for install, words in ((desk.pip, ["--retries=0", "-r", lock]), (desk.uv, ["-r", lock])):
        assert install(*words) == 9
        assert "files.example.test" in desk.err
    assert desk.installed() == []


def test_where_everything_is_yanked_nothing_is_installed_until_one_yank_is_lifted(desk):
    """Edge case 12: it fails loudly."""
    gone = [paper.yanked(desk.now, each, "leaks memory") for each in desk.releases]
    desk.say(*gone, serial=3)
    for install in (desk.pip, desk.uv):
        assert install("tallyflask") == 7
        assert "all 2 releases of tallyflask are yanked" in desk.err and desk.installed() == [], desk.err
    desk.say(gone[0], desk.releases[1], serial=4)
    for install in (desk.pip, desk.uv):
        assert install("tallyflask") == 0
    assert desk.installed() == ["tallyflask-2.0.dist-info"] * 2


def test_an_extra_index_in_a_project_s_uv_configuration_is_refused_as_a_bypass(desk):
    (desk.directory / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["tallyflask"]\n'
        '[tool.uv]\npackage = false\n[[tool.uv.index]]\nurl = "http://extra.example.test/simple"\n'
    )
    assert desk.tallystick("run", "--", UV, "sync", "--python", sys.executable) == 9
    assert "extra.example.test" in desk.err


def test_uv_sync_installs_a_project_from_the_verified_index(desk):
    (desk.directory / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["tallyflask"]\n'
        "[tool.uv]\npackage = false\n"
    )
    assert desk.tallystick("run", "--", UV, "sync", "--python", sys.executable) == 0
    assert list(desk.directory.glob(".venv/lib/*/site-packages/tallyflask.py")) != []


def surrounded(**base):
    return environment(base, "http://127.0.0.1:1", Path("/tmp/c"), Path("/home/envs"))


def test_the_fence_is_in_every_spelling_of_the_proxy_variables_and_nothing_is_exempt():
    made = surrounded(http_proxy="http://elsewhere", PATH="/bin", NO_PROXY="*", no_proxy="localhost")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        assert made[name] == "http://127.0.0.1:1"
    assert not made.keys() & {"NO_PROXY", "no_proxy"}
    assert made["PATH"] == "/bin"
    assert surrounded(**dict.fromkeys(DROPPED, "x")).keys() & DROPPED == set()


def test_no_cache_is_kept_and_poetry_s_environments_are():
    made = surrounded(POETRY_CACHE_DIR="/home/cache", UV_CACHE_DIR="/home/uv", PDM_CACHE_DIR="/home/pdm")
    for name in ("POETRY_CACHE_DIR", "UV_CACHE_DIR", "PDM_CACHE_DIR"):
        assert made[name].startswith("/tmp/c/")
    assert made["POETRY_VIRTUALENVS_PATH"] == "/home/envs"


def test_a_git_that_a_person_has_configured_by_variables_stays_so_and_meets_the_fence():
    made = surrounded(GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="user.name", GIT_CONFIG_VALUE_0="me")
    assert (made["GIT_CONFIG_COUNT"], made["GIT_CONFIG_KEY_0"], made["GIT_CONFIG_KEY_1"]) == (
        "2",
        "user.name",
        "http.proxy",
    )


@pytest.mark.parametrize(
    ("words", "is_poetry"),
    [
        ("poetry install", True),
        ("/opt/bin/poetry install", True),
        ("python -m poetry install", True),
        ("uvx poetry install", True),
        ("pipx run poetry install", True),
        ("uv tool run poetry install", True),
        ("pip install poetry", False),
        ("pdm add poetry", False),
        ("poetry-core", False),
    ],
)
def test_poetry_is_known_by_what_runs_it(words, is_poetry):
    assert names_poetry(words.split()) is is_poetry


def test_only_poetry_finds_the_plugin_and_the_path_of_python_stays_known():
    assert "PYTHONPATH" not in surrounded()
    made = with_poetry(surrounded(PYTHONPATH="/lib/mine"), "http://127.0.0.1:1")
    assert made["PYTHONPATH"].split(":")[1:] == ["/lib/mine"] and made["TALLYSTICK_PYTHONPATH"] == "/lib/mine"


def test_no_cache_of_pip_s_outlives_a_refusal(desk):
    desk.tallystick("run", "--", sys.executable, "-m", "pip", "cache", "list")
    assert "cache is disabled" in desk.err


def test_git_speaks_no_protocol_that_goes_round_the_fence(desk):
    assert desk.tallystick("run", "--", "git", "ls-remote", "ssh://git@git.example.test/flask") == 128
    assert "transport 'ssh' not allowed" in desk.err
    assert desk.tallystick("run", "--", "git", "ls-remote", "https://git.example.test/flask") == 9


def test_a_proxy_in_git_s_own_configuration_does_not_lead_round_the_fence(desk, elsewhere, monkeypatch):
    (desk.directory / "gitconfig").write_text(f"[http]\n\tproxy = {elsewhere.url}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(desk.directory / "gitconfig"))
    assert desk.tallystick("run", "--", "git", "ls-remote", "http://git.example.test/flask") == 9
    assert elsewhere.asked == []


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_another_service_on_this_machine_is_behind_the_fence_too(desk, elsewhere, installer):
    url = f"{elsewhere.url}/tallyflask-1.0-py3-none-any.whl"
    assert getattr(desk, installer)(f"tallyflask @ {url}") == 9
    assert elsewhere.asked == []


PROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["tallyflask"]\n'


@pytest.mark.parametrize("place", ["uv.toml", "pyproject.toml", "config/uv/uv.toml", "other/uv.toml"])
def test_uv_with_a_proxy_of_its_own_is_not_run(desk, elsewhere, monkeypatch, place):
    """It wins over the variables that lead to the fence: measured with uv 0.13.9, whichever of them are set."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(desk.directory / "config"))
    (desk.directory / "pyproject.toml").write_text(f"{PROJECT}[tool.uv]\npackage = false\n")
    (desk.directory / place).parent.mkdir(parents=True, exist_ok=True)
    with (desk.directory / place).open("a") as file:
        file.write(f'http-proxy = "{elsewhere.url}"\n')
    there = ("--directory", desk.directory / "other") if place.startswith("other") else ()
    assert desk.tallystick("run", "--", UV, *there, "sync", "--python", sys.executable) == 2
    assert f"{desk.directory / place}:" in desk.err and "Nothing was run" in desk.err
    assert elsewhere.asked == []


def test_a_proxy_in_a_file_or_folder_that_uv_is_told_of_is_found_too(desk, monkeypatch):
    other = desk.directory / "other"
    other.mkdir()
    (other / "uv.toml").write_text('http-proxy = "http://proxy.example.test"\n')
    sync = ("sync", "--python", sys.executable)
    for words in (("--config-file", other / "uv.toml"), (f"--config-file={other}/uv.toml",), (f"--project={other}",)):
        assert desk.tallystick("run", "--", UV, *words, *sync) == 2
    monkeypatch.setenv("UV_PROJECT", str(other))
    assert desk.tallystick("run", "--", UV, *sync) == 2


def test_a_proxy_on_the_command_line_is_not_a_way_round_the_fence(desk, elsewhere):
    for words in (("--proxy", elsewhere.url), (f"--proxy={elsewhere.url}",)):
        assert desk.pip(*words, "tallyflask") == 2
        assert "--proxy" in desk.err and "leads past the verified index" in desk.err
    assert elsewhere.asked == []


def test_a_pip_that_heeds_no_variable_meets_the_fence(desk):
    assert desk.pip("--isolated", "--retries=0", "tallyflask") == 9
    assert "pypi.org" in desk.err


def test_a_proxy_of_uv_is_nothing_to_pip(desk):
    (desk.directory / "uv.toml").write_text('http-proxy = "http://proxy.example.test"\n')
    assert desk.pip("tallyflask==1.0") == 0
    for program, looked_into in (("pip3.12", False), ("poetry", False), ("uvx", True), ("pdm", True), ("make", True)):
        around = Surroundings({}, desk.directory, desk.directory, 8417)
        assert bool([*detours(program, around)]) is looked_into, program


def test_a_tool_that_uv_runs_comes_from_the_verified_index(desk):
    uv = ("run", "--", UV, "run", "--no-project", "--python", sys.executable)
    assert desk.tallystick(*uv, "--with", "tallyflask==1.0", "python", "-c", "import tallyflask") == 0
    assert desk.tallystick(*uv, "--with", "nobody", "python", "-c", "") == 7


def test_a_lock_file_gets_the_usual_address_and_the_person_is_told_once(desk, monkeypatch):
    port = free_port()
    monkeypatch.setenv("TALLYSTICK_PORT", str(port))
    (desk.directory / "pyproject.toml").write_text(f"{PROJECT}[tool.uv]\npackage = false\n")
    lock = ("run", "--", UV, "lock", "--python", sys.executable)
    for _ in range(2):
        assert desk.tallystick(*lock) == 0
        assert f"http://127.0.0.1:{port}/" in (desk.directory / "uv.lock").read_text()
    assert "now records" not in desk.err
    (desk.directory / "uv.lock").unlink()
    with bound(port):
        assert desk.tallystick(*lock) == 0
    assert f"http://127.0.0.1:{port}/" not in (desk.directory / "uv.lock").read_text(), "somebody else is there"
    assert "warning: uv.lock now records http://127.0.0.1:" in desk.err and "lock rewrite uv.lock" in desk.err


def test_a_port_that_is_none_is_a_usage_error(desk, monkeypatch):
    monkeypatch.setenv("TALLYSTICK_PORT", "0")
    assert desk.pip("tallyflask") == 2
    assert "TALLYSTICK_PORT is '0'" in desk.err


def test_a_refusal_is_kept_with_the_program_that_met_it(desk):
    assert desk.pip("nobody") == 7
    (line,) = places(os.environ).log.read_text().splitlines()
    kept = json.loads(line)
    assert (kept["program"], kept["subject"], kept["code"]) == ("pip", "simple/nobody", "absent")
    assert desk.tallystick("log") == 0 and "simple/nobody" in desk.out


def test_only_exact_pins_are_read_from_a_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["pip", "install", "-r", "Flask==1.0", "x>=1", "y==1.*", "z===2", "./local", "a==1,!=2"]
    assert list(pinned(words, {})) == [("flask", "1.0"), ("z", "2")]


def test_a_pin_in_a_file_that_the_command_names_or_the_project_has_is_as_good_as_one_in_the_command(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.txt").write_text("Flask==1.0 \\\n    --hash=sha256:00  # a comment\nx>=1\n-e .\n")
    assert list(pinned(["pip", "install", "-rr.txt"], {})) == [("flask", "1.0")]
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["a==1", "b>=1"]\n')
    (tmp_path / "uv.lock").write_text('[[package]]\nname = "b"\nversion = "2"\n')
    assert list(pinned(["uv", "sync"], {})) == [("a", "1"), ("b", "2")]
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert list(pinned(["uv", "sync", "--project", ".."], {})) == [("a", "1"), ("b", "2")]
    assert list(pinned(["uv", "sync"], {"UV_PROJECT": ".."})) == [("a", "1"), ("b", "2")]


def test_a_signal_reaches_the_installer_and_everything_is_cleaned_up(desk, tmp_path):
    waiting = "import signal, sys, time, os; print(os.environ['UV_CACHE_DIR'], flush=True); time.sleep(30)"
    command = [sys.executable, "-c", "import sys; from client_verify.cli import main; sys.exit(main())"]
    running = subprocess.Popen(
        [*command, "run", "--", sys.executable, "-c", waiting], stdout=subprocess.PIPE, text=True
    )
    cache = Path(running.stdout.readline().strip()).parent
    assert cache.is_dir()
    running.send_signal(signal.SIGTERM)
    assert running.wait(10) == 128 + signal.SIGTERM
    running.stdout.close()
    assert not cache.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_no_signal_leaves_an_installer_or_its_folders_behind(desk, tmp_path, number):
    waiting = "import os, time; print(os.environ['UV_CACHE_DIR'], os.getpid(), flush=True); time.sleep(30)"
    running = _started(waiting)
    cache, child = running.stdout.readline().split()
    running.send_signal(number)
    assert running.wait(10) == 128 + number
    running.stdout.close()
    assert not Path(cache).parent.exists()
    assert not _is_there(int(child))


def test_a_signal_that_comes_before_the_installer_is_known_reaches_it(monkeypatch):
    class Slow(subprocess.Popen):
        def __init__(self, *words, **more):
            super().__init__(*words, **more)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Slow)
    assert run._child(["sleep", "30"], os.environ) == 128 + signal.SIGTERM


def test_what_runs_under_nohup_stays_when_its_terminal_goes(desk):
    running = _started("import time; print(1, flush=True); time.sleep(0.5)", "nohup")
    running.stdout.readline()
    running.send_signal(signal.SIGHUP)
    assert running.wait(10) == 0
    running.stdout.close()


def test_a_killed_installer_leaves_nothing_of_run_behind(desk):
    running = _started("import os, time; print(os.environ['UV_CACHE_DIR'], os.getpid(), flush=True); time.sleep(30)")
    cache, child = running.stdout.readline().split()
    os.kill(int(child), signal.SIGKILL)
    assert running.wait(10) == 128 + signal.SIGKILL
    running.stdout.close()
    assert not Path(cache).parent.exists()


def _started(program, *before):
    command = [*before, sys.executable, "-c", "from client_verify.cli import main; raise SystemExit(main())"]
    return subprocess.Popen(
        [*command, "run", "--", sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _is_there(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
