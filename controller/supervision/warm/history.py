"""What has happened in an agent's pool of warm bots, as far as plans depend on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from controller.core.pool_plan import ARRIVALS_SECONDS, Failures
from controller.core.runtime import Exit
from controller.observe.warm_metrics import WarmMetrics
from controller.supervision.warm.bots import HeldBot

_MOST_ARRIVALS: Final = 2000
_MOST_START_TIMES: Final = 8


class AgentHistory:
    """One agent's starts, launches and failures. Times are on the monotonic clock.

    Attributes:
        unanswered: launches that the runtime has not answered.
        failures: of warm bots, since one has proved itself.
    """

    def __init__(self) -> None:
        self.unanswered = 0
        self.failures = Failures()
        self._arrivals: deque[float] = deque(maxlen=_MOST_ARRIVALS)
        self._start_seconds: deque[float] = deque(maxlen=_MOST_START_TIMES)
        self._created: deque[float] = deque()

    def arrivals(self, now: float) -> Sequence[float]:
        """Return how many seconds ago each of the last starts came."""
        _drop_older(self._arrivals, now - ARRIVALS_SECONDS)
        return [now - each for each in self._arrivals]

    @property
    def start_seconds(self) -> Sequence[float]:
        """How long the last warm bots took to become ready."""
        return list(self._start_seconds)

    def created(self, now: float) -> int:
        """Return how many bots were created within the last second."""
        _drop_older(self._created, now - 1.0)
        return len(self._created)

    def arrived(self, now: float) -> None:
        """A session is being started."""
        self._arrivals.append(now)

    def launching(self, now: float) -> None:
        """The runtime is asked to launch a warm bot."""
        self._created.append(now)
        self.unanswered += 1

    def answered(self) -> None:
        """The runtime has answered that, whatever it said."""
        self.unanswered -= 1

    def became_ready(self, seconds: float) -> None:
        """A bot was heard for the first time, so long after its launch."""
        self._start_seconds.append(seconds)

    def failed(self, cause: str, now: float) -> None:
        """A bot could not be launched, or ended before a session needed it."""
        self.failures = self.failures.failed(cause, now)

    def proven(self) -> None:
        """A bot has shown that bots of this agent can start."""
        self.failures = Failures()


class Histories:
    """The histories of all agents."""

    def __init__(self, metrics: WarmMetrics) -> None:
        """`metrics` get how long bots take to become ready."""
        self._metrics = metrics
        self._by_agent: dict[str, AgentHistory] = {}

    def of(self, agent: str) -> AgentHistory:
        return self._by_agent.setdefault(agent, AgentHistory())

    def became_ready(self, held: HeldBot) -> None:
        """Note how long a bot took to become ready, if it was launched here."""
        if held.ready_at is not None and held.launched_at == held.created_at:
            seconds = held.ready_at - held.launched_at
            self.of(held.bot.agent).became_ready(seconds)
            self._metrics.started(seconds)


def _drop_older(moments: deque[float], earliest: float) -> None:
    while moments and moments[0] <= earliest:
        moments.popleft()


def why_gone(exit_: Exit) -> str:
    """Return what is known of the end of a bot that should have waited, as a sentence."""
    for ending in (exit_.process_failure, exit_.disruption, exit_.blocker, exit_.launch_end):
        if ending is not None:
            return ending.what_happened
    if exit_.final_report is not None and exit_.final_report.message:
        return exit_.final_report.message
    if exit_.exit_code is not None:
        return f"It ended with exit code {exit_.exit_code}."
    return "It ended before a session needed it."
