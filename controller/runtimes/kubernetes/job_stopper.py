"""Stopping a bot on request: its Job is stopped for good, then its pod deleted, by force on a dead node."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from tenacity import AsyncRetrying, retry_if_exception_type

from controller.core.primitives.backoff import RetryWait
from controller.runtimes.kubernetes.bots import Bot
from controller.runtimes.kubernetes.client.errors import ApiError
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job, Pod
from controller.runtimes.kubernetes.exit_evidence import has_ended
from controller.runtimes.kubernetes.job.manifests import FAREWELL_SECONDS
from controller.runtimes.kubernetes.job.records import is_accounted

log = logging.getLogger("podline.runtimes.kubernetes")

DEAD_NODE_SECONDS: Final = 30.0
"""How long to wait for a pod after its grace period. If it still exists then, its node does not answer."""

_DeletePod = Callable[[Pod], Awaitable[None]]

_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0


class JobStopper:
    """Stops bots in one namespace."""

    def __init__(self, client: NamespaceClient, grace_seconds: float, rng: random.Random) -> None:
        self._client = client
        self._patience_seconds = grace_seconds + FAREWELL_SECONDS + DEAD_NODE_SECONDS
        self._backoff = RetryWait(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, rng)

    async def stop(
        self, bot: Bot, patch: dict[str, Any], unless: Callable[[Job], bool] = is_accounted
    ) -> bool:
        """Return once the bot is gone; False if there is no Job, so that there never was a bot.

        `patch` stops the Job, `unless` its state shows that this is done or rules it out. That comes first,
        because it is durable and right in every state. Deleting the pod is quicker, and works while the
        controller manager is away.
        """
        job: Job | None = await self._retrying(bot)(self._stop_job, bot, patch, unless)
        if job is None and bot.job is None and bot.pod is None:
            return False
        if job is not None and is_accounted(job) and has_ended(job):
            # Another controller has seen it end. Its pod is left for its log.
            return True
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._end_pod(bot, self._client.delete_pod)
        except TimeoutError:
            log.warning("pod forgotten by force", extra={"pod": bot.pod_name})
            await self._end_pod(bot, self._client.forget_pod)
        return True

    def _retrying(self, bot: Bot) -> AsyncRetrying:
        """Return retries without a limit. A change of the bot cuts a pause short."""
        return AsyncRetrying(retry=retry_if_exception_type(ApiError), wait=self._backoff, sleep=bot.change)

    async def _stop_job(self, bot: Bot, patch: dict[str, Any], unless: Callable[[Job], bool]) -> Job | None:
        """Stop the Job, unless the bot is gone. Return None if there is no Job."""
        if bot.is_gone:
            return bot.job
        seen = bot.job
        try:
            job = seen or await self._client.find_own_job(bot.name, bot.launch_id)
            if job is not None:
                job = await self._client.patch_job(job, patch, unless=unless)
        except ApiError as error:
            log.warning("stop not taken", extra={"job": bot.name, "error": str(error)})
            if not error.may_pass and bot.pod is not None:
                with suppress(ApiError):
                    await self._delete_pod(bot, self._client.delete_pod)
            raise
        if job is not None:
            bot.job_written(job, seen)
        return job

    async def _end_pod(self, bot: Bot, delete: _DeletePod) -> None:
        """Delete the pod, even if it appears only now. Return once the bot is gone."""
        while bot.pod is None and not bot.is_gone:
            await bot.change()
        await self._retrying(bot)(self._delete_pod, bot, delete)
        while not bot.is_gone:
            await bot.change()

    async def _delete_pod(self, bot: Bot, delete: _DeletePod) -> None:
        if bot.is_gone or bot.pod is None:
            return
        try:
            await delete(bot.pod)
        except ApiError as error:
            log.warning("stop not taken", extra={"job": bot.name, "error": str(error)})
            raise
