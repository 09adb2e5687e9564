"""A second implementation reads what we publish: tuf-js, as npm installs it, over HTTP, unchanged."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keys import layout, names, sealed
from tests import loopback
from tests.world import World, online_key, publishing, root_of_trust

SCRIPT = """
const { Updater } = require('tuf-js');
const [url, metadataDir, targetDir, ...paths] = process.argv.slice(2);
(async () => {
  const updater = new Updater({
    metadataBaseUrl: url + '/metadata', metadataDir, targetBaseUrl: url + '/targets', targetDir,
  });
  await updater.refresh();
  const found = {};
  for (const path of paths) {
    const target = await updater.getTargetInfo(path);
    found[path] = target ? require('fs').readFileSync(await updater.downloadTarget(target), 'utf8') : null;
  }
  console.log(JSON.stringify(found));
})().catch((error) => { console.error(String(error)); process.exit(1); });
"""


@pytest.fixture(scope="module")
def tuf_js(tuf_js_folder: Path) -> Path:
    """A folder with a client that ``node`` runs."""
    (tuf_js_folder / "client.js").write_text(SCRIPT)
    return tuf_js_folder


@pytest.fixture
def live(tmp_path: Path) -> World:
    """A world at the present, which is where tuf-js lives."""
    return World(tmp_path / "world", begin=datetime.now(UTC).replace(microsecond=0), held=("internal-tools",))


@pytest.fixture
def url(live: World) -> Iterator[str]:
    with loopback.folder(live.public) as url:
        yield url


def ask(tuf_js: Path, live: World, url: str, *paths: str) -> Any:
    """What a client that begins now finds of these paths, or what it says instead."""
    shutil.rmtree(live.folder / "js-metadata", ignore_errors=True)
    return ask_again(tuf_js, live, url, *paths)


def ask_again(tuf_js: Path, live: World, url: str, *paths: str, cache: str = "js") -> Any:
    """As ``ask``, with what a client remembers under this name."""
    metadata, targets = live.folder / f"{cache}-metadata", live.folder / f"{cache}-targets"
    metadata.mkdir(exist_ok=True)
    targets.mkdir(exist_ok=True)
    (metadata / "root.json").write_bytes(live.trust.roots[0].data)
    command = ["node", "client.js", url, str(metadata), str(targets), *paths]
    done = subprocess.run(command, cwd=tuf_js, text=True, capture_output=True)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def test_tuf_js_finds_pages_and_files_and_learns_that_others_are_absent(tuf_js: Path, live: World, url: str) -> None:
    live.do(publishing("flask", content=b"source"))
    body = live.public / "targets" / "packages" / "flask"
    body.mkdir(parents=True)
    digest = publishing("flask", content=b"source").files[0].sha256
    (body / f"{digest}.flask-1.0.tar.gz").write_bytes(b"source")
    page, file, absent = names.page_path("flask"), names.file_path("flask", "flask-1.0.tar.gz"), names.page_path("none")
    found = ask(tuf_js, live, url, page, file, absent)
    assert json.loads(found[page])["_state"]["state"] == "registered"
    assert (found[file], found[absent]) == ("source", None)


def test_tuf_js_stops_at_held_whatever_a_bin_says(tuf_js: Path, live: World, url: str) -> None:
    held = names.page_path("internal-tools")
    found = ask(tuf_js, live, url, held, "packages/internal-tools/internal_tools-1.0.tar.gz")
    assert json.loads(found[held])["_state"]["state"] == "prohibited"
    assert found["packages/internal-tools/internal_tools-1.0.tar.gz"] is None


def test_tuf_js_refuses_a_swapped_bin_by_its_version(tuf_js: Path, live: World, url: str) -> None:
    bins, metadata = layout.Bins(2), live.public / "metadata"
    number = bins.number(names.page_path("flask"))
    other = metadata / f"{layout.first_version((number + 1) % 4)}.{bins.role((number + 1) % 4)}.json"
    (metadata / f"{layout.first_version(number)}.{bins.role(number)}.json").write_bytes(other.read_bytes())
    refusal = ask(tuf_js, live, url, names.page_path("flask"))
    assert isinstance(refusal, str) and "version" in refusal


def test_tuf_js_follows_a_new_online_key_and_another_number_of_bins(tuf_js: Path, live: World, url: str) -> None:
    """A client that was there from the beginning and one that comes anew, after each step."""
    path = names.page_path("foo")

    def everyone_reads() -> None:
        for found in (ask_again(tuf_js, live, url, path, cache="old"), ask(tuf_js, live, url, path)):
            assert isinstance(found, dict) and found[path], found

    live.do(publishing("foo"))
    everyone_reads()
    sealed.write_private(live.service.folder / "online-next.key", sealed.plain(online_key(2)._private))
    live.reopen()
    live.service.round()
    everyone_reads()
    live.take_in(root_of_trust(live.now, after=live.trust, online_number=2, held=("internal-tools",)))
    everyone_reads()
    (live.service.folder / "online.key").unlink()
    live.reopen()
    live.do(publishing("bar"))
    everyone_reads()
    for bins in (32, 2):
        live.take_in(root_of_trust(live.now, after=live.trust, online_number=2, bins=bins, held=("internal-tools",)))
        everyone_reads()
