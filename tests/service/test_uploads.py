"""Uploads of the embedded registry: what a file says of itself, and where its bytes come to lie."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from keys.encoding import sha256
from repo_service.accepting import uploads
from repo_service.domain.artifacts import BadArtifact
from tests.service.door import OWNER, Door, filed, sdist, wheel
from tests.world import World

WHEEL = "foo-1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: foo\nVersion: 1.0\nRequires-Python: >=3.9\n"


def test_a_wheel_goes_from_upload_to_installer(door: Door) -> None:
    data = wheel(METADATA)
    answer = door.upload(WHEEL, data)
    said = answer.get_json()
    assert (answer.status_code, said["core_metadata"]) == (201, sha256(METADATA.encode()))
    assert said == filed(WHEEL, data, requires_python=">=3.9", core_metadata=said["core_metadata"])
    assert door.client.get(f"/packages/foo/{WHEEL}").status_code == 404, "it is not signed yet"
    door.post("/v1/projects/foo/releases/1.0/publish", {"files": [said], "actor": OWNER})
    assert door.client.get(f"/packages/foo/{WHEEL}").data == data
    assert door.client.get(f"/packages/foo/{WHEEL}.metadata").data == METADATA.encode()
    stock = door.world.stock()
    target = stock.get_targetinfo(f"packages/foo/{WHEEL}")
    assert target is not None
    assert Path(stock.download_target(target)).read_bytes() == data


def test_the_same_bytes_may_be_uploaded_again(door: Door) -> None:
    assert [door.upload(WHEEL, wheel()).status_code for _ in range(2)] == [201, 201]


def test_other_bytes_under_a_published_name_are_refused_for_ever(door: Door) -> None:
    first, second = wheel(), wheel(**{"foo/__init__.py": "evil()"})
    for data, status in ((first, 200), (second, 409), (first, 200)):
        said = door.upload(WHEEL, data).get_json()
        answer = door.post("/v1/projects/foo/releases/1.0/publish", {"files": [said], "actor": OWNER})
        assert answer.status_code == status
    assert answer.get_json()["changed"] is False
    assert door.client.get(f"/packages/foo/{WHEEL}").data == first


def test_a_file_that_was_not_uploaded_as_it_is_said_to_be_is_not_published(door: Door) -> None:
    data = sdist()
    door.upload("foo-1.0.tar.gz", data)
    for change in ({"size": len(data) + 1}, {"sha256": "ab" * 32}, {"filename": "foo-1.0.zip"}):
        body = {"files": [{**filed("foo-1.0.tar.gz", data), **change}], "actor": OWNER}
        answer = door.post("/v1/projects/foo/releases/1.0/publish", body)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "blob_missing")


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_an_sdist_says_which_python_it_requires_and_has_no_core_metadata(door: Door, kind: str) -> None:
    said = door.upload(f"foo-1.0.tar.{kind}" if kind == "gz" else "foo-1.0.tar.gz", sdist(METADATA, kind)).get_json()
    assert (said["requires_python"], said["core_metadata"]) == (">=3.9", None)
    assert door.upload("foo-1.0.tar.gz", sdist(None)).get_json()["requires_python"] is None


def test_only_the_top_level_dist_info_counts(door: Door) -> None:
    """flit_core vendors another project's dist-info."""
    vendored = {"foo/_vendor/tomli-2.0.dist-info/METADATA": "Requires-Python: <3\n"}
    assert door.upload(WHEEL, wheel(METADATA, **vendored)).get_json()["requires_python"] == ">=3.9"


def encrypted() -> bytes:
    """A wheel whose METADATA says that it is encrypted."""
    data = bytearray(wheel())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def compressed_by(method: int) -> bytes:
    """A wheel whose METADATA says that it is compressed by a method that it is not."""
    data = bytearray(wheel())
    data[data.index(b"PK\x03\x04") + 8] = method
    data[data.index(b"PK\x01\x02") + 10] = method
    return bytes(data)


def damaged() -> bytes:
    """A wheel whose METADATA begins with a block of a type that does not exist."""
    data = bytearray(wheel())
    data[data.index(b"METADATA") + len("METADATA")] = 0x07
    return bytes(data)


def huge() -> bytes:
    return wheel("Requires-Python: >=3\n" + " " * (1 << 20))


@pytest.mark.parametrize(
    ("filename", "data"),
    [
        (WHEEL, b""),
        (WHEEL, b"not a zip"),
        (WHEEL, sdist()),
        (WHEEL, wheel()[:-30]),
        (WHEEL, encrypted()),
        (WHEEL, damaged()),
        *((WHEEL, compressed_by(method)) for method in (1, 12, 14, 93, 99)),
        (WHEEL, huge()),
        (WHEEL, wheel(**{"bar-2.0.dist-info/METADATA": "Name: bar\n"})),
        (WHEEL, wheel("Requires-Python: >=3\x1b[2J\n")),
        ("foo-1.0.tar.gz", b""),
        ("foo-1.0.tar.gz", b"not a tar"),
        ("foo-1.0.tar.gz", b"\x1f\x8b" + b"\xff" * 500),
        ("foo-1.0.tar.gz", b"\xfd7zXZ\x00" + b"\xff" * 500),
        ("foo-1.0.zip", b"PK\x03\x04" + b"\xff" * 500),
        ("bar-1.0.tar.gz", sdist()),
        ("foo-1.0.exe", sdist()),
        ("foo.whl", wheel()),
        ("foo-1.0+local.tar.gz", sdist()),
        ("foo-one.tar.gz", sdist()),
        (f"foo-{'1' * 5000}.tar.gz", sdist()),
        (".foo-1.0.tar.gz", sdist()),
        ("foo -1.0.tar.gz", sdist()),
        ("f%C3%B6o-1.0.tar.gz", sdist()),
        ("foo-1.0%0A.tar.gz", sdist()),
    ],
)  # fmt: skip
def test_what_is_no_distribution_of_the_project_is_refused_and_not_kept(
    quiet_door: Door, filename: str, data: bytes
) -> None:
    answer = quiet_door.upload(filename, data)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "file_invalid")
    assert kept(quiet_door.world) == []


def test_the_longest_file_name_is_uploaded_and_published(door: Door) -> None:
    tags = "py3-none-" + ".".join(f"platform_{number:03}" for number in range(11))
    filename = f"foo-1.0-{tags}{'x' * (180 - len('foo-1.0-.whl') - len(tags))}.whl"
    said = door.upload(filename, wheel()).get_json()
    answer = door.post("/v1/projects/foo/releases/1.0/publish", {"files": [said], "actor": OWNER})
    assert (len(filename), answer.status_code) == (180, 200)
    assert door.client.get(f"/packages/foo/{filename}.metadata").status_code == 200


def kept(world: World) -> list[str]:
    folders = (world.public / "targets/packages", world.public / ".incoming")
    return [path.name for folder in folders for path in folder.rglob("*") if path.is_file()]


def test_a_file_larger_than_the_limit_is_413_and_not_kept(tmp_path: Path) -> None:
    door = Door(World(tmp_path, "max_upload_bytes = 500\n"))
    answer = door.upload("foo-1.0.tar.gz", b"x" * 501)
    assert (answer.status_code, answer.get_json()["code"]) == (413, "too_large")
    assert kept(door.world) == []
    assert door.upload("foo-1.0.tar.gz", sdist()).status_code == 201


@pytest.mark.parametrize("name", ["foo", "Foo", "FOO"])
def test_a_file_is_found_under_every_spelling_of_its_project(door: Door, name: str) -> None:
    assert door.upload("foo-1.0.tar.gz", sdist(), name).status_code == 201


@pytest.mark.parametrize("filename", ["foo bar-1.0.tar.gz", "foo+bar-1.0.tar.gz", "_-1.0.tar.gz", "a/foo-1.0.tar.gz"])
def test_a_project_that_cannot_have_its_name_is_no_artifact(tmp_path: Path, filename: str) -> None:
    """An import asks nobody else about names."""
    path = tmp_path / "file"
    path.write_bytes(sdist())
    with pytest.raises(BadArtifact):
        uploads.examine(filename, path)


def test_nothing_of_an_archive_is_unpacked(door: Door, tmp_path: Path) -> None:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr("../../../evil", "x")
        archive.writestr("foo-1.0.dist-info/METADATA", METADATA)
    assert door.upload(WHEEL, found.getvalue()).status_code == 201
    assert not list(tmp_path.rglob("evil"))


def test_metadata_of_a_wheel_is_published_as_its_page_says(door: Door) -> None:
    said: dict[str, Any] = door.upload(WHEEL, wheel(METADATA)).get_json()
    door.post("/v1/projects/foo/releases/1.0/publish", {"files": [said], "actor": OWNER})
    (listed,) = door.page("foo").get_json()["files"]
    assert listed["core-metadata"] == {"sha256": sha256(METADATA.encode())}
    assert listed["requires-python"] == ">=3.9"


def test_what_was_uploaded_before_a_quarantine_is_neither_published_nor_served_in_it(door: Door) -> None:
    """Edge case 31: and it can be published when the quarantine is over."""
    door.publish("foo", "0.9")
    publish = ("/v1/projects/foo/releases/1.0/publish", {"files": [door.upload(WHEEL, wheel()).get_json()]})
    admin = {"actor": {"kind": "admin", "id": "account-9"}, "reason": {"code": "malware"}}
    door.post("/v1/projects/foo/quarantine", admin)
    answer = door.post(*publish)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "project_quarantined")
    assert door.client.get(f"/packages/foo/{WHEEL}").status_code == 404
    door.post("/v1/projects/foo/clear", admin)
    assert door.post(*publish).status_code == 200
    assert door.client.get(f"/packages/foo/{WHEEL}").status_code == 200
