"""The wheel as an index would have it, installed by an installer into an empty environment for each extra."""

import json
import os
import re
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import pytest

from keys import sealed
from tests import loopback, servers
from tests.servers import at, need
from tests.service.door import OWNER, publication
from tests.shipping.releases import ROOT, script
from tests.world import log_key, online_key, root_of_trust, write_folder

DIST: Final = script()
HOUSES: Final = ("ceremony", "client_verify", "keys", "repo_service")
ANYWHERE: Final = ("ceremony", "client_verify", "keys", "repo_service.calling", "repo_service.guarding",
                   "repo_service.monitor", "repo_service.witness")  # fmt: skip
"""What a base install can import: all that is for somebody who runs no registry."""
SERVERS: Final = ("flask", "sqlalchemy", "alembic", "rq", "redis", "orjson", "zstandard", "prometheus_client",
                  "psycopg", "obstore", "pkcs11", "boto3", "devpi_server")  # fmt: skip
BRINGS: Final = {
    "base": (),
    "fast": ("backports.zstd",) if sys.version_info < (3, 14) else (),
    "service": ("flask", "sqlalchemy", "redis"),
    "postgres": ("flask", "psycopg"),
    "s3": ("flask", "obstore"),
    "hsm": ("pkcs11",),
    "kms": ("boto3", "hvac", "azure.keyvault.keys", "google.cloud.kms"),
    "ceremony": ("pkcs11", "segno", "shamir_mnemonic"),
    "devpi": ("devpi_server",),
}
"""What each extra is for. One that is not here is looked at all the same: is it whole, and under which licences."""
EVERY: Final = pytest.mark.parametrize("extra", DIST.extras())
Installed = Callable[[str], Path]
_TOKENS: Final = ("keys.tokens",)
"""Loaded where a key's address is that of a token; the extra hsm brings what it needs."""
_ELSEWHERE: Final = ("repo_service.registries", "repo_service.storage.migrations.env")
"""Loaded by a registry's own program, and by alembic."""
_IMPORT_ALL: Final = """
import importlib, pkgutil, sys
def of(name):
    yield name
    for found in pkgutil.iter_modules(importlib.import_module(name).__path__, name + "."):
        if found.ispkg and found.name not in SKIPPED:
            yield from of(found.name)
        elif found.name not in SKIPPED:
            yield found.name
SKIPPED = set(sys.argv[2:])
for name in [each for house in sys.argv[1].split(",") for each in of(house)]:
    importlib.import_module(name)
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, made from the sdist, and the sdist."""
    folder = tmp_path_factory.mktemp("release")
    made: tuple[Path, Path] = DIST.build(DIST.sources(folder / "tree"), folder / "built")
    return made


@pytest.fixture(scope="module")
def installed(release: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The environment of an extra, made when it is first asked for."""
    need("uv", "uv")

    @cache
    def environment(extra: str) -> Path:
        made: Path = DIST.installed(tmp_path_factory.mktemp("environments") / extra, release[0], extra)
        return made

    return environment


def run(environment: Path, program: str, *arguments: object, home: Path | None = None) -> str:
    """What one of its programs prints, alone in the world: nothing of this tree or its environment can be imported."""
    command = [str(environment / "bin" / program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env=alone(home))
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def alone(home: Path | None) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(home or "/nonexistent")}


# What is in the files.


def test_the_wheel_has_every_file_of_the_four_packages_and_what_man_and_shells_look_for(
    release: tuple[Path, Path],
) -> None:
    tree = release[0].parents[1] / "tree"
    ours = {str(path.relative_to(tree)) for house in HOUSES for path in (tree / house).rglob("*") if path.is_file()}
    with ZipFile(release[0]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name or "poetry-plugin" in name}
    shared = {name.partition(".data/data/")[2] for name in names - ours}
    assert ours <= names
    assert {name.split("/")[0] for name in shared} == {"share"} and len(shared) == 12
    assert {"keys/py.typed", "repo_service/py.typed", "repo_service/domain/presets/pypi.toml"} <= ours


def test_the_sdist_has_every_file_that_git_knows(release: tuple[Path, Path]) -> None:
    tree = release[0].parents[1] / "tree"
    known = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    names = subprocess.run(["tar", "-tzf", release[1]], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {name.partition("/")[2] for name in names} - {"PKG-INFO"} == known


def test_an_index_would_take_both_and_show_the_readme(release: tuple[Path, Path]) -> None:
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, release)], check=True)


def test_somebody_else_builds_the_same_bytes_elsewhere_and_later(release: tuple[Path, Path], tmp_path: Path) -> None:
    tree: Path = DIST.sources(tmp_path / "another" / "folder")
    for path in sorted(tree.rglob("*"), reverse=True):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (2e9, 2e9))
    later = [*at("+400d"), sys.executable, "-m", "build", "--no-isolation", "--outdir", "out", str(tree)]
    environment = os.environ | {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    subprocess.run(later, cwd=tmp_path, check=True, env=environment, umask=0o077, stdout=subprocess.PIPE)
    for file in release:
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes(), file.name


def test_the_wheel_from_the_tree_is_the_one_from_the_sdist(release: tuple[Path, Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    if DIST._git("status", "--porcelain", "--ignored", "--", *HOUSES).replace("__pycache__", "").count(".py"):
        pytest.skip("there are files that git does not know")
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    assert (tmp_path / release[0].name).read_bytes() == release[0].read_bytes()


# What is installed.


@EVERY
def test_what_is_installed_is_whole_and_each_command_says_its_version(extra: str, installed: Installed) -> None:
    environment = installed(extra)
    subprocess.run([DIST.BIN / "uv", "pip", "check", "--quiet", "--python", environment / "bin" / "python"], check=True)
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]  # type: ignore[index]
    assert run(environment, "tallystick", "--version") == f"tallystick {version}\n"
    assert version in run(environment, "tallystick-ceremony", "--version")


@EVERY
def test_an_extra_brings_what_it_is_for_and_the_base_no_server(extra: str, installed: Installed) -> None:
    script = "import importlib.util as u, sys; print(*(n for n in sys.argv[1:] if u.find_spec(n.split('.')[0])))"
    brings = BRINGS.get(extra, ())
    found = run(installed(extra), "python", "-c", script, *brings, *SERVERS).split()
    assert {*brings} <= {*found}
    if extra in ("base", "fast"):
        assert {*found} == {*brings}


def test_a_base_install_imports_all_that_needs_no_registry(installed: Installed) -> None:
    run(installed("base"), "python", "-c", _IMPORT_ALL, ",".join(ANYWHERE), *_TOKENS)
    assert "refresh" in run(installed("base"), "tallystick-conformance", "--help")
    assert "hold the online key" in run(installed("base"), "tallystick-service", "guard", "--help")


def test_a_base_install_says_what_the_server_needs(installed: Installed) -> None:
    command = [installed("base") / "bin" / "tallystick-service", "status", "/nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env=alone(None))
    assert (done.returncode, "pip install 'tallystick[service]'" in done.stderr) == (2, True)


def test_an_install_of_the_service_imports_all_of_it(installed: Installed) -> None:
    run(installed("s3"), "python", "-c", _IMPORT_ALL, ",".join(HOUSES), *_TOKENS, *_ELSEWHERE)


def test_an_install_for_devpi_is_found_by_devpi(installed: Installed) -> None:
    script = "from importlib.metadata import entry_points as e; print([f.load() for f in e(group='devpi_server')])"
    assert "repo_service.registries.devpi" in run(installed("devpi"), "python", "-c", script)


def test_man_and_shells_find_their_files_in_what_is_installed(installed: Installed) -> None:
    share = installed("base") / "share"
    for command in ("tallystick", "tallystick-service", "tallystick-ceremony"):
        assert (share / "man" / "man1" / f"{command}.1").exists()
        assert (share / "bash-completion" / "completions" / command).exists()


@EVERY
def test_every_licence_is_one_that_we_allow(extra: str, installed: Installed) -> None:
    found = DIST.inventory(installed(extra), "--no-validate")
    assert [*DIST.objections(found, extra)] == []
    assert found["metadata"]["component"]["name"] == "tallystick"
    assert "file://" not in json.dumps(found)  # nor is where it was made anybody's business


def test_the_bundle_passes_on_nothing_that_asks_for_more_than_a_notice(tmp_path: Path) -> None:
    found = DIST.inventory(DIST.bundled(tmp_path / "bundle"), "--no-validate")
    assert [*DIST.objections(found, DIST.BUNDLE)] == []
    assert len(found["components"]) > 5


@pytest.mark.parametrize(("said", "allowed"), [
    ("MIT", True), ("MIT AND (Apache-2.0 OR GPL-3.0-only)", True), ("GPL-3.0-only OR MIT", True),
    ("MIT AND GPL-3.0-only", False), ("GPL-3.0-only", False), ("Our own licence", False), ("", False),
    ("License :: OSI Approved :: GNU General Public License v3 (GPLv3)", False),
])  # fmt: skip
def test_a_licence_is_allowed_only_if_what_we_allow_is_enough(said: str, allowed: bool) -> None:
    assert DIST.permits(DIST.allowed().shipped, said) is allowed


# And it does its work.


def begun(environment: Path, home: Path, settings: str = "", **more: str) -> str:
    """A service that the installed commands began, with keys that a ceremony knows; an admin's token."""
    run(environment, "tallystick-service", "key", home, "--rehearsal")
    ceremony = write_folder(home / "sealed", root_of_trust(datetime.now(UTC).replace(microsecond=0)).files())
    for name, key in (("online.key", sealed.plain(online_key()._private)), ("log.key", log_key().written.encode())):
        (home / name).unlink()
        sealed.write_private(home / name, key)
    (home / "service.toml").write_text(settings)
    command = [environment / "bin" / "tallystick-service", "init", home, "--sealed", ceremony, "--allow-rehearsal"]
    done = subprocess.run(command, capture_output=True, text=True, env={**alone(None), **more})
    assert done.returncode == 0, done.stdout + done.stderr
    return next(word for word in done.stdout.split() if word.startswith("tally_"))


@contextmanager
def served(environment: Path, home: Path) -> Iterator[str]:
    """The address of a service as long as the block lasts."""
    command = [environment / "bin" / "tallystick-service", "serve", home, "--port", "0"]
    with loopback.process(command, cwd="/", env=alone(None)) as (url, _):
        yield url


def publish_and_yank(url: str, token: str) -> None:
    """One release of foo, which is yanked then."""
    yank = {"actor": OWNER, "reason": {"code": "broken", "text": "it leaks"}}
    for path, asked in (("publish", publication("foo")), ("yank", yank)):
        request = urllib.request.Request(f"{url}/v1/projects/foo/releases/1.0/{path}", json.dumps(asked).encode())
        for name, value in (("Authorization", f"Bearer {token}"), ("Idempotency-Key", uuid.uuid4().hex),
                            ("Prefer", "wait=20"), ("Content-Type", "application/json")):  # fmt: skip
            request.add_header(name, value)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["status"] == "signed"


def test_the_installed_service_signs_a_yank_that_an_installed_client_verifies(
    installed: Installed, tmp_path: Path
) -> None:
    folder, home = tmp_path / "service", tmp_path / "home"
    token = begun(installed("service"), folder)
    with served(installed("service"), folder) as url:
        publish_and_yank(url, token)
        root = folder / "sealed" / "1.root.json"
        run(installed("base"), "tallystick", "trust", "add", "acme", "--url", url, "--root", root, home=home)
        assert "it leaks" in run(installed("base"), "tallystick", "show", "foo", "--json", home=home)


def test_an_install_with_postgres_begins_a_journal_there(installed: Installed, tmp_path: Path) -> None:
    with servers.postgres() as url:
        begun(installed("postgres"), tmp_path, f'database = "{url}"\n')
    assert not (tmp_path / "journal.sqlite").exists()


def test_an_install_with_s3_publishes_there(
    installed: Installed, tmp_path: Path, moto_server: servers.S3Server
) -> None:
    begun(installed("s3"), tmp_path, f'public = "{moto_server.url("wheels")}"\n', **moto_server.credentials)
    assert not (tmp_path / "public").exists()
