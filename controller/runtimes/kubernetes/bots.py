"""The state of each bot, from its launch to its exit, and what its Job and pod show of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from controller.core.endings import ending_for
from controller.core.primitives.flag import Flag
from controller.core.session import Ending, Session
from controller.runtimes.kubernetes.client.objects import Job, JobSpec, Pod, lean_job, lean_pod
from controller.runtimes.kubernetes.exit_evidence import (
    has_begun,
    has_ended,
    held_up,
    is_terminal,
    is_waiting,
)
from controller.runtimes.kubernetes.job.warm_manifests import PodMetadata, is_claimable, is_claimed
from podline.contract.reasons import Reason


class BotState(StrEnum):
    """How far a launch has come.

    * UNKNOWN: a Job or pod with its label exists, but the supervisor knows no session for it.
    * LAUNCHING: its Job and Secret are being created.
    * WATCHED: the launch has an outcome, or an unknown one; its end is awaited.
    * CONCLUDING: it is gone, and the evidence of how it ended is being gathered.
    * ENDED: its exit has been observed, by us or by an earlier controller.
    * ABANDONED: its launch came to nothing. A Job that still appears is deleted.
    """

    UNKNOWN = "unknown"
    LAUNCHING = "launching"
    WATCHED = "watched"
    CONCLUDING = "concluding"
    ENDED = "ended"
    ABANDONED = "abandoned"


TRANSITIONS: Final[Mapping[BotState, frozenset[BotState]]] = {
    BotState.UNKNOWN: frozenset({BotState.LAUNCHING, BotState.WATCHED, BotState.ENDED}),
    BotState.LAUNCHING: frozenset({BotState.WATCHED, BotState.ABANDONED}),
    BotState.WATCHED: frozenset({BotState.LAUNCHING, BotState.CONCLUDING, BotState.ABANDONED}),
    BotState.CONCLUDING: frozenset({BotState.ENDED}),
    BotState.ENDED: frozenset(),
    BotState.ABANDONED: frozenset(),
}
"""Where each state may lead. An event that would lead elsewhere changes nothing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim by a session that was sent. It can have an effect only on this version of the Job."""

    session_id: str
    version: str


@dataclass(slots=True, eq=False)
class Bot:
    """One launch. It changes through the events below; everyone else reads it.

    Attributes:
        session_id: the session that the bot is for; None while that is unknown, or while it has none.
        is_warm: it was launched without a session.
        claim: of a session that may have it, or may get it yet.
        is_given_up: no session shall have it.
        is_being_ended: that has been seen to.
        pod_metadata: what its pod lacks since a session has claimed it; None if nothing.
        was_found: an earlier controller launched it.
        job: the Job's last known state.
        job_is_gone: the Job has been deleted.
        pod: the pod's last known state.
        pod_is_gone: the pod has been deleted.
        pod_name: kept for its log after the pod's details are dropped.
        intent: why it was asked to leave.
        held_up: what kept its pod from running when last seen, if it has not run since.
        is_scheduled: the supervisor knows when a node was found for it.
        secrets: masked in everything that is shown about it.
        is_left_alone: its record is written in a contract that this release doesn't speak.
    """

    launch_id: str
    name: str
    state: BotState = BotState.UNKNOWN
    session_id: str | None = None
    is_warm: bool = False
    claim: Claim | None = None
    is_given_up: bool = False
    pod_metadata: PodMetadata | None = None
    is_being_ended: bool = False
    was_found: bool = False
    job: Job | None = None
    job_is_gone: bool = False
    pod: Pod | None = None
    pod_is_gone: bool = False
    pod_name: str | None = None
    is_scheduled: bool = False
    intent: Ending | None = None
    held_up: Ending | None = None
    secrets: tuple[str, ...] = ()
    is_left_alone: bool = False
    _changed: Flag = field(default_factory=Flag)

    @property
    def is_known(self) -> bool:
        """Whether the supervisor knows its session."""
        return self.state is not BotState.UNKNOWN

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be observed of it."""
        return not TRANSITIONS[self.state]

    @property
    def may_be_claimed(self) -> bool:
        """Whether it is a warm bot of which nobody knows that it has a session, or is to leave."""
        return self.is_warm and self.session_id is None and self.intent is None and not self.is_over

    @property
    def is_free(self) -> bool:
        """Whether a session may claim it, as far as is known."""
        is_unclaimed = self.may_be_claimed and self.claim is None
        return is_unclaimed and self.job is not None and is_claimable(self.job) and not self.is_gone

    @property
    def pod_has_ended(self) -> bool:
        """Whether its pod was seen to end; False also if none was ever seen."""
        return self.pod is not None and (self.pod_is_gone or is_terminal(self.pod))

    @property
    def job_has_ended(self) -> bool:
        return self.job_is_gone or (self.job is not None and has_ended(self.job))

    @property
    def is_gone(self) -> bool:
        """Whether it is certain that no bot runs and none will.

        A pod that has ended is proof enough: a Job creates only one pod, unless it is suspended and resumed.
        A pod that was deleted before it ended is proof only if its Job can't create another.
        """
        if self.is_over:
            return True
        if self.pod is None:
            return self.job_has_ended
        return self.pod_has_ended and (self.job_has_ended or self._can_create_no_other(self.pod))

    @property
    def is_forgettable(self) -> bool:
        """Whether neither the supervisor nor the cluster has a use for it."""
        no_object_is_left = self.job_is_gone and (self.pod_name is None or self.pod_is_gone)
        return no_object_is_left and self.state in (BotState.UNKNOWN, BotState.ENDED)

    def _can_create_no_other(self, pod: Pod) -> bool:
        """Whether the Job is stopped for good, or its only pod ended by itself."""
        spec = self.job.spec if self.job is not None else JobSpec()
        return spec.active_deadline_seconds == 0 or (is_terminal(pod) and not spec.suspend)

    # --- what happens to the launch ---

    def launching(self, session_id: str | None, secrets: Iterable[str]) -> None:
        """Its Job and Secret are being created, perhaps once more. Without a session it is a warm bot's."""
        if not self.is_over:
            self.session_id = self.session_id or session_id
            self.is_warm = self.is_warm or session_id is None
            self.secrets = tuple(secrets)
        self._move(BotState.LAUNCHING)

    def launched(self) -> None:
        """The attempt to launch it has returned."""
        if self.state is BotState.LAUNCHING:
            self._move(BotState.WATCHED)

    def found(self, session: Session) -> None:
        """An earlier controller launched it for this session."""
        self.session_id = session.id
        self.was_found = True
        if not session.phase.is_end:
            self._move(BotState.WATCHED)
        elif self._move(BotState.ENDED):
            self.drop_details()

    def found_warm(self) -> None:
        """An earlier controller launched it, and it waits for a session."""
        self.is_warm = self.was_found = True
        self._move(BotState.WATCHED)

    def claimed(self, session_id: str, pod_metadata: PodMetadata, secrets: Iterable[str]) -> None:
        """Its Job is a session's now."""
        self.session_id, self.claim, self.pod_metadata = session_id, None, pod_metadata
        self.secrets = (*self.secrets, *secrets)

    def gave_up(self) -> None:
        """No session shall have it. What stops its Job may not be written yet."""
        self.is_given_up = True
        self.asked_to_leave(ending_for(Reason.STOPPED))
        self._move(BotState.WATCHED)

    def asked_to_leave(self, intent: Ending) -> bool:
        """Someone wants it to end. Return whether that is new: only the first intent counts."""
        is_news = self.intent is None and not self.is_over
        if is_news:
            self.intent = intent
        return is_news

    def abandon(self) -> bool:
        """Its launch came to nothing. Return whether that is new."""
        return self._move(BotState.ABANDONED)

    def conclude(self) -> bool:
        """Begin to gather evidence of its end, if it is gone. Return whether that begins now.

        A Job that disappears during the launch may have been taken back by it, so the launch decides.
        """
        return self.is_gone and self._move(BotState.CONCLUDING)

    def ended(self) -> None:
        """Its exit is being reported."""
        self._move(BotState.ENDED)

    def _move(self, to: BotState) -> bool:
        if to not in TRANSITIONS[self.state]:
            return False
        self.state = to
        return True

    # --- observations of its Job and pod ---

    def job_seen(self, job: Job) -> None:
        # Once it is over, only for the version: the end of its session may still have to be recorded there.
        if not self.is_over or self.job is not None:
            self.job = lean_job(job)

    def job_written(self, job: Job, before: Job | None) -> None:
        """A write was answered with its Job. What the watch has shown since the write was sent may be newer.

        Args:
            job: in the answer.
            before: what was known of the Job when the write was sent.
        """
        if self.job is before:
            self.job_seen(job)

    def job_gone(self, job: Job | None) -> None:
        """Its Job has been deleted, in this state if that is known."""
        if job is not None:
            self.job_seen(job)
        self.job_is_gone = True

    def pod_seen(self, pod: Pod) -> None:
        self.pod_name = pod.metadata.name
        if self.is_over:
            return
        self.pod = lean_pod(pod)
        if is_waiting(pod):
            self.held_up = held_up(pod)
        elif has_begun(pod):
            self.held_up = None

    def pod_gone(self, pod: Pod | None) -> None:
        """Its pod has been deleted, in this state if that is known."""
        if pod is not None and not self.is_over:
            self.pod = lean_pod(pod)
        self.pod_is_gone = True

    async def change(self, within_seconds: float | None = None) -> None:
        """Wait until its Job or pod changes, at most this long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._changed.wait()

    def wake(self) -> None:
        """Let everyone who waits for a change check again."""
        self._changed.wake()

    def has_to_be_ended(self) -> bool:
        """Return, once, whether it was given up."""
        if not self.is_given_up or self.is_being_ended:
            return False
        self.is_being_ended = True
        return True

    def pod_lacks(self) -> PodMetadata | None:
        """Return what has to be added to its pod, once; None as long as there is nothing or no pod."""
        if self.pod is None or self.pod_metadata is None:
            return None
        lacking, self.pod_metadata = self.pod_metadata, None
        return None if is_claimed(self.pod) else lacking

    def drop_details(self) -> None:
        """Keep only its name and its pod's, which may still be asked for."""
        self.job = self.pod = None
        self.intent = self.held_up = None
        self.secrets = ()
