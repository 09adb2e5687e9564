"""The units in docs/deploy/systemd are ones that systemd accepts, and a passphrase goes through its credentials."""

import shutil
import subprocess
from pathlib import Path

import pytest

from keys import sealed
from repo_service.guarding.keyring import open_signer
from tests.world import online_key

UNITS = sorted((Path(__file__).parents[2] / "docs/deploy/systemd").glob("*.service"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    assert len(UNITS) >= 4
    for unit in UNITS:  # the program is not installed here
        text = unit.read_text().replace("/opt/tallystick/bin/tallystick-service", shutil.which("true") or "/bin/true")
        (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_network_reaches_the_guard_and_nothing_of_its_memory_leaves_it() -> None:
    (unit,) = (unit for unit in UNITS if "guard" in unit.name)
    lines = unit.read_text().splitlines()
    for wanted in (
        "PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX", "ProtectSystem=strict", "NoNewPrivileges=yes",
        "MemorySwapMax=0", "LimitCORE=0", "LoadCredentialEncrypted=online.key.passphrase",
    ):  # fmt: skip
        assert wanted in lines


def test_a_passphrase_that_systemd_sealed_opens_the_key(tmp_path: Path) -> None:
    if shutil.which("systemd-creds") is None:
        pytest.skip("systemd-creds is not installed")
    name, words = "online.key.passphrase", tmp_path / "words"
    words.write_text("seven words that were drawn")
    seal = ["systemd-creds", "encrypt", "--with-key=host", f"--name={name}", str(words), str(tmp_path / "sealed")]
    if subprocess.run(seal, capture_output=True, timeout=60).returncode:
        pytest.skip("systemd-creds has no key of this machine here")
    folder = tmp_path / "credentials"
    folder.mkdir()
    opened = ["systemd-creds", "decrypt", f"--name={name}", str(tmp_path / "sealed"), str(folder / name)]
    assert subprocess.run(opened, capture_output=True, timeout=60).returncode == 0
    pem = sealed.seal(online_key()._private, words.read_text(), salt=b"s" * 16, iv=b"i" * 16, rounds=1000)
    sealed.write_private(tmp_path / "online.key", pem)
    key = open_signer("online.key", tmp_path, {"CREDENTIALS_DIRECTORY": str(folder)})
    assert key.record.keyid == online_key().record.keyid
