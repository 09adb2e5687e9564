"""RQ's way in: a job that does one round. The queue only wakes somebody up; the journal knows what to do."""

from pathlib import Path

from redis import Redis
from rq import Queue, SimpleWorker

from repo_service.bell import QUEUE, Publisher
from repo_service.wiring import Service, open_service


def publish_round(folder: str) -> int | None:
    """The job: one round for the service in ``folder``; the generation it published, if any."""
    release = open_service(Path(folder)).round()
    return release.generation if release else None


def work(service: Service) -> None:
    """Serve the queue until told to stop, with a timer beside it that needs no Redis at all."""
    assert service.settings.redis is not None, "checked by the command"
    service.catch_up()
    timer = Publisher(service.round, service.settings.refresh_s)
    timer.start()
    try:
        connection = Redis.from_url(service.settings.redis)
        SimpleWorker([Queue(QUEUE, connection=connection)], connection=connection).work(logging_level="WARNING")
    finally:
        timer.stop()
