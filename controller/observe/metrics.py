"""The controller's metrics for Prometheus, which docs/reference/metrics.md explains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from controller.core.agents import DEFAULT_AGENT
from controller.core.session import Session, Timeline
from controller.observe.labels import MAX_AGENTS, REFUSED_KINDS, BoundedValues, Declared
from controller.observe.prices import PriceList
from controller.observe.usage_metrics import UsageMetrics, exemplar_of, with_prices
from controller.observe.warm_metrics import WarmMetrics
from podline.contract.messages import Report
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import Usage

STAGES: Final = (
    "accepted",
    "launched",
    "scheduled",
    "process_up",
    "joined",
    "caller_joined",
    "first_speech",
)

UNKNOWN: Final = "unknown"
"""Used instead of a stage if an adopted bot left no final report."""

_START: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120, 300)
_DURATION: Final = (10, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200)


class Metrics:
    """Counts events that the supervisor reports. Current states are gauges: see `gauges`."""

    def __init__(
        self, registry: CollectorRegistry, prices: PriceList | None, declared: Declared | None = None
    ) -> None:
        """Register all metrics.

        Args:
            registry: may contain other collectors; all of it is served.
            prices: of models; this also declares the priced models.
            declared: which tools and models have their own series; by default the assistant's.
        """
        self.registry = registry
        self.prices = prices
        self.declared = with_prices(declared or Declared(), prices)
        self._agents = BoundedValues(limit=MAX_AGENTS)
        self.usage = UsageMetrics(registry, prices, self.declared, self._agents)
        self.warm = WarmMetrics(registry, self._agents)
        ProcessCollector(registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"podline_{name}", what, labels, registry=registry)

        self._starts = counter("session_starts", "Sessions that were accepted.", "agent")
        self._ends = counter("session_ends", "Sessions that ended, by reason.", "phase", "reason", "agent")
        self._furthest = counter(
            "session_furthest_stage",
            "Sessions that ended, by the last stage that their start reached.",
            "phase",
            "stage",
        )
        self._partial = counter("sessions_partial_usage", "Sessions whose bot left no final report.")
        self._batches = counter("report_batches", "Batches of bots' reports.", "outcome")
        self._unknown = counter(
            "report_events_unknown", "Events of kinds that this controller does not know.", "kind"
        )
        self._unknown_kinds = BoundedValues()
        self._refused = counter(
            "report_claims_refused", "Implausible claims of bots that were refused, by kind.", "kind"
        )
        self._duration = Histogram(
            "podline_session_duration_seconds",
            "Time from accepted to ended.",
            ("phase",),
            registry=registry,
            buckets=_DURATION,
        )
        self._start = Histogram(
            "podline_session_start_seconds",
            "Time from accepted to the bot's first speech.",
            registry=registry,
            buckets=_START,
        )
        self._stage = Histogram(
            "podline_session_start_stage_seconds",
            "Duration of each stage of a start, from the one reached before it.",
            ("stage",),
            registry=registry,
            buckets=_START,
        )
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Create series before their first event, so that its increase shows."""
        self.agent_known(DEFAULT_AGENT)
        for phase in (Phase.ENDED, Phase.FAILED):
            self._duration.labels(str(phase))
            for stage in (*STAGES, UNKNOWN):
                self._furthest.labels(str(phase), stage)
        for stage in STAGES[1:]:
            self._stage.labels(stage)
        for outcome in ("added", "repeated", "refused"):
            self._batches.labels(outcome)
        for kind in REFUSED_KINDS:
            self._refused.labels(kind)

    def show(self, accept: str, *, exemplars: bool) -> tuple[bytes, str]:
        """Return all metrics in the format that a scraper accepts, and that format's content type.

        Args:
            accept: the request's header.
            exemplars: True if the client may see the traces of single sessions.
        """
        encode, media_type = choose_encoder(accept)
        return encode(_Shown(self.registry, exemplars=exemplars)), media_type

    # --- events that the supervisor reports ---

    def agent_known(self, name: str) -> None:
        """Create the series of an agent. Those beyond a number that no installation needs share one."""
        agent = self._agents.bounded(name)
        self._starts.labels(agent)
        for reason in Reason:
            self._ends.labels(str(reason.phase), str(reason), agent)
        self.usage.agent_known(agent)

    def started(self, session: Session) -> None:
        """Count a session that got capacity."""
        self._starts.labels(self._agents.bounded(session.agent)).inc(exemplar=exemplar_of(session))

    def batch_added(self, session: Session, report: Report, used: Usage) -> None:
        """Count a batch that arrived for the first time; `used` is the sum of its events."""
        self._batches.labels("added").inc()
        self.usage.observe(session, report.events)
        self.usage.add(session, used)

    def events_unknown(self, kinds: Iterable[str]) -> None:
        """Count events of an added batch that were left out, by kind."""
        for kind in kinds:
            self._unknown.labels(self._unknown_kinds.bounded(kind)).inc()

    def claims_refused(self, kinds: Mapping[str, int]) -> None:
        """Count dropped claims of a bot, by kind."""
        for kind, count in kinds.items():
            self._refused.labels(kind).inc(count)

    def batch_repeated(self) -> None:
        self._batches.labels("repeated").inc()

    def batch_refused(self) -> None:
        self._batches.labels("refused").inc()

    def start_is_over(self, session: Session) -> None:
        """Observe the start of a session at its first speech, or at its end without one. Call this once."""
        exemplar = exemplar_of(session)
        for stage, seconds in stages(session.timeline):
            self._stage.labels(stage).observe(seconds, exemplar)
        if session.timeline.first_speech is not None:
            whole = session.timeline.first_speech - session.timeline.accepted
            self._start.observe(whole.total_seconds(), exemplar)

    def ended(self, session: Session, *, is_start_known: bool = True) -> None:
        """Count a confirmed end. It may be that only an earlier controller knows how far the start got."""
        if session.ending is None or session.timeline.ended is None:
            return
        exemplar = exemplar_of(session)
        phase = str(session.phase)
        agent = self._agents.bounded(session.agent)
        self._ends.labels(phase, str(session.ending.reason), agent).inc(exemplar=exemplar)
        furthest = _furthest(session.timeline)
        is_known = is_start_known or furthest == STAGES[-1]
        self._furthest.labels(phase, furthest if is_known else UNKNOWN).inc()
        duration: timedelta = session.timeline.ended - session.timeline.accepted
        self._duration.labels(phase).observe(duration.total_seconds(), exemplar)
        if session.usage_is_partial:
            self._partial.inc(exemplar=exemplar)


def stages(timeline: Timeline) -> list[tuple[str, float]]:
    """Return the duration of each reached stage: together, from `accepted` to the last of them."""
    reached = _reached(timeline)
    return [(stage, (at - before).total_seconds()) for (_, before), (stage, at) in pairwise(reached)]


def _furthest(timeline: Timeline) -> str:
    return _reached(timeline)[-1][0]


def _reached(timeline: Timeline) -> list[tuple[str, datetime]]:
    moments = [(stage, getattr(timeline, stage)) for stage in STAGES]
    return [(stage, at) for stage, at in moments if at is not None]


class _Shown(Collector):
    """A registry without the creation times of series, which would be a third of the output."""

    def __init__(self, registry: CollectorRegistry, *, exemplars: bool) -> None:
        self._registry = registry
        self._exemplars = exemplars

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            samples = [each for each in metric.samples if not each.name.endswith("_created")]
            metric.samples = (
                samples if self._exemplars else [each._replace(exemplar=None) for each in samples]
            )
            yield metric
