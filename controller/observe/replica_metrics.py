"""Metrics of replicas: who leads, how it came to that, and what is passed on to the leader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.core.leadership import Leadership, TakeoverCause

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)


class ReplicaMetrics:
    """Counts take-overs of this replica."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._takeovers = Counter(
            "podline_takeovers", "Times that this replica became the leader.", ("cause",), registry=registry
        )
        self._seconds = Histogram(
            "podline_takeover_seconds",
            "Time from acquiring the Lease until the first request could be served.",
            registry=registry,
            buckets=_SECONDS,
        )
        for cause in TakeoverCause:
            self._takeovers.labels(str(cause))

    def took_over(self, cause: TakeoverCause) -> None:
        self._takeovers.labels(str(cause)).inc()

    def served_after(self, seconds: float) -> None:
        self._seconds.observe(seconds)


class LeadershipGauges(Collector):
    """The replica's current state."""

    def __init__(self, leadership: Leadership, reaches_leader: Callable[[], bool]) -> None:
        """`reaches_leader` returns whether this replica leads or reaches the one that does."""
        self._leadership = leadership
        self._reaches_leader = reaches_leader

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "podline_leader", "1 while this replica leads.", value=self._leadership.is_leading
        )
        yield GaugeMetricFamily(
            "podline_leader_reachable",
            "1 while this replica leads, or reaches the one that does.",
            value=self._reaches_leader(),
        )
        yield GaugeMetricFamily(
            "podline_lease_renewal_age_seconds",
            "Time since the Lease was last renewed, as far as this replica knows.",
            value=self._leadership.renewal_age,
        )


class ProxyOutcome(StrEnum):
    """What became of a request that is for the leader."""

    ANSWERED = "answered"
    """The leader has answered it, or its client has gone."""
    HELD = "held"
    """It was answered after it had waited for a leader."""
    UNREACHABLE = "unreachable"
    """It got no answer of a leader."""
    BROKEN = "broken"
    """Its answer broke off."""


class ProxyMetrics:
    """Counts requests that are passed on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "podline_proxied_requests",
            "Requests passed on to the controller that leads.",
            ("outcome",),
            registry=registry,
        )
        for outcome in ProxyOutcome:
            self._requests.labels(outcome)

    def proxied(self, outcome: ProxyOutcome) -> None:
        self._requests.labels(outcome).inc()
