"""Which witnesses are asked, read from a policy's file (C2SP tlog-policy)."""

import pytest

from repo_service.publishing.witnessing import BadPolicy, Panel, Witness, read_witnesses
from tests.witness.grounds import NumberedLog, ml_dsa_key, witness_key

LOG = NumberedLog()
A, B, C = witness_key(1).key, ml_dsa_key(2).key, witness_key(3).key
LINES = f"witness a {A} https://a.example/\nwitness b {B} http://b.example:81/prefix\nwitness c {C} https://c.example\n"
ALL = (Witness("https://a.example", A), Witness("http://b.example:81/prefix", B), Witness("https://c.example", C))


@pytest.mark.parametrize(
    ("quorum", "counted", "least"),
    [
        ("quorum none", (), 0),
        ("quorum b", (B,), 1),
        ("group g 2 a b c\nquorum g", (A, B, C), 2),
        ("group g any a b\nquorum g", (A, B), 1),
        ("group g all a c\nquorum g", (A, C), 2),
        ("group 2 2 a b\nquorum 2", (A, B), 2),
    ],
)
def test_a_quorum_is_none_or_one_witness_or_one_group(quorum: str, counted: tuple[object, ...], least: int) -> None:
    panel = read_witnesses(f"{LINES}{quorum}\n")
    assert (panel.witnesses, panel.counted, panel.quorum) == (ALL, frozenset(counted), least)


def test_comments_and_empty_lines_and_logs_are_passed_over() -> None:
    text = f"# whom we ask\n\n \t \n  log {LOG.key} https://log\n\twitness  a\t{A} https://a.example \n #x\nquorum a"
    assert read_witnesses(text) == Panel(ALL[:1], frozenset({A}), 1)


def test_it_is_enough_with_the_quorum_and_never_without_one() -> None:
    assert not Panel(ALL).is_enough([A, B, C])
    panel = Panel(ALL, frozenset({A, B}), 2)
    assert not panel.is_enough([A, C]) and panel.is_enough([A, B])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LINES, "no line says the quorum"),
        (f"{LINES}quorum d\n", "line 4: no line before this one says who d is"),
        (f"{LINES}quorum a\nquorum b\n", "line 5: a second quorum"),
        (f"quorum a\n{LINES}", "line 1: no line before"),
        (
            f"{LINES}group x 1 a\ngroup y all x b\nquorum y\n",
            "line 5: the group y holds the group x, and groups within",
        ),
        (f"{LINES}group x 1 a\ngroup y 1 a\nquorum y\n", "line 5: a is a member twice"),
        (f"{LINES}group x 1 a a\nquorum x\n", "a is a member twice"),
        (f"{LINES}group x 1 d\nquorum x\n", "no line before this one says who d is"),
        (f"{LINES}group x 1 none\nquorum x\n", "says who none is"),
        (f"{LINES}group none 1 a\nquorum none\n", "the name none is taken"),
        (f"{LINES}group a 1 b\nquorum a\n", "the name a is taken"),
        (f"{LINES}group x 3 a b\nquorum x\n", "3 of 2 cannot be met"),
        (f"{LINES}group x 0 a b\nquorum x\n", "0 of 2 cannot be met"),
        (f"{LINES}group x 02 a b\nquorum x\n", "02 of 2 cannot be met"),
        (f"{LINES}group x some a b\nquorum x\n", "some of 2 cannot be met"),
        (f"{LINES}group x 1\nquorum x\n", "line 4: a line is"),
        (f"{LINES}witness d {A} https://d.example\nquorum d\n", "stands in two lines"),
        (f"witness a {A}\nquorum a\n", "line 1: the witness a has no URL"),
        (f"witness a {A} ftp://a.example\nquorum a\n", "is no http or https address"),
        (f"witness a {A} https://\nquorum a\n", "is no http or https address"),
        (f"witness a {LOG.key} https://a.example\nquorum a\n", "is a log's, not one that cosigns"),
        ("witness a witness.example+12345678+AAAA https://a.example\nquorum a\n", "line 1: .* is no verifier key"),
        (f"log {LOG.key}\nlog {LOG.key}\nquorum none\n", "stands in two lines"),
        (f"{LINES}quorums a\n", "line 4: a line is"),
        (f"{LINES}quorum a\r\n", "control character"),
        (f"{LINES}quorum\u00a0a\n", "line 4: a line is"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(BadPolicy, match=why):
        read_witnesses(text)
