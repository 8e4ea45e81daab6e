"""Records of sessions, written to their Jobs for the next controller and for kubectl."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from tenacity import AsyncRetrying, retry_if_exception_type

from controller.core.primitives.backoff import RetryWait
from controller.core.primitives.clock import Clock
from controller.core.session import Session
from controller.runtimes.kubernetes.bots import Bot
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job
from controller.runtimes.kubernetes.job.manifests import failure_event
from controller.runtimes.kubernetes.job.records import is_accounted, progress_patch
from podline.contract.reasons import Phase

log = logging.getLogger("podline.runtimes.kubernetes")

_AT_ONE_TIME: Final = 16
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 10.0


class JobRecorder:
    """Writes sessions in the background, each in its latest state. An end that is recorded stays as it is."""

    def __init__(
        self, client: NamespaceClient, clock: Clock, rng: random.Random, written: Callable[[Session], None]
    ) -> None:
        """`written` receives each session once an end is on its Job, or its Job is gone."""
        self._client = client
        self._clock = clock
        self._backoff = RetryWait(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, rng)
        self._written = written
        self._pending: dict[str, Session] = {}
        self._turns = asyncio.Semaphore(_AT_ONE_TIME)

    @property
    def pending(self) -> int:
        """How many sessions are still to be written."""
        return len(self._pending)

    def put(self, session: Session) -> bool:
        """Replace a session's pending write. Return whether `write` must be started for it."""
        is_under_way = session.launch_id in self._pending
        self._pending[session.launch_id] = session
        return not is_under_way

    async def write(self, bot: Bot, job: Job) -> None:
        """Write a bot's pending session to its Job, until the Job has the latest state."""
        launch_id = bot.launch_id
        while True:
            retrying = AsyncRetrying(
                retry=retry_if_exception_type(ApiError), wait=self._backoff, sleep=asyncio.sleep
            )
            session: Session = await retrying(self._write_latest, bot, job)
            if session is self._pending[launch_id]:
                break
        del self._pending[launch_id]
        if session.phase.is_end:
            self._written(session)

    async def _write_latest(self, bot: Bot, job: Job) -> Session:
        async with self._turns:
            session, seen = self._pending[bot.launch_id], bot.job
            try:
                now = await self._client.patch_job(seen or job, progress_patch(session), unless=is_accounted)
            except ApiError as error:
                log.warning("record not written", extra={"session_id": session.id, "error": str(error)})
                raise
            if now is not None:
                bot.job_written(now, seen)
                if session.phase is Phase.FAILED:
                    await self._create_event(session, now)
        return session

    async def _create_event(self, session: Session, job: Job) -> None:
        """Create an Event on the Job, once, so that `kubectl describe` shows why it failed."""
        if session.ending is None or job.metadata.labels.reason != session.ending.reason:
            # Another controller has recorded another end.
            return
        at = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        event = failure_event(job.metadata.name, job.metadata.uid, self._client.namespace, session.ending, at)
        try:
            await self._client.create_event(event)
        except ApiError as error:
            if not (isinstance(error, ApiRefused) and error.is_taken):
                log.warning("event not written", extra={"session_id": session.id, "error": str(error)})
