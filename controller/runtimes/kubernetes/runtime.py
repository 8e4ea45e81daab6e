"""Runs bots as Kubernetes Jobs: launches them, follows Jobs and pods, sees them out, keeps their records."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from functools import partial
from typing import Any, Final

from controller.core.clock import Clock
from controller.core.endings import ending_for
from controller.core.errors import RuntimeUnavailable, SessionConflict
from controller.core.runtime import Exit, Launch, Observation
from controller.core.session import Ending, Session
from controller.core.tracing import Tracing, Untraced
from controller.observe.logs import about
from controller.runtimes.kubernetes.bots import Bot
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job, Pod, launch_of, lean_job, lean_pod
from controller.runtimes.kubernetes.client.watch import WATCH_SECONDS, Watcher
from controller.runtimes.kubernetes.diagnosis import Diagnosis
from controller.runtimes.kubernetes.dry_run import Probe
from controller.runtimes.kubernetes.job import names
from controller.runtimes.kubernetes.job.manifests import EXAMPLE, session_job
from controller.runtimes.kubernetes.job.records import read_intent, read_session
from controller.runtimes.kubernetes.job.template import JobTemplate
from controller.runtimes.kubernetes.launching import Launcher
from controller.runtimes.kubernetes.recording import Recorder
from controller.runtimes.kubernetes.status import (
    has_begun,
    held_up,
    is_waiting,
    scheduled_at,
)
from controller.runtimes.kubernetes.stopping import Stopper
from controller.runtimes.log import nothing
from controller.runtimes.observation_queue import ObservationQueue
from podline.contract.reasons import Reason

log = logging.getLogger("podline.runtimes.kubernetes")

_PAUSE_SECONDS: Final = 1.0

_AT_ONE_TIME: Final = 50
"""Sessions that are taken over at one go: some milliseconds."""

_LATE_SECONDS: Final = 600.0
"""How long a Job of a launch that came to nothing may still show up: ten times an API server's patience."""


class KubernetesRuntime:
    """One namespace whose bots are ours."""

    outlives_us = True

    def __init__(  # noqa: PLR0913 - what it is put together from
        self,
        *,
        api: Api,
        namespace: str,
        template: JobTemplate,
        grace_seconds: float,
        keep_ended_seconds: float,
        clock: Clock,
        rng: random.Random,
        watch_seconds: float = WATCH_SECONDS,
        tracing: Tracing | None = None,
    ) -> None:
        """Prepare; nothing is asked.

        Args:
            api: the API server.
            namespace: where Jobs are made.
            template: of each Job.
            grace_seconds: from the request to leave until a bot is killed.
            keep_ended_seconds: how long a Job outlives its bot.
            clock: says when something was seen.
            rng: spreads pauses.
            watch_seconds: how long one watch lasts.
            tracing: takes the steps of a launch.
        """
        self._template = template
        self._grace_seconds = grace_seconds
        self._keep_ended_seconds = keep_ended_seconds
        self._clock = clock
        self._api = api
        self._place = NamespaceClient(api, namespace)
        self._launcher = Launcher(self._place, rng, self._is_dead, tracing or Untraced())
        self._stopper = Stopper(self._place, grace_seconds, rng)
        self._recorder = Recorder(self._place, clock, rng, self._recorded)
        self._diagnosis = Diagnosis(self._place, clock)
        self._probe = Probe(self._place, self._manifest(EXAMPLE))
        self._bots: dict[str, Bot] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._observations = ObservationQueue()
        self._is_synced = self._has_introduced = False
        watcher = partial(
            Watcher, api, selector=names.LAUNCH_ID, synced=self._listed, rng=rng, watch_seconds=watch_seconds
        )
        self._jobs = watcher(self._place.jobs, Job, seen=self._job_seen, gone=self._job_gone)
        self._pods = watcher(self._place.pods, Pod, seen=self._pod_seen, gone=self._pod_gone)

    @property
    def watchers(self) -> Mapping[str, Watcher[Job] | Watcher[Pod]]:
        """What is followed, by the name of its resource."""
        return {"jobs": self._jobs, "pods": self._pods}

    @property
    def writes_pending(self) -> int:
        """How many records are still to be written onto their Jobs."""
        return self._recorder.pending

    # --- the Protocol ---

    def watch(self) -> AsyncGenerator[Observation, None]:
        return self._observations.read_during(self._run())

    async def _run(self) -> None:
        try:
            async with self._api, asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._jobs.run())
                self._tasks.create_task(self._pods.run())
                self._tasks.create_task(self._probe.run())
        finally:
            self._tasks = None

    def not_ready_reason(self) -> str | None:
        if self._tasks is None:
            return "The cluster is not followed."
        for not_ready_reason in (
            self._probe.not_ready_reason,
            self._jobs.not_ready_reason,
            self._pods.not_ready_reason,
        ):
            if not_ready_reason is not None:
                return f"Bots can't be launched or followed right now. {not_ready_reason}"
        return None if self._has_introduced else "The sessions that run are being found again."

    async def launch(self, launch: Launch) -> None:
        launch_id = launch.session.launch_id
        manifest = self._manifest(launch)
        # Known before it is made: the watch may tell of it before the answer does.
        bot = self._bot(launch_id, manifest["metadata"]["name"])
        bot.is_known = True
        bot.session_id = launch.session.id
        bot.secrets = tuple((launch.secrets or {}).values())
        bot.is_launching = True
        try:
            job = await self._launcher.launch(launch, manifest)
        except (RuntimeUnavailable, SessionConflict):
            if not bot.is_found:
                self._bury(bot)
            raise
        finally:
            bot.is_launching = False
            self._look(bot)
        if bot.job is None:
            self._job_seen(job)

    async def stop(self, launch_id: str, intent: Ending) -> None:
        bot = self._bots.get(launch_id)
        if bot is None or bot.is_over or self._tasks is None:
            return
        is_under_way = bot.intent is not None
        bot.intent = bot.intent or intent
        if not is_under_way:
            self._begin(bot, self._see_out(bot, bot.intent), self._tasks)

    def record(self, session: Session) -> None:
        bot = self._bots.get(session.launch_id)
        if bot is None or self._tasks is None:
            return
        if bot.job is None or bot.job_is_gone:
            self._recorded(session)
        else:
            self._recorder.put(session, bot.job.metadata.uid, self._tasks)

    async def logs(self, launch_id: str, *, follow: bool) -> AsyncIterator[bytes]:
        bot = self._bots.get(launch_id)
        while bot is not None:
            if bot.pod_name is not None and not bot.pod_is_gone:
                pieces = self._place.log(bot.pod_name, follow=follow)
                try:
                    await anext(pieces)
                except ApiRefused as error:
                    if error.status not in (400, 404):
                        raise RuntimeUnavailable(f"The log can't be read. {error}") from error
                except ApiError as error:
                    raise RuntimeUnavailable(f"The log can't be read. {error}") from error
                else:
                    return _until_broken(pieces)
            if not follow or bot.is_gone:
                break
            # Its container has not begun. What changed while that was asked is seen a little later.
            await bot.change(_PAUSE_SECONDS)
        return nothing()

    def _manifest(self, launch: Launch) -> dict[str, Any]:
        return session_job(
            self._template,
            launch,
            grace_seconds=self._grace_seconds,
            keep_ended_seconds=self._keep_ended_seconds,
        )

    # --- what the watches tell: only recorded, and looked at ---

    def _job_seen(self, job: Job) -> None:
        bot = self._bot(launch_of(job.metadata), job.metadata.name)
        if bot.is_dead:
            self._clear_away(bot, job)
        elif not bot.is_over and self._is_introduced(bot, job):
            bot.job = lean_job(job)
        self._look(bot)

    def _job_gone(self, launch_id: str, _: str, job: Job | None) -> None:
        if bot := self._bots.get(launch_id):
            bot.job = bot.job if bot.is_over or job is None else lean_job(job)
            bot.job_is_gone = True
            self._look(bot)

    def _pod_seen(self, pod: Pod) -> None:
        bot = self._bot(launch_of(pod.metadata), "")
        bot.pod_name = pod.metadata.name
        if not bot.is_over:
            bot.pod = lean_pod(pod)
            bot.held_up = held_up(pod) if is_waiting(pod) else None if has_begun(pod) else bot.held_up
        self._look(bot)

    def _pod_gone(self, launch_id: str, _: str, pod: Pod | None) -> None:
        if bot := self._bots.get(launch_id):
            bot.pod = bot.pod if bot.is_over or pod is None else lean_pod(pod)
            bot.pod_is_gone = True
            self._look(bot)

    def _bot(self, launch_id: str, job_name: str) -> Bot:
        bot = self._bots.get(launch_id)
        if bot is None:
            bot = self._bots[launch_id] = Bot(launch_id, job_name)
        bot.name = bot.name or job_name
        return bot

    def _listed(self) -> None:
        """Begin to look at bots once Jobs and pods are known: one without the other would mislead."""
        if self._is_synced or not (self._jobs.is_listed and self._pods.is_listed):
            return
        self._is_synced = True
        if self._tasks is not None:
            self._tasks.create_task(self._introduce())

    async def _introduce(self) -> None:
        """Look at all bots that were found, a few at a time: probes and calls that run are not to wait."""
        for number, bot in enumerate(list(self._bots.values())):
            self._look(bot)
            if number % _AT_ONE_TIME == 0:
                await asyncio.sleep(0)
        await self._observations.emptied()
        self._has_introduced = True

    def _look(self, bot: Bot) -> None:
        """Tell the supervisor what is new about a bot."""
        if not self._is_synced or self._tasks is None:
            return
        bot.wake()
        if bot.is_known and not bot.is_over:
            self._tell_news(bot, self._tasks)
        has_gone = bot.job_is_gone and (bot.pod_name is None or bot.pod_is_gone)
        if has_gone and (bot.is_over or not bot.is_known) and not bot.is_dead:
            self._bots.pop(bot.launch_id, None)

    def _is_introduced(self, bot: Bot, job: Job) -> bool:
        """Make the supervisor know a session that another controller has launched. False where it is over."""
        if bot.is_known:
            return True
        session = read_session(job)
        if session is None:
            return False
        bot.is_known = bot.is_found = True
        bot.session_id = session.id
        bot.is_over = session.phase.is_end
        self._observations.put(Observation(launch_id=bot.launch_id, found=session))
        if bot.is_over:
            bot.let_go()
        return not bot.is_over

    def _tell_news(self, bot: Bot, tasks: asyncio.TaskGroup) -> None:
        if not bot.is_scheduled and bot.pod is not None and (at := scheduled_at(bot.pod)) is not None:
            bot.is_scheduled = True
            # What happened before we looked has only the cluster's own time, in whole seconds.
            self._observations.put(
                Observation(launch_id=bot.launch_id, scheduled=at if bot.is_found else self._clock.now())
            )
        intent = _intent_on(bot.job) if bot.job is not None and bot.intent is None else None
        if intent is not None:
            bot.intent = intent
            self._observations.put(Observation(launch_id=bot.launch_id, intent=intent))
            self._begin(bot, self._see_out(bot, intent), tasks)
        # A Job that goes while it is launched may have been taken back: the launch's own outcome tells.
        if bot.is_gone and not bot.is_concluding and not bot.is_launching:
            bot.is_concluding = True
            self._begin(bot, self._conclude(bot), tasks)

    def _begin(self, bot: Bot, work: Coroutine[Any, Any, None], tasks: asyncio.TaskGroup) -> None:
        """Have something done for a bot, and each line of the log about it name the session."""
        with about(bot.session_id):
            tasks.create_task(work)

    # --- the end of a bot ---

    async def _see_out(self, bot: Bot, intent: Ending) -> None:
        if not await self._stopper.see_out(bot, intent) and not bot.is_over:
            self._bury(bot)
            self._observations.put(Observation(launch_id=bot.launch_id, exit=Exit(at=self._clock.now())))

    async def _conclude(self, bot: Bot) -> None:
        """Tell how a bot ended, once nothing more can be learnt of it."""
        if bot.pod is None:
            await self._find_pod(bot)
        exit_ = await self._diagnosis.examine(bot)
        bot.is_over = True
        self._observations.put(Observation(launch_id=bot.launch_id, exit=exit_))
        self._look(bot)

    async def _find_pod(self, bot: Bot) -> None:
        """Look for a pod that no watch has told of; wait for its end where there is one."""
        while bot.pod is None:
            try:
                pod = await self._place.find_pod(bot.launch_id)
            except ApiError as error:
                log.warning("pod not looked for", extra={"job": bot.name, "error": str(error)})
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if pod is None:
                return
            self._pod_seen(pod)
        while not bot.pod_has_ended:
            await bot.change()

    def _recorded(self, session: Session) -> None:
        """The end of a session is on its Job, or nowhere: what is known of its bot may go."""
        if session.phase.is_end and (bot := self._bots.get(session.launch_id)):
            bot.let_go()

    def _bury(self, bot: Bot) -> None:
        """Remember for a while that a launch came to nothing."""
        bot.is_dead = bot.is_over = True
        if self._tasks is not None:
            self._tasks.create_task(self._forget_later(bot))

    async def _forget_later(self, bot: Bot) -> None:
        await asyncio.sleep(_LATE_SECONDS)
        if self._bots.get(bot.launch_id) is bot:
            del self._bots[bot.launch_id]

    def _is_dead(self, launch_id: str) -> bool:
        bot = self._bots.get(launch_id)
        return bot is not None and bot.is_dead

    def _clear_away(self, bot: Bot, job: Job) -> None:
        """Delete a Job that came too late: its session is over, and it never got its Secret."""
        is_under_way = bot.job is not None and bot.job.metadata.uid == job.metadata.uid
        if self._tasks is not None and not is_under_way:
            with about(bot.session_id):
                log.warning("late job cleared away", extra={"job": job.metadata.name})
            bot.job = job
            self._begin(bot, self._delete(job), self._tasks)

    async def _delete(self, job: Job) -> None:
        while True:
            try:
                await self._place.delete_job(job.metadata.name, job.metadata.uid)
            except ApiError as error:
                log.warning("late job not deleted", extra={"job": job.metadata.name, "error": str(error)})
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return


def _intent_on(job: Job) -> Ending | None:
    """Why a bot must leave, as its Job tells: stopped by an earlier controller or by kubectl, or suspended.

    A Job that was suspended has lost its bot, and would start a second one when it goes on.
    """
    if (intent := read_intent(job.metadata)) is not None:
        return intent
    return ending_for(Reason.VANISHED) if job.spec.suspend else None


async def _until_broken(pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """A log to its end, or to where the connection broke: what was sent can't be taken back."""
    try:
        async for piece in pieces:
            yield piece
    except ApiError as error:
        log.warning("log broke off", extra={"error": str(error)})
