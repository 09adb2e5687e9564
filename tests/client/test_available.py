"""``available``: whether a name is free, with what proves it, and honest about what nothing here can prove."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from client_verify.answers import Found, ProvenAbsent
from client_verify.availability import availability
from keys import names
from keys.state import Grant, NameState, Reservation
from tests import paper

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
MARK = paper.mark(NOW, "admin")
GRANT = Grant("Acme Corporation", MARK)
RESERVATION = Reservation("user", "Somebody", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z", 0)


def absent(name):
    return ProvenAbsent(name, 7, NOW)


def state(name, status, **more):
    return Found(NameState(name, name, status, 1, 3, 3, MARK, **more))


STANDINGS = {
    "proven absent": (absent("tool"), "free", "is not known to the registry"),
    "vacant": (state("tool", "vacant"), "free", "was given up on 2026-11-22 and is free again"),
    "registered": (state("tool", "registered"), "taken", "is registered since 2026-11-22"),
    "quarantined": (state("tool", "registered", quarantine=MARK), "taken", "is registered"),
    "reserved": (
        state("tool", "reserved", reservation=RESERVATION), "reserved", "is reserved for Somebody until 2027-01-01"
    ),
    "placeholder": (state("tool", "placeholder"), "placeholder", "is kept empty since 2026-11-22"),
    "prohibited": (state("tool", "prohibited"), "prohibited", "is prohibited since 2026-11-22"),
    "held": (Found(paper.prohibited(NOW, "tool")), "held", "is held by the registry's offline keys"),
}  # fmt: skip


@pytest.mark.parametrize("answer, standing, words", STANDINGS.values(), ids=STANDINGS.keys())
def test_each_state_of_a_name_has_its_standing(answer, standing, words):
    found = availability("tool", {"tool": answer})
    assert (found.standing, found.is_free) == (standing, standing == "free")
    assert words in found.sentence


@pytest.mark.parametrize("own", [absent("acme-tool-kit"), state("acme-tool-kit", "vacant")])
@pytest.mark.parametrize("prefix", ["acme", "acme-tool", "acme-tool-kit"])
def test_nobody_s_name_in_a_namespace_is_not_free(own, prefix):
    answers = {each: absent(each) for each in names.prefixes("acme-tool-kit")} | {"acme-tool-kit": own}
    before = answers[prefix]
    owned = before.state if isinstance(before, Found) else state(prefix, "vacant").state
    answers[prefix] = Found(replace(owned, namespace=GRANT))
    found = availability("acme-tool-kit", answers)
    assert (found.standing, f"the namespace {prefix}: only Acme Corporation" in found.sentence) == ("namespace", True)


def test_the_longest_of_two_namespaces_decides():
    answers = {each: absent(each) for each in names.prefixes("acme-tool-kit")}
    answers["acme"] = state("acme", "registered", namespace=GRANT)
    answers["acme-tool"] = state("acme-tool", "vacant", namespace=Grant("Acme Tools", MARK, parent="acme"))
    assert "only Acme Tools" in availability("acme-tool-kit", answers).sentence


def test_a_name_that_is_taken_in_a_namespace_is_taken():
    answers = {"acme": state("acme", "registered", namespace=GRANT), "acme-tool": state("acme-tool", "registered")}
    assert availability("acme-tool", answers).standing == "taken"


# As a person asks


@pytest.fixture
def registry(terminal, serve, tmp_path):
    now = datetime.now(UTC).replace(microsecond=0)
    repository = paper.Paper(now)
    repository.say(replace(paper.project(now, "acme"), namespace=GRANT))
    repository.publish(now)
    repository.served = serve(repository.files)
    (tmp_path / "root.json").write_bytes(repository.root)
    assert terminal("trust", "add", "acme", "--url", repository.served.url, "--root", tmp_path / "root.json") == 0
    return repository


def test_a_free_name_comes_with_its_proof_and_with_what_is_not_proven(terminal, registry):
    assert terminal("available", "Some.Tool") == 0
    said = " ".join(terminal.out.split())
    assert said.startswith("free: some-tool is not known to the registry proven by snapshot 1")
    assert "some (no such page), some-tool (no such page)" in said
    assert "not proven, only the registry can say: whether the name looks too much like another one" in said


def test_json_names_each_page_that_was_looked_at(terminal, registry):
    assert terminal("available", "acme-tool", "--json") == 7
    found = json.loads(terminal.out)
    assert (found["free"], found["standing"], found["unproven"]) == (False, "namespace", [])
    assert found["proof"]["pages"] == [
        {"target": names.page_path("acme"), "serial": 1},
        {"target": names.page_path("acme-tool"), "serial": None},
    ]
    assert found["proof"]["snapshot"] == 1 and found["proof"]["skeleton"] == "skeleton-1:acrnet001"


def test_what_can_be_no_name_is_said_without_asking_anybody(terminal, registry):
    registry.served.asked.clear()
    assert terminal("available", "@acme/tool", "--json") == 7
    found = json.loads(terminal.out)
    assert (found["standing"], found["proof"]) == ("invalid", None)
    assert registry.served.asked == []


def test_an_absence_that_is_not_proven_is_no_free_name(terminal, registry):
    """A mirror that leaves a bin out may not make a name look free."""
    del registry.files[registry.bin_file("tool")]
    assert terminal("available", "tool", "--json") in (4, 5, 8)
    assert json.loads(terminal.out)["exit"] != 0 and "free" not in json.loads(terminal.out)


def test_a_prefix_whose_page_is_kept_back_is_no_free_name(terminal, registry):
    del registry.files[registry.page_file("acme")]
    assert terminal("available", "acme-tool") == 8
    assert terminal.out == ""
