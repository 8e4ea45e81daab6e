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
        succeeds: The conversation that the same caller has just lost, where this one began anew.
        instruction_ends: The last characters of the system instruction.
        compresses_context: Whether the client asked for a sliding context window.
        tokens: What the usage that was sent adds up to.
        resumed: Whether it went on with another session's handle.
        newer_handles: How many handles were given after the one that it presented.
        tools: The functions that the client declared, and how it wants to wait for each.
        history_turns: How many turns the client sent as history.
        notes: Texts that the client wrote during the conversation, without asking for an answer.
        misbehaviours: Names of the misbehaviours that the session was ordered.
    """

    started_at: datetime
    model: str
    conversation: str = ""
    succeeds: str | None = None
    instruction_ends: str = ""
    resumed: bool = False
    newer_handles: int = 0
    compresses_context: bool = False
    tokens: Spent = Spent()
    turns: list[TurnRecord] = []
    tools: dict[str, str | None] = {}
    history_turns: int = 0
    notes: list[str] = []
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


class ConversationRecord(msgspec.Struct, frozen=True):
    """A conversation that has a connection.

    Attributes:
        index: Its place among all conversations, from 0; the newest is the last.
        conversation: Its name, which orders may be aimed at.
        succeeds: The conversation that the same caller lost before.
        started_at: When its first connection was made.
        heard_last: What was last understood of the caller.
        turns: How many times the caller was heard.
        connections: How many connections it has had.
        misbehaviours: What its last connection was ordered to get wrong.
        instruction_ends: The last characters of the system instruction.
    """

    index: int
    conversation: str
    succeeds: str | None
    started_at: datetime
    heard_last: str | None
    turns: int
    connections: int
    misbehaviours: list[str]
    instruction_ends: str


def live_conversations(record: ModelRecord) -> list[ConversationRecord]:
    """Return the conversations that have a connection, oldest first."""
    sessions: dict[str, list[SessionRecord]] = {}
    for session in record.sessions:
        sessions.setdefault(session.conversation, []).append(session)
    return [
        _conversation(index, connections)
        for index, connections in enumerate(sessions.values())
        if any(session.ended_at is None for session in connections)
    ]


def _conversation(index: int, sessions: list[SessionRecord]) -> ConversationRecord:
    heard = [turn.heard for session in sessions for turn in session.turns if turn.heard]
    return ConversationRecord(
        index=index,
        conversation=sessions[0].conversation,
        succeeds=sessions[0].succeeds,
        started_at=sessions[0].started_at,
        heard_last=heard[-1] if heard else None,
        turns=sum(len(session.turns) for session in sessions),
        connections=len(sessions),
        misbehaviours=sessions[-1].misbehaviours,
        instruction_ends=sessions[-1].instruction_ends,
    )
