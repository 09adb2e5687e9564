"""Is the machine fit: each check by facts that are good but for one thing, and the reading of them on this machine."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from ceremony import built, selfcheck
from ceremony.selfcheck import Facts, Interface
from keys import words
from tests.no_network import in_no_network

NOW: Final = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
YESTERDAY, TOMORROW = NOW - timedelta(days=1), NOW + timedelta(days=1)
FIT: Final = Facts(
    now=NOW, offset=timedelta(0), built_at=YESTERDAY, since=YESTERDAY, interfaces=(Interface("wlan0", False, False),),
    swaps=("/dev/zram0",), dumpable=False, core_limit=-1, core_piped=True, random_device=True, virtual=False,
    modules=(Path("/usr/lib/opensc-pkcs11.so"),), missing_modules=(), terminal=(72, 20), umask=0o077,
    bundle=built.Bundle(Path("/media/stick/tool.pyz"), "5a40" * 16),
)  # fmt: skip


def test_a_machine_that_is_fit_has_nothing_to_say_but_ok() -> None:
    assert [finding.level for finding in selfcheck.findings(FIT)] == ["ok"] * len(selfcheck.CHECKS)
    assert selfcheck.problems(FIT) == []


@pytest.mark.parametrize(
    ("changed", "level", "said"),
    [
        ({"interfaces": (Interface("eth0", True, False),)}, "problem", "The network is up: eth0."),
        ({"interfaces": (Interface("eth0", False, True),)}, "problem", "The network is up: eth0."),
        ({"built_at": TOMORROW}, "problem", "But this tool was built on 2026-11-23, 23 November 2026."),
        ({"since": TOMORROW}, "problem", "But the root that is trusted here was made on 2026-11-23"),
        ({"offset": timedelta(hours=-3, minutes=-30)}, "warning", "-3.5 hours from UTC. Say: export TZ=UTC"),
        ({"swaps": ("/dev/zram0", "/dev/sda2")}, "problem", "written to /dev/sda2. Say: swapoff -a"),
        ({"dumpable": True, "core_piped": False}, "problem", "to a file. Say: ulimit -c 0"),
        ({"dumpable": True, "core_limit": 0}, "problem", "Say, as root: sysctl kernel.core_pattern=core"),
        ({"random_device": False}, "warning", "no /dev/hwrng"),
        ({"virtual": True}, "warning", "its host can read every key"),
        ({"missing_modules": (Path("/opt/token.so"),)}, "problem", "PKCS#11 module missing: /opt/token.so."),
        ({"terminal": (71, 20)}, "problem", "The terminal has 71 columns and 20 lines. Make it at least 72 by 20"),
        ({"terminal": (72, 19)}, "problem", "The terminal has 72 columns and 19 lines. Make it at least 72 by 20"),
        ({"terminal": None}, "warning", "There is no terminal"),
        ({"umask": 0o027}, "warning", "(umask 027). Say: umask 077"),
        ({"bundle": None}, "warning", "For a real ceremony use the bundle."),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_one_thing_that_is_wrong_is_found_and_said_with_what_to_do(
    changed: dict[str, Any], level: str, said: str
) -> None:
    facts = replace(FIT, **changed)
    (found,) = (finding for finding in selfcheck.findings(facts) if finding.level != "ok")
    assert found.level == level and said in f"{found.said} {found.todo}" and found.todo
    assert selfcheck.problems(facts) == ([found] if level == "problem" else [])


def test_the_clock_is_said_in_words_that_can_be_compared_with_a_watch() -> None:
    said = selfcheck.clock(FIT).said
    assert said == "The clock says Sunday, 2026-11-22, 22 November 2026, 10:00 UTC."


def test_a_tool_that_was_not_built_and_a_machine_that_trusts_no_root_have_no_date_to_compare() -> None:
    assert selfcheck.clock(replace(FIT, built_at=None, since=None)).level == "ok"


def test_a_limit_alone_is_enough_where_cores_are_files() -> None:
    assert selfcheck.core_dumps(replace(FIT, dumpable=True, core_limit=0, core_piped=False)).level == "ok"


def test_a_hardened_process_leaves_no_core() -> None:
    script = (
        "from datetime import UTC, datetime; from ceremony import selfcheck; from keys import hardening; "
        "hardening.harden(); print(selfcheck.core_dumps(selfcheck.facts(datetime.now(UTC))).level)"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "ok\n"


def test_the_words_of_the_bundle_are_read_out() -> None:
    text = " ".join(" ".join(selfcheck.report(FIT)).split())
    assert " ".join(words.words(bytes.fromhex("5a40" * 16))) in text


def test_the_report_fits_72_columns() -> None:
    unfit = replace(
        FIT,
        interfaces=(Interface("eth0", True, True),),
        dumpable=True,
        missing_modules=(Path("/x" * 20),),
        swaps=("/s",),
    )
    lines = selfcheck.report(unfit)
    assert max(map(len, lines)) <= 72
    assert {line.split()[0] for line in lines if not line.startswith(" ")} == {"ok", "problem"}


def kernel(folder: Path, route: str = "", inet6: str = "", **states: str) -> tuple[Path, Path]:
    """A /proc and a /sys with these interfaces, by name and operstate."""
    proc, sys = folder / "proc", folder / "sys"
    (proc / "net").mkdir(parents=True)
    head = "Inter-|   Receive\n face |bytes\n"
    (proc / "net/dev").write_text(head + "".join(f"{name:>6}: 0 0\n" for name in ("lo", *states)))
    (proc / "net/route").write_text("Iface\tDestination\n" + route)
    (proc / "net/if_inet6").write_text(f"{'0' * 31}1 01 80 10 80       lo\n" + inet6)
    for name, state in states.items():
        (sys / "class/net" / name).mkdir(parents=True)
        (sys / "class/net" / name / "operstate").write_text(state + "\n")
    return proc, sys


def test_the_kernel_s_files_tell_which_interfaces_are_up(tmp_path: Path) -> None:
    machine = kernel(
        tmp_path, route="eth1\t000200C0\n", inet6=f"{'f' * 32} 04 40 00 82     eth2\n",
        eth0="up", eth1="unknown", eth2="dormant", wlan0="down",
    )  # fmt: skip
    assert list(selfcheck.interfaces(*machine)) == [
        Interface("eth0", True, False), Interface("eth1", False, True), Interface("eth2", False, True),
        Interface("wlan0", False, False),
    ]  # fmt: skip


def test_a_machine_with_nothing_but_the_loopback_has_no_network(tmp_path: Path) -> None:
    assert list(selfcheck.interfaces(*kernel(tmp_path))) == []
    assert list(selfcheck.interfaces(tmp_path / "nothing", tmp_path)) == []


def test_this_machine_can_be_read() -> None:
    before = os.umask(0o027)
    try:
        facts = selfcheck.facts(datetime.now(UTC), asked=(Path("/nowhere/token.so"), Path(sys.executable)))
    finally:
        os.umask(before)
    assert facts.umask == 0o027
    assert facts.missing_modules == (Path("/nowhere/token.so"),) and Path(sys.executable) in facts.modules
    assert facts.bundle is None and facts.built_at is None
    assert len(selfcheck.findings(facts)) == len(selfcheck.CHECKS)


def test_a_process_without_a_network_is_told_that_there_is_none() -> None:
    script = (
        "from datetime import UTC, datetime; from ceremony import selfcheck; "
        "print(selfcheck.network(selfcheck.facts(datetime.now(UTC))).said)"
    )
    command = in_no_network([sys.executable, "-c", script])
    assert subprocess.check_output(command, text=True) == "No network: there is no interface.\n"
