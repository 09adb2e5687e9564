"""Pins: how they come about, who vouches for them, that none is lost or replaced in silence, and whose word wins."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from client_verify import trust
from client_verify.places import Places, Roots, places
from client_verify.refusals import Usage
from keys import words
from keys.encoding import sha256
from keys.times import stamp
from tests import paper


@pytest.fixture
def now():
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def registry(now, serve, tmp_path):
    """An empty repository on loopback, and its root in a file."""
    repository = paper.Paper(now)
    repository.publish(now)
    repository.server = serve(repository.files)
    repository.url = repository.server.url
    repository.root_file = tmp_path / "root.json"
    repository.root_file.write_bytes(repository.root)
    repository.fingerprint = f"sha256:{sha256(repository.root)}"
    return repository


@pytest.fixture
def roots(tmp_path):
    return Roots(tmp_path / "own", (tmp_path / "system", tmp_path / "wheel"))


@pytest.fixture
def pin(now):
    return trust.Pin("acme", "https://packages.test", paper.Paper(now).root)


@pytest.fixture
def shipped(tmp_path, monkeypatch, terminal):
    """A directory of pins for all users of the machine, as XDG_CONFIG_DIRS names it."""
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    folder = tmp_path / "etc" / "tallystick" / "roots"
    folder.mkdir(parents=True)
    return folder


def said(terminal):
    return " ".join((terminal.out + terminal.err).split())


# Trust on first use


def test_nothing_is_trusted_on_first_use_unless_somebody_says_so(terminal, registry):
    assert terminal("trust", "add", "acme", "--url", registry.url) == 2
    assert "which root?" in terminal.err and "Nothing was written" in terminal.err
    assert registry.server.asked == []


def test_trust_on_first_use_is_loud_and_remembered_until_the_fingerprint_is_confirmed(terminal, registry):
    assert terminal("trust", "add", "acme", "--url", registry.url, "--unsafe-trust-on-first-use") == 0
    assert "NOBODY HAS VOUCHED FOR THIS ROOT" in terminal.err and registry.fingerprint in terminal.out
    for words_ in (("status",), ("trust", "list"), ("trust", "show", "acme")):
        assert terminal(*words_) == 0
        assert "TRUSTED ON FIRST USE" in terminal.out, words_
    assert terminal("trust", "add", "acme", "--fingerprint", "sha256:" + "0" * 64) == 2
    assert terminal("status") == 0 and "TRUSTED ON FIRST USE" in terminal.out
    assert terminal("trust", "add", "acme", "--fingerprint", registry.fingerprint.upper().replace("SHA", "sha")) == 0
    assert "now it is vouched for" in terminal.out
    assert terminal("status") == 0 and "FIRST USE" not in terminal.out


def test_a_root_file_vouches_for_what_was_trusted_on_first_use(terminal, registry):
    assert terminal("trust", "add", "acme", "--url", registry.url, "--unsafe-trust-on-first-use") == 0
    assert terminal("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file) == 0
    assert terminal("trust", "list", "--json") == 0
    assert json.loads(terminal.out)["repositories"][0]["first_use"] is None


def test_trust_on_first_use_takes_the_first_root_whose_fingerprint_registries_tell(terminal, registry, now):
    registry.ceremony(now)  # now there is a second root
    registry.publish(now)
    assert terminal("trust", "add", "acme", "--url", registry.url, "--unsafe-trust-on-first-use") == 0
    assert registry.fingerprint in terminal.out
    assert registry.server.asked == ["metadata/1.root.json"]


def test_with_a_fingerprint_the_root_is_fetched_and_nobody_has_to_send_the_file(terminal, registry):
    assert terminal("trust", "add", "acme", "--url", registry.url, "--fingerprint", registry.fingerprint) == 0
    assert terminal.err == ""
    assert terminal("status") == 0 and "FIRST USE" not in terminal.out


def test_a_fetched_root_with_another_fingerprint_is_not_pinned(terminal, registry):
    assert terminal("trust", "add", "acme", "--url", registry.url, "--fingerprint", "sha256:" + "0" * 64) == 2
    assert terminal("trust", "list") == 0 and terminal.out == ""


def test_a_root_that_cannot_be_fetched_is_a_refusal_and_leaves_nothing(terminal, registry):
    del registry.files["metadata/1.root.json"]
    assert terminal("trust", "add", "acme", "--url", registry.url, "--unsafe-trust-on-first-use") == 8
    assert terminal("trust", "list") == 0 and terminal.out == ""


def test_a_fetched_root_must_be_one_that_a_ceremony_makes(terminal, registry):
    registry.files["metadata/1.root.json"] = registry.files["metadata/timestamp.json"]
    assert terminal("trust", "add", "acme", "--url", registry.url, "--unsafe-trust-on-first-use") == 2
    assert "cannot be trusted" in terminal.err


# Saying it again


def test_prefixes_and_mirrors_of_a_pin_change_and_it_says_what_changed(terminal, registry):
    add = ("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file)
    assert terminal(*add, "--prefix", "Acme") == 0
    assert terminal(*add, "--prefix", "acme", "--prefix", "acme_labs", "--mirror", "https://mirror.test/") == 0
    assert "prefixes: now acme, acme-labs; before acme" in terminal.out
    assert "mirrors: now https://mirror.test; before none" in terminal.out
    assert terminal(*add) == 0
    assert "pinned so already" in terminal.out
    assert terminal("trust", "list") == 0
    assert "acme, acme-*, acme-labs, acme-labs-*" in terminal.out, "what is not said stays: a prefix is never lost"


def test_what_two_pins_quarrel_about_is_said_when_the_second_is_made(terminal, registry):
    terminal("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file)
    assert terminal.err == ""
    terminal("trust", "add", "other", "--url", registry.url, "--root", registry.root_file)
    assert "both pinned for every name" in terminal.err


# Crashes


def test_a_crash_while_pinning_leaves_no_half_pin(roots, pin, monkeypatch):
    def crash(self, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", crash)
        with pytest.raises(KeyboardInterrupt):
            trust.add(roots, pin)
    assert trust.pins(roots) == []
    trust.add(roots, pin)
    assert trust.pins(roots) == [pin]


def test_a_crash_while_a_pin_changes_leaves_the_old_one(roots, pin, monkeypatch):
    trust.add(roots, pin)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            trust.add(roots, replace(pin, prefixes=("acme",)))
    assert trust.pins(roots) == [pin]


def test_a_crash_while_a_pin_is_removed_leaves_it_or_nothing(roots, pin, monkeypatch):
    trust.add(roots, pin)
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.unlink", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            trust.remove(roots, "acme")
    assert trust.pins(roots) == []
    trust.add(roots, pin)
    assert trust.pins(roots) == [pin]


@pytest.mark.parametrize("file", ["pin.json", "root.json"])
def test_a_damaged_pin_is_never_passed_over_and_can_be_removed(roots, pin, file):
    trust.add(roots, pin)
    (roots.own / "acme" / file).write_bytes(b"{")
    with pytest.raises(Usage, match="is damaged"):
        trust.pins(roots)
    trust.remove(roots, "acme")
    assert trust.pins(roots) == []


def test_what_was_written_by_hand_is_read_as_strictly_as_what_is_typed(roots, pin):
    trust.add(roots, pin)
    file = roots.own / "acme" / "pin.json"
    file.write_bytes(json.dumps({"url": pin.url, "prefixes": ["Acme.Labs"]}).encode())
    assert trust.load(roots, "acme").prefixes == ("acme-labs",), "another spelling would match no name, silently"


# Shipped for all users


def test_what_an_administrator_pins_everybody_trusts_and_nobody_removes(terminal, registry, shipped, tmp_path):
    terminal("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file)
    shutil.move(tmp_path / "home" / "config" / "roots" / "acme", shipped / "acme")
    assert terminal("trust", "list") == 0
    assert f"pinned for all users of this machine, in {shipped / 'acme'}" in said(terminal)
    assert terminal("show", "nobody") == 0
    assert terminal("trust", "remove", "acme") == 2
    assert "only there it can be removed" in said(terminal)


def test_nobody_replaces_a_shipped_pin_by_one_of_the_same_name(roots, pin, now):
    trust.add(Roots(roots.shipped[0]), pin)
    other = replace(pin, url="https://elsewhere.test")
    with pytest.raises(Usage, match="already pinned for all users"):
        trust.add(roots, other)
    trust.add(roots, pin)  # the same again is no news
    assert not roots.own.exists()


def test_a_pin_that_a_user_had_before_never_shadows_a_shipped_one_silently(roots, pin):
    trust.add(roots, replace(pin, url="https://elsewhere.test"))
    trust.add(Roots(roots.shipped[0]), pin)
    with pytest.raises(Usage, match="they differ"):
        trust.pins(roots)
    trust.remove(roots, "acme")
    assert trust.pins(roots) == [pin]


def test_an_administrator_s_pin_comes_before_that_of_a_package(roots, pin):
    trust.add(Roots(roots.shipped[1]), replace(pin, url="https://elsewhere.test"))
    trust.add(Roots(roots.shipped[0]), pin)
    assert trust.pins(roots) == [pin]


def test_pins_for_all_users_hold_also_where_a_home_is_given(monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_DIRS", "/somewhere:/etc/xdg")
    found = places({"TALLYSTICK_HOME": "/home"})
    assert isinstance(found, Places)
    assert [str(each) for each in found.roots.shipped[:3]] == [
        "/etc/tallystick/roots",
        "/somewhere/tallystick/roots",
        "/etc/xdg/tallystick/roots",
    ]


# Reading a pin


def test_show_reads_the_fingerprint_aloud_and_names_keys_and_thresholds(terminal, registry):
    terminal("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file)
    assert terminal("trust", "show", "acme") == 0
    digest = bytes.fromhex(sha256(registry.root))
    assert " ".join(words.words(digest)) in said(terminal)
    assert "root is signed by 2 of 3:" in terminal.out
    assert all(holder.record.keyid in terminal.out for holder in paper.HOLDERS)
    assert terminal("trust", "show", "acme", "--json") == 0
    shown = json.loads(terminal.out)
    assert shown["roles"]["targets"]["threshold"] == 2 and shown["newest"] is None
    assert terminal("show", "nobody") == 0 and terminal("trust", "show", "acme", "--json") == 0
    assert json.loads(terminal.out)["newest"] == 1


def test_list_tells_until_when_the_root_holds_that_counts(terminal, registry, now):
    terminal("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file)
    assert terminal("trust", "list") == 0
    assert "its pinned root, version 1, is valid until" in said(terminal)
    registry.ceremony(now)
    registry.publish(now)
    assert terminal("show", "nobody") == 0 and terminal("trust", "list") == 0
    assert "its newest root, version 2, is valid until" in said(terminal)


def test_show_raw_gives_the_file_that_can_be_pinned_elsewhere(terminal, registry):
    terminal("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file)
    assert terminal("trust", "show", "acme", "--raw") == 0
    assert terminal.out.encode() == registry.root


def test_list_json_holds_everything_that_a_pin_is(terminal, registry, now):
    terminal("trust", "add", "acme", "--url", registry.url, "--root", registry.root_file, "--prefix", "acme")
    assert terminal("trust", "list", "--json") == 0
    assert json.loads(terminal.out) == {
        "repositories": [
            {
                "name": "acme",
                "url": registry.url,
                "fingerprint": registry.fingerprint,
                "version": 1,
                "expires": stamp(now + timedelta(days=365)),
                "prefixes": ["acme"],
                "mirrors": [],
                "rehearsal": False,
                "first_use": None,
                "shipped": None,
                "log_trust": {"mode": "warn", "keys": [], "witnesses": [], "quorum": None},
            }
        ]
    }


def test_pins_can_be_read_by_others_and_written_by_their_owner(roots, pin):
    trust.add(roots, pin)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (roots.own / "acme", *roots.own.glob("*/*"))}
    assert modes == {"acme": "0o755", "pin.json": "0o644", "root.json": "0o644"}
    assert [path.name for path in roots.own.iterdir()] == ["acme"]
