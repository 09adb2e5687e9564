"""An import's requests: decided together as if one after the other, and folded as if one after the other."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from keys import strict
from keys.state import Reason
from repo_service.domain import changes as c
from repo_service.domain import requests as r
from repo_service.domain.bringing import Brought, Done, asked, bring
from repo_service.domain.case import ALONE, Accepted, TakenDown
from repo_service.domain.decide import decide
from repo_service.domain.evolve import evolve, evolve_all
from repo_service.domain.policy import preset
from repo_service.wiring import presets
from tests.service.bring import project, release
from tests.world import ADMIN, BECAUSE, BEGIN, OWNER, publishing

POLICY = preset("standard", presets())
NOBODYS = c.Name("foo", None, None)


def one_by_one(name: c.Name, requests: list[r.Request], around: object = ALONE) -> tuple[c.Name, list[Done]]:
    done = []
    for request in requests:
        _, (found,) = bring(name, [request], POLICY, BEGIN, around)  # type: ignore[arg-type]
        done.append(found)
        for event in found.events:
            name = evolve(name, event)
    return name, done


def old(request: r.Publish) -> r.Publish:
    return replace(request, files=tuple(replace(each, uploaded_at="2020-02-02T10:00:00Z") for each in request.files))


def any_requests(chance: random.Random) -> list[r.Request]:
    versions = ["1.0", "1", "1.0.0", "2.0", "2.0rc1", "3.0", "not a version", "4.0+local", "10.0"]
    made: list[r.Request] = []
    for _ in range(chance.randint(1, 9)):
        version = chance.choice(versions)
        content = chance.choice([b"x", b"x", b"y"])
        made.append(
            chance.choice(
                [
                    *[publishing("foo", version, content=content, actor=r.Actor("system"))] * 3,
                    *[old(publishing("foo", version, content=content, actor=r.Actor("system")))] * 3,
                    publishing("foo", version, actor=OWNER),
                    r.Publish("foo", version, (), r.Actor("system")),
                    r.Yank("foo", version, BECAUSE, r.Actor("system", "import", approver="source")),
                    r.Archive("foo", None, r.Actor("system")),
                    r.CloseDue("foo"),
                    r.Quarantine("foo", BECAUSE, ADMIN),
                    r.Lock("foo", BECAUSE, ADMIN),
                    r.Prohibit("foo", BECAUSE, ADMIN),
                ]
            )
        )
    return made


@pytest.mark.parametrize("seed", range(300))
def test_what_is_brought_together_is_decided_as_if_one_after_the_other(seed: int) -> None:
    chance = random.Random(seed)
    before, _ = bring(NOBODYS, any_requests(chance), POLICY, BEGIN, ALONE)
    requests = any_requests(chance)
    around = replace(ALONE, taken_down=(TakenDown("ab" * 32, "foo/1/1", "confirmed"),))
    assert bring(before, requests, POLICY, BEGIN, around) == one_by_one(before, requests, around)


@pytest.mark.parametrize("seed", range(100))
def test_many_events_fold_to_what_they_fold_to_one_after_the_other(seed: int) -> None:
    chance = random.Random(seed)
    _, done = bring(NOBODYS, any_requests(chance), POLICY, BEGIN, ALONE)
    events = [replace(event, seq=7 + number) for number, event in enumerate(e for one in done for e in one.events)]
    folded = NOBODYS
    for event in events:
        folded = evolve(folded, event)
    assert evolve_all(NOBODYS, events) == folded


def brought(**said: object) -> list[r.Request]:
    return list(asked(strict.load(Brought, said)))


def test_a_line_asks_for_releases_then_for_what_lies_over_them() -> None:
    said = project("Foo.Bar", "1.0", "2.0", deprecated={"reason": {"code": "old"}, "alternative": "bar"})
    said["releases"][0]["yanked"] = {}
    said["quarantined"] = {"code": "malware"}
    kinds = [(type(each), each.actor.kind) for each in brought(**said)]
    assert kinds == [
        (r.Publish, "system"),
        (r.Publish, "system"),
        (r.Yank, "system"),
        (r.Deprecate, "system"),
        (r.Quarantine, "admin"),
        (r.CloseDue, "clock"),
    ]
    first = brought(**said)[0]
    assert isinstance(first, r.Publish) and (first.name, first.display) == ("foo-bar", "Foo.Bar")
    assert first.files[0].uploaded_at == "2020-02-02T10:00:00Z"


def test_every_release_of_a_project_may_come_yanked_and_the_brake_holds_none_of_it() -> None:
    said = project("foo", *(f"{number}.0" for number in range(1, 30)))
    for each in said["releases"]:
        each["yanked"] = {"reason": {"code": "broken", "text": "old"}}
    after, done = bring(NOBODYS, brought(**said), POLICY, BEGIN, ALONE)
    assert all(isinstance(one.outcome, Accepted) for one in done)
    assert after.state is not None and all(
        each.yank is not None and (each.yank.kind, each.yank.mark.reason) == ("owner", Reason("broken", "old"))
        for each in after.state.releases
    )


def test_the_registrys_own_machinery_without_a_second_person_is_braked() -> None:
    """The tables let ``system`` yank what an import brings; a stolen token gains nothing by calling itself so."""
    after, _ = bring(NOBODYS, brought(**project("foo", "1.0")), POLICY, BEGIN, ALONE)
    found = decide(after, r.Yank("foo", "1.0", BECAUSE, r.Actor("system", "a-bot")), POLICY, BEGIN)
    assert isinstance(found, Accepted) and [type(each) for each in found.changes] == [c.YankHeld]


def test_bringing_it_again_changes_nothing() -> None:
    said = project("foo", "1.0", "2.0", archived={})
    said["releases"][0]["yanked"] = {"reason": {"code": "broken"}}
    after, _ = bring(NOBODYS, brought(**said), POLICY, BEGIN, ALONE)
    again, done = bring(after, brought(**said), POLICY, BEGIN + timedelta(days=1), ALONE)
    assert again == after and not any(one.events for one in done)


def test_a_name_may_come_reserved_or_prohibited() -> None:
    reserved, _ = bring(
        NOBODYS, brought(name="foo", reserved={"account": "account-7", "shown": "Example"}), POLICY, BEGIN, ALONE
    )
    assert reserved.state is not None and (reserved.state.state, reserved.holder) == ("reserved", "account-7")
    gone, _ = bring(NOBODYS, brought(name="foo", prohibited={"code": "malware"}), POLICY, BEGIN, ALONE)
    assert gone.state is not None and gone.state.state == "prohibited"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"name": "-foo-", "prohibited": {"code": "x"}}, "not a project name"),
        ({"name": "foo"}, "either releases or reserved or prohibited"),
        ({**project("foo", "1.0"), "prohibited": {"code": "x"}}, "either releases or reserved or prohibited"),
        ({"name": "foo", "prohibited": {"code": "x"}, "archived": {}}, "is not archived"),
        (project("foo", "1.0", archived={}, deprecated={"reason": {"code": "x"}}), "one of the two"),
        (project("foo", "1.0", display="bar"), "not a spelling of foo"),
        (project("foo", "1.0", owner="me@example.org"), "owner: is not known here"),
        ({"name": "foo", "releases": [{"version": "1.0", "files": []}]}, r"releases\[0\]: '1.0' has no file"),
        ({"name": "foo", "releases": [release("foo", "1.0", published_at="yesterday")]}, "must look like"),
    ],
)
def test_a_line_that_is_not_of_the_form_is_refused_with_its_place(said: dict[str, object], why: str) -> None:
    with pytest.raises(strict.Malformed, match=why):
        brought(**said)
