"""RQ's way in: a job that wakes the publisher of its process. The journal knows what to do."""

import logging
from pathlib import Path
from typing import Final

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job

from repo_service.bell import Publisher
from repo_service.operating.serving import spare_the_collector, stopped_by_signals
from repo_service.ringing import QUEUE
from repo_service.wiring import Service, open_service

logger: Final = logging.getLogger(__name__)
_RETRY_S: Final = 2.0
_served: dict[Path, Publisher] = {}
"""Who publishes in this process, by the folder of the service."""


def publish_round(folder: str) -> None:
    """The job: wake this process's publisher up; in a worker of RQ's own, without one, do a round here."""
    path = Path(folder).resolve()
    if publisher := _served.get(path):
        publisher.ring()
    else:
        open_service(path).round()


class _Worker(SimpleWorker):
    """Stops between jobs, at once when it is idle. RQ's own way asks Redis in a signal handler, and a second one."""

    _working = False

    def _install_signal_handlers(self) -> None:
        """They are ours."""

    def execute_job(self, job: Job, queue: Queue) -> None:
        self._working = True
        try:
            super().execute_job(job, queue)
        finally:
            self._working = False

    def stop(self) -> None:
        self._stop_requested = True
        if not self._working:
            raise StopRequested


def work(service: Service) -> None:
    """Serve the queue until told to stop, with a publisher beside it that needs no Redis at all."""
    assert service.settings.redis is not None, "checked by the command"
    connection = Redis.from_url(service.settings.redis)
    current: list[_Worker] = []
    service.catch_up()
    spare_the_collector()
    timer = service.publisher()
    _served[service.folder.resolve()] = timer
    with stopped_by_signals(lambda: _stop(current)) as stopping, service.metrics_served(timer):
        timer.start()
        try:
            while not stopping.is_set():
                _listen(connection, current)
                stopping.wait(_RETRY_S)
        finally:
            timer.stop()
            del _served[service.folder.resolve()]


def _listen(connection: Redis, current: list[_Worker]) -> None:
    """Do the queue's jobs until stopped; without Redis return, for the publisher goes on."""
    try:
        try:
            current.append(_Worker([Queue(QUEUE, connection=connection)], connection=connection))
            current[0].work(logging_level="WARNING")
        finally:
            current.clear()
    except StopRequested:
        pass
    except RedisError:
        logger.warning("no Redis; this worker looks by itself", exc_info=True)


def _stop(current: list[_Worker]) -> None:
    if current:
        current[0].stop()
