"""A holder with a token: made on it, signed with it, and every refusal of it said like any other."""

from collections.abc import Iterator

import pytest

from ceremony import directory
from tests import servers
from tests.ceremony.person import Person
from tests.ceremony.table import Table
from tests.servers import SoftHsm

REQUEST = "one/acme-root-1.request"


@pytest.fixture
def hsm() -> Iterator[SoftHsm]:
    with servers.softhsm() as tokens_in_software:
        tokens_in_software.init("zoe")
        yield tokens_in_software


@pytest.fixture
def ready(table: Table, hsm: SoftHsm) -> Table:
    """A first ceremony of alice, bob and zoe, whose key is on a token."""
    person = Person(pin=hsm.pin)
    code, said = person.run(table.folder, f"key new zoe --out . --token {hsm.uri('zoe', 'root')}", **hsm.environment)
    assert code == 0 and "only says where the key is" in said, said
    table.plan("one", holders="alice bob zoe")
    for line in ("draft one", "request one"):
        assert table.run(line) == 0
    return table


def sign(table: Table, hsm: SoftHsm, pin: str) -> tuple[int, str]:
    person = Person(heard=directory.open_ceremony(table.folder / REQUEST).drafted.digest, pin=pin)
    return person.run(table.folder, f"sign {REQUEST} --key zoe.key", **hsm.environment)


def test_a_key_that_was_made_on_a_token_signs_and_is_tested_like_any_other(ready: Table, hsm: SoftHsm) -> None:
    assert (ready.folder / "zoe.key").read_text().startswith("pkcs11:token=zoe")
    code, said = Person(pin=hsm.pin).run(ready.folder, "key test --key zoe.key", **hsm.environment)
    assert code == 0 and "opens, signs and verifies" in said, said
    code, said = sign(ready, hsm, hsm.pin)
    assert code == 0 and "You sign as zoe" in said and "on a token" in said, said
    assert ready.run("collect one one/acme-root-1.zoe.answer") == 0


def refused(ready: Table, hsm: SoftHsm, pin: str, why: str) -> None:
    before = ready.files()
    code, said = sign(ready, hsm, pin)
    said = " ".join(said.split())
    assert code == 15 and why in said and said.endswith("Nothing was written."), said
    assert {name: data for name, data in ready.files().items() if "softhsm" not in name} == before


def test_a_wrong_pin_is_tried_once_and_signs_nothing(ready: Table, hsm: SoftHsm) -> None:
    refused(ready, hsm, "135790", "the token refused this PIN; one try is used up")


def test_the_last_try_is_never_ours(ready: Table, hsm: SoftHsm) -> None:
    hsm.flag("zoe", 0x00020000)  # CKF_USER_PIN_FINAL_TRY
    refused(ready, hsm, hsm.pin, "The token says 1 try is left. I will not try.")


def test_a_token_that_is_not_there_is_said_with_what_is(ready: Table, hsm: SoftHsm) -> None:
    path = ready.folder / "zoe.key"
    path.write_text(path.read_text().replace("token=zoe", "token=other"))
    refused(ready, hsm, hsm.pin, "no token fits. There are: token=zoe")


def test_a_key_on_a_token_is_never_made_over_another(ready: Table, hsm: SoftHsm) -> None:
    (ready.folder / "elsewhere").mkdir()
    line = f"key new zoe --out elsewhere --token {hsm.uri('zoe', 'root')}"
    code, said = Person(pin=hsm.pin).run(ready.folder, line, **hsm.environment)
    assert code == 15 and "A key is never overwritten" in " ".join(said.split())
    assert list((ready.folder / "elsewhere").iterdir()) == []
