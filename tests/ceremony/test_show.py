"""What people read: complete, narrow, in plain words, one change a line."""

import dataclasses
from datetime import timedelta

import pytest
from tuf.api.metadata import Root

from ceremony import seal, show
from ceremony.draft import Draft
from keys import layout
from keys.encoding import sha256
from tests.ceremony.people import NOW, answers, drafted, first, held, keyring, sealed_by

NAMES = {held(name).record.keyid: name for name in ("alice", "bob", "carol", "dan", "service")}
NEW = keyring("alice", "bob", "dan")


def screens(draft: Draft, *signers: str) -> list[str]:
    return show.screens(draft, NAMES, seal.collect(draft, answers(draft, *signers)), draft.at)


def changes(draft: Draft) -> list[str]:
    """The lines of the first screen that state a change."""
    return [line for line in screens(draft)[0].splitlines() if line.split(" ")[0] in ("NEW", "GONE", "OTHER")]


def test_the_second_ceremony_reads_like_this() -> None:
    made = drafted(NEW, first(), held=("admin", "root"), purpose="replace carol by dan")
    what, how = screens(made, "alice", "dan")
    (page,) = [sha256(data) for path, data in made.pages.items() if path.startswith("simple/root/")]
    assert what.splitlines() == [
        "acme, https://pkgs.acme.example/",
        "Purpose: replace carol by dan",
        "REAL: clients will trust these files.",
        "Drafted 2026-11-22, 22 November 2026, 10:00 UTC.",
        "",
        f"GONE  carol, key {show.short(held('carol').record.keyid)}, signs root, targets, held and bins",
        f"NEW   dan, key {show.short(held('dan').record.keyid)}, signs root, targets, held and bins",
        f"NEW   nobody can install root: held, page {page[:16]}",
        "Nothing else changes.",
    ]
    assert [line for line in how.splitlines() if not line.startswith(" ") or line.startswith("      ")] == [
        "To be signed, until 2027-11-22, 22 November 2027, in 365 days:",
        "root, version 2, after 1. SHA-256 of what is signed:",
        "targets, version 2, after 1. SHA-256 of what is signed:",
        "held, version 2, after 1. SHA-256 of what is signed:",
        "Not touched: bins.",
        "",
        "root 2 and targets 2, asked by the old root 1: 1 of 2 signed (alice); 1",
        "      missing, of bob, carol.",
        "root 2 and targets 2, asked by the new root 2: 2 of 2 signed (alice,",
        "      dan): enough.",
        "held 2, asked by targets 2: 2 of 2 signed (alice, dan): enough.",
    ]


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
        drafted(keyring(*(f"holder-number-{number}" for number in range(9))), threshold=5),
        drafted(keyring("dan", "erin", "frank", online="other"), first(), held=()),
    ],
    ids=["first", "no spare", "many names", "many holders", "all new"],
)
def test_every_screen_fits_80_columns_and_24_lines(draft: Draft) -> None:
    for screen in screens(draft, "alice"):
        lines = screen.splitlines()
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
    shown = " ".join(screens(made)[0].split())
    assert "OTHER root:" in shown and '"x-surprise": "yes"' in shown


def test_a_loud_warning_stands_on_the_first_screen() -> None:
    assert "WARNING: all 3 of 3 holders must sign." in screens(drafted(threshold=3))[0]


def test_a_rehearsal_says_that_nobody_will_trust_it() -> None:
    made = drafted()
    practice = dataclasses.replace(made, plan=dataclasses.replace(made.plan, rehearsal=True))
    assert "REHEARSAL: nobody will trust these files." in screens(practice)[0]


def test_a_result_says_of_every_file_who_signed_it_for_old_and_new() -> None:
    after = sealed_by(drafted(NEW, first()), "alice", "carol", "dan")
    assert show.sealed_lines(after, NAMES).splitlines() == [
        "1.root.json, until 2027-11-22, 22 November 2027: alice, bob",
        "2.root.json, until 2027-11-22, 22 November 2027: alice, carol, dan",
        "2.targets.json, until 2027-11-22, 22 November 2027: alice, dan",
        "1.held.json, until 2027-11-22, 22 November 2027: alice, bob",
        "1.bins.json, until 2027-11-22, 22 November 2027: alice, bob",
    ]
