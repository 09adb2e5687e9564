"""``tallystick-service token``: what it makes, shows, ends and refuses."""

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key

from keys import possession
from keys.signing import HeldKey
from repo_service.cli import main
from repo_service.storage.tokens import Scope, Token
from repo_service.web.app import create_app
from tests.service.door import Silent
from tests.world import World, held_key, online_key


def run(world: World, command: str, *arguments: object) -> int:
    return main(["token", command, str(world.service.folder), *map(str, arguments)])


def all_tokens(world: World) -> list[Token]:
    with world.service.journal.reading() as view:
        return view.tokens()


def opens(world: World, secret: str) -> bool:
    client = create_app(world.service.desk(Silent())).test_client()
    return client.get("/v1/status", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


def secrets_in(output: str) -> list[str]:
    return re.findall(r"tally_\S+", output)


def test_a_new_token_is_shown_once_and_kept_as_a_hash(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(world, "new", "night shift", "--role", "moderator", "--days", 1) == 0
    (secret,) = secrets_in(capsys.readouterr().out)
    assert opens(world, secret)
    (token,) = all_tokens(world)
    assert (token.client, token.role, token.scope) == ("night shift", "moderator", Scope())
    assert secret.split("_", 2)[2].encode() not in b"".join(
        path.read_bytes() for path in world.service.folder.glob("journal*")
    )
    run(world, "list")
    listed = capsys.readouterr().out
    assert token.id in listed and "night shift" in listed and not secrets_in(listed)


def test_a_scope_is_kept_as_it_was_given_with_names_normalised(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    scope = ["--action", "yank", "--action", "publish", "--name", "Acme_Tools", "--network", "192.0.2.0/24"]
    assert run(world, "new", "acme", "--role", "registry", *scope, "--per-minute", 5) == 0
    (token,) = all_tokens(world)
    assert token.scope == Scope(("publish", "yank"), ("acme-tools",), ("192.0.2.0/24",), 5)
    assert "may publish yank, names acme-tools, from 192.0.2.0/24, 5 a minute" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--days", "91"], "91 days: a token is good for 1 to 90"),
        (["--days", "0"], "0 days"),
        (["--network", "192.0.2.7/24"], "host bits"),
        (["--network", "here"], "'here'"),
        (["--name", "ac me"], "is not a project name"),
        (["--per-minute", "0"], "none at all"),
        (["--key", "nowhere.pub"], "nowhere.pub"),
    ],
)
def test_a_token_that_cannot_be_made_says_why_and_writes_nothing(
    world: World, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(world, "new", "acme", "--role", "registry", *arguments) == 2
    err = capsys.readouterr().err
    assert said in err and err.endswith("Nothing was written.\n")
    assert all_tokens(world) == []


@pytest.mark.parametrize("client", ["", " acme", "a\nb", "é", "x" * 65, "-x\x1b[2J"])
def test_a_clients_name_is_one_clean_word_or_a_few(client: str, world: World) -> None:
    assert run(world, "new", "--role", "registry", "--", client) == 2
    assert all_tokens(world) == []


@pytest.mark.parametrize("arguments", [[], ["--role", "root"], ["--role", "registry", "--action", "delete"]])
def test_a_role_and_actions_are_of_the_tables(world: World, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(world, "new", "acme", *arguments)
    assert stopped.value.code == 2


def test_a_client_is_rotated_with_two_live_tokens_and_never_three(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    run(world, "new", "acme", "--role", "registry", "--name", "acme", "--days", 30)
    (old,) = secrets_in(capsys.readouterr().out)
    assert run(world, "new", "acme", "--role", "admin") == 2
    assert "token rotate" in capsys.readouterr().err
    assert run(world, "rotate", "acme") == 0
    out = capsys.readouterr().out
    (new,) = secrets_in(out)
    assert opens(world, old) and opens(world, new)
    assert {(token.role, token.scope.names) for token in all_tokens(world)} == {("registry", ("acme",))}
    assert run(world, "rotate", "acme") == 2
    assert "revoke" in capsys.readouterr().err
    identifier = re.search(r"token revoke \S+ ([0-9a-f]{16})", out)
    assert identifier is not None and identifier[1] == old.split("_")[1]
    assert run(world, "revoke", identifier[1]) == 0
    assert not opens(world, old) and opens(world, new)
    assert run(world, "rotate", "acme") == 0
    assert len(all_tokens(world)) == 3
    run(world, "list")
    assert capsys.readouterr().out.count("over since") == 1


def test_what_is_not_live_is_neither_rotated_nor_revoked(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(world, "new", "acme", "--role", "registry")
    (token,) = all_tokens(world)
    assert run(world, "revoke", token.id) == 0
    capsys.readouterr()
    for command, which in (("rotate", "acme"), ("rotate", "nobody"), ("revoke", token.id), ("revoke", "nothing")):
        assert run(world, command, which) == 2
        assert capsys.readouterr().err.endswith("Nothing was written.\n")
    assert run(world, "new", "acme", "--role", "moderator") == 0


def test_a_service_can_allow_longer_tokens(tmp_path: Path) -> None:
    world = World(tmp_path, "max_token_days = 365\n")
    assert run(world, "new", "acme", "--role", "registry", "--days", 365) == 0


def pub(folder: Path, key: HeldKey, rehearsal: bool = False) -> Path:
    path = folder / f"{key.record.keyid}.pub"
    path.write_bytes(possession.write("acme", key, rehearsal=rehearsal))
    return path


@pytest.mark.parametrize("key", [held_key(1), online_key()])
def test_a_key_is_enrolled_by_its_public_key_file(
    world: World, tmp_path: Path, key: HeldKey, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(world, "new", "acme", "--role", "registry", "--key", pub(tmp_path, key)) == 0
    (token,) = all_tokens(world)
    assert f'keyid="{token.id}"' in capsys.readouterr().out
    assert token.sha256 is None and token.public is not None


def test_a_key_that_is_of_no_use_is_not_enrolled(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = HeldKey(generate_private_key(SECP384R1()))
    unproven = possession.write("acme", held_key(1), rehearsal=False).replace(b'"name":"acme"', b'"name":"evil"')
    path = tmp_path / "unproven.pub"
    path.write_bytes(unproven)
    for file, said in (
        (path, "does not prove possession"),
        (pub(tmp_path, held_key(1), rehearsal=True), "rehearsal"),
        (pub(tmp_path, other), "use Ed25519 or P-256"),
    ):
        assert run(world, "new", "acme", "--role", "registry", "--key", file) == 2
        assert said in capsys.readouterr().err
    assert all_tokens(world) == []
