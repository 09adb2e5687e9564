"""What devpi gets to see of us: nothing where it was not asked for, and no exception whatever happens."""

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keys.encoding import sha256
from repo_service.registries.devpi import configuration, index, plugin
from repo_service.registries.devpi.courier import Courier
from repo_service.registries.devpi.hooks import Hooks, begin
from repo_service.registries.devpi.outbox import Outbox
from tests.registries.devpi.house import block
from tests.world import BEGIN


@dataclass
class Entry:
    """A file of a devpi that is not there. Like all of it here: what we do not use, it does not have."""

    data: bytes | None

    def file_exists(self) -> bool:
        return self.data is not None

    def file_size(self) -> int | None:
        return None if self.data is None else len(self.data)

    def file_open_read(self) -> BytesIO:
        assert self.data is not None
        return BytesIO(self.data)


@dataclass
class Link:
    basename: str
    entry: Entry
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def relpath(self) -> str:
        return f"root/prod/+f/ab/{self.basename}"


@dataclass
class Stage:
    name: str = "root/prod"
    data: dict[str, Any] = field(default_factory=lambda: {"name": "Foo_Bar", "requires_python": ""})
    links: tuple[Link, ...] = ()
    keyfs: Any = field(default_factory=lambda: SimpleNamespace(tx=SimpleNamespace(at_serial=5)))

    def get_versiondata_perstage(self, project: str, version: str) -> dict[str, Any]:
        return self.data

    def get_linkstore_perstage(self, name: str, version: str) -> Any:
        return SimpleNamespace(get_links=lambda rel: list(self.links))


@pytest.fixture
def hooks(tmp_path: Path) -> Hooks:
    (tmp_path / "tallystick.toml").write_text(block("tallystick.toml"))
    pool = SimpleNamespace(register=lambda task: None)
    xom: Any = SimpleNamespace(thread_pool=pool, keyfs=SimpleNamespace(get_current_serial=lambda: 5))
    return begin(xom, tmp_path / "tallystick.toml", lambda: BEGIN)


def tell(hooks: Hooks, stage: Stage | None) -> None:
    hooks.devpiserver_on_changed_versiondata(stage, "foo-bar", "1.0", {})  # type: ignore[arg-type]  # as much as we use


def test_files_that_nobody_can_install_are_left_out_and_an_old_hash_is_not_believed(hooks, tmp_path) -> None:
    wheel = Link("foo_bar-1.0+x-py3-none-any.whl", Entry(b"new"), {"md5": "0" * 32})
    tell(hooks, Stage(links=(wheel, Link("foo_bar-1.0.egg", Entry(b"egg")), Link("foo_bar-1.0.zip", Entry(None)))))
    (row,) = Outbox(tmp_path / "outbox.sqlite").open_rows("root/prod")
    (file,) = row.stood.files
    assert (row.stood.project, row.stood.display, row.stood.serial) == ("foo-bar", "Foo_Bar", 5)
    assert (file.sha256, file.size, file.requires_python) == (sha256(b"new"), 3, None)
    assert file.url == "https://devpi.example/root/prod/+f/ab/foo_bar-1.0+x-py3-none-any.whl"


def test_other_indexes_and_an_index_that_was_deleted_leave_no_row(hooks, tmp_path) -> None:
    tell(hooks, Stage(name="root/dev"))
    tell(hooks, None)
    assert Outbox(tmp_path / "outbox.sqlite").open_rows("root/prod") == []


def test_a_row_that_cannot_be_kept_raises_nothing(hooks, tmp_path, caplog) -> None:
    (tmp_path / "outbox.sqlite").unlink()
    (tmp_path / "outbox.sqlite").mkdir()
    tell(hooks, Stage(links=(Link("foo_bar-1.0.zip", Entry(b"x")),)))
    assert "could not be kept; the index is compared instead" in caplog.text


def test_a_mirror_and_an_index_that_is_not_there_are_not_compared() -> None:
    serial = SimpleNamespace(read_event_serial=lambda: 5)
    keyfs = SimpleNamespace(notifier=serial, read_transaction=lambda at_serial: nullcontext())
    for stage, why in ((None, "devpi has no index"), (SimpleNamespace(ixconfig={"type": "mirror"}), "is a mirror")):
        xom: Any = SimpleNamespace(keyfs=keyfs, model=SimpleNamespace(getstage=lambda name, found=stage: found))
        with pytest.raises(index.NoIndex, match=why):
            index.whole(xom, "root/prod", "https://devpi.example")


class Shutdown(Exception):
    """How devpi ends its threads."""


def test_a_thread_of_ours_goes_on_whatever_happens_since_devpi_would_end_with_it(tmp_path, caplog) -> None:
    (tmp_path / "tallystick.toml").write_text(block("tallystick.toml"))
    own = configuration.read(tmp_path / "tallystick.toml")
    outbox = Outbox(own.outbox)
    courier = Courier(None, "root/prod", own.indexes["root/prod"], outbox, lambda: BEGIN)  # type: ignore[arg-type]
    rounds: list[None] = []

    class Thread:
        def exit_if_shutdown(self) -> None:
            rounds.append(None)
            courier.ring()
            if len(rounds) == 2:
                own.outbox.unlink()
                own.outbox.mkdir()
            if len(rounds) == 4:
                raise Shutdown

    courier.thread = Thread()
    courier.ring()
    with pytest.raises(Shutdown):
        courier.thread_run()
    assert "deliveries wait: [Errno 2]" in caplog.text  # there is no token
    assert "the outbox cannot be used" in caplog.text


def test_a_name_that_is_none_is_kept_as_it_is() -> None:
    stage: Any = Stage(data={"name": "_foo"})
    assert index.version_in(stage, "_foo", "1.0", "https://devpi.example").project == "_foo"


@pytest.mark.parametrize(
    ("option", "replica", "requests_only"), [(None, False, False), ("x", True, False), ("x", False, True)]
)
def test_it_does_nothing_unless_it_is_asked_for_in_the_process_that_hears_of_commits(
    option, replica, requests_only
) -> None:
    xom = SimpleNamespace(is_replica=lambda: replica)
    config = SimpleNamespace(args=SimpleNamespace(tallystick=option), requests_only=requests_only)  # no pluginmanager
    plugin.devpiserver_pyramid_configure(config, SimpleNamespace(registry={"xom": xom}))


def test_what_devpi_loads_where_it_was_not_asked_for_is_one_module() -> None:
    code = (
        "import sys, repo_service.registries.devpi.plugin\n"
        "own = ('keys', 'repo_service', 'cryptography', 'tuf', 'urllib3')\n"
        "print([name for name in sys.modules if name.split('.')[0] in own])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    room = ["repo_service", "repo_service.registries", "repo_service.registries.devpi"]
    assert ran.stdout.strip() == str([*room, "repo_service.registries.devpi.plugin"])


def test_a_file_that_cannot_be_used_stops_devpi_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"tallystick-devpi: .*No such file"):
        begin(SimpleNamespace(), tmp_path / "nowhere.toml", lambda: BEGIN)  # type: ignore[arg-type]  # it is not reached
