"""What `pip install tallystick` brings to a machine that only installs: the client, and no server's library."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.client.test_run import UV
from tests.world import LOG_NAME, World, log_key, publishing

ROOT = Path(__file__).parents[2]
SERVERS = {"flask", "sqlalchemy", "rq", "redis", "alembic", "psycopg", "prometheus-client"}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """An environment with nothing in it but a wheel of this tree and what that needs."""
    folder = tmp_path_factory.mktemp("clean")
    uv(folder, "build", "--wheel", "--out-dir", folder / "dist", ROOT)
    uv(folder, "venv", "--python", sys.executable, folder / "venv")
    (wheel,) = (folder / "dist").glob("*.whl")
    uv(folder, "pip", "install", "--python", folder / "venv", wheel)
    return folder


def uv(folder, *words):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "VIRTUAL_ENV"))}
    done = subprocess.run([UV, *map(str, words)], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_client_brings_no_server_s_library(clean):
    listed = uv(clean, "pip", "list", "--format", "json", "--python", clean / "venv")
    names = {line.split('"')[3] for line in listed.replace("},", "},\n").splitlines()}
    assert {"tallystick", "tuf"} <= names
    assert names & SERVERS == set()


def test_its_command_and_its_python_api_work_from_the_wheel_alone(clean):
    environment = {"PATH": os.environ["PATH"], "TALLYSTICK_HOME": str(clean / "home"), "HOME": str(clean)}
    command = [clean / "venv/bin/tallystick", "show", "flask"]
    done = subprocess.run(command, cwd=clean, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "tallystick trust add" in done.stderr
    code = "from client_verify.verifier import Usage, Verifier\ntry: Verifier.pinned()\nexcept Usage as e: print(e)"
    done = subprocess.run([clean / "venv/bin/python", "-c", code], cwd=clean, env=environment, capture_output=True)
    assert b"tallystick trust add" in done.stdout, done.stderr


def test_a_witness_and_a_monitor_run_from_the_wheel_alone(clean, tmp_path):
    world = World(tmp_path, begin=datetime.now(UTC).replace(microsecond=0))

    def said(*words):
        command = [clean / "venv/bin/tallystick-service", *words]
        done = subprocess.run(command, cwd=clean, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    key = said("witness", "key", clean / "witness", "--name", "w.test").split("w.test+")[1]
    said("witness", "add", clean / "witness", str(log_key().key))
    assert key.split()[0] in (shown := said("witness", "show", clean / "witness")) and LOG_NAME in shown
    world.do(publishing("flask"))
    (clean / "1.root.json").write_bytes(world.trust.roots[0].data)
    looked = said("monitor", world.public, "--state", clean / "watch", "--root", clean / "1.root.json", "--full")
    assert "2 releases, 2 events" in looked


def test_the_types_of_its_python_api_are_for_whoever_checks_theirs(clean):
    (site,) = (clean / "venv").glob("lib/python3.*/site-packages")
    assert (site / "client_verify/py.typed").exists() and (site / "keys/py.typed").exists()
