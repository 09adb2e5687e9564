"""A request: one strict file, of which nothing is believed."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ceremony import inputs, plan, request
from ceremony.errors import BadInput, Mismatch
from ceremony.inputs import Files
from keys import possession
from keys.encoding import compact
from tests.ceremony.people import drafted, first, held, keyring

MADE = drafted(keyring("alice", "bob", "dan"), first(), held=("admin", "root"))


def files() -> dict[str, bytes]:
    """What lies in the directory of a second ceremony."""
    people = {each.name: possession.write(each.name, held(each.name), rehearsal=False) for each in MADE.plan.holders}
    assert MADE.current is not None
    return {
        "plan.toml": plan.write(MADE.plan),
        "online.pub": possession.write("service", held("service"), rehearsal=False),
        **{f"holders/{name}.pub": data for name, data in people.items()},
        **{f"current/{path}": data for path, data in MADE.current.files().items()},
        "current/holders/carol.pub": possession.write("carol", held("carol"), rehearsal=False),
        **{f"draft/{name}": data for name, data in MADE.files().items()},
    }


WHOLE = request.write(files(), MADE, "tallystick")


def test_a_request_gives_back_the_same_ceremony_with_former_holders_names() -> None:
    its = request.read("a.request", WHOLE)
    assert its.drafted.digest == MADE.digest and its.drafted.files() == MADE.files()
    assert its.names[held("carol").record.keyid] == "carol"
    assert request.name(its.drafted) == "acme-root-2"


def test_it_is_small_enough_for_any_stick() -> None:
    """A root a year with three holders, and names that are held."""
    assert len(WHOLE) < 65_536


def changed(change: Callable[[dict[str, Any]], None]) -> bytes:
    read = json.loads(WHOLE)
    change(read)
    return compact(read)


def edited(path: str, before: str, after: str) -> bytes:
    """The request in which one file says something else."""

    def edit(read: dict[str, Any]) -> None:
        (file,) = (each for each in read["files"] if each["path"] == path)
        assert before in "\n".join(file["lines"])
        file["lines"] = "\n".join(file["lines"]).replace(before, after).split("\n")

    return changed(edit)


def made_of(more: Files, *without: str) -> bytes:
    """A request of these files beside the others, without some, for the same draft."""
    kept = {name: data for name, data in files().items() if not name.startswith(tuple(without) or ("-",))}
    return request.write({**kept, **more}, MADE, "tallystick")


OTHER_CHAIN = {f"current/{name}": data for name, data in first(days=300).files().items()}
EVE_AS_DAN = possession.write("dan", held("eve"), rehearsal=False)
OF_PLAN = "draft/ is not what plan.toml"
BAD: list[tuple[str, bytes, type[Exception], str]] = [
    ("empty", b"", BadInput, "not JSON"),
    ("other words", WHOLE + b"\n", BadInput, "not written as 'request' writes it"),
    ("a field more", changed(lambda read: read.update(more=1)), BadInput, "more: is not known here"),
    ("a path", changed(lambda read: read["files"][0].update(path="../passwd")), BadInput, "belongs to no ceremony"),
    ("a file twice", changed(lambda read: read["files"].append(read["files"][0])), BadInput, "carries a file twice"),
    ("a digest", changed(lambda read: read.update(draft="0" * 64)), Mismatch, "names the draft 0000000000000000"),
    ("days", edited("plan.toml", "days = 365", "days = 364"), Mismatch, OF_PLAN),
    ("a draft", edited("draft/root.json", '"threshold":2', '"threshold":1'), Mismatch, OF_PLAN),
    ("no plan", made_of({}, "plan.toml"), BadInput, "plan.toml: is missing"),
    ("no draft", made_of({}, "draft/"), BadInput, "there is no draft yet"),
    ("a swapped key", made_of({"holders/dan.pub": EVE_AS_DAN}), Mismatch, "dan, key"),
    (
        "a name",
        made_of({"holders/x.pub": possession.write("../evil", held("eve"), rehearsal=False)}),
        BadInput,
        "a name",
    ),
    ("another root before", made_of(OTHER_CHAIN), Mismatch, "names the draft"),
]


@pytest.mark.parametrize(("data", "kind", "why"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_request_with_one_thing_wrong_is_refused(data: bytes, kind: type[Exception], why: str) -> None:
    with pytest.raises(kind, match=why):
        request.read("a.request", data)


@pytest.mark.parametrize(
    "path", ["plan.toml", "holders/a.pub", "current/1.root.json", "current/targets/simple/a/0.json"]
)
def test_only_files_of_a_ceremony_are_looked_at(path: str) -> None:
    assert inputs.is_ours(path)
    for strange in (f"/{path}", f"x/{path}", f"{path}/..", f"{path}\n"):
        assert not inputs.is_ours(strange)
