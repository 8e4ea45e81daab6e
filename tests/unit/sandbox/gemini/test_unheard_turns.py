"""Turns that a caller would not hear, or only in part: empty, thought, odd audio, many parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sandbox.voice import loudness
from tests.unit.sandbox.orders import order, said_in
from tests.unit.sandbox.sdk import Model, answer_to, connect, first_tool_call, respond, until_turn_complete


def parts_in(messages: list[Any]) -> list[list[Any]]:
    contents = [message.server_content for message in messages if message.server_content]
    return [content.model_turn.parts for content in contents if content.model_turn]


def blobs_in(messages: list[Any]) -> list[Any]:
    return [part.inline_data for parts in parts_in(messages) for part in parts if part.inline_data]


def samples_in(messages: list[Any]) -> Any:
    return np.frombuffer(b"".join(blob.data for blob in blobs_in(messages)), "<i2")


def sounds_like(one: Any, other: Any) -> bool:
    """Return whether both are as long and as loud; the voice never says a thing twice alike."""
    return bool(
        np.isclose(one.size, other.size, rtol=0.01) and np.isclose(loudness(one), loudness(other), rtol=0.1)
    )


def fields_of(message: Any) -> set[str]:
    return set(message.server_content.model_dump(exclude_none=True)) if message.server_content else set()


async def test_an_empty_turn_is_its_end_alone(model: Model) -> None:
    await order(model, "empty_turn", turns=1)
    async with connect(model) as session:
        await until_resumable(session)
        [empty] = await answer_to(session, "hello")
        assert fields_of(empty) == {"turn_complete"}
        assert samples_in(await answer_to(session, "hello")).any()


async def until_resumable(session: Any) -> None:
    assert (await anext(session.receive())).session_resumption_update


async def test_a_greeting_an_answer_or_what_follows_a_tool_can_be_empty(model: Model) -> None:
    for turn in ("greeting", "tool_result"):
        await order(model, "empty_turn", turn=turn)
    await order(model, "empty_turn", utterance=2)
    async with connect(model) as session:
        await until_resumable(session)
        assert not samples_in(await answer_to(session, " ")).any()
        assert samples_in(await answer_to(session, "hello")).any()
        await session.send_realtime_input(text="hello")
        assert not samples_in(await until_turn_complete(session)).any()
        await session.send_realtime_input(text="save product 2")
        await respond(session, await first_tool_call(session))
        assert not samples_in(await until_turn_complete(session)).any()


async def test_an_empty_turn_calls_no_tool(model: Model) -> None:
    await order(model, "empty_turn")
    async with connect(model) as session:
        assert not any(message.tool_call for message in await answer_to(session, "save product 2"))


async def test_a_model_thinks_and_then_answers(model: Model) -> None:
    await order(model, "thoughts", every_seconds=5, count=3, turns=1)
    async with connect(model) as session:
        thought, plain = [await answer_to(session, "hello") for _ in range(2)]
    thoughts = [part for parts in parts_in(thought) for part in parts if part.thought]
    assert [part.text for part in thoughts] == ["I wonder what to say."] * 3
    assert sounds_like(samples_in(thought), samples_in(plain))


async def test_a_model_that_thinks_for_ever_is_silent_until_it_is_interrupted(model: Model) -> None:
    await order(model, "thoughts", every_seconds=0.01, turns=1)
    async with connect(model) as session:
        await until_resumable(session)
        await session.send_realtime_input(text="hello")
        messages = session.receive()
        assert all([(await anext(messages)).server_content.model_turn.parts[0].thought for _ in range(20)])
        await session.send_realtime_input(text="hello")
        await until_turn_complete(session)
        assert samples_in(await until_turn_complete(session)).any()


@pytest.mark.parametrize(
    ("sound", "amplitude", "loudest"),
    [("zeros", 40, 0), ("noise", 40, 40), ("tone", 1000, 1000), ("offset", 500, 500), ("click", 9000, 9000)],
)
async def test_audio_sounds_as_it_was_ordered(model: Model, sound: str, amplitude: int, loudest: int) -> None:
    await order(model, "wrong_audio", sound=sound, amplitude=amplitude)
    async with connect(model) as session:
        samples = samples_in(await answer_to(session, "hello"))
    assert np.abs(samples).max() == loudest
    assert samples.size > 24_000
    if sound == "click":
        assert np.count_nonzero(samples) == -(-samples.size // 24_000)
    if sound == "offset":
        assert (samples == 500).all()


async def test_a_whisper_is_speech_of_a_lower_level(model: Model) -> None:
    async with connect(model) as session:
        whole = samples_in(await answer_to(session, "hello"))
        await order(model, "wrong_audio", sound="whisper", amplitude=3277, now=True)
        whisper = samples_in(await answer_to(session, "hello"))
    assert loudness(whisper) == pytest.approx(loudness(whole) / 10, rel=0.1)


async def test_part_of_an_answer_sounds_otherwise(model: Model) -> None:
    await order(model, "wrong_audio", sound="zeros", from_seconds=0.5, until_seconds=1.5)
    async with connect(model) as session:
        samples = samples_in(await answer_to(session, "hello"))
    assert not samples[14_000:35_000].any()
    assert samples[:12_000].any()
    assert samples[38_000:].any()


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 48_000])
async def test_audio_comes_at_another_rate(model: Model, rate: int) -> None:
    async with connect(model) as session:
        before = samples_in(await answer_to(session, "hello"))
        await order(model, "wrong_audio", rate=rate, now=True)
        after = await answer_to(session, "hello")
    assert {blob.mime_type for blob in blobs_in(after)} == {f"audio/pcm;rate={rate}"}
    assert samples_in(after).size / rate == pytest.approx(before.size / 24_000, rel=0.02)


@pytest.mark.parametrize("mime_type", ["audio/pcm", "audio/opus", "audio/L16", "video/mp4", ""])
async def test_audio_is_said_to_be_something_else(model: Model, mime_type: str) -> None:
    await order(model, "wrong_audio", mime_type=mime_type)
    async with connect(model) as session:
        assert {blob.mime_type for blob in blobs_in(await answer_to(session, "hello"))} == {mime_type}


async def test_audio_is_cut_within_a_sample_and_none_is_lost(model: Model) -> None:
    async with connect(model) as session:
        whole = samples_in(await answer_to(session, "hello"))
        await order(model, "wrong_audio", odd_bytes=True, now=True)
        odd = await answer_to(session, "hello")
    assert all(len(blob.data) % 2 for blob in blobs_in(odd))
    assert sounds_like(samples_in(odd), whole)


async def test_audio_comes_in_huge_chunks(model: Model) -> None:
    await order(model, "wrong_audio", chunk_seconds=60)
    async with connect(model) as session:
        messages = await answer_to(session, "hello")
    assert max(len(blob.data) for blob in blobs_in(messages)) > 48_000


@pytest.mark.parametrize(
    ("ordered", "kinds"),
    [
        (["thought", "audio"], ["thought", "audio"]),
        (["audio", "audio"], ["audio", "audio"]),
        (["text", "audio", "function_call"], ["text", "audio"]),
    ],
)
async def test_audio_comes_among_other_parts(model: Model, ordered: list[str], kinds: list[str]) -> None:
    async with connect(model) as session:
        whole = samples_in(await answer_to(session, "hello"))
        await order(model, "parts", order=ordered, now=True)
        messages = await answer_to(session, "hello")
    assert sounds_like(samples_in(messages), whole)
    assert {tuple(map(kind_of, parts)) for parts in parts_in(messages)} == {tuple(kinds)}


def kind_of(part: Any) -> str:
    if part.function_call:
        return "function_call"
    return "audio" if part.inline_data else "thought" if part.thought else "text"


@pytest.mark.parametrize("repeat_call", [False, True])
async def test_a_call_comes_among_parts_and_is_answered(model: Model, repeat_call: Any) -> None:
    await order(model, "parts", order=["text", "audio", "function_call"], repeat_call=repeat_call)
    async with connect(model) as session:
        await session.send_realtime_input(text="save product 2")
        messages = session.receive()
        while not (message := await anext(messages)).server_content:
            pass
        parts = message.server_content.model_turn.parts
        assert [kind_of(part) for part in parts] == ["text", "audio", "function_call"]
        if repeat_call:
            assert (await anext(messages)).tool_call.function_calls[0].id == parts[-1].function_call.id
        await respond(session, parts[-1].function_call)
        assert said_in(await until_turn_complete(session)) == "Saved number 2, Trail running shoes."
