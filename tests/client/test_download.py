"""``download`` and ``verify``: files in somebody's hands are the signed ones, whole, and never somebody else's."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from keys import names
from keys.encoding import sha256
from keys.state import Removal
from tests import paper

OLD, NEW, RC = (paper.wheel("tallyflask", version) for version in ("1.0", "2.0", "3.0rc1"))
OTHER = paper.Artifact("tallyflask-2.0.tar.gz", b"the source", None)


@pytest.fixture
def now():
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def registry(now, terminal, serve, tmp_path):
    """tallyflask 1.0, 2.0 (a wheel and an sdist) and 3.0rc1 on loopback, pinned."""
    repository = paper.Paper(now)
    for artifact in (OLD, NEW, RC, OTHER):
        repository.add_file("tallyflask", artifact.filename, artifact.data, artifact.metadata)
    repository.releases = [
        paper.release(now, "1.0", OLD), paper.release(now, "2.0", NEW, OTHER), paper.release(now, "3.0rc1", RC)
    ]  # fmt: skip
    repository.say(paper.project(now, "tallyflask", *repository.releases))
    repository.publish(now)
    repository.serial = 1
    repository.served = serve(repository.files)
    (tmp_path / "root.json").write_bytes(repository.root)
    terminal("trust", "add", "acme", "--url", repository.served.url, "--root", tmp_path / "root.json")
    return repository


def said(registry, now, *releases, **changes):
    registry.serial += 1
    registry.say(replace(paper.project(now, "tallyflask", *releases, serial=registry.serial), **changes))
    registry.publish(now)


def in_folder(tmp_path):
    folder = tmp_path / "wheels"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_download_fetches_every_file_of_the_newest_version(terminal, registry, tmp_path):
    assert terminal("download", "TallyFlask", "-d", "wheels") == 0
    assert in_folder(tmp_path) == {NEW.filename: NEW.data, OTHER.filename: OTHER.data}
    assert terminal.out == f"wheels/{NEW.filename}\nwheels/{OTHER.filename}\n"


def test_download_fetches_the_version_and_the_files_that_were_named(terminal, registry, tmp_path):
    assert terminal("download", "tallyflask==1", "-d", "wheels") == 0
    assert terminal("download", "tallyflask==2.0", "-d", "wheels", "--only", OTHER.filename) == 0
    assert set(in_folder(tmp_path)) == {OLD.filename, OTHER.filename}
    assert terminal("download", "tallyflask==1.0", "-d", "wheels", "--only", NEW.filename) == 7
    assert "is not a file of tallyflask 1.0" in terminal.err


def test_what_is_there_already_stays_and_what_differs_is_never_overwritten(terminal, registry, tmp_path):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / OTHER.filename).write_bytes(b"mine")
    assert terminal("download", "tallyflask", "-d", "wheels") == 2
    assert "Nothing was overwritten" in terminal.err
    assert in_folder(tmp_path) == {OTHER.filename: b"mine"}, "and nothing was fetched beside it"
    (tmp_path / "wheels" / OTHER.filename).write_bytes(OTHER.data)
    assert terminal("download", "tallyflask", "-d", "wheels", "--json") == 0
    fetched = {each["path"]: each["fetched"] for each in json.loads(terminal.out)["files"]}
    assert fetched == {f"wheels/{NEW.filename}": True, f"wheels/{OTHER.filename}": False}


def test_wrong_bytes_get_no_name(terminal, registry, tmp_path):
    address = f"targets/{names.hashed(names.file_path('tallyflask', NEW.filename), sha256(NEW.data))}"
    registry.files[address] = NEW.data[:-1] + b"!"
    assert terminal("download", "tallyflask==2.0", "-d", "wheels", "--only", NEW.filename) == 6
    assert in_folder(tmp_path) == {}
    del registry.files[address]
    assert terminal("download", "tallyflask==2.0", "-d", "wheels", "--only", NEW.filename) == 8
    assert in_folder(tmp_path) == {}


def test_what_an_installer_would_be_refused_is_not_downloaded(terminal, registry, tmp_path, now):
    one, *others = registry.releases
    said(registry, now, paper.removed(now, one, "broken"), *others)
    assert terminal("download", "tallyflask==1.0", "-d", "wheels") == 7
    said(registry, now, paper.removed(now, one, "broken"), *others, quarantine=paper.mark(now, "admin"))
    for wanted in ("tallyflask", "tallyflask==2.0", "nobody", "tallyflask==9"):
        assert terminal("download", wanted, "-d", "wheels", "--json") == 7
        assert json.loads(terminal.out)["exit"] == 7
    assert in_folder(tmp_path) == {}


def test_yanked_versions_come_only_if_they_are_named_and_with_their_reason(terminal, registry, tmp_path, now):
    said(registry, now, *(paper.yanked(now, each, f"{each.version} leaks") for each in registry.releases))
    assert terminal("download", "tallyflask==1.0", "-d", "wheels") == 0
    assert "1.0 leaks" in terminal.err
    assert terminal("download", "tallyflask", "-d", "wheels") == 7
    assert set(in_folder(tmp_path)) == {OLD.filename}


def test_a_lower_version_than_was_verified_is_not_chosen_and_can_be_named(terminal, registry, tmp_path, now):
    assert terminal("show", "tallyflask") == 0
    one, two, candidate = registry.releases
    said(registry, now, one, paper.yanked(now, two, "leaks"), candidate)
    assert terminal("download", "tallyflask", "-d", "wheels") == 7
    assert "tallyflask 1.0 is older than 2.0" in " ".join(terminal.err.split()) and in_folder(tmp_path) == {}
    assert terminal("download", "tallyflask", "-d", "wheels", "--accept-yanks", "tallyflask") == 0
    assert terminal("download", "tallyflask==1.0", "-d", "named") == 0


def test_one_removed_file_of_a_release_is_refused_by_its_name_and_left_out_otherwise(terminal, registry, tmp_path, now):
    one, two, candidate = registry.releases
    gone = replace(two, removals=(Removal(NEW.filename, "removed", paper.mark(now)),))
    said(registry, now, one, gone, candidate)
    assert terminal("download", "tallyflask", "-d", "wheels", "--only", NEW.filename) == 7
    assert terminal("download", "tallyflask", "-d", "wheels") == 0
    assert set(in_folder(tmp_path)) == {OTHER.filename}


def test_a_file_of_the_same_name_that_comes_meanwhile_is_not_overwritten(terminal, registry, tmp_path, monkeypatch):
    def comes_meanwhile(source, target):
        target.write_bytes(b"mine")
        raise FileExistsError

    monkeypatch.setattr("os.link", comes_meanwhile)
    assert terminal("download", "tallyflask==1.0", "-d", "wheels") == 2
    assert in_folder(tmp_path) == {OLD.filename: b"mine"}


# verify


def test_verify_reads_directories_and_its_code_is_the_gravest(terminal, registry, tmp_path, now):
    assert terminal("download", "tallyflask", "-d", "wheels") == 0
    assert terminal("verify", "wheels") == 0
    assert terminal.out.count("signed.") == 2
    (tmp_path / "wheels" / "tallyflask-9.0-py3-none-any.whl").write_bytes(b"?")
    assert terminal("verify", "wheels") == 7
    (tmp_path / "wheels" / OTHER.filename).write_bytes(b"!")
    assert terminal("verify", "wheels", "--json") == 6
    found = {each["file"]: (each["verdict"], each["code"]) for each in json.loads(terminal.out)["files"]}
    assert found == {
        f"wheels/{NEW.filename}": ("install", None),
        f"wheels/{OTHER.filename}": ("refuse", "mismatch"),
        "wheels/tallyflask-9.0-py3-none-any.whl": ("refuse", "unknown-file"),
    }
    assert "REFUSED" not in terminal.out


def test_a_directory_without_anything_to_install_is_no_success(terminal, registry, tmp_path):
    (tmp_path / "empty").mkdir()
    assert terminal("verify", "empty") == 2
