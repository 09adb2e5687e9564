"""What an sdist needs to be built comes from the verified index as well, in the hands of every installer."""

import base64
import gzip
import io
import tarfile

import pytest

from tests import paper
from tests.client.test_poetry_and_pdm import Bench

BUILT = paper.wheel("tallybuilt", "1.0")
BACKEND = f"""
import base64, pathlib, tallyflask

def build_wheel(folder, config_settings=None, metadata_directory=None):
    pathlib.Path(folder, {BUILT.filename!r}).write_bytes(base64.b64decode({base64.b64encode(BUILT.data)!r}))
    return {BUILT.filename!r}
"""
PYPROJECT = """
[project]
name = "tallybuilt"
version = "1.0"
[build-system]
requires = ["tallyflask==1.0"]
build-backend = "backend"
backend-path = ["."]
"""
INFO = "Metadata-Version: 2.1\nName: tallybuilt\nVersion: 1.0\n"


def sdist():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in {"pyproject.toml": PYPROJECT, "backend.py": BACKEND, "PKG-INFO": INFO}.items():
            member = tarfile.TarInfo(f"tallybuilt-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return paper.Artifact("tallybuilt-1.0.tar.gz", gzip.compress(packed.getvalue(), mtime=0), None)


@pytest.fixture
def bench(tmp_path, serve, terminal, monkeypatch):
    """A registry that has only an sdist of tallybuilt."""
    made = Bench(tmp_path, serve, terminal, monkeypatch=monkeypatch)
    artifact = sdist()
    made.repository.add_file("tallybuilt", artifact.filename, artifact.data, None)
    made.repository.say(paper.project(made.now, "tallybuilt", paper.release(made.now, "1.0", artifact)))
    made.repository.publish(made.now)
    return made


@pytest.mark.parametrize("installer", ["pip", "uv", "poetry", "pdm"])
def test_an_sdist_is_built_with_what_is_signed(bench, installer):
    project = bench.project(installer, "tallybuilt==1.0")
    assert bench.run(project) == 0, bench.out + bench.err
    assert project.installed() == ["tallybuilt-1.0"]


@pytest.mark.parametrize("installer", ["pip", "uv", "poetry", "pdm"])
def test_an_sdist_is_not_built_with_what_was_removed(bench, installer):
    bench.say(paper.removed(bench.now, bench.releases[0], "it steals tokens"), bench.releases[1], serial=2)
    project = bench.project(installer, "tallybuilt==1.0")
    assert bench.run(project) != 0
    assert project.installed() == []
