"""Two who change one name at the same time: decided one after the other, the second by what the first has left."""

import threading
from typing import Any

import pytest

from repo_service.web.app import create_app
from tests.service.door import BECAUSE, DEPENDENTS, OWNER, Door, Silent, publication

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}


def at_once(door: Door, *asked: tuple[str, Any]) -> list[tuple[int, list[str]]]:
    """Send each of these at the same moment; status and codes of all reasons, in this order."""
    app = create_app(door.world.service.desk(Silent()))
    ready = threading.Barrier(len(asked))
    answers: list[tuple[int, list[str]]] = [(0, [])] * len(asked)

    def send(place: int, path: str, body: Any) -> None:
        headers = {"Authorization": f"Bearer {door.token}", "Idempotency-Key": f"{path} {place}"}
        client = app.test_client()
        ready.wait()
        answer = client.post(path, json=body, headers=headers)
        answers[place] = answer.status_code, [why["code"] for why in answer.get_json().get("reasons", ())]

    threads = [threading.Thread(target=send, args=(place, *each)) for place, each in enumerate(asked)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def another_file(name: str) -> dict[str, Any]:
    """A wheel of a release that has an sdist."""
    filename = f"{name}-1.0-py3-none-any.whl"
    file = {"filename": filename, "sha256": "cd" * 32, "size": 7, "url": f"https://files.test/{filename}"}
    return {"files": [file], "actor": OWNER}


@pytest.fixture(params=range(4))
def name(request: pytest.FixtureRequest) -> str:
    """Who comes first is chance, so each race is run a few times."""
    return f"foo{request.param}"


def test_the_last_version_that_goes_and_the_next_that_comes_leave_no_false_placeholder(door: Door, name: str) -> None:
    """Edge case 2."""
    door.publish(name)
    project = f"/v1/projects/{name}/releases"
    gone, came = at_once(
        door,
        (f"{project}/1.0/unpublish", {"reason": BECAUSE, "actor": OWNER, "dependents": DEPENDENTS}),
        (f"{project}/2.0/publish", publication(name, "2.0")),
    )
    door.world.service.round()
    state = door.world.client().page(name).state
    published = [release.version for release in state.releases if release.state == "published"]
    assert gone[0] == 202
    if came[0] == 202:
        assert (state.state, published) == ("registered", ["2.0"])
    else:
        assert (came, state.state, published) == ((409, ["name_placeholder"]), "placeholder", [])


@pytest.mark.parametrize("verb", ["close", "yank"])
def test_a_file_lands_before_its_release_is_closed_or_not_at_all_and_a_yank_covers_it_either_way(
    door: Door, name: str, verb: str
) -> None:
    """Edge case 47."""
    door.publish(name)
    release = f"/v1/projects/{name}/releases/1.0"
    body: dict[str, Any] = {"actor": OWNER} | ({"reason": BECAUSE} if verb == "yank" else {})
    added, ended = at_once(door, (f"{release}/publish", another_file(name)), (f"{release}/{verb}", body))
    door.world.service.round()
    found = door.world.client().page(name).state.releases[0]
    assert ended[0] == 202
    assert (added == (202, [])) == (len(found.files) == 2)
    if verb == "yank":
        listed = door.client.get(f"/simple/{name}/", headers=JSON).get_json()["files"]
        assert [file["yanked"] for file in listed] == [BECAUSE["text"]] * 2
    else:
        assert added in ((202, []), (409, ["release_closed"])) and found.closed is not None
