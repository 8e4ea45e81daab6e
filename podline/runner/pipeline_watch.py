"""What goes on beside a pipeline that meets the caller: cues to speak, and reasons to end the call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from podline.contract.messages import TurnUnanswered
from podline.runner.attendance import Attendance
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding
from podline.runner.observers.model_events import log_model_event
from podline.runner.pipeline import CallPipeline


class PipelineWatch:
    """Watches one pipeline for as long as the call lasts, or until another takes its place."""

    def __init__(
        self, pipeline: CallPipeline, outbox: Outbox, attendance: Attendance, idle_seconds: float
    ) -> None:
        """`idle_seconds` is how long neither side may speak."""
        self._pipeline = pipeline
        self._outbox = outbox
        self._attendance = attendance
        self._idle_seconds = idle_seconds

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """Return what runs side by side."""
        return [
            self._mark_first_speech(),
            self._warn(),
            self._repeat(),
            self._end_unanswered(),
            self._end_idle(),
            self._pipeline.health.run(),
        ]

    async def _mark_first_speech(self) -> None:
        heard_at = await asyncio.shield(self._pipeline.answers.first_sound)
        self._outbox.mark("first_speech", asyncio.get_running_loop().time() - heard_at)

    async def _warn(self) -> None:
        """Warn the caller that time is nearly up, as soon as the bot is quiet."""
        await self._attendance.time_is_short.wait()
        await self._pipeline.voice.quiet.wait()
        warning = self._pipeline.cues.warning
        if self._attendance.caller_is_here and warning is not None:
            await self._pipeline.say(warning(self._attendance.warning_seconds))

    async def _repeat(self) -> None:
        """Have the bot repeat what a lost caller missed."""
        while self._pipeline.cues.repetition is not None:
            await self._pipeline.answers.missed.wait()
            self._pipeline.answers.missed.clear()
            await self._pipeline.say(self._pipeline.cues.repetition())

    async def _end_unanswered(self) -> None:
        """End the call once the caller has waited in vain for an answer. An ending call may be silent."""
        unanswered = await self._pipeline.answers.unanswered()
        if self._attendance.ending.done():
            return
        if not unanswered.is_reported:
            event = TurnUnanswered(cause=unanswered.cause)
            self._outbox.record(event)
            log_model_event(event)
        self._attendance.end(self._pipeline.health.ending_of_silence() or CallEnding.of(unanswered.error))

    async def _end_idle(self) -> None:
        while True:
            await self._pipeline.idle.idle_for(self._idle_seconds)
            self._attendance.fell_silent(self._idle_seconds)
