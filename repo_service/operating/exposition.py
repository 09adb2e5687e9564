"""Metrics for Prometheus: what this process counts, and what the journal says at the moment of a scrape.

Each process has a registry of its own. Gauges are read from the journal and the depot, never kept: whichever process is
asked says the same, also when nobody publishes. docs/OPERATIONS.md says what each is for; docs/deploy/prometheus and
docs/deploy/grafana use them.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from repo_service.build.due import Lifetimes, Signed, freshness
from repo_service.operating.metrics import Metrics, Stage, WitnessFault
from repo_service.operating.readiness import OK, Parts, public_timestamp
from repo_service.publishing.clocks import offsets
from repo_service.storage.depot import Diverged
from repo_service.storage.overview import Overview, SignedRole

logger: Final = logging.getLogger(__name__)
MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
NAMESPACE: Final = "tallystick"
_STAGE_S: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
_LATENCY_S: Final = (1, 2, 3, 5, 10, 30, 60, 300, 3600)
"""Whole seconds: events keep no finer time, so that a latency is up to a second too long."""


class Counted(Metrics):
    """Keeps what happens in this process, in a registry of its own."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._clock = clock
        self._stages = self._histogram("publish_duration_seconds", "How long a part of a release took.", _STAGE_S)
        self._latency = self._histogram("publish_latency_seconds", "From accepted to visible.", _LATENCY_S, ())
        self._last_round = self._gauge("refresh_last_success_timestamp_seconds", "When a round last ended well.")
        self._failed = self._counter("rounds_failed", "Rounds that ended with an error.", "error")
        self._diverged = self._counter("diverged", "Times that the depot held other bytes than were signed.")
        self._lease_lost = self._counter("lease_lost", "Times that another publisher was first.")
        self._doorbell = self._counter("doorbell_errors", "Wake-ups that Redis did not take.")
        self._auth = self._counter("auth_failures", "Requests from nobody we know, or that may not ask so.", "reason")
        self._limited = self._counter("ratelimited", "Requests that came too often.")
        self._collected = self._counter("gc_deleted", "Superseded files that were deleted.")
        self._asked = self._counter("witness_asked", "Checkpoints that a witness was asked to cosign.", "witness")
        self._witness_failed = self._counter("witness_failed", "Times that it did not.", "witness", "fault")
        self._cosigned = self._gauge("witness_cosigned_timestamp_seconds", "When it last cosigned.", "witness")
        self._cosignatures = self._counter("witness_cosigned", "Checkpoints that it cosigned.", "witness")

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """As ``Metrics``: seconds into a histogram, by stage."""
        with self._stages.labels(name).time():
            yield

    def published(self, accepted: Iterable[datetime]) -> None:
        """As ``Metrics``: each event's wait, in seconds, by this process's clock."""
        now = self._clock()
        for each in accepted:
            self._latency.observe(max((now - each).total_seconds(), 0))

    def round_done(self) -> None:
        """As ``Metrics``: a time, for an alert when it grows old."""
        self._last_round.set(self._clock().timestamp())

    def round_failed(self, error: Exception) -> None:
        """As ``Metrics``: by the kind of error. A depot that diverged is counted by itself as well."""
        self._failed.labels(type(error).__name__).inc()
        if isinstance(error, Diverged):
            self._diverged.inc()

    def lease_lost(self) -> None:
        """As ``Metrics``: a counter."""
        self._lease_lost.inc()

    def doorbell_failed(self) -> None:
        """As ``Metrics``: a counter."""
        self._doorbell.inc()

    def refused(self, status: int, code: str) -> None:
        """As ``Metrics``: 401 and 403 by their codes, and 429; other problems are not counted."""
        if status in (401, 403):
            self._auth.labels(code).inc()
        elif status == 429:
            self._limited.inc()

    def collected(self, files: int) -> None:
        """As ``Metrics``: a counter of files."""
        self._collected.inc(files)

    def witness_asked(self, name: str) -> None:
        """As ``Metrics``: a counter, by witness."""
        self._asked.labels(name).inc()

    def witness_cosigned(self, name: str) -> None:
        """As ``Metrics``: a counter and the time of the last one, by witness."""
        self._cosignatures.labels(name).inc()
        self._cosigned.labels(name).set(self._clock().timestamp())

    def witness_failed(self, name: str, fault: WitnessFault) -> None:
        """As ``Metrics``: a counter, by witness and fault."""
        self._witness_failed.labels(name, fault).inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ("stage",)
    ) -> Histogram:
        return Histogram(name, text, labels, namespace=NAMESPACE, registry=self.registry, buckets=buckets)


class Gauges(Collector):
    """What the journal, the depot and the parts of this process say when they are asked."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def describe(self) -> Iterable[Metric]:
        """Nothing is read to be registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read everything anew, for each scrape. What cannot be read is left out, and ``ready`` says so."""
        ready = _gauge("ready", "1 where a part of this process is ready (as /readyz says it).", "part")
        for part, said in self._parts.look().items():
            ready.add_metric([part], said == OK)
        yield ready
        for read in (self._depot, self._clocks, self._journal):  # in this order the depot is never seen ahead
            try:
                yield from read()
            except Exception:  # counters are told whatever else is down; ``ready`` says what is
                logger.warning("a gauge could not be read", exc_info=True)

    def _depot(self) -> list[Metric]:
        version = public_timestamp(self._parts.depot).version
        return [_gauge("storage_generation", "The release that the depot's timestamp points to.", value=version)]

    def _clocks(self) -> list[Metric]:
        found = _gauge("clock_offset_seconds", "How far another clock is ahead of this machine's.", "source")
        for source, seconds in offsets(self._parts.clock(), self._parts.clocks).items():
            found.add_metric([source.removeprefix("the ")], seconds)
        return [found]

    def _journal(self) -> list[Metric]:
        now = self._parts.clock()
        with self._parts.journal.reading() as view:
            its = view.overview(now)
        return [
            _gauge("generation", "The newest committed release.", value=its.generation),
            _gauge("batches_staged", "Releases that are committed and not copied out.", value=its.staged),
            *_of_roles(its, self._parts.lifetimes, now),
            *_of_lanes(its, now),
            *_of_lease(its, now),
        ]


def exposed(counted: Counted, parts: Parts) -> CollectorRegistry:
    """What this process counted, and the gauges of its parts."""
    both = CollectorRegistry()
    both.register(counted.registry)
    both.register(Gauges(parts))
    return both


def text(registry: CollectorRegistry) -> bytes:
    """Everything, as Prometheus reads it."""
    return generate_latest(registry)


@contextmanager
def served(registry: CollectorRegistry, address: str) -> Iterator[int]:
    """Answer every GET at ``host:port`` with the metrics, for whoever can reach it, as long as the block lasts.

    Gives the port. Raises OSError if the address cannot be had.
    """
    host, _, port = address.rpartition(":")
    server, thread = start_http_server(int(port), host, registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _of_roles(its: Overview, lifetimes: Lifetimes, now: datetime) -> list[Metric]:
    expires = _gauge("metadata_expires_timestamp_seconds", "When a role expires; of bins, the first that does.", "role")
    signed = _gauge("metadata_signed_timestamp_seconds", "When a role was signed.", "role")
    left = _gauge("metadata_freshness_ratio", "How much of its period a role has left, 1 to 0.", "role")
    roles = [*((each.role, each) for each in its.roles), *_bin(its)]
    shares = freshness((Signed(each.role, each.version, each.expires) for _, each in roles), lifetimes, now)
    for label, role in roles:
        left.add_metric([label], shares[label])
        expires.add_metric([label], role.expires.timestamp())
        if role.signed is not None:
            signed.add_metric([label], role.signed.timestamp())
    late = (now - its.due_since).total_seconds() if its.due_since else 0
    return [
        expires,
        signed,
        left,
        _gauge("renewals_due", "Roles that are due to be signed again.", value=its.due),
        _gauge("renewal_oldest_due_seconds", "For how long the first of them has been due.", value=late),
    ]


def _bin(its: Overview) -> list[tuple[str, SignedRole]]:
    return [("bin", its.soonest_bin)] if its.soonest_bin else []


def _of_lanes(its: Overview, now: datetime) -> list[Metric]:
    pending = _gauge("events_pending", "Accepted events that no release holds yet.", "lane")
    oldest = _gauge("event_oldest_pending_seconds", "For how long the oldest of them has waited.", "lane")
    for lane in its.lanes:
        pending.add_metric([lane.name], lane.pending)
        oldest.add_metric([lane.name], (now - lane.oldest).total_seconds() if lane.oldest else 0)
    return [pending, oldest]


def _of_lease(its: Overview, now: datetime) -> list[Metric]:
    if its.lease is None:
        return []
    left = max(its.lease.until - now.timestamp(), 0)
    return [
        _gauge("lease_epoch", "How often the lease to publish was taken.", value=its.lease.epoch),
        _gauge("lease_remaining_seconds", "For how long its holder still has it; 0 is free.", value=left),
    ]


def _gauge(name: str, text: str, label: str | None = None, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", text, value=value, labels=[label] if label else None)
