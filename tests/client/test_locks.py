"""Lock files as installers really write them, against the signed state: nothing is passed over, nothing downloaded.

The samples in ``locks/`` were made by uv 0.13.9, pip 26.3, poetry 2.5.1 and pdm 2.29.3: blinker from PyPI, a wheel
from a path, one from an address, a git repository and an editable tree.
"""

import json
import os
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client_verify import trust
from client_verify.installing.index import bound
from client_verify.locks.entries import Entry
from client_verify.locks.reading import read
from client_verify.places import places
from client_verify.refusals import Usage
from keys.state import File, Release, Removal, Takedown
from keys.times import stamp
from tests import paper
from tests.client.test_run import UV

SAMPLES = {path.name: path.read_text() for path in sorted((Path(__file__).parent / "locks").iterdir())}
WHEEL = "blinker-1.9.0-py3-none-any.whl"
SDIST = "blinker-1.9.0.tar.gz"
FILES = {
    WHEEL: ("ba0efaa9080b619ff2f3459d1d500c57bddea4a6b424b60a91141db6fd2f08bc", 8458),
    SDIST: ("b4ce2265a7abece45e7cc896e98dbebe6cead56bcf805a3d23136d145f5445bf", 22460),
}
LOCAL_THING = "local-thing 0.1"


def of_blinker(sample):
    """A sample with the project's own table and blinker alone: all of it is of a registry."""
    if sample.endswith(".txt"):
        return SAMPLES[sample][SAMPLES[sample].index("blinker==") : SAMPLES[sample].index("git-thing")]
    blocks = re.split(r"(?m)^(?=\[\[packages?\]\]|\[metadata\]|\[tool\.)", SAMPLES[sample])
    return "".join(block for block in blocks if "\nname = " not in block or '\nname = "blinker"' in block)


def release(now, files=None, version="1.9.0"):
    listed = (File(name, name, digest, size, stamp(now)) for name, (digest, size) in sorted((files or FILES).items()))
    return Release(version, version, "published", 1, stamp(now), files=tuple(listed))


class Desk:
    """A person's machine with a lock file, and a registry that has signed blinker 1.9.0."""

    def __init__(self, directory, serve, terminal):
        self.terminal = terminal
        self.directory = directory
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.repository = paper.Paper(self.now)
        self.say(release(self.now))
        self.server = serve(self.repository.files)
        trust.add(places(os.environ).roots, trust.Pin("acme", self.server.url, self.repository.root))

    def say(self, *releases, serial=1, **changes):
        self.repository.say(replace(paper.project(self.now, "blinker", *releases, serial=serial), **changes))
        self.repository.publish(self.now)

    def file(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def verify(self, *paths):
        return self._tallystick("lock", "verify", *paths)

    def rewrite(self, path, to):
        return self._tallystick("lock", "rewrite", path, "--to", to)

    def _tallystick(self, *words):
        code = self.terminal(*words)
        self.out, self.err = self.terminal.out, self.terminal.err
        return code


@pytest.fixture
def desk(tmp_path, serve, terminal):
    return Desk(tmp_path, serve, terminal)


# Reading.


READ = {
    "uv.lock": (["colorama 0.4.6", "git-thing 0.1", "itsdangerous 2.2.0"], ["app 1", LOCAL_THING]),
    "pylock.uv.toml": (["colorama 0.4.6", "git-thing 0.1", "itsdangerous 2.2.0"], ["local-thing"]),
    "pylock.pip.toml": (["colorama", "git-thing", "itsdangerous"], ["local-thing"]),
    "pylock.pdm.toml": (["colorama 0.4.6", "itsdangerous 2.2.0"], [LOCAL_THING]),
    "poetry.lock": (["colorama 0.4.6", "git-thing 0.1", "itsdangerous 2.2.0"], [LOCAL_THING]),
    "pdm.lock": (["colorama 0.4.6", "itsdangerous 2.2.0"], [LOCAL_THING]),
    "pdm.static.lock": (["colorama 0.4.6", "itsdangerous 2.2.0"], [LOCAL_THING]),
    "requirements.txt": (
        ["./wheels/colorama-0.4.6-py2.py3-none-any.whl", "git-thing", "itsdangerous"],
        ["source tree"],
    ),
}


@pytest.mark.parametrize("sample", READ)
def test_what_each_tool_locks_is_a_registry_s_file_unverifiable_or_local(sample):
    lock = read(sample, SAMPLES[sample].encode())
    assert {(each.name, each.version, each.sha256) for each in lock.entries} <= {
        ("blinker", "1.9.0", digest) for digest, _ in FILES.values()
    }
    names = {each.filename for each in lock.entries}
    assert names == {None} if sample == "requirements.txt" else WHEEL in names <= set(FILES)
    assert ([each.what for each in lock.unverifiable], [each.what for each in lock.local]) == READ[sample]


def test_every_sample_is_read():
    assert READ.keys() == SAMPLES.keys()


VERSIONS = {
    "uv.lock": ("version = 1\n", "version = 2\n", "version = true\n", ""),
    "pylock.uv.toml": ('lock-version = "1.0"', 'lock-version = "2.0"', ""),
    "poetry.lock": ('lock-version = "2.1"', 'lock-version = "1.1"', 'lock-version = "3.0"', ""),
    "pdm.lock": ('lock_version = "4.5.1"', 'lock_version = "5.0"', ""),
}


@pytest.mark.parametrize("sample", VERSIONS)
def test_a_format_version_that_is_not_known_is_a_usage_error(sample):
    found, *others = VERSIONS[sample]
    assert found in SAMPLES[sample]
    for other in others:
        with pytest.raises(Usage, match=r"version is .*; this program reads"):
            read(sample, SAMPLES[sample].replace(found, other).encode())


@pytest.mark.parametrize("name", ["notes.md", "Cargo.lock", "pyproject.toml", "pylock.a.b.toml", ".txt"])
def test_the_name_of_a_file_says_how_it_is_read(name):
    with pytest.raises(Usage, match="what kind of lock file"):
        read(name, b"version = 1")


@pytest.mark.parametrize("data", [b"\xff", b"[", b'x = "\x00"', b"a = " + b"[" * 5000, b"a = 1" + b"0" * 5000])
def test_what_is_no_toml_is_a_usage_error(data):
    with pytest.raises(Usage):
        read("uv.lock", data)


CHANGED = {
    "no source": ("uv.lock", 'source = { registry = "https://pypi.org/simple" }\n', "", "not understood"),
    "another source": ("uv.lock", "{ registry = ", "{ torrent = ", "not understood"),
    "two sources": ("uv.lock", "{ registry = ", '{ git = "x", registry = ', "it comes from x"),
    "another array of files": ("uv.lock", "wheels = [", "whels = [", "a hash that is not understood"),
    "another array of packages": ("uv.lock", "[[package]]", "[[packet]]", "an array of packages"),
    "md5": ("uv.lock", "sha256:ba0e", "md5:ba0e", "no sha256 in the lock"),
    "upper case": ("uv.lock", "sha256:ba0efaa", "sha256:BA0EFAA", "no sha256 is"),
    "no hash": ("poetry.lock", f', hash = "sha256:{FILES[WHEEL][0]}"', "", "no sha256 in the lock"),
    "a name that is none": ("poetry.lock", 'name = "blinker"', 'name = "../blinker"', "not a project name"),
    "another kind of source": ("poetry.lock", 'type = "legacy"', 'type = "torrent"', "not understood"),
    "files that are no array": ("pdm.lock", "files = [", "files = 1\nfiles2 = [", "must be an array"),
    "a hash of another kind": ("pylock.uv.toml", "hashes = {", 'hashes = { sha512 = "00",', "of another kind"),
    "two places": ("pylock.uv.toml", 'version = "1.9.0"', 'version = "1.9.0"\nvcs = {}', "not understood"),
    "a control character": ("pylock.uv.toml", 'name = "blinker"', r'name = "blinker\u001b[2J"', "not allowed"),
}


@pytest.mark.parametrize("sample, old, new, why", CHANGED.values(), ids=CHANGED.keys())
def test_what_is_not_understood_is_said_with_its_hashes_and_never_passed_over(sample, old, new, why):
    text = of_blinker(sample)
    assert old in text
    lock = read(sample, text.replace(old, new).encode())
    assert any(why in each.why for each in lock.unverifiable), lock
    assert all(f"{each.what}{each.why}".isprintable() for each in lock.unverifiable)
    found = {each.sha256 for each in lock.entries} | {d for each in lock.unverifiable for d in each.sha256s}
    assert {digest for digest, _ in FILES.values()} - found <= (
        {FILES[WHEEL][0]} if why == "no sha256 in the lock" else set()
    )


REQUIREMENTS = {
    "-r other.txt": "another file",
    "-c other.txt": "another file",
    "--requirement=other.txt": "another file",
    "-e git+https://git.example.test/flask": "elsewhere",
    "flask": "not pinned",
    "flask>=1 --hash=sha256:" + "0" * 64: "not pinned",
    "flask==1.*": "not pinned",
    "flask==1.0": "no hash",
    "flask==1.0 --hash=sha512:" + "0" * 128: "no sha256",
    "flask==1.0 --hash sha256:00": "no sha256",
    "flask==1.0 --hash": "no sha256",
    "flask==1.0 --has=sha256:" + "0" * 64: "no option that is known",
    "flask==1.0 --hash='sha256:" + "0" * 64: "not understood",
    "flask==${VERSION} --hash=sha256:" + "0" * 64: "variable",
    "https://files.example.test/flask.whl": "no file of a registry",
    "./flask.whl": "no file of a registry",
    "flask @ https://files.example.test/flask.whl": "comes from https",
    "--unheard-of": "not understood",
    "flask==1.0\x0b--hash=sha256:" + "0" * 64: "not understood",
    "flask ==": "not understood",
    "./flask\x1b[2J.whl": "not understood",
}


@pytest.mark.parametrize("line, why", REQUIREMENTS.items())
def test_a_requirement_that_no_signed_file_can_answer_is_unverifiable(line, why):
    [only] = read("requirements.txt", f"{line}\n".encode()).unverifiable
    assert why in only.why and f"{only.what}{only.why}".isprintable()
    assert only.sha256s == (("0" * 64,) if "0" * 64 in line and "0" * 128 not in line else ())


def test_requirements_are_read_as_pip_reads_their_lines():
    text = (
        "# a comment \\\n--index-url https://pypi.org/simple\nFlask[async] == 1.0 ; python_version > '3' \\\r\n"
        f"    --hash=sha256:{'1' * 64} \\\n    --hash sha256:{'2' * 64}  # why not\n--require-hashes\n-e ./here\n"
    )
    lock = read("requirements.txt", text.encode())
    assert [*lock.entries] == [Entry("flask", "1.0", None, digit * 64) for digit in "12"]
    assert [each.path for each in lock.local] == ["./here"]
    assert (lock.unverifiable, [each.url for each in lock.indexes]) == ((), ["https://pypi.org/simple"])


@pytest.mark.parametrize("data", [b"# coding: utf-7\nx==1", b"\xff\xfex\x00=\x00", b"\n#-*- coding=latin-1 -*-"])
def test_an_encoding_in_which_pip_would_read_another_text_is_refused(data):
    with pytest.raises(Usage):
        read("requirements.txt", data)


# Verifying.


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_lock_of_signed_files_passes_and_no_artifact_is_fetched(desk, sample):
    assert desk.verify(desk.file(sample, of_blinker(sample))) == 0
    files = 1 if sample == "pylock.pip.toml" else 2
    assert f"{sample}: {files} file{'s' * (files > 1)} of 1 package: all signed" in desk.out
    assert "REFUSED" not in desk.err
    assert not any("packages/" in path for path in desk.server.asked)


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_comes_from_elsewhere_is_listed_and_refused_and_what_is_local_is_only_listed(desk, sample):
    assert desk.verify(desk.file(sample, SAMPLES[sample])) == 7
    assert "nothing signed speaks about this" in desk.err and "itsdangerous" in desk.err
    assert "See: tallystick explain unverifiable" in desk.err
    assert "not from a registry: " in desk.out and "local" in desk.out
    assert f"{len(READ[sample][0])} entries unverifiable" in desk.out


def test_another_hash_is_a_mismatch_with_both_values(desk):
    text = of_blinker("uv.lock").replace(FILES[WHEEL][0], "0" * 64)
    assert desk.verify(desk.file("uv.lock", text)) == 6
    assert f"{WHEEL} has sha256 {'0' * 64}; the registry signed {FILES[WHEEL][0]}" in desk.err
    assert "2 files of 1 package: 1 signed, 1 refused" in desk.out


def test_a_hash_without_a_name_must_be_of_a_signed_file_of_that_version(desk):
    desk.say(release(desk.now), release(desk.now, {"blinker-2.0.tar.gz": ("2" * 64, 1)}, "2.0"), serial=2)
    for digest in ("0" * 64, "2" * 64):
        text = of_blinker("requirements.txt").replace(FILES[WHEEL][0], digest)
        assert desk.verify(desk.file("requirements.txt", text)) == 7
        assert f"no file of blinker 1.9.0 that the registry has signed has sha256 {digest}" in desk.err
    text = of_blinker("requirements.txt").replace("blinker==1.9.0", "blinker==2.0")
    assert desk.verify(desk.file("requirements.txt", text)) == 7


LIES = {
    "version": (
        'version = "1.9.0"',
        'version = "2.0"',
        7,
        f"{SDIST} is a file of blinker 1.9.0; the like is true of 1 more of its files",
    ),
    "size": ("size = 8458", "size = 8459", 6, f"{WHEEL} has 8458 bytes; the lock says 8459"),
    "name": ('name = "blinker"', 'name = "flask"', 7, "flask is not known to the registry"),
    "file name": (WHEEL, "flask-1.9.0-py3-none-any.whl", 7, "flask-1.9.0-py3-none-any.whl is no file of blinker"),
    "kind of file": (WHEEL, "blinker-1.9.0.exe", 7, "blinker-1.9.0.exe is no wheel or sdist"),
    "other file": (WHEEL, "blinker-1.9.0-py2-none-any.whl", 7, "is not a file of blinker that the registry has signed"),
}


@pytest.mark.parametrize("old, new, code, why", LIES.values(), ids=LIES.keys())
def test_what_a_reviewer_reads_in_a_lock_must_be_so(desk, old, new, code, why):
    text = of_blinker("uv.lock")
    assert old in text
    assert desk.verify(desk.file("uv.lock", text.replace(old, new))) == code
    assert why in desk.err


def test_the_same_version_in_another_spelling_is_the_same(desk):
    for text in (of_blinker("uv.lock"), of_blinker("requirements.txt")):
        sample = "uv.lock" if "[[package]]" in text else "requirements.txt"
        spelled = text.replace('version = "1.9.0"', 'version = "1.9"').replace("blinker==1.9.0", "Blinker==1.9")
        assert desk.verify(desk.file(sample, spelled)) == 0, desk.err


def taken_down(desk):
    said = paper.mark(desk.now, "admin", text="it steals tokens")
    digests = tuple(sorted(digest for digest, _ in FILES.values()))
    entry = Takedown("blinker/1/1", "malware", "confirmed", ("1.9.0",), digests, said, said)
    return release(desk.now), {"takedowns": (entry,)}


def is_quarantined(desk):
    return release(desk.now), {"quarantine": paper.mark(desk.now, "admin", text="credential stealer")}


def is_placeholder(desk):
    return paper.removed(desk.now, release(desk.now), "gone"), {"state": "placeholder"}


STATES = {
    "unpublished": (lambda desk: (paper.removed(desk.now, release(desk.now), "a mistake"), {}), 7, "a mistake"),
    "release in quarantine": (
        lambda desk: (replace(release(desk.now), quarantine=paper.mark(desk.now, "admin", text="odd")), {}),
        7,
        "odd",
    ),
    "quarantined": (is_quarantined, 7, "credential stealer"),
    "placeholder": (is_placeholder, 7, "kept empty"),
    "taken down": (taken_down, 7, "it steals tokens"),
    "new generation": (lambda desk: (release(desk.now), {"generation": 2}), 7, "is in generation 2"),
}


@pytest.mark.parametrize("sample", ["uv.lock", "requirements.txt"])
@pytest.mark.parametrize("state, code, why", STATES.values(), ids=STATES.keys())
def test_edge_case_52_a_state_that_forbids_is_refused_in_one_block_for_all_files_of_a_release(
    desk, sample, state, code, why
):
    path = desk.file(sample, of_blinker(sample))
    assert desk.verify(path) == 0
    said, changes = state(desk)
    desk.say(said, serial=2, **changes)
    assert desk.verify(path) == code
    assert why in desk.err
    assert desk.err.count("REFUSED") == 1 and f"REFUSED {path}: blinker 1.9.0 (2 files): " in desk.err


def test_a_prohibited_and_an_absent_name_are_refused(desk):
    text = of_blinker("pdm.lock")
    for name, why in ((paper.HELD_NAME, "is prohibited"), ("nobody", "proven by snapshot")):
        assert desk.verify(desk.file("pdm.lock", text.replace("blinker", name))) == 7
        assert why in desk.err


def test_a_yanked_release_is_a_warning_with_its_reason_and_passes(desk):
    path = desk.file("uv.lock", of_blinker("uv.lock"))
    desk.say(paper.yanked(desk.now, release(desk.now), "leaks memory"), serial=2)
    assert desk.verify(path) == 0
    assert desk.err.count("blinker 1.9.0 is yanked since") == 1 and "leaks memory" in desk.err
    assert "all signed" in desk.out


def test_a_release_yanked_for_security_is_refused_until_it_is_accepted_by_name(desk):
    path = desk.file("uv.lock", of_blinker("uv.lock"))
    desk.say(paper.yanked(desk.now, release(desk.now), "CVE-2026-1000", "security"), serial=2)
    assert desk.verify(path) == 7
    assert desk.err.count("REFUSED") == 1 and "CVE-2026-1000" in desk.err
    assert desk.verify(path, "--allow-security-yanked", "blinker") == 0
    assert "CVE-2026-1000" in desk.err


def test_a_new_holder_is_accepted_by_name(desk):
    path = desk.file("uv.lock", of_blinker("uv.lock"))
    assert desk.verify(path) == 0
    desk.say(release(desk.now), serial=2, generation=2)
    assert desk.verify(path) == 7
    assert desk.verify(path, "--accept-new-generation", "Blinker") == 0


def test_one_file_that_was_removed_is_refused_alone(desk):
    gone = Removal(WHEEL, "removed", paper.mark(desk.now, text="broken"))
    desk.say(replace(release(desk.now), removals=(gone,)), serial=2)
    assert desk.verify(desk.file("uv.lock", of_blinker("uv.lock"))) == 7
    assert f"{WHEEL} was removed" in desk.err and "1 signed, 1 refused" in desk.out


def test_thirty_files_of_a_release_are_one_refusal(desk):
    files = {f"blinker-1.9.0-cp3{number}-abi3-any.whl": (f"{number:064x}", 1) for number in range(10, 40)}
    text = "".join(f"\n    --hash=sha256:{digest} \\" for digest, _ in files.values())
    path = desk.file("requirements.txt", f"blinker==1.9.0 \\{text}\n")
    desk.say(paper.removed(desk.now, release(desk.now, files), "a mistake"))
    assert desk.verify(path) == 7
    assert desk.err.count("REFUSED") == 1 and "(30 files)" in desk.err


def test_several_locks_end_with_the_gravest_code(desk):
    good = desk.file("uv.lock", of_blinker("uv.lock"))
    other = desk.file("poetry.lock", of_blinker("poetry.lock").replace(FILES[WHEEL][0], "0" * 64))
    unknown = desk.file("pdm.lock", of_blinker("pdm.lock").replace("blinker", "nobody"))
    assert desk.verify(good, unknown) == 7
    assert desk.verify(unknown, other, good) == 6
    assert f"{good}: 2 files of 1 package: all signed" in desk.out


def test_an_address_elsewhere_is_noted_with_what_to_do(desk):
    desk.verify(path := desk.file("uv.lock", of_blinker("uv.lock")))
    assert "https://pypi.org (1 time), https://files.pythonhosted.org (2 times)" in desk.err or (
        "https://files.pythonhosted.org (2 times), https://pypi.org (1 time)" in desk.err
    )
    assert f"tallystick lock rewrite {path} --to loopback" in desk.err
    ours = of_blinker("uv.lock").replace("https://files.pythonhosted.org", desk.server.url)
    desk.verify(desk.file("uv.lock", ours.replace("https://pypi.org", "http://127.0.0.1:8417")))
    assert desk.err == ""
    desk.verify(desk.file("uv.lock", ours.replace("https://pypi.org", "http://127.0.0.1:8417@pypi.org")))
    assert "https://pypi.org" not in desk.err and "http://pypi.org" in desk.err


def test_json_says_the_same_for_programs(desk):
    path = desk.file("uv.lock", SAMPLES["uv.lock"].replace(FILES[WHEEL][0], "0" * 64))
    assert desk.terminal("lock", "verify", "--json", path) == 6
    whole = json.loads(desk.terminal.out)
    [said] = whole["locks"]
    assert whole["exit"] == 6
    assert (said["exit"], said["files"], said["packages"]) == (6, 2, 1)
    assert [(each["code"], each["files"]) for each in said["refused"]] == [("mismatch", [WHEEL])]
    assert [each["what"] for each in said["unverifiable"]] == READ["uv.lock"][0]
    assert [each["what"] for each in said["local"]] == READ["uv.lock"][1]
    assert said["elsewhere"] == {"https://pypi.org": 1, "https://files.pythonhosted.org": 2}


def test_a_file_that_cannot_be_read_is_a_usage_error(desk):
    assert desk.verify(desk.directory / "uv.lock") == 2
    assert "cannot be read" in desk.err


# Rewriting.

WITH_ADDRESSES = ["uv.lock", "pylock.uv.toml", "pylock.pip.toml", "pylock.pdm.toml", "pdm.static.lock", "poetry.lock"]
ADDRESS = re.compile(r"https?://[^\"'\s]+")


@pytest.mark.parametrize("sample", WITH_ADDRESSES)
@pytest.mark.parametrize("to", ["http://127.0.0.1:9", "loopback", "canonical"])
def test_only_addresses_of_what_was_verified_are_rewritten_and_only_once(desk, sample, to):
    path = desk.file(sample, SAMPLES[sample])
    assert desk.rewrite(path, to) == 0, desk.err
    text = path.read_text()
    base = {"loopback": "http://127.0.0.1:8417", "canonical": desk.server.url}.get(to, to)
    assert ADDRESS.sub("", text) == ADDRESS.sub("", SAMPLES[sample])
    old, new = ADDRESS.findall(SAMPLES[sample]), ADDRESS.findall(text)
    for before, after in zip(old, new, strict=True):
        name = before.rpartition("/")[2]
        wanted = {WHEEL: f"{base}/packages/blinker/{WHEEL}", SDIST: f"{base}/packages/blinker/{SDIST}"}
        wanted["simple"] = f"{base}/simple"
        assert after == wanted.get(name, before)
    assert old != new
    assert f"now at {base}" in desk.out
    assert desk.rewrite(path, to) == 0
    assert "nothing to change. Nothing was written." in desk.out
    assert path.read_text() == text


def test_a_canonical_address_is_the_one_that_was_signed(desk):
    url = f"https://cdn.example.test/{WHEEL}"
    one = release(desk.now)
    files = tuple(replace(file, url=url) if file.filename == WHEEL else file for file in one.files)
    desk.say(replace(one, files=files))
    path = desk.file("uv.lock", of_blinker("uv.lock"))
    assert desk.rewrite(path, "canonical") == 0
    assert f'url = "{url}"' in path.read_text()
    desk.verify(path)
    assert "addresses elsewhere" not in desk.err


def test_options_of_requirements_are_rewritten_too(desk):
    text = f"--index-url https://pypi.org/simple/\n{of_blinker('requirements.txt')}"
    path = desk.file("requirements.txt", text)
    assert desk.rewrite(path, "loopback") == 0
    assert path.read_text() == text.replace("https://pypi.org/simple/", "http://127.0.0.1:8417/simple/")


def test_nothing_is_rewritten_where_something_is_refused(desk):
    text = of_blinker("uv.lock").replace(FILES[WHEEL][0], "0" * 64)
    path = desk.file("uv.lock", text)
    assert desk.rewrite(path, "loopback") == 6
    assert "Nothing was written." in desk.err and path.read_text() == text


def test_addresses_that_no_tool_writes_so_are_not_rewritten(desk):
    text = of_blinker("uv.lock").replace("https://files", r"\u0068ttps://files")
    path = desk.file("uv.lock", text)
    assert desk.rewrite(path, "loopback") == 2
    assert "Nothing was written." in desk.err and path.read_text() == text


def test_the_mode_of_a_lock_and_a_link_to_it_stay_and_line_ends_too(desk):
    real = desk.directory / "real.lock"
    real.write_bytes(of_blinker("uv.lock").replace("\n", "\r\n").encode())
    real.chmod(0o640)
    link = desk.directory / "uv.lock"
    link.symlink_to(real)
    assert desk.rewrite(link, "loopback") == 0
    assert link.is_symlink() and real.stat().st_mode & 0o777 == 0o640
    assert real.read_bytes().count(b"\r\n") == of_blinker("uv.lock").count("\n")
    assert not list(desk.directory.glob(".real.lock.*"))


def test_a_place_that_is_no_address_is_a_usage_error(desk):
    assert desk.rewrite(desk.file("uv.lock", of_blinker("uv.lock")), "ftp://x") == 2


FLASK = paper.wheel("tallyflask", "1.0")
PROJECT = """[project]
name = "app"
version = "1"
requires-python = ">=3.11"
dependencies = ["tallyflask"]
[tool.uv]
package = false
"""


def test_a_lock_from_elsewhere_is_a_bypass_until_it_is_rewritten_and_then_real_uv_installs_it_frozen(desk, monkeypatch):
    with bound() as free:
        monkeypatch.setenv("TALLYSTICK_PORT", str(free.getsockname()[1]))
    desk.repository.add_file("tallyflask", FLASK.filename, FLASK.data, FLASK.metadata)
    desk.repository.say(paper.project(desk.now, "tallyflask", paper.release(desk.now, "1.0", FLASK)))
    desk.repository.publish(desk.now)
    desk.file("pyproject.toml", PROJECT)
    assert desk._tallystick("run", "--", UV, "lock", "--python", sys.executable) == 0, desk.err
    lock = desk.directory / "uv.lock"
    assert desk.verify(lock) == 0
    assert "1 file of 1 package: all signed" in desk.out and desk.err == "", "a lock made behind us names us"
    assert desk.rewrite(lock, "https://files.example.test") == 0
    sync = ("run", "--", UV, "sync", "--frozen", "--python", sys.executable)
    assert desk._tallystick(*sync) == 9
    assert "files.example.test" in desk.err
    assert desk.rewrite(lock, "loopback") == 0
    assert desk._tallystick(*sync) == 0, desk.err
    assert list(desk.directory.glob(".venv/lib/*/site-packages/tallyflask.py")) != []
