"""Google's own SDK, unchanged, talks to the model over TLS."""

import asyncio

import numpy as np
import pytest
from google.genai import errors, types

from sandbox.caller_audio import trimmed
from sandbox.ears import HEARING_RATE
from sandbox.mind.answers import SORRY
from sandbox.voice import Voice
from tests.unit.sandbox.sdk import Model, connect, first_tool_call, send, speak, until_turn_complete


async def test_the_sdk_is_greeted_with_audio(model: Model) -> None:
    async with asyncio.timeout(20), connect(model) as session:
        await session.send_client_content(turns={"role": "user", "parts": [{"text": "Greet the caller."}]})
        await session.send_realtime_input(text=" ")
        audio, handles, usage = b"", [], None
        async for message in session.receive():
            audio += message.data or b""
            if message.session_resumption_update:
                handles.append(message.session_resumption_update.new_handle)
            usage = message.usage_metadata or usage
    assert len(audio) > 48_000
    assert np.abs(np.frombuffer(audio, "<i2")).max() > 1000
    assert handles
    assert usage is not None
    assert usage.response_token_count == pytest.approx(len(audio) / 48_000 * 25, abs=1)


async def test_a_spoken_save_becomes_a_tool_call(model: Model, voice: Voice) -> None:
    async with connect(model) as session:
        await speak(session, voice.say("save product two", HEARING_RATE))
        call = await first_tool_call(session)
    assert (call.name, call.args) == ("save_product", {"productNumber": 2})
    assert model.gemini.record.sessions[0].turns[0].heard == "save product two"


async def test_a_client_that_marks_speech_itself_is_heard(model: Model, voice: Voice) -> None:
    manual = {"automatic_activity_detection": {"disabled": True}}
    async with connect(model, realtime_input_config=manual) as session:
        await session.send_realtime_input(activity_start=types.ActivityStart())
        await speak(session, voice.say("save product two", HEARING_RATE))
        await session.send_realtime_input(activity_end=types.ActivityEnd())
        call = await first_tool_call(session)
    assert (call.name, call.args) == ("save_product", {"productNumber": 2})
    assert model.gemini.record.sessions[0].turns[0].silence_seconds == 0


async def test_a_change_whose_beginning_was_not_sent_is_asked_for_again(model: Model, voice: Voice) -> None:
    """The rest of `save` sounds like `remove`."""
    speech = trimmed(voice.say("save product two", HEARING_RATE))
    heard = speech[HEARING_RATE // 10 :]
    manual = {"automatic_activity_detection": {"disabled": True}}
    async with connect(model, realtime_input_config=manual) as session:
        await session.send_realtime_input(activity_start=types.ActivityStart())
        await send(session, np.concatenate([heard, np.zeros(HEARING_RATE // 2, np.int16)]))
        await session.send_realtime_input(activity_end=types.ActivityEnd())
        messages = await until_turn_complete(session)
    assert not [message for message in messages if message.tool_call]
    said = "".join(
        message.server_content.output_transcription.text
        for message in messages
        if message.server_content and message.server_content.output_transcription
    )
    assert said == SORRY


async def test_a_wrong_key_closes_with_googles_words(model: Model) -> None:
    with pytest.raises(errors.APIError, match="API key not valid") as refusal:
        async with connect(model, key="another"):
            pass
    assert refusal.value.code == 1007


async def test_an_unknown_model_closes_with_googles_words(model: Model) -> None:
    with pytest.raises(
        errors.APIError, match="models/gemini-1 is not found for API version v1beta"
    ) as refusal:
        async with connect(model, name="models/gemini-1"):
            pass
    assert refusal.value.code == 1008


async def test_what_is_no_speech_closes_the_session_with_a_sentence(model: Model) -> None:
    async with connect(model) as session:
        await session.send_realtime_input(audio=types.Blob(data=b"music", mime_type="audio/mp3"))
        with pytest.raises(errors.APIError, match="Unsupported audio: audio/mp3") as refusal:
            await until_turn_complete(session)
    assert refusal.value.code == 1007


async def test_a_session_goes_on_with_its_handle(model: Model) -> None:
    async with asyncio.timeout(20):
        async with connect(model) as session:
            handle = (await anext(session.receive())).session_resumption_update.new_handle
            await session.send_realtime_input(text="hello")
            async for _message in session.receive():
                pass
        async with connect(model, session_resumption={"handle": handle}) as session:
            await session.send_realtime_input(text=" ")
            await session.send_realtime_input(text="save product 2")
            call = await first_tool_call(session)
    assert call.name == "save_product"
    assert [turn.heard for turn in model.gemini.record.sessions[1].turns] == ["save product 2"]


async def test_tokens_are_those_of_the_usage_that_was_sent(model: Model) -> None:
    async with connect(model) as session:
        usages = []
        for _ in range(2):
            await session.send_realtime_input(text="hello")
            usages += [message.usage_metadata for message in await until_turn_complete(session)]
        sent = model.gemini.record.sessions[0].tokens
    assert sent.total == sum(usage.total_token_count for usage in usages if usage) > 0


async def test_an_unknown_handle_is_refused(model: Model) -> None:
    with pytest.raises(errors.APIError, match="session not found"):
        async with connect(model, session_resumption={"handle": "never-given"}):
            pass


async def test_speech_cuts_the_greeting_short(model: Model, voice: Voice) -> None:
    model.gemini.sleep = asyncio.sleep
    async with asyncio.timeout(20), connect(model) as session:
        await session.send_realtime_input(text="hello")
        said, interrupted = b"", False
        async for message in session.receive():
            if message.data and not said:
                await speak(session, voice.say("save product two", HEARING_RATE))
            said += message.data or b""
            interrupted = interrupted or bool(message.server_content and message.server_content.interrupted)
        call = await first_tool_call(session)
    assert interrupted
    assert len(said) < 48_000 * 4
    assert (call.name, call.args) == ("save_product", {"productNumber": 2})


async def test_an_open_session_does_not_hold_up_the_end(model: Model) -> None:
    async with asyncio.timeout(20), connect(model) as session:
        await session.send_realtime_input(text="hello")
        async for _message in session.receive():
            pass
        await model.runner.cleanup()
        with pytest.raises(errors.APIError, match="The sandbox is stopping"):
            async for _message in session.receive():
                pass
