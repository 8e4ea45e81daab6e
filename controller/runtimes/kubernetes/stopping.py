"""Sees a bot out: its Job is stopped for good, its pod asked to end, and forgotten where its node is dead."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

from controller.runtimes.kubernetes.backoff import Backoff
from controller.runtimes.kubernetes.bots import Bot
from controller.runtimes.kubernetes.errors import ApiError
from controller.runtimes.kubernetes.manifests import FAREWELL_SECONDS
from controller.runtimes.kubernetes.place import Place
from controller.runtimes.kubernetes.records import stop_patch
from controller.sessions import Ending

log = logging.getLogger("podline.runtimes.kubernetes")

DEAD_NODE_SECONDS: Final = 30.0
"""How long after its grace period a pod is waited for. One that is there then has no node that answers."""

_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0


class Stopper:
    """Stops bots in one place."""

    def __init__(self, place: Place, grace_seconds: float, pick: random.Random) -> None:
        self._place = place
        self._patience_seconds = grace_seconds + FAREWELL_SECONDS + DEAD_NODE_SECONDS
        self._pick = pick

    async def see_out(self, bot: Bot, intent: Ending) -> bool:
        """Return when the bot is gone; False where there is no Job, and so never was a bot.

        The Job is stopped first: that is durable and right in every state. The pod's own end is quicker, and
        works while nobody looks after Jobs.
        """
        job = await self._insist(bot, lambda: self._place.patch_job(bot.name, stop_patch(intent)))
        if job is None and bot.job is None and bot.pod is None:
            return False
        if job is not None and bot.job is not None and not bot.is_over:
            bot.job = job
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._until_gone(bot, grace_seconds=None)
        except TimeoutError:
            log.warning("pod forgotten by force", extra={"pod": bot.pod_name})
            await self._until_gone(bot, grace_seconds=0)
        return True

    async def _until_gone(self, bot: Bot, grace_seconds: int | None) -> None:
        while bot.pod_name is None and not bot.is_gone:
            await bot.change()
        if (pod_name := bot.pod_name) is not None and not bot.is_gone:
            await self._insist(bot, lambda: self._place.delete_pod(pod_name, grace_seconds=grace_seconds))
        while not bot.is_gone:
            await bot.change()

    async def _insist(self, bot: Bot, request: Callable[[], Awaitable[Any]]) -> Any:
        """Ask until there is an answer. None also where the API server refuses for good."""
        backoff = Backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, self._pick)
        while True:
            try:
                return await request()
            except ApiError as error:
                log.warning("stop not taken", extra={"job": bot.name, "error": str(error)})
                if not error.may_pass:
                    return bot.job
                await asyncio.sleep(backoff.next(error.retry_after))
