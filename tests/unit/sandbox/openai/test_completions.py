"""Chat completions, with OpenAI's own client."""

import asyncio
import io
import json
from typing import Any

import msgspec
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from sandbox.mind import answers
from sandbox.openai.bodies import MOST_JSON_BYTES
from sandbox.openai.chat import MOST_MESSAGES, MOST_TOOLS
from sandbox.openai.chunks import Completion, ToolCallMade, chunks, counts
from tests.unit.sandbox.openai.serving import (
    ASKS_FOR_SHOES,
    END_TOOL,
    GREETED,
    MODEL,
    SEARCH_TOOL,
    Served,
    result,
    words_of,
)

HELLO = [{"role": "user", "content": "hello"}]


async def test_words_come_one_by_one_and_the_usage_last(served: Served) -> None:
    seen = [chunk async for chunk in await served.stream(HELLO)]
    words = [chunk.choices[0].delta.content or "" for chunk in seen if chunk.choices]
    *spoken, last = seen
    assert "".join(words) == answers.GREETING
    assert len([word for word in words if word]) == len(answers.GREETING.split())
    assert [chunk.choices[0].finish_reason for chunk in spoken][-1] == "stop"
    assert {(chunk.id, chunk.model) for chunk in seen} == {(seen[0].id, "gpt-4.1-2025-04-14")}
    assert last.choices == []
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in spoken)
    assert (served.last.said, served.last.ending, served.last.status) == (answers.GREETING, "answered", 200)


async def test_usage_is_sent_only_if_it_is_asked_for(served: Served) -> None:
    seen = [chunk async for chunk in await served.stream(HELLO, stream_options=openai.omit)]
    assert all(chunk.choices and chunk.usage is None for chunk in seen)


async def test_a_tool_call_comes_in_pieces(served: Served) -> None:
    seen = [chunk async for chunk in await served.stream(ASKS_FOR_SHOES, tools=[SEARCH_TOOL])]
    calls = [call for chunk in seen if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
    assert len(calls) > 2
    assert calls[0].id.startswith("call_")
    assert (calls[0].function.name, {call.index for call in calls}) == ("search_products", {0})
    assert json.loads("".join(call.function.arguments for call in calls)) == {"query": "running shoes"}
    assert [chunk.choices[0].finish_reason for chunk in seen if chunk.choices][-1] == "tool_calls"
    assert served.last.tool_calls == ["search_products"]


async def test_a_goodbye_is_words_and_a_call(served: Served) -> None:
    seen = [chunk async for chunk in await served.stream([*GREETED, *GOODBYE], tools=[END_TOOL])]
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in seen if chunk.choices) == answers.FAREWELL
    )
    assert served.last.tool_calls == ["end_call"]


GOODBYE = [{"role": "user", "content": "goodbye"}]


async def test_a_completion_that_is_not_streamed_is_one_document(served: Served) -> None:
    completions: Any = served.client.chat.completions
    done = await completions.create(model=MODEL, messages=[*ASKS_FOR_SHOES, *result('{"products": []}')])
    called = await completions.create(model=MODEL, messages=ASKS_FOR_SHOES, tools=[SEARCH_TOOL])
    assert (
        done.choices[0].message.content == "I found nothing for running shoes. What else can I find for you?"
    )
    assert (done.choices[0].finish_reason, done.usage.completion_tokens > 0) == ("stop", True)
    assert called.choices[0].message.content is None
    assert called.choices[0].message.tool_calls[0].function.name == "search_products"


async def test_a_client_that_leaves_in_the_middle_is_noted(served: Served) -> None:
    stream = await served.stream(HELLO)
    async for word in words_of(stream):
        assert word == "Hello!"
        break
    await stream.close()
    async with asyncio.timeout(10):
        await served.idle()
    assert served.last.ending == "given_up"
    assert len(served.last.said) < len(answers.GREETING)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Authorization": ""}, "You didn't provide an API key"),
        ({"Authorization": "Basic abc"}, "You didn't provide an API key"),
        ({"Authorization": "Bearer the-wrong-key"}, "Incorrect API key provided: the-wron****"),
        ({"Authorization": "Bearer schl\u00fcssel"}, "Incorrect API key provided"),
    ],
)
@pytest.mark.parametrize("path", ["chat/completions", "audio/transcriptions", "audio/speech", "nowhere"])
async def test_nobody_comes_in_without_the_key(
    served: Served, headers: dict[str, str], words: str, path: str
) -> None:
    async with served.http.post(f"{served.url}/{path}", headers=headers, json={}) as answer:
        assert (answer.status, words in (await answer.json())["error"]["message"]) == (401, True)


async def test_the_client_raises_what_openai_s_refusals_are_for(served: Served) -> None:
    with pytest.raises(openai.AuthenticationError):
        await served.client.with_options(api_key="another").models.list()
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        await served.client.models.retrieve("gpt-nothing")
    with pytest.raises(openai.NotFoundError) as refused:
        await served.client.chat.completions.create(model="whisper-1", messages=HELLO)  # type: ignore[arg-type]
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="tool_call_ids did not have response"):
        await served.stream([*ASKS_FOR_SHOES, result("x")[0]])


async def test_models_are_listed(served: Served) -> None:
    listed = {model.id async for model in served.client.models.list()}
    assert listed > {MODEL, "gpt-transcribe", "gpt-4o-mini-tts"}
    assert (await served.client.models.retrieve(MODEL)).owned_by == "system"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (b'{"a":' * 100_000, 400),
        (b'{"model": "gpt-4.1", "messages": [], "tools": ' + b"[" * 100_000, 400),
        (b'{"model": "gpt-4.1", "messages": []}', 400),
        (b'{"model": "gpt-4.1", "messages": [{"role": "robot"}]}', 400),
        (b'{"model": "gpt-4.1", "messages": [{"role": "user", "content": 3}]}', 400),
        (b'{"model": "gpt-4.1", "messages": [{"role": "user", "content": "\\ud800"}]}', 400),
        (b'{"model": 4, "messages": [{"role": "user"}]}', 400),
        (msgspec.json.encode({"model": MODEL, "messages": HELLO * (MOST_MESSAGES + 1)}), 400),
        (
            msgspec.json.encode(
                {"model": MODEL, "messages": HELLO, "tools": [SEARCH_TOOL] * (MOST_TOOLS + 1)}
            ),
            400,
        ),
        (b" " * MOST_JSON_BYTES + b"{}", 413),
    ],
)
async def test_a_body_out_of_bounds_is_refused_in_their_form(
    served: Served, body: bytes, status: int
) -> None:
    async with served.http.post(f"{served.url}/chat/completions", data=io.BytesIO(body)) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["type"]) == (status, "invalid_request_error")
    assert served.openai.record.requests == []


@given(
    st.text(max_size=80),
    st.lists(st.builds(ToolCallMade, st.just("call_1"), st.just("tool"), st.text(max_size=80)), max_size=3),
    st.sampled_from([None, counts(1, 2)]),
)
def test_the_chunks_add_up_to_the_completion(
    text: str, calls: list[ToolCallMade], usage: dict[str, Any] | None
) -> None:
    completion = Completion("chatcmpl-1", 1, MODEL, " ".join(text.split()), tuple(calls), "stop")
    sent = [ChatCompletionChunk.model_validate(chunk) for chunk in chunks(completion, usage)]
    deltas = [chunk.choices[0].delta for chunk in sent if chunk.choices]
    arguments = ["" for _ in calls]
    for delta in deltas:
        for call in delta.tool_calls or []:
            assert call.function is not None
            arguments[call.index] += call.function.arguments or ""
    assert "".join(delta.content or "" for delta in deltas) == completion.text
    assert arguments == [call.arguments for call in calls]
    assert (sent[-1].usage is None) == (usage is None)
    assert deltas[0].role == "assistant"
