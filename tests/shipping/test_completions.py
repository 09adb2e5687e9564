"""The completions are those of the commands, and real shells take them."""

import subprocess
import textwrap
from pathlib import Path

import pexpect
import pytest

from tests.servers import need
from tests.shipping.completions import FILES, FOLDER, written
from tests.shipping.manual import PAGES

CASES = (
    ("tallystick lo", "lock log"),
    ("tallystick trust a", "add"),
    ("tallystick-service tok", "token"),
    ("tallystick-service token r", "revoke rotate"),
    ("tallystick-service init here --se", "--sealed"),
    ("tallystick-service fsck sub", "subfolder"),
    ("tallystick-ceremony emergency quorum-l", "quorum-lost"),
    ("tallystick-ceremony sign r", "root.request"),
)
"""What is typed before the tabulator, and what comes then."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a shell stands: a folder and a file are in it."""
    (tmp_path / "subfolder").mkdir()
    (tmp_path / "root.request").touch()
    return tmp_path


@pytest.mark.parametrize("shell", FILES)
def test_a_completion_is_what_the_command_says_of_itself(shell: str) -> None:
    for page in PAGES:
        kept = (FOLDER / shell / FILES[shell].format(page.name)).read_text()
        assert kept == written(page.parser, shell), "if it is meant: python -m tests.shipping.completions"


def test_bash_completes(folder: Path) -> None:
    script = textwrap.dedent(r"""
        asked() {
            COMP_LINE=$1; COMP_POINT=${#1}; read -ra COMP_WORDS <<<"$1"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            complete -p "${COMP_WORDS[0]}" >/dev/null || exit
            "_shtab_${COMP_WORDS[0]//-/_}" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
            printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' '
        }
        """)
    sources = "\n".join(f"source {FOLDER / 'bash' / page.name}" for page in PAGES)
    asks = "\n".join(f"asked '{typed}'" for typed, _ in CASES)
    said = subprocess.run(["bash", "-c", sources + script + asks], cwd=folder, capture_output=True, text=True)
    assert said.stdout.splitlines() == [wanted for _, wanted in CASES], said.stderr


def test_fish_completes(folder: Path) -> None:
    sources = [f"source {FOLDER / 'fish' / page.name}.fish" for page in PAGES]
    asks = [f"complete -C '{typed}' | cut -f1 | sort | string join ' '" for typed, _ in CASES]
    command = [need("fish", "fish"), "--no-config", "-c", "\n".join([*sources, *asks])]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert [line.rstrip("/") for line in said.stdout.splitlines()] == [wanted for _, wanted in CASES], said.stderr


def test_zsh_completes(folder: Path) -> None:
    zsh = need("zsh", "zsh")
    shell = pexpect.spawn(zsh, ["-f", "-i"], cwd=str(folder), encoding="utf-8", timeout=20, env={
        "PATH": "/usr/bin:/bin", "HOME": str(folder), "TERM": "dumb", "PS1": "> ", "LC_ALL": "C.UTF-8",
    }, dimensions=(40, 200))  # fmt: skip
    shell.sendline(f"fpath=({FOLDER / 'zsh'} $fpath); autoload -Uz compinit; compinit -u -D; print rea''dy")
    shell.expect("ready")
    for typed, wanted in CASES:
        if " " not in wanted:
            shell.send(f"{typed}\t")
            shell.expect_exact(typed)
            shell.expect_exact(wanted.removeprefix(typed.rsplit(" ", 1)[1]))  # it writes what is left of the word
            shell.send("\x15")  # and the line is thrown away
    shell.close(force=True)
