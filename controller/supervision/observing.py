"""What the runtime observes of bots, taken into their records: found, asked to leave, gone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from controller.core.endings import decide_ending
from controller.core.errors import UnknownOutcome
from controller.core.primitives.clock import Clock
from controller.core.runtime import Observation, Runtime
from controller.core.session import Session
from controller.observe.logs import about
from controller.supervision.adoption import adopt
from controller.supervision.channel.report_ledger import furthest
from controller.supervision.launcher import Launcher, launch_failed
from controller.supervision.record import Record
from controller.supervision.recorder import Recorder
from controller.supervision.registry import SessionRegistry
from controller.supervision.stopping import SessionStopper
from controller.supervision.warm.pool import WarmPool
from podline.contract.reasons import Phase
from podline.contract.usage import Usage


class BotObserver:
    """Follows the runtime. Nothing here waits: what takes time runs in the background."""

    def __init__(  # noqa: PLR0913 - the parts it is composed of
        self,
        *,
        runtime: Runtime,
        registry: SessionRegistry,
        pool: WarmPool,
        launcher: Launcher,
        recorder: Recorder,
        stopper: SessionStopper,
        clock: Clock,
        used_before: Callable[[str], Usage | None],
        own: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`used_before` is the supervisor's; `own` runs work in the background."""
        self._runtime = runtime
        self._registry = registry
        self._pool = pool
        self._launcher = launcher
        self._recorder = recorder
        self._stopper = stopper
        self._clock = clock
        self._used_before = used_before
        self._own = own

    async def run(self) -> None:
        """Record what happens to bots, for as long as this is awaited."""
        async with contextlib.aclosing(self._runtime.watch()) as observations:
            async for observation in observations:
                self._observed(observation)

    def _observed(self, observation: Observation) -> None:
        """Record an observation of a bot by the runtime. Nothing here waits."""
        if observation.warm is not None and self._registry.by_launch(observation.launch_id) is None:
            self._pool.adopt(observation.warm)
        if observation.found is not None:
            with about(observation.found.id):
                self._adopt(observation.found)
        record = self._registry.by_launch(observation.launch_id)
        if record is not None and not record.session.phase.is_end:
            with about(record.session.id):
                self._record_observation(record, observation)
        if observation.exit is not None:
            self._pool.exited(observation.launch_id, observation.exit)

    def _record_observation(self, record: Record, observation: Observation) -> None:
        if observation.scheduled is not None:
            record.scheduled(observation.scheduled)
        if observation.intent is not None and record.intent is None:
            record.stopping(observation.intent)
            if observation.found is None:
                # One that was only just found is stopped by its runtime, once that knows its pod.
                self._own(self._stopper.stop(record, observation.intent))
        if observation.exit is not None:
            self._recorder.final_report(record, observation.exit)
            ending = decide_ending(record.intent, observation.exit)
            if record.is_claim_open and record.unknown_outcome is not None:
                # The warm bot had no session yet, so its end says nothing of why there was no call.
                ending = record.intent or launch_failed(record.unknown_outcome)
            self._recorder.ended(record, ending, observation.exit.diagnostics)

    def _adopt(self, session: Session) -> None:
        """Take over a session that another controller started. Finish its launch if that is still open."""
        if (used := self._used_before(session.launch_id)) is not None and not session.phase.is_end:
            session = session.used(furthest(session.usage, used), partial=session.usage_is_partial)
        record = adopt(session, self._registry, self._clock)
        if record is None:
            if session.cold_start is False and self._registry.by_launch(session.launch_id) is None:
                # A former leader's claim took effect late: by now the session has another bot.
                if session.launch_id in self._pool.bots:
                    self._pool.superfluous(session.launch_id)
                else:
                    self._own(self._give_up(session.launch_id))
            return
        self._pool.bots.has_session(session.launch_id, record.inbox)
        if session.phase is Phase.STARTING:
            self._own(self._launcher.launch_adopted(record))

    async def _give_up(self, launch_id: str) -> None:
        with contextlib.suppress(UnknownOutcome):
            await self._runtime.give_up(launch_id)
