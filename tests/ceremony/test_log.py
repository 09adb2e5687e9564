"""The transparency log in a ceremony: planned, drafted, read on screens, and carried on by the next ceremony."""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any, Final

import pytest

from ceremony import plan as plans
from ceremony import request, seal, show
from ceremony.consequences import consequences
from ceremony.draft import Draft
from ceremony.errors import BadInput, Mismatch, Refused
from ceremony.plan import Log
from keys import possession, trust
from keys.tlog import notes, proofs
from keys.trust import RootOfTrust
from tests.ceremony.people import (
    LOG,
    NAMES,
    WITNESSES,
    answers,
    drafted,
    first,
    held,
    log_key,
    opened,
    plan,
    private,
    sealed_by,
    witness,
)
from tests.ceremony.table import Table

NEXT: Final = log_key("next log")
ELSEWHERE: Final = log_key(origin="other.example/log")


def digits(key: str) -> str:
    read = notes.read_key(key)
    return f"key {read.id.hex()} ({read.digits})"


def changes(draft: Draft) -> list[str]:
    """What changes, without its wrapping."""
    made = show.screens(opened(draft), seal.collect(draft, (), NAMES), draft.at)
    return [line for line in _whole(made[1]) if line.startswith(("NEW", "GONE", "OTHER"))]


def _whole(screen: show.Screen) -> Iterator[str]:
    """The lines of a screen as they were before they were wrapped."""
    whole = ""
    for page in screen.pages:
        for line in page.splitlines()[2:]:
            if line.startswith("      "):
                whole += f" {line.strip()}"
                continue
            yield whole
            whole = line
    yield whole


def follows(draft: Draft) -> str:
    return "\n".join(consequences(draft, NAMES))


def logged(log: Log | None = LOG, **amended: Any) -> RootOfTrust:
    """A first root that names this log."""
    return first(log=log, **amended)


# The plan and the draft.


def test_a_plan_without_a_log_is_written_as_ever_and_its_root_says_nothing_of_one() -> None:
    assert b"log" not in plans.write(plan())
    assert "x-log" not in drafted().root.unrecognized_fields


def test_a_plan_with_a_log_reads_back_with_a_key_on_each_line() -> None:
    planned = plan(log=dataclasses.replace(LOG, begins_anew=True))
    written = plans.write(planned)
    assert plans.read(written) == planned and plans.write(plans.read(written)) == written
    assert all(f'  "{key}",\n' in written.decode() for key in (*LOG.keys, *LOG.witnesses))


def test_the_root_says_of_the_log_what_the_plan_says_in_order() -> None:
    upset = dataclasses.replace(LOG, witnesses=tuple(sorted(WITNESSES, reverse=True)))
    said = drafted(log=upset).root.unrecognized_fields["x-log"]
    assert said == {"keys": [log_key()], "witnesses": sorted(WITNESSES), "quorum": 2}
    assert drafted(log=upset).digest == drafted(log=LOG).digest
    assert trust.read(logged().files()).root.unrecognized_fields["x-log"] == said


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (Log(()), "log: a log has one name and at least one key"),
        (Log((log_key()[:-4],)), "log: .* is no verifier key"),
        (dataclasses.replace(LOG, quorum=4), "log: a quorum of 4 of 3 witnesses cannot be met"),
        (Log((log_key("alice"),)), r"root: x-log: the key of pkgs\.acme\.example/log is key .* of this root"),
        (Log((log_key("service"),)), "of this root; each needs one of its own"),
    ],
)
def test_a_log_that_no_root_may_name_is_not_drafted(log: Log, why: str) -> None:
    with pytest.raises(Refused, match=why):
        drafted(log=log)


def test_a_log_is_followed_by_another_only_if_the_plan_says_so() -> None:
    """Who remembers the head of the old one could never tell whether the new one goes on from it."""
    said = (
        r"the log pkgs\.acme\.example/log becomes other\.example/log, .*; name the old one, or say begins_anew = true"
    )
    with pytest.raises(Refused, match=said):
        drafted(current=logged(), log=Log((ELSEWHERE,)))
    paused = sealed_by(drafted(current=logged(), log=None), "alice", "bob")
    with pytest.raises(Refused, match=said):
        drafted(current=paused, log=Log((ELSEWHERE,)))
    meant = drafted(current=logged(), log=Log((ELSEWHERE,), begins_anew=True))
    assert "begins_anew" not in meant.root.unrecognized_fields["x-log"]
    assert drafted(current=paused, log=LOG).root.version == 3


def test_a_holders_machine_makes_the_same_root_from_the_request_and_refuses_one_that_says_another_log() -> None:
    made = drafted(log=LOG)
    files = {
        "plan.toml": plans.write(made.plan),
        "online.pub": possession.write("service", held("service"), rehearsal=False),
        **{f"draft/{name}": data for name, data in made.files().items()},
        **{f"holders/{n}.pub": possession.write(n, held(n), rehearsal=False) for n in ("alice", "bob", "carol")},
    }
    again = request.read("a.request", request.write(files, made, "tallystick"))
    assert again.drafted.digest == made.digest
    swapped = files["plan.toml"].replace(log_key().encode(), NEXT.encode())
    with pytest.raises(Mismatch, match="draft/ is not what"):
        request.read("a.request", request.write({**files, "plan.toml": swapped}, made, "tallystick"))


# What people read.


def test_every_key_of_the_log_and_every_witness_has_a_line() -> None:
    assert changes(drafted(log=LOG))[-5:] == [
        f"NEW   the log is pkgs.acme.example/log, {digits(log_key())}",
        *(f"NEW   a witness is {key.partition('+')[0]}, {digits(key)}" for key in sorted(WITNESSES)),
        "NEW   2 of 3 witnesses must have seen the log",
    ]


def test_one_change_of_the_log_is_one_change_on_the_screen() -> None:
    rotated = dataclasses.replace(LOG, keys=(NEXT,))
    assert changes(drafted(current=logged(), log=rotated)) == [
        f"GONE  the log is pkgs.acme.example/log, {digits(log_key())}",
        f"NEW   the log is pkgs.acme.example/log, {digits(NEXT)}",
    ]
    assert changes(drafted(current=logged(), log=dataclasses.replace(LOG, quorum=1))) == [
        "GONE  2 of 3 witnesses must have seen the log",
        "NEW   1 of 3 witnesses must have seen the log",
    ]


def test_a_witness_that_has_another_key_is_a_change() -> None:
    again = str(notes.HeldWitnessKey("cats.example/w1", private("other cats")).key)
    log = dataclasses.replace(LOG, witnesses=(again, *WITNESSES[1:]))
    assert changes(drafted(current=logged(), log=log)) == [
        f"GONE  a witness is cats.example/w1, {digits(WITNESSES[0])}",
        f"NEW   a witness is cats.example/w1, {digits(again)}",
    ]


def test_the_digits_are_those_of_the_file_that_the_operator_has() -> None:
    """``sha256sum log.pub``"""
    key = notes.read_key(log_key())
    assert hashlib.sha256(key.line.encode()).hexdigest().startswith(key.digits.replace(" ", ""))


def with_log(before: Log | None, after: Log | None) -> Draft:
    return drafted(current=logged(before), log=after)


ALL: Final = dataclasses.replace(LOG, quorum=3)
ONE_HOUSE: Final = tuple(witness(name) for name in ("a.cats.example/w", "b.cats.example:8000", "cats.example"))
FOLLOWS: Final = [
    ("new", drafted(log=LOG), "Clients can require the log pkgs.acme.example/log from now on."),
    ("seen", drafted(log=LOG), "Clients that require the log refuse what fewer than 2 of these 3 witnesses have seen."),
    ("nobody", drafted(log=Log((log_key(),))), "WARNING: no witness need have seen the log."),
    ("nobody of three", drafted(log=dataclasses.replace(LOG, quorum=0)), "WARNING: no witness need have seen the log."),
    ("all", drafted(log=ALL), "WARNING: all 3 of 3 witnesses must have seen it. One that is away stops every client"),
    (
        "one house",
        drafted(log=Log((log_key(),), ONE_HOUSE, 1)),
        "WARNING: 3 of the 3 witnesses are of cats.example, one house",
    ),
    (
        "enough of one house",
        drafted(log=Log((log_key(),), (*ONE_HOUSE[:2], *WITNESSES[1:]), 2)),
        "WARNING: 2 of the 4 witnesses are of cats.example, one house",
    ),
    ("gone", with_log(LOG, None), "WARNING: no log is named any more. Clients that require one refuse everything"),
    (
        "another",
        with_log(LOG, Log((ELSEWHERE,), begins_anew=True)),
        "WARNING: other.example/log is another log than pkgs.acme.example/log, and begins anew.",
    ),
    ("key", with_log(LOG, dataclasses.replace(LOG, keys=(NEXT,))), "WARNING: the log's key changes."),
    ("key beside", with_log(LOG, dataclasses.replace(LOG, keys=(log_key(), NEXT))), "WARNING: the log's key changes."),
    (
        "old key",
        with_log(LOG, dataclasses.replace(LOG, keys=(NEXT,))),
        f"What key {notes.read_key(log_key()).id.hex()} signs of the log pkgs.acme.example/log does not count",
    ),
    (
        "witness leaves",
        with_log(LOG, dataclasses.replace(LOG, witnesses=WITNESSES[:2])),
        f"owls.example/w1, key {notes.read_key(WITNESSES[2]).id.hex()}, is no witness any more.",
    ),
    (
        "witness comes",
        with_log(dataclasses.replace(LOG, witnesses=WITNESSES[:2]), LOG),
        f"owls.example/w1, key {notes.read_key(WITNESSES[2]).id.hex()}, is a witness from now on.",
    ),
    ("lowered", with_log(ALL, LOG), "WARNING: 2 witnesses are enough from now on, where it took 3."),
    ("lowered to one", with_log(ALL, dataclasses.replace(LOG, quorum=1)), "WARNING: 1 witness is enough from now on"),
]


@pytest.mark.parametrize(("draft", "sentence"), [case[1:] for case in FOLLOWS], ids=[case[0] for case in FOLLOWS])
def test_what_follows_of_the_log_is_said(draft: Draft, sentence: str) -> None:
    assert any(line.startswith(sentence) for line in consequences(draft, NAMES))


def test_what_does_not_follow_is_not_said() -> None:
    assert "WARNING" not in follows(drafted(log=LOG))
    assert "log" not in follows(drafted()) and "log" not in follows(drafted(current=first(), held=()))
    same = follows(drafted(current=logged(), log=LOG, held=()))
    assert [line for line in same.splitlines() if "log" in line or "witness" in line] == [
        "Clients that require the log refuse what fewer than 2 of these 3 witnesses have seen."
    ]
    assert "WARNING" not in follows(with_log(dataclasses.replace(LOG, keys=(log_key(), NEXT)), LOG))
    assert "house" not in follows(drafted(log=Log((log_key(),), (*ONE_HOUSE[:2], *WITNESSES[1:]), 3)))
    assert "house" not in follows(drafted(log=Log((log_key(),), WITNESSES[:1], 1)))
    assert "enough from now on" not in follows(with_log(LOG, ALL))


@pytest.mark.parametrize(
    "draft",
    [drafted(log=dataclasses.replace(LOG, keys=(log_key(origin=f"{'long.' * 30}example/log"),))), with_log(LOG, None)],
)
def test_every_page_of_it_fits_72_columns_and_20_lines(draft: Draft) -> None:
    for page in (
        page
        for screen in show.screens(opened(draft), seal.collect(draft, (), NAMES), draft.at)
        for page in screen.pages
    ):
        assert len(page.splitlines()) <= 20 and max(map(len, page.splitlines())) <= 72


# The command.


@pytest.fixture
def seated(table: Table) -> Table:
    """A table on which the log's two public key files lie too."""
    (table.folder / "log.pub").write_text(f"{log_key()}\n")
    (table.folder / "log-next.pub").write_text(f"{NEXT}\n")
    return table


def planned(table: Table, folder: str) -> Log | None:
    return plans.read((table.folder / folder / "plan.toml").read_bytes()).log


def test_a_plan_takes_the_log_from_its_file_and_the_next_one_goes_on_with_it(seated: Table) -> None:
    said = f"--held admin --log log.pub --quorum 2 --witness {' '.join(WITNESSES)}"
    assert seated.plan("one", more=said) == 0
    assert planned(seated, "one") == LOG
    assert seated.run("draft one") == 0
    (seated.folder / "sealed").mkdir()
    for name, data in logged().files().items():
        (seated.folder / "sealed" / name).parent.mkdir(parents=True, exist_ok=True)
        (seated.folder / "sealed" / name).write_bytes(data)
    inherited = dataclasses.replace(LOG, witnesses=tuple(sorted(WITNESSES)))
    for folder, more, log in (
        ("two", "", inherited),
        ("three", "--log log-next.pub", dataclasses.replace(inherited, keys=(NEXT,))),
        (
            "four",
            "--log log.pub log-next.pub --quorum 0",
            dataclasses.replace(inherited, keys=(log_key(), NEXT), quorum=0),
        ),
        ("five", "--no-log", None),
        ("six", f"--witness {WITNESSES[0]} --quorum 1", dataclasses.replace(LOG, witnesses=WITNESSES[:1], quorum=1)),
        ("seven", "--log log.pub --log-begins-anew", dataclasses.replace(inherited, begins_anew=True)),
    ):
        assert seated.plan(folder, more=f"--after sealed {more}") == 0
        assert planned(seated, folder) == log


def test_witnesses_of_no_log_are_not_dropped_in_silence(seated: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert seated.plan("one", more=f"--witness {WITNESSES[0]} --quorum 1") == 0
    assert seated.run("draft one") == 10
    assert "log: a log has one name and at least one key" in capsys.readouterr().err


@pytest.mark.parametrize(
    "body", [b"", b"PRIVATE+KEY+x+y+z\n", b"\xff", log_key().encode()[:-3], log_key().encode() + b"\n\n"]
)
def test_a_file_that_is_no_public_key_of_a_log_is_refused(
    seated: Table, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (seated.folder / "log.pub").write_bytes(body)
    assert seated.plan("one", more="--log log.pub") == 11
    assert "Ask the operator for the log's .pub file again." in capsys.readouterr().err
    assert not (seated.folder / "one").exists()


def test_a_witness_that_is_no_key_is_not_typed_as_the_command_takes_it(seated: Table) -> None:
    with pytest.raises(SystemExit) as ended:
        seated.plan("one", more="--log log.pub --witness cats.example/w1")
    assert ended.value.code == 2


def test_what_is_sealed_names_the_log_for_whoever_reads_the_root() -> None:
    after = sealed_by(drafted(current=logged(), log=dataclasses.replace(LOG, keys=(NEXT,))), "alice", "bob")
    policy = proofs.policy_of(trust.read(after.files()).root)
    assert policy is not None and policy.origin == "pkgs.acme.example/log" and policy.quorum == 2
    assert [str(key) for key in policy.keys] == [NEXT]
    assert answers(drafted(log=LOG), "alice")[0].signed


def test_a_missing_table_of_the_plan_is_told_apart_from_a_broken_one() -> None:
    broken = plans.write(plan(log=LOG)).replace(b"quorum = 2", b'quorum = "two"')
    with pytest.raises(BadInput, match=r"log\.quorum: must be int"):
        plans.read(broken)
