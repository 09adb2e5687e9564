"""The command: every refusal has its exit code, says what to do, and has written nothing."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ceremony import answers as answering
from ceremony import cli, directory
from ceremony.errors import CeremonyError
from keys import possession
from keys.trust import NotTrusted
from tests.ceremony.people import answers, drafted, held
from tests.ceremony.table import Table


def respond(table: Table, folder: str, *names: str) -> None:
    """Put people's answers into ``answers/`` as ``collect`` does, without a terminal."""
    place = table.folder / folder
    made = directory.open_ceremony(place).drafted
    files = {answer.file_name: answering.write(answer) for answer in answers(made, *names)}
    directory.write_all(place / "answers", files)


@pytest.fixture
def ready(table: Table) -> Table:
    """A table with a first ceremony drafted in ``one``."""
    assert table.plan("one", more="--held admin") == 0
    assert table.run("draft one") == 0
    return table


@pytest.fixture
def refused(ready: Table, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, str]]:
    """Runs a command that must end in a refusal which leaves every file as it was."""

    def run(line: str) -> tuple[int, str]:
        before = ready.files()
        capsys.readouterr()
        code = ready.run(line)
        said = capsys.readouterr()
        assert said.out == ""
        assert re.search(r"^REFUSED: .+^What to do: .+^Nothing was written\.$", said.err, re.S | re.M)
        assert ready.files() == before
        return code, " ".join(said.err.split())

    return run


Refused = Callable[[str], tuple[int, str]]


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_whole_ceremony_can_be_run_again_at_every_step(ready: Table) -> None:
    respond(ready, "one", "alice", "carol")
    steps = ("draft one", "request one", "show one", "collect one one/answers", "status one", "seal one", "verify one")
    for line in steps:
        assert ready.run(line) == 0
    done = ready.files()
    ready.plan("one", more="--held admin")
    for line in steps:
        assert ready.run(line) == 0
    assert ready.files() == done


def test_a_plan_that_the_rules_forbid_is_refused(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    table.plan("two", more="--threshold 4")
    before = table.files()
    assert table.run("draft two") == 10
    assert "the threshold is 4 of 3 holders" in capsys.readouterr().err
    assert table.files() == before


def test_one_holder_named_twice_is_refused(refused: Refused) -> None:
    line = "plan two --name n --url https://x --holder alice.pub alice.pub --online service.pub"
    assert refused(line)[0] == 10


def test_a_plan_is_never_overwritten(refused: Refused) -> None:
    line = "plan one --name other --url https://x --holder alice.pub bob.pub carol.pub --online service.pub"
    code, said = refused(line)
    assert code == 10 and "one/plan.toml exists and holds something else" in said


def test_a_plan_that_could_not_be_read_again_is_not_written(ready: Table, refused: Refused) -> None:
    line = "plan two --name n\x1b[2J --url https://x --holder alice.pub bob.pub --online service.pub"
    assert refused(line)[0] == 11


def test_a_number_of_days_beyond_all_time_is_refused(ready: Table, refused: Refused) -> None:
    edit(ready.folder / "one/plan.toml", "days = 365", "days = 9999999999")
    assert refused("draft one")[0] == 10


def test_a_draft_is_never_overwritten(ready: Table, refused: Refused) -> None:
    edit(ready.folder / "one/plan.toml", "days = 365", "days = 364")
    code, said = refused("draft one")
    assert code == 10 and "one/draft/held.json exists and holds something else" in said


def test_a_file_of_another_draft_is_never_mixed_in(ready: Table, refused: Refused) -> None:
    (ready.folder / "one/draft/timestamp.json").write_bytes(b"{}")
    code, said = refused("draft one")
    assert code == 10 and "draft/timestamp.json belongs to another draft" in said


def test_a_plan_that_is_not_toml_is_refused(ready: Table, refused: Refused) -> None:
    edit(ready.folder / "one/plan.toml", "threshold = 2", "threshold = two")
    assert refused("draft one")[0] == 11


def test_a_key_file_that_proves_nothing_is_refused(ready: Table, refused: Refused) -> None:
    edit(ready.folder / "one/holders/bob.pub", '"name":"bob"', '"name":"bib"')
    code, said = refused("show one")
    assert code == 11 and "does not prove possession" in said


def test_a_missing_file_is_refused_by_its_path(refused: Refused) -> None:
    code, said = refused("show nowhere")
    assert code == 11 and "nowhere: No such file or directory" in said


def test_a_file_too_large_is_refused_unread(ready: Table, refused: Refused) -> None:
    (ready.folder / "one/plan.toml").write_bytes(b"#" * (directory.MAX_FILE + 1))
    assert "larger than" in refused("draft one")[1]


def test_a_name_that_could_leave_its_folder_is_refused(ready: Table, refused: Refused) -> None:

    (ready.folder / "evil.pub").write_bytes(possession.write("../evil", held("evil"), rehearsal=False))
    line = "plan two --name n --url https://x --holder evil.pub alice.pub --online service.pub"
    assert refused(line)[0] == 11


@pytest.mark.parametrize(
    "command", ["show one", "seal one", "verify one", "collect one one/answers", "status one", "request one"]
)
def test_a_draft_that_the_plan_does_not_make_is_refused_by_every_command(
    ready: Table, refused: Refused, command: str
) -> None:
    edit(ready.folder / "one/draft/root.json", '"threshold":2', '"threshold":1')
    code, said = refused(command)
    assert code == 12 and "draft/ is not what plan.toml" in said


def test_a_draft_with_a_file_too_few_is_refused(ready: Table, refused: Refused) -> None:
    (ready.folder / "one/draft/held.json").unlink()
    assert refused("show one")[0] == 12


def test_a_directory_without_a_draft_says_so(ready: Table, refused: Refused) -> None:
    ready.plan("two")
    code, said = refused("show two")
    assert code == 11 and "there is no draft yet" in said


def test_a_seal_before_enough_have_signed_names_what_is_missing(ready: Table, refused: Refused) -> None:
    respond(ready, "one", "alice")
    code, said = refused("seal one")
    assert code == 13 and "root 1 lacks 1 of 2 signatures" in said


def test_a_forged_answer_on_a_stick_is_not_collected(ready: Table, refused: Refused) -> None:
    stick = ready.copy("one", "stick")
    respond(ready, stick, "alice", "bob")
    forged = ready.folder / stick / "answers/bob.signed.answer"
    forged.write_bytes(re.sub(rb'"sig":"....', b'"sig":"0000', forged.read_bytes()))
    code, said = refused("collect one stick/answers")
    assert code == 12 and "the answer of bob: holds no good signature by a key that may sign root 1" in said


def test_an_answer_to_another_draft_is_not_collected(ready: Table, refused: Refused) -> None:
    ready.plan("two", more="--held other")
    ready.run("draft two")
    respond(ready, "two", "alice")
    code, said = refused("collect one two/answers")
    assert code == 12 and "the answer of alice is to another draft" in said


def test_a_folder_without_answers_is_not_collected(refused: Refused) -> None:
    code, said = refused("collect one .")
    assert code == 11 and "has no .answer file" in said


@pytest.mark.parametrize(
    "command",
    ["sign one --key alice.key", "key new erin --out .", "pin one --key alice.key", "key test --key alice.key"],
)
def test_without_a_terminal_nobody_signs_and_no_key_is_made(refused: Refused, command: str) -> None:
    assert refused(command)[0] == 17


def test_the_number_of_bins_follows_from_the_targets_that_are_expected(ready: Table) -> None:
    line = "--name n --url https://x --holder alice.pub bob.pub --online service.pub"
    ready.run(f"plan many {line} --expect-targets 700000")
    assert b"bins = 4096" in (ready.folder / "many/plan.toml").read_bytes()
    ready.run(f"plan few {line}")
    assert b"bins = 256" in (ready.folder / "few/plan.toml").read_bytes()
    with pytest.raises(SystemExit):
        ready.run(f"plan two {line} --expect-targets 1e6")


def test_a_rehearsal_key_in_a_real_plan_is_refused(ready: Table, refused: Refused) -> None:
    ready.seat("practice", rehearsal=True)
    ready.plan("two", holders="alice bob practice")
    assert refused("draft two")[0] == 18


def test_a_rehearsal_never_follows_a_real_root(ready: Table, refused: Refused) -> None:
    respond(ready, "one", "alice", "bob")
    ready.run("seal one")
    ready.seat("p", "q", "r", "s", rehearsal=True)
    ready.run(
        "plan two --name n --url https://x --holder p.pub q.pub r.pub --online s.pub --bins 16 --rehearsal "
        "--after one/sealed"
    )
    code, said = refused("draft two")
    assert code == 18 and "the current root is real" in said


def test_a_broken_result_before_is_never_built_upon(ready: Table, refused: Refused) -> None:
    respond(ready, "one", "alice", "bob")
    ready.run("seal one")
    edit(ready.folder / "one/sealed/1.root.json", '"threshold":2', '"threshold":1')
    line = "plan two --name n --url https://x --holder alice.pub bob.pub --online service.pub --after one/sealed"
    assert refused(line)[0] == 13


def test_a_witness_refuses_a_result_that_was_changed(ready: Table, refused: Refused) -> None:
    respond(ready, "one", "alice", "bob")
    ready.run("seal one")
    edit(ready.folder / "one/sealed/1.bins.json", '"bit_length":4', '"bit_length":5')
    assert refused("verify one")[0] == 13


def test_a_witness_refuses_a_good_result_of_another_plan(ready: Table, refused: Refused) -> None:
    ready.plan("two", more="--held other")
    ready.run("draft two")
    for folder in ("one", "two"):
        respond(ready, folder, "alice", "bob")
        ready.run(f"seal {folder}")
    (ready.folder / "one/sealed").rename(ready.folder / "one/put-away")
    (ready.folder / "two/sealed").rename(ready.folder / "one/sealed")
    code, said = refused("verify one")
    assert code == 12 and "sealed/ is not what the draft says" in said


def test_a_witness_with_another_root_pinned_is_told_to_stop(ready: Table, refused: Refused) -> None:
    respond(ready, "one", "alice", "bob")
    ready.run("seal one")
    (ready.folder / "mine.json").write_bytes(drafted(threshold=3).candidates[0].file(()))
    code, said = refused("verify one --pin mine.json")
    assert code == 12 and "is not in this chain of roots" in said


def test_a_witness_with_this_root_pinned_is_told_that_the_chain_continues_it(
    ready: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    respond(ready, "one", "alice", "bob")
    ready.run("seal one")
    assert ready.run("verify one --pin one/sealed/1.root.json") == 0
    assert "The chain of roots continues from your root 1." in capsys.readouterr().out


def test_a_result_once_sealed_is_never_overwritten(ready: Table, refused: Refused) -> None:
    respond(ready, "one", "alice", "bob")
    ready.run("seal one")
    respond(ready, "one", "carol")
    code, said = refused("seal one")
    assert code == 10 and "one/sealed/1.root.json exists and holds something else" in said


def test_a_seal_that_died_half_way_is_completed_by_running_it_again(ready: Table) -> None:
    respond(ready, "one", "alice", "bob")
    ready.run("seal one")
    done = ready.files()
    (ready.folder / "one/sealed/1.targets.json").unlink()
    assert ready.run("seal one") == 0
    assert ready.files() == done


def test_a_disk_that_cannot_be_written_ends_with_17_and_says_so(
    ready: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    respond(ready, "one", "alice", "bob")
    (ready.folder / "one/sealed").write_text("a file where a folder should be")
    assert ready.run("seal one") == 17
    assert "Whatever was written before this is complete." in capsys.readouterr().err


@pytest.mark.parametrize("line", ["", "plan", "key new ../x --out .", "sign one", "draft one --force"])
def test_wrong_usage_ends_with_2(table: Table, line: str) -> None:
    with pytest.raises(SystemExit) as ended:
        table.run(line)
    assert ended.value.code == 2


@pytest.mark.parametrize("command", ["key new", "plan", "draft", "show", "sign", "collect", "seal", "verify"])
def test_every_help_has_an_example_and_fits_72_columns(
    table: Table, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with pytest.raises(SystemExit):
        table.run(f"{command} --help")
    text = capsys.readouterr().out
    assert f"example:\n  tallystick-ceremony {command} " in text
    assert max(map(len, text.splitlines())) <= 72


def test_every_error_of_the_tree_has_its_exit_code() -> None:
    left = {each for kind in CeremonyError.__subclasses__() for each in (kind, *kind.__subclasses__())}
    assert set(cli.EXIT) == left | {*NotTrusted.__subclasses__()}


def test_everybody_gets_a_checklist_which_the_draft_fills_in(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    table.plan("one")
    assert table.run("checklist one") == 0
    before = (table.folder / "one/checklist/appendix.md").read_bytes()
    for line in ("draft one", "checklist one"):
        assert table.run(line) == 0
    assert (table.folder / "one/checklist/appendix.md").read_bytes() != before
    assert table.run("request one") == 0  # what is printed is no part of what is signed
    assert {path.name for path in (table.folder / "one/checklist").iterdir()} >= {"holder-alice.md", "checklist.html"}


def test_an_emergency_is_answered_with_this_repositorys_names_and_versions(
    ready: Table, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    respond(ready, "one", "alice", "bob")
    ready.run("seal one")
    capsys.readouterr()
    assert ready.run("emergency holder-lost --trust one/sealed --lost carol --plan-out next") == 0
    said = capsys.readouterr().out
    assert "carol" in said and "root 2" in said
    assert b'name = "carol"' not in (ready.folder / "next/plan.toml").read_bytes()
    assert refused("emergency holder-lost --trust one/sealed --lost alice bob")[0] == 10
