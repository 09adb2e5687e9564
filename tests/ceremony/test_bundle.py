"""The one file for a machine without a network: it is the same wherever it is built, holds what a holder needs and
nothing else, and trusts nothing of the machine but Python.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final
from zipfile import ZIP_STORED, ZipFile

import pytest
from packaging.requirements import Requirement

from ceremony import built
from tests.ceremony import bundles
from tests.no_network import in_no_network
from tests.servers import need

NETWORK: Final = ("socket", "ssl", "http", "urllib.request", "urllib3", "requests", "asyncio")
HELD: Final = {
    "asn1crypto", "bin", "ceremony", "cffi", "cryptography", "keys", "pkcs11", "securesystemslib", "segno",
    "shamir_mnemonic", "tuf",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def bundle(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.build(bundles.copy(tmp_path_factory.mktemp("checkout")), wheels)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of somebody who runs the bundle: it is unpacked there the first time."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system, which lists its files in another order."""
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="tallystick-", dir=memory if memory.is_dir() else None)
    yield Path(folder)
    shutil.rmtree(folder)


def run(bundle: Path, home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the bundle with no other environment, and where there is no network."""
    command = in_no_network([sys.executable, str(bundle), *arguments])
    return subprocess.run(command, env={"HOME": str(home), **environment}, capture_output=True, text=True)


def inside(bundle: Path, home: Path, script: str) -> str:
    """Run a script as the tool runs in the bundle; what it printed."""
    path = home / "script.py"
    path.write_text(script)
    done = run(bundle, home, str(path), SHIV_INTERPRETER="1")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_builds_are_the_same_to_the_byte_whatever_their_folder_umask_time_zone_and_network(
    bundle: Path, wheels: Path, elsewhere: Path
) -> None:
    checkout = bundles.copy(elsewhere / "deep/er")
    for path in checkout.rglob("*"):
        path.chmod(0o700)
    other = bundles.build(
        checkout, wheels, tuple(in_no_network([])), umask=0o077,
        TMPDIR=str(elsewhere), TZ="Asia/Tokyo", LANG="C", PYTHONHASHSEED="7",
    )  # fmt: skip
    assert other.name == bundle.name and other.read_bytes() == bundle.read_bytes()


def test_its_digest_is_beside_it_as_sha256sum_reads_it(bundle: Path) -> None:
    subprocess.run([need("sha256sum", "coreutils"), "--check", "--strict", "SHA256SUMS"], cwd=bundle.parent, check=True)
    found = built.bundle(bundle)
    assert found is not None and found.sha256 in (bundle.parent / "SHA256SUMS").read_text()
    assert built.bundle(bundle.parent / "SHA256SUMS") is None


def test_it_holds_what_a_holder_needs_and_nothing_else(bundle: Path) -> None:
    with ZipFile(bundle) as archive:
        entries = archive.infolist()
    packed = {entry.filename.removeprefix("site-packages/").split("/")[0] for entry in entries}
    folders = {name for name in packed if "." not in name}
    assert folders == {*HELD, "_bootstrap"}
    assert {entry.compress_type for entry in entries} == {ZIP_STORED}  # whose bytes no zlib decides


def test_a_wheel_that_is_not_the_one_in_the_lock_is_refused(wheels: Path, tmp_path: Path) -> None:
    changed = tmp_path / "wheels"
    shutil.copytree(wheels, changed)
    with next(changed.glob("tuf-*.whl")).open("ab") as wheel:
        wheel.write(b"x")
    checkout = bundles.copy(tmp_path / "checkout")
    with pytest.raises(subprocess.CalledProcessError):
        bundles.build(checkout, changed)
    assert list((checkout / "dist").iterdir()) == []


def test_the_lock_is_what_the_project_asks_for() -> None:
    project = tomllib.loads((bundles.ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["ceremony"]]
    asked += project["optional-dependencies"]["hsm"]
    locked = dict(
        line.split(" ")[0].split("==")
        for line in (bundles.ROOT / "docs/bundle/bundle.lock").read_text().splitlines()
        if "==" in line
    )
    left_out = set()
    for requirement in map(Requirement, asked):
        if requirement.name in locked:
            assert requirement.specifier.contains(locked[requirement.name]), f"say make bundle-lock: {requirement}"
        elif requirement.name != "tallystick":
            left_out.add(requirement.name)
    assert left_out == {"urllib3", "waitress", "packaging", "platformdirs"}


def test_it_says_what_it_was_built_from(bundle: Path, home: Path) -> None:
    script = (
        "import json; from ceremony import built; from keys import strict; print(json.dumps(strict.dump(built.read())))"
    )
    said = built.Built(**json.loads(inside(bundle, home, script)))
    project = tomllib.loads((bundles.ROOT / "pyproject.toml").read_text())["project"]
    assert asdict(said) == {
        "version": project["version"], "commit": "unknown", "date": "2026-11-28T10:00:00Z", "python": bundles.PYTHON,
        "machine": os.uname().machine,
    }  # fmt: skip
    version = "from importlib.metadata import version; print(version('tallystick'))"
    assert inside(bundle, home, version).strip() == project["version"]


def test_nothing_that_the_machine_has_installed_is_imported(bundle: Path, home: Path) -> None:
    stranger = home / "stranger"
    stranger.mkdir()
    (stranger / "boto3.py").write_text("")
    script = "try:\n    import boto3\nexcept ImportError:\n    print('not seen')"
    path = home / "looks.py"
    path.write_text(script)
    done = run(bundle, home, str(path), SHIV_INTERPRETER="1", PYTHONPATH=str(stranger))
    assert done.stdout == "not seen\n"
    assert "pytest" not in inside(bundle, home, "import importlib.util as u; print(u.find_spec('pytest') and 'pytest')")


def test_of_the_network_only_the_socket_module_is_loaded(bundle: Path, home: Path) -> None:
    """asn1crypto and email.utils ask for it; nothing that could fetch is there."""
    every_module = (
        "import importlib, pkgutil, sys, ceremony, keys\n"
        "for house in (keys, ceremony):\n"
        "    for each in pkgutil.iter_modules(house.__path__, house.__name__ + '.'):\n"
        "        importlib.import_module(each.name)\n"
        "import tuf.ngclient\n"
        f"print([name for name in {NETWORK!r} if name in sys.modules])"
    )
    assert inside(bundle, home, every_module) == "['socket']\n"


def test_the_client_that_replays_a_root_can_fetch_nothing(bundle: Path, home: Path) -> None:
    script = (
        "from tuf.ngclient import Updater\n"
        "try:\n    Updater('.', 'https://x.example', bootstrap=b'')\nexcept TypeError as error:\n    print(error)"
    )
    assert "takes no arguments" in inside(bundle, home, script)


def test_a_script_that_was_changed_where_it_was_unpacked_is_refused(bundle: Path, tmp_path: Path) -> None:
    assert run(bundle, tmp_path, "--help").returncode == 0
    (script,) = tmp_path.glob(".shiv/*/site-packages/ceremony/cli.py")
    script.write_text(script.read_text() + "\n")
    done = run(bundle, tmp_path, "--help")
    assert done.returncode == 1 and "has been modified" in done.stderr


def test_a_home_that_cannot_be_written_needs_shiv_root(bundle: Path, tmp_path: Path) -> None:
    nowhere = Path("/proc/nowhere")
    assert run(bundle, nowhere, "--help").returncode == 1
    assert run(bundle, nowhere, "--help", SHIV_ROOT=str(tmp_path)).returncode == 0


def test_another_python_than_it_was_built_for_is_refused_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "ceremony").mkdir()
    preamble = shutil.copy(bundles.ROOT / "docs/bundle/preamble.py", tmp_path / "bin")
    (tmp_path / "ceremony/built.json").write_text('{"python": "3.99", "machine": "abacus"}')
    done = subprocess.run([sys.executable, preamble], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("REFUSED: this file is for Python 3.99 on abacus, and this is Python 3.")
    assert done.stderr.endswith("Nothing was written.\n")


def test_an_install_from_wheels_without_a_network_has_the_tool(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    source = tmp_path / "source"
    shutil.copytree(bundles.ROOT, source, ignore=shutil.ignore_patterns(".*", "tests", "docs", "dist", "__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", wheels, f"{source}[ceremony]"], check=True
    )
    uv = need("uv", "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    install = [
        uv, "pip", "install", "--quiet", "--offline", "--no-index", "--find-links", str(wheels),
        "--python", str(tmp_path / "venv/bin/python"), "tallystick[ceremony]",
    ]  # fmt: skip
    subprocess.run(in_no_network(install), check=True)
    done = subprocess.run([tmp_path / "venv/bin/tallystick-ceremony", "--help"], env={}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("usage: tallystick-ceremony ")
