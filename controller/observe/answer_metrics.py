"""Counters and a histogram of the answers that callers are owed."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from controller.observe.labels import UNANSWERED_CAUSES
from podline.contract.messages import (
    AnswerRequested,
    Event,
    ModelReconnected,
    ModelReseeded,
    ResponseLatency,
    TurnUnanswered,
)

LATENCY: Final = (0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 5, 8, 13, 20)

_RESUMED: Final = {True: "yes", False: "no", None: "unknown"}
"""Older bots don't report whether they resumed."""


class AnswerMetrics:
    """Observes whether answers came, how fast, and what bots did if they didn't."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"podline_{name}", what, labels, registry=registry)

        self._latency = Histogram(
            "podline_response_latency_seconds",
            "Time from the end of the caller's speech to the first audible sound of the answer.",
            ("agent",),
            registry=registry,
            buckets=LATENCY,
        )
        self._unanswered = counter(
            "turns_unanswered",
            "Times a caller was owed an answer and had not heard it, by cause.",
            "agent",
            "cause",
        )
        self._requested = counter("answers_requested", "Times a bot asked the model again for an answer.")
        self._reconnects = counter(
            "model_reconnects",
            "Times a connection to the model was restored, and whether its session was resumed.",
            "resumed",
        )
        self._reseeds = counter("model_reseeds", "Times a model was given the conversation so far as text.")
        for resumed in _RESUMED.values():
            self._reconnects.labels(resumed)

    def agent_known(self, agent: str) -> None:
        """Create the series of an agent, given by its label."""
        self._latency.labels(agent)
        for cause in UNANSWERED_CAUSES:
            self._unanswered.labels(agent, cause)

    def observe(self, agent: str, event: Event, exemplar: dict[str, str] | None) -> None:
        """Observe an event of an agent's bot that concerns answers; leave the others out."""
        match event:
            case ResponseLatency(seconds=seconds):
                self._latency.labels(agent).observe(seconds, exemplar)
            case TurnUnanswered(cause=cause):
                self._unanswered.labels(agent, cause).inc(exemplar=exemplar)
            case AnswerRequested():
                self._requested.inc(exemplar=exemplar)
            case ModelReconnected(resumed=resumed):
                self._reconnects.labels(_RESUMED[resumed]).inc(exemplar=exemplar)
            case ModelReseeded():
                self._reseeds.inc(exemplar=exemplar)
            case _:
                pass
