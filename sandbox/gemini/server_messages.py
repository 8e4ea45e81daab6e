"""The messages of the model to a client, in the protocol's form."""

from __future__ import annotations

import base64
from typing import Any

from sandbox.voice import Samples


def audio_content(samples: Samples, rate: int) -> dict[str, Any]:
    """Return a piece of the model's speech."""
    return model_turn([audio_part(samples, rate)])


def audio_part(samples: Samples, rate: int) -> dict[str, Any]:
    blob = {
        "mimeType": f"audio/pcm;rate={rate}",
        "data": base64.b64encode(samples.astype("<i2").tobytes()).decode(),
    }
    return {"inlineData": blob}


def model_turn(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return part of what the model says, as parts of content."""
    return {"serverContent": {"modelTurn": {"role": "model", "parts": parts}}}


def input_transcription(text: str) -> dict[str, Any]:
    return {"serverContent": {"inputTranscription": {"text": text}}}


def output_transcription(text: str) -> dict[str, Any]:
    return {"serverContent": {"outputTranscription": {"text": text}}}


def interrupted() -> dict[str, Any]:
    return {"serverContent": {"interrupted": True}}


def generation_complete() -> dict[str, Any]:
    return {"serverContent": {"generationComplete": True}}


def turn_complete(usage: dict[str, Any]) -> dict[str, Any]:
    return {"serverContent": {"turnComplete": True}, "usageMetadata": usage}


def tool_call(call_id: str | None, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a call of one tool; it has no id only if that misbehaviour was ordered."""
    identity = {} if call_id is None else {"id": call_id}
    return {"toolCall": {"functionCalls": [{**identity, "name": name, "args": arguments}]}}


def tool_calls_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tool calls in a message to the client."""
    calls: list[dict[str, Any]] = message.get("toolCall", {}).get("functionCalls", [])
    return calls


def go_away(time_left: float) -> dict[str, Any]:
    """Announce that the connection will be closed in so many seconds."""
    return {"goAway": {"timeLeft": f"{time_left:g}s"}}


def tool_call_cancellation(call_ids: list[str]) -> dict[str, Any]:
    return {"toolCallCancellation": {"ids": call_ids}}


def resumption_update(handle: str) -> dict[str, Any]:
    return {"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}}
