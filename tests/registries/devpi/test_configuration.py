"""The plugin's file is read strictly: what is wrong is said with the place where it is wrong."""

from pathlib import Path

import pytest

from repo_service.registries.devpi import configuration
from repo_service.registries.devpi.configuration import BadConfiguration
from tests.registries.devpi.house import block

GOOD = block("tallystick.toml")


def read(folder: Path, text: str) -> configuration.Configuration:
    path = folder / "tallystick.toml"
    path.write_text(text)
    return configuration.read(path)


def test_what_the_guide_shows_is_read_and_what_it_leaves_out_is_as_it_says(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    index = found.indexes["root/prod"]
    assert found.outbox == tmp_path / "outbox.sqlite"
    assert (index.service, index.files, index.reconcile_s) == (
        "https://tallystick.example",
        "https://devpi.example",
        3600,
    )
    index.token_file.write_text(" secret\n")
    assert index.token == "secret"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no index is named"),
        ("indexes = 3", "no index is named"),
        (f"colour = 1\n{GOOD}", "no setting 'colour'"),
        (f"outbox = 1\n{GOOD}", "outbox"),
        (GOOD + "colour = 1\n", "colour"),
        (GOOD.replace("root/prod", "prod"), "USER/NAME"),
        (GOOD.replace("https://devpi", "devpi"), "files is an address"),
        (GOOD.replace("https://tally", "ftp://tally"), "not the address of a service"),
        (GOOD.replace("https://tally", "http://tally"), "unencrypted"),
        (GOOD + "reconcile_s = 0\n", "at least 1"),
        (GOOD + GOOD.replace("root/prod", "root/dev"), "same service"),
        ("[", "Nothing was done"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(BadConfiguration, match=why):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="No such file"):
        configuration.read(tmp_path / "nowhere.toml")
