"""Notes for the model reach it, and never while it makes an answer, which they would cut short."""

from pipecat.frames.frames import TTSAudioRawFrame

from podline.frames import ModelNoteFrame
from podline.gemini.writing import MOST_NOTES
from testing.fakes.model.scripted_gemini import (
    SOUND,
    WORDS,
    ScriptedCall,
    ScriptedGemini,
    ScriptedSession,
    scripted_call,
)

NOTE = "Product 2 is on the list."


def patient() -> ScriptedGemini:
    return ScriptedGemini(mute_seconds=60.0)


async def greeted(call: ScriptedCall) -> ScriptedSession:
    await call.greet()
    session = await call.model.session(1)
    await session.got("answer_this")
    return session


async def note(call: ScriptedCall, text: str = NOTE, number: int = 1) -> None:
    await call.model.queue_frame(ModelNoteFrame.of(text))
    await call.seen.frame(ModelNoteFrame, number)


async def test_a_note_waits_until_the_answer_is_complete() -> None:
    async with scripted_call(patient()) as call:
        session = await greeted(call)
        session.speaks(SOUND)
        await call.seen.frame(TTSAudioRawFrame)
        await note(call)
        assert "history" not in session.kinds
        session.answers("a handle")

        assert await session.got("history") == [[NOTE]]
        assert session.kinds.count("answer_this") == 1


async def test_a_note_that_comes_while_the_caller_speaks_is_known_to_the_next_answer() -> None:
    async with scripted_call(patient()) as call:
        session = await greeted(call)
        session.answers("a handle")
        await call.caller_begins()
        await session.got("activity_start")
        await note(call)
        await call.caller_ends()
        await session.got("activity_end")

        assert session.kinds.index("history") < session.kinds.index("activity_end")


async def test_a_note_that_waits_when_the_caller_speaks_again_is_known_to_the_next_answer() -> None:
    async with scripted_call(patient()) as call:
        session = await greeted(call)
        session.speaks(SOUND)
        await call.seen.frame(TTSAudioRawFrame)
        await note(call)
        await call.caller_says(WORDS)
        await session.got("activity_end")

        assert session.kinds.index("history") < session.kinds.index("activity_start")


async def test_a_note_outlives_the_connection() -> None:
    async with scripted_call(patient()) as call:
        session = await greeted(call)
        session.answers("a handle")
        await call.caller_says(WORDS)
        await session.got("activity_end")
        await note(call)
        session.breaks()
        second = await call.model.session(2)
        await second.got("activity_end")
        assert "history" not in second.kinds
        second.answers("a handle")

        assert await second.got("history") == [[NOTE]]


async def test_of_too_many_notes_the_latest_are_kept() -> None:
    async with scripted_call(patient()) as call:
        session = await greeted(call)
        session.speaks(SOUND)
        await call.seen.frame(TTSAudioRawFrame)
        for number in range(1, MOST_NOTES + 6):
            await note(call, f"note {number}", number)
        session.answers("a handle")

        notes = await session.got("history", MOST_NOTES)
        assert [notes[0], notes[-1]] == [["note 6"], [f"note {MOST_NOTES + 5}"]]
