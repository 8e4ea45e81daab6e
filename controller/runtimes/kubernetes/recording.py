"""Writes what has become of sessions onto their Jobs, where the next controller and kubectl find it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from controller.core.clock import Clock
from controller.core.session import Session
from controller.runtimes.kubernetes.client.backoff import Backoff
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job
from controller.runtimes.kubernetes.job import names
from controller.runtimes.kubernetes.job.manifests import failure_event
from controller.runtimes.kubernetes.job.records import progress_patch
from podline.contract.reasons import Phase

log = logging.getLogger("podline.runtimes.kubernetes")

_AT_ONE_TIME: Final = 16
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 10.0


class Recorder:
    """Owns the writes that nobody waits for. The latest state of a session is the one that is written."""

    def __init__(
        self, place: NamespaceClient, clock: Clock, rng: random.Random, written: Callable[[Session], None]
    ) -> None:
        """`written` is told of each session whose end is on its Job, or has no Job to be written on."""
        self._place = place
        self._clock = clock
        self._rng = rng
        self._written = written
        self._pending: dict[str, Session] = {}
        self._turns = asyncio.Semaphore(_AT_ONE_TIME)

    @property
    def pending(self) -> int:
        """How many sessions are still to be written."""
        return len(self._pending)

    def put(self, session: Session, job_uid: str, tasks: asyncio.TaskGroup) -> None:
        """Have this written onto its Job, instead of what was to be written before."""
        is_under_way = session.launch_id in self._pending
        self._pending[session.launch_id] = session
        if not is_under_way:
            tasks.create_task(self._write(session.launch_id, job_uid))

    async def _write(self, launch_id: str, job_uid: str) -> None:
        backoff = Backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, self._rng)
        while True:
            session = self._pending[launch_id]
            try:
                async with self._turns:
                    session = self._pending[launch_id]
                    name = names.job_name(session.id)
                    job = await self._place.patch_job(name, job_uid, progress_patch(session))
                    if job is not None and session.phase is Phase.FAILED:
                        await self._tell_kubectl(session, job)
            except ApiError as error:
                log.warning("record not written", extra={"session_id": session.id, "error": str(error)})
                await asyncio.sleep(backoff.next(error.retry_after))
                continue
            if self._pending[launch_id] is session:
                del self._pending[launch_id]
                if session.phase.is_end:
                    self._written(session)
                return

    async def _tell_kubectl(self, session: Session, job: Job) -> None:
        """An Event on the Job, so that `kubectl describe` says why it failed. Not worth a second attempt."""
        if session.ending is None:
            return
        at = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        event = failure_event(job.metadata.name, job.metadata.uid, self._place.namespace, session.ending, at)
        try:
            await self._place.create_event(event)
        except ApiError as error:
            if not (isinstance(error, ApiRefused) and error.is_taken):
                log.warning("event not written", extra={"session_id": session.id, "error": str(error)})
