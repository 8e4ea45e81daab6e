"""The dry start of an agent's bot: a Job without a call, whose end shows whether calls can begin."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from controller.core.agents import AgentVersion, DryStartOutcome
from controller.core.endings import decide_ending
from controller.core.primitives.clock import Clock
from controller.core.session import Ending
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Event, Job, Pod
from controller.runtimes.kubernetes.exit_evidence import explain, has_begun, has_ended, held_up, is_terminal
from controller.runtimes.kubernetes.job.manifests import dry_start_job
from controller.runtimes.kubernetes.job.template import JobTemplate
from podline.contract.reasons import STARTED_DRY as STARTED
from podline.contract.reasons import Reason

log = logging.getLogger("podline.agents")

_LOOK_EVERY_SECONDS: Final = 1.0
_LONGEST_AGENT: Final = 20
"""Of an agent's name within the Job's."""

_SLOW: Final = (
    "The bot had not started {:g} seconds after its Job was created: its image was still being pulled, or "
    "its file still being imported. Do slow work in bot() instead, or raise PODLINE_START_TIMEOUT_SECONDS."
)
_OF_THE_CLUSTER: Final = frozenset({Reason.UNSCHEDULABLE, Reason.EVICTED, Reason.NODE_LOST})
_FOR_GOOD: Final = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
"""What a kubelet waits with if trying again has not helped, or won't."""


@dataclass(slots=True)
class _Attempt:
    """One dry start.

    Attributes:
        name: of its Job, which no other has: neither a session nor an earlier start, whose pod may be left.
        trouble: the last reason why it goes no further, as a sentence.
    """

    name: str
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryStart:
    """Starts bots dry, in the namespace of sessions' bots.

    Attributes:
        new_id: returns another text of lower-case letters and digits each time.
    """

    client: NamespaceClient
    template: JobTemplate
    clock: Clock
    start_timeout_seconds: float
    grace_seconds: float
    new_id: Callable[[], str]

    async def run(self, agent: AgentVersion) -> DryStartOutcome:
        """Start one bot of this version, and wait until it has ended or can't start.

        Whatever the API server doesn't answer is asked again until the start timeout.
        """
        attempt = _Attempt(f"dry-{agent.name[:_LONGEST_AGENT].rstrip('-')}-{self.new_id()}")
        manifest = dry_start_job(
            self.template,
            agent,
            attempt.name,
            deadline_seconds=self.start_timeout_seconds,
            grace_seconds=self.grace_seconds,
        )
        try:
            async with asyncio.timeout(self.start_timeout_seconds + self.grace_seconds):
                await self._create(attempt, manifest)
                return await self._outcome(attempt)
        except TimeoutError:
            why = f" {attempt.trouble}" if attempt.trouble is not None else ""
            problem = f"The bot could not be started in time.{why}"
            return DryStartOutcome(problem=problem, may_pass=True)
        except ApiRefused as error:
            return DryStartOutcome(problem=f"The cluster refuses its Jobs. {error}")
        finally:
            await _uninterrupted(self._delete(attempt.name))

    async def _create(self, attempt: _Attempt, manifest: dict[str, object]) -> None:
        while True:
            try:
                await self.client.create_job(manifest)
            except ApiError as error:
                if isinstance(error, ApiRefused) and error.is_taken:
                    # Created by a request whose answer was lost.
                    return
                if isinstance(error, ApiRefused) and not (error.may_pass or error.is_quota):
                    raise
                attempt.trouble = str(error)
                log.warning("dry start not created", extra={"error": str(error)})
            else:
                attempt.trouble = None
                return
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _outcome(self, attempt: _Attempt) -> DryStartOutcome:
        blocker: Ending | None = None
        while True:
            try:
                job, pod = await self.client.find_job(attempt.name), await self.client.find_pod(attempt.name)
                if pod is not None and not has_begun(pod):
                    blocker = held_up(pod) or blocker
                if job is None or has_ended(job) or (pod is not None and is_terminal(pod)):
                    return self._judge(job, pod, await self.client.warnings(attempt.name), blocker)
                if blocker is not None and pod is not None and _is_for_good(pod):
                    return DryStartOutcome(problem=blocker.message)
                attempt.trouble = blocker.what_happened if blocker is not None else None
            except ApiError as error:
                attempt.trouble = str(error)
                log.warning("dry start not read", extra={"error": str(error)})
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _judge(
        self, job: Job | None, pod: Pod | None, events: list[Event], blocker: Ending | None
    ) -> DryStartOutcome:
        exit_ = explain(job, pod, events, self.clock.now(), blocker)
        ending = decide_ending(None, exit_)
        if ending.reason is Reason.COMPLETED:
            return DryStartOutcome(note=None if ending.what_happened == STARTED else ending.what_happened)
        if ending.reason is Reason.MAX_DURATION:
            return DryStartOutcome(problem=_SLOW.format(self.start_timeout_seconds))
        return DryStartOutcome(problem=ending.message, may_pass=ending.reason in _OF_THE_CLUSTER)

    async def _delete(self, name: str) -> None:
        try:
            job = await self.client.find_job(name)
            if job is not None:
                await self.client.delete_job(job)
        except ApiError as error:
            # It goes by itself when its time is up.
            log.warning("dry start not deleted", extra={"job": name, "error": str(error)})


def _is_for_good(pod: Pod) -> bool:
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return any(each.state.waiting is not None and each.state.waiting.reason in _FOR_GOOD for each in statuses)


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Finish this even if the task is cancelled meanwhile, and cancel the task then."""
    working = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
