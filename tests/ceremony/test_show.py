"""What people read: complete, narrow, in plain words, one change a line, one decision a screen."""

import dataclasses
from datetime import timedelta

import pytest
from tuf.api.metadata import Root

from ceremony import seal, show
from ceremony.consequences import consequences
from ceremony.draft import Draft
from keys import layout, words
from keys.encoding import sha256
from tests.ceremony.people import NAMES, NOW, answers, drafted, first, held, keyring, opened, sealed_by

NEW = keyring("alice", "bob", "dan")


def screens(draft: Draft, *signers: str) -> list[str]:
    """The five screens, each as one text."""
    its = opened(draft)
    made = show.screens(its, seal.collect(draft, answers(draft, *signers), NAMES), draft.at)
    return ["\n".join(screen.pages) for screen in made]


def changes(draft: Draft) -> list[str]:
    """The lines of the second screen that state a change."""
    return [line for line in screens(draft)[1].splitlines() if line.split(" ")[0] in ("NEW", "GONE", "OTHER")]


def test_the_second_ceremony_reads_like_this() -> None:
    made = drafted(NEW, first(), held=("admin", "root"), purpose="replace carol by dan")
    what, changed, follows, how, _ = screens(made, "alice", "dan")
    (page,) = [sha256(data) for path, data in made.pages.items() if path.startswith("simple/root/")]
    assert what.splitlines() == [
        "1 of 5  Who and what                                                REAL",
        show.RULE,
        "acme, https://pkgs.acme.example/",
        "Purpose: replace carol by dan",
        "REAL: clients will trust these files.",
        "Drafted 2026-11-22, 22 November 2026, 10:00 UTC.",
        "To be signed: root 2, targets 2 and held 2.",
    ]
    assert changed.splitlines()[2:] == [
        f"GONE  carol, key {show.short(held('carol').record.keyid)}, signs root, targets, held and bins",
        f"NEW   dan, key {show.short(held('dan').record.keyid)}, signs root, targets, held and bins",
        f"NEW   nobody can install root: held, page {page[:16]}",
        "Nothing else changes.",
    ]
    assert follows.splitlines()[2:] == [
        "1 key of 3 can be lost before nobody can change this root any more.",
        "carol can no longer sign anything here.",
        "dan can sign from now on.",
        "Nobody can install root any more, whatever the service signs.",
        "Clients go on until 2027-11-22, 22 November 2027, when bins expires;",
        "      sign again from 2027-08-24, 24 August 2027.",
        "Clients that were given root 1 follow 1 root to this one.",
    ]
    assert [line for line in how.splitlines()[2:] if not line.startswith(" ") or line.startswith("      ")] == [
        "To be signed, until 2027-11-22, 22 November 2027, in 365 days:",
        "root, version 2, after 1. SHA-256 of what is signed:",
        "targets, version 2, after 1. SHA-256 of what is signed:",
        "held, version 2, after 1. SHA-256 of what is signed:",
        "Not touched: bins.",
        "",
        "root 2 and targets 2, asked by the old root 1: 1 of 2 signed (alice); 1",
        "      missing, of bob, carol.",
        "root 2 and targets 2, asked by the new root 2: signed by alice, dan; 2",
        "      are enough.",
        "held 2, asked by targets 2: signed by alice, dan; 2 are enough.",
    ]


def test_the_words_stand_for_all_that_is_to_be_signed() -> None:
    made = drafted()
    last = screens(made)[4]
    said = words.words(bytes.fromhex(made.digest))
    assert [word for line in last.splitlines()[5:] for word in line.split()[-4:]] == list(said)


def test_words_that_must_be_heard_are_not_on_the_screen() -> None:
    made = drafted()
    said = words.words(bytes.fromhex(made.digest))
    table = "\n".join(show.word_table(made.digest, (0, 17)))
    assert said[0] not in table.split() and said[17] not in table.split()
    assert "(1?)" in table and "(18?)" in table


def test_every_digest_is_shown_whole() -> None:
    made = drafted()
    text = "".join(screens(made)).replace(" ", "").replace("\n", "")
    assert all(candidate.digest in text for candidate in made.candidates)


@pytest.mark.parametrize(
    "draft",
    [
        drafted(),
        drafted(threshold=3),
        drafted(held=tuple(f"name-{number}" for number in range(40)), purpose="why " * 60),
        drafted(keyring("alice", "bob", "carol", "dan", "erin", "frank", "eve"), threshold=5),
        drafted(keyring("dan", "erin", "frank", online="other"), first(), held=()),
    ],
    ids=["first", "no spare", "many names", "many holders", "all new"],
)
def test_every_page_fits_72_columns_and_20_lines(draft: Draft) -> None:
    made = show.screens(opened(draft), seal.collect(draft, (), NAMES), draft.at)
    for page in (page for screen in made for page in screen.pages):
        lines = page.splitlines()
        assert len(lines) <= 20 and max(map(len, lines)) <= 72


def test_a_changed_threshold_is_said() -> None:
    assert changes(drafted(current=first(), threshold=3)) == [
        "GONE  2 of 3 must sign root, targets, held and bins",
        "NEW   3 of 3 must sign root, targets, held and bins",
    ]


def test_a_name_that_is_let_go_is_said() -> None:
    (line,) = changes(drafted(current=first(), held=()))
    assert line.startswith("GONE  nobody can install admin: held, page ")


def test_files_that_are_only_signed_again_change_nothing() -> None:
    assert changes(drafted(current=first(), now=NOW + timedelta(days=300))) == []


def test_a_change_that_no_sentence_covers_is_shown_all_the_same() -> None:
    made = drafted(NEW, first())
    root = made.bodies[layout.ROOT]
    assert isinstance(root, Root)
    root.unrecognized_fields["x-surprise"] = "yes"
    shown = " ".join(screens(made)[1].split())
    assert "OTHER root:" in shown and '"x-surprise": "yes"' in shown


FOLLOWS = [
    ("no spare", drafted(threshold=3), "WARNING: all 3 of 3 holders must sign."),
    ("one alone", drafted(threshold=1), "WARNING: one holder alone can change everything"),
    (
        "online key",
        drafted(keyring("alice", "bob", "carol", online="other"), first()),
        "WARNING: the online key changes.",
    ),
    ("bins", drafted(current=first(), bins=32), "WARNING: 16 bins become 32."),
    (
        "lowered",
        drafted(current=first("alice", "bob", "carol", threshold=3)),
        "WARNING: 2 holders are enough from now on",
    ),
    ("raised", drafted(current=first(), threshold=3), "It takes 3 holders from now on, where 2 were enough."),
    ("held", drafted(current=first(), held=("admin", "root")), "Nobody can install root any more"),
    ("let go", drafted(current=first(), held=()), "admin is no longer held"),
    ("client", drafted(minimum_client="pip 99"), "WARNING: clients older than pip 99 cannot read these files"),
]


@pytest.mark.parametrize(("draft", "sentence"), [case[1:] for case in FOLLOWS], ids=[case[0] for case in FOLLOWS])
def test_what_follows_is_said_and_loudly_first(draft: Draft, sentence: str) -> None:
    said = consequences(draft, NAMES)
    assert any(each.startswith(sentence) for each in said)
    assert [each.startswith("WARNING") for each in said] == sorted(
        (each.startswith("WARNING") for each in said), reverse=True
    )


def test_files_that_are_only_signed_again_have_no_consequence_but_a_date() -> None:
    said = consequences(drafted(current=first(), now=NOW + timedelta(days=300)), NAMES)
    assert len(said) == 3 and said[1].startswith("Clients go on until")


def test_a_rehearsal_says_so_on_every_page() -> None:
    made = drafted()
    practice = dataclasses.replace(made, plan=dataclasses.replace(made.plan, rehearsal=True))
    said = screens(practice)
    assert "REHEARSAL: nobody will trust these files." in said[0]
    assert all(screen.splitlines()[0].endswith("REHEARSAL") for screen in said)


def test_a_result_says_of_every_file_who_signed_it_for_old_and_new() -> None:
    after = sealed_by(drafted(NEW, first()), "alice", "carol", "dan")
    assert show.sealed_lines(after, NAMES).splitlines() == [
        "1.root.json, until 2027-11-22, 22 November 2027: alice, bob",
        "2.root.json, until 2027-11-22, 22 November 2027: alice, carol, dan",
        "2.targets.json, until 2027-11-22, 22 November 2027: alice, dan",
        "1.held.json, until 2027-11-22, 22 November 2027: alice, bob",
        "1.bins.json, until 2027-11-22, 22 November 2027: alice, bob",
    ]
