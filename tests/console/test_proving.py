"""What the console calls verified: whoever holds the online key, or a mirror, does not get a lie onto the page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keys import layout, names
from keys.page import target_entry
from repo_service.console.proving import Proven, Prover, Unproven
from repo_service.storage.local import LocalDepot
from tests import paper
from tests.client.conftest import updater_at

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
ALIAS = "5" * 64


@dataclass
class Looking:
    """A repository on paper, which somebody may forge, in a folder, and a prover in front of it."""

    folder: Path
    now: datetime = NOW
    repository: paper.Paper = field(default_factory=lambda: paper.Paper(NOW))

    def __post_init__(self) -> None:
        self.prover = Prover(
            LocalDepot(self.folder), lambda: self.repository.root, lambda: self.now, updater_at(lambda: self.now)
        )

    def prove(self, name: str, forge: paper.Forge = paper.as_signed) -> Proven | Unproven:
        self.repository.say(paper.project(self.now, "foo"))
        self.repository.publish(self.now, forge)
        timestamp = self.repository.files[self.repository.newest(layout.TIMESTAMP)]
        self.repository.files["metadata/timestamp.json"] = timestamp
        self.repository.write(self.folder)
        return self.prover.prove(name)


@pytest.fixture
def looking(tmp_path: Path) -> Iterator[Looking]:
    yield Looking(tmp_path / "public")


def test_a_name_is_proven_by_six_files_and_until_the_first_of_them_expires(looking: Looking) -> None:
    found = looking.prove("foo")
    assert isinstance(found, Proven) and found.state is not None and found.state.name == "foo"
    own = looking.repository.bin_of("foo")
    assert [link.role for link in found.chain] == ["root", "timestamp", "snapshot", "targets", "bins", own]
    assert found.until == NOW + paper.DAY


def test_a_name_that_is_held_offline_is_proven_by_held(looking: Looking) -> None:
    found = looking.prove(paper.HELD_NAME)
    assert isinstance(found, Proven) and found.state is not None and found.chain[-1].role == layout.HELD


def test_the_next_release_is_seen_at_once_and_an_expired_one_no_more(looking: Looking) -> None:
    looking.prove("foo")
    absent = looking.prover.prove("bar")
    assert isinstance(absent, Proven) and absent.state is None
    looking.repository.say(paper.project(looking.now, "bar"))
    found = looking.prove("bar")
    assert isinstance(found, Proven) and found.state is not None
    looking.now += paper.DAY
    assert isinstance(looking.prover.prove("bar"), Unproven)


def unproven(found: Proven | Unproven, why: str) -> None:
    assert isinstance(found, Unproven) and why in found.why, found


def test_one_bin_does_not_stand_in_for_another(looking: Looking) -> None:
    def forge(role: str, body: paper.Body) -> None:
        if role.startswith(layout.BIN_PREFIX + "-"):
            body[layout.ROLE_FIELD] = "bin-9"

    unproven(looking.prove("foo", forge), "says that it is another")


def test_a_version_that_cannot_be_of_the_bin_is_refused(looking: Looking) -> None:
    def forge(role: str, body: paper.Body) -> None:
        if role.startswith(layout.BIN_PREFIX + "-"):
            body["version"] += 7

    unproven(looking.prove("foo", forge), "cannot be one of")


def test_a_page_about_another_name_is_refused(looking: Looking) -> None:
    other = names.page_path("other")
    looking.repository.say(paper.project(NOW, "other"))
    looking.repository.publish(NOW)
    data = looking.repository.files[looking.repository.page_file("other")]
    mine = names.page_path("foo")
    entry = target_entry(data)
    stored = f"targets/{names.hashed(mine, entry['hashes']['sha256'])}"
    looking.repository.files[stored] = data

    def forge(role: str, body: paper.Body) -> None:
        if role == looking.repository.bin_of("foo"):
            body["targets"][mine] = entry
            body["targets"].pop(other, None)

    unproven(looking.prove("foo", forge), "is about other")


def test_one_private_key_under_two_ids_is_one_signature(tmp_path: Path) -> None:
    record = paper.ONLINE.record

    def forge(role: str, body: paper.Body) -> None:
        if role == layout.BINS:
            succinct = body["delegations"]["succinct_roles"]
            body["delegations"]["keys"][ALIAS] = body["delegations"]["keys"][record.keyid]
            succinct["keyids"], succinct["threshold"] = [record.keyid, ALIAS], 2

    twice = lambda payload: (*paper.all_of(paper.ONLINE)(payload), *paper.alias(paper.ONLINE, ALIAS)(payload))  # noqa: E731
    repository = paper.Paper(NOW, forge=forge, signers=dict.fromkeys(layout.Bins(2).roles(), twice))
    unproven(Looking(tmp_path / "public", repository=repository).prove("foo"), "is signed by 1 of 2 keys")


@pytest.mark.parametrize(("before", "why"), [(False, "was never reached"), (True, "the search did not end there")])
def test_what_another_role_lists_for_a_name_proves_nothing(looking: Looking, before: bool, why: str) -> None:
    """Only the bin that must say it is believed, whether or not its file was fetched for another name."""
    bin_of = looking.repository.bin_of
    beside = next(name for name in map("name-{}".format, range(99)) if bin_of(name) == bin_of("foo"))
    looking.repository.say(paper.project(NOW, "foo"))
    data = looking.repository.files[looking.repository.page_file("foo")]

    def forge(role: str, body: paper.Body) -> None:
        if role == layout.TARGETS:
            body["targets"][names.page_path(beside)] = target_entry(data)

    looking.repository.ceremony(NOW + timedelta(seconds=1), forge)
    looking.now += timedelta(seconds=2)
    if before:
        assert isinstance(looking.prove("foo"), Proven)
    unproven(looking.prover.prove(beside) if before else looking.prove(beside), why)
