"""What OpenAI was asked and how it answered, kept for tests and the bench to read."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from sandbox.mind.dialogue import TurnKind
from sandbox.openai.asked import AskedFor, Endpoint

_MOST_KEPT: Final = 10_000
_INSTRUCTION_END: Final = 80

Ending = Literal["answered", "refused", "given_up", "cut"]
"""Answered in full, refused with a status, given up by the client, or broken as ordered."""


class OpenAIRecord(msgspec.Struct):
    """One request.

    Attributes:
        instruction_ends: The last characters of what the application says about how to answer.
        heard: Of a transcription, what was understood; of a completion, the last message's words.
        said: The words that were answered, or spoken.
        tool_calls: The tools that were called.
        seconds: Of a transcription or speech, how long the audio is.
        usage: The usage that was sent.
        misbehaviour: What it was ordered to get wrong.
        status: The status that was answered; None until it is.
        ending: How it ended; None until it has.
    """

    at: datetime
    endpoint: Endpoint
    host: str
    project: str | None
    model: str
    instruction_ends: str = ""
    turn: TurnKind | None = None
    heard: str | None = None
    said: str = ""
    tool_calls: list[str] = msgspec.field(default_factory=list)
    seconds: float | None = None
    usage: dict[str, Any] | None = None
    misbehaviour: str | None = None
    status: int | None = None
    ending: Ending | None = None


class OpenAIRecords(msgspec.Struct):
    """The last requests, oldest first."""

    requests: list[OpenAIRecord] = msgspec.field(default_factory=list)

    def open(self, at: datetime, asked: AskedFor) -> OpenAIRecord:
        """Begin the record of a request."""
        record = OpenAIRecord(
            at=at,
            endpoint=asked.endpoint,
            host=asked.host,
            project=asked.project,
            model=asked.model,
            instruction_ends=asked.instruction[-_INSTRUCTION_END:],
            turn=asked.turn,
        )
        self.requests.append(record)
        del self.requests[:-_MOST_KEPT]
        return record
