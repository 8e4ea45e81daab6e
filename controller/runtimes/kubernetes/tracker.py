"""The tracking of all bots in one namespace, by watches of their Jobs and pods."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any, Final

from tenacity import AsyncRetrying, retry_if_exception_type, wait_fixed

from controller.core.errors import RuntimeUnavailable
from controller.core.primitives.clock import Clock
from controller.core.runtime import Exit, Observation
from controller.core.session import Ending, Session
from controller.observe.logs import about
from controller.runtimes.kubernetes.bots import Bot, BotState
from controller.runtimes.kubernetes.client.errors import ApiError
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job, Pod, launch_of
from controller.runtimes.kubernetes.client.watch import Change, Gone, Listed, Seen
from controller.runtimes.kubernetes.client.watch_cache import WatchCache
from controller.runtimes.kubernetes.exit_evidence import scheduled_at
from controller.runtimes.kubernetes.failure_diagnostics import Diagnosis
from controller.runtimes.kubernetes.job.records import is_accounted, is_recorded, stop_patch
from controller.runtimes.kubernetes.job.warm_manifests import give_up_patch
from controller.runtimes.kubernetes.job_claimer import JobClaimer, needs_no_giving_up
from controller.runtimes.kubernetes.job_recognition import intent_on, recognise
from controller.runtimes.kubernetes.job_stopper import JobStopper
from controller.runtimes.observation_queue import ObservationQueue

log = logging.getLogger("podline.runtimes.kubernetes")

_PAUSE_SECONDS: Final = 1.0

_WATCHED: Final = frozenset({"jobs", "pods"})

_AT_ONE_TIME: Final = 50
"""How many bots are examined before other tasks get a turn: a few milliseconds."""

_HALF_OPEN_SECONDS: Final = 120.0
"""After this long even a watch that was half-open has been opened anew, twice."""

_LATE_SECONDS: Final = 600.0
"""How long the Job of an abandoned launch may still appear: ten times an API server's own timeout."""


class BotTracker:
    """Owns the bots. Changes of Jobs and pods are only recorded; all that takes time runs in tasks."""

    def __init__(  # noqa: PLR0913 - the parts it is composed of
        self,
        client: NamespaceClient,
        jobs: WatchCache[Job],
        pods: WatchCache[Pod],
        *,
        observations: ObservationQueue[Observation],
        stopper: JobStopper,
        claimer: JobClaimer,
        diagnosis: Diagnosis,
        clock: Clock,
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._pods = pods
        self._observations = observations
        self._stopper = stopper
        self._claimer = claimer
        self._diagnosis = diagnosis
        self._clock = clock
        self._bots: dict[str, Bot] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._lists_read: set[str] = set()
        self._is_synced = False
        self._began: float | None = None
        self.has_introduced = False

    @property
    def is_running(self) -> bool:
        return self._tasks is not None

    async def run(self) -> None:
        """Watch Jobs and pods for as long as this is awaited."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._began = asyncio.get_running_loop().time()
                self._tasks.create_task(self._watch_jobs())
                self._tasks.create_task(self._watch_pods())
        finally:
            self._tasks = None

    def find(self, launch_id: str) -> Bot | None:
        return self._bots.get(launch_id)

    def bot(self, launch_id: str, job_name: str) -> Bot:
        """Return the bot of a launch; create it if it is not known yet."""
        bot = self._bots.get(launch_id)
        if bot is None:
            bot = self._bots[launch_id] = Bot(launch_id, job_name)
        bot.name = bot.name or job_name
        return bot

    async def look_for(self, launch_id: str) -> None:
        """Look for a Job that no watch has shown yet: a half-open one may have hidden it from a new leader.

        Raises:
            RuntimeUnavailable: the API server does not answer.
        """
        began = self._began
        now = asyncio.get_running_loop().time()
        if launch_id in self._bots or began is None or now - began > _HALF_OPEN_SECONDS:
            return
        try:
            job = await self._client.find_launch(launch_id)
        except ApiError as error:
            raise RuntimeUnavailable(f"The bot's Job can't be looked for. {error}") from error
        if job is not None and launch_id not in self._bots:
            log.info("launch found by its bot", extra={"job": job.metadata.name})
            self._job_seen(job)
            await self._observations.emptied()

    def start(self, work: Coroutine[Any, Any, None], session_id: str | None) -> None:
        """Run this in the background, with the session in its log lines; drop it if `run` is not awaited."""
        if self._tasks is None:
            work.close()
            return
        with about(session_id):
            self._tasks.create_task(work)

    def stop(self, bot: Bot, intent: Ending, session: Session) -> None:
        """Ask a session's bot to leave, unless that is already in progress."""
        if self.is_running and bot.asked_to_leave(intent):
            self.start(self._stop(bot, stop_patch(intent, session)), bot.session_id)

    def abandon(self, bot: Bot) -> bool:
        """Remember for a while that a launch came to nothing. Return whether that is new."""
        is_news = bot.abandon()
        if is_news:
            self.start(self._forget_later(bot), bot.session_id)
        return is_news

    def recorded(self, session: Session) -> None:
        """The end of a session is on its Job, or can't be written there: drop its bot's details."""
        if session.phase.is_end and (bot := self._bots.get(session.launch_id)):
            bot.drop_details()

    # --- changes: only recorded, and looked at ---

    async def _watch_jobs(self) -> None:
        async with aclosing(self._jobs.changes()) as changes:
            async for change in changes:
                self.take_job(change)

    async def _watch_pods(self) -> None:
        async with aclosing(self._pods.changes()) as changes:
            async for change in changes:
                self._take_pod(change)

    def take_job(self, change: Change[Job]) -> None:
        match change:
            case Seen(object=job):
                self._job_seen(job)
            case Gone():
                if bot := self._bots.get(change.launch_id):
                    bot.job_gone(change.object)
                    self.look(bot)
            case Listed():
                self._listed("jobs")

    def _take_pod(self, change: Change[Pod]) -> None:
        match change:
            case Seen(object=pod):
                bot = self.bot(launch_of(pod.metadata), "")
                bot.pod_seen(pod)
                self.look(bot)
            case Gone():
                if known := self._bots.get(change.launch_id):
                    known.pod_gone(change.object)
                    self.look(known)
            case Listed():
                self._listed("pods")

    def _job_seen(self, job: Job) -> None:
        bot = self.bot(launch_of(job.metadata), job.metadata.name)
        if bot.state is BotState.ABANDONED:
            self._clear_away(bot, job)
        else:
            if (news := recognise(bot, job)) is not None:
                self._observations.put(news)
            if bot.is_known:
                bot.job_seen(job)
        self.look(bot)

    def _listed(self, kind: str) -> None:
        """Start to look at bots once both Jobs and pods are known: one without the other would mislead."""
        self._lists_read.add(kind)
        if not self._is_synced and self._lists_read == _WATCHED:
            self._is_synced = True
            self.start(self._introduce(), None)

    async def _introduce(self) -> None:
        """Look at all bots that were found, a few at a time, so that probes and running calls don't wait."""
        for number, bot in enumerate(list(self._bots.values())):
            self.look(bot)
            if number % _AT_ONE_TIME == 0:
                await asyncio.sleep(0)
        await self._observations.emptied()
        self.has_introduced = True

    def look(self, bot: Bot) -> None:
        """Observe what is new about a bot, and start what follows from it."""
        if not self._is_synced or not self.is_running:
            return
        bot.wake()
        if bot.is_known and not bot.is_over:
            self._observe(bot)
        if bot.is_forgettable:
            self._bots.pop(bot.launch_id, None)

    def _observe(self, bot: Bot) -> None:
        if not bot.is_scheduled and bot.pod is not None and (at := scheduled_at(bot.pod)) is not None:
            bot.is_scheduled = True
            # For what happened before we watched there is only the cluster's own time, in whole seconds.
            at = at if bot.was_found else self._clock.now()
            self._observations.put(Observation(launch_id=bot.launch_id, scheduled=at))
        if (lacking := bot.pod_lacks()) is not None:
            self.start(self._claimer.mark_pod(bot, lacking), bot.session_id)
        if bot.has_to_be_ended():
            self.start(self._stop(bot, give_up_patch(), needs_no_giving_up), None)
        intent = intent_on(bot.job) if bot.job is not None else None
        if intent is not None and bot.asked_to_leave(intent):
            self._observations.put(Observation(launch_id=bot.launch_id, intent=intent))
            self.start(self._stop(bot, stop_patch(intent)), bot.session_id)
        if bot.conclude():
            self.start(self._conclude(bot), bot.session_id)

    # --- the end of a bot ---

    async def _stop(
        self, bot: Bot, patch: dict[str, Any], unless: Callable[[Job], bool] = is_accounted
    ) -> None:
        if not await self._stopper.stop(bot, patch, unless) and self.abandon(bot):
            self._observations.put(Observation(launch_id=bot.launch_id, exit=Exit(at=self._clock.now())))

    async def _conclude(self, bot: Bot) -> None:
        """Report how a bot ended, once there is nothing more to learn about it."""
        if bot.pod is None:
            await self._find_pod(bot)
        exit_ = await self._diagnosis.examine(bot)
        bot.ended()
        self._observations.put(Observation(launch_id=bot.launch_id, exit=exit_))
        self.look(bot)

    async def _find_pod(self, bot: Bot) -> None:
        """Look for a pod that no watch has shown; if there is one, wait for its end.

        Of a Job that is gone, it is to end too. Its node may be dead, and then nobody else ends it.
        """
        await _retrying()(self._look_for_pod, bot)
        if bot.pod is not None and bot.job_is_gone:
            await self._stopper.end_pod(bot)
        while bot.pod is not None and not bot.pod_has_ended:
            await bot.change()

    async def _look_for_pod(self, bot: Bot) -> None:
        if bot.pod is not None:
            return
        try:
            pod = await self._client.find_pod(bot.launch_id)
        except ApiError as error:
            log.warning("pod not looked for", extra={"job": bot.name, "error": str(error)})
            raise
        if pod is not None:
            self._take_pod(Seen(pod))

    # --- launches that came to nothing ---

    async def _forget_later(self, bot: Bot) -> None:
        await asyncio.sleep(_LATE_SECONDS)
        if self._bots.get(bot.launch_id) is bot:
            del self._bots[bot.launch_id]

    def _clear_away(self, bot: Bot, job: Job) -> None:
        """Delete a Job that appeared too late: its session is over, and it never got its Secret.

        If something is recorded on it, another controller has found it and launched it again.
        """
        is_under_way = bot.job is not None and bot.job.metadata.uid == job.metadata.uid
        if self.is_running and not is_under_way:
            with about(bot.session_id):
                log.warning("late job cleared away", extra={"job": job.metadata.name})
            bot.job = job
            self.start(_retrying()(self._delete, job), bot.session_id)

    async def _delete(self, job: Job) -> None:
        try:
            await self._client.delete_job(job, unless=is_recorded)
        except ApiError as error:
            log.warning("late job not deleted", extra={"job": job.metadata.name, "error": str(error)})
            raise


def _retrying() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(ApiError), wait=wait_fixed(_PAUSE_SECONDS), sleep=asyncio.sleep
    )
