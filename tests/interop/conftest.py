"""Strangers to the log: Go's packages and the ones of AICS, found or skipped with a line that says what to install."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import golang, ours
from tests.interop.golang import Go
from tests.interop.ours import Ours
from tests.keys.tlog.logs import leaves_of
from tests.servers import missing

SIZE = 70_000


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory, go_cache: Path) -> Go:
    return golang.build(tmp_path_factory.mktemp("go"), go_cache)


@pytest.fixture(scope="session")
def faulty_go(tmp_path_factory: pytest.TempPathFactory, go_cache: Path) -> Go:
    """Go with the fault of CVE-2026-56865."""
    return golang.build_faulty(tmp_path_factory.mktemp("faulty-go"), go_cache)


@pytest.fixture(scope="session")
def go_cache(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Go keeps what it compiled: half a minute of work, the first time."""
    kept = getattr(request.config, "cache", None)
    return Path(kept.mkdir("go-build")) if kept else tmp_path_factory.mktemp("go-build")


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Ours:
    """A log of 70,000 leaves."""
    return ours.grow(tmp_path_factory.mktemp("log"), leaves_of(SIZE))


@pytest.fixture(scope="session")
def aics() -> Iterator[Path]:
    """The folder of aics-tlog and aics-witness, which can be imported as long as the session lasts."""
    folder = Path(sys.prefix, "tools", "aics")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        if (found := importlib.util.find_spec("aics_tlog")) is None or importlib.util.find_spec("aics_witness") is None:
            missing("aics-tlog", "aics-tlog and aics-witness (make brings them)")
        yield Path(str(found.origin)).parents[1]
