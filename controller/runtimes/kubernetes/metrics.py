"""Metrics of requests to the API server and of the watches: see docs/reference/metrics.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.runtimes.kubernetes.runtime import KubernetesRuntime

_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}


class ApiMetrics:
    """Counts and times requests to the API server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "podline_kubernetes_requests",
            "Requests to the API server.",
            ("verb", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "podline_kubernetes_request_duration_seconds",
            "Time until the API server began its response.",
            ("verb",),
            registry=registry,
        )

    def answered(self, method: str, query: Mapping[str, Any], status: int | None, seconds: float) -> None:
        """Count a request; its status is None if there was no answer."""
        verb = verb_of(method, query)
        self._requests.labels(verb, "unreachable" if status is None else str(status)).inc()
        self._seconds.labels(verb).observe(seconds)


def verb_of(method: str, query: Mapping[str, Any]) -> str:
    """Return the verb that Kubernetes uses in permissions and audit logs."""
    if method != "GET":
        return _VERBS.get(method, "other")
    if "watch" in query:
        return "watch"
    return "list" if "limit" in query else "get"


class ClusterCollector(Collector):
    """Reads the state of the watches at each scrape."""

    def __init__(self, runtime: KubernetesRuntime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        age = GaugeMetricFamily(
            "podline_kubernetes_watch_age_seconds",
            "Time since a watch last received anything.",
            labels=("resource",),
        )
        relists = CounterMetricFamily(
            "podline_kubernetes_relists", "Times that everything was listed.", labels=("resource",)
        )
        for resource, watch in self._runtime.watches.items():
            relists.add_metric((resource,), watch.relists)
            if (seconds := watch.age()) is not None:
                age.add_metric((resource,), seconds)
        yield age
        yield relists
        yield GaugeMetricFamily(
            "podline_kubernetes_writes_pending",
            "Records still to be written to Jobs.",
            value=self._runtime.writes_pending,
        )
