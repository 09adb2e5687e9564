"""A whole ceremony where there is no network, by a tool that dies of the first socket: no command needs one."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.ceremony import bundles
from tests.ceremony.table import PASSPHRASE, SIGN, Table
from tests.no_network import FORBIDDEN, in_no_network, without_sockets

NEW_KEY: Final = (("New passphrase", PASSPHRASE), ("The same again", PASSPHRASE))
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
    (tmp_path / "table").mkdir()
    table = Table(tmp_path / "table", command=tool)
    table.seat("alice", "bob", "service")
    answers = {"key new": NEW_KEY, "sign": SIGN}
    for line in (
        "key new erin --out .",
        "plan one --name acme --url https://pkgs.acme.example/ --bins 16 --holder alice.pub bob.pub erin.pub "
        "--online service.pub",
        "draft one", "show one",
        "sign one --key alice.key", "sign one --key erin.key",
        "collect one one", "seal one", "verify one",
    ):  # fmt: skip
        said = next((answers[command] for command in answers if line.startswith(command)), ())
        code, screen = table.talk(line, *said)
        assert code == 0, screen
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
