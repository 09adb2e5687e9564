"""What devpi tells after each of its commits goes into the outbox: in one thread, in the order of the commits.

devpi remembers which commit it told last only after we returned, so what a crash cuts off is told again; and what we
raise it logs and forgets. So nothing is raised here, and what cannot be kept is looked for later.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pluggy import HookimplMarker

from repo_service.registries.devpi import configuration, index
from repo_service.registries.devpi.courier import Courier
from repo_service.registries.devpi.outbox import Outbox

_HOOK: Final = HookimplMarker("devpiserver")
_LOG: Final = logging.getLogger(__name__)
Clock = Callable[[], datetime]


class Hooks:
    """The hooks of a devpi-server whose indexes are signed, with the courier of each."""

    def __init__(self, own: configuration.Configuration, outbox: Outbox, couriers: dict[str, Courier], clock: Clock):
        self._own, self._outbox, self._couriers, self._clock = own, outbox, couriers, clock

    @_HOOK
    def devpiserver_on_changed_versiondata(
        self, stage: index.Stage | None, project: str, version: str, metadata: Mapping[str, Any] | None
    ) -> None:
        """Files came or went, or a version did: a version's data lists its files, so all of it comes by here."""
        del metadata  # it lacks the sizes; the transaction that we are called in has everything
        if stage is None or (own := self._own.indexes.get(stage.name)) is None:
            return  # without a stage the whole index was deleted, which says nothing of its projects
        try:
            stood = index.version_in(stage, project, version, own.files)
            self._outbox.add(stage.name, stood, self._clock())
            self._couriers[stage.name].ring()
        except Exception:  # whatever it was: the thread that tells us is devpi's own, and it has no other
            _LOG.exception("%s: a change could not be kept; the index is compared instead", stage.name)
            self._couriers[stage.name].compare_soon()

    @_HOOK
    def devpiserver_metrics(self) -> list[tuple[str, str, float]]:
        """For devpi's ``+status``."""
        rows = [row for name in self._own.indexes for row in self._outbox.open_rows(name)]
        refused = sum(row.standing == "refused" for row in rows)
        return [
            ("tallystick_rows_waiting", "gauge", len(rows) - refused),
            ("tallystick_rows_refused", "gauge", refused),
        ]


def begin(xom: index.Xom, path: Path, clock: Clock) -> Hooks:
    """Make the outbox ready and hand a thread for each index to devpi. SystemExit if the file cannot be used."""
    try:
        own = configuration.read(path)
    except configuration.BadConfiguration as error:
        raise SystemExit(f"tallystick-devpi: {error}") from None
    outbox = Outbox(own.outbox)
    if forgotten := outbox.rewind(xom.keyfs.get_current_serial()):
        _LOG.warning("devpi is older than the outbox, which forgets %s rows that devpi does not know", forgotten)
    couriers = {name: Courier(xom, name, each, outbox, clock) for name, each in own.indexes.items()}
    for courier in couriers.values():
        xom.thread_pool.register(courier)
    return Hooks(own, outbox, couriers, clock)
