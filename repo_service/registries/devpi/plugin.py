"""What devpi-server loads (entry points ``devpi_server``). Without ``--tallystick FILE`` it does nothing at all."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pluggy import HookimplMarker

_HOOK: Final = HookimplMarker("devpiserver")
_LOG: Final = logging.getLogger(__name__)


@_HOOK
def devpiserver_add_parser_options(parser: Any) -> None:
    """The one option."""
    parser.addgroup("tallystick").addoption(
        "--tallystick", metavar="FILE", default=None,
        help="sign what happens in the indexes that this file names, by the services that it names (tallystick-devpi)",
    )  # fmt: skip


@_HOOK
def devpiserver_pyramid_configure(config: Any, pyramid_config: Any) -> None:
    """Begin, in the one process that devpi tells of its commits: no replica, and none that serves requests only."""
    if config.args.tallystick is None:
        return
    from repo_service.registries.devpi.hooks import begin  # nothing of ours is loaded where it was not asked for

    xom = pyramid_config.registry["xom"]
    if xom.is_replica() or config.requests_only:
        _LOG.warning("tallystick: this process only serves; the primary sends what happens")
        return
    config.pluginmanager.register(begin(xom, Path(config.args.tallystick), lambda: datetime.now(UTC)))
