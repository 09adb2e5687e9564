"""A whole ceremony where there is no network, by a tool that dies of the first socket: no command needs one."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from ceremony import directory
from tests.ceremony import bundles
from tests.ceremony.person import Person
from tests.ceremony.table import Table
from tests.no_network import FORBIDDEN, in_no_network, without_sockets

REACH: Final = (
    "import socket\n"
    "try:\n    socket.create_connection(('192.0.2.1', 443), 5)\nexcept OSError as error:\n    print(error.errno)"
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wheels = bundles.wheels(tmp_path_factory.mktemp("wheels"))
    return bundles.build(bundles.copy(tmp_path_factory.mktemp("checkout")), wheels)


@pytest.fixture
def tool(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The bundle as it is run here: alone, without a network, and without sockets."""
    monkeypatch.setenv("SHIV_ROOT", str(tmp_path / "unpacked"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tuple(in_no_network(without_sockets(bundle)))


def test_a_ceremony_from_the_first_key_to_the_sealed_files(tool: tuple[str, ...], tmp_path: Path) -> None:
    table = Table(tmp_path / "table")
    table.folder.mkdir()
    table.seat("alice", "bob", "service")
    coordinator, alice, erin = Person(), Person(), Person()
    request = "one/acme-root-1.request"

    def done(person: Person, line: str) -> None:
        code, said = person.run(table.folder, line, command=tool)
        assert code == 0, said

    done(erin, "key new erin --out .")
    for line in (
        "plan one --name acme --url https://pkgs.acme.example/ --bins 16 --online service.pub "
        "--holder alice.pub bob.pub erin.pub",
        "draft one", "request one", "show one",
    ):  # fmt: skip
        done(coordinator, line)
    alice.heard = erin.heard = directory.open_ceremony(table.folder / request).drafted.digest
    done(alice, f"sign {request} --key alice.key")
    done(erin, f"sign {request} --key erin.key")
    answers = [f"one/acme-root-1.{name}.answer" for name in ("alice", "erin")]
    for line in (
        f"code {answers[0]}", f"collect one {' '.join(answers)}", "status one", "seal one", "verify one",
        "transcript head one",
    ):  # fmt: skip
        done(coordinator, line)
    assert (table.folder / "one/sealed/1.root.json").exists()


@pytest.mark.parametrize(
    "script",
    [
        "import socket; socket.socket()",
        "import socket\ntry:\n    socket.getaddrinfo('localhost', 1)\nexcept BaseException:\n    pass",
        "from urllib.request import urlopen\ntry:\n    urlopen('http://127.0.0.1:1')\nexcept BaseException:\n    pass",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
    ],
    ids=["socket", "name", "http", "program", "shell"],
)
def test_whatever_makes_a_socket_or_starts_a_program_would_be_caught(script: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(without_sockets(tmp_path / "script.py"), capture_output=True, text=True)
    assert done.returncode == FORBIDDEN and done.stderr.startswith("FORBIDDEN: ")


def test_where_there_is_no_network_nothing_can_be_reached() -> None:
    unreachable = subprocess.check_output(in_no_network([sys.executable, "-c", REACH]), text=True)
    assert unreachable == "101\n"
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        loopback = REACH.replace("'192.0.2.1', 443", f"'127.0.0.1', {listening.getsockname()[1]}")
        assert subprocess.check_output([sys.executable, "-c", loopback], text=True) == ""
        assert subprocess.check_output(in_no_network([sys.executable, "-c", loopback]), text=True) == "101\n"
