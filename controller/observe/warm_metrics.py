"""How long warm bots take to be ready, their claims, how soon claimed bots join, and how long others wait."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from controller.core.session import Session
from controller.observe.labels import BoundedValues
from controller.observe.usage_metrics import exemplar_of

_SECONDS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
_STARTED: Final = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300)
"""From a fork to a node that has to be added."""

_WAITED: Final = (1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Up to the age at which a bot is replaced."""


class ClaimResult(StrEnum):
    """What came of an attempt to give a start a warm bot."""

    CLAIMED = "claimed"
    NO_BOT = "no_bot"
    """None was ready."""
    NOT_CLAIMED = "not_claimed"
    """The runtime refused: the bot was gone, or had changed."""
    NOT_CONFIRMED = "not_confirmed"
    """The bot did not confirm its session in time."""
    UNKNOWN = "unknown"
    """The runtime did not say whether the bot is the session's."""
    STOPPED = "stopped"
    """The session was stopped meanwhile."""


class WarmMetrics:
    """Counts claims and idle time. How many warm bots there are is a gauge: see `agent_gauges`."""

    def __init__(self, registry: CollectorRegistry, agents: BoundedValues) -> None:
        """`agents` bounds the names of agents."""
        self._agents = agents
        self._claims = Counter(
            "podline_warm_claims",
            "Attempts to give a start a warm bot, by result.",
            ("agent", "result"),
            registry=registry,
        )
        self._seconds = Histogram(
            "podline_claim_seconds",
            "Time from a warm bot's confirmation of its session until it has joined.",
            registry=registry,
            buckets=_SECONDS,
        )
        self._started = Histogram(
            "podline_warm_start_seconds",
            "Time from the launch of a warm bot until it was ready for a session.",
            registry=registry,
            buckets=_STARTED,
        )
        self._waited = Histogram(
            "podline_warm_wait_seconds",
            "Time that a warm bot had been ready when a session claimed it.",
            registry=registry,
            buckets=_WAITED,
        )
        self._idle = Counter(
            "podline_warm_idle_seconds",
            "Time that warm bots have been ready, added up over bots.",
            ("agent",),
            registry=registry,
        )
        self._known: set[str] = set()

    def agent_known(self, name: str) -> None:
        """Create the series of an agent with a pool, so that their first increase shows."""
        if name not in self._known:
            self._known.add(name)
            agent = self._agents.bounded(name)
            self._idle.labels(agent)
            for result in ClaimResult:
                self._claims.labels(agent, str(result))

    def claim_ended(self, agent: str, result: ClaimResult) -> None:
        """Count an attempt. A start that was cold after attempts has several."""
        self._claims.labels(self._agents.bounded(agent), str(result)).inc()

    def started(self, seconds: float) -> None:
        """Observe how long a warm bot took to become ready."""
        self._started.observe(max(0.0, seconds))

    def waited(self, session: Session, seconds: float) -> None:
        """Observe how long the bot that takes this session had been ready."""
        self._waited.observe(max(0.0, seconds), exemplar_of(session))

    def idled(self, agent: str, seconds: float) -> None:
        """Add the time that an agent's ready bots have waited since this was last called."""
        self._idle.labels(self._agents.bounded(agent)).inc(max(0.0, seconds))

    def joined(self, session: Session) -> None:
        """Observe how soon a warm bot has joined. Call this once, when a session becomes live."""
        timeline = session.timeline
        if session.cold_start is False and timeline.launched is not None and timeline.joined is not None:
            seconds = (timeline.joined - timeline.launched).total_seconds()
            self._seconds.observe(max(0.0, seconds), exemplar_of(session))
