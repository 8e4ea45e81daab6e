"""Google's own SDK, unchanged, connected to a model over TLS."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiohttp import web
from google import genai
from google.genai import types

from sandbox.ears import HEARING_RATE
from sandbox.gemini.model import Gemini
from sandbox.voice import Samples

MODEL = "models/gemini-3.8-live"
SAVE_TOOL = {
    "function_declarations": [
        {
            "name": "save_product",
            "behavior": "BLOCKING",
            "description": "Save a product.",
            "parameters": {"type": "object", "properties": {"productNumber": {"type": "integer"}}},
        }
    ]
}
TALKATIVE: dict[str, Any] = {
    "response_modalities": ["AUDIO"],
    "input_audio_transcription": {},
    "output_audio_transcription": {},
    "session_resumption": {},
    "tools": [SAVE_TOOL],
}


@dataclass(frozen=True)
class Model:
    """A model on loopback, and what a client trusts it by."""

    url: str
    gemini: Gemini
    trust: ssl.SSLContext
    runner: web.AppRunner


def connect(model: Model, key: str = "the-right-key", name: str = MODEL, **config: Any) -> Any:
    options = types.HttpOptions(base_url=model.url, async_client_args={"ssl": model.trust})
    client = genai.Client(api_key=key, http_options=options)
    return client.aio.live.connect(model=name, config=types.LiveConnectConfig(**{**TALKATIVE, **config}))


async def speak(session: Any, speech: Samples) -> None:
    """Stream speech between silences, as a microphone would, but without waiting."""
    silence = np.zeros(HEARING_RATE * 7 // 10, np.int16)
    await send(session, np.concatenate([silence, speech, silence]))


async def send(session: Any, stream: Samples) -> None:
    """Stream just this, without waiting."""
    for start in range(0, stream.size, 320):
        blob = types.Blob(data=stream[start : start + 320].tobytes(), mime_type="audio/pcm;rate=16000")
        await session.send_realtime_input(audio=blob)


async def first_tool_call(session: Any) -> Any:
    async with asyncio.timeout(20):
        async for message in session.receive():
            if message.tool_call:
                return message.tool_call.function_calls[0]
    return None


async def until_turn_complete(session: Any) -> list[Any]:
    """Return the messages up to and with the one that completes the turn."""
    async with asyncio.timeout(20):
        return [message async for message in session.receive()]


async def answer_to(session: Any, text: str) -> list[Any]:
    """Type this, and return the messages of the answer."""
    await session.send_realtime_input(text=text)
    return await until_turn_complete(session)


async def handle_in(session: Any) -> str:
    """Return the handle that a session begins with."""
    update = (await anext(session.receive())).session_resumption_update
    return str(update.new_handle)


async def respond(session: Any, call: Any) -> None:
    """Send what the application's tool has to say: that product 2 was saved."""
    saved = {"success": True, "product": {"name": "Trail running shoes"}}
    await session.send_tool_response(
        function_responses=types.FunctionResponse(id=call.id, name=call.name, response=saved)
    )
