"""Launching of warm bots, and the end of those that no session shall have."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from controller.core.agents import AgentVersion
from controller.core.deadlines import Limits
from controller.core.errors import ControllerError, UnknownOutcome
from controller.core.pool_plan import OLDEST_SECONDS, WarmStage
from controller.core.primitives.clock import Clock
from controller.core.runtime import Runtime
from controller.core.warm import WarmBot, WarmLaunch
from controller.supervision.assignment import Assigner
from controller.supervision.warm.bots import HeldBot, WarmBots
from controller.supervision.warm.history import Histories

log = logging.getLogger("podline.pool")

_SPARE_SECONDS: Final = 600.0
"""How much longer than it is wanted a warm bot may exist: its successor may take a while to become ready."""

_AGAIN_SECONDS: Final = 2.0
"""Between two attempts to end a bot."""


class WarmLaunches:
    """Takes warm bots into the runtime and out of it, each until that is certain."""

    def __init__(  # noqa: PLR0913 - the parts it is composed of
        self,
        *,
        bots: WarmBots,
        histories: Histories,
        runtime: Runtime,
        assigner: Assigner,
        limits: Limits,
        clock: Clock,
        new_id: Callable[[], str],
        own: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`own` runs work in the background."""
        self._bots = bots
        self._histories = histories
        self._runtime = runtime
        self._assigner = assigner
        self._limits = limits
        self._clock = clock
        self._new_id = new_id
        self._own = own
        self._is_over = False

    def create(self, version: AgentVersion, given: str, now: float) -> None:
        """Start to launch a bot of this version. `given` stands for all else that it is given."""
        bot = WarmBot(
            launch_id=self._new_id(),
            agent=version.name,
            agent_version=version.id,
            created=self._clock.now(),
            given=given,
        )
        self._histories.of(version.name).launching(now)
        self._own(self._launch(self._bots.add(bot, now), version))

    def repeat(self, held: HeldBot, version: AgentVersion) -> None:
        """Launch a bot again whose launch another controller may not have finished. What exists stays."""
        self._own(self._repeat(held, version))

    def failed(self, bot: WarmBot, cause: str) -> None:
        """Note why a bot is of no use, so that the next is created after a pause."""
        self._histories.of(bot.agent).failed(cause, self._clock.monotonic())
        log.warning("warm bot failed", extra={**_about(bot), "problem": cause})

    def retire(self, held: HeldBot) -> None:
        """End a bot that no session has, in the background."""
        self._bots.leaves(held, self._clock.monotonic())
        self._own(self._end(held))

    async def give_up(self, held: HeldBot) -> None:
        """End a bot that was taken, and return once it is certain that it will serve no session.

        Raises:
            UnknownOutcome: it is not certain yet. It is tried again in the background.
        """
        self._bots.leaves(held, self._clock.monotonic())
        try:
            await self._runtime.give_up(held.launch_id)
        except UnknownOutcome:
            self._own(self._end(held, _AGAIN_SECONDS))
            raise

    async def end_all(self) -> None:
        """End all bots that no session has or is about to have, and those that are still being launched."""
        self._is_over = True
        waiting = [each for each in self._bots.all() if each.stage is not WarmStage.CLAIMING]
        for held in waiting:
            self._bots.leaves(held, self._clock.monotonic())
        await asyncio.gather(*(self._try_to_end(held) for held in waiting))

    async def _repeat(self, held: HeldBot, version: AgentVersion) -> None:
        try:
            await self._runtime.launch_warm(self._warm_launch(held.bot, version))
        except ControllerError as error:
            # Without what it lacks, it won't be ready in time.
            log.warning("warm bot not launched again", extra={**_about(held.bot), "problem": error.detail})

    def _warm_launch(self, bot: WarmBot, version: AgentVersion) -> WarmLaunch:
        deadline = OLDEST_SECONDS + _SPARE_SECONDS + self._limits.start_timeout
        return self._assigner.warm_launch(bot, version, deadline)

    async def _launch(self, held: HeldBot, version: AgentVersion) -> None:
        try:
            await self._runtime.launch_warm(self._warm_launch(held.bot, version))
        except UnknownOutcome as error:
            self.failed(held.bot, error.detail)
            self.retire(held)
        except ControllerError as error:
            self.failed(held.bot, error.detail)
            self._bots.gone(held)
        else:
            log.info("warm bot launched", extra=_about(held.bot))
            if self._is_over or held.stage is WarmStage.LEAVING:
                # It was given up before it existed.
                self.retire(held)
        finally:
            self._histories.of(version.name).answered()
            self._bots.changed()

    async def _end(self, held: HeldBot, pause_seconds: float = 0.0) -> None:
        """End a bot, and try until that is certain or it is gone."""
        while True:
            await asyncio.sleep(pause_seconds)
            if self._bots.find(held.launch_id) is not held or await self._try_to_end(held):
                return
            pause_seconds = _AGAIN_SECONDS

    async def _try_to_end(self, held: HeldBot) -> bool:
        try:
            await self._runtime.give_up(held.launch_id)
        except ControllerError as error:
            log.warning("warm bot not ended", extra={**_about(held.bot), "problem": error.detail})
            return False
        return True


def _about(bot: WarmBot) -> dict[str, Any]:
    return {"agent": bot.agent, "agent_version": bot.agent_version, "launch_id": bot.launch_id}
