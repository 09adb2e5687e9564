"""Walks on real terminals: holders sign on their own copies, one of them with a key that ``key new`` made."""

import json
import stat
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from ceremony import directory
from tests.ceremony.table import PASSPHRASE, READ, SIGN, Table
from tests.servers import need

NEW_KEY = (("New passphrase", PASSPHRASE), ("The same again", PASSPHRASE))


@pytest.fixture
def ready(table: Table) -> Table:
    table.plan("one", more="--held admin")
    table.run("draft one")
    return table


def test_two_ceremonies_from_the_first_key_to_a_replaced_holder(table: Table) -> None:
    code, said = table.talk("key new erin --out .", *NEW_KEY)
    assert code == 0 and PASSPHRASE not in said
    assert stat.S_IMODE((table.folder / "erin.key").stat().st_mode) == 0o600

    table.plan("one", holders="alice bob erin", more="--held admin")
    table.run("draft one")
    sticks = {name: table.copy("one", f"stick-{name}") for name in ("alice", "erin")}
    for name, stick in sticks.items():
        code, said = table.talk(f"sign {stick} --key {name}.key", *SIGN)
        assert code == 0, said
        assert (
            "there is nothing to pin yet" in said and "Signed and verified: root 1, targets 1, held 1, bins 1" in said
        )
        assert max(map(len, said.splitlines())) <= 72 and PASSPHRASE not in said
    assert table.run("seal one") == 13
    for line in ("collect one stick-alice stick-erin", "seal one", "verify one"):
        assert table.run(line) == 0

    table.plan("two", holders="alice bob dan", more="--held admin root --after one/sealed")
    table.run("draft two")
    for name in ("alice", "dan", "erin"):
        stick = table.copy("two", f"second-{name}")
        code, said = table.talk(f"sign {stick} --key {name}.key --pin one/sealed/1.root.json", *SIGN)
        assert code == 0, said
        assert "continues from your pinned root 1" in said and "GONE  erin, key" in said
    assert table.run("collect two second-alice second-dan") == 0
    assert table.run("seal two") == 13
    for line in ("collect two second-erin", "seal two", "verify two --pin one/sealed/1.root.json"):
        assert table.run(line) == 0
    assert (table.folder / "two/sealed/2.root.json").exists()


def refused(table: Table, line: str, *answers: tuple[str, str]) -> tuple[int, str]:
    """A refusal on a terminal, which must leave every file as it was."""
    before = table.files()
    code, said = table.talk(line, *answers)
    assert said.rstrip().endswith("Nothing was written."), said
    assert table.files() == before
    return code, said


def test_a_holder_who_types_anything_but_sign_has_declined(ready: Table) -> None:
    assert refused(ready, "sign one --key alice.key", *READ, ("Type sign", "yes"))[0] == 14


@pytest.mark.parametrize("height", [80, 0], ids=["high enough", "does not tell"])
def test_a_terminal_that_holds_everything_is_not_waited_on(ready: Table, height: int) -> None:
    assert ready.talk("sign one --key alice.key", *SIGN[len(READ) :], height=height)[0] == 0


def test_a_holder_who_stops_at_a_question_has_declined(ready: Table) -> None:
    assert refused(ready, "sign one --key alice.key", ("Enter to read on.", "\x03"))[0] == 14


def test_a_wrong_passphrase_signs_nothing(ready: Table) -> None:
    assert refused(ready, "sign one --key alice.key", *SIGN[:3], ("Passphrase of", "incorrect horse"))[0] == 15


def test_a_key_that_signs_nothing_here_is_refused(ready: Table) -> None:
    code, said = refused(ready, "sign one --key dan.key", *SIGN)
    assert code == 12 and "which signs nothing here" in said


def test_a_file_that_is_no_key_is_refused(ready: Table) -> None:
    assert refused(ready, "sign one --key alice.pub", *SIGN)[0] == 11


def test_a_changed_draft_is_refused_before_any_question(ready: Table) -> None:
    draft = ready.folder / "one/draft/root.json"
    draft.write_text(draft.read_text().replace('"threshold":2', '"threshold":1'))
    assert refused(ready, "sign one --key alice.key")[0] == 12


def test_a_draft_that_expired_meanwhile_is_refused_before_any_question(table: Table) -> None:
    table.plan("one", more="--days 1")
    inputs = directory.load(table.folder / "one")
    directory.write_draft(table.folder / "one", inputs.draft(datetime.now(UTC) - timedelta(days=2)))
    code, said = refused(table, "sign one --key alice.key")
    assert code == 10 and "root: expired on" in said


def test_a_pinned_root_and_a_first_ceremony_do_not_go_together(ready: Table) -> None:
    code, said = refused(ready, "sign one --key alice.key --pin one/draft/root.json")
    assert code == 12 and "starts a new chain at root 1" in said


def test_a_key_never_signs_two_roots_of_one_version(ready: Table) -> None:
    assert ready.talk("sign one --key alice.key", *SIGN)[0] == 0
    assert {entry["role"] for entry in json.loads((ready.folder / "alice.signed.json").read_bytes())["signed"]} == {
        "root", "targets", "held", "bins",
    }  # fmt: skip
    ready.plan("other", more="--held admin root")
    ready.run("draft other")
    code, said = refused(ready, "sign other --key alice.key")
    assert code == 19 and "already signed a different" in said


def test_the_same_draft_may_be_signed_again(ready: Table) -> None:
    assert ready.talk("sign one --key alice.key", *SIGN)[0] == 0
    signed = ready.files()
    assert ready.talk("sign one --key alice.key", *SIGN)[0] == 0
    assert ready.files() == signed


@pytest.mark.parametrize(
    "answers",
    [(("New passphrase", "too short"),), (("New passphrase", PASSPHRASE), ("The same again", PASSPHRASE + "!"))],
    ids=["short", "differs"],
)
def test_a_bad_new_passphrase_makes_no_key(table: Table, answers: tuple[tuple[str, str], ...]) -> None:
    assert refused(table, "key new erin --out .", *answers)[0] == 15


def test_a_key_is_never_overwritten(table: Table) -> None:
    assert refused(table, "key new alice --out .")[0] == 10


def test_plain_openssl_opens_a_key_without_us(table: Table) -> None:
    opened = subprocess.run(
        [need("openssl", "openssl"), "pkey", "-in", "alice.key", "-passin", f"pass:{PASSPHRASE}", "-noout", "-text"],
        cwd=table.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "ED25519 Private-Key" in opened.stdout
