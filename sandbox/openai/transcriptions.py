"""Transcriptions: an uploaded recording, and the words that the sandbox's ears make out in it.

https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

import io
import wave
from typing import Any, Final

import msgspec
import numpy as np
from aiohttp import web

from sandbox.ears import HEARING_RATE, Ears
from sandbox.mind.tokens import text_tokens
from sandbox.openai.bodies import Form
from sandbox.openai.delivery import Delivery
from sandbox.openai.models import bills_by_duration
from sandbox.openai.orders import WrongTranscription
from sandbox.openai.refusals import invalid
from sandbox.voice import Samples, loudness, resample, seconds_of

LONGEST_SECONDS: Final = 300.0
_SHORTEST_SECONDS: Final = 0.1
_RATES: Final = range(8000, 192_001)
_CHANNELS: Final = (1, 2)
_FORMATS: Final = ("json", "text", "verbose_json")
_AUDIO_TOKENS_PER_SECOND: Final = 10
"""platform.openai.com/docs/guides/realtime-costs: 1 token for 100 ms of the caller's audio."""

_LOUD: Final = 300.0
_LOUD_SECONDS: Final = 0.3
_FRAME: Final = HEARING_RATE // 50
UNINTELLIGIBLE: Final = "Mumble."
"""What is written for speech in which no request was understood. Without speech, nothing is written."""

_LOGPROB: Final = -0.1


class TranscriptionRequest(msgspec.Struct, frozen=True):
    """An upload whose recording can be heard."""

    model: str
    samples: Samples
    prompt: str
    response_format: str
    has_logprobs: bool

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return seconds_of(self.samples, HEARING_RATE)


def read_transcription(form: Form) -> TranscriptionRequest:
    """Read an upload.

    Raises:
        OpenAIRefusedError: Something is missing in it, or can't be had.
    """
    model = form.one("model")
    if not model:
        raise invalid("you must provide a model parameter", param="model")
    if form.file is None:
        raise invalid("you must provide a file to transcribe", param="file")
    response_format = form.one("response_format") or "json"
    if response_format not in _FORMATS:
        raise invalid(
            f"response_format '{response_format[:100]}' is not served here, but {', '.join(_FORMATS)}.",
            param="response_format",
        )
    if form.one("stream") in ("true", "True", "1"):
        raise invalid("A transcription is not streamed here: leave out stream.", param="stream")
    return TranscriptionRequest(
        model=model,
        samples=read_wav(form.file),
        prompt=form.one("prompt") or "",
        response_format=response_format,
        has_logprobs="logprobs" in form.fields.get("include", []),
    )


def read_wav(data: bytes) -> Samples:
    """Return the samples of a recording, at the rate the ears hear at.

    Raises:
        OpenAIRefusedError: It is no WAV of 16-bit PCM, or too long.
    """
    try:
        with wave.open(io.BytesIO(data)) as recording:
            rate, channels = recording.getframerate(), recording.getnchannels()
            if recording.getsampwidth() != 2 or rate not in _RATES or channels not in _CHANNELS:
                raise invalid(
                    "Audio file might be corrupted or unsupported: "
                    "the sandbox hears WAV of 16-bit PCM, mono or stereo.",
                    param="file",
                    code="invalid_value",
                )
            frames = recording.readframes(round(LONGEST_SECONDS * rate) + 1)
    except (wave.Error, EOFError, ValueError, RuntimeError) as error:
        raise invalid(f"Invalid file format: the sandbox takes WAV only. ({error})", param="file") from error
    samples = np.frombuffer(frames[: len(frames) // (2 * channels) * 2 * channels], "<i2").astype(np.int16)
    if samples.size > LONGEST_SECONDS * rate * channels:
        raise invalid(
            f"audio is longer than {LONGEST_SECONDS:g} seconds which is the maximum for this model",
            param="file",
            code="invalid_value",
        )
    if samples.size < _SHORTEST_SECONDS * rate * channels:
        raise invalid(
            f"Audio file is too short. Minimum audio length is {_SHORTEST_SECONDS:g} seconds.",
            param="file",
            code="audio_too_short",
        )
    mono = samples if channels == 1 else samples.reshape(-1, 2).mean(axis=1).astype(np.int16)
    return resample(mono, rate, HEARING_RATE)


async def transcribe(request: TranscriptionRequest, ears: Ears, delivery: Delivery) -> web.StreamResponse:
    """Send the transcription of a recording."""
    order, record = delivery.order, delivery.record
    record.seconds = request.seconds
    text = order.text if isinstance(order, WrongTranscription) else await _heard(request.samples, ears)
    record.heard = text
    usage = _usage(request, text)
    record.usage = usage
    if request.response_format == "text":
        return await delivery.send_whole(f"{text}\n".encode(), "text/plain")
    return await delivery.send_json(_document(request, text, usage))


async def _heard(samples: Samples, ears: Ears) -> str:
    listener = ears.borrow()
    try:
        listener.begin()
        listener.hear(samples)
        words = await listener.finish()
    finally:
        ears.give_back(listener)
    if words:
        return f"{words.capitalize()}."
    return UNINTELLIGIBLE if _has_speech(samples) else ""


def _has_speech(samples: Samples) -> bool:
    loud = sum(loudness(samples[start : start + _FRAME]) > _LOUD for start in range(0, samples.size, _FRAME))
    return loud * _FRAME >= _LOUD_SECONDS * HEARING_RATE


def _usage(request: TranscriptionRequest, text: str) -> dict[str, Any]:
    if bills_by_duration(request.model):
        return {"type": "duration", "seconds": -(-request.samples.size // HEARING_RATE)}
    audio, prompt = round(request.seconds * _AUDIO_TOKENS_PER_SECOND), text_tokens(request.prompt)
    output = text_tokens(text)
    return {
        "type": "tokens",
        "input_tokens": audio + prompt,
        "input_token_details": {"audio_tokens": audio, "text_tokens": prompt},
        "output_tokens": output,
        "total_tokens": audio + prompt + output,
    }


def _document(request: TranscriptionRequest, text: str, usage: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {"text": text, "usage": usage}
    if request.has_logprobs:
        document["logprobs"] = [
            {"token": word, "logprob": _LOGPROB, "bytes": list(word.encode())} for word in text.split()
        ]
    if request.response_format == "verbose_json":
        segment = {
            "id": 0,
            "seek": 0,
            "start": 0.0,
            "end": request.seconds,
            "text": text,
            "tokens": [],
            "temperature": 0.0,
            "avg_logprob": _LOGPROB,
            "compression_ratio": 1.0,
            "no_speech_prob": 0.0 if text else 1.0,
        }
        document |= {
            "task": "transcribe",
            "language": "english",
            "duration": request.seconds,
            "segments": [segment] if text else [],
        }
    return document
