"""Whatever happens in between, and in whatever order, each turn is answered once."""

import asyncio
import time

import pytest
from pipecat.adapters.llm.schemas.direct_function import tool_options
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import (
    EndFrame,
    FunctionCallCancelFrame,
    FunctionCallResultProperties,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.services.llm_service import FunctionCallParams

from podline.contract.messages import AnswerRequested, ModelReconnected, TurnUnanswered
from podline.errors import ModelLost
from podline.gemini.answering import ANSWER_AGAIN
from podline.gemini.service import GO_ON
from podline.tool_calls import MAX_TOOL_SECONDS
from testing.fakes.model.scripted_gemini import GREETING, SOUND, WORDS, ScriptedGemini, scripted_call
from tests.unit.podline.gemini.test_service import HASTY, PATIENT, greeted, tokens

MORE_WORDS = bytes(range(255, -1, -1)) * 10


async def test_a_text_typed_while_a_tool_ran_is_answered_though_the_result_needs_no_answer() -> None:
    running, may_return = asyncio.Event(), asyncio.Event()

    async def note(params: FunctionCallParams) -> None:
        running.set()
        await may_return.wait()
        await params.result_callback({}, properties=FunctionCallResultProperties(run_llm=False))

    schema = FunctionSchema(name="note", description="Note.", properties={}, required=[], handler=note)
    async with scripted_call(ScriptedGemini(mute_seconds=HASTY, tools=[schema])) as call:
        session = await greeted(call)
        session.calls("1", "note")
        await running.wait()
        await call.caller_types("Hello?")
        await session.got("text")
        await asyncio.sleep(HASTY)
        may_return.set()

        second = await call.model.session(2)
        assert await second.got("text") == ["Hello?"]


async def test_nothing_is_heard_of_a_connection_that_was_left() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await call.seen.frame(LLMFullResponseEndFrame)
        session.can_send = False
        await call.caller_says(WORDS)
        await call.seen.frame(UserStoppedSpeakingFrame)
        session.speaks(SOUND)
        session.says(generation_complete=True)

        second = await call.model.session(2)

        await second.got("activity_end")
        assert len([frame for frame in call.seen.frames if isinstance(frame, TTSAudioRawFrame)]) == 1


async def test_a_go_away_on_each_connection_is_not_followed_at_once() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        session.says(go_away={"time_left": "0s"})
        second = await call.model.session(2)
        await call.seen.event(ModelReconnected)
        second.says(go_away={"time_left": "0s"})
        second.says(output_transcription={"text": "Well"})
        await call.seen.frame(LLMFullResponseStartFrame, 2)

        await call.caller_says(WORDS)
        await second.got("activity_end")
        assert len(call.model.sessions) == 2


async def test_words_that_the_server_heard_are_told_to_another_session() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT, server_detects_speech=True)) as call:
        session = await greeted(call, handle=None)
        await call.caller_says(WORDS)
        await call.seen.frame(UserStoppedSpeakingFrame)
        session.says(input_transcription={"text": "Do you have shoes?"})
        session.breaks()

        second = await call.model.session(2)

        assert await second.got("history") == [[GREETING]]
        assert await second.got("text") == ["Do you have shoes?"]


async def test_an_answer_that_begins_before_the_turn_ends_is_not_asked_for_again() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT, server_detects_speech=True)) as call:
        session = await greeted(call)
        await call.seen.frame(LLMFullResponseEndFrame)
        await call.caller_begins()
        await call.caller_is_heard(WORDS)
        await session.got("audio")
        session.speaks(SOUND)
        await call.seen.frame(LLMFullResponseStartFrame, 2)
        await call.caller_ends()
        await call.seen.frame(UserStoppedSpeakingFrame)
        session.completes()
        await call.seen.frame(LLMFullResponseEndFrame, 2)
        await call.caller_begins()
        await call.caller_is_heard(WORDS)
        await session.got("audio", 2)

        assert "text" not in session.kinds


async def test_a_turn_in_progress_reaches_another_session_in_order_and_once() -> None:
    chunks = [bytes([number, 0]) * 320 for number in range(100)]
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await call.caller_begins()
        for chunk in chunks[:50]:
            await call.caller_is_heard(chunk)
        await session.got("audio", 50)
        session.breaks()
        second = await call.model.session(2)
        for chunk in chunks[50:]:
            await call.caller_is_heard(chunk)
        await call.caller_ends()
        await second.got("activity_end")
        await second.got("audio", 100)

        assert [blob.data for blob in await second.got("audio")] == chunks
        assert second.kinds[0] == "activity_start"
        assert second.kinds[-1] == "activity_end"


async def test_both_turns_that_no_session_heard_are_sent_to_the_next() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        session.breaks()
        await call.seen.frame(LLMFullResponseEndFrame)
        await call.caller_says(WORDS)
        await call.caller_says(MORE_WORDS)

        second = await call.model.session(2)

        await second.got("activity_end")
        assert [blob.data for blob in await second.got("audio")] == [WORDS, MORE_WORDS]


async def test_a_text_that_no_session_got_before_the_caller_spoke_is_sent_to_the_next() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        session.breaks()
        await call.seen.frame(LLMFullResponseEndFrame)
        await call.caller_types("The red ones.")
        await call.caller_says(WORDS)

        second = await call.model.session(2)

        await second.got("activity_end")
        assert await second.got("text") == ["The red ones."]


async def test_counts_in_a_message_of_their_own_show_what_was_forgotten() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call, handle=None)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.speaks(SOUND)
        session.says(usage_metadata=tokens(TEXT=400))
        session.completes()
        session.hands_out("second")
        await call.caller_says(WORDS)
        await session.got("activity_end", 2)
        session.breaks()
        second = await call.model.session(2)
        assert second.handle == "second"
        await second.got("activity_end")

        second.speaks(SOUND)
        second.says(usage_metadata=tokens(TEXT=350, AUDIO=500))
        second.completes()

        third = await call.model.session(3)
        assert third.handle is None
        await third.got("history")


@pytest.mark.parametrize("is_ended", [True, False])
async def test_a_call_that_ends_between_two_connections_leaves_no_task(*, is_ended: bool) -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        session.breaks()
        await call.seen.frame(LLMFullResponseEndFrame)
        await call.caller_says(WORDS)
        await call.seen.frame(UserStoppedSpeakingFrame)
        if is_ended:
            await call.ends()

    assert len(call.model.sessions) == 1
    assert len(asyncio.all_tasks()) == 1


async def test_a_late_completion_of_what_the_caller_interrupted_is_no_empty_answer() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.says(interrupted=True)
        session.completes()
        session.says(generation_complete=True)
        session.says(generation_complete=True)
        session.speaks(SOUND)
        session.says(generation_complete=True)
        session.says(generation_complete=True)
        session.completes()
        await call.caller_says(WORDS)
        await session.got("activity_end", 2)
        session.completes()

        await session.got("text")
        assert call.seen.events[:1] == [TurnUnanswered("empty_turn")]
        await call.seen.event(AnswerRequested)
        assert len(call.model.sessions) == 1


class Tools:
    """Tools that return when the test says so."""

    def __init__(self) -> None:
        self.may_return = {"search": asyncio.Event(), "details": asyncio.Event()}
        self.running = {"search": asyncio.Event(), "details": asyncio.Event()}

    @tool_options(cancel_on_interruption=False)
    async def handle_meanwhile(self, params: FunctionCallParams) -> None:
        await self.handle(params)

    async def handle(self, params: FunctionCallParams) -> None:
        self.running[params.function_name].set()
        await self.may_return[params.function_name].wait()
        await params.result_callback({"found": params.function_name})

    def schemas(self, *, is_async: bool = False) -> list[FunctionSchema]:
        return [
            FunctionSchema(
                name=name,
                description=name,
                properties={},
                required=[],
                handler=self.handle_meanwhile if is_async else self.handle,
            )
            for name in self.running
        ]


@pytest.mark.parametrize("returns_first", [True, False])
async def test_of_two_calls_one_is_cancelled_and_the_other_is_answered(*, returns_first: bool) -> None:
    tools = Tools()
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT, tools=tools.schemas())) as call:
        session = await greeted(call)
        asked = [{"id": name, "name": name, "args": {}} for name in tools.running]
        session.says(tool_call={"function_calls": asked})
        for running in tools.running.values():
            await running.wait()
        if returns_first:
            tools.may_return["details"].set()
            await session.got("tool_response")
        session.says(tool_call_cancellation={"ids": ["search"]})
        await call.seen.frame(FunctionCallCancelFrame)
        tools.may_return["details"].set()
        assert await session.got("tool_response") == ["details"]
        session.speaks(SOUND[:9600])
        session.completes()
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.completes()

        assert await session.got("text") == [ANSWER_AGAIN]
        assert session.kinds.count("tool_response") == 1


async def test_a_fast_tool_s_result_is_answered_though_its_turn_is_complete_already() -> None:
    tools = Tools()
    tools.may_return["search"].set()
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT, tools=tools.schemas())) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.says(
            turn_complete=True, tool_call={"function_calls": [{"id": "1", "name": "search", "args": {}}]}
        )
        await session.got("tool_response")
        session.speaks(SOUND)
        session.completes()
        await call.seen.frame(LLMFullResponseEndFrame, 2)

        assert "text" not in session.kinds
        assert call.seen.events == []


async def test_a_result_that_comes_during_another_answer_is_not_missed_when_that_is_complete() -> None:
    tools = Tools()
    model = ScriptedGemini(mute_seconds=PATIENT, tools=tools.schemas(is_async=True))
    async with scripted_call(model) as call:
        session = await greeted(call)
        session.calls("1", "search")
        session.completes()
        await tools.running["search"].wait()
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.speaks(SOUND)
        session.says(generation_complete=True)
        await call.seen.frame(LLMFullResponseStartFrame, 2)
        tools.may_return["search"].set()
        await session.got("tool_response")
        session.completes()
        session.speaks(SOUND)
        session.completes()
        await call.seen.frame(LLMFullResponseEndFrame, 3)

        assert "text" not in session.kinds
        assert call.seen.events == []


async def test_a_call_that_ends_in_an_answer_ends_though_the_connection_breaks() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        await call.greet()
        session = await call.model.session(1)
        session.speaks(SOUND)
        await call.seen.frame(LLMFullResponseStartFrame)
        await call.ends()
        session.breaks()
        await call.seen.frame(EndFrame)

    assert len(call.model.sessions) == 1
    assert len(asyncio.all_tasks()) == 1


async def test_a_session_that_breaks_whenever_it_is_open_is_given_up() -> None:
    model = ScriptedGemini(mute_seconds=0)
    async with scripted_call(model) as call:
        await greeted(call)
        for number in (1, 2, 3):
            (await call.model.session(number)).breaks()

        assert isinstance(await call.is_given_up(), ModelLost)
        assert len(call.model.sessions) == 3


async def test_handles_without_end_bring_no_other_connection() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        for number in range(1000):
            session.hands_out(f"handle {number}")
        session.says(go_away={"time_left": "NaNs"})

        second = await call.model.session(2)

        assert second.handle == "handle 999"
        assert len(call.model.sessions) == 2


async def test_a_tool_that_never_reports_does_not_keep_later_turns_from_being_asked_for_again() -> None:
    waited = 0.0
    began = asyncio.Event()

    async def forget(_params: FunctionCallParams) -> None:
        began.set()

    schema = FunctionSchema(name="forget", description="Do.", properties={}, required=[], handler=forget)
    model = ScriptedGemini(mute_seconds=PATIENT, tools=[schema], clock=lambda: time.monotonic() + waited)
    async with scripted_call(model) as call:
        session = await greeted(call)
        session.calls("1", "forget")
        session.completes()
        await began.wait()
        waited = MAX_TOOL_SECONDS
        await call.caller_says(WORDS)
        await session.got("activity_end")

        session.completes()

        assert await session.got("text") == [ANSWER_AGAIN]


async def test_an_interruption_on_a_lost_connection_excuses_no_empty_turn_on_the_next() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.says(interrupted=True)
        session.breaks()
        second = await call.model.session(2)
        await second.got("activity_end")

        second.completes()

        assert await second.got("text") == [ANSWER_AGAIN]


async def test_a_tool_called_while_the_caller_speaks_runs_once_and_the_turn_is_answered() -> None:
    tools = Tools()
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT, tools=tools.schemas())) as call:
        session = await greeted(call)
        await call.caller_begins()
        await session.got("activity_start")
        session.calls("1", "search")
        session.completes()
        await tools.running["search"].wait()
        tools.may_return["search"].set()
        await session.got("tool_response")
        await call.caller_ends()
        await session.got("activity_end")

        session.completes()

        assert await session.got("text") == [ANSWER_AGAIN]
        assert session.kinds.count("tool_response") == 1


async def test_an_answer_that_breaks_off_on_both_connections_leaves_the_next_turn_answered() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=2 * HASTY)) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")
        session.speaks(SOUND[:9600])
        second = await call.model.session(2)
        await second.got("activity_end")
        second.speaks(SOUND[:9600])
        await call.seen.frame(LLMFullResponseEndFrame, 3)
        await call.caller_says(WORDS)
        await second.got("activity_end", 2)

        second.completes()

        assert await second.got("text") == [ANSWER_AGAIN]


async def test_each_fault_has_its_remedy_where_the_server_detects_speech() -> None:
    model = ScriptedGemini(mute_seconds=PATIENT, server_detects_speech=True)
    async with scripted_call(model) as call:
        session = await greeted(call)
        await call.caller_says(WORDS)
        await session.got("audio")
        await call.seen.frame(UserStoppedSpeakingFrame)
        session.completes()
        assert await session.got("text") == [ANSWER_AGAIN]
        session.completes()

        second = await call.model.session(2)
        assert await second.got("text") == [GO_ON]
        second.completes()

        assert isinstance(await call.is_given_up(), ModelLost)
        assert len(model.sessions) == 2


async def test_a_text_is_sent_until_it_is_answered_whatever_breaks() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=0)) as call:
        session = await greeted(call)
        session.breaks()
        await call.seen.frame(LLMFullResponseEndFrame)
        await call.caller_types("The red ones.")
        second = await call.model.session(2)
        await second.got("text")
        second.breaks()

        third = await call.model.session(3)

        assert await third.got("text") == ["The red ones."]


async def test_a_call_ends_while_a_session_is_set_up() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT)) as call:
        session = await greeted(call)
        call.model.may_open.clear()
        session.breaks()
        await call.model.is_asked_to_open.wait()
        await call.ends()
        await call.seen.frame(EndFrame)

    assert len(call.model.sessions) == 1
    assert len(asyncio.all_tasks()) == 1


async def test_a_go_away_waits_for_a_tool_whose_result_the_next_session_may_get() -> None:
    tools = Tools()
    async with scripted_call(ScriptedGemini(mute_seconds=PATIENT, tools=tools.schemas())) as call:
        session = await greeted(call)
        session.calls("1", "search")
        await tools.running["search"].wait()
        session.says(go_away={"time_left": "0s"})
        session.says(output_transcription={"text": "Well"})
        await call.seen.frame(LLMFullResponseStartFrame, 2)
        assert len(call.model.sessions) == 1
        session.breaks()
        second = await call.model.session(2)
        tools.may_return["search"].set()

        assert await second.got("tool_response") == ["1"]
