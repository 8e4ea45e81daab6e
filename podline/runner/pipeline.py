"""The runner's additions to a bot's pipeline: limits on the caller's input, a discreet RTVI, the worker."""

from collections.abc import Sequence
from typing import Any, Final

from pipecat.frames.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    LLMMessagesAppendFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserSpeakingFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi import RTVIObserverParams, RTVIProcessor
from pipecat.processors.frameworks.rtvi.models import Error, ErrorData

from podline.runner.room.hearing import Hearing

SOMETHING_FAILED: Final = "Something went wrong at the assistant's end. If it stays silent, call again."

_ACTIVITY: Final = (
    BotSpeakingFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    UserSpeakingFrame,
    UserStartedSpeakingFrame,
    # Pipecat's own end here. It paces the frames of who is speaking by the wall clock, and sends none for as
    # long as that was set back.
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
)
"""Frames that show that a call is not idle."""

_MONITOR_SECONDS: Final = 3600.0
"""Pipecat's own monitor only warns of late heartbeats, and those behind speech are late as well."""


def call_worker(
    pipeline: Pipeline,
    *,
    observers: Sequence[BaseObserver],
    idle_seconds: float,
    rtvi: RTVIProcessor,
    traced_as: str | None = None,
) -> PipelineWorker:
    """Make the worker that runs a bot's pipeline, with metrics on, and idle time reported but not acted on.

    Args:
        pipeline: The bot's.
        observers: Watch every frame.
        idle_seconds: Silence of both sides after which the worker's `on_idle_timeout` fires.
        rtvi: Talks to the caller's client.
        traced_as: The conversation's id in its spans; None if there are no spans.
    """
    return PipelineWorker(
        pipeline,
        params=PipelineParams(
            enable_metrics=True,
            enable_usage_metrics=True,
            send_initial_empty_metrics=False,
            # `podline.runner.health` follows them.
            enable_heartbeats=True,
            heartbeats_monitor_secs=_MONITOR_SECONDS,
        ),
        observers=list(observers),
        idle_timeout_secs=idle_seconds,
        idle_timeout_frames=_ACTIVITY,
        cancel_on_idle_timeout=False,
        enable_tracing=traced_as is not None,
        conversation_id=traced_as,
        rtvi_processor=rtvi,
        # Token counts and the bot's requests to its model are the operator's, not the browser's.
        rtvi_observer_params=RTVIObserverParams(metrics_enabled=False, user_llm_enabled=False),
    )


class DiscreetRTVI(RTVIProcessor):
    """Reports that something failed, but not what: an exception's text may contain anything."""

    async def report_refusal(self, sentence: str) -> None:
        """Send the page an RTVI error that says why a message from its client was refused."""
        await self.push_transport_message(Error(data=ErrorData(error=sentence, fatal=False)))

    async def _send_error_frame(self, frame: ErrorFrame) -> None:
        failure = ErrorFrame(error=SOMETHING_FAILED, processor=frame.processor)
        await super()._send_error_frame(failure)


class CallerInput(FrameProcessor):
    """Passes on the caller's speech and typed text.

    A realtime model takes its context only once, at the beginning, so typed text goes to it as realtime text.
    It hears no more audio than real time allows.

    Event handlers: `on_typed_text(caller_input, text)`, called in order, before the model gets the text.
    """

    def __init__(self, hearing: Hearing) -> None:
        super().__init__()
        self._hearing = hearing
        self._register_event_handler("on_typed_text", sync=True)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            if self._hearing.admits(frame.num_frames, frame.sample_rate):
                if self._hearing.is_closed:
                    # Without any audio, a turn that has begun would never end.
                    frame.audio = bytes(len(frame.audio))
                await self.push_frame(frame, direction)
        elif isinstance(frame, LLMMessagesAppendFrame) and direction is FrameDirection.DOWNSTREAM:
            frame.run_llm = False
            await self.push_frame(frame, direction)
            for message in frame.messages:
                await self._say(message)
        else:
            await self.push_frame(frame, direction)

    async def _say(self, message: Any) -> None:
        text = message.get("content") if isinstance(message, dict) else None
        if isinstance(text, str) and text.strip():
            await self._call_event_handler("on_typed_text", text)
            await self.push_frame(InputTextRawFrame(text=text))
