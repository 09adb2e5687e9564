"""What pip and uv do by themselves with pages that registries really serve: why the signer's pages are as they are.

Nothing of ours runs here but the pages at the end. Each test says what both installers do today with one thing on a
page, so an upgrade that changes it turns a test red, and the reason for a rule of docs/FORMAT.md is looked at again.
"""

import json
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler

import pytest

from keys.encoding import sha256
from tests import paper
from tests.client.test_run import UV
from tests.loopback import answering

OLD = paper.wheel("tallyflask", "1.0")
NEW = paper.wheel("tallyflask", "2.0")
JSON = "application/vnd.pypi.simple.v1+json"


class Index:
    """A registry that serves whatever it is told to. ``page`` is the JSON of the one project's page."""

    def __init__(self, folder):
        self.folder = folder
        self.status = 200
        self.files = {artifact.filename: artifact.data for artifact in (OLD, NEW)}
        self.page = listing(OLD, NEW)
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/simple/tallyflask/":
                    self.answer(index.status, json.dumps(index.page).encode(), JSON)
                else:
                    found = index.files.get(self.path.rpartition("/")[2])
                    self.answer(404 if found is None else 200, found or b"", "application/octet-stream")

            do_HEAD = do_GET  # noqa: N815 - uv asks whether parts of a file can be fetched

            def answer(self, status, body, kind):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def log_message(self, format, *values):  # noqa: A002 - the base class's name for it
                pass

        self.handler = Handler

    def pip(self, *words):
        """What pip installs, as name-version, and what it prints."""
        target = self.folder / "pip"
        shutil.rmtree(target, ignore_errors=True)
        command = (
            sys.executable,
            "-m",
            "pip",
            "--isolated",
            "--disable-pip-version-check",
            "install",
            "--no-cache-dir",
        )
        return self._run(target, *command, "--target", target, "--index-url", f"{self.url}/simple/", *words)

    def uv(self, *words):
        """The same of uv."""
        target = self.folder / "uv"
        shutil.rmtree(target, ignore_errors=True)
        command = (UV, "pip", "install", "--no-config", "--no-cache", "--python", sys.executable)
        return self._run(target, *command, "--target", target, "--index-url", f"{self.url}/simple/", *words)

    def uv_sync(self, *words):
        """``uv sync`` in a project that depends on tallyflask; what is in its environment then."""
        (self.folder / "pyproject.toml").write_text(
            '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["tallyflask"]\n'
            f'[tool.uv]\npackage = false\n[[tool.uv.index]]\nurl = "{self.url}/simple/"\ndefault = true\n'
        )
        site = self.folder / ".venv"
        shutil.rmtree(site, ignore_errors=True)
        return self._run(site, UV, "sync", "--no-cache", "--python", sys.executable, *words)

    def _run(self, target, *command):
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "UV_HTTP_RETRIES": "0"}
        done = subprocess.run(
            list(map(str, command)), cwd=self.folder, env=environment, capture_output=True, timeout=60, check=False
        )
        found = sorted(each.name.removesuffix(".dist-info") for each in target.rglob("tallyflask-*.dist-info"))
        return found, (done.stdout + done.stderr).decode()


def listing(*artifacts, api="1.4", status=None, **yanked):
    """A page of these files; ``yanked`` is what the page says of the newest, if anything."""
    files = [
        {"filename": each.filename, "url": f"/files/{each.filename}", "hashes": {"sha256": sha256(each.data)}}
        for each in artifacts
    ]
    files[-1].update(yanked)
    told = {} if status is None else {"project-status": {"status": status}}
    return {"meta": {"api-version": api}, "name": "tallyflask", "files": files, **told}


@pytest.fixture
def index(tmp_path):
    found = Index(tmp_path)
    with answering(found.handler) as found.url:
        yield found


def test_a_status_on_a_page_that_still_lists_files_stops_neither(index):
    """Trap 7: so a page in quarantine lists no file."""
    index.page = listing(OLD, NEW, status="quarantined")
    assert [index.pip("tallyflask")[0], index.uv("tallyflask")[0]] == [["tallyflask-2.0"]] * 2


def test_a_newer_major_version_of_the_api_stops_neither(index):
    """Trap 7: so a change of the format cannot be announced to them by its number."""
    index.page = listing(OLD, NEW, api="2.0")
    assert [index.pip("tallyflask")[0], index.uv("tallyflask")[0]] == [["tallyflask-2.0"]] * 2


def test_an_empty_yank_reason_is_a_yank_for_one_and_none_for_the_other(index):
    """Trap 8: so ``yanked`` is false, true or a text that is not empty."""
    index.page = listing(OLD, NEW, yanked="")
    assert index.pip("tallyflask")[0] == ["tallyflask-2.0"]
    assert index.uv("tallyflask")[0] == ["tallyflask-1.0"]


def test_a_yank_that_is_no_text_makes_the_whole_page_unreadable_for_one(index):
    """Trap 8."""
    index.page = listing(OLD, NEW, yanked={"reason": "broken"})
    assert index.pip("tallyflask")[0] == ["tallyflask-1.0"]
    installed, said = index.uv("tallyflask")
    assert installed == [] and "unexpected JSON" in said


def test_a_yank_reason_reaches_the_terminal_as_it_stands(index):
    """Trap 9: a line break begins a line in both, and pip prints escape sequences; so a reason is one clean line."""
    index.page = listing(OLD, NEW, yanked="old\nSuccessfully verified\x1b[2J")
    for said in (index.pip("tallyflask==2.0")[1], index.uv("tallyflask==2.0")[1]):
        assert any(line.startswith("Successfully verified") for line in said.splitlines())
    assert "\x1b[2J" in index.pip("tallyflask==2.0")[1]


def test_a_page_that_is_gone_is_no_versions_to_one_and_a_broken_index_to_the_other(index):
    """Trap 10: so a name without files has a page (200) that lists none, which both read as "no versions"."""
    index.status = 410
    assert "from versions: none" in index.pip("tallyflask")[1]
    assert "410 Gone" in index.uv("tallyflask")[1]
    index.status, index.page = 200, listing(OLD, NEW) | {"files": []}
    assert "from versions: none" in index.pip("tallyflask")[1]
    assert "there are no versions of tallyflask" in index.uv("tallyflask")[1]


def locked(index):
    """A lock file as PEP 751 has it, of the newest version."""
    return (
        'lock-version = "1.0"\ncreated-by = "tests"\n[[packages]]\nname = "tallyflask"\nversion = "2.0"\n'
        f'[[packages.wheels]]\nname = "{NEW.filename}"\nurl = "{index.url}/files/{NEW.filename}"\n'
        f'[packages.wheels.hashes]\nsha256 = "{sha256(NEW.data)}"\n'
    )


def test_a_lock_file_installs_what_the_page_no_longer_lists_until_its_file_is_gone(index):
    """Trap 6 and edge case 52: so what is removed is no longer served under its old address either."""
    (index.folder / "pylock.toml").write_text(locked(index))
    assert index.uv_sync()[0] == ["tallyflask-2.0"]
    index.page["files"] = []
    for installed in (index.uv_sync(), index.uv_sync("--frozen"), index.uv_sync("--locked")):
        assert installed[0] == ["tallyflask-2.0"]
    assert index.pip("-r", "pylock.toml")[0] == ["tallyflask-2.0"]
    del index.files[NEW.filename]
    for installed, said in (index.uv_sync("--frozen"), index.pip("-r", "pylock.toml")):
        assert installed == [] and "404" in said


def test_both_pass_over_a_yanked_version_and_install_it_where_it_is_pinned(index):
    index.page = listing(OLD, NEW, yanked="leaks memory")
    for install in (index.pip, index.uv):
        assert install("tallyflask")[0] == ["tallyflask-1.0"]
        installed, said = install("tallyflask==2.0")
        assert installed == ["tallyflask-2.0"] and "leaks memory" in said


def test_where_everything_is_yanked_both_install_nothing_and_say_so(index):
    """Edge case 12."""
    index.page = listing(NEW, yanked="all of it")
    for install in (index.pip, index.uv):
        installed, said = install("tallyflask>=1")
        assert installed == [] and "yanked" in said
