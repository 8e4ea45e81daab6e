"""What is written to the model reaches it once, whoever writes it, and is answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from pipecat.frames.frames import (
    Frame,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.workers.runner import WorkerRunner

from podline.contract.messages import AnswerRequested
from podline.gemini import GeminiModalities
from podline.gemini.answering import ANSWER_AGAIN
from podline.gemini.known_messages import KnownMessages
from testing.fakes.controllers.process_table import until
from testing.fakes.model.scripted_gemini import (
    GREETING,
    SOUND,
    PassedFrames,
    ScriptedGemini,
    ScriptedSession,
    scripted_call,
)
from tests.unit.podline.gemini.test_service import HASTY, PATIENT, greeted


def said(text: str) -> Any:
    return {"role": "user", "content": text}


class Conversation:
    """A greeted bot with aggregators, to which things are written."""

    def __init__(self, worker: PipelineWorker, model: ScriptedGemini, seen: PassedFrames) -> None:
        self.worker = worker
        self.model = model
        self.seen = seen
        self.context = LLMContext([said(GREETING)])
        self.session: ScriptedSession

    async def gets(self, *frames: Frame) -> None:
        await self.worker.queue_frames([*frames])

    async def types(self, text: str, *, run_llm: bool = True) -> None:
        """Type as a client does, through RTVI's `send-text`."""
        messages: Any = [said(text)]
        await self.gets(LLMMessagesAppendFrame(messages=messages, run_llm=run_llm))


@contextlib.asynccontextmanager
async def conversation(**options: Any) -> AsyncIterator[Conversation]:
    model, seen = ScriptedGemini(**{"mute_seconds": PATIENT, **options}), PassedFrames()
    context = LLMContext([said(GREETING)])
    user, assistant = LLMContextAggregatorPair(context)
    worker = PipelineWorker(
        Pipeline([user, model, seen, assistant]), params=PipelineParams(), enable_rtvi=False
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(runner.run())
        held = Conversation(worker, model, seen)
        await held.gets(LLMRunFrame())
        held.session = await model.session(1)
        await held.session.got("answer_this")
        held.session.answers()
        await seen.frame(LLMFullResponseEndFrame)
        yield held
        await worker.cancel()
        await run


async def test_typed_text_is_asked_for_again_like_anything_that_was_said() -> None:
    async with conversation() as held:
        await held.types("And in red?")
        await held.session.got("text")
        held.session.completes()

        assert await held.session.got("text", 2) == ["And in red?", ANSWER_AGAIN]
        await held.seen.event(AnswerRequested)


async def test_the_same_text_typed_twice_is_sent_twice() -> None:
    async with conversation() as held:
        await held.types("Yes.")
        await held.session.got("text")
        await held.types("Yes.")

        assert await held.session.got("text", 2) == ["Yes.", "Yes."]


async def test_text_that_waited_for_the_next_turn_goes_with_it() -> None:
    async with conversation() as held:
        await held.types("It is for a child.", run_llm=False)
        await held.types("Which size?")

        assert await held.session.got("text") == ["It is for a child.\nWhich size?"]


async def test_what_the_caller_said_is_not_written_to_the_model_too() -> None:
    async with conversation() as held:
        held.session.says(input_transcription={"text": "Find shoes."})
        held.session.speaks(SOUND)
        held.session.says(output_transcription={"text": "Here."})
        held.session.says(interrupted=True)
        held.session.completes()
        await held.seen.frame(LLMContextUserTurnFrame)
        await held.types("And in red?")

        assert await held.session.got("text") == ["And in red?"]


async def test_text_typed_between_two_connections_is_answered_by_the_second() -> None:
    async with conversation() as held:
        held.model.may_open.clear()
        held.session.breaks()
        await held.model.is_asked_to_open.wait()
        await held.types("And in red?")
        await until(lambda: bool(held.model._unanswered_texts))
        held.model.may_open.set()

        second = await held.model.session(2)
        assert await second.got("text") == ["And in red?"]


async def test_an_appended_message_that_is_not_answered_is_sent_to_another_connection() -> None:
    message: Any = {"role": "developer", "content": "The shop closes soon."}
    async with conversation(mute_seconds=HASTY) as held:
        await held.model.queue_frame(LLMMessagesAppendFrame(messages=[message], run_llm=True))
        await held.session.got("answer_this", 2)

        second = await held.model.session(2)
        assert await second.got("text") == ["The shop closes soon."]


async def test_a_bot_that_waits_for_the_caller_owes_nothing() -> None:
    async with scripted_call(
        ScriptedGemini(mute_seconds=HASTY, inference_on_context_initialization=False)
    ) as call:
        await call.greet()
        session = await call.model.session(1)
        await session.got("history")
        await asyncio.sleep(3 * HASTY)

        assert len(call.model.sessions) == 1
        assert call.seen.events == []


async def test_a_model_that_writes_its_answers_has_answered() -> None:
    model = ScriptedGemini(mute_seconds=HASTY, modalities=GeminiModalities.TEXT)
    async with scripted_call(model) as call:
        await call.greet()
        session = await call.model.session(1)
        await session.got("answer_this")
        session.says(model_turn={"role": "model", "parts": [{"text": "Hello."}]})
        session.says(generation_complete=True)
        session.completes()
        await call.seen.frame(LLMFullResponseEndFrame)
        await call.caller_types("Hello?")
        await session.got("text")
        session.completes()

        assert await session.got("text", 2) == ["Hello?", ANSWER_AGAIN]


async def test_a_pipeline_without_aggregators_is_answered_by_every_connection() -> None:
    messages: Any = [said("Say hello.")]
    async with scripted_call(ScriptedGemini(mute_seconds=HASTY)) as call:
        await call.gets(LLMMessagesAppendFrame(messages=messages, run_llm=True))
        session = await call.model.session(1)
        assert await session.got("answer_this") == [["Say hello."]]

        second = await call.model.session(2)
        assert await second.got("text") == ["Say hello."]
        second.answers()
        await call.seen.frame(LLMFullResponseEndFrame)
        await call.caller_types("Hello?")
        assert (await second.got("text", 2))[-1] == "Hello?"


async def test_text_before_the_conversation_begins_has_nobody_to_answer_it() -> None:
    async with scripted_call(ScriptedGemini(mute_seconds=HASTY)) as call:
        await call.model.session(1)
        await call.caller_types("Hello?")
        await asyncio.sleep(3 * HASTY)
        session = await greeted(call)

        assert len(call.model.sessions) == 1
        assert ("text", "Hello?") not in session.sent


def test_text_that_overtakes_its_message_is_known_when_that_comes() -> None:
    known = KnownMessages()
    known.learn_text([], "typed")

    assert known.unknown([said("typed"), said("typed")]) == "typed"


def test_only_what_follows_the_last_answer_is_unknown() -> None:
    known = KnownMessages()
    before, answer, typed = said("before"), {"role": "assistant", "content": "answer"}, said("typed")

    assert known.unknown([before, answer, typed]) == "typed"
    known.learn([before, answer, typed])
    assert known.unknown([before, answer, typed]) == ""


def test_messages_of_a_providers_own_kind_are_left_to_it() -> None:
    assert KnownMessages().unknown([said("before"), object()]) == ""
