"""Where only the model's server detects speech, the caller is owed an answer as well."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.frames.frames import InterruptionFrame, LLMFullResponseEndFrame, TTSAudioRawFrame

from podline.contract.messages import TurnUnanswered
from podline.errors import ModelLost
from podline.gemini.answering import ANSWER_AGAIN
from podline.gemini.server_turns import LATE_SECONDS, LONGEST_SECONDS, RECENT_SECONDS, ServerTurns
from podline.gemini.service import GO_ON
from testing.fakes.model.scripted_gemini import (
    SOUND,
    ScriptedCall,
    ScriptedGemini,
    ScriptedSession,
    scripted_call,
)
from tests.unit.podline.gemini.test_service import HASTY, PATIENT, greeted

QUESTION = {"text": "Do you have shoes?"}


def model(mute_seconds: float) -> ScriptedGemini:
    return ScriptedGemini(mute_seconds=mute_seconds, server_detects_speech=True)


async def listening(call: ScriptedCall) -> ScriptedSession:
    """Return the session when its greeting is over, and what is transcribed belongs to what follows."""
    session = await greeted(call, handle=None)
    await call.seen.frame(LLMFullResponseEndFrame)
    await asyncio.sleep(LATE_SECONDS)
    return session


async def test_a_question_that_was_transcribed_and_is_not_answered_goes_to_another_connection() -> None:
    async with scripted_call(model(HASTY)) as call:
        session = await listening(call)
        session.says(input_transcription=QUESTION)

        second = await call.model.session(2)
        assert await second.got("text") == ["Do you have shoes?"]
        assert await call.seen.event(TurnUnanswered) == TurnUnanswered("no_answer")
        assert isinstance(await call.is_given_up(), ModelLost)


async def test_an_empty_turn_is_asked_for_again() -> None:
    async with scripted_call(model(PATIENT)) as call:
        session = await listening(call)
        session.says(input_transcription=QUESTION)
        session.completes()

        assert await session.got("text") == [ANSWER_AGAIN]


@pytest.mark.parametrize("field", ["interim_input_transcription", "input_transcription"])
async def test_a_question_whose_connection_breaks_is_asked_over_the_next(field: str) -> None:
    async with scripted_call(model(PATIENT)) as call:
        session = await listening(call)
        session.says(**{field: QUESTION})
        session.breaks()

        second = await call.model.session(2)
        [text] = await second.got("text")
        assert text == (QUESTION["text"] if field == "input_transcription" else GO_ON)


async def test_an_interruption_without_words_is_owed_an_answer() -> None:
    async with scripted_call(model(HASTY)) as call:
        session = await listening(call)
        session.says(input_transcription=QUESTION)
        session.speaks(SOUND)
        await call.seen.frame(TTSAudioRawFrame, 2)
        session.says(interrupted=True)
        session.completes()
        await call.seen.frame(InterruptionFrame)

        assert await call.seen.event(TurnUnanswered) == TurnUnanswered("no_answer")


async def test_what_is_said_over_an_answer_is_not_taken_for_a_part_of_its_question() -> None:
    async with scripted_call(model(PATIENT)) as call:
        session = await listening(call)
        session.says(input_transcription=QUESTION)
        session.speaks(SOUND)
        await call.seen.frame(TTSAudioRawFrame, 2)
        session.says(interrupted=True)
        session.completes()
        session.says(input_transcription={"text": "Stop."})
        session.breaks()

        second = await call.model.session(2)
        assert await second.got("text") == ["Stop."]


async def test_a_transcription_that_comes_late_asks_for_nothing() -> None:
    async with scripted_call(model(HASTY)) as call:
        session = await listening(call)
        session.speaks(SOUND)
        session.says(input_transcription=QUESTION)
        session.says(generation_complete=True)
        session.completes()
        session.says(input_transcription=QUESTION)
        await call.seen.frame(LLMFullResponseEndFrame, 2)
        await asyncio.sleep(3 * HASTY)

        assert len(call.model.sessions) == 1
        assert call.seen.events == []


async def test_the_words_of_one_turn_are_not_repeated_with_the_next() -> None:
    async with scripted_call(model(PATIENT)) as call:
        session = await listening(call)
        session.says(input_transcription={"text": "First."})
        session.answers()
        await call.seen.frame(LLMFullResponseEndFrame, 2)
        await asyncio.sleep(LATE_SECONDS)
        session.says(input_transcription={"text": "Second."})
        session.breaks()

        second = await call.model.session(2)
        assert await second.got("text") == ["Second."]


async def test_while_the_caller_goes_on_nothing_is_late() -> None:
    async with scripted_call(model(6 * HASTY)) as call:
        session = await listening(call)
        session.says(input_transcription=QUESTION)
        for _ in range(8):
            await call.caller_is_heard(SOUND)
            await asyncio.sleep(HASTY / 2)

        assert len(call.model.sessions) == 1


async def test_what_was_said_just_before_the_connection_broke_is_asked_for() -> None:
    async with scripted_call(model(PATIENT)) as call:
        session = await listening(call)
        await call.caller_is_heard(SOUND)
        await session.got("audio")
        session.breaks()

        second = await call.model.session(2)
        assert await second.got("text") == [GO_ON]


async def test_silence_before_the_connection_broke_asks_for_nothing() -> None:
    async with scripted_call(model(PATIENT)) as call:
        session = await listening(call)
        await call.caller_is_heard(bytes(len(SOUND)))
        await session.got("audio")
        session.breaks()

        second = await call.model.session(2)
        await call.caller_types("Hello?")
        assert await second.got("text") == ["Hello?"]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_noise_postpones_an_answer_only_so_long() -> None:
    clock = Clock()
    turns = ServerTurns(clock)
    assert turns.noticed()

    assert turns.heard(SOUND, 24_000, 1)
    clock.now += LONGEST_SECONDS
    assert not turns.heard(SOUND, 24_000, 1)


def test_sound_is_no_turn_by_itself_and_silence_postpones_nothing() -> None:
    turns = ServerTurns(Clock())

    assert not turns.heard(SOUND, 24_000, 1)
    turns.noticed()
    assert not turns.heard(bytes(len(SOUND)), 24_000, 1)
    turns.closed()
    assert not turns.is_open


def test_what_the_server_has_said_nothing_about_is_unnoticed_for_a_while() -> None:
    clock = Clock()
    turns = ServerTurns(clock)
    assert not turns.is_unnoticed

    turns.heard(SOUND, 24_000, 1)
    assert turns.is_unnoticed
    clock.now += RECENT_SECONDS
    assert not turns.is_unnoticed


def test_what_was_noticed_or_answered_is_not_unnoticed() -> None:
    clock = Clock()
    turns = ServerTurns(clock)
    turns.heard(SOUND, 24_000, 1)
    turns.noticed()
    assert not turns.is_unnoticed

    clock.now += 1
    turns.answered()
    assert not turns.is_unnoticed
