"""Misbehaviour ordered of a model, and what Google's own SDK sees of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from google.genai import errors

from tests.unit.sandbox.sdk import Model, until_turn_complete


async def order(model: Model, name: str, **parameters: Any) -> int:
    body = {"target": "model", "name": name, **parameters}
    return await model.gemini.orders.add(msgspec.json.encode(body))


async def breaks(session: Any) -> errors.APIError:
    """Read until the connection breaks."""
    with pytest.raises(errors.APIError) as end:
        await _read_for_ever(session)
    return end.value


async def _read_for_ever(session: Any) -> None:
    while True:
        await until_turn_complete(session)


def said_in(messages: list[Any]) -> str:
    contents = [message.server_content for message in messages if message.server_content]
    return "".join(content.output_transcription.text for content in contents if content.output_transcription)
