"""The answers that callers are owed, observed where audio leaves the output."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    DataFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    LLMThoughtTextFrame,
    OutputAudioRawFrame,
    SpeechOutputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.stt_service import STTService
from pipecat.transports.base_output import BaseOutputTransport

from podline.audibility import Audibility
from podline.bucket import Clock
from podline.frames import ModelEventFrame
from podline.runner.mute import Afterwards, MuteWatch, Unanswered


@dataclass
class AnswerMark(DataFrame):
    """Passes through the output behind the audio that the model sent before an answer was owed."""

    interruptible: bool = field(default=False, init=False)
    number: int = 0


class AnswerObserver(BaseObserver):
    """Follows each answer from when it is owed to its first audible sound.

    An output transport pushes audio downstream once it has written it: that is what the caller hears.

    Attributes:
        first_sound: When the caller first heard the bot, on the clock.
        missed: Set when the caller returns after an answer was played in their absence. Whoever acts on it
            clears it.
    """

    def __init__(
        self,
        watch: MuteWatch,
        output: FrameProcessor,
        clock: Clock,
        on_latency: Callable[[float], Awaitable[None]],
        *,
        transcribes: bool,
    ) -> None:
        """Observe a pipeline.

        Args:
            watch: Learns what happens.
            output: The pipeline's output transport.
            clock: The event loop's.
            on_latency: Takes the seconds from the end of the caller's speech to the answer's first sound.
            transcribes: True if the pipeline turns speech into text. Then a noise without words needs no
                answer, while a model that hears the caller itself has to answer all that sounds like speech.
        """
        super().__init__(observe_every_push=False)
        self._watch = watch
        self._output = output
        self._clock = clock
        self._on_latency = on_latency
        self._transcribes = transcribes
        self._has_changed = asyncio.Event()
        self._played = Audibility()
        self._queued = Audibility()
        self._mark = 0
        self._is_behind_mark = False
        self._output_is_busy = False
        self._caller_speaks = False
        self._has_words = False
        self._is_answered_early = False
        self._speech_ended: float | None = None
        self._latency_from: float | None = None
        self.first_sound: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.missed = asyncio.Event()

    # What the runner knows.

    async def owe(self) -> None:
        """Owe the caller an answer."""
        self._watch.owe(self._clock())
        await self._separate_answer()

    def note_presence(self, *, is_here: bool) -> None:
        """Note that the caller left or returned."""
        if is_here:
            if self._watch.caller_returned(self._clock(), bot_speaks=self._output_is_busy):
                self.missed.set()
        else:
            self._watch.caller_left(self._clock())
        self._has_changed.set()

    async def unanswered(self) -> Unanswered:
        """Wait until the caller has waited too long, and return what happened."""
        while (unanswered := self._watch.unanswered(self._clock())) is None:
            self._has_changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._watch.deadline(self._clock())):
                    await self._has_changed.wait()
        return unanswered

    # What Pipecat's frames show.

    async def on_push_frame(self, data: FramePushed) -> None:
        frame = data.frame
        if isinstance(frame, InputAudioRawFrame):
            return
        # A broadcast frame is two, one in each direction.
        if frame.broadcast_sibling_id is not None and data.direction is not FrameDirection.DOWNSTREAM:
            return
        if isinstance(frame, TTSAudioRawFrame | SpeechOutputAudioRawFrame):
            if isinstance(data.source, BaseOutputTransport):
                await self._note_played(frame)
            else:
                self._note_queued(frame)
        elif (
            await self._note_turn(frame)
            or self._note_output(frame)
            or await self._note_model(frame)
            or await self._note_tool(frame)
        ):
            self._has_changed.set()

    def _note_queued(self, frame: OutputAudioRawFrame) -> None:
        self._output_is_busy = True
        now = self._clock()
        self._queued.hear(frame.audio, frame.sample_rate, frame.num_channels, now)
        self._watch.sent("audible" if self._queued.is_audible else "inaudible", now)

    async def _note_played(self, frame: OutputAudioRawFrame) -> None:
        now = self._clock()
        if not self._played.hear(frame.audio, frame.sample_rate, frame.num_channels, now):
            return
        began = now if self._played.began_at is None else self._played.began_at
        if not self.first_sound.done():
            self.first_sound.set_result(began)
        self._watch.heard(now, is_answer=not self._is_behind_mark)
        if self._latency_from is not None and not self._is_behind_mark:
            seconds, self._latency_from = began - self._latency_from, None
            await self._on_latency(max(0.0, seconds))

    async def _note_turn(self, frame: Frame) -> bool:
        now = self._clock()
        match frame:
            case VADUserStartedSpeakingFrame():
                self._speech_ended = None
                if self._is_answered_early:
                    # The caller speaks on in the same turn, so that no other frame says it.
                    self._note_turn_began(now)
            case VADUserStoppedSpeakingFrame():
                self._speech_ended = now - frame.stop_secs
            case UserStartedSpeakingFrame():
                self._note_turn_began(now)
            case UserStoppedSpeakingFrame() if self._is_answered_early:
                self._is_answered_early = False
            case UserStoppedSpeakingFrame():
                self._caller_speaks = False
                self._watch.caller_finished(now)
                if self._has_words or not self._transcribes:
                    await self._owe_for_speech(now)
            case TranscriptionFrame() if self._transcribes and frame.text.strip():
                is_late = not self._caller_speaks and not self._has_words
                self._has_words = True
                if is_late:
                    await self._owe_for_speech(now)
            case _:
                return False
        return True

    def _note_turn_began(self, now: float) -> None:
        self._caller_speaks, self._has_words, self._is_answered_early = True, False, False
        self._latency_from = None
        self._watch.caller_began(now)

    async def _note_early_answer(self, now: float) -> None:
        """Note that the model answers although the bot's turn analysis still waits for the caller to go on.

        A model that hears the caller decides by itself when a turn is over.
        """
        self._is_answered_early, self._caller_speaks = True, False
        self._watch.caller_finished(now)
        await self._owe_for_speech(now)

    async def _owe_for_speech(self, now: float) -> None:
        self._latency_from = now if self._speech_ended is None else self._speech_ended
        await self.owe()

    def _note_output(self, frame: Frame) -> bool:
        match frame:
            case AnswerMark(number=self._mark):
                self._is_behind_mark = False
                self._played.begin_utterance()
            case BotStartedSpeakingFrame():
                self._output_is_busy = True
            case BotStoppedSpeakingFrame():
                self._output_is_busy = False
            case _:
                return False
        return True

    async def _note_model(self, frame: Frame) -> bool:
        now = self._clock()
        match frame:
            case LLMFullResponseStartFrame():
                if self._caller_speaks and self._speech_ended is not None and not self._transcribes:
                    await self._note_early_answer(now)
                self._watch.response_began(now)
            case LLMFullResponseEndFrame():
                self._watch.response_ended(now)
            case InterruptionFrame():
                self._watch.interrupted(now)
            case LLMThoughtTextFrame():
                self._watch.sent("thoughts", now)
            case LLMTextFrame() | TTSTextFrame():
                self._watch.sent("text", now)
            case ModelEventFrame():
                if self._watch.model_did(frame.event, now):
                    await self._separate_answer()
            case _:
                return False
        return True

    async def _note_tool(self, frame: Frame) -> bool:
        now = self._clock()
        match frame:
            case FunctionCallInProgressFrame():
                self._watch.tool_began(frame.tool_call_id, now)
                return True
            case FunctionCallResultFrame() if frame.properties is None or frame.properties.is_final:
                afterwards: Afterwards = "nothing" if _wants_no_answer(frame) else "answer"
            case FunctionCallCancelFrame():
                # Only a timeout asks the model to go on.
                afterwards = "answer" if frame.run_llm else "undecided"
            case _:
                return False
        if self._watch.tool_ended(frame.tool_call_id, now, afterwards):
            await self._separate_answer()
        return True

    async def _separate_answer(self) -> None:
        """Separate the answer that is owed now from what the output has yet to play."""
        self._mark += 1
        self._queued.begin_utterance()
        self._is_behind_mark = self._output_is_busy
        if self._output_is_busy:
            await self._output.queue_frame(AnswerMark(number=self._mark))
        else:
            self._played.begin_utterance()
        self._has_changed.set()


def transcribes(processor: FrameProcessor) -> bool:
    """Return whether the processor, or one within it, turns the caller's speech into text."""
    return isinstance(processor, STTService) or any(transcribes(each) for each in processor.processors)


def _wants_no_answer(result: FunctionCallResultFrame) -> bool:
    """Return whether the tool asked that the model doesn't go on."""
    asked = result.properties.run_llm if result.properties else None
    return (result.run_llm if asked is None else asked) is False
