"""OpenAI's stand-in on a port, with OpenAI's own client for it."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
from openai import AsyncOpenAI

from sandbox.openai.record import OpenAIRecord
from sandbox.openai.service import OpenAI
from sandbox.voice import Samples

KEY = "the-right-key"
MODEL = "gpt-4.1"
SEARCH_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "search_products",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
    },
}
END_TOOL: dict[str, Any] = {"type": "function", "function": {"name": "end_call", "parameters": None}}
GREETED: list[dict[str, Any]] = [
    {"role": "system", "content": "Help shoppers."},
    {"role": "assistant", "content": "Hello!"},
]
ASKS_FOR_SHOES = [*GREETED, {"role": "user", "content": "Find running shoes."}]


@dataclass(frozen=True)
class Served:
    """The stand-in, and clients of it: OpenAI's own, which doesn't try again by itself, and a plain one."""

    url: str
    openai: OpenAI
    client: AsyncOpenAI
    http: aiohttp.ClientSession

    async def order(self, name: str, **parameters: Any) -> None:
        """Order a misbehaviour."""
        await self.openai.orders.add(json.dumps({"target": "openai", "name": name, **parameters}).encode())

    @property
    def last(self) -> OpenAIRecord:
        """The record of the last request."""
        return self.openai.record.requests[-1]

    async def idle(self) -> None:
        """Wait until no request is being answered."""
        while any(record.ending is None for record in self.openai.record.requests):  # noqa: ASYNC110 - a record
            await asyncio.sleep(0)

    async def misbehaves(self) -> None:
        """Wait until all that was ordered has begun."""
        while self.openai.orders.first(lambda _order: True) is not None:  # noqa: ASYNC110 - it notifies nobody
            await asyncio.sleep(0.01)

    async def stream(self, messages: list[dict[str, Any]], **options: Any) -> Any:
        """Ask for a completion, as a stream with its usage."""
        asked = {"stream_options": {"include_usage": True}, **options}
        completions: Any = self.client.chat.completions
        return await completions.create(model=MODEL, messages=messages, stream=True, **asked)

    async def said(self, messages: list[dict[str, Any]], **options: Any) -> str:
        """Return the words of a streamed completion."""
        return "".join([word async for word in words_of(await self.stream(messages, **options))])

    async def transcribe(self, recording: bytes, **options: Any) -> Any:
        """Have a recording transcribed."""
        transcriptions: Any = self.client.audio.transcriptions
        file = ("audio.wav", recording, "audio/wav")
        return await transcriptions.create(**{"model": "gpt-transcribe", "file": file, **options})

    async def speak(self, text: str, **options: Any) -> bytes:
        """Have a text spoken."""
        asked: Any = {"model": "gpt-4o-mini-tts", "voice": "alloy", "response_format": "pcm", **options}
        async with self.client.audio.speech.with_streaming_response.create(input=text, **asked) as answer:
            return b"".join([piece async for piece in answer.iter_bytes()])


async def words_of(stream: Any) -> Any:
    """Yield the words of a stream's chunks."""
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


def as_wav(samples: Samples, rate: int, channels: int = 1) -> bytes:
    """Return a recording as a client uploads it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(channels)
        recording.setsampwidth(2)
        recording.setframerate(rate)
        recording.writeframes(np.repeat(samples, channels).tobytes())
    return file.getvalue()


def result(content: Any, call_id: str = "call_1", tool: str = "search_products") -> list[dict[str, Any]]:
    """Return a tool call and its result, as they follow a question."""
    function = {"name": tool, "arguments": '{"query": "running shoes", "number": 2}'}
    return [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": call_id, "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": call_id, "content": content},
    ]
