"""Before anything is published real clients follow it: python-tuf and tuf-js, from each root that may be in use."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root

from ceremony import replay
from ceremony.errors import Mismatch
from ceremony.plan import Log
from keys import layout
from keys.trust import RootOfTrust, SignedFile
from tests.ceremony.people import LOG, WITNESSES, drafted, held, keyring, log_key, sealed_by
from tests.ceremony.table import Table

NOW = datetime.now(UTC).replace(microsecond=0)


def three_roots() -> RootOfTrust:
    """A chain of today, in which one holder after the other is replaced."""
    one = sealed_by(drafted(now=NOW - timedelta(days=2)), "alice", "bob")
    two = sealed_by(drafted(keyring("alice", "bob", "dan"), one, NOW - timedelta(days=1)), "alice", "bob")
    return sealed_by(drafted(keyring("alice", "erin", "dan"), two, NOW), "alice", "bob", "dan")


def logged_roots() -> RootOfTrust:
    """A chain in which a log is named, has another key and other witnesses, becomes another log and is let go."""
    logs = (
        LOG,
        Log((log_key("next log"),), WITNESSES[1:], 1),
        Log((log_key(origin="b.test"),), begins_anew=True),
        None,
    )
    found = None
    for day, log in enumerate(logs):
        found = sealed_by(drafted(current=found, now=NOW - timedelta(days=4 - day), log=log), "alice", "bob")
    assert found is not None
    return found


def with_root(result: RootOfTrust, number: int, data: bytes) -> RootOfTrust:
    """The chain with another file for one root, as no code of ours would let it through."""
    file = SignedFile(layout.ROOT, data, Metadata[Root].from_bytes(data).signed)
    roots = (*result.roots[: number - 1], file, *result.roots[number:])
    return dataclasses.replace(result, roots=roots, newest={**result.newest, layout.ROOT: roots[-1]})


def signed_by(result: RootOfTrust, number: int, *names: str) -> RootOfTrust:
    """The chain in which root ``number`` is signed by these only."""
    metadata = Metadata[Root].from_bytes(result.roots[number - 1].data)
    metadata.signatures.clear()
    for name in names:
        signature = held(name).sign(metadata.signed_bytes)
        metadata.signatures[signature.keyid] = signature
    return with_root(result, number, metadata.to_bytes())


def test_python_tuf_follows_from_every_root_that_a_client_may_have() -> None:
    assert replay.replay(three_roots(), 1, None)[0] == "python-tuf goes from each of the roots 1 to 3 to root 3."
    assert replay.replay(three_roots(), 3, None)[0] == "python-tuf goes from root 3 to root 3."


def test_python_tuf_follows_roots_that_name_a_log_as_any_others() -> None:
    assert replay.replay(logged_roots(), 1, None)[0] == "python-tuf goes from each of the roots 1 to 4 to root 4."


def test_a_root_that_only_some_clients_follow_is_found_before_it_is_published() -> None:
    """Who has root 3 already would not notice that root 2 is signed by the new holders alone."""
    with pytest.raises(Mismatch, match="python-tuf stops at root 1 of 3, from root 1 on"):
        replay.replay(signed_by(three_roots(), 2, "dan"), 1, None)


def test_a_machine_without_tuf_js_says_that_it_was_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert replay.replay(three_roots(), 1, None)[1].startswith("tuf-js was not asked: ")
    monkeypatch.setenv("PATH", "")
    assert replay.replay(three_roots(), 1, None)[1] == "tuf-js was not asked: there is no node on this machine."


def test_tuf_js_follows_from_every_root_and_counts_all_signatures(tuf_js_folder: Path) -> None:
    assert replay.replay(three_roots(), 1, tuf_js_folder)[1] == (
        "tuf-js goes from each of the roots 1 to 3 to root 3, and counts the signatures of targets, held, bins."
    )


def test_tuf_js_follows_roots_that_name_a_log_as_any_others(tuf_js_folder: Path) -> None:
    assert replay.replay(logged_roots(), 1, tuf_js_folder)[1] == (
        "tuf-js goes from each of the roots 1 to 4 to root 4, and counts the signatures of targets, held, bins."
    )


def test_what_tuf_js_does_not_follow_is_refused_with_what_it_says(tuf_js_folder: Path) -> None:
    result = three_roots()
    with pytest.raises(Mismatch, match=r"tuf-js does not follow: .*from root 1 it stops at root 1"):
        replay._tuf_js(signed_by(result, 2, "dan"), 1, tuf_js_folder, "")
    bare = Metadata.from_bytes(result.newest[layout.HELD].data)
    bare.signatures.clear()
    held_file = dataclasses.replace(result.newest[layout.HELD], data=bare.to_bytes())
    with pytest.raises(Mismatch, match=r"tuf-js does not follow: .*held"):
        replay._tuf_js(
            dataclasses.replace(result, newest={**result.newest, layout.HELD: held_file}), 1, tuf_js_folder, ""
        )


def test_the_command_asks_tuf_js(table: Table, tuf_js_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table.plan("one")
    for line in ("draft one", "request one"):
        assert table.run(line) == 0
    for name in ("alice", "bob"):
        assert table.sign("one/acme-root-1.request", name)[0] == 0
    for line in ("collect one one", "seal one", f"verify one --tuf-js {tuf_js_folder}"):
        assert table.run(line) == 0
    assert "tuf-js goes from root 1 to root 1, and counts" in " ".join(capsys.readouterr().out.split())
