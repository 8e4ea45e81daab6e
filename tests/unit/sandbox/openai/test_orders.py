"""What goes wrong when it was ordered, as OpenAI's own client and Pipecat's services meet it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import msgspec
import numpy as np
import openai
import pytest

from sandbox.mind import answers
from sandbox.voice import Voice, loudness
from tests.unit.sandbox.openai.serving import (
    ASKS_FOR_SHOES,
    GREETED,
    KEY,
    MODEL,
    SEARCH_TOOL,
    Served,
    as_wav,
    result,
)

HELLO = [{"role": "user", "content": "hello"}]
RECORDING = as_wav(np.zeros(8000, np.int16), 16_000)


def all_three(served: Served) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: served.said(HELLO),
        lambda: served.transcribe(RECORDING),
        lambda: served.speak("Hello."),
    ]


async def calls_of(served: Served, messages: list[dict[str, Any]]) -> list[Any]:
    completions: Any = served.client.chat.completions
    done = await completions.create(model=MODEL, messages=messages, tools=[SEARCH_TOOL])
    return list(done.choices[0].message.tool_calls or [])


@pytest.mark.parametrize(
    ("order", "error", "code"),
    [
        ({"name": "rate_limit"}, openai.RateLimitError, "rate_limit_exceeded"),
        ({"name": "out_of_quota"}, openai.RateLimitError, "insufficient_quota"),
        ({"name": "invalid_key"}, openai.AuthenticationError, "invalid_api_key"),
        ({"name": "status", "status": 500}, openai.InternalServerError, None),
        ({"name": "status", "status": 503}, openai.InternalServerError, None),
        ({"name": "status", "status": 403, "message": "No."}, openai.PermissionDeniedError, None),
        ({"name": "cut", "after": "request"}, openai.APIConnectionError, None),
    ],
)
async def test_a_refusal_meets_all_three_once(
    served: Served, order: dict[str, Any], error: type[openai.APIError], code: str | None
) -> None:
    await served.order(**order, times=3)
    for ask in all_three(served):
        with pytest.raises(error) as raised:
            await ask()
        assert raised.value.code == code
    assert [record.misbehaviour for record in served.openai.record.requests] == [order["name"]] * 3
    assert await served.said(HELLO) == answers.GREETING


async def test_a_client_that_tries_again_waits_as_long_as_it_is_told(served: Served) -> None:
    await served.order("rate_limit", retry_after_seconds=0.25, endpoint="completions")
    patient = served.client.with_options(max_retries=1)
    with pytest.raises(openai.RateLimitError) as refused:
        await served.said(HELLO)
    assert refused.value.response.headers["retry-after"] == "1"
    assert refused.value.response.headers["retry-after-ms"] == "250"
    await served.order("rate_limit", retry_after_seconds=0.25)
    assert (await patient.models.retrieve(MODEL)).id == MODEL
    await patient.chat.completions.create(model=MODEL, messages=HELLO)  # type: ignore[arg-type]
    first, second = served.openai.record.requests[-2:]
    assert (first.status, second.status) == (429, 200)
    assert (second.at - first.at).total_seconds() >= 0.25


@pytest.mark.parametrize("after", ["request", "headers", "first"])
async def test_a_stall_lasts_until_the_client_gives_up(served: Served, after: str) -> None:
    await served.order("stall", after=after)
    hasty = served.client.with_options(timeout=httpx2.Timeout(10, read=0.2))
    with pytest.raises((openai.APITimeoutError, httpx2.ReadTimeout)):
        await dataclasses.replace(served, client=hasty).said(HELLO)
    async with asyncio.timeout(10):
        await served.idle()
    assert served.last.ending == "given_up"
    assert served.last.said == ("Hello!" if after == "first" else "")


async def test_a_stall_of_some_length_is_only_slow(served: Served) -> None:
    await served.order("stall", after="first", seconds=0.1)
    assert await served.said(HELLO) == answers.GREETING


@pytest.mark.parametrize("after", ["headers", "first"])
async def test_a_cut_breaks_the_connection(served: Served, after: str) -> None:
    await served.order("cut", after=after, times=3)
    for ask in all_three(served):
        with pytest.raises((httpx2.HTTPError, openai.APIConnectionError)):
            await ask()
        assert served.last.ending == "cut"


async def test_an_empty_completion_has_no_words_and_no_call(served: Served) -> None:
    await served.order("empty_completion", times=None)
    assert await served.said(HELLO) == ""
    assert await calls_of(served, ASKS_FOR_SHOES) == []


async def test_a_completion_that_ends_early_says_why(served: Served) -> None:
    await served.order("ended_early", reason="content_filter")
    done = await served.client.chat.completions.create(model=MODEL, messages=HELLO)  # type: ignore[arg-type]
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == ("Hello!", "content_filter")


async def test_an_error_and_nonsense_in_a_stream(served: Served) -> None:
    await served.order("error_in_stream")
    with pytest.raises(openai.APIError, match="The server had an error"):
        await served.said(HELLO)
    await served.order("nonsense")
    with pytest.raises(json.JSONDecodeError):
        await served.said(HELLO)


@pytest.mark.parametrize("tokens", [-1, "many", 10**30, None])
async def test_usage_is_as_ordered(served: Served, tokens: Any) -> None:
    await served.order("usage", tokens=tokens)
    *_, last = [chunk async for chunk in await served.stream(HELLO)]
    assert (last.usage.prompt_tokens if last.usage else None) == tokens


async def test_tool_calls_are_as_ordered(served: Served) -> None:
    earlier = [*GREETED, *result("x", "call_early"), *ASKS_FOR_SHOES[-1:]]
    await served.order("bad_arguments")
    [malformed] = await calls_of(served, ASKS_FOR_SHOES)
    await served.order("unknown_tool")
    [unknown] = await calls_of(served, ASKS_FOR_SHOES)
    await served.order("repeated_call_id")
    twice = await calls_of(served, ASKS_FOR_SHOES)
    await served.order("repeated_call_id", how="earlier")
    [again] = await calls_of(served, earlier)
    assert malformed.function.arguments == '{"query": '
    assert unknown.function.name == "order_pizza"
    assert [call.id for call in twice] == [twice[0].id] * 2
    assert again.id == "call_early"


async def test_an_order_about_calls_waits_for_one(served: Served) -> None:
    await served.order("unknown_tool", turn="answer")
    assert await served.said(HELLO) == answers.GREETING
    assert [call.function.name for call in await calls_of(served, ASKS_FOR_SHOES)] == ["order_pizza"]


@pytest.mark.parametrize("text", ["", "Save product nine."])
async def test_another_transcription(served: Served, voice: Voice, text: str) -> None:
    await served.order("wrong_transcription", text=text)
    assert await served.said(HELLO) == answers.GREETING
    heard = await served.transcribe(as_wav(voice.say("find running shoes", 16_000), 16_000))
    assert heard.text == text


async def test_other_speech(served: Served) -> None:
    await served.order("wrong_speech")
    silence = await served.speak("Hello.")
    await served.order("wrong_speech", sound="nothing")
    nothing = await served.speak("Hello.")
    await served.order("wrong_speech", sound="odd_bytes")
    odd = await served.speak("Hello.")
    assert (len(silence) > 10_000, any(silence)) == (True, False)
    assert nothing == b""
    assert (len(odd) % 2, loudness(np.frombuffer(odd[:-1], "<i2")) > 300) == (1, True)


@pytest.mark.parametrize(
    ("aim", "is_met"),
    [
        ({"project": "one"}, True),
        ({"project": "two"}, False),
        ({"host": "127.0.0.1"}, True),
        ({"host": "127.0.0.2"}, False),
        ({"instruction": "shoppers"}, True),
        ({"instruction": "sailors"}, False),
        ({"endpoint": "completions"}, True),
        ({"endpoint": "speech"}, False),
        ({"project": "one", "instruction": "sailors"}, False),
    ],
)
async def test_an_order_is_aimed_at_one_caller(served: Served, aim: dict[str, Any], is_met: bool) -> None:  # noqa: FBT001
    await served.order("out_of_quota", **aim)
    try:
        await served.said(ASKS_FOR_SHOES)
    except openai.RateLimitError:
        assert is_met
    else:
        assert not is_met


async def test_audio_is_aimed_at_by_its_own_instructions(served: Served) -> None:
    await served.order("out_of_quota", instruction="for ann", times=2)
    assert await served.speak("Hello.", instructions="softly, for bob")
    with pytest.raises(openai.RateLimitError):
        await served.speak("Hello.", instructions="softly, for ann")
    with pytest.raises(openai.RateLimitError):
        await served.transcribe(RECORDING, prompt="for ann")


@pytest.mark.parametrize(
    "order",
    [
        {"name": "mumble"},
        {"name": "rate_limit", "now": True},
        {"name": "rate_limit", "times": 0},
        {"name": "rate_limit", "retry_after_seconds": -1},
        {"name": "rate_limit", "project": ""},
        {"name": "status", "status": 200},
        {"name": "stall", "after": "never"},
        {"name": "wrong_transcription", "endpoint": "speech"},
        {"name": "wrong_transcription", "text": "x" * 100_001},
    ],
)
async def test_an_order_out_of_bounds_is_refused(served: Served, order: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        await served.order(**order)


async def test_the_key_is_the_only_one_that_orders_nothing(served: Served) -> None:
    """A wrong key uses up no order."""
    await served.order("empty_completion")
    with pytest.raises(openai.AuthenticationError):
        await served.client.with_options(api_key=f"{KEY}x").models.list()
    assert await served.said(HELLO) == ""
