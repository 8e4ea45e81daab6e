"""The pipeline of one conversation, from the caller's microphone to the caller's ear."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InputTextRawFrame,
    LLMMessagesAppendFrame,
)
from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    UserTurnMessageAddedMessage,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi import RTVIObserverParams, RTVIProcessor
from pipecat.processors.frameworks.rtvi.models import Error, ErrorData
from pipecat.services.llm_service import LLMService
from pipecat.transports.base_transport import BaseTransport
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from podline.runner.observers.transcript import Role
from podline.runner.room.hearing import Hearing

SOMETHING_FAILED: Final = "Something went wrong at the assistant's end. If it stays silent, call again."

OnTurn = Callable[[Role, str], None]


@dataclass(frozen=True)
class Heard:
    """Where the pipeline's results go.

    Attributes:
        on_turn: Takes each finished turn of either side as text.
        on_typed: Takes what the caller typed, a turn that no one could hear.
        observers: Watch every frame.
    """

    on_turn: OnTurn
    on_typed: Callable[[str], None]
    observers: list[BaseObserver]


def conversation(  # noqa: PLR0913 - what it is put together from
    *,
    transport: BaseTransport,
    model: LLMService[Any],
    hearing: Hearing,
    first_request: str,
    stop_secs: float,
    idle_seconds: float,
    heard: Heard,
    rtvi: RTVIProcessor,
    traced_as: str | None = None,
) -> PipelineWorker:
    """A worker that runs the whole conversation once it is given an `LLMRunFrame`.

    Args:
        transport: Brings the caller's audio and takes the bot's.
        model: Hears and speaks.
        hearing: How much of the caller's audio the model may hear.
        first_request: What the model is asked when the caller arrives.
        stop_secs: Silence that ends the caller's turn, in seconds.
        idle_seconds: Silence of both sides after which the worker's `on_idle_timeout` fires.
        heard: Where turns and frames are told.
        rtvi: Speaks with the caller's client.
        traced_as: The conversation's id in its spans; None where none are made.
    """
    context = LLMContext([{"role": "user", "content": first_request}])
    user, assistant = LLMContextAggregatorPair(context, user_params=_turns(stop_secs))
    _tell_turns(user, assistant, heard.on_turn)
    pipeline = Pipeline(
        [
            transport.input(),
            CallerInput(heard.on_typed, hearing),
            user,
            model,
            transport.output(),
            assistant,
        ]
    )
    return PipelineWorker(
        pipeline,
        params=PipelineParams(
            enable_metrics=True,
            enable_usage_metrics=True,
            send_initial_empty_metrics=False,
        ),
        observers=heard.observers,
        idle_timeout_secs=idle_seconds,
        cancel_on_idle_timeout=False,
        enable_tracing=traced_as is not None,
        conversation_id=traced_as,
        rtvi_processor=rtvi,
        # Token counts and the persona's requests are the operator's, not the browser's.
        rtvi_observer_params=RTVIObserverParams(metrics_enabled=False, user_llm_enabled=False),
    )


class DiscreetRTVI(RTVIProcessor):
    """Tells the page that something failed, not what: an exception's text may hold anything."""

    async def report_refusal(self, sentence: str) -> None:
        """Tell the page, as an RTVI error, why a message of its client was refused."""
        await self.push_transport_message(Error(data=ErrorData(error=sentence, fatal=False)))

    async def _send_error_frame(self, frame: ErrorFrame) -> None:
        failure = ErrorFrame(error=SOMETHING_FAILED, processor=frame.processor)
        await super()._send_error_frame(failure)


class CallerInput(FrameProcessor):
    """Hands on what the caller says and types.

    The model takes its context only once, at the beginning, so typed text goes to it as realtime text. Of the
    audio it hears as much as real time allows.
    """

    def __init__(self, on_typed: Callable[[str], None], hearing: Hearing) -> None:
        super().__init__()
        self._on_typed = on_typed
        self._hearing = hearing

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            if self._hearing.admits(frame.num_frames, frame.sample_rate):
                if self._hearing.is_closed:
                    # Without any audio a turn that has begun would never end.
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
            self._on_typed(text)
            await self.push_frame(InputTextRawFrame(text=text))


def _turns(stop_secs: float) -> LLMUserAggregatorParams:
    """Turns by voice activity alone: the model hears the audio itself, so no transcript is waited for."""
    return LLMUserAggregatorParams(
        vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=stop_secs)),
        user_turn_strategies=UserTurnStrategies(
            start=[VADUserTurnStartStrategy()],
            stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0, wait_for_transcript=False)],
        ),
    )


def _tell_turns(user: Any, assistant: Any, on_turn: OnTurn) -> None:
    @user.event_handler("on_user_turn_message_added")
    async def on_user_turn_message_added(_aggregator: Any, message: UserTurnMessageAddedMessage) -> None:
        if message.content:
            on_turn("user", message.content)

    @assistant.event_handler("on_assistant_turn_stopped")
    async def on_assistant_turn_stopped(_aggregator: Any, message: AssistantTurnStoppedMessage) -> None:
        if message.content:
            on_turn("assistant", message.content)
