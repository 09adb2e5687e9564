"""The bell of other processes: RQ's queue. Only a service that says ``redis`` loads it."""

import logging
import time
from typing import Final

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue

from repo_service.operating.metrics import FORGETFUL, Metrics

logger: Final = logging.getLogger(__name__)
QUEUE: Final = "tallystick"
_LOOK_S: Final = 0.02
"""How often one looks for what another process published."""


class RedisBell:
    """Enqueues a round for any RQ worker. RQ loses and repeats jobs; both are harmless to a round."""

    def __init__(self, url: str, folder: str, metrics: Metrics = FORGETFUL) -> None:
        self._queue = Queue(QUEUE, connection=Redis.from_url(url))
        self._folder = folder
        self._metrics = metrics

    def is_alive(self) -> bool:
        """As ``Bell``: others publish."""
        return True

    def rounds(self) -> int:
        """As ``Bell``: none end here."""
        return 0

    def await_round(self, after: int, seconds: float) -> None:
        """As ``Bell``: a short sleep, since no round of another process is heard of."""
        del after  # rounds end elsewhere
        time.sleep(min(seconds, _LOOK_S))

    def ring(self) -> None:
        """As ``Bell``. Redis that is away is counted and logged; a worker's own timer does the round."""
        try:
            self._queue.enqueue("repo_service.worker.publish_round", self._folder, result_ttl=0, failure_ttl=300)
        except RedisError:
            self._metrics.doorbell_failed()
            logger.warning("Redis did not take the wake-up; a worker's own timer publishes instead", exc_info=True)
