"""Holders at real terminals: each on a stick of their own, from the first key to a replaced holder."""

import json
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ceremony import directory, inputs
from keys import possession
from tests.ceremony.person import PASSPHRASE, Person
from tests.ceremony.table import Table
from tests.servers import need


@pytest.fixture
def ready(table: Table) -> Table:
    """A table with a first ceremony requested in ``one``."""
    table.plan("one", more="--held admin")
    table.run("draft one")
    table.run("request one")
    return table


REQUEST = "one/acme-root-1.request"


def refused(table: Table, line: str, person: Person | None = None) -> tuple[int, str]:
    """A refusal on a terminal, which must leave every file as it was."""
    before = table.files()
    code, said = (person or Person()).run(table.folder, line)
    assert "REFUSED: " in said and "What to do: " in said and said.rstrip().endswith("Nothing was written."), said
    assert table.files() == before
    return code, " ".join(said.split())


def words_of(table: Table, request: str) -> str:
    return directory.open_ceremony(table.folder / request).drafted.digest


def test_two_ceremonies_from_the_first_key_to_a_replaced_holder(table: Table) -> None:
    erin = Person()
    code, said = erin.run(table.folder, "key new erin --out erin-stick --dice")
    assert code == 0, said
    assert stat.S_IMODE((table.folder / "erin-stick/erin.key").stat().st_mode) == 0o600
    (table.folder / "erin.pub").write_bytes((table.folder / "erin-stick/erin.pub").read_bytes())

    table.plan("one", holders="alice bob erin", more="--held admin")
    table.run("draft one")
    table.run("request one")
    for name, key in (("alice", "alice"), ("erin", "erin-stick/erin")):
        code, said = table.sign(REQUEST, key, Person(passphrase=erin.passphrase if name == "erin" else PASSPHRASE))
        assert code == 0, said
        assert "This is the first root: there is nothing to trust yet." in said
        assert "Signed and verified: root 1, targets 1, held 1, bins 1." in said
        assert max(map(len, said.splitlines())) <= 72
    assert table.run("seal one") == 13
    for line in ("collect one one/acme-root-1.alice.answer one/acme-root-1.erin.answer", "seal one", "verify one"):
        assert table.run(line) == 0

    table.plan("two", holders="alice bob dan", more="--held admin root --after one/sealed")
    table.run("draft two")
    table.run("request two")
    request = "two/acme-root-2.request"
    dan = Person(heard=_root_words(table, request))
    code, said = dan.run(table.folder, f"pin {request} --key dan.key")
    assert code == 0 and "trusts root 1 from now on" in said, said
    for name, key in (("alice", "alice"), ("dan", "dan"), ("erin", "erin-stick/erin")):
        code, said = table.sign(request, key, Person(passphrase=erin.passphrase if name == "erin" else PASSPHRASE))
        assert code == 0, said
        assert "The chain of roots goes on from root 1" in said and "GONE  erin, key" in said
    assert table.run("collect two two/acme-root-2.alice.answer two/acme-root-2.dan.answer") == 0
    assert table.run("seal two") == 13
    for line in ("collect two two/acme-root-2.erin.answer", "seal two", "verify two --pin one/sealed/1.root.json"):
        assert table.run(line) == 0
    assert (table.folder / "two/sealed/2.root.json").exists()
    for line in ("transcript verify two", "transcript print two", "transcript head two", "status two"):
        assert table.run(line) == 0


def _root_words(table: Table, request: str) -> str:
    from ceremony import memory

    current = directory.open_ceremony(table.folder / request).inputs.current
    assert current is not None
    return memory.root_entry(current.roots[-1]).digest


# -- at every question, no is the default --------------------------------------------------------------------------


@pytest.mark.parametrize("screen", range(4))
@pytest.mark.parametrize("answer", ["", "n", "yep"])
def test_enter_is_a_no_at_every_screen(ready: Table, screen: int, answer: str) -> None:
    person = Person(heard=words_of(ready, REQUEST), says={"agree": (*["y"] * screen, answer)})
    assert refused(ready, f"sign {REQUEST} --key alice.key", person)[0] == 14
    assert person.asked.count("agree") == screen + 1 and "passphrase" not in person.asked


def test_a_holder_must_type_in_full_what_is_signed(ready: Table) -> None:
    person = Person(heard=words_of(ready, REQUEST), says={"full": ("sign",)})
    code, said = refused(ready, f"sign {REQUEST} --key alice.key", person)
    assert code == 14 and "you did not type 'sign root 1'" in said


def test_words_of_another_file_stop_everything_before_the_passphrase(ready: Table) -> None:
    ready.plan("other", more="--held admin root")
    ready.run("draft other")
    person = Person(heard=words_of(ready, "other"))
    code, said = refused(ready, f"sign {REQUEST} --key alice.key", person)
    assert code == 12 and "the words you heard do not belong to this file" in said
    assert "passphrase" not in person.asked


def test_a_word_that_is_none_is_asked_again_and_enter_never_passes(ready: Table) -> None:
    person = Person(heard=words_of(ready, REQUEST), says={"word": ("",)})
    code, said = refused(ready, f"sign {REQUEST} --key alice.key", person)
    assert code == 14 and said.count("is no word of the list in this place") == 3


def test_a_holder_who_leaves_at_a_question_has_declined(ready: Table) -> None:
    assert refused(ready, f"sign {REQUEST} --key alice.key", Person(says={"agree": ("\x03",)}))[0] == 14


def test_a_no_with_a_reason_travels_home(ready: Table) -> None:
    person = Person(says={"agree": ("y", "n"), "why": ("dan is not one of us",)})
    code, said = person.run(ready.folder, f"sign {REQUEST} --key alice.key")
    assert code == 14 and "Nothing was signed. Written one/acme-root-1.alice.declined.answer." in said
    assert ready.run("collect one one/acme-root-1.alice.declined.answer") == 0
    assert ready.run("seal one") == 13
    assert not (ready.folder / "alice.memory.json").exists()


# -- refused before any question -----------------------------------------------------------------------------------


def test_a_changed_request_is_refused_before_any_question(ready: Table) -> None:
    path = ready.folder / REQUEST
    path.write_text(path.read_text().replace('\\"threshold\\":2', '\\"threshold\\":1', 1))
    person = Person()
    assert refused(ready, f"sign {REQUEST} --key alice.key", person)[0] == 12
    assert person.asked == []


def test_a_draft_that_expired_meanwhile_is_refused_before_any_question(table: Table) -> None:
    table.plan("one", more="--days 1")
    place = table.folder / "one"
    directory.write_draft(place, inputs.read(directory.files(place)).draft(datetime.now(UTC) - timedelta(days=2)))
    code, said = refused(table, "sign one --key alice.key")
    assert code == 10 and "root: expired on" in said


def test_a_machine_whose_clock_is_behind_signs_nothing(table: Table) -> None:
    table.plan("one")
    place = table.folder / "one"
    directory.write_draft(place, inputs.read(directory.files(place)).draft(datetime.now(UTC) + timedelta(days=2)))
    code, said = refused(table, "sign one --key alice.key")
    assert code == 17 and "this machine's date is" in said


def test_a_key_that_signs_nothing_here_is_refused(ready: Table) -> None:
    code, said = refused(ready, f"sign {REQUEST} --key dan.key")
    assert code == 12 and "which signs nothing here" in said


def test_a_holder_who_trusts_no_root_yet_is_told_to_pin_one(ready: Table) -> None:
    _second(ready)
    code, said = refused(ready, "sign two/acme-targets-2.request --key bob.key")
    assert code == 12 and "Say 'pin' once" in said


def test_words_of_another_root_pin_nothing(ready: Table) -> None:
    _second(ready)
    code, said = refused(ready, "pin two/acme-targets-2.request --key bob.key", Person(heard="5a" * 32))
    assert code == 12 and "the words you heard do not belong to this file" in said


def _second(table: Table) -> None:
    """A first ceremony that alice and carol signed, and a second one that follows it."""
    for name in ("alice", "carol"):
        assert table.sign(REQUEST, name)[0] == 0
    assert table.run("collect one one/acme-root-1.alice.answer one/acme-root-1.carol.answer") == 0
    assert table.run("seal one") == 0
    table.plan("two", more="--held admin root --after one/sealed")
    table.run("draft two")
    assert table.run("request two") == 0


# -- keys and memories ---------------------------------------------------------------------------------------------


def test_a_wrong_passphrase_signs_nothing(ready: Table) -> None:
    person = Person(heard=words_of(ready, REQUEST), passphrase="incorrect horse")
    assert refused(ready, f"sign {REQUEST} --key alice.key", person)[0] == 15
    assert person.asked.count("passphrase") == 1


def test_a_file_that_is_no_key_is_refused(ready: Table) -> None:
    (ready.folder / "alice.key").write_bytes((ready.folder / "alice.pub").read_bytes())
    assert refused(ready, f"sign {REQUEST} --key alice.key", Person(heard=words_of(ready, REQUEST)))[0] == 11


def test_a_key_that_is_not_the_one_of_its_public_file_signs_nothing(ready: Table) -> None:
    (ready.folder / "alice.key").write_bytes((ready.folder / "bob.key").read_bytes())
    code, said = refused(ready, f"sign {REQUEST} --key alice.key", Person(heard=words_of(ready, REQUEST)))
    assert code == 12 and "opens another key" in said


def test_a_key_never_signs_two_roots_of_one_version_until_its_holder_gives_the_first_up(ready: Table) -> None:
    assert ready.sign(REQUEST, "alice")[0] == 0
    assert {each["role"] for each in json.loads((ready.folder / "alice.memory.json").read_bytes())["signed"]} == {
        "root", "targets", "held", "bins",
    }  # fmt: skip
    ready.plan("other", more="--held admin root")
    ready.run("draft other")
    ready.run("request other")
    code, said = refused(ready, "sign other/acme-root-1.request --key alice.key")
    assert code == 19 and "already signed a different" in said

    code, said = Person().run(ready.folder, f"abandon {REQUEST} --key alice.key --reason wrong-names --out .")
    assert code == 0 and "Given up." in said, said
    assert ready.sign("other/acme-root-1.request", "alice")[0] == 0
    (ready.folder / "one/acme-root-1.alice.answer").unlink()
    code, said = refused(ready, f"sign {REQUEST} --key alice.key")
    assert code == 19


def test_what_is_signed_already_is_not_asked_again(ready: Table) -> None:
    assert ready.sign(REQUEST, "alice")[0] == 0
    before = ready.files()
    code, said = Person().run(ready.folder, f"sign {REQUEST} --key alice.key")
    assert code == 0 and "You have signed this already" in said and ready.files() == before


def test_an_answer_that_was_lost_is_made_again(ready: Table) -> None:
    assert ready.sign(REQUEST, "alice")[0] == 0
    (ready.folder / "one/acme-root-1.alice.answer").unlink()
    assert ready.sign(REQUEST, "alice")[0] == 0
    assert (ready.folder / "one/acme-root-1.alice.answer").exists()


def test_a_passphrase_that_is_not_typed_as_drawn_makes_no_key(table: Table) -> None:
    assert refused(table, "key new erin --out .", Person(says={"paper": ("wrong",)}))[0] == 15


def test_a_key_is_never_overwritten(table: Table) -> None:
    assert refused(table, "key new alice --out .")[0] == 10


def test_a_key_is_tested_without_signing_anything_of_a_repository(table: Table) -> None:
    code, said = Person().run(table.folder, "key test --key alice.key")
    assert code == 0 and "opens, signs and verifies" in said


def test_a_new_passphrase_comes_with_a_new_stick_and_the_memory_goes_along(ready: Table) -> None:
    assert ready.sign(REQUEST, "alice")[0] == 0
    person = Person()
    code, said = person.run(ready.folder, "key passwd --key alice.key --out new")
    assert code == 0, said
    assert (ready.folder / "new/alice.memory.json").read_bytes() == (ready.folder / "alice.memory.json").read_bytes()
    assert Person(passphrase=person.passphrase).run(ready.folder, "key test --key new/alice.key")[0] == 0
    code, said = refused(ready, "key test --key new/alice.key")
    assert code == 15


def test_a_spare_key_comes_back_from_its_shares_and_from_no_fewer(table: Table) -> None:
    assert Person().run(table.folder, "key backup --key alice.key --shares 2of3 --out shares")[0] == 0
    share = [f"shares/alice.share-{number}.txt" for number in (1, 2, 3)]
    code, said = refused(table, f"key restore --pub alice.pub --share {share[0]} --out back")
    assert code == 11 and "Bring more shares" in said
    code, said = refused(table, f"key restore --pub bob.pub --share {share[0]} {share[1]} --out back")
    assert code == 11 and "they make another key" in said
    person = Person()
    code, said = person.run(table.folder, f"key restore --pub alice.pub --share {share[2]} {share[0]} --out back")
    assert code == 0, said
    assert Person(passphrase=person.passphrase).run(table.folder, "key test --key back/alice.key")[0] == 0


def test_plain_openssl_opens_a_key_without_us(table: Table) -> None:
    opened = subprocess.run(
        [need("openssl", "openssl"), "pkey", "-in", "alice.key", "-passin", f"pass:{PASSPHRASE}", "-noout", "-text"],
        cwd=table.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "ED25519 Private-Key" in opened.stdout


# -- without our tool ----------------------------------------------------------------------------------------------


def openssl(folder: Path, line: str) -> None:
    subprocess.run([need("openssl", "openssl"), *line.split()], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("curve", ["prime256v1", "secp384r1"])
def test_a_holder_with_openssl_alone_proves_a_key_and_signs(table: Table, curve: str) -> None:
    """Keys of the kind that the PSF made in 2020: P-256 and P-384, public halves in PEM."""
    digest = "-sha256" if curve == "prime256v1" else "-sha384"
    openssl(table.folder, f"ecparam -name {curve} -genkey -noout -out dan.pem")
    openssl(table.folder, "ec -in dan.pem -pubout -out dan.pub.pem")
    assert table.run("key import zoe --pem dan.pub.pem --out .") == 0
    openssl(table.folder, f"dgst {digest} -sign dan.pem -out proof.sig zoe.statement")
    assert table.run("key import zoe --pem dan.pub.pem --out . --proof zoe.statement") == 12
    assert table.run("key import zoe --pem dan.pub.pem --out . --proof proof.sig") == 0
    assert possession.read((table.folder / "zoe.pub").read_bytes()).name == "zoe"

    table.plan("one", holders="alice bob zoe")
    for line in ("draft one", "request one", f"payload {REQUEST} --out bytes"):
        assert table.run(line) == 0
    for role in ("root", "targets", "held", "bins"):
        openssl(table.folder, f"dgst {digest} -sign dan.pem -out {role}.sig bytes/{role}-1.payload")
    assert table.run(f"attach {REQUEST} --pub zoe.pub --sig root=targets.sig") == 12
    signed = " ".join(f"{role}={role}.sig" for role in ("root", "targets", "held", "bins"))
    assert table.run(f"attach {REQUEST} --pub zoe.pub --sig {signed}") == 0
    assert table.sign(REQUEST, "alice")[0] == 0
    for line in ("collect one one/acme-root-1.zoe.answer one/acme-root-1.alice.answer", "seal one", "verify one"):
        assert table.run(line) == 0


def test_an_answer_comes_home_as_a_code(ready: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert ready.sign(REQUEST, "alice")[0] == 0
    capsys.readouterr()
    assert ready.run("code one/acme-root-1.alice.answer --text") == 0
    (ready.folder / "scanned.txt").write_text(capsys.readouterr().out)
    assert ready.run("code one/acme-root-1.alice.answer") == 0
    assert "█" in capsys.readouterr().out
    assert ready.run("collect one scanned.txt") == 0


# -- the transcript ------------------------------------------------------------------------------------------------


def test_a_changed_transcript_is_refused_and_its_head_is_what_witnesses_sign(
    ready: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert ready.run("transcript head one --plain") == 0
    head = capsys.readouterr().out.strip()
    witness = ready.folder / "head.txt"
    witness.write_text(f"{head}\n")
    keygen = need("ssh-keygen", "openssh-client")
    run = {"cwd": ready.folder, "check": True, "capture_output": True}
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", "witness"], **run)
    subprocess.run([keygen, "-Y", "sign", "-n", "tallystick-transcript", "-f", "witness", "head.txt"], **run)
    (ready.folder / "allowed").write_text(f"wendy {(ready.folder / 'witness.pub').read_text()}")
    command = [
        keygen,
        "-Y",
        "verify",
        "-n",
        "tallystick-transcript",
        "-f",
        "allowed",
        "-I",
        "wendy",
        "-s",
        "head.txt.sig",
    ]
    subprocess.run(command, **run, stdin=witness.open())

    ready.run("draft one")
    assert ready.run(f"transcript verify one --head {head}") == 0
    assert ready.run(f"transcript verify one --head {'0' * 64}") == 12
    path = ready.folder / "one/transcript.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"event":"drafted"', b'"event":"dratfed"'))
    changed = ready.files()
    for line in ("transcript verify one", "transcript print one", "request one", "collect one .", "seal one"):
        assert ready.run(line) == 16
    assert ready.files() == changed


def test_an_arrow_key_in_a_reason_leaves_the_transcript_whole(ready: Table) -> None:
    person = Person(says={"agree": ("n",), "why": ("not\x1b[D carol",)})
    assert person.run(ready.folder, f"sign {REQUEST} --key alice.key")[0] == 14
    assert ready.run("transcript verify alice.transcript.jsonl") == 0
    assert ready.run("collect one one/acme-root-1.alice.declined.answer") == 0
    with pytest.raises(SystemExit):
        ready.run(f"abandon {REQUEST} --key alice.key --reason \x1b")


@pytest.mark.parametrize("command", [f"sign {REQUEST}", f"abandon {REQUEST} --reason x", "key test", f"pin {REQUEST}"])
def test_a_holder_whose_transcript_was_changed_is_stopped_before_anything_is_written(
    ready: Table, command: str
) -> None:
    (ready.folder / "alice.transcript.jsonl").write_bytes(b"{}\n")
    code, said = refused(ready, f"{command} --key alice.key")
    assert code == 16 and "transcript: line 1" in said
