"""Where a session's bytes come from, for its data directory: the network, or what was verified before."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from tuf.ngclient.fetcher import FetcherInterface

from client_verify.fetching.offline import Offline
from client_verify.fetching.transport import Fetcher

Source: TypeAlias = Callable[[Path], FetcherInterface]


def over_http(_: Path) -> FetcherInterface:
    """A repository's servers."""
    return Fetcher()


def offline(directory: Path) -> FetcherInterface:
    """Nothing but what this machine has verified."""
    return Offline(directory)
