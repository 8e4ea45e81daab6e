"""What is known of each bot from its Job and its pod, and whether it is gone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from controller.core.flag import Flag
from controller.core.session import Ending
from controller.runtimes.kubernetes.client.objects import Job, JobSpec, Pod
from controller.runtimes.kubernetes.status import has_ended, is_terminal


@dataclass(slots=True, eq=False)
class Bot:
    """One launch, as Job and pod show it.

    Attributes:
        session_id: whose bot it is; None where nobody knows yet.
        is_known: the supervisor knows its session.
        is_launching: its Job and Secret are being made.
        is_found: an earlier controller has launched it.
        is_dead: its launch came to nothing, so a Job of it that shows up late is cleared away.
        held_up: what kept its pod from running when last seen, if it has not run since.
        pod_name: kept after the pod's details are let go, for its log.
        secrets: to be masked in what is shown of it.
        is_over: its end has been told.
    """

    launch_id: str
    name: str
    session_id: str | None = None
    is_known: bool = False
    is_launching: bool = False
    is_found: bool = False
    is_dead: bool = False
    job: Job | None = None
    job_is_gone: bool = False
    pod: Pod | None = None
    pod_is_gone: bool = False
    pod_name: str | None = None
    is_scheduled: bool = False
    is_concluding: bool = False
    is_over: bool = False
    intent: Ending | None = None
    held_up: Ending | None = None
    secrets: tuple[str, ...] = ()
    _changed: Flag = field(default_factory=Flag)

    @property
    def pod_has_ended(self) -> bool:
        """Whether its pod is seen to have ended; False also where none was ever seen."""
        return self.pod is not None and (self.pod_is_gone or is_terminal(self.pod))

    @property
    def job_has_ended(self) -> bool:
        return self.job_is_gone or (self.job is not None and has_ended(self.job))

    @property
    def is_gone(self) -> bool:
        """Whether there is surely no bot any more, and none will come.

        A pod that has ended is proof enough: a Job makes one pod only, but for one that is suspended and goes
        on. A pod that was deleted before it ended is one only where its Job can't make another.
        """
        if self.is_over:
            return True
        if self.pod is None:
            return self.job_has_ended
        return self.pod_has_ended and (self.job_has_ended or self._can_make_no_other(self.pod))

    def _can_make_no_other(self, pod: Pod) -> bool:
        """Whether the Job is stopped for good, or its one pod has ended in its own time."""
        spec = self.job.spec if self.job is not None else JobSpec()
        return spec.active_deadline_seconds == 0 or (is_terminal(pod) and not spec.suspend)

    async def change(self, within_seconds: float | None = None) -> None:
        """Wait until there is news of its Job or pod, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._changed.wait()

    def wake(self) -> None:
        """Let those who wait for a change look again."""
        self._changed.wake()

    def let_go(self) -> None:
        """Keep only what is still asked for: its name, and its log's."""
        self.job = self.pod = None
        self.intent = self.held_up = None
        self.secrets = ()
