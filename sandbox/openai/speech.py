"""Speech: a text, spoken sentence by sentence by the sandbox's voice.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

import asyncio
import struct
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from aiohttp import web

from sandbox.mind.answers import sentences
from sandbox.openai.delivery import Delivery
from sandbox.openai.orders import OpenAIMisbehaviour, WrongSpeech
from sandbox.voice import Samples, Voice, seconds_of

RATE: Final = 24_000
"""Samples per second of OpenAI's PCM."""

_PIECE: Final = RATE // 5
_VOICES: Final = {
    "alloy": "en-us",
    "ash": "en-us+m1",
    "ballad": "en-us+m2",
    "cedar": "en-us+m3",
    "coral": "en-us+f1",
    "echo": "en-us+m4",
    "fable": "en-us+m5",
    "marin": "en-us+f2",
    "nova": "en-us+f3",
    "onyx": "en-us+m6",
    "sage": "en-us+f4",
    "shimmer": "en-us+f5",
    "verse": "en-us+m7",
}
_UNKNOWN_LENGTH: Final = 0xFFFF_FFFF
"""What a WAV that is still being made says about its length."""

VoiceName = Literal[
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
]


class SpeechRequest(msgspec.Struct, frozen=True):
    """What is to be spoken, and how."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    input: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    voice: VoiceName
    response_format: Literal["pcm", "wav"]
    """OpenAI knows more, and MP3 by default."""

    instructions: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=4.0)] | None = None
    stream_format: Literal["audio"] = "audio"


async def speak(request: SpeechRequest, voice: Voice, delivery: Delivery) -> web.StreamResponse:
    """Send speech as it is made."""
    record = delivery.record
    record.seconds = 0.0
    is_wav = request.response_format == "wav"
    await delivery.begin("audio/wav" if is_wav else "audio/pcm")
    if is_wav:
        await delivery.send(_wav_header())
    for sentence in sentences(request.input):
        samples = await asyncio.to_thread(
            voice.say, sentence, RATE, _VOICES[request.voice], request.speed or 1.0
        )
        for start in range(0, samples.size, _PIECE):
            piece = samples[start : start + _PIECE]
            if data := _bytes(piece, delivery.order):
                await delivery.send(data)
            record.seconds += seconds_of(piece, RATE)
        record.said = f"{record.said} {sentence}".strip()
    if isinstance(delivery.order, WrongSpeech) and delivery.order.sound == "odd_bytes":
        await delivery.send(b"\0")
    return await delivery.end()


def _bytes(samples: Samples, order: OpenAIMisbehaviour | None) -> bytes:
    match order:
        case WrongSpeech(sound="zeros"):
            return np.zeros(samples.size, np.int16).tobytes()
        case WrongSpeech(sound="nothing"):
            return b""
        case _:
            return samples.tobytes()


def _wav_header() -> bytes:
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", _UNKNOWN_LENGTH, b"WAVE", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16),
        *(b"data", _UNKNOWN_LENGTH),
    )
