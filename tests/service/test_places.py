"""One line of the settings says where the depot is, and never who may write there."""

import sys
from pathlib import Path

import pytest

from repo_service.storage.local import LocalDepot
from repo_service.storage.places import BadPlace, Bucket, Folder, connect, open_depot, parse


@pytest.mark.parametrize(
    "text, place",
    [
        ("public", Folder("public")),
        ("/srv/public", Folder("/srv/public")),
        ("s3://bucket", Bucket("bucket")),
        ("s3://my.bucket-1/a/b/?region=eu-west-1", Bucket("my.bucket-1", "a/b", None, "eu-west-1")),
        ("s3://bucket/p?endpoint=https://s3.example:9000/", Bucket("bucket", "p", "https://s3.example:9000")),
        ("s3://bucket?endpoint=http%3A%2F%2F%5B%3A%3A1%5D%3A80", Bucket("bucket", "", "http://[::1]:80")),
    ],
)
def test_a_setting_names_a_place(text: str, place: object) -> None:
    assert parse(text) == place


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "neither a folder"),
        ("https://bucket.s3.amazonaws.com", "neither a folder"),
        ("S3://bucket", "neither a folder"),
        ("s3://", "no name of a bucket"),
        ("s3://Bucket", "no name of a bucket"),
        ("s3://key:secret@bucket", "no name of a bucket"),
        ("s3://bucket/a//b", "cannot begin"),
        ("s3://bucket/.hidden", "cannot begin"),
        ("s3://bucket/a b", "cannot begin"),
        ("s3://bucket?secret_access_key=x", "said by the environment"),
        ("s3://bucket?region=a&region=b", "each once"),
        ("s3://bucket?region=a/b", "no region"),
        ("s3://bucket?endpoint=s3.example", "no address"),
        ("s3://bucket?endpoint=ftp://s3.example", "no address"),
        ("s3://bucket?endpoint=https://key:secret@s3.example", "no address"),
        ("s3://bucket#x", "each once"),
    ],
)
def test_what_names_no_place_is_refused_with_what_to_write(text: str, why: str) -> None:
    with pytest.raises(BadPlace, match=why):
        parse(text)


def test_a_folder_is_relative_to_the_services_own(tmp_path: Path) -> None:
    for text in ("public", str(tmp_path / "public")):
        depot = open_depot(parse(text), tmp_path, {})
        assert isinstance(depot, LocalDepot) and depot.root == tmp_path / "public"


def test_without_the_s3_library_the_extra_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "repo_service.storage.s3", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(BadPlace, match=r"pip install 'tallystick\[s3\]'"):
        connect(parse("s3://bucket"), tmp_path, {})
