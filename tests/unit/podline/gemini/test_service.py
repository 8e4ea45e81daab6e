"""Whatever the model does, a turn is answered so that it can be heard, or the service says why not."""

import asyncio
from typing import Any

import pytest
from google.genai.errors import APIError
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import LLMFullResponseEndFrame
from pipecat.services.llm_service import FunctionCallParams

from podline.contract.messages import AnswerRequested, ModelReconnected, ModelReseeded, TurnUnanswered
from podline.errors import ModelLost, ModelRefused, ModelUnreachable
from podline.gemini.answering import ANSWER_AGAIN
from podline.gemini.service import GO_ON
from testing.fakes.model.scripted_gemini import (
    GREETING,
    SOUND,
    WORDS,
    ScriptedCall,
    ScriptedGemini,
    ScriptedSession,
    scripted_call,
)

ZEROS = bytes(48_000)
PATIENT = 60.0
"""`mute_seconds` in a test in which nothing should come too late."""
HASTY = 0.4


async def greeted(call: ScriptedCall, handle: str | None = "first") -> ScriptedSession:
    """Let the model greet, and return its session."""
    await call.greet()
    session = await call.model.session(len(call.model.sessions) or 1)
    await session.got("answer_this")
    session.answers(handle)
    return session


def tokens(**counts: int) -> dict[str, Any]:
    return {"prompt_tokens_details": [{"modality": kind, "token_count": n} for kind, n in counts.items()]}


async def test_a_turn_without_a_word_is_asked_for_again_on_the_same_connection() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")

        session.completes()

        assert await session.got("text") == [ANSWER_AGAIN]
        await call.seen.event(AnswerRequested)
        assert call.seen.events == [TurnUnanswered("empty_turn"), AnswerRequested()]
        assert len(call.model.sessions) == 1


@pytest.mark.parametrize("audio", [ZEROS, bytes([40, 0]) * 24_000])
async def test_sound_that_nobody_hears_is_asked_for_again(audio: bytes) -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")

        session.speaks(audio)
        session.completes()

        await session.got("text")
        assert await call.seen.event(TurnUnanswered) == TurnUnanswered("inaudible")


async def test_a_second_empty_turn_brings_another_connection_and_a_third_gives_up() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.completes()
        await session.got("text")
        session.completes()

        second = await call.model.session(2)
        assert second.handle is None
        assert await second.got("history") == [[GREETING]]
        assert [blob.data for blob in await second.got("audio")][-1] == WORDS
        await second.got("activity_end")
        second.completes()

        error = await call.is_given_up()
        assert isinstance(error, ModelLost)
        assert error.message.startswith("Gemini completed its turns without audio that can be played, even")


async def test_an_answer_on_the_second_connection_is_as_good() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        for _ in range(2):
            session.completes()
        second = await call.model.session(2)
        await second.got("activity_end")
        second.answers()
        await call.caller_says(WORDS)
        await second.got("activity_end", 2)

        second.completes()

        assert await second.got("text") == [ANSWER_AGAIN]


async def test_a_model_that_thinks_for_ever_is_left_for_another_connection_and_then_given_up() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=HASTY)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.thinks()

        second = await call.model.session(2)
        await second.got("activity_end")
        second.thinks()

        error = await call.is_given_up()
        assert "Gemini fell silent" in str(error)
        assert await call.seen.event(TurnUnanswered) == TurnUnanswered("no_answer")


async def test_an_answer_that_stops_in_mid_sentence_is_asked_for_over_another_connection() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=HASTY)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.speaks(SOUND[:9600])

        assert (await call.model.session(2)).handle is None


async def test_a_greeting_that_was_not_heard_is_asked_for_again() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        await call.greet()
        session = await call.model.session(1)
        await session.got("answer_this")
        session.completes()
        await session.got("text")
        session.completes()

        second = await call.model.session(2)

        assert await second.got("text") == [GREETING]


async def test_a_bot_that_may_be_silent_is_left_in_peace() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=0)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.completes()
        await call.caller_says(WORDS)
        await session.got("activity_end", 2)

        assert "text" not in session.kinds
        assert call.seen.events == []


# Connections.


async def test_a_lost_connection_is_resumed_and_the_caller_s_turn_sent_again() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.breaks()

        second = await call.model.session(2)

        assert second.handle == "first"
        assert [blob.data for blob in await second.got("audio")][-1] == WORDS
        await second.got("activity_end")
        assert await call.seen.event(TurnUnanswered) == TurnUnanswered("connection_lost")
        assert await call.seen.event(ModelReconnected) == ModelReconnected(resumed=True)


async def test_what_the_caller_says_between_two_connections_is_heard() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await session.got("answer_this")
        session.breaks()
        await call.caller_says(WORDS)

        second = await call.model.session(2)

        assert [blob.data for blob in await second.got("audio")] == [WORDS]
        await second.got("activity_end")


@pytest.mark.parametrize("code", [1007, 1008, 1011])
async def test_a_handle_that_is_refused_is_forgotten_and_the_conversation_given_again(code: int) -> None:
    model = ScriptedGemini(mute_seconds=PATIENT)
    model.refuses = lambda handle: APIError(code, "session not found", None) if handle else None
    async with scripted_call(model) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.breaks()

        second = await call.model.session(2)

        assert second.handle is None
        await second.got("history")
        await second.got("activity_end")
        await call.seen.event(ModelReseeded)


async def test_after_a_go_away_the_bot_waits_for_the_latest_handle() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.says(go_away={"time_left": "30s"})
        session.answers()
        session.hands_out("second")

        assert (await call.model.session(2)).handle == "second"


async def test_one_go_away_moves_the_bot_once() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        session.says(go_away={"time_left": "30s"})
        second = await call.model.session(2)
        await call.seen.event(ModelReconnected)
        await call.caller_says(WORDS)
        await second.got("activity_end")
        second.answers("third")
        await call.caller_says(WORDS)
        await second.got("activity_end", 2)

        assert len(call.model.sessions) == 2


async def test_a_go_away_whose_handle_never_comes_moves_the_bot_with_the_conversation_as_text() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call, handle=None)
        session.says(go_away={"time_left": "1s"})

        second = await call.model.session(2)

        assert second.handle is None
        await second.got("history")


async def test_a_resumed_session_that_has_forgotten_everything_gets_the_conversation_again() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call, handle=None)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.speaks(SOUND)
        session.completes(usage_metadata=tokens(TEXT=400))
        session.hands_out("second")
        await call.caller_says(WORDS)
        await session.got("activity_end", 2)
        session.breaks()
        second = await call.model.session(2)
        assert second.handle == "second"
        await second.got("activity_end")

        second.speaks(SOUND)
        second.completes(usage_metadata=tokens(TEXT=350, AUDIO=500))

        third = await call.model.session(3)
        assert third.handle is None
        await third.got("history")
        await third.got("activity_end")


async def test_a_connection_that_cannot_be_written_to_is_left() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await call.seen.frame(LLMFullResponseEndFrame)
        session.can_send = False
        await call.caller_says(WORDS)

        second = await call.model.session(2)

        await second.got("activity_end")


async def test_connections_that_break_one_after_another_are_given_up_with_the_code_received() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        await greeted(call)
        for number in (1, 2, 3):
            session = await call.model.session(number)
            session.breaks(APIError(1011, "The service is overloaded", None))

        error = await call.is_given_up()
        assert isinstance(error, ModelLost)
        assert "overloaded" in error.message
        assert "1011" in error.message


async def test_a_refused_key_ends_the_call_at_once() -> None:
    model = ScriptedGemini(mute_seconds=PATIENT)
    model.refuses = lambda _handle: APIError(1007, "API key not valid.", None)
    async with scripted_call(model) as call:
        assert isinstance(await call.is_given_up(), ModelRefused)


async def test_an_overloaded_model_is_tried_again_before_the_call() -> None:
    model = ScriptedGemini(mute_seconds=PATIENT)
    refusals = iter([APIError(1011, "overloaded", None)])
    model.refuses = lambda _handle: next(refusals, None)
    async with scripted_call(model) as call:
        session = await greeted(call)

        assert session.handle is None


async def test_a_model_that_stays_overloaded_is_unreachable() -> None:
    model = ScriptedGemini(mute_seconds=PATIENT)
    model.refuses = lambda _handle: APIError(1011, "overloaded", None)
    async with scripted_call(model) as call:
        error = await call.is_given_up()

        assert isinstance(error, ModelUnreachable)
        assert "call again in a minute" in error.message


async def test_a_turn_that_is_never_complete_is_closed_after_its_last_sound() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        await call.greet()
        session = await call.model.session(1)
        await session.got("answer_this")
        session.speaks(SOUND[:9600])
        session.says(generation_complete=True)

        await call.seen.frame(LLMFullResponseEndFrame)


async def test_a_long_conversation_is_compressed() -> None:
    async with scripted_call(ScriptedGemini()) as call:
        session = await call.model.session(1)

        assert session.config.context_window_compression is not None


# Tools.


class Tool:
    """A tool that runs until the test lets it return."""

    def __init__(self) -> None:
        self.runs = 0
        self.stopped = asyncio.Event()
        self.running = asyncio.Event()
        self.may_return = asyncio.Event()

    async def handle(self, params: FunctionCallParams) -> None:
        self.runs += 1
        self.running.set()
        try:
            await self.may_return.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        await params.result_callback({"found": 2})

    @property
    def schema(self) -> FunctionSchema:
        return FunctionSchema(
            name="search", description="Search.", properties={}, required=[], handler=self.handle
        )


@pytest.fixture
def tool() -> Tool:
    return Tool()


def with_tool(tool: Tool, mute_seconds: float = PATIENT) -> ScriptedGemini:
    return ScriptedGemini(mute_seconds=mute_seconds, tools=[tool.schema])


async def test_a_call_that_comes_twice_runs_once_and_is_answered_once(tool: Tool) -> None:
    tool.may_return.set()
    async with scripted_call(with_tool(tool)) as call:
        session = await greeted(call)
        session.calls("1", "search")
        session.calls("1", "search")
        await session.got("tool_response")
        session.calls("1", "search")
        session.calls("2", "search")
        await session.got("tool_response", 2)

        assert await session.got("tool_response") == ["1", "2"]
        assert tool.runs == 2


async def test_a_call_that_comes_only_as_a_part_is_answered(tool: Tool) -> None:
    tool.may_return.set()
    async with scripted_call(with_tool(tool)) as call:
        session = await greeted(call)
        part = {"function_call": {"id": "1", "name": "search", "args": {}}}
        session.says(model_turn={"role": "model", "parts": [part]})

        assert await session.got("tool_response") == ["1"]


async def test_a_cancelled_call_is_stopped_and_not_answered(tool: Tool) -> None:
    async with scripted_call(with_tool(tool)) as call:
        session = await greeted(call)
        session.calls("1", "search")
        await tool.running.wait()
        session.says(tool_call_cancellation={"ids": ["1", "unknown"]})
        await tool.stopped.wait()
        session.completes()

        assert await session.got("text") == [ANSWER_AGAIN]
        assert "tool_response" not in session.kinds


async def test_a_session_that_does_not_know_the_call_gets_its_result_as_text(tool: Tool) -> None:
    async with scripted_call(with_tool(tool)) as call:
        session = await greeted(call, handle=None)
        session.calls("1", "search")
        await tool.running.wait()
        session.breaks()
        second = await call.model.session(2)
        await call.seen.event(ModelReconnected)
        tool.may_return.set()

        assert await second.got("text") == ['[search returned: {"found": 2}]']
        assert "tool_response" not in second.kinds


async def test_a_resumed_session_gets_the_result_as_the_call_s_answer(tool: Tool) -> None:
    async with scripted_call(with_tool(tool)) as call:
        session = await greeted(call)
        session.calls("1", "search")
        await tool.running.wait()
        session.breaks()
        second = await call.model.session(2)
        await call.seen.event(ModelReconnected)
        tool.may_return.set()

        assert await second.got("tool_response") == ["1"]


async def test_nothing_is_late_while_a_tool_runs(tool: Tool) -> None:
    async with scripted_call(with_tool(tool, HASTY)) as call:
        session = await greeted(call)
        session.calls("1", "search")
        await tool.running.wait()
        await asyncio.sleep(2 * HASTY)

        assert len(call.model.sessions) == 1
        tool.may_return.set()
        await call.model.session(2)


async def test_a_lost_connection_after_a_cancelled_tool_is_not_waited_for(tool: Tool) -> None:
    async with scripted_call(with_tool(tool)) as call:
        session = await greeted(call)
        session.calls("1", "search")
        await tool.running.wait()
        await call.model.cancel_function_calls(reason="barge-in")
        await tool.stopped.wait()
        session.breaks()

        second = await call.model.session(2)

        assert await second.got("text") == [GO_ON]


async def test_a_call_that_pipecat_cancelled_and_the_model_did_not_is_answered_with_a_sentence(
    tool: Tool,
) -> None:
    async with scripted_call(with_tool(tool)) as call:
        session = await greeted(call)
        session.calls("1", "search")
        await tool.running.wait()
        await call.model.cancel_function_calls(reason="barge-in")
        await call.settles_cancelled("1")

        assert await session.got("tool_response") == ["1"]
        assert session.results["1"]["error"] == "search was stopped because the caller spoke."
