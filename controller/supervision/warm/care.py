"""Care for warm bots that wait: those that are not heard are ended, completed or forgotten in time."""

from __future__ import annotations

from typing import Final

from controller.core.agents import Agents
from controller.core.deadlines import Limits
from controller.core.pool_plan import WarmStage
from controller.core.primitives.clock import Clock
from controller.supervision.warm.bots import HeldBot, WarmBots
from controller.supervision.warm.history import Histories
from controller.supervision.warm.launches import WarmLaunches

PROVEN_SECONDS: Final = 30.0
"""A bot that has waited this long has shown that bots of its agent can start."""

PARTIAL_SECONDS: Final = 5.0
"""A bot of another controller that was not heard within this time may never have been launched completely.

One that was polls again within that time.
"""

_GONE_SECONDS: Final = 30.0
"""How long after its grace period a bot that was given up counts, if nothing is heard of its end."""


class WarmCare:
    """Looks after the bots that no session has, by what was heard of them and when."""

    def __init__(
        self,
        *,
        bots: WarmBots,
        launches: WarmLaunches,
        histories: Histories,
        agents: Agents,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._bots = bots
        self._launches = launches
        self._histories = histories
        self._agents = agents
        self._limits = limits
        self._clock = clock
        self._listening_since = clock.monotonic()

    def excuse_silence(self) -> None:
        """Don't count time until now against bots: they could not be heard."""
        self._listening_since = self._clock.monotonic()

    def end_those_overdue(self, now: float) -> None:
        """End bots that don't become ready or have fallen silent; forget those that must be gone."""
        for each in self._bots.all():
            match each.stage:
                case WarmStage.STARTING:
                    waited = now - max(each.launched_at, self._listening_since)
                    if waited > self._limits.start_timeout:
                        self._launches.failed(
                            each.bot, f"It was not ready within {self._limits.start_timeout:g} s."
                        )
                        self._launches.retire(each)
                    elif each.may_be_partial and waited > PARTIAL_SECONDS:
                        self._launch_again(each)
                case WarmStage.READY:
                    heard = max(each.heard_at or 0.0, self._listening_since)
                    if not each.open_polls and now - heard > self._limits.silence:
                        self._launches.failed(each.bot, f"It was silent for {self._limits.silence:g} s.")
                        self._launches.retire(each)
                    else:
                        self._note_proof(each, now)
                case WarmStage.LEAVING:
                    since = now if each.leaves_at is None else each.leaves_at
                    if now - since > self._limits.grace + _GONE_SECONDS:
                        self._bots.gone(each)
                case WarmStage.CLAIMING:
                    pass

    def _launch_again(self, held: HeldBot) -> None:
        """Add what a bot lacks whose launch ended with its controller, such as its credentials."""
        self._bots.launched_again(held)
        version = self._agents.version(held.bot.agent, held.bot.agent_version)
        if version is not None:
            self._launches.repeat(held, version)

    def _note_proof(self, held: HeldBot, now: float) -> None:
        history = self._histories.of(held.bot.agent)
        ready_at = held.ready_at if held.ready_at is not None else now
        if history.failures.count and now - ready_at > PROVEN_SECONDS:
            history.proven()
