"""What the model did, session by session, kept for tests and the bench to read."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

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


Outcome = Literal["answered", "repeated", "cancelled", "unknown"]


class ToolResponseRecord(msgspec.Struct, frozen=True):
    """A tool's result as it came.

    Attributes:
        outcome: `answered` for the first to an open call, `repeated` for another one to it, `cancelled`
            where the model had called it off, `unknown` for the id of no call in this session or the
            one it resumed.
    """

    id: str
    outcome: Outcome


class SessionRecord(msgspec.Struct):
    """One connection to the model.

    Attributes:
        conversation: The same for a session and for those that went on with a handle of its.
        tokens: What the usage that was sent adds up to.
        resumed: Whether it went on with another session's handle.
        history_turns: How many turns the client sent as history.
        misbehaviours: Names of the misbehaviours that the session was ordered.
    """

    started_at: datetime
    model: str
    conversation: str = ""
    resumed: bool = False
    tokens: Spent = Spent()
    turns: list[TurnRecord] = []
    history_turns: int = 0
    interruptions: int = 0
    tool_calls: list[str] = []
    tool_responses: list[ToolResponseRecord] = []
    misbehaviours: list[str] = []
    ended_at: datetime | None = None


class RefusalRecord(msgspec.Struct, frozen=True):
    """A connection that was refused before it became a session."""

    at: datetime
    misbehaviour: str


class ModelRecord(msgspec.Struct):
    """Everything that reached the model, oldest first."""

    sessions: list[SessionRecord] = []
    refused: list[RefusalRecord] = []
