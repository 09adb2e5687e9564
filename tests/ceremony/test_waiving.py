"""A waiver for the signing guard: written, read by holders in three screens, signed, and good for the guard."""

from pathlib import Path

import pytest

from ceremony import directory, waiving
from keys import waivers
from keys.encoding import sha256
from tests.ceremony.person import Person
from tests.ceremony.table import Table
from tests.ceremony.test_commands import respond

DRAFT = (
    "waiver draft y.waiver --trust one/sealed --allow yanks=10000 --until 2099-01-01T00:00:00Z --number 1 --reason spam"
)


@pytest.fixture
def sealed(table: Table) -> Table:
    """A first ceremony that alice and bob signed on terminals, and a waiver that nobody has signed."""
    table.plan("one")
    for line in ("draft one", "request one"):
        assert table.run(line) == 0
    for name in ("alice", "bob"):
        assert table.sign("one/acme-root-1.request", name)[0] == 0
    for line in ("collect one one", "seal one", DRAFT):
        assert table.run(line) == 0
    return table


def heard(table: Table, **more: object) -> Person:
    its, _ = waivers.unverified((table.folder / "y.waiver").read_bytes())
    return Person(heard=sha256(waivers.payload(its)), **more)  # type: ignore[arg-type]


def sign(table: Table, name: str, person: Person | None = None, file: str = "y.waiver") -> tuple[int, str]:
    person = person or heard(table)
    return person.run(table.folder, f"waiver sign {file} --key {name}.key --trust one/sealed")


def test_two_of_three_holders_sign_what_the_guard_then_heeds(sealed: Table) -> None:
    for name in ("alice", "bob"):
        code, said = sign(sealed, name)
        assert code == 0, said
        assert "ALLOWS yanks: 10000 more than the guard does by itself" in said
        assert max(map(len, said.splitlines())) <= 72
    assert sealed.run("waiver seal y.alice.waiver --trust one/sealed --out short.waiver") == 13
    assert sealed.run("waiver seal y.alice.waiver y.bob.waiver --trust one/sealed --out good.waiver") == 0
    trusted = directory.read_trust(sealed.folder / "one/sealed")
    its = waivers.read((sealed.folder / "good.waiver").read_bytes(), trusted.root, waiving.repository(trusted))
    assert (its.number, its.reason) == (1, "spam")


@pytest.mark.parametrize("screen", range(2))
def test_enter_is_a_no_at_every_screen(sealed: Table, screen: int) -> None:
    before = sealed.files()
    code, said = sign(sealed, "alice", heard(sealed, says={"agree": (*["y"] * screen, "")}))
    assert code == 14 and said.rstrip().endswith("Nothing was written.") and sealed.files() == before


def test_words_of_another_waiver_stop_a_holder(sealed: Table) -> None:
    code, said = sign(sealed, "alice", Person(heard="5a" * 32))
    assert code == 12 and "do not belong to this file" in said


def test_who_signs_no_root_signs_no_waiver(sealed: Table) -> None:
    code, said = sign(sealed, "dan")
    assert code == 12 and "dan does not sign root 1" in said


def test_a_holder_whose_key_trusts_another_root_signs_no_waiver(sealed: Table) -> None:
    (sealed.folder / "alice.memory.json").unlink()
    code, said = sign(sealed, "alice")
    assert code == 12 and "trusts no root of this repository yet" in said


def test_a_waiver_for_another_repository_is_refused(sealed: Table) -> None:
    sealed.plan("two", more="--held other")
    sealed.run("draft two")
    respond(sealed, "two", "alice", "bob")
    sealed.run("seal two")
    assert sealed.run(DRAFT.replace("one/sealed", "two/sealed").replace("y.waiver", "z.waiver")) == 0
    code, said = sign(sealed, "alice", file="z.waiver")
    assert code == 12 and "for another repository" in said


@pytest.mark.parametrize(
    ("change", "code"),
    [("--until 2001-01-01T00:00:00Z", 10), ("--number 0", 11), ("--allow yanks yanks=1", 11)],
)
def test_a_waiver_that_could_never_hold_is_not_written(sealed: Table, change: str, code: int) -> None:
    before = sealed.files()
    assert sealed.run(f"{DRAFT.replace('y.waiver', 'z.waiver')} {change}") == code
    assert sealed.files() == before


def test_two_different_waivers_are_never_put_together(sealed: Table) -> None:
    assert sealed.run(DRAFT.replace("y.waiver", "z.waiver").replace("=10000", "=9")) == 0
    assert sealed.run("waiver seal y.waiver z.waiver --trust one/sealed --out w.waiver") == 12
    Path(sealed.folder / "z.waiver").write_bytes(b"{}")
    assert sealed.run("waiver seal z.waiver --trust one/sealed --out w.waiver") == 11
