"""Bots as Kubernetes Jobs in one namespace."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from typing import Any

from controller.core.errors import NotClaimed, RuntimeUnavailable, SessionConflict, UnknownOutcome
from controller.core.primitives.clock import Clock
from controller.core.runtime import Launch, Observation
from controller.core.session import Ending, Session
from controller.core.tracing import Tracing, Untraced
from controller.core.warm import WarmLaunch
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.bots import Bot, BotState
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.collection import Collection, WatchHealth
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job, Pod
from controller.runtimes.kubernetes.client.watch import WATCH_SECONDS, Seen, Watch
from controller.runtimes.kubernetes.client.watch_cache import WatchCache
from controller.runtimes.kubernetes.dry_run import DryRun
from controller.runtimes.kubernetes.failure_diagnostics import Diagnosis
from controller.runtimes.kubernetes.installation import NamespaceInstallation
from controller.runtimes.kubernetes.job.manifests import EXAMPLE, session_job
from controller.runtimes.kubernetes.job.template import JobTemplate
from controller.runtimes.kubernetes.job.warm_manifests import warm_job
from controller.runtimes.kubernetes.job_claimer import JobClaimer
from controller.runtimes.kubernetes.job_launcher import JobLauncher
from controller.runtimes.kubernetes.job_recorder import JobRecorder
from controller.runtimes.kubernetes.job_stopper import JobStopper
from controller.runtimes.kubernetes.pod_logs import read_log
from controller.runtimes.kubernetes.tracker import BotTracker
from controller.runtimes.observation_queue import ObservationQueue
from podline.contract.reasons import Phase


class KubernetesRuntime:
    """One namespace in which every Job with our label is a bot of this controller."""

    outlives_us = True

    def __init__(  # noqa: PLR0913 - the parts it is composed of
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
        """Send nothing yet.

        Args:
            api: the API server.
            namespace: where Jobs are created.
            template: of each Job.
            grace_seconds: from the request to leave until a bot is killed.
            keep_ended_seconds: how long a Job outlives its bot.
            clock: gives the time of each observation.
            rng: spreads pauses.
            watch_seconds: how long one watch lasts.
            tracing: records the steps of a launch.
        """
        self._template = template
        self._durations = {"grace_seconds": grace_seconds, "keep_ended_seconds": keep_ended_seconds}
        self._api = api
        self._client = client = NamespaceClient(api, namespace)
        self._jobs = WatchCache(
            Watch(Collection(api, client.jobs, Job, names.OF_SESSIONS), rng, watch_seconds=watch_seconds),
            keeps_gone=_was_in_use,
        )
        self._pods = WatchCache(
            Watch(Collection(api, client.pods, Pod, names.OF_SESSIONS), rng, watch_seconds=watch_seconds)
        )
        self._is_followed = False
        self._observations: ObservationQueue[Observation] = ObservationQueue()
        self._claimer = JobClaimer(client, clock, rng)
        self._tracker = BotTracker(
            client,
            self._jobs,
            self._pods,
            observations=self._observations,
            stopper=JobStopper(client, grace_seconds, rng),
            claimer=self._claimer,
            diagnosis=Diagnosis(client, clock),
            clock=clock,
        )
        self._launcher = JobLauncher(client, rng, self._is_abandoned, tracing or Untraced())
        self._recorder = JobRecorder(client, clock, rng, self._tracker.recorded)
        self._dry_run = DryRun(client, self._manifest(EXAMPLE))
        self._installation = NamespaceInstallation(client)

    @property
    def watches(self) -> Mapping[str, WatchHealth]:
        """The health of each watch, by the name of its resource."""
        return {"jobs": self._jobs.health, "pods": self._pods.health}

    @property
    def writes_pending(self) -> int:
        """How many records are still to be written to their Jobs."""
        return self._recorder.pending

    def installation_id(self) -> str:
        return self._installation.id

    def watch(self) -> AsyncGenerator[Observation, None]:
        return self._observations.read_during(self._run())

    async def follow(self) -> None:
        """Watch Jobs and pods without acting, for as long as this is awaited, so that `watch` begins at once.

        Harmless if `watch` is read or this is awaited elsewhere already.
        """
        if self._is_followed:
            return
        self._is_followed = True
        try:
            async with self._api, asyncio.TaskGroup() as tasks:
                for part in (self._dry_run, self._installation, self._jobs, self._pods):
                    tasks.create_task(part.run())
        finally:
            self._is_followed = False

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.follow())
            await self._tracker.run()

    def not_ready_reason(self) -> str | None:
        if not self._tracker.is_running:
            return "The cluster is not being watched."
        return self.why_not_following() or (
            None if self._tracker.has_introduced else "The controller is still finding the running sessions."
        )

    def why_not_following(self) -> str | None:
        """Return why this controller could not launch or watch bots, as a sentence; None if it could."""
        for part in (self._dry_run, self._installation, self._jobs.health, self._pods.health):
            if part.not_ready_reason is not None:
                return f"Bots can't be launched or watched right now. {part.not_ready_reason}"
        return None

    async def look_for(self, launch_id: str) -> None:
        await self._tracker.look_for(launch_id)

    async def launch(self, launch: Launch) -> None:
        manifest = self._manifest(launch)
        # Known before it is created: the watch may show the Job before the API server answers.
        bot = self._tracker.bot(launch.session.launch_id, manifest["metadata"]["name"])
        if bot.name != manifest["metadata"]["name"]:
            # A warm bot that the session has claimed: a Job of its own would be a second bot.
            return
        bot.launching(launch.session.id, (launch.secrets or {}).values())
        await self._settled(bot, self._launcher.launch(launch, manifest))

    async def launch_warm(self, launch: WarmLaunch) -> None:
        manifest = warm_job(self._template, launch, **self._durations)
        bot = self._tracker.bot(launch.bot.launch_id, manifest["metadata"]["name"])
        if bot.intent is not None or bot.is_over:
            raise RuntimeUnavailable("The warm bot was given up, or is gone.")
        bot.launching(None, launch.secrets.values())
        await self._settled(bot, self._launcher.launch_warm(launch, manifest))

    async def _settled(self, bot: Bot, launching: Awaitable[Job]) -> None:
        """Have the tracker know what becomes of a launch, and return once that is certain."""
        try:
            job = await launching
        except (RuntimeUnavailable, SessionConflict):
            if not bot.was_found:
                self._tracker.abandon(bot)
            raise
        finally:
            bot.launched()
            self._tracker.look(bot)
        if bot.job is None:
            self._tracker.take_job(Seen(job))

    async def claim(self, launch: Launch) -> None:
        bot = self._tracker.find(launch.session.launch_id)
        if bot is None:
            if not self._tracker.has_introduced:
                raise UnknownOutcome("The controller is still finding the warm bots.")
            raise NotClaimed("There is no such bot.")
        await self._claimer.claim(bot, launch)
        self._tracker.look(bot)

    async def give_up(self, launch_id: str) -> None:
        bot = self._tracker.find(launch_id)
        if bot is None or bot.state is BotState.ABANDONED:
            # Without a bot that is known, there is no Job: all were listed. A late one is deleted.
            return
        bot.gave_up()
        try:
            await self._claimer.give_up(bot)
        finally:
            # Now a task sees to it that the bot goes, however long that takes.
            self._tracker.look(bot)

    async def stop(self, session: Session, intent: Ending) -> None:
        if bot := self._tracker.find(session.launch_id):
            self._tracker.stop(bot, intent, session)

    def record(self, session: Session) -> None:
        bot = self._tracker.find(session.launch_id)
        if bot is None or not self._tracker.is_running:
            return
        if bot.job is None or bot.job_is_gone:
            self._tracker.recorded(session)
        elif self._recorder.put(session):
            self._tracker.start(self._recorder.write(bot, bot.job), session.id)

    async def logs(self, launch_id: str, *, follow: bool) -> AsyncIterator[bytes]:
        return await read_log(self._client, self._tracker.find(launch_id), follow=follow)

    def _manifest(self, launch: Launch) -> dict[str, Any]:
        return session_job(self._template, launch, **self._durations)

    def _is_abandoned(self, launch_id: str) -> bool:
        bot = self._tracker.find(launch_id)
        return bot is not None and bot.state is BotState.ABANDONED


def _was_in_use(job: Job) -> bool:
    """Return whether a Job's bot had joined, or its session had been stopped or recorded.

    A Job that is gone before that was taken back by its launch: found, it would be launched again.
    """
    return job.metadata.labels.phase not in (None, str(Phase.STARTING))
