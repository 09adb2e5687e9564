"""Dependency confusion: a name that a private registry serves is never asked for at a public one that serves it too.

Two real registries on loopback and real pip. The public one holds everything that an attacker would put there: each
private name once more, in a higher version.
"""

import os
import sys
from datetime import UTC, datetime

import pytest

from client_verify import trust
from client_verify.places import places
from client_verify.refusals import Refused, Usage
from client_verify.repositories import Repositories
from keys import names
from tests import paper

MINE = paper.wheel("acme_tool", "1.0", says="mine")
THEIRS = paper.wheel("acme_tool", "9.0", says="theirs")
LURE = paper.wheel("acme_secret", "9.0", says="theirs")
PUBLIC = paper.wheel("tallyflask", "1.0", requires=["acme-tool"])
PRIVATE_NAMES = ("acme", "acme-tool", "acme-secret")


class Registry:
    """Wheels on loopback, pinned under a name for these prefixes."""

    def __init__(self, serve, name, wheels, prefixes=()):
        now = datetime.now(UTC).replace(microsecond=0)
        self.repository = paper.Paper(now, bit_length=6)  # so that names have bins of their own
        for wheel in wheels:
            project, version = wheel.filename.split("-")[:2]
            project = names.normalise(project)
            self.repository.add_file(project, wheel.filename, wheel.data, wheel.metadata)
            self.repository.say(paper.project(now, project, paper.release(now, version, wheel)))
        self.repository.publish(now)
        self.server = serve(self.repository.files)
        trust.add(places(os.environ).roots, trust.Pin(name, self.server.url, self.repository.root, prefixes))

    def was_asked_about(self, name):
        """Whether anybody asked for its page or files, or even for the bin that only it is in."""
        others = {self.repository.bin_file("tallyflask")}
        bin_ = {self.repository.bin_file(name)} - others
        return any(f"/{name}/" in path or path in bin_ for path in self.server.asked)


@pytest.fixture
def pip(terminal, tmp_path):
    def install(*words):
        target = ("--target", tmp_path / "site")
        code = terminal("run", "--", sys.executable, "-m", "pip", "install", "-q", *target, *words)
        return code, sorted(path.name for path in tmp_path.glob("site/*.dist-info"))

    return install


@pytest.fixture
def private(terminal, serve):
    return Registry(serve, "acme", [MINE], ("acme",))


@pytest.fixture
def public(terminal, serve):
    registry = Registry(serve, "public", [PUBLIC, THEIRS, LURE])
    assert registry.repository.bin_file("acme-tool") != registry.repository.bin_file("tallyflask")
    return registry


def never_asked(public):
    return not any(public.was_asked_about(name) for name in PRIVATE_NAMES)


def test_a_private_dependency_of_a_public_project_comes_from_the_private_registry(pip, private, public):
    assert pip("tallyflask") == (0, ["acme_tool-1.0.dist-info", "tallyflask-1.0.dist-info"])
    assert never_asked(public) and private.was_asked_about("acme-tool")


@pytest.mark.parametrize("spelling", ["Acme.Tool", "ACME_tool", "acme--tool"])
def test_no_spelling_of_a_private_name_reaches_the_public_registry(pip, private, public, spelling):
    assert pip(spelling) == (0, ["acme_tool-1.0.dist-info"])
    assert never_asked(public)


def test_a_name_that_the_private_registry_does_not_know_is_absent(pip, private, public, terminal):
    assert pip("acme-secret") == (7, [])
    assert "name is not in the registry" in terminal.err
    assert never_asked(public)


def test_while_the_private_registry_is_down_its_names_are_refused(pip, private, public, terminal):
    private.server.stop()
    private.server.stop = lambda: None
    assert pip("acme-tool") == (8, [])
    assert pip("tallyflask") == (8, []), "nor without its dependency"
    assert "repository cannot be reached" in terminal.err
    assert never_asked(public)


def test_while_the_private_registry_serves_old_metadata_its_names_are_refused(pip, private, public, terminal):
    old = dict(private.server.files)
    private.repository.publish(datetime.now(UTC))
    assert pip("acme-tool") == (0, ["acme_tool-1.0.dist-info"])
    private.server.files.update(old)
    assert pip("--upgrade", "acme-tool")[0] == 3
    assert never_asked(public)


def test_while_the_public_registry_is_down_private_names_install(pip, private, public):
    public.server.stop()
    public.server.stop = lambda: None
    assert pip("acme-tool") == (0, ["acme_tool-1.0.dist-info"])


def test_show_and_available_ask_the_one_registry_too(terminal, private, public):
    assert terminal("show", "acme-tool") == 0 and 'of "acme"' in terminal.out
    assert terminal("available", "acme-secret") == 0 and 'of "acme"' in terminal.out
    assert terminal("download", "acme-secret") == 7
    assert never_asked(public)


def test_without_a_registry_for_all_names_every_other_name_is_unmapped(pip, private, terminal):
    assert pip("tallyflask") == (9, [])
    assert "no repository for this name" in terminal.err and "explain unmapped" in terminal.err
    assert not private.was_asked_about("tallyflask")


def test_two_registries_for_one_prefix_ask_the_person_to_choose(terminal, serve, private, pip):
    Registry(serve, "impostor", [THEIRS], ("acme",))
    assert pip("acme-tool") == (2, [])
    assert "both pinned for acme" in terminal.err


# The map itself


def pin(name, *prefixes):
    return trust.Pin(name, f"https://{name}.test", b"", prefixes)


MAP = Repositories([pin("acme", "acme"), pin("labs", "acme-labs", "lab"), pin("public")])


@pytest.mark.parametrize(
    ("name", "registry"),
    [
        ("acme", "acme"),
        ("acme-tool", "acme"),
        ("acme-lab", "acme"),
        ("acme-labs", "labs"),
        ("acme-labs-kit", "labs"),
        ("lab-kit", "labs"),
        ("acmetool", "public"),
        ("my-acme-tool", "public"),
        ("labs", "public"),
    ],
)
def test_the_longest_prefix_decides_and_a_prefix_ends_at_a_hyphen(name, registry):
    assert MAP.of(name).name == registry


def test_no_registry_for_a_name_is_a_refusal_of_its_own():
    with pytest.raises(Refused) as refused:
        Repositories([pin("acme", "acme")]).of("acmetool")
    assert refused.value.code == "unmapped"


@pytest.mark.parametrize(
    "pins",
    [[], [pin("one"), pin("two")], [pin("one", "acme"), pin("two", "lab", "acme")]],
)
def test_a_map_with_two_answers_or_none_is_no_map(pins):
    with pytest.raises(Usage):
        Repositories(pins)
