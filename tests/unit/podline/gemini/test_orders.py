"""Whatever happens in between, and in whatever order, each turn is answered once."""

import asyncio

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import (
    FunctionCallResultProperties,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.services.llm_service import FunctionCallParams

from podline.contract.messages import AnswerRequested, ModelReconnected, TurnUnanswered
from podline.gemini.service import GO_ON
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

        assert await second.got("history") == [[GREETING, "Do you have shoes?"]]
        assert await second.got("text") == [GO_ON]


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
