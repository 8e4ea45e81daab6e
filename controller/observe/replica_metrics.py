"""Counter of the requests that this controller has passed on to the one that leads."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter


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
