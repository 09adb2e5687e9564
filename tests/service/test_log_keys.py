"""The log's key: made with the service, named by a root, and replaced without a release that a client would refuse."""

import stat
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ceremony.plan import Log
from keys import sealed
from keys.tlog import notes, proofs
from keys.tlog.notes import HeldWitnessKey, VerifierKey
from keys.trust import RootOfTrust
from repo_service.build.check import WouldBeRefused
from repo_service.cli import main
from repo_service.commands import keyfiles
from repo_service.commands.keyfiles import KeyRefused
from repo_service.operating.settings import BadSettings
from repo_service.publishing.roots import NotTakenIn
from repo_service.wiring import log_keys
from tests.world import LOG_NAME, World, log_key, publishing, root_of_trust

OLD: Final = log_key().key
NEW: Final = log_key(2).key


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.do(publishing("foo"))
    return made


def following(world: World, *keys: VerifierKey, **amended: Any) -> RootOfTrust:
    """The next root, which names these keys."""
    return root_of_trust(world.now, after=world.trust, log=Log(tuple(map(str, keys)), **amended))


def hold(world: World, file: str, number: int, name: str = LOG_NAME) -> None:
    (world.service.folder / file).unlink(missing_ok=True)
    sealed.write_private(world.service.folder / file, log_key(number, name).written.encode())


def hold_next(world: World) -> None:
    hold(world, "log-next.key", 2)
    (world.service.folder / "log-next.pub").write_text(NEW.line)
    world.reopen()


def counts(world: World) -> bool:
    """Whether the public checkpoint counts for who has the newest root; nothing else signed it."""
    policy = proofs.policy_of(world.trust.root)
    assert policy is not None
    note = notes.read_note((world.public / "log/checkpoint").read_bytes())
    proofs.check_head(note, policy)
    return True


def signed_by(world: World) -> set[VerifierKey]:
    note = notes.read_note((world.public / "log/checkpoint").read_bytes())
    return {key for key in (OLD, NEW) if notes.verified(note, key)}


def test_a_new_key_of_the_log_takes_over_and_every_checkpoint_counts_for_the_root_of_its_time(world: World) -> None:
    assert counts(world)
    hold_next(world)
    world.do(publishing("bar"))
    assert counts(world) and signed_by(world) == {OLD, NEW}
    world.take_in(following(world, NEW))
    assert counts(world) and signed_by(world) == {OLD, NEW}
    world.tick(hours=1)
    retired = keyfiles.retire_log(world.service)
    assert notes.read_held(retired.read_text()).key == OLD
    assert (world.service.folder / "log.pub").read_text() == NEW.line
    world.reopen()
    world.do(publishing("baz"))
    assert counts(world) and signed_by(world) == {NEW}


def test_a_service_that_was_not_started_again_with_the_new_key_publishes_nothing_after_the_new_root(
    world: World,
) -> None:
    stale = world.service
    hold_next(world)
    world.take_in(following(world, NEW))
    world.record(publishing("bar"))
    with pytest.raises(WouldBeRefused, match="the log is signed by no key that the newest root names"):
        stale.round()
    assert counts(world)
    world.service.round()
    assert counts(world)


def test_a_root_that_names_a_log_of_other_keys_is_not_taken_in(world: World) -> None:
    before = world.trust
    with pytest.raises(
        NotTakenIn, match=rf"names the log {LOG_NAME} {NEW.digits}, and this service has .*{OLD.digits}"
    ):
        world.take_in(following(world, NEW))
    other = log_key(1, "other.test/log").key
    with pytest.raises(NotTakenIn, match=r"names the log other\.test/log"):
        world.take_in(root_of_trust(world.now, after=before, log=Log((str(other),), begins_anew=True)))
    world.do(publishing("bar"))
    assert signed_by(world) == {OLD}


def test_a_root_that_names_the_key_of_before_beside_another_is_taken_in(world: World) -> None:
    world.take_in(following(world, OLD, NEW))
    assert counts(world)


def test_a_service_without_a_key_of_the_log_takes_in_no_root_that_names_one(tmp_path: Path) -> None:
    world = World(tmp_path, log=None)
    with pytest.raises(NotTakenIn, match="this service has the key of none: clients that require the log would refuse"):
        world.take_in(following(world, OLD))


def test_a_root_without_a_log_is_taken_in_and_said(world: World) -> None:
    world.take_in(root_of_trust(world.now, after=world.trust, log=None))
    (line,) = keyfiles.log_lines(world.service)
    assert line.startswith(f"the log {LOG_NAME} is kept, and root 2 does not name it")


def test_status_says_which_witness_that_counts_nobody_asks(tmp_path: Path) -> None:
    one, two = (HeldWitnessKey(f"w{n}.test", Ed25519PrivateKey.from_private_bytes(bytes([n] * 32))).key for n in (1, 2))
    world = World(tmp_path, log=Log((str(OLD),), (str(one), str(two)), 1))
    assert [line.split(",")[0] for line in keyfiles.log_lines(world.service)] == [
        "root 1 counts the witness w1.test", "root 1 counts the witness w2.test",
    ]  # fmt: skip
    folder = world.service.folder
    (folder / "witnesses.policy").write_text(f"witness two {two} https://w2.test\nquorum two\n")
    (folder / "service.toml").write_text('witnesses = "witnesses.policy"\n')
    world.reopen()
    (line,) = keyfiles.log_lines(world.service)
    assert line.startswith("root 1 counts the witness w1.test, and nobody asks it")


def test_status_says_how_far_the_keys_and_the_root_agree(world: World) -> None:
    assert list(keyfiles.log_lines(world.service)) == []
    hold_next(world)
    (line,) = keyfiles.log_lines(world.service)
    assert (
        line
        == f"two keys of the log, {OLD.digits} and {NEW.digits}: both sign each checkpoint; root 1 names {OLD.digits}"
    )
    for name in ("log.key", "log-next.key"):
        (world.service.folder / name).unlink()
    (line,) = keyfiles.log_lines(world.service)
    assert line == f"root 1 names the log {LOG_NAME}, and its key is not here: bring log.key back"


def test_the_old_key_of_the_log_is_not_retired_before_clients_know_the_new_one(world: World) -> None:
    with pytest.raises(KeyRefused, match=r"log-next\.key is missing"):
        keyfiles.retire_log(world.service)
    hold_next(world)
    with pytest.raises(KeyRefused, match=r"root 1 does not name the log's key"):
        keyfiles.retire_log(world.service)
    world.take_in(following(world, NEW))
    world.tick(minutes=59)
    with pytest.raises(KeyRefused, match=r"Retire it after 2026-11-22T11:00:00Z"):
        keyfiles.retire_log(world.service)
    assert [each.key for each in log_keys(world.service.folder)] == [OLD, NEW]


def test_a_lost_key_of_the_log_stops_publishing_until_a_root_names_another_for_the_same_log(world: World) -> None:
    """emergency log-key: nothing that clients would refuse is published meanwhile."""
    (world.service.folder / "log.key").unlink()
    hold(world, "log.key", 2)
    world.reopen()
    world.record(publishing("bar"))
    with pytest.raises(WouldBeRefused, match="the log is signed by no key that the newest root names"):
        world.service.round()
    assert signed_by(world) == {OLD}
    world.take_in(following(world, NEW))
    assert counts(world)
    world.service.round()
    assert counts(world) and signed_by(world) == {NEW}


def test_retiring_can_be_run_again_and_overwrites_no_key(world: World) -> None:
    hold_next(world)
    world.take_in(following(world, NEW))
    world.tick(hours=1)
    aside = world.service.folder / f"log-retired-{OLD.id.hex()}.key"
    aside.write_text("mine")
    with pytest.raises(KeyRefused, match="a key is never overwritten"):
        keyfiles.retire_log(world.service)
    aside.unlink()
    (world.service.folder / "log.key").rename(aside)  # as a crash leaves it
    keyfiles.retire_log(world.service)
    assert [each.key for each in log_keys(world.service.folder)] == [NEW]
    assert notes.read_held(aside.read_text()).key == OLD


def test_two_keys_of_different_logs_are_no_service(world: World) -> None:
    hold(world, "log-next.key", 2, "other.test/log")
    with pytest.raises(BadSettings, match=r"is of another log than log\.key: other\.test/log and registry\.test/log"):
        world.reopen()


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-5], lambda text: text.replace("PRIVATE", "PUBLIC"), lambda _: ""]
)
def test_a_damaged_key_of_the_log_is_refused_without_its_text(world: World, spoil: Any) -> None:
    path = world.service.folder / "log.key"
    text = path.read_text()
    path.write_text(spoil(text))
    with pytest.raises(BadSettings, match=r"log\.key: this is no private key of a log") as refused:
        log_keys(world.service.folder)
    assert text.split("+")[-1][:8] not in str(refused.value)


# The command.


def run(*arguments: object) -> int:
    return main([str(each) for each in arguments])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "service"


def named(home: Path) -> str:
    (held,) = log_keys(home)
    return held.key.name


def test_key_makes_the_logs_key_for_its_owner_alone_and_says_what_the_ceremony_compares(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("key", home, "--log-name", "pkgs.acme.example/log") == 0
    assert stat.S_IMODE((home / "log.key").stat().st_mode) == 0o600
    public = notes.read_key((home / "log.pub").read_text().removesuffix("\n"))
    assert [each.key for each in log_keys(home)] == [public]
    assert "The log is called pkgs.acme.example/log for good (--log-name says another name)" in (
        said := capsys.readouterr().out
    )
    assert public.digits in said


def test_a_log_that_nobody_names_is_called_by_its_public_address_or_by_chance(home: Path) -> None:
    assert run("key", home) == 0
    assert named(home).startswith("tallystick.invalid/") and len(named(home)) == len("tallystick.invalid/") + 16
    (home / "log.key").unlink()
    (home / "service.toml").write_text('url = "https://pkgs.acme.example/"\n')
    assert run("key", home, "--log") == 0
    assert named(home) == "pkgs.acme.example/log"


def test_the_log_of_a_rehearsal_is_never_called_as_the_real_one(home: Path) -> None:
    home.mkdir()
    (home / "service.toml").write_text('url = "https://pkgs.acme.example/"\n')
    assert run("key", home, "--rehearsal") == 0
    assert named(home).startswith("tallystick.invalid/")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://pkgs.acme.example", "pkgs.acme.example/log"),
        ("https://acme.example/pkgs/", "acme.example/pkgs/log"),
        ("https://pkgs.acme.example:8443", "pkgs.acme.example:8443/log"),
        ("http://pkgs.acme.example", "tallystick.invalid/r"),
        ("https://127.0.0.1:8416", "tallystick.invalid/r"),
        ("https://localhost", "tallystick.invalid/r"),
        ("https://registry.test", "tallystick.invalid/r"),
        ("https://registry.internal:8443/x", "tallystick.invalid/r"),
    ],
)
def test_only_an_address_that_others_reach_is_a_name(url: str, name: str) -> None:
    assert keyfiles.log_name(url, "r") == name


@pytest.mark.parametrize("name", ["https://pkgs.acme.example/log", "a b", "a+b", "", "p\u0430kgs.example", "x" * 256])
def test_a_name_that_no_root_may_name_makes_no_key_at_all(
    home: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("key", home, "--log-name", name) == 2
    assert "--log-name" in capsys.readouterr().err
    assert not home.exists()


def test_a_new_online_key_goes_on_with_the_log_of_before(home: Path) -> None:
    run("key", home)
    before = (home / "log.key").read_bytes()
    (home / "online.key").unlink()
    assert run("key", home, "--log-name", "other.example/log") == 0
    assert (home / "log.key").read_bytes() == before


def test_a_key_of_the_log_is_never_overwritten(home: Path) -> None:
    run("key", home)
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    assert run("key", home, "--log") == 2
    assert run("key", home, "--next-log") == 0
    following = (home / "log-next.key").read_bytes()
    assert run("key", home, "--next-log") == 2
    assert {path.name: path.read_bytes() for path in home.iterdir() if "next" not in path.name} == before
    assert (home / "log-next.key").read_bytes() == following
    assert len({each.key.name for each in log_keys(home)}) == 1


def test_a_next_key_follows_one_that_is_here(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("key", home, "--next-log") == 2
    assert "there is no key to follow. Nothing was written." in capsys.readouterr().err
