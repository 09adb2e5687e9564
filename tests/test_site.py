"""The documentation site says all that the code has, and a link that leads nowhere is found."""

import re
import tomllib
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest

from ceremony import cli as ceremony
from client_verify import cli as client
from client_verify.refusals import KINDS
from docs.site import fitting, links, reference, session
from repo_service import cli as service
from repo_service.domain.remedies import REMEDIES
from repo_service.guarding import reading
from repo_service.monitor import telling
from repo_service.operating.settings import DEFAULTS
from repo_service.web.app import create_app
from repo_service.web.openapi import document, routes
from repo_service.web.operations import DOOR
from repo_service.web.verbs import VERBS
from tests.service.door import Silent
from tests.service.test_operations_doc import NAMED
from tests.service.test_operations_doc import TEXT as MANUAL
from tests.world import World

DOCS: Final = Path(__file__).parents[1] / "docs"


def test_every_command_is_there_with_every_option_and_what_it_is_for() -> None:
    text = reference.cli()
    sections = {part.partition("`")[0]: part for part in re.split("^##+ `", text, flags=re.MULTILINE)}
    made = (client.parser(), service.parser(), ceremony.parser())
    every = [each for parser in made for each in reference.parsers(parser)]
    assert len(every) > 80
    for parser in every:
        for action in parser._actions:
            for option in action.option_strings:
                assert option in sections[parser.prog], f"{parser.prog} {option}"


def test_every_program_that_an_install_brings_is_there() -> None:
    programs = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]["scripts"]
    assert {*re.findall("^## `([a-z-]+)`", reference.cli(), re.MULTILINE)} == {*programs}


def test_every_setting_is_there_with_its_variable() -> None:
    text = reference.configuration()
    for name in DEFAULTS:
        assert f"| `{name}` | " in text and f"`TALLYSTICK_{name.upper()}`" in text, name


def test_every_metric_of_the_manual_is_there_and_none_besides() -> None:
    told = {name for name in NAMED.findall(MANUAL) if not name.endswith("_")}
    assert set(NAMED.findall(reference.metrics())) == told


def test_a_metric_is_there_with_its_labels() -> None:
    text = reference.metrics()
    assert "| `tallystick_witness_failed_total` | counter | fault, witness |" in text
    assert "| `tallystick_clock_offset_seconds` | gauge | source |" in text


def test_every_code_is_there() -> None:
    text = reference.codes()
    for code in (*REMEDIES, *DOOR, *KINDS, *reading.CODES, *telling.CODES):
        assert f"| `{code}` |" in text, code
    for error in (*reference.SERVICE_EXITS, *ceremony.EXIT):
        assert f"| `{error.__name__}` |" in text, error


def test_every_route_is_there_with_every_field_of_what_it_takes(world: World) -> None:
    text = reference.http()
    described = document(routes(create_app(world.service.desk(Silent()))), VERBS, "https://registry.test")
    for path, methods in described["paths"].items():
        for method in methods:
            assert f"### `{method.upper()} {path}`\n" in text
    taken = text.partition("### YankInput\n")[2].partition("\n###")[0]
    assert set(described["components"]["schemas"]["YankInput"]["properties"]) == {"reason", "actor", "source_seq"}
    assert all(f"| `{field}` | " in taken for field in ("reason", "actor", "source_seq"))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(
        '<h1 id="top"></h1><a href="more.html#here">x</a><a href="#top">x</a><a href="https://tallystick.example/a">x</a>'
    )
    (tmp_path / "more.html").write_text('<p id="here"></p><img src="index.html">')
    return tmp_path


def test_a_site_whose_links_lead_somewhere_has_nothing_broken(site: Path) -> None:
    assert [*links.broken(site)] == []


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("gone.html", "no such file"),
        ("more.html#gone", "no anchor gone"),
        ("#gone", "no anchor gone"),
        ("https:///path", "no host that can be"),
        ("https://two words.example/", "no host that can be"),
        ("https://[broken/", "Invalid IPv6 URL"),
        ("javascript:alert(1)", "no scheme that a page needs"),
    ],
)
def test_a_link_that_leads_nowhere_is_named_with_its_page(site: Path, link: str, why: str) -> None:
    (site / "third.html").write_text(f'<a href="{link}">x</a>')
    assert [*links.broken(site)] == [f"third.html: {link}: {why}"]


def test_a_page_reads_well_on_a_code_host_and_leads_to_pages_on_the_site() -> None:
    text = "## The file: [`root`](../examples/root.json)\n\n[R](../../README.md), [why](../adr/), [x](../examples/)\n"
    assert fitting.fitted(text, DOCS, "howto/page") == (
        "## The file: `root`\n\n[`root`](../examples/root.json)\n\n"
        "[R](../index.md), [why](../explanation/decisions.md), x\n"
    )


def test_code_is_left_as_it_is() -> None:
    text = "```text\n## [why](../adr/)\n```\n"
    assert fitting.fitted(text, DOCS, "howto/page") == text


def test_every_test_that_the_threat_model_names_is_there() -> None:
    text = (DOCS / "explanation" / "threat-model.md").read_text()
    named = re.findall(r"`(tests/[^`:]+)::(test_\w+)`", text)
    assert len(named) > 25 and text.count("::") == len(named)
    for path, test in named:
        assert f"def {test}(" in (DOCS.parent / path).read_text(), f"{path}::{test}"


def test_every_statement_about_others_has_a_source() -> None:
    text = (DOCS / "explanation" / "comparison.md").read_text()
    for part in text.split("\n## ")[2:]:
        assert part.count("https://") >= 2, part.partition("\n")[0]


def test_the_recorded_session_is_what_the_tutorial_shows() -> None:
    for path, text in session.files().items():
        assert path.read_text() == text, f"{path.name}; if a change is meant: python -m docs.site.session"
    assert max(map(len, session.transcript(session.TUTORIAL.read_text()).splitlines())) <= session.COLUMNS


def test_a_picture_of_a_session_runs_nothing_and_shows_everything() -> None:
    text = session.TUTORIAL.read_text()
    for shade in session.SHADES:
        picture = ElementTree.fromstring(session.drawn(session.cast(text), shade))
        shown = [each.text or "" for each in picture.iter("{http://www.w3.org/2000/svg}text")]
        assert "".join(f"{line}\n" for line in shown) == session.transcript(text)
        assert not [*picture.iter("{http://www.w3.org/2000/svg}script")]


def test_a_session_that_the_tutorial_no_longer_shows_is_named() -> None:
    with pytest.raises(AssertionError, match="does not say 'tallystick trust add practice' any more"):
        session.shown("```console\n$ true\n```\n")


def test_a_diagram_fits_a_terminal() -> None:
    for path in (DOCS / "explanation").glob("*.md"):
        for drawn in re.findall(r"```text\n(.*?)```", path.read_text(), re.DOTALL):
            assert max(map(len, drawn.splitlines())) <= 80, f"{path.name}: {drawn}"
