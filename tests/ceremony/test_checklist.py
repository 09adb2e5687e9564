"""Checklists: complete, the same each time, and true about the plan, the draft and the tools."""

import dataclasses
import re
import shlex
from html.parser import HTMLParser

import pytest

from ceremony import cli, show
from ceremony.checklist import COLOURS, checklists
from ceremony.plan import Arrangements
from ceremony.sheets import Boxes, Code, Heading, Points, Sheet, Step, Table, Text, html, markdown, parsed, plain
from client_verify import cli as client_cli
from repo_service import cli as service_cli
from tests.ceremony import checklist_files
from tests.ceremony.checklist_files import second, sheets
from tests.ceremony.people import drafted, first, held, keyring, opened


def text(made: dict[str, bytes], name: str) -> str:
    return made[f"checklist/{name}.md"].decode()


def test_they_read_as_they_were_reviewed() -> None:
    reviewed = {path.name: path.read_bytes() for path in checklist_files.FILES.iterdir()}
    assert checklist_files.make() == reviewed, "if meant: python -m tests.ceremony.checklist_files"


def test_there_is_a_sheet_for_everybody_who_may_sign_those_who_leave_included() -> None:
    names = {
        name.removeprefix("checklist/holder-").removesuffix(".md") for name in sheets(second()) if "holder" in name
    }
    assert names == {"alice", "bob", "dan", "carol"}
    assert "You leave with this ceremony" in text(sheets(second()), "holder-carol")
    assert "You leave with this ceremony" not in text(sheets(second()), "holder-dan")


def test_a_holder_is_told_to_expect_what_they_sign_and_no_more() -> None:
    made = sheets(second())
    assert "Signed and verified: root 2, targets 2.\n" in text(made, "holder-carol")
    assert "Signed and verified: root 2, targets 2, held 2.\n" in text(made, "holder-alice")


def test_the_cover_has_the_plan_in_words_its_dates_and_its_people() -> None:
    cover = text(sheets(second()), "cover")
    digest = re.search(r"[0-9a-f]{64}", text(sheets(second()), "witness"))
    assert digest is not None and "\n".join(show.word_table(digest[0])) in cover
    assert "| 2026-12-01 | 2026-12-08 |" in cover and "not before 2026-11-17" in cover
    assert all(f"| {name} |" in cover for name in ("erin", "frank", "grace", "alice", "carol"))


def test_the_appendix_has_every_key_and_every_digest_whole() -> None:
    made = second()
    appendix = text(sheets(made), "appendix")
    assert all(held(name).record.keyid in appendix for name in ("alice", "bob", "dan", "service"))
    assert all(candidate.digest in appendix for candidate in made.candidates)


def test_the_words_that_must_be_heard_stand_on_no_paper() -> None:
    made = second()
    assert not any(
        line.strip() in data.decode() for line in show.word_table(made.digest) for data in sheets(made).values()
    )


def test_no_two_sticks_look_alike_and_the_plans_colours_come_first() -> None:
    cover = text(sheets(second()), "cover")
    colours = dict(re.findall(r"\| stick that .*? to (\w+) .*? \| ([A-Z]+) \(", cover))
    assert colours["alice"] == "WHITE" and colours["dan"] == "BLUE"
    assert len({*colours.values()}) == 4 <= len(COLOURS)


def test_before_there_is_a_draft_what_it_says_is_left_blank() -> None:
    its = opened(drafted()).inputs
    made = checklists(its, None, "00" * 32, "2026")
    assert "To be signed: ________." in text(made, "cover") and "REQUEST.request" in text(made, "holder-alice")
    assert all(each.encode() not in data for data in made.values() for each in ("root 1", "None"))


def test_a_first_ceremony_has_nothing_to_pin_and_begins_a_service() -> None:
    made = sheets(drafted())
    assert "ceremony pin" not in text(made, "holder-alice")
    assert "tallystick-service init SERVICE" in text(made, "operator") and "backup" not in text(made, "operator")


def test_a_new_online_key_waits_until_both_have_signed() -> None:
    made = sheets(drafted(keyring("alice", "bob", "carol", online="other"), first()))
    assert "both keys have signed everything" in text(made, "operator") and "online-next.pub" in text(made, "operator")
    assert "both keys have signed everything" not in text(sheets(second()), "operator")


def test_a_rehearsal_says_so_on_its_cover_and_its_keys_are_destroyed() -> None:
    made = drafted()
    made = dataclasses.replace(made, plan=dataclasses.replace(made.plan, rehearsal=True))
    said = sheets(made)
    assert "# Ceremony of acme: REHEARSAL" in text(said, "cover") and "is destroyed" in text(said, "coordinator")
    assert "--allow-rehearsal" in text(said, "operator") and "key SERVICE --rehearsal" in text(said, "operator")


@pytest.mark.parametrize(
    "made", [second(), drafted(), drafted(keyring("alice", "bob", "carol", online="other"), first())]
)
def test_every_command_on_them_is_one_that_the_tools_take(made: object) -> None:
    parsers = {
        "tallystick": client_cli._parser, "tallystick-ceremony": lambda _: cli.parser(),
        "tallystick-service": lambda _: service_cli.parser(),
    }  # fmt: skip
    written = b"".join(data for name, data in sheets(made).items() if name.endswith(".md")).decode()  # type: ignore[arg-type]
    taken = [shlex.split(line.partition(">")[0]) for line in re.findall(r"^\$ (tallystick.*)", written, re.MULTILINE)]
    for tool, *words in taken:
        parsers[tool](words).parse_args(words)
    assert len(taken) > 30


def test_the_printed_page_is_one_file_without_scripts_and_of_whole_tags() -> None:
    page = sheets(second())["checklist/checklist.html"].decode()
    opened_tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "link", "img", "iframe") and not {"src", "href"} & {name for name, _ in attrs}
            if tag != "meta":
                opened_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened_tags.pop() == tag

    Reader().feed(page)
    assert not opened_tags and page.count("<section>") == 10 and "url(" not in page and "@import" not in page


def test_the_printed_page_says_what_the_sheets_say() -> None:
    made = sheets(second())
    page = " ".join(re.sub(r"<[^>]+>", " ", made["checklist/checklist.html"].decode()).split())
    for name, data in made.items():
        for command in re.findall(r"^\$ (\S+ \S+)", data.decode(), re.MULTILINE) if name.endswith(".md") else ():
            assert command in page


def test_what_people_wrote_is_never_markup() -> None:
    nasty = '<script>alert("1")</script> | *a* `b` [c](d)'
    made = drafted(purpose=nasty, ceremony=Arrangements(coordinator=nasty))
    said = sheets(made)
    assert b"<script>" not in said["checklist/checklist.html"]
    assert b"&lt;script&gt;" in said["checklist/checklist.html"]
    assert r"\<script\>alert(" in text(said, "cover") and r"\| \*a\* \`b\` \[c\](d)" in text(said, "cover")


def test_a_text_is_parsed_into_its_blocks() -> None:
    assert parsed(
        "== One\n\nA text\nof two lines.\n\n# Who: does\nthis.\n$ a --b\n$ c\n> seen\n! else\ngo.\n\n"
        "[ ] x\ny\n[ ] z\n\n- p\n- q"
    ) == (
        Heading("One"),
        Text("A text of two lines."),
        Step("Who", "does this.", ("a --b", "c"), ("seen",), "else go."),
        Boxes(("x y", "z")),
        Points(("p", "q")),
    )


def test_one_sheet_is_written_in_three_ways() -> None:
    blocks = (
        Heading("H"),
        Step("A", "do", ("x y",), ("z",), "call"),
        Code(("c",)),
        Table(("t",), (("u",),)),
        Points(("p",)),
    )
    assert plain(blocks).splitlines() == [
        "H", "", " 1. A: do", "      $ x y", "      z", "    IF NOT, THEN call", "", "c", "", "t", "u", "", "  - p",
    ]  # fmt: skip
    sheet = Sheet("s", "S", blocks)
    assert markdown(sheet).startswith(b"# S\n\n## H\n\n**1. A:** do\n\n```console\n$ x y\n```\n\nExpected:\n")
    assert b"<pre>$ x y</pre>" in html("S", [sheet]) and b"<th>t</th>" in html("S", [sheet])


def test_a_long_command_goes_on_in_the_next_line_but_never_within_quotes() -> None:
    command = "tallystick-ceremony plan 2026 --purpose 'a long purpose of many words indeed' --name " + "n" * 30
    lines = plain((Step("A", "do", (command,)),)).splitlines()[1:]
    assert all(line.endswith(" \\") for line in lines[:-1]) and max(map(len, lines)) <= 72
    assert shlex.split("\n".join(lines).replace(" \\\n", "").replace("$", "", 1)) == shlex.split(command)
