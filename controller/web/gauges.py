"""Gauges that are read off the registry at the moment of a scrape, so that they can't drift from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.supervision.registry import SessionRegistry
from controller.web.offer_limit import OfferLimit
from podline.contract.reasons import Phase


class SessionGauges(Collector):
    """How things stand right now."""

    def __init__(
        self,
        registry: SessionRegistry,
        held: OfferLimit,
        not_ready_reason: Callable[[], str | None],
        version: str,
    ) -> None:
        """`not_ready_reason` says why the controller is not ready, None while it is."""
        self._registry = registry
        self._held = held
        self._not_ready_reason = not_ready_reason
        self._version = version

    def collect(self) -> Iterator[Metric]:
        running = self._registry.running()
        phases = Counter(record.session.phase for record in self._registry.all())
        sessions = GaugeMetricFamily("podline_sessions", "Sessions that are known.", labels=("phase",))
        for phase in Phase:
            sessions.add_metric((str(phase),), phases[phase])
        yield sessions
        yield GaugeMetricFamily("podline_sessions_running", "Sessions that hold a place.", value=len(running))
        yield GaugeMetricFamily(
            "podline_sessions_capacity", "Places there are.", value=self._registry.capacity
        )
        yield GaugeMetricFamily(
            "podline_ready", "1 while /readyz is 200.", value=self._not_ready_reason() is None
        )
        build = GaugeMetricFamily("podline_build_info", "Which Podline this is.", labels=("version",))
        build.add_metric((self._version,), 1)
        yield build
        backlog = GaugeMetricFamily("podline_backlog", "What waits.", labels=("queue",))
        backlog.add_metric(("launches",), sum(not record.is_settled for record in running))
        backlog.add_metric(("offers",), self._held.total)
        backlog.add_metric(("messages",), sum(record.inbox.waiting for record in running))
        yield backlog
