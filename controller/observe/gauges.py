"""Gauges that are read from the sessions at the moment of a scrape, so that they can't drift from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.core.limits import Limit, LimitName
from podline.contract.reasons import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCounts:
    """How many sessions there are right now.

    Attributes:
        by_phase: all known sessions, including ended ones.
        running: those that take a slot.
        capacity: how many slots there are.
        launches_waiting: running sessions whose launch is not settled.
        messages_waiting: messages that bots have not answered.
    """

    by_phase: Mapping[Phase, int]
    running: int
    capacity: int
    launches_waiting: int
    messages_waiting: int


class SessionGauges(Collector):
    """The controller's current state."""

    def __init__(
        self,
        counts: Callable[[], SessionCounts],
        offers_waiting: Callable[[], int],
        not_ready_reason: Callable[[], str | None],
        limits: Callable[[], Iterable[Limit]],
        version: str,
        is_leading: Callable[[], bool],
    ) -> None:
        """Collect from these.

        Args:
            counts: returns how many sessions there are.
            offers_waiting: returns how many offers are held.
            not_ready_reason: returns why the controller is not ready; None while it is.
            limits: returns the limits of agents and of what is upstream.
            version: Podline's.
            is_leading: returns whether this controller leads; sessions are shown by that one alone.
        """
        self._counts = counts
        self._offers_waiting = offers_waiting
        self._not_ready_reason = not_ready_reason
        self._limits = limits
        self._version = version
        self._is_leading = is_leading

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "podline_ready", "1 while /readyz returns 200.", value=self._not_ready_reason() is None
        )
        build = GaugeMetricFamily("podline_build_info", "The version of Podline.", labels=("version",))
        build.add_metric((self._version,), 1)
        yield build
        if self._is_leading():
            yield from self._of_sessions()
            yield from self._of_limits()

    def _of_sessions(self) -> Iterator[Metric]:
        counts = self._counts()
        sessions = GaugeMetricFamily(
            "podline_sessions", "Sessions known to the controller, by phase.", labels=("phase",)
        )
        for phase in Phase:
            sessions.add_metric((str(phase),), counts.by_phase.get(phase, 0))
        yield sessions
        yield GaugeMetricFamily(
            "podline_sessions_running", "Sessions that count against the capacity.", value=counts.running
        )
        yield GaugeMetricFamily(
            "podline_sessions_capacity", "Maximum number of concurrent sessions.", value=counts.capacity
        )
        backlog = GaugeMetricFamily("podline_backlog", "Items waiting, by queue.", labels=("queue",))
        backlog.add_metric(("launches",), counts.launches_waiting)
        backlog.add_metric(("offers",), self._offers_waiting())
        backlog.add_metric(("messages",), counts.messages_waiting)
        yield backlog

    def _of_limits(self) -> Iterator[Metric]:
        labels = ("limit", "name")
        most = GaugeMetricFamily(
            "podline_limit", "What a limit of agents or upstream admits now.", labels=labels
        )
        used = GaugeMetricFamily(
            "podline_limit_used", "Running sessions that count against a limit.", labels=labels
        )
        lowered = GaugeMetricFamily(
            "podline_limit_lowered", "1 while refusals from upstream have lowered a limit.", labels=labels
        )
        for limit in self._limits():
            named = (str(limit.name), limit.subject)
            most.add_metric(named, limit.most)
            lowered.add_metric(named, limit.is_lowered)
            if limit.name is not LimitName.ROOM_PROVIDER:
                used.add_metric(named, limit.used)
        yield from (most, used, lowered)
