"""The pipeline that meets the caller, with everything that watches it and makes it speak."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pipecat.frames.frames import Frame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport

from podline.runner.attachment import (
    announce_client_once,
    end_when_idle,
    every_processor,
    first_of,
    keep_discreet,
    limit_hearing,
    observe,
    rtvi_of,
    set_up,
    spare_observers,
)
from podline.runner.attendance import Attendance
from podline.runner.cues import cues_for
from podline.runner.health.watch import PipelineHealth
from podline.runner.mute import MuteWatch
from podline.runner.observers.answers import AnswerObserver, transcribes
from podline.runner.observers.heard_turns import HeardTurnObserver
from podline.runner.observers.idle import IdleObserver
from podline.runner.observers.measurements import SessionObservers
from podline.runner.observers.requests import RequestObserver
from podline.runner.observers.voice import VoiceObserver
from podline.runner.room.hearing import Hearing
from podline.runner.settings import RunnerSettings
from podline.runner.voice_detection import detect_voice_when_audible

FLUSH_SECONDS: Final = 0.5
"""How long frames that are under way may take through the pipeline before it is cancelled."""


class CallPipeline:
    """A bot's worker in its caller's room, attached to the call before its processors are set up.

    Attributes:
        worker: Pipecat's.
        answers: The answers that the caller is owed.
        voice: Whether the bot speaks.
        idle: How long neither side has spoken.
        health: Whether each processor works.
        cues: What makes the bot speak.
        finished: Set once the pipeline has ended, for whatever reason.
    """

    def __init__(
        self,
        worker: PipelineWorker,
        settings: RunnerSettings,
        attendance: Attendance,
        hearing: Hearing,
        observers: SessionObservers,
        on_latency: Callable[[float], Awaitable[None]],
    ) -> None:
        set_up(worker)
        end_when_idle(worker, attendance.fell_silent)
        clock = asyncio.get_running_loop().time
        output = first_of(worker, BaseOutputTransport)
        if output is None:
            raise ValueError("a worker without the caller's room is attached by attach_beside()")
        self.worker = worker
        self.rtvi = rtvi_of(worker)
        self.voice = VoiceObserver()
        self.idle = IdleObserver(clock)
        has_transcripts = transcribes(worker.pipeline)
        self.answers = AnswerObserver(
            MuteWatch(settings.mute_seconds), output, clock, on_latency, transcribes=has_transcripts
        )
        requests = RequestObserver(self.answers.owe, observers.record)
        by_model = () if has_transcripts else (HeardTurnObserver(observers.record, clock),)
        self.cues = cues_for(every_processor(worker.pipeline), settings.goodbye)
        observe(worker, self.voice, *observers.of_call(self.answers, self.idle, requests, *by_model))
        spare_observers(worker)
        detect_voice_when_audible(worker)
        self.finished = asyncio.Event()
        worker.add_event_handler("on_pipeline_finished", lambda *_: self.finished.set())
        self.health = PipelineHealth(worker, attendance, settings.mute_seconds)
        worker._task_manager = self.health.tasks  # noqa: SLF001 - its processors' tasks begin after this
        microphone = first_of(worker, BaseInputTransport)
        if microphone is not None:
            limit_hearing(microphone, hearing)
        if self.rtvi is not None:
            keep_discreet(self.rtvi)
            announce_client_once(self.rtvi)

    async def say(self, frame: Frame) -> None:
        """Have the bot speak because of a cue."""
        await self.worker.queue_frame(frame)

    async def send(self, message: Any) -> None:
        """Send the caller's page an RTVI server message, if the bot has RTVI."""
        if self.rtvi is not None:
            await self.rtvi.send_server_message(message)

    async def flush(self) -> None:
        """Let frames that are under way through: the last message to the page, what services have counted."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await self.worker.flush_pipeline(FLUSH_SECONDS)


def attach_beside(worker: PipelineWorker, observers: SessionObservers) -> None:
    """Attach to a worker that does not meet the caller: what its services use counts."""
    set_up(worker)
    observe(worker, *observers.of_services())
    spare_observers(worker)
