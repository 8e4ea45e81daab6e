"""What each session of the model did, kept for tests and the bench to read."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sandbox.gemini.usage import Spent


class TurnRecord(msgspec.Struct):
    """One utterance of the caller, spoken or typed, and how long its answer took.

    Attributes:
        heard: The words, or None where nothing was understood.
        silence_seconds: How long the model waited in silence before it took the utterance for finished;
            0 where the client says so itself, or typed.
        think_seconds: From the end of that wait until the first audio of the answer was sent, waiting for
            a tool included; None when it was cut off before.
        tool_seconds: How much of that was spent on waiting for the client's tools.
    """

    heard: str | None
    silence_seconds: float
    think_seconds: float | None = None
    tool_seconds: float = 0.0


class SessionRecord(msgspec.Struct):
    """One connection to the model."""

    started_at: datetime
    model: str
    tokens: Spent = Spent()
    turns: list[TurnRecord] = []
    interruptions: int = 0
    tool_calls: list[str] = []
    ended_at: datetime | None = None
