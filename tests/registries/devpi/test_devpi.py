"""A real devpi-server calls a real service: twine uploads, people promote and remove, pip and uv install it.

Each test has a project of its own; they share one house, and leave both servers running as they found them.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client_verify.answers import Found
from tests.paper import wheel
from tests.registries.devpi.house import INDEX, House
from tests.servers import until

CREATED = ("project.created", None)
INSTALLERS = "pip install", "uv pip install"


def published(version: str) -> tuple[str, str]:
    return "release.published", version


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"))
    try:
        house.start_service()
        house.start_devpi()
        house.create("root/dev", volatile=False)
        house.create(INDEX, volatile=True)  # it is not what the guide says, so that devpi takes what must not be signed
        yield house
    finally:
        house.stop_all()


@pytest.fixture
def install(house: House, tmp_path: Path) -> Callable[..., tuple[list[str], str]]:
    """Through the verifying client, by real pip or real uv: what was installed, and all that was said."""
    own = Path(sys.executable).parent
    home = {"TALLYSTICK_HOME": str(tmp_path / "home"), "UV_CACHE_DIR": str(tmp_path / "uv"), "HOME": str(tmp_path)}
    env = {**os.environ, **home, "PATH": f"{own}:{os.environ['PATH']}"}
    root = tmp_path / "root.json"
    root.write_bytes(house.world.trust.roots[0].data)
    command = [str(own / "tallystick")]
    trust = [*command, "trust", "add", "acme", "--url", house.service, "--root", str(root), "--log", "require"]
    subprocess.run(trust, env=env, check=True, capture_output=True)

    def installed(words: str, *wanted: str) -> tuple[list[str], str]:
        target = tmp_path / f"target-{len(list(tmp_path.iterdir()))}"
        said = [*command, "run", "--", *words.split(), "--target", str(target), *wanted]
        ran = subprocess.run(said, env=env, capture_output=True, text=True)
        return sorted(each.stem for each in target.glob("*.dist-info")), ran.stdout + ran.stderr

    return installed


def test_what_is_promoted_is_signed_and_installed_and_what_is_not_is_not(house, install):
    house.upload("root/dev", wheel("dv_tool", "1.0"), wheel("dv_tool", "1.1", says="two"))
    house.push("dv-tool", "1.0")
    house.becomes("dv-tool", CREATED, published("1.0"))
    for words in INSTALLERS:
        installed, said = install(words, "dv-tool")
        assert installed == ["dv_tool-1.0"], said
        installed, said = install(words, "dv-tool==1.1")
        assert installed == [], said
    assert house.tallystick_devpi("status")[0] == 0


def test_what_is_removed_is_a_tombstone_and_installed_no_more(house, install):
    other = wheel("dv_gone", "1.0", says="another build")
    build = type(other)(other.filename.replace("1.0-", "1.0-1-"), other.data, None)
    house.upload(INDEX, wheel("dv_gone", "1.0"), build, wheel("dv_gone", "1.1"), wheel("dv_gone", "1.2"))
    happened = [CREATED, published("1.0"), ("file.added", "1.0"), published("1.1"), published("1.2")]
    house.becomes("dv-gone", *happened)
    house.remove(house.file_path("dv-gone", build.filename))
    house.remove("dv-gone/1.1")
    house.remove("dv-gone")
    until(lambda: len(house.events("dv-gone")) >= len(happened) + 4, 60, house.said)
    *one_by_one, first, second = house.events("dv-gone")
    assert one_by_one == [*happened, ("file.removed", "1.0"), ("release.unpublished", "1.1")]
    assert {first, second} == {("release.unpublished", "1.0"), ("release.unpublished", "1.2")}
    house.upload(INDEX, wheel("dv_gone", "1.2"))
    happened = [*one_by_one, first, second, ("release.restored", "1.2")]
    house.becomes("dv-gone", *happened)
    house.upload(INDEX, wheel("dv_gone", "1.2"), wheel("dv_gone", "1.3"))  # 1.2 again: devpi tells of it again
    house.becomes("dv-gone", *happened, published("1.3"))
    for words in INSTALLERS:
        assert install(words, "dv-gone")[0] == ["dv_gone-1.3"]
        assert install(words, "dv-gone==1.1")[0] == []


def test_a_refused_change_holds_up_its_project_alone_until_a_person_decides(house):
    house.upload(INDEX, wheel("dv_bent", "1.0"))
    house.becomes("dv-bent", CREATED, published("1.0"))
    house.upload(INDEX, wheel("dv_bent", "1.0", says="other bytes"))
    until(lambda: bool(house.rows("standing = 'refused'")), 60, house.said)
    house.upload(INDEX, wheel("dv_bent", "1.1"), wheel("dv_free", "1.0"))
    house.becomes("dv-free", CREATED, published("1.0"))
    assert house.events("dv-bent") == [CREATED, published("1.0")]
    status, said = house.tallystick_devpi("status")
    assert status == 1 and "file_exists" in said and "dv-bent 1.0" in said
    metrics = {name: value for name, _, value in json.loads(house.api("GET", "/+status"))["result"]["metrics"]}
    assert (metrics["tallystick_rows_waiting"], metrics["tallystick_rows_refused"]) == (1, 1)
    (number,) = re.findall(r"refused: row (\d+),", said)
    assert house.tallystick_devpi("retry", number)[0] == 0
    until(lambda: bool(house.rows("standing = 'refused'")), 60, house.said)
    assert house.tallystick_devpi("skip", number)[0] == 0
    house.becomes("dv-bent", CREATED, published("1.0"), published("1.1"))
    assert house.tallystick_devpi("skip", number)[0] == 2  # it waits no more
    status, said = house.tallystick_devpi("reconcile")
    assert status == 0 and "0 rows to send" in said, said  # what a person gave up is not found again


def test_what_happens_while_the_service_is_down_is_signed_in_order_once_whoever_dies(house):
    """devpi is killed between its commit and our row, between our row and its delivery, and between the service's
    answer and our note of it.
    """
    house.stop("service")
    house.upload(INDEX, wheel("dv_late", "1.0"), wheel("dv_late", "1.1"))
    until(lambda: len(house.rows("project = 'dv-late'")) == 2, 60, house.said)
    with house.locked_outbox():
        house.upload(INDEX, wheel("dv_late", "1.2"))
        house.stop("devpi", signal.SIGKILL)
    assert len(house.rows("project = 'dv-late'")) == 2  # devpi has it, and we do not
    house.start_devpi()
    house.remove("dv-late/1.1")
    until(lambda: len(house.rows("project = 'dv-late'")) == 4, 60, house.said)
    until(lambda: "trouble since" in house.tallystick_devpi("status")[1], 60, house.said)
    status, said = house.tallystick_devpi("status")
    assert status == 1 and "4 rows" in said
    house.stop("devpi", signal.SIGKILL)
    house.start_service()
    house.start_devpi()
    with house.locked_outbox():
        until(lambda: bool(house.events("dv-late")), 60, house.said)
        house.stop("devpi", signal.SIGKILL)
    house.start_devpi()
    house.becomes(
        "dv-late", CREATED, published("1.0"), published("1.1"), published("1.2"), ("release.unpublished", "1.1")
    )
    assert house.tallystick_devpi("status")[0] == 0


def test_an_outbox_that_was_lost_is_made_up_for_and_a_project_that_is_gone_takes_a_person(house):
    house.upload(INDEX, wheel("dv_lost", "1.0"), wheel("dv_left", "1.0"))
    house.becomes("dv-lost", CREATED, published("1.0"))
    house.becomes("dv-left", CREATED, published("1.0"))
    house.stop("service")
    house.upload(INDEX, wheel("dv_lost", "1.1"))
    house.remove("dv-left")
    until(lambda: len(house.rows("standing = 'waiting'")) == 2, 60, house.said)
    house.stop("devpi")
    for each in house.outbox.parent.glob("outbox.sqlite*"):
        each.unlink()
    house.start_service()
    house.start_devpi()
    house.becomes("dv-lost", CREATED, published("1.0"), published("1.1"))
    status, said = house.tallystick_devpi("reconcile")
    assert status == 0 and "dv-left" in said and "--gone" in said, said
    assert house.events("dv-left") == [CREATED, published("1.0")]
    assert house.tallystick_devpi("reconcile", "--gone")[0] == 0
    house.becomes("dv-left", CREATED, published("1.0"), ("release.unpublished", "1.0"))
    assert isinstance(house.world.client().page("dv-lost"), Found)
