"""What a caller hears is what left the output; everything else is silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMThoughtTextFrame,
    OutputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.services.stt_service import STTService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

from podline.contract.messages import AnswerRequested, TurnUnanswered
from podline.contract.reasons import Reason
from podline.frames import ModelEventFrame
from podline.runner.mute import MuteWatch, Unanswered
from podline.runner.observers.answers import AnswerObserver, transcribes
from podline.runner.observers.group import ObserverGroup
from testing.fakes.controllers.clockwork import at_once

RATE = 24_000
BOUND = 8.0


class Loudspeaker(BaseOutputTransport):
    """Plays in real time what it is given, unless it is broken."""

    def __init__(self) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_sample_rate=RATE))
        self.is_broken = False
        self.played = 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        if self.is_broken:
            return False
        seconds = frame.num_frames / frame.sample_rate
        await asyncio.sleep(seconds)
        self.played += seconds
        return True


class Call:
    """A pipeline with a loudspeaker, and what is observed of it."""

    def __init__(self, *, transcribes: bool) -> None:
        self.latencies: list[float] = []
        self.loudspeaker = Loudspeaker()
        self.now = asyncio.get_running_loop().time
        self.answers = AnswerObserver(
            MuteWatch(BOUND), self.loudspeaker, self.now, self._add_latency, transcribes=transcribes
        )
        self._worker = PipelineWorker(
            Pipeline([IdentityFilter(), self.loudspeaker]),
            cancel_on_idle_timeout=False,
            enable_rtvi=False,
            observers=[ObserverGroup([self.answers])],
        )
        self._started = asyncio.Event()
        self._worker.add_event_handler("on_pipeline_started", lambda *_: self._started.set())

    @classmethod
    @asynccontextmanager
    async def held(cls, *, transcribes: bool = False) -> AsyncIterator["Call"]:
        call = cls(transcribes=transcribes)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(call._worker)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(runner.run())
            await call._started.wait()
            yield call
            await call._worker.cancel()
            await running

    async def passes(self, *frames: Frame) -> None:
        """Let frames pass through the pipeline and the observers."""
        await self._worker.queue_frames(frames)
        await asyncio.sleep(0.001)

    async def caller_begins(self) -> None:
        await self.passes(VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame(), InterruptionFrame())
        await asyncio.sleep(2.0)

    async def caller_speaks(self, stop_secs: float = 0.5) -> None:
        await self.caller_begins()
        await self.passes(VADUserStoppedSpeakingFrame(stop_secs=stop_secs), UserStoppedSpeakingFrame())

    async def unanswered(self) -> tuple[float, Unanswered]:
        """Wait for the end, and return in how many seconds it came."""
        began = self.now()
        async with asyncio.timeout(1000):
            unanswered = await self.answers.unanswered()
        return self.now() - began, unanswered

    async def is_content(self) -> bool:
        """Return whether the caller could stay for ever."""
        try:
            async with asyncio.timeout(1000):
                await self.answers.unanswered()
        except TimeoutError:
            return True
        return False

    async def _add_latency(self, seconds: float) -> None:
        self.latencies.append(seconds)


def audio(seconds: float, amplitude: float = 5000.0) -> TTSAudioRawFrame:
    samples = amplitude * np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * 440 / RATE)
    return TTSAudioRawFrame(samples.astype("<i2").tobytes(), RATE, 1)


def spoken(seconds: float, amplitude: float = 5000.0) -> list[Frame]:
    """Return a whole response."""
    return [
        LLMFullResponseStartFrame(),
        audio(seconds, amplitude),
        TTSStoppedFrame(),
        LLMFullResponseEndFrame(),
    ]


def tool_begins(call: str = "1") -> Frame:
    return FunctionCallInProgressFrame("search", call, {})


def tool_returns(call: str = "1", *, goes_on: bool | None = None, is_final: bool = True) -> Frame:
    properties = FunctionCallResultProperties(run_llm=goes_on, is_final=is_final)
    return FunctionCallResultFrame("search", call, {}, {"found": 2}, properties=properties)


def about(seconds: float) -> object:
    """Return about these seconds: a busy machine's real time is added to the loop's."""
    return pytest.approx(seconds, abs=1.0)


@at_once
async def test_a_greeting_that_is_heard_leaves_nothing_owed() -> None:
    async with Call.held() as call:
        await call.answers.owe()
        greeted = call.now()
        await asyncio.sleep(2.0)
        await call.passes(*spoken(3.0))

        assert await call.is_content()
        assert call.answers.first_sound.result() - greeted == about(2.0)
        assert call.latencies == []


@at_once
async def test_the_latency_is_from_the_caller_s_last_sound_to_the_first_that_is_heard() -> None:
    async with Call.held() as call:
        await call.caller_speaks(stop_secs=0.5)
        await asyncio.sleep(1.0)
        await call.passes(LLMFullResponseStartFrame(), audio(3.0, amplitude=0.0), audio(2.0))
        await call.passes(TTSStoppedFrame(), LLMFullResponseEndFrame())
        await asyncio.sleep(5.0)
        await call.passes(*spoken(1.0))

        assert await call.is_content()
        assert call.latencies == [about(0.5 + 1.0 + 3.0)]


@pytest.mark.parametrize(
    ("frames", "cause", "words"),
    [
        ([], "no_answer", "sent nothing"),
        (spoken(3.0, 0.0), "inaudible", "too short to hear"),
        (spoken(3.0, 40.0), "inaudible", "too short to hear"),
        (spoken(0.05), "inaudible", "too short to hear"),
        ([LLMThoughtTextFrame("hm")], "no_answer", "only thoughts"),
        ([LLMFullResponseStartFrame(), LLMFullResponseEndFrame()], "empty_turn", "turn without audio"),
        ([TTSTextFrame("Yes.", text_type="word")], "no_answer", "text but no audio"),
        ([OutputAudioRawFrame(audio(3.0).audio, RATE, 1)], "no_answer", "sent nothing"),
    ],
)
def test_a_turn_that_is_answered_with_this_ends_the_call(frames: list[Frame], cause: str, words: str) -> None:
    @at_once
    async def play() -> None:
        async with Call.held() as call:
            await call.caller_speaks()
            await call.passes(*frames)
            seconds, unanswered = await call.unanswered()

            assert seconds == about(BOUND)
            assert unanswered.cause == cause
            assert unanswered.error.reason is Reason.MODEL_LOST
            assert words in unanswered.error.message
            assert call.latencies == []

    play()


@at_once
async def test_audible_audio_that_the_room_does_not_take_is_the_room_s_fault() -> None:
    async with Call.held() as call:
        await call.caller_speaks()
        call.loudspeaker.is_broken = True
        await call.passes(*spoken(3.0))
        seconds, unanswered = await call.unanswered()

        assert seconds == about(BOUND)
        assert (unanswered.cause, unanswered.error.reason) == ("not_played", Reason.ROOM_LOST)


@at_once
async def test_words_that_were_on_their_way_before_a_tool_returned_do_not_answer_it() -> None:
    async with Call.held() as call:
        await call.caller_speaks()
        await call.passes(*spoken(4.0), tool_begins())
        await asyncio.sleep(1.0)
        await call.passes(tool_returns())
        seconds, unanswered = await call.unanswered()

        assert call.loudspeaker.played == about(4.0)
        assert seconds == about(3.0 + BOUND)
        assert unanswered.cause == "no_answer"


@at_once
async def test_an_answer_right_behind_words_that_were_on_their_way_is_one() -> None:
    async with Call.held() as call:
        await call.caller_speaks()
        await call.passes(LLMFullResponseStartFrame(), audio(4.0), tool_begins())
        await asyncio.sleep(1.0)
        await call.passes(tool_returns(), audio(2.0), TTSStoppedFrame(), LLMFullResponseEndFrame())

        assert await call.is_content()
        assert call.loudspeaker.played == about(6.0)


@at_once
async def test_an_interruption_that_throws_away_what_was_on_its_way_leaves_the_next_answer_heard() -> None:
    async with Call.held() as call:
        await call.caller_speaks()
        await call.passes(LLMFullResponseStartFrame(), audio(30.0), tool_begins())
        await asyncio.sleep(1.0)
        await call.passes(tool_returns())
        await call.caller_speaks()
        await call.passes(*spoken(2.0))

        assert await call.is_content()
        assert len(call.latencies) == 2
        assert call.loudspeaker.played < 10.0


@at_once
async def test_the_time_of_a_tool_does_not_count_and_its_progress_ends_nothing() -> None:
    async with Call.held() as call:
        await call.caller_speaks()
        await asyncio.sleep(3.0)
        await call.passes(tool_begins())
        await asyncio.sleep(10.0)
        await call.passes(tool_returns(is_final=False))
        await asyncio.sleep(20.0)
        await call.passes(tool_returns())

        assert (await call.unanswered())[0] == about(BOUND - 3.0)


@pytest.mark.parametrize(
    ("end", "is_owed"),
    [
        (tool_returns(goes_on=False), False),
        (tool_returns(goes_on=True), True),
        (FunctionCallCancelFrame("search", "1"), True),
        (FunctionCallCancelFrame("search", "1", run_llm=True), True),
    ],
)
def test_what_is_owed_after_a_tool(end: Frame, *, is_owed: bool) -> None:
    @at_once
    async def play() -> None:
        async with Call.held() as call:
            await call.caller_speaks()
            await call.passes(tool_begins(), end)

            assert await call.is_content() is not is_owed

    play()


@at_once
async def test_an_answer_that_comes_before_the_turn_s_end_is_noticed_answers_it() -> None:
    """As with Pipecat's Smart Turn, which may wait three seconds for more, and a model that doesn't."""
    async with Call.held() as call:
        await call.caller_begins()
        await call.passes(VADUserStoppedSpeakingFrame(stop_secs=0.2))
        await asyncio.sleep(1.0)
        await call.passes(*spoken(1.5))
        await asyncio.sleep(2.0)
        await call.passes(UserStoppedSpeakingFrame())

        assert await call.is_content()
        assert call.latencies == [about(0.2 + 1.0)]


@at_once
async def test_a_caller_who_speaks_on_after_such_an_answer_is_owed_another() -> None:
    async with Call.held() as call:
        await call.caller_begins()
        await call.passes(VADUserStoppedSpeakingFrame(stop_secs=0.2), *spoken(1.0))
        await asyncio.sleep(2.0)
        await call.passes(VADUserStartedSpeakingFrame(), InterruptionFrame())
        await asyncio.sleep(20.0)
        await call.passes(VADUserStoppedSpeakingFrame(stop_secs=0.2), UserStoppedSpeakingFrame())
        seconds, unanswered = await call.unanswered()

        assert seconds == about(BOUND)
        assert unanswered.cause == "no_answer"


@at_once
async def test_such_an_answer_without_sound_is_missed() -> None:
    async with Call.held() as call:
        await call.caller_begins()
        await call.passes(VADUserStoppedSpeakingFrame(stop_secs=0.2))
        await call.passes(LLMFullResponseStartFrame(), LLMFullResponseEndFrame())
        await asyncio.sleep(3.0)
        await call.passes(UserStoppedSpeakingFrame())
        seconds, unanswered = await call.unanswered()

        assert seconds == about(BOUND - 3.0)
        assert unanswered.cause == "empty_turn"


@at_once
async def test_what_the_model_still_sends_while_the_caller_speaks_is_no_answer() -> None:
    async with Call.held() as call:
        await call.caller_begins()
        await call.passes(*spoken(1.0))
        await call.passes(VADUserStoppedSpeakingFrame(stop_secs=0.2), UserStoppedSpeakingFrame())

        assert not await call.is_content()


@at_once
async def test_an_answer_that_breaks_off_is_missed() -> None:
    async with Call.held() as call:
        await call.caller_speaks()
        await call.passes(LLMFullResponseStartFrame(), audio(2.0))
        seconds, unanswered = await call.unanswered()

        assert seconds == about(2.0 + BOUND)
        assert "broke off" in unanswered.error.message


@at_once
async def test_what_the_model_s_service_reports_is_known_at_the_end() -> None:
    async with Call.held() as call:
        await call.caller_speaks()
        for event in (TurnUnanswered(cause="empty_turn"), AnswerRequested(), AnswerRequested()):
            await call.passes(ModelEventFrame(event))
        _, unanswered = await call.unanswered()

        assert (unanswered.cause, unanswered.is_reported) == ("empty_turn", True)
        assert "although the bot asked it again 2 times" in unanswered.error.message


@at_once
async def test_an_answer_that_the_service_asks_for_by_itself_is_owed() -> None:
    async with Call.held() as call:
        await call.passes(ModelEventFrame(AnswerRequested()))

        assert not await call.is_content()


@at_once
async def test_a_caller_who_is_away_does_not_end_the_call() -> None:
    async with Call.held() as call:
        await call.caller_speaks()
        call.answers.note_presence(is_here=False)
        assert await call.is_content()

        call.answers.note_presence(is_here=True)
        assert not call.answers.missed.is_set()
        assert (await call.unanswered())[0] == about(BOUND)


@at_once
async def test_what_the_bot_said_while_nobody_was_there_is_missed() -> None:
    async with Call.held() as call:
        await call.caller_speaks()
        call.answers.note_presence(is_here=False)
        call.loudspeaker.is_broken = True
        await call.passes(*spoken(2.0))
        await asyncio.sleep(5.0)
        call.answers.note_presence(is_here=True)

        assert call.answers.missed.is_set()
        assert await call.is_content()


@at_once
async def test_where_speech_becomes_text_a_noise_without_words_needs_no_answer() -> None:
    async with Call.held(transcribes=True) as call:
        await call.caller_speaks()

        assert await call.is_content()


@pytest.mark.parametrize("is_late", [False, True])
def test_where_speech_becomes_text_words_need_an_answer(*, is_late: bool) -> None:
    @at_once
    async def play() -> None:
        async with Call.held(transcribes=True) as call:
            words = TranscriptionFrame("hello", "ana", "2026-01-01T00:00:00Z")
            await call.passes(UserStartedSpeakingFrame())
            if not is_late:
                await call.passes(words)
            await call.passes(UserStoppedSpeakingFrame())
            if is_late:
                await call.passes(words)

            assert not await call.is_content()

    play()


async def test_whether_a_pipeline_turns_speech_into_text() -> None:
    class Ears(STTService):
        async def run_stt(self, audio: bytes) -> AsyncIterator[Frame | None]:  # type: ignore[override] # noqa: ARG002
            yield None

    assert transcribes(Pipeline([IdentityFilter(), Pipeline([Ears()])]))
    assert not transcribes(Pipeline([IdentityFilter(), Pipeline([IdentityFilter()])]))
