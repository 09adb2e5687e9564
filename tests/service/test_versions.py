"""A registry that counts as SemVer does, from request to signed page; and what the service does not do of it."""

from pathlib import Path
from typing import Any

import pytest

from client_verify.answers import Found
from keys.times import stamp
from repo_service.domain.announcing import NotAnnounced
from repo_service.domain.policy import parse
from repo_service.wiring import presets
from tests.service.door import Door, wheel
from tests.world import World


def crate(door: Door, name: str, version: str, content: str = "ab", ending: str = "crate") -> dict[str, Any]:
    filename = f"{name}-{version}.{ending}"
    file = {"filename": filename, "sha256": content * 32, "size": 7, "url": f"https://files.test/{filename}"}
    contact = {"state": "verified", "as_of": stamp(door.world.now)}
    return {"files": [file], "actor": {"kind": "owner", "id": "account-1", "contact": contact}, "display": name}


@pytest.fixture
def crates(tmp_path: Path) -> Door:
    return Door(World(tmp_path, 'policy = "crates"\n'))


def test_a_crate_is_published_signed_and_found_by_a_client(crates: Door) -> None:
    name = "/v1/projects/serde_json/releases"
    answer = crates.post(f"{name}/1.0.0+a/publish", crate(crates, "serde_json", "1.0.0+a"))
    assert (answer.status_code, answer.json["status"]) == (200, "signed"), answer.json  # type: ignore[index]
    found = crates.world.client().page("serde-json")
    assert isinstance(found, Found)
    (release,) = found.state.releases
    assert (found.state.display, release.version, release.canonical) == ("serde_json", "1.0.0+a", "1.0.0")
    assert [file.identity for file in release.files] == ["crate"]
    again = crates.post(f"{name}/1.0.0+b/publish", crate(crates, "serde_json", "1.0.0+b"))
    assert (again.status_code, again.json["code"]) == (409, "version_exists")  # type: ignore[index]
    second = crates.post(f"{name}/1.0.0+a/publish", crate(crates, "serde_json", "1.0.0+a", ending="tgz"))
    assert (second.status_code, second.json["code"]) == (409, "version_full")  # type: ignore[index]
    assert crates.post(f"{name}/1.0.0/yank", {"actor": {"kind": "owner", "id": "account-1"}}).status_code == 200


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "01.0.0"])
def test_pythons_spellings_are_no_versions_there(crates: Door, version: str) -> None:
    answer = crates.post(f"/v1/projects/foo/releases/{version}/publish", crate(crates, "foo", version))
    assert (answer.status_code, answer.json["code"]) == (422, "version_invalid")  # type: ignore[index]


@pytest.mark.parametrize("filename", ["foo-1.0.0.crate", "foo-1.0.0.tgz"])
def test_the_embedded_store_says_that_it_takes_wheels_and_sdists_only(crates: Door, filename: str) -> None:
    answer = crates.put(f"/v1/projects/foo/files/{filename}", wheel())
    assert (answer.status_code, answer.json["code"]) == (422, "file_invalid")  # type: ignore[index]
    assert "only wheels and sdists are examined here; publish it with its url" in answer.json["detail"]  # type: ignore[index]


def test_a_policy_with_another_version_rule_is_not_announced(world: World) -> None:
    text = 'extends = "npm"\nname = "acme"\nversion = 1\nemergency = "we move"\n'
    with pytest.raises(NotAnnounced, match="for ever"):
        world.service.announce(parse(text, presets()))


def test_a_scope_is_refused_with_what_to_do_instead(door: Door) -> None:
    answer = door.post("/v1/batch", {"items": [{"verb": "reserve", "name": "@babel/core", "actor": {"id": "a"}}]})
    assert (answer.status_code, answer.json["code"]) == (422, "name_invalid")  # type: ignore[index]
    assert "@scope/name is scope-name" in answer.json["detail"]  # type: ignore[index]
