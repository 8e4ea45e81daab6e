"""What outlives a connection and comes back with a resumption handle."""

from __future__ import annotations

import msgspec

from sandbox.gemini.answers import Request
from sandbox.gemini.record import Outcome
from sandbox.gemini.usage import Spent


class Memory(msgspec.Struct):
    """What one conversation has come to, over all its connections.

    Attributes:
        name: Sets its tool calls' ids apart from those of other sessions.
        instructed: Whether the system instruction is part of the context.
        greeted: Whether anything has been said yet.
        context: Tokens of the conversation so far, all of them prompt for the next turn.
        open_calls: Requests waiting for their tool's result, by call id; None if there is nothing to say.
        closed_calls: What another response to a call that is open no more counts as, by id.
        calls_made: How many tool calls there were, for their ids.
    """

    name: str = "1"
    instructed: bool = False
    greeted: bool = False
    context: Spent = Spent()
    open_calls: dict[str, Request | None] = {}
    closed_calls: dict[str, Outcome] = {}
    calls_made: int = 0

    def open_call(self, request: Request | None) -> str:
        """Note that a tool is called for a request; the call's id."""
        self.calls_made += 1
        call_id = f"function-call-{self.name}-{self.calls_made}"
        self.open_calls[call_id] = request
        return call_id

    def outcome_of(self, call_id: str) -> Outcome:
        """What a response to a call that comes now counts as."""
        return "answered" if call_id in self.open_calls else self.closed_calls.get(call_id, "unknown")

    def close_call(self, call_id: str, later: Outcome) -> Request | None:
        """Take no more responses to a call; those that come `later` count as that."""
        self.closed_calls[call_id] = later
        # On another connection to the same conversation it may have been closed already.
        return self.open_calls.pop(call_id, None)
